//! What a command shows: lines, tables or JSON, errors; the only place that prints.

use std::io::{self, Write};

use serde::Serialize;

use super::error::CliError;

/// Where a command writes. That nobody reads any more (a closed pipe) is no error.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Output {
    pub fn to_terminal() -> Output {
        Output::new(io::stdout(), io::stderr())
    }

    pub fn new(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Output {
        Output { out: Box::new(out), err: Box::new(err) }
    }

    /// One line (or several) of what was asked for.
    pub fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }

    /// Something to know that was not asked for.
    pub fn complain(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// What `--json` asks for: one document, indented.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.complain(&format!("error: the result cannot be written as JSON: {error}")),
        }
    }

    /// Columns wide enough for what stands in them; nothing but the heads when there are no rows.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        let text = render_table(heads, rows);
        self.line(text.trim_end());
    }

    /// A failure: what happened, why, and what to do next.
    pub fn error(&mut self, error: &CliError) {
        self.complain(&format!("error: {}", error.error));
        for cause in error.error.chain().skip(1) {
            self.complain(&format!("  because {cause}"));
        }
        for hint in &error.hints {
            self.complain(&format!("hint: {hint}"));
        }
    }
}

fn render_table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize, head: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = heads.iter().enumerate().map(|(column, head)| width(column, head)).collect();
    let mut text = String::new();
    let heads = heads.iter().map(|head| head.to_uppercase()).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_with_letters_beyond_ascii() {
        let rows = vec![vec!["Zoë".to_owned(), "1".to_owned()], vec!["b".to_owned(), "22".to_owned()]];
        assert_eq!(render_table(&["name", "open"], &rows), "NAME  OPEN\nZoë   1\nb     22\n");
    }
}
