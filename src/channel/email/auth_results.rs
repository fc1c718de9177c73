//! One Authentication-Results field, taken apart (RFC 8601 §2.2).

use std::fmt;

/// The server's id, if it gave one, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AuthResults {
    pub(super) id: Option<String>,
    pub(super) outcomes: Vec<Outcome>,
}

/// `dkim=pass header.d=example.com`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) method: String,
    pub(super) result: String,
    properties: Vec<(String, String)>,
}

impl AuthResults {
    pub(super) fn parse(value: &str) -> Self {
        let clauses = clauses(value);
        let mut clauses = clauses.iter().map(Vec::as_slice).peekable();
        // Microsoft 365 begins with the first result.
        let id = clauses
            .next_if(|clause| clause.first().is_none_or(|word| !word.contains('=')))
            .and_then(|clause| clause.first().cloned());
        Self { id, outcomes: clauses.filter_map(Outcome::parse).collect() }
    }
}

impl Outcome {
    fn parse(words: &[String]) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let (method, result) = first.split_once('=')?;
        // `dkim/1=pass` names the method's version.
        let method = method.split('/').next().unwrap_or(method).to_owned();
        let properties = rest
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(Self { method, result: result.to_owned(), properties })
    }

    /// The domain that this outcome is about.
    pub(super) fn domain(&self) -> Option<&str> {
        let names: &[&str] = match self.method.as_str() {
            "spf" => &["smtp.mailfrom", "smtp.mail"],
            "dkim" => &["header.d", "header.i"],
            "dmarc" => &["header.from"],
            _ => return None,
        };
        let value = names.iter().find_map(|name| self.property(name))?;
        let domain = value.rsplit('@').next().unwrap_or(value).trim_end_matches('.');
        (!domain.is_empty()).then_some(domain)
    }

    /// Whether both speak of the same domain, or one of them of none.
    pub(super) fn is_same_identity(&self, other: &Self) -> bool {
        match (self.domain(), other.domain()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        }
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.method, self.result)?;
        match self.domain() {
            Some(domain) => write!(f, " ({domain})"),
            None => Ok(()),
        }
    }
}

/// Words between semicolons, without comments and quotation marks, in lower case; `a = b` is one word.
fn clauses(value: &str) -> Vec<Vec<String>> {
    let mut clauses = vec![Vec::new()];
    let mut word = String::new();
    let (mut depth, mut quoted, mut joins) = (0u32, false, false);
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' if quoted || depth > 0 => {
                let next = characters.next();
                if quoted {
                    word.extend(next);
                }
            }
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => word.push(c),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => (),
            ';' => {
                end_word(&mut word, &mut clauses);
                clauses.push(Vec::new());
                joins = false;
            }
            c if c.is_whitespace() => {
                if !word.ends_with('=') && !word.is_empty() {
                    joins = true;
                }
            }
            c => {
                if joins && c != '=' {
                    end_word(&mut word, &mut clauses);
                }
                joins = false;
                word.push(c);
            }
        }
    }
    end_word(&mut word, &mut clauses);
    clauses
}

fn end_word(word: &mut String, clauses: &mut [Vec<String>]) {
    if let (false, Some(clause)) = (word.is_empty(), clauses.last_mut()) {
        clause.push(std::mem::take(word).to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_quotes_and_blanks_do_not_matter() {
        let results = AuthResults::parse(
            "MX.example.com 1 ; spf = pass (a; \\) \"b (c)) smtp.mailfrom=\"x@Acme.example\";\tdkim/1=fail header.d=a.example reason=\"b; c\"; none",
        );
        assert_eq!(results.id.as_deref(), Some("mx.example.com"));
        let said: Vec<String> = results.outcomes.iter().map(Outcome::to_string).collect();
        assert_eq!(said, ["spf=pass (acme.example)", "dkim=fail (a.example)"]);
    }

    #[test]
    fn a_field_without_an_id_has_none() {
        let results = AuthResults::parse(
            "spf=pass smtp.mailfrom=a.example; dmarc=pass action=none header.from=a.example",
        );
        assert_eq!(results.id, None);
        assert_eq!(results.outcomes.len(), 2);
    }
}
