//! What is wrong in `bot.toml`: each with its line, its key and, where a word is unknown, the nearest known one.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, or at least worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// As `mailbox.imap.host`; empty when no key is meant.
    pub key: String,
    /// What is wrong and what to write instead.
    pub text: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syntax,
    /// Something is not there. Beside a syntax error this may be its consequence.
    Missing,
    Wrong,
}

/// All problems of one file, in the order of its lines.
#[derive(Debug, thiserror::Error)]
pub struct Problems {
    pub file: PathBuf,
    pub list: Vec<Problem>,
}

impl Problems {
    /// Sorted by line. Beside syntax errors what is missing is left out: it may stand in the broken part.
    pub(super) fn new(file: &Path, mut list: Vec<Problem>) -> Problems {
        if list.iter().any(|problem| problem.kind == Kind::Syntax) {
            list.retain(|problem| problem.kind != Kind::Missing);
        }
        list.sort_by(|a, b| (a.line, &a.key, &a.text).cmp(&(b.line, &b.key, &b.text)));
        list.dedup();
        Problems { file: file.to_owned(), list }
    }

    pub(super) fn whole_file(file: &Path, text: String) -> Problems {
        let problem = Problem { line: 0, key: String::new(), text, kind: Kind::Wrong };
        Problems { file: file.to_owned(), list: vec![problem] }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "problem" } else { "problems" };
        write!(f, "{}: {} {plural}", self.file.display(), self.list.len())?;
        self.list.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// The known word that was probably meant, if one is near enough.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let most = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "…"?`, or nothing.
pub(super) fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> String {
    nearest(word, known).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["host", "port", "password", "folder"];
        assert_eq!(nearest("hots", known), Some("host"));
        assert_eq!(nearest("pasword", known), Some("password"));
        assert_eq!(nearest("colour", known), None);
    }
}
