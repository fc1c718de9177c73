//! What admins are told about a message that did not get to its customer, or may not have.

use serde_json::{Value, json};

use crate::{
    bridge::{
        alerts::{self, Tell},
        context::Bridge,
        provenance::day_and_time,
        recipients,
    },
    model::{
        button::Action,
        conversation::Conversation,
        delivery::{AlertKind, Content, Delivery},
        job::{Job, NewJob},
        place::Place,
        staff_message::StaffMessage,
    },
};

/// Whether the admin group itself is where it goes: a failure there cannot be told there.
pub(super) fn is_for_admins(bridge: &Bridge, delivery: &Delivery) -> bool {
    matches!(delivery.content, Content::Alert(_))
        || delivery.to.chat().is_some_and(|chat| bridge.is_admin_chat(chat))
}

/// Sent twice, and nobody knows whether it arrived.
pub(super) fn parked(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    conversation: Option<&Conversation>,
    why: &str,
) -> Option<NewJob> {
    let mut values = about(bridge, job, delivery, conversation, why);
    insert(&mut values, "number", json!(number(conversation)));
    let told = Tell {
        kind: AlertKind::Parked,
        template: "alert_parked",
        values,
        line: format!("{} waits for a decision: {why}", what(delivery, conversation)),
        about: None,
        actions: alerts::decisions(job),
    };
    tell(bridge, job, delivery, conversation, told)
}

/// It was refused for good, or nobody can be reached.
pub(super) fn dead(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    conversation: Option<&Conversation>,
    why: &str,
) -> Option<NewJob> {
    let mut values = about(bridge, job, delivery, conversation, why);
    let kept_until = bridge.now().plus(bridge.timing.keep_done);
    insert(&mut values, "customer_told", json!(false));
    insert(&mut values, "kept_until", json!(day_and_time(kept_until)));
    let told = Tell {
        kind: AlertKind::Dead,
        template: "alert_dead",
        values,
        line: format!("{} did not arrive: {why}", what(delivery, conversation)),
        about: None,
        actions: vec![
            ("button_send_again", Action::SendAgain(job.id)),
            ("button_discard", Action::Discard(job.id)),
        ],
    };
    tell(bridge, job, delivery, conversation, told)
}

/// A place is lost; what goes there from now on goes to `instead`, or nowhere.
pub(super) fn lost(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    conversation: Option<&Conversation>,
    why: &str,
    instead: Option<&Place>,
) -> Option<NewJob> {
    let meaning = match instead {
        Some(place) => format!("answers of the support go to {} instead", name(place)),
        None => "answers of the support do not arrive there".to_owned(),
    };
    let what = match conversation {
        Some(conversation) => format!("{} of account {}", name(&delivery.to), conversation.account),
        None => name(&delivery.to),
    };
    let told = Tell {
        kind: AlertKind::Trouble,
        template: "alert_trouble",
        line: format!("{what} cannot be reached: {why}"),
        values: json!({
            "what": what, "since": day_and_time(bridge.now()), "error": why, "meaning": meaning,
            "todo": "reach the customer in another way, if it matters",
        }),
        about: None,
        actions: Vec::new(),
    };
    tell(bridge, job, delivery, conversation, told)
}

/// A staff message that nobody can get: each place that it would go to is lost.
pub(super) fn unreached(
    bridge: &Bridge,
    conversation: &Conversation,
    staff: &StaffMessage,
) -> Option<NewJob> {
    let what = format!("Ticket #{} of account {}", staff.ticket.number(), conversation.account);
    let told = Tell {
        kind: AlertKind::Trouble,
        template: "alert_trouble",
        line: format!("the answer to #{} reaches nobody", staff.ticket.number()),
        values: json!({
            "what": what, "since": day_and_time(bridge.now()),
            "error": "the customer blocked the bot, or the mails came back",
            "meaning": "an answer of the support reached nobody",
            "todo": "reach the customer in another way",
        }),
        about: None,
        actions: Vec::new(),
    };
    let key = format!("alert/unreached/{}/{}/{}", conversation.api, staff.ticket, recipients::part(staff));
    alerts::tell(bridge, Some(&conversation.account), None, key, told)
}

/// The admin group has another number than `bot.toml` says.
pub(super) fn admin_chat_moved(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    to: crate::model::ids::ChatId,
) -> Option<NewJob> {
    let told = Tell {
        kind: AlertKind::Trouble,
        template: "alert_trouble",
        line: format!("the admin group has the number {to} now"),
        values: json!({
            "what": "The number of this group", "since": day_and_time(bridge.now()),
            "error": "Telegram made it a supergroup",
            "meaning": "alerts arrive, but buttons and commands may not work here",
            "todo": format!("set admin_chat = {to} in bot.toml and restart"),
        }),
        about: None,
        actions: Vec::new(),
    };
    let mailbox = delivery.to.mailbox();
    alerts::tell(bridge, None, mailbox, format!("alert/moved/{}", job.id), told)
}

fn tell(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    conversation: Option<&Conversation>,
    told: Tell,
) -> Option<NewJob> {
    if is_for_admins(bridge, delivery) {
        tracing::error!(job.id = %job.id, told.line, "Admins cannot be told in their group.");
        return None;
    }
    let account = conversation.map(|conversation| &conversation.account);
    alerts::tell(bridge, account, delivery.to.mailbox(), alerts::alert_key(bridge, job), told)
}

fn about(
    bridge: &Bridge,
    job: &Job,
    delivery: &Delivery,
    conversation: Option<&Conversation>,
    why: &str,
) -> Value {
    let ticket = conversation.and_then(|conversation| conversation.ticket.as_ref());
    let url = conversation.and_then(|conversation| alerts::url(bridge, conversation, ticket));
    let account = conversation.map_or("-", |conversation| conversation.account.as_str());
    json!({
        "what": what(delivery, conversation), "who": name(&delivery.to), "account": account,
        "channel": alerts::channel_name(&delivery.to), "why": why, "excerpt": excerpt(delivery),
        "job": job.id.to_string(), "url": url,
    })
}

fn what(delivery: &Delivery, conversation: Option<&Conversation>) -> String {
    let kind = match delivery.content {
        Content::Staff(_) => "an answer of the support",
        Content::Note(_) | Content::Letter(_) => "a notice",
        Content::Alert(_) => "an alert",
    };
    match number(conversation) {
        Some(number) => format!("{kind} about #{number}"),
        None => kind.to_owned(),
    }
}

fn excerpt(delivery: &Delivery) -> Option<String> {
    let text = match &delivery.content {
        Content::Staff(staff) => &staff.text,
        Content::Note(note) => &note.text.text,
        Content::Letter(letter) => &letter.subject,
        Content::Alert(alert) => &alert.line,
    };
    (!text.trim().is_empty()).then(|| text.clone())
}

fn number(conversation: Option<&Conversation>) -> Option<&str> {
    conversation?.ticket.as_ref().map(|ticket| ticket.number())
}

/// As admins know a place.
fn name(place: &Place) -> String {
    match place {
        Place::Chat { chat, .. } => format!("the Telegram chat {chat}"),
        Place::Mail { address, .. } => address.to_string(),
    }
}

fn insert(values: &mut Value, name: &str, value: Value) {
    if let Some(map) = values.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}
