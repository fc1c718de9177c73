//! What lies in a Maildir, and which of it was there before we were told to look.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::settings::Start;
use crate::{channel::intake::Cursor, runtime::clock::Timestamp};

/// Names that a cursor holds; it stays below 2 KiB.
const MOST_NAMES: usize = 64;
/// A delivery takes less, from its name's making to its rename into `new`.
const LONGEST_DELIVERY: Duration = Duration::from_secs(3600);
/// A file system's clock ticks coarsely, and not with ours.
const COARSE: Duration = Duration::from_secs(2);

/// One file of a Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    /// When it came to where it is: a rename changes it, and nobody can set it.
    changed: Timestamp,
}

/// What of a Maildir was there when reading began. Small: the times, and the names at the edge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MaildirCursor {
    /// What came before this was there at the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Timestamp>,
    /// What came before this was taken and stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passed: Option<Timestamp>,
    /// Hashes of old names that came about then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    names: BTreeSet<String>,
    /// A name that was made before this is old wherever it comes from: a restored backup changes times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered_since: Option<Timestamp>,
}

/// The files of `directory` in order of their delivery.
pub(super) fn scan(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        let Ok(name) = file.file_name().into_string() else { continue };
        // Gone meanwhile, or no mail.
        let Ok(metadata) = file.metadata() else { continue };
        if name.starts_with('.') || !metadata.is_file() {
            continue;
        }
        entries.push(Entry {
            path: file.path(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
            name,
        });
    }
    entries.sort_by_cached_key(|entry| (entry.delivered(), entry.name.clone()));
    Ok(entries)
}

impl Entry {
    /// By its name, or where that tells no time by the file's.
    pub(super) fn delivered(&self) -> Timestamp {
        self.made().unwrap_or(self.modified)
    }

    /// What stays the same when its flags change.
    pub(super) fn unique(&self) -> &str {
        self.name.split_once(":2,").map_or(&self.name, |(unique, _)| unique)
    }

    /// The time in a name as <https://cr.yp.to/proto/maildir.html> has it: `seconds.M…P….host`.
    fn made(&self) -> Option<Timestamp> {
        let mut parts = self.name.split('.');
        let seconds: i64 = parts.next()?.parse().ok().filter(|seconds| *seconds > 1_000_000_000)?;
        let micros = parts.next()?.strip_prefix('M').map(|rest| {
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<i64>().unwrap_or(0)
        });
        Some(Timestamp::from_millis(seconds.saturating_mul(1000) + micros.unwrap_or(0).min(999_999) / 1000))
    }
}

impl MaildirCursor {
    pub(super) fn parse(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(super) fn to_cursor(&self) -> Cursor {
        Cursor(serde_json::json!(self).to_string())
    }

    /// The first look. `touched` is when `new` itself changed last, read before `there` was; what came
    /// after the bridge was `started` is new.
    pub(super) fn first_look(start: Start, touched: Timestamp, started: Timestamp, there: &[Entry]) -> Self {
        match start {
            Start::All => Self::default(),
            Start::Since(since) => Self { delivered_since: Some(since), ..Self::default() },
            Start::Now => {
                let recent =
                    |entry: &&Entry| entry.changed > touched.minus(COARSE) && entry.changed < started;
                let mut latest: Vec<&Entry> = there.iter().filter(recent).collect();
                latest.sort_by_key(|entry| std::cmp::Reverse(entry.changed));
                let (named, more) = latest.split_at(latest.len().min(MOST_NAMES));
                let before = more.first().map_or(touched.minus(COARSE), |entry| entry.changed);
                Self {
                    before: Some(before),
                    names: named.iter().map(|entry| short_hash(&entry.name)).collect(),
                    made_before: Some(touched.minus(LONGEST_DELIVERY)),
                    ..Self::default()
                }
            }
        }
    }

    pub(super) fn is_old(&self, entry: &Entry) -> bool {
        self.passed.is_some_and(|passed| entry.changed <= passed) || self.was_there(entry)
    }

    /// Whether it was there before reading began, or is older than what was asked for.
    pub(super) fn was_there(&self, entry: &Entry) -> bool {
        self.before.is_some_and(|before| entry.changed <= before)
            || self.made_before.zip(entry.made()).is_some_and(|(before, made)| made < before)
            || self.delivered_since.is_some_and(|since| entry.delivered() < since)
            || !self.names.is_empty() && self.names.contains(&short_hash(&entry.name))
    }

    /// Everything in `there` was taken and stays where it is; with room for what arrives out of turn.
    pub(super) fn pass(&mut self, there: &[Entry]) {
        let latest = there.iter().map(|entry| entry.changed).max();
        let before = latest.map(|latest| latest.minus(LONGEST_DELIVERY));
        self.passed = self.passed.max(before);
    }
}

/// When the directory itself changed last.
pub(super) fn touched(directory: &Path) -> io::Result<Timestamp> {
    let metadata = fs::metadata(directory)?;
    Ok(time(metadata.ctime(), metadata.ctime_nsec()))
}

/// Those of `names` that are still in `there`.
pub(super) fn keep_present(names: &mut HashSet<String>, there: &[Entry]) {
    let there: HashSet<&str> = there.iter().map(|entry| entry.name.as_str()).collect();
    names.retain(|name| there.contains(name.as_str()));
}

fn short_hash(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().take(6).fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

fn time(seconds: i64, nanos: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn entry(name: &str, changed: Timestamp) -> Entry {
        Entry { name: name.to_owned(), path: PathBuf::new(), size: 1, modified: changed, changed }
    }

    #[test]
    fn what_was_there_is_old_and_what_comes_is_new() {
        let there: Vec<Entry> =
            (0..1000).map(|n| entry(&format!("{}.M1P{n}.host", 1_600_000_000 + n), NOW)).collect();
        let cursor = MaildirCursor::first_look(Start::Now, NOW, NOW.plus(COARSE), &there);
        assert!(cursor.to_cursor().0.len() < 2048);
        assert_eq!(MaildirCursor::parse(&cursor.to_cursor()), Some(cursor.clone()));
        assert!(there.iter().all(|entry| cursor.is_old(entry)));
        let later = NOW.plus(Duration::from_secs(3));
        assert!(!cursor.is_old(&entry("1700000003.M1P1.host", later)));
        assert!(
            !cursor.is_old(&entry("1699999999.M1P1.host", later)),
            "begun before the look, come after it"
        );
        assert!(!cursor.is_old(&entry("dropped-by-hand", later)));
        assert!(cursor.is_old(&entry("1600000001.M1P1.host", later)), "an old mail whose times were touched");
    }

    #[test]
    fn a_start_by_date_goes_by_the_delivery() {
        let cursor = MaildirCursor::first_look(Start::Since(NOW), NOW, NOW, &[]);
        assert!(cursor.is_old(&entry("1699999999.M1P1.host", NOW)));
        assert!(!cursor.is_old(&entry("1700000000.M1P1.host", NOW)));
    }

    #[test]
    fn a_directory_is_read_in_order_of_delivery() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1700000002.M1P1.h,S=4:2,S", "1700000001.M9P1.h", "1700000001.M800000P1.h", ".hidden"] {
            fs::write(dir.path().join(name), "mail").unwrap();
        }
        let found = scan(dir.path()).unwrap();
        let unique: Vec<&str> = found.iter().map(Entry::unique).collect();
        assert_eq!(unique, ["1700000001.M9P1.h", "1700000001.M800000P1.h", "1700000002.M1P1.h,S=4"]);
        assert!(found.iter().all(|entry| entry.size == 4));
    }
}
