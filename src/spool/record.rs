//! A record's header: how long it is, when it was written, whether it lives, and its checksum.

use sha2::{Digest, Sha256};

use crate::runtime::clock::Timestamp;

pub(super) const HEADER: usize = 40;
const MAGIC: &[u8; 4] = b"tbS1";
/// Where in the header stands whether the record lives.
pub(super) const STATE_AT: u64 = 4;
pub(super) const LIVE: u8 = b'L';
pub(super) const DEAD: u8 = b'D';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) live: bool,
    pub(super) length: u64,
    pub(super) written: Timestamp,
    pub(super) sum: [u8; 16],
}

/// Bytes that a blob of this length takes in a segment.
pub(super) fn footprint(length: usize) -> u64 {
    (HEADER + length) as u64
}

pub(super) fn sum_of(bytes: &[u8]) -> [u8; 16] {
    shorten(Sha256::digest(bytes).into())
}

pub(super) fn shorten(digest: [u8; 32]) -> [u8; 16] {
    let [sum @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
    sum
}

/// The piece of the checksum that stands in the blob's name.
pub(super) fn short_sum(sum: [u8; 16]) -> u32 {
    let [a, b, c, d, ..] = sum;
    u32::from_be_bytes([a, b, c, d])
}

impl Header {
    pub(super) fn print(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts = MAGIC
            .iter()
            .copied()
            .chain([if self.live { LIVE } else { DEAD }, 0, 0, 0])
            .chain(self.length.to_be_bytes())
            .chain(self.written.as_millis().to_be_bytes())
            .chain(self.sum);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = part;
        }
        bytes
    }

    pub(super) fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (state, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (written, rest) = rest.split_first_chunk::<8>()?;
        let (sum, _) = rest.split_first_chunk::<16>()?;
        let live = match state.first() {
            Some(&LIVE) => true,
            Some(&DEAD) => false,
            _ => return None,
        };
        (magic == MAGIC).then_some(Self {
            live,
            length: u64::from_be_bytes(*length),
            written: Timestamp::from_millis(i64::from_be_bytes(*written)),
            sum: *sum,
        })
    }
}
