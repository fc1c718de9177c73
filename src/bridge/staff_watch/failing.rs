//! Tickets that cannot be read: each waits by itself, so that it neither stops nor slows the others.

use std::collections::HashMap;

use crate::{
    model::ids::TicketId,
    runtime::{backoff::Backoff, clock::Timestamp},
};

/// So many are remembered; beyond, all are tried again at once.
const MOST: usize = 10_000;

pub(super) struct Failing {
    backoff: Backoff,
    tickets: HashMap<TicketId, (u32, Timestamp)>,
}

impl Failing {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, tickets: HashMap::new() }
    }

    /// Whether the ticket must not be read yet.
    pub(super) fn waits(&self, ticket: &TicketId, now: Timestamp) -> bool {
        self.tickets.get(ticket).is_some_and(|(_, until)| *until > now)
    }

    pub(super) fn failed(&mut self, ticket: &TicketId, now: Timestamp) {
        if self.tickets.len() >= MOST {
            self.tickets.clear();
        }
        let (tries, until) = self.tickets.entry(ticket.clone()).or_default();
        *until = now.plus(self.backoff.next(*tries));
        *tries = tries.saturating_add(1);
    }

    pub(super) fn succeeded(&mut self, ticket: &TicketId) {
        self.tickets.remove(ticket);
    }
}
