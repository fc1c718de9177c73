//! Text with its formatting as the Bot API reads it: entities, HTML or MarkdownV2.
//!
//! Rules and error texts: <https://core.telegram.org/bots/api#formatting-options>.

use serde_json::{Map, Value, json};

use super::params::Params;
use super::rules::{Refusal, utf16_len};

/// A text and its entities, as a message carries them.
#[derive(Debug, Clone, PartialEq)]
pub struct Formatted {
    pub text: String,
    pub entities: Vec<Value>,
}

impl Formatted {
    /// Reads the text in `name`, formatted by `parse_mode` or by the entities in `entities_name`.
    pub fn read(params: &Params, name: &str, entities_name: &str) -> Result<Formatted, Refusal> {
        let text = params.text(name).unwrap_or_default();
        let mode = params.text("parse_mode").map(|mode| mode.to_ascii_lowercase());
        let mut formatted = match mode.as_deref() {
            Some("html") => html(&text)?,
            Some("markdownv2") => markdown(&text)?,
            None | Some("none") => {
                let entities = params.list(entities_name)?.unwrap_or_default();
                entities.iter().try_for_each(|entity| check(entity, &text))?;
                Formatted { text, entities }
            }
            Some(_) => return Err(Refusal::bad_request("unsupported parse_mode")),
        };
        formatted.trim();
        Ok(formatted)
    }

    /// The server drops white space at the end, and what the entities said about it.
    fn trim(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        let end = utf16_len(&self.text) as u64;
        self.entities.retain_mut(|entity| {
            let (offset, length) = span(entity);
            let Some(length) = end.checked_sub(offset).map(|room| room.min(length)) else { return false };
            if let Some(entity) = entity.as_object_mut() {
                entity.insert("length".to_owned(), Value::from(length));
            }
            length > 0
        });
        self.entities.sort_by_key(|entity| {
            let (offset, length) = span(entity);
            (offset, u64::MAX - length)
        });
    }
}

fn span(entity: &Value) -> (u64, u64) {
    let number = |key| entity.get(key).and_then(Value::as_u64).unwrap_or_default();
    (number("offset"), number("length"))
}

const KINDS: &[&str] = &[
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
];

/// An entity has to name a known kind and to begin and end between characters of the text.
fn check(entity: &Value, text: &str) -> Result<(), Refusal> {
    let kind = entity.get("type").and_then(Value::as_str).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(Refusal::entities("unsupported type specified"));
    }
    if kind == "text_link" && entity.get("url").and_then(Value::as_str).is_none() {
        return Err(Refusal::entities("Field \"url\" must be of type String"));
    }
    let Some((offset, length)) =
        entity.get("offset").and_then(Value::as_u64).zip(entity.get("length").and_then(Value::as_u64))
    else {
        return Err(Refusal::entities("Field \"offset\" must be of type Number"));
    };
    let mut boundaries = vec![0];
    let mut at = 0;
    for character in text.chars() {
        at += character.len_utf16() as u64;
        boundaries.push(at);
    }
    for end in [offset, offset + length] {
        if boundaries.binary_search(&end).is_err() {
            let wrong = format!(
                "entity boundary at UTF-16 offset {end} is in the middle of a symbol or out of the text"
            );
            return Err(Refusal::entities(wrong));
        }
    }
    Ok(())
}

/// Text that grows while its markup is read.
#[derive(Default)]
struct Builder {
    text: String,
    units: usize,
    entities: Vec<Value>,
}

impl Builder {
    fn push(&mut self, character: char) {
        self.text.push(character);
        self.units += character.len_utf16();
    }

    fn close(&mut self, kind: &str, start: usize, extra: Map<String, Value>) {
        if self.units == start {
            return;
        }
        let mut entity = extra;
        entity.insert("type".to_owned(), Value::from(kind));
        entity.insert("offset".to_owned(), Value::from(start));
        entity.insert("length".to_owned(), Value::from(self.units - start));
        self.entities.push(Value::Object(entity));
    }

    fn done(self) -> Formatted {
        Formatted { text: self.text, entities: self.entities }
    }
}

struct OpenTag {
    name: String,
    kind: &'static str,
    start: usize,
    extra: Map<String, Value>,
}

fn html(source: &str) -> Result<Formatted, Refusal> {
    let mut out = Builder::default();
    let mut open: Vec<OpenTag> = Vec::new();
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let at = source.len() - rest.len();
        if character == '<' {
            let Some((tag, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
                return Err(Refusal::entities(format!("Unclosed start tag at byte offset {at}")));
            };
            match tag.strip_prefix('/') {
                Some(name) => close_tag(&mut out, &mut open, name.trim(), at)?,
                None => open.push(open_tag(tag, out.units, at)?),
            }
            rest = after;
        } else if let Some((character, after)) = reference(rest) {
            out.push(character);
            rest = after;
        } else {
            out.push(character);
            rest = rest.strip_prefix(character).unwrap_or_default();
        }
    }
    match open.pop() {
        Some(tag) => {
            let wrong = format!("Can't find end tag corresponding to start tag \"{}\"", tag.name);
            Err(Refusal::entities(wrong))
        }
        None => Ok(out.done()),
    }
}

fn open_tag(tag: &str, start: usize, at: usize) -> Result<OpenTag, Refusal> {
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let name = name.to_ascii_lowercase();
    let attribute = |wanted: &str| {
        let (_, value) = attributes.split_once(&format!("{wanted}="))?;
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value.strip_prefix(quote)?.split_once(quote).map(|(value, _)| plain(value))
    };
    let mut extra = Map::new();
    let kind = match name.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "tg-spoiler" => "spoiler",
        "span" if attribute("class").as_deref() == Some("tg-spoiler") => "spoiler",
        "span" => {
            let wrong = format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}");
            return Err(Refusal::entities(wrong));
        }
        "code" => "code",
        "pre" => "pre",
        "blockquote" if attributes.trim() == "expandable" => "expandable_blockquote",
        "blockquote" => "blockquote",
        "tg-emoji" => {
            extra.insert("custom_emoji_id".to_owned(), json!(attribute("emoji-id").unwrap_or_default()));
            "custom_emoji"
        }
        "a" => {
            // A link whose address is no address stays plain text, as at the server.
            let address = attribute("href").unwrap_or_default();
            if url::Url::parse(&address).is_ok() {
                extra.insert("url".to_owned(), json!(address));
                "text_link"
            } else {
                ""
            }
        }
        _ => {
            return Err(Refusal::entities(format!("Unsupported start tag \"{name}\" at byte offset {at}")));
        }
    };
    Ok(OpenTag { name, kind, start, extra })
}

fn close_tag(out: &mut Builder, open: &mut Vec<OpenTag>, name: &str, at: usize) -> Result<(), Refusal> {
    let Some(tag) = open.pop() else {
        return Err(Refusal::entities(format!("Unexpected end tag at byte offset {at}")));
    };
    if !name.is_empty() && !tag.name.eq_ignore_ascii_case(name) {
        let wrong = format!(
            "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
            tag.name
        );
        return Err(Refusal::entities(wrong));
    }
    if !tag.kind.is_empty() {
        out.close(tag.kind, tag.start, tag.extra);
    }
    Ok(())
}

/// The character of a reference such as `&amp;` or `&#39;`, and what follows; others stay as they are.
fn reference(text: &str) -> Option<(char, &str)> {
    let (name, rest) = text.strip_prefix('&')?.split_once(';')?;
    let character = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, rest))
}

fn plain(text: &str) -> String {
    html(text).map_or_else(|_| text.to_owned(), |formatted| formatted.text)
}

/// Marks that open and close; longer ones first.
const MARKS: [(&str, &str, &str); 7] = [
    ("```", "pre", "PreCode"),
    ("||", "spoiler", "Spoiler"),
    ("__", "underline", "Underline"),
    ("*", "bold", "Bold"),
    ("_", "italic", "Italic"),
    ("~", "strikethrough", "Strikethrough"),
    ("`", "code", "Code"),
];
const RESERVED: &str = "_*[]()~`>#+-=|{}.!";

fn markdown(source: &str) -> Result<Formatted, Refusal> {
    let mut out = Builder::default();
    let mut open: Vec<(&str, usize, usize)> = Vec::new();
    let mut quote: Option<usize> = None;
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let at = source.len() - rest.len();
        let line_start = source.get(..at).is_some_and(|before| before.is_empty() || before.ends_with('\n'));
        let in_code = open.last().map(|(mark, ..)| *mark).filter(|mark| mark.starts_with('`'));
        let mark = MARKS.iter().find(|(mark, ..)| rest.starts_with(mark));
        if line_start && quote.is_some() && character != '>' {
            out.close("blockquote", quote.take().unwrap_or_default(), Map::new());
        }
        if let Some(escaped) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next())
            && escaped.is_ascii()
            && !escaped.is_ascii_alphanumeric()
        {
            out.push(escaped);
            rest = rest.strip_prefix('\\').and_then(|rest| rest.strip_prefix(escaped)).unwrap_or_default();
        } else if let Some((mark, kind, _)) =
            mark.filter(|(mark, ..)| in_code.is_none_or(|code| code == *mark))
        {
            match open.pop_if(|(opened, ..)| opened == mark) {
                Some((_, start, _)) => out.close(kind, start, Map::new()),
                None => open.push((mark, out.units, at)),
            }
            rest = rest.strip_prefix(mark).unwrap_or_default();
        } else if in_code.is_some() {
            out.push(character);
            rest = rest.strip_prefix(character).unwrap_or_default();
        } else if character == '[' {
            open.push(("[", out.units, at));
            rest = rest.strip_prefix('[').unwrap_or_default();
        } else if let Some((_, start, _)) = open.pop_if(|(opened, ..)| character == ']' && *opened == "[") {
            let address = rest.strip_prefix("](").and_then(|rest| rest.split_once(')'));
            if let Some((address, _)) = address {
                let extra = json!({ "url": address.replace('\\', "") });
                out.close("text_link", start, extra.as_object().cloned().unwrap_or_default());
            }
            rest = address.map(|(_, rest)| rest).or_else(|| rest.strip_prefix(']')).unwrap_or_default();
        } else if character == '>' && line_start {
            quote.get_or_insert(out.units);
            rest = rest.strip_prefix('>').unwrap_or_default();
        } else if RESERVED.contains(character) {
            let wrong =
                format!("Character '{character}' is reserved and must be escaped with the preceding '\\'");
            return Err(Refusal::entities(wrong));
        } else {
            out.push(character);
            rest = rest.strip_prefix(character).unwrap_or_default();
        }
    }
    if let Some(start) = quote {
        out.close("blockquote", start, Map::new());
    }
    match open.pop() {
        Some((mark, _, at)) => {
            let name = MARKS.iter().find(|(known, ..)| *known == mark).map_or("TextUrl", |(.., name)| name);
            Err(Refusal::entities(format!("Can't find end of {name} entity at byte offset {at}")))
        }
        None => Ok(out.done()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(formatted: &Formatted) -> Vec<(String, u64, u64)> {
        let kind = |entity: &Value| entity["type"].as_str().unwrap().to_owned();
        formatted.entities.iter().map(|e| (kind(e), span(e).0, span(e).1)).collect()
    }

    #[test]
    fn html_becomes_entities_counted_in_utf16() {
        let formatted =
            html("😀 <b>fat <i>thin</i></b> &lt;tag&gt; <a href=\"https://a.example/?x=1&amp;y=2\">link</a>")
                .unwrap();
        assert_eq!(formatted.text, "😀 fat thin <tag> link");
        let expected = [("italic", 7, 4), ("bold", 3, 8), ("text_link", 18, 4)];
        assert_eq!(kinds(&formatted), expected.map(|(kind, at, len)| (kind.to_owned(), at, len)));
        assert_eq!(formatted.entities[2]["url"], "https://a.example/?x=1&y=2");
    }

    #[test]
    fn broken_html_is_refused_in_the_servers_words() {
        let refused = |source| html(source).unwrap_err().description;
        let begin = "Bad Request: can't parse entities: ";
        assert_eq!(refused("a <b>c"), format!("{begin}Can't find end tag corresponding to start tag \"b\""));
        assert_eq!(refused("<script>"), format!("{begin}Unsupported start tag \"script\" at byte offset 0"));
        assert_eq!(refused("ab</b>"), format!("{begin}Unexpected end tag at byte offset 2"));
        let crossed = "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"";
        assert_eq!(refused("<b><i>x</b>"), format!("{begin}{crossed}"));
    }

    #[test]
    fn markdown_reads_marks_and_insists_on_escapes() {
        let formatted =
            markdown("*fat _thin_* __under__ `a.b` [li\\.nk](https://a.example)\n>said\nend").unwrap();
        assert_eq!(formatted.text, "fat thin under a.b li.nk\nsaid\nend");
        let names: Vec<_> = kinds(&formatted).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(names, ["italic", "bold", "underline", "code", "text_link", "blockquote"]);
        let refused = |source| markdown(source).unwrap_err().description;
        assert!(
            refused("a.b").contains("Character '.' is reserved and must be escaped with the preceding '\\'")
        );
        assert!(refused("*a").contains("Can't find end of Bold entity at byte offset 0"));
    }

    #[test]
    fn entities_may_not_cut_a_character_or_leave_the_text() {
        let entity = |offset, length| json!({ "type": "bold", "offset": offset, "length": length });
        assert!(check(&entity(0, 2), "😀").is_ok());
        assert!(check(&entity(1, 1), "😀").is_err());
        assert!(check(&entity(0, 3), "😀").is_err());
        assert!(check(&json!({ "type": "loud", "offset": 0, "length": 1 }), "a").is_err());
    }
}
