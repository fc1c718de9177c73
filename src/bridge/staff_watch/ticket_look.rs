//! One look at one ticket: read, compared with what was seen, and everything that follows committed at once.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    Watcher,
    baseline::Baseline,
    calls::{Trouble, ask},
    endings::{self, Closing},
    heat::{Recheck, further_looks},
    news::{News, Old, Owner, last_active, news},
};
use crate::{
    bridge::{alerts, recipients},
    model::{
        account::Account,
        conversation::{Conversation, ConversationChange, TicketStatus},
        ids::TicketId,
        job::NewJob,
        marker::Marker,
    },
    runtime::clock::Timestamp,
    store::{
        StoreError,
        change::{Change, Key},
        rows::TicketWatch,
    },
    ticket_api::{Access, Ticket},
};

/// A ticket that carries our marker and that no conversation has may be the result of a create of unknown
/// outcome: so long it is left to the reconciliation.
const LEFT_TO_RECONCILIATION: Duration = Duration::from_secs(3600);

/// An account during its turn.
pub(super) struct Visit<'a> {
    pub(super) account: &'a Account,
    pub(super) access: Access,
    pub(super) baseline: Baseline,
}

/// What is looked at, and what is known of it before.
pub(super) struct Subject {
    pub(super) ticket: TicketId,
    pub(super) known: Option<TicketWatch>,
    /// The change value that the list showed before this look.
    pub(super) listed: Option<String>,
    pub(super) hinted: bool,
}

impl Watcher {
    /// Whether the ticket was looked at; else it is left for later.
    pub(super) async fn look(&self, visit: &Visit<'_>, subject: &Subject) -> Result<bool, Trouble> {
        let bridge = &self.bridge;
        let call = self.port.ticket(&visit.access, &subject.ticket);
        let detail = ask(bridge, &self.api, &visit.account.name, call).await?;
        let found = bridge.store.find(&Key::Ticket(self.api.clone(), subject.ticket.clone()))?;
        let conversation = found.map(|id| bridge.store.conversation(id)).transpose()?.flatten();
        if conversation.is_none() && self.may_be_a_lost_create(&detail) {
            tracing::debug!(api = %self.api, ticket.id = %subject.ticket, "Left to the reconciliation of a create.");
            return Ok(false);
        }
        let owner = Owner { api: &self.api, account: &visit.account.name };
        let old = match visit.baseline {
            // What the lost store had handed on must not go out again.
            Baseline::Done => bridge
                .store
                .lost_until()
                .map(|until| Old { before: self.port.server_time(until), undated: false }),
            Baseline::NotBegun => return Ok(false),
            Baseline::Walking(before) => {
                // A ticket that we opened ourselves has nothing old in it.
                let undated = conversation.as_ref().is_none_or(|known| known.founder.is_none());
                // What came while a lost store stood still was never handed on.
                let lost_until = bridge.store.lost_until().map(|until| self.port.server_time(until));
                Some(Old { before: lost_until.map_or(before, |until| before.min(until)), undated })
            }
        };
        let news = news(&detail, &owner, old, |key| bridge.store.is_known(key))?;
        if news.undecidable && !self.told_undecidable.swap(true, Ordering::Relaxed) {
            tracing::error!(
                api = %self.api, ticket.id = %subject.ticket,
                "No message of the ticket says whether staff wrote it; nothing of it is delivered."
            );
        }
        let merged = conversation.clone().filter(|known| known.ticket.as_ref() == Some(&subject.ticket));
        let (mut jobs, mut changes) = self.consequences(visit, subject, &detail, news, conversation)?;
        if let Some((into, conversation)) = detail.merged_into.as_ref().zip(merged) {
            match self.merged(visit, subject, &detail, into, &conversation).await {
                Err(Trouble::NotFound) => {
                    tracing::warn!(api = %self.api, ticket.id = %subject.ticket, %into, "A ticket was merged into one that cannot be found.");
                }
                moved => {
                    let (more, further) = moved?;
                    jobs.extend(more);
                    changes.extend(further);
                }
            }
        }
        bridge.store.enqueue(jobs, changes).await?;
        Ok(true)
    }

    /// The ticket is in no complete list, and its detail does not exist either.
    pub(super) async fn gone(&self, watch: &TicketWatch) -> Result<(), Trouble> {
        let store = &self.bridge.store;
        let found = store.find(&Key::Ticket(self.api.clone(), watch.ticket.clone()))?;
        let conversation = found.map(|id| store.conversation(id)).transpose()?.flatten();
        let (jobs, changes) = endings::gone(&self.bridge, watch, conversation.as_ref())?;
        store.enqueue(jobs, changes).await?;
        tracing::warn!(api = %self.api, ticket.id = %watch.ticket, "A known ticket was merged or deleted.");
        Ok(())
    }

    fn may_be_a_lost_create(&self, detail: &Ticket) -> bool {
        let now = self.bridge.now();
        // After a loss the mail that founded it is read again, and finds it by its marker.
        let loss = self.bridge.store.loss().filter(|loss| now.since(loss.decided) < LEFT_TO_RECONCILIATION);
        let young = detail.created.is_some_and(|created| {
            self.port.server_time(now).since(created) < LEFT_TO_RECONCILIATION
                || loss.is_some_and(|loss| created >= loss.reread_since)
        });
        young && Marker::all_in(&detail.text).next().is_some()
    }

    pub(super) fn consequences(
        &self,
        visit: &Visit<'_>,
        subject: &Subject,
        detail: &Ticket,
        news: News,
        conversation: Option<Conversation>,
    ) -> Result<(Vec<NewJob>, Vec<Change>), StoreError> {
        let bridge = &self.bridge;
        let now = bridge.now();
        let (mut jobs, mut changes) = (Vec::new(), Vec::new());
        let is_new = conversation.is_none();
        let conversation = conversation.unwrap_or_else(|| self.of_the_panel(visit.account, detail, now));
        for staff in &news.messages {
            jobs.extend(recipients::deliver(bridge, &conversation, staff)?);
            let is_wanted = !is_new || !jobs.is_empty();
            if is_wanted && (staff.in_panel_only || !staff.text.is_empty()) {
                jobs.extend(alerts::answered(bridge, &conversation, staff)?);
            }
            tracing::info!(
                api = %self.api, ticket.id = %detail.ticket, message.id = ?staff.id,
                files = staff.files.len(), conversation.id = %conversation.id, "Staff message found."
            );
        }
        // Nobody wants it: then there is nothing to remember but that it was seen.
        let conversation = (!is_new || !jobs.is_empty()).then_some(conversation);
        let closing = endings::closing(detail.status, conversation.as_ref(), subject.known.as_ref());
        if let Some(conversation) = &conversation {
            let id = conversation.id;
            if is_new {
                changes.push(Change::NewConversation(conversation.clone()));
                // Only if absent: should a create be bound meanwhile, the ticket is that one's.
                changes.push(Change::Bind(Key::Ticket(self.api.clone(), detail.ticket.clone()), id));
            } else {
                changes.extend(self.status(conversation, detail, &closing, now));
            }
            if closing == Closing::ByStaff {
                jobs.extend(endings::closed(bridge, conversation)?);
            }
        }
        changes.extend(news.seen.iter().cloned().map(Change::Seen));
        let conversation = conversation.map(|conversation| conversation.id);
        let watch = TicketWatch { conversation, ..self.watch(visit, subject, detail, &news, &closing, now) };
        changes.push(Change::Watch(watch));
        Ok((jobs, changes))
    }

    fn status(
        &self,
        conversation: &Conversation,
        detail: &Ticket,
        closing: &Closing,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        if *closing != Closing::Suspected {
            let status = ConversationChange::Status { status: detail.status, read: now };
            changes.push(Change::Conversation(conversation.id, status));
        }
        if let Some(active) = self.active(detail, now) {
            changes.push(Change::Conversation(conversation.id, ConversationChange::Active(active)));
        }
        changes
    }

    fn watch(
        &self,
        visit: &Visit<'_>,
        subject: &Subject,
        detail: &Ticket,
        news: &News,
        closing: &Closing,
        now: Timestamp,
    ) -> TicketWatch {
        let timing = &self.bridge.timing;
        // A write of ours replaces the row, and what was planned with it.
        let rewritten = subject.known.as_ref().is_none_or(|known| known.looked == Timestamp::EPOCH);
        let age = news.newest.filter(|_| rewritten).map(|at| self.port.server_time(now).since(at));
        let planned = subject.known.as_ref().map(|known| known.again.as_slice()).unwrap_or_default();
        let found = !news.messages.is_empty();
        let recheck = Recheck { planned, after: &timing.files_recheck, found, age };
        let mut again = further_looks(&recheck, now);
        if *closing == Closing::Suspected {
            again.insert(0, now.plus(timing.files_recheck.first().copied().unwrap_or(timing.poll_hot)));
            again.sort_unstable();
        }
        let known_active = subject.known.as_ref().map(|known| known.active);
        let signs = [self.active(detail, now), known_active, (found || subject.hinted).then_some(now)];
        TicketWatch {
            api: self.api.clone(),
            account: visit.account.name.clone(),
            ticket: detail.ticket.clone(),
            conversation: None,
            // What the list showed before is never newer than what was read. Undecided, it is read again.
            change: subject.listed.clone().or_else(|| detail.change.clone()).filter(|_| !news.undecidable),
            looked: now,
            active: signs.into_iter().flatten().max().unwrap_or_default(),
            again,
            closed: detail.status == TicketStatus::Closed,
        }
    }

    /// The ticket's last sign of life by our clock, never in the future.
    fn active(&self, detail: &Ticket, now: Timestamp) -> Option<Timestamp> {
        let age = self.port.server_time(now).since(last_active(detail)?);
        Some(now.minus(age))
    }

    /// A ticket that no channel founded.
    fn of_the_panel(&self, account: &Account, detail: &Ticket, now: Timestamp) -> Conversation {
        Conversation {
            id: self.bridge.store.next_conversation(),
            api: self.api.clone(),
            account: account.name.clone(),
            ticket: Some(detail.ticket.clone()),
            subject: detail.subject.clone(),
            founder: None,
            last_writer: None,
            participants: Vec::new(),
            mails: Vec::new(),
            status: detail.status,
            status_read: now,
            active: now,
            successor: None,
            predecessor: None,
            quiet: Vec::new(),
            create_parked: None,
        }
    }
}
