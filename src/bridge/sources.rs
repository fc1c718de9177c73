//! The sources of messages as the bridge watches them: how each is called, and its trouble.

use std::time::Duration;

use tokio::sync::watch;

use crate::{model::ids::MailboxName, runtime::clock::Timestamp};

/// A source or a way out, as whoever starts it adapts its health.
pub struct Watched {
    /// As admins know it: “Telegram”, “Mailbox support”.
    pub name: String,
    /// What its trouble means, as the end of a sentence.
    pub meaning: String,
    pub todo: Option<String>,
    /// Whose admins are told.
    pub mailbox: Option<MailboxName>,
    /// How long what waits there is kept, where that is short (Telegram: 24 hours).
    pub keeps: Option<Duration>,
    pub trouble: watch::Receiver<Option<SourceTrouble>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    pub since: Timestamp,
    pub what: String,
    /// It will not go on by itself (credentials refused, a second reader): told at once.
    pub stopped: bool,
    /// Nothing failed yet: the first look, which says what is old, is under way.
    pub starting: bool,
}

impl SourceTrouble {
    pub fn starting(since: Timestamp) -> Self {
        Self { since, what: "not connected yet".to_owned(), stopped: false, starting: true }
    }
}
