//! A stand-in for the Telegram Bot API server: real HTTP, the real one's strictness, and people to act with.
//!
//! Written from <https://core.telegram.org/bots/api>; it shares no type with any client library.

mod chats;
mod editing;
mod files;
mod formatting;
mod keyboard;
mod params;
mod people;
mod rules;
mod seen;
mod sending;
mod server;
mod throttle;
mod updates;
mod world;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::timeout;

pub use self::files::{FileKind, SentFile};
pub use self::people::{Group, NoSuchButton, Person};
pub use self::rules::{MAX_CAPTION, MAX_DOWNLOAD, MAX_TEXT, MAX_UPLOAD};
pub use self::seen::{Button, SentMessage};
pub use self::updates::Webhook;
pub use self::world::{Call, CallbackAnswer, ChatKind, Outcome, Role};

use self::files::Files;
use self::throttle::Throttle;
use self::updates::Updates;
use self::world::{Access, Chat, Shared, User, World};
use super::faults::{self, Faults, Served};

/// How a stand-in starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 for any.
    pub at: SocketAddr,
    /// The bot's token; the number before the colon is the bot's id.
    pub token: String,
    /// The bot's name and user name.
    pub bot_name: String,
    pub bot_username: String,
    /// Whether the real server's sending limits hold.
    pub rate_limits: bool,
    /// Whether parameters that the documentation does not list are refused; the real server ignores them.
    pub strict: bool,
    /// The id of the first update.
    pub first_update_id: i64,
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            at: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: "7000000001:AAE-stand-in-token-for-tests-0123456".to_owned(),
            bot_name: "Example Support".to_owned(),
            bot_username: "example_support_bot".to_owned(),
            rate_limits: true,
            strict: true,
            first_update_id: 815_000_001,
            faults: Faults::default(),
        }
    }
}

/// The running server and the hands of everybody who uses it; clones share it, the last one stops it.
#[derive(Clone)]
pub struct TelegramStandIn {
    shared: Arc<Shared>,
    served: Arc<Served>,
    faults: Faults,
}

impl TelegramStandIn {
    /// Starts the server. Errors: the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<TelegramStandIn> {
        let bot_id = options.token.split_once(':').and_then(|(id, _)| id.parse().ok());
        let bot = User {
            id: bot_id.unwrap_or(7_000_000_001),
            is_bot: true,
            first_name: options.bot_name,
            username: options.bot_username,
            language_code: None,
        };
        let shared = Arc::new(Shared::new(World {
            token: options.token,
            bot,
            strict: options.strict,
            users: BTreeMap::new(),
            chats: BTreeMap::new(),
            files: Files::default(),
            updates: Updates::new(options.first_update_id),
            throttle: options.rate_limits.then(Throttle::default),
            callbacks: HashMap::new(),
            commands: Vec::new(),
            calls: VecDeque::new(),
            last_message_id: 0,
        }));
        let router = server::router(shared.clone());
        let served = faults::serve(options.at, router, options.faults.clone(), server::DIALECT).await?;
        Ok(TelegramStandIn { shared, served: Arc::new(served), faults: options.faults })
    }

    /// What `api_url` has to be.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.served.address())
    }

    pub fn token(&self) -> String {
        self.shared.look().token.clone()
    }

    /// Named faults; calls go by their documented method name, downloads are `file`.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Switches the sending limits on (from zero) or off.
    pub fn limits_rates(&self, on: bool) {
        self.shared.look().throttle = on.then(Throttle::default);
    }

    /// Somebody new, who never wrote to the bot.
    pub fn person(&self, name: &str, language_code: &str) -> Person {
        let user = self.shared.change(|world| {
            let number = i64::try_from(world.users.len()).unwrap_or_default() + 1;
            let id = 700_000_000 + number;
            let username = format!("{}_{number}", name.to_lowercase().replace(' ', "_"));
            let mut chat = Chat::new(id, ChatKind::Private, name, Access::Stranger);
            chat.username = Some(username.clone());
            world.chats.insert(id, chat);
            let language_code = (!language_code.is_empty()).then(|| language_code.to_owned());
            let user = User { id, is_bot: false, first_name: name.to_owned(), username, language_code };
            world.users.insert(id, user);
            id
        });
        Person { shared: self.shared.clone(), user, chat: user, topic: None }
    }

    /// A new group with the bot as an admin and nobody else yet. (A private chat comes with its person; asked
    /// for here, it is a basic group.)
    pub fn group(&self, title: &str, kind: ChatKind) -> Group {
        let kind = if kind == ChatKind::Private { ChatKind::Group } else { kind };
        let id = self.shared.change(|world| {
            let number = i64::try_from(world.chats.len()).unwrap_or_default() + 1;
            let id = match kind {
                ChatKind::Supergroup | ChatKind::Forum => people::SUPERGROUP_BASE - 2_000_000_000 - number,
                ChatKind::Private | ChatKind::Group => -4_000_000_000 - number,
            };
            let mut chat = Chat::new(id, kind, title, Access::Open);
            chat.members.insert(world.bot.id, Role::Admin);
            world.chats.insert(id, chat);
            id
        });
        Group { shared: self.shared.clone(), id }
    }

    /// Queues an update of any form, also of a kind that does not exist yet. Without an `update_id` it gets
    /// the next one; with one, the count goes on from there, up or down. Gives the id.
    pub fn pushes(&self, update: Map<String, Value>) -> i64 {
        self.shared.change(|world| world.updates.push_raw(update))
    }

    /// The next update gets this id, as after a quiet week or at another server.
    pub fn jumps_to(&self, update_id: i64) {
        self.shared.change(|world| world.updates.jump(update_id));
    }

    /// What the bot sent to a chat and did not delete, in order.
    pub fn messages_in(&self, chat: i64) -> Vec<SentMessage> {
        self.history_in(chat).into_iter().filter(|message| message.from_bot).collect()
    }

    /// What everybody wrote in a chat, in order.
    pub fn history_in(&self, chat: i64) -> Vec<SentMessage> {
        seen::history(&self.shared.look(), chat)
    }

    /// All calls of the bot with what came of them, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.look().calls.iter().cloned().collect()
    }

    /// The calls of one method.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.shared.look().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// The last offset that the bot confirmed.
    pub fn confirmed_offset(&self) -> Option<i64> {
        self.shared.look().updates.confirmed()
    }

    /// Updates that wait to be confirmed.
    pub fn pending_updates(&self) -> usize {
        self.shared.look().updates.pending()
    }

    /// How many polls the bot has begun: more than none means that it listens.
    pub fn polls(&self) -> u64 {
        self.shared.look().updates.polls()
    }

    pub fn webhook(&self) -> Option<Webhook> {
        self.shared.look().updates.webhook.clone()
    }

    /// The bot's menu of commands, as (command, description).
    pub fn commands(&self) -> Vec<(String, String)> {
        let text =
            |command: &Value, key| command.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let world = self.shared.look();
        world
            .commands
            .iter()
            .map(|command| (text(command, "command"), text(command, "description")))
            .collect()
    }

    /// The name of a forum's topic and whether it is closed.
    pub fn topic(&self, chat: i64, topic: i64) -> Option<(String, bool)> {
        let world = self.shared.look();
        let topic = world.chats.get(&chat)?.topics.get(&topic)?;
        Some((topic.name.clone(), topic.closed))
    }

    /// Waits for the first message of the bot in a chat that fits; `None` when the time is over.
    pub async fn wait_for(
        &self,
        chat: i64,
        fits: impl Fn(&SentMessage) -> bool,
        patience: Duration,
    ) -> Option<SentMessage> {
        self.wait_until(|stand_in| stand_in.messages_in(chat).into_iter().find(&fits), patience).await
    }

    /// Looks at each change until `look` finds something; `None` when the time is over.
    pub async fn wait_until<T>(
        &self,
        look: impl Fn(&TelegramStandIn) -> Option<T>,
        patience: Duration,
    ) -> Option<T> {
        let mut changes = self.shared.subscribe();
        let find = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look(self) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        timeout(patience, find).await.ok().flatten()
    }

    /// A count that moves whenever something happened: a call of the bot, a person's doing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.subscribe()
    }
}

#[cfg(test)]
mod telegram_tests;
