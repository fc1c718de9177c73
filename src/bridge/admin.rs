//! What admins do about jobs that need a person: the list, and the decisions, from the group or from outside.

use serde_json::{Value, json};

use crate::{
    bridge::{
        alerts, closing,
        context::Bridge,
        late,
        notes::{Say, label},
        outcome::Outcome,
        provenance::day_and_time,
        receipts, thread_mail,
        turn::{Press, Turn},
    },
    model::{
        button::{Action, Button},
        delivery::{Content, Delivery},
        ids::{AccountName, ChatId, JobId, MailboxName},
        inbound::{Inbound, MailOrigin, Origin, What},
        job::{Decision, Job, Lane, NewJob, State, StepState, Task},
        place::Place,
    },
    runtime::clock::Timestamp,
    store::{StoreError, change::Change, rows::Summary},
};

/// So many jobs are shown in the group, each in a message of its own; Telegram allows 20 a minute.
const LISTED: usize = 6;
/// More than this are not counted one by one.
pub(super) const MOST: usize = 10_000;

/// What a person says about a parked, dead or held job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call of unknown outcome did happen.
    ItIsThere,
    SendAgain,
    /// A held mail is to be filed.
    Release,
    Discard,
}

/// A job in words.
#[derive(Clone, Debug)]
pub struct About {
    pub what: String,
    pub who: String,
    pub account: Option<String>,
    pub channel: &'static str,
    pub excerpt: Option<String>,
}

/// Carries a verdict out; `more` is committed with it where it ends the job. `false`: nobody waits for it any more.
pub async fn decide(
    bridge: &Bridge,
    id: JobId,
    verdict: Verdict,
    mut more: Vec<NewJob>,
) -> Result<bool, StoreError> {
    let store = &bridge.store;
    let Some((job, steps)) = store.job(id)? else {
        // One whose content is gone can only be let go.
        return if verdict == Verdict::Discard {
            store.discard(id, Vec::new(), more).await
        } else {
            Ok(false)
        };
    };
    if !needs_person(&job.state) {
        return Ok(false);
    }
    let unknown = steps.iter().any(|record| matches!(record.state, StepState::Attempted { .. }));
    let create = late::parked_create(bridge, &job)?;
    let decided = create.iter().map(|conversation| late::decided(conversation, &job));
    let mut changes: Vec<Change> = decided.collect();
    let done = match verdict {
        Verdict::ItIsThere if unknown => {
            // Beside its lane, where others may wait for what it finds.
            let beside = create.as_ref().map(|_| Lane::Conversation(store.next_conversation()));
            return store.resume(id, Some(Decision::ItIsThere), beside).await;
        }
        // No call of it may have happened: whoever sees it there has put it there, and it is over.
        Verdict::ItIsThere => store.discard(id, changes, more).await?,
        Verdict::SendAgain | Verdict::Release => {
            let resumed = store.resume(id, Some(Decision::SendAgain), None).await?;
            if resumed && !changes.is_empty() {
                store.apply(changes).await?;
            }
            resumed
        }
        Verdict::Discard => {
            let (more_changes, told) = given_up(bridge, &job)?;
            changes.extend(more_changes);
            more.extend(told);
            store.discard(id, changes, more).await?
        }
    };
    if let Some(conversation) = create {
        late::wake(bridge, &conversation).await?;
    }
    Ok(done)
}

/// The customer whose message is dropped is told.
fn given_up(bridge: &Bridge, job: &Job) -> Result<(Vec<Change>, Vec<NewJob>), StoreError> {
    match &job.task {
        Task::File(filing) => {
            let mut told = receipts::could_not_file(
                bridge,
                job,
                filing,
                "support looked at it and set it aside",
                false,
            )?;
            for note in &mut told.jobs {
                // It may have been told before that it is not certain.
                note.key = format!("discarded/{}", note.key);
            }
            Ok((told.changes, told.jobs))
        }
        Task::Control(inbound) => match (&inbound.what, &inbound.origin) {
            (What::Button { data, callback, under }, Origin::Chat(chat)) => {
                let Some(Action::CloseYes(id)) = Action::verify(data, chat.chat, &bridge.secret) else {
                    return Ok(Default::default());
                };
                let turn = Turn { bridge, job, inbound, chat };
                let press = Press { turn, callback, under: *under };
                Ok((Vec::new(), closing::discarded(&press, id)?))
            }
            _ => Ok(Default::default()),
        },
        Task::Deliver(_) => Ok(Default::default()),
    }
}

/// A button under an alert. Whoever is in the admins' group may press it.
pub async fn pressed(press: &Press<'_>, id: JobId, verdict: Verdict) -> Result<Outcome, StoreError> {
    let turn = &press.turn;
    let bridge = turn.bridge;
    if !bridge.is_admin_chat(turn.chat.chat) {
        return Ok(press.expired());
    }
    let Some((job, _)) = bridge.store.job(id)? else {
        let let_go = decide(bridge, id, verdict, Vec::new()).await?;
        return Ok(if let_go { press.let_go(id) } else { press.expired() });
    };
    let told = press.settling("alert_decided", decided(turn, &job, verdict));
    // A crash may have come between a decision's taking effect and its being told.
    let again =
        job.state.is_live() && job.progress.decision.is_some() && job.progress.decision == lasting(verdict);
    if !again && !decide(bridge, id, verdict, told.clone()).await? {
        return Ok(press.expired());
    }
    tracing::info!(job.id = %id, ?verdict, by = alerts::who(turn.inbound), "An admin decided about a job.");
    Ok(Outcome::Done { changes: Vec::new(), follow_ups: told })
}

/// What stays with the job.
fn lasting(verdict: Verdict) -> Option<Decision> {
    match verdict {
        Verdict::ItIsThere => Some(Decision::ItIsThere),
        Verdict::SendAgain | Verdict::Release => Some(Decision::SendAgain),
        Verdict::Discard => None,
    }
}

fn decided(turn: &Turn<'_>, job: &Job, verdict: Verdict) -> Value {
    let template = match verdict {
        Verdict::ItIsThere => "button_it_is_there",
        Verdict::SendAgain => "button_send_again",
        Verdict::Release => "button_release",
        Verdict::Discard => "button_discard",
    };
    let about = about(turn.bridge, job);
    json!({
        "decision": label(turn.bridge, &turn.place(), template, &json!({})), "by": alerts::who(turn.inbound),
        "what": about.what, "who": about.who, "account": about.account, "channel": about.channel,
        "excerpt": about.excerpt, "job": job.id.to_string(),
    })
}

/// A command in the admins' group; those of customers mean nothing there.
pub fn command(turn: &Turn<'_>, name: &str) -> Result<Outcome, StoreError> {
    match name {
        "queue" => queue(turn),
        "help" | "start" => Ok(turn.answer("admin_help", json!({}))),
        _ => Ok(Outcome::done()),
    }
}

fn queue(turn: &Turn<'_>) -> Result<Outcome, StoreError> {
    let bridge = turn.bridge;
    let mut jobs = Vec::new();
    for summary in waiting(bridge)?.into_iter().rev() {
        if let Some((job, _)) = bridge.store.job(summary.id)?
            && is_shown_in(bridge, &job, turn.chat.chat)
        {
            jobs.push(job);
        }
    }
    if jobs.is_empty() {
        return Ok(turn.answer("queue_empty", json!({ "live": bridge.store.depth().live })));
    }
    let listed = jobs.iter().take(LISTED);
    let values = json!({
        "total": jobs.len(), "live": bridge.store.depth().live,
        "more": Some(jobs.len().saturating_sub(LISTED)).filter(|more| *more > 0),
    });
    let mut notes: Vec<NewJob> = turn.note(Say::new("queue_list", values)).into_iter().collect();
    // Each in a message of its own, which its decision will replace.
    notes.extend(listed.filter_map(|job| {
        let mut note = turn.note(Say::new("queue_job", line(bridge, job)).with(vec![row(turn, job)]))?;
        note.key = format!("{}/{}", note.key, job.id);
        Some(note)
    }));
    Ok(Outcome::Done { changes: Vec::new(), follow_ups: notes })
}

fn line(bridge: &Bridge, job: &Job) -> Value {
    let (why, since) = reason(&job.state);
    let about = about(bridge, job);
    json!({
        "job": job.id.to_string(), "what": about.what, "who": about.who, "account": about.account,
        "channel": about.channel, "excerpt": about.excerpt, "why": why, "since": day_and_time(since),
        "dead": matches!(job.state, State::Dead { .. }),
    })
}

fn row(turn: &Turn<'_>, job: &Job) -> Vec<Button> {
    let actions = match (&job.state, &job.task) {
        _ if is_held(job) => held_chances(job.id),
        (State::Parked { .. }, _) => decisions(job.id),
        _ => second_chances(job.id),
    };
    let button = |(template, action): (&str, Action)| {
        let text = label(turn.bridge, &turn.place(), template, &json!({}));
        Button::new(text, action, turn.chat.chat, &turn.bridge.secret)
    };
    actions.into_iter().map(button).collect()
}

/// The choices about a call of unknown outcome.
pub fn decisions(job: JobId) -> Vec<(&'static str, Action)> {
    let mut actions = vec![("button_it_is_there", Action::ItIsThere(job))];
    actions.extend(second_chances(job));
    actions
}

/// The choices about a job that surely was not done.
pub fn second_chances(job: JobId) -> Vec<(&'static str, Action)> {
    vec![("button_send_again", Action::SendAgain(job)), ("button_discard", Action::Discard(job))]
}

fn held_chances(job: JobId) -> Vec<(&'static str, Action)> {
    vec![("button_release", Action::Release(job)), ("button_discard", Action::Discard(job))]
}

/// Everything that waits for a person, oldest first.
pub fn waiting(bridge: &Bridge) -> Result<Vec<Summary>, StoreError> {
    let all = bridge.store.summaries(MOST)?;
    Ok(all.into_iter().filter(|summary| needs_person(&summary.state)).collect())
}

pub fn needs_person(state: &State) -> bool {
    matches!(state, State::Parked { .. } | State::Dead { .. })
}

/// A mail that waits for its release.
pub fn is_held(job: &Job) -> bool {
    matches!(&job.task, Task::Control(Inbound { what: What::Message(_), .. }))
}

fn reason(state: &State) -> (&str, Timestamp) {
    match state {
        State::Parked { why, since } | State::Dead { why, since } => (why, *since),
        State::Ready | State::Waiting { .. } | State::Done { .. } => ("", Timestamp::EPOCH),
    }
}

/// An account's or a mailbox's own group sees what its alerts are about; the general one sees everything.
fn is_shown_in(bridge: &Bridge, job: &Job, chat: ChatId) -> bool {
    let general = bridge.telegram.as_ref().is_some_and(|telegram| telegram.admin_chat == Some(chat));
    let (account, mailbox) = belongs_to(bridge, job);
    general || bridge.admin_chat(account.as_ref(), mailbox.as_ref()).and_then(|to| to.chat()) == Some(chat)
}

fn belongs_to(bridge: &Bridge, job: &Job) -> (Option<AccountName>, Option<MailboxName>) {
    let of = |id| bridge.store.conversation(id).ok().flatten().map(|known| known.account);
    match &job.task {
        Task::File(filing) => {
            let place = receipts::place_of(filing);
            (of(filing.conversation), place.and_then(|place| place.mailbox().cloned()))
        }
        Task::Control(inbound) => match &inbound.origin {
            Origin::Mail(mail) => (thread_mail::account(bridge, mail), Some(mail.mailbox.clone())),
            Origin::Chat(_) => (linked(bridge, &inbound.place()), None),
        },
        Task::Deliver(delivery) => (delivery.conversation.and_then(of), delivery.to.mailbox().cloned()),
    }
}

fn linked(bridge: &Bridge, place: &Place) -> Option<AccountName> {
    bridge.store.link(place).ok().flatten().map(|link| link.account)
}

/// A job in words, for alerts and lists.
pub fn about(bridge: &Bridge, job: &Job) -> About {
    let account = belongs_to(bridge, job).0.map(|account| account.to_string());
    match &job.task {
        Task::File(filing) => {
            let first = filing.messages.first().map(|arrived| &arrived.inbound);
            let conversation = bridge.store.conversation(filing.conversation).ok().flatten();
            let ticket = conversation.and_then(|conversation| conversation.ticket);
            let what = ticket.map_or_else(
                || "a new ticket".to_owned(),
                |ticket| format!("a reply to #{}", ticket.number()),
            );
            first.map_or_else(|| nameless(what.clone()), |first| of_inbound(what.clone(), first, account))
        }
        Task::Control(inbound) => of_inbound(doing(inbound), inbound, account),
        Task::Deliver(delivery) => of_delivery(delivery, account),
    }
}

fn of_inbound(what: String, inbound: &Inbound, account: Option<String>) -> About {
    let excerpt =
        inbound.message().map(|message| message.text.clone()).filter(|text| !text.trim().is_empty());
    let channel = match &inbound.origin {
        Origin::Chat(_) => "Telegram",
        Origin::Mail(_) => "e-mail",
    };
    About { what, who: alerts::who(inbound), account, channel, excerpt }
}

fn doing(inbound: &Inbound) -> String {
    match (&inbound.what, &inbound.origin) {
        (What::Message(_), Origin::Mail(mail)) => held_mail(mail),
        (What::Command { name, .. }, _) => format!("the command /{name}"),
        (What::Button { .. }, _) => "a pressed button".to_owned(),
        (What::Bounced { .. }, _) => "a bounced mail".to_owned(),
        (What::Unreadable { .. }, _) => "an item that cannot be read".to_owned(),
        _ => "something that is no message".to_owned(),
    }
}

fn held_mail(mail: &MailOrigin) -> String {
    format!("a mail to {}: {}", mail.mailbox, mail.subject)
}

fn of_delivery(delivery: &Delivery, account: Option<String>) -> About {
    let (what, excerpt) = match &delivery.content {
        Content::Staff(message) => {
            (format!("an answer in #{}", message.ticket.number()), Some(message.text.clone()))
        }
        Content::Note(note) => ("a note of the bridge".to_owned(), Some(note.text.text.clone())),
        Content::Letter(letter) => (format!("an automatic mail: {}", letter.subject), None),
        Content::Alert(alert) => ("an alert".to_owned(), Some(alert.line.clone())),
    };
    let (who, channel) = match &delivery.to {
        Place::Chat { chat, .. } => (format!("to the chat {chat}"), "Telegram"),
        Place::Mail { address, .. } => (format!("to {address}"), "e-mail"),
    };
    About { what, who, account, channel, excerpt }
}

fn nameless(what: String) -> About {
    About { what, who: "a customer".to_owned(), account: None, channel: "panel", excerpt: None }
}
