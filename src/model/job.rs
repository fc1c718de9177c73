//! A durable piece of work, the steps it is made of, and the lane it waits in.

use serde::{Deserialize, Serialize};

use super::{
    attachment::Attachment,
    delivery::Delivery,
    ids::{
        AttachmentId, BlobId, ChatId, ChatMessageId, ConversationId, JobId, MailAddress, MailId, TicketId,
        TicketMessageId,
    },
    inbound::Inbound,
};
use crate::runtime::clock::Timestamp;

/// Strictly first in, first out; lanes run side by side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Customers' messages to one ticket, perhaps still to be created.
    Conversation(ConversationId),
    /// Commands, buttons and answers to our questions of one chat; never behind messages.
    Control(ChatId),
    /// What we send to one chat.
    Chat(ChatId),
    /// Staff messages of one conversation, by mail.
    Thread(ConversationId),
    /// Automatic mails to one address, and what came from it outside a conversation.
    Letters(MailAddress),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub lane: Lane,
    /// The idempotency key: no second job with it is accepted. Markers are made of the
    /// identities of the messages inside, not of it.
    pub key: String,
    pub task: Task,
    pub accepted: Timestamp,
    pub state: State,
    pub progress: Progress,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// A customer's message on its way to the ticket API.
    File(Filing),
    /// A command, a button, a change of membership, a bounce.
    Control(Inbound),
    Deliver(Delivery),
}

/// One or more messages of one customer that become one create or reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filing {
    pub conversation: ConversationId,
    /// Joined messages in order of arrival, with when each arrived; never empty, at most ten.
    pub messages: Vec<Arrived>,
    /// Lines for the staff above the provenance line (sender not verified, may belong to …).
    pub remarks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrived {
    pub inbound: Inbound,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Ready,
    Waiting {
        until: Timestamp,
        why: Why,
    },
    /// The outcome is unknown, or a person has to decide.
    Parked {
        why: String,
        since: Timestamp,
    },
    /// Refused for good, or given up by a person.
    Dead {
        why: String,
        since: Timestamp,
    },
    Done {
        at: Timestamp,
    },
}

/// Why a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// More of the same may come (album, burst, edit).
    Gathering,
    /// A call failed surely and is repeated.
    Retry,
    /// A call's outcome is unknown; the look that decides is not due yet.
    Settling,
    /// The customer was asked which ticket is meant.
    Asking,
    /// An admin may still decide about the job before it.
    Predecessor,
    /// The circuit is open or the account stopped; nothing ages meanwhile.
    Outage,
}

/// What has happened to a job so far, beside its steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Failed tries since the last success of a step.
    pub tries: u32,
    /// The first of them that counted (an outage does not).
    pub failing_since: Option<Timestamp>,
    pub told_waiting: bool,
    /// When the customer was asked which ticket is meant.
    pub asked: Option<Timestamp>,
    pub decision: Option<Decision>,
    /// How often a channel send of unknown outcome was repeated.
    pub repeats: u32,
}

/// What a person decided about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    SameTicket,
    NewTicket,
    OnlyThanks,
    /// The unknown call did happen.
    ItIsThere,
    /// It did not: call again.
    SendAgain,
}

/// A job as its maker hands it over.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub lane: Lane,
    pub key: String,
    pub task: Task,
    /// `Ready`, `Waiting` with a stored deadline, or already `Parked` / `Dead` (quarantine, poison).
    pub state: State,
}

/// A step of a job: recorded *attempted* before its call and *done* after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub step: Step,
    pub state: StepState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    Create,
    Reply,
    Reopen,
    Upload(u32),
    Close,
    /// The n-th message or file to a chat.
    Send(u32),
    /// A mail is composed into the spool once …
    Compose,
    /// … and sent from there.
    Mail,
    /// The n-th file, brought ahead of its message; where files go inside of it, only if it is left out.
    Stage(u32),
    /// The message that names a new ticket's files, where files need their ticket.
    Files,
    /// The n-th file once more, in the first round or a later one, as the ticket does not show it …
    StageAgain {
        round: u8,
        file: u32,
    },
    /// … and the message that takes along what this round brought.
    FilesAgain {
        round: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepState {
    /// The call may be under way, or its outcome is unknown since `ended`.
    Attempted {
        at: Timestamp,
        ended: Option<Ended>,
    },
    Done(Remote),
}

/// How an attempt of unknown outcome ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub at: Timestamp,
    /// Whether the call may still be running at the server (timeout, cut, crash, 502, 504, 52x).
    pub may_still_run: bool,
}

/// What a done step made at the other side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Remote {
    Ticket(TicketId),
    Message(Option<TicketMessageId>),
    Attachment(Option<AttachmentId>),
    ChatMessage(ChatMessageId),
    Composed {
        raw: BlobId,
        mail: MailId,
    },
    Mailed,
    /// Nothing was made, and none will be: why.
    Skipped(String),
    Nothing,
}

impl Remote {
    /// Why a step of unknown outcome was skipped: what it was to make is there.
    pub const IT_IS_THERE: &str = "a person says that it is there";
}

impl Filing {
    pub fn files(&self) -> impl Iterator<Item = &Attachment> {
        self.messages.iter().filter_map(|m| m.inbound.message()).flat_map(|m| &m.files)
    }
}

impl State {
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Ready | Self::Waiting { .. })
    }
}
