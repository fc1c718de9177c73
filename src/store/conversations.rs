//! Conversations, and what leads to them.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use super::{
    Store, StoreError,
    change::Key as Lead,
    tree::{LARGEST_VALUE, encode, hashed},
    trees::{CONVERSATION_KEYS, CONVERSATIONS},
    txn::Txn,
};
use crate::model::{
    conversation::{Conversation, ConversationChange},
    ids::{BotId, ChatId, ConversationId},
    place::Place,
};

/// Subjects are cut to this many characters when a row must become shorter.
const SHORT_SUBJECT: usize = 200;

impl Store {
    /// A number that no conversation has or will have.
    pub fn next_conversation(&self) -> ConversationId {
        ConversationId(self.shared().conversations.fetch_add(1, Ordering::AcqRel) + 1)
    }

    pub fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.read(|db| db.get(&CONVERSATIONS, &id))
    }

    /// The last active of all, at most so many, newest first; only those are held in memory.
    pub fn newest_conversations(&self, most: usize) -> Result<Vec<Conversation>, StoreError> {
        self.read(|db| newest(db.scan(&CONVERSATIONS, &[])?.map(|row| Ok(row?.1)), most))
    }

    /// The same of these.
    pub fn newest_of(&self, ids: &[ConversationId], most: usize) -> Result<Vec<Conversation>, StoreError> {
        self.read(|db| newest(ids.iter().filter_map(|id| db.get(&CONVERSATIONS, id).transpose()), most))
    }

    pub fn find(&self, key: &Lead) -> Result<Option<ConversationId>, StoreError> {
        self.read(|db| db.get(&CONVERSATION_KEYS, &lead(key)[..]))
    }
}

impl Txn<'_> {
    pub(super) fn new_conversation(&mut self, mut conversation: Conversation) -> Result<(), StoreError> {
        let id = conversation.id;
        if self.get(&CONVERSATIONS, &id)?.is_some() {
            return Err(StoreError::Conflict(format!("conversation {id} exists")));
        }
        self.conversation_exists(id.0);
        self.put_conversation(&mut conversation)
    }

    pub(super) fn change_conversation(
        &mut self,
        id: ConversationId,
        change: ConversationChange,
    ) -> Result<(), StoreError> {
        let Some(mut conversation) = self.get(&CONVERSATIONS, &id)? else {
            return Err(StoreError::Conflict(format!("there is no conversation {id}")));
        };
        conversation.apply(change);
        self.put_conversation(&mut conversation)
    }

    pub(super) fn bind(&mut self, key: &Lead, id: ConversationId) -> Result<(), StoreError> {
        match self.get(&CONVERSATION_KEYS, &lead(key)[..])? {
            Some(bound) if bound != id => {
                Err(StoreError::Conflict(format!("{key:?} leads to conversation {bound}")))
            }
            Some(_) => Ok(()),
            None => self.rebind(key, id),
        }
    }

    pub(super) fn rebind(&mut self, key: &Lead, id: ConversationId) -> Result<(), StoreError> {
        self.put(&CONVERSATION_KEYS, &lead(key)[..], &id)
    }

    pub(super) fn unbind(&mut self, key: &Lead) {
        self.remove(&CONVERSATION_KEYS, &lead(key)[..]);
    }

    /// The keys of a chat and the places of the conversations that they lead to.
    pub(super) fn move_chat_conversations(
        &mut self,
        bot: BotId,
        from: ChatId,
        to: ChatId,
    ) -> Result<(), StoreError> {
        let old = of_chat(bot, from);
        let mut found = std::collections::BTreeSet::new();
        for (key, id) in self.scan(&CONVERSATION_KEYS, &old)? {
            let new = [&of_chat(bot, to)[..], key.get(old.len()..).unwrap_or_default()].concat();
            self.remove(&CONVERSATION_KEYS, &key[..]);
            self.put(&CONVERSATION_KEYS, &new[..], &id)?;
            found.insert(id);
        }
        let (before, after) = (Place::Chat { bot, chat: from }, Place::Chat { bot, chat: to });
        for id in found {
            let Some(mut conversation) = self.get(&CONVERSATIONS, &id)? else { continue };
            let places = conversation.founder.iter_mut().chain(&mut conversation.last_writer);
            for place in places.chain(&mut conversation.quiet).filter(|place| **place == before) {
                *place = after.clone();
            }
            self.put_conversation(&mut conversation)?;
        }
        Ok(())
    }

    /// However long the ids and addresses that people send, the row stays short enough:
    /// the oldest but the first are forgotten.
    fn put_conversation(&mut self, conversation: &mut Conversation) -> Result<(), StoreError> {
        while encode(conversation)?.len() > LARGEST_VALUE {
            let lists =
                [&conversation.mails.len(), &conversation.participants.len(), &conversation.quiet.len()]
                    .map(|length| *length);
            if lists.iter().max().is_some_and(|longest| *longest > 1) {
                drop_one(conversation, lists);
            } else if conversation.subject.chars().count() > SHORT_SUBJECT {
                conversation.subject = conversation.subject.chars().take(SHORT_SUBJECT).collect();
            } else {
                break;
            }
        }
        self.put(&CONVERSATIONS, &conversation.id.clone(), conversation)
    }
}

fn newest(
    all: impl Iterator<Item = Result<Conversation, StoreError>>,
    most: usize,
) -> Result<Vec<Conversation>, StoreError> {
    let mut newest = BTreeMap::new();
    for conversation in all {
        let conversation = conversation?;
        newest.insert((conversation.active, conversation.id), conversation);
        if newest.len() > most {
            newest.pop_first();
        }
    }
    Ok(newest.into_values().rev().collect())
}

fn drop_one(conversation: &mut Conversation, [mails, participants, quiet]: [usize; 3]) {
    let long_mail = conversation.mails.iter().map(|mail| mail.as_str().len()).sum::<usize>();
    let long_participants = conversation.participants.iter().map(|a| a.as_str().len()).sum::<usize>();
    if mails > 1 && (long_mail >= long_participants || participants < 2) {
        conversation.mails.remove(1);
    } else if participants > 1 {
        conversation.participants.remove(1);
    } else if quiet > 1 {
        conversation.quiet.remove(1);
    }
}

/// A chat's keys lie side by side, so that they can move together.
fn lead(key: &Lead) -> Vec<u8> {
    match key {
        Lead::Ticket(api, ticket) => [b"t".to_vec(), hashed(&[api.as_str(), ticket.as_str()])].concat(),
        Lead::Mail(account, mail) => [b"m".to_vec(), hashed(&[account.as_str(), mail.as_str()])].concat(),
        Lead::ChatMessage(bot, chat, message) => {
            [of_chat(*bot, *chat), b"m".to_vec(), message.0.to_be_bytes().to_vec()].concat()
        }
        Lead::Current(bot, chat) => [of_chat(*bot, *chat), b"c".to_vec()].concat(),
    }
}

fn of_chat(bot: BotId, chat: ChatId) -> Vec<u8> {
    [b"c".to_vec(), bot.0.to_be_bytes().to_vec(), chat.0.to_be_bytes().to_vec()].concat()
}
