//! Journal first, then tell the source: the bridge's end of the channels' intake handle.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::sync::mpsc;

use crate::{
    bridge::{alerts, context::Bridge, threading},
    channel::intake::{Begin, Cursor, IntakeStopped, Request, Source},
    model::{
        conversation::Conversation,
        ids::{ConversationId, MailboxName},
        inbound::{Inbound, What},
    },
    runtime::tasks::panic_text,
    store::{
        Accepted, Arrival, Lease, StoreError,
        change::{Change, Key},
    },
};

/// A bind that lost a race is decided anew this often.
const CONFLICTS: u32 = 5;

/// Answers the channels until all their handles are gone.
pub async fn run(bridge: Bridge, mut requests: mpsc::Receiver<Request>) {
    let mut leases: HashMap<Source, Lease> = HashMap::new();
    while let Some(request) = requests.recv().await {
        match request {
            Request::Begin { source, answer } => {
                let begun = begin(&bridge, &source).await;
                let begun = begun.map(|lease| {
                    let begin = Begin { cursor: lease.cursor.clone(), reread: lease.reread };
                    leases.insert(source, lease);
                    begin
                });
                let _ = answer.send(begun.map_err(stopped));
            }
            Request::Accept { source, items, cursor, answer } => {
                let taken = match lease(&bridge, &mut leases, &source).await {
                    Ok(lease) => accept(&bridge, lease, &source, items, cursor).await,
                    Err(error) => Err(error),
                };
                if matches!(taken, Err(StoreError::Stale)) {
                    leases.remove(&source);
                }
                let _ = answer.send(taken.map_err(stopped));
            }
            Request::RereadDone { source, reread, answer } => {
                let done = match lease(&bridge, &mut leases, &source).await {
                    Ok(lease) => bridge.store.reread_done(lease, reread).await,
                    Err(error) => Err(error),
                };
                if matches!(done, Err(StoreError::Stale)) {
                    leases.remove(&source);
                }
                let _ = answer.send(done.map_err(stopped));
            }
            Request::Skipped { mailbox, mails, older_than, answer } => {
                let alert = alerts::skipped(&bridge, &mailbox, mails, older_than);
                let told = bridge.store.enqueue(alert.into_iter().collect(), Vec::new()).await;
                let _ = answer.send(told.map(drop).map_err(stopped));
            }
        }
    }
}

/// The source's lease. One that went stale (the store was reopened) is taken anew: its source gives again
/// what was not acknowledged, and knows itself how far it is.
async fn lease<'a>(
    bridge: &Bridge,
    leases: &'a mut HashMap<Source, Lease>,
    source: &Source,
) -> Result<&'a mut Lease, StoreError> {
    Ok(match leases.entry(source.clone()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(gone) => gone.insert(begin(bridge, source).await?),
    })
}

async fn begin(bridge: &Bridge, source: &Source) -> Result<Lease, StoreError> {
    bridge.store.take_source(&source_key(source)).await
}

fn stopped(error: StoreError) -> IntakeStopped {
    IntakeStopped(error.to_string())
}

/// How a source is named in the store; the cursor belongs to exactly this.
pub fn source_key(source: &Source) -> String {
    match source {
        Source::Telegram { bot, api_url } => format!("telegram/{bot}/{api_url}"),
        Source::Mailbox(name) => mailbox_key(name),
    }
}

pub fn mailbox_key(name: &MailboxName) -> String {
    format!("mailbox/{name}")
}

async fn accept(
    bridge: &Bridge,
    lease: &mut Lease,
    source: &Source,
    items: Vec<Inbound>,
    cursor: Cursor,
) -> Result<(), StoreError> {
    match accept_together(bridge, lease, source, &items, cursor.clone()).await {
        Err(StoreError::TooLarge(_)) => accept_singly(bridge, lease, source, items, cursor).await,
        accepted => accepted,
    }
}

/// One item of the batch does not fit into the store: it alone is set aside, so that its neighbours go on.
/// The cursor moves with the last one; until then a crash makes the source give all of them again.
async fn accept_singly(
    bridge: &Bridge,
    lease: &mut Lease,
    source: &Source,
    items: Vec<Inbound>,
    cursor: Cursor,
) -> Result<(), StoreError> {
    *lease = bridge.store.take_source(&source_key(source)).await?;
    let before = lease.cursor.clone().unwrap_or_else(|| cursor.clone());
    for mut item in items {
        let alone = accept_together(bridge, lease, source, std::slice::from_ref(&item), before.clone()).await;
        if let Err(StoreError::TooLarge(bytes)) = alone {
            item.what = What::Unreadable { reason: format!("a part of it has {bytes} bytes"), raw: None };
            accept_together(bridge, lease, source, std::slice::from_ref(&item), before.clone()).await?;
        } else {
            alone?;
        }
    }
    bridge.store.accept(lease, Vec::new(), cursor).await.map(drop)
}

async fn accept_together(
    bridge: &Bridge,
    lease: &Lease,
    source: &Source,
    items: &[Inbound],
    cursor: Cursor,
) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let mut batch = Batch::new(bridge);
        let mut arrivals = Vec::with_capacity(items.len());
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            if let Some(arrival) = arrival(bridge, &mut batch, item)? {
                batch.learn(&arrival.changes, arrival.dedup.iter().map(|dedup| dedup.key.clone()));
                keys.push(&item.identity.key);
                arrivals.push(arrival);
            }
        }
        match bridge.store.accept(lease, arrivals, cursor.clone()).await {
            Err(StoreError::Conflict(what)) if tries < CONFLICTS => {
                tracing::debug!(%what, "Another source was faster; deciding anew.");
                tries += 1;
            }
            Ok(accepted) => {
                report(source, &keys, &accepted);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The first line of an item's way through the log; the same key stands in every later one.
fn report(source: &Source, keys: &[&String], accepted: &[Accepted]) {
    for (item, accepted) in keys.iter().zip(accepted) {
        match accepted {
            Accepted::New(jobs) => tracing::info!(item, ?source, ?jobs, "Item journaled."),
            Accepted::Duplicate => tracing::info!(item, ?source, "Item seen before."),
        }
    }
}

/// One item that the bridge fails over is set aside as dead; its neighbours go on.
fn arrival(bridge: &Bridge, batch: &mut Batch<'_>, item: &Inbound) -> Result<Option<Arrival>, StoreError> {
    let decided = catch_unwind(AssertUnwindSafe(|| threading::arrival(bridge, batch, item)));
    decided.unwrap_or_else(|panic| {
        let why = format!("the bridge failed over it: {}", panic_text(panic.as_ref()));
        tracing::error!(item = %item.identity.key, why, "An item was set aside.");
        Ok(Some(threading::unreadable(bridge, item, &why)))
    })
}

/// What earlier items of the same batch have changed, over what the store holds.
pub struct Batch<'a> {
    bridge: &'a Bridge,
    bound: HashMap<Key, Option<ConversationId>>,
    conversations: HashMap<ConversationId, Conversation>,
    seen: HashSet<String>,
}

impl<'a> Batch<'a> {
    pub fn new(bridge: &'a Bridge) -> Self {
        Self { bridge, bound: HashMap::new(), conversations: HashMap::new(), seen: HashSet::new() }
    }

    pub fn find(&self, key: &Key) -> Result<Option<ConversationId>, StoreError> {
        match self.bound.get(key) {
            Some(found) => Ok(*found),
            None => self.bridge.store.find(key),
        }
    }

    pub fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        match self.conversations.get(&id) {
            Some(conversation) => Ok(Some(conversation.clone())),
            None => self.bridge.store.conversation(id),
        }
    }

    pub fn is_known(&self, dedup: &str) -> Result<bool, StoreError> {
        Ok(self.seen.contains(dedup) || self.bridge.store.is_known(dedup)?)
    }

    fn learn(&mut self, changes: &[Change], seen: impl Iterator<Item = String>) {
        self.seen.extend(seen);
        for change in changes {
            match change {
                Change::Bind(key, id) | Change::Rebind(key, id) => {
                    self.bound.insert(key.clone(), Some(*id));
                }
                Change::Unbind(key) => {
                    self.bound.insert(key.clone(), None);
                }
                Change::NewConversation(conversation) => {
                    self.conversations.insert(conversation.id, conversation.clone());
                }
                Change::Conversation(id, change) => {
                    if let Ok(Some(mut conversation)) = self.conversation(*id) {
                        conversation.apply(change.clone());
                        self.conversations.insert(*id, conversation);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
