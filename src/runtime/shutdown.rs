//! The one word “stop”, heard by everybody who waits.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether the process is to end. Clones hear the same word; it cannot be taken back.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// A part that can be stopped by itself, and stops with the whole.
    pub fn child(&self) -> Shutdown {
        Shutdown { token: self.token.child_token() }
    }

    pub fn trigger(&self) {
        self.token.cancel();
    }

    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once the process is to end. Cancel-safe.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work` unless the process is to end first; then `work` is dropped and `None` returned.
    pub async fn unless_cancelled<F: Future>(&self, work: F) -> Option<F::Output> {
        self.token.run_until_cancelled(work).await
    }

    /// From now on SIGINT and SIGTERM trigger this. Must be called inside a tokio runtime; fails when the
    /// handlers cannot be installed.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = first_of(&mut interrupt, &mut terminate).await;
            tracing::info!(signal = name, "Stopping.");
            shutdown.trigger();
        });
        Ok(())
    }
}

async fn first_of(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_whole_stops_its_parts_and_not_the_other_way_round() {
        let whole = Shutdown::new();
        let (intake, lanes) = (whole.child(), whole.child());
        intake.trigger();
        intake.cancelled().await;
        assert!(!whole.is_cancelled() && !lanes.is_cancelled());
        whole.clone().trigger();
        lanes.cancelled().await;
        assert_eq!(lanes.unless_cancelled(std::future::pending::<()>()).await, None);
    }
}
