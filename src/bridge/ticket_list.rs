//! `/tickets`: the account's tickets as the ticket system lists them, and which one is current.

use serde_json::{Value, json};

use crate::{
    bridge::{
        outcome::Outcome,
        turn::{Customer, Turn},
    },
    model::{
        conversation::{Conversation, TicketStatus},
        ids::TicketId,
    },
    store::{StoreError, change::Key},
    ticket_api::{ApiError, Scope, TicketLine},
};

/// So many are shown, newest first.
const SHOWN: usize = 10;
/// Lists come in no promised order, so the newest may be on any page; more pages than this are not read.
const MOST_PAGES: u32 = 5;

pub async fn run(turn: &Turn<'_>, customer: &Customer) -> Result<Outcome, StoreError> {
    let mut lines = match read(turn, customer).await {
        Ok(lines) => lines,
        Err(why) => return Ok(turn.answer("tickets_failed", json!({ "reason": why }))),
    };
    if customer.link.is_none() {
        // Many strangers may share this account: each sees what was written from his own chat.
        lines = own(turn, customer, lines)?;
    }
    if lines.is_empty() {
        return Ok(turn.answer("no_tickets", json!({})));
    }
    let current = turn.bridge.store.find(&turn.current_key())?;
    let current = current.map(|id| turn.bridge.store.conversation(id)).transpose()?.flatten();
    let current = current.and_then(|conversation| conversation.ticket);
    let (tickets, more) = shown(lines, current.as_ref());
    Ok(turn.answer("tickets", json!({ "tickets": tickets, "more": more })))
}

/// The account's tickets, or why they cannot be had, in words for the customer.
async fn read(turn: &Turn<'_>, customer: &Customer) -> Result<Vec<TicketLine>, String> {
    let bridge = turn.bridge;
    let (name, account) = (&customer.account.api, &customer.account.name);
    let Some(api) = bridge.apis.get(name) else { return Err("its ticket system is not set up".to_owned()) };
    if !api.port.capabilities().list {
        return known(turn, customer).map_err(|_| "the bridge cannot look them up at the moment".to_owned());
    }
    let access = bridge.access(&customer.account);
    let (mut lines, mut from) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        bridge.circuits.admits(name, account, bridge.now()).map_err(|_| SILENT.to_owned())?;
        match api.port.tickets(&access, Scope::All, from.as_ref()).await {
            Ok(page) => {
                bridge.circuits.succeeded(name, account);
                lines.extend(page.tickets);
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            Err(error) => return Err(failed(turn, customer, &error)),
        }
    }
    Ok(lines)
}

/// Where nothing can be listed: the tickets that we know, as they were last read.
fn known(turn: &Turn<'_>, customer: &Customer) -> Result<Vec<TicketLine>, StoreError> {
    let store = &turn.bridge.store;
    let mut lines = Vec::new();
    for watch in store.watches(&customer.account.api, &customer.account.name)? {
        let known = watch.conversation.map(|id| store.conversation(id)).transpose()?.flatten();
        lines.extend(known.map(|known| TicketLine {
            ticket: watch.ticket,
            subject: known.subject,
            status: known.status,
            created: Some(known.active),
            change: None,
        }));
    }
    Ok(lines)
}

const SILENT: &str = "the ticket system does not answer at the moment";

fn failed(turn: &Turn<'_>, customer: &Customer, error: &ApiError) -> String {
    let bridge = turn.bridge;
    let (name, account) = (&customer.account.api, &customer.account.name);
    tracing::warn!(account = %account, %error, "The tickets of an account cannot be listed.");
    match error {
        ApiError::Retry { reason, .. } | ApiError::Unknown { reason, .. } => {
            bridge.circuits.failed(name, reason, bridge.now());
        }
        ApiError::Unauthorized(reason) => bridge.circuits.unauthorized(name, account, reason, bridge.now()),
        _ => {}
    }
    match error {
        ApiError::Refused(reason) => format!("the ticket system refused it ({reason})"),
        _ => SILENT.to_owned(),
    }
}

fn own(turn: &Turn<'_>, customer: &Customer, lines: Vec<TicketLine>) -> Result<Vec<TicketLine>, StoreError> {
    let place = Some(turn.place());
    let mut own = Vec::new();
    for line in lines {
        let key = Key::Ticket(customer.account.api.clone(), line.ticket.clone());
        let id = turn.bridge.store.find(&key)?;
        let known = id.map(|id| turn.bridge.store.conversation(id)).transpose()?.flatten();
        let from_here = |known: &Conversation| known.founder == place || known.last_writer == place;
        if known.as_ref().is_some_and(from_here) {
            own.push(line);
        }
    }
    Ok(own)
}

/// The current one first, then the newest; and how many are not shown.
fn shown(mut lines: Vec<TicketLine>, current: Option<&TicketId>) -> (Vec<Value>, Option<usize>) {
    let is_current = |line: &TicketLine| Some(&line.ticket) == current;
    lines.sort_by(|a, b| {
        let rank = |line: &TicketLine| (is_current(line), line.created, number(&line.ticket));
        rank(b).cmp(&rank(a))
    });
    let more = Some(lines.len().saturating_sub(SHOWN)).filter(|more| *more > 0);
    let line = |line: &TicketLine| {
        json!({
            "number": line.ticket.number(), "status": status(line.status), "subject": line.subject,
            "current": is_current(line),
        })
    };
    (lines.iter().take(SHOWN).map(line).collect(), more)
}

/// Ids are opaque, but where they are numbers the greater is the newer.
fn number(ticket: &TicketId) -> Option<u64> {
    ticket.as_str().parse().ok()
}

fn status(status: TicketStatus) -> &'static str {
    match status {
        TicketStatus::Open => "Open",
        TicketStatus::Resolved => "Resolved",
        TicketStatus::Closed => "Closed",
        TicketStatus::Other => "In progress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::Timestamp;

    fn line(number: i64) -> TicketLine {
        TicketLine {
            ticket: TicketId::new(number.to_string()),
            subject: String::new(),
            status: TicketStatus::Open,
            created: (number != 3).then(|| Timestamp::from_secs(number)),
            change: None,
        }
    }

    #[test]
    fn the_current_ticket_comes_first_then_the_newest_and_the_rest_is_counted() {
        let (shown, more) = shown((1..=13).map(line).collect(), Some(&TicketId::new("2")));
        let numbers: Vec<&str> = shown.iter().filter_map(|line| line["number"].as_str()).collect();
        assert_eq!(numbers, ["2", "13", "12", "11", "10", "9", "8", "7", "6", "5"]);
        assert_eq!(more, Some(3));
        assert_eq!(shown[0]["current"], true);
    }
}
