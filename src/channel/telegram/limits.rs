//! How often Telegram lets a bot speak, and the silence it asks for with `retry_after`.
//!
//! <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    channel::SendError,
    model::ids::ChatId,
    runtime::{
        clock::{Clock, Timestamp},
        rate_limit::RateLimit,
    },
};

/// How often something may be sent.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Messages a second over all chats.
    pub overall_per_second: u32,
    /// Messages a second to one chat.
    pub chat_per_second: u32,
    /// Messages a minute to one group.
    pub group_per_minute: u32,
    /// The longest that a send waits for its turn; after it the caller is told when to come back.
    pub patience: Duration,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            overall_per_second: 30,
            chat_per_second: 1,
            group_per_minute: 20,
            patience: Duration::from_secs(5),
        }
    }
}

pub(super) struct Limits {
    clock: Clock,
    patience: Duration,
    overall: RateLimit<()>,
    chats: RateLimit<ChatId>,
    groups: RateLimit<ChatId>,
    /// The last chat that was frozen, and until when.
    frozen: Mutex<Option<(ChatId, Timestamp)>>,
}

impl Limits {
    pub(super) fn new(rates: Rates, clock: Clock) -> Self {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        // In any minute a bucket lets through its burst and what flows in meanwhile: together the limit.
        let burst = (rates.group_per_minute / 2).max(1);
        let flow = rates.group_per_minute.saturating_sub(burst).max(1);
        Self {
            overall: RateLimit::new(clock.clone(), second / rates.overall_per_second.max(1), 1),
            chats: RateLimit::new(clock.clone(), second / rates.chat_per_second.max(1), 1),
            groups: RateLimit::new(clock.clone(), minute / flow, burst),
            patience: rates.patience,
            frozen: Mutex::default(),
            clock,
        }
    }

    /// Waits until something may be sent to the chat, but not long: else `Retry` with the time left.
    pub(super) async fn turn(&self, chat: ChatId) -> Result<(), SendError> {
        let now = self.clock.now();
        let ready = self.ready_at(chat);
        if ready.since(now) > self.patience {
            return Err(self.later(chat));
        }
        tokio::select! {
            () = self.acquire(chat) => Ok(()),
            () = self.clock.sleep(self.patience) => Err(self.later(chat)),
        }
    }

    /// Telegram asked for silence. It does not say whether it means the chat or the bot: when a second chat
    /// is frozen while another still is, it is the bot.
    pub(super) fn freeze(&self, chat: ChatId, for_: Duration) {
        let now = self.clock.now();
        let until = now.plus(for_);
        self.chats.freeze(&chat, until);
        let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        if frozen.is_some_and(|(other, until)| other != chat && until > now) {
            self.overall.freeze(&(), until);
        }
        *frozen = Some((chat, until));
    }

    async fn acquire(&self, chat: ChatId) {
        if is_group(chat) {
            self.groups.acquire(&chat).await;
        }
        self.chats.acquire(&chat).await;
        self.overall.acquire(&()).await;
    }

    fn ready_at(&self, chat: ChatId) -> Timestamp {
        let ready = self.chats.ready_at(&chat).max(self.overall.ready_at(&()));
        if is_group(chat) { ready.max(self.groups.ready_at(&chat)) } else { ready }
    }

    fn later(&self, chat: ChatId) -> SendError {
        let after = self.ready_at(chat).since(self.clock.now());
        SendError::Retry { after: Some(after), reason: "Telegram's limit on messages is reached".to_owned() }
    }
}

/// Groups, supergroups and channels have negative numbers.
fn is_group(chat: ChatId) -> bool {
    chat.0 < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(clock: &Clock) -> Limits {
        Limits::new(Rates::default(), clock.clone())
    }

    fn clock() -> Clock {
        Clock::stopped_at(Timestamp::from_secs(1_000_000))
    }

    #[tokio::test]
    async fn a_group_gets_twenty_in_a_minute_and_the_next_is_told_when_to_come() {
        let clock = clock();
        let limits = limits(&clock);
        let group = ChatId(-1001);
        let mut sent = 0;
        for _ in 0..59 {
            if futures::FutureExt::now_or_never(limits.turn(group)).is_some_and(|turn| turn.is_ok()) {
                sent += 1;
            }
            clock.advance(Duration::from_secs(1));
        }
        assert!((18..=20).contains(&sent), "{sent}");
    }

    #[tokio::test]
    async fn a_frozen_chat_is_sent_back_at_once_and_others_go_on() {
        let clock = clock();
        let limits = limits(&clock);
        limits.freeze(ChatId(1), Duration::from_secs(40));
        let turn = limits.turn(ChatId(1)).await;
        assert!(
            matches!(turn, Err(SendError::Retry { after: Some(a), .. }) if a == Duration::from_secs(40)),
            "{turn:?}"
        );
        assert!(limits.turn(ChatId(2)).await.is_ok());
    }

    #[tokio::test]
    async fn two_frozen_chats_at_once_freeze_the_bot() {
        let clock = clock();
        let limits = limits(&clock);
        limits.freeze(ChatId(1), Duration::from_secs(40));
        limits.freeze(ChatId(2), Duration::from_secs(20));
        assert!(limits.turn(ChatId(3)).await.is_err());
        clock.advance(Duration::from_secs(20));
        assert!(limits.turn(ChatId(3)).await.is_ok());
    }
}
