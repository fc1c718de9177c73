//! The people's side: persons who write to the bot and press its buttons, and the groups they are in.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use rand::random;
use serde_json::{Map, Value, json};

use super::chats::member;
use super::editing::replace;
use super::files::{FileKind, SentFile};
use super::world::{Access, Callback, CallbackAnswer, Chat, ChatKind, Draft, Role, Shared, Topic, World};

/// A supergroup's id is this minus its bare number.
pub(super) const SUPERGROUP_BASE: i64 = -1_000_000_000_000;

/// A person, seated in one chat: the private one with the bot, or a group.
#[derive(Clone)]
pub struct Person {
    pub(super) shared: Arc<Shared>,
    pub(super) user: i64,
    pub(super) chat: i64,
    pub(super) topic: Option<i64>,
}

/// There is no such button under that message.
#[derive(Debug, thiserror::Error)]
#[error("no button \"{button}\" under message {message_id} of chat {chat}")]
pub struct NoSuchButton {
    pub chat: i64,
    pub message_id: i64,
    pub button: String,
}

impl Person {
    /// The user's id.
    pub fn id(&self) -> i64 {
        self.user
    }

    /// The chat that this seat writes in.
    pub fn chat_id(&self) -> i64 {
        self.chat
    }

    /// The same person in a topic of the same forum.
    pub fn in_topic(&self, topic: i64) -> Person {
        Person { topic: Some(topic), ..self.clone() }
    }

    /// Writes a text and gives its message id.
    pub fn says(&self, text: &str) -> i64 {
        self.posts(None, words(text), None)
    }

    /// Writes a text as Telegram's reply to a message.
    pub fn replies_to(&self, message_id: i64, text: &str) -> i64 {
        self.posts(Some(message_id), words(text), None)
    }

    /// Opens the bot by a deep link: `/start payload`, or `/start` alone.
    pub fn presses_start(&self, payload: &str) -> i64 {
        self.says(format!("/start {payload}").trim_end())
    }

    pub fn sends_photo(&self, bytes: impl Into<Bytes>, caption: &str) -> i64 {
        self.sends_file(SentFile::new(FileKind::Photo, "photo.jpg", bytes.into()), caption)
    }

    pub fn sends_document(&self, name: &str, bytes: impl Into<Bytes>, caption: &str) -> i64 {
        self.sends_file(SentFile::new(FileKind::Document, name, bytes.into()), caption)
    }

    pub fn sends_video(&self, name: &str, bytes: impl Into<Bytes>, caption: &str) -> i64 {
        self.sends_file(SentFile::new(FileKind::Video, name, bytes.into()), caption)
    }

    pub fn sends_voice(&self, bytes: impl Into<Bytes>) -> i64 {
        self.sends_file(SentFile::new(FileKind::Voice, "voice.oga", bytes.into()), "")
    }

    /// Sends any kind of file.
    pub fn sends_file(&self, file: SentFile, caption: &str) -> i64 {
        self.posts(None, captioned(caption), Some(file))
    }

    /// Sends an album: one update per file, all with one media group; the caption stands under the first.
    pub fn sends_album(&self, files: Vec<SentFile>, caption: &str) -> Vec<i64> {
        let group = (random::<u64>() >> 10).to_string();
        let captions = std::iter::once(caption).chain(std::iter::repeat(""));
        let each = |(file, caption)| {
            let mut content = captioned(caption);
            content.insert("media_group_id".to_owned(), json!(group));
            self.posts(None, content, Some(file))
        };
        files.into_iter().zip(captions).map(each).collect()
    }

    /// Forwards a text that somebody else once wrote.
    pub fn forwards(&self, text: &str, from: &str) -> i64 {
        let date = Timestamp::now().as_second() - 3600;
        let mut content = words(text);
        let origin = json!({ "type": "hidden_user", "sender_user_name": from, "date": date });
        content.insert("forward_origin".to_owned(), origin);
        self.posts(None, content, None)
    }

    /// Sends a message of any other content (`sticker`, `location`, `contact`…), as the Bot API writes it.
    pub fn sends_content(&self, content: Map<String, Value>) -> i64 {
        self.posts(None, content, None)
    }

    /// Edits an own message's text or caption; says whether there was one.
    pub fn edits(&self, message_id: i64, text: &str) -> bool {
        self.shared.change(|world| {
            let stored = world.chats.get(&self.chat).and_then(|chat| chat.messages.get(&message_id));
            let Some(stored) = stored.filter(|stored| !stored.by_bot) else { return false };
            let mut message = stored.message.clone();
            let has_text = message.contains_key("text");
            message.retain(|key, _| !matches!(key.as_str(), "text" | "entities" | "caption"));
            message.extend(if has_text { words(text) } else { captioned(text) });
            message.insert("edit_date".to_owned(), json!(Timestamp::now().as_second()));
            replace(world, self.chat, message_id, message.clone());
            world.updates.push("edited_message", Value::Object(message));
            true
        })
    }

    /// Deletes a message for everybody; a bot is not told.
    pub fn deletes(&self, message_id: i64) {
        self.shared.change(|world| {
            let chat = world.chats.get_mut(&self.chat);
            chat.and_then(|chat| chat.messages.remove(&message_id));
        });
    }

    /// Presses the button of this text, and gives the callback query's id.
    pub fn presses(&self, message_id: i64, button: &str) -> Result<String, NoSuchButton> {
        let pressed = self.shared.change(|world| press(world, self, message_id, button));
        pressed.ok_or_else(|| NoSuchButton { chat: self.chat, message_id, button: button.to_owned() })
    }

    /// What the bot answered to a pressed button; `None` while the button still spins.
    pub fn answer_to(&self, query: &str) -> Option<CallbackAnswer> {
        self.shared.look().callbacks.get(query)?.answer.clone()
    }

    /// Reacts to a message; the bot hears of it if it asked for `message_reaction`.
    pub fn reacts(&self, message_id: i64, emoji: &str) {
        self.shared.change(|world| {
            let (Some(chat), Some(user)) = (world.chats.get(&self.chat), world.users.get(&self.user)) else {
                return;
            };
            let update = json!({
                "chat": chat.json(), "message_id": message_id, "user": user.json(),
                "date": Timestamp::now().as_second(), "old_reaction": [],
                "new_reaction": [{ "type": "emoji", "emoji": emoji }],
            });
            world.updates.push("message_reaction", update);
        });
    }

    /// Stops the bot.
    pub fn blocks_bot(&self) {
        self.shared.change(|world| self.turns(world, Access::Blocked));
    }

    /// Starts it again, without a word.
    pub fn unblocks_bot(&self) {
        self.shared.change(|world| self.turns(world, Access::Open));
    }

    /// The account is gone for good.
    pub fn deletes_account(&self) {
        self.shared.change(|world| {
            if let Some(chat) = world.chats.get_mut(&self.user) {
                chat.access = Access::Deactivated;
            }
        });
    }

    fn turns(&self, world: &mut World, access: Access) {
        let Some(chat) = world.chats.get_mut(&self.user) else { return };
        let before = std::mem::replace(&mut chat.access, access);
        if before != access && (before == Access::Blocked || access == Access::Blocked) {
            let status = |access| if access == Access::Blocked { "kicked" } else { "member" };
            let bot = world.bot.json();
            let place = |access| match status(access) {
                "kicked" => json!({ "status": "kicked", "user": bot, "until_date": 0 }),
                status => json!({ "status": status, "user": bot }),
            };
            world.bot_moved(self.user, self.user, place(before), place(access));
        }
    }

    fn posts(&self, reply_to: Option<i64>, mut content: Map<String, Value>, file: Option<SentFile>) -> i64 {
        self.shared.change(|world| {
            if self.chat == self.user {
                self.turns(world, Access::Open);
            }
            if let Some(file) = &file {
                content.extend(world.files.keep(file));
            }
            let draft = Draft { topic: self.topic, reply_to, content, file };
            world.post_by_person(self.chat, self.user, draft)
        })
    }
}

/// A group, a supergroup or a forum.
#[derive(Clone)]
pub struct Group {
    pub(super) shared: Arc<Shared>,
    pub(super) id: i64,
}

impl Group {
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Takes a person in, and gives the seat there.
    pub fn admits(&self, person: &Person, role: Role) -> Person {
        self.shared.change(|world| self.seats(world, person.user, role));
        Person { chat: self.id, topic: None, ..person.clone() }
    }

    /// What the bot may do here; as a mere member it is in privacy mode.
    pub fn makes_bot(&self, role: Role) {
        self.shared.change(|world| {
            let bot = world.bot.clone();
            let chat = world.chats.get(&self.id);
            let before = chat.and_then(|chat| chat.members.get(&bot.id)).copied().unwrap_or(Role::Left);
            self.seats(world, bot.id, role);
            if let Some(chat) = world.chats.get_mut(&self.id) {
                chat.access = if role == Role::Left { Access::Kicked } else { Access::Open };
            }
            let Some(by) = self.anybody(world) else { return };
            world.bot_moved(self.id, by, member(&bot, before), member(&bot, role));
        });
    }

    /// Opens a topic, as an admin does, and gives its id.
    pub fn opens_topic(&self, name: &str) -> i64 {
        self.shared.change(|world| {
            let Some(by) = self.anybody(world) else { return 0 };
            let created = json!({ "name": name, "icon_color": 0x6F_B9F0 });
            let content = Map::from_iter([("forum_topic_created".to_owned(), created)]);
            let topic = world.post_by_person(self.id, by, Draft { content, ..Draft::default() });
            if let Some(chat) = world.chats.get_mut(&self.id) {
                chat.topics.insert(topic, Topic { name: name.to_owned(), closed: false });
            }
            topic
        })
    }

    /// An admin deletes a topic with all that stands in it.
    pub fn deletes_topic(&self, topic: i64) {
        self.shared.change(|world| {
            if let Some(chat) = world.chats.get_mut(&self.id) {
                chat.topics.remove(&topic);
                let inside =
                    |message: &Map<String, Value>| message.get("message_thread_id") == Some(&json!(topic));
                chat.messages.retain(|_, stored| !inside(&stored.message));
            }
        });
    }

    /// Upgrades a basic group: it goes on under another id, and the old one only says where.
    pub fn becomes_supergroup(&self) -> Group {
        let id = SUPERGROUP_BASE + self.id;
        self.shared.change(|world| {
            let Some(by) = self.anybody(world) else { return };
            let Some(old) = world.chats.get_mut(&self.id) else { return };
            let mut new = Chat::new(id, ChatKind::Supergroup, &old.title, Access::Open);
            new.members = old.members.clone();
            world.chats.insert(id, new);
            for (chat, key, other) in
                [(self.id, "migrate_to_chat_id", id), (id, "migrate_from_chat_id", self.id)]
            {
                let content = Map::from_iter([(key.to_owned(), json!(other))]);
                world.post_by_person(chat, by, Draft { content, ..Draft::default() });
            }
            if let Some(old) = world.chats.get_mut(&self.id) {
                old.access = Access::Migrated(id);
            }
        });
        Group { shared: self.shared.clone(), id }
    }

    fn seats(&self, world: &mut World, user: i64, role: Role) {
        if let Some(chat) = world.chats.get_mut(&self.id) {
            chat.members.insert(user, role);
        }
    }

    /// The member with most rights, who does what a group's owner does.
    fn anybody(&self, world: &World) -> Option<i64> {
        let members = &world.chats.get(&self.id)?.members;
        let people = || members.iter().filter(|(id, _)| **id != world.bot.id);
        let first = |wanted: Role| people().find(|(_, role)| **role == wanted).map(|(id, _)| *id);
        first(Role::Creator).or_else(|| first(Role::Admin)).or_else(|| first(Role::Member))
    }
}

fn press(world: &mut World, person: &Person, message_id: i64, button: &str) -> Option<String> {
    let user = world.users.get(&person.user)?.json();
    let message = &world.chats.get(&person.chat)?.messages.get(&message_id)?.message;
    let rows = message.get("reply_markup")?.get("inline_keyboard")?.as_array()?;
    let mut buttons = rows.iter().filter_map(Value::as_array).flatten();
    let pressed = buttons.find(|one| one.get("text").and_then(Value::as_str) == Some(button))?;
    let data = pressed.get("callback_data")?.clone();
    let query = (random::<u64>() >> 1).to_string();
    let update = json!({
        "id": query, "from": user, "message": message, "data": data,
        "chat_instance": person.chat.wrapping_mul(7_919).to_string(),
    });
    world.callbacks.insert(query.clone(), Callback { pressed: Instant::now(), answer: None });
    world.updates.push("callback_query", update);
    Some(query)
}

/// A text as a person's app sends it: commands and links are marked.
fn words(text: &str) -> Map<String, Value> {
    let mut content = Map::from_iter([("text".to_owned(), json!(text))]);
    let mut entities = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end();
        let command = trimmed.strip_prefix('/').is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'))
        });
        let link = trimmed.starts_with("https://") || trimmed.starts_with("http://");
        if command || link {
            let kind = if command { "bot_command" } else { "url" };
            let length = trimmed.encode_utf16().count();
            entities.push(json!({ "type": kind, "offset": offset, "length": length }));
        }
        offset += word.encode_utf16().count();
    }
    if !entities.is_empty() {
        content.insert("entities".to_owned(), Value::Array(entities));
    }
    content
}

fn captioned(caption: &str) -> Map<String, Value> {
    let caption = (!caption.is_empty()).then(|| ("caption".to_owned(), json!(caption)));
    caption.into_iter().collect()
}
