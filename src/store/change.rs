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
    store::rows::{Notice, TicketWatch},
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
