//! Whether a request is one that the contract knows: key, query, body; what is not is turned away and noted.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode, header};
use futures::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::records::{NewFile, Records};
use super::super::ticket::MessageId;
use super::route::{BodyKind, Route, number};
use super::wire::Answer;

/// A request that was turned away before any rule of tickets was asked.
pub(super) struct Turned {
    pub(super) answer: Answer,
    /// What no caller that keeps the contract would have sent.
    pub(super) violation: Option<String>,
}

/// A request whose key and query are in order.
#[derive(Clone, Copy)]
pub(super) struct Admitted {
    /// The account of the key; on ticket calls `accountId` names the same.
    pub(super) account: i64,
    pub(super) page_number: usize,
    pub(super) page_size: usize,
}

/// The body of a create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateBody {
    pub(super) subject: Option<String>,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) topic: i64,
    pub(super) property_id: Option<i64>,
}

/// The body of a reply.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyBody {
    pub(super) message: Option<String>,
}

/// The parts of an upload.
#[derive(Default)]
pub(super) struct UploadForm {
    pub(super) file: Option<NewFile>,
    pub(super) message: Option<MessageId>,
}

/// How much of a body over the cap is still read, so that its sender gets to see the refusal.
const DRAINED: usize = 64 * 1024 * 1024;
const DEFAULT_PAGE_SIZE: usize = 10;

// === impl Turned ===

impl Turned {
    fn quietly(answer: Answer) -> Self {
        Self { answer, violation: None }
    }

    pub(super) fn noting(answer: Answer, violation: impl Into<String>) -> Self {
        Self { answer, violation: Some(violation.into()) }
    }

    fn unreadable(title: &'static str, violation: impl Into<String>) -> Self {
        Self::noting(Answer::Unreadable(title), violation)
    }
}

/// Reads a body up to `cap` bytes; a longer one is the web server's 413.
pub(super) async fn read_body(body: Body, cap: usize) -> Result<Bytes, Turned> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Turned::quietly(Answer::Bare(StatusCode::BAD_REQUEST)))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= cap {
            kept.extend_from_slice(&chunk);
        } else if seen > DRAINED {
            break;
        }
    }
    if seen > cap {
        Err(Turned::quietly(Answer::Bare(StatusCode::PAYLOAD_TOO_LARGE)))
    } else {
        Ok(kept.into())
    }
}

/// Checks everything but the body's inside.
pub(super) fn admit(route: Route, parts: &Parts, body: &[u8], records: &Records) -> Result<Admitted, Turned> {
    let account = account_of(&parts.headers, records)?;
    let mut admitted = Admitted { account, page_number: 1, page_size: DEFAULT_PAGE_SIZE };
    let mut named = None;
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        let allowed = route.parameters().contains(&name.as_ref());
        if !allowed || seen.contains(&name) {
            let what = if allowed { "twice" } else { "where it is unknown" };
            return Err(Turned::unreadable("unexpected query parameter", format!("query {name:?} {what}")));
        }
        let value = number(&value)
            .ok_or_else(|| Turned::unreadable("the value is not valid", format!("query {name}={value:?}")))?;
        match name.as_ref() {
            "accountId" => named = Some(value),
            "pageNumber" => admitted.page_number = positive(value, "pageNumber")?,
            _ => admitted.page_size = positive(value, "pageSize")?,
        }
        seen.push(name);
    }
    check_body_kind(route.body(), &parts.headers, body)?;
    match named {
        None if route.parameters().contains(&"accountId") => {
            Err(Turned::unreadable("the accountId field is required", "no accountId in the query"))
        }
        Some(named) if named != account => {
            Err(Turned::quietly(Answer::said(StatusCode::NOT_FOUND, "Account not found.", Value::Null)))
        }
        _ => Ok(admitted),
    }
}

/// A JSON body, of exactly the fields that the contract names.
pub(super) fn json_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Turned> {
    serde_json::from_slice(body).map_err(|error| {
        Turned::unreadable("the JSON value could not be converted", format!("body: {error}"))
    })
}

/// The parts of a multipart body.
pub(super) async fn upload_form(parts: Parts, body: Bytes) -> Result<UploadForm, Turned> {
    let broken = |what: String| Turned::unreadable("failed to read the request form", what);
    let request = Request::from_parts(parts, Body::from(body));
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| broken(format!("multipart: {error}")))?;
    let mut read = UploadForm::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(format!("multipart: {error}")))? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let content_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes = field.bytes().await.map_err(|error| broken(format!("part {name:?}: {error}")))?;
        match (name.as_str(), file_name) {
            ("file", Some(name)) if !name.is_empty() && read.file.is_none() => {
                read.file = Some(NewFile { name, content_type, bytes });
            }
            ("messageId", None) if read.message.is_none() => {
                let id = std::str::from_utf8(&bytes).ok().and_then(number);
                let id = id.ok_or_else(|| broken(format!("part messageId is {bytes:?}")))?;
                read.message = Some(MessageId(id));
            }
            (name, file_name) => return Err(broken(format!("part {name:?} with file name {file_name:?}"))),
        }
    }
    Ok(read)
}

fn account_of(headers: &HeaderMap, records: &Records) -> Result<i64, Turned> {
    let refused = || Answer::said(StatusCode::UNAUTHORIZED, "Unauthorized", Value::Null);
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(Turned::noting(refused(), "an Authorization header; a key goes into X-API-Key alone"));
    }
    let mut keys = headers.get_all("x-api-key").iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(Turned::noting(refused(), "not exactly one X-API-Key header"));
    };
    let account = key.to_str().ok().and_then(|key| records.account_of_key(key));
    account.ok_or_else(|| Turned::quietly(refused()))
}

fn check_body_kind(kind: BodyKind, headers: &HeaderMap, body: &[u8]) -> Result<(), Turned> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is = |wanted: &str| essence.trim().eq_ignore_ascii_case(wanted);
    let charset = parameters.trim().to_ascii_lowercase();
    let fits = match kind {
        BodyKind::None if !body.is_empty() => {
            return Err(Turned::unreadable("a body where none is expected", "a body where none is expected"));
        }
        BodyKind::None => true,
        BodyKind::Json => is("application/json") && matches!(charset.as_str(), "" | "charset=utf-8"),
        BodyKind::Form => is("multipart/form-data"),
    };
    let wrong = || {
        Turned::noting(
            Answer::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            format!("content type {content_type:?}"),
        )
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

fn positive(value: i64, name: &str) -> Result<usize, Turned> {
    let positive = usize::try_from(value).ok().filter(|value| *value > 0);
    positive.ok_or_else(|| Turned::unreadable("the page is not valid", format!("query {name}={value}")))
}
