//! Named, supervised tasks: a panic is caught and reported, the task started again; all end on shutdown.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use super::{Backoff, Clock, Shutdown};

/// A task that ran this long before it failed is taken to have been well: its waits start again small.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// How long aborted tasks may take to let go of what they hold; an abort takes effect at their next await.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// The tasks of the process. Clones are the same set.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    shutdown: Shutdown,
    restart: Backoff,
    tracker: TaskTracker,
    running: Mutex<HashMap<u64, (String, AbortHandle)>>,
    next: AtomicU64,
}

impl Tasks {
    /// `restart` says how long a task that ended or panicked waits before it is started again.
    pub fn new(shutdown: Shutdown, restart: Backoff) -> Tasks {
        Tasks {
            inner: Arc::new(Inner {
                shutdown,
                restart,
                tracker: TaskTracker::new(),
                running: Mutex::default(),
                next: AtomicU64::new(0),
            }),
        }
    }

    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// Keeps a task running until shutdown: `make` is called again after each end and each panic. The task
    /// itself listens to the [`Shutdown`] and finishes what it has in hand; what still runs at the deadline
    /// of [`stop`](Tasks::stop) is dropped at its next await.
    pub fn spawn<F, Fut>(&self, name: impl Into<String>, mut make: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        let inner = self.inner.clone();
        self.track(name.clone(), async move {
            let clock = Clock::real();
            let mut attempt = 0;
            while !inner.shutdown.is_cancelled() {
                let started = clock.now();
                // `make` runs inside the guarded future, so that its panic is caught, too.
                guarded(&name, async { make().await }).await;
                if inner.shutdown.is_cancelled() {
                    break;
                }
                attempt = if clock.now().since(started) >= WELL_AFTER { 0 } else { attempt };
                let wait = inner.restart.next(attempt);
                attempt = attempt.saturating_add(1);
                tracing::warn!(
                    task = name,
                    ?wait,
                    "A task that should run for ever ended; it is started again."
                );
                inner.shutdown.unless_cancelled(clock.sleep(wait)).await;
            }
        });
    }

    /// Runs something once. A panic is caught and reported, not repeated.
    pub fn spawn_once<Fut>(&self, name: impl Into<String>, task: Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        self.track(name.clone(), async move { guarded(&name, task).await });
    }

    /// Says stop, waits for all tasks, and after `within` aborts those that still run: their names.
    pub async fn stop(&self, within: Duration) -> Vec<String> {
        self.inner.shutdown.trigger();
        self.inner.tracker.close();
        if tokio::time::timeout(within, self.inner.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let late = self.inner.abort_all();
        for name in &late {
            tracing::warn!(task = name, "A task did not end in time and was aborted.");
        }
        let _ = tokio::time::timeout(ABORT_GRACE, self.inner.tracker.wait()).await;
        late
    }

    fn track(&self, name: String, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner.clone();
        // The lock is held over the spawn, so that a task cannot sign off before it is signed on.
        let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = self.inner.tracker.spawn(async move {
            task.await;
            inner.sign_off(id);
        });
        running.insert(id, (name, handle.abort_handle()));
    }
}

impl Inner {
    fn sign_off(&self, id: u64) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn abort_all(&self) -> Vec<String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = running
            .drain()
            .map(|(_, (name, handle))| {
                handle.abort();
                name
            })
            .collect();
        names.sort();
        names
    }
}

/// Runs `task` and turns its panic into a line in the log.
async fn guarded(name: &str, task: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
        tracing::error!(task = name, panic = panic_text(panic.as_ref()), "A task panicked.");
    }
}

/// What a caught panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn tasks() -> Tasks {
        let restart = Backoff::new(Duration::from_millis(1), Duration::from_millis(2)).unwrap();
        Tasks::new(Shutdown::new(), restart)
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_started_again_until_shutdown() {
        let tasks = tasks();
        let (count, enough) = (Arc::new(AtomicU32::new(0)), Shutdown::new());
        let (counted, reached, stop) = (count.clone(), enough.clone(), tasks.shutdown().clone());
        tasks.spawn("flaky", move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            assert!(n != 0, "the first start panics before there is a future");
            let (reached, stop) = (reached.clone(), stop.clone());
            async move {
                match n {
                    1 => panic!("the second inside it"),
                    2 => (),
                    _ => {
                        reached.trigger();
                        stop.cancelled().await;
                    }
                }
            }
        });
        enough.cancelled().await;
        assert_eq!(tasks.stop(Duration::from_secs(10)).await, Vec::<String>::new());
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn stop_waits_for_who_finishes_and_names_who_does_not() {
        let tasks = tasks();
        let (stop, done) = (tasks.shutdown().clone(), Arc::new(AtomicU32::new(0)));
        let finished = done.clone();
        tasks.spawn_once("tidy", async move {
            stop.cancelled().await;
            finished.store(1, Ordering::SeqCst);
        });
        tasks.spawn_once("panics", async { panic!("once only") });
        let started = Shutdown::new();
        let running = started.clone();
        tasks.spawn("deaf", move || {
            running.trigger();
            std::future::pending()
        });
        started.cancelled().await;
        assert_eq!(tasks.stop(Duration::from_millis(50)).await, ["deaf"]);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
