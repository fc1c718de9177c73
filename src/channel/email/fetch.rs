//! Mail out of a selected folder: its size first, then its bytes into the spool, then the journal.
//!
//! 1. List what is new by UID, with size and date. Never by \Seen, never by sequence number.
//! 2. Take it in batches: small mails together, a large one by itself in pieces, of a too large one only
//!    its beginning.
//! 3. What was received in one piece from the batch's beginning is journaled even when the connection
//!    died behind it.
//! 4. With the journal's proof in hand, `after` is applied.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_imap::imap_proto::{MessageSection, Response};
use bytes::Bytes;
use futures::{StreamExt, future::try_join_all};
use tokio::sync::mpsc;

use super::{
    answers::{Listed, as_listed, body_of, is_section},
    cursor::ImapCursor,
    door::{Arrival, Door, DoorError, MOST_MAILS},
    imap_session::{ImapError, ImapSession},
    incoming::RawMail,
};
use crate::{
    channel::intake::{Durable, Reread},
    runtime::clock::{Clock, Timestamp},
};

/// UIDs whose sizes are asked for at once, as chatmail/core does (`src/imap.rs`).
const PREFETCH: usize = 500;
/// A mail up to this size shares a batch.
const SMALL: u64 = 1024 * 1024;
/// Bytes of mail in one batch.
const BATCH: u64 = 4 * 1024 * 1024;
/// A large mail is asked for in pieces of this size.
const PIECE: u64 = 512 * 1024;
/// Tries without any progress after which a mail is given up as unreadable.
const TRIES: u8 = 8;

/// Why the connection is dropped.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Imap(#[from] ImapError),
    #[error(transparent)]
    Door(#[from] DoorError),
}

/// Where a mailbox stands; lives longer than its connections.
pub(super) struct Position {
    pub(super) cursor: ImapCursor,
    pub(super) reread: Option<Reread>,
    /// UIDs yet to be listed, found by a search.
    pub(super) found: VecDeque<u32>,
    /// Journaled, but `after` was not applied yet.
    pub(super) unapplied: BTreeSet<u32>,
    /// The mail that stopped us last, and how often.
    stuck: Option<(u32, u8)>,
}

pub(super) struct Fetch<'a> {
    pub(super) session: &'a mut ImapSession,
    pub(super) door: &'a Door,
    pub(super) clock: &'a Clock,
    pub(super) position: &'a mut Position,
}

impl Position {
    pub(super) fn new(cursor: ImapCursor) -> Self {
        Self { cursor, reread: None, found: VecDeque::new(), unapplied: BTreeSet::new(), stuck: None }
    }

    fn place(&self, mailbox: &str, uid: u32) -> String {
        format!("imap/{mailbox}/{}/{}/{uid}", self.cursor.folder, self.cursor.uidvalidity)
    }

    /// Forgets the searched-for UIDs up to this one.
    fn settle(&mut self, up_to: Option<u32>) {
        while self.found.front().is_some_and(|uid| Some(*uid) <= up_to) {
            self.found.pop_front();
        }
    }

    /// Only with the proof that they are journaled may mails be marked.
    fn remember(&mut self, _: Durable, uids: impl Iterator<Item = u32>) {
        self.unapplied.extend(uids);
    }

    /// Counts a try that got nowhere; true when it was the last one.
    fn got_stuck(&mut self, uid: u32) -> bool {
        let tries = match self.stuck {
            Some((known, tries)) if known == uid => tries.saturating_add(1),
            _ => 1,
        };
        self.stuck = Some((uid, tries));
        tries >= TRIES
    }
}

impl Fetch<'_> {
    /// Takes in the next batches of what is new; false when there was nothing.
    pub(super) async fn next(&mut self) -> Result<bool, FetchError> {
        let before = self.position.cursor.uid_next;
        let (listed, up_to) = self.list().await?;
        let (cursor, reread) = (&self.position.cursor, self.position.reread);
        let (wanted, skipped): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().partition(|mail| cursor.counts(mail.uid, mail.arrived, reread));
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let size = self.batch_size(rest);
            let (batch, behind) = rest.split_at(size.min(rest.len()));
            self.take(batch).await?;
            rest = behind;
        }
        for mail in &skipped {
            self.position.cursor.pass(mail.uid, Timestamp::EPOCH);
        }
        self.position.settle(up_to);
        // Behind those that were searched for there may be others.
        Ok(up_to.is_some() || !wanted.is_empty() || self.position.cursor.uid_next > before)
    }

    /// What is there of the next UIDs, and the last of those UIDs where they were searched for.
    async fn list(&mut self) -> Result<(Vec<Listed>, Option<u32>), FetchError> {
        let uids: Vec<u32> = self.position.found.iter().take(PREFETCH).copied().collect();
        let (set, from) = match uids.first() {
            Some(first) => (uid_set(&uids), *first),
            None => (format!("{}:*", self.position.cursor.uid_next), self.position.cursor.uid_next),
        };
        let now = self.clock.now();
        let mut listed = Vec::new();
        let command = format!("UID FETCH {set} (UID RFC822.SIZE INTERNALDATE)");
        self.session
            .command(&command, |response| {
                if let Response::Fetch(_, attributes) = response {
                    listed.extend(as_listed(attributes, now));
                }
            })
            .await?;
        // `n:*` names the last mail even when its UID is below n (RFC 9051 §6.4.9).
        listed.retain(|mail: &Listed| mail.uid >= from);
        listed.sort_by_key(|mail| mail.uid);
        listed.dedup_by_key(|mail| mail.uid);
        Ok((listed, uids.last().copied()))
    }

    /// How many of `rest` go together: one alone if it is large or stopped us before.
    fn batch_size(&self, rest: &[Listed]) -> usize {
        if self.position.stuck.is_some() {
            return 1;
        }
        let mut bytes = 0;
        let fitting = rest.iter().take(MOST_MAILS).take_while(|mail| {
            bytes += mail.size;
            mail.size <= SMALL && bytes <= BATCH
        });
        fitting.count().max(1)
    }

    async fn take(&mut self, batch: &[Listed]) -> Result<(), FetchError> {
        let [first, ..] = batch else { return Ok(()) };
        let limit = self.door.reader.limits.mail;
        let (arrivals, passed, failure) = match batch {
            [mail] if mail.size > limit => self.fetch_beginning(*mail).await?,
            [mail] if mail.size > SMALL => self.fetch_large(*mail).await?,
            _ => self.fetch_small(batch).await?,
        };
        if passed == 0 {
            let Some(failure) = failure else { return Ok(()) };
            return self.stopped_at(*first, failure).await;
        }
        let done = batch.get(..passed).unwrap_or(batch);
        self.journal(arrivals.mails, done).await?;
        drop(arrivals.share);
        match failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Journals, moves the cursor and remembers what is to be marked.
    async fn journal(&mut self, arrivals: Vec<Arrival>, done: &[Listed]) -> Result<(), FetchError> {
        let mut cursor = self.position.cursor.clone();
        for mail in done {
            cursor.pass(mail.uid, mail.arrived);
        }
        let durable = self.door.accept(arrivals, cursor.to_cursor()).await?;
        self.position.cursor = cursor;
        self.position.stuck = None;
        self.position.settle(done.last().map(|mail| mail.uid));
        self.position.remember(durable, done.iter().map(|mail| mail.uid));
        Ok(())
    }

    /// The first mail of a batch could not be had. In the end it must not stop those behind it.
    async fn stopped_at(&mut self, mail: Listed, failure: ImapError) -> Result<(), FetchError> {
        if failure.is_passing() || !self.position.got_stuck(mail.uid) {
            return Err(failure.into());
        }
        tracing::error!(uid = mail.uid, error = %failure, "A mail cannot be fetched and is given up.");
        let arrival = Arrival::NeverSeen {
            place: self.place(mail.uid),
            received: mail.arrived,
            reason: format!("the mail server does not give it out: {failure}"),
        };
        self.journal(vec![arrival], &[mail]).await
    }

    async fn fetch_small(&mut self, batch: &[Listed]) -> Result<Taken, FetchError> {
        let share = self.door.admit(batch.iter().map(|mail| mail.size).sum()).await;
        let uids: Vec<u32> = batch.iter().map(|mail| mail.uid).collect();
        let mut bodies = BTreeMap::new();
        let command = format!("UID FETCH {} (UID BODY.PEEK[])", uid_set(&uids));
        let fetched = self
            .session
            .command(&command, |response| {
                if let Response::Fetch(_, attributes) = response {
                    bodies.extend(body_of(attributes, |section| section.is_none()));
                }
            })
            .await;
        // What is missing from a complete answer was expunged meanwhile.
        let passed = match &fetched {
            Ok(()) => batch.len(),
            Err(_) => uids.iter().take_while(|uid| bodies.contains_key(uid)).count(),
        };
        let spooled = batch.iter().take(passed).filter_map(|mail| {
            let bytes = bodies.remove(&mail.uid)?;
            Some(self.spooled(*mail, bytes, None))
        });
        let mails = try_join_all(spooled).await?;
        Ok((Arrivals { mails, share: Some(share) }, passed, fetched.err()))
    }

    async fn spooled(
        &self,
        mail: Listed,
        bytes: Bytes,
        cut_from: Option<u64>,
    ) -> Result<Arrival, FetchError> {
        let blob = self.door.spool(bytes.clone()).await?;
        let place = self.place(mail.uid);
        Ok(Arrival::Mail(RawMail { blob, bytes, cut_from, place, received: mail.arrived }))
    }

    /// In pieces straight into the spool; parsed once there is room for the whole.
    async fn fetch_large(&mut self, mail: Listed) -> Result<Taken, FetchError> {
        let (pieces, spooling) = mpsc::channel::<std::io::Result<Bytes>>(1);
        let content =
            futures::stream::unfold(spooling, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
        let door = self.door;
        let limit = self.door.reader.limits.mail;
        let share = door.budget.admit(4 * PIECE).await;
        let (spooled, fetched) = tokio::join!(door.spool_stream(content.boxed()), async {
            let outcome = send_pieces(self.session, mail.uid, limit, &pieces).await;
            if let Err(error) = &outcome {
                // Otherwise the half of it would pass for the whole.
                let _ = pieces.send(Err(std::io::Error::other(error.to_string()))).await;
            }
            drop(pieces);
            outcome
        });
        drop(share);
        match fetched {
            Err(failure) => return Ok((Arrivals::none(), 0, Some(failure))),
            Ok(0) => {
                // Expunged meanwhile; the empty blob names nothing.
                return Ok((Arrivals::none(), 1, None));
            }
            Ok(_) => (),
        }
        let (blob, size) = spooled?;
        let share = self.door.admit(size).await;
        let bytes = self.door.read_back(&blob).await?;
        let place = self.place(mail.uid);
        let arrival = Arrival::Mail(RawMail { blob, bytes, cut_from: None, place, received: mail.arrived });
        Ok((Arrivals { mails: vec![arrival], share: Some(share) }, 1, None))
    }

    /// Header and first bytes of a mail that is too large to be had.
    async fn fetch_beginning(&mut self, mail: Listed) -> Result<Taken, FetchError> {
        let limits = self.door.reader.limits;
        let share = self.door.admit(limits.kept_of_oversize + limits.headers as u64).await;
        let (mut header, mut text) = (None, None);
        let command = format!(
            "UID FETCH {} (UID BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.{}>)",
            mail.uid, limits.kept_of_oversize
        );
        let fetched = self
            .session
            .command(&command, |response| {
                if let Response::Fetch(_, attributes) = response {
                    header = header.take().or(body_of(attributes, is_section(MessageSection::Header)));
                    text = text.take().or(body_of(attributes, is_section(MessageSection::Text)));
                }
            })
            .await;
        match (fetched, header) {
            (Err(failure), _) => Ok((Arrivals::none(), 0, Some(failure))),
            (Ok(()), None) => Ok((Arrivals::none(), 1, None)),
            (Ok(()), Some((_, header))) => {
                let text = text.map(|(_, text)| text).unwrap_or_default();
                let bytes = Bytes::from([header, text].concat());
                let arrival = self.spooled(mail, bytes, Some(mail.size)).await?;
                Ok((Arrivals { mails: vec![arrival], share: Some(share) }, 1, None))
            }
        }
    }

    fn place(&self, uid: u32) -> String {
        self.position.place(self.door.reader.mailbox.as_str(), uid)
    }
}

/// Mails in the spool with the share of memory that they take; how many of the batch are settled by
/// them; and what stopped the rest.
type Taken = (Arrivals, usize, Option<ImapError>);

struct Arrivals {
    mails: Vec<Arrival>,
    share: Option<super::budget::Share>,
}

impl Arrivals {
    fn none() -> Self {
        Self { mails: Vec::new(), share: None }
    }
}

/// Asks for pieces until one comes short; returns the bytes that there were.
async fn send_pieces(
    session: &mut ImapSession,
    uid: u32,
    limit: u64,
    pieces: &mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<u64, ImapError> {
    let mut at = 0;
    // A server that lies about a size must not fill the disk.
    while at <= limit.saturating_add(PIECE) {
        let mut piece = None;
        let command = format!("UID FETCH {uid} (UID BODY.PEEK[]<{at}.{PIECE}>)");
        session
            .command(&command, |response| {
                if let Response::Fetch(_, attributes) = response {
                    piece = piece.take().or(body_of(attributes, |section| section.is_none()));
                }
            })
            .await?;
        let bytes = match piece {
            Some((_, bytes)) => bytes,
            None if at == 0 => return Ok(0),
            None => return Err(ImapError::Lost("a mail vanished while it was read".to_owned())),
        };
        let length = bytes.len() as u64;
        at += length;
        if length > 0 && pieces.send(Ok(bytes)).await.is_err() {
            // The spool's own error is the one to be told.
            return Ok(at);
        }
        if length < PIECE {
            break;
        }
    }
    Ok(at)
}

/// `1:3,7`: ranges keep commands short (RFC 9051 §9, sequence-set).
pub(super) fn uid_set(uids: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => ranges.push((*uid, *uid)),
        }
    }
    let written: Vec<String> = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}:{last}") })
        .collect();
    written.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_become_ranges() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set(&[u32::MAX]), u32::MAX.to_string());
    }
}
