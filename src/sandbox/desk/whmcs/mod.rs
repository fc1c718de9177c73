//! WHMCS's native dialect: all calls on one path, the credential and the action in the form.

mod action;
mod answer;
mod catalog;
mod files;
mod form;
pub mod hints;
pub mod options;
mod reading;
mod turn;
#[cfg(test)]
mod whmcs_tests;
mod wire;
mod writing;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};

pub(super) use action::Action;
pub(super) use answer::{Answer, Turned, error};
pub(super) use form::Form;
pub(super) use turn::{Caller, Turn};
pub(super) use wire::number as shown_number;
pub use wire::{PRIVATE_NOTE, STAFF_NAME};

use super::door::{self, Answered, Asked, Door, Visit, number};
use super::ledger::Ledger;
use super::records::Records;
use super::ticket::{MessageId, TicketId};
use crate::sandbox::faults::{self, BY_BODY, ReadAhead};
use options::WhmcsOptions;

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect = faults::Dialect { call: fault_name, refusal };

const DOOR: Door = Door { name: call_name, attend, refusal };
const PATH: &str = "/includes/api.php";
/// What every call bears beside its own parameters.
const CREDENTIAL: [&str; 7] =
    ["identifier", "secret", "username", "password", "accesskey", "action", "responsetype"];

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    hints::watch(&ledger);
    door::router(ledger, DOOR)
}

fn attend(asked: &Asked, visit: &mut Visit<'_>) -> Answered {
    let options = &visit.options.whmcs;
    match serve(asked, visit) {
        Ok(fields) => Answered { response: Answer::Success(fields).into_response(options), violation: None },
        Err(turned) => turned.into_answered(options),
    }
}

fn serve(asked: &Asked, visit: &mut Visit<'_>) -> Result<turn::Fields, Turned> {
    let options = &visit.options.whmcs;
    check_head(asked)?;
    let form =
        Form::of(asked).map_err(|what| Turned::noting(Answer::Denied("Authentication Failed"), what))?;
    let named = form.get("action").unwrap_or_default().to_owned();
    visit.call.request = format!("{} {} action={named}", asked.method, asked.uri);
    check_credential(&form, options)?;
    visit.call.account = concerned(&form, visit.records);
    visit.call.names = named_client(&form);
    if is_revoked(visit.call.account, visit.records) {
        return Err(Turned::quietly(Answer::Denied("Authentication Failed")));
    }
    let action = Action::of(&named);
    let action =
        action.ok_or_else(|| Turned::noting(Answer::Error("Command Not Found"), "no such action"))?;
    if form.get("responsetype") != Some("json") {
        return Err(Turned::noting(Answer::Pairs("Invalid Response Type"), "no responsetype=json"));
    }
    if let Some(stranger) = form.stranger(&[&CREDENTIAL, action.parameters()]) {
        let violation = format!("the parameter {stranger:?} is unknown");
        return Err(Turned::noting(Answer::Error("Invalid Parameter"), violation));
    }
    let now = visit.now;
    Turn { caller: Caller::Admin, form, records: visit.records, options, now, call: visit.call }
        .perform(action)
}

fn check_head(asked: &Asked) -> Result<(), Turned> {
    let bare = |status, what: &str| Turned::noting(Answer::Bare(status), what);
    if asked.uri.path() != PATH {
        return Err(bare(StatusCode::NOT_FOUND, "no such path"));
    }
    if asked.method != Method::POST {
        return Err(bare(StatusCode::METHOD_NOT_ALLOWED, "not a POST"));
    }
    if asked.uri.query().is_some() {
        return Err(Turned::noting(Answer::Denied("Authentication Failed"), "a query"));
    }
    if asked.headers.contains_key("authorization") {
        return Err(Turned::noting(Answer::Denied("Authentication Failed"), "an Authorization header"));
    }
    Ok(())
}

/// The credential is good in either pair of fields; the access key lifts the restriction by address.
fn check_credential(form: &Form, options: &WhmcsOptions) -> Result<(), Turned> {
    let identifier = form.get("identifier").or(form.get("username"));
    let secret = form.get("secret").or(form.get("password"));
    let (Some(identifier), Some(secret)) = (identifier, secret) else {
        return Err(Turned::noting(Answer::Denied("Authentication Failed"), "no credential"));
    };
    if (identifier, secret) != (&options.identifier, &options.secret) {
        return Err(Turned::quietly(Answer::Denied("Authentication Failed")));
    }
    match &options.access_key {
        Some(key) if form.get("accesskey") != Some(key) => Err(Turned::quietly(Answer::Denied("Invalid IP"))),
        _ => Ok(()),
    }
}

/// The client whom a call is about, as far as it can be told before it is looked at closely.
fn concerned(form: &Form, records: &Records) -> Option<i64> {
    let named = |field: &str| form.get(field).and_then(number);
    let of = |id: TicketId| records.any_ticket(id).map(|ticket| ticket.account);
    let related = || match (named("relatedid")?, form.get("type")?) {
        (id, "ticket") => of(TicketId(id)),
        (id, _) => {
            let mut all = records.all_tickets();
            all.find(|ticket| ticket.message(MessageId(id)).is_some()).map(|ticket| ticket.account)
        }
    };
    let by_number = || {
        let number = named("ticketnum")?;
        records.all_tickets().find(|ticket| wire::number(ticket.id) == number).map(|ticket| ticket.account)
    };
    let ticket = || named("ticketid").and_then(|id| of(TicketId(id)));
    ticket().or_else(by_number).or_else(related).or_else(|| named_client(form))
}

/// The client who is named, whether he is the right one or not.
pub(super) fn named_client(form: &Form) -> Option<i64> {
    form.get("clientid").and_then(number)
}

/// One credential serves all clients: it is revoked with the last key, and for a client with his.
fn is_revoked(client: Option<i64>, records: &Records) -> bool {
    let mut clients = records.accounts().filter(|id| *id != 0).peekable();
    let lost = |id: i64| records.key_of(id) == Some(None);
    let all = clients.peek().is_some() && clients.all(lost);
    all || client.is_some_and(|client| client != 0 && lost(client))
}

fn call_name(asked: &Asked) -> &'static str {
    let form = match &asked.form {
        Some(_) => Form::of(asked).unwrap_or_default(),
        None => Form::glance(&asked.headers, &asked.body, &["action", "status"]),
    };
    name_of(&form)
}

fn fault_name(request: &Request) -> String {
    let Some(ReadAhead(body)) = request.extensions().get::<ReadAhead>() else { return BY_BODY.to_owned() };
    name_of(&Form::glance(request.headers(), body, &["action", "status"])).to_owned()
}

fn name_of(form: &Form) -> &'static str {
    form.get("action").and_then(Action::of).map_or("unknown", |action| action.call(form))
}

fn refusal(status: StatusCode, _wait: Option<u32>) -> Response<Body> {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Answer::Bare(status),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::Other(status, error("Authentication Failed"))
        }
        _ => Answer::Other(status, error("An error occurred while processing your request")),
    }
    .into_response(&WhmcsOptions::default())
}
