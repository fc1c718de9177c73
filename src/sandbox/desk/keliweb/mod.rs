//! Keliweb's façade over a WHMCS: OAuth, and one path for each of three calls.

#[cfg(test)]
mod keliweb_tests;
pub(super) mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use serde_json::json;

use super::door::{self, Answered, Asked, Door, Visit};
use super::ledger::Ledger;
use super::whmcs::{Action, Answer, Caller, Form, Turn, Turned, error, named_client};
use crate::sandbox::faults;
use sessions::Granted;

pub use sessions::{CLIENT_ID, CLIENT_SECRET};

/// How the façade is set up.
#[derive(Clone, Debug)]
pub struct KeliwebOptions {
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// How long a refresh token lives.
    pub refresh_lifetime: Duration,
    /// After how many calls an access token is expired all the same, so that a test need not wait.
    pub calls_per_access: Option<u32>,
    pub body: KeliwebBody,
    /// Whether the undocumented `get-tickets` is there.
    pub has_list: bool,
}

/// What the body of a call must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeliwebBody {
    /// As the documentation's examples send it.
    Multipart,
    Urlencoded,
}

impl Default for KeliwebOptions {
    fn default() -> Self {
        Self {
            access_lifetime: Duration::from_secs(3_600),
            refresh_lifetime: Duration::from_secs(10 * 86_400),
            calls_per_access: None,
            body: KeliwebBody::Multipart,
            has_list: false,
        }
    }
}

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect = faults::Dialect { call: fault_name, refusal };

const DOOR: Door = Door { name: call_name, attend, refusal };

/// What a path stands for.
#[derive(Clone, Copy)]
enum Route {
    Token,
    Ticket(Action),
}

/// The user name of a client.
pub fn user_name(account: i64) -> String {
    format!("client{account}@keli.example")
}

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    door::router(ledger, DOOR)
}

fn attend(asked: &Asked, visit: &mut Visit<'_>) -> Answered {
    let options = &visit.options.whmcs;
    let served = match Route::of(asked.uri.path()) {
        None => Err(Turned::noting(Answer::Bare(StatusCode::NOT_FOUND), "no such call")),
        Some(_) if asked.method != Method::POST => {
            Err(Turned::noting(Answer::Bare(StatusCode::METHOD_NOT_ALLOWED), "not a POST"))
        }
        Some(Route::Token) => token(asked, visit),
        Some(Route::Ticket(Action::GetTickets)) if !visit.options.keliweb.has_list => {
            Err(Turned::noting(Answer::Bare(StatusCode::NOT_FOUND), "a list, which is not documented"))
        }
        Some(Route::Ticket(action)) => serve(action, asked, visit),
    };
    match served {
        Ok(answer) => Answered { response: answer.into_response(options), violation: None },
        Err(turned) => turned.into_answered(options),
    }
}

fn serve(action: Action, asked: &Asked, visit: &mut Visit<'_>) -> Result<Answer, Turned> {
    let bearer = asked.header("authorization").ok().flatten().and_then(|value| value.strip_prefix("Bearer "));
    let unknown = || Answer::Other(StatusCode::UNAUTHORIZED, json!({ "message": "Unauthenticated." }));
    let bearer = bearer.ok_or_else(|| Turned::noting(unknown(), "no Bearer token"))?;
    let account = sessions::account(bearer, visit).ok_or_else(|| Turned::quietly(unknown()))?;
    visit.call.account = Some(account);
    if asked.header("x-requested-with") != Ok(Some("XMLHttpRequest")) {
        return Err(Turned::noting(Answer::Error("Bad Request"), "no X-Requested-With: XMLHttpRequest"));
    }
    let form = fields(asked)?;
    visit.call.names = named_client(&form);
    let wanted = visit.options.keliweb.body;
    if asked.form.is_some() != (wanted == KeliwebBody::Multipart) {
        return Err(Turned::noting(Answer::Error("Bad Request"), format!("the body is not {wanted:?}")));
    }
    if let Some(stranger) = form.stranger(&[action.facade_parameters()]) {
        let violation = format!("the parameter {stranger:?} is unknown");
        return Err(Turned::noting(Answer::Error("Invalid Parameter"), violation));
    }
    let (options, now) = (&visit.options.whmcs, visit.now);
    let caller = Caller::Client(account);
    let mut turn = Turn { caller, form, records: visit.records, options, now, call: visit.call };
    turn.perform(action).map(Answer::Success)
}

fn token(asked: &Asked, visit: &mut Visit<'_>) -> Result<Answer, Turned> {
    if asked.form.is_some() {
        return Err(Turned::noting(sessions::refused("invalid_request"), "a multipart body"));
    }
    let form = fields(asked)?;
    let Granted { account, answer } = sessions::grant(&form, visit)?;
    visit.call.account = Some(account);
    Ok(Answer::Other(StatusCode::OK, answer))
}

fn fields(asked: &Asked) -> Result<Form, Turned> {
    if asked.uri.query().is_some() {
        return Err(Turned::noting(Answer::Error("Bad Request"), "a query"));
    }
    Form::of(asked).map_err(|what| Turned::noting(Answer::Error("Bad Request"), what))
}

fn call_name(asked: &Asked) -> &'static str {
    name_of(asked.uri.path())
}

fn fault_name(request: &Request) -> String {
    name_of(request.uri().path()).to_owned()
}

fn name_of(path: &str) -> &'static str {
    match Route::of(path) {
        None => "unknown",
        Some(Route::Token) => "token",
        Some(Route::Ticket(action)) => action.call(&Form::default()),
    }
}

fn refusal(status: StatusCode, _wait: Option<u32>) -> Response<Body> {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Answer::Bare(status),
        StatusCode::UNAUTHORIZED => Answer::Other(status, json!({ "message": "Unauthenticated." })),
        StatusCode::TOO_MANY_REQUESTS => Answer::Other(status, json!({ "message": "Too Many Attempts." })),
        _ => Answer::Other(status, error("Server Error")),
    }
    .into_response(&super::whmcs::options::WhmcsOptions::default())
}

// === impl Route ===

impl Route {
    fn of(path: &str) -> Option<Self> {
        match path.strip_prefix("/api/v2/keliweb/") {
            None => (path == "/oauth/token").then_some(Self::Token),
            Some("open-ticket") => Some(Self::Ticket(Action::OpenTicket)),
            Some("get-ticket") => Some(Self::Ticket(Action::GetTicket)),
            Some("add-ticket-reply") => Some(Self::Ticket(Action::AddTicketReply)),
            Some("get-tickets") => Some(Self::Ticket(Action::GetTickets)),
            Some(_) => None,
        }
    }
}
