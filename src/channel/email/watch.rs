//! An IMAP mailbox from its first look on: connect, take in what is new, wait, and again.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::Notify;

use super::{
    after::apply,
    cursor::{self, ImapCursor},
    door::{Door, DoorError},
    fetch::{Fetch, FetchError, Position},
    health::Reporter,
    imap_session::{ImapError, ImapSession, Selected},
    settings::{ImapSettings, Settings},
};
use crate::{
    channel::intake::Reread,
    runtime::{
        clock::{Clock, Timestamp},
        rate_limit::RateLimit,
        shutdown::Shutdown,
    },
};

/// Mails that wait to be marked; more are left as they are.
const MOST_UNAPPLIED: usize = 10_000;
/// Mails of a folder up to which it is listed as it is rather than searched first.
const CLOSE_BEHIND: u32 = 500;

/// One IMAP mailbox.
pub(super) struct Watch {
    pub(super) settings: Settings,
    pub(super) imap: ImapSettings,
    pub(super) door: Door,
    pub(super) clock: Clock,
    /// There is something to be read again.
    pub(super) again: Arc<Notify>,
}

/// What the mailbox knows across its connections.
struct State {
    position: Option<Position>,
    known: Option<ImapCursor>,
    reread: Option<Reread>,
    /// What is to be read again may be another thing by now.
    asked: bool,
    /// Whether the last connection took in all that was there.
    was_well: bool,
}

impl Watch {
    /// Runs until shutdown; every trouble is waited out.
    pub(super) async fn run(&self, health: &Reporter, shutdown: &Shutdown) {
        let timing = &self.settings.timing;
        let logins = RateLimit::with_most_keys(self.clock.clone(), timing.login_every, timing.login_burst, 1);
        let mut state = None;
        let mut failures: u32 = 0;
        loop {
            let error = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.again.notified() => {
                    if let Some(state) = &mut state {
                        state.asked = true;
                    }
                    continue;
                }
                error = self.connection(&mut state, &logins, health) => error,
            };
            if state.as_mut().is_some_and(|state| std::mem::take(&mut state.was_well)) {
                failures = 0;
            }
            let unauthorized = matches!(error, FetchError::Imap(ImapError::Unauthorized(_)));
            let wait = if unauthorized { timing.unauthorized } else { timing.backoff.next(failures) };
            failures = failures.saturating_add(1);
            tracing::warn!(mailbox = %self.settings.name, %error, ?wait, "Mail cannot be fetched for now.");
            health.trouble(error.to_string(), unauthorized);
            if shutdown.unless_cancelled(self.clock.sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// One connection, until it fails.
    async fn connection(
        &self,
        state: &mut Option<State>,
        logins: &RateLimit<()>,
        health: &Reporter,
    ) -> FetchError {
        match self.try_connection(state, logins, health).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn try_connection(
        &self,
        state: &mut Option<State>,
        logins: &RateLimit<()>,
        health: &Reporter,
    ) -> Result<std::convert::Infallible, FetchError> {
        let state = match state {
            Some(state) => state,
            None => state.insert(self.begin().await?),
        };
        if state.asked {
            state.reread = self.door.begin().await?.reread;
            state.asked = false;
            // Searched for anew, together with what is to be read again.
            state.position.iter_mut().for_each(|position| position.found.clear());
        }
        logins.acquire(&()).await;
        let mut session = ImapSession::connect(&self.imap, &self.settings.timing).await?;
        let selected = session.select(&self.imap.folder).await?;
        self.find_place(state, &mut session, selected).await?;
        loop {
            session = self.turn(state, session, health).await?;
        }
    }

    async fn begin(&self) -> Result<State, DoorError> {
        let begin = self.door.begin().await?;
        let known = begin.cursor.as_ref().and_then(ImapCursor::parse);
        Ok(State { position: None, known, reread: begin.reread, asked: false, was_well: false })
    }

    /// One turn: take in everything that is new, mark it, wait for more. An error drops the connection.
    async fn turn(
        &self,
        state: &mut State,
        mut session: ImapSession,
        health: &Reporter,
    ) -> Result<ImapSession, FetchError> {
        let Some(position) = &mut state.position else { return Ok(session) };
        let after = &self.settings.after;
        loop {
            session.take_news();
            let mut fetch = Fetch {
                session: &mut session,
                door: &self.door,
                clock: &self.clock,
                position: &mut *position,
            };
            let outcome = fetch.next().await;
            let unapplied: Vec<u32> = position.unapplied.iter().take(MOST_UNAPPLIED).copied().collect();
            if !outcome.as_ref().is_err_and(is_lost) {
                apply(&mut session, after, &unapplied).await?;
                position.unapplied = BTreeSet::new();
            }
            if !outcome? {
                break;
            }
        }
        if let Some(reread) = position.reread.take() {
            self.door.reread_done(reread).await?;
            state.reread = None;
        }
        state.was_well = true;
        health.well();
        self.wait(&mut session).await?;
        Ok(session)
    }

    async fn wait(&self, session: &mut ImapSession) -> Result<(), ImapError> {
        let timing = &self.settings.timing;
        if session.take_news() {
            return Ok(());
        }
        if session.can("IDLE") {
            return session.idle(timing.idle).await;
        }
        self.clock.sleep(timing.poll).await;
        session.command("NOOP", |_| ()).await
    }

    /// Where to go on in the folder as it is now.
    async fn find_place(
        &self,
        state: &mut State,
        session: &mut ImapSession,
        selected: Selected,
    ) -> Result<(), FetchError> {
        let known =
            state.position.as_ref().map(|position| position.cursor.clone()).or_else(|| state.known.clone());
        let (settings, now) = (&self.settings, self.clock.now());
        let begin = cursor::begin(known, &self.imap.folder, selected, settings.start, &settings.timing, now);
        let mut found = BTreeSet::new();
        if let Some(criteria) = catch_up(&begin.cursor, selected) {
            found.extend(session.search(&criteria).await?);
            found.retain(|uid| *uid >= begin.cursor.uid_next);
        }
        if let Some(since) = begin.skips_before {
            let skipped = selected.exists.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            tracing::warn!(
                mailbox = %settings.name, skipped, %since,
                "The folder's messages have new numbers; what is older than this is left alone."
            );
            // Before the cursor forgets it.
            self.door.skipped(skipped, since).await?;
        }
        if begin.is_new {
            self.door.accept(Vec::new(), begin.cursor.to_cursor()).await?;
        }
        if let Some(reread) = state.reread {
            found.extend(session.search(&format!("SINCE {}", imap_date(reread.since))).await?);
        }
        let mut position = match state.position.take() {
            Some(position) if position.cursor == begin.cursor => position,
            _ => Position::new(begin.cursor),
        };
        // What is behind the found ones is listed from the cursor once they are done.
        if position.found.is_empty() {
            position.found.extend(found);
        }
        position.reread = state.reread;
        state.position = Some(position);
        Ok(())
    }
}

/// What to search for before listing; nothing where listing by itself is no more work.
fn catch_up(cursor: &ImapCursor, selected: Selected) -> Option<String> {
    let behind = selected.uid_next.saturating_sub(cursor.uid_next);
    match cursor.baseline {
        Some(baseline) => Some(format!(
            "UID {}:* OR SINCE {} UID {}:*",
            cursor.uid_next,
            imap_date(baseline.since),
            baseline.uid_next
        )),
        None if behind > CLOSE_BEHIND => Some(format!("UID {}:*", cursor.uid_next)),
        None => None,
    }
}

/// The day before, because SINCE counts in the server's own time zone (RFC 9051 §6.4.4).
fn imap_date(time: Timestamp) -> String {
    let day = time.minus(std::time::Duration::from_secs(24 * 3600)).max(Timestamp::EPOCH);
    jiff::Timestamp::from_millisecond(day.as_millis())
        .map(|time| time.strftime("%-d-%b-%Y").to_string())
        .unwrap_or_else(|_| "1-Jan-1970".to_owned())
}

fn is_lost(error: &FetchError) -> bool {
    matches!(error, FetchError::Imap(ImapError::Lost(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_a_day_early_and_in_imaps_form() {
        assert_eq!(imap_date(Timestamp::from_secs(1_700_000_000)), "13-Nov-2023");
        assert_eq!(imap_date(Timestamp::EPOCH), "1-Jan-1970");
    }
}
