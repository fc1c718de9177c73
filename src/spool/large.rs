//! Large blobs: a file each, written beside, synced, and renamed to its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::{
    CHUNK, SpoolError,
    blob_name::LargeName,
    record::{self, HEADER, Header},
    segments::damaged,
};
use crate::{
    model::ids::BlobId,
    runtime::{
        byte_stream::ByteStream,
        clock::{Clock, Timestamp},
    },
};

/// A large blob that is read once; its checksum is compared at its end.
pub(super) struct LargeFile {
    file: File,
    header: Header,
    blob: BlobId,
    at: u64,
    hash: Sha256,
}

/// `reserve` is asked before each chunk is written.
pub(super) async fn write(
    dir: &Path,
    number: u64,
    content: ByteStream,
    reserve: impl FnMut(u64) -> Result<(), SpoolError>,
) -> Result<(BlobId, u64), SpoolError> {
    let beside = Beside(dir.join(format!("f-{number:08x}.tmp")));
    let header = write_beside(&beside.0, content, reserve).await?;
    let name = LargeName { number, sum: record::short_sum(header.sum) };
    tokio::fs::rename(&beside.0, dir.join(name.file())).await?;
    tokio::fs::File::open(dir).await?.sync_all().await?;
    Ok((name.blob(), header.length))
}

pub(super) fn open(dir: &Path, name: LargeName, blob: &BlobId) -> Result<LargeFile, SpoolError> {
    let file = match File::open(dir.join(name.file())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SpoolError::Missing(blob.clone()));
        }
        file => file?,
    };
    let header = header_of(&file).ok_or_else(|| damaged(blob))?;
    if file.metadata()?.len() != HEADER as u64 + header.length {
        return Err(damaged(blob).into());
    }
    Ok(LargeFile { file, header, blob: blob.clone(), at: 0, hash: Sha256::new() })
}

/// Its bytes from the disk, read on the threads that may block.
pub(super) fn chunks(file: LargeFile) -> ByteStream {
    futures::stream::try_unfold(file, |mut file| async move {
        tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk)?;
            chunk.truncate(read);
            Ok((read > 0).then(|| (Bytes::from(chunk), file)))
        })
        .await
        .map_err(io::Error::other)?
    })
    .boxed()
}

/// The bytes it took.
pub(super) fn remove(dir: &Path, name: LargeName) -> io::Result<u64> {
    let path = dir.join(name.file());
    match fs::metadata(&path) {
        Ok(metadata) => fs::remove_file(&path).map(|()| metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// A large blob on its way back from a backup.
pub(super) struct Returning {
    file: File,
    dir: PathBuf,
    name: LargeName,
    hash: Sha256,
    length: u64,
}

pub(super) fn put_back(dir: &Path, name: LargeName) -> io::Result<Returning> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name.file()))?;
    file.write_all(&[0; HEADER])?;
    Ok(Returning { file, dir: dir.to_owned(), name, hash: Sha256::new(), length: 0 })
}

impl Returning {
    pub(super) fn finish(self) -> io::Result<()> {
        let sum = record::shorten(self.hash.finalize().into());
        if record::short_sum(sum) != self.name.sum {
            return Err(damaged(&self.name.blob()));
        }
        let header = Header { live: true, length: self.length, written: Clock::real().now(), sum };
        self.file.write_all_at(&header.print(), 0)?;
        self.file.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }
}

pub(super) fn written(dir: &Path, name: LargeName) -> Option<Timestamp> {
    header_of(&File::open(dir.join(name.file())).ok()?).map(|header| header.written)
}

impl LargeFile {
    pub(super) fn length(&self) -> u64 {
        self.header.length
    }
}

impl Read for LargeFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, HEADER as u64 + self.at)?;
        self.at += read as u64;
        self.hash.update(into.get(..read).unwrap_or_default());
        if read == 0 && !into.is_empty() {
            let sum = record::shorten(self.hash.clone().finalize().into());
            if self.at != self.header.length || sum != self.header.sum {
                return Err(damaged(&self.blob));
            }
        }
        Ok(read)
    }
}

/// A half-written file, removed when nobody renamed it.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn write_beside(
    path: &Path,
    mut content: ByteStream,
    mut reserve: impl FnMut(u64) -> Result<(), SpoolError>,
) -> Result<Header, SpoolError> {
    let mut file =
        tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).await?;
    let mut hash = Sha256::new();
    let mut length = 0;
    reserve(HEADER as u64)?;
    file.write_all(&[0; HEADER]).await?;
    while let Some(chunk) = content.try_next().await? {
        reserve(chunk.len() as u64)?;
        hash.update(&chunk);
        length += chunk.len() as u64;
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    let sum = record::shorten(hash.finalize().into());
    let header = Header { live: true, length, written: Clock::real().now(), sum };
    let file = file.into_std().await;
    tokio::task::spawn_blocking(move || {
        file.write_all_at(&header.print(), 0)?;
        file.sync_all()
    })
    .await
    .map_err(io::Error::other)??;
    Ok(header)
}

fn header_of(file: &File) -> Option<Header> {
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Header::parse(&bytes)
}
