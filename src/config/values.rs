//! What one value of `bot.toml` may look like, and what is said when it does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SpanRelativeTo;
use toml::de::DeValue;
use url::Url;

use super::file::Reading;
use super::problems::did_you_mean;
use crate::runtime::Secret;
use crate::runtime::secret::SecretError;
use crate::runtime::telemetry::LogFormat;

/// A wait of more than ten years is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Something that can stand as a value in the file. The error says what was expected and what was found.
pub(super) trait FromValue: Sized {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String>;
}

/// Where a secret is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Env(String),
    File(PathBuf),
}

/// A number of bytes: `35000000`, `"35 MB"`, `"64 MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A postal address as in `"Example Support <support@example.com>"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub name: Option<String>,
    pub email: String,
}

/// A string, or a list of strings.
pub(super) struct Words(pub(super) Vec<String>);

/// An enum whose cases are words in the file.
pub(super) trait Word: Sized + Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// Names with their numbers, as the example has them.
pub(super) fn numbers(
    value: &DeValue<'_>,
    reading: &Reading<'_>,
    example: &str,
) -> Result<BTreeMap<String, i64>, String> {
    let DeValue::Table(entries) = value else {
        return Err(format!("expected names with their numbers, as {example}"));
    };
    let number = |value: &toml::Spanned<DeValue<'_>>| i64::from_value(value.get_ref(), reading);
    entries.iter().map(|(name, value)| Ok((name.get_ref().to_string(), number(value)?))).collect()
}

impl SecretSource {
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretSource::Env(name) => Secret::from_env(name),
            SecretSource::File(path) => Secret::from_file(path),
        }
    }
}

impl ByteSize {
    pub const fn mb(millions: u64) -> ByteSize {
        ByteSize(millions * 1_000_000)
    }

    pub const fn mib(mebibytes: u64) -> ByteSize {
        ByteSize(mebibytes * 1024 * 1024)
    }

    pub const fn kib(kibibytes: u64) -> ByteSize {
        ByteSize(kibibytes * 1024)
    }

    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.email),
            None => f.write_str(&self.email),
        }
    }
}

// === What each type accepts ===

impl FromValue for String {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        let text = string(value, "a string")?;
        if text.trim().is_empty() {
            Err("is empty; leave the key out instead".into())
        } else {
            Ok(text.to_owned())
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            other => expected("true or false", other),
        }
    }
}

impl FromValue for i64 {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        integer(value, "a whole number")
    }
}

impl FromValue for u32 {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        positive(integer(value, "a whole number")?)
    }
}

impl FromValue for u16 {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        positive(integer(value, "a whole number")?)
    }
}

impl FromValue for f64 {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        let number = match value {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            other => return expected("a number", other),
        };
        match number {
            Some(number) if f64::is_finite(number) && number > 0.0 => Ok(number),
            _ => Err("must be a number above 0".into()),
        }
    }
}

impl FromValue for Duration {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        const WHAT: &str = "a duration such as \"15s\", \"2min\", \"48h\" or \"7d\"";
        let text = string(value, WHAT)?;
        let duration = text
            .parse::<jiff::Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .map_err(|_| format!("expected {WHAT}, found {text:?}"))?;
        match Duration::try_from(duration) {
            Ok(duration) if duration.is_zero() => Err("must be longer than nothing".into()),
            Ok(duration) if duration <= LONGEST => Ok(duration),
            Ok(_) => Err(format!("{text:?} is longer than ten years")),
            Err(_) => Err(format!("{text:?} is negative")),
        }
    }
}

impl FromValue for ByteSize {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        const WHAT: &str = "a size such as \"35 MB\", \"64 MiB\" or a number of bytes";
        if let DeValue::Integer(_) = value {
            return positive(integer(value, WHAT)?).map(ByteSize);
        }
        let text = string(value, WHAT)?;
        parse_size(text).map(ByteSize).ok_or_else(|| format!("expected {WHAT}, found {text:?}"))
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        let text = String::from_value(value, reading)?;
        Ok(reading.base_dir.join(Path::new(&text)))
    }
}

impl FromValue for Url {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        let text = string(value, "a URL")?;
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err("must begin with https:// (or http:// and a host)".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user or password, which would show in logs; use the keys for secrets".into());
        }
        Ok(url)
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        const WHAT: &str = "an address and a port such as \"127.0.0.1:8787\"";
        let text = string(value, WHAT)?;
        text.parse().map_err(|_| format!("expected {WHAT}, found {text:?}"))
    }
}

impl FromValue for Address {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        const WHAT: &str = "an address such as \"Example Support <support@example.com>\"";
        let text = string(value, WHAT)?;
        let mailbox: lettre::message::Mailbox =
            text.parse().map_err(|_| format!("expected {WHAT}, found {text:?}"))?;
        Ok(Address { name: mailbox.name, email: mailbox.email.to_string() })
    }
}

impl FromValue for Secret {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        let source = SecretSource::from_value(value, reading)?;
        (reading.secrets)(&source).map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }
}

impl FromValue for SecretSource {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        const FORMS: &str = "{ env = \"NAME\" } or { file = \"/path\" }";
        // What stands there is not repeated: it may be the secret.
        let DeValue::Table(table) = value else {
            return Err(format!(
                "a secret does not belong in this file, where others read it; write {FORMS}"
            ));
        };
        let mut entries = table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()));
        match (entries.next(), entries.next()) {
            (Some(("env", value)), None) => String::from_value(value, reading).map(SecretSource::Env),
            (Some(("file", value)), None) => PathBuf::from_value(value, reading).map(SecretSource::File),
            _ => Err(format!("expected {FORMS}, one of the two and nothing else")),
        }
    }
}

impl FromValue for Words {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        match value {
            DeValue::Array(_) => Vec::from_value(value, reading).map(Words),
            _ => String::from_value(value, reading).map(|word| Words(vec![word])),
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        match value {
            DeValue::Array(items) => {
                items.iter().map(|item| T::from_value(item.get_ref(), reading)).collect()
            }
            other => expected("a list in [ ]", other),
        }
    }
}

impl<T: Word> FromValue for T {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        let words = T::WORDS.iter().map(|(word, _)| *word);
        let list = words.clone().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let text = string(value, &format!("one of {list}"))?;
        match T::WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => Err(format!("expected one of {list}, found {text:?}{}", did_you_mean(text, words))),
        }
    }
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

// === Helpers ===

pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

pub(super) fn string<'v>(value: &'v DeValue<'_>, what: &str) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => expected(what, other),
    }
}

fn expected<T>(what: &str, found: &DeValue<'_>) -> Result<T, String> {
    Err(format!("expected {what}, found {}", kind_of(found)))
}

fn integer(value: &DeValue<'_>, what: &str) -> Result<i64, String> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_err(|_| "is too large a number".into()),
        other => expected(what, other),
    }
}

fn positive<T: TryFrom<i64>>(number: i64) -> Result<T, String> {
    if number < 1 {
        return Err("must be at least 1".into());
    }
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}

fn parse_size(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let unit = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|size| *size > 0)
}
