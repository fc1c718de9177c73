//! The alerts of a ticket are remembered, so that they can be edited once staff answers.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bridge::{alerts, context::Bridge, provenance::day_and_time, recipients},
    model::{
        conversation::Conversation,
        delivery::{Alert, AlertKind, Content, Delivery, Note},
        ids::{ApiName, BotId, ChatId, ChatMessageId, TicketId},
        job::{Job, Lane, NewJob, State, Task},
        place::Place,
        staff_message::StaffMessage,
    },
    runtime::clock::Timestamp,
    store::{StoreError, change::Change, rows::Notice},
};

/// Of one ticket, the newest so many; its row must stay far below the store's 4 KiB.
const MOST: usize = 5;

/// What an alert's key begins with; after it stands the key of the job that filed the message.
pub(super) const FILED: &str = "alert/filed/";

/// An alert as it stands in the admin group.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    bot: BotId,
    chat: ChatId,
    message: ChatMessageId,
    /// The key of the job that filed the message: it still knows who wrote what.
    filed: String,
}

/// Remembers an alert about a customer's message that was just sent. Nothing for other alerts.
pub(super) fn remember(
    bridge: &Bridge,
    job: &Job,
    alert: &Alert,
    bot: BotId,
    chat: ChatId,
    message: ChatMessageId,
) -> Result<Option<Change>, StoreError> {
    let Some((api, ticket)) = &alert.about else { return Ok(None) };
    let Some(filed) = job.key.strip_prefix(FILED) else { return Ok(None) };
    if !matches!(alert.kind, AlertKind::NewTicket | AlertKind::Reply) {
        return Ok(None);
    }
    let key = notice_key(api, ticket);
    let now = bridge.now();
    let before = bridge.store.notice(&key)?.unwrap_or_default();
    let mut told = read(&before, now);
    told.push(Told { bot, chat, message, filed: filed.to_owned() });
    told.drain(..told.len().saturating_sub(MOST));
    let until = now.plus(bridge.timing.keep_done);
    let value = serde_json::to_string(&told).unwrap_or_default();
    let first = if before.until > now { before.first } else { now };
    let count = before.count.saturating_add(1);
    Ok(Some(Change::Notice(key, Notice { first, last: now, count, value, until })))
}

/// Staff answered: each alert of the ticket says so, once. The caller enqueues the jobs; those
/// of an alert that says so already are known to the store and refused by it.
pub fn answered(
    bridge: &Bridge,
    conversation: &Conversation,
    staff: &StaffMessage,
) -> Result<Vec<NewJob>, StoreError> {
    let Some(ticket) = &conversation.ticket else { return Ok(Vec::new()) };
    let Some(notice) = bridge.store.notice(&notice_key(&conversation.api, ticket))? else {
        return Ok(Vec::new());
    };
    let mut jobs = Vec::new();
    for told in read(&notice, bridge.now()) {
        jobs.extend(edit(bridge, conversation, ticket, staff, &told)?);
    }
    tracing::debug!(ticket.id = %ticket, part = recipients::part(staff), jobs = jobs.len(), "Alerts answered.");
    Ok(jobs)
}

fn edit(
    bridge: &Bridge,
    conversation: &Conversation,
    ticket: &TicketId,
    staff: &StaffMessage,
    told: &Told,
) -> Result<Option<NewJob>, StoreError> {
    let filed = bridge.store.job_of_key(&told.filed)?.map(|id| bridge.store.job(id)).transpose()?.flatten();
    let filing = filed.as_ref().and_then(|(job, _)| match &job.task {
        Task::File(filing) => Some(filing),
        Task::Control(_) | Task::Deliver(_) => None,
    });
    let first = filing.and_then(|filing| filing.messages.first()).map(|arrived| &arrived.inbound);
    let place = first.map(|inbound| inbound.place()).or_else(|| conversation.founder.clone());
    let files = filing.map(|filing| filing.files().count()).filter(|files| *files > 0);
    let values = json!({
        "number": ticket.number(), "author": staff.author,
        "time": day_and_time(staff.sent.unwrap_or_else(|| bridge.now())), "subject": conversation.subject,
        "who": first.map_or_else(|| "a customer".to_owned(), alerts::who),
        "account": conversation.account.as_str(),
        "channel": place.as_ref().map_or("panel", alerts::channel_name),
        "excerpt": first.and_then(alerts::excerpt), "files": files,
        "url": alerts::url(bridge, conversation, Some(ticket)),
    });
    let rendered = bridge.templates.render_telegram(&bridge.language, "alert_answered", &values);
    let Ok(text) =
        rendered.inspect_err(|error| tracing::error!(%error, "An alert's answer cannot be rendered."))
    else {
        return Ok(None);
    };
    let note = Note { text, edits: Some(told.message), ..Note::default() };
    let to = Place::Chat { bot: told.bot, chat: told.chat };
    let delivery = Delivery { to, conversation: None, content: Content::Note(note) };
    Ok(Some(NewJob {
        lane: Lane::Chat(told.chat),
        key: format!("alert-answered/{}/{}/{}", told.bot, told.chat, told.message),
        task: Task::Deliver(delivery),
        state: State::Ready,
    }))
}

fn read(notice: &Notice, now: Timestamp) -> Vec<Told> {
    if notice.until <= now {
        return Vec::new();
    }
    serde_json::from_str(&notice.value).unwrap_or_default()
}

fn notice_key(api: &ApiName, ticket: &TicketId) -> String {
    format!("alert/{api}/{ticket}")
}
