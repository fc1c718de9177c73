//! How the desk words an answer: the envelope, the JSON of tickets and messages, dates, file downloads.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value, json};

use super::super::download::download;
use super::super::lifecycle::Status;
use super::super::options::{DeskOptions, Enums, Timestamps};
use super::super::records::Refusal;
use super::super::ticket::{Attachment, Author, Message, Ticket};

/// An answer before it is bytes.
pub(super) enum Answer {
    /// The envelope around `data`.
    Said { status: StatusCode, message: &'static str, data: Value, page: Option<Page> },
    /// ASP.NET's own answer to a request that its model binding cannot read; no envelope.
    Unreadable(&'static str),
    /// A web server's refusal without a body.
    Bare(StatusCode),
    /// A file.
    File(Box<Attachment>),
}

/// Which part of a list an answer holds.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) records: usize,
}

// === impl Answer ===

impl Answer {
    pub(super) fn said(status: StatusCode, message: &'static str, data: Value) -> Self {
        Self::Said { status, message, data, page: None }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Said { status, .. } | Self::Bare(status) => *status,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::File(_) => StatusCode::OK,
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let (content_type, body) = match self {
            Self::Said { message, data, page, .. } => {
                (Some("application/json; charset=utf-8"), envelope(status, message, data, page))
            }
            Self::Unreadable(title) => (Some("application/problem+json; charset=utf-8"), problem(title)),
            Self::Bare(_) => (None, Body::empty()),
            Self::File(file) => return download(&file),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(content_type) = content_type {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        response
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::Invalid(_) | Refusal::Conflict(_) => StatusCode::BAD_REQUEST,
        };
        Self::said(status, refusal.text(), Value::Null)
    }
}

// === the shapes ===

/// A ticket as the answer to its creation shows it.
pub(super) fn created_ticket(ticket: &Ticket, options: &DeskOptions) -> Map<String, Value> {
    let (property_id, property_name) = ticket.property.clone().unzip();
    fields([
        ("id", json!(ticket.id.0)),
        ("subject", json!(ticket.subject)),
        ("status", status(ticket.status, options.enums)),
        ("topic", topic(ticket.topic, options.enums)),
        ("propertyId", json!(property_id)),
        ("propertyName", json!(property_name)),
    ])
}

/// A ticket as a row of the list.
pub(super) fn listed_ticket(ticket: &Ticket, options: &DeskOptions) -> Value {
    let mut row = created_ticket(ticket, options);
    row.insert(options.created_key.clone(), date(ticket.created, options.timestamps));
    if options.list_has_message_count {
        row.insert("messageCount".to_owned(), json!(ticket.messages.len()));
    }
    if options.list_has_updated_at {
        row.insert("updatedAt".to_owned(), date(ticket.updated, options.timestamps));
    }
    Value::Object(row)
}

/// A ticket with its thread and its files.
pub(super) fn whole_ticket(ticket: &Ticket, options: &DeskOptions) -> Value {
    let dated = |at: Option<Timestamp>| at.map_or(Value::Null, |at| date(at, options.timestamps));
    let mut detail = created_ticket(ticket, options);
    detail.insert("description".to_owned(), json!(ticket.description));
    detail.insert(options.created_key.clone(), date(ticket.created, options.timestamps));
    detail.insert("resolvedAt".to_owned(), dated(ticket.resolved));
    detail.insert("closedAt".to_owned(), dated(ticket.closed));
    let messages = ticket.messages.iter().map(|message| message_json(message, options)).collect();
    detail.insert(options.messages_key.clone(), Value::Array(messages));
    let files = ticket.attachments.iter().map(|file| attachment_json(file, options)).collect();
    detail.insert(options.attachments_key.clone(), Value::Array(files));
    Value::Object(detail)
}

pub(super) fn message_json(message: &Message, options: &DeskOptions) -> Value {
    let staff = message.author == Author::Staff;
    let mut fields = fields([
        ("id", json!(message.id.0)),
        (&options.message_text_key, json!(message.text)),
        (&options.created_key, date(message.created, options.timestamps)),
        ("userName", json!(if staff { "Support Team" } else { "Customer" })),
    ]);
    if let Some(flag) = &options.staff_flag {
        fields.insert(flag.clone(), json!(staff));
    }
    Value::Object(fields)
}

pub(super) fn attachment_json(file: &Attachment, options: &DeskOptions) -> Value {
    Value::Object(fields([
        ("id", json!(file.id.0)),
        ("messageId", json!(file.message.map(|message| message.0))),
        (&options.attachment_name_key, json!(file.name)),
        ("contentType", json!(file.content_type)),
        ("fileSize", json!(file.bytes.len())),
        (&options.created_key, date(file.created, options.timestamps)),
    ]))
}

fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn status(status: Status, enums: Enums) -> Value {
    let (number, name) = match status {
        // Paradarum's rules never lead to the next three.
        Status::Open | Status::Answered | Status::CustomerReply => (0, "Open"),
        Status::OnHold | Status::InProgress => (1, "InProgress"),
        Status::Resolved => (2, "Resolved"),
        Status::Closed => (3, "Closed"),
    };
    if enums == Enums::Int { json!(number) } else { json!(name) }
}

fn topic(topic: u8, enums: Enums) -> Value {
    let name = match topic {
        1 => "Networking",
        2 => "Rules",
        3 => "Billing",
        4 => "SSL",
        5 => "Performance",
        _ => "General",
    };
    if enums == Enums::Int { json!(topic) } else { json!(name) }
}

fn date(at: Timestamp, form: Timestamps) -> Value {
    const LOCAL: &str = "%Y-%m-%dT%H:%M:%S%.f";
    Value::String(match form {
        Timestamps::Utc => format!("{}Z", at.strftime(LOCAL)),
        Timestamps::Bare => at.strftime(LOCAL).to_string(),
        Timestamps::Offset => {
            let athens = TimeZone::fixed(Offset::constant(2));
            at.to_zoned(athens).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
        }
    })
}

fn envelope(status: StatusCode, message: &str, data: Value, page: Option<Page>) -> Body {
    let page = page.unwrap_or(Page { number: 0, size: 0, records: 0 });
    let pages = if page.size == 0 { 0 } else { page.records.div_ceil(page.size) };
    let whole = json!({
        "succeeded": status.as_u16() < 400,
        "message": message,
        "data": data,
        "pageNumber": page.number,
        "pageSize": page.size,
        "totalPages": pages,
        "totalRecords": page.records,
    });
    Body::from(whole.to_string())
}

fn problem(title: &str) -> Body {
    let whole = json!({
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "errors": { "$": [title] },
    });
    Body::from(whole.to_string())
}
