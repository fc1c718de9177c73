//! Rows that only the store and the bridge's bookkeeping know.

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        ids::{AccountName, ApiName, ConversationId, JobId, TicketId},
        job::{Lane, State},
    },
    runtime::clock::Timestamp,
};

/// When something was last said, and how often since `first`; `value` is the speaker's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
    pub value: String,
    /// Forgotten after that time.
    pub until: Timestamp,
}

/// A ticket that is looked at for staff messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketWatch {
    pub api: ApiName,
    pub account: AccountName,
    pub ticket: TicketId,
    pub conversation: Option<ConversationId>,
    /// The list's change value at the last look.
    pub change: Option<String>,
    pub looked: Timestamp,
    /// The last sign of life of either side; decides how often it is looked at.
    pub active: Timestamp,
    /// Further looks that are due for files that come after their message, soonest first.
    pub again: Vec<Timestamp>,
    pub closed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Health {
    Ok,
    /// Nothing can be written since then, and why; it is being reopened.
    Broken {
        since: Timestamp,
        why: String,
    },
}

/// A loss after which somebody decided to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What was wrong, in words.
    pub what: String,
    /// What was committed from then …
    pub since: Timestamp,
    /// … until then may be missing.
    pub until: Timestamp,
    /// When somebody decided to go on.
    pub decided: Timestamp,
    pub reread_since: Timestamp,
    pub look_first_until: Timestamp,
    /// Tells it from another loss.
    pub number: u64,
}

/// A job's line in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub id: JobId,
    pub lane: Lane,
    pub key: String,
    /// `file`, `control`, `deliver`.
    pub task: String,
    pub state: State,
    pub accepted: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub live: usize,
    pub parked: usize,
    pub dead: usize,
    /// When the oldest live job was accepted.
    pub oldest: Option<Timestamp>,
}
