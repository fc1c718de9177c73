//! What was learnt of a key and is believed for a while.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::runtime::{Secret, Timestamp};

/// At most so many keys are remembered; one more is asked anew.
const MOST: usize = 1024;

/// One fact for each key, for a while. Keys themselves are not kept.
pub(super) struct Memory<T> {
    lasts: Duration,
    hasher: RandomState,
    facts: Mutex<HashMap<u64, (Timestamp, T)>>,
}

impl<T: Clone> Memory<T> {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, hasher: RandomState::new(), facts: Mutex::default() }
    }

    pub(super) fn recall(&self, key: &Secret, now: Timestamp) -> Option<T> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let (learnt, fact) = facts.get(&self.print(key))?;
        self.is_fresh(*learnt, now).then(|| fact.clone())
    }

    pub(super) fn learn(&self, key: &Secret, now: Timestamp, fact: T) {
        let print = self.print(key);
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.len() >= MOST && !facts.contains_key(&print) {
            facts.retain(|_, (learnt, _)| self.is_fresh(*learnt, now));
            if let Some(any) = facts.keys().next().copied().filter(|_| facts.len() >= MOST) {
                facts.remove(&any);
            }
        }
        facts.insert(print, (now, fact));
    }

    /// A fact from the future was learnt before the clock was set back.
    fn is_fresh(&self, learnt: Timestamp, now: Timestamp) -> bool {
        learnt <= now && now < learnt.plus(self.lasts)
    }

    fn print(&self, key: &Secret) -> u64 {
        self.hasher.hash_one(key.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_of_one_key_and_for_a_while() {
        let memory = Memory::new(Duration::from_secs(60));
        let (ours, theirs) = (Secret::new("a"), Secret::new("b"));
        let now = Timestamp::from_secs(1_000);
        memory.learn(&ours, now, 7);
        let later = |secs| now.plus(Duration::from_secs(secs));
        assert_eq!(memory.recall(&ours, later(59)), Some(7));
        assert_eq!(memory.recall(&ours, later(60)), None);
        assert_eq!(memory.recall(&theirs, now), None);
        assert_eq!(memory.recall(&ours, now.minus(Duration::from_secs(1))), None);
    }

    #[test]
    fn it_stays_bounded() {
        let memory = Memory::new(Duration::from_secs(60));
        let now = Timestamp::from_secs(1_000);
        for n in 0..MOST + 50 {
            memory.learn(&Secret::new(n.to_string()), now, n);
        }
        assert_eq!(memory.facts.lock().unwrap().len(), MOST);
        assert_eq!(memory.recall(&Secret::new((MOST + 49).to_string()), now), Some(MOST + 49));
    }
}
