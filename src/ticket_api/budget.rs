//! How often, and how often at once, one ticket API is called.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answers::Call;
use crate::runtime::{Clock, RateLimit};

/// One API's budget. A read never takes the last connection, and at most as many reads as there are
/// connections for them wait for a token: a customer's message does not queue behind a walk through a
/// thousand tickets.
pub struct Budget {
    clock: Clock,
    rate: RateLimit<()>,
    all: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

/// The right to make one call; held until its answer has been read.
pub struct Permit {
    _connection: OwnedSemaphorePermit,
    _read: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// `max_calls_per_second` of zero means no limit; a second's worth may be saved up.
    pub fn new(clock: Clock, max_calls_per_second: f64, connections: u32) -> Self {
        let per = Some(max_calls_per_second).filter(|rate| *rate > 0.0);
        let per = per.and_then(|rate| Duration::try_from_secs_f64(rate.recip()).ok()).unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, and so large a burst is none"
        )]
        let burst = max_calls_per_second.ceil().clamp(1.0, 1e6) as u32;
        let connections = usize::try_from(connections).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            rate: RateLimit::new(clock.clone(), per, burst),
            clock,
            all: Arc::new(Semaphore::new(connections)),
            reads: Arc::new(Semaphore::new(connections.saturating_sub(1).max(1))),
        }
    }

    /// Waits for a permit for as long as `patience`; else says when to ask again.
    pub async fn permit(&self, call: Call, patience: Duration) -> Result<Permit, Duration> {
        let frozen = self.wait();
        if frozen > patience {
            return Err(frozen);
        }
        let taking = async {
            let read = match call {
                Call::Read => Some(self.reads.clone().acquire_owned().await.ok()?),
                Call::Write => None,
            };
            let connection = self.all.clone().acquire_owned().await.ok()?;
            self.rate.acquire(&()).await;
            Some(Permit { _connection: connection, _read: read })
        };
        let taken = tokio::time::timeout(patience, taking).await.ok().flatten();
        taken.ok_or_else(|| self.wait())
    }

    /// No call for so long, as the server asked.
    pub fn freeze(&self, wait: Duration) {
        self.rate.freeze(&(), self.clock.now().plus(wait));
    }

    fn wait(&self) -> Duration {
        self.rate.ready_at(&()).since(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn budget(rate: f64, connections: u32) -> (Clock, Budget) {
        let clock = Clock::stopped_at(crate::runtime::Timestamp::from_secs(1_000));
        (clock.clone(), Budget::new(clock, rate, connections))
    }

    #[tokio::test]
    async fn a_second_of_calls_then_one_at_a_time() {
        let (clock, budget) = budget(2.0, 8);
        for _ in 0..2 {
            assert!(budget.permit(Call::Write, SOON).await.is_ok());
        }
        assert_eq!(budget.permit(Call::Write, SOON).await.err(), Some(Duration::from_millis(500)));
        clock.advance(Duration::from_millis(500));
        assert!(budget.permit(Call::Write, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn a_freeze_is_answered_at_once_with_how_long_it_lasts() {
        let (clock, budget) = budget(0.0, 8);
        budget.freeze(Duration::from_secs(60));
        let refused = budget.permit(Call::Read, Duration::from_secs(30)).await;
        assert_eq!(refused.err(), Some(Duration::from_secs(60)));
        clock.advance(Duration::from_secs(60));
        assert!(budget.permit(Call::Read, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn reads_leave_a_connection_for_a_write() {
        let (_, budget) = budget(0.0, 2);
        let read = budget.permit(Call::Read, SOON).await;
        assert!(read.is_ok());
        assert!(budget.permit(Call::Read, SOON).await.is_err());
        assert!(budget.permit(Call::Write, SOON).await.is_ok());
        drop(read);
        assert!(budget.permit(Call::Read, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn nonsense_means_no_limit_and_one_connection() {
        for rate in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let (_, budget) = budget(rate, 0);
            for _ in 0..50 {
                assert!(budget.permit(Call::Read, SOON).await.is_ok(), "{rate}");
            }
        }
    }
}
