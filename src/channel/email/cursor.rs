//! How far a mailbox has been read, and what of a new or renumbered folder counts.

use serde::{Deserialize, Serialize};

use super::{
    imap_session::Selected,
    settings::{Start, Timing},
};
use crate::{
    channel::intake::{Cursor, Reread},
    runtime::clock::Timestamp,
};

/// How far an IMAP folder has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImapCursor {
    pub(super) folder: String,
    pub(super) uidvalidity: u32,
    /// The first UID that was not read yet.
    pub(super) uid_next: u32,
    /// INTERNALDATE of the newest mail that was read; at first when reading began.
    pub(super) newest: Timestamp,
    /// What was there when reading began, where not all of it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<Baseline>,
    /// The first UID that counts at all, where reading began with what came then; forgotten with new numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u32>,
}

/// Of the mails with a UID below `uid_next`, only those that arrived since `since` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) uid_next: u32,
    pub(super) since: Timestamp,
}

/// Where to begin in a selected folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) cursor: ImapCursor,
    /// The numbers changed: what is older than this is left alone, and somebody must be told.
    pub(super) skips_before: Option<Timestamp>,
    /// Whether the cursor must be journaled before anything else.
    pub(super) is_new: bool,
}

impl ImapCursor {
    pub(super) fn parse(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(super) fn to_cursor(&self) -> Cursor {
        Cursor(serde_json::json!(self).to_string())
    }

    /// Whether a listed mail counts, as a new one or as one to be read again.
    pub(super) fn counts(&self, uid: u32, arrived: Timestamp, reread: Option<Reread>) -> bool {
        let is_new = uid >= self.uid_next
            && self.baseline.is_none_or(|baseline| uid >= baseline.uid_next || arrived >= baseline.since);
        let again = |reread: Reread| {
            arrived >= reread.since && (reread.asked || self.first.is_none_or(|first| uid >= first))
        };
        is_new || reread.is_some_and(again)
    }

    /// Moves past a mail; a mail that is read again moves nothing.
    pub(super) fn pass(&mut self, uid: u32, arrived: Timestamp) {
        self.uid_next = self.uid_next.max(uid.saturating_add(1));
        self.newest = self.newest.max(arrived);
        if self.baseline.is_some_and(|baseline| self.uid_next >= baseline.uid_next) {
            self.baseline = None;
        }
    }
}

/// Decides where to begin. UIDNEXT that goes down means new numbers, too, whatever UIDVALIDITY says.
pub(super) fn begin(
    known: Option<ImapCursor>,
    folder: &str,
    selected: Selected,
    start: Start,
    timing: &Timing,
    now: Timestamp,
) -> Beginning {
    let fresh = |uid_next, baseline| ImapCursor {
        folder: folder.to_owned(),
        uidvalidity: selected.uidvalidity,
        uid_next,
        newest: now,
        baseline,
        first: None,
    };
    match known.filter(|cursor| cursor.folder == folder) {
        Some(cursor)
            if cursor.uidvalidity == selected.uidvalidity && cursor.uid_next <= selected.uid_next =>
        {
            Beginning { cursor, skips_before: None, is_new: false }
        }
        Some(cursor) => {
            let since = cursor.newest.minus(timing.overlap);
            let baseline = Baseline { uid_next: selected.uid_next, since };
            let renumbered = ImapCursor { newest: cursor.newest, ..fresh(1, Some(baseline)) };
            Beginning { cursor: renumbered, skips_before: Some(since), is_new: true }
        }
        None => {
            let cursor = match start {
                Start::Now => ImapCursor { first: Some(selected.uid_next), ..fresh(selected.uid_next, None) },
                Start::All => fresh(1, None),
                Start::Since(since) => fresh(1, Some(Baseline { uid_next: selected.uid_next, since })),
            };
            // Of what is there, the newest is not known yet.
            let newest = if start == Start::Now { now } else { Timestamp::EPOCH };
            Beginning { cursor: ImapCursor { newest, ..cursor }, skips_before: None, is_new: true }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn at(known: Option<&ImapCursor>, uidvalidity: u32, uid_next: u32, start: Start) -> Beginning {
        let selected = Selected { uidvalidity, uid_next, exists: 5 };
        begin(known.cloned(), "INBOX", selected, start, &Timing::default(), NOW)
    }

    #[test]
    fn a_new_mailbox_begins_where_it_was_told_to() {
        assert_eq!(at(None, 7, 100, Start::Now).cursor.uid_next, 100);
        assert_eq!(at(None, 7, 100, Start::All).cursor.uid_next, 1);
        let mut since = at(None, 7, 100, Start::Since(NOW)).cursor;
        let old = NOW.minus(Duration::from_secs(1));
        assert!(!since.counts(99, old, None) && since.counts(99, NOW, None) && since.counts(100, old, None));
        since.pass(99, NOW);
        assert_eq!(since.baseline, None);
    }

    #[test]
    fn a_cursor_survives_as_text_and_only_for_its_folder() {
        let cursor = at(None, 7, 100, Start::Since(NOW)).cursor;
        assert_eq!(ImapCursor::parse(&cursor.to_cursor()), Some(cursor.clone()));
        assert!(cursor.to_cursor().0.len() < 300);
        assert!(!at(Some(&cursor), 7, 100, Start::Now).is_new);
        let elsewhere = ImapCursor { folder: "Archive".to_owned(), ..cursor };
        assert_eq!(at(Some(&elsewhere), 7, 100, Start::Now).cursor.uid_next, 100);
    }

    #[test]
    fn after_new_numbers_only_what_is_not_surely_old_counts() {
        let known = ImapCursor { newest: NOW, ..at(None, 7, 100, Start::Now).cursor };
        for (uidvalidity, uid_next) in [(8, 400), (7, 50)] {
            let begin = at(Some(&known), uidvalidity, uid_next, Start::Now);
            let doubt = NOW.minus(Duration::from_secs(48 * 3600));
            assert_eq!(begin.skips_before, Some(doubt));
            assert!(begin.is_new && begin.cursor.uid_next == 1);
            assert!(
                begin.cursor.counts(1, doubt, None)
                    && !begin.cursor.counts(1, doubt.minus(Duration::from_secs(1)), None)
            );
        }
    }

    #[test]
    fn what_is_read_again_after_a_loss_leaves_out_what_was_there_before_the_first_look() {
        let mut cursor = at(None, 7, 100, Start::Now).cursor;
        cursor.pass(150, NOW);
        let counts = |uid, arrived, asked| cursor.counts(uid, arrived, Some(Reread { since: NOW, asked }));
        assert!(!cursor.counts(150, NOW, None), "it was taken");
        assert!(counts(150, NOW, false) && !counts(99, NOW, false), "the first look");
        assert!(counts(99, NOW, true), "a person says otherwise");
        let old = NOW.minus(Duration::from_secs(1));
        assert!(!counts(150, old, true) && counts(151, old, false));
    }

    #[test]
    fn reading_again_moves_nothing() {
        let mut cursor = at(None, 7, 100, Start::Now).cursor;
        cursor.pass(3, Timestamp::EPOCH);
        assert_eq!((cursor.uid_next, cursor.newest), (100, NOW));
    }
}
