//! `/close`: asked first, since a closed ticket may be locked; then closed as a step, or staff is asked to.

use serde_json::json;

use crate::{
    bridge::{
        admin, alerts,
        alerts::Tell,
        context::Bridge,
        notes::Say,
        outcome::{Outcome, TryAgain, try_again},
        steps::{self, Interrupted, Standing},
        threading,
        turn::{Customer, Press, Turn},
    },
    model::{
        account::Account,
        button::Action,
        conversation::{Conversation, ConversationChange, TicketStatus},
        delivery::AlertKind,
        ids::{ConversationId, TicketId},
        inbound::{ChatOrigin, Message, Origin, What},
        job::{Job, NewJob, Progress, Remote, Step, Why},
    },
    runtime::{backoff::Backoff, clock::Timestamp},
    store::{Claim, StoreError, change::Change},
    ticket_api::Close,
};

/// A person waits for the answer and can ask again: a call that surely failed is not tried for long.
const TRIES: u32 = 3;
const SILENT: &str = "the ticket system does not answer at the moment";

/// `/close`: asks whether it is meant.
pub fn ask(turn: &Turn<'_>, customer: &Customer) -> Result<Outcome, StoreError> {
    let conversation = turn.conversation(&customer.account)?;
    let open = conversation.filter(|conversation| conversation.status != TicketStatus::Closed);
    let Some((conversation, ticket)) = open.and_then(|c| c.ticket.clone().map(|ticket| (c, ticket))) else {
        return Ok(turn.answer("nothing_to_close", json!({})));
    };
    let id = conversation.id;
    let means = match (closes(turn.bridge, &conversation), turn.bridge.reopens(&conversation.api)) {
        (Close::No, _) => {
            let url = alerts::url(turn.bridge, &conversation, Some(&ticket));
            let values = json!({ "number": ticket.number(), "subject": conversation.subject, "url": url });
            return Ok(turn.answer_with(Say::new("close_unavailable", values).about(id), Vec::new()));
        }
        (Close::Asking(_), _) => "asks",
        (Close::Call, true) => "reopens",
        (Close::Call, false) => "locks",
    };
    let buttons = vec![vec![
        turn.button("button_close", Action::CloseYes(id)),
        turn.button("button_keep_open", Action::CloseNo(id)),
    ]];
    let values = json!({ "number": ticket.number(), "subject": conversation.subject, "means": means });
    Ok(turn.answer_with(Say::new("close_confirm", values).with(buttons).about(id), Vec::new()))
}

/// The ticket stays open.
pub fn kept(press: &Press<'_>, id: ConversationId) -> Result<Outcome, StoreError> {
    let Some(closing) = Closing::of(press, id)? else { return Ok(press.expired()) };
    let values = json!({ "number": closing.ticket.number() });
    Ok(press.settled("close_kept", values, Vec::new()))
}

/// Closes the ticket; goes on where it was after a crash.
pub async fn close(press: &Press<'_>, claim: &mut Claim, id: ConversationId) -> Result<Outcome, StoreError> {
    let Some(closing) = Closing::of(press, id)? else { return Ok(press.expired()) };
    let already = closing.conversation.status == TicketStatus::Closed;
    if already && matches!(steps::standing(press.turn.bridge, claim, &Step::Close), Standing::Untried) {
        return Ok(press.expired());
    }
    if let Close::Asking(words) = closes(press.turn.bridge, &closing.conversation) {
        return closing.asks_staff(words).await;
    }
    match closing.run(claim).await {
        Ok(()) => closing.closed(),
        Err(interrupted) => closing.interrupted(claim, interrupted),
    }
}

/// The customer is told of a close that an admin gave up.
pub fn discarded(press: &Press<'_>, id: ConversationId) -> Result<Vec<NewJob>, StoreError> {
    let Some(closing) = Closing::of(press, id)? else { return Ok(Vec::new()) };
    Ok(closing.failure("support decided not to try it again"))
}

/// How a customer's tickets are closed there.
fn closes(bridge: &Bridge, conversation: &Conversation) -> Close {
    bridge.apis.get(&conversation.api).map_or(Close::No, |api| api.port.capabilities().close.clone())
}

struct Closing<'a> {
    press: &'a Press<'a>,
    account: Account,
    conversation: Conversation,
    ticket: TicketId,
}

impl<'a> Closing<'a> {
    /// Nothing if the chat no longer has to do with the ticket: it may have been linked anew since.
    fn of(press: &'a Press<'a>, id: ConversationId) -> Result<Option<Self>, StoreError> {
        let Some(customer) = press.turn.customer()? else { return Ok(None) };
        let conversation = press.turn.bridge.store.conversation(id)?;
        let own = conversation.filter(|conversation| conversation.account == customer.account.name);
        Ok(own.and_then(|conversation| {
            let ticket = conversation.ticket.clone()?;
            Some(Self { press, account: customer.account, conversation, ticket })
        }))
    }

    async fn run(&self, claim: &mut Claim) -> Result<(), Interrupted> {
        let bridge = self.press.turn.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else {
            return Err(Interrupted::Refused("its ticket system is not set up".to_owned()));
        };
        let access = bridge.access(&self.account);
        let changes = self.changes(bridge.now())?;
        match steps::standing(bridge, claim, &Step::Close) {
            Standing::Done(_) => return Ok(()),
            Standing::Untried => {}
            Standing::Unknown { .. } => {
                if self.status().await? == TicketStatus::Closed {
                    bridge.store.end_step(claim, Step::Close, Remote::Nothing, changes).await?;
                    return Ok(());
                }
                // One that is closed already is a success, so that calling again does no harm.
            }
        }
        let call = api.port.close(&access, &self.ticket);
        let made = |()| (Remote::Nothing, changes);
        steps::call(bridge, claim, &self.conversation, Step::Close, call, made).await.map(|_| ())
    }

    fn changes(&self, read: Timestamp) -> Result<Vec<Change>, StoreError> {
        let status = ConversationChange::Status { status: TicketStatus::Closed, read };
        let mut changes = vec![Change::Conversation(self.conversation.id, status)];
        changes.extend(self.let_go()?);
        Ok(changes)
    }

    /// The chat's next message is about something else.
    fn let_go(&self) -> Result<Vec<Change>, StoreError> {
        let turn = &self.press.turn;
        let is_current = turn.bridge.store.find(&turn.current_key())? == Some(self.conversation.id);
        Ok(is_current.then(|| Change::Unbind(turn.current_key())).into_iter().collect())
    }

    /// In the customer's name, after all that he wrote before; of a ticket that staff closed meanwhile nothing
    /// is asked, as that would open it again.
    async fn asks_staff(&self, words: String) -> Result<Outcome, StoreError> {
        let turn = &self.press.turn;
        if let Ok(TicketStatus::Closed) = self.status().await {
            return self.closed();
        }
        let mut asking = turn.inbound.clone();
        // However often the button is pressed, staff is asked once.
        asking.identity.key = format!("{}/{}/{}/close", turn.chat.bot, turn.chat.chat, self.press.under);
        let question = Some(self.press.under);
        asking.origin = Origin::Chat(ChatOrigin { reply_to: question, ..turn.chat.clone() });
        asking.what = What::Message(Message { text: words, ..Message::default() });
        let values = json!({ "number": self.ticket.number(), "subject": self.conversation.subject });
        let mut jobs = self.press.settling("close_asked", values);
        jobs.push(threading::file(turn.bridge, self.conversation.id, &asking, Vec::new()));
        Ok(Outcome::Done { changes: self.let_go()?, follow_ups: jobs })
    }

    async fn status(&self) -> Result<TicketStatus, Interrupted> {
        let bridge = self.press.turn.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(self.conversation.status) };
        let access = bridge.access(&self.account);
        let detail = api.port.ticket(&access, &self.ticket);
        Ok(steps::read(bridge, &self.conversation, detail).await?.status)
    }

    fn closed(&self) -> Result<Outcome, StoreError> {
        let turn = &self.press.turn;
        let reopens = turn.bridge.reopens(&self.conversation.api);
        let values = json!({
            "number": self.ticket.number(), "subject": self.conversation.subject, "reopens": reopens,
        });
        let mut jobs = self.press.settling("closed", values);
        let who = alerts::who(turn.inbound);
        jobs.extend(alerts::closed(turn.bridge, &turn.job.key, &who, true, &self.conversation));
        // After an admin's “it is there” nothing was recorded with the step.
        let changes = self.changes(turn.bridge.now())?;
        Ok(Outcome::Done { changes, follow_ups: jobs })
    }

    fn interrupted(&self, claim: &Claim, interrupted: Interrupted) -> Result<Outcome, StoreError> {
        let bridge = self.press.turn.bridge;
        let unknown = matches!(steps::standing(bridge, claim, &Step::Close), Standing::Unknown { .. });
        let job = self.press.turn.job;
        tracing::info!(job.id = %job.id, ticket.id = %self.ticket, why = ?interrupted, "Closing interrupted.");
        Ok(match interrupted {
            Interrupted::Store(error) => return Err(error),
            Interrupted::Locked => return self.closed(),
            Interrupted::Look { at, .. } => self.later(at, Why::Settling, job.progress.clone()),
            Interrupted::Outage { until } if unknown => self.later(until, Why::Outage, job.progress.clone()),
            Interrupted::Again { after, why } if unknown || job.progress.tries < TRIES => {
                self.again(after, &why, unknown)
            }
            Interrupted::Outage { .. } | Interrupted::Again { .. } => self.failed(SILENT),
            Interrupted::CannotKnow { why } => self.parked(&why),
            Interrupted::Refused(why) => self.failed(&format!("the ticket system refused it ({why})")),
            Interrupted::NotFound => self.failed("it no longer exists at the ticket system"),
            Interrupted::Unsupported(_) => self.failed("the ticket system has no way of closing a ticket"),
        })
    }

    fn again(&self, after: Option<std::time::Duration>, why: &str, unknown: bool) -> Outcome {
        let (bridge, job) = (self.press.turn.bridge, self.press.turn.job);
        let (timing, conversation) = (&bridge.timing, &self.conversation);
        let outage = unknown && bridge.circuits.is_open(&conversation.api, &conversation.account);
        let Ok(backoff) = Backoff::new(timing.retry_min, timing.retry_max) else { return self.parked(why) };
        match try_again(&job.progress, after, outage, &backoff, timing.held_lane, bridge.now()) {
            TryAgain::At { until, why, progress } => self.later(until, why, progress),
            TryAgain::TimeIsOver { .. } => self.parked(why),
        }
    }

    fn later(&self, until: Timestamp, why: Why, progress: Progress) -> Outcome {
        // The button's spinner need not wait for the ticket system.
        Outcome::Later { until, why, progress, follow_ups: vec![self.press.pop_up(None)] }
    }

    fn failed(&self, why: &str) -> Outcome {
        Outcome::Done { changes: Vec::new(), follow_ups: self.failure(why) }
    }

    fn failure(&self, why: &str) -> Vec<NewJob> {
        let url = alerts::url(self.press.turn.bridge, &self.conversation, Some(&self.ticket));
        let values = json!({ "number": self.ticket.number(), "reason": why, "url": url });
        self.press.settling("close_failed", values)
    }

    fn parked(&self, why: &str) -> Outcome {
        let mut jobs = vec![self.press.pop_up(None)];
        jobs.extend(self.parked_alert(self.press.turn.job, why));
        Outcome::Park { why: why.to_owned(), changes: Vec::new(), follow_ups: jobs }
    }

    fn parked_alert(&self, job: &Job, why: &str) -> Option<NewJob> {
        let turn = &self.press.turn;
        let what = format!("the closing of #{}", self.ticket.number());
        let values = json!({
            "what": what, "who": alerts::who(turn.inbound), "account": self.account.name.as_str(),
            "channel": "Telegram", "why": why, "excerpt": null, "number": self.ticket.number(),
            "url": alerts::url(turn.bridge, &self.conversation, Some(&self.ticket)), "job": job.id.to_string(),
        });
        let told = Tell {
            kind: AlertKind::Parked,
            template: "alert_parked",
            values,
            line: format!("{what} waits for a decision: {why}"),
            about: None,
            actions: admin::decisions(job.id),
        };
        let key = format!("alert/{}/{}", job.id, turn.bridge.now().as_millis());
        alerts::tell(turn.bridge, Some(&self.account.name), None, key, told)
    }
}
