//! How many bytes of mail are in memory at once, over all mailboxes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Clones share the same bytes.
#[derive(Clone)]
pub struct Budget {
    kibibytes: Arc<Semaphore>,
    most: u32,
}

/// A share of the budget, given back when it is dropped. Nobody asks for a second one while holding one.
pub(super) struct Share(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Budget {
    /// At least 1 MiB.
    pub fn new(bytes: u64) -> Self {
        let most = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1024, 1 << 28);
        Self { kibibytes: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Waits in order of arrival for `bytes`; whoever asks for more than there is gets all of it.
    pub(super) async fn admit(&self, bytes: u64) -> Share {
        let wanted = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(self.most);
        #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
        let permit = self.kibibytes.clone().acquire_many_owned(wanted).await.expect("never closed");
        Share(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mail_larger_than_the_budget_has_it_for_itself() {
        let budget = Budget::new(1024 * 1024);
        let all = budget.admit(u64::MAX).await;
        let mut second = Box::pin(budget.admit(1));
        assert!(futures::poll!(&mut second).is_pending());
        drop(all);
        second.await;
    }
}
