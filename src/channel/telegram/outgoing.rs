//! Parcels → requests: texts with entities, edits, files, answers to buttons.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::multipart::Form;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use teloxide::{
    payloads::{
        AnswerCallbackQuery, AnswerCallbackQuerySetters as _, EditMessageText, EditMessageTextSetters as _,
        SendMessage, SendMessageSetters as _,
    },
    requests::Payload,
    types::{
        CallbackQueryId, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, MessageEntity,
        MessageEntityKind, MessageId, ReplyParameters, ThreadId,
    },
};

use super::{
    api::Api,
    errors::{Failure, Outcome},
    files,
    limits::Limits,
};
use crate::{
    channel::{OutgoingFile, Parcel, Refusal, SendError, Sent},
    model::{
        button::Button,
        formatted::{Entity, EntityKind, Formatted, len_utf16},
        ids::{ChatId, ChatMessageId},
    },
    text::split::{CAPTION_LIMIT, TEXT_LIMIT},
};

/// Characters of a button's answer (<https://core.telegram.org/bots/api#answercallbackquery>).
const ANSWER_LIMIT: usize = 200;

/// Bytes of a photo (<https://core.telegram.org/bots/api#sendphoto>); a larger one is sent as a document.
const PHOTO_LIMIT: u64 = 10 * 1024 * 1024;

/// Photos that Telegram refused are remembered up to this number.
const MOST_REFUSED_PHOTOS: usize = 256;

/// Sends to one bot's chats.
pub(super) struct Outgoing {
    pub(super) api: Api,
    pub(super) limits: Limits,
    pub(super) timeout: Duration,
    pub(super) file_timeout: Duration,
    /// Bytes of a file that may be sent.
    pub(super) upload_limit: u64,
    pub(super) refused_photos: RefusedPhotos,
}

/// Files that are sent as documents from now on, because Telegram refused them as photos.
#[derive(Default)]
pub(super) struct RefusedPhotos(Mutex<VecDeque<PhotoKey>>);

type PhotoKey = (ChatId, String, Option<u64>);

/// All that we need of the message that a send made.
#[derive(Deserialize)]
struct SentMessage {
    message_id: i64,
}

impl Outgoing {
    pub(super) async fn send(&self, parcel: Parcel) -> Result<Sent, SendError> {
        match parcel {
            Parcel::Text { chat, topic, text, buttons, reply_to } => {
                self.text(chat, topic, text, &buttons, reply_to).await
            }
            Parcel::Edit { chat, message, text, buttons } => self.edit(chat, message, text, &buttons).await,
            Parcel::File { chat, topic, file, caption, reply_to } => {
                self.file(chat, topic, file, &caption, reply_to).await
            }
            Parcel::ButtonAnswer { callback, text } => self.answer(callback, &text).await,
            Parcel::Mail { .. } => Err(refused(Refusal::Content, "a mail cannot be sent to Telegram")),
        }
    }

    async fn text(
        &self,
        chat: ChatId,
        topic: Option<ChatMessageId>,
        text: Formatted,
        buttons: &[Vec<Button>],
        reply_to: Option<ChatMessageId>,
    ) -> Result<Sent, SendError> {
        let text = within(text, TEXT_LIMIT)?;
        let mut request = SendMessage::new(recipient(chat), text.text.as_str())
            .entities(entities(&text))
            .link_preview_options(no_preview());
        if let Some(topic) = topic.and_then(message_id) {
            request = request.message_thread_id(ThreadId(topic));
        }
        if let Some(reply) = reply_to.and_then(reply_parameters) {
            request = request.reply_parameters(reply);
        }
        if !buttons.is_empty() {
            request = request.reply_markup(keyboard(buttons));
        }
        self.message(chat, request, |request| request.entities([])).await
    }

    async fn edit(
        &self,
        chat: ChatId,
        message: ChatMessageId,
        text: Formatted,
        buttons: &[Vec<Button>],
    ) -> Result<Sent, SendError> {
        let text = within(text, TEXT_LIMIT)?;
        let id =
            message_id(message).ok_or_else(|| refused(Refusal::Message, "no message has this number"))?;
        let request = EditMessageText::new(recipient(chat), id, text.text.as_str())
            .entities(entities(&text))
            .link_preview_options(no_preview())
            // Left out or empty, the buttons go.
            .reply_markup(keyboard(buttons));
        self.message(chat, request, |request| request.entities([])).await
    }

    /// Sends a text; once more without its formatting when Telegram surely refused that.
    async fn message<P>(&self, chat: ChatId, request: P, plain: impl Fn(P) -> P) -> Result<Sent, SendError>
    where
        P: Payload + Serialize,
    {
        self.limits.turn(chat).await?;
        let mut answer = self.api.call(&request, self.timeout).await;
        if let Err(failure) = &answer
            && failure.outcome() == Outcome::Refused
            && failure.says("can't parse entities")
        {
            tracing::warn!(%chat, %failure, "A text is sent without its formatting.");
            answer = self.api.call(&plain(request), self.timeout).await;
        }
        self.sent(chat, answer)
    }

    async fn file(
        &self,
        chat: ChatId,
        topic: Option<ChatMessageId>,
        file: OutgoingFile,
        caption: &str,
        reply_to: Option<ChatMessageId>,
    ) -> Result<Sent, SendError> {
        if len_utf16(caption) > CAPTION_LIMIT {
            return Err(too_long(len_utf16(caption), CAPTION_LIMIT));
        }
        if file.size.is_some_and(|size| size > self.upload_limit) {
            return Err(self.too_large());
        }
        let photo_key = (chat, file.name.clone(), file.size);
        let as_photo = is_photo(&file) && !self.refused_photos.contains(&photo_key);
        let (method, field) = if as_photo { ("sendPhoto", "photo") } else { ("sendDocument", "document") };
        self.limits.turn(chat).await?;
        let (part, progress) = files::part(file, self.upload_limit);
        let form = form(chat, topic, caption, reply_to)?.part(field, part);
        let mut answer = self.api.upload(method, form, self.file_timeout).await;
        if progress.too_large() {
            return Err(self.too_large());
        }
        if let Err(failure @ Failure::Http(_)) = &answer
            && !progress.ended()
        {
            let who =
                if progress.broke_off() { "its source failed" } else { "Telegram closed the connection" };
            answer = Err(Failure::Source(format!("{who} ({failure})")));
        }
        if let Err(failure) = &answer
            && as_photo
            && failure.code() == Some(400)
            && ["photo", "image"].iter().any(|word| failure.says(word))
        {
            // The stream is used up, so the next try, with a fresh one, sends it as a document.
            self.refused_photos.insert(photo_key);
            return Err(SendError::Retry { after: Some(Duration::ZERO), reason: failure.to_string() });
        }
        self.sent(chat, answer)
    }

    async fn answer(&self, callback: String, text: &str) -> Result<Sent, SendError> {
        if text.chars().count() > ANSWER_LIMIT {
            return Err(refused(Refusal::Content, "a button's answer has at most 200 characters"));
        }
        let request = AnswerCallbackQuery::new(CallbackQueryId(callback)).text(text);
        self.api.call::<_, IgnoredAny>(&request, self.timeout).await?;
        Ok(Sent::Done)
    }

    fn sent(&self, chat: ChatId, answer: Result<SentMessage, Failure>) -> Result<Sent, SendError> {
        if let Err(failure) = &answer
            && let Some(after) = failure.retry_after()
        {
            self.limits.freeze(chat, after);
        }
        let SentMessage { message_id } = answer?;
        Ok(Sent::ChatMessage(ChatMessageId(message_id)))
    }

    fn too_large(&self) -> SendError {
        let limit = self.upload_limit;
        refused(Refusal::TooLarge, &format!("a file sent to Telegram has at most {limit} bytes"))
    }
}

impl RefusedPhotos {
    fn contains(&self, key: &PhotoKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    fn insert(&self, key: PhotoKey) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.truncate(MOST_REFUSED_PHOTOS - 1);
        keys.push_front(key);
    }
}

fn within(text: Formatted, limit: usize) -> Result<Formatted, SendError> {
    if text.text.trim().is_empty() {
        return Err(refused(Refusal::Content, "a text without a visible character cannot be sent"));
    }
    let length = text.len_utf16();
    if length > limit { Err(too_long(length, limit)) } else { Ok(text) }
}

fn too_long(length: usize, limit: usize) -> SendError {
    let reason = format!("the text has {length} UTF-16 units, and Telegram takes {limit}");
    refused(Refusal::Content, &reason)
}

fn form(
    chat: ChatId,
    topic: Option<ChatMessageId>,
    caption: &str,
    reply_to: Option<ChatMessageId>,
) -> Result<Form, SendError> {
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| refused(Refusal::Content, &format!("the request cannot be written: {error}")))
    };
    let mut form = Form::new().text("chat_id", chat.to_string());
    if let Some(topic) = topic {
        form = form.text("message_thread_id", topic.to_string());
    }
    if !caption.is_empty() {
        form = form.text("caption", caption.to_owned());
    }
    if let Some(reply) = reply_to.and_then(reply_parameters) {
        form = form.text("reply_parameters", json(serde_json::to_string(&reply))?);
    }
    Ok(form)
}

/// Whether a file is shown as a picture; of unknown size it may be too large for one.
fn is_photo(file: &OutgoingFile) -> bool {
    matches!(file.mime.as_str(), "image/jpeg" | "image/png")
        && file.size.is_some_and(|size| size < PHOTO_LIMIT)
}

fn entities(text: &Formatted) -> Vec<MessageEntity> {
    text.entities.iter().filter_map(entity).collect()
}

/// A link that is no URL stays text.
fn entity(entity: &Entity) -> Option<MessageEntity> {
    let kind = match &entity.kind {
        EntityKind::Bold => MessageEntityKind::Bold,
        EntityKind::Italic => MessageEntityKind::Italic,
        EntityKind::Underline => MessageEntityKind::Underline,
        EntityKind::Strikethrough => MessageEntityKind::Strikethrough,
        EntityKind::Spoiler => MessageEntityKind::Spoiler,
        EntityKind::Code => MessageEntityKind::Code,
        EntityKind::Pre(language) => MessageEntityKind::Pre { language: language.clone() },
        EntityKind::Blockquote => MessageEntityKind::Blockquote,
        EntityKind::Link(url) => MessageEntityKind::TextLink { url: url.parse().ok()? },
    };
    Some(MessageEntity::new(kind, entity.offset_utf16, entity.len_utf16))
}

fn keyboard(buttons: &[Vec<Button>]) -> InlineKeyboardMarkup {
    let button = |button: &Button| InlineKeyboardButton::callback(&button.label, &button.data);
    InlineKeyboardMarkup::new(buttons.iter().map(|row| row.iter().map(button).collect::<Vec<_>>()))
}

/// An answer goes out also when what it answers was deleted meanwhile.
fn reply_parameters(to: ChatMessageId) -> Option<ReplyParameters> {
    Some(ReplyParameters::new(message_id(to)?).allow_sending_without_reply())
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn recipient(chat: ChatId) -> teloxide::types::ChatId {
    teloxide::types::ChatId(chat.0)
}

fn message_id(id: ChatMessageId) -> Option<MessageId> {
    i32::try_from(id.0).ok().map(MessageId)
}

fn refused(what: Refusal, reason: &str) -> SendError {
    SendError::Refused { reason: reason.to_owned(), what }
}
