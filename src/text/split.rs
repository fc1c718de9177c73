//! Cuts a text into messages that Telegram takes: at most so many UTF-16 units each, formatting intact.

use super::entities::{Entity, Formatted};

/// UTF-16 units of a message's text (core.telegram.org/bots/api#sendmessage).
pub const TEXT_LIMIT: usize = 4096;
/// UTF-16 units of a caption (core.telegram.org/bots/api#sendphoto).
pub const CAPTION_LIMIT: usize = 1024;

/// Cuts `formatted` into pieces of at most `limit_utf16` units that, joined, are the input again.
///
/// It cuts after a paragraph, else a line, else a word, outside entities where it can; an entity that
/// must be cut goes on in the next piece. Never inside a character; a piece may be only white space
/// where the input has that much of it, and Telegram refuses to send such a piece. An empty input is
/// one empty piece. A limit below 2, which holds no emoji, counts as 2.
pub fn split(formatted: &Formatted, limit_utf16: usize) -> Vec<Formatted> {
    let limit = limit_utf16.max(2);
    let mut pieces = Vec::new();
    let mut rest = formatted.text.as_str();
    let mut start = 0;
    while let Some(cut) = cut_of(rest, start, &formatted.entities, limit) {
        let Some((head, tail)) = rest.split_at_checked(cut.byte) else { break };
        pieces.push(piece(head, start, cut.at, &formatted.entities));
        rest = tail;
        start = cut.at;
    }
    pieces.push(piece(rest, start, usize::MAX, &formatted.entities));
    pieces
}

/// A place between two characters: bytes from the start of the rest, units from the start of the text.
#[derive(Clone, Copy)]
struct Cut {
    byte: usize,
    at: usize,
}

/// How good a place to cut is; what comes later is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Character,
    WordInEntity,
    LineInEntity,
    Word,
    Line,
    Paragraph,
}

/// Where to cut `rest`, which begins at unit `start`; nothing if it fits.
fn cut_of(rest: &str, start: usize, entities: &[Entity], limit: usize) -> Option<Cut> {
    let mut best: Option<(Grade, Cut)> = None;
    let mut fallback = None;
    let mut at = start;
    let mut previous = None;
    let mut before_previous = None;
    for (byte, c) in rest.char_indices() {
        let end = at + c.len_utf16();
        let here = Cut { byte, at };
        if at > start {
            fallback = Some(here);
            let grade = grade(before_previous, previous, c, inside(entities, at));
            // A cut in the first third would make a ragged row of little messages.
            let early = (at - start) < limit / 3;
            if let Some(grade) = grade.filter(|g| !early || *g == Grade::Character)
                && best.is_none_or(|(known, _)| grade >= known)
            {
                best = Some((grade, here));
            }
        }
        if end - start > limit {
            return best.map(|(_, cut)| cut).or(fallback);
        }
        at = end;
        before_previous = previous;
        previous = Some(c);
    }
    None
}

fn grade(before: Option<char>, previous: Option<char>, next: char, inside: bool) -> Option<Grade> {
    let previous = previous?;
    if clings(previous, next) {
        return None;
    }
    let grade = match (previous, next) {
        // Not between the line ends of one gap: the next message would begin with an empty line.
        (_, '\n') => Grade::Character,
        ('\n', _) if inside => Grade::LineInEntity,
        ('\n', _) if before == Some('\n') => Grade::Paragraph,
        ('\n', _) => Grade::Line,
        (p, n) if p.is_whitespace() && !n.is_whitespace() => {
            if inside {
                Grade::WordInEntity
            } else {
                Grade::Word
            }
        }
        _ => Grade::Character,
    };
    Some(grade)
}

/// Whether `next` is drawn as one with `previous`: marks, joiners, skin tones, flags, `\r\n`.
fn clings(previous: char, next: char) -> bool {
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let mark = |c: char| matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{e0020}'..='\u{e007f}');
    let flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    joins(next)
        || mark(next)
        || previous == '\u{200d}'
        || (flag(previous) && flag(next))
        || (previous == '\r' && next == '\n')
}

fn inside(entities: &[Entity], at: usize) -> bool {
    entities.iter().any(|e| e.offset_utf16 < at && at < e.end_utf16())
}

fn piece(text: &str, from: usize, to: usize, entities: &[Entity]) -> Formatted {
    let entities = entities.iter().filter_map(|entity| {
        let start = entity.offset_utf16.max(from);
        let end = entity.end_utf16().min(to);
        (start < end).then(|| Entity {
            kind: entity.kind.clone(),
            offset_utf16: start - from,
            len_utf16: end - start,
        })
    });
    Formatted { text: text.to_owned(), entities: entities.collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::entities::{EntityKind, slice_utf16};

    fn texts(formatted: &Formatted, limit: usize) -> Vec<String> {
        split(formatted, limit).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn it_cuts_after_a_paragraph_then_a_line_then_a_word() {
        let cut = |text: &str| texts(&Formatted::plain(text), 12);
        assert_eq!(cut("one two\n\nthree four"), ["one two\n\n", "three four"]);
        assert_eq!(cut("one two\nthree four"), ["one two\n", "three four"]);
        assert_eq!(cut("one two three four"), ["one two ", "three four"]);
        assert_eq!(cut("onetwothreefour"), ["onetwothreef", "our"]);
        assert_eq!(cut("fits"), ["fits"]);
        assert_eq!(cut(""), [""]);
    }

    #[test]
    fn a_limit_counts_utf16_units_and_no_emoji_is_cut() {
        let text = "😀".repeat(5000);
        let pieces = split(&Formatted::plain(text.as_str()), TEXT_LIMIT);
        assert_eq!(pieces.iter().map(Formatted::len_utf16).collect::<Vec<_>>(), [4096, 4096, 1808]);
        assert_eq!(texts(&Formatted::plain("ab👍🏽cd"), 5), ["ab", "👍🏽c", "d"]);
        assert_eq!(texts(&Formatted::plain("abc🇩🇪d"), 6), ["abc", "🇩🇪d"]);
    }

    #[test]
    fn an_entity_stays_whole_where_it_can() {
        let text = Formatted::plain("aaaa bbbb ").bold("cc dd ee").text(" f");
        let pieces = split(&text, 14);
        assert_eq!(pieces[0].text, "aaaa bbbb ");
        assert_eq!(pieces[1].entities, [Entity { kind: EntityKind::Bold, offset_utf16: 0, len_utf16: 8 }]);
    }

    #[test]
    fn an_entity_that_must_be_cut_goes_on_in_the_next_piece() {
        let pieces = split(&Formatted::plain("x").code(&"line of code\n".repeat(3)), 20);
        assert_eq!(pieces.iter().map(|p| p.entities.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(pieces[1].text, "line of code\n");
        assert_eq!(pieces[1].entities[0].len_utf16, 13);
    }

    fn formatted() -> impl Strategy<Value = Formatted> {
        proptest::collection::vec(("[a-c😀👍🏽\u{301}🇩🇪 \n\u{200d}]{0,30}", 0..4_u8), 0..8).prop_map(|parts| {
            parts.into_iter().fold(Formatted::default(), |all, (text, kind)| match kind {
                0 => all.text(&text),
                1 => all.bold(&text),
                2 => all.code(&text),
                _ => all.link(&text, "https://a.example"),
            })
        })
    }

    proptest! {
        #[test]
        fn pieces_fit_and_are_the_input_when_joined(input in formatted(), limit in 2..40_usize) {
            let pieces = split(&input, limit);
            let mut joined = String::new();
            let mut covered = 0;
            for piece in &pieces {
                prop_assert!(piece.len_utf16() <= limit);
                for entity in &piece.entities {
                    let part = slice_utf16(&piece.text, entity.offset_utf16, entity.end_utf16());
                    prop_assert!(part.is_some_and(|part| !part.is_empty()));
                    covered += entity.len_utf16;
                }
                joined.push_str(&piece.text);
            }
            prop_assert_eq!(&joined, &input.text);
            prop_assert_eq!(covered, input.entities.iter().map(|e| e.len_utf16).sum::<usize>());
            prop_assert!(input.text.is_empty() || pieces.iter().all(|piece| !piece.text.is_empty()));
        }
    }
}
