//! Finds staff messages at one ticket API: looks at its accounts by heat, and hands each new message on once.
//!
//! The loop here takes turns from the `agenda`; a turn (`account_look`) reads an account's list and
//! looks at the tickets that need it (`ticket_look`), where `news` says what is new and `baseline`
//! what is old. All that one look finds is committed at once.

mod account_look;
mod agenda;
mod baseline;
mod calls;
#[cfg(test)]
mod crowd_tests;
mod endings;
mod failing;
mod heat;
mod lists;
mod merged;
mod news;
#[cfg(test)]
mod news_tests;
#[cfg(test)]
mod staff_watch_tests;
mod ticket_look;

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use crate::{
    bridge::context::Bridge,
    model::ids::{AccountName, ApiName, TicketId},
    runtime::{backoff::Backoff, clock::Timestamp, shutdown::Shutdown, tasks::panic_text},
    ticket_api::TicketApi,
};
use account_look::Done;
use agenda::{Agenda, Turn};
use calls::Trouble;
use failing::Failing;
use heat::Rhythm;
use lists::Lists;

/// Turns at one time: one account that hangs does not stop the others. How often is called, is up to the adapter.
const SIDE_BY_SIDE: usize = 8;
/// The agenda is looked at so often at least, and at most.
const TICK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// The store's rows of so many accounts are read in a second, to learn of writes of ours and of new accounts.
const LEARNT_PER_SECOND: usize = 1000;

/// Watches one ticket API until shutdown. A hint says “look at this ticket now”.
pub async fn run(
    bridge: Bridge,
    api: ApiName,
    mut hints: mpsc::Receiver<(AccountName, TicketId)>,
    shutdown: Shutdown,
) {
    let Some(watcher) = Watcher::new(bridge, api) else {
        shutdown.cancelled().await;
        return;
    };
    let mut turns = FuturesUnordered::new();
    let mut agenda = Agenda::new(watcher.rhythm.clone(), watcher.bridge.now());
    let mut lesson = Lesson::default();
    let tick = (watcher.rhythm.hottest() / 10).clamp(TICK.0, TICK.1);
    while !shutdown.is_cancelled() {
        lesson.go_on(&watcher, &mut agenda).await;
        while turns.len() < SIDE_BY_SIDE
            && let Some(turn) = agenda.next(watcher.bridge.now())
        {
            turns.push(watcher.guarded(turn));
        }
        watcher.gauge(&agenda);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = watcher.bridge.clock.sleep(tick) => {}
            Some(ended) = turns.next(), if !turns.is_empty() => watcher.ended(&mut agenda, ended),
            Some((account, ticket)) = hints.recv(), if !hints.is_closed() || !hints.is_empty() => {
                watcher.hinted(&mut agenda, account, ticket);
            }
        }
    }
}

/// What every look at one ticket API shares.
struct Watcher {
    bridge: Bridge,
    api: ApiName,
    port: Arc<dyn TicketApi>,
    rhythm: Rhythm,
    backoff: Backoff,
    failing: Mutex<Failing>,
    lists: Mutex<Lists>,
    told_undecidable: AtomicBool,
}

struct Ended {
    turn: Turn,
    began: Timestamp,
    result: Result<Done, Trouble>,
}

impl Watcher {
    fn new(bridge: Bridge, api: ApiName) -> Option<Self> {
        let watched = bridge.apis.get(&api)?;
        let rhythm = Rhythm::of(&bridge.timing, watched.poll).with_hints(bridge.hints.last(&api));
        let port = watched.port.clone();
        let backoff = Backoff::new(bridge.timing.retry_min, bridge.timing.retry_max)
            .inspect_err(|error| tracing::error!(%api, %error, "The ticket API is not watched."))
            .ok()?;
        let failing = Mutex::new(Failing::new(backoff));
        let lists = Mutex::new(Lists::new(bridge.timing.poll_cold));
        let told_undecidable = AtomicBool::new(false);
        Some(Self { bridge, api, port, rhythm, backoff, failing, lists, told_undecidable })
    }

    /// A panic ends the turn of this account, not the watch.
    async fn guarded(&self, turn: Turn) -> Ended {
        let began = self.bridge.now();
        let result = match AssertUnwindSafe(self.turn(&turn)).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => {
                let why = format!("the bridge failed over it: {}", panic_text(panic.as_ref()));
                Err(Trouble::Failed { after: Some(self.bridge.timing.retry_max), why })
            }
        };
        Ended { turn, began, result }
    }

    fn ended(&self, agenda: &mut Agenda, ended: Ended) {
        let Ended { turn, began, result } = ended;
        let now = self.bridge.now();
        let account = &turn.account;
        self.learn(agenda, account);
        match result {
            Ok(done) => {
                let pause = if done.failed { self.rhythm.hottest() } else { Duration::ZERO };
                agenda.ended(account, done.whole.then_some(began), now.plus(pause));
            }
            Err(trouble) => {
                let until = match &trouble {
                    Trouble::Paused(until) => *until,
                    Trouble::Failed { after, .. } => {
                        let pause = self.backoff.next(agenda.failed(account));
                        tracing::warn!(
                            api = %self.api, %account, why = %trouble, "An account cannot be looked at."
                        );
                        now.plus(pause.max(self.rhythm.hottest()).max(after.unwrap_or_default()))
                    }
                    Trouble::Store(_) | Trouble::NotFound => now.plus(self.rhythm.hottest()),
                };
                agenda.ended(account, None, until);
                // The tickets that were asked for are not forgotten with the turn.
                for ticket in turn.asked {
                    agenda.ask(account.clone(), ticket, now);
                }
            }
        }
    }

    fn hinted(&self, agenda: &mut Agenda, account: AccountName, ticket: TicketId) {
        let is_ours = agenda.knows(&account)
            || matches!(self.bridge.store.account(&account), Ok(Some(known)) if known.api == self.api);
        if is_ours {
            agenda.ask(account, ticket, self.bridge.now());
        } else {
            tracing::debug!(api = %self.api, %account, %ticket, "A hint names an account that is not known here.");
        }
    }

    /// What the store knows of an account's tickets. Where it cannot be read, the next lesson is soon.
    fn learn(&self, agenda: &mut Agenda, account: &AccountName) {
        if let Ok(watches) = self.bridge.store.watches(&self.api, account) {
            agenda.learn(account, &watches);
        }
    }

    fn gauge(&self, agenda: &Agenda) {
        let now = self.bridge.now();
        let api = self.api.to_string();
        metrics::gauge!("staff_watch_oldest_look_seconds", "api" => api.clone())
            .set(agenda.oldest_look(now).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a count of accounts")]
        metrics::gauge!("staff_watch_accounts", "api" => api).set(agenda.len() as f64);
    }
}

/// Goes through the store's rows again and again, a few accounts at a time: filing writes a row when it
/// writes to a ticket, and accounts are added and removed while the bridge runs.
#[derive(Default)]
struct Lesson {
    left: Vec<AccountName>,
    began: Option<Timestamp>,
    went_on: Timestamp,
}

impl Lesson {
    async fn go_on(&mut self, watcher: &Watcher, agenda: &mut Agenda) {
        let now = watcher.bridge.now();
        if self.left.is_empty() {
            let hottest = watcher.rhythm.hottest();
            if self.began.is_some_and(|began| now >= began && now.since(began) < hottest) {
                return;
            }
            self.began = Some(now);
            self.begin(watcher, agenda);
        }
        let passed = usize::try_from(now.since(self.went_on).as_millis()).unwrap_or(usize::MAX);
        self.went_on = now;
        let most = passed.saturating_mul(LEARNT_PER_SECOND / 1000).clamp(1, LEARNT_PER_SECOND);
        for account in self.left.split_off(self.left.len().saturating_sub(most)) {
            watcher.learn(agenda, &account);
            tokio::task::consume_budget().await;
        }
    }

    fn begin(&mut self, watcher: &Watcher, agenda: &mut Agenda) {
        let accounts = match watcher.bridge.store.accounts() {
            Ok(accounts) => accounts,
            Err(error) => {
                tracing::warn!(api = %watcher.api, %error, "The accounts cannot be read.");
                return;
            }
        };
        let ours = accounts.into_iter().filter(|account| account.api == watcher.api);
        let names: Vec<AccountName> = ours.map(|account| account.name).collect();
        let left: HashSet<&AccountName> = names.iter().collect();
        agenda.keep(|account| left.contains(account));
        watcher.lists().keep(|account| left.contains(account));
        self.left = names;
    }
}
