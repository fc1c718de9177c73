//! What the admin API answers: rows that a command prints and a panel reads.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runtime::secret::Secret;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkCode {
    pub account: String,
    pub code: String,
    /// RFC 3339.
    pub expires: String,
    /// Opens the chat with the bot and sends the code; nothing while the bot's name is not known.
    pub url: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    pub account: String,
    pub place: String,
    /// The number by which `link remove` and `link owner` know it, if it is a chat.
    pub chat: Option<i64>,
    pub since: String,
    pub follows_all: bool,
    pub paused: bool,
    /// Gets the answers in tickets that were opened in the panel.
    pub owner: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub ticket_api: String,
    pub id: String,
    #[serde(default)]
    pub emails: Vec<String>,
    pub key: KeyState,
}

/// Which key an account acts with. The key itself is never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// That of its ticket API.
    Common,
    /// Its own, from `bot.toml`.
    Configured,
    /// Its own, sealed in the store.
    Own,
    /// Its own does not open with the present `secret_key`: the account is stopped.
    Unreadable,
    /// Another account's, where a key is an account: the account is stopped.
    Shared,
}

/// An account that is to come, or to be changed by an import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccount {
    pub name: String,
    pub ticket_api: String,
    pub id: String,
    /// Nothing: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "in_plain")]
    pub key: Option<Secret>,
    /// Nothing: as they were.
    #[serde(default)]
    pub emails: Option<Vec<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Import {
    pub accounts: Vec<NewAccount>,
    /// Only say what would become of them.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of one account of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    Added,
    Updated,
    Same,
    /// Why.
    Refused(String),
}

/// A mailbox that is read again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backfill {
    pub mailbox: String,
    /// RFC 3339.
    pub since: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    pub id: u64,
    pub account: String,
    pub ticket_api: String,
    pub ticket: Option<String>,
    pub status: String,
    pub subject: String,
    pub founder: Option<String>,
    pub last_writer: Option<String>,
    pub active: String,
    pub url: Option<String>,
}

/// A job's line in the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub id: u64,
    pub state: String,
    /// A mail that waits for its release.
    pub held: bool,
    pub what: String,
    pub who: String,
    pub account: Option<String>,
    pub why: String,
    pub accepted: String,
    pub since: Option<String>,
}

/// A job with everything that is stored of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobDetail {
    pub row: Job,
    pub lane: String,
    pub key: String,
    pub excerpt: Option<String>,
    /// Whether its raw copy can be exported.
    pub raw: bool,
    pub steps: Value,
    pub task: Value,
}

/// How many jobs there are, beside those listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queue {
    pub live: usize,
    pub parked: usize,
    pub dead: usize,
    pub jobs: Vec<Job>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    pub error: String,
}

/// A key on its way to the daemon, over its own socket: the one direction in which a secret is written out.
mod in_plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::runtime::secret::Secret;

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}
