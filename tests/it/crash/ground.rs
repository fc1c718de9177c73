//! Where it is played: the stand-ins, and a real bridge process between them with short waits.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use futures::future::try_join_all;
use regex::Regex;
use ticket_bridge::model::job::{Job, State, Step, StepRecord, StepState};
use ticket_bridge::runtime::Clock;
use ticket_bridge::sandbox::bridge_process::BridgeProcess;
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect};
use ticket_bridge::sandbox::faults::Faults;
use ticket_bridge::sandbox::post_office::PostOffice;
use ticket_bridge::sandbox::telegram::{ChatKind, Group, Options, Person, Role, TelegramStandIn};
use ticket_bridge::sandbox::town::Folder;
use ticket_bridge::store::Store;
use tokio::time::{Instant, sleep};

use super::mail_sink::MailSink;

pub const PATIENCE: Duration = Duration::from_secs(30);
/// A look at everything, so often.
pub const GLANCE: Duration = Duration::from_millis(50);
/// By then the looks that follow a `settle` are over: whatever comes twice has come.
pub const AFTERMATH: Duration = Duration::from_secs(4);

pub struct Account {
    pub name: &'static str,
    pub id: i64,
    key: &'static str,
    /// Whose mail is this account's.
    pub domain: &'static str,
}

/// Chats that nobody linked belong to the first.
pub const ACCOUNTS: [Account; 3] = [
    Account { name: "harbour", id: 123, key: "pdm_storm_key_of_harbour", domain: "harbour.example" },
    Account { name: "nordlicht", id: 124, key: "pdm_storm_key_of_nordlicht", domain: "nordlicht.example" },
    Account { name: "tide", id: 125, key: "pdm_storm_key_of_tide", domain: "tide.example" },
];

/// Every wait is short; nothing else differs from a real installation. A call ends after one second, and
/// `settle` outlasts what the desk does late.
const TIMING: &str = r#"
[timing]
album_quiet = "300ms"
album_most = "2s"
short_first_wait = "1s"
burst = "300ms"
edit_gather = "500ms"
api_call = "1s"
settle = "2s"
retry_min = "100ms"
retry_max = "1s"
held_lane = "2min"
parked_create_wait = "5s"
telegram_unknown_again = "500ms"
smtp_unknown_again = "1s"
smtp_timeout = "1s"
status_fresh = "1s"
poll_hot = "1s"
poll_warm = "1s"
poll_cold = "2s"
files_recheck = ["500ms", "1s", "3s"]
imap_poll = "500ms"
telegram_poll = "5s"
telegram_call = "1s"
telegram_file = "2s"
stop_within = "3s"
"#;

pub struct Ground {
    pub telegram: TelegramStandIn,
    pub desk: DeskStandIn,
    pub post: PostOffice,
    pub sink: MailSink,
    pub bridge: BridgeProcess,
    pub folder: Folder,
    config: PathBuf,
}

/// Whether alerts are sent: Telegram lets twenty a minute into a group, so that they are what takes longest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Admins {
    InTheirGroup,
    Nowhere,
}

/// What the store holds that is not done.
#[derive(Default)]
pub struct Left {
    pub live: Vec<Job>,
    pub parked: Vec<Parked>,
    pub dead: Vec<Job>,
}

pub struct Parked {
    pub job: Job,
    /// Whether its ticket was opened is unknown.
    pub creating: bool,
}

impl Ground {
    pub async fn open(admins: Admins, dialect: Dialect) -> Self {
        let folder = Folder::new("ticket-bridge-crash").unwrap();
        let telegram = TelegramStandIn::start(Options::default()).await.unwrap();
        let group = telegram.group("Support alerts", ChatKind::Supergroup);
        group.admits(&telegram.person("Ada", "en"), Role::Creator);
        let group = Some(&group);
        let options = DeskOptions { dialect, ..DeskOptions::default() };
        let desk = DeskStandIn::start(options).await.unwrap();
        for account in &ACCOUNTS {
            desk.add_account(account.id, account.key);
        }
        let post = PostOffice::open(folder.path()).unwrap();
        let sink = MailSink::open().await;
        let config = folder.path().join("bot.toml");
        std::fs::write(
            &config,
            text(&telegram, group.filter(|_| admins == Admins::InTheirGroup), &desk, &post, &sink),
        )
        .unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
        let bridge = BridgeProcess::new(program, config.clone(), folder.path().join("bridge.log"));
        Self { telegram, desk, post, sink, bridge, folder, config }
    }

    /// Starts the bridge and waits until it asks Telegram for updates.
    pub async fn start(&self) {
        let before = self.telegram.polls();
        self.bridge.start().unwrap();
        self.until("the bridge listens", || {
            assert!(self.bridge.is_running(), "the bridge ended: {}", self.bridge.last_words());
            (self.telegram.polls() > before).then_some(())
        })
        .await;
    }

    /// Waits until every account's baseline stands: what staff write later is new.
    pub async fn baselines(&self) {
        if !self.desk.dialect().lists_tickets() {
            return; // What the bridge opened itself is all that it knows.
        }
        for account in &ACCOUNTS {
            self.until("a baseline", || {
                let calls = self.desk.calls();
                let lists =
                    calls.iter().filter(|call| call.name == "list" && call.account == Some(account.id));
                (lists.count() > 1).then_some(())
            })
            .await;
        }
    }

    /// Links chats to an account, as their customers do.
    pub async fn link(&self, people: &[&Person], account: &Account) {
        try_join_all(people.iter().map(async |person| {
            let code = self.bridge.link_code(account.name).await.unwrap();
            person.presses_start(&code);
            let asked =
                self.telegram.wait_for(person.chat_id(), |m| m.button("Yes").is_some(), PATIENCE).await;
            let asked = asked.ok_or("nobody asked whether the account is right")?;
            person.presses(asked.message_id, "Yes").unwrap();
            let linked = self.telegram.wait_for(
                person.chat_id(),
                |m| m.message_id == asked.message_id && m.edited && m.buttons.is_empty(),
                PATIENCE,
            );
            linked.await.map(drop).ok_or("the chat is not linked")
        }))
        .await
        .unwrap();
    }

    pub async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                self.folder.keep();
                panic!("waited in vain: {what}; see {}", self.folder.path().display());
            }
            sleep(GLANCE).await;
        }
    }

    /// Whose faults count: the desk's, Telegram's and the mail server's.
    pub fn all_faults(&self) -> [&Faults; 2] {
        [self.desk.faults(), self.telegram.faults()]
    }

    /// Jobs under way, as the command line tells; nothing while the bridge does not answer.
    pub async fn live(&self) -> Option<u64> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ticket-bridge"));
        command.args(["queue", "list", "--json", "-c"]).arg(&self.config);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let queue: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        queue.get("live")?.as_u64()
    }

    /// Kills the bridge and looks into its store.
    pub fn left(&self) -> Left {
        self.bridge.kill();
        let options = ticket_bridge::store::Options {
            dir: self.folder.path().join("state"),
            clock: Clock::real(),
            after_loss: false,
            spool_bytes: u64::MAX,
            most_jobs: usize::MAX,
        };
        let (store, ..) = Store::open(options).unwrap();
        let mut left = Left::default();
        for summary in store.summaries(100_000).unwrap() {
            let Some((job, steps)) = store.job(summary.id).unwrap() else { continue };
            match summary.state {
                State::Parked { .. } => {
                    let attempted = |record: &StepRecord| {
                        record.step == Step::Create && matches!(record.state, StepState::Attempted { .. })
                    };
                    left.parked.push(Parked { job, creating: steps.iter().any(attempted) });
                }
                State::Dead { .. } => left.dead.push(job),
                _ => left.live.push(job),
            }
        }
        left
    }

    /// The bridge's log lines that hold any of these words.
    pub fn log_about(&self, words: &[String]) -> Vec<String> {
        let log = std::fs::read_to_string(self.bridge.log()).unwrap_or_default();
        let plain = |line: &str| COLOURS.replace_all(line, "").into_owned();
        let about = |line: &String| words.iter().any(|word| line.contains(word.as_str()));
        log.lines().map(plain).filter(about).collect()
    }
}

fn text(
    telegram: &TelegramStandIn,
    group: Option<&Group>,
    desk: &DeskStandIn,
    post: &PostOffice,
    sink: &MailSink,
) -> String {
    let folder = post.maildir().parent().unwrap();
    let admin_chat = group.map(|group| format!("admin_chat = {}", group.id())).unwrap_or_default();
    let mut text = format!(
        "state_dir = \"state\"\nlanguage = \"en\"\n\n[log]\nlevel = \"info,ticket_bridge=debug\"\n\n\
         [telegram]\ntoken = {{ file = \"token\" }}\napi_url = {:?}\n{admin_chat}\nunlinked = {:?}\n\n\
         {}desk_mails_customers = false\nmax_calls_per_second = 200\nconnections = 16\n",
        telegram.base_url(),
        ACCOUNTS[0].name,
        desk.introduces_itself("desk", folder).unwrap(),
    );
    std::fs::write(folder.join("token"), telegram.token()).unwrap();
    for account in &ACCOUNTS {
        let lines = desk.introduces(account.id, account.name, "desk", folder).unwrap();
        let _ = write!(text, "\n{lines}emails = [\"*@{}\"]\n", account.domain);
    }
    let _ = write!(
        text,
        "\n[[mailbox]]\nname = \"support\"\nmaildir = {:?}\nfrom = {SUPPORT:?}\nauthserv_id = [{MAIL_SERVER:?}]\n\
         smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n{TIMING}",
        post.maildir().display().to_string(),
        sink.port(),
    );
    text
}

/// The log is coloured as on a terminal.
static COLOURS: LazyLock<Regex> = LazyLock::new(|| Regex::new("\u{1b}\\[[0-9;]*m").unwrap());

pub const SUPPORT: &str = "Example Support <support@example.com>";
pub const MAIL_SERVER: &str = "mx.example.com";
