//! With which key an account acts; and where a key is an account, that no two act with the same.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    bridge::context::Parts,
    model::{account::Account, ids::AccountName, sealed::NotOpened},
    runtime::secret::Secret,
    store::StoreError,
    ticket_api::Access,
};

/// Who has which key at one ticket API where no request names an account: two with one key would see each
/// other's tickets. Some 200 bytes for an account.
pub struct KeyBook {
    pepper: [u8; 32],
    /// That of accounts without an own key.
    common: Option<Tag>,
    entries: RwLock<Entries>,
}

/// A key as the book knows it: a hash under a random word of this process, so that neither memory nor the time
/// of a comparison tells anything of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

/// Of several that have the same key the first that came acts with it.
#[derive(Default)]
struct Entries {
    owners: HashMap<Tag, Vec<AccountName>>,
    tags: HashMap<AccountName, Tag>,
}

/// Why an account has no key to act with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    #[error(
        "its own key is sealed, and secret_key is not set in bot.toml; set the one it was sealed with, or give the \
         account its key again"
    )]
    NoSecretKey,
    #[error(
        "its own key does not open with this secret_key; set the one it was sealed with, or give the account its \
         key again"
    )]
    OtherSecretKey,
    #[error(
        "it has the key of another account, which is one and the same account at this ticket system; give it its own"
    )]
    Anothers,
}

// === impl KeyBook ===

impl KeyBook {
    /// `common` is the key of accounts without an own one.
    pub fn new(common: Option<&Secret>) -> Self {
        let pepper = rand::random();
        Self { pepper, common: common.map(|key| tag(&pepper, key)), entries: RwLock::default() }
    }

    fn put(&self, account: &AccountName, own: Option<&Secret>) {
        let tag = self.tag(own);
        let mut entries = self.write();
        entries.remove(account);
        if let Some(tag) = tag {
            entries.owners.entry(tag).or_default().push(account.clone());
            entries.tags.insert(account.clone(), tag);
        }
    }

    fn tag(&self, own: Option<&Secret>) -> Option<Tag> {
        own.map(|key| tag(&self.pepper, key)).or(self.common)
    }

    fn owner(&self, tag: Tag) -> Option<AccountName> {
        self.read().owners.get(&tag)?.first().cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remove(&mut self, account: &AccountName) {
        let Some(tag) = self.tags.remove(account) else { return };
        let Some(owners) = self.owners.get_mut(&tag) else { return };
        owners.retain(|owner| owner != account);
        if owners.is_empty() {
            self.owners.remove(&tag);
        }
    }
}

// === impl Parts ===

impl Parts {
    /// How to act for an account at its API. One that has no key to act with is stopped by its circuit, and
    /// never acts with the API's common key instead.
    pub fn access(&self, account: &Account) -> Access {
        let key = match self.own_key(account) {
            Ok(key) => {
                self.circuits.go_on(&account.api, &account.name);
                key
            }
            Err(why) => {
                self.circuits.stop(&account.api, &account.name, &why.to_string(), self.now());
                Some(Secret::new(String::new()))
            }
        };
        Access { remote: account.remote.clone(), key }
    }

    /// The account's own key, if it has one: the one in `bot.toml` before the sealed one.
    pub fn own_key(&self, account: &Account) -> Result<Option<Secret>, NoKey> {
        let key = self.given_key(account)?;
        let book = self.key_book(account);
        let owner = book.and_then(|book| book.owner(book.tag(key.as_ref())?));
        if owner.is_some_and(|owner| owner != account.name) { Err(NoKey::Anothers) } else { Ok(key) }
    }

    /// Learns the keys of all accounts. Those of `bot.toml` have theirs before others that share them, and
    /// whoever has none to act with is stopped before anybody asks.
    pub fn know_keys(&self) -> Result<(), StoreError> {
        let accounts = self.store.accounts()?;
        let (configured, others): (Vec<_>, Vec<_>) =
            accounts.iter().partition(|account| self.accounts.contains_key(&account.name));
        configured.into_iter().chain(others).for_each(|account| self.know_key(None, account));
        for account in accounts.iter().filter(|account| self.own_key(account).is_err()) {
            tracing::warn!(api = %account.api, account = %account.name, "An account without a key is stopped.");
            self.access(account);
        }
        Ok(())
    }

    /// An account has come, or is another than it was `before`.
    pub fn know_key(&self, before: Option<&Account>, account: &Account) {
        before.into_iter().for_each(|before| self.forget_key(before));
        if let (Some(book), Ok(key)) = (self.key_book(account), self.given_key(account)) {
            book.put(&account.name, key.as_ref());
        }
    }

    pub fn forget_key(&self, account: &Account) {
        if let Some(book) = self.key_book(account) {
            book.write().remove(&account.name);
        }
    }

    /// What the account would be known by, where that must be its alone; and who else has it already.
    pub fn key_of_its_own(&self, account: &Account) -> Option<(Tag, Option<AccountName>)> {
        let book = self.key_book(account)?;
        let tag = book.tag(self.given_key(account).ok()?.as_ref())?;
        Some((tag, book.owner(tag).filter(|owner| *owner != account.name)))
    }

    fn given_key(&self, account: &Account) -> Result<Option<Secret>, NoKey> {
        let configured = self.accounts.get(&account.name).and_then(|rules| rules.key.clone());
        let (None, Some(sealed)) = (&configured, &account.key) else { return Ok(configured) };
        let sealing = self.sealing.as_ref().ok_or(NoKey::NoSecretKey)?;
        sealing.open(&account.name, sealed).map(Some).map_err(|NotOpened| NoKey::OtherSecretKey)
    }

    fn key_book(&self, account: &Account) -> Option<&KeyBook> {
        self.apis.get(&account.api)?.keys.as_ref()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
fn tag(pepper: &[u8; 32], key: &Secret) -> Tag {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(pepper).expect("any length");
    mac.update(key.expose().as_bytes());
    Tag(mac.finalize().into_bytes().into())
}
