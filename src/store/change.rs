//! Changes of mappings, committed together with the operation that they follow from.

use crate::{
    model::{
        account::{Account, Link, LinkCode},
        conversation::{Conversation, ConversationChange},
        ids::{
            AccountName, ApiName, BotId, ChatId, ChatMessageId, ConversationId, MailAddress, MailId, TicketId,
        },
        place::Place,
    },
    runtime::clock::Timestamp,
    store::{
        Store, StoreError,
        rows::{Notice, TicketWatch},
        tree::hashed,
        trees::{ACCOUNTS, Empty, LINK_CODES, NOTICES, SEEN, SUPPRESSED},
        txn::Txn,
    },
};

/// What leads to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Ticket(ApiName, TicketId),
    /// A message in a chat that belongs to the conversation.
    ChatMessage(BotId, ChatId, ChatMessageId),
    /// A mail that the conversation received or sent; within one account, since
    /// many people may answer one newsletter.
    Mail(AccountName, MailId),
    /// Where a chat's plain messages go.
    Current(BotId, ChatId),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Conflict if the number is taken.
    NewConversation(Conversation),
    Conversation(ConversationId, ConversationChange),
    /// Only if absent (or already the same): Conflict otherwise.
    Bind(Key, ConversationId),
    /// In any case.
    Rebind(Key, ConversationId),
    Unbind(Key),
    Link(Link),
    Unlink(Place),
    LinkCode {
        hash: String,
        code: LinkCode,
    },
    /// Conflict if there is no such code.
    SpendLinkCode(String),
    Account(Account),
    RemoveAccount(AccountName),
    /// Remembered for ever (staff messages and files seen).
    Seen(String),
    Notice(String, Notice),
    Suppress(MailAddress, Timestamp),
    Watch(TicketWatch),
    Unwatch(ApiName, AccountName, TicketId),
    /// Every key, link and notice of the chat moves to its new number.
    ChatMoved {
        bot: BotId,
        from: ChatId,
        to: ChatId,
    },
}

impl Store {
    /// All of them or none.
    pub async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.commit(move |txn| txn.apply_all(changes)).await
    }
}

impl Txn<'_> {
    pub(super) fn apply_all(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        changes.into_iter().try_for_each(|change| self.apply(change))
    }

    fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::NewConversation(conversation) => self.new_conversation(conversation)?,
            Change::Conversation(id, change) => self.change_conversation(id, change)?,
            Change::Bind(key, id) => self.bind(&key, id)?,
            Change::Rebind(key, id) => self.rebind(&key, id)?,
            Change::Unbind(key) => self.unbind(&key),
            Change::Link(link) => self.put_link(link)?,
            Change::Unlink(place) => self.remove_link(&place)?,
            Change::LinkCode { hash, code } => self.put(&LINK_CODES, hash.as_str(), &code)?,
            Change::SpendLinkCode(hash) => self.spend_link_code(&hash)?,
            Change::Account(account) => self.put(&ACCOUNTS, &account.name, &account)?,
            Change::RemoveAccount(name) => self.remove(&ACCOUNTS, &name),
            Change::Seen(key) => self.put(&SEEN, &hashed(&[&key])[..], &Empty)?,
            Change::Notice(key, notice) => self.put(&NOTICES, key.as_str(), &notice)?,
            Change::Suppress(address, until) => self.put(&SUPPRESSED, &address, &until)?,
            Change::Watch(watch) => self.put_watch(&watch)?,
            Change::Unwatch(api, account, ticket) => self.remove_watch(&api, &account, &ticket),
            Change::ChatMoved { bot, from, to } => {
                self.move_chat_conversations(bot, from, to)?;
                self.move_link(bot, from, to)?;
                self.move_notices(bot, from, to)?;
            }
        }
        Ok(())
    }
}
