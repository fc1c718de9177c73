//! Whether a request is one that the contract knows: key, query, body; what is not is turned away and noted.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::door::{Asked, number};
use super::super::records::{NewFile, Records};
use super::super::ticket::MessageId;
use super::route::{BodyKind, Route};
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

const DEFAULT_PAGE_SIZE: usize = 10;
const ACCOUNT_ID: &str = "accountId";

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

/// Checks everything but the body's inside.
pub(super) fn admit(route: Route, asked: &Asked, records: &Records) -> Result<Admitted, Turned> {
    let account = account_of(&asked.headers, records)?;
    let mut admitted = Admitted { account, page_number: 1, page_size: DEFAULT_PAGE_SIZE };
    let mut named = None;
    let mut seen = Vec::new();
    for (name, value) in asked.query() {
        let allowed = route.parameters().contains(&name.as_str());
        if !allowed || seen.contains(&name) {
            let what = if allowed { "twice" } else { "where it is unknown" };
            return Err(Turned::unreadable("unexpected query parameter", format!("query {name:?} {what}")));
        }
        let value = number(&value)
            .ok_or_else(|| Turned::unreadable("the value is not valid", format!("query {name}={value:?}")))?;
        match name.as_str() {
            ACCOUNT_ID => named = Some(value),
            "pageNumber" => admitted.page_number = positive(value, "pageNumber")?,
            _ => admitted.page_size = positive(value, "pageSize")?,
        }
        seen.push(name);
    }
    check_body_kind(route.body(), asked)?;
    match named {
        None if route.parameters().contains(&ACCOUNT_ID) => {
            Err(Turned::unreadable("the accountId field is required", "no accountId in the query"))
        }
        Some(named) if named != account => {
            Err(Turned::quietly(Answer::said(StatusCode::NOT_FOUND, "Account not found.", Value::Null)))
        }
        _ => Ok(admitted),
    }
}

/// The account in the query, whether it is right or not.
pub(super) fn named_account(asked: &Asked) -> Option<i64> {
    let named = asked.query().into_iter().find(|(name, _)| name == ACCOUNT_ID);
    named.and_then(|(_, value)| number(&value))
}

/// A JSON body, of exactly the fields that the contract names.
pub(super) fn json_body<T: DeserializeOwned>(asked: &Asked) -> Result<T, Turned> {
    let unreadable = |error| format!("body: {error}");
    asked
        .json()
        .map_err(|error| Turned::unreadable("the JSON value could not be converted", unreadable(error)))
}

/// The parts of a multipart body.
pub(super) fn upload_form(asked: &Asked) -> Result<UploadForm, Turned> {
    let broken = |what: String| Turned::unreadable("failed to read the request form", what);
    let parts = match &asked.form {
        Some(Ok(parts)) => parts.as_slice(),
        Some(Err(error)) => return Err(broken(format!("multipart: {error}"))),
        None => &[],
    };
    let mut read = UploadForm::default();
    for part in parts {
        match (part.name.as_str(), part.file()) {
            ("file", Some(file)) if read.file.is_none() => read.file = Some(file),
            ("messageId", None) if part.file_name.is_none() && read.message.is_none() => {
                let id = std::str::from_utf8(&part.bytes).ok().and_then(number);
                let id = id.ok_or_else(|| broken(format!("part messageId is {:?}", part.bytes)))?;
                read.message = Some(MessageId(id));
            }
            (name, _) => return Err(broken(format!("part {name:?} with file name {:?}", part.file_name))),
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

fn check_body_kind(kind: BodyKind, asked: &Asked) -> Result<(), Turned> {
    let fits = match kind {
        BodyKind::None if !asked.body.is_empty() => {
            return Err(Turned::unreadable("a body where none is expected", "a body where none is expected"));
        }
        BodyKind::None => true,
        BodyKind::Json => asked.is_json(),
        BodyKind::Form => asked.form.is_some(),
    };
    let wrong = || {
        let answer = Answer::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        Turned::noting(answer, format!("content type {:?}", asked.content_type()))
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

fn positive(value: i64, name: &str) -> Result<usize, Turned> {
    let positive = usize::try_from(value).ok().filter(|value| *value > 0);
    positive.ok_or_else(|| Turned::unreadable("the page is not valid", format!("query {name}={value}")))
}
