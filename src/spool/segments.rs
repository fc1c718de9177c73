//! Segments on disk: reading a record, marking it dead, giving dead bytes back.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use bytes::Bytes;

use super::{
    LARGEST_IN_SEGMENT, SpoolError,
    blob_name::{Place, segment_file},
    bytes_on_disk,
    record::{self, HEADER, Header},
};
use crate::{
    model::ids::BlobId,
    runtime::clock::{Clock, Timestamp},
};

/// A closed segment is written anew, with holes, when at least so many of its bytes are dead.
const WORTH_A_REWRITE: u64 = 4 << 20;

pub(super) struct Found {
    pub(super) place: Place,
    pub(super) live: bool,
    pub(super) length: u64,
    pub(super) written: Timestamp,
    header: Header,
}

impl Found {
    pub(super) fn blob(&self) -> BlobId {
        self.place.blob()
    }
}

pub(super) fn read(dir: &Path, place: Place, blob: &BlobId) -> Result<Bytes, SpoolError> {
    let missing = || SpoolError::Missing(blob.clone());
    let Some((file, header)) = open_record(dir, place)? else { return Err(missing()) };
    let length = usize::try_from(header.length).map_err(|_| missing())?;
    if !header.live || length > LARGEST_IN_SEGMENT {
        return Err(missing());
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, place.offset + HEADER as u64)?;
    if record::sum_of(&bytes) != header.sum {
        return Err(damaged(blob).into());
    }
    Ok(bytes.into())
}

/// Whether it lived before. Not synced: a deletion that a power cut undoes is repeated by the sweep.
pub(super) fn mark_dead(dir: &Path, place: Place) -> io::Result<bool> {
    match open_record(dir, place)? {
        Some((file, header)) if header.live => {
            file.write_all_at(&[record::DEAD], place.offset + record::STATE_AT)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Every record up to the end, or to a torn tail.
pub(super) fn walk(dir: &Path, segment: u64) -> io::Result<Vec<Found>> {
    let Some(file) = open(&dir.join(segment_file(segment)))? else { return Ok(Vec::new()) };
    let end = file.metadata()?.len();
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(header) = header_at(&file, offset)? {
        let next = offset + HEADER as u64 + header.length;
        if next > end {
            break;
        }
        found.push(Found {
            place: Place { segment, offset, sum: record::short_sum(header.sum) },
            live: header.live,
            length: header.length,
            written: header.written,
            header,
        });
        offset = next;
    }
    Ok(found)
}

/// Removes a segment in which nothing lives, and writes one that is mostly dead anew
/// with holes, each living record at its old place. The bytes it gave back.
pub(super) fn tidy(dir: &Path, segment: u64) -> io::Result<u64> {
    let path = dir.join(segment_file(segment));
    let Some(file) = open(&path)? else { return Ok(0) };
    let before = bytes_on_disk(&file.metadata()?);
    let records = walk(dir, segment)?;
    let living: u64 = records.iter().filter(|r| r.live).map(|r| r.length + HEADER as u64).sum();
    if living == 0 {
        fs::remove_file(&path)?;
        return Ok(before);
    }
    let dead = before.saturating_sub(living);
    if dead < WORTH_A_REWRITE || dead < living {
        return Ok(0);
    }
    rewrite(&path, &file, &records)?;
    Ok(before.saturating_sub(bytes_on_disk(&fs::metadata(&path)?)))
}

/// Writes a record at its old place; what was before it counts as dead.
pub(super) fn put_back(dir: &Path, place: Place, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(segment_file(place.segment));
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let end = file.metadata()?.len();
    let sum = record::sum_of(bytes);
    let gap = place.offset.checked_sub(end).filter(|gap| *gap == 0 || *gap >= HEADER as u64);
    let Some(gap) = gap.filter(|_| record::short_sum(sum) == place.sum) else {
        return Err(damaged(&place.blob()));
    };
    let written = Clock::real().now();
    if gap > 0 {
        let dead = Header { live: false, length: gap - HEADER as u64, written, sum };
        file.write_all_at(&dead.print(), end)?;
    }
    let header = Header { live: true, length: bytes.len() as u64, written, sum };
    file.write_all_at(&[&header.print(), bytes].concat(), place.offset)?;
    file.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Neighbouring dead records become one, whose bytes are a hole.
fn rewrite(path: &Path, file: &File, records: &[Found]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    for run in records.chunk_by(|a, b| !a.live && !b.live) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let at = first.place.offset;
        let mut header = first.header;
        header.length = last.place.offset + last.length - at;
        new.write_all_at(&header.print(), at)?;
        if first.live {
            let mut bytes = vec![0; usize::try_from(first.length).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, at + HEADER as u64)?;
            new.write_all_at(&bytes, at + HEADER as u64)?;
        }
    }
    new.set_len(file.metadata()?.len())?;
    new.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn open_record(dir: &Path, place: Place) -> io::Result<Option<(File, Header)>> {
    let path = dir.join(segment_file(place.segment));
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let header = header_at(&file, place.offset)?.filter(|h| record::short_sum(h.sum) == place.sum);
    Ok(header.map(|header| (file, header)))
}

fn header_at(file: &File, offset: u64) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(Header::parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn damaged(blob: &BlobId) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the blob {blob} is damaged"))
}
