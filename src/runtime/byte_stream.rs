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

/// The same stream, which fails where it is longer or shorter than announced: what came is then something else.
pub fn exactly(size: u64, content: ByteStream) -> ByteStream {
    Box::pin(futures::stream::try_unfold((content, size), |(mut content, left)| async move {
        match content.next().await {
            Some(chunk) => {
                let chunk = chunk?;
                let left = left.checked_sub(chunk.len() as u64);
                let left = left.ok_or_else(|| io::Error::other("the file is longer than announced"))?;
                Ok(Some((chunk, (content, left))))
            }
            None if left > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file broke off")),
            None => Ok(None),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_of_another_length_than_announced_does_not_end_well() {
        assert_eq!(collect(exactly(3, whole("abc")), 9).await.unwrap(), "abc");
        assert!(collect(exactly(4, whole("abc")), 9).await.is_err());
        assert!(collect(exactly(2, whole("abc")), 9).await.is_err());
    }
}
