//! A small town: two customers, a desk, an admin group, and one real bridge between them.

mod belongings;
mod config;
mod folder;
mod letters;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

pub use belongings::{INVOICE_PDF, SETTINGS_PDF, TERMINAL_PHOTO};
pub use config::{Servers, TicketSystem};
pub use folder::Folder;
pub use letters::{Letter, LetterError, LetterFile, Letters, Penpal, threads};

use super::bridge_process::{BridgeError, BridgeProcess};
use super::desk::{DeskError, DeskOptions, DeskStandIn, Dialect};
use super::post_office::PostOffice;
use super::telegram::{ChatKind, Group, Options, Person, Role, TelegramStandIn};

/// The customer in Telegram, and her account at the desk.
pub const MARA: &str = "Mara";
pub const HARBOUR: Account = Account {
    name: "harbour-coffee",
    title: "Harbour Coffee",
    id: 123,
    key: "pdm_Q7m4x!Rt2vZk9sWd3hLp6nBy8cFg",
    domain: "harbour.example",
};

/// The customer by mail, and his.
pub const JONAS: &str = "Jonas Weber <jonas@nordlicht.example>";
pub const NORDLICHT: Account = Account {
    name: "nordlicht-books",
    title: "Nordlicht Books",
    id: 124,
    key: "pdm_b5Tq#8Xw2mKr7zVn4cHs9jLd3pGy",
    domain: "nordlicht.example",
};

/// Where customers write to by mail, and whose verdict about a sender counts there.
pub const SUPPORT: &str = "Example Support <support@example.com>";
pub const MAIL_SERVER: &str = "mx.example.com";

/// A stand-in's desk is reached in microseconds; what keeps a bridge from starting is no slow network.
const START: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// An account at the desk.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub name: &'static str,
    /// How people call the company.
    pub title: &'static str,
    pub id: i64,
    pub key: &'static str,
    /// Whose mail is this account's.
    pub domain: &'static str,
}

/// What a town is to be made of.
pub struct TownPlan {
    /// The bridge's program.
    pub program: PathBuf,
    /// Which ticket API the desk speaks.
    pub dialect: Dialect,
    /// Where a person sees a ticket; alerts link there. `{id}` stands for its number.
    pub panel_url: Option<String>,
}

impl TownPlan {
    /// A town whose desk speaks Paradarum's contract.
    pub fn new(program: PathBuf) -> Self {
        Self { program, dialect: Dialect::Paradarum, panel_url: None }
    }
}

/// Everybody, and everything between them. It ends with this value: the bridge is killed, the folder removed.
pub struct Town {
    pub bridge: BridgeProcess,
    pub telegram: TelegramStandIn,
    pub mara: Person,
    /// The admin's seat in the group.
    pub admin: Person,
    pub group: Group,
    pub desk: DeskStandIn,
    pub post: PostOffice,
    pub jonas: Penpal,
    pub folder: Folder,
    http: SocketAddr,
}

/// Why there is no town.
#[derive(Debug, thiserror::Error)]
pub enum TownError {
    #[error("the sandbox cannot be set up")]
    Io(#[from] io::Error),
    #[error("the ticket desk did not start")]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// With the last lines of its log.
    #[error("the bridge ended right after its start: {0}")]
    Ended(String),
    #[error("the bridge was not ready within {START:?}: {0}")]
    NotReady(String),
}

impl Town {
    /// Builds the town; its bridge does not run yet.
    pub async fn build(plan: TownPlan) -> Result<Self, TownError> {
        let folder = Folder::new("ticket-bridge-demo")?;
        let telegram = TelegramStandIn::start(Options::default()).await?;
        let group = telegram.group("Support alerts", ChatKind::Supergroup);
        let mara = telegram.person(MARA, "en");
        let admin = group.admits(&telegram.person("Ada", "en"), Role::Creator);
        let desk =
            DeskStandIn::start(DeskOptions { dialect: plan.dialect, ..DeskOptions::default() }).await?;
        for account in [HARBOUR, NORDLICHT] {
            desk.add_account(account.id, account.key);
        }
        let post = PostOffice::open(folder.path())?;
        let jonas = Penpal::new(post.clone(), JONAS, SUPPORT, MAIL_SERVER);
        let http = free_address()?;
        let accounts = vec![HARBOUR, NORDLICHT];
        let config = Servers {
            telegram: telegram.clone(),
            admins: Some(group.clone()),
            systems: vec![TicketSystem { name: "desk", desk: desk.clone(), accounts }],
            post: post.clone(),
            http,
            panel_url: plan.panel_url,
        };
        let file = config.write(folder.path())?;
        let bridge = BridgeProcess::new(plan.program, file, folder.path().join("bridge.log"));
        Ok(Self { bridge, telegram, mara, admin, group, desk, post, jonas, folder, http })
    }

    /// Starts the bridge, or starts it again, and waits until it takes in what comes from now on.
    pub async fn start_bridge(&self) -> Result<(), TownError> {
        self.start_bridge_with(&[]).await
    }

    /// The same with options of `run`.
    pub async fn start_bridge_with(&self, options: &[&str]) -> Result<(), TownError> {
        let before = self.telegram.polls();
        self.bridge.start_with(options)?;
        let listens = async {
            while self.telegram.polls() == before || !self.is_ready().await {
                if !self.bridge.is_running() {
                    return Err(TownError::Ended(self.bridge.last_words()));
                }
                sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        timeout(START, listens).await.unwrap_or_else(|_| Err(TownError::NotReady(self.bridge.last_words())))
    }

    /// By its own word.
    async fn is_ready(&self) -> bool {
        let asked = reqwest::get(format!("http://{}/readyz", self.http)).await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// A code for an account; asks again while the bridge's door is not open yet.
    pub async fn link_code(&self, account: Account) -> Result<String, BridgeError> {
        let begun = Instant::now();
        loop {
            match self.bridge.link_code(account.name).await {
                Err(_) if begun.elapsed() < START && self.bridge.is_running() => sleep(LOOK_AGAIN).await,
                code => return code,
            }
        }
    }
}

/// An address that nobody uses at this moment.
pub fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
