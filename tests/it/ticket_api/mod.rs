//! The conformance suite for ticket APIs: what every adapter must do, tried against a strict counterpart.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use ticket_bridge::model::marker::Marker;
use ticket_bridge::model::secret::InstanceSecret;
use ticket_bridge::runtime::byte_stream::{collect, whole};
use ticket_bridge::runtime::{Clock, Secret, Timestamp};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::common::Common;
use ticket_bridge::ticket_api::walk::Walk;
use ticket_bridge::ticket_api::{
    Access, ApiError, Attachments, Author, Close, Files, Found, Look, LookIn, NewReply, NewTicket, Reopen,
    Scope, Staged, Ticket, TicketApi, Upload,
};

mod hostup;
mod i3d;
mod keliweb;
mod paradarum;
mod whmcs;

const PATIENT: Duration = Duration::from_secs(20);
const ANY_TIME: Timestamp = Timestamp::EPOCH;

/// An adapter and the counterpart that it speaks to.
struct Office {
    api: Arc<dyn TicketApi>,
    account: Access,
    desk: Box<dyn Counterpart>,
}

/// What the suite needs of a strict stand-in. Calls are named by the port's words.
trait Counterpart: Send + Sync {
    fn staff_replies(&self, ticket: &TicketId, text: &str) -> TicketMessageId;
    fn staff_attaches(&self, ticket: &TicketId, message: &TicketMessageId, name: &str, bytes: &'static [u8]);
    fn resolve(&self, ticket: &TicketId);
    fn lock(&self, ticket: &TicketId);
    fn remove(&self, ticket: &TicketId);
    fn age(&self, ticket: &TicketId, by: Duration);
    /// Id and name of a new property or service.
    fn add_property(&self) -> (String, String);
    /// How many descriptions and messages hold the text.
    fn times(&self, text: &str) -> usize;
    fn fault(&self, call: &str, fault: Fault);
    fn revoke_key(&self);
    /// Who asks for an account that is not the key's.
    fn stranger(&self) -> Access {
        Access { remote: "999999".to_owned(), key: None }
    }
    /// Requests that no caller who keeps the contract sends.
    fn violations(&self) -> Vec<String>;
}

/// Opens an office whose calls end within this time.
type Open = fn(Duration) -> BoxFuture<'static, Office>;

macro_rules! conformance {
    ($adapter:ident: $open:expr; $($test:ident)*) => {
        mod $adapter {
            $(#[tokio::test] async fn $test() { super::$test($open).await })*
        }
    };
}

conformance! {
    paradarum_suite: super::paradarum::office;
    creates_with_and_without_topic_and_property
    a_subject_is_one_line_within_the_limit
    replies_and_tells_staff_from_customer
    uploads_to_ticket_and_message_and_downloads
    a_file_above_the_limit_is_refused_with_the_limit_named
    a_file_that_breaks_off_at_its_source_is_not_filed
    lists_every_ticket_once
    a_new_message_changes_the_mark
    closing_twice_is_a_success_and_locks
    a_reply_reopens_a_resolved_ticket
    a_removed_ticket_is_not_found
    an_account_that_is_not_the_keys_is_unauthorized
    a_revoked_key_is_unauthorized
    a_refused_property_is_said
    finds_a_lost_create_by_its_marker
    finds_a_lost_reply_by_its_marker
    each_ending_of_a_write_is_certain_or_unknown
    what_is_unknown_of_a_read_is_tried_again
    too_many_calls_freeze_the_api
    a_hanging_call_may_still_run
    a_server_that_is_not_there_was_surely_not_reached
    knows_the_servers_time
}

conformance! {
    hostup_suite: super::hostup::office;
    creates_with_and_without_topic_and_property
    a_subject_is_one_line_within_the_limit
    replies_and_tells_staff_from_customer
    a_staged_file_arrives_with_its_message
    a_file_above_the_limit_is_refused_with_the_limit_named
    a_file_that_breaks_off_at_its_source_is_not_filed
    lists_every_ticket_once
    the_active_are_the_answered
    a_new_message_changes_the_mark
    closing_twice_is_a_success_and_locks
    a_call_reopens_a_closed_ticket
    an_account_that_is_not_the_keys_is_unauthorized
    a_removed_ticket_is_not_found
    a_revoked_key_is_unauthorized
    a_refused_property_is_said
    finds_a_lost_create_by_its_marker
    finds_a_lost_reply_by_its_marker
    each_ending_of_a_write_is_certain_or_unknown
    what_is_unknown_of_a_read_is_tried_again
    too_many_calls_freeze_the_api
    a_hanging_call_may_still_run
    a_server_that_is_not_there_was_surely_not_reached
    knows_the_servers_time
}

conformance! {
    i3d_suite: super::i3d::office;
    a_subject_is_one_line_within_the_limit
    replies_and_tells_staff_from_customer
    stages_files_for_a_create_and_a_reply_and_downloads
    a_file_above_the_limit_is_not_staged
    a_file_that_breaks_off_at_its_source_is_not_staged
    lists_every_ticket_once
    a_new_message_changes_the_mark
    closing_twice_is_a_success_and_locks
    a_closed_ticket_is_reopened_by_a_call
    a_removed_ticket_is_not_found
    a_revoked_key_is_unauthorized
    finds_a_lost_create_by_its_marker
    finds_a_lost_reply_by_its_marker
    each_ending_of_a_write_is_certain_or_unknown
    what_is_unknown_of_a_read_is_tried_again
    too_many_calls_freeze_the_api
    a_hanging_call_may_still_run
    a_server_that_is_not_there_was_surely_not_reached
    knows_the_servers_time
}

conformance! {
    whmcs_suite: super::whmcs::office;
    creates_with_and_without_topic_and_property
    a_subject_is_one_line_within_the_limit
    replies_and_tells_staff_from_customer
    files_inside_their_message_arrive
    a_file_above_the_limit_is_refused_with_the_limit_named
    a_file_that_breaks_off_at_its_source_is_not_filed
    lists_every_ticket_once
    a_new_message_changes_the_mark
    closing_twice_is_a_success_and_locks
    a_removed_ticket_is_not_found
    a_revoked_key_is_unauthorized
    a_refused_property_is_said
    finds_a_lost_create_by_its_marker
    finds_a_lost_reply_by_its_marker
    each_ending_of_a_write_is_certain_or_unknown
    what_is_unknown_of_a_read_is_tried_again
    too_many_calls_freeze_the_api
    a_hanging_call_may_still_run
    a_server_that_is_not_there_was_surely_not_reached
    knows_the_servers_time
}

conformance! {
    keliweb_suite: super::keliweb::office;
    creates_with_and_without_topic_and_property
    a_subject_is_one_line_within_the_limit
    replies_and_tells_staff_from_customer
    files_inside_their_message_arrive
    a_file_above_the_limit_is_refused_with_the_limit_named
    a_file_that_breaks_off_at_its_source_is_not_filed
    a_removed_ticket_is_not_found
    a_revoked_key_is_unauthorized
    a_refused_property_is_said
    finds_a_lost_reply_by_its_marker
    each_ending_of_a_write_is_certain_or_unknown
    what_is_unknown_of_a_read_is_tried_again
    too_many_calls_freeze_the_api
    a_hanging_call_may_still_run
    a_server_that_is_not_there_was_surely_not_reached
    knows_the_servers_time
}

// === the suite ===

async fn creates_with_and_without_topic_and_property(open: Open) {
    let office = open(PATIENT).await;
    let (property, name) = office.desk.add_property();
    let catalog = office.api.catalog(&office.account).await.unwrap();
    if !catalog.properties.is_empty() {
        assert_eq!(catalog.properties, [(property.clone(), name)]);
    }
    let plain = office.creates("A plain one", "Text one").await;
    let topic = catalog.topics.last().cloned();
    let full = NewTicket { topic, property: Some(property), ..new_ticket("A full one", "Text two") };
    let full = office.api.create(&office.account, &full, Files::None).await.unwrap().ticket;
    assert_ne!(plain, full);
    let read = office.reads(&full).await;
    assert_eq!(
        (read.subject.as_str(), read.text.as_str(), read.status),
        ("A full one", "Text two", TicketStatus::Open)
    );
    assert!(read.created.is_some() && read.messages.is_empty() && read.server_date.is_some());
    office.closes_clean();
}

async fn a_subject_is_one_line_within_the_limit(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates(&format!("Two\r\nlines {}", "😀".repeat(300)), "Text").await;
    let subject = office.reads(&ticket).await.subject;
    assert!(subject.starts_with("Two lines 😀"));
    assert!(subject.encode_utf16().count() <= office.api.capabilities().max_subject);
    office.closes_clean();
}

async fn replies_and_tells_staff_from_customer(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let ours = office.replies(&ticket, "Ünïcode \u{1F600}\nsecond line").await;
    let theirs = office.desk.staff_replies(&ticket, "We look into it.");
    let messages = office.reads(&ticket).await.messages;
    let said: Vec<_> = messages.iter().map(|said| (said.id.clone(), said.by, said.text.as_str())).collect();
    let ours = ours.unwrap_or_else(|| messages[0].id.clone());
    assert_eq!(
        said,
        [
            (ours, Author::Customer, "Ünïcode \u{1F600}\nsecond line"),
            (theirs, Author::Staff, "We look into it."),
        ]
    );
    office.closes_clean();
}

async fn uploads_to_ticket_and_message_and_downloads(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let message = office.replies(&ticket, "See the file").await.unwrap();
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let name = "Überblick \"1\" 試験.bin";
    for (to, name, bytes) in [(None, "a.txt", b"hello".to_vec()), (Some(&message), name, big.clone())] {
        office.api.upload(&office.account, &ticket, to, file(name, bytes)).await.unwrap();
    }
    let answer = office.desk.staff_replies(&ticket, "Here");
    office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
    let files = office.reads(&ticket).await.attachments;
    let shown: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.message.clone())).collect();
    assert_eq!(shown, [("a.txt", None), (name, Some(message)), ("log.txt", Some(answer))]);
    for (file, bytes) in files.iter().zip([b"hello".to_vec(), big, b"line".to_vec()]) {
        let content = office.api.download(&office.account, &ticket, &file.id).await.unwrap();
        assert!(collect(content, 4_000_000).await.unwrap() == bytes, "{}", file.name);
    }
    office.closes_clean();
}

async fn a_staged_file_arrives_with_its_message(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut staged = Vec::new();
    for (name, bytes) in [("a.txt", b"hello".to_vec()), ("\u{DC}berblick \u{8A66}.bin", big.clone())] {
        let id = office.stages(&ticket, file(name, bytes)).await.unwrap();
        staged.push(Staged { id, name: name.to_owned() });
    }
    let files = Files::Staged(staged);
    let said = office.api.reply(&office.account, &ticket, &new_reply("See"), files).await.unwrap();
    let answer = office.desk.staff_replies(&ticket, "Here");
    office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
    let files = office.reads(&ticket).await.attachments;
    let shown: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.message.clone())).collect();
    assert_eq!(
        shown,
        [("a.txt", said.clone()), ("\u{DC}berblick \u{8A66}.bin", said), ("log.txt", Some(answer))]
    );
    for (file, bytes) in files.iter().zip([b"hello".to_vec(), big, b"line".to_vec()]) {
        let content = office.api.download(&office.account, &ticket, &file.id).await.unwrap();
        assert!(collect(content, 4_000_000).await.unwrap() == bytes, "{}", file.name);
    }
    office.closes_clean();
}

async fn files_inside_their_message_arrive(open: Open) {
    let office = open(PATIENT).await;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let names = ["a.txt", "Überblick \"1\" ~>? 試験.bin", "empty.log"];
    let files = || {
        Files::Inside(vec![
            file(names[0], b"hello".to_vec()),
            file(names[1], big.clone()),
            file(names[2], vec![]),
        ])
    };
    let ticket = new_ticket("Files & more", "See the files + 100 %");
    let ticket = office.api.create(&office.account, &ticket, files()).await.unwrap().ticket;
    office.api.reply(&office.account, &ticket, &new_reply("And again"), files()).await.unwrap();
    let answer = office.desk.staff_replies(&ticket, "Here");
    office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
    let read = office.reads(&ticket).await;
    assert_eq!((read.subject.as_str(), read.text.as_str()), ("Files & more", "See the files + 100 %"));
    let ours = Some(read.messages[0].id.clone());
    let shown: Vec<_> =
        read.attachments.iter().map(|file| (file.name.clone(), file.message.clone())).collect();
    let in_each = |message: Option<TicketMessageId>| names.map(|name| (name.to_owned(), message.clone()));
    let theirs = ("log.txt".to_owned(), Some(answer));
    assert_eq!(shown, [in_each(None).to_vec(), in_each(ours).to_vec(), vec![theirs]].concat());
    if office.api.capabilities().download {
        let own = [b"hello".to_vec(), big.clone(), vec![]];
        let expected = [own.to_vec(), own.to_vec(), vec![b"line".to_vec()]].concat();
        for (file, bytes) in read.attachments.iter().zip(expected) {
            let content = office.api.download(&office.account, &ticket, &file.id).await.unwrap();
            assert!(collect(content, 4_000_000).await.unwrap() == bytes, "{}", file.name);
        }
    }
    office.closes_clean();
}

async fn a_file_above_the_limit_is_refused_with_the_limit_named(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let size = office.api.capabilities().max_attachment_bytes + 1;
    let large = Upload { size, ..file("a.bin", Vec::new()) };
    let limit = format!("{} MB", office.api.capabilities().max_attachment_bytes / 1_000_000);
    let error = office.brings(&ticket, large).await.unwrap_err();
    assert!(matches!(&error, ApiError::Refused(why) if why.contains(&limit)), "{error:?}");
    let call = if office.takes_files(Attachments::Inside) { "reply" } else { "upload" };
    office.desk.fault(call, Fault::Status(413));
    let error = office.brings(&ticket, file("a.bin", vec![1])).await.unwrap_err();
    assert!(matches!(&error, ApiError::Refused(why) if why.contains(&limit)), "{error:?}");
    office.closes_clean();
}

async fn a_file_that_breaks_off_at_its_source_is_not_filed(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let gone = || Err(std::io::Error::other("gone at its source"));
    let at_once = Upload { content: futures::stream::iter([gone()]).boxed(), size: 9, ..file("a", vec![]) };
    let half = futures::stream::iter([Ok("half".into()), gone()]).boxed();
    let midway = Upload { content: half, size: 9, ..file("a", vec![]) };
    for (file, expected) in [(at_once, "retry"), (midway, "may still run")] {
        let error = office.brings(&ticket, file).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{error:?}");
    }
    assert!(office.reads(&ticket).await.attachments.is_empty());
}

async fn stages_files_for_a_create_and_a_reply_and_downloads(open: Open) {
    let office = open(PATIENT).await;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let name = "Überblick \"1\" 試験.bin";
    let opening = office.staged(None, file("a.txt", b"hello".to_vec())).await;
    let ticket = new_ticket("Files", "Text");
    let ticket =
        office.api.create(&office.account, &ticket, Files::Staged(vec![opening])).await.unwrap().ticket;
    let files = vec![
        office.staged(Some(&ticket), file(name, big.clone())).await,
        office.staged(Some(&ticket), file("b", vec![7])).await,
    ];
    let orphan = office.staged(Some(&ticket), file("c", vec![1])).await;
    let reply = new_reply("See the files");
    let made = office.api.reply(&office.account, &ticket, &reply, Files::Staged(files)).await;
    let made = made.unwrap().unwrap();
    for _ in 0..2 {
        office.api.unstage(&office.account, &orphan.id).await.unwrap();
    }
    let answer = office.desk.staff_replies(&ticket, "Here");
    office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
    let shown = office.reads(&ticket).await.attachments;
    let places: Vec<_> = shown.iter().map(|file| (file.name.as_str(), file.message.clone())).collect();
    let to = Some(made);
    assert_eq!(places, [("a.txt", None), (name, to.clone()), ("b", to), ("log.txt", Some(answer))]);
    for (file, bytes) in shown.iter().zip([b"hello".to_vec(), big, vec![7], b"line".to_vec()]) {
        let content = office.api.download(&office.account, &ticket, &file.id).await.unwrap();
        assert!(collect(content, 4_000_000).await.unwrap() == bytes, "{}", file.name);
    }
    office.closes_clean();
}

async fn a_file_above_the_limit_is_not_staged(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let size = office.api.capabilities().max_attachment_bytes + 1;
    let large = Upload { size, ..file("a.bin", Vec::new()) };
    let by_us = office.api.stage(&office.account, Some(&ticket), large).await.unwrap_err();
    office.desk.fault("upload", Fault::Status(413));
    let by_them = office.api.stage(&office.account, Some(&ticket), file("a.bin", vec![1])).await.unwrap_err();
    for error in [by_us, by_them] {
        assert!(matches!(&error, ApiError::Refused(why) if why.contains("10 MB")), "{error:?}");
    }
    office.closes_clean();
}

/// Bringing a file twice does no harm, so that whatever happened it is simply brought again.
async fn a_file_that_breaks_off_at_its_source_is_not_staged(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let half = futures::stream::iter([Ok("half".into()), Err(std::io::Error::other("gone"))]).boxed();
    let midway = Upload { content: half, size: 9, ..file("a", vec![]) };
    assert_eq!(kind(&office.api.stage(&office.account, Some(&ticket), midway).await.unwrap_err()), "retry");
    office.desk.fault("upload", Fault::LoseAnswer);
    let lost = office.api.stage(&office.account, Some(&ticket), file("a", vec![1])).await.unwrap_err();
    assert_eq!(kind(&lost), "retry");
    office.staged(Some(&ticket), file("a", vec![1])).await;
    assert!(office.reads(&ticket).await.attachments.is_empty());
}

async fn a_closed_ticket_is_reopened_by_a_call(open: Open) {
    let office = open(PATIENT).await;
    assert_eq!(office.api.capabilities().reopen, Reopen::Call);
    let ticket = office.creates("Help", "Text").await;
    office.api.close(&office.account, &ticket).await.unwrap();
    for _ in 0..2 {
        office.api.reopen(&office.account, &ticket).await.unwrap();
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    }
    office.replies(&ticket, "It is back").await;
    office.closes_clean();
}

async fn lists_every_ticket_once(open: Open) {
    let office = open(PATIENT).await;
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(office.creates(&format!("Ticket {n}"), "Text").await);
    }
    let mut listed = Vec::new();
    let mut walk = Walk::new(Scope::All, 100);
    while let Some(lines) = walk.next(&*office.api, &office.account).await.unwrap() {
        listed.extend(lines.into_iter().map(|line| line.ticket));
    }
    listed.sort();
    assert_eq!(listed, made);
    let mut short = Walk::new(Scope::All, 1);
    assert!(short.next(&*office.api, &office.account).await.is_ok());
    assert!(short.next(&*office.api, &office.account).await.is_err(), "half a look is none");
    office.closes_clean();
}

async fn the_active_are_the_answered(open: Open) {
    let office = open(PATIENT).await;
    office.creates("Silent", "Text").await;
    let answered = office.creates("Answered", "Text").await;
    office.desk.staff_replies(&answered, "Hello");
    let page = office.api.tickets(&office.account, Scope::Active, None).await.unwrap();
    let listed: Vec<_> = page.tickets.into_iter().map(|line| line.ticket).collect();
    assert_eq!(listed, [answered]);
    office.closes_clean();
}

async fn a_new_message_changes_the_mark(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let mut marks = Vec::new();
    for step in 0..3 {
        match step {
            1 => drop(office.desk.staff_replies(&ticket, "Hello")),
            2 => office.desk.resolve(&ticket),
            _ => {}
        }
        let line = office.api.tickets(&office.account, Scope::All, None).await.unwrap().tickets.remove(0);
        assert_eq!(line.change, office.reads(&ticket).await.change, "list and detail agree");
        marks.push(line.change.unwrap());
    }
    marks.dedup();
    assert_eq!(marks.len(), 3, "{marks:?}");
    office.closes_clean();
}

async fn closing_twice_is_a_success_and_locks(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for _ in 0..2 {
        office.api.close(&office.account, &ticket).await.unwrap();
    }
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
    if office.api.capabilities().reopen == Reopen::ReplyWhileResolved {
        let reply =
            office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await.unwrap_err();
        let upload = office.api.upload(&office.account, &ticket, None, file("a", vec![1])).await.unwrap_err();
        assert_eq!((kind(&reply), kind(&upload)), ("locked", "locked"));
        let reopened = office.api.reopen(&office.account, &ticket).await.unwrap_err();
        assert_eq!(kind(&reopened), "unsupported");
    }
    if office.api.capabilities().reopen == Reopen::Call {
        office.api.reopen(&office.account, &ticket).await.unwrap();
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    }
    let by_staff = office.creates("Other", "Text").await;
    office.desk.lock(&by_staff);
    office.api.close(&office.account, &by_staff).await.unwrap();
    office.closes_clean();
}

async fn a_call_reopens_a_closed_ticket(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.lock(&ticket);
    let reply = office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await;
    assert_eq!(kind(&reply.unwrap_err()), "locked");
    for _ in 0..2 {
        office.api.reopen(&office.account, &ticket).await.unwrap();
    }
    office.replies(&ticket, "It is back").await;
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    office.closes_clean();
}

async fn a_reply_reopens_a_resolved_ticket(open: Open) {
    let office = open(PATIENT).await;
    if office.api.capabilities().reopen != Reopen::ReplyWhileResolved {
        return;
    }
    let ticket = office.creates("Help", "Text").await;
    office.desk.resolve(&ticket);
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Resolved);
    office.replies(&ticket, "It is back").await;
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    office.closes_clean();
}

async fn a_removed_ticket_is_not_found(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.remove(&ticket);
    if office.api.capabilities().attachments == Attachments::After {
        let upload = office.api.upload(&office.account, &ticket, None, file("a", vec![1])).await.unwrap_err();
        assert_eq!(kind(&upload), "not found");
    }
    let endings = [
        office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await.map(drop),
        office.api.ticket(&office.account, &ticket).await.map(drop),
        office.api.ticket(&office.account, &TicketId::new("../property")).await.map(drop),
    ];
    for ending in endings {
        assert_eq!(kind(&ending.unwrap_err()), "not found");
    }
    if office.api.capabilities().close == Close::Call {
        let close = office.api.close(&office.account, &ticket).await;
        assert_eq!(kind(&close.unwrap_err()), "not found");
    }
    if office.api.capabilities().download {
        let download = office.api.download(&office.account, &ticket, &AttachmentId::new("1")).await;
        assert_eq!(kind(&download.map(drop).unwrap_err()), "not found");
    }
    office.closes_clean();
}

async fn an_account_that_is_not_the_keys_is_unauthorized(open: Open) {
    let office = open(PATIENT).await;
    let stranger = office.desk.stranger();
    let ending = office.api.create(&stranger, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert_eq!(kind(&ending), "unauthorized", "{ending:?}");
    office.closes_clean();
}

async fn a_revoked_key_is_unauthorized(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.revoke_key();
    let endings = [
        office.api.create(&office.account, &new_ticket("Help", "Text"), Files::None).await.map(drop),
        office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await.map(drop),
        office.api.ticket(&office.account, &ticket).await.map(drop),
    ];
    for ending in endings {
        assert_eq!(kind(&ending.unwrap_err()), "unauthorized");
    }
    if office.api.capabilities().list {
        let list = office.api.tickets(&office.account, Scope::All, None).await;
        assert_eq!(kind(&list.unwrap_err()), "unauthorized");
    }
    office.closes_clean();
}

async fn a_refused_property_is_said(open: Open) {
    let office = open(PATIENT).await;
    let ticket = NewTicket { property: Some("987654".to_owned()), ..new_ticket("Help", "Text") };
    let error = office.api.create(&office.account, &ticket, Files::None).await.unwrap_err();
    let words = ["Invalid property", "Service ID Not Found", "The service is not yours."];
    assert!(matches!(&error, ApiError::Refused(why) if words.contains(&why.as_str())), "{error:?}");
    let empty = office.api.create(&office.account, &new_ticket("Help", " "), Files::None).await.unwrap_err();
    assert_eq!(kind(&empty), "refused");
    office.closes_clean();
}

async fn finds_a_lost_create_by_its_marker(open: Open) {
    let office = open(PATIENT).await;
    let lost = marker("lost");
    for n in 0..4 {
        office
            .creates(&format!("Ticket {n}"), &format!("Text\n\nvia Telegram · {}", marker(&n.to_string())))
            .await;
    }
    assert_eq!(office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await, Found::Absent);
    office.desk.fault("create", Fault::LoseAnswer);
    let text = format!("Text\n\nvia Telegram · {lost}");
    let error =
        office.api.create(&office.account, &new_ticket("Lost", &text), Files::None).await.unwrap_err();
    assert_eq!(kind(&error), "may still run");
    let Found::Ticket(found) = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await else { panic!() };
    assert_eq!(office.reads(&found.ticket).await.subject, "Lost");
    let is_known = |ticket: &TicketId| *ticket == found.ticket;
    assert_eq!(office.looks_for_ticket(&lost, ANY_TIME, &is_known).await, Found::Absent);
    office.desk.age(&found.ticket, Duration::from_secs(86_400));
    let an_hour_ago = Clock::real().now().minus(Duration::from_secs(3600));
    assert_eq!(office.looks_for_ticket(&lost, an_hour_ago, &|_| false).await, Found::Absent);
    // A look that cannot be finished is no look.
    for call in ["list", "detail"] {
        office.desk.fault(call, Fault::Status(500));
        let look = Look { markers: &[marker("none")], place: new_tickets(ANY_TIME, &|_| false) };
        assert_eq!(kind(&office.api.find_by_marker(&office.account, look).await.unwrap_err()), "retry");
    }
    office.closes_clean();
}

async fn finds_a_lost_reply_by_its_marker(open: Open) {
    let office = open(PATIENT).await;
    let (lost, quoted) = (marker("lost"), marker("quoted"));
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_replies(&ticket, &format!("> via Telegram · {quoted}\nPlease restart it."));
    office.desk.fault("reply", Fault::LoseAnswer);
    let text = format!("Hello\n\nvia Telegram · {lost}");
    let error = office.api.reply(&office.account, &ticket, &new_reply(&text), Files::None).await.unwrap_err();
    assert_eq!(kind(&error), "may still run");
    let look = async |marker: &Marker| {
        let place = LookIn::Replies(&ticket);
        let look = Look { markers: std::slice::from_ref(marker), place };
        office.api.find_by_marker(&office.account, look).await.unwrap()
    };
    let ours = office.reads(&ticket).await.messages.remove(1).id;
    assert_eq!(look(&lost).await, Found::Reply(Some(ours)));
    assert_eq!(look(&quoted).await, Found::Absent, "staff's quote is not our message");
    office.closes_clean();
}

async fn each_ending_of_a_write_is_certain_or_unknown(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for (n, (fault, expected, happened)) in [
        (Fault::Status(500), "unknown", false),
        (Fault::AnswerThen500, "unknown", true),
        (Fault::Status(503), "unknown", false),
        (Fault::Garbage, "unknown", false),
        (Fault::Empty, "unknown", false),
        (Fault::Status(502), "may still run", false),
        (Fault::Status(504), "may still run", false),
        (Fault::Status(520), "may still run", false),
        (Fault::Status(408), "may still run", false),
        (Fault::Status(499), "may still run", false),
        (Fault::CutBefore, "may still run", false),
        (Fault::LoseAnswer, "may still run", true),
        (Fault::Status(302), "retry", false),
        (Fault::Status(307), "retry", false),
        (Fault::Status(429), "retry", false),
        (Fault::Status(400), "refused", false),
        (Fault::Status(409), "refused", false),
        (Fault::Status(422), "refused", false),
        (Fault::Status(401), "unauthorized", false),
        (Fault::Status(403), "unauthorized", false),
    ]
    .into_iter()
    .enumerate()
    {
        if fault == Fault::Status(401) && office.api.name().as_str() == "keliweb" {
            continue; // It logs in anew, and the call is made.
        }
        let text = format!("Text number {n}.");
        office.desk.fault("create", fault);
        let error =
            office.api.create(&office.account, &new_ticket("Help", &text), Files::None).await.unwrap_err();
        assert_eq!(kind(&error), expected, "create, {fault:?}: {error:?}");
        office.desk.fault("reply", fault);
        let error =
            office.api.reply(&office.account, &ticket, &new_reply(&text), Files::None).await.unwrap_err();
        assert_eq!(kind(&error), expected, "reply, {fault:?}: {error:?}");
        assert_eq!(office.desk.times(&text), if happened { 2 } else { 0 }, "{fault:?}");
    }
    office.closes_clean();
}

async fn what_is_unknown_of_a_read_is_tried_again(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(408),
        Fault::Status(302),
        Fault::Garbage,
        Fault::Empty,
        Fault::CutBefore,
        Fault::LoseAnswer,
    ] {
        office.desk.fault("detail", fault);
        let error = office.api.ticket(&office.account, &ticket).await.unwrap_err();
        assert_eq!(kind(&error), "retry", "{fault:?}: {error:?}");
    }
    assert!(office.api.ticket(&office.account, &ticket).await.is_ok());
    if office.api.capabilities().reopen != Reopen::ReplyWhileResolved {
        return office.closes_clean();
    }
    // The refusal is certain, but whether the ticket is locked cannot be read: the call is made again.
    office.desk.fault("reply", Fault::Status(400));
    office.desk.fault("detail", Fault::Status(500));
    let error =
        office.api.reply(&office.account, &ticket, &new_reply("Hello?"), Files::None).await.unwrap_err();
    assert_eq!(kind(&error), "retry");
    office.closes_clean();
}

async fn too_many_calls_freeze_the_api(open: Open) {
    let office = open(Duration::from_secs(5)).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.fault("reply", Fault::RetryAfter(600));
    for n in 0..2 {
        let error = office
            .api
            .reply(&office.account, &ticket, &new_reply(&format!("Number {n}")), Files::None)
            .await
            .unwrap_err();
        let ApiError::Retry { after: Some(after), .. } = error else { panic!("{error:?}") };
        assert!(after > Duration::from_secs(500) && after <= Duration::from_secs(600), "{after:?}");
    }
    assert_eq!(office.desk.times("Number"), 0, "the second call was not made");
    office.closes_clean();
}

async fn a_hanging_call_may_still_run(open: Open) {
    let office = open(Duration::from_millis(400)).await;
    office.desk.fault("create", Fault::Hang(Duration::from_secs(600)));
    let error = office
        .api
        .create(&office.account, &new_ticket("Help", "Hanging text"), Files::None)
        .await
        .unwrap_err();
    assert_eq!(kind(&error), "may still run");
    assert_eq!(office.desk.times("Hanging text"), 1, "and it did");
    if office.api.capabilities().list {
        office.desk.fault("list", Fault::Hang(Duration::from_secs(600)));
        assert_eq!(kind(&office.api.tickets(&office.account, Scope::All, None).await.unwrap_err()), "retry");
    }
    office.closes_clean();
}

async fn a_server_that_is_not_there_was_surely_not_reached(open: Open) {
    let office = open(PATIENT).await;
    let Office { api, account, desk } = office;
    drop(desk);
    let error = api.create(&account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    assert_eq!(kind(&error), "retry", "{error:?}");
}

async fn knows_the_servers_time(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let now = Clock::real().now();
    let shown = office.api.server_time(now);
    let created = office.reads(&ticket).await.created.unwrap();
    let apart = shown.since(created).max(created.since(shown));
    assert!(apart < Duration::from_secs(10), "{shown} and {created}");
    office.closes_clean();
}

// === the offices ===

fn common(name: &str, url: &str, key: &str, patience: Duration) -> Common {
    Common {
        key: Some(Secret::new(key)),
        call_timeout: patience,
        transfer_timeout: PATIENT,
        max_calls_per_second: 0.0,
        ..Common::new(ApiName::new(name), url.parse().unwrap())
    }
}

// === impl Office ===

impl Office {
    async fn creates(&self, subject: &str, text: &str) -> TicketId {
        self.api.create(&self.account, &new_ticket(subject, text), Files::None).await.unwrap().ticket
    }

    async fn replies(&self, ticket: &TicketId, text: &str) -> Option<TicketMessageId> {
        self.api.reply(&self.account, ticket, &new_reply(text), Files::None).await.unwrap()
    }

    fn takes_files(&self, so: Attachments) -> bool {
        self.api.capabilities().attachments == so
    }

    /// A file by the call that this API has for files.
    async fn brings(&self, ticket: &TicketId, file: Upload) -> Result<(), ApiError> {
        match self.api.capabilities().attachments {
            Attachments::Before { .. } => self.stages(ticket, file).await.map(drop),
            Attachments::Inside => {
                let files = Files::Inside(vec![file]);
                self.api.reply(&self.account, ticket, &new_reply("With a file"), files).await.map(drop)
            }
            _ => self.api.upload(&self.account, ticket, None, file).await.map(drop),
        }
    }

    async fn stages(&self, ticket: &TicketId, file: Upload) -> Result<AttachmentId, ApiError> {
        let ticket_first = Attachments::Before { ticket_first: true };
        let known = Some(ticket).filter(|_| self.api.capabilities().attachments == ticket_first);
        self.api.stage(&self.account, known, file).await
    }

    async fn staged(&self, ticket: Option<&TicketId>, file: Upload) -> Staged {
        let name = file.name.clone();
        Staged { id: self.api.stage(&self.account, ticket, file).await.unwrap(), name }
    }

    async fn reads(&self, ticket: &TicketId) -> Ticket {
        self.api.ticket(&self.account, ticket).await.unwrap()
    }

    async fn looks_for_ticket(
        &self,
        marker: &Marker,
        since: Timestamp,
        is_known: &(dyn Fn(&TicketId) -> bool + Sync),
    ) -> Found {
        let look = Look { markers: std::slice::from_ref(marker), place: new_tickets(since, is_known) };
        self.api.find_by_marker(&self.account, look).await.unwrap()
    }

    fn closes_clean(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

fn new_tickets<'a>(since: Timestamp, is_known: &'a (dyn Fn(&TicketId) -> bool + Sync)) -> LookIn<'a> {
    LookIn::NewTickets { since, subject: "Lost", is_known }
}

fn new_ticket(subject: &str, text: &str) -> NewTicket {
    NewTicket { subject: subject.to_owned(), text: text.to_owned(), ..NewTicket::default() }
}

fn new_reply(text: &str) -> NewReply {
    NewReply { text: text.to_owned(), subject: "Help".to_owned(), guest: None }
}

fn file(name: &str, bytes: Vec<u8>) -> Upload {
    let mime = "application/octet-stream".to_owned();
    Upload { name: name.to_owned(), mime, size: bytes.len() as u64, content: whole(bytes) }
}

fn marker(key: &str) -> Marker {
    Marker::of(&InstanceSecret::new([7; 32], None), key)
}

fn kind(error: &ApiError) -> &'static str {
    match error {
        ApiError::Retry { .. } => "retry",
        ApiError::Unknown { may_still_run: true, .. } => "may still run",
        ApiError::Unknown { may_still_run: false, .. } => "unknown",
        ApiError::Refused(_) => "refused",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::NotFound(_) => "not found",
        ApiError::Locked(_) => "locked",
        ApiError::Unsupported(_) => "unsupported",
    }
}
