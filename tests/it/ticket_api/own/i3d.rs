//! i3D.net's offices, and what only its contract leaves open.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config;
use ticket_bridge::config::ByteSize;
use ticket_bridge::config::i3d::{Contact, ContentFormat, Download, EmailField};
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::MailAddress;
use ticket_bridge::runtime::byte_stream::collect;
use ticket_bridge::runtime::{Clock, tls};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, DownloadForm, I3dOptions, MailField};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::i3d::I3d;
use ticket_bridge::ticket_api::{Access, ApiError, Author, Files, Found, Guest, NewTicket, Scope, TicketApi};

use super::super::disguise::Disguise;
use super::super::office::{
    ACCOUNT, ANY_TIME, Closed, Desk, Ids, Office, PATIENT, Properties, Ways, common, failed, file, kind,
    marker, new_ticket, with_key,
};

const KEY: &str = "i3d-!@#$%&*abcdefghijklmnopqrstu";

pub(in super::super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    dressed(patience, I3dOptions::default(), |_| {}).boxed()
}

/// The contract's open questions, answered in another way than assumed, and set so where that is needed.
pub(in super::super) fn office_in_another_dress(patience: Duration) -> BoxFuture<'static, Office> {
    let options = I3dOptions {
        departments: vec!["Helpdesk".to_owned()],
        page_token: true,
        list_has_replies: true,
        answer_has_replies: false,
        answers_in_array: true,
        flags_as_bool: true,
        absent: ["hash", "priorityName", "clientLastReadAt"].map(str::to_owned).to_vec(),
        attachment_id_key: "fileId".to_owned(),
        attachment_name_key: "called".to_owned(),
        download: DownloadForm::Raw,
        made_status: 201,
        auth_status: 403,
        max_results: 2,
        max_title: 40,
        mail_fields: MailField::NotEmpty,
        ..I3dOptions::default()
    };
    let set = |settings: &mut config::I3d| {
        settings.department = "Helpdesk".to_owned();
        settings.attachment_id_key = vec!["fileId".to_owned()];
        settings.attachment_name_key = vec!["called".to_owned()];
        settings.attachment_download = Download::Raw;
        settings.max_attachment_bytes = ByteSize(4_000_000);
        settings.max_subject = 40;
        settings.email_cc = EmailField::Omit;
        settings.email_to = EmailField::Value("a@b.example".to_owned());
    };
    dressed(patience, options, set).boxed()
}

async fn dressed(patience: Duration, i3d: I3dOptions, set: impl FnOnce(&mut config::I3d)) -> Office {
    let options = DeskOptions { dialect: Dialect::I3d, i3d, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    let contact = Contact {
        first_name: "Guest".to_owned(),
        last_name: "Unknown".to_owned(),
        phone: "0000000".to_owned(),
        company: Some("Example Ltd".to_owned()),
    };
    let (category, contact) = (Some("Bare-metal".to_owned()), Some(contact));
    let mut settings = config::I3d { page_size: 3, category, contact, ..config::I3d::default() };
    set(&mut settings);
    let connect = move |url: &str| -> Arc<dyn TicketApi> {
        let (common, tls) = (common("i3d", url, KEY, patience), tls::client_config(None).unwrap());
        Arc::new(I3d::new(common, settings.clone(), &tls, Clock::real()).unwrap())
    };
    let ways = Ways {
        key: KEY,
        stranger: with_key("12", "i3d-of-nobody"),
        guests: Some(Access { remote: "guest".to_owned(), key: None }),
        properties: Properties::None,
        priorities: false,
        says_reply_id: true,
        closed: Closed::Refuses,
        catalog: Some("catalog"),
        refusals_of_key: 1,
    };
    Office::new(Desk::new(desk, Ids::default()), ways, Box::new(connect))
}

/// Everything that the pages do not name has another name here: paths, headers, a status, the staff flag.
#[tokio::test]
async fn each_name_that_is_assumed_is_a_key() {
    let disguise = Disguise {
        headers: vec![("private-token", "x-key", ""), ("page-token", "next-part", "")],
        paths: vec![(Method::GET, "/v3/tickets/openOrUnread", "/v3/tickets/news")],
        keys: vec![("", "replyByI3d", "byUs")],
        words: vec![("closed", "archived")],
        ..Disguise::default()
    };
    let options = I3dOptions { page_token: true, ..I3dOptions::default() };
    let mut office = dressed(PATIENT, options, |settings| {
        settings.token_header = "X-Key".to_owned();
        settings.page_token_header = "Next-Part".to_owned();
        settings.poll_path = "/v3/tickets/news".to_owned();
        settings.staff_flag = vec!["byUs".to_owned()];
        settings.closed_statuses = vec!["archived".to_owned()];
        settings.reply_title_template = "Answer to {title}".to_owned();
    })
    .await;
    office.goes_through(disguise).await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(office.creates(&format!("Ticket {n}"), "Text").await);
    }
    assert_eq!(office.lists(Scope::Active).await.unwrap(), made, "on the first and later pages");
    office.replies(&made[0], "Hello").await;
    office.desk.staff_replies(&made[0], "We look.");
    let by: Vec<_> = office.reads(&made[0]).await.messages.iter().map(|said| said.by).collect();
    assert_eq!(by, [Author::Customer, Author::Staff]);
    assert_eq!(office.desk.filed(&made[0]).messages[0].title.as_deref(), Some("Answer to Help"));
    office.desk.staff_closes(&made[0]);
    assert_eq!(office.reads(&made[0]).await.status, TicketStatus::Closed);
    office.closes_clean();
}

/// Only where the operator says so is what looks like HTML a text.
#[tokio::test]
async fn replies_are_html_or_text_as_configured() {
    for (format, expected) in
        [(ContentFormat::Auto, "1 &lt; 2\n\n3"), (ContentFormat::Text, "<p>1 &amp;lt; 2</p><p>3</p>")]
    {
        let office =
            dressed(PATIENT, I3dOptions::default(), |settings| settings.content_format = format).await;
        let ticket = office.creates("Help", "Text").await;
        office.desk.staff_replies(&ticket, "<p>1 &amp;lt; 2</p><p>3</p>");
        assert_eq!(office.reads(&ticket).await.messages[0].text, expected, "{format:?}");
    }
}

/// Nearly all of a ticket is optional.
#[tokio::test]
async fn without_what_may_be_missing() {
    let absent =
        ["numUserReplies", "hash", "readHash", "priorityName", "clientLastReadAt", "clientLastRepliedAt"];
    let options = I3dOptions { absent: absent.map(str::to_owned).to_vec(), ..I3dOptions::default() };
    let office = dressed(PATIENT, options, |_| {}).await;
    let ticket = office.creates("Lost", &format!("Text · {}", marker("lost"))).await;
    let found = office.looks_for_ticket(&marker("lost"), ANY_TIME, &|_| false).await.unwrap();
    assert!(matches!(found, Found::Ticket(found) if found.ticket == ticket));
    assert!(office.reads(&ticket).await.change.is_some());
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
        let office = dressed(PATIENT, options, |settings| {
            settings.email_cc = setting.clone();
            settings.email_to = setting.clone();
            settings.category = Some("Network".to_owned());
        })
        .await;
        for n in 0..3 {
            office.creates(&format!("Ticket {n}"), "Text").await;
        }
        let creates = office.desk.calls("create");
        assert!(creates <= 5, "{held:?}, {setting:?}: {creates} calls");
        assert_eq!(office.desk.times("Text"), 3);
    }
}

#[tokio::test]
async fn a_topic_is_a_category_by_name_and_an_unknown_one_is_the_default() {
    let office =
        dressed(PATIENT, I3dOptions::default(), |settings| settings.category = Some("Billing".to_owned()))
            .await;
    for (topic, category) in
        [(Some("game SERVERS"), "Game servers"), (Some("Cooking"), "Billing"), (None, "Billing")]
    {
        let ticket = NewTicket { topic: topic.map(str::to_owned), ..new_ticket("Help", "Text") };
        let made = office.api.create(&office.account, &ticket, Files::None).await.unwrap().ticket;
        let made = office.desk.filed(&made);
        assert_eq!(
            (made.category.as_deref(), made.department.as_deref()),
            (Some(category), Some("Service Desk"))
        );
    }
    let topics = office.api.catalog(&office.account).await.unwrap().topics;
    assert_eq!(topics, ["Bare-metal", "Game servers", "Network", "Billing"]);
    office.closes_clean();
    let office =
        dressed(PATIENT, I3dOptions::default(), |settings| settings.department = "Kitchen".to_owned()).await;
    let error =
        office.api.create(&office.account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert!(matches!(&error, ApiError::Refused(why) if why.contains("department")), "{error:?}");
}

#[tokio::test]
async fn a_closed_ticket_is_polled_until_it_was_read() {
    let office = office(PATIENT).await;
    let closed = office.creates("Done", "Text").await;
    office.desk.staff_replies(&closed, "It is done");
    office.desk.staff_closes(&closed);
    assert_eq!(office.lists(Scope::Active).await.unwrap(), std::slice::from_ref(&closed));
    office.reads(&closed).await;
    assert_eq!(office.lists(Scope::Active).await.unwrap(), [], "our reading makes it read");
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
        let office = dressed(PATIENT, options, |settings| settings.attachment_download = mode).await;
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

/// What a mail does not say of a guest is configured; the form takes no files.
#[tokio::test]
async fn guests_go_through_the_contact_form() {
    let mut office = office(PATIENT).await;
    office.account = office.ways.guests.take().unwrap();
    let nameless = Guest { name: String::new(), address: MailAddress::new("ann@example.org") };
    let ticket = office.opens(&NewTicket { guest: Some(nameless), ..new_ticket("?", "Is it down?") }).await;
    assert_eq!(office.desk.filed(&ticket).requester.unwrap().name, "Guest Unknown");
    assert_eq!(failed(office.stages(None, vec![file("a", vec![1])]).await), "refused");
    office.closes_clean();
}

/// Whatever became of an upload, bringing the file again does no harm.
#[tokio::test]
async fn a_lost_upload_is_made_again() {
    let office = office(PATIENT).await;
    for fault in [Fault::Status(500), Fault::LoseAnswer] {
        office.desk.fault("upload", fault);
        assert_eq!(failed(office.stages(None, vec![file("a", vec![1])]).await), "retry", "{fault:?}");
    }
    office.closes_clean();
}
