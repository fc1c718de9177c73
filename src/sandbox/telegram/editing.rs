//! The methods that change what is there: edits, deletions, reactions, answers to pressed buttons.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::formatting::Formatted;
use super::keyboard;
use super::params::Params;
use super::rules::{Answer, CALLBACK_LIFE, REACTIONS, Refusal};
use super::sending::{caption, put_text, text, throttle, writable_chat};
use super::world::{CallbackAnswer, ChatKind, World};

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are \
                            exactly the same as a current content and reply markup of the message";
const TOO_OLD: &str = "query is too old and response timeout expired or query ID is invalid";

pub fn edit_text(world: &mut World, params: &Params) -> Answer {
    let formatted = text(params).map_err(|refusal| match refusal {
        long if long.description.ends_with("message is too long") => Refusal::bad_request("MESSAGE_TOO_LONG"),
        other => other,
    })?;
    edit(world, params, Some(("text", "entities", formatted)))
}

pub fn edit_caption(world: &mut World, params: &Params) -> Answer {
    let formatted = caption(params)?;
    edit(world, params, Some(("caption", "caption_entities", formatted)))
}

pub fn edit_markup(world: &mut World, params: &Params) -> Answer {
    edit(world, params, None)
}

/// New words, if any, and the keyboard of the call: none takes the old one away.
fn edit(world: &mut World, params: &Params, words: Option<(&str, &str, Formatted)>) -> Answer {
    let chat = writable_chat(world, params)?.id;
    let message_id = message_id(params)?;
    let keyboard = keyboard::read(params)?;
    let stored = world.chats.get(&chat).and_then(|chat| chat.messages.get(&message_id));
    let stored = stored.ok_or_else(|| Refusal::bad_request("message to edit not found"))?;
    if !stored.by_bot {
        return Err(Refusal::bad_request("message can't be edited"));
    }
    let mut edited = stored.message.clone();
    if let Some((key, entities_key, formatted)) = words {
        let editable = if key == "text" { edited.contains_key("text") } else { stored.file.is_some() };
        if !editable {
            return Err(Refusal::bad_request(format!("there is no {key} in the message to edit")));
        }
        edited.remove(key);
        edited.remove(entities_key);
        put_text(&mut edited, key, entities_key, formatted);
    }
    edited.remove("reply_markup");
    if let Some(keyboard) = keyboard {
        edited.insert("reply_markup".to_owned(), keyboard);
    }
    if edited == stored.message {
        return Err(Refusal::bad_request(NOT_MODIFIED));
    }
    throttle(world, chat, 1)?;
    edited.insert("edit_date".to_owned(), json!(Timestamp::now().as_second()));
    replace(world, chat, message_id, edited.clone());
    Ok(Value::Object(edited))
}

/// Puts a changed message in the place of the old one.
pub fn replace(world: &mut World, chat: i64, message_id: i64, message: Map<String, Value>) {
    if let Some(stored) = world.chats.get_mut(&chat).and_then(|chat| chat.messages.get_mut(&message_id)) {
        stored.message = message;
    }
}

pub fn delete(world: &mut World, params: &Params) -> Answer {
    let chat_id = writable_chat(world, params)?.id;
    let message_id = message_id(params)?;
    let chat = world.chats.get_mut(&chat_id).ok_or_else(|| Refusal::bad_request("chat not found"))?;
    match chat.messages.remove(&message_id) {
        Some(_) => Ok(Value::Bool(true)),
        None => Err(Refusal::bad_request("message to delete not found")),
    }
}

pub fn react(world: &mut World, params: &Params) -> Answer {
    let chat_id = writable_chat(world, params)?.id;
    let message_id = message_id(params)?;
    let wanted = params.list("reaction")?.unwrap_or_default();
    let emoji = |reaction: &Value| reaction.get("emoji").and_then(Value::as_str).map(str::to_owned);
    let reactions = wanted.iter().filter_map(emoji).collect::<Vec<_>>();
    if reactions.len() != wanted.len() || !reactions.iter().all(|emoji| REACTIONS.contains(&emoji.as_str())) {
        return Err(Refusal::bad_request("REACTION_INVALID"));
    }
    if reactions.len() > 1 {
        return Err(Refusal::bad_request("REACTIONS_TOO_MANY"));
    }
    let chat = world.chats.get_mut(&chat_id);
    let stored = chat.and_then(|chat| chat.messages.get_mut(&message_id));
    let stored = stored.ok_or_else(|| Refusal::bad_request("message to react not found"))?;
    stored.reactions = reactions;
    Ok(Value::Bool(true))
}

pub fn answer_callback(world: &mut World, params: &Params) -> Answer {
    let text = params.text("text");
    if text.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
    }
    let query = params.text("callback_query_id").and_then(|id| world.callbacks.get_mut(&id));
    match query.filter(|query| query.answer.is_none() && query.pressed.elapsed() < CALLBACK_LIFE) {
        None => Err(Refusal::bad_request(TOO_OLD)),
        Some(query) => {
            query.answer = Some(CallbackAnswer { text, alert: params.flag("show_alert") });
            Ok(Value::Bool(true))
        }
    }
}

pub fn chat_action(world: &mut World, params: &Params) -> Answer {
    const ACTIONS: [&str; 11] = [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ];
    let chat = writable_chat(world, params)?;
    if let Some(topic) = params.integer("message_thread_id")?
        && (chat.kind != ChatKind::Forum || !chat.topics.contains_key(&topic))
    {
        return Err(Refusal::bad_request("message thread not found"));
    }
    match params.text("action") {
        Some(action) if ACTIONS.contains(&action.as_str()) => Ok(Value::Bool(true)),
        _ => Err(Refusal::bad_request("wrong parameter action in request")),
    }
}

fn message_id(params: &Params) -> Result<i64, Refusal> {
    let specified = params.integer("message_id")?.filter(|id| *id > 0);
    specified.ok_or_else(|| Refusal::bad_request("message identifier is not specified"))
}
