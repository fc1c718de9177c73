//! The Bot API's limits and error texts, as the published documentation and the server itself give them.
//!
//! Limits: <https://core.telegram.org/bots/api> and <https://core.telegram.org/bots/faq>.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// UTF-16 units of a message's text.
pub const MAX_TEXT: usize = 4096;
/// UTF-16 units of a caption.
pub const MAX_CAPTION: usize = 1024;
/// Bytes of an uploaded file; a photo has its own limit.
pub const MAX_UPLOAD: usize = 50 * 1024 * 1024;
/// Bytes of an uploaded photo.
pub const MAX_PHOTO: usize = 10 * 1024 * 1024;
/// Bytes that getFile gives out.
pub const MAX_DOWNLOAD: usize = 20 * 1024 * 1024;
/// Bytes of a button's callback data.
pub const MAX_BUTTON_DATA: usize = 64;
/// Buttons under one message.
pub const MAX_BUTTONS: usize = 100;
/// Messages of one album.
pub const ALBUM: std::ops::RangeInclusive<usize> = 2..=10;
/// Commands of one menu.
pub const MAX_COMMANDS: usize = 100;
/// The longest that getUpdates waits.
pub const MAX_POLL: Duration = Duration::from_secs(50);
/// How long a button's press can be answered.
pub const CALLBACK_LIFE: Duration = Duration::from_secs(15 * 60);
/// An offset that lies further ahead of the queue than this is ignored, and the queue's head is given out.
pub const OFFSET_SLACK: i64 = 10;

/// Emoji that a bot may react with; others need a custom emoji.
pub const REACTIONS: &[&str] = &[
    "❤",
    "👍",
    "👎",
    "🔥",
    "🥰",
    "👏",
    "😁",
    "🤔",
    "🤯",
    "😱",
    "🤬",
    "😢",
    "🎉",
    "🤩",
    "🤮",
    "💩",
    "🙏",
    "👌",
    "🕊",
    "🤡",
    "🥱",
    "🥴",
    "😍",
    "🐳",
    "❤‍🔥",
    "🌚",
    "🌭",
    "💯",
    "🤣",
    "⚡",
    "🍌",
    "🏆",
    "💔",
    "🤨",
    "😐",
    "🍓",
    "🍾",
    "💋",
    "🖕",
    "😈",
    "😴",
    "😭",
    "🤓",
    "👻",
    "👨‍💻",
    "👀",
    "🎃",
    "🙈",
    "😇",
    "😨",
    "🤝",
    "✍",
    "🤗",
    "🫡",
    "🎅",
    "🎄",
    "☃",
    "💅",
    "🤪",
    "🗿",
    "🆒",
    "💘",
    "🙉",
    "🦄",
    "😘",
    "💊",
    "🙊",
    "😎",
    "👾",
    "🤷‍♂",
    "🤷",
    "🤷‍♀",
    "😡",
];

/// What a method answers.
pub type Answer = Result<Value, Refusal>;

/// A call that the server refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub status: StatusCode,
    pub description: String,
    parameters: Option<Value>,
}

impl Refusal {
    fn new(status: StatusCode, description: String) -> Self {
        Refusal { status, description, parameters: None }
    }

    /// 400 with the text after “Bad Request: ”.
    pub fn bad_request(text: impl AsRef<str>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, format!("Bad Request: {}", text.as_ref()))
    }

    /// 400 for text that its parse mode or entities do not fit.
    pub fn entities(text: impl AsRef<str>) -> Self {
        Refusal::bad_request(format!("can't parse entities: {}", text.as_ref()))
    }

    /// 403 with the text after “Forbidden: ”.
    pub fn forbidden(text: &str) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, format!("Forbidden: {text}"))
    }

    /// 409 with the text after “Conflict: ”.
    pub fn conflict(text: &str) -> Self {
        Refusal::new(StatusCode::CONFLICT, format!("Conflict: {text}"))
    }

    /// 401: a token of the right form, but nobody's.
    pub fn unauthorized() -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized".to_owned())
    }

    /// 404: no such method, or no token at all.
    pub fn not_found() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "Not Found".to_owned())
    }

    /// 413: the request is larger than the server takes.
    pub fn too_large() -> Self {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large".to_owned())
    }

    /// 429 with the seconds to wait.
    pub fn too_many(seconds: u32) -> Self {
        let mut refusal =
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, format!("Too Many Requests: retry after {seconds}"));
        refusal.parameters = Some(json!({ "retry_after": seconds }));
        refusal
    }

    /// 400: the group lives on as the supergroup of this id.
    pub fn migrated(to: i64) -> Self {
        let mut refusal = Refusal::bad_request("group chat was upgraded to a supergroup chat");
        refusal.parameters = Some(json!({ "migrate_to_chat_id": to }));
        refusal
    }

    /// The error that a server writes which fails by itself.
    pub fn of_status(status: StatusCode, retry_after: Option<u32>) -> Self {
        match retry_after {
            Some(seconds) => Refusal::too_many(seconds),
            None => Refusal::new(status, status.canonical_reason().unwrap_or("Unknown Error").to_owned()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("ok".to_owned(), Value::Bool(false));
        body.insert("error_code".to_owned(), Value::from(self.status.as_u16()));
        body.insert("description".to_owned(), Value::from(self.description));
        let retry_after = self.parameters.as_ref().and_then(|p| p.get("retry_after")?.as_u64());
        if let Some(parameters) = self.parameters {
            body.insert("parameters".to_owned(), parameters);
        }
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Length as Telegram counts it.
pub fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Which parameters a method takes, by the published list; `None` for no such method. The name is compared
/// without regard to case, and given back as documented.
pub fn method(name: &str) -> Option<(&'static str, Vec<&'static str>)> {
    METHODS
        .iter()
        .find(|(documented, ..)| documented.eq_ignore_ascii_case(name))
        .map(|(documented, groups)| (*documented, groups.iter().copied().flatten().copied().collect()))
}

const SEND: &[&str] = &[
    "business_connection_id",
    "chat_id",
    "message_thread_id",
    "direct_messages_topic_id",
    "disable_notification",
    "protect_content",
    "allow_paid_broadcast",
    "message_effect_id",
    "suggested_post_parameters",
    "reply_parameters",
    "reply_markup",
];
const CAPTION: &[&str] = &["caption", "parse_mode", "caption_entities"];
const SPOILER: &[&str] = &["show_caption_above_media", "has_spoiler"];
const EDIT: &[&str] =
    &["business_connection_id", "chat_id", "message_id", "inline_message_id", "reply_markup"];

const METHODS: &[(&str, &[&[&str]])] = &[
    ("getMe", &[]),
    ("getUpdates", &[&["offset", "limit", "timeout", "allowed_updates"]]),
    (
        "setWebhook",
        &[&[
            "url",
            "certificate",
            "ip_address",
            "max_connections",
            "allowed_updates",
            "drop_pending_updates",
            "secret_token",
        ]],
    ),
    ("deleteWebhook", &[&["drop_pending_updates"]]),
    ("getWebhookInfo", &[]),
    ("setMyCommands", &[&["commands", "scope", "language_code"]]),
    ("getMyCommands", &[&["scope", "language_code"]]),
    ("deleteMyCommands", &[&["scope", "language_code"]]),
    ("sendMessage", &[SEND, &["text", "parse_mode", "entities", "link_preview_options"]]),
    ("sendDocument", &[SEND, CAPTION, &["document", "thumbnail", "disable_content_type_detection"]]),
    ("sendPhoto", &[SEND, CAPTION, SPOILER, &["photo"]]),
    (
        "sendVideo",
        &[
            SEND,
            CAPTION,
            SPOILER,
            &[
                "video",
                "duration",
                "width",
                "height",
                "thumbnail",
                "cover",
                "start_timestamp",
                "supports_streaming",
            ],
        ],
    ),
    ("sendVoice", &[SEND, CAPTION, &["voice", "duration"]]),
    ("sendAudio", &[SEND, CAPTION, &["audio", "duration", "performer", "title", "thumbnail"]]),
    ("sendAnimation", &[SEND, CAPTION, SPOILER, &["animation", "duration", "width", "height", "thumbnail"]]),
    ("sendMediaGroup", &[SEND, &["media"]]),
    ("sendChatAction", &[&["business_connection_id", "chat_id", "message_thread_id", "action"]]),
    ("setMessageReaction", &[&["chat_id", "message_id", "reaction", "is_big"]]),
    ("editMessageText", &[EDIT, &["text", "parse_mode", "entities", "link_preview_options"]]),
    ("editMessageCaption", &[EDIT, CAPTION, &["show_caption_above_media"]]),
    ("editMessageReplyMarkup", &[EDIT]),
    ("deleteMessage", &[&["chat_id", "message_id"]]),
    ("answerCallbackQuery", &[&["callback_query_id", "text", "show_alert", "url", "cache_time"]]),
    ("getFile", &[&["file_id"]]),
    ("getChat", &[&["chat_id"]]),
    ("getChatMember", &[&["chat_id", "user_id"]]),
    ("getChatMemberCount", &[&["chat_id"]]),
    ("getChatAdministrators", &[&["chat_id"]]),
    ("createForumTopic", &[&["chat_id", "name", "icon_color", "icon_custom_emoji_id"]]),
    ("editForumTopic", &[&["chat_id", "message_thread_id", "name", "icon_custom_emoji_id"]]),
    ("closeForumTopic", &[&["chat_id", "message_thread_id"]]),
    ("reopenForumTopic", &[&["chat_id", "message_thread_id"]]),
    ("leaveChat", &[&["chat_id"]]),
];
