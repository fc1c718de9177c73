//! What a WHMCS, or a façade before it, answers: success, a logical error, or a web server's refusal.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::super::door::Answered;
use super::options::WhmcsOptions;

/// An answer before it is bytes.
pub(in crate::sandbox::desk) enum Answer {
    /// `result=success` and these fields.
    Success(Map<String, Value>),
    /// `result=error` with the status that the installation gives logical errors.
    Error(&'static str),
    /// `result=error` with 403: the credential, or the address it comes from.
    Denied(&'static str),
    /// `result=error` in the form that callers get who do not ask for JSON.
    Pairs(&'static str),
    /// JSON of another form, as OAuth and the façade's guard have it.
    Other(StatusCode, Value),
    /// A web server's refusal without a body.
    Bare(StatusCode),
}

/// A request that was turned away.
pub(in crate::sandbox::desk) struct Turned {
    pub(in crate::sandbox::desk) answer: Answer,
    /// What no caller that keeps the contract would have sent.
    pub(in crate::sandbox::desk) violation: Option<String>,
}

// === impl Answer ===

impl Answer {
    pub(in crate::sandbox::desk) fn status(&self, options: &WhmcsOptions) -> StatusCode {
        match self {
            Self::Success(_) | Self::Pairs(_) => StatusCode::OK,
            Self::Error(_) => StatusCode::from_u16(options.error_status).unwrap_or(StatusCode::OK),
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Other(status, _) | Self::Bare(status) => *status,
        }
    }

    pub(in crate::sandbox::desk) fn into_response(self, options: &WhmcsOptions) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status(options);
        let json = "application/json";
        let (content_type, body) = match self {
            Self::Success(mut fields) => {
                fields.insert("result".to_owned(), json!("success"));
                (json, Value::Object(fields).to_string())
            }
            Self::Error(message) | Self::Denied(message) => (json, error(message).to_string()),
            Self::Pairs(message) => ("text/plain", format!("result=error;message={message};")),
            Self::Other(_, body) => (json, body.to_string()),
            Self::Bare(_) => ("text/html", String::new()),
        };
        *response.body_mut() = Body::from(body);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

// === impl Turned ===

impl Turned {
    /// A refusal that an honest caller may meet.
    pub(in crate::sandbox::desk) fn quietly(answer: Answer) -> Self {
        Self { answer, violation: None }
    }

    pub(in crate::sandbox::desk) fn noting(answer: Answer, violation: impl Into<String>) -> Self {
        Self { answer, violation: Some(violation.into()) }
    }

    pub(in crate::sandbox::desk) fn error(message: &'static str) -> Self {
        Self::quietly(Answer::Error(message))
    }

    pub(in crate::sandbox::desk) fn into_answered(self, options: &WhmcsOptions) -> Answered {
        Answered { response: self.answer.into_response(options), violation: self.violation }
    }
}

/// A logical error's body.
pub(in crate::sandbox::desk) fn error(message: &str) -> Value {
    json!({ "result": "error", "message": message })
}
