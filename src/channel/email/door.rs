//! Raw mails → journal: the part of the way that IMAP and Maildir share.

use std::{io, sync::Arc, thread};

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use super::{
    budget::{Budget, Share},
    incoming::{RawMail, Reader},
};
use crate::{
    channel::intake::{Begin, Cursor, Durable, Intake, IntakeStopped, Reread, Source},
    model::{ids::BlobId, inbound::Inbound},
    runtime::{byte_stream::ByteStream, clock::Timestamp},
    spool::SpoolError,
};

/// Holds [`Limits::depth`](super::Limits::depth) nested mails with room to spare.
const PARSER_STACK: usize = 16 * 1024 * 1024;

/// Mails that go to the journal together.
pub(super) const MOST_MAILS: usize = 64;

/// Why mail must wait at its source.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorError {
    #[error(transparent)]
    Stopped(#[from] IntakeStopped),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("no mail can be read: {0}")]
    Thread(String),
}

/// One mailbox's way to the bridge.
pub(super) struct Door {
    pub(super) reader: Reader,
    pub(super) intake: Intake,
    pub(super) budget: Budget,
    /// Parsers at work at once, over all mailboxes.
    pub(super) parsers: Arc<Semaphore>,
}

/// Either a mail in the spool, or the word that there is one.
pub(super) enum Arrival {
    Mail(RawMail),
    /// Listed at `place` but never given out.
    NeverSeen {
        place: String,
        received: Timestamp,
        reason: String,
    },
}

impl Door {
    pub(super) async fn begin(&self) -> Result<Begin, DoorError> {
        Ok(self.intake.begin(self.source()).await?)
    }

    /// Waits until `size` bytes of raw mail may be held and parsed: the parser holds a mail twice.
    pub(super) async fn admit(&self, size: u64) -> Share {
        self.budget.admit(size.saturating_mul(2)).await
    }

    pub(super) async fn spool(&self, bytes: Bytes) -> Result<BlobId, DoorError> {
        Ok(self.intake.spool().put(bytes).await?)
    }

    pub(super) async fn spool_stream(&self, content: ByteStream) -> Result<(BlobId, u64), DoorError> {
        Ok(self.intake.spool().put_stream(content).await?)
    }

    pub(super) async fn read_back(&self, blob: &BlobId) -> Result<Bytes, DoorError> {
        Ok(self.intake.spool().read(blob).await?)
    }

    /// Journals what the mails say and how far the source was read; only then may they be touched there.
    pub(super) async fn accept(&self, mails: Vec<Arrival>, cursor: Cursor) -> Result<Durable, DoorError> {
        let items = if mails.is_empty() { Vec::new() } else { self.read(mails).await? };
        Ok(self.intake.accept(self.source(), items, cursor).await?)
    }

    /// Everything that was to be read again was accepted.
    pub(super) async fn reread_done(&self, reread: Reread) -> Result<(), DoorError> {
        Ok(self.intake.reread_done(self.source(), reread).await?)
    }

    /// Somebody is told that so many mails are left alone.
    pub(super) async fn skipped(&self, mails: u32, older_than: Timestamp) -> Result<(), DoorError> {
        Ok(self.intake.skipped(self.reader.mailbox.clone(), mails, older_than).await?)
    }

    async fn read(&self, mails: Vec<Arrival>) -> Result<Vec<Inbound>, DoorError> {
        let reader = self.reader.clone();
        let read = move || mails.into_iter().map(|mail| read_one(&reader, mail)).collect();
        let _turn = self.parsers.acquire().await.map_err(|error| DoorError::Thread(error.to_string()))?;
        on_deep_stack(read).await.map_err(|error| DoorError::Thread(error.to_string()))
    }

    fn source(&self) -> Source {
        Source::Mailbox(self.reader.mailbox.clone())
    }
}

fn read_one(reader: &Reader, mail: Arrival) -> Inbound {
    match mail {
        Arrival::Mail(mail) => reader.read(&mail),
        Arrival::NeverSeen { place, received, reason } => reader.never_seen(place, received, reason),
    }
}

/// Runs `work` on a thread of its own; an overflow of the stack could not be caught.
pub(super) async fn on_deep_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("mail-parser".to_owned()).stack_size(PARSER_STACK).spawn(move || {
        // Nobody listens any more when the task was dropped.
        let _ = done.send(work());
    })?;
    result.await.map_err(|_| io::Error::other("the parser's thread panicked"))
}
