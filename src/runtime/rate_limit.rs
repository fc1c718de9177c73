//! Token buckets, one per key, with a bound on keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Timestamp};

/// Enough for every chat that is busy at once; a bucket takes some 150 bytes.
const MOST_KEYS: usize = 10_000;

/// Lets each key act once in `per`, and `burst` times at once after a rest. Clones share the buckets.
pub struct RateLimit<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    clock: Clock,
    per_micros: i64,
    burst_micros: i64,
    most_keys: usize,
    buckets: Mutex<HashMap<K, Arc<Bucket>>>,
}

/// One key's bucket, kept as in the generic cell rate algorithm (ITU-T I.371): a single time says how full.
#[derive(Default)]
struct Bucket {
    /// Held by the first in the row of those who wait; tokio's mutex serves in order of arrival.
    turn: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
}

#[derive(Clone, Copy, Default)]
struct Level {
    /// When the bucket will be full again, in microseconds since the epoch.
    full_at: i64,
    frozen_until: Timestamp,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    /// One token each `per` (zero: no limit); at most `burst` (at least 1) are saved up.
    pub fn new(clock: Clock, per: Duration, burst: u32) -> RateLimit<K> {
        RateLimit::with_most_keys(clock, per, burst, MOST_KEYS)
    }

    /// As [`new`](RateLimit::new), with its own bound on the number of keys remembered.
    pub fn with_most_keys(clock: Clock, per: Duration, burst: u32, most_keys: usize) -> RateLimit<K> {
        let per_micros = i64::try_from(per.as_micros()).unwrap_or(i64::MAX);
        let burst_micros = per_micros.saturating_mul(i64::from(burst.max(1)));
        let buckets = Mutex::default();
        RateLimit { inner: Arc::new(Inner { clock, per_micros, burst_micros, most_keys, buckets }) }
    }

    /// Waits for a token, in order of arrival per key, and takes it. Dropping the future takes none.
    pub async fn acquire(&self, key: &K) {
        let bucket = self.inner.bucket(key);
        let _turn = bucket.turn.lock().await;
        while let Err(at) = self.inner.take(&bucket) {
            self.inner.clock.sleep_until(at).await;
        }
    }

    /// Takes a token if there is one, and nobody waits for it; else says when to ask again.
    pub fn try_acquire(&self, key: &K) -> Result<(), Timestamp> {
        let bucket = self.inner.bucket(key);
        let Ok(_turn) = bucket.turn.try_lock() else {
            let next = Duration::from_micros(u64::try_from(self.inner.per_micros).unwrap_or(0));
            return Err(self.inner.ready_at(&bucket).max(self.inner.clock.now()).plus(next));
        };
        self.inner.take(&bucket)
    }

    /// No token for this key before `until`, as a server's `retry_after` asks. Never shortens a freeze.
    pub fn freeze(&self, key: &K, until: Timestamp) {
        let bucket = self.inner.bucket(key);
        let mut level = bucket.level();
        level.frozen_until = level.frozen_until.max(until);
    }

    /// When a token will be there; now or earlier means at once.
    pub fn ready_at(&self, key: &K) -> Timestamp {
        self.inner.ready_at(&self.inner.bucket(key))
    }
}

impl<K> Clone for RateLimit<K> {
    fn clone(&self) -> Self {
        RateLimit { inner: self.inner.clone() }
    }
}

impl<K: Hash + Eq + Clone> Inner<K> {
    fn bucket(&self, key: &K) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(key) {
            return bucket.clone();
        }
        if buckets.len() >= self.most_keys {
            self.make_room(&mut buckets);
        }
        let bucket = Arc::new(Bucket::default());
        buckets.insert(key.clone(), bucket.clone());
        bucket
    }

    /// Forgets the full buckets, which say nothing; if there is none, the one that is ready first. A bucket
    /// somebody waits at stays: their number is bounded by the number of tasks.
    fn make_room(&self, buckets: &mut HashMap<K, Arc<Bucket>>) {
        let now = self.clock.now();
        buckets.retain(|_, bucket| {
            let level = *bucket.level();
            Arc::strong_count(bucket) > 1 || level.full_at > micros(now) || level.frozen_until > now
        });
        if buckets.len() >= self.most_keys {
            let unused = buckets.iter().filter(|(_, bucket)| Arc::strong_count(bucket) == 1);
            let first = unused.min_by_key(|(_, bucket)| self.ready_at(bucket)).map(|(key, _)| key.clone());
            first.and_then(|key| buckets.remove(&key));
        }
    }

    fn take(&self, bucket: &Bucket) -> Result<(), Timestamp> {
        let now = self.clock.now();
        let mut level = bucket.level();
        let ready = self.ready(&level, now);
        if ready > now {
            return Err(ready);
        }
        level.full_at = self.believable(level.full_at, now).max(micros(now)).saturating_add(self.per_micros);
        Ok(())
    }

    fn ready_at(&self, bucket: &Bucket) -> Timestamp {
        self.ready(&bucket.level(), self.clock.now())
    }

    fn ready(&self, level: &Level, now: Timestamp) -> Timestamp {
        let full_at = self.believable(level.full_at, now);
        let micros = full_at.saturating_sub(self.burst_micros - self.per_micros);
        // Rounded up: a token that is there in half a millisecond is not there now.
        Timestamp::from_millis(micros.saturating_add(999).div_euclid(1000)).max(level.frozen_until)
    }

    /// A bucket is never further from full than a whole burst: if it says so, the clock was set back.
    fn believable(&self, full_at: i64, now: Timestamp) -> i64 {
        full_at.min(micros(now).saturating_add(self.burst_micros))
    }
}

impl Bucket {
    fn level(&self) -> std::sync::MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Timestamp) -> i64 {
    time.as_millis().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> Clock {
        Clock::stopped_at(Timestamp::from_secs(1_000_000))
    }

    #[test]
    fn a_burst_then_one_each_period_and_keys_apart() {
        let clock = clock();
        let limit = RateLimit::new(clock.clone(), SECOND, 3);
        let start = clock.now();
        for _ in 0..3 {
            assert_eq!(limit.try_acquire(&"a"), Ok(()));
        }
        assert_eq!(limit.try_acquire(&"a"), Err(start.plus(SECOND)));
        assert_eq!(limit.try_acquire(&"b"), Ok(()));
        clock.advance(SECOND);
        assert_eq!(limit.try_acquire(&"a"), Ok(()));
        assert!(limit.try_acquire(&"a").is_err());
        clock.advance(SECOND * 60);
        for _ in 0..3 {
            assert_eq!(limit.try_acquire(&"a"), Ok(()), "a long rest saves up the burst and no more");
        }
        assert!(limit.try_acquire(&"a").is_err());
    }

    #[test]
    fn thirty_in_a_second_are_thirty_and_not_thirty_one() {
        let clock = clock();
        let limit = RateLimit::new(clock.clone(), SECOND / 30, 1);
        let mut taken = 0;
        for _ in 0..1000 {
            taken += u32::from(limit.try_acquire(&()).is_ok());
            clock.advance(Duration::from_millis(1));
        }
        assert!((29..=30).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn waiters_are_served_in_order_of_arrival() {
        let clock = clock();
        let limit = RateLimit::new(clock.clone(), SECOND, 1);
        limit.acquire(&1).await;
        let mut first = Box::pin(limit.acquire(&1));
        let mut second = Box::pin(limit.acquire(&1));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        clock.advance(SECOND);
        assert!(limit.try_acquire(&1).is_err(), "who comes later does not pass those who wait");
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::poll!(&mut first).is_ready());
        assert!(futures::poll!(&mut second).is_pending());
        clock.advance(SECOND);
        second.await;
    }

    #[tokio::test]
    async fn a_freeze_holds_also_those_who_wait_already() {
        let clock = clock();
        let limit = RateLimit::new(clock.clone(), SECOND, 1);
        limit.acquire(&1).await;
        let mut waiter = Box::pin(limit.acquire(&1));
        assert!(futures::poll!(&mut waiter).is_pending());
        limit.freeze(&1, clock.now().plus(SECOND * 30));
        limit.freeze(&1, clock.now().plus(SECOND * 5));
        clock.advance(SECOND * 29);
        assert!(futures::poll!(&mut waiter).is_pending());
        clock.advance(SECOND);
        waiter.await;
    }

    #[test]
    fn a_clock_set_back_stops_nobody_for_long() {
        let clock = clock();
        let limit = RateLimit::new(clock.clone(), SECOND, 2);
        let now = clock.now();
        limit.inner.bucket(&1).level().full_at = micros(now.plus(SECOND * 3600));
        assert!(limit.ready_at(&1) <= now.plus(SECOND * 2));
    }

    #[test]
    fn keys_are_bounded_and_frozen_ones_outlive_full_ones() {
        let clock = clock();
        let limit = RateLimit::with_most_keys(clock.clone(), SECOND, 1, 10);
        limit.freeze(&-1, clock.now().plus(SECOND * 60));
        for key in 0..1000 {
            assert!(limit.try_acquire(&key).is_ok());
            assert!(limit.inner.buckets.lock().unwrap().len() <= 10);
        }
        assert!(limit.try_acquire(&-1).is_err());
    }
}
