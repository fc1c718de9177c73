//! What changes a ticket: opening it, a reply, a new status; in the contract's order of objections.

use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::super::lifecycle::Status;
use super::super::records::{NewFile, NewMessage, NewTicket, Refusal};
use super::super::ticket::{Author, MessageId, Requester, TicketId};
use super::answer::{Answer, Turned};
use super::files;
use super::turn::{Caller, Fields, Turn};
use super::wire;

const PRIORITIES: [&str; 3] = ["Low", "Medium", "High"];
/// The account of those who are not clients.
const GUESTS: i64 = 0;

/// `OpenTicket`
pub(super) fn open(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    never(turn, "admin", "opens as staff")?;
    let (client, guest) = author(turn)?;
    let department = turn.form.number("deptid")?;
    let department = department.filter(|id| turn.options.department(*id).is_some());
    let department = department.ok_or(Turned::error("Department ID not found"))?;
    let subject = turn.form.get("subject").ok_or(Turned::error("Subject is required"))?.to_owned();
    let description = turn.form.get("message").ok_or(Turned::error("Message is required"))?.to_owned();
    let priority = turn.form.get("priority").map(str::to_owned);
    if priority.as_ref().is_some_and(|priority| !PRIORITIES.contains(&priority.as_str())) {
        return Err(Turned::noting(
            Answer::Error("Invalid Ticket Priority"),
            format!("priority {priority:?}"),
        ));
    }
    let property = service(turn, client)?;
    let at = created(turn)?;
    let files = extras(turn)?;
    if client == GUESTS {
        turn.records.set_key(GUESTS, None);
    }
    let asked = NewTicket {
        subject,
        description,
        property,
        priority,
        department: Some(department.to_string()),
        requester: guest,
        ..NewTicket::default()
    };
    let ticket = turn.records.create(client, asked, at).map_err(refused)?.id;
    turn.call.ticket = Some(ticket);
    attach(turn, ticket, None, files, at)?;
    let mut answer = Map::new();
    answer.insert("id".to_owned(), wire::id(ticket.0, turn.options));
    answer.insert("tid".to_owned(), wire::id(wire::number(ticket), turn.options));
    answer.insert("c".to_owned(), Value::String(wire::code(ticket)));
    Ok(answer)
}

/// `AddTicketReply`; its answer does not say the reply's id.
pub(super) fn reply(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    never(turn, "adminusername", "posts as staff")?;
    let ticket = turn.ticket("Ticket ID not found")?;
    let owner = turn.call.account.unwrap_or(GUESTS);
    let (client, _) = author(turn)?;
    if client != GUESTS && client != owner {
        let violation = format!("client {client} writes into a ticket of client {owner}");
        return Err(Turned::noting(Answer::Error("Client ID Not Found"), violation));
    }
    turn.call.account = Some(owner);
    let text = turn.form.get("message").ok_or(Turned::error("Message is required"))?.to_owned();
    let status = turn.form.get("status").map(status_of).transpose()?;
    let at = created(turn)?;
    let files = extras(turn)?;
    let message = NewMessage::new(Author::Customer, text);
    let message = turn.records.reply(ticket, message, at).map_err(refused)?;
    attach(turn, ticket, Some(message), files, at)?;
    if let Some(status) = status {
        turn.records.set_status(ticket, status, at).map_err(refused)?;
    }
    Ok(Map::new())
}

/// `UpdateTicket`; of its fields the desk lets callers set what a customer may have set for him.
pub(super) fn update(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    for field in
        ["userid", "name", "email", "cc", "created", "flag", "removeFlag", "message", "preventClientClosure"]
    {
        never(turn, field, "changes what is not the customer's to change")?;
    }
    let ticket = turn.ticket("Ticket ID Not Found")?;
    let department = turn.form.number("deptid")?;
    if department.is_some_and(|id| turn.options.department(id).is_none()) {
        return Err(Turned::error("Department ID Not Found"));
    }
    let priority = turn.form.get("priority").map(str::to_owned);
    if priority.as_ref().is_some_and(|priority| !PRIORITIES.contains(&priority.as_str())) {
        return Err(Turned::error("Invalid Ticket Priority"));
    }
    let status = turn.form.get("status").map(status_of).transpose()?;
    let subject = turn.form.get("subject").map(str::to_owned);
    let row = turn.records.ticket_mut(ticket).map_err(refused)?;
    row.department = department.map(|id| id.to_string()).or(row.department.take());
    row.priority = priority.or(row.priority.take());
    row.subject = subject.unwrap_or_else(|| std::mem::take(&mut row.subject));
    if let Some(status) = status {
        row.stands(status, turn.now);
    }
    let mut answer = Map::new();
    answer.insert("ticketid".to_owned(), wire::id(ticket.0, turn.options));
    Ok(answer)
}

/// The client who writes, or the guest by name and address.
fn author(turn: &mut Turn<'_>) -> Result<(i64, Option<Requester>), Turned> {
    let named = turn.form.number("clientid")?;
    if let Caller::Client(user) = turn.caller {
        contact(turn)?;
        return match named {
            Some(other) if other != user => {
                let violation = format!("client {user} writes as client {other}");
                Err(Turned::noting(Answer::Error("Client ID Not Found"), violation))
            }
            _ => Ok((user, None)),
        };
    }
    if let Some(client) = named {
        let is_known = client != GUESTS && turn.records.key_of(client).is_some();
        if !is_known {
            return Err(Turned::error("Client ID Not Found"));
        }
        contact(turn)?;
        turn.call.account = Some(client);
        return Ok((client, None));
    }
    let (Some(name), Some(email)) = (turn.form.get("name"), turn.form.get("email")) else {
        return Err(Turned::error("Name and email address are required if not a client"));
    };
    if !email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.')) {
        return Err(Turned::error("Email Address Invalid"));
    }
    turn.call.account = Some(GUESTS);
    Ok((GUESTS, Some(Requester { name: name.to_owned(), email: email.to_owned() })))
}

/// No client of this desk has contacts.
fn contact(turn: &Turn<'_>) -> Result<(), Turned> {
    match turn.form.number("contactid")? {
        None | Some(0) => Ok(()),
        Some(_) => Err(Turned::error("Contact ID Not Found")),
    }
}

/// The service or domain that a ticket is about; both are the client's properties.
fn service(turn: &Turn<'_>, client: i64) -> Result<Option<i64>, Turned> {
    let (service, domain) = (turn.form.number("serviceid")?, turn.form.number("domainid")?);
    let missing = if service.is_some() { "Service ID Not Found" } else { "Domain ID Not Found" };
    if service.is_some() && domain.is_some() {
        return Err(Turned::noting(Answer::Error(missing), "both serviceid and domainid"));
    }
    let asked = service.or(domain);
    let properties = turn.records.properties(client);
    match asked {
        Some(id) if properties.iter().all(|(known, _)| *known != id) => Err(Turned::error(missing)),
        asked => Ok(asked),
    }
}

/// When it was written: ISO 8601, or the server's time; not in the future.
fn created(turn: &Turn<'_>) -> Result<Timestamp, Turned> {
    let Some(created) = turn.form.get("created") else { return Ok(turn.now) };
    let in_zone = |local: DateTime| local.to_zoned(turn.options.time_zone.clone()).ok();
    let local = || created.parse().ok().and_then(in_zone).map(|at| at.timestamp());
    let at = created.parse().ok().or_else(local).ok_or(Turned::error("Invalid Date Format"))?;
    if at > turn.now { Err(Turned::error("Ticket creation date cannot be in the future")) } else { Ok(at) }
}

/// What else a text may bear: switches, custom fields, and the files, which are answered.
fn extras(turn: &Turn<'_>) -> Result<Vec<NewFile>, Turned> {
    for name in ["markdown", "noemail", "preventClientClosure"] {
        turn.form.flag(name)?;
    }
    if let Some(custom) = turn.form.get("customfields") {
        let decoded = BASE64.decode(custom.as_bytes()).unwrap_or_default();
        // PHP's `serialize` writes an array of n elements as `a:n:{…}`.
        if !(decoded.starts_with(b"a:") && decoded.ends_with(b"}")) {
            let violation = "customfields is not base64 of a serialized array";
            return Err(Turned::noting(Answer::Error("Invalid Custom Fields"), violation));
        }
    }
    files::decode(turn.form.get("attachments"), turn.options)
}

fn attach(
    turn: &mut Turn<'_>,
    ticket: TicketId,
    message: Option<MessageId>,
    files: Vec<NewFile>,
    at: Timestamp,
) -> Result<(), Turned> {
    for file in files {
        turn.records.attach(ticket, message, Author::Customer, file, at).map_err(refused)?;
    }
    Ok(())
}

fn status_of(title: &str) -> Result<Status, Turned> {
    let found = wire::STATUSES.iter().find(|(_, known)| *known == title);
    found.map(|(status, _)| *status).ok_or(Turned::error("Invalid Ticket Status"))
}

/// What a caller on a customer's behalf must not send.
fn never(turn: &Turn<'_>, field: &str, why: &str) -> Result<(), Turned> {
    match turn.form.get(field) {
        Some(_) => {
            Err(Turned::noting(Answer::Error("Invalid Permissions"), format!("{field} is sent, which {why}")))
        }
        None => Ok(()),
    }
}

fn refused(refusal: Refusal) -> Turned {
    Turned::error(refusal.text())
}
