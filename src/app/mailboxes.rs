//! Mailboxes from the configuration.

use std::{path::PathBuf, sync::Arc};

use rustls::ClientConfig;
use tokio::sync::watch;

use crate::{
    app::{StartError, relay},
    bridge::{
        context,
        sources::{SourceTrouble, Watched},
    },
    channel::{
        email::{self, Health, InboxSettings, OutboxSettings, Settings, Shared, State},
        intake::Intake,
    },
    config::{
        Config, Mailbox as MailboxConfig,
        mailbox::{Imap, Outbox, Smtp, Source, TlsMode},
    },
    model::ids::{AccountName, ChatId, MailAddress, MailboxName},
    runtime::{backoff::Backoff, clock::Clock, shutdown::Shutdown, tasks::Tasks, tls},
    spool::Spool,
};

/// After a refused login the next one comes so much later, so that no provider locks the account.
const AFTER_REFUSED_LOGIN: std::time::Duration = std::time::Duration::from_secs(300);

/// A mailbox, and what the operator said of it.
pub(super) struct Mailbox {
    channel: Arc<email::Mailbox>,
    config: MailboxConfig,
}

pub(super) fn build(
    config: &Config,
    tls: &Arc<ClientConfig>,
    shared: &Shared,
) -> Result<Vec<Mailbox>, StartError> {
    let one = |mailbox: &MailboxConfig| {
        let settings = settings(mailbox, config, tls)?;
        let channel = Arc::new(email::Mailbox::new(settings, shared.clone()));
        Ok(Mailbox { channel, config: mailbox.clone() })
    };
    config.mailboxes.iter().map(one).collect()
}

/// Mailboxes that are only tried: they write nothing, so that they need no spool of the bridge's own.
pub(super) fn to_check(
    config: &Config,
    tls: &Arc<ClientConfig>,
    clock: &Clock,
) -> Result<Vec<Mailbox>, StartError> {
    let nowhere = std::env::temp_dir().join(format!("ticket-bridge-check-{}", std::process::id()));
    let spool = Spool::open(&nowhere, 0)
        .map_err(|source| StartError::Door { door: nowhere.display().to_string(), source })?;
    let built = build(config, tls, &Shared::new(spool, config.limits.bytes_in_flight.0, clock.clone()));
    let _ = std::fs::remove_dir_all(&nowhere);
    built
}

impl Mailbox {
    pub(super) fn name(&self) -> MailboxName {
        MailboxName::new(&self.config.name)
    }

    /// What the bridge sees of it.
    pub(super) fn side(&self) -> context::Mailbox {
        let config = &self.config;
        context::Mailbox {
            channel: self.channel.clone(),
            address: MailAddress::new(&config.from.email),
            sender: config.from.name.clone().unwrap_or_else(|| config.from.email.clone()),
            account: config.account.as_deref().map(AccountName::new),
            new_tickets: config.new_tickets.clone(),
            unverified: config.unverified,
            receipt: config.receipt,
            admin_chat: config.admin_chat.map(ChatId),
        }
    }

    pub(super) fn start(&self, tasks: &Tasks, intake: &Intake, shutdown: &Shutdown) {
        let (channel, intake, shutdown) = (self.channel.clone(), intake.clone(), shutdown.clone());
        tasks.spawn(format!("mailbox {}", self.config.name), move || {
            let (channel, intake, shutdown) = (channel.clone(), intake.clone(), shutdown.clone());
            async move { channel.run(intake, &shutdown).await }
        });
    }

    /// Its trouble, for the alerts.
    pub(super) fn watched(&self, tasks: &Tasks, shutdown: &Shutdown) -> Watched {
        let trouble: watch::Receiver<Option<SourceTrouble>> =
            relay(tasks, shutdown, self.channel.health(), |health: &Health| match &health.state {
                State::Well { .. } => None,
                State::Starting { since } => Some(SourceTrouble::starting(*since)),
                State::Trouble { since, what, unauthorized } => Some(SourceTrouble {
                    since: *since,
                    what: what.clone(),
                    stopped: *unauthorized,
                    starting: false,
                }),
            });
        Watched {
            name: format!("Mailbox {}", self.config.name),
            meaning: "mails stay on their server and are fetched later".to_owned(),
            todo: Some("run ticket-bridge check".to_owned()),
            mailbox: Some(self.name()),
            keeps: None,
            trouble,
        }
    }

    /// What of it works: the way in, the way out.
    pub(super) async fn check_inbox(&self) -> Result<String, String> {
        self.channel.try_inbox().await
    }

    pub(super) async fn check_outbox(&self) -> Result<String, String> {
        self.channel.try_outbox().await
    }
}

fn settings(
    mailbox: &MailboxConfig,
    config: &Config,
    tls: &Arc<ClientConfig>,
) -> Result<Settings, StartError> {
    let inbox = match &mailbox.source {
        Source::Imap(imap) => InboxSettings::Imap(imap_settings(imap, mailbox, tls)?),
        Source::Maildir(path) => InboxSettings::Maildir(path.clone()),
    };
    let outbox = match &mailbox.outbox {
        Outbox::Smtp(smtp) => OutboxSettings::Smtp(smtp_settings(smtp, tls)?),
        Outbox::Directory(path) => OutboxSettings::Directory(path.clone()),
    };
    Ok(Settings {
        name: MailboxName::new(&mailbox.name),
        inbox,
        outbox,
        from: email::From { name: mailbox.from.name.clone(), address: mailbox.from.email.clone() },
        reply_address: mailbox.reply_address.clone(),
        after: mailbox.after.clone(),
        start: mailbox.start,
        trust: trust(mailbox),
        timing: timing(config)?,
        limits: limits(config),
    })
}

fn imap_settings(
    imap: &Imap,
    mailbox: &MailboxConfig,
    tls: &Arc<ClientConfig>,
) -> Result<email::ImapSettings, StartError> {
    Ok(email::ImapSettings {
        server: server(&imap.host, imap.port, imap.tls, imap.ca_file.as_ref(), tls)?,
        user: imap.user.clone(),
        password: imap.password.clone(),
        folder: imap.folder.clone(),
        sent_folder: mailbox.sent_folder.clone(),
    })
}

fn smtp_settings(smtp: &Smtp, tls: &Arc<ClientConfig>) -> Result<email::SmtpSettings, StartError> {
    let server = server(&smtp.host, smtp.port, smtp.tls, smtp.ca_file.as_ref(), tls)?;
    Ok(email::SmtpSettings { server, login: smtp.login.clone() })
}

fn server(
    host: &str,
    port: u16,
    mode: TlsMode,
    ca_file: Option<&PathBuf>,
    tls: &Arc<ClientConfig>,
) -> Result<email::Server, StartError> {
    Ok(email::Server {
        host: host.to_owned(),
        port,
        security: mode,
        tls: match ca_file {
            Some(file) => tls::client_config(Some(file))?,
            None => tls.clone(),
        },
    })
}

fn timing(config: &Config) -> Result<email::Timing, StartError> {
    let timing = &config.timing;
    Ok(email::Timing {
        io: timing.imap_timeout,
        smtp: timing.smtp_timeout,
        idle: timing.idle_renew,
        poll: timing.imap_poll,
        backoff: Backoff::new(timing.imap_reconnect_min, timing.imap_reconnect_max)?,
        login_every: timing.imap_logins_per,
        login_burst: config.limits.imap_login_burst,
        unauthorized: AFTER_REFUSED_LOGIN,
        overlap: timing.uidvalidity_look_back,
        ..email::Timing::default()
    })
}

pub(super) fn trust(mailbox: &MailboxConfig) -> email::TrustSettings {
    email::TrustSettings {
        authserv_ids: mailbox.authserv_id.clone(),
        received_by: mailbox.received_by.clone(),
    }
}

pub(super) fn limits(config: &Config) -> email::Limits {
    let limits = &config.limits;
    let count = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    email::Limits {
        mail: limits.mail_bytes.0,
        kept_of_oversize: limits.oversize_keep.0,
        headers: count(limits.mail_header.0),
        parts: count(u64::from(limits.mail_parts)),
        depth: count(u64::from(limits.mail_depth)),
        ..email::Limits::default()
    }
}
