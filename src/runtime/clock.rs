//! What time it is, and waiting for another time: real, or turned by a test.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The longest uninterrupted wait for a point in time: after it the wall clock is read again, so that a
/// stepped clock or a suspended machine delays nobody longer than this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Says what time it is. Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hand: Option<Arc<watch::Sender<Timestamp>>>,
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Clock {
    /// The machine's clock.
    pub fn real() -> Clock {
        Clock::default()
    }

    /// A clock that stands still at `start` until somebody calls [`advance`](Clock::advance).
    pub fn stopped_at(start: Timestamp) -> Clock {
        Clock { hand: Some(Arc::new(watch::Sender::new(start))) }
    }

    /// Turns a stopped clock and wakes whoever waited for a time up to then. A real clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Some(hand) = &self.hand {
            hand.send_modify(|now| *now = now.plus(by));
        }
    }

    pub fn now(&self) -> Timestamp {
        match &self.hand {
            Some(hand) => *hand.borrow(),
            None => Timestamp(jiff::Timestamp::now().as_millisecond()),
        }
    }

    /// Waits for `duration`, measured by this clock.
    pub async fn sleep(&self, duration: Duration) {
        match &self.hand {
            Some(_) => self.sleep_until(self.now().plus(duration)).await,
            None => tokio::time::sleep(duration).await,
        }
    }

    /// Waits until `now() >= deadline`; at once when that is so already.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &self.hand {
            Some(hand) => {
                // The sender lives in `self`, so the wait can only end by the time being reached.
                let _ = hand.subscribe().wait_for(|now| *now >= deadline).await;
            }
            None => loop {
                let left = deadline.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            },
        }
    }
}

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);

    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1000))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(duration)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(duration)))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Timestamp {
        Timestamp(time.as_millisecond())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_rfc_3339_and_keeps_its_number_in_json() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(serde_json::to_string(&time).unwrap(), "1700000000123");
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let time = Timestamp::from_millis(5);
        assert_eq!(time.since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(time.plus(Duration::MAX), Timestamp::from_millis(i64::MAX));
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
        assert_eq!(time.minus(Duration::from_secs(1)).as_millis(), -995);
    }

    #[tokio::test]
    async fn a_stopped_clock_wakes_sleepers_only_when_turned_far_enough() {
        let clock = Clock::stopped_at(Timestamp::EPOCH);
        let mut sleeper = Box::pin(clock.sleep(Duration::from_secs(10)));
        assert!(futures::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(9));
        assert!(futures::poll!(&mut sleeper).is_pending());
        clock.clone().advance(Duration::from_secs(1));
        sleeper.await;
        assert_eq!(clock.now(), Timestamp::from_secs(10));
    }

    #[tokio::test]
    async fn a_real_clock_does_not_wake_early() {
        let clock = Clock::real();
        let deadline = clock.now().plus(Duration::from_millis(20));
        clock.sleep_until(deadline).await;
        assert!(clock.now() >= deadline);
    }
}
