//! Something on its way to a place: a staff message, an answer of ours, an alert.

use serde::{Deserialize, Serialize};

use super::{
    button::Button,
    formatted::Formatted,
    ids::{ApiName, ChatMessageId, ConversationId, MailId, TicketId},
    place::Place,
    staff_message::StaffMessage,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub to: Place,
    /// What is sent is bound to it, so that a reply to it finds its way.
    pub conversation: Option<ConversationId>,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Content {
    Staff(StaffMessage),
    /// An answer of the bridge to a chat.
    Note(Note),
    /// An automatic mail of the bridge (RFC 3834): receipt, refusal, code.
    Letter(Letter),
    /// To the admin group.
    Alert(Alert),
}

/// A rendered text for a chat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub text: Formatted,
    pub buttons: Vec<Vec<Button>>,
    pub reply_to: Option<ChatMessageId>,
    /// Replaces the text of this message instead of sending a new one.
    pub edits: Option<ChatMessageId>,
    /// The pressed button that waits for an answer; what is shown as a small pop-up is `text`.
    pub answers: Option<String>,
}

/// An automatic mail, rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    /// The mail that it answers, for the threading headers.
    pub in_reply_to: Option<MailId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub kind: AlertKind,
    pub text: Formatted,
    /// The same in one line, for a digest.
    pub line: String,
    pub buttons: Vec<Vec<Button>>,
    /// The ticket it is about; its alert is edited when staff answers.
    pub about: Option<(ApiName, TicketId)>,
}

/// Trouble before news: the order in which a digest names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertKind {
    Trouble,
    Parked,
    Dead,
    Quarantined,
    NewTicket,
    Reply,
    Closed,
}
