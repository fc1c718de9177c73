//! Commands, buttons, held mails, bounces, changes of membership: what is not a message to a ticket.

use crate::{
    bridge::{context::Bridge, outcome::Outcome},
    model::{
        inbound::Inbound,
        job::{Job, NewJob},
    },
    store::{Claim, StoreError},
};

pub async fn run(
    _bridge: &Bridge,
    _claim: &mut Claim,
    _job: &Job,
    _inbound: &Inbound,
) -> Result<Outcome, StoreError> {
    todo!()
}

/// A job that panicked: the admins are told.
pub fn broken(_bridge: &Bridge, _job: Option<&Job>, _why: &str) -> Vec<NewJob> {
    todo!()
}
