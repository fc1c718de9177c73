//! Tells what a mail newly says from what it quotes and from its signature, without ever losing text.
//!
//! Steps: 1. a forwarded mail is left whole; 2. the first announcement of a quote, or the block of `>`
//! lines at the end, divides the text; 3. where own words stand both above and below or between quoted
//! lines, the answers are interleaved and everything is kept; 4. the signature is cut from what is new;
//! 5. if nothing would be left, everything is kept.

pub use super::quote_marks::REPLY_SEPARATOR;
use super::quote_marks::{
    Announcement, announcement, is_forward, is_mobile_signature, is_separator, says_inline,
};

/// A mail's text in its parts; together they hold every word of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trimmed {
    /// What the sender wrote; never blank unless the whole text is.
    pub new: String,
    /// What was quoted, with the line that announced it.
    pub quoted: Option<String>,
    /// The signature below what is new, its `-- ` included.
    pub signature: Option<String>,
}

/// Lines of a signature; what is longer after `-- ` is taken for text.
const MAX_SIGNATURE_LINES: usize = 15;
/// The same after a `--` without its blank, which people also draw between paragraphs.
const MAX_BARE_SIGNATURE_LINES: usize = 6;
/// Lines that a phone's program adds.
const MAX_MOBILE_SIGNATURE_LINES: usize = 3;

/// Divides `text` into what is new, what is quoted, and the signature. On doubt everything is new.
pub fn trim_quote(text: &str) -> Trimmed {
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    if lines.iter().any(|line| is_forward(line)) {
        return whole(&text);
    }
    let Some(parts) = divide(&lines) else { return with_signature(&text, Vec::new()) };
    let new = join(&parts.new);
    if new.is_empty() || (parts.unmarked && says_inline(&new)) {
        return whole(&text);
    }
    with_signature(&new, parts.quoted)
}

fn whole(text: &str) -> Trimmed {
    Trimmed { new: text.trim_matches('\n').trim_end().to_owned(), quoted: None, signature: None }
}

// === quotes ===

struct Parts<'a> {
    new: Vec<&'a str>,
    quoted: Vec<&'a str>,
    /// The quoted lines carry no `>`, so that an answer among them could not be seen.
    unmarked: bool,
}

/// The text in its parts, or nothing if there is no quote or the answers are interleaved.
fn divide<'a>(lines: &[&'a str]) -> Option<Parts<'a>> {
    let start = quote_start(lines)?;
    let (above, below) = lines.split_at_checked(start.line)?;
    let (header, body) = below.split_at_checked(start.header)?;
    if !start.marked {
        return Some(Parts { new: above.to_vec(), quoted: below.to_vec(), unmarked: true });
    }
    let quote_len = body.iter().rposition(|line| is_quoted(line)).map_or(0, |last| last + 1);
    let (quote, after) = body.split_at_checked(quote_len)?;
    if quote.iter().any(|line| !line.trim().is_empty() && !is_quoted(line)) {
        return None;
    }
    let quoted: Vec<&str> = header.iter().chain(quote).copied().collect();
    if is_blank(after) || is_signature(after) {
        let quoted = quoted.into_iter().chain(after.iter().copied()).collect();
        return Some(Parts { new: above.to_vec(), quoted, unmarked: false });
    }
    // Bottom posting: the whole answer stands below.
    is_blank(above).then(|| Parts { new: after.to_vec(), quoted, unmarked: false })
}

struct QuoteStart {
    line: usize,
    /// Lines that announce the quote.
    header: usize,
    /// Whether the quoted lines carry a `>`.
    marked: bool,
}

fn quote_start(lines: &[&str]) -> Option<QuoteStart> {
    for (at, line) in lines.iter().enumerate() {
        let rest = lines.get(at..)?;
        if is_quoted(line) {
            let header = usize::from(is_separator(line));
            return Some(QuoteStart { line: at, header, marked: true });
        }
        let Some((kind, count)) = announcement(rest) else { continue };
        let next = rest.iter().skip(count).find(|line| !line.trim().is_empty());
        let marked = next.is_some_and(|line| is_quoted(line));
        let separated = next.is_some_and(|line| is_separator(line));
        match kind {
            Announcement::Certain => {
                // What hangs below our own line or a header block is quoted even where it has no `>`.
                return Some(QuoteStart { line: above_rule(lines, at), header: count, marked: false });
            }
            Announcement::Attribution => {
                return Some(QuoteStart { line: at, header: count, marked: marked && !separated });
            }
            Announcement::Weak if marked || separated => {
                return Some(QuoteStart { line: at, header: count, marked: marked && !separated });
            }
            Announcement::Weak => {}
        }
    }
    None
}

/// Outlook draws a line above its header block: it belongs to the quote.
fn above_rule(lines: &[&str], at: usize) -> usize {
    let above = lines.get(..at).unwrap_or_default();
    let rule = above.iter().rposition(|line| !line.trim().is_empty());
    let is_rule = |line: &&str| {
        let line = line.trim();
        line.len() >= 5 && line.chars().all(|c| matches!(c, '_' | '-' | '=' | '─'))
    };
    rule.filter(|rule| above.get(*rule).is_some_and(is_rule)).unwrap_or(at)
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

fn is_blank(lines: &[&str]) -> bool {
    lines.iter().all(|line| line.trim().is_empty())
}

// === signatures ===

/// `text` with its signature cut; a signature that would be all of it stays.
fn with_signature(text: &str, quoted: Vec<&str>) -> Trimmed {
    let lines: Vec<&str> = text.split('\n').collect();
    let starts = |at: &usize| lines.get(*at).is_some_and(|line| !line.trim().is_empty());
    let cut = (0..lines.len()).filter(starts).find(|at| lines.get(*at..).is_some_and(is_signature));
    let parts = cut.and_then(|at| lines.split_at_checked(at)).filter(|(above, _)| !is_blank(above));
    let (new, signature) = match parts {
        Some((new, signature)) => (join(new), Some(join(signature))),
        None => (join(&lines), None),
    };
    let quoted = Some(join(&quoted)).filter(|quoted| !quoted.is_empty());
    Trimmed { new, quoted, signature }
}

/// Whether these lines are nothing but a signature: `-- ` and a few lines, or what a phone adds.
///
/// Looks at a bounded number of lines, so that asking at each line of a long text stays cheap.
fn is_signature(lines: &[&str]) -> bool {
    let mut filled = lines.iter().filter(|line| !line.trim().is_empty()).take(MAX_SIGNATURE_LINES + 2);
    let Some(first) = filled.next() else { return false };
    let following: Vec<_> = filled.collect();
    match *first {
        "-- " | "\u{2014} " => following.len() <= MAX_SIGNATURE_LINES,
        "--" => (1..=MAX_BARE_SIGNATURE_LINES).contains(&following.len()),
        line => {
            is_mobile_signature(line)
                && following.len() < MAX_MOBILE_SIGNATURE_LINES
                && following.iter().all(|line| is_mobile_signature(line))
        }
    }
}

fn join(lines: &[&str]) -> String {
    lines.join("\n").trim_matches('\n').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words of a text in order, without the white space that trimming may take.
    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    fn check(text: &str, trimmed: &Trimmed) {
        let mut kept = words(&trimmed.new);
        kept.extend(words(trimmed.signature.as_deref().unwrap_or_default()));
        kept.extend(words(trimmed.quoted.as_deref().unwrap_or_default()));
        let mut all = words(text);
        kept.sort_unstable();
        all.sort_unstable();
        assert_eq!(kept, all, "words were lost or doubled");
        assert!(!trimmed.new.trim().is_empty() || text.trim().is_empty(), "nothing new is left");
    }

    /// Each file: the mail, a line `=== new ===`, what of it is new. Read with LF and with CRLF.
    #[test]
    fn the_corpus_is_trimmed_as_expected() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/quotes");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let case = std::fs::read_to_string(&path).unwrap();
            let (mail, expected) = case.split_once("\n=== new ===\n").expect("a marker line");
            for mail in [mail.to_owned(), mail.replace('\n', "\r\n")] {
                let trimmed = trim_quote(&mail);
                assert_eq!(trimmed.new, expected.trim_end(), "{}", path.display());
                check(&mail, &trimmed);
            }
            seen += 1;
        }
        assert!(seen >= 20, "only {seen} cases were found");
    }

    #[test]
    fn the_parts_are_named() {
        let trimmed =
            trim_quote("Yes.\n-- \nAnn\n\nOn Mon, 5 May 2025 10:31, S <s@x.example> wrote:\n> ok?\n");
        assert_eq!(trimmed.new, "Yes.");
        assert_eq!(trimmed.signature.as_deref(), Some("-- \nAnn"));
        assert_eq!(
            trimmed.quoted.as_deref(),
            Some("On Mon, 5 May 2025 10:31, S <s@x.example> wrote:\n> ok?")
        );
    }

    #[test]
    fn what_would_leave_nothing_is_kept() {
        for text in
            ["> only\n> quoted", "-- \nAnn", "Sent from my iPhone", "On 5 May 10:31 S wrote:\n> x", ""]
        {
            let trimmed = trim_quote(text);
            assert_eq!(words(&trimmed.new), words(text));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(lines in proptest::collection::vec(prop_oneof![
            Just("On Mon, 5 May 2025 10:31, S <s@x.example> wrote:".to_owned()),
            Just("From: S <s@x.example>".to_owned()),
            Just("Sent: Monday".to_owned()),
            Just("Subject: x".to_owned()),
            Just("-- ".to_owned()),
            Just("--".to_owned()),
            Just("__________".to_owned()),
            Just("Sent from my iPhone".to_owned()),
            Just(REPLY_SEPARATOR.to_owned()),
            Just("> quoted".to_owned()),
            Just(">".to_owned()),
            Just(String::new()),
            "[a-z >:-]{0,12}",
        ], 0..14)) {
            let text = lines.join("\n");
            check(&text, &trim_quote(&text));
        }

        #[test]
        fn nothing_is_lost_of_any_text(text in "(?s).{0,200}") {
            check(&text, &trim_quote(&text));
        }
    }
}
