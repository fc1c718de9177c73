//! Telegram: the Bot API in and out.

mod api;
mod content;
mod errors;
mod files;
mod health;
mod incoming;
mod limits;
mod outgoing;
mod poll;
mod webhook;
mod wire;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use rustls::ClientConfig;
use serde::Deserialize;
use teloxide::{
    payloads::{GetChatMember, GetMe, SetMyCommands, SetMyCommandsSetters as _},
    types::BotCommand,
};
use tokio::sync::watch;

pub use health::Health;
pub use limits::Rates;
pub use webhook::{Webhook, WebhookSettings};

use self::{
    api::Api, errors::Failure, health::Reporter, incoming::Reader, limits::Limits, outgoing::Outgoing,
};
use super::{Channel, OpenError, Opened, Parcel, SendError, Sent, intake::Intake, intake::Source};
use crate::{
    model::{
        attachment::Attachment,
        ids::{BotId, ChatId, UserId},
    },
    runtime::{backoff::Backoff, clock::Clock, http_client, secret::Secret, shutdown::Shutdown},
};

const MIB: u64 = 1024 * 1024;

/// How Telegram says that a user is not in a chat.
const STRANGER: [&str; 3] = ["participant_id_invalid", "user not found", "member not found"];

/// One bot at one Bot API server.
#[derive(Clone, Debug)]
pub struct Settings {
    pub token: Secret,
    pub api_url: String,
    /// How long Telegram keeps an empty getUpdates open.
    pub long_poll: Duration,
    /// How long any other call may take, and a long poll on top of its own time.
    pub call_timeout: Duration,
    /// How long the transfer of a file may take.
    pub file_timeout: Duration,
    /// Waits between failed rounds.
    pub backoff: Backoff,
    /// The least wait after an answer that will hardly change by itself: a bad token, a second reader.
    pub slow_retry: Duration,
    pub rates: Rates,
    /// Bytes up to which the server gives files out.
    pub download_limit: u64,
    /// Bytes up to which it takes them.
    pub upload_limit: u64,
}

impl Settings {
    /// The limits of `https://api.telegram.org` (<https://core.telegram.org/bots/api#sending-files>).
    pub fn new(token: Secret, api_url: impl Into<String>) -> Self {
        Self {
            token,
            api_url: api_url.into(),
            long_poll: Duration::from_secs(50),
            call_timeout: Duration::from_secs(30),
            file_timeout: Duration::from_secs(5 * 60),
            backoff: poll::default_backoff(),
            slow_retry: Duration::from_secs(30),
            rates: Rates::default(),
            download_limit: 20 * MIB,
            upload_limit: 50 * MIB,
        }
    }
}

/// Why a bot cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `<number>:<letters>` as BotFather gives it.
    #[error("the bot token does not begin with the bot's number and a colon")]
    Token,
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Who the bot is, as Telegram says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotIdentity {
    pub bot: BotId,
    /// Without `@`; for `t.me/<username>?start=…`.
    pub username: String,
}

/// The bot. Cheap to clone.
#[derive(Clone)]
pub struct Telegram {
    link: Link,
    outgoing: Arc<Outgoing>,
}

/// What both doors and the way out share.
#[derive(Clone)]
struct Link {
    api: Api,
    bot: BotId,
    api_url: String,
    clock: Clock,
    health: Arc<Reporter>,
    identity: Arc<OnceLock<BotIdentity>>,
    long_poll: Duration,
    call_timeout: Duration,
    file_timeout: Duration,
    backoff: Backoff,
    slow_retry: Duration,
    download_limit: u64,
}

/// All that we need of <https://core.telegram.org/bots/api#user>.
#[derive(Deserialize)]
struct Me {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Member {
    status: String,
}

impl Telegram {
    /// Calls nobody yet.
    pub fn new(settings: Settings, tls: &Arc<ClientConfig>, clock: Clock) -> Result<Self, SetupError> {
        let bot = bot_of(&settings.token).ok_or(SetupError::Token)?;
        let client = http_client::http_client(tls, settings.long_poll + settings.call_timeout)?;
        let api = Api::new(client, &settings.api_url, settings.token);
        let outgoing = Outgoing {
            api: api.clone(),
            limits: Limits::new(settings.rates, clock.clone()),
            timeout: settings.call_timeout,
            file_timeout: settings.file_timeout,
            upload_limit: settings.upload_limit,
            refused_photos: outgoing::RefusedPhotos::default(),
        };
        let link = Link {
            api,
            bot,
            // Written with a slash at its end or without, it is the same server with the same cursor.
            api_url: settings.api_url.trim_end_matches('/').to_owned(),
            health: Arc::new(Reporter::new(clock.clone())),
            clock,
            identity: Arc::default(),
            long_poll: settings.long_poll,
            call_timeout: settings.call_timeout,
            file_timeout: settings.file_timeout,
            backoff: settings.backoff,
            slow_retry: settings.slow_retry,
            download_limit: settings.download_limit,
        };
        Ok(Self { link, outgoing: Arc::new(outgoing) })
    }

    /// The bot's number, which stands in its token.
    pub fn bot(&self) -> BotId {
        self.link.bot
    }

    pub fn source(&self) -> Source {
        self.link.source()
    }

    /// Whether updates come in.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.link.health.watch()
    }

    /// Who the bot is, once Telegram was reached.
    pub fn identity(&self) -> Option<BotIdentity> {
        self.link.identity.get().cloned()
    }

    /// Asks Telegram once who the bot is.
    pub async fn connect(&self) -> Result<BotIdentity, SendError> {
        Ok(self.link.connect().await?)
    }

    /// Offers commands, as (name, description), in people's input field; for one language or for all others.
    /// Nothing depends on it, so a failure is only logged.
    pub async fn set_commands(&self, commands: &[(String, String)], language: Option<&str>) {
        let commands = commands.iter().map(|(name, description)| BotCommand::new(name, description));
        let mut request = SetMyCommands::new(commands);
        if let Some(language) = language {
            request = request.language_code(language);
        }
        if let Err(failure) = self.link.api.call::<_, bool>(&request, self.link.call_timeout).await {
            tracing::warn!(%failure, "The bot's commands could not be set.");
        }
    }

    /// Takes updates in by polling until shutdown.
    pub async fn poll(&self, intake: Intake, shutdown: Shutdown) {
        poll::run(&self.link, &intake, &shutdown).await;
    }

    /// Takes updates in by webhook: its router for the HTTP server, and its `run` for a task.
    pub fn webhook(&self, intake: Intake, settings: WebhookSettings) -> Webhook {
        Webhook::new(self.link.clone(), intake, settings)
    }
}

#[async_trait]
impl Channel for Telegram {
    async fn send(&self, parcel: Parcel) -> Result<Sent, SendError> {
        self.outgoing.send(parcel).await
    }

    async fn open(&self, file: &Attachment) -> Result<Opened, OpenError> {
        files::open(
            &self.link.api,
            file,
            self.link.download_limit,
            (self.link.call_timeout, self.link.file_timeout),
        )
        .await
    }

    async fn is_chat_admin(&self, chat: ChatId, user: UserId) -> Result<bool, SendError> {
        if chat.0 == user.0 || user == incoming::ANONYMOUS_ADMIN {
            return Ok(true);
        }
        let Ok(id) = u64::try_from(user.0) else { return Ok(false) };
        let request = GetChatMember::new(teloxide::types::ChatId(chat.0), teloxide::types::UserId(id));
        match self.link.api.call::<_, Member>(&request, self.link.call_timeout).await {
            Ok(member) => Ok(matches!(member.status.as_str(), "creator" | "administrator")),
            Err(failure) if STRANGER.iter().any(|word| failure.says(word)) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}

impl Link {
    fn source(&self) -> Source {
        Source::Telegram { bot: self.bot, api_url: self.api_url.clone() }
    }

    async fn connect(&self) -> Result<BotIdentity, Failure> {
        if let Some(known) = self.identity.get() {
            return Ok(known.clone());
        }
        let me: Me = self.api.call(&GetMe::new(), self.call_timeout).await?;
        let identity = BotIdentity { bot: self.bot, username: me.username };
        Ok(self.identity.get_or_init(|| identity).clone())
    }

    /// The reader of updates; waits until Telegram said the bot's name, without which a command in a group
    /// could be another bot's.
    async fn reader(&self) -> Reader {
        let mut failed = 0;
        loop {
            match self.connect().await {
                Ok(identity) => return Reader::new(self.bot, identity.username, self.download_limit),
                Err(failure) => {
                    self.health.trouble(poll::explain(&failure));
                    let wait = self.backoff.next(failed);
                    let hopeless = failure.is_unauthorized();
                    self.clock.sleep(if hopeless { wait.max(self.slow_retry) } else { wait }).await;
                    failed = failed.saturating_add(1);
                }
            }
        }
    }
}

fn bot_of(token: &Secret) -> Option<BotId> {
    let (number, rest) = token.expose().split_once(':')?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    (!rest.is_empty()).then_some(BotId(number))
}
