//! Accounts, the links of places to them, and the codes that make links.

use super::{
    Store, StoreError,
    tree::bounded,
    trees::{ACCOUNTS, LINK_CODES, LINKS},
    txn::Txn,
};
use crate::model::{
    account::{Account, Link, LinkCode},
    ids::{AccountName, BotId, ChatId},
    place::Place,
};

impl Store {
    pub fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        self.read(|db| db.get(&ACCOUNTS, name))
    }

    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|db| db.scan(&ACCOUNTS, &[])?.map(|row| Ok(row?.1)).collect())
    }

    pub fn link(&self, place: &Place) -> Result<Option<Link>, StoreError> {
        self.read(|db| Ok(db.get(&LINKS, &by_place(place)[..])?.flatten()))
    }

    /// Oldest first.
    pub fn links_of(&self, account: &AccountName) -> Result<Vec<Link>, StoreError> {
        let mut links: Vec<Link> = self.read(|db| {
            let prefix = of_account(account);
            db.scan(&LINKS, &prefix)?.filter_map(|row| row.map(|(_, link)| link).transpose()).collect()
        })?;
        links.sort_by_key(|link| link.since);
        Ok(links)
    }

    /// Of all accounts, in the order of accounts, then oldest first.
    pub fn links(&self) -> Result<Vec<Link>, StoreError> {
        let mut links: Vec<Link> = self.read(|db| {
            db.scan(&LINKS, b"p")?.filter_map(|row| row.map(|(_, link)| link).transpose()).collect()
        })?;
        links.sort_by(|a, b| (&a.account, a.since).cmp(&(&b.account, b.since)));
        Ok(links)
    }

    pub fn link_code(&self, hash: &str) -> Result<Option<LinkCode>, StoreError> {
        self.read(|db| db.get(&LINK_CODES, hash))
    }
}

impl Txn<'_> {
    pub(super) fn put_link(&mut self, link: Link) -> Result<(), StoreError> {
        self.remove_link(&link.place)?;
        let link = Some(link);
        if let Some(Link { place, account, .. }) = &link {
            self.put(&LINKS, &by_place(place)[..], &link)?;
            self.put(&LINKS, &by_account(account, place)[..], &link)?;
        }
        Ok(())
    }

    pub(super) fn remove_link(&mut self, place: &Place) -> Result<(), StoreError> {
        if let Some(link) = self.get(&LINKS, &by_place(place)[..])?.flatten() {
            self.remove(&LINKS, &by_account(&link.account, place)[..]);
            self.remove(&LINKS, &by_place(place)[..]);
        }
        Ok(())
    }

    pub(super) fn move_link(&mut self, bot: BotId, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        let (from, to) = (Place::Chat { bot, chat: from }, Place::Chat { bot, chat: to });
        let Some(link) = self.get(&LINKS, &by_place(&from)[..])?.flatten() else { return Ok(()) };
        self.remove_link(&from)?;
        self.put_link(Link { place: to, ..link })
    }

    pub(super) fn spend_link_code(&mut self, hash: &str) -> Result<(), StoreError> {
        if self.get(&LINK_CODES, hash)?.is_none() {
            return Err(StoreError::Conflict("there is no such link code".into()));
        }
        self.remove(&LINK_CODES, hash);
        Ok(())
    }
}

fn by_place(place: &Place) -> Vec<u8> {
    bounded([b"p".to_vec(), place_bytes(place)].concat())
}

fn by_account(account: &AccountName, place: &Place) -> Vec<u8> {
    bounded([of_account(account), place_bytes(place)].concat())
}

fn of_account(account: &AccountName) -> Vec<u8> {
    [b"a", account.as_str().as_bytes(), &[0]].concat()
}

fn place_bytes(place: &Place) -> Vec<u8> {
    match place {
        Place::Chat { bot, chat } => {
            [b"c".to_vec(), bot.0.to_be_bytes().to_vec(), chat.0.to_be_bytes().to_vec()].concat()
        }
        Place::Mail { mailbox, address } => {
            [b"m", mailbox.as_str().as_bytes(), &[0], address.as_str().as_bytes()].concat()
        }
    }
}
