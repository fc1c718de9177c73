//! What stands in a chat, as a person sees it on the screen.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::files::SentFile;
use super::world::{Stored, World};

/// A message of a chat.
#[derive(Debug, Clone, PartialEq)]
pub struct SentMessage {
    pub chat: i64,
    pub message_id: i64,
    pub topic: Option<i64>,
    /// First name of the author.
    pub author: String,
    pub from_bot: bool,
    pub text: Option<String>,
    pub caption: Option<String>,
    /// Entities of the text or caption, as the Bot API writes them.
    pub entities: Vec<Value>,
    pub file: Option<SentFile>,
    /// Rows of buttons.
    pub buttons: Vec<Vec<Button>>,
    pub reply_to: Option<i64>,
    pub media_group: Option<String>,
    pub edited: bool,
    /// Emoji that the bot reacted with.
    pub reactions: Vec<String>,
    pub at: Timestamp,
}

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    pub text: String,
    pub data: Option<String>,
    pub url: Option<String>,
}

impl SentMessage {
    /// Text or caption; empty if there is neither.
    pub fn words(&self) -> &str {
        self.text.as_deref().or(self.caption.as_deref()).unwrap_or_default()
    }

    /// The button of this text.
    pub fn button(&self, text: &str) -> Option<&Button> {
        self.buttons.iter().flatten().find(|button| button.text == text)
    }
}

/// All messages of a chat, in order.
pub fn history(world: &World, chat: i64) -> Vec<SentMessage> {
    let messages = world.chats.get(&chat).map(|chat| &chat.messages);
    messages.into_iter().flatten().map(|(id, stored)| seen(chat, *id, stored)).collect()
}

fn seen(chat: i64, message_id: i64, stored: &Stored) -> SentMessage {
    let message = &stored.message;
    let text = |key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
    let id_in = |value: Option<&Value>, key: &str| value.and_then(|value| value.get(key)?.as_i64());
    let author = message.get("from").and_then(|from| from.get("first_name")?.as_str());
    let entities = message.get("entities").or_else(|| message.get("caption_entities"));
    SentMessage {
        chat,
        message_id,
        topic: message.get("message_thread_id").and_then(Value::as_i64),
        author: author.unwrap_or_default().to_owned(),
        from_bot: stored.by_bot,
        text: text("text"),
        caption: text("caption"),
        entities: entities.and_then(Value::as_array).cloned().unwrap_or_default(),
        file: stored.file.clone(),
        buttons: buttons(message),
        reply_to: id_in(message.get("reply_to_message"), "message_id"),
        media_group: text("media_group_id"),
        edited: message.contains_key("edit_date"),
        reactions: stored.reactions.clone(),
        at: stored.at,
    }
}

fn buttons(message: &Map<String, Value>) -> Vec<Vec<Button>> {
    let rows = message.get("reply_markup").and_then(|markup| markup.get("inline_keyboard")?.as_array());
    let row = |row: &Value| row.as_array().into_iter().flatten().map(button).collect();
    rows.into_iter().flatten().map(row).collect()
}

fn button(button: &Value) -> Button {
    let text = |key| button.get(key).and_then(Value::as_str).map(str::to_owned);
    Button { text: text("text").unwrap_or_default(), data: text("callback_data"), url: text("url") }
}
