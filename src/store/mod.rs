//! What survives a kill: mappings, jobs, cursors, links (sled), committed by one thread.
//!
//! The store is one small interface in the bridge's own words, each operation
//! all or nothing by itself. Nothing outside assumes that it alone writes: a claim
//! and a lease are values that each later operation takes, so that a stale holder
//! is refused.

pub mod change;
pub mod rows;

use std::path::PathBuf;

use crate::{
    model::{
        account::{Account, Link, LinkCode},
        conversation::Conversation,
        cursor::Cursor,
        ids::{AccountName, ApiName, ConversationId, JobId, MailAddress},
        job::{Decision, Ended, Job, Lane, NewJob, Progress, Remote, Step, StepRecord, Task, Why},
        place::Place,
        secret::InstanceSecret,
    },
    runtime::clock::{Clock, Timestamp},
    spool::Spool,
};
use change::{Change, Key};
use rows::{Depth, Health, Notice, Summary, TicketWatch};

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {}

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

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process holds {0}")]
    Locked(PathBuf),
    #[error("the store was written by a newer version (schema {found}, this one knows {known})")]
    Newer { found: u32, known: u32 },
    /// Something is missing or damaged: what, and since when. The ways on:
    /// `store restore FILE` or `run --after-loss`.
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
}

/// One source's permission to move its cursor.
#[derive(Clone, Debug)]
pub struct Lease {
    pub cursor: Option<Cursor>,
    /// After a loss: the source is to be read again from then.
    pub reread_since: Option<Timestamp>,
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
    fence: u64,
}

/// How an attempted step ended that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It did not happen: the step is as if never attempted.
    Surely,
    Unknown(Ended),
}

impl Store {
    /// Opens, locks, checks against the watermark, migrates.
    pub fn open(_options: Options) -> Result<(Self, Spool, InstanceSecret), OpenError> {
        todo!()
    }

    // ---- sources

    pub async fn take_source(&self, _source: &str) -> Result<Lease, StoreError> {
        todo!()
    }

    /// Dedup, conversations, jobs and cursor in one transaction.
    pub async fn accept(
        &self,
        _lease: &Lease,
        _arrivals: Vec<Arrival>,
        _cursor: Cursor,
    ) -> Result<Vec<Accepted>, StoreError> {
        todo!()
    }

    // ---- jobs

    /// Jobs and changes in one transaction; `None` for a job whose key is known.
    pub async fn enqueue(
        &self,
        _jobs: Vec<NewJob>,
        _changes: Vec<Change>,
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        todo!()
    }

    /// At most `most` lanes whose head is due. A lane whose head gathers is due as soon as another job joins the lane.
    pub fn claim(&self, _most: usize) -> Vec<Claim> {
        todo!()
    }

    /// Returns when `claim` may have something new; cancel-safe.
    pub async fn wait_for_due(&self) {
        todo!()
    }

    /// Records that the call of this step is about to be made.
    pub async fn begin_step(&self, _claim: &mut Claim, _step: Step) -> Result<(), StoreError> {
        todo!()
    }

    /// Records what the step made, with the mappings that follow from it.
    pub async fn end_step(
        &self,
        _claim: &mut Claim,
        _step: Step,
        _made: Remote,
        _changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    pub async fn fail_step(&self, _claim: &mut Claim, _step: Step, _how: Failed) -> Result<(), StoreError> {
        todo!()
    }

    /// Makes the first `joined` jobs of the claim one: the head with `task`. The others are done; their keys stay known.
    pub async fn join(&self, _claim: &mut Claim, _joined: usize, _task: Task) -> Result<(), StoreError> {
        todo!()
    }

    /// The head is done.
    pub async fn finish(
        &self,
        _claim: Claim,
        _changes: Vec<Change>,
        _follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The head waits, and its lane with it.
    pub async fn postpone(
        &self,
        _claim: Claim,
        _until: Timestamp,
        _why: Why,
        _progress: Progress,
        _follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The head leaves the lane, to be decided by a person; the lane goes on.
    pub async fn park(
        &self,
        _claim: Claim,
        _why: String,
        _changes: Vec<Change>,
        _follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The head is dead; the lane goes on.
    pub async fn bury(
        &self,
        _claim: Claim,
        _why: String,
        _changes: Vec<Change>,
        _follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Gives the lane back as it was.
    pub fn release(&self, _claim: Claim) {
        todo!()
    }

    /// A decision about a job: one that waits goes on where it is, a parked or dead one goes to
    /// the end of its lane (of `lane`, if given). `false` if there is no such live, parked or dead job.
    pub async fn resume(
        &self,
        _job: JobId,
        _decision: Option<Decision>,
        _lane: Option<Lane>,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Ends a parked or dead job for good. `false` if there is none.
    pub async fn discard(
        &self,
        _job: JobId,
        _changes: Vec<Change>,
        _follow_ups: Vec<NewJob>,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Any job still stored, done ones included, with its steps.
    pub fn job(&self, _id: JobId) -> Result<Option<(Job, Vec<StepRecord>)>, StoreError> {
        todo!()
    }

    /// The job that a dedup or idempotency key led to, while both are kept.
    pub fn job_of_key(&self, _key: &str) -> Result<Option<JobId>, StoreError> {
        todo!()
    }

    /// Live, parked and dead jobs for lists, at most `most`, in order of acceptance.
    pub fn summaries(&self, _most: usize) -> Result<Vec<Summary>, StoreError> {
        todo!()
    }

    pub fn depth(&self) -> Depth {
        todo!()
    }

    // ---- mappings

    pub async fn apply(&self, _changes: Vec<Change>) -> Result<(), StoreError> {
        todo!()
    }

    /// A number that no conversation has or will have.
    pub fn next_conversation(&self) -> ConversationId {
        todo!()
    }

    pub fn conversation(&self, _id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        todo!()
    }

    pub fn find(&self, _key: &Key) -> Result<Option<ConversationId>, StoreError> {
        todo!()
    }

    pub fn is_known(&self, _dedup: &str) -> Result<bool, StoreError> {
        todo!()
    }

    pub fn account(&self, _name: &AccountName) -> Result<Option<Account>, StoreError> {
        todo!()
    }

    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        todo!()
    }

    pub fn link(&self, _place: &Place) -> Result<Option<Link>, StoreError> {
        todo!()
    }

    /// Oldest first.
    pub fn links_of(&self, _account: &AccountName) -> Result<Vec<Link>, StoreError> {
        todo!()
    }

    pub fn link_code(&self, _hash: &str) -> Result<Option<LinkCode>, StoreError> {
        todo!()
    }

    pub fn notice(&self, _key: &str) -> Result<Option<Notice>, StoreError> {
        todo!()
    }

    pub fn suppressed(&self, _address: &MailAddress) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Every ticket that is looked at, of one account.
    pub fn watches(&self, _api: &ApiName, _account: &AccountName) -> Result<Vec<TicketWatch>, StoreError> {
        todo!()
    }

    // ---- the store itself

    pub fn now(&self) -> Timestamp {
        todo!()
    }

    /// Until then every create and reply looks for its marker first.
    pub fn look_first_until(&self) -> Option<Timestamp> {
        todo!()
    }

    pub fn health(&self) -> tokio::sync::watch::Receiver<Health> {
        todo!()
    }

    /// Drops what is kept no longer: done jobs, dedup keys, link codes, notices; and their spool blobs.
    pub async fn forget(&self, _done_before: Timestamp) -> Result<(), StoreError> {
        todo!()
    }
}
