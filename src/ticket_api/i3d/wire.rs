//! What goes over the wire: bodies, refusals, tickets with their replies and files; read tolerantly.

use serde::Serialize;
use serde_json::Value;

use super::content;
use crate::config::I3d as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketId, TicketMessageId};
use crate::model::marker::Marker;
use crate::runtime::Timestamp;
use crate::ticket_api::answers;
use crate::ticket_api::decoding::{first, flag, id, integer, list, one, text, time};
use crate::ticket_api::{Author, Ticket, TicketAttachment, TicketLine, TicketMessage};

/// The body of a create.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateBody<'a> {
    pub(super) title: &'a str,
    pub(super) content: &'a str,
    pub(super) category: &'a str,
    pub(super) department: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email_cc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email_to: Option<&'a str>,
    #[serde(skip_serializing_if = "<[i64]>::is_empty")]
    pub(super) attachment_ids: &'a [i64],
}

/// The body of a reply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplyBody<'a> {
    pub(super) title: &'a str,
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "<[i64]>::is_empty")]
    pub(super) attachment_ids: &'a [i64],
}

/// A refusal in the API's own form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For a person.
    pub(super) words: String,
    pub(super) code: Option<i64>,
    /// Names of the fields that it is about.
    fields: Vec<String>,
}

const TICKET: [&str; 4] = ["id", "title", "status", "replies"];
const MIME: [&str; 2] = ["mimeType", "contentType"];
const SIZE: [&str; 2] = ["size", "fileSize"];

// === impl Refusal ===

impl Refusal {
    pub(super) fn read(body: &Value) -> Option<Self> {
        let body = one(body)?;
        let code = body.get("errorCode").and_then(integer).filter(|code| *code != 0);
        let said = body.get("errorMessage").and_then(text).filter(|said| !said.trim().is_empty());
        if code.is_none() && said.is_none() {
            return None;
        }
        let errors = list(body.get("errors"));
        let fields: Vec<_> = errors.iter().filter_map(|error| error.get("property").and_then(text)).collect();
        let details: Vec<_> = errors.iter().filter_map(|error| detail(error)).collect();
        let said = said.or_else(|| code.map(|code| format!("error {code}"))).unwrap_or_default();
        let words = if details.is_empty() { said } else { format!("{said}: {}", details.join("; ")) };
        Some(Self { words: answers::words(&words), code, fields })
    }

    /// Whether it is about this field; without a list of fields its words tell.
    pub(super) fn names(&self, field: &str) -> bool {
        let field = field.to_ascii_lowercase();
        let begins = |named: &String| named.trim().to_ascii_lowercase().starts_with(&field);
        self.fields.iter().any(begins)
            || self.fields.is_empty() && self.words.to_ascii_lowercase().contains(&field)
    }
}

/// “title is required”, where the property and its message stand apart.
fn detail(error: &Value) -> Option<String> {
    let property = error.get("property").and_then(text);
    let message = error.get("message").and_then(text).or_else(|| text(error));
    match (property, message) {
        (Some(property), Some(message)) if !message.contains(&property) => {
            Some(format!("{property} {message}"))
        }
        (property, message) => message.or(property),
    }
}

// === answers ===

/// The id of a ticket that a call made.
pub(super) fn made(body: &Value) -> Option<TicketId> {
    one(body)?.get("id").and_then(id).map(TicketId::new)
}

/// The id of a staged file.
pub(super) fn staged(body: &Value, settings: &Settings) -> Option<AttachmentId> {
    let told = match one(body) {
        Some(made) => {
            made.get("attachmentId").or_else(|| first(made, &settings.attachment_id_key)).and_then(id)
        }
        None => id(body),
    };
    told.map(AttachmentId::new)
}

/// Names of categories: `None` if the answer is no list.
pub(super) fn categories(body: &Value) -> Option<Vec<String>> {
    let name = |row: &Value| first(row, &["name", "categoryName"]).and_then(text).or_else(|| text(row));
    let mut names: Vec<String> = match body {
        Value::String(_) => name(body).into_iter().collect(),
        Value::Array(_) | Value::Object(_) | Value::Null => {
            list(Some(body)).into_iter().filter_map(name).collect()
        }
        _ => return None,
    };
    names.retain(|name| !name.trim().is_empty());
    Some(names)
}

/// Rows of a list of tickets: `None` if the answer is none.
pub(super) fn rows(body: &Value) -> Option<Vec<&Value>> {
    (body.is_array() || body.is_null() || is_ticket(body)).then(|| list(Some(body)))
}

/// A row of the list; a row without an id cannot be looked at.
pub(super) fn line(row: &Value, settings: &Settings) -> Option<TicketLine> {
    Some(TicketLine {
        ticket: TicketId::new(row.get("id").and_then(id)?),
        subject: row.get("title").and_then(text).unwrap_or_default(),
        status: status(row, settings),
        created: row.get("createdAt").and_then(seconds),
        change: change(row),
    })
}

/// The ticket that was asked for, or what is wrong with the answer.
pub(super) fn ticket(
    body: &Value,
    asked: &TicketId,
    settings: &Settings,
    server_date: Option<Timestamp>,
) -> Result<Ticket, &'static str> {
    let body = one(body).filter(|body| is_ticket(body)).ok_or("the answer holds no ticket")?;
    let replies = replies(body);
    let mut attachments: Vec<TicketAttachment> = Vec::new();
    for (index, row) in replies.iter().enumerate() {
        let message = row.get("id").and_then(id).filter(|_| index > 0).map(TicketMessageId::new);
        for file in list(row.get("attachments")) {
            let file = attachment(file, message.clone(), settings)
                .ok_or("a file of the ticket has no id; check attachment_id_key")?;
            if attachments.iter().all(|known| known.id != file.id) {
                attachments.push(file);
            }
        }
    }
    let messages: Option<Vec<_>> = replies.iter().skip(1).map(|row| message(row, settings)).collect();
    Ok(Ticket {
        ticket: asked.clone(),
        subject: body.get("title").and_then(text).unwrap_or_default(),
        status: status(body, settings),
        created: body.get("createdAt").and_then(seconds),
        change: change(body),
        text: replies.first().map(|opening| content_of(opening, settings)).unwrap_or_default(),
        messages: messages.ok_or("a reply of the ticket has no id")?,
        attachments,
        // No ticket is without its opening text: an empty list leaves them out.
        shows_messages: !replies.is_empty(),
        merged_into: None,
        server_date,
    })
}

/// Whether an answer is a ticket of any size.
pub(super) fn is_ticket(body: &Value) -> bool {
    one(body).is_some_and(|body| first(body, &TICKET).is_some())
}

/// Whether the answer shows the ticket's replies.
pub(super) fn shows_replies(body: &Value) -> bool {
    one(body).is_some_and(|body| !replies(body).is_empty())
}

/// The id of the reply that was just made with this text: the newest one of a customer that holds it.
pub(super) fn new_reply(body: &Value, ours: &str, settings: &Settings) -> Option<TicketMessageId> {
    let rows = replies(one(body)?);
    let by_customer = rows.iter().skip(1).filter(|row| author(row, settings) != Author::Staff);
    let found = by_customer.filter(|row| holds(&content_of(row, settings), ours));
    found
        .filter_map(|row| row.get("id").and_then(integer))
        .max()
        .map(|id| TicketMessageId::new(id.to_string()))
}

// === parts ===

/// Oldest first, the opening text at their head.
fn replies(ticket: &Value) -> Vec<&Value> {
    let mut rows = list(ticket.get("replies"));
    let number = |row: &&Value| row.get("id").and_then(integer);
    let created = |row: &&Value| row.get("createdAt").and_then(seconds);
    if rows.iter().all(|row| created(row).is_some() && number(row).is_some()) {
        rows.sort_by_key(|row| (created(row), number(row)));
    } else if rows.iter().all(|row| number(row).is_some()) {
        rows.sort_by_key(number);
    }
    rows
}

fn message(row: &Value, settings: &Settings) -> Option<TicketMessage> {
    Some(TicketMessage {
        id: TicketMessageId::new(row.get("id").and_then(id)?),
        by: author(row, settings),
        author: row.get("fullUserName").and_then(text).filter(|name| !name.trim().is_empty()),
        text: content_of(row, settings),
        in_panel_only: false,
        created: row.get("createdAt").and_then(seconds),
    })
}

fn author(row: &Value, settings: &Settings) -> Author {
    let said = first(row, &settings.staff_flag);
    match said.and_then(|said| flag(said).or_else(|| integer(said).map(|number| number != 0))) {
        Some(true) => Author::Staff,
        Some(false) => Author::Customer,
        None => Author::Unsaid,
    }
}

fn content_of(row: &Value, settings: &Settings) -> String {
    let text = row.get("content").and_then(text).unwrap_or_default();
    content::plain(&text, settings.content_format)
}

fn attachment(
    row: &Value,
    message: Option<TicketMessageId>,
    settings: &Settings,
) -> Option<TicketAttachment> {
    let file = first(row, &settings.attachment_id_key).and_then(id).or_else(|| id(row))?;
    let file = AttachmentId::new(file);
    let name = first(row, &settings.attachment_name_key).and_then(text);
    Some(TicketAttachment {
        message,
        name: name.unwrap_or_else(|| format!("file-{file}")),
        mime: first(row, &MIME).and_then(text),
        size: first(row, &SIZE).and_then(integer).and_then(|size| u64::try_from(size).ok()),
        created: row.get("createdAt").and_then(seconds),
        id: file,
    })
}

fn status(row: &Value, settings: &Settings) -> TicketStatus {
    let name = row.get("status").and_then(text).unwrap_or_default().trim().to_lowercase();
    if settings.closed_statuses.contains(&name) {
        return TicketStatus::Closed;
    }
    if name == "open" { TicketStatus::Open } else { TicketStatus::Other }
}

/// The same in a list and in a detail, whoever read the ticket in between: `clientLastReadAt` is left out.
fn change(row: &Value) -> Option<String> {
    let part = |key| row.get(key).and_then(text).unwrap_or_default();
    let updated = row.get("updatedAt").and_then(text)?;
    Some(format!("{updated}/{}/{}", part("status"), part("numUserReplies")))
}

/// Unix seconds, where 0 is “never”; also as a string.
fn seconds(value: &Value) -> Option<Timestamp> {
    let number = integer(value).map(Timestamp::from_secs).filter(|time| *time > Timestamp::EPOCH);
    number.or_else(|| time(value, None))
}

/// By our markers, which survive whatever the server does to a text; else by its words.
fn holds(theirs: &str, ours: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut markers = Marker::all_in(ours).peekable();
    if markers.peek().is_some() {
        return markers.all(|marker| marker.is_in(theirs));
    }
    words(theirs).contains(&words(ours))
}
