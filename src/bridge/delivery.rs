//! A staff message, an answer of ours or an alert on its way to its place; what becomes of one that cannot get there.

pub use crate::bridge::digest::digested;

use crate::{
    bridge::{
        context::Bridge,
        deliver_chat, deliver_mail,
        outcome::{Outcome, TryAgain},
        recipients::{self, Standing},
        sending, undelivered,
    },
    model::{
        conversation::Conversation,
        delivery::{Content, Delivery},
        job::{Decision, Job, Progress, Why},
        place::Place,
    },
    runtime::clock::Timestamp,
    store::{Claim, StoreError, change::Change},
};

/// Runs the head of the lane until it is done or has to wait.
pub async fn run(
    bridge: &Bridge,
    claim: &mut Claim,
    job: &Job,
    delivery: &Delivery,
) -> Result<Outcome, StoreError> {
    let named = delivery;
    let moved = now_at(bridge, delivery)?;
    let delivery = moved.as_ref().unwrap_or(delivery);
    let conversation = delivery.conversation.map(|id| bridge.store.conversation(id)).transpose()?.flatten();
    let errand = Errand { bridge, job, delivery, conversation, progress: job.progress.clone() };
    if let Some(decision) = job.progress.decision {
        return errand.decided(claim, decision).await;
    }
    if let Some(outcome) = errand.closed_meanwhile()? {
        return Ok(outcome);
    }
    let ended = match &delivery.to {
        Place::Chat { bot, chat } => {
            let named = named.to.chat().unwrap_or(*chat);
            deliver_chat::run(errand, claim, *bot, *chat, named).await
        }
        Place::Mail { mailbox, address } => deliver_mail::run(errand, claim, mailbox, address).await,
    };
    match ended {
        Ok(outcome) => Ok(outcome),
        Err(Halt::Ends(outcome)) => Ok(*outcome),
        Err(Halt::Store(error)) => Err(error),
    }
}

/// The delivery to the number that its chat has now, if it is another.
fn now_at(bridge: &Bridge, delivery: &Delivery) -> Result<Option<Delivery>, StoreError> {
    let Place::Chat { bot, chat } = &delivery.to else { return Ok(None) };
    let now = deliver_chat::where_now(bridge, *bot, *chat)?;
    let to = Place::Chat { bot: *bot, chat: now };
    Ok((now != *chat).then(|| Delivery { to, ..delivery.clone() }))
}

/// Why a delivery does not go on in this turn.
pub(super) enum Halt {
    Ends(Box<Outcome>),
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Outcome> for Halt {
    fn from(outcome: Outcome) -> Self {
        Self::Ends(Box::new(outcome))
    }
}

/// One delivery, whatever its channel.
pub(super) struct Errand<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) job: &'a Job,
    pub(super) delivery: &'a Delivery,
    pub(super) conversation: Option<Conversation>,
    /// The job's, without its failures once a step of this turn succeeded.
    pub(super) progress: Progress,
}

impl Errand<'_> {
    /// A step succeeded: what failed before it does not count any more.
    pub(super) fn went_on(&mut self) {
        self.progress.tries = 0;
        self.progress.failing_since = None;
    }

    /// Waits for the channel; nothing ages meanwhile.
    pub(super) fn outage(&self, why: &str) -> Outcome {
        tracing::info!(job.id = %self.job.id, job.key = %self.job.key, why, "A delivery waits for its channel.");
        match sending::again(self.bridge, &self.progress, None, true) {
            TryAgain::At { until, why, progress } => later(until, why, progress),
            TryAgain::TimeIsOver { .. } => self.wait(self.bridge.now(), Why::Outage),
        }
    }

    pub(super) fn wait(&self, until: Timestamp, why: Why) -> Outcome {
        later(until, why, self.progress.clone())
    }

    /// Its outcome is unknown although it was repeated: a person decides.
    pub(super) fn unsettled(&self) -> Outcome {
        let why = "it was sent twice, and neither time it could be known whether it arrived";
        tracing::warn!(job.id = %self.job.id, job.key = %self.job.key, "A delivery is parked.");
        let told = undelivered::parked(self.bridge, self.job, self.delivery, self.conversation.as_ref(), why);
        Outcome::Park { why: why.to_owned(), changes: Vec::new(), follow_ups: told.into_iter().collect() }
    }

    /// The channel will never take it.
    pub(super) fn refused(&self, why: &str) -> Outcome {
        tracing::warn!(job.id = %self.job.id, job.key = %self.job.key, why, "A delivery was refused for good.");
        let told = undelivered::dead(self.bridge, self.job, self.delivery, self.conversation.as_ref(), why);
        Outcome::Bury { why: why.to_owned(), changes: Vec::new(), follow_ups: told.into_iter().collect() }
    }

    /// Nobody can be reached there: the place is remembered as such, and a staff message goes elsewhere.
    pub(super) fn gone(&self, why: &str) -> Result<Outcome, StoreError> {
        let bridge = self.bridge;
        let changes = self.place_lost()?;
        tracing::warn!(job.id = %self.job.id, job.key = %self.job.key, why, "A place cannot be reached.");
        let staff = match &self.delivery.content {
            Content::Staff(staff) => Some(staff),
            Content::Note(_) | Content::Letter(_) | Content::Alert(_) => None,
        };
        let Some((staff, conversation)) = staff.zip(self.conversation.as_ref()) else {
            if undelivered::is_for_admins(bridge, self.delivery) {
                return Ok(Outcome::Bury { why: why.to_owned(), changes, follow_ups: Vec::new() });
            }
            return Ok(Outcome::Done { follow_ups: self.told_lost(&changes, why, None), changes });
        };
        match recipients::fallback(bridge, conversation, &self.delivery.to, staff.sent)? {
            Some(place) => {
                let mut follow_ups = self.told_lost(&changes, why, Some(&place));
                // The same job as if the place had been chosen from the start, so that it gets one copy.
                follow_ups.push(recipients::job(conversation, staff, &place));
                Ok(Outcome::Done { changes, follow_ups })
            }
            None => {
                let told = undelivered::dead(bridge, self.job, self.delivery, Some(conversation), why);
                let follow_ups = told.into_iter().collect();
                Ok(Outcome::Bury { why: why.to_owned(), changes, follow_ups })
            }
        }
    }

    /// The admins are told once: when the place is lost, not for each thing that was meant for it.
    fn told_lost(
        &self,
        lost: &[Change],
        why: &str,
        instead: Option<&Place>,
    ) -> Vec<crate::model::job::NewJob> {
        if lost.is_empty() {
            return Vec::new();
        }
        let conversation = self.conversation.as_ref();
        undelivered::lost(self.bridge, self.job, self.delivery, conversation, why, instead)
            .into_iter()
            .collect()
    }

    /// Nothing if that is known already.
    fn place_lost(&self) -> Result<Vec<Change>, StoreError> {
        let bridge = self.bridge;
        Ok(match &self.delivery.to {
            place @ Place::Chat { .. } => {
                let link = bridge.store.link(place)?.filter(|link| !link.paused);
                link.map(|mut link| {
                    link.paused = true;
                    Change::Link(link)
                })
                .into_iter()
                .collect()
            }
            Place::Mail { address, .. } => {
                let now = bridge.now();
                let known = bridge.store.suppressed(address)?.is_some_and(|until| until > now);
                let until = now.plus(bridge.timing.suppress_bounced);
                if known { Vec::new() } else { vec![Change::Suppress(address.clone(), until)] }
            }
        })
    }

    /// A staff message may have waited; its place may be unlinked, lost or quiet by now.
    fn closed_meanwhile(&self) -> Result<Option<Outcome>, StoreError> {
        let Content::Staff(staff) = &self.delivery.content else { return Ok(None) };
        let Some(conversation) = &self.conversation else {
            return Ok(Some(self.refused("its conversation is missing")));
        };
        match recipients::standing(self.bridge, conversation, &self.delivery.to, staff.sent)? {
            Standing::Open => Ok(None),
            Standing::Quiet => Ok(Some(Outcome::done())),
            Standing::Unreachable => self.gone("it could not be reached before").map(Some),
            Standing::Closed => {
                tracing::info!(job.id = %self.job.id, job.key = %self.job.key, "The place is not the customer's any more.");
                let place = recipients::fallback(self.bridge, conversation, &self.delivery.to, staff.sent)?;
                Ok(Some(match place {
                    Some(place) => {
                        let follow_ups = vec![recipients::job(conversation, staff, &place)];
                        Outcome::Done { changes: Vec::new(), follow_ups }
                    }
                    None => self.refused("the place does not belong to the customer any more"),
                }))
            }
        }
    }

    /// Follows an admin's word about what is unknown, and forgets it: it covers one send, not each later one.
    async fn decided(&self, claim: &mut Claim, decision: Decision) -> Result<Outcome, StoreError> {
        sending::decide(self.bridge, claim, decision == Decision::ItIsThere).await?;
        let progress =
            Progress { decision: None, tries: 0, failing_since: None, ..self.job.progress.clone() };
        Ok(later(self.bridge.now(), Why::Retry, progress))
    }
}

pub(super) fn later(until: Timestamp, why: Why, progress: Progress) -> Outcome {
    Outcome::Later { until, why, progress, follow_ups: Vec::new() }
}

#[cfg(test)]
#[path = "delivery_world_tests.rs"]
pub(super) mod world;

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
