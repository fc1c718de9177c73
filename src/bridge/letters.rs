//! Automatic mails: receipts and refusals, never to a robot or a forged sender, and within the caps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    bridge::{context::Bridge, loop_guard, threading::Placed},
    model::{
        delivery::{Content, Delivery, Letter},
        ids::{ConversationId, MailAddress, MailId, MailboxName},
        inbound::{Inbound, MailOrigin, Origin, Verdict},
        job::{Lane, NewJob, State, Task},
        place::Place,
    },
    store::{StoreError, change::Change},
    text::subject,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A refusal by mail: once a day per sender and reason, at most sixty an hour in
/// all, only to a sender whose From domain passed an aligned check (design §1, 8).
/// What may not be sent is dropped and counted.
pub fn refusal(
    bridge: &Bridge,
    inbound: &Inbound,
    reason: &'static str,
    values: Value,
) -> Result<Placed, StoreError> {
    let Origin::Mail(mail) = &inbound.origin else { return Ok(Placed::nothing()) };
    if mail.verdict != Verdict::Pass || mail.automatic.is_some() {
        metrics::counter!("refusals_not_sent_total", "reason" => reason).increment(1);
        return Ok(Placed::nothing());
    }
    let caps = [
        (format!("refusal/{}/{reason}", mail.from), 1, bridge.timing.refusal_mail_again),
        ("refusals".to_owned(), bridge.limits.refusal_mails_per_hour, HOUR),
    ];
    let Some(mut changes) = loop_guard::count_all(bridge, caps)? else {
        metrics::counter!("refusals_not_sent_total", "reason" => reason).increment(1);
        return Ok(Placed::nothing());
    };
    let key = format!("refusal/{reason}/{}", inbound.identity.key);
    let Some((job, counted)) = letter(bridge, &to(mail), key, reason, values, None)? else {
        return Ok(Placed::nothing());
    };
    changes.extend(counted);
    Ok(Placed { changes, jobs: vec![job] })
}

/// Where and about what a letter goes.
pub struct To {
    pub mailbox: MailboxName,
    pub address: MailAddress,
    /// The subject of the mail it answers.
    pub subject: String,
    pub in_reply_to: Option<MailId>,
}

pub fn to(mail: &MailOrigin) -> To {
    To {
        mailbox: mail.mailbox.clone(),
        address: mail.from.clone(),
        subject: mail.subject.clone(),
        in_reply_to: Some(mail.message_id.clone()),
    }
}

/// An automatic mail within the caps per recipient and per subject; nothing beyond them,
/// or to an address that bounced.
pub fn letter(
    bridge: &Bridge,
    to: &To,
    key: String,
    template: &str,
    values: Value,
    conversation: Option<ConversationId>,
) -> Result<Option<(NewJob, Vec<Change>)>, StoreError> {
    if bridge.store.suppressed(&to.address)?.is_some_and(|until| until > bridge.now()) {
        return Ok(None);
    }
    let subject = format!("Re: {}", subject::strip_prefixes(&to.subject));
    let window = bridge.timing.auto_mail_window;
    let caps = [
        (format!("letters/{}", to.address), bridge.limits.auto_mail_per_recipient, window),
        (format!("letters/{}/{subject}", to.address), bridge.limits.auto_mail_same_subject, window),
    ];
    let Some(changes) = loop_guard::count_all(bridge, caps)? else {
        metrics::counter!("letters_dropped_total").increment(1);
        return Ok(None);
    };
    let values = with_frame(values, &subject, bridge, &to.mailbox);
    let rendered = bridge.templates.render_mail(&bridge.language, template, &values);
    let Ok(mail) =
        rendered.inspect_err(|error| tracing::error!(template, %error, "A letter cannot be rendered."))
    else {
        return Ok(None);
    };
    let letter = Letter {
        subject: mail.subject.unwrap_or(subject),
        text: mail.text,
        html: mail.html,
        in_reply_to: to.in_reply_to.clone(),
    };
    let place = Place::Mail { mailbox: to.mailbox.clone(), address: to.address.clone() };
    let lane = match conversation {
        Some(id) => Lane::Thread(id),
        None => Lane::Letters(to.address.clone()),
    };
    let task = Task::Deliver(Delivery { to: place, conversation, content: Content::Letter(letter) });
    Ok(Some((NewJob { lane, key, task, state: State::Ready }, changes)))
}

fn with_frame(mut values: Value, subject: &str, bridge: &Bridge, mailbox: &MailboxName) -> Value {
    let sender = bridge.mailboxes.get(mailbox).map_or_else(String::new, |mailbox| mailbox.sender.clone());
    if let Some(map) = values.as_object_mut() {
        map.entry("subject").or_insert_with(|| json!(subject));
        map.entry("sender").or_insert_with(|| json!(sender));
    }
    values
}
