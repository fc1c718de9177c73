//! One call at the desk: who makes it, what it asks, and which of the rules answers.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::ledger::Call;
use super::super::records::Records;
use super::super::ticket::{Ticket, TicketId};
use super::action::Action;
use super::answer::Turned;
use super::form::Form;
use super::options::WhmcsOptions;
use super::{catalog, reading, wire, writing};

/// A call that is allowed, and what it may see and change.
pub(in crate::sandbox::desk) struct Turn<'a> {
    pub(in crate::sandbox::desk) caller: Caller,
    pub(in crate::sandbox::desk) form: Form,
    pub(in crate::sandbox::desk) records: &'a mut Records,
    pub(in crate::sandbox::desk) options: &'a WhmcsOptions,
    pub(in crate::sandbox::desk) now: Timestamp,
    pub(in crate::sandbox::desk) call: &'a mut Call,
}

/// In whose name a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox::desk) enum Caller {
    /// The API's user, who sees every client's tickets.
    Admin,
    /// A client behind Keliweb's façade, who sees his own.
    Client(i64),
}

/// The fields of an answer.
pub(super) type Fields = Map<String, Value>;

// === impl Turn ===

impl Turn<'_> {
    pub(in crate::sandbox::desk) fn perform(&mut self, action: Action) -> Result<Fields, Turned> {
        match action {
            Action::OpenTicket => writing::open(self),
            Action::AddTicketReply => writing::reply(self),
            Action::UpdateTicket => writing::update(self),
            Action::GetTicket => reading::ticket(self),
            Action::GetTickets => reading::tickets(self),
            Action::GetTicketAttachment => reading::attachment(self),
            Action::GetSupportDepartments => catalog::departments(self),
            Action::GetSupportStatuses => catalog::statuses(self),
            Action::GetTicketCounts => catalog::counts(self),
            Action::GetClients => catalog::clients(self),
            Action::GetClientsDetails => catalog::client(self),
        }
    }

    /// The tickets that the caller may see, oldest first; merged ones are none.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        visible(self.records, self.caller)
    }

    /// The ticket that the call is about.
    pub(super) fn ticket(&mut self, missing: &'static str) -> Result<TicketId, Turned> {
        let id = self.form.number("ticketid")?.map(TicketId);
        let number = self.form.number("ticketnum")?;
        if id.is_some() && number.is_some() {
            return Err(Turned::noting(super::Answer::Error(missing), "both ticketid and ticketnum"));
        }
        let is_meant = |ticket: &&Ticket| Some(ticket.id) == id || Some(wire::number(ticket.id)) == number;
        let found = self.tickets().find(is_meant).map(|ticket| (ticket.id, ticket.account));
        let (id, account) = found.ok_or(Turned::error(missing))?;
        self.call.ticket = Some(id);
        self.call.account = Some(account);
        Ok(id)
    }
}

/// The tickets that a caller may see.
pub(super) fn visible(records: &Records, caller: Caller) -> impl Iterator<Item = &Ticket> {
    let is_theirs = move |ticket: &&Ticket| match caller {
        Caller::Admin => true,
        Caller::Client(account) => ticket.account == account,
    };
    records.all_tickets().filter(|ticket| ticket.merged_into.is_none()).filter(is_theirs)
}
