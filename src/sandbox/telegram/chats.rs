//! The methods about chats: what they are, who is in them, their topics, and leaving.

use serde_json::{Value, json};

use super::params::Params;
use super::rules::{Answer, Refusal, utf16_len};
use super::sending::{known_chat, writable_chat};
use super::world::{Access, ChatKind, Draft, Role, Topic, User, World};

pub fn get_chat(world: &mut World, params: &Params) -> Answer {
    let chat = known_chat(world, params)?;
    if chat.access == Access::Stranger {
        return Err(Refusal::bad_request("chat not found"));
    }
    if !matches!(chat.access, Access::Blocked | Access::Deactivated) {
        chat.admit()?;
    }
    let mut full = chat.json();
    if let Some(full) = full.as_object_mut() {
        full.insert("accent_color_id".to_owned(), json!(2));
        full.insert("max_reaction_count".to_owned(), json!(11));
        full.insert(
            "accepted_gift_types".to_owned(),
            json!({
                "unlimited_gifts": true, "limited_gifts": true, "unique_gifts": true,
                "premium_subscription": true, "gifts_from_channels": true,
            }),
        );
        if chat.kind != ChatKind::Private {
            full.insert("permissions".to_owned(), permissions());
        }
    }
    Ok(full)
}

pub fn get_member(world: &mut World, params: &Params) -> Answer {
    let chat = writable_chat(world, params)?;
    let user = params.integer("user_id")?.ok_or_else(|| Refusal::bad_request("invalid user_id specified"))?;
    let user = if user == world.bot.id { Some(&world.bot) } else { world.users.get(&user) };
    let user = user.ok_or_else(|| Refusal::bad_request("PARTICIPANT_ID_INVALID"))?;
    match (chat.kind, chat.members.get(&user.id)) {
        (ChatKind::Private, _) if user.id == chat.id || user.is_bot => Ok(member(user, Role::Member)),
        (_, Some(role)) => Ok(member(user, *role)),
        (ChatKind::Private | ChatKind::Group, None) => Err(Refusal::bad_request("user not found")),
        (_, None) => Err(Refusal::bad_request("PARTICIPANT_ID_INVALID")),
    }
}

pub fn count_members(world: &mut World, params: &Params) -> Answer {
    let chat = writable_chat(world, params)?;
    let present = chat.members.values().filter(|role| **role != Role::Left).count();
    Ok(json!(if chat.kind == ChatKind::Private { 2 } else { present }))
}

pub fn get_administrators(world: &mut World, params: &Params) -> Answer {
    let chat = writable_chat(world, params)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::bad_request("there are no administrators in the private chat"));
    }
    let admins = chat.members.iter().filter(|(_, role)| matches!(role, Role::Creator | Role::Admin));
    let person = |id: &i64| if *id == world.bot.id { Some(&world.bot) } else { world.users.get(id) };
    Ok(admins.filter_map(|(id, role)| Some(member(person(id)?, *role))).collect())
}

/// A `ChatMember` with its rights.
pub fn member(user: &User, role: Role) -> Value {
    let user = user.json();
    match role {
        Role::Creator => json!({ "status": "creator", "user": user, "is_anonymous": false }),
        Role::Member => json!({ "status": "member", "user": user }),
        Role::Left => json!({ "status": "left", "user": user }),
        Role::Admin => json!({
            "status": "administrator", "user": user, "can_be_edited": false, "is_anonymous": false,
            "can_manage_chat": true, "can_delete_messages": true, "can_manage_video_chats": true,
            "can_restrict_members": true, "can_promote_members": false, "can_change_info": true,
            "can_invite_users": true, "can_post_stories": true, "can_edit_stories": true,
            "can_delete_stories": true, "can_pin_messages": true, "can_manage_topics": true,
        }),
    }
}

fn permissions() -> Value {
    let rights = [
        "can_send_messages",
        "can_send_audios",
        "can_send_documents",
        "can_send_photos",
        "can_send_videos",
        "can_send_video_notes",
        "can_send_voice_notes",
        "can_send_polls",
        "can_send_other_messages",
        "can_add_web_page_previews",
        "can_change_info",
        "can_invite_users",
        "can_pin_messages",
        "can_manage_topics",
    ];
    rights.into_iter().map(|right| (right.to_owned(), Value::Bool(true))).collect()
}

pub fn create_topic(world: &mut World, params: &Params) -> Answer {
    let chat = forum(world, params)?;
    let name = topic_name(params)?;
    let color = params.integer("icon_color")?.unwrap_or(0x6F_B9F0);
    let content = json!({ "forum_topic_created": { "name": name, "icon_color": color } });
    let content = content.as_object().cloned().unwrap_or_default();
    let bot = world.bot.id;
    let message = world.post(chat, bot, Draft { content, ..Draft::default() });
    // A topic's id is that of the message that says it was created.
    let topic = message.and_then(|message| message.get("message_id")?.as_i64()).unwrap_or_default();
    if let Some(chat) = world.chats.get_mut(&chat) {
        chat.topics.insert(topic, Topic { name: name.clone(), closed: false });
    }
    Ok(json!({ "message_thread_id": topic, "name": name, "icon_color": color }))
}

pub fn rename_topic(world: &mut World, params: &Params) -> Answer {
    let name = topic_name(params)?;
    topic(world, params)?.name = name;
    Ok(Value::Bool(true))
}

pub fn close_topic(world: &mut World, params: &Params, closed: bool) -> Answer {
    let topic = topic(world, params)?;
    if topic.closed == closed {
        return Err(Refusal::bad_request("TOPIC_NOT_MODIFIED"));
    }
    topic.closed = closed;
    Ok(Value::Bool(true))
}

fn topic_name(params: &Params) -> Result<String, Refusal> {
    match params.text("name") {
        Some(name) if utf16_len(&name) <= 128 => Ok(name),
        Some(_) => Err(Refusal::bad_request("TOPIC_TITLE_TOO_LONG")),
        None => Err(Refusal::bad_request("TOPIC_TITLE_EMPTY")),
    }
}

fn topic<'a>(world: &'a mut World, params: &Params) -> Result<&'a mut Topic, Refusal> {
    let chat = forum(world, params)?;
    let topic = params.integer("message_thread_id")?.unwrap_or_default();
    let topics = world.chats.get_mut(&chat).map(|chat| &mut chat.topics);
    topics.and_then(|topics| topics.get_mut(&topic)).ok_or_else(|| Refusal::bad_request("TOPIC_ID_INVALID"))
}

fn forum(world: &World, params: &Params) -> Result<i64, Refusal> {
    let chat = writable_chat(world, params)?;
    if chat.kind != ChatKind::Forum {
        return Err(Refusal::bad_request("the chat is not a forum"));
    }
    match chat.members.get(&world.bot.id) {
        Some(Role::Admin | Role::Creator) => Ok(chat.id),
        _ => Err(Refusal::bad_request("not enough rights to create a topic")),
    }
}

pub fn leave(world: &mut World, params: &Params) -> Answer {
    let chat = writable_chat(world, params)?;
    if chat.kind == ChatKind::Private {
        return Err(Refusal::bad_request("chat member status can't be changed in private chats"));
    }
    let chat = chat.id;
    let bot = world.bot.clone();
    let Some(left) = world.chats.get_mut(&chat) else { return Ok(Value::Bool(true)) };
    left.access = Access::Left;
    let before = left.members.insert(bot.id, Role::Left).unwrap_or(Role::Member);
    world.bot_moved(chat, bot.id, member(&bot, before), member(&bot, Role::Left));
    Ok(Value::Bool(true))
}
