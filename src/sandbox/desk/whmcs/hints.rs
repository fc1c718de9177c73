//! The hook file of a WHMCS: what staff does is told at once, as a signed POST of numbers only.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::ledger::Ledger;
use super::super::lifecycle::Status;
use super::super::ticket::{Author, Message, MessageId, Ticket, TicketId};
use crate::runtime::http_client::{http_client, send};
use crate::runtime::tls::client_config;

/// Where hints go.
#[derive(Clone, Debug)]
pub struct HintOptions {
    pub url: String,
    /// The word that both sides know: the key of the signature.
    pub secret: String,
}

/// What the hooks last saw of a ticket.
struct Seen {
    status: Status,
    last_staff: Option<MessageId>,
    merged_into: Option<TicketId>,
}

/// As long as a page of WHMCS waits for a hook.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends hints until the desk is gone, if a hook file is installed. A hint that is lost stays lost.
pub(super) fn watch(ledger: &Arc<Ledger>) {
    let Some(options) = ledger.options.whmcs.hints.clone() else { return };
    let Ok(http) =
        client_config(None).map_err(drop).and_then(|tls| http_client(&tls, PATIENCE).map_err(drop))
    else {
        return;
    };
    tokio::spawn(follow(Arc::downgrade(ledger), ledger.listen(), http, options));
}

async fn follow(
    ledger: Weak<Ledger>,
    mut bell: tokio::sync::watch::Receiver<()>,
    http: Client,
    options: HintOptions,
) {
    let mut seen = HashMap::new();
    // The bell's other end goes with the desk.
    while bell.changed().await.is_ok() {
        let Some(ledger) = ledger.upgrade() else { return };
        let hints: Vec<_> = ledger
            .read(|books| books.records.all_tickets().flat_map(|ticket| news(ticket, &mut seen)).collect());
        let now = ledger.now().as_second();
        drop(ledger);
        for hint in hints {
            let (body, signature) = signed(&hint, now, &options.secret);
            let request = http.post(&options.url).header("Content-Type", "application/json").body(body);
            let request = request.header("X-Ticket-Bridge-Timestamp", now.to_string());
            let _ = send(request.header("X-Ticket-Bridge-Signature", signature)).await; // as lost as in PHP
        }
    }
}

/// What the hooks say of a ticket since they last saw it.
fn news(ticket: &Ticket, seen: &mut HashMap<TicketId, Seen>) -> Vec<Value> {
    let is_new = |message: &&Message| {
        let last = seen.get(&ticket.id).and_then(|seen| seen.last_staff);
        message.author != Author::Customer && Some(message.id) > last
    };
    let mut hints: Vec<_> =
        ticket.messages.iter().filter(is_new).map(|message| replied(ticket, message)).collect();
    let last_staff =
        ticket.messages.iter().filter(|message| message.author != Author::Customer).map(|m| m.id).max();
    let now = Seen { status: ticket.status, last_staff, merged_into: ticket.merged_into };
    let before = seen.insert(ticket.id, now);
    let was = before.as_ref().map_or(Status::Open, |before| before.status);
    if let Some(master) =
        ticket.merged_into.filter(|_| before.is_none_or(|before| before.merged_into.is_none()))
    {
        let (merged, master) = (ticket.id.to_string(), master.to_string());
        return vec![
            json!({ "event": "TicketMerge", "mergedTicketIds": [merged], "masterTicketId": master }),
        ];
    }
    let event = match ticket.status {
        status if status == was => None,
        Status::Closed => Some("TicketClose"),
        // These two come with a reply, for which the hook above speaks.
        Status::Answered | Status::CustomerReply => None,
        _ => Some("TicketStatusChange"),
    };
    hints.extend(event.map(|event| json!({ "event": event, "ticketid": ticket.id.0 })));
    hints
}

fn replied(ticket: &Ticket, message: &Message) -> Value {
    json!({ "event": "TicketAdminReply", "ticketid": ticket.id.0, "replyid": message.id.0 })
}

fn signed(hint: &Value, now: i64, secret: &str) -> (String, String) {
    let body = hint.to_string();
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{now}.{body}").as_bytes());
    (body, format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
}
