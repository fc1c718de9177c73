//! The Telegram side from the configuration.

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;

use crate::{
    bridge::context,
    channel::{
        intake::Intake,
        telegram::{Rates, Settings, SetupError, Telegram as Channel},
    },
    config::{
        Config,
        telegram::{TelegramMode, Unlinked},
    },
    model::ids::{AccountName, ChatId},
    runtime::{clock::Clock, shutdown::Shutdown, tasks::Tasks},
};

/// The bot, and what the operator said of it.
pub(super) struct Telegram {
    channel: Channel,
    config: crate::config::Telegram,
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
    Ok(Some(Telegram { channel, config: telegram.clone() }))
}

impl Telegram {
    /// What the bridge sees of it.
    pub(super) fn side(&self) -> context::Telegram {
        context::Telegram {
            channel: Arc::new(self.channel.clone()),
            bot: self.channel.bot(),
            username: None,
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

    pub(super) fn start(&self, tasks: &Tasks, intake: &Intake, shutdown: &Shutdown) {
        if let TelegramMode::Polling = &self.config.mode {
            let (channel, intake, shutdown) = (self.channel.clone(), intake.clone(), shutdown.clone());
            tasks.spawn("telegram", move || {
                let (channel, intake, shutdown) = (channel.clone(), intake.clone(), shutdown.clone());
                async move { channel.poll(intake, shutdown).await }
            });
        }
    }
}
