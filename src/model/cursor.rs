//! How far a source has been read, and what of it is to be read again.

use serde::{Deserialize, Serialize};

use crate::runtime::clock::Timestamp;

/// In the source's own words; opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// What of a source is to be read again; what is known already is recognised there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// What arrived since then.
    pub since: Timestamp,
    /// A person asked for it: what was there before the first look counts, too.
    pub asked: bool,
}

impl Reread {
    /// Both in one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { since: self.since.min(other.since), asked: self.asked || other.asked }
    }
}
