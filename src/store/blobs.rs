//! Which stored rows name which blobs, so that nothing leaks and nothing needed is dropped.

use std::collections::BTreeSet;

use super::{
    StoreError,
    committer::Shared,
    jobs::StoredTask,
    trees::BLOBS,
    txn::{Effect, Txn},
};
use crate::{
    model::{
        attachment::{Attachment, Whereabouts},
        delivery::Content,
        ids::BlobId,
        inbound::{Inbound, Origin, What},
        job::Task,
    },
    runtime::clock::Timestamp,
};

/// Every blob that a task and its own spooled form name, once each.
pub(super) fn of_new(stored: &StoredTask, task: &Task) -> Vec<BlobId> {
    let mut blobs = BTreeSet::new();
    if let StoredTask::Spooled(blob) = stored {
        blobs.insert(blob.clone());
    }
    match task {
        Task::File(filing) => {
            for message in &filing.messages {
                of_inbound(&message.inbound, &mut blobs);
            }
        }
        Task::Control(inbound) => of_inbound(inbound, &mut blobs),
        Task::Deliver(delivery) => match &delivery.content {
            Content::Staff(message) => blobs.extend(message.files.iter().filter_map(of_file)),
            Content::Note(_) | Content::Letter(_) | Content::Alert(_) => {}
        },
    }
    blobs.into_iter().collect()
}

impl Txn<'_> {
    /// A row names these blobs from now on.
    pub(super) fn name_blobs(&mut self, blobs: &[BlobId]) -> Result<(), StoreError> {
        for blob in blobs {
            let named = self.get(&BLOBS, blob)?.unwrap_or(0);
            self.put(&BLOBS, blob, &(named + 1))?;
        }
        Ok(())
    }

    /// A row names these blobs no longer.
    pub(super) fn unname_blobs(&mut self, blobs: &[BlobId]) -> Result<(), StoreError> {
        for blob in blobs {
            match self.get(&BLOBS, blob)?.unwrap_or(0) {
                0 | 1 => {
                    self.remove(&BLOBS, blob);
                    self.after(Effect::DropBlob(blob.clone()));
                }
                named => self.put(&BLOBS, blob, &(named - 1))?,
            }
        }
        Ok(())
    }

    /// Blobs that came with something that is not stored after all: dropped, unless a row names them.
    pub(super) fn orphan(&mut self, blobs: &[BlobId]) -> Result<(), StoreError> {
        for blob in blobs {
            if self.get(&BLOBS, blob)?.is_none() {
                self.after(Effect::DropBlob(blob.clone()));
            }
        }
        Ok(())
    }
}

/// Drops what a former process spooled and no row names.
pub(super) fn sweep(shared: &Shared) {
    let is_named =
        |blob: &BlobId| shared.read(|db| Ok(db.get(&BLOBS, blob)?.is_some())).map_err(std::io::Error::other);
    match shared.spool.sweep(Timestamp::EPOCH, &is_named) {
        Ok(0) => {}
        Ok(blobs) => tracing::info!(blobs, "Spooled bytes that nothing names were dropped."),
        Err(error) => tracing::warn!(%error, "The spool could not be swept."),
    }
}

fn of_inbound(inbound: &Inbound, blobs: &mut BTreeSet<BlobId>) {
    if let Origin::Mail(mail) = &inbound.origin {
        blobs.insert(mail.raw.clone());
    }
    match &inbound.what {
        What::Message(message) | What::Edit(message) => {
            blobs.extend(message.files.iter().filter_map(of_file));
        }
        What::Unreadable { raw, .. } => blobs.extend(raw.clone()),
        What::Command { .. }
        | What::Button { .. }
        | What::ChatMoved { .. }
        | What::BotRemoved
        | What::BotAdded
        | What::Bounced { .. }
        | What::Ignored { .. } => {}
    }
}

fn of_file(file: &Attachment) -> Option<BlobId> {
    match &file.at {
        Whereabouts::MailPart { raw, .. } => Some(raw.clone()),
        Whereabouts::Telegram { .. } | Whereabouts::Ticket { .. } => None,
    }
}
