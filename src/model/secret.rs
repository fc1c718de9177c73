//! The instance secret: what signs markers, thread tokens and buttons.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// 256 bits made at the first start, and the ones they replaced if any.
#[derive(Clone)]
pub struct InstanceSecret {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

impl InstanceSecret {
    pub fn new(current: [u8; 32], previous: Option<[u8; 32]>) -> Self {
        Self { current, previous }
    }

    /// HMAC-SHA256 under the current secret; `purpose` keeps the uses apart.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.current, purpose, message)
    }

    /// Whether `tag` is the beginning (at least ten bytes) of a signature under
    /// the current or the previous secret; compared in constant time.
    pub fn verifies(&self, purpose: &str, message: &[u8], tag: &[u8]) -> bool {
        tag.len() >= 10
            && std::iter::once(&self.current).chain(&self.previous).any(|secret| {
                let whole = hmac_sha256(secret, purpose, message);
                whole.get(..tag.len()).is_some_and(|part| subtle::ConstantTimeEq::ct_eq(part, tag).into())
            })
    }

    /// The bytes, for the secret's own file and backups.
    pub fn expose(&self) -> (&[u8; 32], Option<&[u8; 32]>) {
        (&self.current, self.previous.as_ref())
    }
}

impl fmt::Debug for InstanceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
fn hmac_sha256(key: &[u8; 32], purpose: &str, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(message);
    mac.finalize().into_bytes().into()
}
