//! Wakes those who wait for files in a directory; a hint, never the only way to learn of them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// One watcher for all Maildirs: Linux gives a user 128 of them (`fs.inotify.max_user_instances`).
#[derive(Clone, Default)]
pub struct DirectoryWatch {
    watcher: Arc<Mutex<Option<RecommendedWatcher>>>,
    waiting: Waiting,
}

type Waiting = Arc<Mutex<HashMap<PathBuf, Arc<Notify>>>>;

impl DirectoryWatch {
    /// What is notified when something changes in `directory`. A failure means: by rescan only.
    pub(super) fn watch(&self, directory: &Path) -> (Arc<Notify>, Result<(), notify::Error>) {
        let notify = lock(&self.waiting).entry(directory.to_owned()).or_default().clone();
        (notify, self.start(directory))
    }

    fn start(&self, directory: &Path) -> Result<(), notify::Error> {
        let mut watcher = lock(&self.watcher);
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            empty => {
                let waiting = self.waiting.clone();
                empty.insert(notify::recommended_watcher(move |event| wake(&waiting, event))?)
            }
        };
        watcher.watch(directory, RecursiveMode::NonRecursive)
    }
}

fn wake(waiting: &Waiting, event: notify::Result<Event>) {
    let waiting = lock(waiting);
    match event {
        Ok(event) if !event.need_rescan() => {
            if event.kind.is_access() {
                return;
            }
            for directory in event.paths.iter().filter_map(|path| path.parent()) {
                if let Some(notify) = waiting.get(directory) {
                    notify.notify_one();
                }
            }
        }
        // Events were lost: everybody looks.
        _ => waiting.values().for_each(|notify| notify.notify_one()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
