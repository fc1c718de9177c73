//! Update → Inbound: every kind is mapped or named, and none can stop its neighbours.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{content::content, wire};
use crate::{
    model::{
        ids::{BotId, ChatId, ChatMessageId, UserId},
        inbound::{ChatOrigin, Identity, Inbound, Origin, Sender, What},
    },
    runtime::clock::Timestamp,
    spool::{Spool, SpoolError},
};

/// Telegram's largest messages are a tenth of it.
const MOST_UPDATE_BYTES: usize = 256 * 1024;

/// Under this user id an anonymous admin writes in the name of the group.
pub(super) const ANONYMOUS_ADMIN: UserId = UserId(1_087_968_824);

/// The updates that we ask for. What else comes is ignored by name.
pub(super) const ALLOWED_UPDATES: [&str; 4] =
    ["message", "edited_message", "callback_query", "my_chat_member"];

/// Reads one bot's updates.
pub(super) struct Reader {
    pub(super) bot: BotId,
    /// The bot's name, by which commands in groups are addressed to it; without `@`.
    pub(super) username: String,
    /// Bytes up to which the Bot API server gives files out.
    pub(super) download_limit: u64,
    /// Kinds of updates that were ignored and named in the log.
    pub(super) named: Mutex<BTreeSet<String>>,
}

/// Why an update could not be read.
struct Unreadable(String);

/// The number by which updates are confirmed, read by itself so that an unreadable update can be, too.
pub(super) fn update_id(update: &Value) -> Option<i64> {
    update.get("update_id").and_then(Value::as_i64)
}

impl Reader {
    pub(super) fn new(bot: BotId, username: String, download_limit: u64) -> Self {
        Self { bot, username, download_limit, named: Mutex::default() }
    }

    /// Never fails for the update's sake: what cannot be read becomes `Unreadable`, with its raw copy in
    /// the spool. `now` dates what Telegram does not date.
    pub(super) async fn read(
        &self,
        update: &Value,
        spool: &Spool,
        now: Timestamp,
    ) -> Result<Inbound, SpoolError> {
        let reason = match self.map(update, now) {
            Ok(inbound) => return Ok(inbound),
            Err(Unreadable(reason)) => reason,
        };
        tracing::warn!(update = update_id(update), reason, "An update cannot be read; it is kept.");
        let raw = spool.put(update.to_string().into()).await?;
        Ok(self.nameless(update, now, What::Unreadable { reason, raw: Some(raw) }))
    }

    fn map(&self, update: &Value, now: Timestamp) -> Result<Inbound, Unreadable> {
        let size = update.to_string().len();
        if size > MOST_UPDATE_BYTES {
            return Err(Unreadable(format!("{size} bytes are more than an update has")));
        }
        let read = catch_unwind(AssertUnwindSafe(|| self.inbound(update, now)));
        let mut inbound = read.unwrap_or_else(|_| Err(Unreadable("reading it panicked".to_owned())))?;
        if let Some(id) = update_id(update) {
            inbound.identity.also.push(format!("tg/{}/update/{id}", self.bot));
        }
        Ok(inbound)
    }

    fn inbound(&self, update: &Value, now: Timestamp) -> Result<Inbound, Unreadable> {
        if let Some(message) = update.get("message") {
            return Ok(self.message(&part(message)?, false));
        }
        if let Some(message) = update.get("edited_message") {
            return Ok(self.message(&part(message)?, true));
        }
        if let Some(query) = update.get("callback_query") {
            return Ok(self.button(update, part(query)?, now));
        }
        if let Some(change) = update.get("my_chat_member") {
            return Ok(self.membership(&part(change)?));
        }
        let kind = update.as_object().and_then(|fields| fields.keys().find(|key| *key != "update_id"));
        let kind = kind.ok_or_else(|| Unreadable("it holds nothing".to_owned()))?;
        self.name_once(kind);
        Ok(self.nameless(update, now, What::Ignored { reason: format!("an update of the kind {kind}") }))
    }

    fn message(&self, message: &wire::Message, edited: bool) -> Inbound {
        let mut key = format!("tg/{}/{}/{}", self.bot, message.chat.id, message.message_id);
        let mut sent = message.date;
        if edited {
            sent = message.edit_date.unwrap_or(message.date);
            key = format!("{key}/{sent}");
        }
        Inbound {
            identity: Identity { key, also: Vec::new() },
            sent: Timestamp::from_secs(sent),
            sender: sender(message),
            origin: Origin::Chat(self.origin(message)),
            what: self.what(message, edited),
        }
    }

    fn what(&self, message: &wire::Message, edited: bool) -> What {
        if let Some(to) = message.migrate_to_chat_id {
            return What::ChatMoved { to: ChatId(to) };
        }
        if let Some(reason) = not_a_customers(message) {
            return What::Ignored { reason: reason.to_owned() };
        }
        if edited && message.location.as_ref().is_some_and(|location| location.live_period.is_some()) {
            return What::Ignored { reason: "a live location moved".to_owned() };
        }
        if !edited && let Some(command) = self.command(message) {
            return command;
        }
        match content(message, self.download_limit) {
            Some(content) if edited => What::Edit(content),
            Some(content) => What::Message(content),
            None => What::Ignored { reason: "a service message".to_owned() },
        }
    }

    /// `/name argument` or `/name@bot argument`. A forwarded one is a text like any other: whoever forwards
    /// somebody's `/link …` does not mean to run it.
    fn command(&self, message: &wire::Message) -> Option<What> {
        let text = message.text.as_deref()?;
        let marked = message.entities.iter().any(|entity| entity.kind == "bot_command" && entity.offset == 0);
        if !marked || message.forward_origin.is_some() {
            return None;
        }
        let (word, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let word = word.strip_prefix('/')?;
        let (name, bot) = word.split_once('@').unwrap_or((word, &self.username));
        if !bot.eq_ignore_ascii_case(&self.username) {
            return Some(What::Ignored { reason: "a command for another bot".to_owned() });
        }
        Some(What::Command { name: name.to_lowercase(), argument: argument.trim().to_owned() })
    }

    fn button(&self, update: &Value, query: wire::CallbackQuery, now: Timestamp) -> Inbound {
        let ignored = |reason: &str| self.nameless(update, now, What::Ignored { reason: reason.to_owned() });
        let Some(under) = query.message else { return ignored("a button under no message of ours") };
        let Some(data) = query.data else { return ignored("a button without data") };
        let origin = ChatOrigin { user: UserId(query.from.id), ..self.origin(&under) };
        Inbound {
            identity: Identity { key: format!("tg/{}/callback/{}", self.bot, query.id), also: Vec::new() },
            sent: now,
            sender: person(&query.from),
            origin: Origin::Chat(origin),
            what: What::Button { data, callback: query.id, under: ChatMessageId(under.message_id) },
        }
    }

    fn membership(&self, change: &wire::MembershipChange) -> Inbound {
        let new = &change.new_chat_member;
        let what = match (change.old_chat_member.is_in(), new.is_in()) {
            _ if change.chat.is_channel() => {
                What::Ignored { reason: "the bot's place in a channel".to_owned() }
            }
            (true, false) => What::BotRemoved,
            (false, true) => What::BotAdded,
            _ => What::Ignored { reason: "the bot's rights changed".to_owned() },
        };
        let (bot, chat) = (self.bot, change.chat.id);
        let key = format!("tg/{bot}/{chat}/member/{}/{}", change.date, new.status);
        Inbound {
            identity: Identity { key, also: Vec::new() },
            sent: Timestamp::from_secs(change.date),
            sender: person(&change.from),
            origin: Origin::Chat(ChatOrigin {
                user: UserId(change.from.id),
                private: change.chat.is_private(),
                ..self.nowhere(ChatId(chat))
            }),
            what,
        }
    }

    /// For what has no message or sender that we know: the identity is the content itself.
    fn nameless(&self, update: &Value, now: Timestamp, what: What) -> Inbound {
        let raw = update.to_string();
        let hash: String = HEXLOWER.encode(&Sha256::digest(raw.as_bytes())).chars().take(32).collect();
        Inbound {
            identity: Identity { key: format!("tg/{}/raw/{hash}", self.bot), also: Vec::new() },
            sent: now,
            sender: Sender { name: String::new(), handle: None, language: None },
            origin: Origin::Chat(self.nowhere(ChatId(chat_of(update).unwrap_or(0)))),
            what,
        }
    }

    fn origin(&self, message: &wire::Message) -> ChatOrigin {
        let user = match (&message.from, &message.sender_chat) {
            (Some(user), _) => user.id,
            (None, Some(chat)) => chat.id,
            (None, None) => message.chat.id,
        };
        let topic = message.message_thread_id.filter(|_| message.is_topic_message);
        let reply_to = message.reply_to_message.as_ref().filter(|reply| reply.forum_topic_created.is_none());
        ChatOrigin {
            message: ChatMessageId(message.message_id),
            topic: topic.map(ChatMessageId),
            user: UserId(user),
            private: message.chat.is_private(),
            media_group: message.media_group_id.clone(),
            forwarded: message.forward_origin.is_some(),
            reply_to: reply_to.map(|reply| ChatMessageId(reply.message_id)),
            ..self.nowhere(ChatId(message.chat.id))
        }
    }

    fn nowhere(&self, chat: ChatId) -> ChatOrigin {
        ChatOrigin {
            bot: self.bot,
            chat,
            message: ChatMessageId(0),
            topic: None,
            user: UserId(0),
            private: false,
            media_group: None,
            forwarded: false,
            reply_to: None,
        }
    }

    fn name_once(&self, kind: &str) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that makes up kinds must not fill the memory.
        if named.len() < 100 && named.insert(kind.to_owned()) {
            tracing::info!(kind, "Updates of this kind are ignored.");
        }
    }
}

/// Why a message is not one that a customer wrote to us.
fn not_a_customers(message: &wire::Message) -> Option<&'static str> {
    if message.chat.is_channel() {
        return Some("a channel's post");
    }
    if message.is_automatic_forward {
        return Some("a channel's post, forwarded by Telegram");
    }
    // Who writes as a group or a channel has a placeholder bot in `from`.
    let robot = message.from.as_ref().is_some_and(|user| user.is_bot) && message.sender_chat.is_none();
    robot.then_some("a bot's message")
}

fn sender(message: &wire::Message) -> Sender {
    match (&message.sender_chat, &message.from) {
        (Some(chat), _) => Sender {
            name: chat.title.clone().unwrap_or_default(),
            handle: chat.username.clone().map(at),
            language: None,
        },
        (None, Some(user)) => person(user),
        (None, None) => Sender { name: String::new(), handle: None, language: None },
    }
}

fn person(user: &wire::User) -> Sender {
    Sender { name: user.name(), handle: user.username.clone().map(at), language: user.language_code.clone() }
}

fn at(username: String) -> String {
    format!("@{username}")
}

fn part<T: DeserializeOwned>(value: &Value) -> Result<T, Unreadable> {
    T::deserialize(value).map_err(|error| Unreadable(error.to_string()))
}

/// The chat of an update of whatever kind.
fn chat_of(update: &Value) -> Option<i64> {
    let parts = update.as_object()?.values();
    parts
        .filter_map(|part| part.get("chat").or_else(|| part.get("message")?.get("chat"))?.get("id")?.as_i64())
        .next()
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
