//! Where it is played: two ticket APIs with two accounts each, a tap before either, and one real bridge.

use std::path::PathBuf;
use std::time::Duration;

use ticket_bridge::sandbox::bridge_process::BridgeProcess;
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, Ticket};
use ticket_bridge::sandbox::post_office::PostOffice;
use ticket_bridge::sandbox::telegram::{Options, Person, SentMessage, TelegramStandIn};
use ticket_bridge::sandbox::town::{
    Account, Folder, Letter, Letters, MAIL_SERVER, Penpal, SUPPORT, Servers, TicketSystem, free_address,
};
use tokio::time::{Instant, sleep};

use super::tap::Tap;

pub const PATIENCE: Duration = Duration::from_secs(40);
const GLANCE: Duration = Duration::from_millis(50);

/// No name, id or key is part of another's, and none stands in a request by chance.
pub const ACCOUNTS: [[Account; 2]; 2] = [
    [
        account("kestrel", "Kestrel", 41_307_211, "Qk7fT2mXw9RbZs4LdVn8Hc3Jy", "kestrel.example"),
        account("curlew", "Curlew", 41_588_902, "Ue5gPq1NtA6vKx0WzMj3Yr7Bh", "curlew.example"),
    ],
    [
        account("dunlin", "Dunlin", 58_112_473, "Xc9sDo4EiG2lFy8RuTa6Nk1Vm", "dunlin.example"),
        account("plover", "Plover", 58_760_139, "Jw3hBz7KpS5qLe0CvUt9Mx4Gd", "plover.example"),
    ],
];

const fn account(
    name: &'static str,
    title: &'static str,
    id: i64,
    key: &'static str,
    domain: &'static str,
) -> Account {
    Account { name, title, id, key, domain }
}

/// One ticket API with its two accounts.
pub struct Side {
    pub desk: DeskStandIn,
    pub tap: Tap,
    pub accounts: [Account; 2],
}

pub struct Crossing {
    pub sides: [Side; 2],
    pub telegram: TelegramStandIn,
    pub post: PostOffice,
    pub bridge: BridgeProcess,
    letters: Letters,
    folder: Folder,
}

// === impl Crossing: the place ===

impl Crossing {
    /// The bridge runs. `timing` is what it does not share with every town.
    pub async fn open(dialects: [Dialect; 2], timing: &str) -> Self {
        let folder = Folder::new("ticket-bridge-apart").unwrap();
        let telegram = TelegramStandIn::start(Options::default()).await.unwrap();
        let post = PostOffice::open(folder.path()).unwrap();
        let [first, second] = dialects;
        let sides = [Side::open(first, ACCOUNTS[0]).await, Side::open(second, ACCOUNTS[1]).await];
        let system = |name, side: &Side| {
            let (desk, accounts) = (side.desk.clone(), side.accounts.to_vec());
            TicketSystem { name, desk, accounts }
        };
        let servers = Servers {
            telegram: telegram.clone(),
            admins: None,
            systems: vec![system("first", &sides[0]), system("second", &sides[1])],
            post: post.clone(),
            http: free_address().unwrap(),
            panel_url: None,
        };
        let config = servers.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        let text = sides.iter().fold(text, |text, side| side.tap.instead_of_the_desk(&text));
        std::fs::write(&config, text.replace("[timing]", &format!("[timing]\n{timing}"))).unwrap();

        let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
        let bridge = BridgeProcess::new(program, config, folder.path().join("bridge.log"));
        let letters = Letters::new(post.clone());
        let crossing = Self { sides, telegram, post, bridge, letters, folder };
        crossing.bridge.start().unwrap();
        crossing
            .until("the bridge listens", || {
                assert!(crossing.bridge.is_running(), "the bridge ended: {}", crossing.bridge.last_words());
                (crossing.telegram.polls() > 0).then_some(())
            })
            .await;
        crossing
    }

    /// Each account with its side.
    pub fn accounts(&self) -> impl Iterator<Item = (&Side, Account)> {
        self.sides.iter().flat_map(|side| side.accounts.into_iter().map(move |account| (side, account)))
    }

    pub async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
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

    /// Nothing is under way any more, and nothing waits for a person.
    pub async fn comes_to_rest(&self) {
        let begun = Instant::now();
        loop {
            let queue = self.queue().await;
            if queue["live"] == 0 {
                assert_eq!((&queue["parked"], &queue["dead"]), (&0.into(), &0.into()), "{queue:#}");
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the bridge does not come to rest: {queue:#}");
            sleep(GLANCE).await;
        }
    }

    pub async fn queue(&self) -> serde_json::Value {
        serde_json::from_str(&self.bridge.says(&["queue", "list", "--json"]).await.unwrap()).unwrap()
    }
}

// === impl Crossing: the people ===

impl Crossing {
    /// A customer in Telegram, whose chat belongs to the account.
    pub async fn chat_of(&self, account: Account) -> Person {
        let person = self.telegram.person(account.title, "en");
        person.presses_start(&self.bridge.link_code(account.name).await.unwrap());
        let asked = self.sees(&person, "whether the account is right", |m| m.button("Yes").is_some()).await;
        person.presses(asked.message_id, "Yes").unwrap();
        self.sees(&person, "that the chat is linked", |m| m.words().contains("now belongs to")).await;
        person
    }

    /// A customer by mail, whose address belongs to the account.
    pub fn penpal_of(&self, account: Account) -> Penpal {
        let address = format!("{} <post@{}>", account.title, account.domain);
        Penpal::new(self.post.clone(), &address, SUPPORT, MAIL_SERVER)
    }

    pub async fn sees(
        &self,
        person: &Person,
        what: &str,
        fits: impl Fn(&SentMessage) -> bool,
    ) -> SentMessage {
        let look = || self.telegram.messages_in(person.chat_id()).into_iter().find(|m| fits(m));
        self.until(what, look).await
    }

    /// Every mail that the bridge sent.
    pub fn sent(&self) -> Vec<Letter> {
        let letters = self.letters.all().unwrap();
        letters.iter().filter(|letter| !letter.own).map(|letter| Letter::clone(letter)).collect()
    }
}

// === impl Side ===

impl Side {
    async fn open(dialect: Dialect, accounts: [Account; 2]) -> Self {
        let desk = DeskStandIn::start(DeskOptions { dialect, ..DeskOptions::default() }).await.unwrap();
        for account in accounts {
            desk.add_account(account.id, account.key);
        }
        let tap = Tap::before(&desk).await;
        Self { desk, tap, accounts }
    }

    /// The account's ticket that begins with this text.
    pub fn ticket(&self, account: Account, text: &str) -> Option<Ticket> {
        self.desk.tickets(account.id).into_iter().find(|ticket| ticket.description.contains(text))
    }

    pub fn shows(&self, text: &str) -> Option<()> {
        (!self.desk.find_text(text).is_empty()).then_some(())
    }
}
