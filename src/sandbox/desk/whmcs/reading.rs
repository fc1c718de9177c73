//! What reads tickets: one with its thread, the list, a file.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::super::lifecycle::Status;
use super::super::ticket::{MessageId, Ticket};
use super::answer::{Answer, Turned};
use super::options::WhmcsOptions;
use super::turn::{Caller, Fields, Turn};
use super::wire;

const PAGE: usize = 25;

/// What the list is narrowed to.
struct Wanted {
    client: Option<i64>,
    department: Option<i64>,
    every_department: bool,
    email: Option<String>,
    subject: Option<String>,
    status: Option<String>,
}

/// `GetTicket`
pub(super) fn ticket(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let newest_first = match turn.form.get("repliessort") {
        None | Some("ASC") => false,
        Some("DESC") => true,
        Some(other) => {
            return Err(Turned::noting(Answer::Error("Invalid Parameter"), format!("repliessort={other:?}")));
        }
    };
    let id = turn.ticket("Ticket ID Not Found")?;
    let number_key = if turn.caller == Caller::Admin { "tid" } else { "ticketnum" };
    let ticket = turn.records.any_ticket(id).ok_or(Turned::error("Ticket ID Not Found"))?;
    Ok(wire::whole_ticket(ticket, number_key, newest_first, turn.options))
}

/// `GetTickets`: who wrote last stands first, which nobody promised.
pub(super) fn tickets(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let (start, size) = (turn.form.size("limitstart", 0)?, turn.form.size("limitnum", PAGE)?);
    let wanted = Wanted::of(turn)?;
    turn.call.account = wanted.client;
    let mut rows: Vec<_> = turn.tickets().filter(|ticket| wanted.takes(ticket, turn.options)).collect();
    rows.sort_by_key(|ticket| std::cmp::Reverse((ticket.updated, ticket.id)));
    let total = rows.len();
    let page = rows.into_iter().skip(start).take(size);
    let page: Vec<_> = page.map(|ticket| wire::listed_ticket(ticket, turn.options)).collect();
    Ok(paged("tickets", "ticket", page, start, total, turn.options))
}

/// `GetTicketAttachment`
pub(super) fn attachment(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let related = turn.form.number("relatedid")?.ok_or(Turned::error("Related ID Required"))?;
    let is_reply = match turn.form.get("type") {
        Some("ticket") => false,
        Some("reply") => true,
        Some("note") => {
            return Err(Turned::noting(Answer::Error("Invalid Type"), "a file of a private note"));
        }
        other => return Err(Turned::noting(Answer::Error("Invalid Type"), format!("type {other:?}"))),
    };
    let message = is_reply.then_some(MessageId(related));
    let is_meant = |ticket: &&Ticket| match message {
        Some(message) => ticket.message(message).is_some(),
        None => ticket.id.0 == related,
    };
    let ticket = turn.tickets().find(is_meant).cloned().ok_or(Turned::error("Related ID Not Found"))?;
    turn.call.ticket = Some(ticket.id);
    turn.call.account = Some(ticket.account);
    let index = turn.form.number("index")?.ok_or(Turned::error("Attachment Index Required"))?;
    let files = wire::files_of(&ticket, message);
    if files.is_empty() {
        return Err(Turned::error("No Attachments Found"));
    }
    if turn.options.attachments_removed {
        return Err(Turned::error("Attachments Deleted"));
    }
    let file = usize::try_from(index).ok().and_then(|index| files.get(index));
    let file = file.ok_or(Turned::error("Invalid Attachment Index"))?;
    let mut answer = Map::new();
    answer.insert("filename".to_owned(), json!(file.name));
    answer.insert("data".to_owned(), json!(BASE64.encode(&file.bytes)));
    Ok(answer)
}

/// A page of a list, with its place in the whole.
pub(super) fn paged(
    outer: &str,
    inner: &str,
    rows: Vec<Value>,
    start: usize,
    total: usize,
    options: &WhmcsOptions,
) -> Fields {
    let mut answer = Map::new();
    answer.insert("totalresults".to_owned(), wire::count(total, options));
    // A number beside strings, as in the documentation's example.
    answer.insert("startnumber".to_owned(), json!(start));
    answer.insert("numreturned".to_owned(), json!(rows.len()));
    wire::nest(&mut answer, outer, inner, rows, options);
    answer
}

// === impl Wanted ===

impl Wanted {
    fn of(turn: &Turn<'_>) -> Result<Self, Turned> {
        let form = &turn.form;
        let status = form.get("status").map(str::to_owned);
        let lists = ["Awaiting Reply", "All Active Tickets", "My Flagged Tickets"];
        let is_known = |status: &str| {
            lists.contains(&status) || wire::STATUSES.iter().any(|(_, title)| *title == status)
        };
        if let Some(unknown) = status.as_deref().filter(|status| !is_known(status)) {
            let violation = format!("status {unknown:?} is none of the configured");
            return Err(Turned::noting(Answer::Error("Invalid Ticket Status"), violation));
        }
        Ok(Self {
            client: form.number("clientid")?,
            department: form.number("deptid")?,
            every_department: form.flag("ignore_dept_assignments")?,
            email: form.get("email").map(str::to_owned),
            subject: form.get("subject").map(str::to_lowercase),
            status,
        })
    }

    fn takes(&self, ticket: &Ticket, options: &WhmcsOptions) -> bool {
        let department = wire::department_of(ticket, options);
        let is_seen = self.every_department
            || options.department(department).is_some_and(|department| department.assigned);
        let is_by_email = |email: &String| {
            ticket.requester.as_ref().is_some_and(|guest| guest.email.eq_ignore_ascii_case(email))
        };
        is_seen
            && self.client.is_none_or(|client| client == ticket.account)
            && self.department.is_none_or(|wanted| wanted == department)
            && self.email.as_ref().is_none_or(is_by_email)
            && self.subject.as_ref().is_none_or(|words| ticket.subject.to_lowercase().contains(words))
            && self.status.as_ref().is_none_or(|status| stands(ticket, status))
    }
}

fn stands(ticket: &Ticket, status: &str) -> bool {
    match status {
        "Awaiting Reply" => matches!(ticket.status, Status::Open | Status::CustomerReply),
        "All Active Tickets" => ticket.status != Status::Closed,
        "My Flagged Tickets" => false,
        title => wire::title(ticket.status) == title,
    }
}
