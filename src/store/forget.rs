//! Dropping what is kept no longer.

use super::journal::job_key;
use super::{
    Store, StoreError,
    jobs::{Row, id_of},
    tree::{Key, Tree},
    trees::{DEDUP, DONE, LINK_CODES, NOTICES, STEPS, SUPPRESSED},
    txn::Txn,
};
use crate::{
    model::{ids::JobId, job::State},
    runtime::clock::Timestamp,
};

/// Rows that one transaction drops at most.
const AT_ONCE: usize = 200;
/// Done jobs lie in order of acceptance, nearly the order of being done: after so many
/// in a row that are kept, the others are taken to be younger.
const KEPT_IN_A_ROW: usize = 1000;

impl Store {
    /// Drops what is kept no longer: done jobs, dedup keys, link codes, notices; and their spool blobs.
    pub async fn forget(&self, done_before: Timestamp) -> Result<(), StoreError> {
        let store = self.clone();
        let found = tokio::task::spawn_blocking(move || store.forgettable(done_before));
        let (jobs, keys) = found.await.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        for some in jobs.chunks(AT_ONCE) {
            let some = some.to_vec();
            self.commit(move |txn| some.into_iter().try_for_each(|job| txn.forget_job(job))).await?;
        }
        for some in keys.chunks(AT_ONCE) {
            let (some, now) = (some.to_vec(), self.now());
            self.commit(move |txn| some.iter().try_for_each(|(tree, key)| txn.forget_key(*tree, key, now)))
                .await?;
        }
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "the two lists of one search, used once")]
    fn forgettable(
        &self,
        done_before: Timestamp,
    ) -> Result<(Vec<JobId>, Vec<(Expiring, Vec<u8>)>), StoreError> {
        let now = self.now();
        self.read(|db| {
            let mut jobs = Vec::new();
            let mut kept = 0;
            for row in db.scan(&DONE, &[])? {
                let (key, row) = row?;
                if is_over(&row, done_before) {
                    jobs.push(id_of(&key));
                    kept = 0;
                } else {
                    kept += 1;
                }
                if kept > KEPT_IN_A_ROW {
                    break;
                }
            }
            let mut keys = Vec::new();
            let mut add = |tree, key, until| {
                if until <= now {
                    keys.push((tree, key));
                }
            };
            for row in db.scan(&DEDUP, &[])? {
                let (key, known) = row?;
                add(Expiring::Dedup, key, known.until);
            }
            for row in db.scan(&LINK_CODES, &[])? {
                let (key, code) = row?;
                add(Expiring::LinkCode, key, code.expires);
            }
            for row in db.scan(&NOTICES, &[])? {
                let (key, notice) = row?;
                add(Expiring::Notice, key, notice.until);
            }
            for row in db.scan(&SUPPRESSED, &[])? {
                let (key, until) = row?;
                add(Expiring::Suppressed, key, until);
            }
            Ok((jobs, keys))
        })
    }
}

/// The trees whose rows say until when they are kept.
#[derive(Clone, Copy)]
enum Expiring {
    Dedup,
    LinkCode,
    Notice,
    Suppressed,
}

impl Txn<'_> {
    fn forget_job(&mut self, job: JobId) -> Result<(), StoreError> {
        let Some(row) = self.get(&DONE, &job)? else { return Ok(()) };
        self.remove(&DONE, &job);
        self.remove(&DEDUP, &job_key(&row.key)[..]);
        for (key, _) in self.scan(&STEPS, &job.row_key())? {
            self.remove(&STEPS, &key[..]);
        }
        self.unname_blobs(&row.blobs)
    }

    /// Looks again: the row may have been renewed meanwhile.
    fn forget_key(&mut self, tree: Expiring, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        match tree {
            Expiring::Dedup => self.forget_if(&DEDUP, key, |known| known.until <= now),
            Expiring::LinkCode => self.forget_if(&raw(&LINK_CODES), key, |code| code.expires <= now),
            Expiring::Notice => self.forget_if(&raw(&NOTICES), key, |notice| notice.until <= now),
            Expiring::Suppressed => self.forget_if(&raw(&SUPPRESSED), key, |until| *until <= now),
        }
    }

    fn forget_if<V: serde::Serialize + serde::de::DeserializeOwned>(
        &mut self,
        tree: &Tree<[u8], V>,
        key: &[u8],
        over: impl FnOnce(&V) -> bool,
    ) -> Result<(), StoreError> {
        if self.get(tree, key)?.as_ref().is_some_and(over) {
            self.remove(tree, key);
        }
        Ok(())
    }
}

/// The same tree, by keys as they were read.
fn raw<K: Key + ?Sized, V: serde::Serialize + serde::de::DeserializeOwned>(
    tree: &Tree<K, V>,
) -> Tree<[u8], V> {
    Tree::new(tree.index)
}

fn is_over(row: &Row, done_before: Timestamp) -> bool {
    matches!(row.state, State::Done { at } if at < done_before)
}
