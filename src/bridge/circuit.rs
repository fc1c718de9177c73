//! Circuits: an outage of an API, or a refused key, makes a backlog and one alert, not thousands of failures.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    model::ids::{AccountName, ApiName},
    runtime::{backoff::Backoff, clock::Timestamp},
};

/// So many failed calls in a row, with no success between, open an API's circuit.
const FAILURES: u32 = 5;
/// So many stopped accounts of one API are told one by one; more are one trouble.
const MOST_STOPPED: usize = 20;

/// What a circuit guards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guarded {
    Api(ApiName),
    /// One account's credentials at its API.
    Account(ApiName, AccountName),
    /// The keys of many accounts at one API, none of which can be used: one trouble, not thousands.
    Keys(ApiName),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub guarded: Guarded,
    pub since: Timestamp,
    pub why: String,
}

pub struct Circuits {
    backoff: Backoff,
    states: Mutex<HashMap<Guarded, State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    failures: u32,
    since: Timestamp,
    why: String,
    /// While open: no call before then, after it one at a time.
    open_until: Option<Timestamp>,
    openings: u32,
    /// No call at all, until somebody gives the account a key that can be used.
    stopped: bool,
}

impl Circuits {
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, states: Mutex::default() }
    }

    /// Whether calls may be made now; else when to ask again. While a circuit is
    /// open, one caller at a time is let through to see whether it is over.
    pub fn admits(&self, api: &ApiName, account: &AccountName, now: Timestamp) -> Result<(), Timestamp> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for guarded in guards(api, account) {
            let Some(state) = states.get_mut(&guarded) else { continue };
            match state.open_until {
                Some(_) if state.stopped => return Err(now.plus(self.backoff.next(state.openings))),
                Some(until) if until > now => return Err(until),
                Some(_) => state.open_until = Some(now.plus(self.backoff.next(state.openings))),
                None => {}
            }
        }
        Ok(())
    }

    /// A call was answered in a way that shows the API and the key to be well.
    pub fn succeeded(&self, api: &ApiName, account: &AccountName) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for guarded in guards(api, account) {
            if states.get(&guarded).is_some_and(|state| !state.stopped) {
                states.remove(&guarded);
            }
        }
    }

    /// The account's key cannot be used: no call is made for it, not even to see whether it is over.
    pub fn stop(&self, api: &ApiName, account: &AccountName, why: &str, now: Timestamp) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let guarded = Guarded::Account(api.clone(), account.clone());
        let state = states.entry(guarded).or_insert_with(|| State { since: now, ..State::default() });
        if !state.stopped {
            let openings = state.openings.saturating_add(1);
            *state = State {
                why: why.to_owned(),
                open_until: Some(now),
                openings,
                stopped: true,
                ..state.clone()
            };
        }
    }

    /// The account has a key that can be tried.
    pub fn go_on(&self, api: &ApiName, account: &AccountName) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let guarded = Guarded::Account(api.clone(), account.clone());
        if states.get(&guarded).is_some_and(|state| state.stopped) {
            states.remove(&guarded);
        }
    }

    /// The account is gone, or has another key.
    pub fn forget(&self, api: &ApiName, account: &AccountName) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.remove(&Guarded::Account(api.clone(), account.clone()));
    }

    /// A call failed in a way that may be the API's trouble rather than the message's.
    pub fn failed(&self, api: &ApiName, why: &str, now: Timestamp) {
        self.count(Guarded::Api(api.clone()), why, now, FAILURES);
    }

    /// The account's credentials were refused.
    pub fn unauthorized(&self, api: &ApiName, account: &AccountName, why: &str, now: Timestamp) {
        self.count(Guarded::Account(api.clone(), account.clone()), why, now, 1);
    }

    /// Whether the API's or the account's circuit is open.
    pub fn is_open(&self, api: &ApiName, account: &AccountName) -> bool {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        guards(api, account).iter().any(|guarded| states.get(guarded).is_some_and(|s| s.open_until.is_some()))
    }

    /// Everything that is open, for alerts and health.
    pub fn troubles(&self) -> Vec<Trouble> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stopped: HashMap<&ApiName, Vec<&State>> = HashMap::new();
        for (guarded, state) in states.iter().filter(|(_, state)| state.stopped) {
            if let Guarded::Account(api, _) = guarded {
                stopped.entry(api).or_default().push(state);
            }
        }
        stopped.retain(|_, states| states.len() > MOST_STOPPED);
        let told = |guarded: &Guarded, state: &State| match guarded {
            Guarded::Account(api, _) if state.stopped => !stopped.contains_key(api),
            _ => state.open_until.is_some(),
        };
        let mut open: Vec<Trouble> = states
            .iter()
            .filter(|(guarded, state)| told(guarded, state))
            .map(|(guarded, state)| Trouble {
                guarded: guarded.clone(),
                since: state.since,
                why: state.why.clone(),
            })
            .collect();
        open.extend(stopped.into_iter().filter_map(|(api, states)| {
            let oldest = states.iter().min_by_key(|state| state.since)?;
            let why = format!("{} accounts are stopped, each because {}", states.len(), oldest.why);
            Some(Trouble { guarded: Guarded::Keys(api.clone()), since: oldest.since, why })
        }));
        open.sort_by(|a, b| a.guarded.cmp(&b.guarded));
        open
    }

    fn count(&self, guarded: Guarded, why: &str, now: Timestamp, opens_at: u32) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(guarded).or_insert_with(|| State { since: now, ..State::default() });
        state.failures = state.failures.saturating_add(1);
        state.why = why.to_owned();
        if state.failures >= opens_at {
            state.open_until = Some(now.plus(self.backoff.next(state.openings)));
            state.openings = state.openings.saturating_add(1);
        }
    }
}

fn guards(api: &ApiName, account: &AccountName) -> [Guarded; 2] {
    [Guarded::Api(api.clone()), Guarded::Account(api.clone(), account.clone())]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn circuits() -> (Circuits, ApiName, AccountName) {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60)).unwrap();
        (Circuits::new(backoff), ApiName::new("desk"), AccountName::new("acme"))
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_caller_probe() {
        let (circuits, api, account) = circuits();
        let now = Timestamp::from_secs(1000);
        for _ in 0..FAILURES - 1 {
            circuits.failed(&api, "down", now);
            assert_eq!(circuits.admits(&api, &account, now), Ok(()));
        }
        circuits.failed(&api, "down", now);
        let retry = circuits.admits(&api, &account, now).unwrap_err();
        assert_eq!(circuits.troubles().len(), 1);
        assert_eq!(circuits.admits(&api, &account, retry), Ok(()), "one probe");
        assert!(circuits.admits(&api, &account, retry).is_err(), "and no second");
        circuits.succeeded(&api, &account);
        assert_eq!(circuits.admits(&api, &account, retry), Ok(()));
        assert!(circuits.troubles().is_empty());
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let (circuits, api, account) = circuits();
        let now = Timestamp::from_secs(1000);
        for _ in 0..FAILURES * 3 {
            circuits.failed(&api, "flaky", now);
            circuits.succeeded(&api, &account);
        }
        assert_eq!(circuits.admits(&api, &account, now), Ok(()));
    }

    #[test]
    fn a_refused_key_stops_its_account_alone() {
        let (circuits, api, account) = circuits();
        let now = Timestamp::from_secs(1000);
        circuits.unauthorized(&api, &account, "401", now);
        assert!(circuits.admits(&api, &account, now).is_err());
        assert_eq!(circuits.admits(&api, &AccountName::new("other"), now), Ok(()));
    }

    #[test]
    fn a_stopped_account_is_not_tried_until_it_has_another_key() {
        let (circuits, api, account) = circuits();
        let now = Timestamp::from_secs(1000);
        circuits.stop(&api, &account, "sealed with another key", now);
        circuits.succeeded(&api, &account);
        for later in [0, 60, 100_000] {
            let later = now.plus(Duration::from_secs(later));
            assert!(circuits.admits(&api, &account, later).unwrap_err() > later, "no probe");
        }
        assert!(circuits.is_open(&api, &account));
        assert_eq!(circuits.troubles()[0].why, "sealed with another key");
        assert_eq!(circuits.admits(&api, &AccountName::new("other"), now), Ok(()));
        circuits.go_on(&api, &account);
        assert_eq!(circuits.admits(&api, &account, now), Ok(()));
    }

    #[test]
    fn many_stopped_accounts_are_one_trouble() {
        let (circuits, api, _) = circuits();
        for number in 0..=MOST_STOPPED {
            let account = AccountName::new(number.to_string());
            circuits.stop(&api, &account, "its key does not open", Timestamp::from_secs(1000));
        }
        let troubles = circuits.troubles();
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].guarded, Guarded::Keys(api.clone()));
        assert!(troubles[0].why.starts_with("21 accounts are stopped"), "{}", troubles[0].why);
        circuits.go_on(&api, &AccountName::new("0"));
        assert_eq!(circuits.troubles().len(), MOST_STOPPED);
    }
}
