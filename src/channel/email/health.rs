//! Whether mail comes in: since when it does, or since when not and why.

use tokio::sync::watch;

use crate::{
    model::ids::MailboxName,
    runtime::clock::{Clock, Timestamp},
};

/// How intake from one mailbox goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The first look is under way: nothing came of it yet.
    Starting {
        since: Timestamp,
    },
    Well {
        since: Timestamp,
    },
    /// Nothing is taken in; what arrives waits at its source.
    Trouble {
        since: Timestamp,
        what: String,
        /// The login is refused: it will not mend by itself.
        unauthorized: bool,
    },
}

/// Tells of changes; whoever holds a receiver decides what is worth an alert.
pub(super) struct Reporter {
    mailbox: MailboxName,
    clock: Clock,
    health: watch::Sender<Health>,
}

impl Reporter {
    pub(super) fn new(mailbox: MailboxName, clock: Clock) -> Self {
        let state = State::Starting { since: clock.now() };
        Self { mailbox, health: watch::Sender::new(Health { state }), clock }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn well(&self) {
        let now = self.clock.now();
        self.health.send_if_modified(|health| {
            let changed = !matches!(health.state, State::Well { .. });
            if changed {
                tracing::info!(mailbox.name = %self.mailbox, "The mailbox is watched.");
                health.state = State::Well { since: now };
            }
            changed
        });
    }

    /// The beginning of the trouble is kept while it lasts, even when it changes its face.
    pub(super) fn trouble(&self, what: String, unauthorized: bool) {
        let now = self.clock.now();
        self.health.send_if_modified(|health| {
            let since = match &health.state {
                State::Trouble { what: known, .. } if *known == what => return false,
                State::Trouble { since, .. } | State::Starting { since } => *since,
                State::Well { .. } => now,
            };
            health.state = State::Trouble { since, what, unauthorized };
            true
        });
    }
}
