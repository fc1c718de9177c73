//! What survives a kill: mappings, jobs, cursors, links (sled), committed by one thread.
//!
//! The store is one small interface in the bridge's own words, each operation
//! all or nothing by itself. Nothing outside assumes that it alone writes: a claim
//! and a lease are values that each later operation takes, so that a stale holder
//! is refused.

pub mod change;
pub mod dump;
pub mod rows;

mod accounts;
mod blobs;
mod committer;
mod conversations;
mod cursors;
mod decisions;
mod digest;
mod forget;
mod jobs;
mod journal;
mod lanes;
mod notices;
mod opening;
mod queue;
mod secret_file;
mod steps;
mod tree;
mod trees;
mod txn;
mod watermark;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, RwLock, atomic::AtomicU64},
    thread::JoinHandle,
};

use tokio::sync::{Notify, mpsc, watch};

use crate::{
    model::{
        cursor::{Cursor, Reread},
        ids::JobId,
        job::{Ended, Job, Lane, NewJob, StepRecord},
        secret::InstanceSecret,
    },
    runtime::clock::{Clock, Timestamp},
    spool::Spool,
};
use change::Change;
use committer::{Committer, Request, Shared};
use opening::{Files, Opened};
use queue::Hold;
pub use queue::Kept;
use rows::{Health, Lost, Summary};
use tree::Db;

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Taken by the last owner, so that the committer ends.
    requests: Option<mpsc::Sender<Request>>,
    committer: Option<JoinHandle<()>>,
}

pub struct Options {
    /// `state_dir`; made with mode 0700.
    pub dir: PathBuf,
    pub clock: Clock,
    /// Go on although something is missing (`run --after-loss`).
    pub after_loss: bool,
    /// Spool bytes at most.
    pub spool_bytes: u64,
    /// Live jobs at most; `accept` refuses beyond.
    pub most_jobs: usize,
}

/// What a person may do about [`OpenError::Lost`]: put a backup back, or go on with what is left.
pub const WAYS_ON: [&str; 2] = ["ticket-bridge store restore FILE", "ticket-bridge run --after-loss"];

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process holds {0}")]
    Locked(PathBuf),
    #[error("the store was written by a newer version (schema {found}, this one knows {known})")]
    Newer { found: u32, known: u32 },
    /// Something is missing or damaged: what, and since when. See [`WAYS_ON`].
    #[error("{0}")]
    Lost(String),
    #[error("the state directory cannot be used")]
    Io(#[from] std::io::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Disk or database trouble; nothing was written. The store reopens by itself; see [`Store::health`].
    #[error("the store cannot be written: {0}")]
    Unavailable(String),
    /// The claim or lease was superseded (the store was reopened, another took over).
    #[error("the claim is stale")]
    Stale,
    /// A `Change::Bind`, `NewConversation` or `SpendLinkCode` found otherwise than assumed: decide anew.
    #[error("somebody else was faster: {0}")]
    Conflict(String),
    /// The configured number of live jobs is reached.
    #[error("the queue is full")]
    Full,
    /// What was to be stored in one row is longer than a row may be; it will not be shorter next time.
    #[error("{0} bytes are too many for one row")]
    TooLarge(usize),
}

/// One source's permission to move its cursor.
#[derive(Clone, Debug)]
pub struct Lease {
    pub cursor: Option<Cursor>,
    /// What is to be read again, until [`Store::reread_done`].
    pub reread: Option<Reread>,
    source: String,
    fence: u64,
}

/// One inbound item with what its acceptance changes.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Any of these known → the item is a duplicate, and nothing of it is written.
    pub dedup: Vec<Dedup>,
    pub changes: Vec<Change>,
    pub jobs: Vec<NewJob>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    pub key: String,
    /// Forgotten after that time.
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    New(Vec<JobId>),
    Duplicate,
}

/// A lane, held: nobody else runs it until the claim is given back by one of
/// `finish`, `postpone`, `park`, `bury`, `release`.
#[derive(Debug)]
pub struct Claim {
    pub lane: Lane,
    /// The lane's live jobs from its head on, at most twelve.
    pub jobs: Vec<Job>,
    /// The head's steps.
    pub steps: Vec<StepRecord>,
    /// How often somebody had decided about the head when it was claimed.
    resumes: u32,
    hold: Hold,
    /// The head cannot be read and never will be: there are no jobs then, and it is to be buried.
    pub damaged: Option<Damaged>,
}

/// A job whose spooled content is gone.
#[derive(Clone, Debug)]
pub struct Damaged {
    pub summary: Summary,
    pub why: String,
    /// Whether a step of it was attempted.
    pub begun: bool,
}

/// How an attempted step ended that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It did not happen: the step is as if never attempted.
    Surely,
    Unknown(Ended),
}

impl Store {
    /// Opens, locks, checks against the watermark, migrates. Blocks for as long as all rows take to read.
    pub fn open(options: Options) -> Result<(Self, Spool, InstanceSecret), OpenError> {
        opening::prepare_directory(&options.dir)?;
        let (opened, secret) = opening::open(&options.dir, &options.clock, options.after_loss)?;
        let Opened { db, disk, lanes, loss } = opened;
        let spool = Spool::open(&Files::of(&options.dir).spool, options.spool_bytes)?;
        let shared = Arc::new(Shared {
            dir: options.dir,
            clock: options.clock,
            spool: spool.clone(),
            most_jobs: options.most_jobs,
            db: RwLock::new(Some(db)),
            lanes: Mutex::new(lanes),
            due: Notify::new(),
            conversations: AtomicU64::new(disk.last.conversations),
            fences: AtomicU64::new(1),
            sources: Mutex::new(HashMap::new()),
            loss: Mutex::new(loss),
            health: watch::Sender::new(Health::Ok),
            #[cfg(test)]
            trouble: Mutex::new(None),
        });
        let (requests, received) = mpsc::channel(committer::WAITING);
        let committer = Committer { shared: shared.clone(), disk, requests: received };
        let committer =
            std::thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
        let sweeping = shared.clone();
        std::thread::Builder::new().name("sweep".into()).spawn(move || blobs::sweep(&sweeping))?;
        let inner = Inner { shared, requests: Some(requests), committer: Some(committer) };
        Ok((Self { inner: Arc::new(inner) }, spool, secret))
    }

    pub fn now(&self) -> Timestamp {
        self.shared().clock.now()
    }

    /// Until then every create and reply looks for its marker first.
    pub fn look_first_until(&self) -> Option<Timestamp> {
        self.shared().loss().map(|loss| loss.look_first_until).filter(|until| *until > self.now())
    }

    /// After a loss, for as long as [`Self::look_first_until`]: what was known until then may be known no longer.
    pub fn lost_until(&self) -> Option<Timestamp> {
        self.look_first_until()?;
        self.shared().loss().map(|loss| loss.lost_until)
    }

    /// What was lost, for as long as everything is looked for first.
    pub fn loss(&self) -> Option<Lost> {
        let loss = self.shared().loss().filter(|loss| loss.look_first_until > self.now())?;
        Some(Lost {
            since: opening::may_miss_since(&loss),
            until: loss.lost_until,
            decided: opening::decided_at(&loss),
            reread_since: loss.reread_since,
            look_first_until: loss.look_first_until,
            number: loss.sequence,
            what: loss.what,
        })
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared().health.subscribe()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    fn requests(&self) -> Option<&mpsc::Sender<Request>> {
        self.inner.requests.as_ref()
    }

    fn read<T>(&self, look: impl FnOnce(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.shared().read(look)
    }
}

/// The last owner waits for the committer, so that what was asked is on disk and the lock is free.
impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("The committer panicked.");
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
mod damage_tests;

#[cfg(test)]
mod queue_tests;
