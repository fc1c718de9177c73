//! The watch over a real store and a small desk: what is handed on, once, whatever happens in between.

use std::collections::HashMap;

use async_trait::async_trait;

use super::*;
use crate::{
    bridge::{
        address_book::AddressBook,
        circuit::Circuits,
        context::{Api, Parts, Telegram},
    },
    channel::{Channel, OpenError, Opened, Parcel, SendError, Sent},
    config::{Limits, Timing},
    model::{
        account::{Account, Link},
        attachment::Attachment,
        conversation::{Conversation, ConversationChange, TicketStatus},
        delivery::Content,
        ids::{AttachmentId, BotId, ChatId, ConversationId, TicketMessageId},
        job::{Lane, Task},
        marker::Marker,
        place::Place,
    },
    runtime::{byte_stream::ByteStream, clock::Clock},
    store::{
        Options, Store,
        change::{Change, Key},
        rows::TicketWatch,
    },
    text::templates::Templates,
    ticket_api::{
        Access, ApiError, Attachments, Author, Capabilities, Catalog, Created, Files, Found, Look, NewReply,
        NewTicket, PageMark, Reopen, Scope, Ticket, TicketAttachment, TicketLine, TicketMessage, TicketPage,
        Upload,
    },
};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const BOT: BotId = BotId(1);
const CHAT: ChatId = ChatId(42);
const ADMINS: ChatId = ChatId(-7);
const PAGE: usize = 20;

// === the desk ===

type Event = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
struct Books {
    tickets: Vec<Ticket>,
    /// Detail calls answered.
    details: usize,
    lists: usize,
    /// What happens before the n-th detail is read.
    before_detail: HashMap<usize, Event>,
    /// No detail is answered any more.
    down: bool,
    broken: Vec<TicketId>,
    /// Details that answer 404 although the list shows them.
    hidden: Vec<TicketId>,
    lists_changes: bool,
    /// What the short list shows.
    active: Vec<TicketId>,
    whole_lists: usize,
}

struct Desk {
    name: ApiName,
    capabilities: Capabilities,
    books: Mutex<Books>,
}

impl Desk {
    fn new() -> Self {
        let capabilities = Capabilities {
            max_attachment_bytes: 10_000_000,
            max_subject: 200,
            attachments: Attachments::After,
            drops_files: false,
            binds_staged: false,
            download: true,
            close: crate::ticket_api::Close::Call,
            reopen: Reopen::ReplyWhileResolved,
            list: true,
            active_list: false,
            desk_mails_customers: true,
        };
        let books = Books { lists_changes: true, ..Books::default() };
        Self { name: ApiName::new("desk"), capabilities, books: Mutex::new(books) }
    }

    fn books<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        change(&mut self.books.lock().unwrap())
    }
}

impl Books {
    fn opens(&mut self, ticket: &str, text: &str, at: Timestamp) {
        self.tickets.push(Ticket {
            ticket: TicketId::new(ticket),
            subject: format!("Ticket {ticket}"),
            status: TicketStatus::Open,
            created: Some(at),
            change: None,
            text: text.to_owned(),
            messages: Vec::new(),
            attachments: Vec::new(),
            shows_messages: true,
            merged_into: None,
            server_date: None,
        });
    }

    fn ticket(&mut self, ticket: &str) -> &mut Ticket {
        self.tickets.iter_mut().find(|known| known.ticket.as_str() == ticket).unwrap()
    }

    fn writes(&mut self, ticket: &str, by: Author, text: &str, at: Timestamp) {
        let ticket = self.ticket(ticket);
        let id = TicketMessageId::new(format!("{}-{}", ticket.ticket, ticket.messages.len()));
        ticket.messages.push(TicketMessage {
            id,
            by,
            author: None,
            text: text.to_owned(),
            in_panel_only: false,
            created: Some(at),
        });
    }

    fn staff(&mut self, ticket: &str, text: &str, at: Timestamp) {
        self.writes(ticket, Author::Staff, text, at);
    }

    fn attaches(&mut self, ticket: &str, name: &str, at: Timestamp) {
        let ticket = self.ticket(ticket);
        ticket.attachments.push(TicketAttachment {
            id: AttachmentId::new(name),
            message: ticket.messages.last().map(|message| message.id.clone()),
            name: name.to_owned(),
            mime: None,
            size: None,
            created: Some(at),
        });
    }

    fn change(&self, ticket: &Ticket) -> Option<String> {
        self.lists_changes.then(|| format!("{:?}/{}", ticket.status, ticket.messages.len()))
    }
}

#[async_trait]
impl TicketApi for Desk {
    fn name(&self) -> &ApiName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn ticket(&self, _: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        self.books(|books| {
            let number = books.details;
            if let Some(event) = books.before_detail.remove(&number) {
                event(books);
            }
            let broken = books.broken.contains(ticket);
            if books.down || broken {
                return Err(ApiError::Retry { after: None, reason: "500".to_owned() });
            }
            books.details += 1;
            let found = books.tickets.iter().find(|known| known.ticket == *ticket);
            let found = found.filter(|_| !books.hidden.contains(ticket));
            let found = found.ok_or_else(|| ApiError::NotFound("404".to_owned()))?;
            Ok(Ticket { change: books.change(found), ..found.clone() })
        })
    }

    async fn tickets(
        &self,
        _: &Access,
        scope: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        self.books(|books| {
            books.lists += 1;
            books.whole_lists += usize::from(scope == Scope::All);
            let page = from.map_or(0, |mark| mark.0.parse::<usize>().unwrap());
            let shown = |ticket: &&Ticket| scope == Scope::All || books.active.contains(&ticket.ticket);
            let lines =
                books.tickets.iter().filter(shown).skip(page * PAGE).take(PAGE).map(|ticket| TicketLine {
                    ticket: ticket.ticket.clone(),
                    subject: ticket.subject.clone(),
                    status: ticket.status,
                    created: ticket.created,
                    change: books.change(ticket),
                });
            let next = ((page + 1) * PAGE < books.tickets.iter().filter(shown).count())
                .then(|| PageMark((page + 1).to_string()));
            Ok(TicketPage { tickets: lines.collect(), next, server_date: None })
        })
    }

    async fn create(&self, _: &Access, _: &NewTicket, _: Files) -> Result<Created, ApiError> {
        Err(ApiError::Unsupported("writing"))
    }

    async fn reply(
        &self,
        _: &Access,
        _: &TicketId,
        _: &NewReply,
        _: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        Err(ApiError::Unsupported("writing"))
    }

    async fn upload(
        &self,
        _: &Access,
        _: &TicketId,
        _: Option<&TicketMessageId>,
        _: Upload,
    ) -> Result<Option<AttachmentId>, ApiError> {
        Err(ApiError::Unsupported("writing"))
    }

    async fn close(&self, _: &Access, _: &TicketId) -> Result<(), ApiError> {
        Err(ApiError::Unsupported("writing"))
    }

    async fn download(&self, _: &Access, _: &TicketId, _: &AttachmentId) -> Result<ByteStream, ApiError> {
        Err(ApiError::Unsupported("reading files"))
    }

    async fn catalog(&self, _: &Access) -> Result<Catalog, ApiError> {
        Ok(Catalog::default())
    }

    async fn find_by_marker(&self, _: &Access, _: Look<'_>) -> Result<Found, ApiError> {
        Ok(Found::CannotKnow)
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        local
    }
}

/// Only there so that admins have a group.
struct Silent;

#[async_trait]
impl Channel for Silent {
    async fn send(&self, _: Parcel) -> Result<Sent, SendError> {
        Ok(Sent::Done)
    }

    async fn open(&self, _: &Attachment) -> Result<Opened, OpenError> {
        Err(OpenError::Gone("nothing is here".to_owned()))
    }
}

// === the town ===

struct Town {
    dir: tempfile::TempDir,
    clock: Clock,
    desk: Arc<Desk>,
    /// Closed while the bridge is down.
    watcher: Option<Watcher>,
}

impl Town {
    async fn new() -> Self {
        Self::with(Desk::new(), Clock::stopped_at(START)).await
    }

    async fn with(desk: Desk, clock: Clock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut town = Self { dir, clock, desk: Arc::new(desk), watcher: None };
        town.start();
        town.add_account("acme").await;
        let place = chat();
        let account = AccountName::new("acme");
        let since = Timestamp::EPOCH;
        let link = Link { place, account, since, follows_all: false, paused: false, language: None };
        town.store().apply(vec![Change::Link(link)]).await.unwrap();
        town
    }

    fn start(&mut self) {
        self.watcher = None;
        let options = Options {
            dir: self.dir.path().join("state"),
            clock: self.clock.clone(),
            after_loss: false,
            spool_bytes: 1 << 30,
            most_jobs: 10_000,
        };
        let (store, spool, secret) = Store::open(options).unwrap();
        let port: Arc<dyn TicketApi> = self.desk.clone();
        let api = Api {
            port,
            settle: Duration::from_secs(60),
            poll: Timing::default().poll_hot,
            panel: None,
            keys: None,
        };
        let telegram = Telegram {
            channel: Arc::new(Silent),
            bot: BOT,
            username: std::sync::Arc::default(),
            admin_chat: Some(ADMINS),
            unlinked: None,
        };
        let bridge = Bridge::new(Parts {
            store,
            spool,
            secret,
            clock: self.clock.clone(),
            templates: Templates::new(None, "en").unwrap(),
            apis: HashMap::from([(ApiName::new("desk"), api)]),
            telegram: Some(telegram),
            mailboxes: HashMap::new(),
            accounts: HashMap::new(),
            addresses: AddressBook::default(),
            sealing: None,
            hints: Default::default(),
            language: "en".to_owned(),
            timing: Timing::default(),
            limits: Limits::default(),
            circuits: Circuits::new(Backoff::new(Duration::from_secs(2), Duration::from_secs(60)).unwrap()),
        });
        self.watcher = Watcher::new(bridge, ApiName::new("desk"));
    }

    fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().unwrap()
    }

    fn store(&self) -> &Store {
        &self.watcher().bridge.store
    }

    async fn add_account(&self, name: &str) {
        let account = Account {
            name: AccountName::new(name),
            api: ApiName::new("desk"),
            remote: name.to_owned(),
            emails: Vec::new(),
            key: None,
        };
        self.store().apply(vec![Change::Account(account)]).await.unwrap();
    }

    async fn looks(&self) -> Result<Done, Trouble> {
        self.turn(&[], true).await
    }

    async fn turn(&self, asked: &[&str], whole: bool) -> Result<Done, Trouble> {
        let asked = asked.iter().map(|ticket| TicketId::new(*ticket)).collect();
        self.watcher().turn(&Turn { account: AccountName::new("acme"), asked, whole }).await
    }

    /// The first look at an empty desk, so that whatever follows is new.
    async fn settled(&self) {
        assert!(self.looks().await.unwrap().whole);
        self.pass(1);
    }

    fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What waits to be sent, in order: `chat: text [files]`.
    fn sent(&self) -> Vec<String> {
        let jobs = self.store().summaries(10_000).unwrap();
        jobs.iter().map(|summary| self.shown(summary.id)).collect()
    }

    fn shown(&self, id: crate::model::ids::JobId) -> String {
        let (job, _) = self.store().job(id).unwrap().unwrap();
        let Lane::Chat(to) = job.lane else { panic!("no mail is sent here") };
        let Task::Deliver(delivery) = job.task else { panic!("only deliveries are made") };
        let files =
            |files: &[Attachment]| files.iter().map(|file| format!(" [{}]", file.name)).collect::<String>();
        let what = match delivery.content {
            Content::Staff(staff) => format!("{}{}", staff.text, files(&staff.files)),
            Content::Note(note) => note.text.text,
            Content::Alert(alert) => alert.line,
            Content::Letter(letter) => letter.text,
        };
        format!("{to}: {what}")
    }

    /// A ticket that the customer's chat founded.
    async fn founds(&self, ticket: &str) -> ConversationId {
        let id = self.store().next_conversation();
        let now = self.now();
        let conversation = Conversation {
            id,
            api: ApiName::new("desk"),
            account: AccountName::new("acme"),
            ticket: None,
            subject: format!("Ticket {ticket}"),
            founder: Some(chat()),
            last_writer: Some(chat()),
            participants: Vec::new(),
            mails: Vec::new(),
            status: TicketStatus::Open,
            status_read: now,
            active: now,
            successor: None,
            predecessor: None,
            quiet: Vec::new(),
            create_parked: None,
        };
        let mut changes =
            vec![Change::NewConversation(conversation.clone()), Change::Rebind(Key::Current(BOT, CHAT), id)];
        changes.extend(crate::bridge::filing::created(&conversation, &TicketId::new(ticket), now));
        self.store().apply(changes).await.unwrap();
        self.desk.books(|books| books.opens(ticket, "Help", now));
        id
    }

    fn watch(&self, ticket: &str) -> Option<TicketWatch> {
        let account = AccountName::new("acme");
        let watches = self.store().watches(&ApiName::new("desk"), &account).unwrap();
        watches.into_iter().find(|watch| watch.ticket.as_str() == ticket)
    }

    fn conversation_of(&self, ticket: &str) -> Option<Conversation> {
        let key = Key::Ticket(ApiName::new("desk"), TicketId::new(ticket));
        let id = self.store().find(&key).unwrap()?;
        self.store().conversation(id).unwrap()
    }
}

fn chat() -> Place {
    Place::Chat { bot: BOT, chat: CHAT }
}

/// 50 tickets, each with four answers of staff from last week.
fn old_tickets(books: &mut Books) {
    let week = Duration::from_secs(7 * 86_400);
    for number in 0..50 {
        let ticket = number.to_string();
        books.opens(&ticket, "Help", START.minus(week));
        for answer in 0..4 {
            books.staff(&ticket, &format!("old {number}/{answer}"), START.minus(week / 2));
        }
    }
}

// === baselines ===

#[tokio::test]
async fn a_baseline_of_200_old_messages_sends_nothing_and_what_arrives_meanwhile_is_sent() {
    let town = Town::new().await;
    town.desk.books(|books| {
        old_tickets(books);
        let arrives: Event = Box::new(|books| {
            let at = START.plus(Duration::from_millis(7));
            for ticket in ["0", "49"] {
                books.staff(ticket, &format!("new in {ticket}"), at);
            }
        });
        books.before_detail.insert(25, arrives);
    });
    town.looks().await.unwrap();
    let mut sent = town.sent();
    sent.sort();
    assert_eq!(sent, ["42: new in 0", "42: new in 49"]);
    town.pass(60);
    town.looks().await.unwrap();
    assert_eq!(town.sent().len(), 2);
}

#[tokio::test]
async fn a_restart_in_the_middle_of_the_baseline_goes_on_with_it() {
    let mut town = Town::new().await;
    town.desk.books(|books| {
        old_tickets(books);
        books.before_detail.insert(20, Box::new(|books| books.down = true));
    });
    assert!(town.looks().await.is_err(), "the circuit opens");
    town.pass(600);
    let now = town.now();
    town.desk.books(|books| {
        books.down = false;
        for number in 0..50 {
            books.staff(&number.to_string(), &format!("new {number}"), now);
        }
    });
    town.start();
    town.looks().await.unwrap();
    let (sent, details) = (town.sent(), town.desk.books(|books| books.details));
    assert_eq!(sent.len(), 50, "{sent:?}");
    assert!(sent.iter().all(|sent| sent.starts_with("42: new")));
    assert_eq!(details, 70, "each ticket once, and those of before once more, as they changed");
    town.looks().await.unwrap();
    assert_eq!(town.sent().len(), 50);
}

#[tokio::test]
async fn an_account_added_later_gets_its_own_baseline() {
    let town = Town::new().await;
    town.settled().await;
    town.pass(86_400);
    town.add_account("late").await;
    let before = town.now().minus(Duration::from_secs(5));
    town.desk.books(|books| {
        books.opens("1", "Help", before);
        books.staff("1", "before it was added", before);
    });
    let turn = Turn { account: AccountName::new("late"), asked: vec![TicketId::new("1")], whole: false };
    town.watcher().turn(&turn).await.unwrap();
    assert_eq!(town.sent(), [""; 0]);
}

// === what is new ===

#[tokio::test]
async fn a_reply_in_a_ticket_never_seen_is_sent_once_to_the_accounts_link() {
    let town = Town::new().await;
    town.settled().await;
    let earlier = START.minus(Duration::from_secs(86_400));
    town.desk.books(|books| {
        books.opens("9", "Opened in the panel", earlier);
        books.staff("9", "first", earlier);
        books.writes("9", Author::Customer, "mine", earlier);
        books.staff("9", "second", START);
    });
    assert!(town.conversation_of("9").is_none());
    town.looks().await.unwrap();
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: first", "42: second"]);
    let conversation = town.conversation_of("9").unwrap();
    assert_eq!((conversation.founder, conversation.subject.as_str()), (None, "Ticket 9"));
}

#[tokio::test]
async fn a_ticket_of_the_panel_without_an_answer_makes_no_conversation() {
    let town = Town::new().await;
    town.settled().await;
    town.desk.books(|books| {
        books.opens("9", "Opened in the panel", START);
        books.writes("9", Author::Customer, "more", START);
    });
    town.looks().await.unwrap();
    assert!(town.conversation_of("9").is_none() && town.watch("9").is_some());
}

#[tokio::test]
async fn the_text_goes_first_and_a_late_file_after_it_also_over_a_restart() {
    let mut town = Town::new().await;
    town.founds("5").await;
    town.settled().await;
    town.pass(5);
    town.desk.books(|books| books.staff("5", "see the file", START.plus(Duration::from_secs(6))));
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: see the file"]);
    let now = town.now();
    town.desk.books(|books| books.attaches("5", "plan.pdf", now));
    town.looks().await.unwrap();
    assert_eq!(town.sent().len(), 1, "the list shows no change, and the next look is not due");
    town.start();
    town.pass(15);
    town.turn(&[], false).await.unwrap();
    assert_eq!(town.sent(), ["42: see the file", "42:  [plan.pdf]"]);
    town.pass(120);
    town.turn(&[], false).await.unwrap();
    assert_eq!(town.sent().len(), 2);
}

#[tokio::test]
async fn a_write_of_ours_does_not_lose_the_looks_for_late_files() {
    let town = Town::new().await;
    let id = town.founds("5").await;
    town.settled().await;
    let now = town.now();
    town.desk.books(|books| books.staff("5", "see the file", now));
    town.looks().await.unwrap();
    town.pass(10);
    let conversation = town.store().conversation(id).unwrap().unwrap();
    let written = crate::bridge::filing::created(&conversation, &TicketId::new("5"), town.now());
    town.store().apply(written).await.unwrap();
    town.looks().await.unwrap();
    let again: Vec<u64> = town.watch("5").unwrap().again.iter().map(|at| at.since(now).as_secs()).collect();
    assert_eq!(again, [15, 120, 600]);
}

#[tokio::test]
async fn several_answers_go_out_in_their_order_and_heat_the_ticket() {
    let town = Town::new().await;
    town.founds("5").await;
    town.settled().await;
    town.pass(86_400);
    let now = town.now();
    town.desk.books(|books| (1..=5).for_each(|n| books.staff("5", &format!("answer {n}"), now)));
    town.looks().await.unwrap();
    let sent = town.sent();
    assert_eq!(sent, (1..=5).map(|n| format!("42: answer {n}")).collect::<Vec<_>>());
    assert_eq!(town.watch("5").unwrap().active, now);
    assert_eq!(town.conversation_of("5").unwrap().active, now);
}

#[tokio::test]
async fn without_a_list_the_known_tickets_are_looked_at() {
    let mut desk = Desk::new();
    desk.capabilities.list = false;
    let town = Town::with(desk, Clock::stopped_at(START)).await;
    town.founds("5").await;
    let now = town.now();
    town.desk.books(|books| {
        books.staff("5", "hello", now);
        books.opens("6", "of the panel", now);
        books.staff("6", "nobody sees it", now);
    });
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: hello"]);
    assert_eq!(town.desk.books(|books| books.lists), 0);
}

#[tokio::test]
async fn a_list_that_shows_no_changes_is_followed_by_heat() {
    let town = Town::new().await;
    town.desk.books(|books| books.lists_changes = false);
    town.founds("5").await;
    town.settled().await;
    let looks = |town: &Town| town.desk.books(|books| books.details);
    let before = looks(&town);
    town.looks().await.unwrap();
    assert_eq!(looks(&town), before, "it was just looked at");
    town.pass(15);
    let now = town.now();
    town.desk.books(|books| books.staff("5", "hello", now));
    town.looks().await.unwrap();
    assert_eq!((looks(&town), town.sent()), (before + 1, vec!["42: hello".to_owned()]));
}

// === a create of unknown outcome ===

#[tokio::test]
async fn a_young_ticket_with_our_marker_is_left_to_the_reconciliation() {
    let town = Town::new().await;
    town.settled().await;
    let marker = Marker::of(&town.watcher().bridge.secret, "lost");
    let now = town.now();
    town.desk.books(|books| {
        books.opens("5", &format!("Help\n\nvia Telegram, @ann · {marker}"), now);
        books.staff("5", "hello", now);
    });
    assert!(town.looks().await.unwrap().whole);
    assert!(town.sent().is_empty() && town.watch("5").is_none() && town.conversation_of("5").is_none());
    town.pass(3600);
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: hello"], "nobody bound it: a ticket of the panel");
}

// === endings ===

#[tokio::test]
async fn a_close_by_staff_is_told_once_and_a_customers_own_is_not() {
    let town = Town::new().await;
    for ticket in ["5", "6"] {
        town.founds(ticket).await;
    }
    town.settled().await;
    town.desk.books(|books| {
        books.ticket("5").status = TicketStatus::Closed;
        books.ticket("6").status = TicketStatus::Closed;
    });
    town.looks().await.unwrap();
    assert_eq!(town.sent(), [""; 0], "his own close may be on its way into the store");
    let id = town.conversation_of("6").unwrap().id;
    let own = ConversationChange::Status { status: TicketStatus::Closed, read: town.now() };
    town.store().apply(vec![Change::Conversation(id, own)]).await.unwrap();
    for _ in 0..3 {
        town.pass(15);
        town.turn(&[], false).await.unwrap();
        town.looks().await.unwrap();
    }
    let sent = town.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].starts_with("42: Support closed ticket #5"));
    assert_eq!(sent[1], "-7: #5 Ticket 5 (closed)");
    assert_eq!(town.conversation_of("5").unwrap().status, TicketStatus::Closed);
}

#[tokio::test]
async fn a_merged_or_deleted_ticket_is_told_once_and_no_longer_looked_at() {
    let town = Town::new().await;
    town.founds("5").await;
    town.founds("6").await;
    town.settled().await;
    town.desk.books(|books| books.tickets.retain(|ticket| ticket.ticket.as_str() != "6"));
    for _ in 0..3 {
        town.pass(1800);
        town.looks().await.unwrap();
    }
    let sent = town.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].starts_with("42: Ticket #6 “Ticket 6” no longer exists"));
    assert_eq!(sent[1], "-7: #6 Ticket 6 (merged or deleted)");
    assert!(town.watch("6").is_none() && town.watch("5").is_some());
    let id = town.store().find(&Key::Current(BOT, CHAT)).unwrap().unwrap();
    let conversation = town.store().conversation(id).unwrap().unwrap();
    assert!(crate::bridge::question::is_gone(&town.watcher().bridge, &conversation).unwrap());
}

#[tokio::test]
async fn a_merged_ticket_goes_on_in_its_master_and_nothing_old_is_sent_again() {
    let town = Town::new().await;
    let id = town.founds("5").await;
    town.settled().await;
    let now = town.now();
    town.desk.books(|books| books.staff("5", "first answer", now));
    town.pass(5);
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: first answer"]);
    town.pass(60);
    let (before, now) = (now, town.now());
    town.desk.books(|books| {
        books.opens("9", "The master", START);
        books.staff("9", "first answer", before);
        books.staff("9", "new in the master", now);
        books.ticket("5").messages.clear();
        books.ticket("5").status = TicketStatus::Closed;
        books.ticket("5").merged_into = Some(TicketId::new("9"));
    });
    for _ in 0..4 {
        town.looks().await.unwrap();
        town.pass(60);
    }
    let sent = town.sent();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(sent[1].starts_with("42: Support merged ticket #5 “Ticket 5” into ticket #9"), "{sent:?}");
    assert_eq!(sent[2], "42: new in the master");
    assert_eq!(town.conversation_of("9").unwrap().id, id);
    assert!(town.conversation_of("5").is_none() && town.watch("5").unwrap().closed);
}

#[tokio::test]
async fn what_can_only_be_read_in_the_panel_is_told_all_the_same() {
    let town = Town::new().await;
    town.founds("5").await;
    town.settled().await;
    let now = town.now();
    town.desk.books(|books| {
        books.staff("5", "", now);
        books.ticket("5").messages[0].in_panel_only = true;
    });
    town.looks().await.unwrap();
    let (job, _) = town.store().job(town.store().summaries(10).unwrap()[0].id).unwrap().unwrap();
    let Task::Deliver(delivery) = job.task else { panic!("a delivery") };
    assert!(matches!(delivery.content, Content::Staff(staff) if staff.in_panel_only));
}

// === the short list ===

async fn with_a_short_list() -> Town {
    let mut desk = Desk::new();
    desk.capabilities.active_list = true;
    let town = Town::with(desk, Clock::stopped_at(START)).await;
    for ticket in ["5", "6"] {
        town.founds(ticket).await;
    }
    town.settled().await;
    town
}

#[tokio::test]
async fn most_looks_walk_the_short_list_and_now_and_then_the_whole() {
    let town = with_a_short_list().await;
    let before = town.desk.books(|books| books.whole_lists);
    for _ in 0..30 {
        town.pass(15);
        town.looks().await.unwrap();
    }
    assert_eq!(town.desk.books(|books| books.whole_lists) - before, 3);
    town.pass(1800);
    town.looks().await.unwrap();
    assert_eq!(town.desk.books(|books| books.whole_lists) - before, 4, "the last is long ago");
}

#[tokio::test]
async fn a_ticket_that_left_the_short_list_is_read_once_and_not_gone() {
    let town = with_a_short_list().await;
    let now = town.now();
    town.desk.books(|books| {
        books.staff("5", "hello", now);
        books.active.push(TicketId::new("5"));
    });
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: hello"]);
    let details = |town: &Town| town.desk.books(|books| books.details);
    town.pass(1);
    town.desk.books(|books| {
        books.staff("5", "and good bye", now);
        books.active.clear();
    });
    let before = details(&town);
    town.looks().await.unwrap();
    assert_eq!(town.sent().last().unwrap(), "42: and good bye");
    town.pass(1);
    town.looks().await.unwrap();
    assert_eq!(details(&town), before + 1);
    assert!(town.watch("6").is_some());
}

#[tokio::test]
async fn only_the_whole_list_says_that_a_ticket_is_gone() {
    let town = with_a_short_list().await;
    town.desk.books(|books| books.active.push(TicketId::new("5")));
    town.looks().await.unwrap();
    town.desk.books(|books| {
        books.active.clear();
        books.hidden.push(TicketId::new("5"));
    });
    for _ in 0..3 {
        town.pass(15);
        town.looks().await.unwrap();
    }
    assert_eq!(town.sent(), [""; 0], "the whole list shows it");
    town.desk.books(|books| books.tickets.retain(|ticket| ticket.ticket.as_str() != "5"));
    town.turn(&["5"], false).await.unwrap();
    assert!(town.sent()[0].starts_with("42: Ticket #5"), "{:?}", town.sent());
}

#[tokio::test]
async fn a_ticket_that_the_list_still_shows_is_not_gone() {
    let town = Town::new().await;
    town.founds("5").await;
    town.settled().await;
    town.desk.books(|books| {
        books.staff("5", "hello", START);
        books.hidden.push(TicketId::new("5"));
    });
    assert!(town.looks().await.unwrap().failed);
    town.turn(&["5"], false).await.unwrap();
    assert_eq!(town.sent(), [""; 0]);
    town.desk.books(|books| books.hidden.clear());
    town.pass(1800);
    town.looks().await.unwrap();
    assert_eq!(town.sent(), ["42: hello"]);
}

// === trouble ===

#[tokio::test]
async fn a_ticket_that_cannot_be_read_stops_no_other() {
    let town = Town::new().await;
    town.settled().await;
    town.desk.books(|books| {
        for ticket in ["1", "2", "3"] {
            books.opens(ticket, "Help", START);
            books.staff(ticket, &format!("in {ticket}"), START);
        }
        books.broken.push(TicketId::new("2"));
    });
    let done = town.looks().await.unwrap();
    assert!(done.whole && done.failed);
    assert_eq!(town.sent(), ["42: in 1", "42: in 3"]);
    town.desk.books(|books| books.broken.clear());
    town.pass(1800);
    town.looks().await.unwrap();
    assert_eq!(town.sent().len(), 3);
}

#[tokio::test]
async fn an_outage_pauses_the_account_and_loses_nothing() {
    let town = Town::new().await;
    town.settled().await;
    town.desk.books(|books| {
        old_tickets(books);
        books.down = true;
    });
    assert!(matches!(town.looks().await, Err(Trouble::Paused(_))));
    let lists = town.desk.books(|books| books.lists);
    assert!(matches!(town.looks().await, Err(Trouble::Paused(_))));
    assert_eq!(town.desk.books(|books| books.lists), lists, "no call while the circuit is open");
    town.desk.books(|books| books.down = false);
    town.pass(3600);
    town.looks().await.unwrap();
    assert_eq!(town.sent().len(), 200);
}

// === the loop ===

#[tokio::test]
async fn a_write_of_ours_heats_a_cold_account() {
    let town = Town::new().await;
    town.founds("5").await;
    town.settled().await;
    let rhythm = town.watcher().rhythm.clone();
    let account = AccountName::new("acme");
    town.pass(30 * 86_400);
    let (mut agenda, mut lesson) = (Agenda::new(rhythm, town.now()), Lesson::default());
    lesson.go_on(town.watcher(), &mut agenda).await;
    agenda.ended(&account, Some(town.now()), town.now());
    town.pass(60);
    lesson.go_on(town.watcher(), &mut agenda).await;
    assert_eq!(agenda.next(town.now()), None, "a cold account is not due after a minute");
    let id = town.conversation_of("5").unwrap();
    let written = crate::bridge::filing::created(&id, &TicketId::new("5"), town.now());
    town.store().apply(written).await.unwrap();
    town.pass(15);
    lesson.go_on(town.watcher(), &mut agenda).await;
    assert!(agenda.next(town.now()).unwrap().whole);
}

#[tokio::test]
async fn the_loop_finds_what_is_new_and_a_hint_is_served_long_before_the_poll() {
    let town = Town::with(Desk::new(), Clock::real()).await;
    town.founds("5").await;
    let (hint, hints) = mpsc::channel(1);
    let shutdown = Shutdown::new();
    let bridge = town.watcher().bridge.clone();
    let watch = tokio::spawn(run(bridge, ApiName::new("desk"), hints, shutdown.clone()));
    until(|| town.watch("5").is_some_and(|watch| watch.looked > Timestamp::EPOCH)).await;
    let now = town.now();
    town.desk.books(|books| books.staff("5", "hello", now));
    hint.send((AccountName::new("nobody"), TicketId::new("5"))).await.unwrap();
    hint.send((AccountName::new("acme"), TicketId::new("5"))).await.unwrap();
    let hinted = town.now();
    until(|| !town.sent().is_empty()).await;
    assert_eq!(town.sent(), ["42: hello"]);
    assert!(town.now().since(hinted) < Timing::default().poll_hot / 3);
    drop(hint);
    shutdown.trigger();
    watch.await.unwrap();
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(30), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.expect("it never came to be so");
}
