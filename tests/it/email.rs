//! Mail in and out against a real Dovecot and a real Postfix, with a journal of memory behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use ticket_bridge::channel::email::{
    After, Health, ImapSettings, InboxSettings, Limits, Mailbox, OutboxSettings, Security, Server, Settings,
    Shared, SmtpSettings, Start, State, Timing, TrustSettings,
};
use ticket_bridge::channel::intake::{Begin, Cursor, Intake, IntakeStopped, Request, Reread};
use ticket_bridge::channel::{Channel, OutgoingFile, OutgoingMail, Parcel, SendError};
use ticket_bridge::model::ids::{MailAddress, MailId, MailboxName};
use ticket_bridge::model::inbound::{Automatic, Inbound, LeftOutWhy, MailOrigin, Message, Origin, What};
use ticket_bridge::runtime::backoff::Backoff;
use ticket_bridge::runtime::byte_stream::{collect, whole};
use ticket_bridge::runtime::tls::client_config;
use ticket_bridge::runtime::{Clock, Secret, Shutdown, Timestamp};
use ticket_bridge::spool::Spool;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dovecot::{Dovecot, PASSWORD, PATIENCE};
use crate::postfix::Postfix;

const MIB: usize = 1024 * 1024;

// === the other end of the intake ===

/// What the bridge would have journaled; outlives its mailbox, as a store outlives a process.
#[derive(Clone)]
struct Journal {
    kept: watch::Sender<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    items: Vec<Inbound>,
    cursor: Option<Cursor>,
    reread: Option<Reread>,
    /// Mails left alone, and what they are older than.
    skipped: Vec<(u32, Timestamp)>,
    /// Answers that it cannot take anything in.
    stopped: bool,
    refused: u32,
    began: u32,
}

impl Journal {
    fn new() -> Self {
        Self { kept: watch::Sender::new(Kept::default()) }
    }

    fn intake(&self, spool: Spool) -> Intake {
        let (intake, mut requests) = Intake::new(spool, 8);
        let journal = self.kept.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                journal.send_modify(|kept| answer(kept, request));
            }
        });
        intake
    }

    async fn until(&self, what: &str, reached: impl Fn(&Kept) -> bool) -> Kept {
        let mut kept = self.kept.subscribe();
        match tokio::time::timeout(PATIENCE, kept.wait_for(|kept| reached(kept))).await {
            Ok(kept) => kept.unwrap().clone(),
            Err(_) => panic!("never: {what}; there is {:?}", self.subjects()),
        }
    }

    async fn until_items(&self, count: usize) -> Vec<Inbound> {
        self.until(&format!("{count} items"), |kept| kept.items.len() >= count).await.items
    }

    fn subjects(&self) -> Vec<String> {
        self.kept.borrow().items.iter().map(|item| origin(item).subject.clone()).collect()
    }
}

fn answer(kept: &mut Kept, request: Request) {
    match request {
        Request::Begin { answer, .. } => {
            kept.began += 1;
            let begin = Begin { cursor: kept.cursor.clone(), reread: kept.reread };
            let _ = answer.send(Ok(begin));
        }
        Request::Accept { answer, .. } if kept.stopped => {
            kept.refused += 1;
            let _ = answer.send(Err(IntakeStopped("the disk is full".to_owned())));
        }
        Request::Accept { items, cursor, answer, .. } => {
            assert!(items.len() <= 64, "{} items at once", items.len());
            for item in items {
                let known = kept.items.iter().any(|old| old.identity.key == item.identity.key);
                if !known {
                    kept.items.push(item);
                }
            }
            kept.cursor = Some(cursor);
            let _ = answer.send(Ok(()));
        }
        Request::RereadDone { reread, answer, .. } => {
            kept.reread = kept.reread.filter(|asked| *asked != reread);
            let _ = answer.send(Ok(()));
        }
        Request::Skipped { mails, older_than, answer, .. } => {
            kept.skipped.push((mails, older_than));
            let _ = answer.send(Ok(()));
        }
    }
}

fn origin(item: &Inbound) -> &MailOrigin {
    match &item.origin {
        Origin::Mail(mail) => mail,
        Origin::Chat(_) => panic!("no mail"),
    }
}

fn message(item: &Inbound) -> &Message {
    item.message().unwrap_or_else(|| panic!("no message: {:?}", item.what))
}

// === a mailbox at work ===

struct Desk {
    journal: Journal,
    shared: Shared,
    _spool: TempDir,
}

struct Running {
    mailbox: Arc<Mailbox>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(&directory.path().join("spool"), 1 << 30).unwrap();
        Self {
            journal: Journal::new(),
            shared: Shared::new(spool, 64 << 20, Clock::real()),
            _spool: directory,
        }
    }

    fn run(&self, settings: Settings) -> Running {
        self.run_mailbox(Mailbox::new(settings, self.shared.clone()))
    }

    fn run_mailbox(&self, mailbox: Mailbox) -> Running {
        let mailbox = Arc::new(mailbox);
        let (shutdown, intake) = (Shutdown::new(), self.journal.intake(self.shared.spool.clone()));
        let (running, stop) = (mailbox.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.run(intake, &stop).await });
        Running { mailbox, shutdown, task }
    }

    /// Runs until it has seen the mailbox once.
    async fn run_until_well(&self, settings: Settings) -> Running {
        let running = self.run(settings);
        running.until("it is well", |health| matches!(health.state, State::Well { .. })).await;
        running
    }
}

impl Running {
    async fn until(&self, what: &str, reached: impl Fn(&Health) -> bool) -> Health {
        let mut health = self.mailbox.health();
        match tokio::time::timeout(PATIENCE, health.wait_for(|health| reached(health))).await {
            Ok(health) => health.unwrap().clone(),
            Err(_) => panic!("never: {what}; it is {:?}", self.mailbox.health().borrow().clone()),
        }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

fn timing() -> Timing {
    Timing {
        io: Duration::from_secs(10),
        smtp: Duration::from_secs(10),
        poll: Duration::from_millis(200),
        backoff: Backoff::new(Duration::from_millis(20), Duration::from_millis(100)).unwrap(),
        login_every: Duration::from_millis(1),
        login_burst: 100,
        unauthorized: Duration::from_millis(100),
        ..Timing::default()
    }
}

fn server(dovecot: &Dovecot, port: u16, security: Security) -> Server {
    let tls = client_config(Some(&dovecot.ca_file())).unwrap();
    Server { host: "127.0.0.1".to_owned(), port, security, tls }
}

fn settings(dovecot: &Dovecot, security: Security) -> Settings {
    let port = if security == Security::Implicit { dovecot.imaps } else { dovecot.imap };
    let mut settings = settings_for(port);
    if let InboxSettings::Imap(imap) = &mut settings.inbox {
        imap.server = server(dovecot, port, security);
        imap.sent_folder = Some("INBOX".to_owned());
    }
    settings.from.name = Some("Example Support".to_owned());
    settings
}

fn mail(subject: &str) -> String {
    format!(
        "From: Bob <bob@customer.example>\nSubject: {subject}\nMessage-ID: <{subject}@customer.example>\n\nHello.\n"
    )
}

fn attached(subject: &str, bytes: usize) -> String {
    let lines = "QUJD".repeat(18) + "\n";
    format!(
        "From: bob@customer.example\nSubject: {subject}\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the file.\n--b\n\
         Content-Type: application/zip; name=big.zip\nContent-Transfer-Encoding: base64\n\n{}--b--\n",
        lines.repeat(bytes / lines.len())
    )
}

// === mail in ===

#[tokio::test(flavor = "multi_thread")]
async fn mail_comes_over_tls_and_starttls_and_without_and_only_what_is_new() {
    let dovecot = Dovecot::start();
    dovecot.deliver("support", &mail("old"));
    for (nth, security) in [Security::Implicit, Security::Starttls, Security::None].into_iter().enumerate() {
        let desk = Desk::new();
        let running = desk.run_until_well(settings(&dovecot, security)).await;
        dovecot.deliver("support", &mail(&format!("new-{nth}")));
        let items = desk.journal.until_items(1).await;
        let mut look = dovecot.look("support");
        let marked = || look.ask("UID SEARCH UNSEEN").contains("* SEARCH 1\r\n");
        wait_until("it is marked, and the old one is not", marked).await;
        running.stop().await;
        assert_eq!(desk.journal.subjects(), [format!("new-{nth}")]);
        assert_eq!(message(&items[0]).text, "Hello.");
        assert_eq!(origin(&items[0]).from.as_str(), "bob@customer.example");
        assert!(items[0].identity.also[0].starts_with("imap/support/INBOX/"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_wakes_at_once_and_without_it_there_is_polling() {
    for more in ["", "protocol imap {\n imap_capability = IMAP4rev1 UIDPLUS MOVE\n}"] {
        let dovecot = Dovecot::start_with(more);
        let desk = Desk::new();
        let mut settings = settings(&dovecot, Security::None);
        if more.is_empty() {
            // Only IDLE can bring it in time.
            settings.timing.poll = Duration::from_secs(3600);
        }
        let running = desk.run_until_well(settings).await;
        for nth in 1..=3 {
            dovecot.deliver("support", &mail(&format!("m{nth}")));
            desk.journal.until_items(nth).await;
        }
        running.stop().await;
        assert_eq!(desk.journal.subjects(), ["m1", "m2", "m3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_survives_a_restart_and_what_came_between_is_read() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let settings = settings(&dovecot, Security::Implicit);
    desk.run_until_well(settings.clone()).await.stop().await;
    for nth in 0..150 {
        dovecot.deliver("support", &mail(&format!("m{nth}")));
    }
    let running = desk.run(settings.clone());
    desk.journal.until_items(150).await;
    running.stop().await;
    let expected: Vec<String> = (0..150).map(|nth| format!("m{nth}")).collect();
    assert_eq!(desk.journal.subjects(), expected, "in order of arrival");
    let cursor = desk.journal.kept.borrow().cursor.clone();
    desk.run_until_well(settings).await.stop().await;
    assert_eq!(desk.journal.kept.borrow().cursor, cursor);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_marked_before_it_is_durable() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let running = desk.run_until_well(settings(&dovecot, Security::None)).await;
    desk.journal.kept.send_modify(|kept| kept.stopped = true);
    dovecot.deliver("support", &mail("waits"));
    desk.journal.until("two refusals", |kept| kept.refused >= 2).await;
    running
        .until(
            "it says so",
            |health| matches!(&health.state, State::Trouble { what, .. } if what.contains("disk")),
        )
        .await;
    let mut look = dovecot.look("support");
    assert!(!look.ask("UID FETCH 1:* (FLAGS)").contains("\\Seen"));
    desk.journal.kept.send_modify(|kept| kept.stopped = false);
    desk.journal.until_items(1).await;
    running.until("it is well again", |health| matches!(health.state, State::Well { .. })).await;
    let mut look = dovecot.look("support");
    assert!(look.ask("UID FETCH 1:* (FLAGS)").contains("\\Seen"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_by_date_or_with_all_reads_what_is_there() {
    let dovecot = Dovecot::start();
    let mut look = dovecot.look("support");
    for (subject, date) in [("y2020", "01-Jan-2020 12:00:00 +0000"), ("y2024", "01-Jan-2024 12:00:00 +0000")]
    {
        let mail = mail(subject).replace('\n', "\r\n");
        look.ask(&format!("APPEND INBOX \"{date}\" {{{}+}}\r\n{mail}", mail.len()));
    }
    let all = Desk::new();
    let running = all.run(Settings { start: Start::All, ..settings(&dovecot, Security::None) });
    all.journal.until_items(2).await;
    running.stop().await;
    let since = Desk::new();
    let start = Start::Since(Timestamp::from_secs(1_600_000_000));
    let running = since.run_until_well(Settings { start, ..settings(&dovecot, Security::None) }).await;
    since.journal.until_items(1).await;
    running.stop().await;
    assert_eq!(since.journal.subjects(), ["y2024"]);
    // After a loss, all since then is read again, whatever the cursor says.
    since.journal.kept.send_modify(|kept| {
        kept.items.clear();
        kept.reread = Some(Reread { since: Timestamp::from_secs(1_500_000_000), asked: false });
    });
    let running = since.run(settings(&dovecot, Security::None));
    since.journal.until_items(2).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_numbers_skip_what_is_surely_old_and_say_so() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let settings = settings(&dovecot, Security::None);
    let mut look = dovecot.look("support");
    let old = mail("old").replace('\n', "\r\n");
    look.ask(&format!("APPEND INBOX \"01-Jan-2020 12:00:00 +0000\" {{{}+}}\r\n{old}", old.len()));
    look.ask("LOGOUT");
    desk.run_until_well(settings.clone()).await.stop().await;
    let running = desk.run(settings.clone());
    dovecot.deliver("support", &mail("known"));
    desk.journal.until_items(1).await;
    running.stop().await;
    dovecot.renumber("support");
    dovecot.deliver("support", &mail("later"));
    let running = desk.run(settings);
    desk.journal.until_items(2).await;
    let skipped = desk.journal.kept.borrow().skipped.clone();
    assert_eq!(desk.journal.subjects(), ["known", "later"]);
    assert_eq!(skipped.iter().map(|(mails, _)| *mails).collect::<Vec<_>>(), [1], "told before it is done");
    // An admin wants it after all.
    let since = Timestamp::from_secs(1_500_000_000);
    desk.journal.kept.send_modify(|kept| kept.reread = Some(Reread { since, asked: true }));
    running.mailbox.read_again();
    desk.journal.until_items(3).await;
    desk.journal.until("it is read again", |kept| kept.reread.is_none()).await;
    running.stop().await;
    assert_eq!(desk.journal.subjects(), ["known", "later", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_somebody_read_is_taken_and_mail_that_somebody_removed_stops_nothing() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let settings = settings(&dovecot, Security::None);
    desk.run_until_well(settings.clone()).await.stop().await;
    for subject in ["a", "b", "c"] {
        dovecot.deliver("support", &mail(subject));
    }
    let mut look = dovecot.look("support");
    look.ask("UID STORE 1:* +FLAGS (\\Seen)");
    look.ask("UID STORE 2 +FLAGS (\\Deleted)");
    look.ask("EXPUNGE");
    let running = desk.run(settings);
    desk.journal.until_items(2).await;
    dovecot.deliver("support", &mail("d"));
    desk.journal.until_items(3).await;
    running.stop().await;
    assert_eq!(desk.journal.subjects(), ["a", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn journaled_mail_is_moved_or_deleted_as_told() {
    for more in ["", "protocol imap {\n imap_capability = IMAP4rev1 UIDPLUS IDLE\n}"] {
        let dovecot = Dovecot::start_with(more);
        let desk = Desk::new();
        let after = After::Move("Äpfel & Birnen".to_owned());
        let running = desk.run_until_well(Settings { after, ..settings(&dovecot, Security::None) }).await;
        dovecot.deliver("support", &mail("a"));
        desk.journal.until_items(1).await;
        dovecot.deliver("support", &mail("b"));
        desk.journal.until_items(2).await;
        wait_until("both are moved", || dovecot.look("support").ask("SELECT INBOX").contains("* 0 EXISTS"))
            .await;
        assert!(dovecot.look("support").ask("SELECT \"&AMQ-pfel &- Birnen\"").contains("* 2 EXISTS"));
        running.stop().await;
        let deleting = Settings { after: After::Delete, ..settings(&dovecot, Security::None) };
        let running = desk.run_until_well(deleting).await;
        dovecot.deliver("support", &mail("c"));
        desk.journal.until_items(3).await;
        wait_until("it is deleted", || dovecot.look("support").ask("SELECT INBOX").contains("* 0 EXISTS"))
            .await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_mail_comes_whole_and_a_too_large_one_with_its_text() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let running = desk.run_until_well(settings(&dovecot, Security::Implicit)).await;
    dovecot.deliver("support", &attached("large", 20 * MIB));
    dovecot.deliver("support", &attached("too-large", 40 * MIB));
    dovecot.deliver("support", &mail("small"));
    let items = desk.journal.until_items(3).await;
    assert_eq!(desk.journal.subjects(), ["large", "too-large", "small"]);
    let file = &message(&items[0]).files[0];
    let opened = running.mailbox.open(file).await.unwrap();
    let bytes = collect(opened.content, 64 << 20).await.unwrap();
    assert_eq!((Some(bytes.len() as u64), opened.size), (file.size, file.size));
    assert!(bytes.len() > 14 * MIB && bytes.chunks(3).all(|chunk| chunk == b"ABC"));
    let cut = message(&items[1]);
    assert_eq!((cut.text.as_str(), cut.files.len()), ("See the file.", 0));
    assert!(matches!(cut.left_out[0].why, LeftOutWhy::TooLarge { .. }));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_an_outage_waited_out() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let mut wrong = settings(&dovecot, Security::Implicit);
    if let InboxSettings::Imap(imap) = &mut wrong.inbox {
        imap.password = Secret::new("wrong");
    }
    let running = desk.run(wrong);
    running
        .until("the login is refused", |health| {
            matches!(health.state, State::Trouble { unauthorized: true, .. })
        })
        .await;
    running.stop().await;
    let mut untrusted = settings(&dovecot, Security::Implicit);
    if let InboxSettings::Imap(imap) = &mut untrusted.inbox {
        imap.server.tls = client_config(None).unwrap();
    }
    let running = desk.run(untrusted);
    running
        .until("the certificate is refused", |health| {
            matches!(&health.state, State::Trouble { what, unauthorized: false, .. } if what.contains("certificate"))
        })
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_within_a_batch_loses_nothing_and_doubles_nothing() {
    let server = HalfServer::start(None).await;
    let desk = Desk::new();
    let mut settings = settings_for(server.port);
    settings.start = Start::All;
    let running = desk.run(settings);
    let kept = desk.journal.until("three mails", |kept| kept.items.len() == 3).await;
    running.stop().await;
    assert_eq!(desk.journal.subjects(), ["m1", "m2", "m3"]);
    assert!(kept.cursor.unwrap().0.contains("\"uid_next\":4"));
    let bodies = server.bodies.lock().unwrap().clone();
    assert_eq!(bodies.first().map(String::as_str), Some("1:3"), "all at once at first");
    assert!(bodies.iter().skip(1).all(|set| !set.contains('1')), "the first was safe: {bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_the_server_refuses_to_give_out_is_told_and_passed() {
    let server = HalfServer::start(Some(2)).await;
    let desk = Desk::new();
    let running = desk.run(Settings { start: Start::All, ..settings_for(server.port) });
    let items = desk.journal.until_items(3).await;
    running.stop().await;
    assert_eq!(desk.journal.subjects(), ["m1", "", "m3"]);
    let What::Unreadable { reason, raw: None } = &items[1].what else { panic!("{:?}", items[1].what) };
    assert!(reason.contains("cannot read it"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_mail_of_a_maildir_that_did_not_exist_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let maildir = directory.path().join("support");
    let desk = Desk::new();
    let settings = Settings { inbox: InboxSettings::Maildir(maildir.clone()), ..settings_for(1) };
    let running = desk.run_until_well(settings).await;
    let name = format!("{}.M1P1.host", Clock::real().now().as_secs());
    std::fs::write(maildir.join("tmp").join(&name), mail("first")).unwrap();
    std::fs::rename(maildir.join("tmp").join(&name), maildir.join("new").join(&name)).unwrap();
    desk.journal.until_items(1).await;
    running.stop().await;
}

/// The first look comes a moment after the start, and longer on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_comes_between_start_and_first_look_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir(directory.path().join(part)).unwrap();
    }
    std::fs::write(directory.path().join("new/1600000000.M1P1.host"), mail("old")).unwrap();
    passes(directory.path());
    let desk = Desk::new();
    let settings = Settings { inbox: InboxSettings::Maildir(directory.path().to_owned()), ..settings_for(1) };
    let mailbox = Mailbox::new(settings, desk.shared.clone());
    passes(directory.path());
    let name = format!("{}.M1P1.host", Clock::real().now().as_secs());
    std::fs::write(directory.path().join("new").join(name), mail("between")).unwrap();
    let running = desk.run_mailbox(mailbox);
    desk.journal.until_items(1).await;
    assert_eq!(desk.journal.subjects(), ["between"]);
    running.stop().await;
}

/// Waits until the file system's clock, which ticks coarsely, has passed what ours shows now.
fn passes(directory: &std::path::Path) {
    use std::os::unix::fs::MetadataExt;
    let now = Clock::real().now().as_millis();
    loop {
        let probe = tempfile::NamedTempFile::new_in(directory.join("tmp")).unwrap();
        let metadata = probe.as_file().metadata().unwrap();
        if metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000 > now {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_is_read_by_its_watch_and_its_old_mail_left() {
    let directory = tempfile::tempdir().unwrap();
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir(directory.path().join(part)).unwrap();
    }
    let drop_in = |name: &str, content: &str| {
        std::fs::write(directory.path().join("tmp").join(name), content).unwrap();
        std::fs::rename(directory.path().join("tmp").join(name), directory.path().join("new").join(name))
            .unwrap();
    };
    for nth in 0..200 {
        drop_in(&format!("{}.M1P{nth}.host", 1_600_000_000 + nth), &mail("old"));
    }
    let desk = Desk::new();
    let settings = Settings {
        inbox: InboxSettings::Maildir(directory.path().to_owned()),
        timing: Timing { poll: Duration::from_secs(3600), ..timing() },
        ..settings_for(1)
    };
    let running = desk.run_until_well(settings.clone()).await;
    let now = Clock::real().now().as_secs();
    drop_in(&format!("{now}.M1P1.host,S=99"), &mail("first"));
    desk.journal.until_items(1).await;
    running.stop().await;
    drop_in(&format!("{now}.M2P1.host"), &mail("second"));
    drop_in("by-hand", &mail("third"));
    let running = desk.run(settings);
    desk.journal.until_items(3).await;
    let cur = directory.path().join("cur");
    let read = || std::fs::read_dir(&cur).unwrap().count() == 3;
    wait_until("all three are put away", read).await;
    running.stop().await;
    assert_eq!(desk.journal.subjects(), ["first", "second", "third"]);
    assert!(cur.join(format!("{now}.M1P1.host,S=99:2,S")).exists());
    assert_eq!(std::fs::read_dir(directory.path().join("new")).unwrap().count(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_read_again_after_a_loss_gives_nothing_from_before_the_first_look_but_asked_for_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let maildir = directory.path().join("support");
    for part in ["", "new", "cur", "tmp"] {
        std::fs::create_dir(maildir.join(part)).unwrap();
    }
    let now = Clock::real().now().as_secs();
    for (part, name) in [("new", "unread"), ("cur", "read")] {
        let file = format!("{}.M1P{}.host", now - 7200, name.len());
        std::fs::write(maildir.join(part).join(file), mail(&format!("old-{name}"))).unwrap();
    }
    let desk = Desk::new();
    let settings = Settings { inbox: InboxSettings::Maildir(maildir.clone()), ..settings_for(1) };
    let running = desk.run_until_well(settings.clone()).await;
    let name = format!("{now}.M3P1.host");
    std::fs::write(maildir.join("tmp").join(&name), mail("taken")).unwrap();
    std::fs::rename(maildir.join("tmp").join(&name), maildir.join("new").join(&name)).unwrap();
    desk.journal.until_items(1).await;
    running.stop().await;

    // The journal is older than the mail; its cursor knows the first look.
    let since = Timestamp::from_secs(now - 86_400);
    desk.journal.kept.send_modify(|kept| {
        kept.items.clear();
        kept.reread = Some(Reread { since, asked: false });
    });
    let running = desk.run(settings);
    desk.journal.until("it is read again", |kept| kept.reread.is_none()).await;
    assert_eq!(desk.journal.subjects(), ["taken"]);
    desk.journal.kept.send_modify(|kept| kept.reread = Some(Reread { since, asked: true }));
    running.mailbox.read_again();
    desk.journal.until_items(3).await;
    desk.journal.until("it is read again", |kept| kept.reread.is_none()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_look_back_that_is_killed_begins_again() {
    let dovecot = Dovecot::start();
    let desk = Desk::new();
    let settings = settings(&dovecot, Security::None);
    desk.run_until_well(settings.clone()).await.stop().await;
    for nth in 0..100 {
        dovecot.deliver("support", &mail(&format!("mail-{nth}")));
    }
    let running = desk.run(settings.clone());
    desk.journal.until_items(100).await;
    running.stop().await;
    desk.journal.kept.send_modify(|kept| {
        kept.items.clear();
        kept.reread = Some(Reread { since: Timestamp::from_secs(1_500_000_000), asked: false });
    });
    let running = desk.run(settings.clone());
    desk.journal.until_items(1).await;
    running.task.abort();
    desk.run_until_well(settings).await.stop().await;
    desk.journal
        .until("all of it is read again", |kept| kept.items.len() == 100 && kept.reread.is_none())
        .await;
}

// === mail out ===

fn smtp(dovecot: &Dovecot, port: u16, security: Security, password: &str) -> OutboxSettings {
    OutboxSettings::Smtp(SmtpSettings {
        server: server(dovecot, port, security),
        login: Some(("support".to_owned(), Secret::new(password))),
    })
}

fn letter(automatic: bool) -> OutgoingMail {
    OutgoingMail {
        mailbox: MailboxName::new("support"),
        to: MailAddress::new("customer@desk.example"),
        subject: "[#789] Grüße\r\nBcc: evil@x.example".to_owned(),
        text: "Hello,\n.\nüberall.\n".to_owned(),
        html: Some("<p>Hello, überall.</p>".to_owned()),
        in_reply_to: Some(MailId::new("question@customer.example")),
        references: vec![MailId::new("first@customer.example"), MailId::new("bad id\r\nX: y@z")],
        token: Some("abcdefghijklmnopqrstuvwx".to_owned()),
        automatic,
        key: "job-1".to_owned(),
    }
}

fn file(name: &str, content: Vec<u8>) -> OutgoingFile {
    let size = Some(content.len() as u64);
    OutgoingFile { name: name.to_owned(), mime: "application/pdf".to_owned(), size, content: whole(content) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_sent_over_starttls_with_login_and_arrives_as_composed() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let desk = Desk::new();
    let sending = Settings {
        outbox: smtp(&dovecot, postfix.port, Security::Starttls, PASSWORD),
        reply_address: Some("support+{token}@desk.example".to_owned()),
        ..settings(&dovecot, Security::None)
    };
    let mailbox = Mailbox::new(sending, desk.shared.clone());
    let content: Vec<u8> = (0..3 * MIB).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let composed =
        mailbox.compose(&letter(false), vec![file("Übersicht.pdf", content.clone())]).await.unwrap();
    let again = mailbox.compose(&letter(false), vec![]).await.unwrap();
    assert_eq!(composed.mail, again.mail, "the same job has the same Message-ID");
    assert!(composed.mail.as_str().ends_with(".abcdefghijklmnopqrstuvwx@desk.example"));
    // The customer's own bridge reads it.
    let mut reading = settings(&dovecot, Security::None);
    if let InboxSettings::Imap(imap) = &mut reading.inbox {
        imap.user = "customer".to_owned();
    }
    let customer = desk.run_until_well(reading).await;
    let to = vec![MailAddress::new("customer@desk.example")];
    mailbox.send(Parcel::Mail { raw: composed.raw, to }).await.unwrap();
    let items = desk.journal.until_items(1).await;
    let (arrived, said) = (origin(&items[0]), message(&items[0]));
    assert_eq!(arrived.message_id, composed.mail);
    assert_eq!(arrived.subject, "[#789] Grüße Bcc: evil@x.example");
    assert_eq!(
        arrived.refers_to,
        [MailId::new("question@customer.example"), MailId::new("first@customer.example")]
    );
    assert_eq!(arrived.automatic, Some(Automatic::Ours));
    assert_eq!(said.text, "Hello,\n.\nüberall.");
    assert_eq!(said.files[0].name, "Übersicht.pdf");
    let opened = customer.mailbox.open(&said.files[0]).await.unwrap();
    assert!(collect(opened.content, 64 << 20).await.unwrap() == content);
    let raw = desk.shared.spool.read(&arrived.raw).await.unwrap();
    let head = String::from_utf8_lossy(&raw).split("\r\n\r\n").next().unwrap().to_owned();
    assert!(
        head.contains("Reply-To: \"Example Support\" <support+abcdefghijklmnopqrstuvwx@desk.example>"),
        "{head}"
    );
    assert!(head.contains("Return-Path: <support@desk.example>"), "{head}");
    assert!(!head.contains("\r\nBcc:") && !head.contains("Auto-Submitted"), "{head}");
    // Automatic mail has no return path and says what it is.
    let composed =
        mailbox.compose(&OutgoingMail { key: "job-2".to_owned(), ..letter(true) }, vec![]).await.unwrap();
    mailbox
        .send(Parcel::Mail { raw: composed.raw, to: vec![MailAddress::new("customer@desk.example")] })
        .await
        .unwrap();
    let items = desk.journal.until_items(2).await;
    let raw = desk.shared.spool.read(&origin(&items[1]).raw).await.unwrap();
    let text = String::from_utf8_lossy(&raw);
    assert!(text.contains("Return-Path: <>") && text.contains("Auto-Submitted: auto-replied"), "{text}");
    customer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_send_means_is_known() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let desk = Desk::new();
    let mailbox =
        |outbox| Mailbox::new(Settings { outbox, ..settings(&dovecot, Security::None) }, desk.shared.clone());
    let good = mailbox(smtp(&dovecot, postfix.port, Security::Starttls, PASSWORD));
    assert!(good.try_outbox().await.is_ok() && good.try_inbox().await.unwrap().contains("IDLE"));
    let composed = good.compose(&letter(false), vec![]).await.unwrap();
    let parcel =
        || Parcel::Mail { raw: composed.raw.clone(), to: vec![MailAddress::new("customer@desk.example")] };
    let wrong = mailbox(smtp(&dovecot, postfix.port, Security::Starttls, "wrong"));
    assert!(matches!(wrong.send(parcel()).await, Err(SendError::Unauthorized(_))));
    let closed = mailbox(smtp(&dovecot, 1, Security::None, PASSWORD));
    assert!(matches!(closed.send(parcel()).await, Err(SendError::Retry { .. })));
    let huge = vec![file("a.bin", vec![0; 26 * MIB])];
    assert!(matches!(good.compose(&letter(false), huge).await, Err(SendError::Refused { .. })));
    // The folder where this server keeps copies.
    assert_eq!(good.was_sent(&composed.mail).await, Some(false));
    dovecot.deliver("support", &format!("Message-ID: <{}>\n\ncopy", composed.mail));
    assert_eq!(good.was_sent(&composed.mail).await, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_dies_after_the_mail_leaves_it_unknown() {
    for (dies_at, unknown) in [("MAIL", false), ("RCPT", false), ("DATA", false), (".", true)] {
        let port = dying_server(dies_at).await;
        let desk = Desk::new();
        let tls = client_config(None).unwrap();
        let server = Server { host: "127.0.0.1".to_owned(), port, security: Security::None, tls };
        let outbox = OutboxSettings::Smtp(SmtpSettings { server, login: None });
        let mailbox = Mailbox::new(Settings { outbox, ..settings_for(1) }, desk.shared.clone());
        let composed = mailbox.compose(&letter(false), vec![]).await.unwrap();
        let to = vec![MailAddress::new("customer@desk.example")];
        let outcome = mailbox.send(Parcel::Mail { raw: composed.raw, to }).await;
        match outcome {
            Err(SendError::Unknown { .. }) => assert!(unknown, "after {dies_at}"),
            Err(SendError::Retry { .. }) => assert!(!unknown, "after {dies_at}"),
            other => panic!("after {dies_at}: {other:?}"),
        }
    }
}

// === servers that break ===

/// Speaks SMTP until a line begins with `dies_at`, and hangs up.
async fn dying_server(dies_at: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hello\r\n").await.unwrap();
        let (mut line, mut in_mail) = (String::new(), false);
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            let ends = line == ".\r\n";
            if (!in_mail || ends) && line.starts_with(dies_at) {
                return;
            }
            let answer: &[u8] = match &line {
                _ if in_mail && !ends => b"",
                line if line.starts_with("DATA") => {
                    in_mail = true;
                    b"354 go on\r\n"
                }
                _ => b"250 ok\r\n",
            };
            stream.write_all(answer).await.unwrap();
            line.clear();
        }
    });
    port
}

/// An IMAP server of three mails that dies after each body that it gave out, or refuses one of them.
struct HalfServer {
    port: u16,
    /// The sets of UIDs whose bodies were asked for.
    bodies: Arc<Mutex<Vec<String>>>,
}

impl HalfServer {
    async fn start(refused: Option<u32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let asked = bodies.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = Self::serve(BufReader::new(stream), refused, &asked).await;
            }
        });
        Self { port, bodies }
    }

    async fn serve(
        mut stream: BufReader<tokio::net::TcpStream>,
        refused: Option<u32>,
        asked: &Mutex<Vec<String>>,
    ) -> std::io::Result<()> {
        stream.write_all(b"* OK hello\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let (tag, command) = line.trim_end().split_once(' ').unwrap();
            let set = command.split(' ').nth(2).unwrap_or_default();
            if command.contains("BODY.PEEK[]") {
                asked.lock().unwrap().push(set.to_owned());
                let bounds: Vec<u32> = set.split([':', ',']).map(|uid| uid.parse().unwrap()).collect();
                let (first, last) = (bounds[0], *bounds.last().unwrap());
                let body = |uid: u32| {
                    let mail = mail(&format!("m{uid}")).replace('\n', "\r\n");
                    format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{mail})\r\n", mail.len())
                };
                match refused {
                    None => {
                        return stream.write_all(format!("{}* 9 FETCH (UID", body(first)).as_bytes()).await;
                    }
                    Some(uid) if (first..=last).contains(&uid) => {
                        stream.write_all(format!("{tag} NO cannot read it\r\n").as_bytes()).await?;
                    }
                    Some(_) => {
                        let bodies: String = (first..=last).map(body).collect();
                        stream.write_all(format!("{bodies}{tag} OK done\r\n").as_bytes()).await?;
                    }
                }
                line.clear();
                continue;
            }
            let answer = match command.split(' ').next().unwrap() {
                "CAPABILITY" => "* CAPABILITY IMAP4rev1\r\n".to_owned(),
                "SELECT" => "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n".to_owned(),
                "UID" => {
                    let from: u32 = set.split(':').next().unwrap().parse().unwrap();
                    let line = |uid: u32| {
                        format!(
                            "* {uid} FETCH (UID {uid} RFC822.SIZE 100 INTERNALDATE \"17-Jul-2026 02:44:25 +0000\")\r\n"
                        )
                    };
                    (from.min(3)..=3).map(line).collect()
                }
                _ => String::new(),
            };
            stream.write_all(format!("{answer}{tag} OK done\r\n").as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }
}

/// A mailbox without TLS at a port of this machine.
fn settings_for(port: u16) -> Settings {
    let tls = client_config(None).unwrap();
    let imap = ImapSettings {
        server: Server { host: "127.0.0.1".to_owned(), port, security: Security::None, tls },
        user: "support".to_owned(),
        password: Secret::new(PASSWORD),
        folder: "INBOX".to_owned(),
        sent_folder: None,
    };
    Settings {
        name: MailboxName::new("support"),
        inbox: InboxSettings::Imap(imap),
        outbox: OutboxSettings::Directory("/nonexistent".into()),
        from: ticket_bridge::channel::email::From { name: None, address: "support@desk.example".to_owned() },
        reply_address: None,
        after: After::Seen,
        start: Start::Now,
        trust: TrustSettings::default(),
        timing: timing(),
        limits: Limits::default(),
    }
}

async fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !reached() {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
