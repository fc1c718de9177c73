//! Typed trees: keys with an order of bytes, values with a version.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::StoreError;

/// Larger values would go to files that the database never syncs.
pub(super) const LARGEST_VALUE: usize = 4096;
/// A longer key is cut and made unique again by a hash.
const LONGEST_KEY: usize = 300;
/// The first byte of every value: how the rest is written. 1 is JSON.
const JSON: u8 = 1;

/// What a key looks like on disk.
pub(super) trait Key {
    fn row_key(&self) -> Vec<u8>;
}

/// One noun's tree: what its keys and its values are.
pub(super) struct Tree<K: ?Sized, V> {
    pub(super) index: usize,
    kind: PhantomData<fn(&K) -> V>,
}

impl<K: Key + ?Sized, V: Serialize + DeserializeOwned> Tree<K, V> {
    pub(super) const fn new(index: usize) -> Self {
        Self { index, kind: PhantomData }
    }
}

/// A key and its value.
pub(super) type RowBytes = (Vec<u8>, Vec<u8>);

/// The database with its trees in the order of [`super::trees::NAMES`].
pub(super) struct Db {
    pub(super) sled: sled::Db,
    pub(super) trees: Vec<sled::Tree>,
}

impl Db {
    pub(super) fn get<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &self,
        tree: &Tree<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        self.get_bytes(tree.index, &key.row_key())?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(super) fn get_bytes(&self, tree: usize, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tree(tree)?.get(key)?.map(|value| value.to_vec()))
    }

    /// Rows whose key begins with `prefix`, in order, with their keys.
    pub(super) fn scan<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &self,
        tree: &Tree<K, V>,
        prefix: &[u8],
    ) -> Result<impl Iterator<Item = Result<(Vec<u8>, V), StoreError>> + use<K, V>, StoreError> {
        Ok(self.scan_bytes(tree.index, prefix)?.map(|row| {
            let (key, value) = row?;
            Ok((key, decode(&value)?))
        }))
    }

    pub(super) fn scan_bytes(
        &self,
        tree: usize,
        prefix: &[u8],
    ) -> Result<impl Iterator<Item = Result<RowBytes, StoreError>> + use<>, StoreError> {
        Ok(self.tree(tree)?.scan_prefix(prefix).map(|row| {
            let (key, value) = row?;
            Ok((key.to_vec(), value.to_vec()))
        }))
    }

    fn tree(&self, index: usize) -> Result<&sled::Tree, StoreError> {
        self.trees.get(index).ok_or_else(|| StoreError::Unavailable("no such tree".into()))
    }
}

pub(super) fn encode<V: Serialize>(value: &V) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| StoreError::Unavailable(format!("a row cannot be written as JSON: {error}")))?;
    Ok(bytes)
}

pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, StoreError> {
    match bytes.split_first() {
        Some((&JSON, json)) => serde_json::from_slice(json)
            .map_err(|error| StoreError::Unavailable(format!("a row cannot be read: {error}"))),
        _ => Err(StoreError::Unavailable("a row has an unknown version".into())),
    }
}

/// A value's JSON as it stands, for a dump.
pub(super) fn json_of(bytes: &[u8]) -> Result<Box<RawValue>, StoreError> {
    decode(bytes)
}

/// The value that [`json_of`] gave.
pub(super) fn encode_json(json: &RawValue) -> Vec<u8> {
    [&[JSON], json.get().as_bytes()].concat()
}

/// The first 16 bytes of SHA-256 over the parts: a short key for long words.
pub(super) fn hashed(parts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).copied().collect()
}

/// The bytes themselves, unless they are too long for a key.
pub(super) fn bounded(mut key: Vec<u8>) -> Vec<u8> {
    if key.len() > LONGEST_KEY {
        let hash = Sha256::digest(&key);
        key.truncate(LONGEST_KEY - 16);
        key.extend(hash.iter().take(16));
    }
    key
}

impl Key for str {
    fn row_key(&self) -> Vec<u8> {
        bounded(self.as_bytes().to_vec())
    }
}

impl Key for u64 {
    fn row_key(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

/// A key that was read from a tree.
impl Key for [u8] {
    fn row_key(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
