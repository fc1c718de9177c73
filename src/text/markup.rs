//! The marks by which templates say “bold” without any character that a customer's text could contain.
//!
//! A filter wraps its text in private-use code points, which are taken out of every value that comes
//! from outside; after rendering they become entities (Telegram) or vanish (plain text).

use super::entities::{Entity, EntityKind, Formatted};

/// The first of the code points used as marks; from Supplementary Private Use Area-A.
const FIRST: char = '\u{f0000}';
const LAST: char = '\u{f0005}';

/// What a template can mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Bold,
    Code,
    Quote,
}

impl Mark {
    const ALL: [Mark; 3] = [Mark::Bold, Mark::Code, Mark::Quote];

    /// `text` between this mark's code points, with marks inside taken out.
    pub(super) fn wrap(self, text: &str) -> String {
        let (open, close) = self.code_points();
        format!("{open}{}{close}", strip_marks(text))
    }

    fn code_points(self) -> (char, char) {
        match self {
            Mark::Bold => ('\u{f0000}', '\u{f0001}'),
            Mark::Code => ('\u{f0002}', '\u{f0003}'),
            Mark::Quote => ('\u{f0004}', '\u{f0005}'),
        }
    }

    fn kind(self) -> EntityKind {
        match self {
            Mark::Bold => EntityKind::Bold,
            Mark::Code => EntityKind::Code,
            Mark::Quote => EntityKind::Blockquote,
        }
    }
}

/// `text` without any code point that could be taken for a mark.
pub(super) fn strip_marks(text: &str) -> String {
    text.chars().filter(|c| !(FIRST..=LAST).contains(c)).collect()
}

/// A rendered text with its marks turned into entities; an unpaired mark is dropped.
pub(super) fn to_formatted(marked: &str) -> Formatted {
    let mut text = String::with_capacity(marked.len());
    let mut entities = Vec::new();
    let mut at = 0;
    let mut open: Option<(Mark, usize)> = None;
    for c in marked.chars() {
        if !(FIRST..=LAST).contains(&c) {
            text.push(c);
            at += c.len_utf16();
        } else if let Some(mark) = Mark::ALL.into_iter().find(|mark| mark.code_points().0 == c) {
            open = Some((mark, at));
        } else if let Some((mark, start)) = open.take_if(|(mark, _)| mark.code_points().1 == c)
            && at > start
        {
            entities.push(Entity { kind: mark.kind(), offset_utf16: start, len_utf16: at - start });
        }
    }
    Formatted { text, entities }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_entities() {
        let marked = format!("😀 {} and {}", Mark::Bold.wrap("a"), Mark::Code.wrap("b\u{f0001}c"));
        let expected = Formatted::plain("😀 ").bold("a").text(" and ").code("bc");
        assert_eq!(to_formatted(&marked), expected);
    }

    #[test]
    fn stray_marks_do_nothing() {
        assert_eq!(to_formatted("a\u{f0001}b\u{f0000}c\u{f0003}"), Formatted::plain("abc"));
    }
}
