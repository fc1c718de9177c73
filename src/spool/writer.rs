//! The one thread that appends to segments: many records, one sync.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    SpoolError,
    blob_name::{Place, segment_file},
    record::{self, Header},
};
use crate::{model::ids::BlobId, runtime::clock::Clock};

/// A segment is closed once it is this long: the grain in which space comes back.
const SEGMENT: u64 = 16 << 20;
/// One sync covers at most so many blobs and so many bytes.
const MOST_BLOBS: usize = 256;
const MOST_BYTES: usize = 8 << 20;
/// Blobs that wait at most; beyond, `put` waits.
const WAITING: usize = 64;

pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    current: Arc<AtomicU64>,
}

struct Request {
    bytes: Bytes,
    answer: oneshot::Sender<Result<BlobId, SpoolError>>,
}

struct Segment {
    number: u64,
    /// Made by the first append, so that a process that spools nothing leaves no file.
    file: Option<File>,
    length: u64,
}

impl Writer {
    /// Appends to segments from `first` on; never to one of a former process, whose tail may be torn.
    pub(super) fn start(dir: PathBuf, first: u64) -> io::Result<Self> {
        let (requests, received) = mpsc::channel(WAITING);
        let current = Arc::new(AtomicU64::new(first));
        let shown = current.clone();
        std::thread::Builder::new().name("spool".into()).spawn(move || run(&dir, received, &shown))?;
        Ok(Self { requests, current })
    }

    pub(super) async fn append(&self, bytes: Bytes) -> Result<BlobId, SpoolError> {
        let gone = || SpoolError::Io(io::Error::other("the spool's writer ended"));
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { bytes, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The segment that is appended to; lower ones are closed.
    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }
}

fn run(dir: &Path, mut received: mpsc::Receiver<Request>, current: &AtomicU64) {
    let mut segment = Segment { number: current.load(Ordering::Acquire), file: None, length: 0 };
    while let Some(first) = received.blocking_recv() {
        let mut size = first.bytes.len();
        let mut batch = vec![first];
        while batch.len() < MOST_BLOBS && size < MOST_BYTES {
            let Ok(more) = received.try_recv() else { break };
            size += more.bytes.len();
            batch.push(more);
        }
        let written = segment.append(dir, &batch);
        let failed = written.is_err();
        answer(batch, written);
        if failed || segment.length >= SEGMENT {
            // After an error nobody knows how far the tail reaches: it is left for good.
            segment = Segment { number: segment.number + 1, file: None, length: 0 };
            current.store(segment.number, Ordering::Release);
        }
    }
}

fn answer(batch: Vec<Request>, written: io::Result<Vec<BlobId>>) {
    match written {
        Ok(blobs) => {
            for (request, blob) in batch.into_iter().zip(blobs) {
                let _ = request.answer.send(Ok(blob));
            }
        }
        Err(error) => {
            tracing::error!(%error, "The spool could not be written.");
            for request in batch {
                let _ = request.answer.send(Err(io::Error::new(error.kind(), error.to_string()).into()));
            }
        }
    }
}

impl Segment {
    fn append(&mut self, dir: &Path, batch: &[Request]) -> io::Result<Vec<BlobId>> {
        let written = Clock::real().now();
        let mut bytes = Vec::new();
        let mut blobs = Vec::with_capacity(batch.len());
        for request in batch {
            let sum = record::sum_of(&request.bytes);
            let offset = self.length + bytes.len() as u64;
            blobs.push(Place { segment: self.number, offset, sum: record::short_sum(sum) }.blob());
            bytes.extend(Header { live: true, length: request.bytes.len() as u64, written, sum }.print());
            bytes.extend_from_slice(&request.bytes);
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(make(dir, self.number)?),
        };
        file.write_all_at(&bytes, self.length)?;
        file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(blobs)
    }
}

fn make(dir: &Path, number: u64) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(segment_file(number)))?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}
