//! The offices of a WHMCS by its own API, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use ticket_bridge::config::whmcs::{CloseMode, Native, Profile, StaffRule};
use ticket_bridge::config::{ByteSize, Whmcs as Settings};
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::MailAddress;
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::whmcs::PRIVATE_NOTE;
use ticket_bridge::sandbox::desk::whmcs::options::{EmptyLists, Ids as IdForm, StaffMark, WhmcsOptions};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect};
use ticket_bridge::ticket_api::whmcs;
use ticket_bridge::ticket_api::{
    Access, Author, Close, Files, Found, Guest, NewReply, NewTicket, Scope, TicketApi,
};

use super::super::disguise::Disguise;
use super::super::office::{
    ACCOUNT, ANY_TIME, Closed, Desk, Ids, Office, PATIENT, Properties, Ways, common, failed, file, marker,
    new_reply, new_ticket, with_key,
};

const SECRET: &str = "very secret & long";

pub(in super::super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, WhmcsOptions::default(), |_, _| {}).boxed()
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
pub(in super::super) fn office_in_another_dress(patience: Duration) -> BoxFuture<'static, Office> {
    let rome = TimeZone::get("Europe/Rome").unwrap();
    let options = WhmcsOptions {
        access_key: Some("open sesame".to_owned()),
        error_status: 400,
        ids: IdForm::Ints,
        empty_lists: EmptyLists::Nested,
        single_as_object: true,
        staff_mark: StaffMark::Requestor,
        escapes_entities: true,
        crlf: true,
        time_zone: rome.clone(),
        attachment_name_key: "filename".to_owned(),
        ..WhmcsOptions::default()
    };
    let set = |settings: &mut Settings, own: &mut Native| {
        own.accesskey = Some(Secret::new("open sesame"));
        settings.server_timezone = rome;
        settings.attachment_name_key = "filename".to_owned();
        settings.staff_rule = vec![StaffRule::RequestorOperator];
        settings.max_attachment_bytes = ByteSize(4_000_000);
        settings.subject_max = 40;
    };
    dressed(patience, options, set).boxed()
}

async fn dressed(
    patience: Duration,
    whmcs: WhmcsOptions,
    set: impl FnOnce(&mut Settings, &mut Native),
) -> Office {
    let desk = desk(whmcs).await;
    let mut own = Native::new(WhmcsOptions::default().identifier);
    let mut settings = Settings { page_size: 3, ..Settings::new(Profile::Native(own.clone())) };
    set(&mut settings, &mut own);
    settings.profile = Profile::Native(own);
    let connect =
        move |url: &str| -> Arc<dyn TicketApi> { Arc::new(adapter(url, patience, settings.clone())) };
    let ways = Ways {
        key: SECRET,
        stranger: with_key("12", "nobody:nothing"),
        guests: Some(Access { remote: "guest".to_owned(), key: None }),
        properties: Properties::Unlisted,
        priorities: true,
        says_reply_id: false,
        closed: Closed::Opens,
        catalog: Some("catalog"),
        refusals_of_key: 1,
    };
    Office::new(Desk::new(desk, Ids::default()), ways, Box::new(connect))
}

async fn desk(whmcs: WhmcsOptions) -> DeskStandIn {
    let whmcs = WhmcsOptions { secret: SECRET.to_owned(), ..whmcs };
    let options = DeskOptions { dialect: Dialect::Whmcs, whmcs, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, "a client has no key here");
    desk
}

fn adapter(url: &str, patience: Duration, settings: Settings) -> whmcs::Native {
    let tls = tls::client_config(None).unwrap();
    whmcs::Native::new(common("whmcs", url, SECRET, patience), settings, &tls, Clock::real()).unwrap()
}

/// Lists without elements, and marks of staff, in each form.
#[tokio::test]
async fn in_each_form_of_nothing() {
    for (empty_lists, staff_mark) in [
        (EmptyLists::Text, StaffMark::Admin),
        (EmptyLists::Object, StaffMark::Requestor),
        (EmptyLists::Missing, StaffMark::Both),
    ] {
        let options = WhmcsOptions { empty_lists, staff_mark, ..WhmcsOptions::default() };
        let office = dressed(PATIENT, options, |_, _| {}).await;
        assert_eq!(office.lists(Scope::All).await.unwrap(), [], "{empty_lists:?}");
        let ticket = office.creates("Help", "Text").await;
        assert!(office.reads(&ticket).await.attachments.is_empty());
        office.replies(&ticket, "Hello").await;
        office.desk.staff_replies(&ticket, "We look.");
        let by: Vec<_> = office.reads(&ticket).await.messages.iter().map(|said| said.by).collect();
        assert_eq!(by, [Author::Customer, Author::Staff], "{staff_mark:?}");
        office.closes_clean();
    }
}

/// What the operator's installation has made of statuses, and what else goes with what is filed.
#[tokio::test]
async fn each_choice_of_the_installation_is_a_key() {
    let words = vec![("Closed", "Erledigt"), ("Answered", "Beantwortet")];
    let paths = vec![(Method::POST, "/includes/api.php", "/billing/api.php")];
    let disguise = Disguise { base: Some("/billing/api.php"), paths, words, ..Disguise::default() };
    let mut office = dressed(PATIENT, WhmcsOptions::default(), |settings, own| {
        settings.status_closed = vec!["Erledigt".to_owned()];
        own.active_status = vec!["Beantwortet".to_owned()];
        own.ignore_dept_assignments = false;
        settings.departments = [("Abuse".to_owned(), 3), ("Sales".to_owned(), 2)].into();
        settings.default_department = Some("Sales".to_owned());
        settings.default_priority = Some("High".to_owned());
        settings.markdown = true;
        settings.noemail = true;
    })
    .await;
    let front = office.goes_through(disguise).await;
    assert_eq!(office.api.catalog(&office.account).await.unwrap().topics, ["Sales", "Abuse"]);
    let ticket = office.creates("Help", "Text").await;
    let filed = office.desk.filed(&ticket);
    assert_eq!((filed.department.as_deref(), filed.priority.as_deref()), (Some("2"), Some("High")));
    let abuse = NewTicket { topic: Some("Abuse".to_owned()), ..new_ticket("Spam", "Text") };
    office.opens(&abuse).await;
    assert_eq!(
        office.lists(Scope::All).await.unwrap(),
        std::slice::from_ref(&ticket),
        "of its own departments"
    );
    office.desk.staff_replies(&ticket, "Answer");
    assert_eq!(office.lists(Scope::Active).await.unwrap(), std::slice::from_ref(&ticket));
    office.api.close(&office.account, &ticket).await.unwrap();
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
    let opening = front.seen().into_iter().find(|call| call.contains("action=OpenTicket")).unwrap();
    assert!(opening.contains("markdown=true") && opening.contains("noemail=true"), "{opening}");
    office.closes_clean();
}

/// Where the installation does not escape texts, they are what they are.
#[tokio::test]
async fn entities_are_unescaped_unless_they_are_the_text() {
    let office =
        dressed(PATIENT, WhmcsOptions::default(), |settings, _| settings.html_unescape = false).await;
    let ticket = office.creates("&amp; in HTML", "Write &lt;b&gt;").await;
    let read = office.reads(&ticket).await;
    assert_eq!((read.subject.as_str(), read.text.as_str()), ("&amp; in HTML", "Write &lt;b&gt;"));
    office.closes_clean();
}

#[tokio::test]
async fn closing_is_a_call_a_request_to_staff_or_off() {
    let asking = Close::Asking("Bitte schließen.".to_owned());
    for (mode, expected) in
        [(CloseMode::UpdateTicket, Close::Call), (CloseMode::Reply, asking), (CloseMode::Off, Close::No)]
    {
        let set = |settings: &mut Settings, _: &mut Native| {
            (settings.close_mode, settings.close_text) = (mode, "Bitte schließen.".to_owned());
        };
        let office = dressed(PATIENT, WhmcsOptions::default(), set).await;
        let ticket = office.creates("Help", "Text").await;
        assert_eq!(office.api.capabilities().close, expected);
        assert_eq!(office.api.close(&office.account, &ticket).await.is_ok(), expected == Close::Call);
        office.closes_clean();
    }
}

/// Before 7.10 files have no index, before 8.0 there is no requestor; files can be taken down by name alone.
#[tokio::test]
async fn of_an_old_installation() {
    let options = WhmcsOptions { has_requestor: false, has_attachments: false, ..WhmcsOptions::default() };
    let office =
        dressed(PATIENT, options, |settings, _| settings.staff_rule = vec![StaffRule::AdminNonempty]).await;
    let files = vec![file("a_1.txt", vec![1]), file("b.txt", vec![2])];
    let ticket = office.creates_with(files).await;
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
async fn guests_see_nobody_elses_tickets_and_nobody_sees_theirs() {
    let mut office = office(PATIENT).await;
    for n in 0..4 {
        office.creates(&format!("Client's {n}"), "Text").await;
    }
    let guests = office.ways.guests.clone().unwrap();
    let guest = Some(Guest { name: "Eve".to_owned(), address: MailAddress::new("eve@example.org") });
    let lost = marker("guest");
    let ticket = NewTicket { guest: guest.clone(), ..new_ticket("Guest's", &format!("Text · {lost}")) };
    let made = office.api.create(&guests, &ticket, Files::None).await.unwrap().ticket;
    for n in 0..4 {
        office.creates(&format!("Later {n}"), "Text").await;
    }
    assert_eq!(failed(office.api.ticket(&office.account, &made).await), "not found");
    let reply = NewReply { guest, ..new_reply("More") };
    office.api.reply(&guests, &made, &reply, Files::None).await.unwrap();
    office.account = guests;
    assert_eq!(office.lists(Scope::All).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(office.reads(&made).await.messages.len(), 1);
    let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await.unwrap();
    assert!(matches!(found, Found::Ticket(found) if found.ticket == made));
    office.closes_clean();
}

#[tokio::test]
async fn files_that_the_desk_would_drop_are_not_sent() {
    let allowed = || vec!["png".to_owned(), "txt".to_owned()];
    let options = WhmcsOptions { allowed_extensions: Some(allowed()), ..WhmcsOptions::default() };
    let office = dressed(PATIENT, options, |settings, _| {
        settings.allowed_extensions = allowed();
        settings.max_attachment_bytes = ByteSize(9);
    })
    .await;
    let files = vec![file("a.EXE", vec![1]), file("b.TXT", vec![2]), file("none", vec![3])];
    let ticket = office.creates_with(files).await;
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
    let abuse = NewTicket { topic: Some("abuse".to_owned()), ..new_ticket("Spam", "Text") };
    let ticket = office.opens(&abuse).await;
    office.creates("Help", "Text").await;
    assert_eq!(office.desk.calls("catalog"), 1);
    assert!(office.lists(Scope::All).await.unwrap().contains(&ticket), "also in departments of others");
    office.closes_clean();
}

#[tokio::test]
async fn a_client_is_found_by_his_address() {
    let client_emails = [(ACCOUNT, "joe@example.com".to_owned())].into();
    let desk = desk(WhmcsOptions { client_emails, ..WhmcsOptions::default() }).await;
    let settings = Settings::new(Profile::Native(Native::new(WhmcsOptions::default().identifier)));
    let api = adapter(&desk.base_url(), PATIENT, settings);
    let found = api.account_of(&MailAddress::new("Joe@Example.com")).await.unwrap();
    assert_eq!(found, Some(ACCOUNT.to_string()));
    assert_eq!(api.account_of(&MailAddress::new("nobody@example.com")).await.unwrap(), None);
}
