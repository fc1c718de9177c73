//! What a Telegram message holds: its text, its files, and what has no form in a ticket.

use data_encoding::BASE32_NOPAD;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::wire;
use crate::{
    model::{
        attachment::{Attachment, Whereabouts, safe_name},
        formatted::{Entity, EntityKind},
        inbound::{LeftOut, LeftOutWhy, Message},
    },
    text::entities::text_with_links,
};

/// The kinds of files that a message may hold one of, with the type and extension of those without a name.
const FILES: [(&str, &str, &str); 7] = [
    // An animation repeats itself as `document`, so it stands first.
    ("animation", "video/mp4", "mp4"),
    ("document", "application/octet-stream", "bin"),
    ("voice", "audio/ogg", "ogg"),
    ("video", "video/mp4", "mp4"),
    ("video_note", "video/mp4", "mp4"),
    ("audio", "audio/mpeg", "mp3"),
    ("sticker", "image/webp", "webp"),
];

/// Messages by which Telegram tells of events, and fields that only describe another part of a message.
const NOT_CONTENT: [&str; 57] = [
    "author_signature",
    "boost_added",
    "business_connection_id",
    "channel_chat_created",
    "chat_background_set",
    "chat_shared",
    "checklist_tasks_added",
    "checklist_tasks_done",
    "connected_website",
    "delete_chat_photo",
    "direct_message_price_changed",
    "direct_messages_topic",
    "effect_id",
    "forum_topic_closed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_reopened",
    "forward_date",
    "forward_from",
    "forward_from_chat",
    "forward_sender_name",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "gift",
    "giveaway_created",
    "group_chat_created",
    "has_media_spoiler",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "left_chat_member",
    "left_chat_participant",
    "link_preview_options",
    "message_auto_delete_timer_changed",
    "migrate_from_chat_id",
    "new_chat_member",
    "new_chat_members",
    "new_chat_participant",
    "new_chat_photo",
    "new_chat_title",
    "paid_message_price_changed",
    "paid_star_count",
    "pinned_message",
    "proximity_alert_triggered",
    "reply_markup",
    "sender_boost_count",
    "sender_business_bot",
    "show_caption_above_media",
    "supergroup_chat_created",
    "unique_gift",
    "users_shared",
    "via_bot",
    "video_chat_ended",
    "video_chat_participants_invited",
    "video_chat_scheduled",
    "video_chat_started",
    "write_access_allowed",
];

/// The content; nothing for a message by which Telegram tells of an event. `limit` is the size in bytes up
/// to which the server gives files out.
pub(super) fn content(message: &wire::Message, limit: u64) -> Option<Message> {
    let mut content = Message { quoted: quoted(message), ..Message::default() };
    add_file(&mut content, message, limit);
    let mut texts: Vec<String> = Vec::new();
    texts.extend(written(message));
    texts.extend(described(message));
    if content.files.is_empty() && content.left_out.is_empty() {
        // A caption is never alone: it stands under something that was not understood.
        let captioned = message.caption.is_some();
        if texts.is_empty() || captioned {
            content.left_out.push(unsupported(message, captioned)?);
        }
    }
    // The parts of an album come from the same sender: the one with the caption says so.
    if let Some(origin) = &message.forward_origin
        && (message.media_group_id.is_none() || !texts.is_empty())
    {
        let name = origin.name().unwrap_or_else(|| "an unknown sender".to_owned());
        texts.insert(0, format!("Forwarded from {name}:"));
    }
    content.text = texts.join("\n");
    Some(content)
}

fn written(message: &wire::Message) -> Option<String> {
    let (text, entities) = match &message.text {
        Some(text) => (text, &message.entities),
        None => (message.caption.as_ref()?, &message.caption_entities),
    };
    let entities: Vec<Entity> = entities.iter().filter_map(entity).collect();
    Some(text_with_links(text, &entities)).filter(|text| !text.is_empty())
}

fn entity(entity: &wire::Entity) -> Option<Entity> {
    let kind = match entity.kind.as_str() {
        "text_link" => EntityKind::Link(entity.url.clone()?),
        "blockquote" | "expandable_blockquote" => EntityKind::Blockquote,
        _ => return None,
    };
    Some(Entity { kind, offset_utf16: entity.offset, len_utf16: entity.length })
}

/// The text of content that is neither text nor a file.
fn described(message: &wire::Message) -> Option<String> {
    if let Some(venue) = &message.venue {
        return Some(format!("{}, {}\n{}", venue.title, venue.address, place(&venue.location)));
    }
    if let Some(location) = &message.location {
        return Some(place(location));
    }
    if let Some(contact) = &message.contact {
        return Some(format!("Contact: {}, {}", contact.name(), contact.phone_number));
    }
    if let Some(poll) = &message.poll {
        return Some(list("Poll", &poll.question, &poll.options));
    }
    if let Some(checklist) = &message.checklist {
        return Some(list("Checklist", &checklist.title, &checklist.tasks));
    }
    if let Some(dice) = &message.dice {
        return Some(format!("{} {}", dice.emoji, dice.value));
    }
    file(message, "sticker").and_then(|sticker| sticker.emoji)
}

fn place(location: &wire::Location) -> String {
    let (latitude, longitude) = (location.latitude, location.longitude);
    format!(
        "Location: {latitude}, {longitude} \
         (https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=16/{latitude}/{longitude})"
    )
}

fn list(kind: &str, title: &str, lines: &[wire::Line]) -> String {
    let lines: String = lines.iter().map(|line| format!("\n- {}", line.text)).collect();
    format!("{kind}: {title}{lines}")
}

/// What the message answers, where that is more than one of the chat's own messages.
fn quoted(message: &wire::Message) -> Option<String> {
    let quote = message.quote.as_ref().map(|quote| quote.text.clone());
    let Some(reply) = &message.external_reply else { return quote };
    let name = reply.origin.as_ref().and_then(wire::Forward::name);
    let name = name.unwrap_or_else(|| "another chat".to_owned());
    Some(format!("{name}: {}", quote.unwrap_or_else(|| "(not quoted)".to_owned())))
}

fn add_file(content: &mut Message, message: &wire::Message, limit: u64) {
    let Some((kind, file, mime, extension)) = find_file(message) else { return };
    let mime = file.mime_type.clone().unwrap_or_else(|| mime.to_owned());
    let name = match &file.file_name {
        Some(name) => safe_name(name),
        None => made_up_name(kind, message.date, &file, extension),
    };
    if file.file_size.is_some_and(|size| size > limit) {
        content.left_out.push(LeftOut { name, size: file.file_size, why: LeftOutWhy::TooLarge { limit } });
        return;
    }
    let at = Whereabouts::Telegram { file_id: file.file_id };
    content.files.push(Attachment { name, mime, size: file.file_size, at });
}

fn find_file(message: &wire::Message) -> Option<(&'static str, wire::File, &'static str, &'static str)> {
    if let Some(largest) = message.photo.iter().max_by_key(|photo| photo.width.saturating_mul(photo.height)) {
        return Some(("photo", largest.clone(), "image/jpeg", "jpg"));
    }
    FILES.iter().find_map(|(kind, mime, extension)| {
        let file = file(message, kind)?;
        Some(match *kind {
            "sticker" if file.is_animated => ("sticker", file, "application/x-tgsticker", "tgs"),
            "sticker" if file.is_video => ("sticker", file, "video/webm", "webm"),
            _ => (*kind, file, *mime, *extension),
        })
    })
}

fn file(message: &wire::Message, kind: &str) -> Option<wire::File> {
    serde_json::from_value(message.rest.get(kind)?.clone()).ok()
}

/// Unique enough within a ticket, and the same each time the message is read.
fn made_up_name(kind: &str, date: i64, file: &wire::File, extension: &str) -> String {
    let hash = BASE32_NOPAD.encode(&Sha256::digest(file.file_unique_id.as_bytes())).to_lowercase();
    let letters: String = hash.chars().take(4).collect();
    let day = jiff::Timestamp::from_second(date)
        .map_or_else(|_| "undated".to_owned(), |time| time.to_zoned(TimeZone::UTC).date().to_string());
    let kind = kind.replace('_', "-");
    // A nameless document tells its extension by its type only.
    let by_type = file.mime_type.as_deref().and_then(mime_guess::get_mime_extensions_str);
    let extension = match (extension, by_type) {
        ("bin", Some([first, ..])) => first,
        _ => extension,
    };
    format!("{kind}-{day}-{letters}.{extension}")
}

/// Names content of a kind that we cannot pass on. In a group what we do not know is more likely an event
/// than a message to us, unless it is certainly `content`; from a person it must never be met with silence.
fn unsupported(message: &wire::Message, content: bool) -> Option<LeftOut> {
    let is_content = |key: &&String| !NOT_CONTENT.contains(&key.as_str());
    let unknown = message.rest.keys().find(is_content).map(|key| key.replace('_', " "));
    let event = message.rest.keys().any(|key| NOT_CONTENT.contains(&key.as_str()));
    let told = content || message.chat.is_private();
    let name = match unknown {
        Some(name) if told || KNOWN_UNSUPPORTED.contains(&name.as_str()) => name,
        None if content || (told && !event) => "a message of an unknown kind".to_owned(),
        _ => return None,
    };
    Some(LeftOut { name, size: None, why: LeftOutWhy::Unsupported })
}

const KNOWN_UNSUPPORTED: [&str; 5] = ["story", "game", "paid media", "invoice", "giveaway"];
