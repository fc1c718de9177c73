//! The methods that send: texts, files and albums.

use std::time::Instant;

use rand::random;
use serde_json::{Map, Value, json};

use super::files::{FileKind, SentFile, looks_like_a_picture};
use super::formatting::Formatted;
use super::keyboard;
use super::params::Params;
use super::rules::{ALBUM, Answer, MAX_CAPTION, MAX_PHOTO, MAX_TEXT, Refusal, utf16_len};
use super::world::{Chat, ChatKind, Draft, World};

/// Where a message goes, checked.
struct Destination {
    chat: i64,
    topic: Option<i64>,
    reply_to: Option<i64>,
}

pub fn send_message(world: &mut World, params: &Params) -> Answer {
    let destination = destination(world, params)?;
    let text = text(params)?;
    let mut content = Map::new();
    put_text(&mut content, "text", "entities", text);
    put_keyboard(&mut content, params)?;
    if let Some(options) = params.json("link_preview_options")? {
        content.insert("link_preview_options".to_owned(), options);
    }
    throttle(world, destination.chat, 1)?;
    send(world, destination, content, None)
}

/// The text of a new or edited message.
pub fn text(params: &Params) -> Result<Formatted, Refusal> {
    let formatted = Formatted::read(params, "text", "entities")?;
    if formatted.text.trim().is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    if utf16_len(&formatted.text) > MAX_TEXT {
        return Err(Refusal::bad_request("message is too long"));
    }
    Ok(formatted)
}

/// A file's caption, which may be missing.
pub fn caption(params: &Params) -> Result<Formatted, Refusal> {
    let formatted = Formatted::read(params, "caption", "caption_entities")?;
    if utf16_len(&formatted.text) > MAX_CAPTION {
        return Err(Refusal::bad_request("message caption is too long"));
    }
    Ok(formatted)
}

/// Text or caption of a message, with its entities if there are any.
pub fn put_text(content: &mut Map<String, Value>, key: &str, entities_key: &str, formatted: Formatted) {
    if !formatted.text.is_empty() {
        content.insert(key.to_owned(), json!(formatted.text));
    }
    if !formatted.entities.is_empty() {
        content.insert(entities_key.to_owned(), Value::Array(formatted.entities));
    }
}

pub fn send_file(world: &mut World, params: &Params, kind: FileKind) -> Answer {
    let destination = destination(world, params)?;
    let file = file(world, params, kind.key(), kind)?;
    let mut content = Map::new();
    put_text(&mut content, "caption", "caption_entities", caption(params)?);
    put_keyboard(&mut content, params)?;
    throttle(world, destination.chat, 1)?;
    content.extend(world.files.keep(&file));
    send(world, destination, content, Some(file))
}

pub fn send_media_group(world: &mut World, params: &Params) -> Answer {
    let destination = destination(world, params)?;
    let media = params.list("media")?.unwrap_or_default();
    if media.is_empty() {
        return Err(Refusal::bad_request("there are no messages to send"));
    }
    if media.len() > *ALBUM.end() {
        return Err(Refusal::bad_request("too much messages to send as an album"));
    }
    if !ALBUM.contains(&media.len()) {
        return Err(Refusal::bad_request("too few messages to send as an album"));
    }
    let items = media.iter().map(|item| album_item(world, params, item)).collect::<Result<Vec<_>, _>>()?;
    // Photos and videos mix; documents and audio stand only among their own.
    let family = |kind| if kind == FileKind::Video { FileKind::Photo } else { kind };
    let mut families = items.iter().map(|(file, _)| family(file.kind));
    let first = families.next();
    if families.any(|other| Some(other) != first) {
        return Err(Refusal::bad_request("files of different types can't be mixed in an album"));
    }
    throttle(world, destination.chat, items.len())?;
    let group = (random::<u64>() >> 10).to_string();
    let sent = items.into_iter().map(|(file, mut content)| {
        content.insert("media_group_id".to_owned(), json!(group));
        content.extend(world.files.keep(&file));
        let Destination { chat, topic, reply_to } = destination;
        send(world, Destination { chat, topic, reply_to }, content, Some(file))
    });
    Ok(Value::Array(sent.collect::<Result<_, _>>()?))
}

fn album_item(
    world: &World,
    params: &Params,
    item: &Value,
) -> Result<(SentFile, Map<String, Value>), Refusal> {
    let unparsable = |why: &str| Refusal::bad_request(format!("can't parse InputMedia: {why}"));
    let item = params.of_item(item.as_object().ok_or_else(|| unparsable("expected an Object"))?);
    let kind = item.text("type").and_then(|key| FileKind::by_key(&key));
    let kind = kind.filter(|kind| !matches!(kind, FileKind::Voice | FileKind::Animation));
    let kind = kind.ok_or_else(|| unparsable("type must be one of photo, video, document and audio"))?;
    let file = file(world, &item, "media", kind)?;
    let mut content = Map::new();
    put_text(&mut content, "caption", "caption_entities", caption(&item)?);
    Ok((file, content))
}

/// The file that a parameter names: a part of that name, `attach://part`, or the id of a known file.
fn file(world: &World, params: &Params, name: &str, kind: FileKind) -> Result<SentFile, Refusal> {
    let said = params.text(name);
    let upload = match &said {
        None => params.upload(name),
        Some(said) => said.strip_prefix("attach://").and_then(|part| params.upload(part)),
    };
    let Some(upload) = upload else {
        return match said {
            None => Err(Refusal::bad_request(format!("there is no {} in the request", kind.key()))),
            Some(said) => known_file(world, &said, kind),
        };
    };
    if upload.bytes.is_empty() {
        return Err(Refusal::bad_request("file must be non-empty"));
    }
    if kind == FileKind::Photo {
        if upload.bytes.len() > MAX_PHOTO {
            return Err(Refusal::bad_request(format!(
                "file of size {} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes",
                upload.bytes.len()
            )));
        }
        if !looks_like_a_picture(&upload.bytes) {
            return Err(Refusal::bad_request("IMAGE_PROCESS_FAILED"));
        }
    }
    let file = SentFile::uploaded(kind, upload);
    // The server looks into documents, and shows a GIF as an animation.
    let moving = kind == FileKind::Document && file.mime == "image/gif";
    let kind =
        if moving && !params.flag("disable_content_type_detection") { FileKind::Animation } else { kind };
    Ok(SentFile { kind, ..file })
}

fn known_file(world: &World, said: &str, kind: FileKind) -> Result<SentFile, Refusal> {
    if said.starts_with("http://") || said.starts_with("https://") {
        return Err(Refusal::bad_request("failed to get HTTP URL content"));
    }
    match world.files.get(said) {
        Some(file) if file.kind == kind => Ok(file.clone()),
        Some(file) => {
            let wrong = format!("can't use file of type {} as {}", file.kind.key(), kind.key());
            Err(Refusal::bad_request(wrong))
        }
        None => Err(Refusal::bad_request("wrong file identifier/HTTP URL specified")),
    }
}

fn put_keyboard(content: &mut Map<String, Value>, params: &Params) -> Result<(), Refusal> {
    if let Some(keyboard) = keyboard::read(params)? {
        content.insert("reply_markup".to_owned(), keyboard);
    }
    Ok(())
}

fn destination(world: &World, params: &Params) -> Result<Destination, Refusal> {
    let chat = writable_chat(world, params)?;
    let reply = match params.json("reply_parameters")? {
        Some(reply) => reply_to(chat, &reply)?,
        None => None,
    };
    let topic = match params.integer("message_thread_id")? {
        Some(topic) => Some(open_topic(chat, topic)?),
        None => None,
    };
    Ok(Destination { chat: chat.id, topic, reply_to: reply })
}

fn reply_to(chat: &Chat, reply: &Value) -> Result<Option<i64>, Refusal> {
    let Some(message_id) = reply.get("message_id").and_then(Value::as_i64) else {
        let wrong = "can't parse reply parameters: Field \"message_id\" must be of type Number";
        return Err(Refusal::bad_request(wrong));
    };
    let lenient = reply.get("allow_sending_without_reply").and_then(Value::as_bool).unwrap_or_default();
    match chat.messages.contains_key(&message_id) {
        true => Ok(Some(message_id)),
        false if lenient => Ok(None),
        false => Err(Refusal::bad_request("message to be replied not found")),
    }
}

fn open_topic(chat: &Chat, topic: i64) -> Result<i64, Refusal> {
    if chat.kind != ChatKind::Forum {
        return Err(Refusal::bad_request("message thread not found"));
    }
    match chat.topics.get(&topic) {
        None => Err(Refusal::bad_request("message thread not found")),
        Some(topic) if topic.closed => Err(Refusal::bad_request("TOPIC_CLOSED")),
        Some(_) => Ok(topic),
    }
}

/// The chat that a call names.
pub fn known_chat<'a>(world: &'a World, params: &Params) -> Result<&'a Chat, Refusal> {
    let Some(said) = params.text("chat_id") else {
        return Err(Refusal::bad_request("chat_id is empty"));
    };
    let by_name = |name: &str| {
        world.chats.values().find(|c| c.username.as_deref().is_some_and(|u| u.eq_ignore_ascii_case(name)))
    };
    let chat = match said.strip_prefix('@') {
        Some(name) => by_name(name).filter(|chat| chat.kind != ChatKind::Private),
        None => said.parse().ok().and_then(|id: i64| world.chats.get(&id)),
    };
    chat.ok_or_else(|| Refusal::bad_request("chat not found"))
}

/// The chat that a call names, if the bot can write there.
pub fn writable_chat<'a>(world: &'a World, params: &Params) -> Result<&'a Chat, Refusal> {
    let chat = known_chat(world, params)?;
    chat.admit()?;
    Ok(chat)
}

/// Counts messages against the limits, if they are switched on.
pub fn throttle(world: &mut World, chat: i64, messages: usize) -> Result<(), Refusal> {
    match &mut world.throttle {
        Some(throttle) => throttle.admit(chat, messages, Instant::now()),
        None => Ok(()),
    }
}

fn send(world: &mut World, to: Destination, content: Map<String, Value>, file: Option<SentFile>) -> Answer {
    let draft = Draft { topic: to.topic, reply_to: to.reply_to, content, file };
    let bot = world.bot.id;
    let message = world.post(to.chat, bot, draft);
    message.map(Value::Object).ok_or_else(|| Refusal::bad_request("chat not found"))
}
