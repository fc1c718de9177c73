//! HostUp's JSON: tickets, messages and files, read tolerantly; the opening told from what follows it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::Hostup as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::decoding::{flag, id, list, one, text, time};
use crate::ticket_api::{
    Author, PageMark, Staged, Ticket, TicketAttachment, TicketLine, TicketMessage, TicketPage,
};

/// Under this name people see what no person wrote.
const AUTOMATIC: &str = "Automatic message";

/// The body of a create.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTicketBody<'a> {
    pub(super) department_slug: &'a str,
    pub(super) subject: &'a str,
    pub(super) message: &'a str,
    pub(super) priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) critical_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<ServiceContext<'a>>,
}

/// What a new ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceContext<'a> {
    pub(super) service_type: &'static str,
    pub(super) service_id: &'a str,
}

/// A place where tickets are handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Department {
    pub(super) slug: String,
    pub(super) name: String,
}

/// A message with the row it was read from, for its files.
struct Said<'a> {
    message: TicketMessage,
    row: &'a Value,
    automatic: bool,
}

// === what is sent ===

/// The body of a reply; `field` is the one that names uploads, if there is one.
pub(super) fn reply_body(text: &str, encrypted: bool, field: Option<&str>, files: &[Staged]) -> Value {
    let mut body = json!({ "message": text, "encrypted": encrypted });
    let ids: Vec<&str> = files.iter().map(|file| file.id.as_str()).collect();
    if let (Some(field), false, Some(body)) = (field, ids.is_empty(), body.as_object_mut()) {
        body.insert(field.to_owned(), json!(ids));
    }
    body
}

// === what comes ===

/// The ticket that a call opened, or one of a list or detail; resources come bare.
pub(super) fn ticket_id(row: &Value) -> Option<TicketId> {
    let row = one(row)?;
    Some(TicketId::new(row.get("id").and_then(id)?).called(row.get("number").and_then(id)))
}

/// The id of the message that a call made.
pub(super) fn made(answer: &Value) -> Option<String> {
    one(answer)?.get("id").and_then(id)
}

/// The id of a temporary upload.
pub(super) fn staged(answer: &Value) -> Option<String> {
    one(answer)?.get("attachmentId").and_then(id)
}

/// The departments, or nothing where the answer is no list of them.
pub(super) fn departments(answer: &Value) -> Option<Vec<Department>> {
    let department = |row: &Value| {
        let slug = row.get("slug").and_then(id)?;
        let name = row.get("displayName").and_then(text).unwrap_or_else(|| slug.clone());
        Some(Department { slug, name })
    };
    let rows = one(answer)?.get("departments")?;
    Some(list(Some(rows)).into_iter().filter_map(department).collect())
}

/// A page of the list, or what is wrong with it.
pub(super) fn page(
    answer: &Value,
    settings: &Settings,
    server_date: Option<Timestamp>,
) -> Result<TicketPage, &'static str> {
    let rows = answer.get("data");
    let is_page = ["data", "nextCursor", "hasMore"].iter().any(|key| answer.get(key).is_some());
    if !is_page || rows.is_some_and(|rows| !(rows.is_array() || rows.is_object() || rows.is_null())) {
        return Err("the answer holds no list of tickets");
    }
    let tickets: Option<Vec<_>> = list(rows).into_iter().map(|row| line(row, settings)).collect();
    let next = answer.get("nextCursor").and_then(id).map(PageMark);
    Ok(TicketPage { tickets: tickets.ok_or("a ticket of the list has no id")?, next, server_date })
}

/// A ticket's detail, or what is wrong with it.
pub(super) fn ticket(
    answer: &Value,
    settings: &Settings,
    server_date: Option<Timestamp>,
) -> Result<Ticket, &'static str> {
    let row = one(answer).ok_or("the answer holds no ticket")?;
    let line = line(row, settings).ok_or("the ticket has no id")?;
    let said: Option<Vec<Said>> = list(row.get("messages")).into_iter().map(said).collect();
    let mut said = in_order(said.ok_or("a message of the ticket has no id")?);
    let body = row.get("body").and_then(text).filter(|body| !body.trim().is_empty());
    let opening = opening(&said, body.as_deref(), line.created).map(|place| said.remove(place));
    if !settings.forward_automation {
        said.retain(|said| !said.automatic);
    }
    let opening_files = opening.iter().flat_map(|opening| files(opening.row, None));
    let files: Option<Vec<_>> = said
        .iter()
        .flat_map(|said| files(said.row, Some(&said.message.id)))
        .chain(files(row, None))
        .chain(opening_files)
        .collect();
    Ok(Ticket {
        ticket: line.ticket,
        subject: line.subject,
        status: line.status,
        created: line.created,
        change: line.change,
        text: body.or_else(|| opening.map(|opening| opening.message.text)).unwrap_or_default(),
        messages: said.into_iter().map(|said| said.message).collect(),
        attachments: each_once(files.ok_or("a file of the ticket has no id")?),
        shows_messages: row.get("messages").is_some_and(|list| !list.is_null()),
        merged_into: None,
        server_date,
    })
}

/// Where a file can be had, by the detail of its ticket: nothing where that does not say.
pub(super) fn download_url(answer: &Value, file: &AttachmentId) -> Option<String> {
    let row = one(answer)?;
    let messages = list(row.get("messages"));
    let rows = std::iter::once(row).chain(messages).flat_map(|row| list(row.get("attachments")));
    let is_it = |row: &&Value| row.get("id").and_then(id).as_deref() == Some(file.as_str());
    rows.filter(is_it).find_map(|row| text(row.get("downloadUrl")?)).filter(|url| !url.trim().is_empty())
}

// === parts ===

fn line(row: &Value, settings: &Settings) -> Option<TicketLine> {
    Some(TicketLine {
        ticket: ticket_id(row)?,
        subject: row.get("subject").and_then(text).unwrap_or_default(),
        status: status(row, settings),
        created: moment(row, "createdAt"),
        change: change(row),
    })
}

fn said(row: &Value) -> Option<Said<'_>> {
    let sender = row.get("sender").and_then(Value::as_str).unwrap_or_default().trim().to_ascii_lowercase();
    let automatic = sender == "automation";
    let by = match sender.as_str() {
        "customer" => Author::Customer,
        "staff" | "automation" => Author::Staff,
        _ => Author::Unsaid,
    };
    let name = || row.get("senderName").and_then(text).filter(|name| !name.trim().is_empty());
    let text = row.get("body").and_then(text).unwrap_or_default();
    let encrypted = row.get("encrypted").and_then(flag) == Some(true);
    let message = TicketMessage {
        id: TicketMessageId::new(row.get("id").and_then(id)?),
        by,
        author: if automatic { Some(AUTOMATIC.to_owned()) } else { name() },
        in_panel_only: encrypted && by != Author::Customer && text.trim().is_empty(),
        text,
        created: moment(row, "sentAt"),
    };
    Some(Said { message, row, automatic })
}

/// Oldest first. A message without a date stays behind the one that the list has before it.
fn in_order(mut said: Vec<Said<'_>>) -> Vec<Said<'_>> {
    let dates = || said.iter().filter_map(|said| said.message.created);
    if dates().next() > dates().next_back() {
        said.reverse();
    }
    let mut before = None;
    let mut dated: Vec<_> = said
        .into_iter()
        .map(|said| {
            before = said.message.created.or(before);
            (before, said)
        })
        .collect();
    dated.sort_by_key(|(date, _)| *date);
    dated.into_iter().map(|(_, said)| said).collect()
}

/// Which message is the opening itself: the first of the customer, before any of staff, where the ticket has no
/// text of its own or has the same one, written at the same moment as far as both are dated.
fn opening(said: &[Said<'_>], body: Option<&str>, created: Option<Timestamp>) -> Option<usize> {
    let place = said.iter().position(|said| !said.automatic)?;
    let first = &said.get(place)?.message;
    let at_once = first.created.zip(created).is_none_or(|(sent, created)| sent == created);
    let is_same = body.is_none_or(|body| first.text.trim() == body.trim() && at_once);
    (first.by == Author::Customer && is_same).then_some(place)
}

fn files<'a>(
    row: &'a Value,
    message: Option<&TicketMessageId>,
) -> impl Iterator<Item = Option<TicketAttachment>> + use<'a> {
    let message = message.cloned();
    list(row.get("attachments")).into_iter().map(move |row| {
        let file = AttachmentId::new(row.get("id").and_then(id)?);
        let named = row.get("filename").and_then(text).filter(|name| !name.trim().is_empty());
        let extension = row.get("extension").and_then(text).unwrap_or_default();
        let unnamed = || match extension.trim().trim_start_matches('.') {
            "" => format!("file-{file}"),
            extension => format!("file-{file}.{extension}"),
        };
        Some(TicketAttachment {
            message: message.clone(),
            name: named.unwrap_or_else(unnamed),
            mime: row.get("mimeType").and_then(text),
            size: None,
            created: None,
            id: file,
        })
    })
}

/// What a message has may be listed at its ticket, too: it is the message's.
fn each_once(files: Vec<TicketAttachment>) -> Vec<TicketAttachment> {
    let mut once: Vec<TicketAttachment> = Vec::new();
    for file in files {
        if once.iter().all(|known| known.id != file.id) {
            once.push(file);
        }
    }
    once.sort_by_key(|file| file.message.is_some());
    once
}

/// Lists and details show the same four; a detail alone would show more.
fn change(row: &Value) -> Option<String> {
    let part = |key| row.get(key).and_then(text).unwrap_or_default();
    let parts = ["lastMessageAt", "messageCount", "updatedAt"].map(part);
    let says_something = parts.iter().any(|part| !part.is_empty());
    says_something.then(|| format!("{}/{}", part("status"), parts.join("/")))
}

fn moment(row: &Value, key: &str) -> Option<Timestamp> {
    time(row.get(key)?, None)
}

/// Where a reply opens a closed ticket again, closed means what others call resolved.
fn status(row: &Value, settings: &Settings) -> TicketStatus {
    let word = row.get("status").and_then(Value::as_str).unwrap_or_default();
    match word.trim().to_ascii_lowercase().as_str() {
        "open" | "answered" | "customer_reply" | "in_progress" | "on_hold" => TicketStatus::Open,
        "closed" if settings.reopen_before_reply => TicketStatus::Closed,
        "closed" => TicketStatus::Resolved,
        _ => TicketStatus::Other,
    }
}
