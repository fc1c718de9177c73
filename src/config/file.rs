//! What is written in `bot.toml`: tables that are asked for their keys, and know what nobody asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problems::{Kind, Problem, nearest};
use super::values::{FromValue, SecretSource, kind_of};
use crate::runtime::Secret;
use crate::runtime::secret::SecretError;

/// What reading one file shares: where it lies, how its secrets are read, what was found wrong.
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
    /// What relative paths are relative to.
    pub(super) base_dir: &'t Path,
    pub(super) secrets: &'t dyn Fn(&SecretSource) -> Result<Secret, SecretError>,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as `mailbox.imap.host`: so the known keys need no second list.
    pub(super) asked: RefCell<BTreeSet<String>>,
}

/// One table of the file. Every problem with what it holds is noted where it stands, and reading goes on.
pub(super) struct Table<'t> {
    reading: &'t Reading<'t>,
    path: String,
    entries: &'t DeTable<'t>,
    span: Range<usize>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'t> Reading<'t> {
    /// The top of the file, and its syntax errors noted.
    pub(super) fn parse(&self) -> Spanned<DeTable<'t>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map_or(0, |span| self.line(span.start));
            let text = error.message().trim().replace('\n', ", ");
            self.problems.borrow_mut().push(Problem { line, key: String::new(), text, kind: Kind::Syntax });
        }
        root
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

impl<'t> Table<'t> {
    pub(super) fn root(reading: &'t Reading<'t>, root: &'t Spanned<DeTable<'t>>) -> Table<'t> {
        Table::new(reading, String::new(), root.get_ref(), 0..0)
    }

    /// The value of a key, or none: when it is not there, and when it is wrong, which is then noted.
    pub(super) fn get<T: FromValue>(&self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        match T::from_value(value.get_ref(), self.reading) {
            Ok(value) => Some(value),
            Err(text) => {
                self.note(Kind::Wrong, value.span(), key, text);
                None
            }
        }
    }

    pub(super) fn or<T: FromValue>(&self, key: &'static str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// As [`get`](Table::get), and that the key is not there is a problem; `why` says what it is needed for.
    pub(super) fn required<T: FromValue>(&self, key: &'static str, why: &str) -> Option<T> {
        if self.value(key).is_none() {
            self.missing(key, why);
        }
        self.get(key)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Table<'t>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(self.inner(key, entries, value.span())),
            other => {
                self.note(
                    Kind::Wrong,
                    value.span(),
                    key,
                    format!("expected a table, found {}", kind_of(other)),
                );
                None
            }
        }
    }

    /// The tables written as `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wrong = |span, other| {
            let text = format!("expected tables, each written as [[{key}]], found {}", kind_of(other));
            self.note(Kind::Wrong, span, key, text);
        };
        let DeValue::Array(items) = value.get_ref() else {
            wrong(value.span(), value.get_ref());
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(self.inner(key, entries, item.span())),
                other => wrong(item.span(), other),
            }
        }
        tables
    }

    /// A path relative to the file's folder.
    pub(super) fn relative(&self, path: &str) -> PathBuf {
        self.reading.base_dir.join(path)
    }

    /// Notes what is wrong with a key; where it is not there, at the table's own line.
    pub(super) fn wrong(&self, key: &'static str, text: impl Into<String>) {
        self.note(Kind::Wrong, self.span_of(key), key, text.into());
    }

    pub(super) fn missing(&self, key: &'static str, why: &str) {
        self.note(Kind::Missing, self.span.clone(), key, format!("is missing: {why}"));
    }

    /// Notes what works but deserves a look.
    pub(super) fn warn(&self, key: &'static str, text: impl Into<String>) {
        let problem = self.problem(Kind::Wrong, self.span_of(key), key, text.into());
        self.reading.warnings.borrow_mut().push(problem);
    }

    /// Notes every key that nobody asked for. To be called when all known keys were asked for. A key that is
    /// missing because its name was misspelt is one problem, not two.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.entries.iter() {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let near = nearest(name, known.iter().copied());
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            self.note(Kind::Wrong, key.span(), name, format!("unknown key{hint}"));
            if let Some(meant) =
                near.map(|near| self.problem(Kind::Missing, self.span.clone(), near, String::new()))
            {
                let explained = |problem: &Problem| {
                    (problem.kind, problem.line, &problem.key) == (Kind::Missing, meant.line, &meant.key)
                };
                self.reading.problems.borrow_mut().retain(|problem| !explained(problem));
            }
        }
    }

    fn new(
        reading: &'t Reading<'t>,
        path: String,
        entries: &'t DeTable<'t>,
        span: Range<usize>,
    ) -> Table<'t> {
        Table { reading, path, entries, span, known: RefCell::default() }
    }

    fn inner(&self, key: &str, entries: &'t DeTable<'t>, span: Range<usize>) -> Table<'t> {
        Table::new(self.reading, self.path_of(key), entries, span)
    }

    fn value(&self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.borrow_mut().insert(key);
        self.reading.asked.borrow_mut().insert(self.path_of(key));
        self.entries.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn span_of(&self, key: &str) -> Range<usize> {
        self.entries.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn note(&self, kind: Kind, span: Range<usize>, key: &str, text: String) {
        self.reading.problems.borrow_mut().push(self.problem(kind, span, key, text));
    }

    fn problem(&self, kind: Kind, span: Range<usize>, key: &str, text: String) -> Problem {
        Problem { line: self.reading.line(span.start), key: self.path_of(key), text, kind }
    }
}
