//! A mail's header fields in their order, unfolded, whatever bytes they hold.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

/// The header block of one mail.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    /// Lower-case names with unfolded, trimmed values.
    fields: Vec<(String, String)>,
    /// The block as UTF-8, with its folds, for a parser.
    pub(super) block: String,
    /// Where the body begins.
    pub(super) body_at: usize,
}

impl Headers {
    /// Reads up to the first empty line. What is no field is skipped, a `From ` line of an mbox too.
    pub(super) fn read(raw: &[u8]) -> Self {
        let mut headers = Self { body_at: raw.len(), ..Self::default() };
        let mut at = 0;
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let text = utf8(line);
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                if headers.fields.is_empty() {
                    continue;
                }
                headers.body_at = at;
                break;
            }
            headers.take_line(text);
        }
        headers
    }

    /// The first field of this (lower-case) name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Names and values from the top.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn take_line(&mut self, line: &str) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = self.fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
                self.keep(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim_end();
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()) {
                self.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                self.keep(line);
            }
        }
    }

    fn keep(&mut self, line: &str) {
        self.block.push_str(line);
        self.block.push_str("\r\n");
    }
}

/// `bytes` as UTF-8 (RFC 6532), else as what programs that don't encode headers mostly mean.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decode) => decode(bytes).into(),
            None => String::from_utf8_lossy(bytes),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_whatever_they_hold() {
        for end in ["\n", "\r\n"] {
            let raw = [
                "From x Thu Jan  1",
                "Subject: a",
                "\tb",
                "nonsense",
                "X-Caf\u{e9}: no",
                "TO : c",
                "",
                "Body: d",
            ]
            .join(end);
            let headers = Headers::read(raw.as_bytes());
            let fields: Vec<_> = headers.iter().collect();
            assert_eq!(fields, [("subject", "a b"), ("to", "c")]);
            assert_eq!(raw.get(headers.body_at..), Some("Body: d"));
        }
        assert_eq!(Headers::read(b"Subject: Gr\xfc\xdfe\n").get("subject"), Some("Grüße"));
        assert!(Headers::read(b"").is_empty());
    }
}
