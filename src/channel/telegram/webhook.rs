//! The same door over HTTP: Telegram posts each update, and hears 200 only when it is durable.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use reqwest::Url;
use serde_json::Value;
use teloxide::payloads::{SetWebhook, SetWebhookSetters as _};
use tokio::sync::{Mutex, OnceCell};

use super::{
    Link,
    incoming::{ALLOWED_UPDATES, Reader, update_id},
    poll::{self, Confirmed},
};
use crate::{channel::intake::Intake, runtime::secret::Secret, runtime::shutdown::Shutdown};

/// Telegram's own updates stay far below it.
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// The header that carries `secret_token` (<https://core.telegram.org/bots/api#setwebhook>).
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// Where Telegram posts updates to, and the secret by which it shows that it is Telegram.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The address as Telegram reaches it: https, on port 443, 80, 88 or 8443.
    pub url: Url,
    /// Where our own HTTP server gets the calls, if a proxy stands before it.
    pub path: String,
    /// 1–256 characters `A-Za-z0-9_-`.
    pub secret: Secret,
}

/// One bot's door. Cheap to clone.
#[derive(Clone)]
pub struct Webhook {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    intake: Intake,
    settings: WebhookSettings,
    /// Set once the bot and its cursor are known; before that Telegram is asked to come again.
    reader: OnceCell<Reader>,
    /// One update after the other keeps the order, whatever the number of connections.
    turn: Mutex<()>,
}

impl Webhook {
    pub(super) fn new(link: Link, intake: Intake, settings: WebhookSettings) -> Self {
        let inner = Inner { link, intake, settings, reader: OnceCell::new(), turn: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The route for the HTTP server, under the configured path.
    pub fn router(&self) -> Router {
        Router::new()
            .route(&self.inner.settings.path, post(receive))
            .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
            .with_state(self.clone())
    }

    /// Tells Telegram where to post, and ends with shutdown. Until then nothing is taken in.
    pub async fn run(&self, shutdown: &Shutdown) {
        let inner = &self.inner;
        let work = async {
            let reader = inner.link.reader().await;
            // The cursor is not needed here, but the source is taken with it.
            poll::begin(&inner.link, &inner.intake).await;
            let _ = inner.reader.set(reader);
            inner.register().await;
            std::future::pending().await
        };
        shutdown.unless_cancelled::<_>(work).await.unwrap_or(())
    }
}

impl Inner {
    async fn register(&self) {
        let mut request = SetWebhook::new(self.settings.url.clone())
            .max_connections(1)
            .drop_pending_updates(false)
            .secret_token(self.settings.secret.expose());
        request.allowed_updates = serde_json::from_value(serde_json::json!(ALLOWED_UPDATES)).ok();
        let mut failed = 0;
        while let Err(failure) = self.link.api.call::<_, bool>(&request, self.link.call_timeout).await {
            self.link.health.trouble(poll::explain(&failure));
            self.link.clock.sleep(self.link.backoff.next(failed)).await;
            failed = failed.saturating_add(1);
        }
        self.link.health.well();
    }

    async fn accept(&self, reader: &Reader, update: Value) -> StatusCode {
        let Some(id) = update_id(&update) else { return StatusCode::BAD_REQUEST };
        let _turn = self.turn.lock().await;
        let next = Confirmed::after(id);
        match poll::accept(&self.link, &self.intake, reader, &[update], next).await {
            Ok(_durable) => {
                self.link.health.well();
                StatusCode::OK
            }
            Err(reason) => {
                self.link.health.trouble(reason);
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

async fn receive(State(webhook): State<Webhook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let inner = &webhook.inner;
    let secret = headers.get(SECRET_HEADER).and_then(|value| value.to_str().ok());
    if secret.map(Secret::new).as_ref() != Some(&inner.settings.secret) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(reader) = inner.reader.get() else { return StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::from_slice(&body) {
        Ok(update) => inner.accept(reader, update).await,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
