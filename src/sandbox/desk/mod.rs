//! A ticket desk that speaks the contracts over HTTP, strictly, with the staff's side as typed calls.
//!
//! Every request is held against the contract. One that no caller who keeps it would send (an unknown query
//! parameter, a wrong content type, `Bearer` for a key) is refused *and* noted in
//! [`DeskStandIn::violations`], so that a test can insist that there were none.

#[cfg(test)]
mod desk_tests;
mod door;
mod download;
mod hostup;
#[cfg(test)]
mod hostup_tests;
mod i3d;
#[cfg(test)]
mod i3d_tests;
mod introduction;
pub mod keliweb;
mod ledger;
mod lifecycle;
mod options;
mod paradarum;
mod records;
mod staging;
mod ticket;
pub mod whmcs;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use hostup::options::{Binding, HostupOptions, Opening};
pub use i3d::options::{DownloadForm, I3dOptions, MailField};
pub use ledger::Call;
pub use lifecycle::Status;
pub use options::{DeskOptions, Dialect, Enums, Timestamps};
pub use ticket::{Attachment, AttachmentId, Author, Message, MessageId, Requester, Ticket, TicketId};

use super::faults::{self, Faults, Served};
use ledger::Ledger;
use records::{NewFile, NewMessage, NewTicket, Records, Refusal};

/// The desk's control handle; clones share one desk, which stops with the last of them.
#[derive(Clone)]
pub struct DeskStandIn {
    ledger: Arc<Ledger>,
    faults: Faults,
    served: Arc<Served>,
}

/// Why the control handle could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("the desk cannot listen at {at}")]
    Listen { at: SocketAddr, source: io::Error },
    /// In the words of the desk's own envelope.
    #[error("the desk refuses: {0}")]
    Refused(&'static str),
    #[error("the desk waited {0:?} in vain")]
    Elapsed(Duration),
}

// === impl DeskStandIn: the desk itself ===

impl DeskStandIn {
    /// Starts an empty desk on a free port of the loop-back interface.
    pub async fn start(options: DeskOptions) -> Result<Self, DeskError> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), options).await
    }

    /// Starts an empty desk at an address.
    pub async fn start_at(at: SocketAddr, options: DeskOptions) -> Result<Self, DeskError> {
        let ledger = Arc::new(Ledger::new(options));
        let faults = Faults::default();
        let (router, dialect) = match ledger.options.dialect {
            Dialect::Paradarum => (paradarum::router(ledger.clone()), paradarum::FAULTS),
            Dialect::Whmcs => (whmcs::router(ledger.clone()), whmcs::FAULTS),
            Dialect::Keliweb => (keliweb::router(ledger.clone()), keliweb::FAULTS),
            Dialect::I3d => (i3d::router(ledger.clone()), i3d::FAULTS),
            Dialect::Hostup => (hostup::router(ledger.clone()), hostup::FAULTS),
        };
        let served = faults::serve(at, router, faults.clone(), dialect).await;
        let served = Arc::new(served.map_err(|source| DeskError::Listen { at, source })?);
        Ok(Self { ledger, faults, served })
    }

    /// What a caller configures as its `base_url`.
    pub fn base_url(&self) -> String {
        let path = match self.ledger.options.dialect {
            Dialect::Paradarum | Dialect::I3d | Dialect::Whmcs | Dialect::Keliweb => "",
            Dialect::Hostup => "/api/v2",
        };
        format!("http://{}{path}", self.served.address())
    }

    /// What goes wrong with which call: `create`, `reply`, `upload`, `close`, `reopen`, `list`, `detail`,
    /// `download`, `catalog` (Paradarum: `properties`), `token`, as far as the dialect has it.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Delays what the next call of this name does: its caller may time out, look and find nothing, and the
    /// desk does it nevertheless. Several form a row.
    pub fn does_late(&self, call: &str, by: Duration) {
        self.ledger.change(|books| books.late.entry(call.to_owned()).or_default().push_back(by));
    }

    /// Opens an account, or gives one another key.
    pub fn add_account(&self, account: i64, key: &str) {
        self.ledger.change(|books| books.records.set_key(account, Some(key.to_owned())));
    }

    /// Takes an account's key back: its calls are answered 401.
    pub fn revoke_key(&self, account: i64) {
        self.ledger.change(|books| books.records.set_key(account, None));
    }

    /// Adds a property (a domain) to an account; returns its id.
    pub fn add_property(&self, account: i64, name: &str) -> i64 {
        self.ledger.change(|books| books.records.add_property(account, name))
    }
}

// === impl DeskStandIn: staff, and the customer's own panel ===

impl DeskStandIn {
    /// Staff answers.
    pub fn staff_replies(&self, ticket: TicketId, text: &str) -> Result<MessageId, DeskError> {
        self.staff_replies_at(ticket, text, self.ledger.now())
    }

    /// Staff answered at that time.
    pub fn staff_replies_at(
        &self,
        ticket: TicketId,
        text: &str,
        at: Timestamp,
    ) -> Result<MessageId, DeskError> {
        self.by_rule(|records| records.reply(ticket, NewMessage::new(Author::Staff, text), at))
    }

    /// Staff answers for the panel only: callers learn that there is a message, not what it says.
    pub fn staff_replies_encrypted(&self, ticket: TicketId, text: &str) -> Result<MessageId, DeskError> {
        let now = self.ledger.now();
        let message = NewMessage { encrypted: true, ..NewMessage::new(Author::Staff, text) };
        self.by_rule(|records| records.reply(ticket, message, now))
    }

    /// The desk's robot writes.
    pub fn automation_replies(&self, ticket: TicketId, text: &str) -> Result<MessageId, DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.reply(ticket, NewMessage::new(Author::Automation, text), now))
    }

    /// Staff adds a file to one of the ticket's messages, or to the ticket.
    pub fn staff_attaches(
        &self,
        ticket: TicketId,
        message: Option<MessageId>,
        name: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<AttachmentId, DeskError> {
        let content_type = mime_guess::from_path(name).first_or_octet_stream().to_string();
        let file = NewFile { name: name.to_owned(), content_type, bytes: bytes.into() };
        let now = self.ledger.now();
        self.by_rule(|records| records.attach(ticket, message, Author::Staff, file, now))
    }

    /// Staff begins to work on a ticket (i3D.net shows no difference).
    pub fn staff_takes_up(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.take_up(ticket, now))
    }

    /// Staff puts a ticket off; where the dialect has no such status it is being worked on.
    pub fn staff_puts_off(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.put_off(ticket, now))
    }

    /// Staff calls a ticket resolved; only Paradarum has the word, elsewhere it is closed.
    pub fn staff_resolves(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.resolve(ticket, now))
    }

    /// Staff locks a ticket.
    pub fn staff_closes(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.close(ticket, now))
    }

    /// Staff locks a ticket so that the customer cannot open it again.
    pub fn staff_force_closes(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.force_close(ticket, now))
    }

    /// Staff opens a closed ticket again.
    pub fn staff_reopens(&self, ticket: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.set_status(ticket, Status::Open, now))
    }

    /// Staff merges a ticket into another of the same account: its texts and files move there, and to
    /// callers it is unknown from now on.
    pub fn staff_merges(&self, from: TicketId, into: TicketId) -> Result<(), DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.merge(from, into, now))
    }

    /// Staff deletes a ticket: to callers it is unknown from now on.
    pub fn staff_removes(&self, ticket: TicketId) -> Result<(), DeskError> {
        self.by_rule(|records| records.remove(ticket))
    }

    /// A ticket is opened in the panel.
    pub fn staff_opens(&self, account: i64, subject: &str, text: &str) -> Result<TicketId, DeskError> {
        self.staff_opens_at(account, subject, text, self.ledger.now())
    }

    /// A ticket was opened in the panel at that time.
    pub fn staff_opens_at(
        &self,
        account: i64,
        subject: &str,
        text: &str,
        at: Timestamp,
    ) -> Result<TicketId, DeskError> {
        let (subject, description) = (subject.to_owned(), text.to_owned());
        let asked = NewTicket { subject, description, ..NewTicket::default() };
        self.by_rule(|records| records.create(account, asked, at).map(|ticket| ticket.id))
    }

    /// The customer writes in the panel, past every channel.
    pub fn customer_replies(&self, ticket: TicketId, text: &str) -> Result<MessageId, DeskError> {
        let now = self.ledger.now();
        self.by_rule(|records| records.reply(ticket, NewMessage::new(Author::Customer, text), now))
    }

    /// Moves all dates of a ticket, its messages and files into the past.
    pub fn age(&self, ticket: TicketId, by: Duration) -> Result<(), DeskError> {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.by_rule(|records| records.age(ticket, by))
    }

    fn by_rule<T>(&self, change: impl FnOnce(&mut Records) -> Result<T, Refusal>) -> Result<T, DeskError> {
        let done = self.ledger.change(|books| change(&mut books.records));
        done.map_err(|refusal| DeskError::Refused(refusal.text()))
    }
}

// === impl DeskStandIn: what can be seen ===

impl DeskStandIn {
    /// The account's tickets, oldest first.
    pub fn tickets(&self, account: i64) -> Vec<Ticket> {
        self.ledger.read(|books| books.records.tickets(account).cloned().collect())
    }

    /// One ticket with its messages and files.
    pub fn ticket(&self, id: TicketId) -> Option<Ticket> {
        self.ledger.read(|books| books.records.any_ticket(id).cloned())
    }

    /// The account's files that wait for a message.
    pub fn staged(&self, account: i64) -> Vec<AttachmentId> {
        self.ledger.read(|books| books.records.staging.of(account).map(|(id, _)| id).collect())
    }

    /// Every place of every account that holds the text: a ticket's description (no message) or a message.
    pub fn find_text(&self, needle: &str) -> Vec<(TicketId, Option<MessageId>)> {
        let places = |ticket: &Ticket| {
            let description = ticket.description.contains(needle).then_some(None);
            let messages = ticket.messages.iter().filter(|message| message.text.contains(needle));
            let found = description.into_iter().chain(messages.map(|message| Some(message.id)));
            found.map(|message| (ticket.id, message)).collect::<Vec<_>>()
        };
        self.ledger.read(|books| books.records.all_tickets().flat_map(places).collect())
    }

    /// The calls that the desk answered, in order (the last 200,000).
    pub fn calls(&self) -> Vec<Call> {
        self.ledger.read(|books| books.calls.iter().cloned().collect())
    }

    /// What callers sent that the contract does not know (the first 1,000).
    pub fn violations(&self) -> Vec<String> {
        self.ledger.read(|books| books.violations.iter().cloned().collect())
    }

    /// The desk's time: what its `Date` header says.
    pub fn now(&self) -> Timestamp {
        self.ledger.now()
    }

    /// Waits until `look` finds something at the desk; it looks at once and after every change or call.
    pub async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&Self) -> Option<T>,
        timeout: Duration,
    ) -> Result<T, DeskError> {
        let mut bell = self.ledger.listen();
        let looking = async {
            loop {
                bell.mark_unchanged();
                if let Some(found) = look(self) {
                    return Some(found);
                }
                bell.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, looking).await.ok().flatten().ok_or(DeskError::Elapsed(timeout))
    }
}
