//! HostUp's errors: RFC 7807 problems with a code.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::records::Refusal;
use super::wire::date;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Pointer and text of each field that is wrong.
    errors: Vec<Wrong>,
    violation: Option<String>,
}

/// A field that is wrong: its pointer and why.
pub(super) type Wrong = (&'static str, &'static str);

// === impl Refused ===

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), violation: None }
    }

    /// A request that the contract does not know.
    pub(super) fn malformed(violation: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "The request is invalid.").noting(violation)
    }

    pub(super) fn field(pointer: &'static str, text: &'static str) -> Self {
        let refused = Self::new(StatusCode::BAD_REQUEST, "invalid_request", "The request is invalid.");
        Self { errors: vec![(pointer, text)], ..refused }
    }

    /// All that is wrong with a body, if anything.
    pub(super) fn fields(wrong: Vec<Option<Wrong>>) -> Result<(), Self> {
        let errors: Vec<_> = wrong.into_iter().flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(Self { errors, ..Self::field("", "") }) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid API key is required.")
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(super) fn no_ticket() -> Self {
        Self::new(StatusCode::NOT_FOUND, "ticket_not_found", "The ticket was not found.")
    }

    pub(super) fn no_file() -> Self {
        Self::new(StatusCode::NOT_FOUND, "attachment_not_found", "The attachment was not found.")
    }

    /// What a ticket's state forbids.
    pub(super) fn state(status: u16, code: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT), code, detail)
    }

    pub(super) fn noting(self, violation: impl Into<String>) -> Self {
        Self { violation: Some(violation.into()), ..self }
    }

    pub(super) fn split(self, path: &str, now: Timestamp) -> (Response<Body>, Option<String>) {
        let errors = self
            .errors
            .iter()
            .map(|(pointer, text)| json!({ "pointer": pointer, "detail": text, "code": "invalid" }));
        let errors = (!self.errors.is_empty()).then(|| errors.collect());
        (problem(self.status, self.code, &self.detail, path, now, errors), self.violation)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(_) => Self::no_ticket(),
            Refusal::Invalid(text) => Self::new(StatusCode::BAD_REQUEST, "invalid_request", text),
            Refusal::Conflict(text) => Self::new(StatusCode::CONFLICT, "conflict", text),
        }
    }
}

/// The error of a call that no rule of tickets refused.
pub(super) fn plain_refusal(status: StatusCode, wait: Option<u32>) -> Response<Body> {
    let code = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        StatusCode::BAD_GATEWAY => "external_provider_failed",
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => "invalid_request",
        _ => "internal_error",
    };
    let now = Timestamp::now();
    let mut response =
        problem(status, code, "The request could not be served.", "/api/v2/support", now, None);
    if status == StatusCode::TOO_MANY_REQUESTS {
        limit(response.headers_mut(), wait.unwrap_or(1), now);
    }
    response
}

/// What a throttled caller is told; the reset is an ISO time, not a number.
fn limit(headers: &mut HeaderMap, wait: u32, now: Timestamp) {
    let reset = now.saturating_add(SignedDuration::from_secs(wait.into())).unwrap_or(now);
    let told = [
        ("x-ratelimit-limit", "60".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", date(reset)),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

fn problem(
    status: StatusCode,
    code: &str,
    detail: &str,
    path: &str,
    now: Timestamp,
    errors: Option<Vec<Value>>,
) -> Response<Body> {
    let mut whole = json!({
        "type": format!("https://developer.hostup.se/errors/{code}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "instance": path,
        "requestId": format!("req_{:x}", now.as_microsecond()),
        "timestamp": date(now),
    });
    if let (Some(whole), Some(errors)) = (whole.as_object_mut(), errors) {
        whole.insert("errors".to_owned(), Value::Array(errors));
    }
    let mut response = Response::new(Body::from(whole.to_string()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
