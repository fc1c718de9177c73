//! What the bridge did, read off what its neighbours hold: each thing that arrived, and how long it took.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::sandbox::desk::{Author, Ticket};
use crate::sandbox::telegram::SentMessage;
use crate::sandbox::town::Letter;

/// Everything that anybody can see.
pub(super) struct Seen {
    /// The customer's chat, and the admins' group.
    pub(super) chat: Vec<SentMessage>,
    pub(super) group: Vec<SentMessage>,
    pub(super) tickets: Vec<Ticket>,
    /// Oldest first.
    pub(super) letters: Vec<Arc<Letter>>,
}

/// One thing that the bridge carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Event {
    /// Milliseconds since 1970.
    at: i64,
    /// The seats: `telegram`, `mail`, `desk`, `admin`.
    from: &'static str,
    to: &'static str,
    text: String,
    /// From its cause to its arrival; none where the cause is not certain.
    ms: Option<i64>,
}

/// What the bridge carried, oldest first.
pub(super) fn of(seen: &Seen) -> Vec<Event> {
    let mut events = Vec::new();
    for ticket in &seen.tickets {
        events.extend(filed(seen, ticket));
    }
    events.extend(seen.chat.iter().filter(|message| message.from_bot).filter_map(|one| told(seen, one)));
    events.extend(seen.letters.iter().filter(|letter| !letter.own).map(|letter| mailed(seen, letter)));
    events.extend(seen.group.iter().filter(|message| message.from_bot).filter_map(|one| alerted(seen, one)));
    events.sort_by_key(|event| event.at);
    events
}

/// A customer's words that came to the desk.
fn filed(seen: &Seen, ticket: &Ticket) -> Vec<Event> {
    let opened = std::iter::once((ticket.description.as_str(), ticket.created, "ticket"));
    let replies = ticket.messages.iter().filter(|message| message.author == Author::Customer);
    let replies = replies.map(|message| (message.text.as_str(), message.created, "reply in"));
    let entries = opened.chain(replies);
    entries
        .filter_map(|(text, at, what)| {
            let provenance = text.trim_end().lines().last()?;
            let (from, name, cause) = if provenance.starts_with("via Telegram") {
                let own = seen.chat.iter().filter(|message| !message.from_bot);
                ("telegram", "Telegram", latest(own.map(|one| (one.words(), one.at)), text, at))
            } else if provenance.starts_with("via e-mail") {
                let own = seen.letters.iter().filter(|letter| letter.own);
                ("mail", "Mail", latest(own.map(|one| (one.text.as_str(), one.at)), text, at))
            } else {
                return None;
            };
            Some(event(at, from, "desk", format!("{name} → {what} #{}", ticket.number), cause))
        })
        .collect()
}

/// What the bot said to the customer about a ticket.
fn told(seen: &Seen, message: &SentMessage) -> Option<Event> {
    let file = message.file.as_ref().map(|file| file.name.as_str());
    for ticket in &seen.tickets {
        let by_staff = |author: Author| author == Author::Staff;
        let words = ticket.messages.iter().filter(|one| by_staff(one.author));
        let cause = first_in(words.map(|one| (one.text.as_str(), one.created)), message.words(), message.at);
        if let Some(cause) = cause {
            let text = format!("Answer #{} → Telegram", ticket.number);
            return Some(event(message.at, "desk", "telegram", text, Some(cause)));
        }
        let mut files = ticket.attachments.iter().filter(|one| by_staff(one.author));
        if let Some(found) = files.find(|one| Some(one.name.as_str()) == file && one.created <= message.at) {
            let text = format!("File of #{} → Telegram", ticket.number);
            return Some(event(message.at, "desk", "telegram", text, Some(found.created)));
        }
    }
    let number = number_in(message.words())?;
    Some(event(message.at, "desk", "telegram", format!("Receipt #{number} → Telegram"), None))
}

/// What left by mail.
fn mailed(seen: &Seen, letter: &Letter) -> Event {
    for ticket in &seen.tickets {
        let words = ticket.messages.iter().filter(|one| one.author == Author::Staff);
        let words = words.map(|one| (one.text.as_str(), one.created));
        if let Some(cause) = first_in(words, &letter.text, letter.at) {
            let text = format!("Answer #{} → mail", ticket.number);
            return event(letter.at, "desk", "mail", text, Some(cause));
        }
    }
    event(letter.at, "desk", "mail", "Receipt → mail".to_owned(), None)
}

/// What the admins were told, and how long after the ticket changed.
fn alerted(seen: &Seen, message: &SentMessage) -> Option<Event> {
    let number = number_in(message.words())?;
    let ticket = seen.tickets.iter().find(|ticket| ticket.number == number)?;
    let changes = ticket.messages.iter().map(|one| one.created).chain([ticket.created]).chain(ticket.closed);
    let cause = changes.filter(|at| *at <= message.at).max();
    Some(event(message.at, "desk", "admin", format!("Alert #{number} → admins"), cause))
}

fn event(
    at: Timestamp,
    from: &'static str,
    to: &'static str,
    text: String,
    cause: Option<Timestamp>,
) -> Event {
    let ms = cause.map(|cause| (at.as_millisecond() - cause.as_millisecond()).max(1));
    Event { at: at.as_millisecond(), from, to, text, ms }
}

/// When the newest of those things happened that `text` quotes, not after `by`.
fn latest<'a>(
    things: impl Iterator<Item = (&'a str, Timestamp)>,
    text: &str,
    by: Timestamp,
) -> Option<Timestamp> {
    let quoted = things.filter(|(words, at)| *at <= by && quotes(text, words));
    quoted.map(|(_, at)| at).max()
}

/// When the first of those things happened that `text` quotes, not after `by`; a message repeats nothing.
fn first_in<'a>(
    things: impl Iterator<Item = (&'a str, Timestamp)>,
    text: &str,
    by: Timestamp,
) -> Option<Timestamp> {
    let quoted = things.filter(|(words, at)| *at <= by && quotes(text, words));
    quoted.map(|(_, at)| at).min()
}

/// Whether `text` holds the first words of something: line breaks may differ, and its end be cut.
fn quotes(text: &str, words: &str) -> bool {
    const FIRST: usize = 8;
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let begin = words.split_whitespace().take(FIRST).collect::<Vec<_>>().join(" ");
    !begin.is_empty() && flat(text).contains(&begin)
}

/// The number behind the first `#`.
fn number_in(words: &str) -> Option<&str> {
    let (_, after) = words.split_once('#')?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    (!digits.is_empty()).then_some(digits)
}
