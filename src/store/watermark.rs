//! The watermark: what must be there when the store is opened again.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::runtime::clock::Timestamp;

/// Two slots, written in turn, a disk block apart: a torn write leaves the other.
const SLOT: u64 = 4096;
const LENGTH: usize = 8 + 16 + 4 * 8 + 16;
const MAGIC: &[u8; 8] = b"tbmark01";

/// What the last committed transaction left: kept in the database and beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    /// Tells two stores apart.
    pub(super) instance: u128,
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    /// The highest conversation number given out.
    pub(super) conversations: u64,
    /// The highest job number given out.
    pub(super) jobs: u64,
    /// The sum of all rows; in the database only.
    pub(super) digest: u64,
}

/// The file beside the database's directory.
pub(super) struct Watermark {
    file: File,
}

impl Watermark {
    /// The latest whole slot; `None` without the file, or when both slots are damaged.
    pub(super) fn read(path: &Path) -> io::Result<Option<Last>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let slots = [0, SLOT].into_iter().filter_map(|offset| {
            let mut bytes = [0; LENGTH];
            file.read_exact_at(&mut bytes, offset).ok()?;
            parse(&bytes)
        });
        Ok(slots.max_by_key(|last| last.sequence))
    }

    /// A new file with this in it, there whole or not at all.
    pub(super) fn begin(path: &Path, last: &Last) -> io::Result<()> {
        let beside = path.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        Self::open(&beside)?.write(last)?;
        std::fs::rename(&beside, path)?;
        sync_directory_of(path)
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() < 2 * SLOT {
            file.set_len(2 * SLOT)?;
            file.sync_all()?;
            sync_directory_of(path)?;
        }
        Ok(Self { file })
    }

    /// Returns when it is on disk.
    pub(super) fn write(&self, last: &Last) -> io::Result<()> {
        self.file.write_all_at(&print(last), last.sequence % 2 * SLOT)?;
        self.file.sync_data()
    }
}

/// A new or renamed file is there after a crash only when its directory was synced, too.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn print(last: &Last) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(last.instance.to_be_bytes());
    bytes.extend(last.sequence.to_be_bytes());
    bytes.extend(last.at.as_millis().to_be_bytes());
    bytes.extend(last.conversations.to_be_bytes());
    bytes.extend(last.jobs.to_be_bytes());
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum.iter().take(16));
    bytes
}

fn parse(bytes: &[u8; LENGTH]) -> Option<Last> {
    let number =
        |at: usize| -> Option<u64> { Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?)) };
    let last = Last {
        instance: u128::from(number(8)?) << 64 | u128::from(number(16)?),
        sequence: number(24)?,
        at: Timestamp::from_millis(number(32)?.cast_signed()),
        conversations: number(40)?,
        jobs: number(48)?,
        digest: 0,
    };
    (print(&last) == bytes).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(sequence: u64) -> Last {
        Last {
            instance: 7 << 100 | 3,
            sequence,
            at: Timestamp::from_secs(5),
            conversations: 9,
            jobs: 11,
            digest: 0,
        }
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("watermark");
        assert_eq!(Watermark::read(&path).unwrap(), None);
        let watermark = Watermark::open(&path).unwrap();
        watermark.write(&last(4)).unwrap();
        watermark.write(&last(5)).unwrap();
        assert_eq!(Watermark::read(&path).unwrap(), Some(last(5)));
        watermark.file.write_all_at(b"torn", SLOT + 30).unwrap();
        assert_eq!(Watermark::read(&path).unwrap(), Some(last(4)));
        watermark.file.write_all_at(b"torn", 30).unwrap();
        assert_eq!(Watermark::read(&path).unwrap(), None);
    }
}
