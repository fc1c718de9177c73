//! Text from Telegram: its entities become plain text that keeps its links.

pub use crate::model::formatted::{Entity, EntityKind, Formatted, len_utf16};

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
