//! A send to a channel as a step: one of unknown outcome is repeated once, as recorded, and then left to a person.
//!
//! Channels offer no way to look, so the repeat has a step record of its own. Whatever moment
//! the process is killed at, the records tell whether the repeat was begun, and a third send
//! of the same thing is never made without a person's word.

use std::time::Duration;

use crate::{
    bridge::{
        context::Bridge,
        outcome::{TryAgain, try_again},
    },
    channel::{SendError, Sent},
    model::job::{Ended, Progress, Remote, Step, StepRecord, StepState, Why},
    runtime::{backoff::Backoff, clock::Timestamp},
    store::{Claim, Failed, StoreError, change::Change},
};

/// Records from here on belong to repeats: `Send(REPEATS + n)` to `Send(n)`, `Send(REPEATS)` to `Mail`.
const REPEATS: u32 = 1_000_000;

/// What is to be done about a send now.
#[derive(Debug, PartialEq)]
pub(super) enum Due {
    Done,
    /// Send, recorded as this step.
    Now(Step),
    /// Its outcome is unknown; it is repeated then. The count of repeats must be stored before.
    Wait {
        until: Timestamp,
        progress: Progress,
    },
    /// The repeat's outcome is unknown, too.
    Unsettled,
}

/// Where a send stands; `again` is how long after an unknown outcome it is repeated.
pub(super) fn due(
    steps: &[StepRecord],
    progress: &Progress,
    step: &Step,
    again: Duration,
    now: Timestamp,
) -> Due {
    let ended = match state(steps, step) {
        None => return Due::Now(step.clone()),
        Some(StepState::Done(_)) => return Due::Done,
        Some(StepState::Attempted { at, ended }) => ended.as_ref().map_or(*at, |ended| ended.at),
    };
    let repeat = repeat_of(step);
    match state(steps, &repeat) {
        Some(StepState::Done(_)) => Due::Done,
        Some(StepState::Attempted { .. }) => Due::Unsettled,
        None => {
            let repeats = unknown(steps).count().try_into().unwrap_or(u32::MAX);
            let until = ended.plus(again);
            if now < until || progress.repeats < repeats {
                let progress = Progress { repeats, ..progress.clone() };
                return Due::Wait { until: until.max(now), progress };
            }
            Due::Now(repeat)
        }
    }
}

/// Makes the call between its two records. What the channel answered if it was no success.
pub(super) async fn call(
    bridge: &Bridge,
    claim: &mut Claim,
    step: Step,
    send: impl Future<Output = Result<Sent, SendError>>,
    made: impl FnOnce(&Sent) -> (Remote, Vec<Change>),
) -> Result<Option<SendError>, StoreError> {
    if is_repeat(&step) {
        metrics::counter!("channel_repeats_total").increment(1);
        tracing::warn!(lane = ?claim.lane, ?step, "A send of unknown outcome is repeated.");
    }
    bridge.store.begin_step(claim, step.clone()).await?;
    let error = match send.await {
        Ok(sent) => {
            let (remote, changes) = made(&sent);
            bridge.store.end_step(claim, step, remote, changes).await?;
            return Ok(None);
        }
        Err(error) => error,
    };
    let how = match &error {
        SendError::Unknown { .. } => Failed::Unknown(Ended { at: bridge.now(), may_still_run: true }),
        _ => Failed::Surely,
    };
    bridge.store.fail_step(claim, step, how).await?;
    Ok(Some(error))
}

/// What a send or its repeat made, if it is done.
pub(super) fn made<'a>(steps: &'a [StepRecord], step: &Step) -> Option<&'a Remote> {
    [step.clone(), repeat_of(step)].iter().find_map(|step| match state(steps, step) {
        Some(StepState::Done(remote)) => Some(remote),
        _ => None,
    })
}

/// Sends whose outcome is or was unknown, whatever became of their repeats.
fn unknown(steps: &[StepRecord]) -> impl Iterator<Item = &Step> {
    steps.iter().filter_map(|record| match record.state {
        StepState::Attempted { .. } if is_send(&record.step) => Some(&record.step),
        _ => None,
    })
}

/// A person says that every unknown send did happen (`it_is_there`), or that it did not.
pub(super) async fn decide(bridge: &Bridge, claim: &mut Claim, it_is_there: bool) -> Result<(), StoreError> {
    let steps: Vec<Step> = unknown(&claim.steps).cloned().collect();
    for step in steps {
        if made(&claim.steps, &step).is_some() {
            continue;
        }
        if it_is_there {
            bridge.store.end_step(claim, step, Remote::Nothing, Vec::new()).await?;
        } else {
            // The repeat first: a kill in between must leave the send unknown, so that this is done again.
            bridge.store.fail_step(claim, repeat_of(&step), Failed::Surely).await?;
            bridge.store.fail_step(claim, step, Failed::Surely).await?;
        }
    }
    Ok(())
}

/// When to try again; `outage` does not age the job.
pub(super) fn again(bridge: &Bridge, progress: &Progress, after: Option<Duration>, outage: bool) -> TryAgain {
    let timing = &bridge.timing;
    let now = bridge.now();
    match Backoff::new(timing.retry_min, timing.retry_max) {
        Ok(backoff) => try_again(progress, after, outage, &backoff, timing.held_lane, now),
        Err(_) => {
            let until = now.plus(timing.retry_max.max(Duration::from_secs(1)));
            TryAgain::At { until, why: Why::Retry, progress: progress.clone() }
        }
    }
}

fn is_send(step: &Step) -> bool {
    matches!(step, Step::Send(_) | Step::Mail) && !is_repeat(step)
}

fn is_repeat(step: &Step) -> bool {
    matches!(step, Step::Send(n) if *n >= REPEATS)
}

fn repeat_of(step: &Step) -> Step {
    match step {
        Step::Send(n) => Step::Send(REPEATS.saturating_add(*n)),
        _ => Step::Send(REPEATS),
    }
}

fn state<'a>(steps: &'a [StepRecord], step: &Step) -> Option<&'a StepState> {
    steps.iter().find(|record| record.step == *step).map(|record| &record.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Duration = Duration::from_secs(30);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn attempted(step: Step, secs: i64) -> StepRecord {
        let ended = Some(Ended { at: at(secs), may_still_run: true });
        StepRecord { step, state: StepState::Attempted { at: at(secs), ended } }
    }

    fn done(step: Step) -> StepRecord {
        StepRecord { step, state: StepState::Done(Remote::Nothing) }
    }

    fn repeats(repeats: u32) -> Progress {
        Progress { repeats, ..Progress::default() }
    }

    #[test]
    fn a_send_is_made_once_and_an_unknown_one_repeated_once() {
        let (send, repeat) = (Step::Send(3), Step::Send(REPEATS + 3));
        let look = |steps: &[StepRecord], counted, now| due(steps, &repeats(counted), &send, AGAIN, at(now));
        assert_eq!(look(&[], 0, 5), Due::Now(send.clone()));
        assert_eq!(look(&[done(send.clone())], 0, 5), Due::Done);
        let unknown = attempted(send.clone(), 100);
        assert_eq!(
            look(std::slice::from_ref(&unknown), 0, 100),
            Due::Wait { until: at(130), progress: repeats(1) },
            "not before its time"
        );
        assert_eq!(
            look(std::slice::from_ref(&unknown), 0, 500),
            Due::Wait { until: at(500), progress: repeats(1) },
            "not before it is counted"
        );
        assert_eq!(look(std::slice::from_ref(&unknown), 1, 130), Due::Now(repeat.clone()));
        assert_eq!(look(&[unknown.clone(), done(repeat.clone())], 1, 500), Due::Done);
        assert_eq!(look(&[unknown, attempted(repeat, 131)], 1, 9_999), Due::Unsettled);
    }

    #[test]
    fn each_part_of_a_message_has_its_own_repeat() {
        let first = [attempted(Step::Send(0), 100), done(Step::Send(REPEATS))];
        assert_eq!(due(&first, &repeats(1), &Step::Send(1), AGAIN, at(200)), Due::Now(Step::Send(1)));
        let both = [&first[..], &[attempted(Step::Send(1), 200)]].concat();
        assert_eq!(
            due(&both, &repeats(1), &Step::Send(1), AGAIN, at(300)),
            Due::Wait { until: at(300), progress: repeats(2) }
        );
    }

    #[test]
    fn a_mail_is_repeated_like_a_message() {
        let unknown = [attempted(Step::Mail, 100)];
        assert_eq!(due(&unknown, &repeats(1), &Step::Mail, AGAIN, at(130)), Due::Now(Step::Send(REPEATS)));
        let twice = [attempted(Step::Mail, 100), attempted(Step::Send(REPEATS), 130)];
        assert_eq!(due(&twice, &repeats(1), &Step::Mail, AGAIN, at(900)), Due::Unsettled);
    }
}
