//! How i3D.net's desk words an answer: tickets with their replies, files, errors.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::DeskOptions;
use super::super::door::Answered;
use super::super::download::download;
use super::super::lifecycle::Status;
use super::super::records::Refusal;
use super::super::ticket::{Attachment, Author, Message, MessageId, Ticket};
use super::options::{DownloadForm, I3dOptions};
use super::request::Wrong;

/// A refusal in the desk's error body.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: u32,
    message: &'static str,
    errors: Vec<(&'static str, &'static str)>,
    violation: Option<String>,
}

const ERRORS_IN_FORM: u32 = 11_001;

// === impl Refused ===

impl Refused {
    fn new(status: StatusCode, code: u32, message: &'static str) -> Self {
        Self { status, code, message, errors: Vec::new(), violation: None }
    }

    /// A request that the contract does not know.
    pub(super) fn malformed(violation: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10_000, "Bad request").noting(violation)
    }

    pub(super) fn unauthorized(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::new(status, 10_004, "Invalid credentials")
    }

    pub(super) fn no_route() -> Self {
        let refused = Self::new(StatusCode::NOT_FOUND, 10_012, "API route not found");
        refused.noting("no such call".to_owned())
    }

    pub(super) fn field(property: &'static str, message: &'static str) -> Self {
        let refused = Self::new(StatusCode::UNPROCESSABLE_ENTITY, ERRORS_IN_FORM, "Errors in form");
        Self { errors: vec![(property, message)], ..refused }
    }

    /// All that is wrong with a form, if anything.
    pub(super) fn form(wrong: Vec<Wrong>) -> Result<(), Self> {
        let errors: Vec<_> = wrong.into_iter().flatten().collect();
        if errors.is_empty() { Ok(()) } else { Err(Self { errors, ..Self::field("", "") }) }
    }

    /// The same, held against the caller.
    pub(super) fn noting(self, violation: String) -> Self {
        Self { violation: Some(violation), ..self }
    }

    pub(super) fn answered(self) -> Answered {
        Answered {
            response: error(self.status, self.code, self.message, &self.errors),
            violation: self.violation,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(_) => Self::new(StatusCode::NOT_FOUND, 10_001, "Entity not found"),
            Refusal::Invalid(text) => Self::field("attachmentIds", text),
            Refusal::Conflict(text) => Self::field("status", text),
        }
    }
}

/// The error of a call that no rule of tickets refused.
pub(super) fn plain_refusal(status: StatusCode, _wait: Option<u32>) -> Response<Body> {
    let (code, message) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (10_004, "Invalid credentials"),
        StatusCode::NOT_FOUND => (10_001, "Entity not found"),
        StatusCode::TOO_MANY_REQUESTS => (10_029, "Too many requests"),
        StatusCode::UNPROCESSABLE_ENTITY => (ERRORS_IN_FORM, "Errors in form"),
        _ => (10_000, "An error occurred"),
    };
    error(status, code, message, &[])
}

fn error(
    status: StatusCode,
    code: u32,
    message: &str,
    errors: &[(&'static str, &'static str)],
) -> Response<Body> {
    let mut whole = json!({ "errorCode": code, "errorMessage": message });
    if let Some(whole) = whole.as_object_mut().filter(|_| !errors.is_empty()) {
        let errors = errors.iter().map(|(property, text)| json!({ "property": property, "message": text }));
        whole.insert("errors".to_owned(), errors.collect());
    }
    said(status, &whole)
}

/// A JSON answer.
pub(super) fn said(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A single resource, bare or as an array of one.
pub(super) fn single(status: StatusCode, value: Value, options: &DeskOptions) -> Response<Body> {
    let value = if options.i3d.answers_in_array { json!([value]) } else { value };
    said(status, &value)
}

pub(super) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A file in the form that the options ask for.
pub(super) fn file(file: &Attachment, options: &DeskOptions) -> Response<Body> {
    match options.i3d.download {
        DownloadForm::Raw => download(file),
        DownloadForm::Base64Json => said(StatusCode::OK, &json!(BASE64.encode(&file.bytes))),
        DownloadForm::Url => said(StatusCode::OK, &json!(format!("https://files.i3d.example/{}", file.id))),
    }
}

// === the shapes ===

/// A ticket as a row of a list.
pub(super) fn listed(ticket: &Ticket, options: &DeskOptions) -> Value {
    let mut row = meta(ticket, &options.i3d);
    if options.i3d.list_has_replies {
        row.insert("replies".to_owned(), json!([]));
    }
    Value::Object(row)
}

/// A ticket with its replies, the opening text first.
pub(super) fn whole(ticket: &Ticket, options: &DeskOptions) -> Value {
    let mut whole = meta(ticket, &options.i3d);
    let opening = Message {
        id: ticket.opening,
        author: Author::Customer,
        title: Some(ticket.subject.clone()),
        text: ticket.description.clone(),
        encrypted: false,
        created: ticket.created,
    };
    let opening = reply(&opening, None, ticket, &options.i3d);
    let below = ticket.messages.iter().map(|one| reply(one, Some(one.id), ticket, &options.i3d));
    whole.insert("replies".to_owned(), std::iter::once(opening).chain(below).collect());
    Value::Object(whole)
}

/// Whether staff wrote after the customer's side last read it.
pub(super) fn is_unread(ticket: &Ticket) -> bool {
    let theirs = ticket.messages.iter().filter(|message| message.author != Author::Customer);
    theirs.map(|message| message.created).max().is_some_and(|last| ticket.read.is_none_or(|read| read < last))
}

fn meta(ticket: &Ticket, options: &I3dOptions) -> Map<String, Value> {
    let first = || options.categories.first().cloned().unwrap_or_default();
    let replied = ticket.last_message_of(Author::Customer).unwrap_or(ticket.created);
    let status = if ticket.status == Status::Closed { "closed" } else { "open" };
    let fields = [
        ("id", json!(ticket.id.0)),
        ("hash", json!(format!("T{:X}", ticket.id.0))),
        (
            "readHash",
            json!(format!("{:040x}", ticket.id.0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        ),
        ("title", json!(ticket.subject)),
        ("categoryName", json!(ticket.category.clone().unwrap_or_else(first))),
        ("priorityName", json!(ticket.priority.as_deref().unwrap_or("Normal Priority"))),
        ("createdAt", seconds(ticket.created)),
        ("updatedAt", seconds(ticket.updated)),
        ("clientLastRepliedAt", seconds(replied)),
        ("clientLastReadAt", ticket.read.map_or(json!(0), seconds)),
        ("status", json!(status)),
        ("numUserReplies", json!(ticket.messages.len().saturating_add(1))),
    ];
    let there = fields.into_iter().filter(|(key, _)| options.absent.iter().all(|absent| absent != key));
    there.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A message; the files of the opening text are those of no message.
fn reply(message: &Message, files: Option<MessageId>, ticket: &Ticket, options: &I3dOptions) -> Value {
    let staff = message.author != Author::Customer;
    let customer = ticket.requester.as_ref().map_or("Customer", |requester| requester.name.as_str());
    let files = ticket.attachments.iter().filter(|file| file.message == files);
    let files: Vec<_> = files.map(|file| attachment(file, options)).collect();
    json!({
        "id": message.id.0,
        "title": message.title.clone().unwrap_or_else(|| format!("Re: {}", ticket.subject)),
        "fullUserName": if staff { "i3D.net Support" } else { customer },
        "content": message.text,
        "createdAt": seconds(message.created),
        "replyByI3d": if options.flags_as_bool { json!(staff) } else { json!(i32::from(staff)) },
        "attachments": files,
    })
}

fn attachment(file: &Attachment, options: &I3dOptions) -> Value {
    let mut shown = json!({ "size": file.bytes.len(), "mimeType": file.content_type });
    if let Some(shown) = shown.as_object_mut() {
        shown.insert(options.attachment_id_key.clone(), json!(file.id.0));
        shown.insert(options.attachment_name_key.clone(), json!(file.name));
    }
    shown
}

fn seconds(at: Timestamp) -> Value {
    json!(at.as_second())
}
