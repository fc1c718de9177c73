//! A sum over all rows, kept with each commit: a row that is lost, or fell back to
//! an older value, is noticed when the store is opened.

use super::{
    StoreError,
    committer::LAST_KEY,
    tree::{Db, Key},
    trees::LAST,
};

/// Not a cryptographic hash: it stands against damage, not against people.
pub(super) fn of_row(tree: usize, key: &[u8], value: &[u8]) -> u64 {
    let begin = mix(0x9e37_79b9_7f4a_7c15, tree as u64);
    hash(hash(begin, key), value)
}

/// Reads every row, which also finds pages that cannot be read.
pub(super) fn of_all(db: &Db) -> Result<u64, StoreError> {
    let mut sum = 0u64;
    for tree in 0..db.trees.len() {
        for row in db.scan_bytes(tree, &[])? {
            let (key, value) = row?;
            if tree != LAST.index || key != LAST_KEY.row_key() {
                sum = sum.wrapping_add(of_row(tree, &key, &value));
            }
        }
    }
    Ok(sum)
}

fn hash(mut state: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(mix(state, u64::from_le_bytes(last)), bytes.len() as u64)
}

fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * 0xd6e8_feb8_6659_fd93_u128;
    let [high, low] = [(product >> 64) as u64, product as u64];
    (high ^ low).wrapping_add(0xa076_1d64_78bd_642f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_and_where_it_stands() {
        let rows = [
            of_row(1, b"key", b"value"),
            of_row(2, b"key", b"value"),
            of_row(1, b"keyv", b"alue"),
            of_row(1, b"key", b"valuf"),
            of_row(1, b"key", b"value\0"),
            of_row(1, b"", b""),
        ];
        for (at, row) in rows.iter().enumerate() {
            assert!(!rows[..at].contains(row), "{at}");
        }
    }
}
