//! Everything that the bridge's parts share: the store, the ports, the rules.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use crate::{
    bridge::{address_book::AddressBook, circuit::Circuits, hints::Hints, keys::KeyBook},
    channel::Channel,
    config::{
        Limits, Timing,
        mailbox::{NewTickets, Receipt, Unverified},
        ticket_api::PanelUrl,
    },
    model::{
        ids::{AccountName, ApiName, BotId, ChatId, MailAddress, MailboxName, TicketId},
        place::Place,
        sealed::SealingKey,
        secret::InstanceSecret,
    },
    runtime::{
        clock::{Clock, Timestamp},
        secret::Secret,
    },
    spool::Spool,
    store::Store,
    text::templates::Templates,
    ticket_api::{Reopen, TicketApi},
};

/// Cheap to clone: an `Arc` of what never changes while the bridge runs.
#[derive(Clone)]
pub struct Bridge(Arc<Parts>);

pub struct Parts {
    pub store: Store,
    pub spool: Spool,
    pub secret: InstanceSecret,
    pub clock: Clock,
    pub templates: Templates,
    pub apis: HashMap<ApiName, Api>,
    pub telegram: Option<Telegram>,
    pub mailboxes: HashMap<MailboxName, Mailbox>,
    /// What `bot.toml` says of accounts beside what the store keeps.
    pub accounts: HashMap<AccountName, AccountRules>,
    pub addresses: AddressBook,
    /// What opens the keys of accounts that were added while running; from `secret_key`.
    pub sealing: Option<SealingKey>,
    pub hints: Hints,
    pub language: String,
    pub timing: Timing,
    pub limits: Limits,
    pub circuits: Circuits,
}

/// One ticket API with what the bridge must know beside its port.
pub struct Api {
    pub port: Arc<dyn TicketApi>,
    pub settle: std::time::Duration,
    /// How often tickets with recent activity are looked at.
    pub poll: std::time::Duration,
    /// Where a person sees a ticket.
    pub panel: Option<PanelUrl>,
    /// Where a key is an account; nothing where requests name theirs, so that many may share one.
    pub keys: Option<KeyBook>,
}

pub struct Telegram {
    pub channel: Arc<dyn Channel>,
    pub bot: BotId,
    /// For deep links; known once Telegram has been reached.
    pub username: Arc<OnceLock<String>>,
    pub admin_chat: Option<ChatId>,
    /// The account that takes chats nobody linked.
    pub unlinked: Option<AccountName>,
}

pub struct Mailbox {
    pub channel: Arc<dyn Channel>,
    /// Our own address; never a participant.
    pub address: MailAddress,
    /// The name that its mails are signed with.
    pub sender: String,
    /// The account that all its mail belongs to, or nothing to go by sender.
    pub account: Option<AccountName>,
    pub new_tickets: NewTickets,
    pub unverified: Unverified,
    pub receipt: Receipt,
    pub admin_chat: Option<ChatId>,
}

#[derive(Clone, Default)]
pub struct AccountRules {
    pub key: Option<Secret>,
    pub admin_chat: Option<ChatId>,
    pub topic: Option<String>,
    pub property: Option<String>,
}

impl std::ops::Deref for Bridge {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Bridge {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Parts {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The way out to a place.
    pub fn channel(&self, place: &Place) -> Option<&Arc<dyn Channel>> {
        match place {
            Place::Chat { .. } => self.telegram.as_ref().map(|telegram| &telegram.channel),
            Place::Mail { mailbox, .. } => self.mailboxes.get(mailbox).map(|mailbox| &mailbox.channel),
        }
    }

    /// The admin group for matters of an account, or of a mailbox, or in general.
    pub fn admin_chat(&self, account: Option<&AccountName>, mailbox: Option<&MailboxName>) -> Option<Place> {
        let telegram = self.telegram.as_ref()?;
        let of_account = account.and_then(|name| self.accounts.get(name)).and_then(|rules| rules.admin_chat);
        let of_mailbox =
            mailbox.and_then(|name| self.mailboxes.get(name)).and_then(|mailbox| mailbox.admin_chat);
        let chat = of_account.or(of_mailbox).or(telegram.admin_chat)?;
        Some(Place::Chat { bot: telegram.bot, chat })
    }

    /// Whether a chat is one that admins are told in.
    pub fn is_admin_chat(&self, chat: ChatId) -> bool {
        self.telegram.as_ref().is_some_and(|telegram| telegram.admin_chat == Some(chat))
            || self.accounts.values().any(|rules| rules.admin_chat == Some(chat))
            || self.mailboxes.values().any(|mailbox| mailbox.admin_chat == Some(chat))
    }

    /// The account that an address belongs to.
    pub fn account_of_address(&self, address: &MailAddress) -> Option<AccountName> {
        self.addresses.account_of(address)
    }

    /// Whether what is closed there can be opened again by a call.
    pub fn reopens(&self, api: &ApiName) -> bool {
        self.apis.get(api).is_some_and(|api| api.port.capabilities().reopen == Reopen::Call)
    }

    /// The ticket's page for people.
    pub fn panel_url(&self, api: &ApiName, remote: &str, ticket: &TicketId) -> Option<String> {
        self.apis.get(api)?.panel.as_ref().map(|panel| panel.of(remote, ticket))
    }
}
