//! Caps on what the bridge says of its own accord: per recipient, per subject, over all.

use std::time::Duration;

use crate::{
    bridge::context::Bridge,
    store::{StoreError, change::Change, rows::Notice},
};

/// Counts one more of `key` if there were fewer than `most` in the window that
/// began with its first; the count is committed with what it allows. `None`: no more.
pub fn count(
    bridge: &Bridge,
    key: String,
    most: u32,
    window: Duration,
) -> Result<Option<Change>, StoreError> {
    let now = bridge.now();
    let before = bridge.store.notice(&key)?.filter(|notice| now.since(notice.first) < window);
    let notice = match before {
        Some(notice) if notice.count >= most => return Ok(None),
        Some(notice) => Notice { last: now, count: notice.count.saturating_add(1), ..notice },
        None => Notice { first: now, last: now, count: 1, value: String::new(), until: now.plus(window) },
    };
    Ok(Some(Change::Notice(key, notice)))
}

/// Counts against several caps at once: all allow it, or none is counted.
pub fn count_all(
    bridge: &Bridge,
    caps: impl IntoIterator<Item = (String, u32, Duration)>,
) -> Result<Option<Vec<Change>>, StoreError> {
    caps.into_iter().map(|(key, most, window)| count(bridge, key, most, window)).collect()
}
