//! A customer account, and the proofs that a place belongs to it.

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountName, ApiName},
    place::Place,
    sealed::Sealed,
};
use crate::runtime::clock::Timestamp;

/// A customer account at one ticket API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: AccountName,
    pub api: ApiName,
    /// Its id at the ticket API.
    pub remote: String,
    /// Addresses (`boss@example.org`) and domains (`*@acme.example`) that belong to it.
    pub emails: Vec<String>,
    /// Its own key, where it was given while running; rows from before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Sealed>,
}

/// The proof that a place belongs to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub place: Place,
    pub account: AccountName,
    /// When Yes was pressed; staff messages older than this are never sent there.
    pub since: Timestamp,
    /// Whether copies of conversations founded elsewhere are wanted (`/follow all`).
    pub follows_all: bool,
    /// Set while the place cannot be reached (bot blocked, chat gone).
    pub paused: bool,
    /// A tag of the person's language.
    pub language: Option<String>,
}

/// A single-use code that lets a chat be linked. Only its hash is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCode {
    pub account: AccountName,
    pub expires: Timestamp,
}
