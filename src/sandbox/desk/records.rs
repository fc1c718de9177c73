//! What the desk knows (accounts, tickets, messages, files) and the rules by which it changes.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

/// A ticket's number, increasing over all accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub i64);

/// A message's number, increasing over all tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i64);

/// A file's number, increasing over all tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId(pub i64);

/// A ticket as the staff's panel shows it.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub id: TicketId,
    pub account: i64,
    pub subject: String,
    pub description: String,
    /// 0 General … 5 Performance.
    pub topic: u8,
    /// The property it is about: id and name.
    pub property: Option<(i64, String)>,
    pub status: Status,
    pub messages: Vec<Message>,
    pub attachments: Vec<Attachment>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub resolved: Option<Timestamp>,
    pub closed: Option<Timestamp>,
}

/// What somebody wrote below a ticket's description.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    pub author: Author,
    pub text: String,
    pub created: Timestamp,
}

/// A file of a ticket (`message` is `None`) or of one of its messages.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub id: AttachmentId,
    pub message: Option<MessageId>,
    pub author: Author,
    pub name: String,
    pub content_type: String,
    pub bytes: Bytes,
    pub created: Timestamp,
}

/// Whose hand it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Customer,
    Staff,
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Open,
    InProgress,
    Resolved,
    Closed,
}

/// What a create asks for, not yet checked.
pub(super) struct NewTicket {
    pub(super) subject: String,
    pub(super) description: String,
    pub(super) topic: i64,
    pub(super) property: Option<i64>,
}

/// A file as it arrives.
pub(super) struct NewFile {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// Why the desk says no, in the text that its envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound(&'static str),
    Invalid(&'static str),
}

/// Everything the desk knows.
///
/// Ids of tickets, messages and files start far apart, so that a caller that mixes them up is
/// answered 404 instead of reaching a stranger's row by luck.
pub(super) struct Records {
    accounts: BTreeMap<i64, Account>,
    tickets: BTreeMap<TicketId, Ticket>,
    last_ticket: i64,
    last_message: i64,
    last_attachment: i64,
    last_property: i64,
}

#[derive(Default)]
struct Account {
    key: Option<String>,
    properties: BTreeMap<i64, String>,
}

const MAX_SUBJECT_UTF16: usize = 200;
const TOPICS: std::ops::RangeInclusive<i64> = 0..=5;
const NO_SUCH_TICKET: Refusal = Refusal::NotFound("Ticket not found.");
const CLOSED: Refusal = Refusal::Invalid("Ticket is closed.");

// === impl Records ===

impl Records {
    pub(super) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last_ticket: 700,
            last_message: 4500,
            last_attachment: 90_000,
            last_property: 50,
        }
    }

    /// Opens an account, or changes the key of one; without a key nothing opens it.
    pub(super) fn set_key(&mut self, account: i64, key: Option<String>) {
        self.accounts.entry(account).or_default().key = key;
    }

    pub(super) fn account_of_key(&self, key: &str) -> Option<i64> {
        self.accounts.iter().find(|(_, account)| account.key.as_deref() == Some(key)).map(|(id, _)| *id)
    }

    pub(super) fn add_property(&mut self, account: i64, name: &str) -> i64 {
        self.last_property += 1;
        self.accounts.entry(account).or_default().properties.insert(self.last_property, name.to_owned());
        self.last_property
    }

    pub(super) fn properties(&self, account: i64) -> Vec<(i64, String)> {
        let properties = self.accounts.get(&account).map(|account| &account.properties);
        properties.into_iter().flatten().map(|(id, name)| (*id, name.clone())).collect()
    }

    /// The account's tickets, oldest first.
    pub(super) fn tickets(&self, account: i64) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values().filter(move |ticket| ticket.account == account)
    }

    pub(super) fn all_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values()
    }

    pub(super) fn any_ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id)
    }

    /// The account's ticket; another account's is as unknown as none.
    pub(super) fn ticket(&self, account: i64, id: TicketId) -> Result<&Ticket, Refusal> {
        self.tickets.get(&id).filter(|ticket| ticket.account == account).ok_or(NO_SUCH_TICKET)
    }

    pub(super) fn create(
        &mut self,
        account: i64,
        asked: NewTicket,
        now: Timestamp,
    ) -> Result<&Ticket, Refusal> {
        let Some(owner) = self.accounts.get(&account) else {
            return Err(Refusal::NotFound("Account not found."));
        };
        if is_empty(&asked.subject) {
            return Err(Refusal::Invalid("Subject is required."));
        }
        if asked.subject.contains(['\r', '\n']) {
            return Err(Refusal::Invalid("Subject must be a single line."));
        }
        if asked.subject.encode_utf16().count() > MAX_SUBJECT_UTF16 {
            return Err(Refusal::Invalid("Subject must not exceed 200 characters."));
        }
        if is_empty(&asked.description) {
            return Err(Refusal::Invalid("Description is required."));
        }
        let topic = u8::try_from(asked.topic).ok().filter(|_| TOPICS.contains(&asked.topic));
        let topic = topic.ok_or(Refusal::Invalid("Invalid topic"))?;
        let property = asked
            .property
            .map(|id| owner.properties.get(&id).map(|name| (id, name.clone())))
            .map(|found| found.ok_or(Refusal::Invalid("Invalid property")))
            .transpose()?;

        self.last_ticket += 1;
        let id = TicketId(self.last_ticket);
        let ticket = Ticket {
            id,
            account,
            subject: asked.subject,
            description: asked.description,
            topic,
            property,
            status: Status::Open,
            messages: Vec::new(),
            attachments: Vec::new(),
            created: now,
            updated: now,
            resolved: None,
            closed: None,
        };
        Ok(self.tickets.entry(id).or_insert(ticket))
    }

    /// A customer's message reopens a Resolved ticket; staff's does not change the status.
    pub(super) fn reply(
        &mut self,
        id: TicketId,
        author: Author,
        text: &str,
        now: Timestamp,
    ) -> Result<MessageId, Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        ticket.refuse_when_closed()?;
        if is_empty(text) {
            return Err(Refusal::Invalid("Message is required."));
        }
        self.last_message += 1;
        let message = MessageId(self.last_message);
        ticket.messages.push(Message { id: message, author, text: text.to_owned(), created: now });
        ticket.updated = now;
        if author == Author::Customer && ticket.status == Status::Resolved {
            ticket.status = Status::Open;
            ticket.resolved = None;
        }
        Ok(message)
    }

    /// Adds a file to the ticket or to one of its messages; leaves the status alone.
    pub(super) fn attach(
        &mut self,
        id: TicketId,
        message: Option<MessageId>,
        author: Author,
        file: NewFile,
        now: Timestamp,
    ) -> Result<AttachmentId, Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        ticket.refuse_when_closed()?;
        if message.is_some_and(|message| ticket.messages.iter().all(|known| known.id != message)) {
            return Err(Refusal::Invalid("Invalid message"));
        }
        self.last_attachment += 1;
        let attachment = AttachmentId(self.last_attachment);
        let NewFile { name, content_type, bytes } = file;
        ticket.attachments.push(Attachment {
            id: attachment,
            message,
            author,
            name,
            content_type,
            bytes,
            created: now,
        });
        ticket.updated = now;
        Ok(attachment)
    }

    pub(super) fn resolve(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        ticket.refuse_when_closed()?;
        ticket.status = Status::Resolved;
        ticket.resolved = Some(now);
        ticket.updated = now;
        Ok(())
    }

    pub(super) fn take_up(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        ticket.refuse_when_closed()?;
        ticket.status = Status::InProgress;
        ticket.resolved = None;
        ticket.updated = now;
        Ok(())
    }

    pub(super) fn close(&mut self, id: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        if ticket.status == Status::Closed {
            return Err(Refusal::Invalid("Ticket is already closed."));
        }
        ticket.status = Status::Closed;
        ticket.closed = Some(now);
        ticket.updated = now;
        Ok(())
    }

    /// Takes the ticket away, as a merge or a deletion does.
    pub(super) fn remove(&mut self, id: TicketId) -> Result<(), Refusal> {
        self.tickets.remove(&id).map(|_| ()).ok_or(NO_SUCH_TICKET)
    }

    /// Moves every date of the ticket into the past.
    pub(super) fn age(&mut self, id: TicketId, by: SignedDuration) -> Result<(), Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        let messages = ticket.messages.iter_mut().map(|message| &mut message.created);
        let files = ticket.attachments.iter_mut().map(|file| &mut file.created);
        let own = [&mut ticket.created, &mut ticket.updated].into_iter();
        let ends = ticket.resolved.iter_mut().chain(&mut ticket.closed);
        for date in own.chain(ends).chain(messages).chain(files) {
            *date = date.saturating_sub(by).unwrap_or(Timestamp::MIN);
        }
        Ok(())
    }
}

// === impl Ticket ===

impl Ticket {
    fn refuse_when_closed(&self) -> Result<(), Refusal> {
        if self.status == Status::Closed { Err(CLOSED) } else { Ok(()) }
    }

    /// The file with this number, if it is this ticket's.
    pub fn attachment(&self, id: AttachmentId) -> Option<&Attachment> {
        self.attachments.iter().find(|file| file.id == id)
    }

    /// The message with this number, if it is this ticket's.
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }
}

// === impl the ids, Refusal ===

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Refusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NotFound(text) | Self::Invalid(text) => text,
        }
    }
}

fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}
