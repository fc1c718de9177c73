//! Keys of accounts at rest: encrypted under a key that stands outside the store.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::ids::AccountName;
use crate::runtime::secret::Secret;

/// Keeps this use of the operator's key apart from any other.
const PURPOSE: &[u8] = b"ticket-bridge/account-keys/1";
/// The first byte of what is sealed: XChaCha20-Poly1305, whose 24 bytes of nonce may be random
/// (draft-irtf-cfrg-xchacha-03 §3.1).
const XCHACHA: u8 = 1;
const NONCE: usize = 24;

/// What the keys of accounts are sealed with; derived from `secret_key`.
#[derive(Clone)]
pub struct SealingKey(XChaCha20Poly1305);

/// An account's key as it may be stored and exported: base64 of a version, the nonce and the ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// It was sealed with another key, for another account, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot be opened: it was sealed with another secret_key, or is damaged")]
pub struct NotOpened;

impl SealingKey {
    pub fn new(secret_key: &Secret) -> Self {
        Self(XChaCha20Poly1305::new(&derived(secret_key).into()))
    }

    /// Two seals of one word differ, and each opens for its account only.
    #[expect(clippy::expect_used, reason = "it fails only beyond 256 GiB (RFC 8439 §2.8)")]
    pub fn seal(&self, account: &AccountName, word: &Secret) -> Sealed {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: word.expose().as_bytes(), aad: account.as_str().as_bytes() };
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload).expect("a short word");
        Sealed(BASE64.encode(&[&[XCHACHA], &nonce[..], &sealed].concat()))
    }

    pub fn open(&self, account: &AccountName, sealed: &Sealed) -> Result<Secret, NotOpened> {
        let bytes = BASE64.decode(sealed.0.as_bytes()).map_err(|_| NotOpened)?;
        let (&XCHACHA, rest) = bytes.split_first().ok_or(NotOpened)? else { return Err(NotOpened) };
        let (nonce, msg) = rest.split_at_checked(NONCE).ok_or(NotOpened)?;
        let payload = Payload { msg, aad: account.as_str().as_bytes() };
        let word = self.0.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| NotOpened)?;
        String::from_utf8(word).map(Secret::new).map_err(|_| NotOpened)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
fn derived(secret_key: &Secret) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret_key.expose().as_bytes()).expect("any length");
    mac.update(PURPOSE);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(word: &str) -> SealingKey {
        SealingKey::new(&Secret::new(word))
    }

    #[test]
    fn a_word_opens_for_its_account_under_its_key_and_for_nobody_else() {
        let (acme, zeta, word) = (AccountName::new("acme"), AccountName::new("zeta"), Secret::new("pdm_x"));
        let sealed = key("one").seal(&acme, &word);
        assert_eq!(key("one").open(&acme, &sealed), Ok(word.clone()));
        assert_eq!(key("one").open(&zeta, &sealed), Err(NotOpened));
        assert_eq!(key("two").open(&acme, &sealed), Err(NotOpened));
        assert_ne!(key("one").seal(&acme, &word), sealed, "equal words look different");
    }

    #[test]
    fn what_is_damaged_does_not_open() {
        let acme = AccountName::new("acme");
        let Sealed(text) = key("one").seal(&acme, &Secret::new("pdm_x"));
        let whole = BASE64.decode(text.as_bytes()).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(key("one").open(&acme, &Sealed(BASE64.encode(&damaged))), Err(NotOpened), "{at}");
            let cut = Sealed(BASE64.encode(&whole[..at]));
            assert_eq!(key("one").open(&acme, &cut), Err(NotOpened), "{at}");
        }
        assert_eq!(key("one").open(&acme, &Sealed("no base64!".into())), Err(NotOpened));
    }

    #[test]
    fn neither_the_word_nor_the_key_can_be_printed() {
        let sealed = key("one").seal(&AccountName::new("acme"), &Secret::new("pdm_x"));
        let printed = format!("{:?} {sealed:?} {}", key("one"), serde_json::json!(sealed));
        assert!(!printed.contains("pdm_x") && !printed.contains("one"), "{printed}");
    }
}
