//! Where a ticket stands, and what a message, a resolution or a closing makes of it in each dialect.

use jiff::Timestamp;

use super::options::Dialect;
use super::records::{Records, Refusal};
use super::ticket::{Author, Ticket, TicketId};

/// Where a ticket stands; no dialect knows them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Open,
    /// Staff wrote last (WHMCS, HostUp).
    Answered,
    /// The customer wrote last (WHMCS, HostUp).
    CustomerReply,
    InProgress,
    /// Put off by staff (WHMCS, HostUp).
    OnHold,
    /// Paradarum only.
    Resolved,
    Closed,
}

const CLOSED: Refusal = Refusal::Conflict("Ticket is closed.");

// === impl Records ===

impl Records {
    pub(super) fn resolve(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        self.moves(id, resolved(self.dialect()), now)
    }

    pub(super) fn take_up(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        self.moves(id, taken_up(self.dialect()), now)
    }

    pub(super) fn put_off(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        self.moves(id, put_off(self.dialect()), now)
    }

    pub(super) fn close(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(id)?;
        if ticket.status == Status::Closed {
            return Err(Refusal::Conflict("Ticket is already closed."));
        }
        ticket.stands(Status::Closed, now);
        Ok(())
    }

    /// Closes a ticket for good.
    pub(super) fn force_close(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(id)?;
        ticket.stands(Status::Closed, now);
        ticket.force_closed = true;
        Ok(())
    }

    /// Opens a closed ticket again, unless it was closed for good.
    pub(super) fn reopen(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(id)?;
        if ticket.status != Status::Closed {
            return Err(Refusal::Conflict("Ticket is not closed."));
        }
        if ticket.force_closed {
            return Err(Refusal::Conflict("Ticket was closed for good."));
        }
        ticket.stands(Status::Open, now);
        Ok(())
    }

    /// Sets a status from wherever the ticket stood.
    pub(super) fn set_status(&mut self, id: TicketId, status: Status, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(id)?;
        ticket.stands(status, now);
        Ok(())
    }

    /// Remembers that the customer's side has read the ticket.
    pub(super) fn note_read(&mut self, id: TicketId, now: Timestamp) {
        if let Ok(ticket) = self.ticket_mut(id) {
            ticket.read = Some(now);
        }
    }

    fn moves(&mut self, id: TicketId, status: Status, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(id)?;
        ticket.refuse_when_closed()?;
        ticket.stands(status, now);
        Ok(())
    }
}

// === impl Ticket ===

impl Ticket {
    pub(super) fn refuse_when_closed(&self) -> Result<(), Refusal> {
        if self.status == Status::Closed { Err(CLOSED) } else { Ok(()) }
    }

    /// Gives it a status, with the dates that go with it.
    pub(super) fn stands(&mut self, status: Status, now: Timestamp) {
        let dated = |is: bool, kept: Option<Timestamp>| is.then(|| kept.unwrap_or(now));
        self.resolved = match status {
            Status::Closed => self.resolved,
            _ => dated(status == Status::Resolved, self.resolved),
        };
        self.closed = dated(status == Status::Closed, self.closed);
        self.force_closed &= status == Status::Closed;
        self.status = status;
        self.updated = now;
    }
}

/// The status after somebody wrote, or why nobody can.
pub(super) fn after_message(dialect: Dialect, status: Status, author: Author) -> Result<Status, Refusal> {
    let reopens = matches!(dialect, Dialect::Whmcs | Dialect::Keliweb);
    if status == Status::Closed && !reopens {
        return Err(CLOSED);
    }
    Ok(match (dialect, author) {
        (_, Author::Automation) => status,
        (Dialect::Paradarum, Author::Customer) if status == Status::Resolved => Status::Open,
        (Dialect::Paradarum | Dialect::I3d, _) => status,
        (Dialect::Whmcs | Dialect::Keliweb | Dialect::Hostup, Author::Staff) => Status::Answered,
        (Dialect::Whmcs | Dialect::Keliweb | Dialect::Hostup, Author::Customer) => Status::CustomerReply,
    })
}

/// The status of a ticket that staff calls resolved: closed where the dialect has no word for it.
fn resolved(dialect: Dialect) -> Status {
    if dialect == Dialect::Paradarum { Status::Resolved } else { Status::Closed }
}

/// The status of a ticket that staff works on: still open where the dialect knows open and closed only.
fn taken_up(dialect: Dialect) -> Status {
    if dialect == Dialect::I3d { Status::Open } else { Status::InProgress }
}

/// The status of a ticket that staff puts off, as far as the dialect can show it.
fn put_off(dialect: Dialect) -> Status {
    match dialect {
        Dialect::Whmcs | Dialect::Keliweb | Dialect::Hostup => Status::OnHold,
        Dialect::Paradarum | Dialect::I3d => taken_up(dialect),
    }
}
