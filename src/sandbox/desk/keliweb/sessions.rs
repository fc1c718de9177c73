//! The façade's tokens: given for a password, renewed with a refresh token that dies by it, expired by the clock.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::{Value, json};

use super::super::door::Visit;
use super::super::records::Records;
use super::super::whmcs::{Answer, Form, Turned};
use super::user_name;

/// The one OAuth client of the façade.
pub const CLIENT_ID: &str = "7";
pub const CLIENT_SECRET: &str = "kUq2cTn8wV5yZr1bXe4sGh6jLm9pDf3aQo0iRtEu";

/// The tokens that are out.
#[derive(Default)]
pub(in crate::sandbox::desk) struct Sessions {
    access: HashMap<String, Session>,
    refresh: HashMap<String, Session>,
}

/// Whose a token is, and until when.
struct Session {
    account: i64,
    /// The password by which it came about; another one ends it.
    key: String,
    expires: Timestamp,
    calls: u32,
}

/// A pair of tokens.
pub(super) struct Granted {
    pub(super) account: i64,
    pub(super) answer: Value,
}

/// The account of a token that is good for this call.
pub(super) fn account(bearer: &str, visit: &mut Visit<'_>) -> Option<i64> {
    let most = visit.options.keliweb.calls_per_access;
    let session = visit.records.sessions.access.get_mut(bearer)?;
    session.calls = session.calls.saturating_add(1);
    let is_used_up = most.is_some_and(|most| session.calls > most);
    let is_over = is_used_up || session.expires <= visit.now;
    let (account, key) = (session.account, session.key.clone());
    (!is_over && has_key(visit.records, account, &key)).then_some(account)
}

/// Answers a grant; the errors are those of RFC 6749, 5.2.
pub(super) fn grant(form: &Form, visit: &mut Visit<'_>) -> Result<Granted, Turned> {
    const COMMON: [&str; 3] = ["grant_type", "client_id", "client_secret"];
    let kind = form.get("grant_type").unwrap_or_default();
    let own: &[&str] = match kind {
        "password" => &["username", "password"],
        "refresh_token" => &["refresh_token"],
        other => {
            return Err(Turned::noting(refused("unsupported_grant_type"), format!("grant_type {other:?}")));
        }
    };
    if let Some(stranger) = form.stranger(&[&COMMON, own]) {
        return Err(Turned::noting(
            refused("invalid_request"),
            format!("the parameter {stranger:?} is unknown"),
        ));
    }
    if let Some(missing) = COMMON.iter().chain(own).find(|name| form.get(name).is_none()) {
        return Err(Turned::noting(refused("invalid_request"), format!("no {missing}")));
    }
    if (form.get("client_id"), form.get("client_secret")) != (Some(CLIENT_ID), Some(CLIENT_SECRET)) {
        return Err(Turned::quietly(refused("invalid_client")));
    }
    let account = if kind == "password" { by_password(form, visit) } else { by_refresh(form, visit) };
    let (account, key) = account.ok_or_else(|| Turned::quietly(refused("invalid_grant")))?;
    Ok(Granted { account, answer: issue(account, &key, visit) })
}

/// An OAuth error.
pub(super) fn refused(error: &'static str) -> Answer {
    let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    Answer::Other(status, json!({ "error": error, "message": error.replace('_', " ") }))
}

fn by_password(form: &Form, visit: &Visit<'_>) -> Option<(i64, String)> {
    let (name, password) = (form.get("username")?, form.get("password")?);
    let account = visit.records.accounts().find(|account| user_name(*account) == name)?;
    has_key(visit.records, account, password).then(|| (account, password.to_owned()))
}

fn by_refresh(form: &Form, visit: &mut Visit<'_>) -> Option<(i64, String)> {
    // Used once, whatever comes of it.
    let session = visit.records.sessions.refresh.remove(form.get("refresh_token")?)?;
    let is_good = session.expires > visit.now && has_key(visit.records, session.account, &session.key);
    is_good.then_some((session.account, session.key))
}

fn issue(account: i64, key: &str, visit: &mut Visit<'_>) -> Value {
    let (now, options) = (visit.now, &visit.options.keliweb);
    let sessions = &mut visit.records.sessions;
    sessions.access.retain(|_, session| session.expires > now);
    sessions.refresh.retain(|_, session| session.expires > now);
    let session = |lifetime: Duration| {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        let expires = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        Session { account, key: key.to_owned(), expires, calls: 0 }
    };
    let (access, refresh) = (new_token(), new_token());
    sessions.access.insert(access.clone(), session(options.access_lifetime));
    sessions.refresh.insert(refresh.clone(), session(options.refresh_lifetime));
    json!({
        "token_type": "Bearer",
        "expires_in": options.access_lifetime.as_secs(),
        "access_token": access,
        "refresh_token": refresh,
    })
}

fn has_key(records: &Records, account: i64, key: &str) -> bool {
    records.key_of(account) == Some(Some(key))
}

fn new_token() -> String {
    HEXLOWER.encode(&rand::rng().random::<[u8; 32]>())
}
