//! HostUp's office, and what only its contract leaves open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use ticket_bridge::config;
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{AttachmentId, TicketId, TicketMessageId};
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::{
    self, Binding, DeskOptions, DeskStandIn, Dialect, HostupOptions, Opening,
};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::hostup::Hostup;
use ticket_bridge::ticket_api::{
    Access, ApiError, Author, Files, Found, Look, LookIn, NewTicket, Staged, TicketApi,
};

use super::{Counterpart, Office, PATIENT, common, file, kind, marker, new_reply, new_ticket};

const ACCOUNT: i64 = 12;
const KEY: &str = "hup_live_abcdefghijklmnopqrstu";
const OTHER: i64 = 13;
const OTHER_KEY: &str = "hup_live_of_somebody_else";

struct HostupDesk(DeskStandIn);

pub(super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    async move { dressed(patience, HostupOptions::default(), |_| {}).await.0 }.boxed()
}

async fn dressed(
    patience: Duration,
    hostup: HostupOptions,
    set: impl FnOnce(&mut config::Hostup),
) -> (Office, DeskStandIn) {
    let options = DeskOptions { dialect: Dialect::Hostup, hostup, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    desk.add_account(OTHER, OTHER_KEY);
    let mut settings = config::Hostup { list_page: 3, ..config::Hostup::default() };
    set(&mut settings);
    let api = adapter(&desk.base_url(), patience, settings);
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    (Office { api: Arc::new(api), account, desk: Box::new(HostupDesk(desk.clone())) }, desk)
}

fn adapter(url: &str, patience: Duration, settings: config::Hostup) -> Hostup {
    let tls = tls::client_config(None).unwrap();
    Hostup::new(common("hostup", url, KEY, patience), settings, &tls, Clock::real()).unwrap()
}

impl Counterpart for HostupDesk {
    fn staff_replies(&self, ticket: &TicketId, text: &str) -> TicketMessageId {
        TicketMessageId::new(format!("tmsg_{}", self.0.staff_replies(number(ticket), text).unwrap()))
    }

    fn staff_attaches(&self, ticket: &TicketId, message: &TicketMessageId, name: &str, bytes: &'static [u8]) {
        let message = message.as_str().strip_prefix("tmsg_").unwrap().parse().unwrap();
        self.0.staff_attaches(number(ticket), Some(desk::MessageId(message)), name, bytes).unwrap();
    }

    fn resolve(&self, ticket: &TicketId) {
        self.0.staff_resolves(number(ticket)).unwrap();
    }

    fn lock(&self, ticket: &TicketId) {
        self.0.staff_closes(number(ticket)).unwrap();
    }

    fn remove(&self, ticket: &TicketId) {
        self.0.staff_removes(number(ticket)).unwrap();
    }

    fn age(&self, ticket: &TicketId, by: Duration) {
        self.0.age(number(ticket), by).unwrap();
    }

    fn add_property(&self) -> (String, String) {
        let id = self.0.add_property(ACCOUNT, "vps-1.example.com");
        (format!("vps:{id}"), "vps-1.example.com".to_owned())
    }

    fn times(&self, text: &str) -> usize {
        self.0.find_text(text).len()
    }

    fn fault(&self, call: &str, fault: Fault) {
        self.0.faults().next(call, fault);
    }

    fn revoke_key(&self) {
        self.0.revoke_key(ACCOUNT);
    }

    fn stranger(&self) -> Access {
        Access { remote: ACCOUNT.to_string(), key: Some(Secret::new("hup_live_of_nobody")) }
    }

    fn violations(&self) -> Vec<String> {
        self.0.violations()
    }
}

fn number(ticket: &TicketId) -> desk::TicketId {
    desk::TicketId(ticket.as_str().strip_prefix("tkt_").unwrap().parse().unwrap())
}

fn calls(desk: &DeskStandIn, name: &str) -> usize {
    desk.calls().iter().filter(|call| call.name == name).count()
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
#[tokio::test]
async fn in_another_dress() {
    let options = HostupOptions {
        binding: Binding::Field("attachments".to_owned()),
        files_at_root: true,
        ascii_names: true,
        opening: Opening::BodyAndMessage,
        nulls: true,
        state_refusal: 400,
        foreign_status: 403,
        page: 2,
        ..HostupOptions::default()
    };
    let (office, desk) = dressed(PATIENT, options, |settings| {
        settings.reply_attachment_field = Some("attachments".to_owned());
        settings.pin_upload = false;
        settings.default_department = Some("VPS".to_owned());
        settings.default_priority = config::hostup::Priority::Critical;
        settings.critical_reason = Some("The shop is down.".to_owned());
    })
    .await;
    let ticket = office.creates("Help", "Text").await;
    let filed = desk.ticket(number(&ticket)).unwrap();
    assert_eq!((filed.department.as_deref(), filed.priority.as_deref()), (Some("vps"), Some("critical")));
    let opened = office.reads(&ticket).await;
    assert_eq!((opened.text.as_str(), opened.messages.len()), ("Text", 0), "the opening is one, not two");
    let id = office.stages(&ticket, file("ä.txt", b"hello".to_vec())).await.unwrap();
    let staged = Files::Staged(vec![Staged { id, name: "ä.txt".to_owned() }]);
    office.api.reply(&office.account, &ticket, &new_reply("See"), staged).await.unwrap();
    let staff = office.desk.staff_replies(&ticket, "We look.");
    let read = office.reads(&ticket).await;
    let by: Vec<_> = read.messages.iter().map(|message| (message.by, message.text.as_str())).collect();
    assert_eq!(by, [(Author::Customer, "See"), (Author::Staff, "We look.")]);
    assert_eq!((&read.messages[1].id, read.attachments[0].name.as_str()), (&staff, "_.txt"));
    for _ in 0..2 {
        office.api.close(&office.account, &ticket).await.unwrap();
    }
    let reply = office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await;
    assert_eq!(kind(&reply.unwrap_err()), "locked");
    office.api.reopen(&office.account, &ticket).await.unwrap();
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    office.closes_clean();
}

#[tokio::test]
async fn what_staff_closed_for_good_stays_locked() {
    let (office, desk) = dressed(PATIENT, HostupOptions::default(), |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    desk.staff_force_closes(number(&ticket)).unwrap();
    assert_eq!(kind(&office.api.reopen(&office.account, &ticket).await.unwrap_err()), "locked");
    office.closes_clean();
}

#[tokio::test]
async fn encrypted_and_automatic_messages() {
    let (office, desk) = dressed(PATIENT, HostupOptions::default(), |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    desk.staff_replies_encrypted(number(&ticket), "The password is tulip.").unwrap();
    desk.automation_replies(number(&ticket), "This closes tomorrow.").unwrap();
    let messages = office.reads(&ticket).await.messages;
    assert_eq!((messages[0].in_panel_only, messages[0].text.as_str()), (true, ""));
    assert_eq!((messages[1].by, messages[1].author.as_deref()), (Author::Staff, Some("Automatic message")));
    // What cannot be read was not ours: the look is complete.
    let look = Look { markers: &[marker("lost")], place: LookIn::Replies(&ticket) };
    assert_eq!(office.api.find_by_marker(&office.account, look).await.unwrap(), Found::Absent);
    office.closes_clean();
}

#[tokio::test]
async fn an_account_without_uploads_is_told_from_missing_tickets_and_bad_keys() {
    for status in [403, 404] {
        let options = HostupOptions { upload_refusal: Some(status), ..HostupOptions::default() };
        let (office, desk) = dressed(PATIENT, options, |_| {}).await;
        let ticket = office.creates("Help", "Text").await;
        let gone = TicketId::new("tkt_4711");
        let missing = office.stages(&gone, file("a.txt", vec![1])).await.unwrap_err();
        assert_eq!(kind(&missing), "not found", "{status}");
        for _ in 0..3 {
            let refused = office.stages(&ticket, file("a.txt", vec![1])).await.unwrap_err();
            assert_eq!(kind(&refused), "unsupported", "{status}");
        }
        assert_eq!(calls(&desk, "upload"), 2, "it is remembered");
        let other = Access { remote: "1".to_owned(), key: Some(Secret::new("nobody's")) };
        let unknown = office.api.stage(&other, Some(&ticket), file("a.txt", vec![1])).await.unwrap_err();
        assert_eq!(kind(&unknown), "unauthorized", "{status}");
        office.closes_clean();
    }
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    for (missing, others) in [
        ("read:account", ["read:support", "write:support"]),
        ("write:support", ["read:support", "read:account"]),
        ("read:support", ["write:support", "read:account"]),
    ] {
        let scopes = others.map(str::to_owned).into();
        let (office, desk) =
            dressed(PATIENT, HostupOptions { scopes, ..HostupOptions::default() }, |_| {}).await;
        let ticket = TicketId::new(format!("tkt_{}", desk.staff_opens(ACCOUNT, "Help", "Text").unwrap()));
        let (api, account) = (&office.api, &office.account);
        let ended = match missing {
            "read:account" => vec![
                api.catalog(account).await.map(drop),
                api.create(account, &new_ticket("Help", "Text"), Files::None).await.map(drop),
            ],
            "write:support" => vec![
                api.create(account, &new_ticket("Help", "Text"), Files::None).await.map(drop),
                api.reply(account, &ticket, &new_reply("Hello?"), Files::None).await.map(drop),
                api.close(account, &ticket).await,
                office.brings(&ticket, file("a.txt", vec![1])).await,
            ],
            _ => vec![
                api.tickets(account, super::Scope::All, None).await.map(drop),
                api.ticket(account, &ticket).await.map(drop),
            ],
        };
        for ended in ended {
            let error = ended.unwrap_err();
            assert!(
                matches!(&error, ApiError::Unauthorized(why) if why.contains(missing)),
                "{missing}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_ticket_of_somebody_else_is_not_found() {
    for foreign_status in [403, 404] {
        let options = HostupOptions { foreign_status, ..HostupOptions::default() };
        let (office, desk) = dressed(PATIENT, options, |_| {}).await;
        let theirs = TicketId::new(format!("tkt_{}", desk.staff_opens(OTHER, "Theirs", "Text").unwrap()));
        let (api, account) = (&office.api, &office.account);
        for ended in [
            api.ticket(account, &theirs).await.map(drop),
            api.reply(account, &theirs, &new_reply("Hello?"), Files::None).await.map(drop),
            api.close(account, &theirs).await,
            api.reopen(account, &theirs).await,
            office.brings(&theirs, file("a.txt", vec![1])).await,
            api.download(account, &theirs, &AttachmentId::new("tatt_1")).await.map(drop),
        ] {
            assert_eq!(kind(&ended.unwrap_err()), "not found", "{foreign_status}");
        }
        assert_eq!(desk.find_text("Hello?"), []);
        office.closes_clean();
    }
}

/// Departments come from the server alone: one that it refuses is looked for in a new list, once.
#[tokio::test]
async fn a_refused_department_is_looked_for_again() {
    let lists = Arc::new(AtomicUsize::new(0));
    let url = departments_that_change(lists.clone()).await;
    let settings =
        config::Hostup { default_department: Some("Support".to_owned()), ..config::Hostup::default() };
    let api = adapter(&url, PATIENT, settings);
    let account = Access { remote: "1".to_owned(), key: None };
    let ticket = NewTicket { topic: Some("support".to_owned()), ..new_ticket("Help", "Text") };
    for _ in 0..2 {
        let made = api.create(&account, &ticket, Files::None).await.unwrap().ticket;
        assert_eq!(made.as_str(), "tkt_of_support-2");
    }
    assert_eq!(lists.load(Ordering::Relaxed), 2);
}

/// The first list is out of date when a ticket comes.
async fn departments_that_change(lists: Arc<AtomicUsize>) -> String {
    let departments = async |State(lists): State<Arc<AtomicUsize>>| {
        let slug = format!("support-{}", lists.fetch_add(1, Ordering::Relaxed) + 1);
        Json(json!({"departments": [{"slug": slug, "displayName": "Support"}]}))
    };
    let create = async |Json(ticket): Json<Value>| {
        let slug = ticket["departmentSlug"].as_str().unwrap_or_default().to_owned();
        if slug == "support-1" {
            let wrong = json!([{"pointer": "/departmentSlug", "detail": "Unknown.", "code": "invalid"}]);
            let problem =
                json!({"title": "Bad Request", "status": 400, "code": "invalid_request", "errors": wrong});
            return (StatusCode::BAD_REQUEST, Json(problem));
        }
        (StatusCode::CREATED, Json(json!({"id": format!("tkt_of_{slug}")})))
    };
    let router = Router::new()
        .route("/support/departments", get(departments))
        .route("/support/tickets", post(create))
        .with_state(lists);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
