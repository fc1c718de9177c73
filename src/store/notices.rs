//! What was last said to whom, addresses that bounced, and tickets that are looked at.

use super::{
    Store, StoreError,
    rows::{Notice, TicketWatch},
    tree::{bounded, hashed},
    trees::{NOTICES, SUPPRESSED, WATCHES},
    txn::Txn,
};
use crate::{
    model::ids::{AccountName, ApiName, BotId, ChatId, MailAddress, TicketId},
    runtime::clock::Timestamp,
};

impl Store {
    pub fn notice(&self, key: &str) -> Result<Option<Notice>, StoreError> {
        self.read(|db| db.get(&NOTICES, key))
    }

    pub fn suppressed(&self, address: &MailAddress) -> Result<Option<Timestamp>, StoreError> {
        self.read(|db| db.get(&SUPPRESSED, address))
    }

    /// Every ticket that is looked at, of one account.
    pub fn watches(&self, api: &ApiName, account: &AccountName) -> Result<Vec<TicketWatch>, StoreError> {
        self.read(|db| db.scan(&WATCHES, &of_account(api, account))?.map(|row| Ok(row?.1)).collect())
    }
}

impl Txn<'_> {
    pub(super) fn put_watch(&mut self, watch: &TicketWatch) -> Result<(), StoreError> {
        self.put(&WATCHES, &watch_key(&watch.api, &watch.account, &watch.ticket)[..], watch)
    }

    pub(super) fn remove_watch(&mut self, api: &ApiName, account: &AccountName, ticket: &TicketId) {
        self.remove(&WATCHES, &watch_key(api, account, ticket)[..]);
    }

    /// Notices whose key has `bot/chat` among its parts between slashes.
    pub(super) fn move_notices(&mut self, bot: BotId, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        for (key, notice) in self.scan(&NOTICES, &[])? {
            let Ok(key) = String::from_utf8(key) else { continue };
            let moved = moved(&key, &format!("{bot}/{from}"), &format!("{bot}/{to}"));
            if let Some(moved) = moved {
                self.remove(&NOTICES, key.as_str());
                self.put(&NOTICES, moved.as_str(), &notice)?;
            }
        }
        Ok(())
    }
}

/// The key with the whole parts `from` replaced.
fn moved(key: &str, from: &str, to: &str) -> Option<String> {
    let framed = format!("/{key}/");
    let (from, to) = (format!("/{from}/"), format!("/{to}/"));
    let moved = framed.contains(&from).then(|| framed.replace(&from, &to))?;
    moved.strip_prefix('/')?.strip_suffix('/').map(str::to_owned)
}

fn watch_key(api: &ApiName, account: &AccountName, ticket: &TicketId) -> Vec<u8> {
    bounded([of_account(api, account), ticket.as_str().as_bytes().to_vec()].concat())
}

fn of_account(api: &ApiName, account: &AccountName) -> Vec<u8> {
    hashed(&[api.as_str(), account.as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_parts_of_a_notices_key_move() {
        assert_eq!(moved("link/7/-5", "7/-5", "7/-100"), Some("link/7/-100".into()));
        assert_eq!(moved("7/-5/x", "7/-5", "7/-100"), Some("7/-100/x".into()));
        assert_eq!(moved("link/7/-55", "7/-5", "7/-100"), None);
        assert_eq!(moved("link/17/-5", "7/-5", "7/-100"), None);
    }
}
