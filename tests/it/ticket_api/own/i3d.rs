//! i3D.net's office, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config;
use ticket_bridge::config::i3d::{Contact, Download, EmailField};
use ticket_bridge::model::ids::{MailAddress, TicketId};
use ticket_bridge::runtime::byte_stream::collect;
use ticket_bridge::runtime::{Clock, tls};
use ticket_bridge::sandbox::desk::{
    self, DeskOptions, DeskStandIn, Dialect, DownloadForm, I3dOptions, MailField,
};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::i3d::I3d;
use ticket_bridge::ticket_api::walk::Walk;
use ticket_bridge::ticket_api::{Access, ApiError, Author, Files, Found, Guest, NewTicket, Scope};

use super::{ANY_TIME, Office, PATIENT, common, file, kind, marker, new_reply, new_ticket};

const ACCOUNT: i64 = 12;
const KEY: &str = "i3d-!@#$%&*abcdefghijklmnopqrstu";

pub(super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    let set = |settings: &mut config::I3d| settings.category = Some("Bare-metal".to_owned());
    async move { dressed(patience, I3dOptions::default(), set).await.0 }.boxed()
}

/// An office whose desk is at hand, too.
async fn dressed(
    patience: Duration,
    i3d: I3dOptions,
    set: impl FnOnce(&mut config::I3d),
) -> (Office, DeskStandIn) {
    let options = DeskOptions { dialect: Dialect::I3d, i3d, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    let mut settings = config::I3d { page_size: 3, ..config::I3d::default() };
    set(&mut settings);
    let (common, tls) = (common("i3d", &desk.base_url(), KEY, patience), tls::client_config(None).unwrap());
    let api = I3d::new(common, settings, &tls, Clock::real()).unwrap();
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    (Office { api: Arc::new(api), account, desk: Box::new(desk.clone()) }, desk)
}

fn number(ticket: &TicketId) -> desk::TicketId {
    desk::TicketId(ticket.as_str().parse().unwrap())
}

/// The contract's open questions, answered in another way than assumed, and set so where that is needed.
#[tokio::test]
async fn in_another_dress() {
    let options = I3dOptions {
        page_token: true,
        list_has_replies: true,
        answer_has_replies: false,
        answers_in_array: true,
        flags_as_bool: true,
        absent: ["numUserReplies", "hash", "priorityName", "clientLastReadAt"].map(str::to_owned).to_vec(),
        attachment_id_key: "fileId".to_owned(),
        attachment_name_key: "called".to_owned(),
        download: DownloadForm::Raw,
        made_status: 201,
        auth_status: 403,
        max_results: 2,
        ..I3dOptions::default()
    };
    let (office, desk) = dressed(PATIENT, options, |settings| {
        settings.attachment_id_key = vec!["fileId".to_owned()];
        settings.attachment_name_key = vec!["called".to_owned()];
    })
    .await;
    for n in 0..5 {
        office.creates(&format!("Ticket {n}"), "Text").await;
    }
    let lost = marker("lost");
    let ticket = office.creates("Lost", &format!("Text · {lost}")).await;
    let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await;
    assert!(matches!(found, Found::Ticket(found) if found.ticket == ticket), "on the first or a later page");
    let staged = office.staged(Some(&ticket), file("a.txt", vec![1, 2])).await;
    let hello = new_reply("Hello");
    let reply = office.api.reply(&office.account, &ticket, &hello, Files::Staged(vec![staged])).await;
    let reply = reply.unwrap().expect("read from the detail");
    office.desk.staff_replies(&ticket, "We look.");
    let read = office.reads(&ticket).await;
    let by: Vec<_> = read.messages.iter().map(|message| (message.by, message.text.as_str())).collect();
    assert_eq!(by, [(Author::Customer, "Hello"), (Author::Staff, "We look.")]);
    assert_eq!((&read.messages[0].id, read.attachments[0].name.as_str()), (&reply, "a.txt"));
    let content = office.api.download(&office.account, &ticket, &read.attachments[0].id).await.unwrap();
    assert_eq!(collect(content, 9).await.unwrap(), vec![1, 2]);
    office.closes_clean();
    desk.revoke_key(ACCOUNT);
    assert_eq!(kind(&office.api.ticket(&office.account, &ticket).await.unwrap_err()), "unauthorized");
}

/// The page calls the two fields required, clients leave them out: whatever holds, tickets are opened.
#[tokio::test]
async fn a_field_that_is_refused_is_left_out_from_then_on() {
    for (held, setting) in [
        (MailField::Optional, EmailField::Empty),
        (MailField::Required, EmailField::Empty),
        (MailField::NotEmpty, EmailField::Empty),
        (MailField::NotEmpty, EmailField::Omit),
        (MailField::Required, EmailField::Value("a@b.example,c@d.example".to_owned())),
    ] {
        let options = I3dOptions { mail_fields: held, ..I3dOptions::default() };
        let (office, desk) = dressed(PATIENT, options, |settings| {
            settings.email_cc = setting.clone();
            settings.email_to = setting.clone();
            settings.category = Some("Network".to_owned());
        })
        .await;
        for n in 0..3 {
            office.creates(&format!("Ticket {n}"), "Text").await;
        }
        let creates = desk.calls().iter().filter(|call| call.name == "create").count();
        assert!(creates <= 5, "{held:?}, {setting:?}: {creates} calls");
        assert_eq!(desk.find_text("Text").len(), 3);
    }
}

#[tokio::test]
async fn a_topic_is_a_category_by_name_and_an_unknown_one_is_the_default() {
    let (office, desk) =
        dressed(PATIENT, I3dOptions::default(), |settings| settings.category = Some("Billing".to_owned()))
            .await;
    for (topic, category) in
        [(Some("game SERVERS"), "Game servers"), (Some("Cooking"), "Billing"), (None, "Billing")]
    {
        let ticket = NewTicket { topic: topic.map(str::to_owned), ..new_ticket("Help", "Text") };
        let made = office.api.create(&office.account, &ticket, Files::None).await.unwrap().ticket;
        let made = desk.ticket(number(&made)).unwrap();
        assert_eq!(
            (made.category.as_deref(), made.department.as_deref()),
            (Some(category), Some("Service Desk"))
        );
    }
    let topics = office.api.catalog(&office.account).await.unwrap().topics;
    assert_eq!(topics, ["Bare-metal", "Game servers", "Network", "Billing"]);
    office.closes_clean();
    let (office, _) =
        dressed(PATIENT, I3dOptions::default(), |settings| settings.department = "Kitchen".to_owned()).await;
    let error =
        office.api.create(&office.account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert!(matches!(&error, ApiError::Refused(why) if why.contains("department")), "{error:?}");
}

#[tokio::test]
async fn a_ticket_that_staff_closed_by_force_stays_locked() {
    let (office, desk) = dressed(PATIENT, I3dOptions::default(), |_| {}).await;
    let ticket = office.creates("Help", "Text").await;
    desk.staff_force_closes(number(&ticket)).unwrap();
    assert_eq!(kind(&office.api.reopen(&office.account, &ticket).await.unwrap_err()), "locked");
    let reply =
        office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await.unwrap_err();
    assert_eq!(kind(&reply), "locked");
    office.api.close(&office.account, &ticket).await.unwrap();
    office.closes_clean();
}

#[tokio::test]
async fn the_polled_list_holds_open_and_unread_tickets_only() {
    let (office, _) = dressed(PATIENT, I3dOptions::default(), |_| {}).await;
    let gone = office.creates("Gone", "Text").await;
    office.api.close(&office.account, &gone).await.unwrap();
    let closed = office.creates("Done", "Text").await;
    office.desk.staff_replies(&closed, "It is done");
    office.desk.lock(&closed);
    let open = office.creates("Help", "Text").await;
    let listed = async || {
        let mut walk = Walk::new(Scope::Active, 9);
        let mut listed = Vec::new();
        while let Some(lines) = walk.next(&*office.api, &office.account).await.unwrap() {
            listed.extend(lines.into_iter().map(|line| line.ticket));
        }
        listed.sort();
        listed
    };
    assert_eq!(listed().await, [closed.clone(), open.clone()]);
    office.reads(&closed).await;
    assert_eq!(listed().await, [open], "our reading makes it read");
    office.closes_clean();
}

#[tokio::test]
async fn a_download_is_read_as_configured_and_an_address_never_followed() {
    for (form, mode, ending) in [
        (DownloadForm::Raw, Download::Auto, Ok("line")),
        (DownloadForm::Raw, Download::Raw, Ok("line")),
        (DownloadForm::Base64Json, Download::Auto, Ok("line")),
        (DownloadForm::Base64Json, Download::Base64Json, Ok("line")),
        (DownloadForm::Base64Json, Download::Raw, Ok("\"bGluZQ==\"")),
        (DownloadForm::Url, Download::Auto, Err("refused")),
        (DownloadForm::Raw, Download::Base64Json, Err("retry")),
    ] {
        let options = I3dOptions { download: form, ..I3dOptions::default() };
        let (office, _) = dressed(PATIENT, options, |settings| settings.attachment_download = mode).await;
        let ticket = office.creates("Help", "Text").await;
        let answer = office.desk.staff_replies(&ticket, "Here");
        office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
        let file = office.reads(&ticket).await.attachments.remove(0);
        let ended = match office.api.download(&office.account, &ticket, &file.id).await {
            Ok(content) => Ok(String::from_utf8(collect(content, 99).await.unwrap().to_vec()).unwrap()),
            Err(error) => Err(kind(&error)),
        };
        assert_eq!(ended, ending.map(str::to_owned), "{form:?} as {mode:?}");
    }
}

#[tokio::test]
async fn guests_go_through_the_contact_form() {
    let contact = Contact {
        first_name: "Guest".to_owned(),
        last_name: "Unknown".to_owned(),
        phone: "0000000".to_owned(),
        company: Some("Example Ltd".to_owned()),
    };
    let (mut office, desk) =
        dressed(PATIENT, I3dOptions::default(), |settings| settings.contact = Some(contact)).await;
    office.account.remote = "guest".to_owned();
    let guest = Guest { name: "Ann Lee".to_owned(), address: MailAddress::new("ann@example.org") };
    let by_mail = NewTicket { guest: Some(guest), ..new_ticket("?", "Is it down?") };
    let made = office.api.create(&office.account, &by_mail, Files::None).await.unwrap().ticket;
    let requester = desk.ticket(number(&made)).unwrap().requester.unwrap();
    assert_eq!((requester.name.as_str(), requester.email.as_str()), ("Ann Lee", "ann@example.org"));
    assert_eq!(office.reads(&made).await.text, "Is it down?");
    let nobody =
        office.api.create(&office.account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert!(matches!(&nobody, ApiError::Refused(why) if why.contains("write by mail")), "{nobody:?}");
    let files = office.api.stage(&office.account, None, file("a", vec![1])).await.unwrap_err();
    assert_eq!(kind(&files), "refused");
    office.closes_clean();
}

/// Nothing is staged for good: what no message named can be dropped, and dropping twice is no error.
#[tokio::test]
async fn a_staged_file_can_be_dropped() {
    let (office, desk) = dressed(PATIENT, I3dOptions::default(), |_| {}).await;
    let staged = office.staged(None, file("a", vec![1])).await;
    assert_eq!(desk.staged(ACCOUNT).len(), 1);
    office.api.unstage(&office.account, &staged.id).await.unwrap();
    assert!(desk.staged(ACCOUNT).is_empty());
    office.api.unstage(&office.account, &staged.id).await.unwrap();
    desk.faults().next("upload", Fault::Status(500));
    assert_eq!(
        kind(&office.api.stage(&office.account, None, file("a", vec![1])).await.unwrap_err()),
        "retry"
    );
    office.closes_clean();
}
