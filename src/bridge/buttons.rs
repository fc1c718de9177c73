//! A pressed button: what it does, if this bridge made it for this chat and its question still stands.

use serde_json::json;

use crate::{
    bridge::{admin, closing, linking, outcome::Outcome, threading, turn::Press},
    model::{
        button::Action,
        ids::JobId,
        inbound::Origin,
        job::{Decision, Filing, Job, Lane, NewJob, Remote, State, Step, StepRecord, StepState, Task},
    },
    store::{
        Claim, StoreError,
        change::{Change, Key},
    },
};

pub async fn run(press: &Press<'_>, claim: &mut Claim, data: &str) -> Result<Outcome, StoreError> {
    let turn = &press.turn;
    let Some(action) = Action::verify(data, turn.chat.chat, &turn.bridge.secret) else {
        return Ok(press.expired());
    };
    match action {
        Action::LinkYes => linking::decided(press, true).await,
        Action::LinkNo => linking::decided(press, false).await,
        Action::SameTicket(job) => answered(press, job, Decision::SameTicket).await,
        Action::NewTicket(job) => answered(press, job, Decision::NewTicket).await,
        Action::OnlyThanks(job) => answered(press, job, Decision::OnlyThanks).await,
        Action::NewInstead(job) => instead(press, job),
        Action::CloseYes(conversation) => closing::close(press, claim, conversation).await,
        Action::CloseNo(conversation) => closing::kept(press, conversation),
        Action::ItIsThere(job) => admin::pressed(press, job, admin::Verdict::ItIsThere).await,
        Action::SendAgain(job) => admin::pressed(press, job, admin::Verdict::SendAgain).await,
        Action::Release(job) => admin::pressed(press, job, admin::Verdict::Release).await,
        Action::Discard(job) => admin::pressed(press, job, admin::Verdict::Discard).await,
    }
}

/// The answer to “which ticket?”.
async fn answered(press: &Press<'_>, id: JobId, decision: Decision) -> Result<Outcome, StoreError> {
    let store = &press.turn.bridge.store;
    let Some((asked, steps)) = store.job(id)? else { return Ok(press.expired()) };
    let Task::File(filing) = &asked.task else { return Ok(press.expired()) };
    let standing = asked.state.is_live() && asked.progress.asked.is_some() && steps.is_empty();
    // The same answer again: a crash may have come between its taking effect and its being told.
    let again = asked.progress.decision == Some(decision);
    let open = standing && asked.progress.decision.is_none();
    if !(again || open && store.resume(id, Some(decision), None).await?) {
        return Ok(press.expired());
    }
    let conversation = store.conversation(filing.conversation)?;
    let number =
        conversation.and_then(|conversation| conversation.ticket).map(|ticket| ticket.number().to_owned());
    let template = match decision {
        Decision::NewTicket => "choice_made_new",
        Decision::OnlyThanks => "choice_made_thanks",
        Decision::SameTicket | Decision::ItIsThere | Decision::SendAgain => "choice_made_ticket",
    };
    Ok(press.settled(template, json!({ "number": number }), Vec::new()))
}

/// What was filed founds a ticket of its own; pressing twice makes one.
fn instead(press: &Press<'_>, id: JobId) -> Result<Outcome, StoreError> {
    let turn = &press.turn;
    let store = &turn.bridge.store;
    let Some(customer) = turn.customer()? else { return Ok(press.expired()) };
    let Some((filed, steps)) = store.job(id)? else { return Ok(press.expired()) };
    let Some(filing) = filed_by(&filed, &steps) else { return Ok(press.expired()) };
    let conversation = store.conversation(filing.conversation)?;
    if conversation.is_none_or(|conversation| conversation.account != customer.account.name) {
        return Ok(press.expired());
    }
    let key = format!("{}/instead", filed.key);
    let values = json!({ "number": null });
    if store.job_of_key(&key)?.is_some() {
        return Ok(press.settled("choice_made_new", values, Vec::new()));
    }
    let mut filing = filing.clone();
    for arrived in &mut filing.messages {
        // A marker of its own: the old one stands in the ticket that it went to first.
        arrived.inbound.identity.key.push_str("/instead");
    }
    let Some(first) = filing.messages.first() else { return Ok(press.expired()) };
    let new = threading::found(turn.bridge, &first.inbound, &customer.account, None);
    filing.conversation = new.id;
    let mut changes = vec![Change::Rebind(turn.current_key(), new.id)];
    for arrived in &filing.messages {
        if let Origin::Chat(chat) = &arrived.inbound.origin {
            changes.push(Change::Rebind(Key::ChatMessage(chat.bot, chat.chat, chat.message), new.id));
        }
    }
    let lane = Lane::Conversation(new.id);
    changes.insert(0, Change::NewConversation(new));
    let mut jobs = press.settling("choice_made_new", values);
    jobs.push(NewJob { lane, key, task: Task::File(filing), state: State::Ready });
    Ok(Outcome::Done { changes, follow_ups: jobs })
}

/// The messages of a job that went to a ticket.
fn filed_by<'a>(job: &'a Job, steps: &[StepRecord]) -> Option<&'a Filing> {
    let Task::File(filing) = &job.task else { return None };
    let filed = steps.iter().any(|record| {
        matches!(record.step, Step::Create | Step::Reply)
            && matches!(&record.state, StepState::Done(remote) if !matches!(remote, Remote::Skipped(_)))
    });
    (matches!(job.state, State::Done { .. }) && filed).then_some(filing)
}
