//! A file within a JSON answer, `{"result": …, "data": "<base64>"}`, read while it arrives.

use std::io;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64_NOPAD;
use futures::{StreamExt, TryStreamExt};

use crate::runtime::byte_stream::ByteStream;

/// Bytes before the file begins: a name and a word or two.
const MOST_BEFORE: usize = 64 * 1024;

/// What the answer holds.
pub(super) enum FileAnswer {
    /// A file; its stream fails where the answer ends within it, or holds what is no base64.
    File(ByteStream),
    /// The whole of an answer without a file.
    Other(Bytes),
}

/// Follows the JSON up to the text of its `data`.
#[derive(Default)]
struct Scanner {
    depth: usize,
    string: Option<Vec<u8>>,
    escaped: bool,
    /// The string that ended last, at depth 1.
    last: Vec<u8>,
    /// A `:` followed it.
    is_key: bool,
}

/// Reads on until it is clear whether the answer holds a file.
pub(super) async fn read(mut content: ByteStream, most: u64) -> io::Result<FileAnswer> {
    let (mut scanner, mut before) = (Scanner::default(), BytesMut::new());
    while let Some(mut chunk) = content.try_next().await? {
        if let Some(at) = chunk.iter().position(|byte| scanner.begins_data(*byte)) {
            let first = chunk.split_off(at + 1);
            return Ok(FileAnswer::File(decoded(first, content, most)));
        }
        before.extend_from_slice(&chunk);
        if before.len() > MOST_BEFORE {
            return Err(invalid("the answer holds no file"));
        }
    }
    Ok(FileAnswer::Other(before.freeze()))
}

impl Scanner {
    /// Whether this byte is the quote that opens the text of `data`.
    fn begins_data(&mut self, byte: u8) -> bool {
        if let Some(string) = &mut self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.last = self.string.take().unwrap_or_default(),
                _ => string.push(byte),
            }
            return false;
        }
        match byte {
            b'"' if self.is_key && self.depth == 1 && self.last == b"data" => return true,
            b'"' => (self.string, self.is_key) = (Some(Vec::new()), false),
            b':' => self.is_key = true,
            b'{' | b'[' => (self.depth, self.is_key) = (self.depth.saturating_add(1), false),
            b'}' | b']' => (self.depth, self.is_key) = (self.depth.saturating_sub(1), false),
            b',' => self.is_key = false,
            _ => {}
        }
        false
    }
}

/// The text up to its closing quote, decoded.
fn decoded(first: Bytes, content: ByteStream, most: u64) -> ByteStream {
    let content = futures::stream::iter([Ok(first)]).chain(content).boxed();
    let start = (content, Symbols::default(), most);
    Box::pin(futures::stream::try_unfold(start, move |(mut content, mut symbols, left)| async move {
        if symbols.ended {
            return Ok(None);
        }
        let chunk = content.try_next().await?;
        symbols.take(&chunk.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        let bytes = symbols.decode()?;
        let left = left.checked_sub(bytes.len() as u64);
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes"));
        Ok(Some((bytes.into(), (content, symbols, left.ok_or_else(too_large)?))))
    }))
}

/// The symbols of base64 within a JSON string, without padding and line ends.
#[derive(Default)]
struct Symbols {
    waiting: Vec<u8>,
    escaped: bool,
    ended: bool,
}

impl Symbols {
    fn take(&mut self, chunk: &[u8]) {
        for byte in chunk {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, b'"') => {
                    self.ended = true;
                    return;
                }
                (false, b'\\') => self.escaped = true,
                (false, b'=' | b' ' | b'\r' | b'\n') | (true, b'r' | b'n') => {}
                (true, b'u') => self.waiting.push(b'\\'), // no base64 is written so: let it fail
                (_, symbol) => self.waiting.push(*symbol),
            }
        }
    }

    /// What is complete.
    fn decode(&mut self) -> io::Result<Vec<u8>> {
        let all = self.waiting.len();
        let rest = self.waiting.split_off(if self.ended { all } else { all - all % 4 });
        let whole = std::mem::replace(&mut self.waiting, rest);
        BASE64_NOPAD.decode(&whole).map_err(|_| invalid("the file is not in base64"))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::byte_stream::collect;

    /// The answer in chunks of `size`; a file, or the words of what is none.
    fn read_in(answer: &str, size: usize, most: u64) -> io::Result<Vec<u8>> {
        let chunks: Vec<_> =
            answer.as_bytes().chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        futures::executor::block_on(async {
            match read(futures::stream::iter(chunks).boxed(), most).await? {
                FileAnswer::File(content) => Ok(collect(content, 1_000_000).await?.to_vec()),
                FileAnswer::Other(body) => Err(io::Error::other(String::from_utf8_lossy(&body).into_owned())),
            }
        })
    }

    proptest! {
        #[test]
        fn any_file_in_chunks_of_any_size(file in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..80) {
            let data = data_encoding::BASE64.encode(&file).replace('/', "\\/");
            let answer = format!(r#"{{"result":"success","filename":"a \"data\":\".png","x":[{{"data":"no"}}],"data":"{data}"}}"#);
            prop_assert_eq!(read_in(&answer, size, 1_000).unwrap(), file);
        }
    }

    #[test]
    fn what_is_no_file_is_told() {
        let error = read_in(r#"{"result":"error","message":"No \"data\""}"#, 3, 9).unwrap_err();
        assert!(error.to_string().contains("No"));
        for (answer, kind) in [
            (r#"{"data":"QUJD"#, io::ErrorKind::UnexpectedEof),
            (r#"{"data":"QU*D"}"#, io::ErrorKind::InvalidData),
            (r#"{"data":"QUJDRA=="}"#, io::ErrorKind::FileTooLarge),
        ] {
            assert_eq!(read_in(answer, 100, 3).unwrap_err().kind(), kind, "{answer}");
        }
        assert_eq!(read_in(r#"{ "data" : "QUJD\r\n" }"#, 1, 3).unwrap(), b"ABC");
        assert_eq!(read_in(r#"{"data":"","result":"success"}"#, 1, 3).unwrap(), b"");
    }
}
