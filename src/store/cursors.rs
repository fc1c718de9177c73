//! How far each source has been read.

use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    tree::{Db, hashed},
    trees::CURSORS,
    txn::Txn,
};
use crate::model::cursor::Cursor;

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
}

/// The cursor, and the transaction that wrote it.
pub(super) fn read(db: &Db, source: &str) -> Result<Option<(Cursor, u64)>, StoreError> {
    let mut text = String::new();
    let mut sequence = None;
    for row in db.scan(&CURSORS, &hashed(&[source]))? {
        let (_, part) = row?;
        text.push_str(&part.text);
        sequence = Some(part.sequence);
    }
    Ok(sequence.map(|sequence| (Cursor(text), sequence)))
}

pub(super) fn write(txn: &mut Txn<'_>, source: &str, cursor: &Cursor) -> Result<(), StoreError> {
    let prefix = hashed(&[source]);
    let pieces = pieces(&cursor.0);
    let before = txn.get(&CURSORS, &key(&prefix, 0)[..])?.map_or(0, |part| part.parts);
    let parts = u32::try_from(pieces.len()).map_err(|_| StoreError::TooLarge(cursor.0.len()))?;
    let sequence = txn.sequence();
    let named: String = source.chars().take(200).collect();
    for (number, text) in (0..).zip(pieces) {
        let part = CursorPart { text: text.to_owned(), parts, sequence, source: named.clone() };
        txn.put(&CURSORS, &key(&prefix, number)[..], &part)?;
    }
    for number in parts..before {
        txn.remove(&CURSORS, &key(&prefix, number)[..]);
    }
    Ok(())
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
