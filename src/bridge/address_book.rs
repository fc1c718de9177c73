//! Which account an address belongs to: the exact address before its whole domain.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::{
    model::{
        account::Account,
        ids::{AccountName, MailAddress},
    },
    store::{Store, StoreError},
};

/// Kept in memory, since every mail asks; read anew whenever an account comes or goes.
#[derive(Default)]
pub struct AddressBook(RwLock<HashMap<String, AccountName>>);

impl AddressBook {
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let book = Self::default();
        book.reload(store)?;
        Ok(book)
    }

    pub fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let entries = entries(&store.accounts()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries;
        Ok(())
    }

    pub fn account_of(&self, address: &MailAddress) -> Option<AccountName> {
        let book = self.0.read().unwrap_or_else(PoisonError::into_inner);
        book.get(address.as_str()).or_else(|| book.get(&format!("*@{}", address.domain()))).cloned()
    }
}

/// Of two accounts that claim the same address the first by name has it, at every start.
fn entries(accounts: &[Account]) -> HashMap<String, AccountName> {
    let mut entries: HashMap<String, AccountName> = HashMap::new();
    for account in accounts {
        for pattern in &account.emails {
            let owner = entries.entry(pattern.to_lowercase()).or_insert_with(|| account.name.clone());
            if account.name < *owner {
                *owner = account.name.clone();
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::ApiName;

    fn account(name: &str, emails: &[&str]) -> Account {
        Account {
            name: AccountName::new(name),
            api: ApiName::new("desk"),
            remote: "1".into(),
            emails: emails.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn an_exact_address_wins_over_its_domain_and_a_subdomain_is_another() {
        let accounts = [account("acme", &["*@Acme.example"]), account("boss", &["boss@acme.example"])];
        let book = AddressBook(RwLock::new(entries(&accounts)));
        let of = |address: &str| book.account_of(&MailAddress::new(address)).map(|name| name.to_string());
        assert_eq!(of("Ann@ACME.example").as_deref(), Some("acme"));
        assert_eq!(of("boss@acme.example").as_deref(), Some("boss"));
        assert_eq!(of("ann@mail.acme.example"), None);
        assert_eq!(of("acme.example"), None);
    }
}
