//! A filing that could not be finished now: it waits, is parked for a person, or is refused and told.

use crate::{
    bridge::{
        alerts,
        context::Bridge,
        filing::Work,
        outcome::{Outcome, TryAgain, try_again},
        question,
        receipts::{self, Told},
        steps::Interrupted,
    },
    model::{
        conversation::{Conversation, ConversationChange, TicketStatus},
        inbound::Origin,
        job::{Filing, Job, Progress, Why},
    },
    runtime::{backoff::Backoff, clock::Timestamp},
    store::{StoreError, change::Change},
};

impl Work<'_> {
    pub(super) async fn interrupted(&self, interrupted: Interrupted) -> Result<Outcome, StoreError> {
        let bridge = self.bridge;
        tracing::info!(job.id = %self.job.id, job.key = %self.job.key, why = ?interrupted, "Filing interrupted.");
        match interrupted {
            Interrupted::Store(error) => Err(error),
            Interrupted::Outage { until } => self.wait(until, Why::Outage),
            Interrupted::Look { at, .. } => self.wait(at, Why::Settling),
            Interrupted::Again { after, why } => self.again(after, &why),
            Interrupted::CannotKnow { why } => park(bridge, self.job, self.filing, &self.conversation, &why),
            Interrupted::Refused(why) => self.refused(&why),
            Interrupted::Unsupported(what) => {
                self.refused(&format!("the ticket system has no way of {what}"))
            }
            Interrupted::Locked => {
                // The status was older than the desk's: record it, and decide again what to do.
                let change = ConversationChange::Status { status: TicketStatus::Closed, read: bridge.now() };
                bridge.store.apply(vec![Change::Conversation(self.conversation.id, change)]).await?;
                self.wait(bridge.now(), Why::Retry)
            }
            Interrupted::NotFound => self.gone(),
        }
    }

    fn again(&self, after: Option<std::time::Duration>, why: &str) -> Result<Outcome, StoreError> {
        let bridge = self.bridge;
        let timing = &bridge.timing;
        let outage = bridge.circuits.is_open(&self.conversation.api, &self.conversation.account);
        let Ok(backoff) = Backoff::new(timing.retry_min, timing.retry_max) else {
            return self.wait(bridge.now().plus(timing.retry_max), Why::Retry);
        };
        match try_again(&self.job.progress, after, outage, &backoff, timing.held_lane, bridge.now()) {
            TryAgain::At { until, why, progress } => self.wait_with(until, why, progress),
            TryAgain::TimeIsOver { .. } => park(bridge, self.job, self.filing, &self.conversation, why),
        }
    }

    pub(super) fn wait(&self, until: Timestamp, why: Why) -> Result<Outcome, StoreError> {
        self.wait_with(until, why, self.job.progress.clone())
    }

    /// Waits, and tells the customer once it has taken too long.
    fn wait_with(&self, until: Timestamp, why: Why, mut progress: Progress) -> Result<Outcome, StoreError> {
        let bridge = self.bridge;
        let by_mail =
            self.filing.messages.first().is_some_and(|m| matches!(m.inbound.origin, Origin::Mail(_)));
        let patience = if by_mail { bridge.timing.waiting_notice_mail } else { bridge.timing.waiting_notice };
        let due = self.job.accepted.plus(patience);
        if progress.told_waiting || why == Why::Asking {
            return Ok(Outcome::Later { until, why, progress, follow_ups: Vec::new() });
        }
        if bridge.now() < due {
            // Wakes for the notice if the call itself is due later.
            return Ok(Outcome::Later { until: until.min(due), why, progress, follow_ups: Vec::new() });
        }
        progress.told_waiting = true;
        let told = receipts::waiting(bridge, self.job, self.filing)?;
        Ok(Outcome::Later { until, why, progress, follow_ups: told.jobs })
    }

    fn refused(&self, why: &str) -> Result<Outcome, StoreError> {
        let told = receipts::could_not_file(self.bridge, self.job, self.filing, why, false)?;
        let customer_told = !told.jobs.is_empty();
        let (job, filing) = (self.job, self.filing);
        let alert = alerts::dead(self.bridge, job, filing, &self.conversation, why, customer_told);
        let told = told.and(Told { jobs: alert.into_iter().collect(), changes: Vec::new() });
        Ok(bury(why.to_owned(), told))
    }

    /// Merged or deleted: the customer and the admins are told; no second ticket is opened silently.
    fn gone(&self) -> Result<Outcome, StoreError> {
        let bridge = self.bridge;
        let Some(ticket) = &self.conversation.ticket else {
            return self.refused("the ticket does not exist");
        };
        let mut told = receipts::ticket_gone(self.bridge, self.job, self.filing, ticket)?;
        let customer_told = !told.jobs.is_empty();
        let why = format!("ticket #{} no longer exists at the ticket system", ticket.number());
        let (job, filing) = (self.job, self.filing);
        told.jobs.extend(alerts::dead(self.bridge, job, filing, &self.conversation, &why, customer_told));
        told.changes.push(question::gone(bridge, &self.conversation, ticket));
        Ok(bury(why, told))
    }
}

/// A person has to decide about it; the customer and the admins are told.
pub(super) fn park(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    why: &str,
) -> Result<Outcome, StoreError> {
    let mut told = receipts::could_not_file(bridge, job, filing, why, true)?;
    told.jobs.extend(alerts::parked(bridge, job, filing, conversation, why));
    if conversation.ticket.is_none() {
        let since = ConversationChange::CreateParked(job.id, bridge.now());
        told.changes.push(Change::Conversation(conversation.id, since));
    }
    Ok(Outcome::Park { why: why.to_owned(), changes: told.changes, follow_ups: told.jobs })
}

pub(super) fn bury(why: String, told: Told) -> Outcome {
    Outcome::Bury { why, changes: told.changes, follow_ups: told.jobs }
}
