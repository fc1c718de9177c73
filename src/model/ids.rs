//! The names of things: a newtype each, so that a mix-up does not compile.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

name!(
    /// An account's name in `bot.toml` or the store.
    AccountName
);
name!(
    /// A ticket API's name in `bot.toml`.
    ApiName
);
name!(
    /// A mailbox's name in `bot.toml`.
    MailboxName
);
name!(
    /// A ticket message's id as its API writes it; opaque.
    TicketMessageId
);
name!(
    /// An attachment's id as its ticket API writes it; opaque.
    AttachmentId
);
name!(
    /// A Message-ID (RFC 5322 §3.6.4) without the angle brackets.
    MailId
);
name!(
    /// What the spool calls one blob of bytes.
    BlobId
);

number!(
    /// A Telegram bot's user id; stored keys that concern Telegram carry it.
    BotId(i64)
);
number!(
    /// A Telegram chat: positive for a person, negative for a group.
    ChatId(i64)
);
number!(
    /// A message's number within its chat.
    ChatMessageId(i64)
);
number!(
    /// A Telegram user.
    UserId(i64)
);
number!(
    /// A conversation's number: given at acceptance, before there is a ticket.
    ConversationId(u64)
);
number!(
    /// A job's number, in order of acceptance over all lanes.
    JobId(u64)
);

/// A ticket's id as its API writes it in paths, and the number by which people call it, where that is another.
///
/// The id alone says which ticket it is: a value with a number and one without are equal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TicketId {
    id: String,
    #[serde(default)]
    number: Option<String>,
}

impl TicketId {
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), number: None }
    }

    /// What people see instead of the id. An empty one is none.
    pub fn called(mut self, number: Option<String>) -> Self {
        self.number = number.filter(|number| !number.is_empty() && *number != self.id);
        self
    }

    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// As customers and staff know it.
    pub fn number(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.id)
    }
}

impl PartialEq for TicketId {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TicketId {}

impl PartialOrd for TicketId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TicketId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl Hash for TicketId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// The id, for logs; people are told the [number](TicketId::number).
impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// A mail address, compared without regard to case.
///
/// RFC 5321 §2.4 lets the local part be case-sensitive; no mail system in use
/// tells two people apart by it, and customers' programs change it freely.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailAddress(String);

impl MailAddress {
    pub fn new(address: &str) -> Self {
        Self(address.trim().to_lowercase())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
