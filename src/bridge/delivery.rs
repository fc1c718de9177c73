//! A staff message, an answer of ours or an alert on its way to its place.

use crate::{
    bridge::{context::Bridge, outcome::Outcome},
    model::{delivery::Delivery, job::Job},
    store::{Claim, StoreError},
};

pub async fn run(
    _bridge: &Bridge,
    _claim: &mut Claim,
    _job: &Job,
    _delivery: &Delivery,
) -> Result<Outcome, StoreError> {
    todo!()
}

/// More alerts than the group's limit allows become one digest.
pub async fn digested(_bridge: &Bridge, _claim: &mut Claim) -> Result<Option<Outcome>, StoreError> {
    todo!()
}
