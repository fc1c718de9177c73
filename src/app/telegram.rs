//! The Telegram side from the configuration.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::Router;
use rustls::ClientConfig;
use serde_json::json;

use crate::{
    app::relay,
    bridge::{
        context::{self, Bridge},
        sources::{SourceTrouble, Watched},
    },
    channel::{
        intake::Intake,
        telegram::{Health, Rates, Settings, SetupError, Telegram as Channel, WebhookSettings},
    },
    config::{
        Config,
        telegram::{TelegramMode, Unlinked},
    },
    model::ids::{AccountName, ChatId},
    runtime::{clock::Clock, shutdown::Shutdown, tasks::Tasks},
    text::templates::Format,
};

/// Telegram keeps updates that nobody fetched for so long (<https://core.telegram.org/bots/api#getting-updates>).
const TELEGRAM_KEEPS: Duration = Duration::from_secs(24 * 3600);

/// The bot is asked who it is this often until it answers.
const INTRODUCED_AGAIN: Duration = Duration::from_secs(10);

/// The bot, and what the operator said of it.
pub(super) struct Telegram {
    channel: Channel,
    config: crate::config::Telegram,
    username: Arc<OnceLock<String>>,
}

pub(super) fn build(
    config: &Config,
    tls: &Arc<ClientConfig>,
    clock: &Clock,
) -> Result<Option<Telegram>, SetupError> {
    let Some(telegram) = &config.telegram else { return Ok(None) };
    let settings = Settings {
        long_poll: config.timing.telegram_poll,
        call_timeout: config.timing.telegram_call,
        file_timeout: config.timing.telegram_file,
        rates: Rates {
            overall_per_second: config.limits.telegram_per_second,
            chat_per_second: config.limits.telegram_chat_per_second,
            group_per_minute: config.limits.telegram_group_per_minute,
            patience: Duration::from_secs(5),
        },
        download_limit: config.limits.telegram_download.0,
        upload_limit: config.limits.telegram_upload.0,
        ..Settings::new(telegram.token.clone(), telegram.api_url.as_str())
    };
    let channel = Channel::new(settings, tls, clock.clone())?;
    Ok(Some(Telegram { channel, config: telegram.clone(), username: Arc::default() }))
}

impl Telegram {
    /// What the bridge sees of it.
    pub(super) fn side(&self) -> context::Telegram {
        context::Telegram {
            channel: Arc::new(self.channel.clone()),
            bot: self.channel.bot(),
            username: self.username.clone(),
            admin_chat: self.config.admin_chat.map(ChatId),
            unlinked: match &self.config.unlinked {
                Unlinked::Refuse => None,
                Unlinked::Account(name) => Some(AccountName::new(name)),
            },
        }
    }

    /// Asks Telegram who the bot is, and whether it may write to the admins.
    pub(super) async fn check(&self) -> Result<String, String> {
        let identity = self.channel.connect().await.map_err(|error| error.to_string())?;
        Ok(format!("@{}", identity.username))
    }

    /// Takes updates in; a webhook gives the door by which they come.
    pub(super) fn start(
        &self,
        tasks: &Tasks,
        bridge: &Bridge,
        intake: &Intake,
        shutdown: &Shutdown,
    ) -> Option<Router> {
        self.introduce(tasks, bridge, shutdown);
        let (channel, intake, shutdown) = (self.channel.clone(), intake.clone(), shutdown.clone());
        match &self.config.mode {
            TelegramMode::Polling => {
                tasks.spawn("telegram", move || {
                    let (channel, intake, shutdown) = (channel.clone(), intake.clone(), shutdown.clone());
                    async move { channel.poll(intake, shutdown).await }
                });
                None
            }
            TelegramMode::Webhook(hook) => {
                let settings = WebhookSettings {
                    url: hook.url.clone(),
                    path: hook.path.clone(),
                    secret: hook.secret_token.clone(),
                };
                let webhook = channel.webhook(intake, settings);
                let router = webhook.router();
                tasks.spawn("telegram webhook", move || {
                    let (webhook, shutdown) = (webhook.clone(), shutdown.clone());
                    async move { webhook.run(&shutdown).await }
                });
                Some(router)
            }
        }
    }

    /// Learns the bot's name, and offers its commands.
    fn introduce(&self, tasks: &Tasks, bridge: &Bridge, shutdown: &Shutdown) {
        let (channel, bridge, username) = (self.channel.clone(), bridge.clone(), self.username.clone());
        let (clock, shutdown) = (bridge.clock.clone(), shutdown.clone());
        tasks.spawn_once("telegram introduction", async move {
            let known = async {
                loop {
                    if let Ok(identity) = channel.connect().await {
                        break identity;
                    }
                    clock.sleep(INTRODUCED_AGAIN).await;
                }
            };
            if let Some(identity) = shutdown.unless_cancelled(known).await {
                let _ = username.set(identity.username); // The first answer stays; it does not change.
                shutdown.unless_cancelled(offer_commands(&channel, &bridge)).await;
            }
        });
    }

    /// Its trouble, for the alerts.
    pub(super) fn watched(&self, tasks: &Tasks, shutdown: &Shutdown) -> Watched {
        let trouble = relay(tasks, shutdown, self.channel.health(), |health: &Health| match health {
            Health::Well { .. } => None,
            Health::Trouble { since, what } => {
                Some(SourceTrouble { since: *since, what: what.clone(), stopped: false, starting: false })
            }
        });
        Watched {
            name: "Telegram".to_owned(),
            meaning: "messages wait at Telegram and are fetched later".to_owned(),
            todo: None,
            mailbox: None,
            keeps: Some(TELEGRAM_KEEPS),
            trouble,
        }
    }
}

/// The commands in people's input field, in each language that has templates.
async fn offer_commands(channel: &Channel, bridge: &Bridge) {
    for language in bridge.templates.languages() {
        let Ok(list) = bridge.templates.render(language, "commands", Format::Telegram, &json!({})) else {
            continue;
        };
        let commands: Vec<(String, String)> = list
            .lines()
            .filter_map(|line| line.split_once(" - "))
            .map(|(name, text)| (name.trim().to_owned(), text.trim().to_owned()))
            .collect();
        let code = (language != bridge.language).then_some(language);
        channel.set_commands(&commands, code).await;
    }
}
