//! A file on its way down, in each form that “200, a JSON string” may mean: its bytes, base64, or an address.

use std::io;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use futures::{StreamExt, TryStreamExt};

use crate::config::i3d::Download;
use crate::runtime::byte_stream::ByteStream;
use crate::ticket_api::ApiError;
use crate::ticket_api::answers::undecodable;

/// So much of an answer is looked at to tell its form.
const PEEK: usize = 16 * 1024;

/// The file in an answer. Its form is told by its beginning, so that no file is ever held whole: one that
/// turns out to be no base64 behind that breaks off.
///
/// # Errors
/// Refused, where the answer is an address: the key must not travel along, and nobody else's server is asked.
pub(super) async fn opened(
    mode: Download,
    content_type: Option<&str>,
    mut content: ByteStream,
) -> Result<ByteStream, ApiError> {
    let is_json = content_type.is_some_and(is_json);
    if mode == Download::Raw || mode == Download::Auto && !is_json {
        return Ok(content);
    }
    let mut start = BytesMut::new();
    let mut ended = false;
    while start.len() < PEEK && !ended {
        match content.try_next().await.map_err(|error| undecodable(&error.to_string()))? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => ended = true,
        }
    }
    let start = start.freeze();
    let form = match (form(&start, ended), mode) {
        (Some(Form::Link), _) => {
            let why = "the ticket system gives an address instead of the file; see the ticket in the panel";
            return Err(ApiError::Refused(why.to_owned()));
        }
        (Some(Form::Base64), _) => Form::Base64,
        (Some(form), Download::Auto) => form,
        (None, Download::Auto) if !start.trim_ascii().is_empty() => Form::Raw,
        _ => return Err(undecodable("the answer is not a file in base64; check attachment_download")),
    };
    let whole = futures::stream::once(async move { Ok(start) }).chain(content).boxed();
    Ok(match form {
        Form::Base64 => decoded(whole, Decoder { base64: Some(Vec::new()), ..Decoder::default() }),
        Form::Text => decoded(whole, Decoder::default()),
        Form::Raw | Form::Link => whole,
    })
}

/// The most bytes that an answer with a file of so many may have: base64, each slash escaped.
pub(super) fn on_the_wire(most: u64) -> u64 {
    most.saturating_mul(3).saturating_add(1024)
}

/// The same stream, which fails beyond so many bytes.
pub(super) fn at_most(most: u64, content: ByteStream) -> ByteStream {
    Box::pin(futures::stream::try_unfold((content, most), move |(mut content, left)| async move {
        let Some(chunk) = content.try_next().await? else { return Ok(None) };
        let left = left.checked_sub(chunk.len() as u64);
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes"));
        Ok(Some((chunk, (content, left.ok_or_else(too_large)?))))
    }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    Base64,
    Text,
    Link,
}

/// What a JSON string begins with; `None` if it is no JSON string.
fn form(start: &[u8], ended: bool) -> Option<Form> {
    let mut text = Vec::new();
    let mut string = JsonString::default();
    string.push(start, &mut text).ok()?;
    if ended && !string.has_ended() || !ended && string == JsonString::default() {
        return None;
    }
    if [&b"https://"[..], b"http://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Some(Form::Link);
    }
    text.retain(|byte| !LINE_ENDS.contains(byte));
    let whole = if string.has_ended() { text.len() } else { text.len() - text.len() % 4 };
    let clean = text.get(..whole).is_some_and(|text| BASE64.decode(text).is_ok());
    Some(if clean { Form::Base64 } else { Form::Text })
}

/// As MIME breaks lines of base64.
const LINE_ENDS: &[u8] = b"\r\n";

fn decoded(content: ByteStream, decoder: Decoder) -> ByteStream {
    Box::pin(futures::stream::try_unfold((content, decoder), |(mut content, mut decoder)| async move {
        let Some(chunk) = content.try_next().await? else {
            return decoder.finish().map(|()| None);
        };
        let bytes = decoder.push(&chunk)?;
        Ok(Some((bytes, (content, decoder))))
    }))
}

/// From a JSON string to what it stands for, a piece at a time.
#[derive(Default)]
struct Decoder {
    string: JsonString,
    /// Where it is base64: what is still too short to decode.
    base64: Option<Vec<u8>>,
}

impl Decoder {
    fn push(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let mut text = Vec::with_capacity(bytes.len());
        self.string.push(bytes, &mut text)?;
        let Some(waiting) = &mut self.base64 else { return Ok(text.into()) };
        waiting.extend(text.into_iter().filter(|byte| !LINE_ENDS.contains(byte)));
        let rest = waiting.split_off(waiting.len() - waiting.len() % 4);
        let full = std::mem::replace(waiting, rest);
        BASE64.decode(&full).map(Bytes::from).map_err(|error| broken(&error.to_string()))
    }

    fn finish(&self) -> io::Result<()> {
        let complete = self.string.has_ended() && self.base64.as_ref().is_none_or(Vec::is_empty);
        complete.then_some(()).ok_or_else(|| broken("it ends within itself"))
    }
}

/// Where in a JSON string (RFC 8259 §7) the reading stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum JsonString {
    #[default]
    Before,
    Within,
    Escaped,
    /// So many hexadecimal digits were read; before them, perhaps, the first half of a pair (UTF-16).
    Unicode {
        digits: u8,
        value: u16,
        high: Option<u16>,
    },
    /// Behind the first half of a pair; `slash`: the backslash of the second was read.
    HalfPair {
        high: u16,
        slash: bool,
    },
    Behind,
}

impl JsonString {
    fn has_ended(self) -> bool {
        self == Self::Behind
    }

    fn push(&mut self, bytes: &[u8], text: &mut Vec<u8>) -> io::Result<()> {
        bytes.iter().try_for_each(|byte| {
            *self = self.next(*byte, text)?;
            Ok(())
        })
    }

    fn next(self, byte: u8, text: &mut Vec<u8>) -> io::Result<Self> {
        let wrong = || broken("it is no JSON string");
        Ok(match (self, byte) {
            (Self::Before | Self::Behind, b' ' | b'\t' | b'\r' | b'\n') => self,
            (Self::Before, b'"') => Self::Within,
            (Self::Within, b'"') => Self::Behind,
            (Self::Within, b'\\') => Self::Escaped,
            (Self::Within, byte) => {
                text.push(byte);
                Self::Within
            }
            (Self::Escaped, b'u') => Self::Unicode { digits: 0, value: 0, high: None },
            (Self::Escaped, byte) => {
                text.push(unescaped(byte).ok_or_else(wrong)?);
                Self::Within
            }
            (Self::HalfPair { high, slash: false }, b'\\') => Self::HalfPair { high, slash: true },
            (Self::HalfPair { high, slash: true }, b'u') => {
                Self::Unicode { digits: 0, value: 0, high: Some(high) }
            }
            (Self::Unicode { digits, value, high }, byte) => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                let value = value << 4 | digit.ok_or_else(wrong)?;
                if digits < 3 {
                    Self::Unicode { digits: digits + 1, value, high }
                } else {
                    unit(value, high, text)?
                }
            }
            (Self::Before | Self::Behind | Self::HalfPair { .. }, _) => return Err(wrong()),
        })
    }
}

/// A whole `\uXXXX` was read.
fn unit(value: u16, high: Option<u16>, text: &mut Vec<u8>) -> io::Result<JsonString> {
    if high.is_none() && (0xd800..0xdc00).contains(&value) {
        return Ok(JsonString::HalfPair { high: value, slash: false });
    }
    let units = high.into_iter().chain([value]);
    for c in char::decode_utf16(units) {
        let c = c.map_err(|error| broken(&error.to_string()))?;
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(JsonString::Within)
}

fn unescaped(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

/// `application/json`, `application/problem+json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file cannot be read from its answer: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::byte_stream::collect;

    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    /// The file, sent in pieces of so many bytes.
    async fn file_in(
        mode: Download,
        kind: Option<&str>,
        body: &[u8],
        piece: usize,
    ) -> Result<Vec<u8>, String> {
        let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let content = futures::stream::iter(pieces).boxed();
        let content = opened(mode, kind, content).await.map_err(|error| error.to_string())?;
        collect(content, 1_000_000).await.map(Vec::from).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn each_form_is_told_from_the_others() {
        for (kind, body, file) in [
            (JSON, r#""aGVsbG8=""#, "hello"),
            (JSON, r#"  "aGVs\r\nbG8="  "#, "hello"),
            (JSON, r#""Pz8\/""#, "???"),
            (JSON, r#""Pz8\u002f""#, "???"),
            (JSON, r#""""#, ""),
            (JSON, r#""hello you""#, "hello you"),
            (JSON, r#""a\tb \"c\" \u00e4 \ud83d\ude00 ü""#, "a\tb \"c\" ä 😀 ü"),
            (JSON, r#"{"a": 1}"#, r#"{"a": 1}"#),
            (Some("text/plain"), r#""aGVsbG8=""#, r#""aGVsbG8=""#),
            (None, "hello", "hello"),
        ] {
            for piece in [1, 5, 1000] {
                let found = file_in(Download::Auto, kind, body.as_bytes(), piece).await;
                assert_eq!(found.as_deref(), Ok(file.as_bytes()), "{body} by {piece}");
            }
        }
    }

    #[tokio::test]
    async fn a_large_file_is_decoded_on_its_way() {
        let file: Vec<u8> = (0..200_000_u32).map(|n| n.wrapping_mul(31).to_le_bytes()[1]).collect();
        let body = serde_json::to_vec(&BASE64.encode(&file)).unwrap();
        for piece in [997, 65_536] {
            assert!(file_in(Download::Auto, JSON, &body, piece).await.unwrap() == file);
        }
        let half = body.get(..100_000).unwrap();
        assert!(file_in(Download::Auto, JSON, half, 4096).await.is_err(), "a cut file is none");
    }

    #[tokio::test]
    async fn an_address_is_refused_and_what_is_set_holds() {
        let link = br#""https:\/\/files.example.com\/1""#;
        assert!(file_in(Download::Auto, JSON, link, 9).await.unwrap_err().contains("an address"));
        assert_eq!(file_in(Download::Raw, JSON, link, 9).await.unwrap(), link);
        let base64 = br#""aGVsbG8=""#;
        assert_eq!(file_in(Download::Base64Json, Some("text/html"), base64, 9).await.unwrap(), b"hello");
        assert_eq!(file_in(Download::Raw, JSON, base64, 9).await.unwrap(), base64);
        for none in [&b"hello"[..], b"", br#""hello you""#] {
            let error = file_in(Download::Base64Json, JSON, none, 9).await.unwrap_err();
            assert!(error.contains("attachment_download"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_file_larger_than_allowed_breaks_off() {
        let content =
            |bytes: &'static str| futures::stream::once(async move { Ok(Bytes::from(bytes)) }).boxed();
        assert!(collect(at_most(3, content("abc")), 99).await.is_ok());
        assert!(collect(at_most(2, content("abc")), 99).await.is_err());
    }
}
