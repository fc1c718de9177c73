//! What is in trouble now: sources, circuits, the store, a queue that does not move.

use std::time::Duration;

use crate::{
    bridge::{
        circuit::{Guarded, Trouble},
        context::Bridge,
        sources::Watched,
    },
    model::ids::{AccountName, MailboxName},
    runtime::clock::Timestamp,
    store::rows::Health,
};

pub(super) const STORE: &str = "store";
pub(super) const QUEUE: &str = "queue";

/// One thing that is in trouble now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    pub(super) key: String,
    pub(super) what: String,
    pub(super) since: Timestamp,
    pub(super) error: String,
    pub(super) meaning: String,
    pub(super) todo: Option<String>,
    /// Not held back.
    pub(super) at_once: bool,
    pub(super) keeps: Option<Duration>,
    pub(super) account: Option<AccountName>,
    pub(super) mailbox: Option<MailboxName>,
}

pub(super) fn observe(bridge: &Bridge, sources: &[Watched], now: Timestamp) -> Vec<Observed> {
    let mut observed: Vec<Observed> = sources.iter().filter_map(of_source).collect();
    observed.extend(bridge.circuits.troubles().into_iter().map(|trouble| of_circuit(&trouble)));
    if let Health::Broken { since, why } = &*bridge.store.health().borrow() {
        observed.push(Observed {
            what: "The store".to_owned(),
            meaning: "nothing is taken in and nothing goes out; nothing is lost".to_owned(),
            todo: Some("make room on the disk of the state directory".to_owned()),
            ..plain(STORE, *since, why)
        });
    }
    // A queue that does not move is news only where nothing else explains it.
    if observed.is_empty()
        && let Some(trouble) = of_queue(bridge, now)
    {
        observed.push(trouble);
    }
    observed
}

fn of_source(source: &Watched) -> Option<Observed> {
    let trouble = source.trouble.borrow().clone()?;
    Some(Observed {
        what: source.name.clone(),
        meaning: source.meaning.clone(),
        todo: source.todo.clone(),
        at_once: trouble.stopped,
        keeps: source.keeps,
        mailbox: source.mailbox.clone(),
        ..plain(&source_key(&source.name), trouble.since, &trouble.what)
    })
}

fn of_circuit(trouble: &Trouble) -> Observed {
    let plain = plain(&key(&trouble.guarded), trouble.since, &trouble.why);
    match &trouble.guarded {
        Guarded::Api(api) => Observed {
            what: format!("The ticket system {api}"),
            meaning: "messages of customers wait and are filed in order once it answers".to_owned(),
            ..plain
        },
        Guarded::Keys(api) => Observed {
            what: format!("The keys of accounts at {api}"),
            meaning: "messages of these accounts wait and are filed once their keys work".to_owned(),
            todo: Some("set the secret_key in bot.toml with which they were sealed".to_owned()),
            at_once: true,
            ..plain
        },
        Guarded::Account(api, account) => Observed {
            what: format!("The key of account {account} at {api}"),
            meaning: "messages of this account wait and are filed once the key works".to_owned(),
            todo: Some(format!("check the key of {account}")),
            at_once: true,
            account: Some(account.clone()),
            ..plain
        },
    }
}

/// Jobs may wait for people; one that waits longer than any of them is stuck.
fn of_queue(bridge: &Bridge, now: Timestamp) -> Option<Observed> {
    let timing = &bridge.timing;
    let most = (timing.held_lane * 2)
        .max(timing.ask_timeout * 2)
        .max(timing.parked_create_wait * 2)
        .max(timing.smtp_unknown_again * 2);
    let depth = bridge.store.depth();
    let oldest = depth.oldest.filter(|oldest| now.since(*oldest) >= most)?;
    Some(Observed {
        what: "The queue".to_owned(),
        meaning: "something does not get to its ticket or its customer".to_owned(),
        todo: Some("look at it with `ticket-bridge queue list`".to_owned()),
        ..plain(QUEUE, oldest, &format!("{} items wait, the oldest since then", depth.live))
    })
}

pub(super) fn plain(key: &str, since: Timestamp, error: &str) -> Observed {
    Observed {
        key: key.to_owned(),
        what: String::new(),
        since,
        error: error.to_owned(),
        meaning: String::new(),
        todo: None,
        at_once: false,
        keeps: None,
        account: None,
        mailbox: None,
    }
}

pub(super) fn key(guarded: &Guarded) -> String {
    match guarded {
        Guarded::Api(api) => format!("api/{api}"),
        Guarded::Keys(api) => format!("keys/{api}"),
        Guarded::Account(api, account) => format!("account/{api}/{account}"),
    }
}

pub(super) fn source_key(name: &str) -> String {
    format!("source/{name}")
}
