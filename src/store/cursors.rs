//! How far each source has been read.

use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    opening::Loss,
    tree::{Db, hashed},
    trees::CURSORS,
    txn::Txn,
};
use crate::{
    model::cursor::{Cursor, Reread},
    runtime::clock::Timestamp,
};

/// Longer cursors (a Maildir's first look names files) take several rows. JSON may write one byte as six.
const PART: usize = 600;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CursorPart {
    text: String,
    /// How many parts there are.
    parts: u32,
    /// The transaction that wrote it.
    sequence: u64,
    /// For people who read an export.
    source: String,
    /// In the first part only: what is still to be read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reread: Option<Reread>,
}

/// The cursor, and what is still to be read again.
pub(super) fn read(
    db: &Db,
    source: &str,
    loss: Option<&Loss>,
    now: Timestamp,
) -> Result<(Option<Cursor>, Option<Reread>), StoreError> {
    let mut text = String::new();
    let mut first = None;
    for row in db.scan(&CURSORS, &hashed(&[source]))? {
        let (_, part) = row?;
        text.push_str(&part.text);
        first.get_or_insert(part);
    }
    let reread = pending(first.as_ref(), loss, now);
    Ok((first.map(|_| Cursor(text)), reread))
}

/// What was asked for; and after a loss all that a cursor written before it may have passed. A source
/// without any cursor may have lost it, for as long as everything is looked for first.
fn pending(first: Option<&CursorPart>, loss: Option<&Loss>, now: Timestamp) -> Option<Reread> {
    let lost = loss.filter(|loss| match first {
        Some(part) => part.sequence <= loss.sequence,
        None => now < loss.look_first_until,
    });
    let lost = lost.map(|loss| Reread { since: loss.reread_since, asked: false });
    let asked = first.and_then(|part| part.reread);
    match (lost, asked) {
        (Some(lost), Some(asked)) => Some(lost.and(asked)),
        (lost, asked) => lost.or(asked),
    }
}

/// Moves the cursor; what is to be read again stays so until [`done`] says otherwise.
pub(super) fn write(txn: &mut Txn<'_>, source: &str, cursor: &Cursor) -> Result<(), StoreError> {
    let prefix = hashed(&[source]);
    let pieces = pieces(&cursor.0);
    let first = txn.get(&CURSORS, &key(&prefix, 0)[..])?;
    let mut reread = pending(first.as_ref(), txn.shared.loss().as_ref(), txn.now);
    let before = first.map_or(0, |part| part.parts);
    let parts = u32::try_from(pieces.len()).map_err(|_| StoreError::TooLarge(cursor.0.len()))?;
    let sequence = txn.sequence();
    let named: String = source.chars().take(200).collect();
    for (number, text) in (0..).zip(pieces) {
        let (source, reread) = (named.clone(), reread.take());
        let part = CursorPart { text: text.to_owned(), parts, sequence, source, reread };
        txn.put(&CURSORS, &key(&prefix, number)[..], &part)?;
    }
    for number in parts..before {
        txn.remove(&CURSORS, &key(&prefix, number)[..]);
    }
    Ok(())
}

/// Adds to what is to be read again. `false` for a source that was never read.
pub(super) fn ask(txn: &mut Txn<'_>, source: &str, asked: Reread) -> Result<bool, StoreError> {
    change(txn, source, |before| Some(before.map_or(asked, |before| before.and(asked))))
}

/// It was read again; what was asked for meanwhile stays.
pub(super) fn done(txn: &mut Txn<'_>, source: &str, reread: Reread) -> Result<(), StoreError> {
    change(txn, source, |before| before.filter(|before| *before != reread)).map(drop)
}

fn change(
    txn: &mut Txn<'_>,
    source: &str,
    change: impl FnOnce(Option<Reread>) -> Option<Reread>,
) -> Result<bool, StoreError> {
    let key = key(&hashed(&[source]), 0);
    let Some(mut first) = txn.get(&CURSORS, &key[..])? else { return Ok(false) };
    first.reread = change(pending(Some(&first), txn.shared.loss().as_ref(), txn.now));
    first.sequence = txn.sequence();
    txn.put(&CURSORS, &key[..], &first)?;
    Ok(true)
}

fn key(prefix: &[u8], part: u32) -> Vec<u8> {
    [prefix, &part.to_be_bytes()].concat()
}

/// At least one piece, none longer than [`PART`] bytes.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > PART {
        let at = (0..=PART).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(PART);
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}
