//! The getUpdates loop: an update is confirmed only when the intake has said durable.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::{payloads::DeleteWebhook, requests::Payload};

use super::{
    Link,
    errors::Failure,
    incoming::{ALLOWED_UPDATES, Reader, update_id},
};
use crate::{
    channel::intake::{Cursor, Durable, Intake},
    model::inbound::Inbound,
    runtime::{backoff::Backoff, http_client::BodyError, shutdown::Shutdown},
};

/// The most that one getUpdates brings (<https://core.telegram.org/bots/api#getupdates>).
const BATCH: u8 = 100;

/// teloxide's own request reads the answer as a whole, so that one update of a form it does not know can
/// hold up the others, and its offset is narrower than what other servers count with.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: u8,
    timeout: u64,
    allowed_updates: [&'static str; 4],
}

impl Payload for GetUpdates {
    type Output = Vec<Value>;
    const NAME: &'static str = "getUpdates";
}

/// How far updates have been confirmed, as the journal keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confirmed {
    /// The number of the first update that is not confirmed.
    pub(super) next: i64,
}

impl Confirmed {
    pub(super) fn after(update: i64) -> Self {
        Self { next: update.saturating_add(1) }
    }

    pub(super) fn cursor(self) -> Cursor {
        Cursor(format!(r#"{{"next":{}}}"#, self.next))
    }

    /// A cursor that cannot be read counts as none: Telegram then gives all that was not confirmed.
    pub(super) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }
}

/// Why a round brought nothing.
enum Trouble {
    Call(Failure),
    /// Store or spool: nothing was confirmed.
    Intake(String),
}

/// Takes updates in until shutdown.
pub(super) async fn run(link: &Link, intake: &Intake, shutdown: &Shutdown) {
    let work = async {
        let reader = link.reader().await;
        let mut offset = begin(link, intake).await;
        let mut limit = BATCH;
        let mut failed = 0;
        let mut looked = false;
        loop {
            // The first look, and the one after trouble, asks for an answer at once: it shows how things are.
            let patience = if looked { link.long_poll } else { Duration::ZERO };
            match round(link, intake, &reader, offset, limit, patience).await {
                Ok(next) => {
                    (offset, failed, limit, looked) = (next.or(offset), 0, BATCH, true);
                    link.health.well();
                }
                Err(trouble) => {
                    if let Trouble::Call(Failure::Body { error: BodyError::TooLarge { .. }, .. }) = trouble {
                        limit = 1;
                    }
                    let wait = cope(link, &trouble, failed).await;
                    (failed, looked) = (failed.saturating_add(1), false);
                    link.clock.sleep(wait).await;
                }
            }
        }
    };
    shutdown.unless_cancelled::<_>(work).await.unwrap_or(())
}

/// Learns where to go on; waits until the intake can say it.
pub(super) async fn begin(link: &Link, intake: &Intake) -> Option<Confirmed> {
    let mut failed = 0;
    loop {
        match intake.begin(link.source()).await {
            Ok(begin) => return begin.cursor.as_ref().and_then(Confirmed::read),
            Err(stopped) => {
                link.health.trouble(stopped.to_string());
                link.clock.sleep(link.backoff.next(failed)).await;
                failed = failed.saturating_add(1);
            }
        }
    }
}

/// One getUpdates and, if it brought something, one acceptance.
async fn round(
    link: &Link,
    intake: &Intake,
    reader: &Reader,
    offset: Option<Confirmed>,
    limit: u8,
    patience: Duration,
) -> Result<Option<Confirmed>, Trouble> {
    let request = GetUpdates {
        offset: offset.map(|confirmed| confirmed.next),
        limit,
        timeout: patience.as_secs(),
        allowed_updates: ALLOWED_UPDATES,
    };
    let timeout = patience + link.call_timeout;
    let updates: Vec<Value> = link.api.call(&request, timeout).await.map_err(Trouble::Call)?;
    // The batch's own end, also when it is lower than what was confirmed before: after a quiet week
    // Telegram counts from anywhere.
    let Some(last) = updates.iter().rev().find_map(update_id) else {
        let empty = updates.is_empty();
        return if empty { Ok(None) } else { Err(Trouble::Call(Failure::Undecodable { status: 200 })) };
    };
    let next = Confirmed::after(last);
    let _durable = accept(link, intake, reader, &updates, next).await.map_err(Trouble::Intake)?;
    Ok(Some(next))
}

/// Reads and journals updates; only the answer allows them to be confirmed.
pub(super) async fn accept(
    link: &Link,
    intake: &Intake,
    reader: &Reader,
    updates: &[Value],
    next: Confirmed,
) -> Result<Durable, String> {
    let mut items: Vec<Inbound> = Vec::with_capacity(updates.len());
    for update in updates {
        let item = reader.read(update, intake.spool(), link.clock.now()).await;
        items.push(item.map_err(|error| error.to_string())?);
    }
    intake.accept(link.source(), items, next.cursor()).await.map_err(|stopped| stopped.to_string())
}

/// Tells what is wrong, mends what can be, and says how long to wait.
async fn cope(link: &Link, trouble: &Trouble, failed: u32) -> Duration {
    let wait = link.backoff.next(failed);
    let failure = match trouble {
        Trouble::Intake(reason) => {
            link.health.trouble(reason.clone());
            return wait;
        }
        Trouble::Call(failure) => failure,
    };
    link.health.trouble(explain(failure));
    match failure.code() {
        Some(409) if failure.says("webhook") => {
            delete_webhook(link).await;
            wait
        }
        Some(401 | 403 | 404 | 409) => wait.max(link.slow_retry),
        _ => failure.retry_after().unwrap_or(wait),
    }
}

/// Updates come by webhook or by polling, never both. None is dropped on the way.
async fn delete_webhook(link: &Link) {
    tracing::warn!("A webhook is set for this bot; it is removed, because updates are polled.");
    let request = DeleteWebhook { drop_pending_updates: Some(false) };
    if let Err(failure) = link.api.call::<_, bool>(&request, link.call_timeout).await {
        tracing::warn!(%failure, "The webhook could not be removed.");
    }
}

/// What happened and what to do about it.
pub(super) fn explain(failure: &Failure) -> String {
    if failure.is_unauthorized() {
        return format!("{failure}; check the bot token and api_url");
    }
    match failure.code() {
        Some(409) if !failure.says("webhook") => format!(
            "another program reads this bot's updates ({failure}); stop it, or give this bridge a bot of its own"
        ),
        _ => failure.to_string(),
    }
}

/// Network trouble is retried at this pace.
pub(super) fn default_backoff() -> Backoff {
    const { make_backoff() }
}

const fn make_backoff() -> Backoff {
    match Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) {
        Ok(backoff) => backoff,
        Err(_) => unreachable!(),
    }
}

#[cfg(test)]
#[path = "poll_tests.rs"]
mod tests;
