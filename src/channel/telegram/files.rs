//! Files in both directions, streamed: getFile → bytes, bytes → the form of a send.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::{Body, multipart::Part};
use serde::Deserialize;
use teloxide::{payloads::GetFile, types::FileId};
use tokio_util::io::ReaderStream;

use super::{api::Api, errors};
use crate::{
    channel::{OpenError, Opened, OutgoingFile},
    model::attachment::{Attachment, Whereabouts},
    runtime::{byte_stream::ByteStream, http_client::HttpError},
};

/// Longer silence within a download ends it.
const MOST_SILENCE: Duration = Duration::from_secs(30);

/// <https://core.telegram.org/bots/api#file>
#[derive(Deserialize)]
struct File {
    file_path: Option<String>,
    file_size: Option<u64>,
}

/// The bytes of a file that a customer sent. `limit` is the size up to which the server gives files out; the
/// time limits are those of a call and of a whole download.
pub(super) async fn open(
    api: &Api,
    file: &Attachment,
    limit: u64,
    (timeout, file_timeout): (Duration, Duration),
) -> Result<Opened, OpenError> {
    let Whereabouts::Telegram { file_id } = &file.at else {
        return Err(OpenError::Gone("it does not lie at Telegram".to_owned()));
    };
    let request = GetFile::new(FileId(file_id.clone()));
    let found: File =
        api.call(&request, timeout).await.map_err(|failure| errors::open_error(&failure, limit))?;
    if found.file_size.is_some_and(|size| size > limit) {
        return Err(OpenError::TooLarge { limit });
    }
    let path = found.file_path.ok_or_else(|| retry("Telegram names no path for it"))?;
    if Path::new(&path).is_absolute() {
        return open_local(&path).await;
    }
    let response = api.download(&path, file_timeout).await.map_err(|error| retry(&error.to_string()))?;
    match response.status().as_u16() {
        200 => {}
        404 | 410 => return Err(OpenError::Gone("Telegram no longer has it".to_owned())),
        status => return Err(retry(&format!("the download was answered with {status}"))),
    }
    let size = found.file_size.or(response.content_length());
    if response.content_length().is_some_and(|length| Some(length) != size) {
        return Err(retry("what came is not of the file's length"));
    }
    let content =
        response.bytes_stream().map(|chunk| chunk.map_err(|error| io::Error::other(HttpError::from(error))));
    Ok(Opened { size, content: not_silent(content.boxed()) })
}

/// A Bot API server that runs with `--local` names a file on its own disk, which may be ours, too
/// (<https://core.telegram.org/bots/api#using-a-local-bot-api-server>).
async fn open_local(path: &str) -> Result<Opened, OpenError> {
    let unreadable = |error: io::Error| {
        OpenError::Gone(format!(
            "the local Bot API server keeps it where it cannot be read from here: {error}"
        ))
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let size = file.metadata().await.map_err(unreadable)?.len();
    Ok(Opened { size: Some(size), content: ReaderStream::new(file).boxed() })
}

/// How a file's content fares while it is sent: one of the constants below, or 0 while it is read.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

const ENDED: u8 = 1;
const BROKEN: u8 = 2;
const TOO_LARGE: u8 = 3;

impl Progress {
    /// Whether the server may have had the whole request.
    pub(super) fn ended(&self) -> bool {
        self.0.load(Ordering::Acquire) == ENDED
    }

    pub(super) fn broke_off(&self) -> bool {
        self.0.load(Ordering::Acquire) == BROKEN
    }

    pub(super) fn too_large(&self) -> bool {
        self.0.load(Ordering::Acquire) == TOO_LARGE
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Release);
    }
}

/// The file as a part of a form, and how far it has got. A content of another length than announced, or of
/// more than `limit` bytes, ends the request before the server can have it whole.
pub(super) fn part(file: OutgoingFile, limit: u64) -> (Part, Progress) {
    let progress = Progress::default();
    let content = watched(file.content, file.size, limit, progress.clone());
    let body = Body::wrap_stream(content);
    let part = match file.size {
        Some(size) => Part::stream_with_length(body, size),
        None => Part::stream(body),
    };
    let mime = file.mime.parse::<reqwest::header::HeaderValue>();
    let named = part.file_name(file.name);
    let part = match mime {
        Ok(mime) => {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert(reqwest::header::CONTENT_TYPE, mime);
            named.headers(headers)
        }
        Err(_) => named,
    };
    (part, progress)
}

fn watched(
    content: ByteStream,
    size: Option<u64>,
    limit: u64,
    progress: Progress,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((content, 0u64), move |(mut content, read)| {
        let progress = progress.clone();
        async move {
            match content.next().await {
                Some(Ok(chunk)) => {
                    let read = read + chunk.len() as u64;
                    if read > limit {
                        progress.set(TOO_LARGE);
                        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
                    }
                    if size == Some(read) {
                        progress.set(ENDED);
                    }
                    Ok(Some((chunk, (content, read))))
                }
                Some(Err(error)) => {
                    progress.set(BROKEN);
                    Err(error)
                }
                None if size.is_some_and(|size| size != read) => {
                    progress.set(BROKEN);
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                }
                None => {
                    progress.set(ENDED);
                    Ok(None)
                }
            }
        }
    })
}

fn not_silent(content: ByteStream) -> ByteStream {
    stream::try_unfold(content, |mut content| async move {
        match tokio::time::timeout(MOST_SILENCE, content.next()).await {
            Ok(Some(chunk)) => chunk.map(|chunk| Some((chunk, content))),
            Ok(None) => Ok(None),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    })
    .boxed()
}

fn retry(reason: &str) -> OpenError {
    OpenError::Retry { after: None, reason: reason.to_owned() }
}
