//! What the desk knows (accounts, tickets, messages, files) and the rules by which it changes.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::keliweb::sessions::Sessions;
use super::lifecycle::{self, Status};
use super::options::Dialect;
use super::staging::{Staged, Staging};
use super::ticket::{Attachment, AttachmentId, Author, Message, MessageId, Requester, Ticket, TicketId};
use super::{hostup, whmcs};

/// What a create asks for, not yet checked.
#[derive(Default)]
pub(super) struct NewTicket {
    pub(super) subject: String,
    pub(super) description: String,
    pub(super) topic: i64,
    pub(super) property: Option<i64>,
    pub(super) department: Option<String>,
    pub(super) category: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) cc: Vec<String>,
    pub(super) requester: Option<Requester>,
    /// Staged files that become the ticket's own.
    pub(super) files: Vec<AttachmentId>,
}

/// What a reply asks for, not yet checked.
pub(super) struct NewMessage {
    pub(super) author: Author,
    pub(super) text: String,
    pub(super) title: Option<String>,
    pub(super) encrypted: bool,
    /// Staged files that become the message's.
    pub(super) files: Vec<AttachmentId>,
}

/// A file as it arrives.
#[derive(Clone)]
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
    /// The ticket stands where this cannot be done.
    Conflict(&'static str),
}

/// Everything the desk knows.
///
/// Ids of tickets, messages and files start far apart, so that a caller that mixes them up is
/// answered 404 instead of reaching a stranger's row by luck.
pub(super) struct Records {
    dialect: Dialect,
    pub(super) staging: Staging,
    pub(super) sessions: Sessions,
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

// === impl Records ===

impl Records {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            staging: Staging::default(),
            sessions: Sessions::default(),
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

    /// The key of an account that the desk knows: `None` inside where it was taken back.
    pub(super) fn key_of(&self, account: i64) -> Option<Option<&str>> {
        self.accounts.get(&account).map(|account| account.key.as_deref())
    }

    pub(super) fn accounts(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.accounts.keys().copied()
    }

    fn number_of(&self, ticket: TicketId) -> String {
        match self.dialect {
            Dialect::Paradarum | Dialect::I3d => ticket.to_string(),
            Dialect::Whmcs | Dialect::Keliweb => whmcs::shown_number(ticket).to_string(),
            Dialect::Hostup => hostup::shown_number(ticket),
        }
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

    /// The account's tickets as callers see them, oldest first.
    pub(super) fn tickets(&self, account: i64) -> impl DoubleEndedIterator<Item = &Ticket> {
        self.tickets.values().filter(move |ticket| ticket.account == account && ticket.merged_into.is_none())
    }

    pub(super) fn all_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values()
    }

    pub(super) fn any_ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id)
    }

    /// The account's ticket; another account's is as unknown as none.
    pub(super) fn ticket(&self, account: i64, id: TicketId) -> Result<&Ticket, Refusal> {
        let known = self.tickets.get(&id).filter(|ticket| ticket.account == account);
        known.filter(|ticket| ticket.merged_into.is_none()).ok_or(NO_SUCH_TICKET)
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
        if self.dialect == Dialect::Paradarum {
            check_subject(&asked.subject)?;
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

        self.staging.check(account, None, &asked.files)?;
        self.last_ticket += 1;
        self.last_message += 1;
        let id = TicketId(self.last_ticket);
        let mut ticket = Ticket {
            number: self.number_of(id),
            id,
            account,
            subject: asked.subject,
            description: asked.description,
            opening: MessageId(self.last_message),
            topic,
            property,
            department: asked.department,
            category: asked.category,
            priority: asked.priority,
            cc: asked.cc,
            requester: asked.requester,
            status: Status::Open,
            force_closed: false,
            merged_into: None,
            messages: Vec::new(),
            attachments: Vec::new(),
            created: now,
            updated: now,
            resolved: None,
            closed: None,
            read: None,
        };
        bind(&mut self.staging, &mut ticket, None, Author::Customer, &asked.files);
        Ok(self.tickets.entry(id).or_insert(ticket))
    }

    /// Adds a message; what it makes of the status is the dialect's.
    pub(super) fn reply(
        &mut self,
        id: TicketId,
        asked: NewMessage,
        now: Timestamp,
    ) -> Result<MessageId, Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        let status = lifecycle::after_message(self.dialect, ticket.status, asked.author)?;
        if is_empty(&asked.text) {
            return Err(Refusal::Invalid("Message is required."));
        }
        self.staging.check(ticket.account, Some(id), &asked.files)?;
        self.last_message += 1;
        let message = MessageId(self.last_message);
        let NewMessage { author, text, title, encrypted, files } = asked;
        ticket.messages.push(Message { id: message, author, title, text, encrypted, created: now });
        bind(&mut self.staging, ticket, Some(message), author, &files);
        ticket.stands(status, now);
        Ok(message)
    }

    /// Keeps a file until a message takes it.
    pub(super) fn stage(
        &mut self,
        account: i64,
        ticket: Option<TicketId>,
        file: NewFile,
        now: Timestamp,
    ) -> AttachmentId {
        self.last_attachment += 1;
        let id = AttachmentId(self.last_attachment);
        self.staging.put(id, Staged { account, ticket, file, at: now });
        id
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

    /// Moves the texts and files of a ticket below another of the same account.
    pub(super) fn merge(&mut self, from: TicketId, into: TicketId, now: Timestamp) -> Result<(), Refusal> {
        let accounts = [from, into].map(|id| self.tickets.get(&id).map(|ticket| ticket.account));
        if from == into || accounts.contains(&None) || accounts.first() != accounts.last() {
            return Err(NO_SUCH_TICKET);
        }
        let Some(mut gone) = self.tickets.remove(&from) else { return Err(NO_SUCH_TICKET) };
        gone.merged_into = Some(into);
        let opening = Message {
            id: gone.opening,
            author: Author::Customer,
            title: Some(gone.subject.clone()),
            text: std::mem::take(&mut gone.description),
            encrypted: false,
            created: gone.created,
        };
        if let Some(kept) = self.tickets.get_mut(&into) {
            kept.messages.push(opening);
            kept.messages.append(&mut gone.messages);
            kept.messages.sort_by_key(|message| (message.created, message.id));
            let files = gone.attachments.drain(..);
            kept.attachments.extend(
                files.map(|file| Attachment { message: file.message.or(Some(gone.opening)), ..file }),
            );
            kept.updated = now;
        }
        self.tickets.insert(from, gone);
        Ok(())
    }

    /// Takes the ticket away, as a deletion does.
    pub(super) fn remove(&mut self, id: TicketId) -> Result<(), Refusal> {
        self.tickets.remove(&id).map(|_| ()).ok_or(NO_SUCH_TICKET)
    }

    /// Moves every date of the ticket into the past.
    pub(super) fn age(&mut self, id: TicketId, by: SignedDuration) -> Result<(), Refusal> {
        let ticket = self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)?;
        let messages = ticket.messages.iter_mut().map(|message| &mut message.created);
        let files = ticket.attachments.iter_mut().map(|file| &mut file.created);
        let own = [&mut ticket.created, &mut ticket.updated].into_iter();
        let ends = ticket.resolved.iter_mut().chain(&mut ticket.closed).chain(&mut ticket.read);
        for date in own.chain(ends).chain(messages).chain(files) {
            *date = date.saturating_sub(by).unwrap_or(Timestamp::MIN);
        }
        Ok(())
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn ticket_mut(&mut self, id: TicketId) -> Result<&mut Ticket, Refusal> {
        self.tickets.get_mut(&id).ok_or(NO_SUCH_TICKET)
    }
}

// === impl NewMessage, Refusal ===

impl NewMessage {
    pub(super) fn new(author: Author, text: impl Into<String>) -> Self {
        Self { author, text: text.into(), title: None, encrypted: false, files: Vec::new() }
    }
}

impl Refusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NotFound(text) | Self::Invalid(text) | Self::Conflict(text) => text,
        }
    }
}

/// Paradarum's limits of a subject.
fn check_subject(subject: &str) -> Result<(), Refusal> {
    if subject.contains(['\r', '\n']) {
        return Err(Refusal::Invalid("Subject must be a single line."));
    }
    if subject.encode_utf16().count() > MAX_SUBJECT_UTF16 {
        return Err(Refusal::Invalid("Subject must not exceed 200 characters."));
    }
    Ok(())
}

/// Makes staged files a ticket's or a message's; [`Staging::check`] was asked before.
fn bind(
    staging: &mut Staging,
    ticket: &mut Ticket,
    message: Option<MessageId>,
    author: Author,
    ids: &[AttachmentId],
) {
    for (id, staged) in ids.iter().filter_map(|id| Some((*id, staging.take(*id)?))) {
        let NewFile { name, content_type, bytes } = staged.file;
        let created = staged.at;
        ticket.attachments.push(Attachment { id, message, author, name, content_type, bytes, created });
    }
}

fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}
