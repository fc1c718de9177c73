//! What we read of Telegram's updates: everything but a message's number and chat may be missing.
//!
//! teloxide's types fail as a whole when one part is new to them or absent (an entity of a new kind, a reply
//! to another chat's text, a voice message without a media type), which would cost a customer's text.
//! Field names are those of <https://core.telegram.org/bots/api#available-types>.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) message_id: i64,
    #[serde(default)]
    pub(super) date: i64,
    pub(super) chat: Chat,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) edit_date: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) from: Option<User>,
    /// Set for anonymous admins and for people who write as a channel.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sender_chat: Option<Chat>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(super) is_topic_message: bool,
    #[serde(default)]
    pub(super) is_automatic_forward: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) media_group_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) forward_origin: Option<Forward>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reply_to_message: Option<Replied>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) external_reply: Option<ExternalReply>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) quote: Option<Quote>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) migrate_to_chat_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(super) entities: Vec<Entity>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) caption: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(super) caption_entities: Vec<Entity>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(super) photo: Vec<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) location: Option<Location>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) venue: Option<Venue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) contact: Option<Contact>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) poll: Option<Poll>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) checklist: Option<Checklist>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) dice: Option<Dice>,
    /// All other fields: files, service messages, and what tomorrow brings.
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Chat {
    pub(super) id: i64,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) username: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) is_bot: bool,
    #[serde(default)]
    pub(super) first_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) username: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) language_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: usize,
    pub(super) length: usize,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: Option<String>,
}

/// A photo size, document, voice message, video, video note, audio, animation or sticker.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct File {
    pub(super) file_id: String,
    #[serde(default)]
    pub(super) file_unique_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) mime_type: Option<String>,
    #[serde(default)]
    pub(super) width: u64,
    #[serde(default)]
    pub(super) height: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) emoji: Option<String>,
    #[serde(default)]
    pub(super) is_animated: bool,
    #[serde(default)]
    pub(super) is_video: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Forward {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sender_user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sender_user_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sender_chat: Option<Chat>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) chat: Option<Chat>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replied {
    pub(super) message_id: i64,
    /// A topic's first message is what every message in it replies to.
    #[serde(default)]
    pub(super) forum_topic_created: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExternalReply {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) origin: Option<Forward>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Quote {
    #[serde(default)]
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Location {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) live_period: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Venue {
    pub(super) location: Location,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) address: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Contact {
    #[serde(default)]
    pub(super) phone_number: String,
    #[serde(default)]
    pub(super) first_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Poll {
    #[serde(default)]
    pub(super) question: String,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(super) options: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Checklist {
    #[serde(default)]
    pub(super) title: String,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(super) tasks: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dice {
    #[serde(default)]
    pub(super) emoji: String,
    #[serde(default)]
    pub(super) value: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct CallbackQuery {
    pub(super) id: String,
    pub(super) from: User,
    /// Absent for buttons under messages sent by inline mode.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: Option<Message>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MembershipChange {
    pub(super) chat: Chat,
    pub(super) from: User,
    #[serde(default)]
    pub(super) date: i64,
    pub(super) old_chat_member: Membership,
    pub(super) new_chat_member: Membership,
}

#[derive(Debug, Deserialize)]
pub(super) struct Membership {
    pub(super) status: String,
    #[serde(default)]
    pub(super) is_member: bool,
}

impl Chat {
    pub(super) fn is_private(&self) -> bool {
        self.kind == "private"
    }

    pub(super) fn is_channel(&self) -> bool {
        self.kind == "channel"
    }
}

impl User {
    pub(super) fn name(&self) -> String {
        join(&self.first_name, self.last_name.as_deref())
    }
}

impl Contact {
    pub(super) fn name(&self) -> String {
        join(&self.first_name, self.last_name.as_deref())
    }
}

impl Forward {
    /// The one who wrote it first, as Telegram names them.
    pub(super) fn name(&self) -> Option<String> {
        let chat = self.sender_chat.as_ref().or(self.chat.as_ref());
        let user = self.sender_user.as_ref().map(User::name);
        user.or_else(|| self.sender_user_name.clone())
            .or_else(|| chat.and_then(|chat| chat.title.clone()))
            .filter(|name| !name.trim().is_empty())
    }
}

impl Membership {
    /// <https://core.telegram.org/bots/api#chatmember>
    pub(super) fn is_in(&self) -> bool {
        match self.status.as_str() {
            "left" | "kicked" => false,
            "restricted" => self.is_member,
            _ => true,
        }
    }
}

fn join(first: &str, last: Option<&str>) -> String {
    format!("{first} {}", last.unwrap_or_default()).trim().to_owned()
}

/// Nothing, where the value has a form that we don't know.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Those elements whose form we know.
fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let Value::Array(values) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}
