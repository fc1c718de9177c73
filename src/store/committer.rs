//! The one thread that writes: drain, one transaction, sync, watermark, answer.
//!
//! Two threads that each run transactions and flush can wait for each other for ever,
//! so nothing else in the store does either.

use std::{
    collections::HashMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sled::Transactional;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    Store, StoreError,
    digest::of_row,
    jobs::chain,
    lanes::Lanes,
    opening::{self, Loss, Opened},
    rows::Health,
    tree::{Db, Key, decode, encode},
    trees::LAST,
    txn::{Batch, Effect, Overlay, Txn},
    watermark::{Last, Watermark},
};
use crate::{
    runtime::{backoff::Backoff, clock::Clock, tasks::panic_text},
    spool::Spool,
};

/// Operations that one transaction takes at most, and that wait for it at most.
const MOST_IN_BATCH: usize = 128;
pub(super) const WAITING: usize = 1024;
/// While the store is broken, who asks is answered after at most so long.
const LOOK_FOR_WHO_ASKS: Duration = Duration::from_millis(20);

/// What readers, claims and the committer share.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) clock: Clock,
    pub(super) spool: Spool,
    pub(super) most_jobs: usize,
    /// Nothing while it is being reopened.
    pub(super) db: RwLock<Option<Db>>,
    pub(super) lanes: Mutex<Lanes>,
    pub(super) due: Notify,
    /// The highest conversation number given out.
    pub(super) conversations: AtomicU64,
    pub(super) fences: AtomicU64,
    pub(super) sources: Mutex<HashMap<String, u64>>,
    pub(super) loss: Mutex<Option<Loss>>,
    pub(super) health: watch::Sender<Health>,
    /// What the next commits fail with, in tests.
    #[cfg(test)]
    pub(super) trouble: Mutex<Option<String>>,
}

/// Tells the waiter whether it was written.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Answers whether what it did is to be kept.
type Operation = Box<dyn FnOnce(&mut Txn<'_>) -> (bool, Answer) + Send>;

/// What the committer is asked.
pub(super) enum Request {
    Operation(Operation),
    /// Looks at everything while nothing is written.
    Look(Box<dyn FnOnce(&Db) + Send>),
}

pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Disk,
    pub(super) requests: mpsc::Receiver<Request>,
}

/// What must be synced with each commit.
pub(super) struct Disk {
    /// The database's own files: its flush is `sync_file_range` only.
    pub(super) files: Vec<File>,
    pub(super) watermark: Watermark,
    pub(super) last: Last,
}

impl Shared {
    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sources(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn loss(&self) -> Option<Loss> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn next_fence(&self) -> u64 {
        self.fences.fetch_add(1, Ordering::Relaxed)
    }

    /// Reads what is committed.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| StoreError::Unavailable("it is being reopened".into()))?;
        catch_unwind(AssertUnwindSafe(|| look(db))).unwrap_or_else(|panic| {
            Err(StoreError::Unavailable(format!("the database panicked: {}", panic_text(&*panic))))
        })
    }

    fn apply(&self, effects: Vec<Effect>) {
        let mut dropped = Vec::new();
        {
            let mut lanes = self.lanes();
            for effect in effects {
                match effect {
                    Effect::Lane(change) => lanes.apply(change),
                    Effect::Parked(more) => lanes.parked = lanes.parked.saturating_add_signed(more),
                    Effect::Dead(more) => lanes.dead = lanes.dead.saturating_add_signed(more),
                    Effect::DropBlob(blob) => dropped.push(blob),
                }
            }
        }
        self.due.notify_waiters();
        if let Err(error) = self.spool.drop_blobs(&dropped) {
            tracing::warn!(%error, "Spooled bytes could not be dropped; the next start sweeps them.");
        }
    }
}

impl Store {
    /// Runs `operation` on the committer thread; returns once it is on disk, or left no trace.
    pub(super) async fn commit<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let gone = || StoreError::Unavailable("the committer gave no answer".into());
        let (answer, answered) = oneshot::channel();
        let request = request(operation, move |result| {
            let _ = answer.send(result);
        });
        self.requests().ok_or_else(gone)?.send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn request<R: Send + 'static>(
    operation: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    tell: impl FnOnce(Result<R, StoreError>) + Send + 'static,
) -> Request {
    Request::Operation(Box::new(move |txn| {
        let result = operation(txn);
        let keep = result.is_ok();
        (keep, Box::new(move |committed| tell(committed.and(result))))
    }))
}

impl Committer {
    pub(super) fn run(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < MOST_IN_BATCH {
                let Ok(more) = self.requests.try_recv() else { break };
                batch.push(more);
            }
            if let Err(why) = self.turn(batch)
                && !self.heal(why)
            {
                break;
            }
        }
        // Claims may outlive the store; the database's lock must not.
        self.close();
    }

    /// One batch: all of it is on disk before anybody is answered. What went wrong with the disk, if it did.
    fn turn(&mut self, requests: Vec<Request>) -> Result<(), String> {
        let shared = self.shared.clone();
        let guard = shared.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = guard.as_ref() else { return Err("the database is not open".into()) };
        let mut batch = Batch {
            writes: Overlay::new(),
            effects: Vec::new(),
            last: self.disk.last.clone(),
            live: shared.lanes().live(),
        };
        let mut waiters = Vec::with_capacity(requests.len());
        let mut looks = Vec::new();
        for request in requests {
            match request {
                Request::Operation(operation) => waiters.extend(run(operation, db, &mut batch, &shared)),
                Request::Look(look) => looks.push(look),
            }
        }
        let Batch { writes, effects, last, .. } = batch;
        let committed = catch_unwind(AssertUnwindSafe(|| self.write(db, writes, last)))
            .unwrap_or_else(|panic| Err(format!("the database panicked: {}", panic_text(&*panic))));
        match &committed {
            Ok(()) => shared.apply(effects),
            // Before anybody is answered: who is refused finds the reason there.
            Err(why) => {
                shared.forget_holders();
                let since = shared.clock.now();
                shared.health.send_replace(Health::Broken { since, why: why.clone() });
            }
        }
        for waiter in waiters {
            waiter(committed.clone().map_err(StoreError::Unavailable));
        }
        for look in looks {
            let _ = catch_unwind(AssertUnwindSafe(|| look(db)));
        }
        committed
    }

    fn write(&mut self, db: &Db, mut writes: Overlay, mut last: Last) -> Result<(), String> {
        if writes.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        if let Some(trouble) = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(trouble);
        }
        last.sequence += 1;
        last.at = self.shared.clock.now();
        last.conversations = last.conversations.max(self.shared.conversations.load(Ordering::Acquire));
        for ((tree, key), value) in &writes {
            let before = db.get_bytes(*tree, key).map_err(|error| error.to_string())?;
            last.digest = last
                .digest
                .wrapping_sub(before.map_or(0, |before| of_row(*tree, key, &before)))
                .wrapping_add(value.as_ref().map_or(0, |value| of_row(*tree, key, value)));
        }
        let row = encode(&last).map_err(|error| error.to_string())?;
        writes.insert((LAST.index, LAST_KEY.row_key()), Some(row));
        commit(db, &writes).map_err(|error| error.to_string())?;
        for file in &self.disk.files {
            file.sync_data().map_err(|error| error.to_string())?;
        }
        self.disk.watermark.write(&last).map_err(|error| error.to_string())?;
        self.disk.last = last;
        Ok(())
    }

    /// Errors stick in the database until it is opened anew. `false` when nobody needs it any more.
    fn heal(&mut self, mut why: String) -> bool {
        let since = self.shared.clock.now();
        let Ok(backoff) = Backoff::new(Duration::from_millis(200), Duration::from_secs(15)) else {
            return false;
        };
        self.close();
        for attempt in 0.. {
            tracing::error!(why, "The store is broken; it is reopened.");
            self.shared.health.send_replace(Health::Broken { since, why: why.clone() });
            if !self.refuse_for(backoff.next(attempt)) {
                return false;
            }
            #[cfg(test)]
            if let Some(trouble) = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
            {
                why = trouble;
                continue;
            }
            match opening::reopen(&self.shared.dir, &self.shared.clock) {
                Ok(opened) => {
                    self.install(opened);
                    tracing::info!("The store is open again.");
                    return true;
                }
                Err(error) => why = chain(&error),
            }
        }
        false
    }

    fn install(&mut self, opened: Opened) {
        let Opened { db, disk, lanes, loss } = opened;
        self.shared.conversations.fetch_max(disk.last.conversations, Ordering::AcqRel);
        self.disk = disk;
        *self.shared.loss.lock().unwrap_or_else(PoisonError::into_inner) = loss;
        *self.shared.lanes() = lanes;
        *self.shared.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        self.shared.health.send_replace(Health::Ok);
        self.shared.due.notify_waiters();
    }

    fn close(&self) {
        self.shared.forget_holders();
        let db = self.shared.db.write().unwrap_or_else(PoisonError::into_inner).take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }

    /// Tells everybody who asks meanwhile; `false` when nobody can ask any more.
    fn refuse_for(&mut self, wait: Duration) -> bool {
        let mut left = wait;
        loop {
            loop {
                match self.requests.try_recv() {
                    // Dropped with its answer: who waits for it learns that it was not done.
                    Ok(_) => {}
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return false,
                }
            }
            if left.is_zero() {
                return true;
            }
            let slice = left.min(LOOK_FOR_WHO_ASKS);
            std::thread::sleep(slice);
            left -= slice;
        }
    }
}

impl Shared {
    /// Every claim and lease is stale from now on.
    fn forget_holders(&self) {
        *self.lanes() = Lanes::empty(self.clock.now());
        self.sources().clear();
    }
}

pub(super) const LAST_KEY: &str = "last";

/// Runs one operation over what the batch has gathered; a failed one leaves nothing there.
fn run(operation: Operation, db: &Db, batch: &mut Batch, shared: &Shared) -> Option<Answer> {
    let mut txn = Txn::new(db, batch, shared);
    match catch_unwind(AssertUnwindSafe(|| operation(&mut txn))) {
        Ok((keep, tell)) => {
            if keep {
                txn.keep();
            }
            Some(tell)
        }
        Err(panic) => {
            tracing::error!(panic = panic_text(&*panic), "An operation on the store panicked.");
            None
        }
    }
}

/// The only transaction of the store; it only writes what was worked out before.
fn commit(db: &Db, writes: &Overlay) -> Result<(), sled::Error> {
    let done = db.trees.as_slice().transaction(|trees| {
        for ((tree, key), value) in writes {
            let Some(tree) = trees.get(*tree) else { continue };
            match value {
                Some(value) => tree.insert(key.as_slice(), value.as_slice())?,
                None => tree.remove(key.as_slice())?,
            };
        }
        Ok::<(), sled::transaction::ConflictableTransactionError<()>>(())
    });
    match done {
        Ok(()) => db.sled.flush().map(|_| ()),
        Err(sled::transaction::TransactionError::Storage(error)) => Err(error),
        Err(sled::transaction::TransactionError::Abort(())) => {
            Err(sled::Error::Unsupported("nobody aborts".into()))
        }
    }
}

/// The last committed transaction, by the database's word.
pub(super) fn last_in(db: &Db) -> Result<Option<Last>, StoreError> {
    db.get_bytes(LAST.index, &LAST_KEY.row_key())?.map(|bytes| decode(&bytes)).transpose()
}
