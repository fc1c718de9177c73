//! What a blob's id says: in which file it lies, where, and a piece of its checksum.

use std::ffi::OsStr;

use crate::model::ids::BlobId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlobName {
    Record(Place),
    Large(LargeName),
}

/// A record in a segment. The sum keeps a name from meaning other bytes, should a number come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) sum: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LargeName {
    pub(super) number: u64,
    pub(super) sum: u32,
}

/// A file of the spool's directory.
pub(super) enum SpoolFile {
    Segment(u64),
    Large(LargeName),
}

impl BlobName {
    pub(super) fn parse(blob: &BlobId) -> Option<Self> {
        let mut parts = blob.as_str().split('-');
        let name = match (parts.next()?, hex(parts.next()?)?, hex(parts.next()?)?, parts.next()) {
            ("s", segment, offset, Some(sum)) => {
                Self::Record(Place { segment, offset, sum: u32::try_from(hex(sum)?).ok()? })
            }
            ("f", number, sum, None) => Self::Large(LargeName { number, sum: u32::try_from(sum).ok()? }),
            _ => return None,
        };
        parts.next().is_none().then_some(name)
    }
}

impl Place {
    /// Fixed width, so that the order of names is the order on disk.
    pub(super) fn blob(self) -> BlobId {
        BlobId::new(format!("s-{:08x}-{:08x}-{:08x}", self.segment, self.offset, self.sum))
    }
}

impl LargeName {
    pub(super) fn blob(self) -> BlobId {
        BlobId::new(format!("f-{:08x}-{:08x}", self.number, self.sum))
    }

    pub(super) fn file(self) -> String {
        self.blob().as_str().to_owned()
    }
}

pub(super) fn segment_file(segment: u64) -> String {
    format!("s-{segment:08x}")
}

pub(super) fn parse_file(name: &OsStr) -> Option<SpoolFile> {
    let name = name.to_str()?;
    match BlobName::parse(&BlobId::new(name)) {
        Some(BlobName::Large(large)) => Some(SpoolFile::Large(large)),
        _ => name.strip_prefix("s-").and_then(hex).map(SpoolFile::Segment),
    }
}

pub(super) fn number_of_file(name: &OsStr) -> Option<u64> {
    Some(match parse_file(name)? {
        SpoolFile::Segment(number) => number,
        SpoolFile::Large(large) => large.number,
    })
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}
