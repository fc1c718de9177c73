//! A step: recorded *attempted*, then called, then recorded *done*; what is left attempted is reconciled first.

use std::time::Duration;

use crate::{
    bridge::context::Bridge,
    model::{
        conversation::Conversation,
        ids::{AccountName, ApiName},
        job::{Ended, Remote, Step, StepState},
    },
    runtime::clock::Timestamp,
    store::{Claim, Failed, StoreError, change::Change},
    ticket_api::ApiError,
};

/// Why a step did not get done now.
#[derive(Debug)]
pub enum Interrupted {
    /// Surely not done: again, not before `after`.
    Again {
        after: Option<Duration>,
        why: String,
    },
    /// No call may be made before then: the circuit is open.
    Outage {
        until: Timestamp,
    },
    /// May have been done: look again then.
    Look {
        at: Timestamp,
        why: String,
    },
    /// May have been done, and nobody but a person can know.
    CannotKnow {
        why: String,
    },
    Refused(String),
    Locked,
    NotFound,
    Unsupported(&'static str),
    Store(StoreError),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Where a step stands before its turn.
pub enum Standing {
    Untried,
    Unknown { attempted: Timestamp, ended: Ended },
    Done(Remote),
}

/// What the store recorded about a step. An attempt without an end can only be
/// one that a crash cut off: the store gives it an end at its opening.
pub fn standing(bridge: &Bridge, claim: &Claim, step: &Step) -> Standing {
    match claim.steps.iter().find(|record| record.step == *step).map(|record| &record.state) {
        None => Standing::Untried,
        Some(StepState::Done(remote)) => Standing::Done(remote.clone()),
        Some(StepState::Attempted { at, ended }) => {
            let crashed = || Ended { at: bridge.now(), may_still_run: true };
            Standing::Unknown { attempted: *at, ended: ended.clone().unwrap_or_else(crashed) }
        }
    }
}

/// Makes one call at the ticket API as a step. `mappings` are what follows from
/// its success; they are committed with it.
pub async fn call<T>(
    bridge: &Bridge,
    claim: &mut Claim,
    conversation: &Conversation,
    step: Step,
    call: impl Future<Output = Result<T, ApiError>>,
    made: impl FnOnce(T) -> (Remote, Vec<Change>),
) -> Result<Remote, Interrupted> {
    let admitted = bridge.circuits.admits(&conversation.api, &conversation.account, bridge.now());
    admitted.map_err(|until| Interrupted::Outage { until })?;
    bridge.store.begin_step(claim, step.clone()).await?;
    match call.await {
        Ok(answer) => {
            bridge.circuits.succeeded(&conversation.api, &conversation.account);
            let (remote, changes) = made(answer);
            bridge.store.end_step(claim, step, remote.clone(), changes).await?;
            Ok(remote)
        }
        Err(error) => Err(failed(bridge, claim, conversation, step, error).await),
    }
}

/// The same for a call that does no harm when it is made twice: one of unknown outcome is made again.
pub async fn call_again<T>(
    bridge: &Bridge,
    claim: &mut Claim,
    conversation: &Conversation,
    step: Step,
    call: impl Future<Output = Result<T, ApiError>>,
    made: impl FnOnce(T) -> (Remote, Vec<Change>),
) -> Result<Remote, Interrupted> {
    match self::call(bridge, claim, conversation, step.clone(), call, made).await {
        Err(Interrupted::Look { at, why }) => {
            bridge.store.fail_step(claim, step, Failed::Surely).await?;
            Err(Interrupted::Again { after: Some(at.since(bridge.now())), why })
        }
        done => done,
    }
}

/// Makes a call that changes nothing at the ticket API.
pub async fn read<T>(
    bridge: &Bridge,
    conversation: &Conversation,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Interrupted> {
    read_of(bridge, &conversation.api, &conversation.account, call).await
}

/// The same where there is no conversation.
pub async fn read_of<T>(
    bridge: &Bridge,
    api: &ApiName,
    account: &AccountName,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Interrupted> {
    let admitted = bridge.circuits.admits(api, account, bridge.now());
    admitted.map_err(|until| Interrupted::Outage { until })?;
    match call.await {
        Ok(answer) => {
            bridge.circuits.succeeded(api, account);
            Ok(answer)
        }
        Err(error) => {
            note_health(bridge, api, account, &error);
            Err(match error {
                ApiError::Unknown { after, reason, .. } => Interrupted::Again { after, why: reason },
                error => certain(error),
            })
        }
    }
}

async fn failed(
    bridge: &Bridge,
    claim: &mut Claim,
    conversation: &Conversation,
    step: Step,
    error: ApiError,
) -> Interrupted {
    note_health(bridge, &conversation.api, &conversation.account, &error);
    let (how, interrupted) = match error {
        ApiError::Unknown { may_still_run, reason, after } => {
            let ended = Ended { at: bridge.now(), may_still_run };
            // An early look may find it; only a late one can find that it never happened.
            let at = ended.at.plus(bridge.timing.retry_min.max(after.unwrap_or_default()));
            (Failed::Unknown(ended), Interrupted::Look { at, why: reason })
        }
        error => (Failed::Surely, certain(error)),
    };
    match bridge.store.fail_step(claim, step, how).await {
        Ok(()) => interrupted,
        Err(error) => Interrupted::Store(error),
    }
}

/// A look that finds nothing proves that an attempt did not happen only if it begins then or later.
pub fn settled_at(bridge: &Bridge, conversation: &Conversation, ended: &Ended) -> Timestamp {
    let settle = bridge.apis.get(&conversation.api).map_or(bridge.timing.settle, |api| api.settle);
    // Where the application itself answered, what did not happen by then never will.
    if ended.may_still_run { ended.at.plus(settle) } else { ended.at }
}

fn certain(error: ApiError) -> Interrupted {
    match error {
        ApiError::Retry { after, reason } => Interrupted::Again { after, why: reason },
        ApiError::Unknown { reason, .. } => Interrupted::CannotKnow { why: reason },
        ApiError::Refused(reason) => Interrupted::Refused(reason),
        ApiError::Unauthorized(reason) => Interrupted::Again { after: None, why: reason },
        ApiError::NotFound(_) => Interrupted::NotFound,
        ApiError::Locked(_) => Interrupted::Locked,
        ApiError::Unsupported(what) => Interrupted::Unsupported(what),
    }
}

fn note_health(bridge: &Bridge, api: &ApiName, account: &AccountName, error: &ApiError) {
    match error {
        ApiError::Retry { reason, .. } | ApiError::Unknown { reason, .. } => {
            bridge.circuits.failed(api, reason, bridge.now());
        }
        ApiError::Unauthorized(reason) => bridge.circuits.unauthorized(api, account, reason, bridge.now()),
        // Any answer of the application shows that it is well.
        ApiError::Refused(_) | ApiError::NotFound(_) | ApiError::Locked(_) | ApiError::Unsupported(_) => {
            bridge.circuits.succeeded(api, account);
        }
    }
}
