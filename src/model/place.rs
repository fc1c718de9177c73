//! Where in a channel a conversation lives.

use serde::{Deserialize, Serialize};

use super::ids::{BotId, ChatId, MailAddress, MailboxName};

/// One place that customers write from and that answers go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A Telegram chat.
    Chat { bot: BotId, chat: ChatId },
    /// A correspondent of one of our mailboxes.
    Mail { mailbox: MailboxName, address: MailAddress },
}

impl Place {
    pub fn chat(&self) -> Option<ChatId> {
        match self {
            Self::Chat { chat, .. } => Some(*chat),
            Self::Mail { .. } => None,
        }
    }

    pub fn mailbox(&self) -> Option<&MailboxName> {
        match self {
            Self::Mail { mailbox, .. } => Some(mailbox),
            Self::Chat { .. } => None,
        }
    }
}
