//! How much a bot may send: 30 messages a second in all, one a second to a chat, 20 a minute to a group.
//!
//! Source: <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>. Short bursts to
//! one chat pass, as they do at the real server.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::rules::Refusal;

const SECOND: Duration = Duration::from_secs(1);
const OVERALL: Limit = Limit { messages: 30, window: SECOND };
/// One a second, seen over five seconds: a burst of five, then the rhythm.
const PER_CHAT: Limit = Limit { messages: 5, window: Duration::from_secs(5) };
const PER_GROUP: Limit = Limit { messages: 20, window: Duration::from_secs(60) };

#[derive(Clone, Copy)]
struct Limit {
    messages: usize,
    window: Duration,
}

/// When what was sent.
#[derive(Debug, Default)]
pub struct Throttle {
    all: VecDeque<Instant>,
    chats: HashMap<i64, VecDeque<Instant>>,
}

impl Throttle {
    /// Lets `messages` through to a chat now, or says how long to wait. A group's id is negative.
    pub fn admit(&mut self, chat: i64, messages: usize, now: Instant) -> Result<(), Refusal> {
        let sent = self.chats.entry(chat).or_default();
        let limit = if chat < 0 { PER_GROUP } else { PER_CHAT };
        let wait = limit.wait(sent, messages, now).max(OVERALL.wait(&mut self.all, messages, now));
        if !wait.is_zero() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(Refusal::too_many(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        sent.extend(std::iter::repeat_n(now, messages));
        self.all.extend(std::iter::repeat_n(now, messages));
        Ok(())
    }
}

impl Limit {
    fn wait(self, sent: &mut VecDeque<Instant>, messages: usize, now: Instant) -> Duration {
        while sent.front().is_some_and(|first| now.duration_since(*first) >= self.window) {
            sent.pop_front();
        }
        let over = (sent.len() + messages).saturating_sub(self.messages.max(messages));
        match over.checked_sub(1).and_then(|last| sent.get(last)) {
            Some(leaves) => self.window.saturating_sub(now.duration_since(*leaves)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_to_wait(throttle: &mut Throttle, chat: i64, now: Instant) -> Option<String> {
        throttle.admit(chat, 1, now).err().map(|refusal| refusal.description)
    }

    #[test]
    fn a_chat_takes_a_short_burst_and_then_one_a_second() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |tenths: u32| start + SECOND / 10 * tenths;
        for message in 0..5 {
            assert_eq!(seconds_to_wait(&mut throttle, 7, at(message * 10)), None);
        }
        assert_eq!(seconds_to_wait(&mut throttle, 7, at(45)).unwrap(), "Too Many Requests: retry after 1");
        assert_eq!(seconds_to_wait(&mut throttle, 7, at(50)), None);
        assert_eq!(seconds_to_wait(&mut throttle, 8, at(50)), None, "another chat");
    }

    #[test]
    fn a_group_takes_twenty_a_minute() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for message in 0..20 {
            assert_eq!(seconds_to_wait(&mut throttle, -7, start + SECOND * message), None);
        }
        let refused = seconds_to_wait(&mut throttle, -7, start + SECOND * 20);
        assert_eq!(refused.unwrap(), "Too Many Requests: retry after 40");
        assert_eq!(seconds_to_wait(&mut throttle, -7, start + SECOND * 60), None);
    }

    #[test]
    fn all_chats_together_take_thirty_a_second() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert!((0..30).all(|chat| throttle.admit(chat, 1, start).is_ok()));
        assert!(throttle.admit(31, 1, start).is_err());
        assert!(throttle.admit(31, 1, start + SECOND).is_ok());
    }
}
