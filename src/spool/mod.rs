//! Bytes that survive a kill: raw mails, long texts, composed mails.

use bytes::Bytes;

use crate::{model::ids::BlobId, runtime::byte_stream::ByteStream};

/// Cheap to clone.
#[derive(Clone)]
pub struct Spool {}

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
    /// Returns when the bytes are on disk.
    pub async fn put(&self, _bytes: Bytes) -> Result<BlobId, SpoolError> {
        todo!()
    }

    /// The same from a stream of unknown length, with the number of bytes.
    pub async fn put_stream(&self, _content: ByteStream) -> Result<(BlobId, u64), SpoolError> {
        todo!()
    }

    pub async fn read(&self, _blob: &BlobId) -> Result<Bytes, SpoolError> {
        todo!()
    }

    /// Its size and its bytes, chunk by chunk.
    pub async fn stream(&self, _blob: &BlobId) -> Result<(u64, ByteStream), SpoolError> {
        todo!()
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        todo!()
    }
}
