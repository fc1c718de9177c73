//! What the bridge says of its own: rendered notes for chats, remarks for the staff inside a ticket.

use serde_json::{Value, json};

use crate::{
    bridge::{context::Bridge, loop_guard, threading::Placed},
    model::{
        button::Button,
        delivery::{Content, Delivery, Note},
        ids::{ChatMessageId, ConversationId},
        inbound::{ChatOrigin, Inbound, MailOrigin, Verdict},
        job::{Lane, NewJob, State, Task},
        place::Place,
    },
    store::StoreError,
    text::templates::Format,
};

/// A note to be rendered.
pub struct Say {
    pub template: &'static str,
    pub values: Value,
    pub reply_to: Option<ChatMessageId>,
    pub buttons: Vec<Vec<Button>>,
    pub conversation: Option<ConversationId>,
}

impl Say {
    pub fn new(template: &'static str, values: Value) -> Self {
        Self { template, values, reply_to: None, buttons: Vec::new(), conversation: None }
    }

    pub fn replying(mut self, to: Option<ChatMessageId>) -> Self {
        self.reply_to = to;
        self
    }

    pub fn with(mut self, buttons: Vec<Vec<Button>>) -> Self {
        self.buttons = buttons;
        self
    }

    pub fn about(mut self, conversation: ConversationId) -> Self {
        self.conversation = Some(conversation);
        self
    }
}

/// A note for a chat as a job of the chat's lane; nothing for a place that is no chat.
pub fn say(bridge: &Bridge, to: &Place, key: String, say: Say) -> Option<NewJob> {
    let chat = to.chat()?;
    let language = language(bridge, to);
    let text = bridge
        .templates
        .render_telegram(&language, say.template, &say.values)
        .inspect_err(
            |error| tracing::error!(template = say.template, %error, "A note could not be rendered."),
        )
        .ok()?;
    let note = Note { text, buttons: say.buttons, reply_to: say.reply_to, edits: None, answers: None };
    let delivery = Delivery { to: to.clone(), conversation: say.conversation, content: Content::Note(note) };
    Some(NewJob { lane: Lane::Chat(chat), key, task: Task::Deliver(delivery), state: State::Ready })
}

/// The language of the person at a place.
pub fn language(bridge: &Bridge, place: &Place) -> String {
    let linked = bridge.store.link(place).ok().flatten().and_then(|link| link.language);
    bridge.templates.language_for(linked.as_deref()).to_owned()
}

/// The label of a button.
pub fn label(bridge: &Bridge, place: &Place, template: &str, values: &Value) -> String {
    let rendered = bridge.templates.render(&language(bridge, place), template, Format::Telegram, values);
    rendered.map_or_else(|_| template.to_owned(), |text| text.trim().to_owned())
}

/// A line for the staff inside a ticket's text.
pub fn remark(bridge: &Bridge, template: &str, values: &Value) -> Option<String> {
    bridge
        .templates
        .render(&bridge.language, template, Format::Ticket, values)
        .inspect_err(|error| tracing::error!(template, %error, "A remark could not be rendered."))
        .ok()
        .map(|line| line.trim().to_owned())
}

pub fn sender_not_verified(bridge: &Bridge, mail: &MailOrigin) -> Option<String> {
    let verdict = match &mail.verdict {
        Verdict::Pass => return None,
        Verdict::Fail(detail) => detail.clone(),
        Verdict::None => "no check by a trusted server".to_owned(),
    };
    remark(bridge, "note_sender_not_verified", &json!({ "address": mail.from.as_str(), "verdict": verdict }))
}

pub fn may_belong_to(bridge: &Bridge, number: &str) -> Option<String> {
    let why = "the mail names it, but its sender does not take part in it";
    remark(bridge, "note_may_belong_to", &json!({ "number": number, "why": why }))
}

/// An unlinked chat is told how to link: the first three times of an hour.
pub fn not_linked(bridge: &Bridge, inbound: &Inbound, chat: &ChatOrigin) -> Result<Placed, StoreError> {
    let hour = std::time::Duration::from_secs(3600);
    let key = format!("unlinked/{}/{}", chat.bot, chat.chat);
    let most = bridge.limits.unlinked_refusals_per_hour;
    let Some(counted) = loop_guard::count(bridge, key, most, hour)? else { return Ok(Placed::nothing()) };
    let values = json!({ "panel_url": null, "by_mail": chat.private && !bridge.mailboxes.is_empty() });
    let note = Say::new("how_to_link", values).replying(Some(chat.message));
    let job = say(bridge, &inbound.place(), format!("how-to-link/{}", inbound.identity.key), note);
    Ok(Placed { changes: vec![counted], jobs: job.into_iter().collect() })
}
