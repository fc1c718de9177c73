//! What becomes of a job when its turn in the lane ends.

use std::time::Duration;

use crate::{
    bridge::context::Bridge,
    model::job::{NewJob, Progress, Why},
    runtime::{backoff::Backoff, clock::Timestamp},
    store::{Claim, StoreError, change::Change},
};

/// The end of a turn. Changes and follow-up jobs are committed with it.
pub enum Outcome {
    Done {
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    },
    /// The lane waits with its head.
    Later {
        until: Timestamp,
        why: Why,
        progress: Progress,
        follow_ups: Vec<NewJob>,
    },
    /// A person has to decide; the lane goes on.
    Park {
        why: String,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    },
    /// Refused for good; the lane goes on.
    Bury {
        why: String,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    },
}

impl Outcome {
    pub fn done() -> Self {
        Self::Done { changes: Vec::new(), follow_ups: Vec::new() }
    }
}

/// Commits the outcome and gives the lane back.
pub async fn settle(bridge: &Bridge, claim: Claim, outcome: Outcome) -> Result<(), StoreError> {
    let store = &bridge.store;
    match outcome {
        Outcome::Done { changes, follow_ups } => store.finish(claim, changes, follow_ups).await,
        Outcome::Later { until, why, progress, follow_ups } => {
            store.postpone(claim, until, why, progress, follow_ups).await
        }
        Outcome::Park { why, changes, follow_ups } => store.park(claim, why, changes, follow_ups).await,
        Outcome::Bury { why, changes, follow_ups } => store.bury(claim, why, changes, follow_ups).await,
    }
}

/// When a surely failed call is tried again, or that its time is over.
///
/// An outage does not age the job; one that fails by itself is given up after
/// `held` since its first failure, so that its lane can go on.
pub fn try_again(
    progress: &Progress,
    after: Option<Duration>,
    outage: bool,
    backoff: &Backoff,
    held: Duration,
    now: Timestamp,
) -> TryAgain {
    let wait = backoff.next(progress.tries).max(after.unwrap_or_default());
    let mut progress = progress.clone();
    progress.tries = progress.tries.saturating_add(1);
    if outage {
        progress.failing_since = None;
        return TryAgain::At { until: now.plus(wait), why: Why::Outage, progress };
    }
    let since = *progress.failing_since.get_or_insert(now);
    if now.since(since) >= held {
        return TryAgain::TimeIsOver { since };
    }
    TryAgain::At { until: now.plus(wait), why: Why::Retry, progress }
}

#[derive(Debug, PartialEq)]
pub enum TryAgain {
    At { until: Timestamp, why: Why, progress: Progress },
    TimeIsOver { since: Timestamp },
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Duration = Duration::from_secs(900);

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_secs(2), HELD).unwrap()
    }

    #[test]
    fn a_job_that_fails_by_itself_is_given_up_after_its_time() {
        let start = Timestamp::from_secs(1000);
        let mut progress = Progress::default();
        let mut now = start;
        loop {
            match try_again(&progress, None, false, &backoff(), HELD, now) {
                TryAgain::At { until, why, progress: next } => {
                    assert_eq!(why, Why::Retry);
                    assert!(until > now && next.tries == progress.tries + 1);
                    (now, progress) = (until, next);
                }
                TryAgain::TimeIsOver { since } => break assert_eq!(since, start),
            }
        }
        assert!(now >= start.plus(HELD));
    }

    #[test]
    fn nothing_ages_in_an_outage_however_long() {
        let progress =
            Progress { failing_since: Some(Timestamp::from_secs(1)), tries: 40, ..Progress::default() };
        let now = Timestamp::from_secs(1_000_000);
        let TryAgain::At { progress, why: Why::Outage, .. } =
            try_again(&progress, None, true, &backoff(), HELD, now)
        else {
            unreachable!("an outage never ends a job")
        };
        assert_eq!(progress.failing_since, None);
    }

    #[test]
    fn the_servers_retry_after_is_honoured() {
        let now = Timestamp::from_secs(5);
        let after = Duration::from_secs(77);
        let TryAgain::At { until, .. } =
            try_again(&Progress::default(), Some(after), false, &backoff(), HELD, now)
        else {
            unreachable!("the first failure is tried again")
        };
        assert!(until >= now.plus(after));
    }
}
