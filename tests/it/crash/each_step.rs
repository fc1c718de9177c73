//! The process is killed in each kind of step: before the other side has done it, after, and while it is still
//! at it. Tickets have everything exactly once; what goes to a customer is repeated once at most, and so recorded.

use std::time::Duration;

use ticket_bridge::sandbox::desk::{Dialect, Status, TicketId};
use ticket_bridge::sandbox::faults::{Fault, Faults};
use ticket_bridge::sandbox::post_office::{Verdict, mail};
use ticket_bridge::sandbox::telegram::Person;
use tokio::time::sleep;

use super::ground::{ACCOUNTS, AFTERMATH, Admins, Ground, MAIL_SERVER, PATIENCE, SUPPORT};
use super::mail_sink::MailFault;
use super::reaper::open_changes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Reply,
    Upload,
    Close,
    ToChat,
    ByMail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Received, and never done.
    Before,
    /// Done, and not answered.
    After,
    /// Received before the kill, done after it.
    Later,
}

use Moment::{After, Before, Later};
use Step::{ByMail, Close, Create, Reply, ToChat, Upload};

const TABLE: &[(Step, Moment)] = &[
    (Create, Before),
    (Create, After),
    (Create, Later),
    (Reply, Before),
    (Reply, After),
    (Reply, Later),
    (Upload, Before),
    (Upload, After),
    (Upload, Later),
    (Close, Before),
    (Close, After),
    (Close, Later),
    (ToChat, Before),
    (ToChat, After),
    (ByMail, Before),
    (ByMail, After),
];

const FOR_EVER: Duration = Duration::from_secs(600);
/// Less than `settle`, and longer than a kill and a start take.
const LATE: Duration = Duration::from_millis(800);

/// One line of the table at work.
struct Case<'a> {
    ground: &'a Ground,
    step: Step,
    moment: Moment,
    /// In what is killed.
    word: String,
    person: Person,
    address: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step() {
    let ground = Ground::open(Admins::Nowhere, Dialect::Paradarum).await;
    ground.start().await;
    ground.baselines().await;
    let mut cases = Vec::new();
    for (number, (step, moment)) in TABLE.iter().enumerate() {
        let case = Case {
            ground: &ground,
            step: *step,
            moment: *moment,
            word: format!("step{number:02}word"),
            person: ground.telegram.person(&format!("Person{number}"), "en"),
            address: format!("writer{number}@{}", ACCOUNTS[0].domain),
        };
        case.plays().await;
        cases.push(case);
    }
    sleep(AFTERMATH).await;
    let left = ground.left();
    let mut wrong: Vec<String> = cases.iter().filter_map(Case::wrong).collect();
    let undone = left.live.iter().chain(left.parked.iter().map(|parked| &parked.job)).chain(&left.dead);
    wrong.extend(undone.map(|job| format!("not done: {} {:?}", job.key, job.state)));
    let recorded = ground.log_about(&["A send of unknown outcome is repeated".to_owned()]).len();
    let again: usize = cases.iter().map(|case| case.receipts().saturating_sub(1)).sum();
    if again > recorded {
        wrong.push(format!("{again} messages came again, {recorded} repeats are recorded"));
    }
    if !wrong.is_empty() {
        ground.folder.keep();
        panic!("the folder is {}\n{}", ground.folder.path().display(), wrong.join("\n"));
    }
}

impl Case<'_> {
    async fn plays(&self) {
        let ground = self.ground;
        let ticket = self.begins().await;
        self.calm().await;
        let before = self.done();
        self.arms();
        self.acts(ticket).await;
        ground.until(&self.names("the call is open"), || self.is_the_moment(before).then_some(())).await;
        ground.bridge.kill();
        ground.start().await;
        let arrives = || (self.copies() > 0 && self.receipts() > 0).then_some(());
        ground.until(&self.names("its outcome"), arrives).await;
        self.calm().await;
    }

    fn names(&self, what: &str) -> String {
        format!("{what} ({:?}, {:?})", self.step, self.moment)
    }

    /// A ticket to reply to, where the step needs one.
    async fn begins(&self) -> Option<TicketId> {
        let text = format!("Good morning, this is how {} begins.", self.word.to_uppercase());
        match self.step {
            Create | Upload => return None,
            Reply | Close | ToChat => drop(self.person.says(&text)),
            ByMail => {
                let letter = mail().from(&self.address).to(SUPPORT).subject("A beginning").text(&text);
                let raw = letter.authenticated_by(MAIL_SERVER, Verdict::Pass).build().unwrap();
                self.ground.post.deliver(&raw).await.unwrap();
            }
        }
        let find = || self.ground.desk.find_text(&self.word.to_uppercase()).first().map(|place| place.0);
        Some(self.ground.until(&self.names("a ticket"), find).await)
    }

    /// Nothing is under way.
    async fn calm(&self) {
        let begun = tokio::time::Instant::now();
        while self.ground.live().await != Some(0) {
            assert!(begun.elapsed() < PATIENCE, "{}", self.names("jobs are under way for ever"));
        }
    }

    fn call(&self) -> &'static str {
        match self.step {
            Create => "create",
            Reply => "reply",
            Upload => "upload",
            Close => "close",
            ToChat => "sendMessage",
            ByMail => "mail",
        }
    }

    fn faults(&self) -> &Faults {
        if self.step == ToChat { self.ground.telegram.faults() } else { self.ground.desk.faults() }
    }

    fn arms(&self) {
        match (self.step, self.moment) {
            (ByMail, After) => self.ground.sink.next(MailFault::Hang(FOR_EVER)),
            (ByMail, _) => self.ground.sink.next(MailFault::HoldBefore(FOR_EVER)),
            (_, Before) => self.faults().next(self.call(), Fault::HoldBefore(FOR_EVER)),
            (_, After) => self.faults().next(self.call(), Fault::Hang(FOR_EVER)),
            (_, Later) => self.ground.desk.does_late(self.call(), LATE),
        }
    }

    async fn acts(&self, ticket: Option<TicketId>) {
        let text = format!("Now comes {} at last.", self.word);
        match self.step {
            Create | Reply => drop(self.person.says(&text)),
            Upload => drop(self.person.sends_document("note.txt", self.word.clone().into_bytes(), &text)),
            Close => {
                self.person.says("/close");
                let chat = self.person.chat_id();
                let asked = self.ground.telegram.wait_for(chat, |m| m.button("Close it").is_some(), PATIENCE);
                let asked = asked.await.expect("nobody asked whether to close it");
                self.person.presses(asked.message_id, "Close it").unwrap();
            }
            ToChat | ByMail => drop(self.ground.desk.staff_replies(ticket.unwrap(), &text).unwrap()),
        }
    }

    fn is_the_moment(&self, before: usize) -> bool {
        let is_open = open_changes(self.ground).iter().any(|call| call == self.call());
        is_open && (self.moment != After || self.done() > before)
    }

    /// What the other side has done of this kind of call.
    fn done(&self) -> usize {
        match self.step {
            ToChat => self.ground.telegram.calls_of("sendMessage").len(),
            ByMail => self.ground.sink.kept().len(),
            _ => self.ground.desk.calls().iter().filter(|call| call.name == self.call()).count(),
        }
    }

    /// How often it was done at the desk; for what goes to customers, staff's own.
    fn copies(&self) -> usize {
        let desk = &self.ground.desk;
        match self.step {
            Create | Reply | ToChat | ByMail => desk.find_text(&self.word).len(),
            Upload => self.tickets().flat_map(|ticket| ticket.attachments).count(),
            Close => self.tickets().filter(|ticket| ticket.status == Status::Closed).count(),
        }
    }

    /// How often the customer got the answer; a text of a customer gets one without the word.
    fn receipts(&self) -> usize {
        let messages = self.ground.telegram.messages_in(self.person.chat_id());
        match self.step {
            ToChat => messages.iter().filter(|message| message.words().contains(&self.word)).count(),
            ByMail => {
                let kept = self.ground.sink.kept();
                kept.iter().filter(|raw| String::from_utf8_lossy(raw).contains(&self.word)).count()
            }
            Close => usize::from(messages.iter().any(|message| message.words().contains("is closed"))),
            Create | Reply | Upload => usize::from(!messages.is_empty()),
        }
    }

    fn tickets(&self) -> impl Iterator<Item = ticket_bridge::sandbox::desk::Ticket> {
        let desk = &self.ground.desk;
        let own = [self.word.clone(), self.word.to_uppercase()];
        let mut found: Vec<TicketId> =
            own.iter().flat_map(|word| desk.find_text(word)).map(|place| place.0).collect();
        found.sort();
        found.dedup();
        found.into_iter().filter_map(|ticket| desk.ticket(ticket))
    }

    fn wrong(&self) -> Option<String> {
        let (tickets, copies, receipts) = (self.tickets().count(), self.copies(), self.receipts());
        let expected = if self.moment == After && matches!(self.step, ToChat | ByMail) { 2 } else { 1 };
        let fits = tickets == 1 && copies == 1 && receipts == expected && self.repeats_are_alike();
        let seen = format!("{tickets} tickets, {copies} times there, {receipts} receipts of {expected}");
        (!fits).then(|| self.names(&seen))
    }

    /// A mail that is sent again is the same mail.
    fn repeats_are_alike(&self) -> bool {
        let kept = self.ground.sink.kept();
        let own: Vec<&Vec<u8>> =
            kept.iter().filter(|raw| String::from_utf8_lossy(raw).contains(&self.word)).collect();
        own.windows(2).all(|pair| pair[0] == pair[1])
    }
}
