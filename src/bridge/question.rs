//! Before a chat's message goes to its ticket: a Resolved, Closed or long silent one is asked about first.

use std::time::Duration;

use serde_json::json;

use crate::{
    bridge::{
        context::Bridge,
        notes::{self, Say, label},
        outcome::Outcome,
        provenance::day_and_time,
        steps::{self, Interrupted},
        threading,
    },
    config::Timing,
    model::{
        account::Account,
        button::{Action, Button},
        conversation::{Conversation, ConversationChange, TicketStatus},
        ids::TicketId,
        inbound::{ChatOrigin, Origin, What},
        job::{Decision, Filing, Job, NewJob, Progress, State, Task, Why},
        place::Place,
    },
    runtime::clock::Timestamp,
    store::{
        StoreError,
        change::{Change, Key},
        rows::Notice,
    },
    ticket_api::Access,
};

/// Where a message to an existing ticket goes.
pub enum Route {
    /// To the ticket; whether that opens it again, and whether by a call of its own.
    Ticket { reopens: bool, reopen_call: bool },
    /// The turn ends here: a question is asked, or the message moves to another lane.
    Ends(Box<Outcome>),
}

/// What the pure decision says.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    ThisTicket,
    NewTicket,
    OnlyThanks,
    Ask,
    WaitForAnswer(Timestamp),
}

/// The facts that the decision hangs on.
pub struct Facts {
    pub status: TicketStatus,
    /// The last message of either side.
    pub active: Timestamp,
    /// The message is a Telegram reply to one of the ticket's messages.
    pub is_reply: bool,
    pub by_mail: bool,
    /// Another conversation took over from this one.
    pub succeeded: bool,
    /// A Closed ticket can be opened by a call.
    pub can_reopen: bool,
    pub decision: Option<Decision>,
    pub asked: Option<Timestamp>,
}

/// Design §6, “A Resolved ticket reopens by a mere thanks”.
pub fn choose(facts: &Facts, timing: &Timing, now: Timestamp) -> Choice {
    let closed = facts.status == TicketStatus::Closed;
    let locked = closed && !facts.can_reopen;
    if facts.by_mail {
        return if locked { Choice::NewTicket } else { Choice::ThisTicket };
    }
    match facts.decision {
        Some(Decision::SameTicket) if !locked => return Choice::ThisTicket,
        Some(Decision::NewTicket | Decision::SameTicket) => return Choice::NewTicket,
        Some(Decision::OnlyThanks) => return Choice::OnlyThanks,
        _ => {}
    }
    if facts.succeeded && !facts.is_reply {
        return Choice::NewTicket;
    }
    let resolved = facts.status == TicketStatus::Resolved;
    let silent = now.since(facts.active) >= timing.silent_after;
    if !(closed || (resolved || silent) && !facts.is_reply) {
        return Choice::ThisTicket;
    }
    match facts.asked.map(|asked| asked.plus(timing.ask_timeout)) {
        None => Choice::Ask,
        Some(until) if now < until => Choice::WaitForAnswer(until),
        Some(_) if resolved && now.since(facts.active) < timing.resolved_recent => Choice::ThisTicket,
        Some(_) => Choice::NewTicket,
    }
}

/// Remembers that the ticket was merged or deleted: what comes next for it opens a new one that names it.
pub fn gone(bridge: &Bridge, conversation: &Conversation, ticket: &TicketId) -> Change {
    let now = bridge.now();
    let until = Timestamp::from_millis(i64::MAX);
    let notice = Notice { first: now, last: now, count: 1, value: String::new(), until };
    Change::Notice(gone_key(conversation, ticket), notice)
}

/// Whether the ticket is known to be gone.
pub fn is_gone(bridge: &Bridge, conversation: &Conversation) -> Result<bool, StoreError> {
    let Some(ticket) = &conversation.ticket else { return Ok(false) };
    Ok(bridge.store.notice(&gone_key(conversation, ticket))?.is_some())
}

fn gone_key(conversation: &Conversation, ticket: &TicketId) -> String {
    format!("gone/{}/{ticket}", conversation.api)
}

/// Reads the ticket if its status is old, and decides. `locked`: it would not be opened again.
pub async fn route(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &mut Conversation,
    account: &Account,
    access: &Access,
    locked: bool,
) -> Result<Route, Interrupted> {
    let Some(ticket) = &conversation.ticket.clone() else {
        return Ok(Route::Ends(Box::new(Outcome::done())));
    };
    let Some(first) = filing.messages.first() else { return Ok(Route::Ends(Box::new(Outcome::done()))) };
    if is_gone(bridge, conversation)? {
        return Ok(Route::Ends(Box::new(elsewhere(bridge, job, filing, conversation, account)?)));
    }
    let chat = match &first.inbound.origin {
        Origin::Chat(chat) => Some(chat),
        Origin::Mail(_) => None,
    };
    if chat.is_some() && bridge.now().since(conversation.status_read) > bridge.timing.status_fresh {
        read_status(bridge, conversation, access, ticket).await?;
    }
    let is_edit = matches!(first.inbound.what, What::Edit(_));
    if is_edit && matches!(conversation.status, TicketStatus::Resolved | TicketStatus::Closed) {
        return Ok(Route::Ends(Box::new(edit_too_late(bridge, job, conversation, chat, ticket))));
    }
    let facts = Facts {
        status: conversation.status,
        active: conversation.active,
        is_reply: is_edit || replies_to_ticket(bridge, conversation, chat),
        by_mail: chat.is_none(),
        succeeded: conversation.successor.is_some(),
        can_reopen: bridge.reopens(&conversation.api) && !locked,
        decision: job.progress.decision,
        asked: job.progress.asked,
    };
    Ok(match choose(&facts, &bridge.timing, bridge.now()) {
        Choice::ThisTicket => Route::Ticket {
            reopens: matches!(conversation.status, TicketStatus::Resolved | TicketStatus::Closed),
            reopen_call: conversation.status == TicketStatus::Closed,
        },
        Choice::NewTicket => Route::Ends(Box::new(elsewhere(bridge, job, filing, conversation, account)?)),
        Choice::OnlyThanks => Route::Ends(Box::new(Outcome::done())),
        Choice::Ask => Route::Ends(Box::new(ask(bridge, job, conversation, chat, ticket, facts.can_reopen))),
        Choice::WaitForAnswer(until) => {
            let progress = job.progress.clone();
            Route::Ends(Box::new(Outcome::Later {
                until,
                why: Why::Asking,
                progress,
                follow_ups: Vec::new(),
            }))
        }
    })
}

async fn read_status(
    bridge: &Bridge,
    conversation: &mut Conversation,
    access: &Access,
    ticket: &TicketId,
) -> Result<(), Interrupted> {
    let Some(api) = bridge.apis.get(&conversation.api) else { return Ok(()) };
    let read = bridge.now();
    let detail = steps::read(bridge, conversation, api.port.ticket(access, ticket)).await?;
    let change = ConversationChange::Status { status: detail.status, read };
    conversation.apply(change.clone());
    bridge.store.apply(vec![Change::Conversation(conversation.id, change)]).await?;
    Ok(())
}

fn replies_to_ticket(bridge: &Bridge, conversation: &Conversation, chat: Option<&ChatOrigin>) -> bool {
    let Some((chat, message)) = chat.and_then(|chat| Some((chat, chat.reply_to?))) else { return false };
    let key = Key::ChatMessage(chat.bot, chat.chat, message);
    bridge.store.find(&key).is_ok_and(|found| found == Some(conversation.id))
}

/// The message founds a new conversation that names the old one, or follows others that did.
pub fn elsewhere(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    conversation: &Conversation,
    account: &Account,
) -> Result<Outcome, Interrupted> {
    let Some(first) = filing.messages.first() else { return Ok(Outcome::done()) };
    let mut changes = Vec::new();
    let to = match conversation.successor {
        Some(successor) if job.progress.decision.is_none() => successor,
        _ => {
            let mut new = threading::found(bridge, &first.inbound, account, Some(conversation.id));
            new.participants.clone_from(&conversation.participants);
            let id = new.id;
            changes.push(Change::NewConversation(new));
            changes.push(Change::Conversation(conversation.id, ConversationChange::Successor(id)));
            id
        }
    };
    for arrived in &filing.messages {
        match &arrived.inbound.origin {
            Origin::Chat(chat) => {
                changes.push(Change::Rebind(Key::ChatMessage(chat.bot, chat.chat, chat.message), to));
                changes.push(Change::Rebind(Key::Current(chat.bot, chat.chat), to));
            }
            Origin::Mail(mail) => {
                changes.push(Change::Rebind(Key::Mail(account.name.clone(), mail.message_id.clone()), to));
                changes.push(Change::Conversation(to, ConversationChange::Mail(mail.message_id.clone())));
            }
        }
    }
    let moved = NewJob {
        lane: crate::model::job::Lane::Conversation(to),
        key: format!("{}/moved", job.key),
        task: Task::File(Filing { conversation: to, ..filing.clone() }),
        state: State::Ready,
    };
    Ok(Outcome::Done { changes, follow_ups: vec![moved] })
}

fn ask(
    bridge: &Bridge,
    job: &Job,
    conversation: &Conversation,
    chat: Option<&ChatOrigin>,
    ticket: &TicketId,
    can_reopen: bool,
) -> Outcome {
    let now = bridge.now();
    let until = now.plus(bridge.timing.ask_timeout);
    let progress = Progress { asked: Some(now), told_waiting: true, ..job.progress.clone() };
    let question = chat.and_then(|chat| {
        let place = Place::Chat { bot: chat.bot, chat: chat.chat };
        let (template, values, same) = wording(bridge, conversation, ticket, can_reopen);
        let button = |template: &str, action| {
            let text = label(bridge, &place, template, &json!({ "number": ticket.number() }));
            vec![Button::new(text, action, chat.chat, &bridge.secret)]
        };
        let mut buttons = Vec::new();
        if same {
            buttons.push(button("button_this_ticket", Action::SameTicket(job.id)));
        }
        buttons.push(button("button_new_ticket", Action::NewTicket(job.id)));
        buttons.push(button("button_thanks", Action::OnlyThanks(job.id)));
        let question =
            Say::new(template, values).replying(Some(chat.message)).with(buttons).about(conversation.id);
        notes::say(bridge, &place, format!("ask/{}", job.key), question)
    });
    Outcome::Later { until, why: Why::Asking, progress, follow_ups: question.into_iter().collect() }
}

fn wording(
    bridge: &Bridge,
    conversation: &Conversation,
    ticket: &TicketId,
    can_reopen: bool,
) -> (&'static str, serde_json::Value, bool) {
    let mut values = json!({
        "number": ticket.number(), "subject": conversation.subject, "wait": minutes(bridge.timing.ask_timeout),
    });
    match conversation.status {
        TicketStatus::Closed => {
            if let Some(map) = values.as_object_mut() {
                map.insert("can_reopen".to_owned(), json!(can_reopen));
            }
            ("ask_closed", values, can_reopen)
        }
        TicketStatus::Resolved => ("ask_resolved", values, true),
        TicketStatus::Open | TicketStatus::Other => {
            if let Some(map) = values.as_object_mut() {
                map.insert("since".to_owned(), json!(day_and_time(conversation.active)));
            }
            ("ask_silent", values, true)
        }
    }
}

/// As a person reads it: `10 minutes`, `45 seconds`.
fn minutes(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 0..120 => format!("{secs} seconds"),
        secs => format!("{} minutes", secs / 60),
    }
}

fn edit_too_late(
    bridge: &Bridge,
    job: &Job,
    conversation: &Conversation,
    chat: Option<&ChatOrigin>,
    ticket: &TicketId,
) -> Outcome {
    let status = if conversation.status == TicketStatus::Closed { "closed" } else { "resolved" };
    let told = chat.and_then(|chat| {
        let place = Place::Chat { bot: chat.bot, chat: chat.chat };
        let values = json!({ "number": ticket.number(), "status": status });
        let note = Say::new("edit_too_late", values).replying(Some(chat.message)).about(conversation.id);
        notes::say(bridge, &place, format!("edit-too-late/{}", job.key), note)
    });
    Outcome::Done { changes: Vec::new(), follow_ups: told.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: TicketStatus) -> Facts {
        Facts {
            status,
            active: now(),
            is_reply: false,
            by_mail: false,
            succeeded: false,
            can_reopen: false,
            decision: None,
            asked: None,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_secs(100_000_000)
    }

    fn choice(facts: &Facts) -> Choice {
        choose(facts, &Timing::default(), now())
    }

    #[test]
    fn an_open_ticket_takes_the_message_and_a_resolved_or_closed_one_is_asked_about() {
        assert_eq!(choice(&facts(TicketStatus::Open)), Choice::ThisTicket);
        assert_eq!(choice(&facts(TicketStatus::Resolved)), Choice::Ask);
        assert_eq!(choice(&facts(TicketStatus::Closed)), Choice::Ask);
    }

    #[test]
    fn a_reply_to_one_of_its_messages_names_a_resolved_ticket_but_cannot_unlock_a_closed_one() {
        assert_eq!(choice(&Facts { is_reply: true, ..facts(TicketStatus::Resolved) }), Choice::ThisTicket);
        assert_eq!(choice(&Facts { is_reply: true, ..facts(TicketStatus::Closed) }), Choice::Ask);
    }

    #[test]
    fn a_long_silent_ticket_is_asked_about() {
        let silent =
            Facts { active: now().minus(Duration::from_secs(8 * 86400)), ..facts(TicketStatus::Open) };
        assert_eq!(choice(&silent), Choice::Ask);
    }

    #[test]
    fn mail_is_never_asked() {
        let mail = |status| choice(&Facts { by_mail: true, ..facts(status) });
        assert_eq!(mail(TicketStatus::Resolved), Choice::ThisTicket);
        assert_eq!(mail(TicketStatus::Closed), Choice::NewTicket);
    }

    #[test]
    fn no_answer_within_ten_minutes_means_the_ticket_if_it_was_resolved_lately_else_a_new_one() {
        let asked = Some(now().minus(Duration::from_secs(601)));
        assert_eq!(choice(&Facts { asked, ..facts(TicketStatus::Resolved) }), Choice::ThisTicket);
        let old = now().minus(Duration::from_secs(3 * 86400));
        assert_eq!(choice(&Facts { asked, active: old, ..facts(TicketStatus::Resolved) }), Choice::NewTicket);
        assert_eq!(choice(&Facts { asked, ..facts(TicketStatus::Closed) }), Choice::NewTicket);
        let waiting = Facts { asked: Some(now()), ..facts(TicketStatus::Resolved) };
        assert!(matches!(choice(&waiting), Choice::WaitForAnswer(_)));
    }

    #[test]
    fn an_answer_is_followed_but_never_into_a_locked_ticket() {
        let decided = |status, decision| choice(&Facts { decision: Some(decision), ..facts(status) });
        assert_eq!(decided(TicketStatus::Resolved, Decision::SameTicket), Choice::ThisTicket);
        assert_eq!(decided(TicketStatus::Closed, Decision::SameTicket), Choice::NewTicket);
        assert_eq!(decided(TicketStatus::Resolved, Decision::OnlyThanks), Choice::OnlyThanks);
        assert_eq!(decided(TicketStatus::Resolved, Decision::NewTicket), Choice::NewTicket);
    }
}
