//! Hints on their way to the watches: whose ticket is meant, each once, at a bounded rate.
//!
//! A hint means “look at this ticket now” and nothing else. One that is lost costs time: the poll finds the same.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use crate::{
    bridge::context::Bridge,
    model::ids::{AccountName, ApiName, TicketId},
    runtime::{
        clock::{Clock, Timestamp},
        secret::Secret,
    },
    store::{StoreError, change::Key},
};

/// Hints of one API that wait; of more, the newest are refused.
const MOST_WAITING: usize = 10_000;
/// One hint goes to the watch in this time; equal ones that come meanwhile are one.
const PACE: Duration = Duration::from_millis(20);

/// What a hint names: a ticket of an account.
pub type Hint = (AccountName, TicketId);

/// The hints of every API that has a secret for them.
#[derive(Default)]
pub struct Hints(HashMap<ApiName, Queue>);

struct Queue {
    secret: Secret,
    waiting: Mutex<Waiting>,
    came: Notify,
    last: LastHint,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<Hint>,
    all: HashSet<Hint>,
}

/// When the last hint of an API came. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct LastHint(Arc<AtomicI64>);

/// The queue is full; the poll comes anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Hints {
    pub fn new(secrets: impl IntoIterator<Item = (ApiName, Secret)>) -> Self {
        let queue = |secret| Queue {
            secret,
            waiting: Mutex::default(),
            came: Notify::new(),
            last: LastHint::default(),
        };
        Self(secrets.into_iter().map(|(api, secret)| (api, queue(secret))).collect())
    }

    /// What the API's hints are signed with; nothing where hints are not expected.
    pub fn secret(&self, api: &ApiName) -> Option<&Secret> {
        self.0.get(api).map(|queue| &queue.secret)
    }

    /// A genuine one came: the API can be relied on to send them.
    pub fn came(&self, api: &ApiName, now: Timestamp) {
        if let Some(queue) = self.0.get(api) {
            queue.last.0.store(now.as_millis(), Ordering::Relaxed);
        }
    }

    pub fn last(&self, api: &ApiName) -> LastHint {
        self.0.get(api).map(|queue| queue.last.clone()).unwrap_or_default()
    }

    /// One that waits already is not taken twice.
    pub fn push(&self, api: &ApiName, hint: Hint) -> Result<(), Full> {
        let Some(queue) = self.0.get(api) else { return Err(Full) };
        let mut waiting = queue.waiting();
        if waiting.all.contains(&hint) {
            return Ok(());
        }
        if waiting.all.len() >= MOST_WAITING {
            return Err(Full);
        }
        waiting.all.insert(hint.clone());
        waiting.order.push_back(hint);
        queue.came.notify_one();
        Ok(())
    }

    /// Hands hints on for as long as they are taken. What waits outlives a restart of the watch.
    pub async fn forward(&self, api: &ApiName, to: mpsc::Sender<Hint>, clock: &Clock) {
        let Some(queue) = self.0.get(api) else { return std::future::pending().await };
        loop {
            let came = queue.came.notified();
            let Ok(room) = to.reserve().await else { return };
            let Some(hint) = queue.take() else {
                came.await;
                continue;
            };
            room.send(hint);
            clock.sleep(PACE).await;
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Hint> {
        let mut waiting = self.waiting();
        let hint = waiting.order.pop_front()?;
        waiting.all.remove(&hint);
        Some(hint)
    }
}

impl LastHint {
    /// Whether one came within this time.
    pub fn is_within(&self, time: Duration, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last > 0 && now.since(Timestamp::from_millis(last)) <= time
    }
}

/// Takes a genuine hint: `account` is what the sender says, by name or by id at the API, and counts only for
/// a ticket that nobody here knows yet.
pub fn take(
    bridge: &Bridge,
    api: &ApiName,
    ticket: TicketId,
    account: Option<&str>,
) -> Result<Result<(), Full>, StoreError> {
    match whose(bridge, api, &ticket, account)? {
        Some(account) => Ok(bridge.hints.push(api, (account, ticket))),
        None => {
            tracing::debug!(%api, ticket.id = %ticket, "A hint names a ticket of no known account; left to the poll.");
            Ok(Ok(()))
        }
    }
}

fn whose(
    bridge: &Bridge,
    api: &ApiName,
    ticket: &TicketId,
    said: Option<&str>,
) -> Result<Option<AccountName>, StoreError> {
    let store = &bridge.store;
    if let Some(id) = store.find(&Key::Ticket(api.clone(), ticket.clone()))?
        && let Some(conversation) = store.conversation(id)?
    {
        return Ok(Some(conversation.account));
    }
    let Some(said) = said else { return Ok(None) };
    let named = store.account(&AccountName::new(said))?.filter(|account| account.api == *api);
    Ok(named.map(|account| account.name).or_else(|| bridge.addresses.account_of_remote(api, said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(ticket: usize) -> Hint {
        (AccountName::new("acme"), TicketId::new(ticket.to_string()))
    }

    #[tokio::test]
    async fn equal_hints_are_one_and_all_go_at_their_pace() {
        let (api, clock) = (ApiName::new("desk"), Clock::stopped_at(Timestamp::from_secs(1000)));
        let hints = Hints::new([(api.clone(), Secret::new("s"))]);
        for ticket in [1, 2, 1, 1] {
            hints.push(&api, hint(ticket)).unwrap();
        }
        let (to, mut from) = mpsc::channel(8);
        let forward = hints.forward(&api, to, &clock);
        let look = async {
            assert_eq!(from.recv().await, Some(hint(1)));
            tokio::task::yield_now().await;
            assert!(from.try_recv().is_err(), "not before its time");
            hints.push(&api, hint(1)).unwrap();
            clock.advance(PACE);
            assert_eq!(from.recv().await, Some(hint(2)));
            clock.advance(PACE);
            assert_eq!(from.recv().await, Some(hint(1)), "what came after the look is a look of its own");
        };
        tokio::select! { () = forward => panic!("it is taken"), () = look => {} }
    }

    #[test]
    fn hints_without_end_are_refused_and_those_that_wait_are_not() {
        let api = ApiName::new("desk");
        let hints = Hints::new([(api.clone(), Secret::new("s"))]);
        for ticket in 0..MOST_WAITING {
            hints.push(&api, hint(ticket)).unwrap();
        }
        assert_eq!(hints.push(&api, hint(MOST_WAITING)), Err(Full));
        assert_eq!(hints.push(&api, hint(7)), Ok(()));
        assert_eq!(hints.push(&ApiName::new("other"), hint(7)), Err(Full));
    }

    #[test]
    fn the_last_hint_is_forgotten_after_its_time() {
        let (api, now, hour) =
            (ApiName::new("desk"), Timestamp::from_secs(10_000), Duration::from_secs(3600));
        let hints = Hints::new([(api.clone(), Secret::new("s"))]);
        let last = hints.last(&api);
        assert!(!last.is_within(hour, now));
        hints.came(&api, now);
        assert!(last.is_within(hour, now.plus(hour)));
        assert!(!last.is_within(hour, now.plus(hour * 2)));
    }
}
