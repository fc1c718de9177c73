//! Which account is looked at next: the most overdue by its own rhythm, and with nothing due the coldest.

use std::{collections::HashMap, time::Duration};

use super::heat::Rhythm;
use crate::{
    model::ids::{AccountName, TicketId},
    runtime::clock::Timestamp,
    store::rows::TicketWatch,
};

/// Tickets named by hints that wait for their look; beyond, a hint is dropped and the poll finds it.
const MOST_ASKED: usize = 10_000;
/// With nothing due, one look in this time goes to the coldest account.
const SPARE: Duration = Duration::from_secs(1);

/// A few words of memory for each account; everything else is in the store.
pub(super) struct Agenda {
    rhythm: Rhythm,
    accounts: HashMap<AccountName, Entry>,
    /// Tickets to look at now, by account.
    asked: HashMap<AccountName, Vec<TicketId>>,
    most_asked: usize,
    spared: Timestamp,
    /// What has never been looked at counts from here.
    began: Timestamp,
    /// The time of the last turn that was asked for.
    now: Timestamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// When its last whole look began.
    looked: Timestamp,
    /// Since when the agenda has it.
    known: Timestamp,
    active: Timestamp,
    /// The next further look at one of its tickets.
    again: Option<Timestamp>,
    /// After a failure, or while its circuit is open.
    not_before: Timestamp,
    /// Turns in a row that failed.
    failed: u32,
    in_hand: bool,
}

/// One turn of one account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) account: AccountName,
    /// Tickets that a hint named.
    pub(super) asked: Vec<TicketId>,
    /// All its tickets, or only those asked for and those due for a further look.
    pub(super) whole: bool,
}

impl Agenda {
    pub(super) fn new(rhythm: Rhythm, now: Timestamp) -> Self {
        let (accounts, asked) = (HashMap::new(), HashMap::new());
        Self { rhythm, accounts, asked, most_asked: MOST_ASKED, spared: now, began: now, now }
    }

    /// What the store says of an account's tickets.
    pub(super) fn learn(&mut self, account: &AccountName, watches: &[TicketWatch]) {
        let fresh = Entry { known: self.now, ..Entry::default() };
        let entry = self.accounts.entry(account.clone()).or_insert(fresh);
        let active = watches.iter().map(|watch| watch.active).max().unwrap_or_default();
        entry.active = entry.active.max(active);
        entry.again = watches.iter().flat_map(|watch| watch.again.iter().copied()).min();
    }

    pub(super) fn knows(&self, account: &AccountName) -> bool {
        self.accounts.contains_key(account)
    }

    /// Only these accounts are left.
    pub(super) fn keep(&mut self, is_left: impl Fn(&AccountName) -> bool) {
        self.accounts.retain(|account, entry| entry.in_hand || is_left(account));
        self.asked.retain(|account, _| is_left(account));
    }

    /// A hint: the ticket is looked at now, and its account is hot.
    pub(super) fn ask(&mut self, account: AccountName, ticket: TicketId, now: Timestamp) {
        let fresh = Entry { known: now, ..Entry::default() };
        let entry = self.accounts.entry(account.clone()).or_insert(fresh);
        entry.active = entry.active.max(now);
        let waiting: usize = self.asked.values().map(Vec::len).sum();
        let asked = self.asked.entry(account).or_default();
        if waiting < self.most_asked && !asked.contains(&ticket) {
            asked.push(ticket);
        }
    }

    /// The next turn, which is then in hand until [`ended`](Self::ended).
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Turn> {
        self.now = now;
        let ready = |entry: &Entry| !entry.in_hand && entry.not_before <= now;
        let due = self
            .accounts
            .iter()
            .filter(|(_, entry)| ready(entry))
            .map(|(account, entry)| (self.lateness(account, entry, now), account))
            .filter(|(lateness, _)| *lateness >= 1.0)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        let account = match due {
            Some((_, account)) => account.clone(),
            None => self.coldest(now)?,
        };
        let asked = self.asked.remove(&account).unwrap_or_default();
        let entry = self.accounts.get_mut(&account)?;
        let again = entry.again.is_some_and(|at| at <= now);
        let whole = (asked.is_empty() && !again) || late(&self.rhythm, entry, now) >= 1.0;
        entry.in_hand = true;
        Some(Turn { account, asked, whole })
    }

    /// A turn is over. `whole`: everything was looked at, in a turn that began then.
    pub(super) fn ended(&mut self, account: &AccountName, whole: Option<Timestamp>, not_before: Timestamp) {
        let Some(entry) = self.accounts.get_mut(account) else { return };
        entry.in_hand = false;
        entry.not_before = not_before;
        if let Some(began) = whole {
            entry.looked = began;
            entry.failed = 0;
        }
    }

    /// How many turns in a row had failed before this one.
    pub(super) fn failed(&mut self, account: &AccountName) -> u32 {
        let Some(entry) = self.accounts.get_mut(account) else { return 0 };
        let before = entry.failed;
        entry.failed = before.saturating_add(1);
        before
    }

    /// How long ago the account was last looked at whose last look is the oldest.
    pub(super) fn oldest_look(&self, now: Timestamp) -> Duration {
        let looked = self.accounts.values().map(|entry| entry.looked.max(self.began));
        looked.min().map_or(Duration::ZERO, |oldest| now.since(oldest))
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    fn lateness(&self, account: &AccountName, entry: &Entry, now: Timestamp) -> f64 {
        let now_due = entry.again.is_some_and(|at| at <= now) || self.asked.contains_key(account);
        if now_due { f64::MAX } else { late(&self.rhythm, entry, now) }
    }

    fn coldest(&mut self, now: Timestamp) -> Option<AccountName> {
        if now.since(self.spared) < SPARE || self.accounts.values().any(|entry| entry.in_hand) {
            return None;
        }
        let warm = self.rhythm.warm();
        let resting = self
            .accounts
            .iter()
            .filter(|(_, entry)| entry.not_before <= now && now.since(entry.looked) >= warm);
        let (account, _) = resting.min_by_key(|(_, entry)| entry.looked)?;
        self.spared = now;
        Some(account.clone())
    }
}

/// The time since the last look in units of the rhythm: from one on it is due. Where the budget does not
/// suffice for all, hot ones go first, and cold ones are not forgotten.
fn late(rhythm: &Rhythm, entry: &Entry, now: Timestamp) -> f64 {
    if entry.looked > now {
        return 1.0; // The clock was set back.
    }
    let interval = rhythm.interval(entry.active, now);
    // One that was never looked at is due, and no more than that: a crowd of new accounts must not keep the
    // hot ones waiting until all of it was looked at.
    let looked = if entry.looked == Timestamp::EPOCH { entry.known.minus(interval) } else { entry.looked };
    now.since(looked).as_secs_f64() / interval.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timing;

    const NOW: Timestamp = Timestamp::from_secs(100_000_000);

    fn agenda(accounts: &[(&str, u64)]) -> Agenda {
        let mut agenda = Agenda::new(Rhythm::of(&Timing::default(), Timing::default().poll_hot), NOW);
        for (name, silent) in accounts {
            let active = NOW.minus(Duration::from_secs(*silent));
            agenda.accounts.insert(AccountName::new(*name), Entry { active, ..Entry::default() });
        }
        agenda
    }

    /// Runs all that is due at `now`, in order.
    fn run(agenda: &mut Agenda, now: Timestamp) -> Vec<String> {
        let mut run = Vec::new();
        while let Some(turn) = agenda.next(now) {
            agenda.ended(&turn.account, turn.whole.then_some(now), now);
            run.push(turn.account.to_string());
        }
        run
    }

    #[test]
    fn hot_before_cold_each_by_its_rhythm() {
        let mut agenda = agenda(&[("cold", 9_000_000), ("hot", 1), ("warm", 9_000)]);
        assert_eq!(run(&mut agenda, NOW), ["hot", "warm", "cold"], "all are due at the start");
        let mut counts: HashMap<String, usize> = HashMap::new();
        for second in 1..=1800 {
            let now = NOW.plus(Duration::from_secs(second));
            agenda.spared = now; // no spare looks in this count
            for account in run(&mut agenda, now) {
                *counts.entry(account).or_default() += 1;
            }
        }
        assert_eq!(counts["hot"], 120);
        assert_eq!(counts["warm"], 15);
        assert_eq!(counts["cold"], 1);
    }

    #[test]
    fn spare_budget_goes_to_the_coldest() {
        let mut agenda = agenda(&[("a", 9_000_000), ("b", 9_000_000)]);
        run(&mut agenda, NOW);
        let later = NOW.plus(Duration::from_secs(60));
        agenda.ended(&AccountName::new("b"), Some(later), later);
        assert_eq!(run(&mut agenda, NOW.plus(Duration::from_secs(119))), [""; 0]);
        assert_eq!(run(&mut agenda, NOW.plus(Duration::from_secs(121))), ["a"]);
        assert_eq!(run(&mut agenda, NOW.plus(Duration::from_secs(185))), ["b"]);
    }

    #[test]
    fn a_hint_is_served_at_once_and_heats() {
        let mut agenda = agenda(&[("a", 9_000_000)]);
        run(&mut agenda, NOW);
        let soon = NOW.plus(Duration::from_secs(1));
        agenda.ask(AccountName::new("a"), TicketId::new("7"), soon);
        agenda.ask(AccountName::new("a"), TicketId::new("7"), soon);
        let turn = agenda.next(soon).unwrap();
        assert_eq!(turn.asked, [TicketId::new("7")]);
        assert!(!turn.whole);
        agenda.ask(AccountName::new("a"), TicketId::new("8"), soon);
        assert_eq!(agenda.next(soon), None, "one turn of an account at a time");
        agenda.ended(&turn.account, None, soon);
        assert_eq!(agenda.next(soon).unwrap().asked, [TicketId::new("8")]);
        agenda.ended(&turn.account, None, soon);
        assert!(agenda.next(NOW.plus(Duration::from_secs(16))).unwrap().whole, "hot from now on");
    }

    #[test]
    fn a_failing_account_waits_and_others_do_not() {
        let mut agenda = agenda(&[("a", 1), ("b", 1)]);
        let turn = agenda.next(NOW).unwrap();
        let until = NOW.plus(Duration::from_secs(60));
        agenda.ended(&turn.account, None, until);
        let other = agenda.next(NOW).unwrap();
        assert_ne!(other.account, turn.account);
        agenda.ended(&other.account, Some(NOW), NOW);
        assert_eq!(agenda.next(NOW), None);
        agenda.ended(&other.account, Some(until), until);
        assert_eq!(agenda.next(until).unwrap().account, turn.account);
    }

    #[test]
    fn hints_without_end_do_not_fill_memory() {
        let mut agenda = agenda(&[("a", 1)]);
        agenda.most_asked = 3;
        for number in 0..10 {
            agenda.ask(AccountName::new("a"), TicketId::new(number.to_string()), NOW);
        }
        assert_eq!(agenda.next(NOW).unwrap().asked.len(), 3);
    }
}
