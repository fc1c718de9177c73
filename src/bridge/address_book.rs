//! Which account an address belongs to, the exact address before its whole domain; and which one has an id at
//! its ticket API.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{
    model::{
        account::Account,
        ids::{AccountName, ApiName, MailAddress},
    },
    store::{Store, StoreError},
};

/// Kept in memory, since every mail and every hint asks; some 300 bytes for an account.
#[derive(Default)]
pub struct AddressBook(RwLock<Entries>);

/// Of several accounts that claim the same the first by name has it, at every start.
#[derive(Default)]
struct Entries {
    addresses: HashMap<String, Vec<AccountName>>,
    remotes: HashMap<(ApiName, String), Vec<AccountName>>,
}

impl AddressBook {
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let book = Self::default();
        book.reload(store)?;
        Ok(book)
    }

    pub fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let mut entries = Entries::default();
        store.accounts()?.iter().for_each(|account| entries.add(account));
        *self.write() = entries;
        Ok(())
    }

    /// An account has come, or is another than it was `before`.
    pub fn put(&self, before: Option<&Account>, account: &Account) {
        let mut entries = self.write();
        before.into_iter().for_each(|before| entries.remove(before));
        entries.add(account);
    }

    pub fn remove(&self, account: &Account) {
        self.write().remove(account);
    }

    pub fn account_of(&self, address: &MailAddress) -> Option<AccountName> {
        let entries = self.read();
        let exact = entries.addresses.get(address.as_str());
        let owners = exact.or_else(|| entries.addresses.get(&format!("*@{}", address.domain())))?;
        owners.first().cloned()
    }

    /// Who has exactly this address, or this `*@` and a domain.
    pub fn owner(&self, pattern: &str) -> Option<AccountName> {
        self.read().addresses.get(&pattern.to_lowercase())?.first().cloned()
    }

    pub fn account_of_remote(&self, api: &ApiName, remote: &str) -> Option<AccountName> {
        self.read().remotes.get(&(api.clone(), remote.to_owned()))?.first().cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn add(&mut self, account: &Account) {
        for pattern in &account.emails {
            claim(self.addresses.entry(pattern.to_lowercase()).or_default(), &account.name);
        }
        let remote = (account.api.clone(), account.remote.clone());
        claim(self.remotes.entry(remote).or_default(), &account.name);
    }

    fn remove(&mut self, account: &Account) {
        for pattern in &account.emails {
            disclaim(&mut self.addresses, &pattern.to_lowercase(), &account.name);
        }
        disclaim(&mut self.remotes, &(account.api.clone(), account.remote.clone()), &account.name);
    }
}

fn claim(owners: &mut Vec<AccountName>, name: &AccountName) {
    if let Err(at) = owners.binary_search(name) {
        owners.reserve_exact(1);
        owners.insert(at, name.clone());
    }
}

fn disclaim<K: std::hash::Hash + Eq>(
    claims: &mut HashMap<K, Vec<AccountName>>,
    what: &K,
    name: &AccountName,
) {
    let Some(owners) = claims.get_mut(what) else { return };
    owners.retain(|owner| owner != name);
    if owners.is_empty() {
        claims.remove(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn account(name: &str, emails: &[&str]) -> Account {
        Account {
            name: AccountName::new(name),
            api: ApiName::new("desk"),
            remote: "1".into(),
            emails: emails.iter().map(ToString::to_string).collect(),
            key: None,
        }
    }

    #[test]
    fn an_exact_address_wins_over_its_domain_and_a_subdomain_is_another() {
        let accounts = [account("acme", &["*@Acme.example"]), account("boss", &["boss@acme.example"])];
        let book = AddressBook::default();
        accounts.iter().for_each(|account| book.put(None, account));
        let of = |address: &str| book.account_of(&MailAddress::new(address)).map(|name| name.to_string());
        assert_eq!(of("Ann@ACME.example").as_deref(), Some("acme"));
        assert_eq!(of("boss@acme.example").as_deref(), Some("boss"));
        assert_eq!(of("ann@mail.acme.example"), None);
        assert_eq!(of("acme.example"), None);
    }

    #[test]
    fn of_two_that_claim_the_same_the_first_has_it_and_then_the_other() {
        let (zeta, acme) = (account("zeta", &["a@b.example"]), account("acme", &["A@b.example"]));
        let book = AddressBook::default();
        book.put(None, &zeta);
        book.put(None, &acme);
        let owner = || book.owner("a@B.example").map(|name| name.to_string());
        let remote = || book.account_of_remote(&ApiName::new("desk"), "1").map(|name| name.to_string());
        assert_eq!((owner().as_deref(), remote().as_deref()), (Some("acme"), Some("acme")));
        book.put(Some(&acme), &account("acme", &["c@d.example"]));
        assert_eq!((owner().as_deref(), remote().as_deref()), (Some("zeta"), Some("acme")));
        book.remove(&zeta);
        assert_eq!(owner(), None);
    }
}
