//! Taking items in: dedup, mappings, jobs and the cursor, all or nothing.

use serde::{Deserialize, Serialize};

use super::{
    Accepted, Arrival, Dedup, Lease, Store, StoreError,
    change::Change,
    cursors,
    jobs::{Prepared, spooled},
    tree::hashed,
    trees::{DEDUP, SEEN},
    txn::Txn,
};
use crate::{
    model::{
        cursor::{Cursor, Reread},
        ids::JobId,
        job::NewJob,
    },
    runtime::clock::Timestamp,
};

/// A key that was seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) until: Timestamp,
    pub(super) job: Option<JobId>,
}

/// An arrival whose long tasks are in the spool.
struct Ready {
    dedup: Vec<Dedup>,
    changes: Vec<Change>,
    jobs: Vec<Prepared>,
}

impl Store {
    /// The newest lease of a source is the only one that counts.
    pub async fn take_source(&self, source: &str) -> Result<Lease, StoreError> {
        let shared = self.shared();
        let loss = shared.loss();
        let (cursor, reread) = self.read(|db| cursors::read(db, source, loss.as_ref(), self.now()))?;
        let fence = shared.next_fence();
        shared.sources().insert(source.to_owned(), fence);
        Ok(Lease { cursor, reread, source: source.to_owned(), fence })
    }

    /// A person wants mail read again. `false` for a source that was never read.
    pub async fn ask_reread(&self, source: &str, since: Timestamp) -> Result<bool, StoreError> {
        let source = source.to_owned();
        self.commit(move |txn| cursors::ask(txn, &source, Reread { since, asked: true })).await
    }

    /// Everything that was to be read again was accepted; what was asked for since the lease stays.
    pub async fn reread_done(&self, lease: &Lease, reread: Reread) -> Result<(), StoreError> {
        let (source, fence) = (lease.source.clone(), lease.fence);
        self.commit(move |txn| {
            if txn.shared.sources().get(&source) != Some(&fence) {
                return Err(StoreError::Stale);
            }
            cursors::done(txn, &source, reread)
        })
        .await
    }

    /// Dedup, conversations, jobs and cursor in one transaction.
    pub async fn accept(
        &self,
        lease: &Lease,
        arrivals: Vec<Arrival>,
        cursor: Cursor,
    ) -> Result<Vec<Accepted>, StoreError> {
        let mut ready = Vec::with_capacity(arrivals.len());
        let prepared =
            futures::future::try_join_all(arrivals.iter().map(|arrival| self.prepare(arrival.jobs.clone())));
        for (jobs, arrival) in prepared.await?.into_iter().zip(arrivals) {
            ready.push(Ready { dedup: arrival.dedup, changes: arrival.changes, jobs });
        }
        let (source, fence) = (lease.source.clone(), lease.fence);
        let shared = self.shared().clone();
        let spooled = spooled(ready.iter().flat_map(|arrival| &arrival.jobs));
        self.commit_naming(spooled, move |txn| {
            if shared.sources().get(&source) != Some(&fence) {
                return Err(StoreError::Stale);
            }
            if txn.live() >= txn.shared.most_jobs && ready.iter().any(|arrival| !arrival.jobs.is_empty()) {
                return Err(StoreError::Full);
            }
            let accepted = ready.into_iter().map(|arrival| txn.take_in(arrival)).collect::<Result<_, _>>()?;
            cursors::write(txn, &source, &cursor)?;
            Ok(accepted)
        })
        .await
    }

    /// Jobs and changes in one transaction; `None` for a job whose key is known.
    pub async fn enqueue(
        &self,
        jobs: Vec<NewJob>,
        changes: Vec<Change>,
    ) -> Result<Vec<Option<JobId>>, StoreError> {
        let jobs = self.prepare(jobs).await?;
        self.commit_naming(spooled(&jobs), move |txn| {
            txn.apply_all(changes)?;
            txn.insert_jobs(jobs)
        })
        .await
    }

    /// Whether a dedup key, or something seen, is known.
    pub fn is_known(&self, dedup: &str) -> Result<bool, StoreError> {
        let now = self.now();
        self.read(|db| {
            let known = db.get(&DEDUP, &dedup_key(dedup)[..])?.is_some_and(|known| known.until > now);
            Ok(known || db.get(&SEEN, &hashed(&[dedup])[..])?.is_some())
        })
    }
}

impl Txn<'_> {
    fn take_in(&mut self, arrival: Ready) -> Result<Accepted, StoreError> {
        for dedup in &arrival.dedup {
            let known = self.get(&DEDUP, &dedup_key(&dedup.key)[..])?;
            if known.is_some_and(|known| known.until > self.now) {
                for job in &arrival.jobs {
                    self.orphan(&job.blobs())?;
                }
                return Ok(Accepted::Duplicate);
            }
        }
        self.apply_all(arrival.changes)?;
        let jobs: Vec<JobId> = self.insert_jobs(arrival.jobs)?.into_iter().flatten().collect();
        for dedup in arrival.dedup {
            let known = Known { until: dedup.until, job: jobs.first().copied() };
            self.put(&DEDUP, &dedup_key(&dedup.key)[..], &known)?;
        }
        Ok(Accepted::New(jobs))
    }
}

/// Dedup keys and idempotency keys are told apart: one message may well have the same of both.
pub(super) fn dedup_key(key: &str) -> Vec<u8> {
    hashed(&["dedup", key])
}

pub(super) fn job_key(key: &str) -> Vec<u8> {
    hashed(&["job", key])
}
