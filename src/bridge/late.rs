//! A create that was parked and is decided about: what waits behind it goes on, and its ticket is found and linked.

use serde_json::json;

use crate::{
    bridge::{
        admin,
        context::Bridge,
        filing::{created, watch},
        new_ticket::guest,
        notes::remark,
        provenance::{day_and_time, provenance},
        reconcile,
        steps::{self, Interrupted, Standing},
    },
    model::{
        conversation::{Conversation, ConversationChange, TicketStatus},
        ids::TicketId,
        inbound::Origin,
        job::{Filing, Job, Remote, State, Step, Task, Why},
    },
    store::{
        Claim, StoreError,
        change::{Change, Key},
    },
    ticket_api::{Access, Files, Found, NewReply},
};

/// The conversation whose create this job is, while that is parked.
pub fn parked_create(bridge: &Bridge, job: &Job) -> Result<Option<Conversation>, StoreError> {
    let Task::File(filing) = &job.task else { return Ok(None) };
    let conversation = bridge.store.conversation(filing.conversation)?;
    Ok(conversation.filter(|known| known.create_parked.is_some_and(|(parked, _)| parked == job.id)))
}

/// Nobody needs to wait for a decision about it any more.
pub fn decided(conversation: &Conversation, job: &Job) -> Change {
    Change::Conversation(conversation.id, ConversationChange::CreateDecided(job.id))
}

/// Later messages of the conversation go on at once. Where a kill prevents it, they do at their time.
pub async fn wake(bridge: &Bridge, conversation: &Conversation) -> Result<(), StoreError> {
    let lane = crate::model::job::Lane::Conversation(conversation.id);
    for summary in bridge.store.summaries(admin::MOST)? {
        let waits = matches!(summary.state, State::Waiting { why: Why::Predecessor, .. });
        if waits && summary.lane == lane {
            bridge.store.resume(summary.id, None, None).await?;
        }
    }
    Ok(())
}

/// A person says that the create did happen: its ticket is the one with the marker. Nothing if no ticket
/// shows it. The conversation gets it, unless it went on with another one: then the ticket gets its own.
pub async fn there(
    bridge: &Bridge,
    claim: &mut Claim,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    access: &Access,
) -> Result<Option<TicketId>, Interrupted> {
    let sent = filing.messages.iter().map(|arrived| arrived.inbound.sent).min().unwrap_or(job.accepted);
    let since = sent.minus(bridge.timing.clock_skew);
    let found = match reconcile::look_for_create(bridge, conversation, access, filing, since).await? {
        Found::Ticket(found) => found.ticket,
        Found::Reply(_) | Found::Absent | Found::CannotKnow => {
            bridge.store.apply(vec![decided(conversation, job)]).await?;
            wake(bridge, conversation).await?;
            return Ok(None);
        }
    };
    let mut changes = match &conversation.ticket {
        None => created(conversation, &found, bridge.now()),
        Some(_) => of_its_own(bridge, filing, conversation, &found),
    };
    changes.push(decided(conversation, job));
    bridge.store.end_step(claim, Step::Create, Remote::Ticket(found.clone()), changes).await?;
    wake(bridge, conversation).await?;
    Ok(Some(found))
}

/// The conversation of a ticket.
pub fn of_ticket(
    bridge: &Bridge,
    like: &Conversation,
    ticket: &TicketId,
) -> Result<Option<Conversation>, StoreError> {
    let found = bridge.store.find(&Key::Ticket(like.api.clone(), ticket.clone()))?;
    found.map(|id| bridge.store.conversation(id)).transpose().map(Option::flatten)
}

/// The ticket that was opened meanwhile names the earlier one; where nothing may be written there, it
/// does not.
pub async fn name_in_later(
    bridge: &Bridge,
    claim: &mut Claim,
    filing: &Filing,
    conversation: &Conversation,
    access: &Access,
    earlier: &TicketId,
) -> Result<(), Interrupted> {
    let Some((later, api)) = conversation.ticket.as_ref().zip(bridge.apis.get(&conversation.api)) else {
        return Ok(());
    };
    // A reply would open it again.
    if matches!(conversation.status, TicketStatus::Resolved | TicketStatus::Closed) {
        return Ok(());
    }
    match steps::standing(bridge, claim, &Step::Reply) {
        Standing::Done(_) => return Ok(()),
        Standing::Untried => {}
        Standing::Unknown { attempted, ended } => {
            let attempt = Some((attempted, ended));
            let markers = reconcile::markers(bridge, filing);
            let sought =
                reconcile::Sought { conversation, access, ticket: later, step: Step::Reply, markers };
            if reconcile::message(bridge, claim, sought, attempt).await?.is_some() {
                return Ok(());
            }
        }
    }
    let first = filing.messages.first().map(|arrived| &arrived.inbound);
    let excerpt = first.and_then(|first| first.message()).map(|message| message.text.clone());
    let values = json!({
        "time": first.map(|first| day_and_time(first.sent)), "number": earlier.number(),
        "excerpt": excerpt.filter(|text| !text.is_empty()),
    });
    let Some(note) = remark(bridge, "note_stands_in", &values) else { return Ok(()) };
    let text = format!("{note}\n\n{}", provenance(bridge, filing, &reconcile::markers(bridge, filing)));
    let reply = NewReply { text, subject: conversation.subject.clone(), guest: guest(filing) };
    let call = api.port.reply(access, later, &reply, Files::None);
    let made = |message| (Remote::Message(message), Vec::new());
    match steps::call(bridge, claim, conversation, Step::Reply, call, made).await {
        Ok(_) => Ok(()),
        Err(
            refused @ (Interrupted::Refused(_)
            | Interrupted::Locked
            | Interrupted::NotFound
            | Interrupted::Unsupported(_)),
        ) => {
            tracing::warn!(ticket.id = %later, ?refused, "The later ticket cannot name the earlier one.");
            Ok(())
        }
        Err(interrupted) => Err(interrupted),
    }
}

/// What follows from a ticket that is found when its conversation already has another one.
fn of_its_own(
    bridge: &Bridge,
    filing: &Filing,
    conversation: &Conversation,
    ticket: &TicketId,
) -> Vec<Change> {
    let now = bridge.now();
    let id = bridge.store.next_conversation();
    let own = Conversation {
        id,
        ticket: Some(ticket.clone()),
        status: TicketStatus::Open,
        status_read: now,
        active: now,
        mails: Vec::new(),
        successor: Some(conversation.id),
        predecessor: None,
        create_parked: None,
        ..conversation.clone()
    };
    let mut changes = vec![
        Change::Rebind(Key::Ticket(own.api.clone(), ticket.clone()), id),
        Change::Watch(watch(&own, ticket, now)),
    ];
    for arrived in &filing.messages {
        match &arrived.inbound.origin {
            Origin::Chat(chat) => {
                changes.push(Change::Rebind(Key::ChatMessage(chat.bot, chat.chat, chat.message), id));
            }
            Origin::Mail(mail) => {
                let key = Key::Mail(own.account.clone(), mail.message_id.clone());
                changes.push(Change::Rebind(key, id));
                changes.push(Change::Conversation(id, ConversationChange::Mail(mail.message_id.clone())));
            }
        }
    }
    changes.insert(0, Change::NewConversation(own));
    changes
}

#[cfg(test)]
#[path = "late_tests.rs"]
mod tests;
