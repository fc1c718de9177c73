//! The whole scene as the page draws it: one JSON document, newest things only.

use std::sync::Arc;

use serde_json::{Value, json};

use super::chronicle::{self, Seen};
use super::files::is_picture;
use crate::sandbox::desk::{Attachment, Author, MessageId, Status, Ticket};
use crate::sandbox::telegram::SentMessage;
use crate::sandbox::town::{Account, HARBOUR, Letter, Letters, NORDLICHT, Town, threads};

/// What a seat shows at most; older things are still where they are, but not on the page.
const MESSAGES: usize = 120;
const TICKETS: usize = 60;
const THREADS: usize = 40;
const EVENTS: usize = 30;

/// Draws everything.
pub(super) fn draw(town: &Town, letters: &Letters) -> String {
    let tickets = |account: Account| town.desk.tickets(account.id);
    let seen = Seen {
        chat: town.telegram.history_in(town.mara.chat_id()),
        group: town.telegram.history_in(town.group.id()),
        tickets: [HARBOUR, NORDLICHT].into_iter().flat_map(tickets).collect(),
        // A mailbox that cannot be read looks empty for a moment; the next look comes at once.
        letters: letters.all().unwrap_or_default(),
    };
    let mut events = chronicle::of(&seen);
    let mut newest: Vec<&Ticket> = seen.tickets.iter().collect();
    newest.sort_by_key(|ticket| std::cmp::Reverse(ticket.updated));
    newest.truncate(TICKETS);
    let scene = json!({
        "telegram": { "messages": messages(&seen.chat), "commands": town.telegram.commands() },
        "admin": { "messages": messages(&seen.group) },
        "mail": threads(&seen.letters).iter().take(THREADS).map(|letters| thread(letters)).collect::<Vec<_>>(),
        "desk": newest.into_iter().map(ticket).collect::<Vec<_>>(),
        "events": events.split_off(events.len().saturating_sub(EVENTS)),
    });
    scene.to_string()
}

fn messages(all: &[SentMessage]) -> Vec<Value> {
    let newest = all.iter().skip(all.len().saturating_sub(MESSAGES));
    newest.map(|one| message(one, all)).collect()
}

fn message(message: &SentMessage, all: &[SentMessage]) -> Value {
    let url = format!("/file/telegram/{}/{}", message.chat, message.message_id);
    let reply_to = message.reply_to.map(|id| {
        let original = all.iter().find(|one| one.message_id == id);
        let words = original.map(|one| one.words().lines().next().unwrap_or_default());
        json!({
            "id": id,
            "author": original.map_or("", |one| one.author.as_str()),
            "words": words.filter(|words| !words.is_empty()).unwrap_or("a file"),
        })
    });
    let buttons: Vec<Vec<Value>> = message
        .buttons
        .iter()
        .map(|row| row.iter().map(|one| json!({ "text": one.text, "url": one.url })).collect())
        .collect();
    json!({
        "id": message.message_id,
        "bot": message.from_bot,
        "author": message.author,
        "words": message.words(),
        "entities": message.entities,
        "file": message.file.as_ref().map(|one| file(&one.name, &one.mime, one.bytes.len(), url)),
        "buttons": buttons,
        "reply_to": reply_to,
        "edited": message.edited,
        "reactions": message.reactions,
        "at": message.at.as_millisecond(),
    })
}

fn thread(letters: &[Arc<Letter>]) -> Value {
    let first = letters.first();
    json!({
        "id": first.map(|letter| letter.id),
        "subject": first.map(|letter| letter.subject.as_str()),
        "at": letters.last().map(|letter| letter.at.as_millisecond()),
        "letters": letters.iter().map(|letter| self::letter(letter)).collect::<Vec<_>>(),
    })
}

fn letter(letter: &Letter) -> Value {
    let files = letter.files.iter().enumerate().map(|(number, one)| {
        let url = format!("/file/mail/{}/{number}", letter.id);
        file(&one.name, &one.content_type, one.bytes.len(), url)
    });
    json!({
        "id": letter.id,
        "own": letter.own,
        "from": letter.from,
        "to": letter.to,
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html.is_some(),
        "files": files.collect::<Vec<_>>(),
        "at": letter.at.as_millisecond(),
    })
}

fn ticket(ticket: &Ticket) -> Value {
    let account = if ticket.account == HARBOUR.id { HARBOUR } else { NORDLICHT };
    let files_of = |message: Option<MessageId>| {
        let own = move |file: &&Attachment| file.message == message;
        ticket.attachments.iter().filter(own).map(|one| attachment(ticket, one)).collect::<Vec<_>>()
    };
    let first = json!({
        "id": 0, "staff": false, "text": ticket.description, "at": ticket.created.as_millisecond(),
        "files": files_of(None),
    });
    let replies = ticket.messages.iter().map(|message| {
        json!({
            "id": message.id.0, "staff": message.author != Author::Customer, "text": message.text,
            "at": message.created.as_millisecond(), "files": files_of(Some(message.id)),
        })
    });
    json!({
        "id": ticket.id.0,
        "number": ticket.number,
        "customer": account.title,
        "subject": ticket.subject,
        "status": status_word(ticket.status),
        "at": ticket.updated.as_millisecond(),
        "entries": std::iter::once(first).chain(replies).collect::<Vec<_>>(),
    })
}

/// As the page names and colours it.
pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Open => "open",
        Status::Answered => "answered",
        Status::CustomerReply => "customer_reply",
        Status::InProgress => "in_progress",
        Status::OnHold => "on_hold",
        Status::Resolved => "resolved",
        Status::Closed => "closed",
    }
}

fn attachment(ticket: &Ticket, one: &Attachment) -> Value {
    let url = format!("/file/desk/{}/{}", ticket.id, one.id);
    file(&one.name, &one.content_type, one.bytes.len(), url)
}

fn file(name: &str, content_type: &str, size: usize, url: String) -> Value {
    json!({ "name": name, "size": size, "picture": is_picture(content_type), "url": url })
}
