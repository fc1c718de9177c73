//! What one operation reads and writes, before any of it is on disk.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    committer::Shared,
    lanes::LaneChange,
    tree::{Db, Key, LARGEST_VALUE, Tree, decode, encode},
    watermark::Last,
};
use crate::{
    model::ids::{BlobId, JobId},
    runtime::clock::Timestamp,
};

/// Writes not yet on disk, by tree and key; `None` removes.
pub(super) type Overlay = BTreeMap<(usize, Vec<u8>), Option<Vec<u8>>>;

/// What becomes of the memory once the writes are on disk.
pub(super) enum Effect {
    Lane(LaneChange),
    /// Jobs more, or fewer, that are parked or dead.
    Parked(isize),
    Dead(isize),
    /// No row names the blob any more.
    DropBlob(BlobId),
}

/// What a whole batch has gathered so far.
pub(super) struct Batch {
    pub(super) writes: Overlay,
    pub(super) effects: Vec<Effect>,
    pub(super) last: Last,
    /// Live jobs, those of the batch included.
    pub(super) live: usize,
}

/// One operation's view: its own writes over those of the batch over the database.
/// Dropped without [`Txn::keep`], it leaves no trace.
pub(super) struct Txn<'a> {
    db: &'a Db,
    batch: &'a mut Batch,
    writes: Overlay,
    effects: Vec<Effect>,
    last: Last,
    live: usize,
    pub(super) now: Timestamp,
    pub(super) shared: &'a Shared,
}

impl<'a> Txn<'a> {
    pub(super) fn new(db: &'a Db, batch: &'a mut Batch, shared: &'a Shared) -> Self {
        let (last, live, now) = (batch.last.clone(), batch.live, shared.clock.now());
        Self { db, batch, writes: Overlay::new(), effects: Vec::new(), last, live, now, shared }
    }

    pub(super) fn keep(self) {
        self.batch.writes.extend(self.writes);
        self.batch.effects.extend(self.effects);
        self.batch.last = self.last;
        self.batch.live = self.live;
    }

    pub(super) fn get<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &self,
        tree: &Tree<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        let key = (tree.index, key.row_key());
        match self.writes.get(&key).or_else(|| self.batch.writes.get(&key)) {
            Some(pending) => pending.as_deref().map(decode).transpose(),
            None => self.db.get_bytes(key.0, &key.1)?.map(|bytes| decode(&bytes)).transpose(),
        }
    }

    pub(super) fn put<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &mut self,
        tree: &Tree<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), StoreError> {
        let bytes = encode(value)?;
        if bytes.len() > LARGEST_VALUE {
            return Err(StoreError::TooLarge(bytes.len()));
        }
        self.writes.insert((tree.index, key.row_key()), Some(bytes));
        Ok(())
    }

    pub(super) fn remove<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &mut self,
        tree: &Tree<K, V>,
        key: &K,
    ) {
        self.writes.insert((tree.index, key.row_key()), None);
    }

    /// Rows whose key begins with `prefix`, in order, with their keys.
    pub(super) fn scan<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &self,
        tree: &Tree<K, V>,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, V)>, StoreError> {
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> =
            self.db.scan_bytes(tree.index, prefix)?.collect::<Result<_, _>>()?;
        for overlay in [&self.batch.writes, &self.writes] {
            let pending = overlay
                .range((tree.index, prefix.to_vec())..)
                .take_while(|((index, key), _)| *index == tree.index && key.starts_with(prefix));
            for ((_, key), value) in pending {
                match value {
                    Some(value) => rows.insert(key.clone(), value.clone()),
                    None => rows.remove(key),
                };
            }
        }
        rows.into_iter().map(|(key, value)| Ok((key, decode(&value)?))).collect()
    }

    pub(super) fn after(&mut self, effect: Effect) {
        if let Effect::Lane(change) = &effect {
            self.live = self.live.saturating_add_signed(change.jobs_more());
        }
        self.effects.push(effect);
    }

    /// Live jobs as this operation leaves them so far.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// A job's number, or a place in its lane: above all before it.
    pub(super) fn next_job(&mut self) -> JobId {
        self.last.jobs += 1;
        JobId(self.last.jobs)
    }

    /// The number of the transaction that this operation is part of.
    pub(super) fn sequence(&self) -> u64 {
        self.last.sequence + 1
    }

    pub(super) fn conversation_exists(&mut self, number: u64) {
        self.last.conversations = self.last.conversations.max(number);
    }
}
