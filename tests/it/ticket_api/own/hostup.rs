//! HostUp's offices, and what only its contract leaves open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use ticket_bridge::config;
use ticket_bridge::config::ByteSize;
use ticket_bridge::config::hostup::{Priority, Service};
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{AttachmentId, TicketId};
use ticket_bridge::runtime::{Clock, tls};
use ticket_bridge::sandbox::desk::{Binding, DeskOptions, DeskStandIn, Dialect, HostupOptions, Opening};
use ticket_bridge::ticket_api::hostup::Hostup;
use ticket_bridge::ticket_api::{
    Access, ApiError, Author, Files, Found, NewTicket, Reopen, Scope, TicketApi,
};

use super::super::disguise::Disguise;
use super::super::office::{
    ACCOUNT, Closed, Desk, Ids, OTHER, Office, PATIENT, Properties, Ways, common, failed, file, marker,
    new_ticket, with_key,
};

const KEY: &str = "hup_live_abcdefghijklmnopqrstu";
const OTHER_KEY: &str = "hup_live_of_somebody_else";
const IDS: Ids = Ids { ticket: "tkt_", message: "tmsg_", property: "vps:", file: "tatt_" };

pub(in super::super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, HostupOptions::default(), |_| {}).boxed()
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
pub(in super::super) fn office_in_another_dress(patience: Duration) -> BoxFuture<'static, Office> {
    let options = HostupOptions {
        binding: Binding::Field("attachments".to_owned()),
        opening: Opening::BodyAndMessage,
        nulls: true,
        state_refusal: 400,
        foreign_status: 403,
        page: 2,
        max_subject: 40,
        ..HostupOptions::default()
    };
    let set = |settings: &mut config::Hostup| {
        settings.reply_attachment_field = Some("attachments".to_owned());
        settings.pin_upload = false;
        settings.subject_max = 40;
        settings.max_attachment_bytes = ByteSize(4_000_000);
        settings.list_page = 2;
    };
    dressed(patience, options, set).boxed()
}

async fn dressed(patience: Duration, hostup: HostupOptions, set: impl FnOnce(&mut config::Hostup)) -> Office {
    let options = DeskOptions { dialect: Dialect::Hostup, hostup, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    desk.add_account(OTHER, OTHER_KEY);
    let mut settings = config::Hostup { list_page: 3, ..config::Hostup::default() };
    set(&mut settings);
    let ways = Ways {
        key: KEY,
        stranger: with_key("12", "hup_live_of_nobody"),
        guests: None,
        properties: Properties::Unlisted,
        priorities: true,
        says_reply_id: true,
        closed: Closed::Refuses,
        catalog: Some("catalog"),
        refusals_of_key: 1,
    };
    let connect =
        move |url: &str| -> Arc<dyn TicketApi> { Arc::new(adapter(url, patience, settings.clone())) };
    Office::new(Desk::new(desk, IDS), ways, Box::new(connect))
}

fn adapter(url: &str, patience: Duration, settings: config::Hostup) -> Hostup {
    let tls = tls::client_config(None).unwrap();
    Hostup::new(common("hostup", url, KEY, patience), settings, &tls, Clock::real()).unwrap()
}

/// What new tickets get, where they say nothing else.
#[tokio::test]
async fn new_tickets_are_filed_as_configured() {
    let office = dressed(PATIENT, HostupOptions::default(), |settings| {
        settings.default_department = Some("VPS".to_owned());
        settings.default_priority = Priority::Critical;
        settings.critical_reason = Some("The shop is down.".to_owned());
        settings.default_service = Service::Vps;
    })
    .await;
    let (property, _) = office.desk.adds_property();
    let property = property.strip_prefix("vps:").map(str::to_owned);
    let ticket = office.opens(&NewTicket { property: property.clone(), ..new_ticket("Help", "Text") }).await;
    let filed = office.desk.filed(&ticket);
    assert_eq!((filed.department.as_deref(), filed.priority.as_deref()), (Some("vps"), Some("critical")));
    assert_eq!(filed.property.map(|(id, _)| id.to_string()), property);
    office.closes_clean();
}

/// A path that is nowhere named, and how customers' texts are kept.
#[tokio::test]
async fn what_is_assumed_of_closing_and_replying_is_a_key() {
    let disguise = Disguise {
        paths: vec![(
            Method::POST,
            "/api/v2/support/tickets/{id}/actions/close",
            "/api/v2/support/tickets/{id}/close",
        )],
        ..Disguise::default()
    };
    let mut office = dressed(PATIENT, HostupOptions::default(), |settings| {
        settings.close_path = "/support/tickets/{id}/close".to_owned();
        settings.send_encrypted = true;
        settings.list_page = 7;
    })
    .await;
    let front = office.goes_through(disguise).await;
    let ticket = office.creates("Help", "Text").await;
    office.replies(&ticket, "The password is tulip.").await;
    assert!(office.desk.filed(&ticket).messages[0].encrypted);
    office.api.close(&office.account, &ticket).await.unwrap();
    assert_eq!(office.lists(Scope::All).await.unwrap(), [ticket]);
    assert!(front.seen().iter().any(|call| call.contains("limit=7")));
    office.closes_clean();
}

/// An upload says where it belongs, or its message does.
#[tokio::test]
async fn uploads_are_pinned_or_named_by_their_message() {
    let options = HostupOptions { binding: Binding::Field("files".to_owned()), ..HostupOptions::default() };
    let mut office = dressed(PATIENT, options, |settings| {
        settings.pin_upload = false;
        settings.reply_attachment_field = Some("files".to_owned());
    })
    .await;
    let front = office.goes_through(Disguise::default()).await;
    let ticket = office.creates_with(vec![file("a.txt", vec![1])]).await;
    assert_eq!(office.reads(&ticket).await.attachments.len(), 1);
    assert!(front.seen().iter().all(|call| !call.contains("name=\"ticketId\"")));
    office.closes_clean();
}

/// A list of departments is believed as long as configured.
#[tokio::test]
async fn departments_are_asked_for_as_often_as_configured() {
    for (departments_for, asked) in [(Duration::from_secs(3600), 1), (Duration::ZERO, 3)] {
        let set = |settings: &mut config::Hostup| settings.departments_for = departments_for;
        let office = dressed(PATIENT, HostupOptions::default(), set).await;
        for n in 0..3 {
            office.creates(&format!("Ticket {n}"), "Text").await;
        }
        assert_eq!(office.desk.calls("catalog"), asked);
    }
}

/// Where a reply opens a closed ticket, the bridge need not.
#[tokio::test]
async fn a_closed_ticket_is_reopened_first_or_is_only_resolved() {
    for (before, reopen, status) in [
        (true, Reopen::Call, TicketStatus::Closed),
        (false, Reopen::ReplyWhileResolved, TicketStatus::Resolved),
    ] {
        let set = |settings: &mut config::Hostup| settings.reopen_before_reply = before;
        let office = dressed(PATIENT, HostupOptions::default(), set).await;
        let ticket = office.creates("Help", "Text").await;
        office.desk.staff_closes(&ticket);
        assert_eq!(office.api.capabilities().reopen, reopen);
        assert_eq!(office.reads(&ticket).await.status, status);
    }
}

/// The files of a message may be found at its ticket alone, under another name than they were sent with.
#[tokio::test]
async fn files_at_the_root_and_under_names_that_the_server_made() {
    let options = HostupOptions { files_at_root: true, ascii_names: true, ..HostupOptions::default() };
    let office = dressed(PATIENT, options, |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    office.replies_with(&ticket, vec![file("ä.txt", b"hello".to_vec())]).await.unwrap();
    let files = office.reads(&ticket).await.attachments;
    assert_eq!((files[0].name.as_str(), &files[0].message), ("_.txt", &None));
    let unnamed = HostupOptions { null_file_names: true, ..HostupOptions::default() };
    let office = dressed(PATIENT, unnamed, |_| {}).await;
    let ticket = office.creates_with(vec![file("a.txt", vec![1])]).await;
    let files = office.reads(&ticket).await.attachments;
    assert!(files[0].name.starts_with("file-tatt_") && files[0].name.ends_with(".txt"), "{files:?}");
    office.closes_clean();
}

/// Customers need not be shown what no person wrote.
#[tokio::test]
async fn automatic_messages_are_left_out_where_so_configured() {
    let quiet = |settings: &mut config::Hostup| settings.forward_automation = false;
    let office = dressed(PATIENT, HostupOptions::default(), quiet).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.stand_in.automation_replies(office.desk.number(&ticket), "This closes tomorrow.").unwrap();
    assert!(office.reads(&ticket).await.messages.is_empty());
    office.closes_clean();
}

#[tokio::test]
async fn encrypted_and_automatic_messages() {
    let office = office(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office
        .desk
        .stand_in
        .staff_replies_encrypted(office.desk.number(&ticket), "The password is tulip.")
        .unwrap();
    office.desk.stand_in.automation_replies(office.desk.number(&ticket), "This closes tomorrow.").unwrap();
    let messages = office.reads(&ticket).await.messages;
    assert_eq!((messages[0].in_panel_only, messages[0].text.as_str()), (true, ""));
    assert_eq!((messages[1].by, messages[1].author.as_deref()), (Author::Staff, Some("Automatic message")));
    // What cannot be read was not ours: the look is complete.
    assert_eq!(office.looks_for_reply(&marker("lost"), &ticket).await.unwrap(), Found::Absent);
    office.closes_clean();
}

#[tokio::test]
async fn an_account_without_uploads_is_told_from_missing_tickets_and_bad_keys() {
    for status in [403, 404] {
        let options = HostupOptions { upload_refusal: Some(status), ..HostupOptions::default() };
        let office = dressed(PATIENT, options, |_| {}).await;
        let ticket = office.creates("Help", "Text").await;
        let gone = TicketId::new("tkt_4711");
        let stages =
            async |ticket: &TicketId| office.stages(Some(ticket), vec![file("a.txt", vec![1])]).await;
        assert_eq!(failed(stages(&gone).await), "not found", "{status}");
        for _ in 0..3 {
            assert_eq!(failed(stages(&ticket).await), "unsupported", "{status}");
        }
        assert_eq!(office.desk.calls("upload"), 2, "it is remembered");
        let stranger = &office.ways.stranger;
        let unknown = office.api.stage(stranger, Some(&ticket), file("a.txt", vec![1])).await;
        assert_eq!(failed(unknown), "unauthorized", "{status}");
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
        let office = dressed(PATIENT, HostupOptions { scopes, ..HostupOptions::default() }, |_| {}).await;
        let ticket = office.desk.opened_in_the_panel(ACCOUNT, "Text");
        let (api, account) = (&office.api, &office.account);
        let ended = match missing {
            "read:account" => vec![
                api.catalog(account).await.map(drop),
                api.create(account, &new_ticket("Help", "Text"), Files::None).await.map(drop),
            ],
            "write:support" => vec![
                api.create(account, &new_ticket("Help", "Text"), Files::None).await.map(drop),
                office.tries_to_reply(&ticket, "Hello?").await.map(drop),
                api.close(account, &ticket).await,
                office.replies_with(&ticket, vec![file("a.txt", vec![1])]).await,
            ],
            _ => vec![
                api.tickets(account, Scope::All, None).await.map(drop),
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
        let office = dressed(PATIENT, options, |_| {}).await;
        let theirs = office.desk.opened_in_the_panel(OTHER, "Text");
        let (api, account) = (&office.api, &office.account);
        for ended in [
            api.ticket(account, &theirs).await.map(drop),
            office.tries_to_reply(&theirs, "Hello?").await.map(drop),
            api.close(account, &theirs).await,
            api.reopen(account, &theirs).await,
            office.replies_with(&theirs, vec![file("a.txt", vec![1])]).await,
            api.download(account, &theirs, &AttachmentId::new("tatt_1")).await.map(drop),
        ] {
            assert_eq!(failed(ended), "not found", "{foreign_status}");
        }
        assert_eq!(office.desk.times("Hello?"), 0);
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
