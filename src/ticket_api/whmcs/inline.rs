//! Files as WHMCS takes them: base64 of JSON that holds them in base64, made while it is sent.
//!
//! The JSON is written so that its base64 needs no escaping in a form, whatever the files hold: in ASCII
//! without `>`, `?`, `~` and DEL no `+` or `/` comes out, and a length that three divides needs no `=`. Thus
//! the length is known before the first byte.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use futures::{StreamExt, TryStreamExt};

use crate::runtime::byte_stream::ByteStream;
use crate::ticket_api::{ApiError, Upload, upload};

/// The value of `attachments`, on its way.
pub(super) struct Inline {
    /// In bytes; the same in a form, percent-encoded.
    pub(super) length: u64,
    pub(super) content: ByteStream,
}

/// Base64 in chunks of any length.
#[derive(Default)]
struct Encoder {
    /// Less than three bytes.
    rest: Vec<u8>,
}

impl Inline {
    /// Waits for the first bytes of each file: a source that fails before anything was sent leaves nothing
    /// unknown.
    pub(super) async fn of(files: Vec<Upload>, name_key: &str, patience: Duration) -> Result<Self, ApiError> {
        let mut length = 0_u64;
        let mut pieces: Vec<ByteStream> = Vec::new();
        let mut opening = "[";
        for mut file in files {
            let content = upload::begun(&mut file, patience).await?;
            let name = if file.name.is_empty() { "file" } else { &file.name };
            let head = format!("{opening}{{{}:{},\"data\":\"", ascii(name_key), ascii(name));
            length = length.saturating_add(head.len() as u64).saturating_add(encoded(file.size));
            pieces.push(crate::runtime::byte_stream::whole(head));
            pieces.push(base64(content));
            opening = "\"},";
        }
        let mut end = if opening == "[" { "[]".to_owned() } else { "\"}]".to_owned() };
        while !length.saturating_add(end.len() as u64).is_multiple_of(3) {
            end.push(' ');
        }
        length = length.saturating_add(end.len() as u64);
        pieces.push(crate::runtime::byte_stream::whole(end));
        let json = futures::stream::iter(pieces).flatten().boxed();
        Ok(Self { length: encoded(length), content: base64(json) })
    }
}

impl Encoder {
    fn push(&mut self, chunk: &[u8]) -> Bytes {
        self.rest.extend_from_slice(chunk);
        let rest = self.rest.split_off(self.rest.len() - self.rest.len() % 3);
        let ready = std::mem::replace(&mut self.rest, rest);
        BASE64.encode(&ready).into()
    }

    fn finish(&mut self) -> Bytes {
        BASE64.encode(&std::mem::take(&mut self.rest)).into()
    }
}

/// Bytes of so many in base64.
fn encoded(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

fn base64(content: ByteStream) -> ByteStream {
    let start = (content, Some(Encoder::default()));
    Box::pin(futures::stream::try_unfold(start, |(mut content, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        Ok(Some(match content.try_next().await? {
            Some(chunk) => (encoder.push(&chunk), (content, Some(encoder))),
            None => (encoder.finish(), (content, None)),
        }))
    }))
}

/// A JSON string of the characters that the head of this file allows.
fn ascii(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            ' '..='=' | '@'..='}' if !matches!(c, '"' | '\\') => json.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(json, "\\u{unit:04x}"); // a String takes all that is written
                }
            }
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::byte_stream::{collect, whole};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn upload(name: &str, chunks: &[Vec<u8>]) -> Upload {
        let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let chunks: Vec<_> = chunks.iter().cloned().map(|chunk| Ok(Bytes::from(chunk))).collect();
        let content = futures::stream::iter(chunks).boxed();
        Upload { name: name.to_owned(), mime: "text/plain".to_owned(), size, content }
    }

    fn sent(files: Vec<Upload>) -> (u64, String) {
        block_on(async {
            let inline = Inline::of(files, "name", Duration::from_secs(5)).await;
            let inline = inline.unwrap_or_else(|error| panic!("{error}"));
            let all = collect(inline.content, 10_000_000).await.unwrap();
            (inline.length, String::from_utf8(all.to_vec()).unwrap())
        })
    }

    proptest! {
        #[test]
        fn reads_like_the_naive_way_and_is_as_long_as_announced(
            files in proptest::collection::vec(
                (".+", proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5)),
                0..4,
            ),
        ) {
            let naive: Vec<Value> = files
                .iter()
                .map(|(name, chunks)| json!({"name": name, "data": BASE64.encode(&chunks.concat())}))
                .collect();
            let (length, text) = sent(files.iter().map(|(name, chunks)| upload(name, chunks)).collect());
            prop_assert_eq!(length, text.len() as u64);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "a form would escape {}", text);
            let read: Value = serde_json::from_slice(&BASE64.decode(text.as_bytes()).unwrap()).unwrap();
            prop_assert_eq!(read, Value::Array(naive));
        }
    }

    #[test]
    fn a_source_that_fails_at_once_is_told_before_anything_is_sent() {
        let gone = futures::stream::iter([Err(std::io::Error::other("gone"))]).boxed();
        let files = vec![Upload { content: gone, ..upload("a", &[vec![1]]) }];
        let inline = block_on(Inline::of(files, "name", Duration::from_secs(5)));
        assert!(matches!(inline, Err(ApiError::Retry { .. })));
    }

    #[test]
    fn a_source_that_breaks_off_breaks_the_call_off() {
        let files = vec![Upload { size: 9, content: whole("half"), ..upload("a", &[]) }];
        let broken = block_on(async {
            let inline = Inline::of(files, "name", Duration::from_secs(5)).await;
            let inline = inline.unwrap_or_else(|error| panic!("{error}"));
            collect(inline.content, 1_000).await
        });
        assert!(broken.is_err());
    }
}
