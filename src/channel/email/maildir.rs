//! A Maildir from its first look on: the same door as IMAP's, over a directory.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::{sync::Notify, task::spawn_blocking};

use super::{
    directory_watch::DirectoryWatch,
    door::{Arrival, Door, DoorError, MOST_MAILS},
    headers::Headers,
    health::Reporter,
    incoming::RawMail,
    maildir_scan::{Entry, MaildirCursor, keep_present, scan, touched},
    settings::{After, Limits, Settings},
};
use crate::{
    channel::intake::{Durable, Reread},
    runtime::{
        clock::{Clock, Timestamp},
        shutdown::Shutdown,
    },
};

/// Bytes of mail that are journaled together; a larger one goes alone.
const BATCH: u64 = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
enum MaildirError {
    #[error("the Maildir {} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Door(#[from] DoorError),
}

/// One Maildir.
pub(super) struct Maildir {
    pub(super) settings: Settings,
    pub(super) path: PathBuf,
    pub(super) door: Door,
    pub(super) clock: Clock,
    /// When the bridge was started: what comes from then on is new, however late the first look is.
    pub(super) started: Timestamp,
    pub(super) watch: DirectoryWatch,
    /// There is something to be read again.
    pub(super) again: Arc<Notify>,
}

struct State {
    cursor: MaildirCursor,
    reread: Option<Reread>,
    /// Journaled, but still in `new`.
    done: HashSet<String>,
}

impl Maildir {
    /// Runs until shutdown; every trouble is waited out.
    pub(super) async fn run(&self, health: &Reporter, shutdown: &Shutdown) {
        self.make().await;
        let (arrival, watching) = self.watch.watch(&self.arrivals());
        if let Err(error) = watching {
            tracing::warn!(mailbox = %self.settings.name, %error, "The Maildir is not watched, only read at intervals.");
        }
        let timing = &self.settings.timing;
        let mut state = None;
        let mut failures: u32 = 0;
        loop {
            let wait = match shutdown.unless_cancelled(self.turn(&mut state)).await {
                None => return,
                Some(Ok(())) => {
                    failures = 0;
                    health.well();
                    timing.poll
                }
                Some(Err(error)) => {
                    tracing::warn!(mailbox = %self.settings.name, %error, "Mail cannot be read for now.");
                    health.trouble(error.to_string(), false);
                    failures = failures.saturating_add(1);
                    timing.backoff.next(failures - 1)
                }
            };
            let hint = async {
                if failures > 0 {
                    std::future::pending::<()>().await;
                }
                arrival.notified().await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep(wait) => (),
                () = hint => (),
                () = self.again.notified() => state = None,
            }
        }
    }

    /// A Maildir that nobody delivered to yet is made, so that its first mail is not taken for one from
    /// before the first look. What cannot be made shows when it is read.
    async fn make(&self) {
        for folder in [self.path.clone(), self.path.join("tmp"), self.arrivals(), self.path.join("cur")] {
            let _ = tokio::fs::create_dir(folder).await;
        }
    }

    /// Takes in everything that lies there.
    async fn turn(&self, state: &mut Option<State>) -> Result<(), MaildirError> {
        let state = match state {
            Some(state) => state,
            None => state.insert(self.begin().await?),
        };
        if let Some(reread) = state.reread {
            self.read_again(state, reread).await?;
            self.door.reread_done(reread).await?;
            state.reread = None;
        }
        let there = self.scan(&self.arrivals()).await?;
        keep_present(&mut state.done, &there);
        let fresh: Vec<Entry> = there
            .iter()
            .filter(|entry| !state.done.contains(&entry.name) && !state.cursor.is_old(entry))
            .cloned()
            .collect();
        for batch in batches(&fresh) {
            self.take(state, batch).await?;
        }
        if self.settings.after == After::Nothing && !fresh.is_empty() {
            state.cursor.pass(&there);
        }
        Ok(())
    }

    async fn begin(&self) -> Result<State, MaildirError> {
        let begin = self.door.begin().await?;
        let known = begin.cursor.as_ref().and_then(MaildirCursor::parse);
        let cursor = match known {
            Some(cursor) => cursor,
            None => {
                let (new, unreadable) = (self.arrivals(), |source| self.unreadable(source));
                let touched = touched(&new).map_err(unreadable)?.min(self.started);
                let there = self.scan(&new).await?;
                let cursor = MaildirCursor::first_look(self.settings.start, touched, self.started, &there);
                self.door.accept(Vec::new(), cursor.to_cursor()).await?;
                cursor
            }
        };
        Ok(State { cursor, reread: begin.reread, done: HashSet::new() })
    }

    /// What arrived since then, wherever it lies now.
    async fn read_again(&self, state: &mut State, reread: Reread) -> Result<(), MaildirError> {
        let moved = match &self.settings.after {
            After::Move(folder) => Some(folder_of(&self.path, folder).join("cur")),
            After::Seen | After::Delete | After::Nothing => None,
        };
        let moved = moved.filter(|directory| directory.is_dir());
        for directory in moved.into_iter().chain([self.path.join("cur"), self.arrivals()]) {
            let mut there = self.scan(&directory).await?;
            there.retain(|entry| {
                let arrived = entry.modified.max(entry.delivered());
                arrived >= reread.since && (reread.asked || !state.cursor.was_there(entry))
            });
            for batch in batches(&there) {
                self.take(state, batch).await?;
            }
        }
        Ok(())
    }

    async fn take(&self, state: &mut State, batch: &[Entry]) -> Result<(), MaildirError> {
        let limits = self.settings.limits;
        let _share = self.door.admit(batch.iter().map(|entry| entry.size.min(limits.mail)).sum()).await;
        let arrivals = try_join_all(batch.iter().map(|entry| self.read(entry))).await?;
        let (taken, arrivals): (Vec<&Entry>, Vec<Arrival>) =
            batch.iter().zip(arrivals).filter_map(|(entry, arrival)| Some((entry, arrival?))).unzip();
        if arrivals.is_empty() {
            return Ok(());
        }
        let durable = self.door.accept(arrivals, state.cursor.to_cursor()).await?;
        state.done.extend(taken.iter().map(|entry| entry.name.clone()));
        self.put_away(&durable, &taken);
        Ok(())
    }

    /// Nothing for a file that vanished: somebody else read it.
    async fn read(&self, entry: &Entry) -> Result<Option<Arrival>, DoorError> {
        let place = format!("maildir/{}/{}", self.settings.name, entry.unique());
        let received = entry.delivered().min(self.clock.now());
        let (path, limits) = (entry.path.clone(), self.settings.limits);
        let read = spawn_blocking(move || read_file(&path, limits)).await;
        match read.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok((bytes, cut_from)) => {
                let blob = self.door.spool(bytes.clone()).await?;
                Ok(Some(Arrival::Mail(RawMail { blob, bytes, cut_from, place, received })))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let reason = format!("the file {} cannot be read: {error}", entry.path.display());
                Ok(Some(Arrival::NeverSeen { place, received, reason }))
            }
        }
    }

    /// A failure is only logged: the mails are safe, and known when they are seen again.
    fn put_away(&self, _: &Durable, taken: &[&Entry]) {
        let new = self.arrivals();
        for entry in taken.iter().filter(|entry| entry.path.parent() == Some(new.as_path())) {
            if let Err(error) = put_away(&self.path, entry, &self.settings.after)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = %entry.path.display(), %error, "Journaled mail could not be put away.");
            }
        }
    }

    async fn scan(&self, directory: &Path) -> Result<Vec<Entry>, MaildirError> {
        let directory = directory.to_owned();
        let scanned = spawn_blocking(move || scan(&directory)).await;
        scanned.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|source| self.unreadable(source))
    }

    fn arrivals(&self) -> PathBuf {
        self.path.join("new")
    }

    fn unreadable(&self, source: io::Error) -> MaildirError {
        MaildirError::Read { path: self.path.clone(), source }
    }
}

/// In order, each of at most 64 mails and some megabytes.
fn batches(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut bytes = 0;
    let mut mails = 0;
    entries.chunk_by(move |entry, next| {
        if mails == 0 {
            bytes = entry.size;
            mails = 1;
        }
        bytes += next.size;
        mails += 1;
        let together = mails <= MOST_MAILS && bytes <= BATCH;
        if !together {
            mails = 0;
        }
        together
    })
}

/// The file's bytes, or of a too large one its beginning and its size.
pub(super) fn read_file(path: &Path, limits: Limits) -> io::Result<(Bytes, Option<u64>)> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size <= limits.mail {
        file.take(limits.mail).read_to_end(&mut bytes)?;
        return Ok((bytes.into(), None));
    }
    file.take(limits.headers as u64 + limits.kept_of_oversize).read_to_end(&mut bytes)?;
    let header = Headers::read(&bytes).body_at;
    bytes.truncate(header.saturating_add(usize::try_from(limits.kept_of_oversize).unwrap_or(usize::MAX)));
    Ok((bytes.into(), Some(size)))
}

fn put_away(maildir: &Path, entry: &Entry, after: &After) -> io::Result<()> {
    let seen = format!("{}:2,S", entry.unique());
    match after {
        After::Nothing => Ok(()),
        After::Delete => fs::remove_file(&entry.path),
        After::Seen => fs::rename(&entry.path, maildir.join("cur").join(seen)),
        After::Move(folder) => {
            let folder = folder_of(maildir, folder);
            for part in ["tmp", "new", "cur"] {
                fs::create_dir_all(folder.join(part))?;
            }
            fs::rename(&entry.path, folder.join("cur").join(seen))
        }
    }
}

/// Maildir++: a folder is a directory beside, its levels parted by dots.
fn folder_of(maildir: &Path, folder: &str) -> PathBuf {
    maildir.join(format!(".{}", folder.replace('/', ".").trim_matches('.')))
}

#[cfg(test)]
#[path = "maildir_tests.rs"]
mod tests;
