//! Which trees there are, one noun each.

use serde::{Deserialize, Serialize};

use super::{
    cursors::CursorPart,
    jobs::Row,
    journal::Known,
    opening::{Loss, Schema},
    rows::{Notice, TicketWatch},
    tree::{Key, Tree},
    watermark::Last,
};
use crate::{
    model::{
        account::{Account, Link, LinkCode},
        conversation::Conversation,
        ids::{AccountName, BlobId, ConversationId, JobId, MailAddress},
        job::StepRecord,
    },
    runtime::clock::Timestamp,
};

/// The names on disk; the index of each is its tree's below.
pub(super) const NAMES: [&str; 17] = [
    "meta",
    "accounts",
    "links",
    "link_codes",
    "conversations",
    "conversation_keys",
    "jobs",
    "aside",
    "done",
    "steps",
    "dedup",
    "seen",
    "cursors",
    "notices",
    "suppressed",
    "watches",
    "blobs",
];

pub(super) const LAST: Tree<str, Last> = Tree::new(0);
pub(super) const SCHEMA: Tree<str, Schema> = Tree::new(0);
pub(super) const LOSS: Tree<str, Loss> = Tree::new(0);
pub(super) const ACCOUNTS: Tree<AccountName, Account> = Tree::new(1);
/// By place; and by account and place, without a value.
pub(super) const LINKS: Tree<[u8], Option<Link>> = Tree::new(2);
pub(super) const LINK_CODES: Tree<str, LinkCode> = Tree::new(3);
pub(super) const CONVERSATIONS: Tree<ConversationId, Conversation> = Tree::new(4);
pub(super) const CONVERSATION_KEYS: Tree<[u8], ConversationId> = Tree::new(5);
/// Live jobs.
pub(super) const JOBS: Tree<JobId, Row> = Tree::new(6);
/// Parked and dead jobs.
pub(super) const ASIDE: Tree<JobId, Row> = Tree::new(7);
pub(super) const DONE: Tree<JobId, Row> = Tree::new(8);
pub(super) const STEPS: Tree<[u8], StepRecord> = Tree::new(9);
/// Dedup keys and idempotency keys, hashed.
pub(super) const DEDUP: Tree<[u8], Known> = Tree::new(10);
pub(super) const SEEN: Tree<[u8], Empty> = Tree::new(11);
pub(super) const CURSORS: Tree<[u8], CursorPart> = Tree::new(12);
pub(super) const NOTICES: Tree<str, Notice> = Tree::new(13);
pub(super) const SUPPRESSED: Tree<MailAddress, Timestamp> = Tree::new(14);
pub(super) const WATCHES: Tree<[u8], TicketWatch> = Tree::new(15);
/// How many stored rows name a blob.
pub(super) const BLOBS: Tree<BlobId, u32> = Tree::new(16);

/// The value of a row that is all key.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Empty;

impl Key for BlobId {
    fn row_key(&self) -> Vec<u8> {
        self.as_str().row_key()
    }
}

impl Key for JobId {
    fn row_key(&self) -> Vec<u8> {
        self.0.row_key()
    }
}

impl Key for ConversationId {
    fn row_key(&self) -> Vec<u8> {
        self.0.row_key()
    }
}

impl Key for AccountName {
    fn row_key(&self) -> Vec<u8> {
        self.as_str().row_key()
    }
}

impl Key for MailAddress {
    fn row_key(&self) -> Vec<u8> {
        self.as_str().row_key()
    }
}
