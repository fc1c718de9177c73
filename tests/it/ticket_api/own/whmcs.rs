//! The office of a WHMCS by its own API, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use ticket_bridge::config::whmcs::{Native, Profile, StaffRule};
use ticket_bridge::config::{ByteSize, Whmcs as Settings};
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{MailAddress, TicketId};
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::whmcs::PRIVATE_NOTE;
use ticket_bridge::sandbox::desk::whmcs::options::{EmptyLists, Ids, StaffMark, WhmcsOptions};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect};
use ticket_bridge::ticket_api::common::Common;
use ticket_bridge::ticket_api::walk::Walk;
use ticket_bridge::ticket_api::whmcs;
use ticket_bridge::ticket_api::{Access, Author, Files, Found, Guest, NewReply, NewTicket, Scope, TicketApi};

use super::paradarum::ACCOUNT;
use super::{ANY_TIME, Office, PATIENT, common, file, kind, marker, new_reply, new_ticket};

const KEY: &str = "a client has no key here";

pub(super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, WhmcsOptions::default(), |_| {}).boxed()
}

async fn dressed(patience: Duration, whmcs: WhmcsOptions, set: impl FnOnce(&mut Settings)) -> Office {
    let (api, desk) = connected(patience, whmcs, set, |common| common).await;
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    Office { api: Arc::new(api), account, desk: Box::new(desk) }
}

async fn connected(
    patience: Duration,
    whmcs: WhmcsOptions,
    set: impl FnOnce(&mut Settings),
    alter: impl FnOnce(Common) -> Common,
) -> (whmcs::Native, DeskStandIn) {
    let (identifier, secret) = (whmcs.identifier.clone(), whmcs.secret.clone());
    let options = DeskOptions { dialect: Dialect::Whmcs, whmcs, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    let mut settings = Settings { page_size: 3, ..Settings::new(Profile::Native(Native::new(identifier))) };
    set(&mut settings);
    let common = alter(common("whmcs", &desk.base_url(), &secret, patience));
    let tls = tls::client_config(None).unwrap();
    (whmcs::Native::new(common, settings, &tls, Clock::real()).unwrap(), desk)
}

/// The contract's open questions, answered in another way than assumed.
#[tokio::test]
async fn in_another_dress() {
    for (empty_lists, staff_mark) in [
        (EmptyLists::Text, StaffMark::Admin),
        (EmptyLists::Object, StaffMark::Requestor),
        (EmptyLists::Nested, StaffMark::Both),
        (EmptyLists::Missing, StaffMark::Both),
    ] {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let options = WhmcsOptions {
            access_key: Some("open sesame".to_owned()),
            error_status: 400,
            ids: Ids::Ints,
            empty_lists,
            single_as_object: true,
            staff_mark,
            escapes_entities: true,
            crlf: true,
            time_zone: rome.clone(),
            attachment_name_key: "filename".to_owned(),
            ..WhmcsOptions::default()
        };
        let office = dressed(PATIENT, options, |settings| {
            let Profile::Native(native) = &mut settings.profile else { panic!() };
            native.accesskey = Some(Secret::new("open sesame"));
            settings.server_timezone = rome;
            settings.attachment_name_key = "filename".to_owned();
        })
        .await;
        let first = office.api.tickets(&office.account, Scope::All, None).await.unwrap();
        assert!(first.tickets.is_empty() && first.next.is_none(), "{empty_lists:?}");
        let lost = marker("lost");
        let text = format!("\"It's\" <b>down</b> &amp; out\nvia · {lost}");
        let files = Files::Inside(vec![file("a.txt", vec![1])]);
        let ticket =
            office.api.create(&office.account, &new_ticket("R&D", &text), files).await.unwrap().ticket;
        let staff = office.desk.staff_replies(&ticket, "We <look>.");
        let read = office.reads(&ticket).await;
        assert_eq!((read.subject.as_str(), read.text.as_str()), ("R&D", text.as_str()));
        let said: Vec<_> = read.messages.iter().map(|said| (said.by, said.text.as_str())).collect();
        assert_eq!(said, [(Author::Staff, "We <look>.")]);
        assert_eq!((&read.messages[0].id, read.attachments[0].name.as_str()), (&staff, "a.txt"));
        let apart = read.created.unwrap().since(Clock::real().now());
        assert!(apart < Duration::from_secs(60), "the time zone is heeded");
        let since = office.api.server_time(Clock::real().now()).minus(Duration::from_secs(900));
        let found = office.looks_for_ticket(&lost, since, &|_| false).await;
        assert!(matches!(found, Found::Ticket(found) if found.ticket == ticket), "{empty_lists:?}");
        let gone = office.api.ticket(&office.account, &TicketId::new("99999")).await.unwrap_err();
        assert_eq!(kind(&gone), "not found");
        office.desk.lock(&ticket);
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
        office.closes_clean();
    }
}

/// Before 7.10 files have no index, before 8.0 there is no requestor; files can be taken down by name alone.
#[tokio::test]
async fn of_an_old_installation() {
    let options = WhmcsOptions { has_requestor: false, has_attachments: false, ..WhmcsOptions::default() };
    let office =
        dressed(PATIENT, options, |settings| settings.staff_rule = vec![StaffRule::AdminNonempty]).await;
    let files = Files::Inside(vec![file("a_1.txt", vec![1]), file("b.txt", vec![2])]);
    let ticket =
        office.api.create(&office.account, &new_ticket("Files", "Text"), files).await.unwrap().ticket;
    office.replies(&ticket, "Hello").await;
    office.desk.staff_replies(&ticket, "We look.");
    let read = office.reads(&ticket).await;
    let by: Vec<_> = read.messages.iter().map(|said| said.by).collect();
    assert_eq!(by, [Author::Customer, Author::Staff]);
    let names: Vec<_> = read.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a_1.txt", "b.txt"]);
    office.closes_clean();
}

#[tokio::test]
async fn private_notes_stay_private() {
    let office = office(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_replies(&ticket, "We look.");
    let read = office.reads(&ticket).await;
    assert!(!format!("{read:?}").contains(PRIVATE_NOTE));
}

#[tokio::test]
async fn guests_have_a_name_and_an_address_and_see_nobody_elses_tickets() {
    let (api, desk) = connected(PATIENT, WhmcsOptions::default(), |_| {}, |common| common).await;
    let client = Access { remote: ACCOUNT.to_string(), key: None };
    let guests = Access { remote: "guest".to_owned(), key: None };
    for n in 0..4 {
        api.create(&client, &new_ticket(&format!("Client's {n}"), "Text"), Files::None).await.unwrap();
    }
    let refused = api.create(&guests, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert_eq!(kind(&refused), "refused");
    let guest = Guest { name: "Eve".to_owned(), address: MailAddress::new("eve@example.org") };
    let lost = marker("guest");
    let ticket =
        NewTicket { guest: Some(guest.clone()), ..new_ticket("Guest's", &format!("Text · {lost}")) };
    let made = api.create(&guests, &ticket, Files::None).await.unwrap().ticket;
    for n in 0..4 {
        api.create(&client, &new_ticket(&format!("Later {n}"), "Text"), Files::None).await.unwrap();
    }
    let reply = NewReply { guest: Some(guest), ..new_reply("More") };
    api.reply(&guests, &made, &reply, Files::None).await.unwrap();
    let mut listed = Vec::new();
    let mut walk = Walk::new(Scope::All, 100);
    while let Some(lines) = walk.next(&api, &guests).await.unwrap() {
        listed.extend(lines.into_iter().map(|line| line.ticket));
    }
    assert_eq!(listed, std::slice::from_ref(&made));
    assert_eq!(api.ticket(&guests, &made).await.unwrap().messages.len(), 1);
    let seen = api.ticket(&client, &made).await.unwrap_err();
    assert_eq!(kind(&seen), "not found", "a guest's ticket is not the client's");
    let office = Office { api: Arc::new(api), account: guests, desk: Box::new(desk) };
    let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await;
    assert!(matches!(found, Found::Ticket(found) if found.ticket == made));
    office.closes_clean();
}

#[tokio::test]
async fn what_staff_answered_is_listed_by_itself() {
    let office = office(PATIENT).await;
    let mut answered = Vec::new();
    for n in 0..8 {
        let ticket = office.creates(&format!("Ticket {n}"), "Text").await;
        if n % 2 == 0 {
            office.desk.staff_replies(&ticket, "Answer");
            answered.push(ticket);
        }
    }
    let mut listed = Vec::new();
    let mut walk = Walk::new(Scope::Active, 100);
    while let Some(lines) = walk.next(&*office.api, &office.account).await.unwrap() {
        listed.extend(lines.into_iter().map(|line| line.ticket));
    }
    listed.sort();
    assert_eq!(listed, answered);
    office.closes_clean();
}

#[tokio::test]
async fn files_that_the_desk_would_drop_are_not_sent() {
    let allowed = || vec!["png".to_owned(), "txt".to_owned()];
    let options = WhmcsOptions { allowed_extensions: Some(allowed()), ..WhmcsOptions::default() };
    let office = dressed(PATIENT, options, |settings| {
        settings.allowed_extensions = allowed();
        settings.max_attachment_bytes = ByteSize(9);
    })
    .await;
    let files = Files::Inside(vec![file("a.EXE", vec![1]), file("b.TXT", vec![2]), file("none", vec![3])]);
    let ticket =
        office.api.create(&office.account, &new_ticket("Files", "Text"), files).await.unwrap().ticket;
    let names: Vec<_> = office.reads(&ticket).await.attachments.into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["b.TXT"]);
    assert!(office.api.capabilities().drops_files, "what was left out is to be noticed");
    office.closes_clean();
}

#[tokio::test]
async fn departments_are_heard_once_and_by_name() {
    let office = office(PATIENT).await;
    let catalog = office.api.catalog(&office.account).await.unwrap();
    assert_eq!(catalog.topics, ["Support", "Sales", "Abuse"]);
    let ticket = NewTicket { topic: Some("abuse".to_owned()), ..new_ticket("Spam", "Text") };
    let ticket = office.api.create(&office.account, &ticket, Files::None).await.unwrap().ticket;
    let listed = office.api.tickets(&office.account, Scope::All, None).await.unwrap().tickets;
    assert!(listed.iter().any(|line| line.ticket == ticket), "also in departments of others");
    office.closes_clean();
}

#[tokio::test]
async fn a_client_is_found_by_his_address() {
    let options = WhmcsOptions {
        client_emails: [(ACCOUNT, "joe@example.com".to_owned())].into(),
        ..WhmcsOptions::default()
    };
    let (api, _desk) = connected(PATIENT, options, |_| {}, |common| common).await;
    let guests = Access { remote: "guest".to_owned(), key: None };
    let found = api.find_client(&guests, "Joe@Example.com").await.unwrap();
    assert_eq!(found, Some(ACCOUNT.to_string()));
    assert_eq!(api.find_client(&guests, "nobody@example.com").await.unwrap(), None);
}

#[tokio::test]
async fn errors_hold_no_secret() {
    let (api, desk) = connected(
        PATIENT,
        WhmcsOptions::default(),
        |_| {},
        |mut common| {
            common.key = Some(Secret::new("very secret"));
            common
        },
    )
    .await;
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    let error = api.create(&account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert_eq!(kind(&error), "unauthorized");
    drop(desk);
    let unreached = api.create(&account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    for error in [error, unreached] {
        assert!(!format!("{error} {error:?}").contains("very secret"));
    }
}
