//! Text with formatting as Telegram wants it: plain text beside entities, so that nothing needs escaping.
//!
//! Offsets and lengths are UTF-16 code units (core.telegram.org/bots/api#messageentity).

/// What an entity does to its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityKind {
    Bold,
    Italic,
    Underline,
    Strikethrough,
    Spoiler,
    Code,
    /// A block of code, with its language if known.
    Pre(Option<String>),
    Blockquote,
    /// A text that leads to this URL.
    Link(String),
}

/// A range of a text and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    pub kind: EntityKind,
    pub offset_utf16: usize,
    pub len_utf16: usize,
}

impl Entity {
    pub fn end_utf16(&self) -> usize {
        self.offset_utf16.saturating_add(self.len_utf16)
    }
}

/// A text and its entities; what is sent to Telegram, without a parse_mode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formatted {
    pub text: String,
    pub entities: Vec<Entity>,
}

impl Formatted {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), entities: Vec::new() }
    }

    /// Length in UTF-16 code units, the measure of Telegram's limits.
    pub fn len_utf16(&self) -> usize {
        len_utf16(&self.text)
    }

    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    #[must_use]
    pub fn bold(self, text: &str) -> Self {
        self.with(EntityKind::Bold, text)
    }

    #[must_use]
    pub fn code(self, text: &str) -> Self {
        self.with(EntityKind::Code, text)
    }

    #[must_use]
    pub fn blockquote(self, text: &str) -> Self {
        self.with(EntityKind::Blockquote, text)
    }

    #[must_use]
    pub fn link(self, text: &str, url: &str) -> Self {
        self.with(EntityKind::Link(url.to_owned()), text)
    }

    /// Adds another formatted text at the end.
    #[must_use]
    pub fn append(mut self, other: Formatted) -> Self {
        let shift = self.len_utf16();
        self.text.push_str(&other.text);
        let moved = other.entities.into_iter().map(|e| Entity { offset_utf16: e.offset_utf16 + shift, ..e });
        self.entities.extend(moved);
        self
    }

    fn with(mut self, kind: EntityKind, text: &str) -> Self {
        let len_utf16 = len_utf16(text);
        if len_utf16 > 0 {
            let offset_utf16 = self.len_utf16();
            self.entities.push(Entity { kind, offset_utf16, len_utf16 });
        }
        self.text(text)
    }
}

/// Length of a text in UTF-16 code units.
pub fn len_utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// An incoming Telegram text as plain text in which nothing that mattered is lost: a link reads
/// `text (url)`, a quoted line begins with `> `. Entities out of range, or inside a character, are ignored.
pub fn text_with_links(text: &str, entities: &[Entity]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut line_start = true;
    let quoted = |at: usize| entities.iter().any(|e| e.kind == EntityKind::Blockquote && covers(e, at));
    for c in text.chars() {
        if line_start && quoted(at) {
            out.push_str("> ");
        }
        out.push(c);
        at += c.len_utf16();
        line_start = c == '\n';
        for entity in entities.iter().filter(|e| e.len_utf16 > 0 && e.end_utf16() == at) {
            if let EntityKind::Link(url) = &entity.kind
                && slice_utf16(text, entity.offset_utf16, at).is_some_and(|shown| shown.trim() != url)
            {
                out.push_str(&format!(" ({url})"));
            }
        }
    }
    out
}

fn covers(entity: &Entity, at: usize) -> bool {
    entity.offset_utf16 <= at && at < entity.end_utf16()
}

/// The part of `text` between two UTF-16 offsets, if both stand between characters.
pub(super) fn slice_utf16(text: &str, from: usize, to: usize) -> Option<&str> {
    text.get(byte_at(text, from)?..byte_at(text, to)?)
}

fn byte_at(text: &str, offset_utf16: usize) -> Option<usize> {
    let mut at = 0;
    for (byte, c) in text.char_indices() {
        if at >= offset_utf16 {
            return (at == offset_utf16).then_some(byte);
        }
        at += c.len_utf16();
    }
    (at == offset_utf16).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_utf16_units() {
        let text = Formatted::plain("😀 ").bold("é🎉").text(" ").link("x", "https://a.example");
        let ranges: Vec<_> = text.entities.iter().map(|e| (e.offset_utf16, e.len_utf16)).collect();
        assert_eq!(ranges, [(3, 3), (7, 1)]);
        let twice = Formatted::plain("😀").append(text);
        assert_eq!(twice.entities[0].offset_utf16, 5);
    }

    #[test]
    fn an_incoming_link_and_quote_are_kept() {
        let text = "😀 look here\nquoted\nlines\nend";
        let entities = [
            Entity { kind: EntityKind::Link("https://a.example/?q=1".into()), offset_utf16: 3, len_utf16: 9 },
            Entity { kind: EntityKind::Blockquote, offset_utf16: 13, len_utf16: 12 },
            Entity { kind: EntityKind::Bold, offset_utf16: 0, len_utf16: 2 },
        ];
        assert_eq!(
            text_with_links(text, &entities),
            "😀 look here (https://a.example/?q=1)\n> quoted\n> lines\nend"
        );
    }

    #[test]
    fn an_entity_out_of_range_is_ignored() {
        let link =
            |offset_utf16, len_utf16| Entity { kind: EntityKind::Link("u".into()), offset_utf16, len_utf16 };
        for entity in [link(1, 1), link(5, 5), link(0, usize::MAX), link(usize::MAX, 2)] {
            assert_eq!(text_with_links("😀a", &[entity]), "😀a");
        }
    }
}
