//! The one room that knows every adapter: configuration in, running bridge out, drained bridge at the end.

mod apis;
pub mod check;
mod doors;
pub mod inspect;
mod mailboxes;
mod telegram;

use std::{collections::HashMap, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};

use crate::{
    bridge::{
        address_book::AddressBook,
        circuit::Circuits,
        context::{AccountRules, Bridge, Parts},
        hints::Hints,
        intake, lanes,
        sources::SourceTrouble,
        staff_watch, trouble,
    },
    channel::{email, intake::Intake},
    config::Config,
    model::{
        account::Account,
        ids::{AccountName, ApiName, ChatId},
        sealed::SealingKey,
    },
    runtime::{
        backoff::{Backoff, InvalidBackoff},
        clock::Clock,
        shutdown::Shutdown,
        tasks::Tasks,
        telemetry::Metrics,
        tls,
    },
    store::{OpenError, Options, Store, StoreError, change::Change},
    text::templates::{TemplateProblems, Templates},
};

/// Requests that may stand between the channels and the journal.
const INTAKE_WAITING: usize = 64;
/// Hints that may stand between the queue of an API's hints and its watch.
const HINTS_WAITING: usize = 16;
/// Accounts that one transaction writes.
const ACCOUNTS_AT_ONCE: usize = 500;
/// What is kept no longer is dropped this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Why the bridge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    #[error("the templates cannot be used")]
    Templates(#[from] TemplateProblems),
    #[error("TLS cannot be set up")]
    Tls(#[from] tls::TlsError),
    #[error("a wait in [timing] makes no sense")]
    Timing(#[from] InvalidBackoff),
    #[error("Telegram cannot be set up")]
    Telegram(#[from] crate::channel::telegram::SetupError),
    #[error("mode = \"webhook\" needs [http] with the address on which Telegram's calls arrive")]
    WebhookWithoutHttp,
    #[error("{door} cannot be opened")]
    Door { door: String, source: std::io::Error },
    #[error("the ticket API cannot be set up")]
    TicketApi(#[from] crate::ticket_api::common::SetUpError),
}

/// How to start.
pub struct Start {
    /// Go on although part of the state is missing.
    pub after_loss: bool,
    pub metrics: Option<Metrics>,
    pub shutdown: Shutdown,
}

/// Runs the bridge until shutdown, then lets the steps in hand end.
pub async fn run(config: Config, start: Start) -> Result<(), StartError> {
    let clock = Clock::real();
    let tls = tls::client_config(config.ca_file.as_deref())?;
    let timing = config.timing.clone();
    let retry = Backoff::new(timing.retry_min, timing.retry_max)?;
    let tasks = Tasks::new(start.shutdown.clone(), retry);
    let built = build(&config, &clock, &tls, start.after_loss).await?;
    let (handle, requests) = Intake::new(built.bridge.spool.clone(), INTAKE_WAITING);

    tasks.spawn_once("intake", intake::run(built.bridge.clone(), requests));
    let (bridge, shutdown) = (built.bridge.clone(), start.shutdown.clone());
    tasks.spawn("lanes", move || lanes::run(bridge.clone(), shutdown.clone()));
    for api in built.bridge.apis.keys() {
        watch_staff(&tasks, &built.bridge, api, &start.shutdown);
    }
    let (mut watched, mut webhook) = (Vec::new(), None);
    if let Some(telegram) = &built.telegram {
        webhook = telegram.start(&tasks, &built.bridge, &handle, &start.shutdown);
        watched.push(telegram.watched(&tasks, &start.shutdown));
    }
    for mailbox in &built.mailboxes {
        mailbox.start(&tasks, &handle, &start.shutdown);
        watched.push(mailbox.watched(&tasks, &start.shutdown));
    }
    let doors = doors::Doors { bridge: &built.bridge, watched: &watched, metrics: start.metrics, webhook };
    doors.open(&config, &tasks, &start.shutdown).await?;
    tasks.spawn_once("trouble", trouble::run(built.bridge.clone(), watched, start.shutdown.clone()));
    let (bridge, shutdown) = (built.bridge.clone(), start.shutdown.clone());
    tasks.spawn("forget", move || forget(bridge.clone(), shutdown.clone()));
    drop(handle);
    tracing::info!("The bridge runs.");

    start.shutdown.cancelled().await;
    let unfinished = tasks.stop(timing.stop_within).await;
    if unfinished.is_empty() {
        tracing::info!("The bridge has stopped; nothing was in hand.");
    } else {
        tracing::warn!(
            ?unfinished,
            "The bridge has stopped with work in hand, which goes on at the next start."
        );
    }
    Ok(())
}

/// The bridge with nothing started: for a command while no daemon runs.
pub async fn at_rest(config: &Config) -> Result<Bridge, StartError> {
    let tls = tls::client_config(config.ca_file.as_deref())?;
    Ok(build(config, &Clock::real(), &tls, false).await?.bridge)
}

/// The bridge with the adapters that are started beside it.
struct Built {
    bridge: Bridge,
    telegram: Option<telegram::Telegram>,
    mailboxes: Vec<mailboxes::Mailbox>,
}

async fn build(
    config: &Config,
    clock: &Clock,
    tls: &Arc<ClientConfig>,
    after_loss: bool,
) -> Result<Built, StartError> {
    let options = Options {
        dir: config.state_dir.clone(),
        clock: clock.clone(),
        after_loss,
        spool_bytes: config.limits.spool_bytes.0,
        most_jobs: 100_000,
    };
    let (store, spool, secret) = open(options).await?;
    let telegram = telegram::build(config, tls, clock)?;
    let apis = apis::build(config, tls, clock)?;
    let shared = email::Shared::new(spool.clone(), config.limits.bytes_in_flight.0, clock.clone());
    let mailboxes = mailboxes::build(config, tls, &shared)?;
    remember_accounts(&store, config).await?;
    let addresses = AddressBook::of(&store)?;
    let bridge = Bridge::new(Parts {
        store,
        spool,
        secret,
        clock: clock.clone(),
        templates: Templates::new(config.templates.as_deref(), &config.language)?,
        apis,
        telegram: telegram.as_ref().map(telegram::Telegram::side),
        mailboxes: mailboxes.iter().map(|mailbox| (mailbox.name(), mailbox.side())).collect(),
        accounts: accounts(config),
        addresses,
        sealing: config.secret_key.as_ref().map(SealingKey::new),
        hints: hints(config),
        language: config.language.clone(),
        timing: config.timing.clone(),
        limits: config.limits.clone(),
        circuits: Circuits::new(Backoff::new(config.timing.retry_min, config.timing.retry_max)?),
    });
    bridge.know_keys()?;
    Ok(Built { bridge, telegram, mailboxes })
}

async fn open(
    options: Options,
) -> Result<(Store, crate::spool::Spool, crate::model::secret::InstanceSecret), StartError> {
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    match opened {
        Ok(opened) => Ok(opened?),
        Err(panic) => Err(OpenError::Lost(format!("opening the store failed: {panic}")).into()),
    }
}

/// Accounts of `bot.toml` stand in the store beside those added while running.
async fn remember_accounts(store: &Store, config: &Config) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for account in &config.accounts {
        let account = Account {
            name: AccountName::new(&account.name),
            api: ApiName::new(&account.ticket_api),
            remote: account.id.clone(),
            emails: account.emails.iter().map(ToString::to_string).collect(),
            key: None,
        };
        let known = store.account(&account.name)?;
        // A key that it was given before it stood here stays, but is never shown to another system.
        let key = known.as_ref().filter(|known| known.api == account.api).and_then(|known| known.key.clone());
        let account = Account { key, ..account };
        if known.as_ref() != Some(&account) {
            changes.push(Change::Account(account));
        }
    }
    for changes in changes.chunks(ACCOUNTS_AT_ONCE) {
        store.apply(changes.to_vec()).await?;
    }
    Ok(())
}

/// One secret for each ticket API that may send hints.
fn hints(config: &Config) -> Hints {
    let secret = |api: &crate::config::TicketApi| Some((ApiName::new(&api.name), api.hook_secret.clone()?));
    Hints::new(config.ticket_apis.iter().filter_map(secret))
}

fn accounts(config: &Config) -> HashMap<AccountName, AccountRules> {
    let rules = |account: &crate::config::Account| AccountRules {
        key: account.key.clone(),
        admin_chat: account.admin_chat.map(ChatId),
        topic: account.topic.clone(),
        property: account.property.clone(),
    };
    config.accounts.iter().map(|account| (AccountName::new(&account.name), rules(account))).collect()
}

fn watch_staff(tasks: &Tasks, bridge: &Bridge, api: &ApiName, shutdown: &Shutdown) {
    let (bridge, api, shutdown) = (bridge.clone(), api.clone(), shutdown.clone());
    tasks.spawn(format!("staff messages of {api}"), move || {
        let (bridge, api, shutdown) = (bridge.clone(), api.clone(), shutdown.clone());
        let (hint, hints) = mpsc::channel(HINTS_WAITING);
        async move {
            // The sender must live as long as the watch does.
            let forward = bridge.hints.forward(&api, hint.clone(), &bridge.clock);
            tokio::select! {
                () = staff_watch::run(bridge.clone(), api.clone(), hints, shutdown) => {}
                () = forward => {}
            }
            drop(hint);
        }
    });
}

/// Says a channel's health in the bridge's words for as long as it changes.
fn relay<T: Send + Sync + 'static>(
    tasks: &Tasks,
    shutdown: &Shutdown,
    mut health: watch::Receiver<T>,
    word: impl Fn(&T) -> Option<SourceTrouble> + Send + 'static,
) -> watch::Receiver<Option<SourceTrouble>> {
    let (tell, trouble) = watch::channel(None);
    let shutdown = shutdown.clone();
    tasks.spawn_once("health", async move {
        loop {
            let now = word(&health.borrow_and_update());
            tell.send_replace(now);
            if !matches!(shutdown.unless_cancelled(health.changed()).await, Some(Ok(()))) {
                return;
            }
        }
    });
    trouble
}

async fn forget(bridge: Bridge, shutdown: Shutdown) {
    while shutdown.unless_cancelled(bridge.clock.sleep(FORGET_EVERY)).await.is_some() {
        let before = bridge.now().minus(bridge.timing.keep_done);
        if let Err(error) = bridge.store.forget(before).await {
            tracing::warn!(%error, "What is kept no longer could not be dropped.");
        }
    }
}
