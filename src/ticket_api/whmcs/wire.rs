//! WHMCS's JSON, as both profiles answer it: results, tickets, replies and files.
//!
//! Sources: GetTicket, GetTickets and GetTicketAttachment at <https://developers.whmcs.com/api-reference/>.

use serde_json::Value;

use super::entities::unescape;
use crate::config::Whmcs as Settings;
use crate::config::whmcs::StaffRule;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::answers::{self, Answer, Call, error_of, undecodable};
use crate::ticket_api::decoding::{first, flag, id, integer, list, one, text, time};
use crate::ticket_api::{ApiError, Author, Ticket, TicketAttachment, TicketLine, TicketMessage};

/// Statuses that every installation has or starts with; others are the operator's
/// (<https://docs.whmcs.com/support/ticket-statuses>).
const OPEN: [&str; 5] = ["open", "answered", "customer-reply", "on hold", "in progress"];
/// The opening message among the replies.
const OPENING: &str = "0";

/// Where a file lies: what GetTicketAttachment asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileAddress {
    /// `ticket` or `reply`; a `note` is never asked for.
    pub(super) kind: &'static str,
    pub(super) related: u64,
    pub(super) index: u64,
}

/// A page of a list.
pub(super) struct Page {
    pub(super) tickets: Vec<TicketLine>,
    /// Rows that the server sent, those left out included.
    pub(super) rows: usize,
    pub(super) total: Option<i64>,
}

// === results ===

/// The body of a success; else what the answer means.
pub(super) fn opened(call: Call, answer: &Answer) -> Result<Value, ApiError> {
    let body = answer.json().filter(Value::is_object);
    let result = body.as_ref().and_then(|body| body.get("result")?.as_str()).map(str::to_ascii_lowercase);
    match (body, result.as_deref()) {
        (Some(body), Some("success")) if answer.status.is_success() => Ok(body),
        (Some(body), Some("error")) => Err(refusal(call, answer, &body)),
        _ => Err(match error_of(call, answer, None) {
            // All that WHMCS lacks it says by its result: here the address is wrong.
            ApiError::NotFound(reason) => {
                ApiError::Retry { after: answer.retry_after, reason: format!("{reason}; check base_url") }
            }
            error => error,
        }),
    }
}

/// An error in the API's own form: its words count, then the status.
fn refusal(call: Call, answer: &Answer, body: &Value) -> ApiError {
    let said = message_of(body).unwrap_or_else(|| "no reason given".to_owned());
    if answer.status.as_u16() >= 500 || answer.status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return error_of(call, answer, Some(said));
    }
    match meant(&said) {
        Some(ApiError::Retry { reason, .. }) => ApiError::Retry { after: answer.retry_after, reason },
        Some(error) => error,
        None => match error_of(call, answer, Some(said.clone())) {
            ApiError::NotFound(_) => ApiError::Refused(said), // not the ticket, but what was said about it
            error => error,
        },
    }
}

/// What a whole answer means that should have held a file.
pub(super) fn no_file(body: &[u8]) -> ApiError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let refused =
        body.get("result").and_then(Value::as_str).is_some_and(|result| result.eq_ignore_ascii_case("error"));
    let Some(said) = message_of(&body).filter(|_| refused) else {
        return undecodable("the answer holds no file");
    };
    meant(&said).unwrap_or(ApiError::Refused(said))
}

fn message_of(body: &Value) -> Option<String> {
    let said = first(body, &["message", "error"]).and_then(Value::as_str).map(answers::words);
    said.filter(|said| !said.is_empty())
}

/// The errors that are more than a refusal, by their words: the pages list no numbers.
fn meant(said: &str) -> Option<ApiError> {
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    let said = said.to_owned();
    if says(&["ticket id not found", "ticket not found", "related id not found", "no attachments found"])
        || says(&["attachments deleted", "invalid attachment index"])
    {
        Some(ApiError::NotFound(said))
    } else if says(&["client id not found", "client not found"]) {
        let why = "the account's id is not one of a client there";
        Some(ApiError::Unauthorized(format!("{said}: {why}")))
    } else if says(&["invalid ip", "authentication failed", "invalid permissions", "api access"]) {
        Some(ApiError::Unauthorized(said))
    } else if says(&["unable to generate ticket number"]) {
        Some(ApiError::Retry { after: None, reason: said })
    } else {
        None
    }
}

/// The id of a ticket that was just opened.
pub(super) fn made(body: &Value) -> Option<TicketId> {
    first(body, &["id", "ticketid"]).and_then(id).map(|ticket| TicketId::new(ticket).called(shown(body)))
}

// === lists and details ===

/// A page of GetTickets; `belongs` says which rows are shown.
pub(super) fn page(
    body: &Value,
    settings: &Settings,
    belongs: impl Fn(&Value) -> bool,
) -> Result<Page, &'static str> {
    let rows = nested(body, "tickets", "ticket");
    let tickets: Option<Vec<_>> =
        rows.iter().filter(|row| belongs(row)).map(|row| line(row, settings)).collect();
    let total = body.get("totalresults").and_then(integer);
    let tickets = tickets.ok_or("a ticket of the list has no id")?;
    if rows.is_empty() && total.is_none() && body.get("tickets").is_none() {
        return Err("the answer holds no list of tickets");
    }
    Ok(Page { tickets, rows: rows.len(), total })
}

/// Whose a ticket is: none for a guest's.
pub(super) fn owner(row: &Value) -> Option<String> {
    row.get("userid").and_then(id).filter(|owner| owner != "0")
}

/// A ticket with its replies, or what is wrong with it. Private notes are not read.
pub(super) fn ticket(
    body: &Value,
    settings: &Settings,
    server_date: Option<Timestamp>,
) -> Result<Ticket, &'static str> {
    let ticket = first(body, &["ticketid", "id"]).and_then(id).ok_or("the ticket has no id")?;
    let rows = nested(body, "replies", "reply");
    let mut texts = Vec::new();
    let mut opening = None;
    let mut attachments = Vec::new();
    for row in &rows {
        let reply = first(row, &["replyid", "id"]).and_then(id).ok_or("a reply of the ticket has no id")?;
        let is_opening = reply == OPENING;
        attachments.extend(files(row, &ticket, (!is_opening).then_some(reply.as_str()), settings));
        if is_opening {
            opening = Some(words_of(row, settings));
        } else {
            texts.push(message(row, reply, settings));
        }
    }
    in_order(&mut texts);
    Ok(Ticket {
        ticket: TicketId::new(&ticket).called(shown(body)),
        subject: plain(body, "subject", settings),
        status: status(body, settings),
        created: date(body, settings),
        change: change(body),
        text: opening.unwrap_or_else(|| plain(body, "message", settings)),
        messages: texts,
        attachments,
        // The opening message is always among them.
        shows_messages: !rows.is_empty(),
        merged_into: None,
        server_date,
    })
}

/// Id and name of each department.
pub(super) fn departments(body: &Value) -> Vec<(String, i64)> {
    let rows = nested(body, "departments", "department");
    let one = |row: &&Value| {
        let number = row.get("id").and_then(integer)?;
        let name = row.get("name").and_then(text).unwrap_or_else(|| number.to_string());
        Some((unescape(&name).into_owned(), number))
    };
    rows.iter().filter_map(one).collect()
}

// === impl FileAddress ===

impl FileAddress {
    pub(super) fn parse(id: &AttachmentId) -> Option<Self> {
        let mut parts = id.as_str().split(':');
        let kind = ["ticket", "reply"].into_iter().find(|kind| parts.clone().next() == Some(kind))?;
        let (related, index) = (parts.nth(1)?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { kind, related, index })
    }
}

// === parts ===

/// `{outer: {inner: [...]}}`, also where the inner name is left out.
fn nested<'a>(body: &'a Value, outer: &str, inner: &str) -> Vec<&'a Value> {
    let Some(outer) = body.get(outer) else { return Vec::new() };
    match one(outer).and_then(|outer| outer.get(inner)) {
        Some(rows) => list(Some(rows)),
        None => list(Some(outer)).into_iter().filter(|row| row.is_object()).collect(),
    }
}

fn line(row: &Value, settings: &Settings) -> Option<TicketLine> {
    Some(TicketLine {
        ticket: TicketId::new(first(row, &["id", "ticketid"]).and_then(id)?).called(shown(row)),
        subject: plain(row, "subject", settings),
        status: status(row, settings),
        created: date(row, settings),
        change: change(row),
    })
}

/// The number by which clients know a ticket.
fn shown(row: &Value) -> Option<String> {
    first(row, &["tid", "ticketnum"]).and_then(id)
}

/// The same for a list's row and a detail.
fn change(row: &Value) -> Option<String> {
    let last = row.get("lastreply").and_then(text)?;
    let status = row.get("status").and_then(text).unwrap_or_default();
    Some(format!("{last}/{status}"))
}

fn message(row: &Value, reply: String, settings: &Settings) -> TicketMessage {
    let by = author(row, settings);
    let names: &[&str] = match by {
        Author::Staff => &["admin", "requestor_name", "name"],
        _ => &["requestor_name", "name"],
    };
    let name = names.iter().filter_map(|key| row.get(*key).and_then(text)).find(|name| !name.is_empty());
    TicketMessage {
        id: TicketMessageId::new(reply),
        by,
        author: name.map(|name| unescape(&name).into_owned()),
        text: words_of(row, settings),
        in_panel_only: false,
        created: date(row, settings),
    }
}

/// Staff if any of the rules says so; nobody where the reply holds nothing that they look at.
fn author(row: &Value, settings: &Settings) -> Author {
    let said = |rule: &StaffRule| match rule {
        StaffRule::AdminNonempty => row.get("admin").map(|admin| match admin {
            Value::String(name) => !matches!(name.trim(), "" | "0"),
            Value::Number(number) => number.as_i64() != Some(0),
            Value::Bool(is_staff) => *is_staff,
            _ => false,
        }),
        StaffRule::RequestorOperator => {
            let kind = row.get("requestor_type")?.as_str()?.trim();
            (!kind.is_empty()).then(|| kind.eq_ignore_ascii_case("operator"))
        }
    };
    let said: Vec<bool> = settings.staff_rule.iter().filter_map(said).collect();
    match (said.contains(&true), said.is_empty()) {
        (true, _) => Author::Staff,
        (false, false) => Author::Customer,
        (false, true) => Author::Unsaid,
    }
}

/// The files of a reply, or of the ticket itself: with their index since 7.10, before it by name alone.
fn files(row: &Value, ticket: &str, reply: Option<&str>, settings: &Settings) -> Vec<TicketAttachment> {
    if row.get("attachments_removed").and_then(flag) == Some(true) {
        return Vec::new();
    }
    let named: Vec<(String, i64)> = match list(row.get("attachments")) {
        rows if !rows.is_empty() => (0_i64..).zip(rows).filter_map(|(at, row)| named(row, at)).collect(),
        _ => legacy(row),
    };
    let place = reply.map_or_else(|| format!("ticket:{ticket}"), |reply| format!("reply:{reply}"));
    let file = |(name, index): (String, i64)| TicketAttachment {
        id: AttachmentId::new(format!("{place}:{index}")),
        message: reply.map(TicketMessageId::new),
        name: if settings.html_unescape { unescape(&name).into_owned() } else { name },
        mime: None,
        size: None,
        created: date(row, settings),
    };
    named.into_iter().map(file).collect()
}

fn named(row: &Value, at: i64) -> Option<(String, i64)> {
    let name = first(row, &["filename", "name"]).or_else(|| row.is_string().then_some(row)).and_then(text)?;
    Some((name, row.get("index").and_then(integer).unwrap_or(at)))
}

/// `123456_a.png|654321_b.png`: each with a number of its own before its name.
fn legacy(row: &Value) -> Vec<(String, i64)> {
    let names = row.get("attachment").and_then(Value::as_str).unwrap_or_default();
    let bare = |stored: &str| match stored.split_once('_') {
        Some((number, name)) if !name.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            name.to_owned()
        }
        _ => stored.to_owned(),
    };
    names.split('|').filter(|name| !name.trim().is_empty()).map(bare).zip(0..).collect()
}

/// Oldest first, by date and number; where a date is missing, as the server has them.
fn in_order(messages: &mut [TicketMessage]) {
    if messages.iter().all(|message| message.created.is_some()) {
        let number = |message: &TicketMessage| message.id.as_str().parse::<i64>().ok();
        messages.sort_by_key(|message| (message.created, number(message)));
    }
}

fn words_of(row: &Value, settings: &Settings) -> String {
    plain(row, "message", settings)
}

fn plain(row: &Value, key: &str, settings: &Settings) -> String {
    let written = row.get(key).and_then(text).unwrap_or_default();
    if settings.html_unescape { unescape(&written).into_owned() } else { written }
}

fn date(row: &Value, settings: &Settings) -> Option<Timestamp> {
    row.get("date").and_then(|date| time(date, Some(&settings.server_timezone)))
}

fn status(row: &Value, settings: &Settings) -> TicketStatus {
    let said = row.get("status").and_then(text).unwrap_or_default();
    let said = said.trim();
    if settings.status_closed.iter().any(|closed| closed.eq_ignore_ascii_case(said)) {
        TicketStatus::Closed
    } else if OPEN.contains(&said.to_lowercase().as_str()) {
        TicketStatus::Open
    } else {
        TicketStatus::Other
    }
}
