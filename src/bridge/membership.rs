//! The bot was blocked, taken in again, or its group got another number.

use crate::{
    bridge::{context::Bridge, outcome::Outcome},
    model::{
        account::Link,
        ids::ChatId,
        inbound::{ChatOrigin, Inbound},
    },
    store::{StoreError, change::Change},
};

/// All that is known of the chat is known of its new number from now on.
pub fn moved(bridge: &Bridge, chat: &ChatOrigin, to: ChatId) -> Outcome {
    if bridge.is_admin_chat(chat.chat) {
        tracing::error!(
            from = %chat.chat, %to,
            "The admins' group became a supergroup: put its new number into admin_chat, or no alert arrives."
        );
    }
    let moved = Change::ChatMoved { bot: chat.bot, from: chat.chat, to };
    Outcome::Done { changes: vec![moved], follow_ups: Vec::new() }
}

/// Nothing can be sent to a place that threw the bot out; its link stays, in case it comes back.
pub fn paused(bridge: &Bridge, inbound: &Inbound, paused: bool) -> Result<Outcome, StoreError> {
    let Some(link) = bridge.store.link(&inbound.place())? else { return Ok(Outcome::done()) };
    let changes = vec![Change::Link(Link { paused, ..link })];
    Ok(Outcome::Done { changes, follow_ups: Vec::new() })
}
