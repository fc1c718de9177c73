//! Shares: how many messages are filed at one API at a time, so that a crowd before one keeps nobody else waiting.
//!
//! A lane beyond its API's share waits here, kept from being claimed, in the order in which it came.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    bridge::context::Bridge,
    model::{ids::ApiName, job::Task},
    store::{Claim, Kept},
};

/// The APIs' shares of the places that there are; one share more is left for all that is no filing.
pub(super) struct Shares {
    most: usize,
    apis: HashMap<ApiName, Share>,
}

/// A place at an API, for what is filed there; to be held until the turn has ended.
pub(super) type Place = Option<OwnedSemaphorePermit>;

struct Share {
    places: Arc<Semaphore>,
    waiting: VecDeque<Kept>,
}

impl Shares {
    pub(super) fn new<'a>(places: usize, apis: impl ExactSizeIterator<Item = &'a ApiName>) -> Self {
        let most = (places / apis.len().saturating_add(1)).max(1);
        let share = || Share { places: Arc::new(Semaphore::new(most)), waiting: VecDeque::new() };
        Self { most, apis: apis.map(|api| (api.clone(), share())).collect() }
    }

    /// Gives a claim its place; or nothing, and its lane waits until there is one.
    pub(super) fn admit(&mut self, bridge: &Bridge, claim: Claim) -> Option<(Claim, Place)> {
        let share = api_of(bridge, &claim).and_then(|api| self.apis.get_mut(&api));
        let Some(share) = share else { return Some((claim, None)) };
        match share.places.clone().try_acquire_owned() {
            Ok(place) => Some((claim, Some(place))),
            Err(_) => {
                share.waiting.push_back(bridge.store.keep(claim));
                None
            }
        }
    }

    /// Lets as many lanes be claimed again as there are places now.
    pub(super) fn call_in(&mut self) {
        for share in self.apis.values_mut() {
            let free = share.places.available_permits();
            // The store may have forgotten that a lane was kept. With nobody at work nothing else would call
            // in those behind it.
            let called = if free == self.most { usize::MAX } else { free };
            share.waiting.drain(..called.min(share.waiting.len()));
        }
    }
}

/// The API at which the claim's head is to be filed.
fn api_of(bridge: &Bridge, claim: &Claim) -> Option<ApiName> {
    let Task::File(filing) = &claim.jobs.first()?.task else { return None };
    // One that cannot be read now is the turn's business.
    let conversation = bridge.store.conversation(filing.conversation).ok().flatten()?;
    Some(conversation.api)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bridge::town_tests::{Town, chat_what},
        model::{ids::ChatId, job::Lane},
    };

    #[tokio::test]
    async fn lanes_beyond_the_share_are_called_in_one_by_one_in_their_order() {
        let mut town = Town::new().await;
        let mut items = Vec::new();
        for chat in (101..105).map(ChatId) {
            town.link(chat).await;
            items.push(town.item(chat, chat_what("The server is down since this morning.")));
        }
        town.journal(items).await;
        let (bridge, lane) = (town.bridge.clone(), |claim: &Claim| claim.lane.clone());
        let due = || bridge.store.claim(9);
        let mut shares = Shares::new(4, bridge.apis.keys());
        let claims = due();
        let order: Vec<Lane> = claims.iter().map(lane).collect();
        let mut working: Vec<_> = claims.into_iter().filter_map(|c| shares.admit(&bridge, c)).collect();
        assert_eq!(working.iter().map(|(claim, _)| lane(claim)).collect::<Vec<_>>(), order[..2]);
        shares.call_in();
        assert!(due().is_empty(), "there is no place yet");

        drop(working[0].1.take());
        shares.call_in();
        let called = due();
        assert_eq!(called.iter().map(lane).collect::<Vec<_>>(), order[2..3]);
        working.extend(called.into_iter().filter_map(|c| shares.admit(&bridge, c)));
        assert_eq!(working.len(), 3);
        drop(working[1].1.take());
        shares.call_in();
        assert_eq!(due().iter().map(lane).collect::<Vec<_>>(), order[3..]);
    }
}
