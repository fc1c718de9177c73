//! Turns the HTML of a mail or of a desk's answer into text that a person likes to read.
//!
//! Steps: 1. cap the input, refuse what is nested too deeply; 2. parse; 3. tidy the tree (what is never
//! shown goes, links say where they lead, data tables become rows); 4. render; 5. tidy the white space.
//! Whatever goes wrong on the way ends in a crude tag stripper, never in an error: a customer's words
//! must arrive even when their markup is broken.

use std::panic::{AssertUnwindSafe, catch_unwind};

use html2text::render::{TaggedLine, TextDecorator};
use html2text::{Element, Handle, RcDom};

use super::html_depth::open_elements_at_most;

/// What lies behind this many bytes is not converted (the raw mail keeps it).
pub const MAX_HTML_BYTES: usize = 2 * 1024 * 1024;
/// Elements open at the same time; beyond it the parser's cost grows with the square of the depth.
const MAX_OPEN_ELEMENTS: usize = 100;
/// Depth of the parsed tree: tables bring four levels each, so it is deeper than what was written.
const MAX_TREE_DEPTH: usize = 400;
/// Columns after which even a paragraph is wrapped; wide, because a chat and a desk wrap by themselves.
const RENDER_WIDTH: usize = 4000;
/// Characters of a cell up to which a table is taken for data rather than for layout.
const MAX_DATA_CELL: usize = 200;

/// Converts `html` to text; links become `text (url)`, quotes lines that begin with `> `, pictures `[alt]`.
///
/// Reads at most [`MAX_HTML_BYTES`]. Never panics, never fails.
pub fn html_to_text(html: &str) -> String {
    let html = cap(html);
    let rendered = if open_elements_at_most(html, MAX_OPEN_ELEMENTS) {
        catch_unwind(AssertUnwindSafe(|| render(html))).ok().flatten()
    } else {
        None
    };
    clean(&rendered.unwrap_or_else(|| strip_tags(html)))
}

fn cap(html: &str) -> &str {
    let end = html.floor_char_boundary(MAX_HTML_BYTES);
    html.get(..end).unwrap_or(html)
}

fn render(html: &str) -> Option<String> {
    let config = html2text::config::with_decorator(Words::default())
        .raw_mode(true)
        .allow_width_overflow()
        .unicode_strikeout(false);
    let dom = config.parse_html(html.as_bytes()).ok()?;
    let ours = config.parse_html(&b"<i> | </i><p>----------</p>"[..]).ok()?;
    let bar = first(&ours, "i")?;
    let rule = first(&ours, "p")?;
    if tree_depth(&dom) > MAX_TREE_DEPTH {
        return None;
    }
    tidy_tree(&dom, &bar, &rule);
    let tree = config.dom_to_render_tree(&dom).ok()?;
    config.render_to_string(tree, RENDER_WIDTH).ok()
}

/// Last resort: every word stays, the markup goes.
fn strip_tags(html: &str) -> String {
    catch_unwind(|| mail_parser::decoders::html::html_to_text(html)).unwrap_or_else(|_| html.to_owned())
}

fn tree_depth(dom: &RcDom) -> usize {
    let mut deepest = 0;
    let mut waiting = vec![(dom.document.clone(), 0)];
    while let Some((node, depth)) = waiting.pop() {
        deepest = deepest.max(depth);
        waiting.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
    }
    deepest
}

// === the tree ===

/// Elements whose content a reader of the mail never sees.
const NEVER_SHOWN: [&str; 8] = ["head", "script", "style", "template", "title", "object", "audio", "video"];

/// Takes out what is never shown, silences links that only repeat their text, joins rows of data tables,
/// and draws rules, which the renderer leaves out.
fn tidy_tree(dom: &RcDom, bar: &Handle, rule: &Handle) {
    let mut waiting = vec![dom.document.clone()];
    while let Some(node) = waiting.pop() {
        node.children
            .borrow_mut()
            .retain(|child| !NEVER_SHOWN.contains(&name_of(child)) && !is_hidden(child));
        for child in node.children.borrow_mut().iter_mut().filter(|child| name_of(child) == "hr") {
            *child = rule.clone();
        }
        match name_of(&node) {
            "a" => silence_repeated_link(&node),
            "table" => join_data_rows(&node, bar),
            _ => {}
        }
        waiting.extend(node.children.borrow().iter().cloned());
    }
}

fn name_of(node: &Handle) -> &str {
    match &node.data {
        Element { name, .. } => &name.local,
        _ => "",
    }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let Element { attrs, .. } = &node.data else { return None };
    attrs.borrow().iter().find(|a| &*a.name.local == wanted).map(|a| a.value.to_string())
}

/// Preheaders are hidden by inline styles. `mso-hide` alone hides in Outlook only, `font-size:0` on a
/// container is a layout trick: both stay.
fn is_hidden(node: &Handle) -> bool {
    if attribute(node, "hidden").is_some() {
        return true;
    }
    let Some(style) = attribute(node, "style") else { return false };
    let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut rules = style.split(';').map(|rule| rule.trim_end_matches("!important"));
    let flat = ["max-height:0", "max-height:0px", "height:0", "height:0px"];
    rules.clone().any(|rule| matches!(rule, "display:none" | "visibility:hidden" | "opacity:0"))
        || (rules.clone().any(|rule| flat.contains(&rule)) && rules.any(|rule| rule == "overflow:hidden"))
}

/// A link keeps its address only if it says more than its text: not `https://a.example (https://a.example/)`.
fn silence_repeated_link(node: &Handle) {
    let Some(target) = attribute(node, "href") else { return };
    let target = target.trim();
    let shown = node_text(node, 4096);
    let leads_away = ["http:", "https:", "mailto:", "tel:", "ftp:"]
        .iter()
        .any(|scheme| target.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
    if leads_away && bare_address(&shown) != bare_address(target) {
        return;
    }
    if let Element { attrs, .. } = &node.data {
        attrs.borrow_mut().retain(|a| &*a.name.local != "href");
    }
}

fn bare_address(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let mut rest = address.as_str();
    for head in ["https://", "http://", "mailto:", "tel:", "www."] {
        rest = rest.strip_prefix(head).unwrap_or(rest);
    }
    rest.trim_end_matches('/').to_owned()
}

/// Puts ` | ` between the cells of each row and makes them one cell, because raw rendering gives each
/// cell its own line, which is right for layout and wrong for data.
fn join_data_rows(table: &Handle, bar: &Handle) {
    let rows = data_rows(table);
    if rows.len() < 2 {
        return;
    }
    for row in rows {
        let cells: Vec<Handle> = row.children.borrow().iter().filter(|cell| is_cell(cell)).cloned().collect();
        let Some((first, others)) = cells.split_first() else { continue };
        for cell in others {
            let moved = std::mem::take(&mut *cell.children.borrow_mut());
            let mut joined = first.children.borrow_mut();
            joined.push(bar.clone());
            joined.extend(moved);
        }
        row.children.borrow_mut().retain(|child| !is_cell(child) || std::rc::Rc::ptr_eq(child, first));
    }
}

/// The rows of a table with several short cells to a row and no table or block inside; else nothing.
fn data_rows(table: &Handle) -> Vec<Handle> {
    let mut rows = Vec::new();
    let mut waiting: Vec<Handle> = table.children.borrow().iter().rev().cloned().collect();
    while let Some(node) = waiting.pop() {
        match name_of(&node) {
            "thead" | "tbody" | "tfoot" => waiting.extend(node.children.borrow().iter().rev().cloned()),
            "tr" => {
                let children = node.children.borrow();
                let mut cells = children.iter().filter(|child| is_cell(child));
                if cells.clone().count() < 2 || !cells.all(is_data_cell) {
                    return Vec::new();
                }
                drop(children);
                rows.push(node);
            }
            _ => {}
        }
    }
    rows
}

fn is_cell(node: &Handle) -> bool {
    matches!(name_of(node), "td" | "th")
}

fn is_data_cell(cell: &Handle) -> bool {
    let mut waiting = vec![cell.clone()];
    while let Some(node) = waiting.pop() {
        if matches!(name_of(&node), "table" | "p" | "div" | "ul" | "ol" | "h1" | "h2" | "h3" | "blockquote") {
            return false;
        }
        waiting.extend(node.children.borrow().iter().cloned());
    }
    node_text(cell, MAX_DATA_CELL + 1).chars().count() <= MAX_DATA_CELL
}

/// The text below a node, at most about `limit` characters of it.
fn node_text(node: &Handle, limit: usize) -> String {
    let mut text = String::new();
    let mut waiting = vec![node.clone()];
    while let Some(node) = waiting.pop() {
        if let Some(own) = own_text(&node) {
            text.push_str(&own);
            if text.len() > limit.saturating_mul(4) {
                break;
            }
        }
        waiting.extend(node.children.borrow().iter().rev().cloned());
    }
    text.trim().to_owned()
}

/// The text of a text node. Its variant has no public name, but whatever is neither element, comment nor
/// document and serializes to something is text.
fn own_text(node: &Handle) -> Option<String> {
    use html2text::{Comment, Document};
    if matches!(node.data, Element { .. } | Comment { .. } | Document) {
        return None;
    }
    let mut bytes = Vec::new();
    node.serialize(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace("&amp;", "&"))
}

fn first(dom: &RcDom, name: &str) -> Option<Handle> {
    let mut waiting = vec![dom.document.clone()];
    while let Some(node) = waiting.pop() {
        if name_of(&node) == name {
            return Some(node);
        }
        waiting.extend(node.children.borrow().iter().cloned());
    }
    None
}

// === the words ===

/// How each kind of markup reads as plain text.
#[derive(Clone, Default)]
struct Words {
    targets: Vec<String>,
}

impl TextDecorator for Words {
    type Annotation = ();

    fn decorate_link_start(&mut self, url: &str) -> (String, ()) {
        self.targets.push(url.trim().to_owned());
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        self.targets.pop().map(|url| format!(" ({url})")).unwrap_or_default()
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _src: &str, alt: &str) -> (String, ()) {
        (format!("[{alt}]"), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }

    fn ordered_item_prefix(&self, i: i64) -> String {
        format!("{i}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        self.clone()
    }

    fn decorate_superscript_start(&self) -> (String, ()) {
        ("^".to_owned(), ())
    }

    fn decorate_superscript_end(&self) -> String {
        String::new()
    }

    fn finalise(&mut self, _urls: Vec<String>) -> Vec<TaggedLine<()>> {
        Vec::new()
    }
}

/// At most one empty line in a row, no blanks at line ends, no invisible filling.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line: String = line.chars().filter_map(visible).collect();
        let line = line.trim_end();
        if line.trim_matches(['\u{200c}', '\u{200d}', ' ']).is_empty() {
            empty += 1;
            continue;
        }
        if empty > 0 && !out.is_empty() {
            out.push('\n');
        }
        empty = 0;
        out.push_str(line);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// Characters that newsletters fill their previews with, and no-break spaces that break searches.
fn visible(c: char) -> Option<char> {
    match c {
        '\u{a0}' | '\u{202f}' => Some(' '),
        '\u{34f}' | '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{2060}' | '\r' => None,
        c if c.is_control() && c != '\t' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_where_it_leads_unless_its_text_does() {
        let html = r#"<p>See <a href="https://a.example/x?a=1&amp;b=2">the page</a> or <a href="https://b.example/">b.example</a>,
            <a href="mailto:me@x.example">me@x.example</a> <a href="javascript:alert(1)">here</a> <a href='#top'>top</a>.</p>"#;
        assert_eq!(
            html_to_text(html),
            "See the page (https://a.example/x?a=1&b=2) or b.example, me@x.example here top."
        );
    }

    #[test]
    fn quotes_lists_and_pictures_read_as_text() {
        let html = "<div>Yes.</div><blockquote>Is it?<blockquote>Deep</blockquote></blockquote>\
            <ul><li>one</li><li>two</li></ul><ol><li>a</li></ol><img src='cid:1' alt='Screenshot'><img src=p>";
        let text = html_to_text(html);
        for line in ["Yes.", "> Is it?", "> > Deep", "- one", "- two", "1. a", "[Screenshot]"] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn what_is_never_shown_goes() {
        let html = "<html><head><title>T</title><style>p{color:red}</style></head><body>\
            <div style='display: none !important; max-height:0'>preheader &zwnj;&nbsp;</div>\
            <span style='max-height:0px;overflow:hidden'>pre2</span><script>alert('x')</script>\
            <!-- hidden --><p hidden>gone</p><p>Hello&nbsp;you</p></body></html>";
        assert_eq!(html_to_text(html), "Hello you");
    }

    #[test]
    fn a_data_table_becomes_rows_and_a_layout_table_lines() {
        let data = "<table><tr><th>Port</th><th>State</th></tr><tr><td>80</td><td>open</td></tr></table>";
        assert_eq!(html_to_text(data), "Port | State\n80 | open");
        let layout = "<table><tr><td><div>Left</div></td><td><p>Right</p></td></tr></table>";
        assert_eq!(html_to_text(layout), "Left\nRight");
    }

    #[test]
    fn long_paragraphs_are_not_wrapped_and_rules_are_drawn() {
        let words = "word ".repeat(300);
        let text = html_to_text(&format!("<p>{words}</p><hr><p>end</p>"));
        assert!(text.lines().any(|line| line == words.trim()), "{text}");
        assert!(text.lines().any(|line| line == "----------"), "{text}");
    }

    #[test]
    fn hostile_nesting_ends_in_the_stripper_with_the_words_kept() {
        for open in ["<div>", "<b>", "<blockquote>", "<div></x>", "<table><tr><td>", "<ul><li>", "<b a='>'>"]
        {
            let html = format!("{}<p>still here</p>", open.repeat(100_000));
            assert!(html_to_text(&html).contains("still here"), "{open}");
        }
    }

    #[test]
    fn the_deepest_tree_that_is_let_through_renders() {
        let html = format!("{}words", "<table><tr><td>".repeat(99));
        assert!(html_to_text(&html).contains("words"));
        let html = format!("{}words", "<blockquote>".repeat(99));
        assert!(html_to_text(&html).contains("words"));
        let html = format!("{}words", "<ol><li>".repeat(99));
        assert!(html_to_text(&html).contains("words"));
    }

    #[test]
    fn unclosed_paragraphs_are_not_depth() {
        let html = "<p>a<br>".repeat(500);
        assert_eq!(html_to_text(&html).lines().filter(|line| *line == "a").count(), 500);
    }

    #[test]
    fn broken_markup_never_panics() {
        for html in ["", "<", "</", "<a href=", "&#x110000;&#0;", "<table><p><td>x", "<!--", "<p>é<", "\0<b>"]
        {
            html_to_text(html);
        }
    }

    #[test]
    fn input_is_capped_on_a_character() {
        let html = "é".repeat(MAX_HTML_BYTES);
        assert!(html_to_text(&html).len() <= MAX_HTML_BYTES + MAX_HTML_BYTES / 1000);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_input_ends_in_text(html in "(<[a-z/]{1,6}( style=.{0,6})?>|[a-z& ;#]{0,6}|[<>\"'-]){0,60}") {
            html_to_text(&html);
        }
    }
}
