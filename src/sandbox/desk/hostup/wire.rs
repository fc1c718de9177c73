//! How HostUp words an answer: tickets, messages, uploads, the place in a list.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::lifecycle::Status;
use super::super::ticket::{Attachment, AttachmentId, Author, Message, MessageId, Ticket, TicketId};
use super::options::{HostupOptions, Opening};
use super::route::shown_number;

/// Where a list goes on: after the ticket that was active then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    active: i64,
    ticket: TicketId,
}

const STATUSES: [(Status, &str); 6] = [
    (Status::Open, "open"),
    (Status::Answered, "answered"),
    (Status::CustomerReply, "customer_reply"),
    (Status::InProgress, "in_progress"),
    (Status::OnHold, "on_hold"),
    (Status::Closed, "closed"),
];

// === impl Place ===

impl Place {
    pub(super) fn of(ticket: &Ticket) -> Self {
        Self { active: ticket.updated.as_microsecond(), ticket: ticket.id }
    }

    pub(super) fn read(cursor: &str) -> Option<Self> {
        let text = String::from_utf8(BASE32_NOPAD.decode(cursor.as_bytes()).ok()?).ok()?;
        let (active, ticket) = text.split_once(':')?;
        Some(Self { active: active.parse().ok()?, ticket: TicketId(ticket.parse().ok()?) })
    }

    pub(super) fn cursor(self) -> String {
        BASE32_NOPAD.encode(format!("{}:{}", self.active, self.ticket).as_bytes())
    }
}

/// A JSON answer.
pub(super) fn said(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `2026-04-27T11:45:00.000Z`
pub(super) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn status_of(word: &str) -> Option<Status> {
    STATUSES.iter().find(|(_, known)| *known == word).map(|(status, _)| *status)
}

/// The slug of a ticket's department; what staff opens is the first one's.
pub(super) fn department_of<'a>(ticket: &'a Ticket, options: &'a HostupOptions) -> Option<&'a str> {
    let first = || options.departments.first().map(|(slug, _)| slug.as_str());
    ticket.department.as_deref().or_else(first)
}

// === the shapes ===

pub(super) fn departments(options: &HostupOptions) -> Value {
    let rows = options.departments.iter().map(|(slug, name)| {
        let described = (!options.nulls).then(|| format!("Questions about {name}.<br>We answer every day."));
        json!({ "slug": slug, "displayName": name, "description": described, "email": null })
    });
    json!({ "departments": rows.collect::<Vec<_>>() })
}

/// A ticket as a row of the list.
pub(super) fn summary(ticket: &Ticket, options: &HostupOptions) -> Map<String, Value> {
    let known = |text: &str| (!options.nulls).then(|| text.to_owned());
    let slug = department_of(ticket, options);
    let department = options.departments.iter().find(|(known, _)| Some(known.as_str()) == slug);
    let last = ticket.messages.iter().map(|message| message.created).max().unwrap_or(ticket.created);
    let status = STATUSES.iter().find(|(status, _)| *status == ticket.status);
    let linked = ticket.property.iter().map(|(id, name)| {
        json!({
            "serviceType": ticket.category.as_deref().unwrap_or("other"),
            "serviceId": known(&id.to_string()),
            "serviceName": known(name),
            "details": if options.nulls { Value::Null } else { json!({}) },
        })
    });
    let fields = [
        ("id", json!(format!("tkt_{}", ticket.id))),
        ("number", json!(shown_number(ticket.id))),
        ("subject", json!(ticket.subject)),
        ("status", json!(status.map_or("unknown", |(_, word)| word))),
        ("priority", json!(ticket.priority.as_deref().unwrap_or("medium"))),
        ("departmentSlug", json!(slug)),
        ("departmentName", json!(department.and_then(|(_, name)| known(name)))),
        ("createdAt", json!(date(ticket.created))),
        ("updatedAt", json!(date(ticket.updated))),
        ("lastMessageAt", json!(date(last))),
        ("ccEmails", json!(ticket.cc)),
        ("requesterName", json!(known("Customer"))),
        ("messageCount", json!(ticket.messages.len().saturating_add(1))),
        ("linkedServices", linked.collect()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A ticket with its text, messages and files.
pub(super) fn whole(ticket: &Ticket, options: &HostupOptions) -> Value {
    let mut whole = summary(ticket, options);
    let opening = Message {
        id: ticket.opening,
        author: Author::Customer,
        title: None,
        text: ticket.description.clone(),
        encrypted: false,
        created: ticket.created,
    };
    let opening = (options.opening == Opening::BodyAndMessage).then_some(&opening);
    let messages = opening.into_iter().chain(&ticket.messages);
    let messages = messages.map(|one| message(one, ticket, options)).collect();
    whole.insert("body".to_owned(), json!(ticket.description));
    whole.insert("messages".to_owned(), messages);
    whole.insert("attachments".to_owned(), files_of(ticket, None, options));
    Value::Object(whole)
}

/// A message with its files; the text of one that staff encrypted is not told.
pub(super) fn message(message: &Message, ticket: &Ticket, options: &HostupOptions) -> Value {
    let (sender, name) = match message.author {
        Author::Customer => ("customer", "Customer"),
        Author::Staff => ("staff", "HostUp Support"),
        Author::Automation => ("automation", "HostUp"),
    };
    let hidden = message.encrypted && message.author != Author::Customer;
    json!({
        "id": format!("tmsg_{}", message.id),
        "ticketId": format!("tkt_{}", ticket.id),
        "sentAt": (!options.nulls).then(|| date(message.created)),
        "body": (!hidden).then_some(&message.text),
        "sender": sender,
        "senderName": (!options.nulls).then_some(name),
        "encrypted": message.encrypted,
        "attachments": files_of(ticket, Some(message.id), options),
    })
}

/// An upload before any message has it.
pub(super) fn upload(
    id: AttachmentId,
    file: &super::super::records::NewFile,
    ticket: Option<TicketId>,
    at: Timestamp,
) -> Value {
    json!({
        "attachmentId": format!("satt_{id}"),
        "url": format!("https://uploads.hostup.example/satt_{id}"),
        "filename": file.name,
        "byteLength": file.bytes.len(),
        "contentType": file.content_type,
        "uploadedAt": date(at),
        "ticketId": ticket.map(|ticket| format!("tkt_{ticket}")),
    })
}

/// The files of a message, or those at the ticket's root.
fn files_of(ticket: &Ticket, message: Option<MessageId>, options: &HostupOptions) -> Value {
    let at = |file: &Attachment| file.message.filter(|_| !options.files_at_root);
    let files = ticket.attachments.iter().filter(|file| at(file) == message);
    files.map(|file| attachment(file, ticket, options)).collect()
}

fn attachment(file: &Attachment, ticket: &Ticket, options: &HostupOptions) -> Value {
    let known = |text: &str| (!options.nulls).then(|| text.to_owned());
    let extension = file.name.rsplit_once('.').and_then(|(_, extension)| known(extension));
    json!({
        "id": format!("tatt_{}", file.id),
        "filename": (!options.null_file_names).then_some(&file.name),
        "extension": extension,
        "mimeType": known(&file.content_type),
        "downloadUrl": format!("/api/v2/support/attachments/tatt_{}?ticketId=tkt_{}", file.id, ticket.id),
    })
}
