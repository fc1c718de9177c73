//! The queue of updates and the two ways to get them: getUpdates and the webhook's settings.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::params::Params;
use super::rules::{Answer, MAX_POLL, OFFSET_SLACK, Refusal};
use super::world::{Shared, World};

const ANOTHER_POLLER: &str =
    "terminated by other getUpdates request; make sure that only one bot instance is running";
const WEBHOOK_ACTIVE: &str =
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
/// Kinds that come only to a bot that asks for them by name.
const ON_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// Updates that the bot has not confirmed.
pub struct Updates {
    queue: VecDeque<(i64, Value)>,
    next_id: i64,
    allowed: Vec<String>,
    confirmed: Option<i64>,
    /// Counts the polls; a poll that is not the last one was pushed out.
    poll: u64,
    pub webhook: Option<Webhook>,
}

/// What setWebhook was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: String,
    pub secret_token: Option<String>,
    pub max_connections: i64,
}

impl Updates {
    pub fn new(next_id: i64) -> Self {
        Updates {
            queue: VecDeque::new(),
            next_id,
            allowed: Vec::new(),
            confirmed: None,
            poll: 0,
            webhook: None,
        }
    }

    /// Queues an update, unless the bot did not ask for its kind.
    pub fn push(&mut self, kind: &str, content: Value) {
        let wanted = if self.allowed.is_empty() {
            !ON_REQUEST.contains(&kind)
        } else {
            self.allowed.iter().any(|k| k == kind)
        };
        if wanted {
            let update = Map::from_iter([(kind.to_owned(), content)]);
            self.push_raw(update);
        }
    }

    /// Queues an update of any form. One that brings its own `update_id` moves the count there.
    pub fn push_raw(&mut self, mut update: Map<String, Value>) -> i64 {
        if let Some(id) = update.get("update_id").and_then(Value::as_i64) {
            self.next_id = id;
        }
        let id = self.next_id;
        self.next_id += 1;
        update.insert("update_id".to_owned(), json!(id));
        self.queue.push_back((id, Value::Object(update)));
        id
    }

    /// The next update gets this id, whatever came before.
    pub fn jump(&mut self, next_id: i64) {
        self.next_id = next_id;
    }

    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    pub fn confirmed(&self) -> Option<i64> {
        self.confirmed
    }

    /// How many polls have begun.
    pub fn polls(&self) -> u64 {
        self.poll
    }

    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// Begins a poll: pushes out the one before, confirms what lies below the offset.
    fn begin(&mut self, ask: &Ask) -> Result<u64, Refusal> {
        if self.webhook.is_some() {
            return Err(Refusal::conflict(WEBHOOK_ACTIVE));
        }
        self.poll += 1;
        if let Some(allowed) = &ask.allowed {
            self.allowed.clone_from(allowed);
        }
        let offset = ask.offset;
        if offset < 0 {
            let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            self.queue.drain(..self.queue.len().saturating_sub(keep));
        } else if offset > 0 && offset <= self.next_id + OFFSET_SLACK {
            self.queue.retain(|(id, _)| *id >= offset);
            self.confirmed = Some(offset);
        }
        Ok(self.poll)
    }

    fn take(&self, ask: &Ask, poll: u64) -> Result<Vec<Value>, Refusal> {
        if self.webhook.is_some() {
            return Err(Refusal::conflict("terminated by setWebhook request"));
        }
        if self.poll != poll {
            return Err(Refusal::conflict(ANOTHER_POLLER));
        }
        Ok(self.queue.iter().take(ask.limit).map(|(_, update)| update.clone()).collect())
    }
}

struct Ask {
    offset: i64,
    limit: usize,
    wait: Duration,
    allowed: Option<Vec<String>>,
}

impl Ask {
    /// The server does not refuse a limit or a time-out that is out of range; it takes the nearest.
    fn read(params: &Params) -> Result<Ask, Refusal> {
        let limit = params.integer("limit")?.unwrap_or(100).clamp(1, 100);
        let wait = params.integer("timeout")?.unwrap_or_default().clamp(0, MAX_POLL.as_secs().cast_signed());
        let allowed = params.list("allowed_updates")?;
        let name = |kind: Value| kind.as_str().map(str::to_owned);
        Ok(Ask {
            offset: params.integer("offset")?.unwrap_or_default(),
            limit: usize::try_from(limit).unwrap_or(100),
            wait: Duration::from_secs(wait.unsigned_abs()),
            allowed: allowed.map(|kinds| kinds.into_iter().filter_map(name).collect()),
        })
    }
}

/// Answers when there is an update, when the time is over, or when another poll takes its place.
pub async fn get_updates(shared: &Shared, params: &Params) -> Answer {
    let ask = Ask::read(params)?;
    let mut changes = shared.subscribe();
    let poll = shared.change(|world| world.updates.begin(&ask))?;
    let deadline = Instant::now() + ask.wait;
    loop {
        changes.mark_unchanged();
        let updates = shared.look().updates.take(&ask, poll)?;
        if !updates.is_empty() || Instant::now() >= deadline {
            return Ok(Value::Array(updates));
        }
        // Both ends lead to another look: a change, and the time being over.
        let _ = timeout_at(deadline, changes.changed()).await;
    }
}

pub fn set_webhook(world: &mut World, params: &Params) -> Answer {
    let address = params.text("url").unwrap_or_default();
    let updates = &mut world.updates;
    if params.flag("drop_pending_updates") {
        updates.clear();
    }
    if address.is_empty() {
        updates.webhook = None;
        return Ok(Value::Bool(true));
    }
    let bad = |why: &str| Refusal::bad_request(format!("bad webhook: {why}"));
    let url = Url::parse(&address).map_err(|_| bad("invalid webhook URL specified"))?;
    if url.scheme() != "https" {
        return Err(bad("An HTTPS URL must be provided for webhook"));
    }
    if ![80, 88, 443, 8443].contains(&url.port_or_known_default().unwrap_or_default()) {
        return Err(bad("Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    let secret_token = params.text("secret_token");
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if secret_token.as_ref().is_some_and(|secret| secret.len() > 256 || !secret.chars().all(allowed)) {
        return Err(Refusal::bad_request("secret token contains unallowed characters"));
    }
    let max_connections = params.integer("max_connections")?.unwrap_or(40).clamp(1, 100);
    updates.webhook = Some(Webhook { url: address, secret_token, max_connections });
    Ok(Value::Bool(true))
}

pub fn delete_webhook(world: &mut World, params: &Params) -> Answer {
    world.updates.webhook = None;
    if params.flag("drop_pending_updates") {
        world.updates.clear();
    }
    Ok(Value::Bool(true))
}

pub fn webhook_info(world: &mut World, _: &Params) -> Answer {
    let pending = world.updates.pending();
    Ok(match &world.updates.webhook {
        None => json!({ "url": "", "has_custom_certificate": false, "pending_update_count": pending }),
        Some(webhook) => json!({
            "url": webhook.url, "has_custom_certificate": false, "pending_update_count": pending,
            "max_connections": webhook.max_connections,
        }),
    })
}
