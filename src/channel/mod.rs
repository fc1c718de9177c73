//! The port to the places where customers write: one trait out, one handle ([`intake::Intake`]) in.

pub mod email;
pub mod intake;
pub mod telegram;

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    model::{
        attachment::Attachment,
        button::Button,
        formatted::Formatted,
        ids::{BlobId, ChatId, ChatMessageId, MailAddress, MailId, MailboxName, UserId},
    },
    runtime::byte_stream::ByteStream,
};

/// A way out to customers and admins. Nothing here retries or decides.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends one thing. Not idempotent.
    async fn send(&self, parcel: Parcel) -> Result<Sent, SendError>;

    /// Composes a mail once, so that it can be sent again with identical bytes.
    async fn compose(&self, mail: &OutgoingMail, files: Vec<OutgoingFile>) -> Result<Composed, SendError> {
        let _ = (mail, files);
        Err(SendError::Refused { reason: "this channel composes nothing".into(), what: Refusal::Content })
    }

    /// Whether a mail of unknown outcome is known to have been sent (Sent folder, own copy).
    async fn was_sent(&self, mail: &MailId) -> Option<bool> {
        let _ = mail;
        None
    }

    /// The bytes of a file that a customer sent here, and their number where the source says it.
    async fn open(&self, file: &Attachment) -> Result<Opened, OpenError>;

    /// There is something to be read again, see [`intake::Begin::reread`].
    fn read_again(&self) {}

    /// Whether the user may act for the chat (a group's admin; in a private chat, its person).
    async fn is_chat_admin(&self, chat: ChatId, user: UserId) -> Result<bool, SendError> {
        let _ = (chat, user);
        Ok(false)
    }
}

/// One thing to send.
pub enum Parcel {
    Text {
        chat: ChatId,
        topic: Option<ChatMessageId>,
        /// At most 4096 UTF-16 units, see `text::split`.
        text: Formatted,
        buttons: Vec<Vec<Button>>,
        reply_to: Option<ChatMessageId>,
    },
    Edit {
        chat: ChatId,
        message: ChatMessageId,
        text: Formatted,
        buttons: Vec<Vec<Button>>,
    },
    File {
        chat: ChatId,
        topic: Option<ChatMessageId>,
        file: OutgoingFile,
        caption: String,
        reply_to: Option<ChatMessageId>,
    },
    /// The answer to a pressed button, shown as a pop-up (at most 200 characters).
    ButtonAnswer {
        callback: String,
        text: String,
    },
    /// A composed mail.
    Mail {
        raw: BlobId,
        to: Vec<MailAddress>,
    },
}

pub struct OutgoingFile {
    pub name: String,
    pub mime: String,
    pub size: Option<u64>,
    pub content: ByteStream,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingMail {
    pub mailbox: MailboxName,
    pub to: MailAddress,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    pub in_reply_to: Option<MailId>,
    pub references: Vec<MailId>,
    /// Stands in Message-ID, and in the reply address where one is configured.
    pub token: Option<String>,
    /// RFC 3834: marked as automatic, with a null return path.
    pub automatic: bool,
    /// Makes the Message-ID the same each time the same job composes.
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    pub raw: BlobId,
    pub mail: MailId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    ChatMessage(ChatMessageId),
    /// Nothing that could be named.
    Done,
}

pub struct Opened {
    pub size: Option<u64>,
    pub content: ByteStream,
}

/// What the bridge must do about a send that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Surely not sent; again, not before `after` where the server says so.
    #[error("{reason}")]
    Retry { after: Option<Duration>, reason: String },
    /// It may have been sent.
    #[error("{reason}")]
    Unknown { reason: String },
    /// Not sent, and never will be in this form.
    #[error("{reason}")]
    Refused { reason: String, what: Refusal },
    /// The chat has another number now.
    #[error("the group became the supergroup {to}")]
    Moved { to: ChatId },
    /// The channel's own credentials are not accepted.
    #[error("the credentials are not accepted: {0}")]
    Unauthorized(String),
}

/// What a final refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody can be reached there any more: blocked, deactivated, kicked, no such mailbox.
    Gone,
    /// The message that was to be edited or answered is gone, or already looks like this.
    Message,
    TooLarge,
    /// Anything else about its content.
    Content,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{reason}")]
    Retry { after: Option<Duration>, reason: String },
    /// Larger than the channel gives out, in bytes.
    #[error("the file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the file is no longer available: {0}")]
    Gone(String),
}
