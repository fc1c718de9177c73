//! A job whose content on the disk is gone: it is buried, and everybody who can be is told.

use serde_json::json;

use crate::{
    bridge::{
        alerts::{self, Tell},
        context::Bridge,
        notes::{self, Say},
        outcome::Outcome,
        provenance::day_and_time,
    },
    model::{
        button::Action,
        conversation::Conversation,
        delivery::AlertKind,
        ids::ConversationId,
        job::{Lane, NewJob},
    },
    store::{Damaged, StoreError},
};

/// What becomes of it. Its lane still says which conversation or place it was for.
pub fn outcome(bridge: &Bridge, damaged: &Damaged) -> Result<Outcome, StoreError> {
    let conversation =
        conversation(&damaged.summary.lane).map(|id| bridge.store.conversation(id)).transpose()?;
    let conversation = conversation.flatten();
    let is_message = damaged.summary.task == "file";
    // What a step did stands in the ticket: then the staff decide what is missing.
    let told = conversation
        .as_ref()
        .filter(|_| is_message && !damaged.begun)
        .and_then(|conversation| customer(bridge, damaged, conversation));
    let alert = alert(bridge, damaged, conversation.as_ref(), told.is_some());
    Ok(Outcome::Bury {
        why: damaged.why.clone(),
        changes: Vec::new(),
        follow_ups: alert.into_iter().chain(told).collect(),
    })
}

/// Who wrote it is not known any more; who wrote last in the conversation is asked to look. Nobody is by
/// mail: whether the sender was proven is gone, too.
fn customer(bridge: &Bridge, damaged: &Damaged, conversation: &Conversation) -> Option<NewJob> {
    let place = conversation.last_writer.as_ref()?;
    let reason = format!("a message from {} was damaged on our side", day_and_time(damaged.summary.accepted));
    let values = json!({ "parked": false, "excerpt": null, "reason": reason, "url": null });
    let note = Say::new("could_not_file", values).about(conversation.id);
    notes::say(bridge, place, format!("damaged/{}", damaged.summary.key), note)
}

fn alert(
    bridge: &Bridge,
    damaged: &Damaged,
    conversation: Option<&Conversation>,
    customer_told: bool,
) -> Option<NewJob> {
    let summary = &damaged.summary;
    let ticket = conversation.and_then(|conversation| conversation.ticket.as_ref());
    let what = match (summary.task.as_str(), ticket) {
        ("file", Some(ticket)) => format!("a message for #{}", ticket.number()),
        ("file", None) => "a message for a new ticket".to_owned(),
        ("deliver", Some(ticket)) => format!("an answer in #{}", ticket.number()),
        ("deliver", None) => format!("something to be sent ({})", place(&summary.lane)),
        _ => format!("a command or a mail ({})", place(&summary.lane)),
    };
    let why = format!("its content on the disk is damaged or gone: {}", damaged.why);
    let writer = conversation.and_then(|conversation| conversation.last_writer.as_ref());
    let values = json!({
        "what": what, "who": "a customer", "account": conversation.map(|known| known.account.as_str()),
        "channel": writer.map_or("panel", alerts::channel_name), "why": why, "customer_told": customer_told,
        "excerpt": null, "url": conversation.and_then(|known| alerts::url(bridge, known, ticket)),
        "job": summary.id.to_string(), "kept_until": day_and_time(bridge.now().plus(bridge.timing.keep_done)),
    });
    let told = Tell {
        kind: AlertKind::Dead,
        template: "alert_dead",
        values,
        line: format!("{what} is lost: its content is damaged"),
        about: None,
        actions: vec![("button_discard", Action::Discard(summary.id))],
    };
    let account = conversation.map(|conversation| &conversation.account);
    alerts::tell(bridge, account, None, format!("alert/damaged/{}", summary.id), told)
}

fn conversation(lane: &Lane) -> Option<ConversationId> {
    match lane {
        Lane::Conversation(id) | Lane::Thread(id) => Some(*id),
        Lane::Control(_) | Lane::Chat(_) | Lane::Letters(_) => None,
    }
}

fn place(lane: &Lane) -> String {
    match lane {
        Lane::Control(chat) | Lane::Chat(chat) => format!("chat {chat}"),
        Lane::Letters(address) => address.to_string(),
        Lane::Conversation(id) | Lane::Thread(id) => format!("conversation {id}"),
    }
}
