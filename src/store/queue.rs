//! A lane in hand: claimed, and given back by what becomes of its head.

use std::{sync::Arc, time::Duration};

use super::{
    Claim, Damaged, Store, StoreError, blobs,
    change::Change,
    committer::Shared,
    jobs::{Row, spooled, steps_of},
    lanes::{Held, LaneChange},
    trees::JOBS,
    txn::{Effect, Txn},
};
use crate::{
    model::{
        ids::JobId,
        job::{Ended, Job, Lane, NewJob, Progress, State, StepRecord, StepState, Task, Why},
    },
    runtime::clock::Timestamp,
};

/// A claim shows at most so many jobs of its lane.
const MOST_JOBS: usize = 12;
/// How long a lane rests whose head cannot be read at the moment.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Gives the lane back when its claim is dropped, whatever became of the holder.
pub(super) struct Hold {
    shared: Arc<Shared>,
    lane: Lane,
    pub(super) fence: u64,
    /// Nothing was done under it.
    untouched: bool,
}

/// A lane that is kept from being claimed, with nothing else of it in memory. Dropped, it is due as before.
#[derive(Debug)]
pub struct Kept {
    _hold: Hold,
}

/// What an operation must know of its claim.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) lane: Lane,
    pub(super) head: JobId,
    pub(super) fence: u64,
    resumes: u32,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let last = if self.untouched { Timestamp::EPOCH } else { self.shared.clock.now() };
        self.shared.lanes().give_back(&self.lane, self.fence, last);
        self.shared.due.notify_waiters();
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({:?}, {})", self.lane, self.fence)
    }
}

impl Store {
    /// At most `most` lanes whose head is due. A lane whose head gathers is due as soon as another job joins the lane.
    pub fn claim(&self, most: usize) -> Vec<Claim> {
        let shared = self.shared();
        let now = self.now();
        let mut claims = Vec::new();
        while claims.len() < most {
            let fence = shared.next_fence();
            let Some(held) = shared.lanes().take_due(now, fence, MOST_JOBS) else { break };
            let hold = Hold { shared: shared.clone(), lane: held.lane.clone(), fence, untouched: false };
            match self.read_claim(&held) {
                Ok((jobs, steps, resumes)) => {
                    claims.push(Claim { lane: held.lane, jobs, steps, resumes, hold, damaged: None });
                }
                Err(unreadable) => claims.extend(self.damaged(unreadable, held, hold)),
            }
        }
        claims
    }

    /// Returns when `claim` may have something new; cancel-safe.
    pub async fn wait_for_due(&self) {
        let shared = self.shared();
        loop {
            let changed = shared.due.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change in between is missed.
            changed.as_mut().enable();
            let next = shared.lanes().next_due();
            match next {
                Some(due) if due <= self.now() => return,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = shared.clock.sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Makes the first `joined` jobs of the claim one, see [`Self::join_with`].
    pub async fn join(&self, claim: &mut Claim, joined: usize, task: Task) -> Result<(), StoreError> {
        let others: Vec<JobId> = claim.jobs.iter().take(joined).skip(1).map(|job| job.id).collect();
        self.join_with(claim, others, task).await
    }

    /// Makes the head and `others` of the claim one: the head with `task`. The others are done; their keys stay known.
    pub async fn join_with(
        &self,
        claim: &mut Claim,
        others: Vec<JobId>,
        task: Task,
    ) -> Result<(), StoreError> {
        let joined = others.clone();
        let ticket = claim.ticket()?;
        let stored = self.prepare_task(&task).await?;
        let named = blobs::of_new(&stored, &task);
        self.commit_naming(stored.blob().into_iter().collect(), move |txn| {
            let mut head = txn.head(&ticket)?;
            let before = std::mem::take(&mut head.blobs);
            // What steps named stays named: a task's blobs are only its own and its messages'.
            head.blobs = txn.blobs_of_steps(ticket.head)?;
            head.blobs.extend(named);
            txn.name_blobs(&head.blobs)?;
            txn.unname_blobs(&before)?;
            head.task = stored;
            txn.put(&JOBS, &ticket.head, &head)?;
            for id in others {
                let row = txn.get(&JOBS, &id)?.ok_or(StoreError::Stale)?;
                let at = txn.now;
                txn.move_out(id, row, State::Done { at })?;
            }
            Ok(())
        })
        .await?;
        claim.jobs.retain(|job| !joined.contains(&job.id));
        if let Some(head) = claim.jobs.first_mut() {
            head.task = task;
        }
        Ok(())
    }

    /// The head is done.
    pub async fn finish(
        &self,
        claim: Claim,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        let ticket = claim.ticket()?;
        let follow_ups = self.prepare(follow_ups).await?;
        self.commit_naming(spooled(&follow_ups), move |txn| {
            let row = txn.head(&ticket)?;
            let at = txn.now;
            txn.move_out(ticket.head, row, State::Done { at })?;
            txn.give_back(&ticket);
            txn.apply_all(changes)?;
            txn.insert_jobs(follow_ups)?;
            Ok(())
        })
        .await
    }

    /// The head waits, and its lane with it.
    pub async fn postpone(
        &self,
        claim: Claim,
        until: Timestamp,
        why: Why,
        progress: Progress,
        follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        let ticket = claim.ticket()?;
        let attempts = claim.ended_attempts();
        let follow_ups = self.prepare(follow_ups).await?;
        self.commit_naming(spooled(&follow_ups), move |txn| {
            let mut row = txn.head(&ticket)?;
            txn.keep_ends(ticket.head, &attempts)?;
            let decided = (row.resumes != ticket.resumes).then_some(row.progress.decision);
            row.progress = progress;
            row.state = State::Waiting { until, why };
            if let Some(decision) = decided {
                // Somebody decided while the job was in hand: it goes on at once, with the decision.
                row.progress.decision = decision.or(row.progress.decision);
                row.state = State::Ready;
            }
            txn.put(&JOBS, &ticket.head, &row)?;
            let entry = row.entry(ticket.head);
            txn.after(Effect::Lane(LaneChange::Update(ticket.lane.clone(), entry)));
            txn.give_back(&ticket);
            txn.insert_jobs(follow_ups)?;
            Ok(())
        })
        .await
    }

    /// The head leaves the lane, to be decided by a person; the lane goes on.
    pub async fn park(
        &self,
        claim: Claim,
        why: String,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        self.set_aside(claim, |since| State::Parked { why, since }, changes, follow_ups).await
    }

    /// The head is dead; the lane goes on.
    pub async fn bury(
        &self,
        claim: Claim,
        why: String,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        self.set_aside(claim, |since| State::Dead { why, since }, changes, follow_ups).await
    }

    /// Gives the lane back as it was.
    pub fn release(&self, claim: Claim) {
        drop(claim);
    }

    /// Keeps a claimed lane, nothing of which was done, for later.
    pub fn keep(&self, claim: Claim) -> Kept {
        let Claim { mut hold, .. } = claim;
        hold.untouched = true;
        Kept { _hold: hold }
    }

    async fn set_aside(
        &self,
        claim: Claim,
        state: impl FnOnce(Timestamp) -> State + Send + 'static,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    ) -> Result<(), StoreError> {
        let ticket = claim.ticket()?;
        let attempts = claim.ended_attempts();
        let follow_ups = self.prepare(follow_ups).await?;
        self.commit_naming(spooled(&follow_ups), move |txn| {
            let mut row = txn.head(&ticket)?;
            txn.keep_ends(ticket.head, &attempts)?;
            if row.resumes == ticket.resumes {
                let state = state(txn.now);
                txn.move_out(ticket.head, row, state)?;
            } else {
                // Somebody decided while the job was in hand: it goes on where it is, with the decision.
                row.state = State::Ready;
                txn.put(&JOBS, &ticket.head, &row)?;
                let entry = row.entry(ticket.head);
                txn.after(Effect::Lane(LaneChange::Update(ticket.lane.clone(), entry)));
            }
            txn.give_back(&ticket);
            txn.apply_all(changes)?;
            txn.insert_jobs(follow_ups)?;
            Ok(())
        })
        .await
    }

    fn read_claim(&self, held: &Held) -> Result<(Vec<Job>, Vec<StepRecord>, u32), Unreadable> {
        let read = self.read(|db| {
            let rows = held.jobs.iter().map(|id| Ok((*id, db.get(&JOBS, id)?.ok_or_else(|| gone(*id))?)));
            let rows: Vec<(JobId, Row)> = rows.collect::<Result<_, StoreError>>()?;
            let steps = held.jobs.first().map_or(Ok(Vec::new()), |head| steps_of(db, *head))?;
            Ok((rows, steps))
        });
        let (rows, mut steps) = read.map_err(|error| Unreadable::Now(error.to_string()))?;
        for step in &mut steps {
            if let StepState::Attempted { at, ended: ended @ None } = &mut step.state {
                *ended = Some(Ended { at: held.let_go.max(*at), may_still_run: true });
            }
        }
        let resumes = rows.first().map_or(0, |(_, row)| row.resumes);
        let mut jobs = Vec::new();
        for (id, row) in rows {
            match row.job(id, &self.shared().spool) {
                Ok(job) => jobs.push(job),
                Err(unreadable) if jobs.is_empty() => return Err(unreadable),
                // It is told when it is the head.
                Err(_) => break,
            }
        }
        Ok((jobs, steps, resumes))
    }

    /// A head whose content is gone is claimed to be buried; one that cannot be read now lets its lane rest.
    fn damaged(&self, unreadable: Unreadable, held: Held, hold: Hold) -> Option<Claim> {
        let head = held.jobs.first().copied()?;
        tracing::error!(job.id = %head, why = unreadable.why(), "A job cannot be read.");
        let row = self.read(|db| Ok((db.get(&JOBS, &head)?, !steps_of(db, head)?.is_empty())));
        match (unreadable, row) {
            (Unreadable::Never(why), Ok((Some(row), begun))) => {
                let resumes = row.resumes;
                let damaged = Some(Damaged { summary: row.summary(head), why, begun });
                Some(Claim { lane: held.lane, jobs: Vec::new(), steps: Vec::new(), resumes, hold, damaged })
            }
            _ => {
                self.shared().lanes().delay(&held.lane, self.now().plus(LOOK_AGAIN));
                None
            }
        }
    }
}

/// Why a job's content cannot be had.
pub(super) enum Unreadable {
    /// Perhaps later.
    Now(String),
    /// It is gone.
    Never(String),
}

impl Unreadable {
    fn why(&self) -> &str {
        match self {
            Self::Now(why) | Self::Never(why) => why,
        }
    }
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unavailable(unreadable.why().to_owned())
    }
}

impl Claim {
    pub(super) fn ticket(&self) -> Result<Ticket, StoreError> {
        let damaged = self.damaged.as_ref().map(|damaged| damaged.summary.id);
        let head = self.jobs.first().map(|job| job.id).or(damaged).ok_or(StoreError::Stale)?;
        Ok(Ticket { lane: self.lane.clone(), head, fence: self.hold.fence, resumes: self.resumes })
    }
}

impl Txn<'_> {
    /// The head's row, if its claim still holds.
    pub(super) fn head(&self, ticket: &Ticket) -> Result<Row, StoreError> {
        if !self.shared.lanes().holds(&ticket.lane, ticket.fence) {
            return Err(StoreError::Stale);
        }
        self.get(&JOBS, &ticket.head)?.ok_or(StoreError::Stale)
    }

    fn give_back(&mut self, ticket: &Ticket) {
        let at = self.now;
        self.after(Effect::Lane(LaneChange::GiveBack(ticket.lane.clone(), ticket.fence, at)));
    }
}

fn gone(id: JobId) -> StoreError {
    StoreError::Unavailable(format!("job {id} is in its lane, but not in the database"))
}
