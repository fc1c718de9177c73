//! How long to wait before trying again: exponential, with jitter, and impossible to build wrong.

use std::time::Duration;

use rand::Rng;

/// Doubling waits between `min` and `max`. Whoever succeeded starts again at attempt 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackoff {
    #[error("the shortest wait is zero, which would try again without a pause")]
    NoPause,
    #[error("the shortest wait ({min:?}) is longer than the longest ({max:?})")]
    Reversed { min: Duration, max: Duration },
}

impl Backoff {
    /// Fails when `min` is zero or longer than `max`.
    pub const fn new(min: Duration, max: Duration) -> Result<Backoff, InvalidBackoff> {
        if min.is_zero() {
            return Err(InvalidBackoff::NoPause);
        }
        if min.as_nanos() > max.as_nanos() {
            return Err(InvalidBackoff::Reversed { min, max });
        }
        Ok(Backoff { min, max })
    }

    /// The wait after failed attempt number `attempt`, counted from 0: `min · 2^attempt`, at most `max`, of
    /// which a random 50 to 100 % are waited, so that many who failed together do not return together.
    pub fn next(&self, attempt: u32) -> Duration {
        self.ceiling(attempt).mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 1u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.min.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_wait_and_jitters_downwards_only() {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(15)).unwrap();
        for (attempt, ceiling) in [(0, 2), (1, 4), (2, 8), (3, 15), (31, 15), (32, 15), (u32::MAX, 15)] {
            let ceiling = Duration::from_secs(ceiling);
            for _ in 0..50 {
                let wait = backoff.next(attempt);
                assert!(wait <= ceiling && wait >= ceiling / 2, "attempt {attempt}: {wait:?}");
            }
        }
    }

    #[test]
    fn waits_differ() {
        let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60)).unwrap();
        let first = backoff.next(0);
        assert!((0..100).any(|_| backoff.next(0) != first));
    }

    #[test]
    fn refuses_nonsense() {
        let second = Duration::from_secs(1);
        assert_eq!(Backoff::new(Duration::ZERO, second), Err(InvalidBackoff::NoPause));
        assert_eq!(
            Backoff::new(second * 2, second),
            Err(InvalidBackoff::Reversed { min: second * 2, max: second })
        );
    }
}
