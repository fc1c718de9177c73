//! Signed hooks of ticket systems: “look at this ticket now”, and no word of theirs is believed beyond that.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::admin_api::Refused;
use crate::{
    bridge::{
        context::Bridge,
        hints::{self, Full},
    },
    model::ids::{ApiName, TicketId},
    runtime::{clock::Timestamp, secret::Secret},
};

/// Unix seconds.
const TIMESTAMP: &str = "x-ticket-bridge-timestamp";
/// `sha256=` and the hexadecimal HMAC-SHA256 over the time stamp's digits, a dot and the body.
const SIGNATURE: &str = "x-ticket-bridge-signature";
/// How far the sender's clock may be from ours. Within it a hook may be replayed, which makes a look and no more.
const SKEW: Duration = Duration::from_secs(300);
const MOST_BYTES: usize = 64 << 10;
/// A body comes within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tickets that one hook may name.
const MOST_TICKETS: usize = 100;
/// Longer ids are none.
const LONGEST_ID: usize = 100;
/// Where hooks name tickets, by the names of WHMCS (<https://developers.whmcs.com/hooks-reference/ticket/>).
const TICKETS: [&str; 7] = [
    "ticketid",
    "ticketId",
    "masterTicketId",
    "mergedTicketIds",
    "originalTicketId",
    "newTicketId",
    "newTicketID",
];

pub fn router(bridge: Bridge) -> Router {
    Router::new()
        .route("/hooks/{ticket_api}", post(hook))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(bridge)
}

async fn hook(
    State(bridge): State<Bridge>,
    Path(api): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let api = ApiName::new(api);
    let unknown = || Refused::unknown("ticket API of that name that takes hooks");
    let secret = bridge.hints.secret(&api).ok_or_else(unknown)?;
    let headers = request.headers().clone();
    let body = tokio::time::timeout(PATIENCE, Bytes::from_request(request, &())).await;
    let body = body
        .map_err(|_| Refused::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?
        .map_err(|rejection| Refused::new(rejection.status(), rejection.body_text()))?;
    let now = bridge.now();
    genuine(secret, &headers, &body, now)
        .map_err(|why| Refused::new(StatusCode::UNAUTHORIZED, why))
        .inspect_err(|_| tracing::debug!(%api, "A hook without a good signature was refused."))?;
    bridge.hints.came(&api, now);

    let hook: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "the body is not a JSON object"))?;
    let tickets = tickets(&hook);
    if tickets.is_empty() {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "the body names no ticket, as in {\"ticketid\": 1}",
        ));
    }
    let account = hook.get("account").and_then(id);
    tracing::debug!(%api, event = hook.get("event").and_then(|event| event.as_str()), ?tickets, "A hint came.");
    for ticket in tickets {
        if let Err(Full) = hints::take(&bridge, &api, TicketId::new(ticket), account.as_deref())? {
            let full =
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many hints wait; the poll comes anyway");
            return Ok(([(header::RETRY_AFTER, "60")], full).into_response());
        }
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": true }))).into_response())
}

/// Whether somebody who knows the secret sent it just now; else why it is not believed.
fn genuine(secret: &Secret, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let stamp = text(TIMESTAMP).ok_or("the header X-Ticket-Bridge-Timestamp is missing")?;
    let digits = !stamp.is_empty() && stamp.len() <= 12 && stamp.bytes().all(|byte| byte.is_ascii_digit());
    let sent = stamp.parse().ok().filter(|_| digits).map(Timestamp::from_secs);
    let sent = sent.ok_or("X-Ticket-Bridge-Timestamp is not a number of seconds since 1970")?;
    let signature = text(SIGNATURE).ok_or("the header X-Ticket-Bridge-Signature is missing")?;
    let tag =
        signature.strip_prefix("sha256=").and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok());
    let tag = tag.ok_or("X-Ticket-Bridge-Signature is not sha256= and hexadecimal digits")?;
    verify(secret, stamp, body, &tag)
        .map_err(|_| "the signature is wrong: the secrets differ, or the body was changed")?;
    if now.since(sent).max(sent.since(now)) > SKEW {
        return Err("the time stamp is more than five minutes from this machine's clock");
    }
    Ok(())
}

/// In constant time.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
fn verify(secret: &Secret, stamp: &str, body: &[u8], tag: &[u8]) -> Result<(), hmac::digest::MacError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("any length");
    mac.update(stamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(tag)
}

/// Every ticket that the hook names, each once.
fn tickets(hook: &Map<String, Value>) -> Vec<String> {
    let mut tickets: Vec<String> = Vec::new();
    for value in TICKETS.iter().filter_map(|key| hook.get(*key)) {
        let ids: Vec<String> = match value {
            Value::Array(values) => values.iter().take(MOST_TICKETS).filter_map(id).collect(),
            value => id(value).into_iter().collect(),
        };
        for id in ids {
            if tickets.len() < MOST_TICKETS && !tickets.contains(&id) {
                tickets.push(id);
            }
        }
    }
    tickets
}

/// An id as a number or as a string.
fn id(value: &Value) -> Option<String> {
    let id = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let good = !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control);
    good.then_some(id)
}
