//! Whether updates come in: since when they do, or since when they don't and why.

use tokio::sync::watch;

use crate::runtime::clock::{Clock, Timestamp};

/// How intake from Telegram goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Well {
        since: Timestamp,
    },
    /// Nothing is taken in. Telegram keeps what waits for 24 hours.
    Trouble {
        since: Timestamp,
        what: String,
    },
}

/// Tells of changes; whoever holds the receiver decides what is worth an alert.
pub(super) struct Reporter {
    clock: Clock,
    health: watch::Sender<Health>,
}

impl Reporter {
    pub(super) fn new(clock: Clock) -> Self {
        let begin = Health::Trouble { since: clock.now(), what: "not connected to Telegram yet".to_owned() };
        Self { health: watch::Sender::new(begin), clock }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn well(&self) {
        let now = self.clock.now();
        self.health.send_if_modified(|health| {
            let changed = !matches!(health, Health::Well { .. });
            if changed {
                *health = Health::Well { since: now };
            }
            changed
        });
    }

    /// The beginning of the trouble is kept while it lasts, even when it changes its face.
    pub(super) fn trouble(&self, what: String) {
        let now = self.clock.now();
        self.health.send_if_modified(|health| {
            let since = match health {
                Health::Trouble { what: known, .. } if *known == what => return false,
                Health::Trouble { since, .. } => *since,
                Health::Well { .. } => now,
            };
            tracing::warn!(what, "Nothing is taken in from Telegram.");
            *health = Health::Trouble { since, what };
            true
        });
    }
}
