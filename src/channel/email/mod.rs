//! E-mail: IMAP or Maildir in, SMTP or a directory out.

mod after;
mod answers;
mod auth_results;
mod automatic;
mod bounces;
mod budget;
mod compose;
mod content;
mod cursor;
mod directory_watch;
mod door;
mod fetch;
mod headers;
mod health;
mod imap_session;
mod incoming;
mod inspect;
mod maildir;
mod maildir_scan;
mod outbox;
mod settings;
mod smtp;
mod trust;
mod watch;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Notify, Semaphore, watch as watch_channel};

pub use budget::Budget;
pub use directory_watch::DirectoryWatch;
pub use health::{Health, State};
pub use inspect::inspect;
pub use settings::{
    After, From, ImapSettings, InboxSettings, Limits, OutboxSettings, Security, Server, Settings,
    SmtpSettings, Start, Timing, TrustSettings,
};

use self::{
    door::{Door, on_deep_stack},
    health::Reporter,
    imap_session::ImapSession,
    incoming::Reader,
    maildir::Maildir,
    outbox::Outbox,
    trust::Trust,
    watch::Watch,
};
use super::{
    Channel, Composed, OpenError, Opened, OutgoingFile, OutgoingMail, Parcel, Refusal, SendError, Sent,
    intake::Intake,
};
use crate::{
    model::{
        attachment::{Attachment, Whereabouts},
        ids::{BlobId, MailId, MailboxName},
    },
    runtime::{
        byte_stream::ByteStream,
        clock::{Clock, Timestamp},
        shutdown::Shutdown,
    },
    spool::{Spool, SpoolError},
};

/// Bytes of a decoded file that are passed on at once.
const CHUNK: usize = 256 * 1024;

/// What all mailboxes of a process have in common. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    pub spool: Spool,
    pub budget: Budget,
    pub directories: DirectoryWatch,
    pub clock: Clock,
    parsers: Arc<Semaphore>,
}

/// One mailbox: its way in and its way out.
pub struct Mailbox {
    settings: Settings,
    shared: Shared,
    outbox: Outbox,
    health: Reporter,
    started: Timestamp,
    again: Arc<Notify>,
}

impl Shared {
    /// `bytes_in_memory` bounds the mails that are fetched and parsed at once, of all mailboxes together.
    pub fn new(spool: Spool, bytes_in_memory: u64, clock: Clock) -> Self {
        let parsers = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            spool,
            budget: Budget::new(bytes_in_memory),
            directories: DirectoryWatch::default(),
            clock,
            parsers: Arc::new(Semaphore::new(parsers)),
        }
    }
}

impl Mailbox {
    pub fn new(settings: Settings, shared: Shared) -> Self {
        let copies = match &settings.inbox {
            InboxSettings::Imap(imap) if imap.sent_folder.is_some() => Some(Box::new(imap.clone())),
            _ => None,
        };
        let outbox = match &settings.outbox {
            OutboxSettings::Smtp(smtp) => {
                Outbox::Smtp { settings: smtp.clone(), from: settings.from.address.clone(), copies }
            }
            OutboxSettings::Directory(directory) => Outbox::Directory(directory.clone()),
        };
        let health = Reporter::new(settings.name.clone(), shared.clock.clone());
        let started = shared.clock.now();
        Self { settings, shared, outbox, health, started, again: Arc::default() }
    }

    pub fn name(&self) -> &MailboxName {
        &self.settings.name
    }

    pub fn health(&self) -> watch_channel::Receiver<Health> {
        self.health.watch()
    }

    /// Hands over what arrives until shutdown; every trouble is waited out and shows in the health.
    pub async fn run(&self, intake: Intake, shutdown: &Shutdown) {
        let (settings, clock) = (self.settings.clone(), self.shared.clock.clone());
        let door = Door {
            reader: Reader {
                mailbox: settings.name.clone(),
                trust: Arc::new(Trust::new(&settings.trust)),
                limits: settings.limits,
            },
            intake,
            budget: self.shared.budget.clone(),
            parsers: self.shared.parsers.clone(),
        };
        match settings.inbox.clone() {
            InboxSettings::Imap(imap) => {
                let again = self.again.clone();
                Watch { settings, imap, door, clock, again }.run(&self.health, shutdown).await
            }
            InboxSettings::Maildir(path) => {
                let (watch, again) = (self.shared.directories.clone(), self.again.clone());
                let started = self.started;
                Maildir { settings, path, door, clock, started, watch, again }
                    .run(&self.health, shutdown)
                    .await;
            }
        }
    }

    /// Tries the way in: for IMAP the login and the folder. What was found, or what is wrong.
    pub async fn try_inbox(&self) -> Result<String, String> {
        match &self.settings.inbox {
            InboxSettings::Imap(imap) => {
                let connected = ImapSession::connect(imap, &self.settings.timing).await;
                let mut session = connected.map_err(|error| error.to_string())?;
                let selected = session.select(&imap.folder).await.map_err(|error| error.to_string())?;
                let waits = if session.can("IDLE") { "IDLE" } else { "polled" };
                session.logout().await;
                Ok(format!("{}: {} mails, {waits}", imap.folder, selected.exists))
            }
            InboxSettings::Maildir(path) => {
                let new = path.join("new");
                let there =
                    maildir_scan::scan(&new).map_err(|error| format!("{}: {error}", new.display()))?;
                Ok(format!("{}: {} new mails", path.display(), there.len()))
            }
        }
    }

    /// Tries the way out: for SMTP TLS and the login; nothing is sent.
    pub async fn try_outbox(&self) -> Result<String, String> {
        match &self.outbox {
            Outbox::Smtp { settings, .. } => {
                let timing = &self.settings.timing;
                let connected = smtp::connect(settings, timing, timing.io).await;
                let mut connection = connected.map_err(|error| error.to_string())?;
                connection.abort().await;
                Ok(format!("{}:{}", settings.server.host, settings.server.port))
            }
            Outbox::Directory(directory) => tokio::fs::create_dir_all(directory)
                .await
                .map(|()| directory.display().to_string())
                .map_err(|error| format!("{}: {error}", directory.display())),
        }
    }
}

#[async_trait]
impl Channel for Mailbox {
    async fn send(&self, parcel: Parcel) -> Result<Sent, SendError> {
        let Parcel::Mail { raw, to } = parcel else {
            let reason = "a mailbox sends nothing but mail".to_owned();
            return Err(SendError::Refused { reason, what: Refusal::Content });
        };
        let (size, _) = self.shared.spool.stream(&raw).await.map_err(|error| not_readable(&error))?;
        let _share = self.shared.budget.admit(size).await;
        let mail = self.shared.spool.read(&raw).await.map_err(|error| not_readable(&error))?;
        self.outbox.send(&self.settings.timing, self.shared.clock.now(), mail, &to).await?;
        Ok(Sent::Done)
    }

    async fn compose(&self, mail: &OutgoingMail, files: Vec<OutgoingFile>) -> Result<Composed, SendError> {
        compose::compose(&self.settings, &self.shared.spool, self.shared.clock.now(), mail, files).await
    }

    async fn was_sent(&self, mail: &MailId) -> Option<bool> {
        self.outbox.was_sent(&self.settings.timing, mail).await
    }

    fn read_again(&self) {
        self.again.notify_one();
    }

    async fn open(&self, file: &Attachment) -> Result<Opened, OpenError> {
        let Whereabouts::MailPart { raw, part } = &file.at else {
            return Err(OpenError::Gone("it did not come by mail".to_owned()));
        };
        let (raw_size, _) = self.shared.spool.stream(raw).await.map_err(|error| match error {
            SpoolError::Missing(_) => OpenError::Gone(error.to_string()),
            other => OpenError::Retry { after: None, reason: other.to_string() },
        })?;
        let content = decode_later(self.shared.clone(), raw.clone(), *part, raw_size);
        Ok(Opened { size: file.size, content })
    }
}

fn not_readable(error: &SpoolError) -> SendError {
    match error {
        SpoolError::Missing(_) => SendError::Refused { reason: error.to_string(), what: Refusal::Content },
        other => SendError::Retry { after: None, reason: other.to_string() },
    }
}

/// Decodes once somebody reads, so that files which wait for their turn take no memory.
fn decode_later(shared: Shared, raw: BlobId, part: usize, raw_size: u64) -> ByteStream {
    let decode = async move {
        let whole = shared.budget.admit(raw_size.saturating_mul(2)).await;
        let mail = shared.spool.read(&raw).await.map_err(std::io::Error::other)?;
        let file = on_deep_stack(move || content::attachment(&mail, part)).await?;
        let file = file.ok_or_else(|| std::io::Error::other(format!("the mail has no attachment {part}")))?;
        // The mail itself is gone again; from here on only the file is held.
        drop(whole);
        let share = shared.budget.admit(file.len() as u64).await;
        let chunks = stream::unfold((file, share), |(mut rest, share)| async move {
            if rest.is_empty() {
                return None;
            }
            let chunk = rest.split_to(rest.len().min(CHUNK));
            Some((Ok::<_, std::io::Error>(chunk), (rest, share)))
        });
        Ok::<_, std::io::Error>(chunks)
    };
    stream::once(decode).try_flatten().boxed()
}
