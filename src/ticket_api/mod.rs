//! The port to a ticket system: one trait, what it can do, and errors that say what to do.

pub mod answers;
pub mod budget;
pub mod calls;
pub mod capabilities;
pub mod common;
pub mod decoding;
pub mod hostup;
pub mod i3d;
pub mod look;
pub mod paradarum;
pub mod request;
pub mod server_clock;
pub mod upload;
pub mod walk;
pub mod whmcs;

use std::time::Duration;

use async_trait::async_trait;
pub use capabilities::{Attachments, Capabilities, Close, Reopen};

use crate::{
    model::{
        conversation::TicketStatus,
        ids::{ApiName, AttachmentId, MailAddress, TicketId, TicketMessageId},
        marker::Marker,
    },
    runtime::{byte_stream::ByteStream, clock::Timestamp, secret::Secret},
};

/// A ticket system. Adapters translate, and decide nothing: what an answer
/// means for the message is said by [`ApiError`] and decided in `bridge`.
///
/// No method retries by itself; each ends within the configured time a call.
#[async_trait]
pub trait TicketApi: Send + Sync {
    fn name(&self) -> &ApiName;

    fn capabilities(&self) -> &Capabilities;

    /// Opens a ticket, with files as [`Capabilities::attachments`] says. Not idempotent.
    async fn create(&self, account: &Access, ticket: &NewTicket, files: Files) -> Result<Created, ApiError>;

    /// Adds a customer's message, with files as [`Capabilities::attachments`] says. Not idempotent.
    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError>;

    /// Adds a file to a ticket or to one of its messages. Not idempotent. For [`Attachments::After`].
    async fn upload(
        &self,
        account: &Access,
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
        file: Upload,
    ) -> Result<Option<AttachmentId>, ApiError> {
        let _ = (account, ticket, message, file);
        Err(ApiError::Unsupported("adding a file to a ticket"))
    }

    /// Brings a file that a create or reply will name; done twice, it leaves an orphan and no harm. For
    /// [`Attachments::Before`], with the ticket where that says so.
    async fn stage(
        &self,
        account: &Access,
        ticket: Option<&TicketId>,
        file: Upload,
    ) -> Result<AttachmentId, ApiError> {
        let _ = (account, ticket, file);
        Err(ApiError::Unsupported("bringing a file ahead of its message"))
    }

    /// Drops a staged file that no message will name; one that is gone already is a success.
    async fn unstage(&self, account: &Access, staged: &AttachmentId) -> Result<(), ApiError> {
        let _ = (account, staged);
        Ok(())
    }

    /// Closes a ticket; one that is closed already is a success.
    async fn close(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError>;

    /// Opens a closed ticket again, where that is a call of its own.
    async fn reopen(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let _ = (account, ticket);
        Err(ApiError::Unsupported("reopening a ticket"))
    }

    /// The ticket with all its messages and attachments.
    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError>;

    /// One page of the account's tickets, in no promised order; `from` is what the page before said of the
    /// next, and nothing for the first.
    async fn tickets(
        &self,
        account: &Access,
        scope: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError>;

    async fn download(
        &self,
        account: &Access,
        ticket: &TicketId,
        attachment: &AttachmentId,
    ) -> Result<ByteStream, ApiError>;

    /// What new tickets may be filed under.
    async fn catalog(&self, account: &Access) -> Result<Catalog, ApiError>;

    /// The id of the account that has this address, where the system knows accounts by theirs.
    async fn account_of(&self, _address: &MailAddress) -> Result<Option<String>, ApiError> {
        Err(ApiError::Unsupported("finding an account by an address"))
    }

    /// Looks for a text of ours by its marker. A complete look or an error, never half of one.
    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError>;

    /// What the server's clock shows when ours shows `local`, by the `Date` of its last answer.
    fn server_time(&self, local: Timestamp) -> Timestamp;
}

/// How to act for one customer account.
#[derive(Clone, Debug)]
pub struct Access {
    /// The account's id at the ticket API.
    pub remote: String,
    /// The account's own key; else the API's.
    pub key: Option<Secret>,
}

/// Which tickets a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that something is likely to have happened to.
    Active,
    All,
}

/// Where a list goes on; its meaning is the adapter's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageMark(pub String);

/// The files of a message, as the API takes them.
#[derive(Default)]
pub enum Files {
    #[default]
    None,
    Staged(Vec<Staged>),
    Inside(Vec<Upload>),
}

/// A file that was brought ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    pub id: AttachmentId,
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTicket {
    /// One line.
    pub subject: String,
    pub text: String,
    /// What it is about: a topic or category by name, as in `bot.toml` and [`Catalog::topics`]; the API's default
    /// where absent.
    pub topic: Option<String>,
    /// Who shall answer it. Where a system knows topics or departments only, either name is taken for that.
    pub department: Option<String>,
    /// In the API's word, upper or lower case; its default where absent, or where it knows no such word.
    pub priority: Option<String>,
    pub property: Option<String>,
    /// Who writes, as far as the channel knows an address: for accounts of guests.
    pub guest: Option<Guest>,
}

impl NewTicket {
    /// For a system that knows topics only.
    pub fn topic_or_department(&self) -> Option<&str> {
        self.topic.as_deref().or(self.department.as_deref())
    }

    /// For a system that knows departments only.
    pub fn department_or_topic(&self) -> Option<&str> {
        self.department.as_deref().or(self.topic.as_deref())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewReply {
    pub text: String,
    /// The ticket's.
    pub subject: String,
    pub guest: Option<Guest>,
}

/// A person who writes by mail, as a desk knows guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    pub name: String,
    pub address: MailAddress,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub ticket: TicketId,
    /// The opening message's id, where uploads must name it.
    pub message: Option<TicketMessageId>,
}

/// A file on its way up.
pub struct Upload {
    pub name: String,
    pub mime: String,
    /// Known before the first byte; sent as Content-Length.
    pub size: u64,
    pub content: ByteStream,
}

/// A ticket's line in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketLine {
    pub ticket: TicketId,
    pub subject: String,
    pub status: TicketStatus,
    pub created: Option<Timestamp>,
    /// Changes whenever the ticket has something new; `None` where the list does not say.
    pub change: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TicketPage {
    pub tickets: Vec<TicketLine>,
    /// Nothing after the last page.
    pub next: Option<PageMark>,
    /// The server's `Date`.
    pub server_date: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub ticket: TicketId,
    pub subject: String,
    pub status: TicketStatus,
    pub created: Option<Timestamp>,
    /// The same value that a list would show now, if a list shows one.
    pub change: Option<String>,
    /// The opening text.
    pub text: String,
    /// In the order of the conversation; the opening text is not among them.
    pub messages: Vec<TicketMessage>,
    pub attachments: Vec<TicketAttachment>,
    /// Whether the answer said anything of messages: else that none is found means nothing.
    pub shows_messages: bool,
    /// The ticket that took this one in.
    pub merged_into: Option<TicketId>,
    pub server_date: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TicketMessage {
    pub id: TicketMessageId,
    pub by: Author,
    pub author: Option<String>,
    /// Plain text.
    pub text: String,
    /// Its text is to be read in the panel alone.
    pub in_panel_only: bool,
    pub created: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Staff,
    Customer,
    /// The flag is absent here; our own record and provenance line decide.
    Unsaid,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TicketAttachment {
    pub id: AttachmentId,
    /// The message that it belongs to; `None` for the ticket itself.
    pub message: Option<TicketMessageId>,
    pub name: String,
    pub mime: Option<String>,
    pub size: Option<u64>,
    pub created: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    pub topics: Vec<String>,
    /// Id and name of each property or service that a ticket may be about.
    pub properties: Vec<(String, String)>,
}

/// Where to look for a marker.
pub struct Look<'a> {
    /// Any of them settles it.
    pub markers: &'a [Marker],
    pub place: LookIn<'a>,
}

pub enum LookIn<'a> {
    /// For a lost create: tickets that the store did not know and the server dates from `since` on.
    NewTickets { since: Timestamp, subject: &'a str, is_known: &'a (dyn Fn(&TicketId) -> bool + Sync) },
    /// For a lost reply: the customer's messages of this ticket.
    Replies(&'a TicketId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Ticket(Created),
    Reply(Option<TicketMessageId>),
    /// A complete look found nothing.
    Absent,
    /// This API has no way to know.
    CannotKnow,
}

/// What the bridge must do about a call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It surely did not happen; call again, not before `after` where the server says so.
    #[error("{reason}")]
    Retry { after: Option<Duration>, reason: String },
    /// It may have happened. `may_still_run` unless the application itself answered.
    #[error("{reason}")]
    Unknown { may_still_run: bool, after: Option<Duration>, reason: String },
    /// It did not happen and never will: the server's words for the customer.
    #[error("the ticket system refused it: {0}")]
    Refused(String),
    /// The credentials are not accepted: stop the account, tell the admins.
    #[error("the ticket system does not accept the credentials: {0}")]
    Unauthorized(String),
    #[error("not found at the ticket system: {0}")]
    NotFound(String),
    /// The ticket is closed for good.
    #[error("the ticket is closed: {0}")]
    Locked(String),
    #[error("this ticket system has no way of {0}")]
    Unsupported(&'static str),
}
