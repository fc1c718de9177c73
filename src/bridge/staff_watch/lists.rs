//! Which list an account's next look walks: mostly the short one of active tickets, now and then the whole.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::{
    model::ids::{AccountName, TicketId},
    runtime::clock::Timestamp,
    ticket_api::Scope,
};

/// So many short walks come between two whole ones at most.
const SHORT_WALKS: u32 = 9;

/// What the last lists showed. Only in memory: after a restart the first walk is a whole one.
pub(super) struct Lists {
    /// A whole walk is made at least so often.
    cold: Duration,
    accounts: HashMap<AccountName, Shown>,
}

#[derive(Default)]
struct Shown {
    whole: Timestamp,
    short_since: u32,
    active: HashSet<TicketId>,
    /// Gone from the short list, and not read since.
    left: HashSet<TicketId>,
}

impl Lists {
    pub(super) fn new(cold: Duration) -> Self {
        Self { cold, accounts: HashMap::new() }
    }

    pub(super) fn next(&self, account: &AccountName, now: Timestamp) -> Scope {
        let short = self.accounts.get(account).is_some_and(|shown| {
            shown.short_since < SHORT_WALKS && shown.whole <= now && now.since(shown.whole) < self.cold
        });
        if short { Scope::Active } else { Scope::All }
    }

    /// A complete walk that began at `now` showed these; of a whole one, those that are active.
    pub(super) fn walked(
        &mut self,
        account: &AccountName,
        scope: Scope,
        active: HashSet<TicketId>,
        now: Timestamp,
    ) {
        let shown = self.accounts.entry(account.clone()).or_default();
        match scope {
            Scope::All => {
                (shown.whole, shown.short_since) = (now, 0);
                shown.active.extend(active);
            }
            Scope::Active => {
                shown.short_since += 1;
                let before = std::mem::take(&mut shown.active);
                shown.left.extend(before);
                shown.left.retain(|ticket| !active.contains(ticket));
                shown.active = active;
            }
        }
    }

    /// Tickets that were closed and read, or only read: to be looked at once.
    pub(super) fn has_left(&self, account: &AccountName, ticket: &TicketId) -> bool {
        self.accounts.get(account).is_some_and(|shown| shown.left.contains(ticket))
    }

    pub(super) fn looked(&mut self, account: &AccountName, ticket: &TicketId) {
        if let Some(shown) = self.accounts.get_mut(account) {
            shown.left.remove(ticket);
        }
    }

    /// A ticket cannot be found: only a whole list can tell.
    pub(super) fn doubt(&mut self, account: &AccountName) {
        if let Some(shown) = self.accounts.get_mut(account) {
            shown.short_since = SHORT_WALKS;
        }
    }

    pub(super) fn keep(&mut self, is_left: impl Fn(&AccountName) -> bool) {
        self.accounts.retain(|account, _| is_left(account));
    }
}
