//! The handle by which a channel hands items over; it may acknowledge them only with a [`Durable`].

use tokio::sync::{mpsc, oneshot};

pub use crate::model::cursor::{Cursor, Reread};
use crate::{
    model::{
        ids::{BotId, MailboxName},
        inbound::Inbound,
    },
    runtime::clock::Timestamp,
    spool::Spool,
};

/// Something that is read with a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// One bot at one Bot API server: each server counts updates by itself.
    Telegram {
        bot: BotId,
        api_url: String,
    },
    Mailbox(MailboxName),
}

/// What a source needs to know when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    pub cursor: Option<Cursor>,
    /// After a loss, or because a person asked: until [`Intake::reread_done`], at each beginning.
    pub reread: Option<Reread>,
}

/// The proof that items are on disk. Nobody but [`Intake`] can make one.
#[derive(Debug)]
pub struct Durable(());

/// Nothing can be taken in at the moment (store or spool trouble, shutting down): try again later.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be taken in at the moment: {0}")]
pub struct IntakeStopped(pub String);

/// Hands items to the bridge. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    requests: mpsc::Sender<Request>,
    spool: Spool,
}

/// What the bridge answers at the other end.
pub enum Request {
    Begin {
        source: Source,
        answer: oneshot::Sender<Result<Begin, IntakeStopped>>,
    },
    Accept {
        source: Source,
        items: Vec<Inbound>,
        cursor: Cursor,
        answer: oneshot::Sender<Result<(), IntakeStopped>>,
    },
    RereadDone {
        source: Source,
        reread: Reread,
        answer: oneshot::Sender<Result<(), IntakeStopped>>,
    },
    Skipped {
        mailbox: MailboxName,
        mails: u32,
        older_than: Timestamp,
        answer: oneshot::Sender<Result<(), IntakeStopped>>,
    },
}

impl Intake {
    /// The handle and the bridge's end of it; at most `waiting` requests stand in between.
    pub fn new(spool: Spool, waiting: usize) -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(waiting);
        (Self { requests, spool }, receiver)
    }

    pub async fn begin(&self, source: Source) -> Result<Begin, IntakeStopped> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Begin { source, answer }, answered).await
    }

    /// Journals all items and the cursor behind them, or nothing. Items are in order of arrival.
    pub async fn accept(
        &self,
        source: Source,
        items: Vec<Inbound>,
        cursor: Cursor,
    ) -> Result<Durable, IntakeStopped> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Accept { source, items, cursor, answer }, answered).await.map(Durable)
    }

    /// Everything that was to be read again was accepted. Until then a restart begins it anew.
    pub async fn reread_done(&self, source: Source, reread: Reread) -> Result<(), IntakeStopped> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::RereadDone { source, reread, answer }, answered).await
    }

    /// Mail of a renumbered folder is about to be left alone; returns once somebody will be told.
    pub async fn skipped(
        &self,
        mailbox: MailboxName,
        mails: u32,
        older_than: Timestamp,
    ) -> Result<(), IntakeStopped> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Skipped { mailbox, mails, older_than, answer }, answered).await
    }

    /// Where raw bytes go before the item that names them.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    async fn ask<T>(
        &self,
        request: Request,
        answered: oneshot::Receiver<Result<T, IntakeStopped>>,
    ) -> Result<T, IntakeStopped> {
        let gone = || IntakeStopped("the bridge is shutting down".to_owned());
        self.requests.send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
