//! What admins are told: an ordinary job in the lane of their group.

use serde_json::{Value, json};

pub use crate::bridge::answered::answered;
pub(super) use crate::bridge::undelivered::unreached;

use crate::{
    bridge::{answered::FILED, context::Bridge, provenance::day_and_time},
    model::{
        button::{Action, Button},
        conversation::Conversation,
        delivery::{Alert, AlertKind, Content, Delivery},
        ids::{AccountName, ApiName, MailboxName, TicketId},
        inbound::{Inbound, MailOrigin, Origin},
        job::{Filing, Job, Lane, NewJob, State, Task},
        place::Place,
    },
    runtime::clock::Timestamp,
    text::templates::Format,
};

/// An alert before it is rendered.
pub struct Tell {
    pub kind: AlertKind,
    pub template: &'static str,
    pub values: Value,
    pub line: String,
    pub about: Option<(ApiName, TicketId)>,
    pub actions: Vec<(&'static str, Action)>,
}

/// An alert for the admins of an account or a mailbox; nothing where no group is configured.
pub fn tell(
    bridge: &Bridge,
    account: Option<&AccountName>,
    mailbox: Option<&MailboxName>,
    key: String,
    tell: Tell,
) -> Option<NewJob> {
    let to = bridge.admin_chat(account, mailbox)?;
    let chat = to.chat()?;
    let text = bridge
        .templates
        .render_telegram(&bridge.language, tell.template, &tell.values)
        .inspect_err(
            |error| tracing::error!(template = tell.template, %error, "An alert could not be rendered."),
        )
        .ok()?;
    let buttons = tell.actions.iter().map(|(template, action)| {
        let label = bridge.templates.render(&bridge.language, template, Format::Telegram, &json!({}));
        let label = label.map_or_else(|_| (*template).to_owned(), |label| label.trim().to_owned());
        Button::new(label, *action, chat, &bridge.secret)
    });
    let row: Vec<Button> = buttons.collect();
    let buttons = if row.is_empty() { Vec::new() } else { vec![row] };
    let alert = Alert { kind: tell.kind, text, line: tell.line, buttons, about: tell.about };
    let task = Task::Deliver(Delivery { to, conversation: None, content: Content::Alert(alert) });
    Some(NewJob { lane: Lane::Chat(chat), key, task, state: State::Ready })
}

/// A new ticket, or a customer's reply.
pub fn filed(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    ticket: &TicketId,
    founded: bool,
    reopened: bool,
) -> Option<NewJob> {
    let mut values = about(bridge, filing, conversation, Some(ticket));
    insert(&mut values, "subject", json!(conversation.subject));
    insert(&mut values, "files", json!(Some(filing.files().count()).filter(|files| *files > 0)));
    let (kind, template, what) = if founded {
        (AlertKind::NewTicket, "alert_new_ticket", "new")
    } else {
        insert(&mut values, "reopened", json!(reopened));
        (AlertKind::Reply, "alert_reply", "reply")
    };
    let told = Tell {
        kind,
        template,
        values,
        line: format!("#{} {} ({what})", ticket.number(), conversation.subject),
        about: Some((conversation.api.clone(), ticket.clone())),
        actions: Vec::new(),
    };
    tell(bridge, Some(&conversation.account), mailbox_of(filing), format!("{FILED}{}", job.key), told)
}

/// A customer closed his ticket, or staff did.
pub fn closed(
    bridge: &Bridge,
    key: &str,
    who: &str,
    by_customer: bool,
    conversation: &Conversation,
) -> Option<NewJob> {
    let ticket = conversation.ticket.as_ref()?;
    let channel = conversation.founder.as_ref().map_or("panel", channel_name);
    let values = json!({
        "number": ticket.number(), "by_customer": by_customer, "subject": conversation.subject, "who": who,
        "account": conversation.account.as_str(), "channel": channel, "url": url(bridge, conversation, Some(ticket)),
    });
    let told = Tell {
        kind: AlertKind::Closed,
        template: "alert_closed",
        values,
        line: format!("#{} {} (closed)", ticket.number(), conversation.subject),
        about: Some((conversation.api.clone(), ticket.clone())),
        actions: Vec::new(),
    };
    tell(bridge, Some(&conversation.account), None, format!("alert/closed/{key}"), told)
}

/// Only a person can decide about a message.
pub fn parked(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    why: &str,
) -> Option<NewJob> {
    let ticket = conversation.ticket.as_ref();
    let mut values = about(bridge, filing, conversation, ticket);
    insert(&mut values, "what", json!(what(ticket)));
    insert(&mut values, "why", json!(why));
    insert(&mut values, "job", json!(job.id.to_string()));
    let told = Tell {
        kind: AlertKind::Parked,
        template: "alert_parked",
        values,
        line: format!("{} waits for a decision: {why}", what(ticket)),
        about: None,
        actions: decisions(job),
    };
    tell(bridge, Some(&conversation.account), mailbox_of(filing), alert_key(bridge, job), told)
}

/// A message was refused for good.
pub fn dead(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    why: &str,
    customer_told: bool,
) -> Option<NewJob> {
    let ticket = conversation.ticket.as_ref();
    let mut values = about(bridge, filing, conversation, ticket);
    let kept_until = bridge.now().plus(bridge.timing.keep_done);
    insert(&mut values, "what", json!(what(ticket)));
    insert(&mut values, "why", json!(why));
    insert(&mut values, "customer_told", json!(customer_told));
    insert(&mut values, "kept_until", json!(day_and_time(kept_until)));
    insert(&mut values, "job", json!(job.id.to_string()));
    let told = Tell {
        kind: AlertKind::Dead,
        template: "alert_dead",
        values,
        line: format!("{} was refused: {why}", what(ticket)),
        about: None,
        actions: vec![
            ("button_send_again", Action::SendAgain(job.id)),
            ("button_discard", Action::Discard(job.id)),
        ],
    };
    tell(bridge, Some(&conversation.account), mailbox_of(filing), alert_key(bridge, job), told)
}

/// A mail is held back until somebody releases it.
pub fn quarantined(
    bridge: &Bridge,
    job: &Job,
    inbound: &Inbound,
    mail: &MailOrigin,
    account: Option<&AccountName>,
    why: &str,
) -> Option<NewJob> {
    let kept_until = bridge.now().plus(bridge.timing.keep_done);
    let values = json!({
        "mailbox": mail.mailbox.as_str(), "from": format!("{} <{}>", inbound.sender.name, mail.from),
        "subject": mail.subject, "why": why, "excerpt": excerpt(inbound), "account": account.map(AccountName::as_str),
        "kept_until": day_and_time(kept_until),
    });
    let told = Tell {
        kind: AlertKind::Quarantined,
        template: "alert_quarantined",
        values,
        line: format!("mail of {} held back: {}", mail.from, mail.subject),
        about: None,
        actions: vec![
            ("button_release", Action::Release(job.id)),
            ("button_discard", Action::Discard(job.id)),
        ],
    };
    tell(bridge, account, Some(&mail.mailbox), alert_key(bridge, job), told)
}

/// The store lost something, and somebody decided to go on; told once, however often the bridge starts.
pub fn lost_state(bridge: &Bridge) -> Option<NewJob> {
    let lost = bridge.store.loss()?;
    let values = json!({
        "missing": lost.what, "reread_from": day_and_time(lost.reread_since),
        "lost_since": day_and_time(lost.since), "lost_until": day_and_time(lost.until),
        "look_first_until": day_and_time(lost.look_first_until),
    });
    let line = format!("the bridge goes on after a loss: {}", lost.what);
    let (kind, template) = (AlertKind::Trouble, "alert_lost_state");
    let told = Tell { kind, template, values, line, about: None, actions: Vec::new() };
    tell(bridge, None, None, format!("alert/lost-state/{}", lost.number), told)
}

/// Mail of a renumbered folder was left alone, since most of it was filed under its old numbers.
/// The command reaches as far back as everything filed is still known.
pub fn skipped(bridge: &Bridge, mailbox: &MailboxName, mails: u32, older_than: Timestamp) -> Option<NewJob> {
    let since = jiff::Timestamp::from_millisecond(older_than.minus(bridge.timing.keep_done).as_millis());
    let since =
        since.map_or_else(|_| "1970-01-01".to_owned(), |since| since.strftime("%Y-%m-%d").to_string());
    let values = json!({
        "mailbox": mailbox.as_str(), "count": mails, "before": day_and_time(older_than),
        "why": "its folder gave all mails new numbers, and those may have been filed under their old ones",
        "command": format!("ticket-bridge backfill {mailbox} --since {since}"),
    });
    let line = format!("{mails} older mails in {mailbox} were not filed");
    let told = Tell {
        kind: AlertKind::Trouble,
        template: "alert_skipped",
        values,
        line,
        about: None,
        actions: Vec::new(),
    };
    // Told once, also when the bridge is killed before the folder's cursor has changed.
    let key = format!("alert/skipped/{mailbox}/{}", older_than.as_millis());
    tell(bridge, None, Some(mailbox), key, told)
}

pub(super) fn decisions(job: &Job) -> Vec<(&'static str, Action)> {
    vec![
        ("button_it_is_there", Action::ItIsThere(job.id)),
        ("button_send_again", Action::SendAgain(job.id)),
        ("button_discard", Action::Discard(job.id)),
    ]
}

/// A job can need a person more than once; each time is told.
pub(super) fn alert_key(bridge: &Bridge, job: &Job) -> String {
    format!("alert/{}/{}", job.id, bridge.now().as_millis())
}

/// Who, account, channel, excerpt and link: what every alert about a message says.
fn about(bridge: &Bridge, filing: &Filing, conversation: &Conversation, ticket: Option<&TicketId>) -> Value {
    let first = filing.messages.first().map(|arrived| &arrived.inbound);
    json!({
        "number": ticket.map(TicketId::number),
        "who": first.map_or_else(|| "a customer".to_owned(), who),
        "account": conversation.account.as_str(),
        "channel": first.map_or("panel", |inbound| channel_name(&inbound.place())),
        "excerpt": first.and_then(excerpt),
        "url": url(bridge, conversation, ticket),
    })
}

/// “Ann Example (@ann)”, “Bob <bob@example.org>”.
pub fn who(inbound: &Inbound) -> String {
    let name = &inbound.sender.name;
    match (&inbound.origin, &inbound.sender.handle) {
        (Origin::Chat(_), Some(handle)) => format!("{name} (@{})", handle.trim_start_matches('@')),
        (Origin::Chat(_), None) => name.clone(),
        (Origin::Mail(mail), _) if name.is_empty() => mail.from.to_string(),
        (Origin::Mail(mail), _) => format!("{name} <{}>", mail.from),
    }
}

pub fn url(bridge: &Bridge, conversation: &Conversation, ticket: Option<&TicketId>) -> Option<String> {
    let account = bridge.store.account(&conversation.account).ok().flatten()?;
    bridge.panel_url(&conversation.api, &account.remote, ticket?)
}

pub(super) fn excerpt(inbound: &Inbound) -> Option<String> {
    inbound.message().map(|message| message.text.clone()).filter(|text| !text.trim().is_empty())
}

pub(super) fn channel_name(place: &Place) -> &'static str {
    match place {
        Place::Chat { .. } => "Telegram",
        Place::Mail { .. } => "e-mail",
    }
}

fn mailbox_of(filing: &Filing) -> Option<&MailboxName> {
    match &filing.messages.first()?.inbound.origin {
        Origin::Mail(mail) => Some(&mail.mailbox),
        Origin::Chat(_) => None,
    }
}

fn what(ticket: Option<&TicketId>) -> String {
    ticket.map_or_else(|| "a new ticket".to_owned(), |ticket| format!("a reply to #{}", ticket.number()))
}

fn insert(values: &mut Value, name: &str, value: Value) {
    if let Some(map) = values.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}
