//! From the desk to the queue: the watch over the Paradarum adapter and the strict desk, with nothing faked between.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ticket_bridge::{
    bridge::{
        address_book::AddressBook,
        circuit::Circuits,
        context::{Api, Bridge, Parts},
        staff_watch,
    },
    config::{self, Limits, Timing},
    model::{
        account::{Account, Link},
        delivery::Content,
        ids::{AccountName, ApiName, BotId, ChatId, TicketId},
        job::Task,
        place::Place,
        staff_message::StaffMessage,
    },
    runtime::{Backoff, Clock, Secret, Shutdown, Timestamp, tls},
    sandbox::desk::{self, DeskOptions, DeskStandIn},
    store::{Options, Store, change::Change},
    text::templates::Templates,
    ticket_api::{common::Common, paradarum::Paradarum},
};
use tokio::{sync::mpsc, task::JoinHandle};

const ACCOUNT: i64 = 12;
const KEY: &str = "pdm_!@#$%&*abcdefghijklmnopqrstu";
const API: &str = "paradarum";
const PATIENT: Duration = Duration::from_secs(30);

/// The watch, what stops it, and where hints go in.
type Running = (JoinHandle<()>, Shutdown, mpsc::Sender<(AccountName, TicketId)>);

struct Town {
    _dir: tempfile::TempDir,
    desk: DeskStandIn,
    bridge: Bridge,
    running: Option<Running>,
}

impl Town {
    /// A chat is linked to the account; the watch is not running yet.
    async fn new(options: DeskOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desk = DeskStandIn::start(options).await.unwrap();
        desk.add_account(ACCOUNT, KEY);
        let common = Common {
            key: Some(Secret::new(KEY)),
            max_calls_per_second: 0.0,
            ..Common::new(ApiName::new(API), desk.base_url().parse().unwrap())
        };
        let settings = config::Paradarum { page_size: 7, ..config::Paradarum::default() };
        let clock = Clock::real();
        let port =
            Paradarum::new(common, settings, &tls::client_config(None).unwrap(), clock.clone()).unwrap();
        let options = Options {
            dir: dir.path().join("state"),
            clock: clock.clone(),
            after_loss: false,
            spool_bytes: 1 << 30,
            most_jobs: 10_000,
        };
        let (store, spool, secret) = Store::open(options).unwrap();
        let millis = Duration::from_millis;
        let timing = Timing {
            poll_hot: millis(50),
            poll_warm: millis(50),
            poll_cold: millis(50),
            files_recheck: vec![millis(50), millis(200), millis(600)],
            ..Timing::default()
        };
        let api = Api {
            port: Arc::new(port),
            settle: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            panel: None,
            keys: None,
        };
        let bridge = Bridge::new(Parts {
            store,
            spool,
            secret,
            clock,
            templates: Templates::new(None, "en").unwrap(),
            apis: HashMap::from([(ApiName::new(API), api)]),
            telegram: None,
            mailboxes: HashMap::new(),
            accounts: HashMap::new(),
            addresses: AddressBook::default(),
            sealing: None,
            hints: Default::default(),
            language: "en".to_owned(),
            timing,
            limits: Limits::default(),
            circuits: Circuits::new(Backoff::new(millis(10), millis(100)).unwrap()),
        });
        let name = AccountName::new("acme");
        let account = Account {
            name: name.clone(),
            api: ApiName::new(API),
            remote: ACCOUNT.to_string(),
            emails: Vec::new(),
            key: None,
        };
        let link = Link {
            place: Place::Chat { bot: BotId(1), chat: ChatId(42) },
            account: name,
            since: Timestamp::EPOCH,
            follows_all: false,
            paused: false,
            language: None,
        };
        bridge.store.apply(vec![Change::Account(account), Change::Link(link)]).await.unwrap();
        Self { _dir: dir, desk, bridge, running: None }
    }

    fn watches(&mut self) {
        let (hint, hints) = mpsc::channel(8);
        let shutdown = Shutdown::new();
        let watch = staff_watch::run(self.bridge.clone(), ApiName::new(API), hints, shutdown.clone());
        self.running = Some((tokio::spawn(watch), shutdown, hint));
    }

    async fn stops(&mut self) {
        let (watch, shutdown, _) = self.running.take().unwrap();
        shutdown.trigger();
        watch.await.unwrap();
    }

    /// What waits to be sent to the chat, in order.
    fn sent(&self) -> Vec<StaffMessage> {
        let store = &self.bridge.store;
        let jobs = store.summaries(10_000).unwrap().into_iter();
        let jobs = jobs.map(|summary| store.job(summary.id).unwrap().unwrap().0.task);
        let staff = jobs.filter_map(|task| match task {
            Task::Deliver(delivery) => match delivery.content {
                Content::Staff(staff) => Some(staff),
                _ => None,
            },
            _ => None,
        });
        staff.collect()
    }

    fn texts(&self) -> Vec<String> {
        self.sent().into_iter().map(|staff| staff.text).collect()
    }

    async fn sends(&self, number: usize) {
        self.until(|town| town.sent().len() >= number).await;
    }

    async fn until(&self, mut is_so: impl FnMut(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let came = tokio::time::timeout(PATIENT, waiting).await;
        assert!(came.is_ok(), "it never came to be so: {:?}", self.texts());
    }

    /// The desk has answered two more lists: whatever was there is looked at.
    async fn looks_again(&self) {
        let lists = |town: &Self| town.desk.calls().iter().filter(|call| call.name == "list").count();
        let before = lists(self);
        self.until(|town| lists(town) >= before + 3).await;
    }

    fn opens(&self, subject: &str) -> desk::TicketId {
        self.desk.staff_opens(ACCOUNT, subject, "opened in the panel").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_answers_stay_and_new_ones_go_once_in_order_with_their_files() {
    let mut town = Town::new(DeskOptions::default()).await;
    let mut tickets = Vec::new();
    for number in 0..20 {
        let ticket = town.opens(&format!("Old {number}"));
        for answer in 0..10 {
            town.desk.staff_replies(ticket, &format!("old {answer}")).unwrap();
        }
        town.desk.age(ticket, Duration::from_secs(3600)).unwrap();
        tickets.push(ticket);
    }
    town.watches();
    let settled = |town: &Town| {
        let account = AccountName::new("acme");
        town.bridge.store.watches(&ApiName::new(API), &account).unwrap().len() == 20
    };
    town.until(settled).await;
    town.looks_again().await;
    assert_eq!(town.texts(), [""; 0], "200 old messages make no send");
    for text in ["one", "two", "three"] {
        town.desk.staff_replies(tickets[3], text).unwrap();
    }
    town.sends(3).await;
    let message = town.desk.staff_replies(tickets[3], "four, see the file").unwrap();
    town.sends(4).await;
    town.desk.staff_attaches(tickets[3], Some(message), "plan.pdf", &b"%PDF"[..]).unwrap();
    town.sends(5).await;
    town.stops().await;
    town.watches();
    town.looks_again().await;
    town.stops().await;
    assert_eq!(town.texts(), ["one", "two", "three", "four, see the file", ""]);
    assert_eq!(town.sent()[4].files[0].name, "plan.pdf");
    assert_eq!(town.desk.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_list_shows_no_change_the_tickets_themselves_are_read() {
    let options = DeskOptions { list_has_message_count: false, ..DeskOptions::default() };
    let mut town = Town::new(options).await;
    town.watches();
    town.looks_again().await;
    let ticket = town.opens("Help");
    for number in 0..5 {
        town.desk.staff_replies(ticket, &format!("answer {number}")).unwrap();
        town.sends(number + 1).await;
    }
    town.desk.customer_replies(ticket, "my own words").unwrap();
    town.looks_again().await;
    town.stops().await;
    assert_eq!(town.texts(), (0..5).map(|number| format!("answer {number}")).collect::<Vec<_>>());
}
