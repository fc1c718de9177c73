//! The HTTP door of a dialect: a request is read whole, done late if so asked, answered, dated and logged.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use futures::StreamExt;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::ledger::{Call, Ledger};
use super::options::DeskOptions;
use super::records::{NewFile, Records};

/// What a dialect does with a request.
#[derive(Clone, Copy)]
pub(super) struct Door {
    /// The name by which faults and the call log know it.
    pub(super) name: fn(&Asked) -> &'static str,
    pub(super) attend: fn(&Asked, &mut Visit<'_>) -> Answered,
    /// A refusal that no rule of tickets has to do with.
    pub(super) refusal: fn(StatusCode, Option<u32>) -> Response<Body>,
}

/// A request, read whole.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The parts of a multipart body, or why it has none.
    pub(super) form: Option<Result<Vec<Part>, String>>,
}

/// One part of a multipart body.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// What a request may see and change.
pub(super) struct Visit<'a> {
    pub(super) records: &'a mut Records,
    pub(super) options: &'a DeskOptions,
    pub(super) now: Timestamp,
    pub(super) call: &'a mut Call,
}

/// An answer, and what no caller that keeps the contract would have sent.
pub(super) struct Answered {
    pub(super) response: Response<Body>,
    pub(super) violation: Option<String>,
}

/// How much of a body over the cap is still read, so that its sender gets to see the refusal.
const DRAINED: usize = 64 * 1024 * 1024;

/// Sends every path and method through one door.
pub(super) fn router(ledger: Arc<Ledger>, door: Door) -> Router {
    // The desk has its own cap, which answers as the real web server does.
    Router::new().fallback(knock).layer(DefaultBodyLimit::disable()).with_state((ledger, door))
}

async fn knock(State((ledger, door)): State<(Arc<Ledger>, Door)>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (body, too_much) = match read_body(body, ledger.options.max_request_bytes).await {
        Ok(body) => (body, None),
        Err(status) => (Bytes::new(), Some(status)),
    };
    let asked = Asked::new(parts, body).await;
    let Some(late) = ledger.take_late((door.name)(&asked)) else {
        return attend(&ledger, door, &asked, too_much);
    };
    // In a task of its own: a caller who has hung up does not stop a call that is under way.
    let under_way = tokio::spawn(async move {
        tokio::time::sleep(late).await;
        attend(&ledger, door, &asked, too_much)
    });
    under_way.await.unwrap_or_else(|_| (door.refusal)(StatusCode::INTERNAL_SERVER_ERROR, None))
}

fn attend(ledger: &Ledger, door: Door, asked: &Asked, too_much: Option<StatusCode>) -> Response<Body> {
    let now = ledger.now();
    let mut call = Call {
        name: (door.name)(asked),
        request: format!("{} {}", asked.method, asked.uri),
        account: None,
        names: None,
        ticket: None,
        status: 0,
        at: now,
    };
    let mut response = ledger.change(|books| {
        let answered = match too_much {
            Some(status) => Answered { response: (door.refusal)(status, None), violation: None },
            None => {
                let records = &mut books.records;
                (door.attend)(asked, &mut Visit { records, options: &ledger.options, now, call: &mut call })
            }
        };
        if let Some(violation) = answered.violation {
            books.note_violation(format!("{}: {violation}", call.request));
        }
        call.status = answered.response.status().as_u16();
        books.note_call(call);
        answered.response
    });
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Reads a body up to `cap` bytes; a longer one is the web server's 413.
async fn read_body(body: Body, cap: usize) -> Result<Bytes, StatusCode> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        seen = seen.saturating_add(chunk.len());
        if seen <= cap {
            kept.extend_from_slice(&chunk);
        } else if seen > DRAINED {
            break;
        }
    }
    if seen > cap { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(kept.into()) }
}

/// The `Date` header's form (RFC 9110, 5.6.7).
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads an optional field that may be left out, but not be null: `#[serde(default, deserialize_with)]`.
pub(super) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// An id as a contract's integer in a path or query: digits only.
pub(super) fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

// === impl Asked ===

impl Asked {
    async fn new(parts: Parts, body: Bytes) -> Self {
        let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
        let mut asked = Self { method, uri, headers, body: body.clone(), form: None };
        if asked.content_type().0.eq_ignore_ascii_case("multipart/form-data") {
            asked.form = Some(read_form(parts, body).await);
        }
        asked
    }

    /// The query's pairs as they came.
    pub(super) fn query(&self) -> Vec<(String, String)> {
        let query = self.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// A header that came once; `Err` if it came twice or cannot be read.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, ()> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
            (Some(_), Some(_)) => Err(()),
        }
    }

    /// The media type of the body and its parameters.
    pub(super) fn content_type(&self) -> (&str, &str) {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (essence, parameters) =
            value.unwrap_or_default().split_once(';').unwrap_or((value.unwrap_or(""), ""));
        (essence.trim(), parameters.trim())
    }

    /// Whether the body says that it is JSON in UTF-8.
    pub(super) fn is_json(&self) -> bool {
        let (essence, parameters) = self.content_type();
        let parameters = parameters.to_ascii_lowercase();
        essence.eq_ignore_ascii_case("application/json")
            && matches!(parameters.as_str(), "" | "charset=utf-8")
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

async fn read_form(parts: Parts, body: Bytes) -> Result<Vec<Part>, String> {
    let request = Request::from_parts(parts, Body::from(body));
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| error.to_string())?;
    let mut read = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let content_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes = field.bytes().await.map_err(|error| format!("part {name:?}: {error}"))?;
        read.push(Part { name, file_name, content_type, bytes });
    }
    Ok(read)
}

// === impl Part ===

impl Part {
    /// The part as a file, if it has a file's name.
    pub(super) fn file(&self) -> Option<NewFile> {
        let name = self.file_name.clone().filter(|name| !name.is_empty())?;
        Some(NewFile { name, content_type: self.content_type.clone(), bytes: self.bytes.clone() })
    }
}
