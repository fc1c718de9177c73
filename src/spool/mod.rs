//! Bytes that survive a kill: raw mails, long texts, composed mails.
//!
//! Small blobs are appended to segments, many with one sync; large streams are
//! files of their own. A blob's id says where it lies, so there is no index.

mod blob_name;
mod large;
mod record;
mod segments;
mod writer;

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};

use crate::{
    model::ids::BlobId,
    runtime::{byte_stream::ByteStream, clock::Timestamp},
};
use blob_name::BlobName;
use writer::Writer;

/// Longer blobs become files of their own; segments hold the others whole.
const LARGEST_IN_SEGMENT: usize = 1 << 20;
/// A blob in a segment is handed out in pieces of this size.
const CHUNK: usize = 64 << 10;

/// Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    most: u64,
    used: Arc<AtomicU64>,
    writer: Writer,
    /// The first number of this process: what is below was written by a former one.
    first: u64,
    next_large: AtomicU64,
    /// Held by whoever deletes.
    deleting: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The configured size is reached; what is not acknowledged stays with its source.
    #[error("the spool is full")]
    Full,
    #[error("the blob {0} is not in the spool")]
    Missing(BlobId),
    #[error("the spool cannot be read or written")]
    Io(#[from] std::io::Error),
}

impl Spool {
    /// Opens the directory, made with mode 0700; holds at most `most` bytes.
    pub fn open(dir: &Path, most: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut used = 0;
        let mut first = 0;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match blob_name::number_of_file(&entry.file_name()) {
                Some(number) => {
                    first = first.max(number + 1);
                    used += bytes_on_disk(&entry.metadata()?);
                }
                // Left half written by a former process: nothing names it yet.
                None if entry.path().extension().is_some_and(|e| e == "tmp") => {
                    fs::remove_file(entry.path())?
                }
                None => {}
            }
        }
        let used = Arc::new(AtomicU64::new(used));
        let writer = Writer::start(dir.to_owned(), first)?;
        Ok(Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                most,
                used,
                writer,
                first,
                next_large: AtomicU64::new(first),
                deleting: Mutex::new(()),
            }),
        })
    }

    /// Returns when the bytes are on disk.
    pub async fn put(&self, bytes: Bytes) -> Result<BlobId, SpoolError> {
        if bytes.len() > LARGEST_IN_SEGMENT {
            let stream = futures::stream::once(async move { Ok(bytes) }).boxed();
            return Ok(self.put_large(stream).await?.0);
        }
        let reserved = self.reserve(record::footprint(bytes.len()))?;
        let blob = self.inner.writer.append(bytes).await?;
        reserved.keep();
        Ok(blob)
    }

    /// The same from a stream of unknown length, with the number of bytes.
    pub async fn put_stream(&self, mut content: ByteStream) -> Result<(BlobId, u64), SpoolError> {
        let mut begin = BytesMut::new();
        while let Some(chunk) = content.try_next().await? {
            begin.extend_from_slice(&chunk);
            if begin.len() > LARGEST_IN_SEGMENT {
                let begin = begin.freeze();
                return self
                    .put_large(futures::stream::once(async move { Ok(begin) }).chain(content).boxed())
                    .await;
            }
        }
        let length = begin.len() as u64;
        Ok((self.put(begin.freeze()).await?, length))
    }

    /// The whole blob, verified.
    pub async fn read(&self, blob: &BlobId) -> Result<Bytes, SpoolError> {
        let (spool, blob) = (self.clone(), blob.clone());
        blocking(move || spool.read_now(&blob)).await
    }

    /// The same without a runtime; for threads that may block.
    pub fn read_now(&self, blob: &BlobId) -> Result<Bytes, SpoolError> {
        match BlobName::parse(blob).ok_or_else(|| SpoolError::Missing(blob.clone()))? {
            BlobName::Record(place) => segments::read(&self.inner.dir, place, blob),
            BlobName::Large(name) => {
                let mut all = Vec::new();
                large::open(&self.inner.dir, name, blob)?.read_to_end(&mut all)?;
                Ok(all.into())
            }
        }
    }

    /// Its size and its bytes, chunk by chunk. A damaged file of its own ends with an error.
    pub async fn stream(&self, blob: &BlobId) -> Result<(u64, ByteStream), SpoolError> {
        if let Some(BlobName::Large(name)) = BlobName::parse(blob) {
            let (dir, blob) = (self.inner.dir.clone(), blob.clone());
            let file = blocking(move || large::open(&dir, name, &blob)).await?;
            return Ok((file.length(), large::chunks(file)));
        }
        let bytes = self.read(blob).await?;
        let length = bytes.len() as u64;
        let pieces: Vec<Bytes> =
            (0..bytes.len()).step_by(CHUNK).map(|at| bytes.slice(at..bytes.len().min(at + CHUNK))).collect();
        Ok((length, futures::stream::iter(pieces.into_iter().map(Ok)).boxed()))
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// The same to be read piece by piece; blocks.
    pub fn reader(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>, SpoolError> {
        match BlobName::parse(blob) {
            Some(BlobName::Large(name)) => Ok(Box::new(large::open(&self.inner.dir, name, blob)?)),
            _ => Ok(Box::new(io::Cursor::new(self.read_now(blob)?))),
        }
    }

    /// Puts a blob from a backup back under its old name. Blobs of one segment come in the order of
    /// their names, into a spool that has none of them. Blocks.
    pub fn put_back(&self, blob: &BlobId) -> Result<PutBack, SpoolError> {
        let dir = &self.inner.dir;
        Ok(PutBack(match BlobName::parse(blob).ok_or_else(|| SpoolError::Missing(blob.clone()))? {
            BlobName::Record(place) => Returning::Record(dir.clone(), place, Vec::new()),
            BlobName::Large(name) => Returning::Large(large::put_back(dir, name)?),
        }))
    }

    /// Forgets blobs; what is already gone is no error. Blocks. A deletion that a power cut
    /// undoes is repeated by the next [`Spool::sweep`].
    pub fn drop_blobs<'a>(&self, blobs: impl IntoIterator<Item = &'a BlobId>) -> io::Result<()> {
        let _deleting = self.inner.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut touched = std::collections::BTreeSet::new();
        for blob in blobs {
            match BlobName::parse(blob) {
                Some(BlobName::Record(place)) if segments::mark_dead(&self.inner.dir, place)? => {
                    touched.insert(place.segment);
                }
                Some(BlobName::Large(name)) => self.freed(large::remove(&self.inner.dir, name)?),
                Some(BlobName::Record(_)) | None => {}
            }
        }
        for segment in touched {
            self.tidy(segment)?;
        }
        Ok(())
    }

    /// Drops every blob that `is_named` does not know, if a former process wrote it or it is
    /// older than `before`; a blob is written before the row that names it. Blocks.
    pub fn sweep(
        &self,
        before: Timestamp,
        is_named: &dyn Fn(&BlobId) -> io::Result<bool>,
    ) -> io::Result<u64> {
        let _deleting = self.inner.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.inner.dir)? {
            numbers.extend(blob_name::parse_file(&entry?.file_name()));
        }
        for file in numbers {
            match file {
                blob_name::SpoolFile::Segment(segment) => {
                    for found in segments::walk(&self.inner.dir, segment)? {
                        let old = segment < self.inner.first || found.written < before;
                        if found.live && old && !is_named(&found.blob())? {
                            segments::mark_dead(&self.inner.dir, found.place)?;
                            dropped += 1;
                        }
                    }
                    self.tidy(segment)?;
                }
                blob_name::SpoolFile::Large(name) => {
                    let old = name.number < self.inner.first
                        || large::written(&self.inner.dir, name).is_some_and(|at| at < before);
                    if old && !is_named(&name.blob())? {
                        self.freed(large::remove(&self.inner.dir, name)?);
                        dropped += 1;
                    }
                }
            }
        }
        Ok(dropped)
    }

    /// Gives a closed segment's dead bytes back to the disk.
    fn tidy(&self, segment: u64) -> io::Result<()> {
        if segment < self.inner.writer.current() {
            self.freed(segments::tidy(&self.inner.dir, segment)?);
        }
        Ok(())
    }

    async fn put_large(&self, content: ByteStream) -> Result<(BlobId, u64), SpoolError> {
        let number = self.inner.next_large.fetch_add(1, Ordering::Relaxed);
        let mut reserved = self.reserve(0)?;
        let (blob, length) =
            large::write(&self.inner.dir, number, content, |more| reserved.more(more)).await?;
        reserved.keep();
        Ok((blob, length))
    }

    fn reserve(&self, bytes: u64) -> Result<Reserved, SpoolError> {
        let mut reserved = Reserved { inner: self.inner.clone(), bytes: 0 };
        reserved.more(bytes)?;
        Ok(reserved)
    }

    fn freed(&self, bytes: u64) {
        let _ = self
            .inner
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(bytes)));
    }
}

/// A blob on its way back from a backup: written piece by piece, then finished.
pub struct PutBack(Returning);

enum Returning {
    Record(PathBuf, blob_name::Place, Vec<u8>),
    Large(large::Returning),
}

impl PutBack {
    /// Returns when it is on disk.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Returning::Record(dir, place, bytes) => segments::put_back(&dir, place, &bytes),
            Returning::Large(returning) => returning.finish(),
        }
    }
}

impl Write for PutBack {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Returning::Record(_, _, all) => all.write(bytes),
            Returning::Large(returning) => returning.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes counted as used; given back when dropped, unless kept.
struct Reserved {
    inner: Arc<Inner>,
    bytes: u64,
}

impl Reserved {
    fn more(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let most = self.inner.most;
        self.inner
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= most)
            })
            .map_err(|_| SpoolError::Full)?;
        self.bytes += bytes;
        Ok(())
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.inner.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a file takes on disk: less than its length where it has holes.
fn bytes_on_disk(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.len().min(metadata.blocks() * 512)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SpoolError::Io(io::Error::other(error)))?
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
