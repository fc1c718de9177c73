//! HostUp's refusals (RFC 7807, <https://developer.hostup.se/errors>): decided by their `code`, else by the status.

use serde_json::Value;

use crate::ticket_api::ApiError;
use crate::ticket_api::answers::{self, Answer, Call, error_of};
use crate::ticket_api::decoding::list;

/// What a key must be allowed for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    ReadSupport,
    WriteSupport,
    ReadAccount,
}

/// A call that did not succeed, with what else is to be known of it than what to do.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ApiError,
    pub(super) kind: Kind,
    /// All that the server said, in lower case.
    said: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scope is missing, or it is somebody else's.
    Forbidden,
    Missing,
    TooLarge,
    Other,
}

/// A refusal in the API's own form.
struct Problem {
    code: String,
    words: String,
    said: String,
}

// === impl Right ===

impl Right {
    pub(super) fn scope(self) -> &'static str {
        match self {
            Right::ReadSupport => "read:support",
            Right::WriteSupport => "write:support",
            Right::ReadAccount => "read:account",
        }
    }

    pub(super) fn call(self) -> Call {
        if self == Right::WriteSupport { Call::Write } else { Call::Read }
    }
}

// === impl Failure ===

impl Failure {
    /// Of an answer that is no decoded success.
    pub(super) fn of(right: Right, answer: &Answer) -> Self {
        let problem = Problem::read(answer);
        let (code, words, said) =
            problem.map_or_else(Default::default, |it| (it.code, Some(it.words), it.said));
        let (call, status) = (right.call(), answer.status.as_u16());
        let error = match code.as_str() {
            "rate_limited" => {
                ApiError::Retry { after: answer.retry_after, reason: "too many calls".to_owned() }
            }
            code if code == "external_provider_failed" || code.starts_with("upstream_") => {
                provider_failed(call, answer, words.unwrap_or_default())
            }
            "unauthorized" => ApiError::Unauthorized(words.unwrap_or_default()),
            "forbidden" => ApiError::Unauthorized(needs(right, &words.unwrap_or_default())),
            "invalid_request" if status < 500 => ApiError::Refused(words.unwrap_or_default()),
            _ => match error_of(call, answer, words) {
                ApiError::Unauthorized(reason) if status == 403 => {
                    ApiError::Unauthorized(needs(right, &reason))
                }
                error => error,
            },
        };
        let kind = match (&error, status) {
            (ApiError::Unauthorized(_), _) if status == 403 || code == "forbidden" => Kind::Forbidden,
            (ApiError::NotFound(_), _) => Kind::Missing,
            (ApiError::Refused(_), 413) => Kind::TooLarge,
            _ => Kind::Other,
        };
        Self { error, kind, said }
    }

    /// Whether the server's words, its codes or its pointers hold this one.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.said.contains(word)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, kind: Kind::Other, said: String::new() }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

// === impl Problem ===

impl Problem {
    fn read(answer: &Answer) -> Option<Self> {
        let body = answer.json()?;
        let text = |row: &Value, key| row.get(key).and_then(Value::as_str).map(answers::words);
        let text = |row: &Value, key| text(row, key).filter(|text| !text.is_empty());
        let code = text(&body, "code").unwrap_or_default();
        let errors = list(body.get("errors"));
        let details: Vec<String> = errors.iter().filter_map(|error| text(error, "detail")).collect();
        let words = Some(details.join(" ")).filter(|words| !words.is_empty());
        let words = words.or_else(|| text(&body, "detail")).or_else(|| text(&body, "title"));
        let words = words.or_else(|| Some(code.clone()).filter(|code| !code.is_empty()))?;
        // Where the call went to is no word of the refusal.
        let parts = ["code", "title", "detail", "errors", "extensions"];
        let said: Vec<String> = parts
            .iter()
            .filter_map(|key| body.get(key))
            .map(|part| part.to_string().to_lowercase())
            .collect();
        Some(Self { code, words: answers::words(&words), said: said.join(" ") })
    }
}

/// The system behind the API may have done it.
fn provider_failed(call: Call, answer: &Answer, words: String) -> ApiError {
    let (after, reason) = (answer.retry_after, format!("HTTP {}: {words}", answer.status.as_u16()));
    match call {
        Call::Read => ApiError::Retry { after, reason },
        Call::Write => ApiError::Unknown { may_still_run: true, after, reason },
    }
}

fn needs(right: Right, words: &str) -> String {
    format!("{words} (the key needs the scope {})", right.scope())
}
