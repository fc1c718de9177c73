//! Cases: files of both sides, by the way that each API has for them.

use futures::StreamExt;
use ticket_bridge::model::ids::TicketMessageId;
use ticket_bridge::runtime::byte_stream::collect;
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::{ApiError, Attachments, TicketAttachment, Upload};

use super::Open;
use super::office::{Office, PATIENT, failed, file, kind};

const NAMES: [&str; 3] = ["a.txt", "Überblick & 100 % 試験.bin", "b"];

pub(super) async fn files_of_a_new_ticket_arrive(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates_with(uploads()).await;
    let read = office.reads(&ticket).await;
    assert_eq!((read.subject.as_str(), read.text.as_str()), ("Files & more", "See the files + 100 %"));
    // Where a ticket comes first, its files come with a message that follows.
    let message = read.messages.first().map(|message| message.id.clone());
    assert_eq!(message.is_some(), ways(&office) == Attachments::Before { ticket_first: true });
    assert_eq!(places(&read.attachments), NAMES.map(|name| (name, message.clone())));
    for (attachment, content) in read.attachments.iter().zip(contents()) {
        can_be_had(&office, &read.ticket, attachment, &content).await;
    }
    office.closes_clean();
}

pub(super) async fn files_of_a_reply_arrive(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    office.replies(&ticket, "First, without one").await;
    office.replies_with(&ticket, uploads()).await.unwrap();
    let read = office.reads(&ticket).await;
    let message = Some(read.messages[1].id.clone());
    assert_eq!(places(&read.attachments), NAMES.map(|name| (name, message.clone())));
    for (attachment, content) in read.attachments.iter().zip(contents()) {
        can_be_had(&office, &ticket, attachment, &content).await;
    }
    office.closes_clean();
}

pub(super) async fn files_of_staff_can_be_had(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let answer = office.desk.staff_replies(&ticket, "Here");
    office.desk.staff_attaches(&ticket, &answer, "log.txt", b"line");
    office.desk.staff_attaches(&ticket, &answer, "empty.log", b"");
    let files = office.reads(&ticket).await.attachments;
    assert_eq!(places(&files), ["log.txt", "empty.log"].map(|name| (name, Some(answer.clone()))));
    can_be_had(&office, &ticket, &files[0], b"line").await;
    can_be_had(&office, &ticket, &files[1], b"").await;
    office.closes_clean();
}

pub(super) async fn a_file_that_is_none_of_the_tickets_is_not_found(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let other = office.creates_with(vec![file("a.txt", vec![1])]).await;
    office.replies_with(&other, vec![file("b.txt", vec![2])]).await.unwrap();
    let others = office.reads(&other).await.attachments;
    let others: Vec<_> = others.into_iter().map(|file| file.id).chain([office.desk.no_such_file()]).collect();
    let expected = if office.api.capabilities().download { "not found" } else { "unsupported" };
    for file in &others {
        let ending = office.api.download(&office.account, &ticket, file).await;
        assert_eq!(failed(ending), expected, "{file}");
    }
    office.closes_clean();
}

pub(super) async fn a_way_of_files_that_it_has_not_is_unsupported(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let ahead = office.api.stage(&office.account, Some(&ticket), file("a.txt", vec![1])).await;
    match ways(&office) {
        Attachments::Before { .. } => drop(ahead.unwrap()),
        _ => assert_eq!(failed(ahead), "unsupported"),
    }
    let after = office.api.upload(&office.account, &ticket, None, file("a.txt", vec![1])).await;
    match ways(&office) {
        Attachments::After => drop(after.unwrap()),
        _ => assert_eq!(failed(after), "unsupported"),
    }
    office.closes_clean();
}

/// Dropping twice is no error, and where nothing is staged there is nothing to drop.
pub(super) async fn a_staged_file_can_be_dropped(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let staged = match ways(&office) {
        Attachments::Before { .. } => {
            office.stages(Some(&ticket), vec![file("a.txt", vec![1])]).await.unwrap().remove(0).id
        }
        _ => office.desk.no_such_file(),
    };
    for _ in 0..2 {
        office.api.unstage(&office.account, &staged).await.unwrap();
    }
    assert!(office.reads(&ticket).await.attachments.is_empty());
    office.closes_clean();
}

pub(super) async fn a_file_above_the_limit_is_refused_with_the_limit_named(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let most = office.api.capabilities().max_attachment_bytes;
    let limit = format!("{} MB", most / 1_000_000);
    let large = Upload { size: most + 1, ..file("a.bin", Vec::new()) };
    let by_us = office.replies_with(&ticket, vec![large]).await.unwrap_err();
    office.desk.fault(call_with_files(&office), Fault::Status(413));
    let by_them = office.replies_with(&ticket, vec![file("a.bin", vec![1])]).await.unwrap_err();
    for error in [by_us, by_them] {
        assert!(matches!(&error, ApiError::Refused(why) if why.contains(&limit)), "{error:?}");
    }
    office.closes_clean();
}

pub(super) async fn a_file_that_breaks_off_at_its_source_is_not_filed(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Files", "Text").await;
    let gone = || Err(std::io::Error::other("gone at its source"));
    let at_once = Upload { content: futures::stream::iter([gone()]).boxed(), size: 9, ..file("a", vec![]) };
    assert_eq!(failed(office.replies_with(&ticket, vec![at_once]).await), "retry", "nothing was sent");
    let half = futures::stream::iter([Ok("half".into()), gone()]).boxed();
    let midway = Upload { content: half, size: 9, ..file("a", vec![]) };
    let error = office.replies_with(&ticket, vec![midway]).await.unwrap_err();
    // A file that is brought ahead twice does no harm: it may be brought again at once.
    let is_ahead = matches!(ways(&office), Attachments::Before { .. });
    assert!(kind(&error) == "may still run" || is_ahead && kind(&error) == "retry", "{error:?}");
    assert!(office.reads(&ticket).await.attachments.is_empty());
}

fn ways(office: &Office) -> Attachments {
    office.api.capabilities().attachments
}

/// The call that carries a reply's files.
fn call_with_files(office: &Office) -> &'static str {
    if ways(office) == Attachments::Inside { "reply" } else { "upload" }
}

fn contents() -> [Vec<u8>; 3] {
    let big = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    [b"hello".to_vec(), big, vec![7]]
}

fn uploads() -> Vec<Upload> {
    NAMES.iter().zip(contents()).map(|(name, content)| file(name, content)).collect()
}

fn places(files: &[TicketAttachment]) -> Vec<(&str, Option<TicketMessageId>)> {
    files.iter().map(|file| (file.name.as_str(), file.message.clone())).collect()
}

async fn can_be_had(
    office: &Office,
    ticket: &ticket_bridge::model::ids::TicketId,
    file: &TicketAttachment,
    expected: &[u8],
) {
    let content = office.api.download(&office.account, ticket, &file.id).await;
    if office.api.capabilities().download {
        let content = collect(content.unwrap(), 4_000_000).await.unwrap();
        assert!(content == expected, "{}", file.name);
    } else {
        assert_eq!(failed(content), "unsupported");
    }
}
