//! What an answer is: the body of a success, or a refusal in the API's own form, or neither.

use serde_json::Value;

use super::wire::Refusal;
use crate::ticket_api::ApiError;
use crate::ticket_api::answers::{Answer, Call, error_of};

/// `errorCode` of a path that the API does not know.
const NO_ROUTE: i64 = 10_012;

/// What a path names: a 404 has another meaning for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Account,
    Ticket,
}

/// The body of a success; else what the answer means.
pub(super) fn opened(call: Call, about: About, answer: &Answer) -> Result<Value, ApiError> {
    let body = answer.json().filter(|body| answer.status.is_success() && Refusal::read(body).is_none());
    body.ok_or_else(|| refusal_of(call, about, answer))
}

pub(super) fn refusal_of(call: Call, about: About, answer: &Answer) -> ApiError {
    let refusal = answer.json().as_ref().and_then(Refusal::read);
    let code = refusal.as_ref().map(|refusal| refusal.code);
    match error_of(call, answer, refusal.map(|refusal| refusal.words)) {
        ApiError::NotFound(reason)
            if code == Some(Some(NO_ROUTE)) || code.is_none() && about == About::Account =>
        {
            let reason = format!("{reason}; check base_url and paths");
            ApiError::Retry { after: answer.retry_after, reason }
        }
        ApiError::NotFound(reason) if about == About::Account => ApiError::Refused(reason),
        error => error,
    }
}

/// A file that was brought twice is an orphan and no harm: the call is simply made again.
pub(super) fn harmless(error: ApiError) -> ApiError {
    match error {
        ApiError::Unknown { after, reason, .. } => ApiError::Retry { after, reason },
        error => error,
    }
}
