//! Bytes on their way from one place to another, never all in memory.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};

/// A body that is read once, chunk by chunk.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A stream of one chunk.
pub fn whole(bytes: impl Into<Bytes>) -> ByteStream {
    let bytes = bytes.into();
    futures::stream::once(async move { Ok(bytes) }).boxed()
}

/// Reads to the end, or fails with `FileTooLarge` at more than `most` bytes.
pub async fn collect(mut stream: ByteStream, most: u64) -> io::Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        if all.len() as u64 + chunk.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes")));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}
