//! Everything one Bot API server knows: users, chats, messages, files, updates, and who said what when.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::files::{Files, SentFile};
use super::rules::Refusal;
use super::throttle::Throttle;
use super::updates::Updates;

/// Calls kept in the log; the oldest go first.
const MAX_CALLS: usize = 100_000;

/// The world behind one lock, and a sign for all who wait for it to change.
pub struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
}

impl Shared {
    pub fn new(world: World) -> Self {
        Shared { world: Mutex::new(world), changed: watch::Sender::new(0) }
    }

    /// Looks without waking anybody.
    pub fn look(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes everybody who waits.
    pub fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(&mut self.look());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

pub struct World {
    pub token: String,
    pub bot: User,
    pub strict: bool,
    pub users: BTreeMap<i64, User>,
    pub chats: BTreeMap<i64, Chat>,
    pub files: Files,
    pub updates: Updates,
    pub throttle: Option<Throttle>,
    pub callbacks: HashMap<String, Callback>,
    pub commands: Vec<Value>,
    pub calls: VecDeque<Call>,
    /// Private chats and basic groups count their messages together, as a bot's account does.
    pub last_message_id: i64,
}

#[derive(Debug, Clone)]
pub struct User {
    pub id: i64,
    pub is_bot: bool,
    pub first_name: String,
    pub username: String,
    pub language_code: Option<String>,
}

impl User {
    pub fn json(&self) -> Value {
        let mut user = json!({
            "id": self.id, "is_bot": self.is_bot, "first_name": self.first_name, "username": self.username,
        });
        if let (Some(language), Some(user)) = (&self.language_code, user.as_object_mut()) {
            user.insert("language_code".to_owned(), json!(language));
        }
        user
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    Private,
    Group,
    Supergroup,
    /// A supergroup with topics.
    Forum,
}

/// What a member of a group may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Creator,
    Admin,
    Member,
    Left,
}

/// Whether the bot can write to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Open,
    /// The person never wrote to the bot.
    Stranger,
    Blocked,
    Deactivated,
    Kicked,
    Left,
    /// The group is now the supergroup of this id.
    Migrated(i64),
}

pub struct Topic {
    pub name: String,
    pub closed: bool,
}

pub struct Chat {
    pub id: i64,
    pub kind: ChatKind,
    pub title: String,
    pub username: Option<String>,
    pub access: Access,
    pub members: BTreeMap<i64, Role>,
    pub topics: BTreeMap<i64, Topic>,
    pub messages: BTreeMap<i64, Stored>,
    last_message_id: i64,
}

/// A message of a chat; a deleted one is gone.
pub struct Stored {
    /// The Bot API's `Message`.
    pub message: Map<String, Value>,
    pub by_bot: bool,
    pub file: Option<SentFile>,
    pub reactions: Vec<String>,
    pub at: Timestamp,
}

pub struct Callback {
    pub pressed: Instant,
    pub answer: Option<CallbackAnswer>,
}

/// What a person saw after pressing a button.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallbackAnswer {
    pub text: Option<String>,
    pub alert: bool,
}

/// A call of the bot, with what came of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The documented name, or what was written if there is no such method.
    pub method: String,
    pub params: Value,
    pub outcome: Outcome,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The result; for getUpdates only the ids.
    Done(Value),
    Refused {
        status: u16,
        description: String,
    },
}

/// What a message is made of, before it stands in a chat.
#[derive(Default)]
pub struct Draft {
    pub topic: Option<i64>,
    pub reply_to: Option<i64>,
    /// Text or caption with entities, media, keyboard, album.
    pub content: Map<String, Value>,
    pub file: Option<SentFile>,
}

impl Chat {
    pub fn new(id: i64, kind: ChatKind, title: &str, access: Access) -> Self {
        Chat {
            id,
            kind,
            title: title.to_owned(),
            username: None,
            access,
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            messages: BTreeMap::new(),
            last_message_id: 0,
        }
    }

    /// The `Chat` object of messages.
    pub fn json(&self) -> Value {
        match self.kind {
            ChatKind::Private => json!({
                "id": self.id, "type": "private", "first_name": self.title, "username": self.username,
            }),
            ChatKind::Group => json!({
                "id": self.id, "type": "group", "title": self.title, "all_members_are_administrators": false,
            }),
            ChatKind::Supergroup => json!({ "id": self.id, "type": "supergroup", "title": self.title }),
            ChatKind::Forum => {
                json!({ "id": self.id, "type": "supergroup", "title": self.title, "is_forum": true })
            }
        }
    }

    /// Refuses what the bot tries in a chat that it cannot write to.
    pub fn admit(&self) -> Result<(), Refusal> {
        let place = if self.kind == ChatKind::Group { "group" } else { "supergroup" };
        match self.access {
            Access::Open => Ok(()),
            Access::Stranger => Err(Refusal::forbidden("bot can't initiate conversation with a user")),
            Access::Blocked => Err(Refusal::forbidden("bot was blocked by the user")),
            Access::Deactivated => Err(Refusal::forbidden("user is deactivated")),
            Access::Kicked => Err(Refusal::forbidden(&format!("bot was kicked from the {place} chat"))),
            Access::Left => Err(Refusal::forbidden(&format!("bot is not a member of the {place} chat"))),
            Access::Migrated(to) => Err(Refusal::migrated(to)),
        }
    }
}

impl World {
    /// Puts a message into a chat and gives it as the Bot API shows it.
    pub fn post(&mut self, chat_id: i64, author: i64, draft: Draft) -> Option<Map<String, Value>> {
        let from = if author == self.bot.id { &self.bot } else { self.users.get(&author)? }.json();
        let chat = self.chats.get_mut(&chat_id)?;
        let counter = match chat.kind {
            ChatKind::Private | ChatKind::Group => &mut self.last_message_id,
            ChatKind::Supergroup | ChatKind::Forum => &mut chat.last_message_id,
        };
        *counter += 1;
        let (message_id, at) = (*counter, Timestamp::now());
        let mut message = Map::new();
        message.insert("message_id".to_owned(), json!(message_id));
        message.insert("from".to_owned(), from);
        message.insert("chat".to_owned(), chat.json());
        message.insert("date".to_owned(), json!(at.as_second()));
        if let Some(topic) = draft.topic {
            message.insert("message_thread_id".to_owned(), json!(topic));
            message.insert("is_topic_message".to_owned(), json!(true));
        }
        if let Some(original) = draft.reply_to.and_then(|id| chat.messages.get(&id)) {
            let mut original = original.message.clone();
            original.remove("reply_to_message");
            message.insert("reply_to_message".to_owned(), Value::Object(original));
        }
        message.extend(draft.content);
        let by_bot = author == self.bot.id;
        let stored = Stored { message: message.clone(), by_bot, file: draft.file, reactions: Vec::new(), at };
        chat.messages.insert(message_id, stored);
        Some(message)
    }

    /// Posts what a person wrote and tells the bot, if the bot gets to see it.
    pub fn post_by_person(&mut self, chat_id: i64, author: i64, draft: Draft) -> i64 {
        let to_bot = self.bot_sees(chat_id, &draft);
        let Some(message) = self.post(chat_id, author, draft) else { return 0 };
        let message_id = message.get("message_id").and_then(Value::as_i64).unwrap_or_default();
        if to_bot {
            self.updates.push("message", Value::Object(message));
        }
        message_id
    }

    /// Privacy mode: a bot that is no admin gets commands, replies to itself and service messages of a group.
    fn bot_sees(&self, chat_id: i64, draft: &Draft) -> bool {
        let Some(chat) = self.chats.get(&chat_id) else { return false };
        if chat.kind == ChatKind::Private {
            return chat.access != Access::Deactivated;
        }
        let text = draft.content.get("text").and_then(Value::as_str);
        let replied = draft.reply_to.and_then(|id| chat.messages.get(&id));
        match chat.members.get(&self.bot.id) {
            Some(Role::Creator | Role::Admin) => true,
            Some(Role::Member) => {
                let mention = format!("@{}", self.bot.username);
                let service = text.is_none() && draft.file.is_none();
                service
                    || replied.is_some_and(|message| message.by_bot)
                    || text.is_some_and(|text| text.starts_with('/') || text.contains(&mention))
            }
            Some(Role::Left) | None => false,
        }
    }

    /// Tells the bot that its own place in a chat changed.
    pub fn bot_moved(&mut self, chat_id: i64, by: i64, before: Value, after: Value) {
        let by = if by == self.bot.id { Some(&self.bot) } else { self.users.get(&by) };
        let (Some(chat), Some(by)) = (self.chats.get(&chat_id), by) else { return };
        let update = json!({
            "chat": chat.json(), "from": by.json(), "date": Timestamp::now().as_second(),
            "old_chat_member": before, "new_chat_member": after,
        });
        self.updates.push("my_chat_member", update);
    }

    pub fn log(&mut self, method: String, params: Value, outcome: Outcome) {
        if self.calls.len() >= MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(Call { method, params, outcome, at: Timestamp::now() });
    }
}
