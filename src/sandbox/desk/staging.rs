//! Files that arrived before the message they belong to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::records::{NewFile, Refusal};
use super::ticket::{AttachmentId, TicketId};

/// A file that no message has yet.
pub(super) struct Staged {
    pub(super) account: i64,
    /// The only ticket whose messages may take it, if it was pinned to one.
    pub(super) ticket: Option<TicketId>,
    pub(super) file: NewFile,
    pub(super) at: Timestamp,
}

/// The files that wait for their message.
#[derive(Default)]
pub(super) struct Staging(BTreeMap<AttachmentId, Staged>);

const UNKNOWN: Refusal = Refusal::Invalid("Invalid attachment");

// === impl Staging ===

impl Staging {
    pub(super) fn put(&mut self, id: AttachmentId, staged: Staged) {
        self.0.insert(id, staged);
    }

    /// Whether the account's next message (of that ticket, or the opening one) may take these files.
    pub(super) fn check(
        &self,
        account: i64,
        ticket: Option<TicketId>,
        ids: &[AttachmentId],
    ) -> Result<(), Refusal> {
        let fits = |id| {
            let staged: Option<&Staged> = self.0.get(id);
            staged.is_some_and(|staged| {
                staged.account == account && (staged.ticket.is_none() || staged.ticket == ticket)
            })
        };
        let once = ids.iter().enumerate().all(|(n, id)| ids.iter().take(n).all(|earlier| earlier != id));
        if once && ids.iter().all(fits) { Ok(()) } else { Err(UNKNOWN) }
    }

    pub(super) fn take(&mut self, id: AttachmentId) -> Option<Staged> {
        self.0.remove(&id)
    }

    /// The account's waiting files, oldest first.
    pub(super) fn of(&self, account: i64) -> impl Iterator<Item = (AttachmentId, &Staged)> {
        self.0.iter().filter(move |(_, staged)| staged.account == account).map(|(id, staged)| (*id, staged))
    }

    /// The files that are pinned to a ticket.
    pub(super) fn pinned(&self, ticket: TicketId) -> Vec<AttachmentId> {
        self.0.iter().filter(|(_, staged)| staged.ticket == Some(ticket)).map(|(id, _)| *id).collect()
    }
}
