//! A mail that is held back: it waits for an admin's *Release*, then it is filed like any other.

use crate::{
    bridge::{alerts, context::Bridge, outcome::Outcome, thread_mail},
    model::{
        inbound::{Inbound, MailOrigin},
        job::{Decision, Job},
    },
    store::StoreError,
};

const NO_ACCOUNT: &str = "it was released, but no account has this sender's address: add the address to an account, then release it again";

pub fn run(bridge: &Bridge, job: &Job, inbound: &Inbound, mail: &MailOrigin) -> Result<Outcome, StoreError> {
    let account = thread_mail::account(bridge, mail);
    let why = if job.progress.decision == Some(Decision::SendAgain) {
        if let Some(placed) = thread_mail::released(bridge, inbound, mail)? {
            tracing::info!(job.id = %job.id, "A held mail was released.");
            return Ok(Outcome::Done { changes: placed.changes, follow_ups: placed.jobs });
        }
        NO_ACCOUNT
    } else {
        thread_mail::held_because(account.as_ref())
    };
    let alert = alerts::quarantined(bridge, job, inbound, mail, account.as_ref(), why);
    Ok(Outcome::Park { why: why.to_owned(), changes: Vec::new(), follow_ups: alert.into_iter().collect() })
}
