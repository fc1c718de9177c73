//! Paradarum's office, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config;
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{TicketId, TicketMessageId};
use ticket_bridge::runtime::{Clock, tls};
use ticket_bridge::sandbox::desk::{self, DeskOptions, DeskStandIn};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::paradarum::Paradarum;
use ticket_bridge::ticket_api::{Access, Author, Found, Look, LookIn};

use super::{Counterpart, Office, PATIENT, common, file, marker};

pub(super) const ACCOUNT: i64 = 12;
const KEY: &str = "pdm_!@#$%&*abcdefghijklmnopqrstu";

pub(super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, DeskOptions::default(), |_| {}).boxed()
}

async fn dressed(
    patience: Duration,
    options: DeskOptions,
    set: impl FnOnce(&mut config::Paradarum),
) -> Office {
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    let mut settings = config::Paradarum { page_size: 3, ..config::Paradarum::default() };
    set(&mut settings);
    let (common, tls) =
        (common("paradarum", &desk.base_url(), KEY, patience), tls::client_config(None).unwrap());
    let api = Paradarum::new(common, settings, &tls, Clock::real()).unwrap();
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    Office { api: Arc::new(api), account, desk: Box::new(desk) }
}

impl Counterpart for DeskStandIn {
    fn staff_replies(&self, ticket: &TicketId, text: &str) -> TicketMessageId {
        TicketMessageId::new(DeskStandIn::staff_replies(self, number(ticket), text).unwrap().to_string())
    }

    fn staff_attaches(&self, ticket: &TicketId, message: &TicketMessageId, name: &str, bytes: &'static [u8]) {
        let message = desk::MessageId(message.as_str().parse().unwrap());
        DeskStandIn::staff_attaches(self, number(ticket), Some(message), name, bytes).unwrap();
    }

    fn resolve(&self, ticket: &TicketId) {
        self.staff_resolves(number(ticket)).unwrap();
    }

    fn lock(&self, ticket: &TicketId) {
        self.staff_closes(number(ticket)).unwrap();
    }

    fn remove(&self, ticket: &TicketId) {
        self.staff_removes(number(ticket)).unwrap();
    }

    fn age(&self, ticket: &TicketId, by: Duration) {
        DeskStandIn::age(self, number(ticket), by).unwrap();
    }

    fn add_property(&self) -> (String, String) {
        (DeskStandIn::add_property(self, ACCOUNT, "example.com").to_string(), "example.com".to_owned())
    }

    fn times(&self, text: &str) -> usize {
        self.find_text(text).len()
    }

    fn fault(&self, call: &str, fault: Fault) {
        self.faults().next(call, fault);
    }

    fn revoke_key(&self) {
        DeskStandIn::revoke_key(self, ACCOUNT);
    }

    fn violations(&self) -> Vec<String> {
        DeskStandIn::violations(self)
    }
}

fn number(ticket: &TicketId) -> desk::TicketId {
    desk::TicketId(ticket.as_str().parse().unwrap())
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
#[tokio::test]
async fn in_another_dress() {
    let options = DeskOptions {
        staff_flag: Some("fromSupport".to_owned()),
        message_text_key: "content".to_owned(),
        messages_key: "thread".to_owned(),
        attachments_key: "files".to_owned(),
        attachment_name_key: "originalFileName".to_owned(),
        created_key: "created".to_owned(),
        list_has_updated_at: true,
        reply_answers_id: false,
        timestamps: desk::Timestamps::Bare,
        enums: desk::Enums::Name,
        clock_skew: jiff::SignedDuration::from_hours(2),
        max_page_size: 2,
        ..DeskOptions::default()
    };
    let office = dressed(PATIENT, options, |settings| {
        settings.staff_flag = vec!["fromSupport".to_owned()];
        settings.messages_key = "thread".to_owned();
        settings.attachments_key = "files".to_owned();
    })
    .await;
    let lost = marker("lost");
    for n in 0..5 {
        office.creates(&format!("Ticket {n}"), "Text").await;
    }
    let ticket = office.creates("Lost", &format!("Text · {lost}")).await;
    let now = office.api.server_time(Clock::real().now());
    let since = now.minus(Duration::from_secs(900));
    assert!(
        matches!(office.looks_for_ticket(&lost, since, &|_| false).await, Found::Ticket(found) if found.ticket == ticket)
    );
    assert_eq!(office.replies(&ticket, "Hello").await, None);
    office.api.upload(&office.account, &ticket, None, file("a.txt", vec![1])).await.unwrap();
    let staff = office.desk.staff_replies(&ticket, "We look.");
    let read = office.reads(&ticket).await;
    let by: Vec<_> = read.messages.iter().map(|message| (message.by, message.text.as_str())).collect();
    assert_eq!(by, [(Author::Customer, "Hello"), (Author::Staff, "We look.")]);
    assert_eq!((&read.messages[1].id, read.attachments[0].name.as_str()), (&staff, "a.txt"));
    office.desk.lock(&ticket);
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
    office.closes_clean();
}

/// Where a name is other than we think, a look finds nothing; that is not “absent”.
#[tokio::test]
async fn with_a_wrong_name_cannot_know() {
    for options in [
        DeskOptions { messages_key: "thread".to_owned(), ..DeskOptions::default() },
        DeskOptions { message_text_key: "words".to_owned(), ..DeskOptions::default() },
    ] {
        let office = dressed(PATIENT, options, |_| {}).await;
        let ticket = office.creates("Help", "Text").await;
        office.replies(&ticket, &format!("Hello · {}", marker("lost"))).await;
        let look = Look { markers: &[marker("lost")], place: LookIn::Replies(&ticket) };
        assert_eq!(office.api.find_by_marker(&office.account, look).await.unwrap(), Found::CannotKnow);
    }
}

/// Without the staff flag nobody is taken for staff or customer by guess.
#[tokio::test]
async fn without_a_staff_flag_leaves_authors_open() {
    let options = DeskOptions { staff_flag: None, ..DeskOptions::default() };
    let office = dressed(PATIENT, options, |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    office.replies(&ticket, "Hello").await;
    office.desk.staff_replies(&ticket, "We look.");
    assert!(office.reads(&ticket).await.messages.iter().all(|message| message.by == Author::Unsaid));
}
