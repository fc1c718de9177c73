//! The marker: the word by which we find our own text again at a ticket API.

use std::{fmt, sync::LazyLock};

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::secret::InstanceSecret;

/// `tb-` and 13 characters of lower-case base32 (65 bits). The same message has
/// the same marker under the same secret, also after a restored store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Marker(String);

impl Marker {
    pub fn of(secret: &InstanceSecret, key: &str) -> Self {
        let mac = secret.sign("marker", key.as_bytes());
        let word: String = base32().encode(&mac).chars().take(13).collect();
        Self(format!("tb-{word}"))
    }

    /// Whether this marker stands in `text`, however a ticket system wrapped or escaped it.
    pub fn is_in(&self, text: &str) -> bool {
        Self::all_in(text).any(|found| found == *self)
    }

    /// Every word of a marker's form in `text`.
    pub fn all_in(text: &str) -> impl Iterator<Item = Self> + '_ {
        #[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
        static FORM: LazyLock<Regex> = LazyLock::new(|| {
            // A system may escape the hyphen (Markdown), replace it (typography) or break the line after it.
            Regex::new(r"(?i)\btb(?:\\?[-\u{2010}\u{2011}]|&#45;|&#x2d;)\s{0,4}([a-z2-7]{13})\b")
                .expect("valid")
        });
        FORM.captures_iter(text)
            .filter_map(|found| found.get(1))
            .map(|word| Self(format!("tb-{}", word.as_str().to_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Base32 (RFC 4648) in lower case without padding: survives mail systems and
/// people that change the case of what they copy.
pub(super) fn base32() -> &'static Encoding {
    static LOWER: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification: Specification = BASE32_NOPAD.specification();
        specification.symbols = specification.symbols.to_lowercase();
        specification.encoding().unwrap_or(BASE32_NOPAD)
    });
    &LOWER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(key: &str) -> Marker {
        Marker::of(&InstanceSecret::new([7; 32], None), key)
    }

    #[test]
    fn is_the_same_for_the_same_message_and_another_for_another() {
        assert_eq!(marker("a"), marker("a"));
        assert_ne!(marker("a"), marker("b"));
        assert_eq!(marker("a").as_str().len(), 16);
        assert_eq!(marker("a").as_str(), marker("a").as_str().to_lowercase());
    }

    #[test]
    fn is_found_however_a_ticket_system_mangled_it() {
        let m = marker("a");
        let word = m.as_str().trim_start_matches("tb-");
        for text in [
            format!("via Telegram, @x · {m}"),
            format!("via Telegram, @x · tb-\r\n{word}"),
            format!("<p>via Telegram · tb\\-{word}</p>"),
            format!("via Telegram · TB-{}", word.to_uppercase()),
            format!("via Telegram · tb&#45;{word}."),
            format!("> via Telegram · tb\u{2011}{word}\n> more"),
        ] {
            assert!(m.is_in(&text), "{text}");
        }
        assert!(!m.is_in(&format!("tb-{word}x")));
        assert!(!marker("b").is_in(m.as_str()));
    }
}
