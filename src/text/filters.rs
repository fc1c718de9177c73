//! What templates can do to a value, and how a value is written so that it can't become markup.

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, Output, State, escape_formatter};

use super::markup::{Mark, strip_marks};
use super::subject::single_line;

/// Name of the escaping of Telegram templates.
pub(super) const TELEGRAM: &str = "telegram";

/// `bold`, `code`, `quote` (each by format), `line(n)` (one line of n units), `excerpt(n)` (n characters),
/// `paragraphs` (HTML), `web_address`.
pub(super) fn register(env: &mut Environment<'static>) {
    env.add_filter("bold", |state: &State, text: String| marked(state, Mark::Bold, &text));
    env.add_filter("code", |state: &State, text: String| marked(state, Mark::Code, &text));
    env.add_filter("quote", |state: &State, text: String| marked(state, Mark::Quote, &text));
    env.add_filter("line", |text: String, max: usize| single_line(&text, max));
    env.add_filter("excerpt", |text: String, max: usize| excerpt(&text, max));
    env.add_filter("paragraphs", |text: String| Value::from_safe_string(paragraphs(&text)));
    env.add_filter("web_address", web_address);
}

/// Writes a value: escaped in HTML, without marks in Telegram texts (what a filter made is safe).
pub(super) fn write_value(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    match state.auto_escape() {
        AutoEscape::Custom(_) if value.is_safe() => out.write_str(&value.to_string()).map_err(Error::from),
        AutoEscape::Custom(_) => out.write_str(&strip_marks(&value.to_string())).map_err(Error::from),
        _ => escape_formatter(out, state, value),
    }
}

fn marked(state: &State, mark: Mark, text: &str) -> Value {
    match state.auto_escape() {
        AutoEscape::Custom(_) => Value::from_safe_string(mark.wrap(text)),
        AutoEscape::Html => {
            let tag = match mark {
                Mark::Bold => "strong",
                Mark::Code => "code",
                Mark::Quote => "blockquote",
            };
            Value::from_safe_string(format!("<{tag}>{}</{tag}>", HtmlEscape(text)))
        }
        _ => Value::from(text),
    }
}

/// At most `max` characters in few lines, with an ellipsis where something was cut.
fn excerpt(text: &str, max: usize) -> String {
    let short = text.trim().lines().map(str::trim_end).filter(|line| !line.is_empty());
    let short = short.collect::<Vec<_>>().join("\n");
    if short.chars().count() <= max {
        return short;
    }
    let cut: String = short.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Plain text as HTML paragraphs; blanks at a line's start are kept.
fn paragraphs(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let paragraphs =
        text.split("\n\n").map(|part| part.trim_matches('\n')).filter(|part| !part.trim().is_empty());
    let html = paragraphs.map(|paragraph| {
        let lines = paragraph.lines().map(|line| {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            format!("{}{}", "&nbsp;".repeat(blanks), HtmlEscape(line.trim_start_matches(' ')))
        });
        format!("<p>{}</p>", lines.collect::<Vec<_>>().join("<br>\n"))
    });
    html.collect::<Vec<_>>().join("\n")
}

/// A URL for an attribute; anything but http and https becomes `#`.
fn web_address(url: String) -> String {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    if is_web { url } else { "#".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_escape_and_keep_lines() {
        assert_eq!(
            paragraphs("a <b>\r\n  c\n\n\nd & e"),
            "<p>a &lt;b&gt;<br>\n&nbsp;&nbsp;c</p>\n<p>d &amp; e</p>"
        );
    }

    #[test]
    fn an_excerpt_has_its_length() {
        assert_eq!(excerpt(" one\n\n two \n", 20), "one\n two");
        assert_eq!(excerpt("😀😀😀😀", 3), "😀😀…");
    }
}
