//! Paradarum's offices, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config;
use ticket_bridge::config::ByteSize;
use ticket_bridge::runtime::{Clock, tls};
use ticket_bridge::sandbox::desk::{self, DeskOptions, DeskStandIn};
use ticket_bridge::ticket_api::paradarum::Paradarum;
use ticket_bridge::ticket_api::{Access, Author, Found, Scope, TicketApi};

use super::super::disguise::Disguise;
use super::super::office::{
    ACCOUNT, Closed, Desk, Ids, Office, PATIENT, Properties, Ways, common, file, marker, new_ticket,
};

const KEY: &str = "pdm_!@#$%&*abcdefghijklmnopqrstu";

pub(in super::super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, DeskOptions::default(), |_| {}).boxed()
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
pub(in super::super) fn office_in_another_dress(patience: Duration) -> BoxFuture<'static, Office> {
    let options = DeskOptions {
        staff_flag: Some("fromSupport".to_owned()),
        message_text_key: "words".to_owned(),
        messages_key: "thread".to_owned(),
        attachments_key: "files".to_owned(),
        attachment_name_key: "called".to_owned(),
        created_key: "opened".to_owned(),
        list_has_updated_at: true,
        reply_answers_id: false,
        timestamps: desk::Timestamps::Bare,
        enums: desk::Enums::Name,
        clock_skew: jiff::SignedDuration::from_hours(2),
        max_page_size: 2,
        ..DeskOptions::default()
    };
    let set = |settings: &mut config::Paradarum| {
        settings.staff_flag = vec!["fromSupport".to_owned()];
        settings.message_text = vec!["words".to_owned()];
        settings.messages_key = "thread".to_owned();
        settings.attachments_key = "files".to_owned();
        settings.attachment_name = vec!["called".to_owned()];
        settings.created_key = vec!["opened".to_owned()];
        settings.max_attachment_bytes = ByteSize(4_000_000);
    };
    async move {
        let mut office = dressed(patience, options, set).await;
        office.ways.says_reply_id = false;
        office
    }
    .boxed()
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
    let connect = move |url: &str| -> Arc<dyn TicketApi> {
        let (common, tls) = (common("paradarum", url, KEY, patience), tls::client_config(None).unwrap());
        Arc::new(Paradarum::new(common, settings.clone(), &tls, Clock::real()).unwrap())
    };
    let ways = Ways {
        key: KEY,
        stranger: Access { remote: "999999".to_owned(), key: None },
        guests: None,
        properties: Properties::Listed,
        priorities: false,
        says_reply_id: true,
        closed: Closed::Refuses,
        catalog: Some("properties"),
        refusals_of_key: 1,
    };
    Office::new(Desk::new(desk, Ids::default()), ways, Box::new(connect))
}

/// Everything that the documentation does not name has another name here: paths, parameters, headers.
#[tokio::test]
async fn each_name_that_is_assumed_is_a_key() {
    let disguise = Disguise {
        headers: vec![("x-api-key", "x-token", "Key ")],
        paths: vec![
            (Method::GET, "/api/Ticket", "/api/Tickets/all"),
            (Method::GET, "/api/Ticket/{id}", "/api/Tickets/{id}/full"),
            (Method::GET, "/api/property", "/api/domains"),
        ],
        query: vec![("pageNumber", "page"), ("pageSize", "rows")],
        keys: vec![("/message", "id", "messageNumber")],
        ..Disguise::default()
    };
    let options = DeskOptions { max_page_size: 2, ..DeskOptions::default() };
    let mut office = dressed(PATIENT, options, |settings| {
        settings.auth_header = "X-Token".to_owned();
        settings.auth_prefix = "Key ".to_owned();
        settings.list_path = "/api/Tickets/all".to_owned();
        settings.detail_path = "/api/Tickets/{id}/full".to_owned();
        settings.properties_path = "/api/domains".to_owned();
        settings.page_params = ("page".to_owned(), "rows".to_owned());
        settings.reply_id_ptr = "/data/messageNumber".to_owned();
        settings.topics = [("Alles".to_owned(), 5)].into();
    })
    .await;
    office.goes_through(disguise).await;
    let property = office.desk.adds_property();
    let catalog = office.api.catalog(&office.account).await.unwrap();
    assert_eq!((catalog.topics, catalog.properties), (vec!["Alles".to_owned()], vec![property]));
    let topic = Some("alles".to_owned());
    let ticket =
        office.opens(&ticket_bridge::ticket_api::NewTicket { topic, ..new_ticket("Help", "Text") }).await;
    assert_eq!(office.desk.filed(&ticket).topic, 5);
    for n in 0..4 {
        office.creates(&format!("Ticket {n}"), "Text").await;
    }
    assert_eq!(office.lists(Scope::All).await.unwrap().len(), 5);
    let reply = office.replies(&ticket, "Hello").await;
    assert_eq!(reply, Some(office.reads(&ticket).await.messages[0].id.clone()));
    office.closes_clean();
}

/// A time without an offset means nothing where it is not taken as UTC; then it dates no candidate.
#[tokio::test]
async fn times_without_an_offset_are_utc_or_unknown() {
    for (assume_utc, found) in [(true, false), (false, true)] {
        let options = DeskOptions { timestamps: desk::Timestamps::Bare, ..DeskOptions::default() };
        let office = dressed(PATIENT, options, |settings| settings.assume_utc = assume_utc).await;
        let ticket = office.creates("Lost", &format!("Text · {}", marker("lost"))).await;
        office.desk.ages(&ticket, Duration::from_secs(86_400));
        assert_eq!(office.reads(&ticket).await.created.is_some(), assume_utc);
        let an_hour_ago = Clock::real().now().minus(Duration::from_secs(3600));
        let look = office.looks_for_ticket(&marker("lost"), an_hour_ago, &|_| false).await.unwrap();
        assert_eq!(matches!(look, Found::Ticket(_)), found);
    }
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
        assert_eq!(office.looks_for_reply(&marker("lost"), &ticket).await.unwrap(), Found::CannotKnow);
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

/// Other offsets, and a list that does not count messages.
#[tokio::test]
async fn without_a_count_only_a_detail_tells_of_changes() {
    let options = DeskOptions {
        timestamps: desk::Timestamps::Offset,
        list_has_message_count: false,
        ..DeskOptions::default()
    };
    let office = dressed(PATIENT, options, |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    let line = office.api.tickets(&office.account, Scope::All, None).await.unwrap().tickets.remove(0);
    assert_eq!((line.change, line.created), (None, office.reads(&ticket).await.created));
    office.api.upload(&office.account, &ticket, None, file("a.txt", vec![1])).await.unwrap();
    assert_eq!(office.reads(&ticket).await.attachments.len(), 1);
    office.closes_clean();
}
