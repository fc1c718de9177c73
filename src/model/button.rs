//! What a person may press under a message; signed, bound to its chat, at most 64 bytes.

use super::{
    ids::{ChatId, ConversationId, JobId},
    marker::base32,
    secret::InstanceSecret,
};

/// What a button does. Telegram allows 1–64 bytes of callback data
/// (<https://core.telegram.org/bots/api#inlinekeyboardbutton>), so it names things by number only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Yes, link this chat to the account that was shown.
    LinkYes,
    LinkNo,
    /// Open a new ticket with the message of this job, instead of what was done with it.
    NewInstead(JobId),
    /// Answers to “which ticket?” about the message of this job.
    SameTicket(JobId),
    NewTicket(JobId),
    OnlyThanks(JobId),
    CloseYes(ConversationId),
    CloseNo(ConversationId),
    /// An admin's decisions about a parked, dead or quarantined job.
    ItIsThere(JobId),
    SendAgain(JobId),
    Discard(JobId),
    Release(JobId),
}

/// A button's label and its signed data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Button {
    pub label: String,
    pub data: String,
}

impl Button {
    pub fn new(label: impl Into<String>, action: Action, chat: ChatId, secret: &InstanceSecret) -> Self {
        Self { label: label.into(), data: action.sign(chat, secret) }
    }
}

impl Action {
    /// `letter number . signature`: at most 1 + 20 + 1 + 16 bytes.
    fn sign(self, chat: ChatId, secret: &InstanceSecret) -> String {
        let (letter, number) = self.parts();
        let named = format!("{letter}{number}");
        let mac = secret.sign("button", signed(chat, &named).as_bytes());
        let tag: Vec<u8> = mac.iter().take(10).copied().collect();
        format!("{named}.{}", base32().encode(&tag))
    }

    /// The action, if this instance made the button for this chat.
    pub fn verify(data: &str, chat: ChatId, secret: &InstanceSecret) -> Option<Self> {
        let (named, tag) = data.split_once('.')?;
        let tag = base32().decode(tag.as_bytes()).ok()?;
        if !secret.verifies("button", signed(chat, named).as_bytes(), &tag) {
            return None;
        }
        let mut characters = named.chars();
        let letter = characters.next()?;
        let number: u64 = characters.as_str().parse().ok()?;
        Some(match letter {
            'y' => Self::LinkYes,
            'n' => Self::LinkNo,
            'i' => Self::NewInstead(JobId(number)),
            's' => Self::SameTicket(JobId(number)),
            't' => Self::NewTicket(JobId(number)),
            'o' => Self::OnlyThanks(JobId(number)),
            'c' => Self::CloseYes(ConversationId(number)),
            'k' => Self::CloseNo(ConversationId(number)),
            'h' => Self::ItIsThere(JobId(number)),
            'a' => Self::SendAgain(JobId(number)),
            'd' => Self::Discard(JobId(number)),
            'r' => Self::Release(JobId(number)),
            _ => return None,
        })
    }

    fn parts(self) -> (char, u64) {
        match self {
            Self::LinkYes => ('y', 0),
            Self::LinkNo => ('n', 0),
            Self::NewInstead(JobId(n)) => ('i', n),
            Self::SameTicket(JobId(n)) => ('s', n),
            Self::NewTicket(JobId(n)) => ('t', n),
            Self::OnlyThanks(JobId(n)) => ('o', n),
            Self::CloseYes(ConversationId(n)) => ('c', n),
            Self::CloseNo(ConversationId(n)) => ('k', n),
            Self::ItIsThere(JobId(n)) => ('h', n),
            Self::SendAgain(JobId(n)) => ('a', n),
            Self::Discard(JobId(n)) => ('d', n),
            Self::Release(JobId(n)) => ('r', n),
        }
    }
}

fn signed(chat: ChatId, named: &str) -> String {
    format!("{chat}/{named}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_works_in_its_own_chat_only_and_fits_into_telegrams_64_bytes() {
        let secret = InstanceSecret::new([9; 32], None);
        let action = Action::SendAgain(JobId(u64::MAX));
        let button = Button::new("again", action, ChatId(-1001), &secret);
        assert!(button.data.len() <= 64);
        assert_eq!(Action::verify(&button.data, ChatId(-1001), &secret), Some(action));
        assert_eq!(Action::verify(&button.data, ChatId(-1002), &secret), None);
        assert_eq!(Action::verify("a1.aaaaaaaaaaaaaaaa", ChatId(-1001), &secret), None);
    }
}
