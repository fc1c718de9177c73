//! One turn of one account: what a hint named, what is due again, then the whole list; within a slice of time.

use std::{
    collections::{HashMap, HashSet},
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Watcher,
    agenda::Turn,
    baseline::{self, Baseline},
    calls::{Trouble, ask},
    failing::Failing,
    lists::Lists,
    ticket_look::{Subject, Visit},
};
use crate::{
    model::ids::TicketId,
    runtime::clock::Timestamp,
    store::rows::TicketWatch,
    ticket_api::{Scope, TicketLine, walk::Walk},
};

/// A turn ends after so long, and the next goes on with what is then hottest; meanwhile hints are served.
const SLICE: Duration = Duration::from_secs(60);
/// More pages than any account has.
const MOST_PAGES: u32 = 10_000;

/// What a turn did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Everything was looked at that needed it.
    pub(super) whole: bool,
    /// A ticket could not be read and waits for its next try.
    pub(super) failed: bool,
}

impl Watcher {
    pub(super) async fn turn(&self, turn: &Turn) -> Result<Done, Trouble> {
        let store = &self.bridge.store;
        let Some(account) = store.account(&turn.account)?.filter(|account| account.api == self.api) else {
            return Ok(Done { whole: true, failed: false }); // Removed meanwhile.
        };
        let access = self.bridge.access(&account);
        let baseline = Baseline::of(store, &self.api, &account.name)?;
        let mut visit = Visit { account: &account, access, baseline };
        let mut done = Done::default();
        if !self.port.capabilities().list && visit.baseline == Baseline::NotBegun {
            // Only tickets of our own are ever looked at here, and nothing in them is old.
            let now = self.port.server_time(self.bridge.now());
            store.apply(vec![baseline::done(&self.api, &account.name, now)]).await?;
            visit.baseline = Baseline::Done;
        }
        let begun = visit.baseline != Baseline::NotBegun;
        let missing = begun && self.urgent(&visit, turn, &mut done).await?;
        if turn.whole || missing || !begun {
            self.whole(&mut visit, &mut done, missing).await?;
        }
        Ok(done)
    }

    /// What a hint named, and what is due for files that come late. Whether a known ticket is missing:
    /// then the list decides what became of it.
    async fn urgent(&self, visit: &Visit<'_>, turn: &Turn, done: &mut Done) -> Result<bool, Trouble> {
        let now = self.bridge.now();
        let mut known = self.known(visit)?;
        let again = known.values().filter(|watch| watch.again.iter().any(|at| *at <= now));
        let mut tickets = turn.asked.clone();
        tickets.extend(again.map(|watch| watch.ticket.clone()).filter(|ticket| !turn.asked.contains(ticket)));
        let mut missing = false;
        for ticket in tickets {
            let hinted = turn.asked.contains(&ticket);
            let known = known.remove(&ticket);
            let is_known = known.is_some();
            let subject = Subject { ticket, known, listed: None, hinted };
            missing |= self.one(visit, &subject, done).await? == Looked::Missing && is_known;
        }
        Ok(missing)
    }

    /// By the list that is due, or by all of it where a known ticket is `missing`.
    async fn whole(&self, visit: &mut Visit<'_>, done: &mut Done, missing: bool) -> Result<(), Trouble> {
        let began = self.bridge.now();
        loop {
            let known = self.known(visit)?;
            let Listing { scope, mut subjects, unlisted } = self.listed(visit, &known, missing).await?;
            self.begin_baseline(visit, began).await?;
            if subjects.is_empty() {
                self.end_baseline(visit).await?;
                break;
            }
            // The hottest first; a ticket never seen is as hot as it is young.
            subjects.sort_by_key(|(hot, _)| std::cmp::Reverse(*hot));
            let mut left = false;
            for (_, subject) in subjects {
                if self.bridge.now().since(began) >= SLICE {
                    return Ok(());
                }
                let looked = self.one(visit, &subject, done).await?;
                left |= looked == Looked::Left;
                match (looked, &subject.known) {
                    (Looked::Missing, Some(_)) if scope == Scope::Active => {
                        self.lists().doubt(&visit.account.name);
                    }
                    (Looked::Missing, Some(known)) if unlisted.contains(&subject.ticket) => {
                        self.gone(known).await?;
                    }
                    (Looked::Missing, Some(_)) => {
                        self.failed(
                            visit,
                            &subject.ticket,
                            "the list shows it, but it cannot be found",
                            done,
                        );
                    }
                    _ => {}
                }
            }
            if left || visit.baseline == Baseline::Done {
                break;
            }
        }
        done.whole = true;
        Ok(())
    }

    /// By the server's clock, known since the list was answered: when the walk began.
    async fn begin_baseline(&self, visit: &mut Visit<'_>, began: Timestamp) -> Result<(), Trouble> {
        if visit.baseline == Baseline::NotBegun {
            let at = self.port.server_time(began);
            self.bridge.store.apply(vec![baseline::begun(&self.api, &visit.account.name, at)]).await?;
            visit.baseline = Baseline::Walking(at);
        }
        Ok(())
    }

    /// A walk that finds nothing left to look at has seen all of it, whatever moved during the one before.
    async fn end_baseline(&self, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        if let Baseline::Walking(at) = visit.baseline {
            self.bridge.store.apply(vec![baseline::done(&self.api, &visit.account.name, at)]).await?;
            visit.baseline = Baseline::Done;
            tracing::info!(api = %self.api, account = %visit.account.name, began = %at, "Baseline taken.");
        }
        Ok(())
    }

    /// What needs a look by a complete list.
    async fn listed(
        &self,
        visit: &Visit<'_>,
        known: &HashMap<TicketId, TicketWatch>,
        missing: bool,
    ) -> Result<Listing, Trouble> {
        let began = self.bridge.now();
        let mut listed = HashSet::new();
        let mut subjects = Vec::new();
        let capabilities = self.port.capabilities();
        let short = capabilities.active_list && visit.baseline == Baseline::Done && !missing;
        let scope = if short { self.lists().next(&visit.account.name, began) } else { Scope::All };
        if capabilities.list {
            let mut walk = Walk::new(scope, MOST_PAGES);
            while let Some(lines) = self.page(visit, &mut walk).await? {
                for line in lines.into_iter().filter(|line| listed.insert(line.ticket.clone())) {
                    subjects.extend(self.subject(line, known));
                }
            }
        }
        if capabilities.active_list {
            let active = match scope {
                Scope::Active => listed.clone(),
                // What has changed may be in the next short list; the others were not in the last.
                Scope::All => subjects.iter().map(|(_, subject)| subject.ticket.clone()).collect(),
            };
            self.lists().walked(&visit.account.name, scope, active, began);
        }
        let now = self.bridge.now();
        let missing = known.values().filter(|watch| !listed.contains(&watch.ticket));
        let missing: Vec<&TicketWatch> = missing
            .filter(|watch| match scope {
                Scope::All => self.rhythm.needs_look(Some(watch), None, now),
                Scope::Active => self.has_left(visit, watch, now),
            })
            .collect();
        let unlisted = missing.iter().map(|watch| watch.ticket.clone()).collect();
        subjects.extend(missing.into_iter().map(|watch| {
            let (ticket, known) = (watch.ticket.clone(), Some(watch.clone()));
            (watch.active, Subject { ticket, known, listed: None, hinted: false })
        }));
        Ok(Listing { scope, subjects, unlisted })
    }

    /// Not in the short list: read once after it was there, after a write of ours, and for late files.
    fn has_left(&self, visit: &Visit<'_>, watch: &TicketWatch, now: Timestamp) -> bool {
        let written = watch.looked == Timestamp::EPOCH;
        let again = watch.again.iter().any(|at| *at <= now);
        again || !watch.closed && (written || self.lists().has_left(&visit.account.name, &watch.ticket))
    }

    async fn page(&self, visit: &Visit<'_>, walk: &mut Walk) -> Result<Option<Vec<TicketLine>>, Trouble> {
        let call = walk.next(self.port.as_ref(), &visit.access);
        match ask(&self.bridge, &self.api, &visit.account.name, call).await {
            Err(Trouble::NotFound) => {
                Err(Trouble::Failed { after: None, why: "the list of tickets does not exist".to_owned() })
            }
            page => page,
        }
    }

    fn subject(
        &self,
        line: TicketLine,
        known: &HashMap<TicketId, TicketWatch>,
    ) -> Option<(Timestamp, Subject)> {
        let known = known.get(&line.ticket);
        if !self.rhythm.needs_look(known, Some(&line), self.bridge.now()) {
            return None;
        }
        let hot = known.map(|watch| watch.active).or(line.created).unwrap_or_default();
        let subject =
            Subject { ticket: line.ticket, known: known.cloned(), listed: line.change, hinted: false };
        Some((hot, subject))
    }

    /// One look; a failure of this ticket alone does not end the turn.
    async fn one(&self, visit: &Visit<'_>, subject: &Subject, done: &mut Done) -> Result<Looked, Trouble> {
        if self.failing().waits(&subject.ticket, self.bridge.now()) {
            done.failed = true;
            return Ok(Looked::Left);
        }
        match self.look(visit, subject).await {
            Ok(looked) => {
                self.failing().succeeded(&subject.ticket);
                self.lists().looked(&visit.account.name, &subject.ticket);
                Ok(if looked { Looked::Done } else { Looked::Left })
            }
            Err(Trouble::NotFound) => Ok(Looked::Missing),
            Err(Trouble::Failed { after: None, why }) => {
                self.failed(visit, &subject.ticket, &why, done);
                Ok(Looked::Left)
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn failed(&self, visit: &Visit<'_>, ticket: &TicketId, why: &str, done: &mut Done) {
        done.failed = true;
        self.failing().failed(ticket, self.bridge.now());
        let (api, account) = (&self.api, &visit.account.name);
        tracing::warn!(%api, %account, ticket.id = %ticket, why, "A ticket cannot be read.");
    }

    fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, visit: &Visit<'_>) -> Result<HashMap<TicketId, TicketWatch>, Trouble> {
        let watches = self.bridge.store.watches(&self.api, &visit.account.name)?;
        Ok(watches.into_iter().map(|watch| (watch.ticket.clone(), watch)).collect())
    }
}

/// What a complete list says.
struct Listing {
    scope: Scope,
    /// What needs a look, and how hot it is.
    subjects: Vec<(Timestamp, Subject)>,
    /// Those of them that the list does not show.
    unlisted: HashSet<TicketId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    Done,
    /// Not now.
    Left,
    /// There is no such ticket.
    Missing,
}
