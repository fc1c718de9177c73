//! Measures how deeply HTML is nested before a parser has to bear it.

use std::collections::HashMap;

/// Whether at most `limit` elements are ever open at once, as a scan of the tags alone can tell.
///
/// A closing tag counts only against an opening one of its name, so that `<div></x><div></x>` is seen.
pub(super) fn open_elements_at_most(html: &str, limit: usize) -> bool {
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut depth = 0_usize;
    let mut rest = html;
    while let Some((_, tail)) = rest.split_once('<') {
        rest = tail;
        if let Some(comment) = tail.strip_prefix("!--") {
            // `<!-->` and `<!--->` are whole comments (HTML, 13.2.5.44).
            rest = match comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
                Some(after) => after,
                None => comment.split_once("-->").map_or("", |(_, after)| after),
            };
            continue;
        }
        let closing = tail.starts_with('/');
        let name: String = tail
            .trim_start_matches('/')
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .take(16)
            .collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || CLOSED_BY_NATURE.contains(&name.as_str()) {
            continue;
        }
        if closing {
            if let Some(count) = open.get_mut(&name).filter(|count| **count > 0) {
                *count -= 1;
                depth -= 1;
            }
            continue;
        }
        if RAW_TEXT.contains(&name.as_str()) {
            rest = after_closing(tail, &name);
            continue;
        }
        rest = after_tag(tail);
        *open.entry(name).or_default() += 1;
        depth += 1;
        if depth > limit {
            return false;
        }
    }
    true
}

/// Void elements, and those whose end tag is optional because the next one of the kind closes them.
const CLOSED_BY_NATURE: [&str; 28] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup",
    "colgroup", "html",
];
const RAW_TEXT: [&str; 4] = ["script", "style", "title", "textarea"];

/// What follows the tag that `tail` is the inside of; a `>` in a quoted value doesn't end it.
fn after_tag(tail: &str) -> &str {
    let mut quote = None;
    for (at, c) in tail.char_indices() {
        match (quote, c) {
            (None, '>') => return tail.get(at + 1..).unwrap_or(""),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    ""
}

fn after_closing<'a>(tail: &'a str, name: &str) -> &'a str {
    let end = format!("</{name}");
    let found = tail
        .match_indices("</")
        .find(|(at, _)| tail.get(*at..*at + end.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(&end)));
    found.and_then(|(at, _)| tail.get(at + end.len()..)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::open_elements_at_most;

    #[test]
    fn only_what_is_really_open_counts() {
        for (html, depth) in [
            ("<div><p><p><p></div>", 1),
            ("<div><div></div></div><div></div>", 2),
            ("<div></x><div></x>", 2),
            ("<b title='>'><i>", 2),
            ("<!-- <div> --><b><!--><i>", 2),
            ("<style>a<div><div></STYLE><b>", 1),
            ("a < b << c <3", 0),
        ] {
            assert!(open_elements_at_most(html, depth), "{html}");
            assert!(depth == 0 || !open_elements_at_most(html, depth - 1), "{html}");
        }
    }
}
