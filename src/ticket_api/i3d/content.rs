//! Texts of replies, which nothing says are plain or HTML.

use std::sync::LazyLock;

use regex::Regex;

use crate::config::i3d::ContentFormat;
use crate::text::html_to_text::html_to_text;

/// The text as a person reads it.
pub(super) fn plain(content: &str, format: ContentFormat) -> String {
    match format {
        ContentFormat::Text => content.to_owned(),
        ContentFormat::Auto if !MARKUP.is_match(content) => content.to_owned(),
        // Markup within lines that end as in a plain text: HTML would join them.
        ContentFormat::Auto if !BLOCK.is_match(content) => html_to_text(&content.replace('\n', "<br>\n")),
        ContentFormat::Auto | ContentFormat::Html => html_to_text(content),
    }
}

/// Markup that a person hardly writes by hand: a break, an element's end, a document's beginning. A mere
/// `<word>` may be a placeholder.
#[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)<(?:br|hr)\s*/?>|</(?:p|div|span|a|b|i|u|em|strong|ul|ol|li|table|tr|td|blockquote|pre|code|font|h[1-6]|body|html)\s*>|^\s*<(?:!doctype|html|p|div)\b")
        .expect("valid")
});

#[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)<(?:br|p|div|table|ul|ol|li|blockquote|pre|h[1-6]|body|html)\b").expect("valid")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_told_from_text_that_mentions_a_tag() {
        for text in ["a < b\nand c > d", "Put <div> around <your name>.", "Hello\n\nworld", "1 &amp; 2"] {
            assert_eq!(plain(text, ContentFormat::Auto), text);
        }
        for (html, text) in [
            ("<p>Hello <b>you</b></p><p>world</p>", "Hello you\n\nworld"),
            ("Hello<br />world &amp; all", "Hello\nworld & all"),
            ("Hello <b>you</b>\nworld", "Hello you\nworld"),
        ] {
            assert_eq!(plain(html, ContentFormat::Auto), text);
        }
    }

    #[test]
    fn the_operator_decides_where_it_is_said() {
        assert_eq!(plain("<p>a</p>", ContentFormat::Text), "<p>a</p>");
        assert_eq!(plain("1 &lt; 2", ContentFormat::Html), "1 < 2");
    }
}
