//! How tickets, replies and files are worded, by the native API and by Keliweb's façade alike.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::lifecycle::Status;
use super::super::ticket::{Attachment, Author, Message, MessageId, Ticket, TicketId};
use super::options::{EmptyLists, Ids, StaffMark, WhmcsOptions};

/// What staff notes to itself on every ticket; no customer may ever read it.
pub const PRIVATE_NOTE: &str = "INTERNAL: this client is behind with two invoices";
/// The name of the staff member whose hand every staff reply is.
pub const STAFF_NAME: &str = "Ada Staff";

/// The statuses of a WHMCS as it is installed.
pub(super) const STATUSES: [(Status, &str); 6] = [
    (Status::Open, "Open"),
    (Status::Answered, "Answered"),
    (Status::CustomerReply, "Customer-Reply"),
    (Status::OnHold, "On Hold"),
    (Status::InProgress, "In Progress"),
    (Status::Closed, "Closed"),
];

/// Who wrote, as each row of a ticket says it.
struct Hand {
    client: i64,
    name: String,
    email: String,
    kind: &'static str,
    admin: &'static str,
    is_staff: bool,
}

/// A ticket with its thread.
pub(super) fn whole_ticket(
    ticket: &Ticket,
    number_key: &str,
    newest_first: bool,
    options: &WhmcsOptions,
) -> Map<String, Value> {
    let opening = Message {
        id: MessageId(0),
        author: Author::Customer,
        title: None,
        text: ticket.description.clone(),
        encrypted: false,
        created: ticket.created,
    };
    let thread = std::iter::once(&opening).chain(&ticket.messages);
    let mut replies: Vec<_> = thread.map(|message| reply(ticket, message, options)).collect();
    if newest_first {
        replies.reverse();
    }
    let mut whole = common(ticket, options);
    whole.insert("ticketid".to_owned(), id(ticket.id.0, options));
    whole.insert(number_key.to_owned(), id(number(ticket.id), options));
    whole.insert("deptname".to_owned(), json!(department_name(ticket, options)));
    nest(&mut whole, "replies", "reply", replies, options);
    nest(&mut whole, "notes", "note", vec![note(ticket, options)], options);
    whole
}

/// A ticket as a row of the list.
pub(super) fn listed_ticket(ticket: &Ticket, options: &WhmcsOptions) -> Value {
    let mut row = common(ticket, options);
    row.insert("id".to_owned(), id(ticket.id.0, options));
    row.insert("tid".to_owned(), id(number(ticket.id), options));
    row.insert("owner_name".to_owned(), json!(owner(ticket, options).name));
    files(&mut row, ticket, None, options);
    Value::Object(row)
}

/// The number that the client sees: six digits, and never the ticket's id.
pub(in crate::sandbox::desk) fn number(ticket: TicketId) -> i64 {
    // 7919 has no factor in common with 900,000: no two ids have one number.
    100_000 + ticket.0.wrapping_mul(7919).wrapping_add(16_757).rem_euclid(900_000)
}

/// The access code of the client area.
pub(super) fn code(ticket: TicketId) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut rest = ticket.0.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut letter = || {
        let at = usize::try_from(rest % 57).unwrap_or_default();
        rest /= 57;
        LETTERS.get(at).map_or('x', |letter| char::from(*letter))
    };
    std::iter::repeat_with(&mut letter).take(8).collect()
}

/// The files of the opening message (`None`) or of a reply, in the order of their indexes.
pub(super) fn files_of(ticket: &Ticket, message: Option<MessageId>) -> Vec<&Attachment> {
    ticket.attachments.iter().filter(|file| file.message == message).collect()
}

pub(super) fn id(number: i64, options: &WhmcsOptions) -> Value {
    match options.ids {
        Ids::Strings => json!(number.to_string()),
        Ids::Ints => json!(number),
    }
}

pub(super) fn count(number: usize, options: &WhmcsOptions) -> Value {
    id(i64::try_from(number).unwrap_or(i64::MAX), options)
}

pub(super) fn title(status: Status) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("Closed", |(_, title)| title)
}

/// Puts `{inner: [rows]}` under `outer`, or what stands for an empty list.
pub(super) fn nest(
    into: &mut Map<String, Value>,
    outer: &str,
    inner: &str,
    rows: Vec<Value>,
    options: &WhmcsOptions,
) {
    let nested = match options.empty_lists {
        EmptyLists::Missing if rows.is_empty() => return,
        EmptyLists::Text if rows.is_empty() => json!(""),
        EmptyLists::Object if rows.is_empty() => json!({}),
        _ => json!({ inner: list(rows, options) }),
    };
    into.insert(outer.to_owned(), nested);
}

/// The department that a ticket is in; one that was opened in the panel is in the first.
pub(super) fn department_of(ticket: &Ticket, options: &WhmcsOptions) -> i64 {
    let named = ticket.department.as_ref().and_then(|id| id.parse().ok());
    named.or_else(|| options.departments.first().map(|department| department.id)).unwrap_or(1)
}

fn common(ticket: &Ticket, options: &WhmcsOptions) -> Map<String, Value> {
    let owner = owner(ticket, options);
    let last = ticket.messages.iter().map(|message| message.created).max().unwrap_or(ticket.created);
    let mut common = fields([
        ("c", json!(code(ticket.id))),
        ("deptid", id(department_of(ticket, options), options)),
        ("userid", id(owner.client, options)),
        ("contactid", id(0, options)),
        ("name", json!(owner.name)),
        ("email", json!(owner.email)),
        ("cc", json!(ticket.cc.join(","))),
        ("date", date(ticket.created, options)),
        ("subject", json!(text(&ticket.subject, options))),
        ("status", json!(title(ticket.status))),
        ("priority", json!(ticket.priority.as_deref().unwrap_or("Medium"))),
        ("admin", json!("")),
        ("lastreply", date(last, options)),
        ("flag", id(0, options)),
        ("service", json!(ticket.property.as_ref().map_or(String::new(), |(id, _)| format!("S{id}")))),
    ]);
    requestor(&mut common, &owner, options);
    common
}

fn reply(ticket: &Ticket, message: &Message, options: &WhmcsOptions) -> Value {
    let hand = match message.author {
        Author::Customer => owner(ticket, options),
        Author::Staff | Author::Automation => staff(options),
    };
    let mut row = fields([
        ("replyid", id(message.id.0, options)),
        ("userid", id(hand.client, options)),
        ("contactid", id(0, options)),
        ("name", json!(hand.name)),
        ("email", json!(hand.email)),
        ("date", date(message.created, options)),
        ("message", json!(text(&message.text, options))),
        ("admin", json!(hand.admin)),
    ]);
    requestor(&mut row, &hand, options);
    files(&mut row, ticket, Some(message.id).filter(|id| id.0 != 0), options);
    Value::Object(row)
}

fn note(ticket: &Ticket, options: &WhmcsOptions) -> Value {
    Value::Object(fields([
        ("noteid", id(ticket.id.0 + 30_000, options)),
        ("date", date(ticket.created, options)),
        ("message", json!(PRIVATE_NOTE)),
        ("attachment", json!("")),
        ("attachments", list(Vec::new(), options)),
        ("attachments_removed", json!(false)),
        ("admin", json!(STAFF_NAME)),
    ]))
}

fn owner(ticket: &Ticket, options: &WhmcsOptions) -> Hand {
    let (name, email, kind) = match &ticket.requester {
        Some(guest) => (guest.name.clone(), guest.email.clone(), "Guest"),
        None => (format!("Client {}", ticket.account), options.client_email(ticket.account), "Owner"),
    };
    Hand { client: ticket.account, name, email, kind, admin: "", is_staff: false }
}

fn staff(options: &WhmcsOptions) -> Hand {
    let admin = if options.staff_mark == StaffMark::Requestor { "" } else { STAFF_NAME };
    let kind = if options.staff_mark == StaffMark::Admin { "" } else { "Operator" };
    Hand { client: 0, name: String::new(), email: String::new(), kind, admin, is_staff: true }
}

fn requestor(into: &mut Map<String, Value>, hand: &Hand, options: &WhmcsOptions) {
    if options.has_requestor {
        let name = if hand.is_staff { STAFF_NAME } else { &hand.name };
        into.insert("requestor_name".to_owned(), json!(name));
        into.insert("requestor_email".to_owned(), json!(hand.email));
        into.insert("requestor_type".to_owned(), json!(hand.kind));
    }
}

fn files(into: &mut Map<String, Value>, ticket: &Ticket, message: Option<MessageId>, options: &WhmcsOptions) {
    let files = files_of(ticket, message);
    // The stored name has a number before the one that the file came with.
    let stored: Vec<_> = files.iter().map(|file| format!("{:06}_{}", file.id.0, file.name)).collect();
    into.insert("attachment".to_owned(), json!(stored.join("|")));
    if options.has_attachments {
        let row = |(index, file): (usize, &&Attachment)| json!({ "filename": file.name, "index": index });
        let rows = files.iter().enumerate().map(row).collect();
        into.insert("attachments".to_owned(), list(rows, options));
        into.insert("attachments_removed".to_owned(), json!(options.attachments_removed));
    }
}

fn list(mut rows: Vec<Value>, options: &WhmcsOptions) -> Value {
    match (rows.len(), options.empty_lists) {
        (0, EmptyLists::Text) => json!(""),
        (0, EmptyLists::Object) => json!({}),
        (0, EmptyLists::Nested) => json!([[]]),
        (1, _) if options.single_as_object => rows.pop().unwrap_or_default(),
        _ => Value::Array(rows),
    }
}

fn department_name<'a>(ticket: &Ticket, options: &'a WhmcsOptions) -> &'a str {
    options.department(department_of(ticket, options)).map_or("", |department| department.name.as_str())
}

fn date(at: Timestamp, options: &WhmcsOptions) -> Value {
    json!(at.to_zoned(options.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A text as WHMCS gives it back; escaped as PHP's `htmlspecialchars` does with `ENT_QUOTES`.
fn text(text: &str, options: &WhmcsOptions) -> String {
    let mut text = text.to_owned();
    if options.escapes_entities {
        let entities = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#039;")];
        for (plain, entity) in entities {
            text = text.replace(plain, entity);
        }
    }
    if options.crlf {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    text
}

fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
