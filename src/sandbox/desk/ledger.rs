//! What the HTTP side and the control handle share: the records, the call log, and a bell for who waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::options::DeskOptions;
use super::records::Records;
use super::ticket::TicketId;

/// A call that the desk answered; those that a fault kept from it are counted by the faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As the faults name it ([`DeskStandIn::faults`](super::DeskStandIn::faults)), or `unknown`.
    pub name: &'static str,
    /// Method, path and query as they came.
    pub request: String,
    /// Whose key it bore, if it is one of ours.
    pub account: Option<i64>,
    /// The account that it names beside its key: Paradarum's `accountId`, WHMCS's `clientid`.
    pub names: Option<i64>,
    /// The ticket in its path, or the one that it created.
    pub ticket: Option<TicketId>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// When, by the desk's clock.
    pub at: Timestamp,
}

/// The shared state, changed under one lock.
pub(super) struct Ledger {
    pub(super) options: DeskOptions,
    books: Mutex<Books>,
    bell: watch::Sender<()>,
}

pub(super) struct Books {
    pub(super) records: Records,
    pub(super) calls: VecDeque<Call>,
    pub(super) violations: VecDeque<String>,
    pub(super) late: HashMap<String, VecDeque<Duration>>,
}

const KEPT_CALLS: usize = 200_000;
const KEPT_VIOLATIONS: usize = 1_000;

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(options: DeskOptions) -> Self {
        let books = Books {
            records: Records::new(options.dialect),
            calls: VecDeque::new(),
            violations: VecDeque::new(),
            late: HashMap::new(),
        };
        Self { options, books: Mutex::new(books), bell: watch::channel(()).0 }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.books())
    }

    /// Changes the books and rings the bell.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let result = change(&mut self.books());
        self.bell.send_replace(());
        result
    }

    /// How much later the next call of this name is to be done, if so asked; asked once.
    pub(super) fn take_late(&self, call: &str) -> Option<Duration> {
        self.books().late.get_mut(call)?.pop_front()
    }

    /// Rings at each change after this call.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// The desk's own time, which dates its records and its answers; microseconds, as a database keeps.
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let coarse = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        coarse.saturating_add(self.options.clock_skew).unwrap_or(coarse)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Books ===

impl Books {
    pub(super) fn note_call(&mut self, call: Call) {
        if self.calls.len() == KEPT_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn note_violation(&mut self, violation: String) {
        if self.violations.len() < KEPT_VIOLATIONS {
            self.violations.push_back(violation);
        }
    }
}
