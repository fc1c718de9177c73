//! The scheduler: one job at a time per lane, lanes side by side, bounded; a panic ends the job, not the bridge.
//! No ticket API takes more than its share of the places.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt;
use tokio::{sync::Semaphore, task::JoinSet};
use tracing::Instrument;

use crate::{
    bridge::{
        context::Bridge,
        control, damaged, delivery, filing,
        gather::{self, Gather, Waiting},
        outcome::{self, Outcome},
        shares::Shares,
    },
    model::job::{Job, Lane, Progress, Task, Why},
    runtime::{clock::Timestamp, shutdown::Shutdown, tasks::panic_text},
    store::{Claim, StoreError},
};

/// So many lanes remember when their last filing began; the window is seconds long.
const REMEMBERED: usize = 10_000;

/// Runs lanes until shutdown, then finishes the steps in hand.
pub async fn run(bridge: Bridge, shutdown: Shutdown) {
    let side_by_side = usize::try_from(bridge.limits.jobs_in_memory).unwrap_or(usize::MAX >> 4);
    let permits = Arc::new(Semaphore::new(side_by_side.max(1)));
    let mut shares = Shares::new(side_by_side, bridge.apis.keys());
    let recent = Arc::new(Recent::default());
    let mut running = JoinSet::new();
    while !shutdown.is_cancelled() {
        while running.try_join_next().is_some() {}
        shares.call_in();
        let claims = bridge.store.claim(permits.available_permits());
        for claim in claims {
            let Ok(permit) = permits.clone().try_acquire_owned() else {
                bridge.store.release(claim);
                continue;
            };
            let Some((claim, place)) = shares.admit(&bridge, claim) else { continue };
            let (bridge, recent) = (bridge.clone(), recent.clone());
            running.spawn(async move {
                turn(&bridge, &recent, claim).await;
                drop((place, permit));
            });
        }
        let room = permits.available_permits() > 0;
        tokio::select! {
            () = bridge.store.wait_for_due(), if room => {}
            _ = running.join_next(), if !running.is_empty() => {}
            () = shutdown.cancelled() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// One turn of a lane: its head runs until it is done or has to wait.
async fn turn(bridge: &Bridge, recent: &Recent, mut claim: Claim) {
    let lane = claim.lane.clone();
    // The key names the item from its arrival to the last call about it.
    let span = claim.jobs.first().map_or_else(
        tracing::Span::none,
        |job| tracing::info_span!("job", job.id = %job.id, item = %job.key),
    );
    if let Some(damaged) = claim.damaged.clone() {
        let settled = match damaged::outcome(bridge, &damaged) {
            Ok(outcome) => outcome::settle(bridge, claim, outcome).await,
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            tracing::warn!(?lane, %error, "A damaged job could not be set aside; it is taken up again.");
        }
        return;
    }
    let ended = AssertUnwindSafe(head(bridge, recent, &mut claim).instrument(span)).catch_unwind().await;
    let outcome = match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            tracing::warn!(?lane, %error, "The lane stops until the store is well again.");
            bridge.store.release(claim);
            return;
        }
        Err(panic) => {
            let why = format!("the bridge failed over it: {}", panic_text(panic.as_ref()));
            tracing::error!(?lane, why, "A job failed and was set aside.");
            let follow_ups = control::broken(bridge, claim.jobs.first(), &why);
            Outcome::Bury { why, changes: Vec::new(), follow_ups }
        }
    };
    if let Err(error) = outcome::settle(bridge, claim, outcome).await {
        tracing::warn!(?lane, %error, "The end of a job could not be recorded; it is taken up again.");
    }
}

async fn head(bridge: &Bridge, recent: &Recent, claim: &mut Claim) -> Result<Outcome, StoreError> {
    let Some(job) = claim.jobs.first().cloned() else { return Ok(Outcome::done()) };
    if claim.steps.is_empty()
        && let Some(later) = gathered(bridge, recent, claim, &job).await?
    {
        return Ok(later);
    }
    let Some(job) = claim.jobs.first().cloned() else { return Ok(Outcome::done()) };
    match &job.task {
        Task::File(filing) => {
            recent.note(&job.lane, bridge.now());
            filing::run(bridge, claim, &job, filing).await
        }
        Task::Control(inbound) => control::run(bridge, claim, &job, inbound).await,
        Task::Deliver(delivery) => delivery::run(bridge, claim, &job, delivery).await,
    }
}

/// Joins what belongs to the head; an outcome if more may come.
async fn gathered(
    bridge: &Bridge,
    recent: &Recent,
    claim: &mut Claim,
    job: &Job,
) -> Result<Option<Outcome>, StoreError> {
    let Task::File(filing) = &job.task else {
        return delivery::digested(bridge, claim).await;
    };
    if job.progress != Progress::default() {
        return Ok(None); // Tried before: what it holds stays what it is.
    }
    let conversation = bridge.store.conversation(filing.conversation)?;
    let waiting = Waiting {
        jobs: &claim.jobs,
        founds: conversation.is_some_and(|conversation| conversation.ticket.is_none()),
        last_filed: recent.of(&job.lane),
    };
    match gather::decide(&waiting, &bridge.timing, bridge.now()) {
        Some(Gather::Wait(until)) => {
            let progress = job.progress.clone();
            Ok(Some(Outcome::Later { until, why: Why::Gathering, progress, follow_ups: Vec::new() }))
        }
        Some(Gather::Take(joined, filing)) if joined > 1 => {
            bridge.store.join(claim, joined, Task::File(filing)).await?;
            Ok(None)
        }
        Some(Gather::Take(..)) | None => Ok(None),
    }
}

/// When each lane's last filing began; only the burst window looks at it, so a restart loses nothing.
#[derive(Default)]
struct Recent(Mutex<HashMap<Lane, Timestamp>>);

impl Recent {
    fn of(&self, lane: &Lane) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(lane).copied()
    }

    fn note(&self, lane: &Lane, now: Timestamp) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= REMEMBERED {
            recent.clear();
        }
        recent.insert(lane.clone(), now);
    }
}
