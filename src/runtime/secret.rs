//! Words that must not be seen: read from the environment or a file, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use subtle::ConstantTimeEq;

const SHOWN: &str = "[secret]";

/// A password, key or token. Prints as `[secret]`; compares in constant time.
#[derive(Clone)]
pub struct Secret(String);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("the environment variable {0} is not valid UTF-8")]
    NotUtf8(String),
    #[error("the file {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{0} is empty")]
    Empty(String),
}

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// Reads an environment variable. Unset and empty are errors.
    pub fn from_env(name: &str) -> Result<Secret, SecretError> {
        let value = match std::env::var(name) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => return Err(SecretError::NotSet(name.to_owned())),
            Err(std::env::VarError::NotUnicode(_)) => return Err(SecretError::NotUtf8(name.to_owned())),
        };
        Secret::not_empty(value, || format!("the environment variable {name}"))
    }

    /// Reads a file, without the line end that editors and `echo` leave behind.
    pub fn from_file(path: &Path) -> Result<Secret, SecretError> {
        let value = std::fs::read_to_string(path)
            .map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
        let value = value.trim_end_matches(['\r', '\n']).to_owned();
        Secret::not_empty(value, || format!("the file {}", path.display()))
    }

    /// The word itself, for the one place that sends or checks it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn not_empty(value: String, what: impl FnOnce() -> String) -> Result<Secret, SecretError> {
        if value.is_empty() { Err(SecretError::Empty(what())) } else { Ok(Secret(value)) }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        let secret = Secret::new("pdm_a!b@c");
        let printed = format!("{secret} {secret:?} {:?} {}", Some(&secret), serde_json::json!(secret));
        assert!(!printed.contains("pdm"), "{printed}");
        assert_eq!(secret.expose(), "pdm_a!b@c");
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("b"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
    }

    #[test]
    fn a_file_loses_its_line_end_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, " p w \r\n\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().expose(), " p w ");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(Secret::from_file(&path), Err(SecretError::Empty(_))));
        assert!(matches!(Secret::from_file(&dir.path().join("none")), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn an_unset_variable_is_named() {
        let error = Secret::from_env("TICKET_BRIDGE_SURELY_UNSET").unwrap_err();
        assert_eq!(error.to_string(), "the environment variable TICKET_BRIDGE_SURELY_UNSET is not set");
        assert!(Secret::from_env("PATH").is_ok());
    }
}
