//! What a ticket is at the desk: its texts, its files, and whose they are.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use super::lifecycle::Status;

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
    /// How people call it.
    pub number: String,
    pub account: i64,
    pub subject: String,
    pub description: String,
    /// The number of the opening text where a dialect shows it as a message.
    pub opening: MessageId,
    /// 0 General … 5 Performance (Paradarum).
    pub topic: u8,
    /// The property or service it is about: id and name.
    pub property: Option<(i64, String)>,
    /// In the dialect's own word: a name, a number or a slug.
    pub department: Option<String>,
    pub category: Option<String>,
    pub priority: Option<String>,
    /// Who else gets a copy.
    pub cc: Vec<String>,
    /// Who wrote it, where it is not simply the account's owner.
    pub requester: Option<Requester>,
    pub status: Status,
    /// Closed by staff for good: the customer cannot open it again.
    pub force_closed: bool,
    /// The ticket that took over its texts and files; to callers this one is unknown since.
    pub merged_into: Option<TicketId>,
    pub messages: Vec<Message>,
    pub attachments: Vec<Attachment>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub resolved: Option<Timestamp>,
    pub closed: Option<Timestamp>,
    /// When the customer, or a caller for him, last read it.
    pub read: Option<Timestamp>,
}

/// A person who is named in a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    pub name: String,
    pub email: String,
}

/// What somebody wrote below a ticket's description.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    pub author: Author,
    pub title: Option<String>,
    pub text: String,
    /// To be read in the panel only; callers do not get its text.
    pub encrypted: bool,
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
    /// The desk's own robot.
    Automation,
}

// === impl Ticket ===

impl Ticket {
    /// The file with this number, if it is this ticket's.
    pub fn attachment(&self, id: AttachmentId) -> Option<&Attachment> {
        self.attachments.iter().find(|file| file.id == id)
    }

    /// The message with this number, if it is this ticket's.
    pub fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    /// When one of these last wrote below it; the opening text is no message.
    pub fn last_message_of(&self, author: Author) -> Option<Timestamp> {
        self.messages.iter().filter(|message| message.author == author).map(|message| message.created).max()
    }
}

// === impl the ids ===

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
