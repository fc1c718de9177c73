//! Paradarum's answers in every dress that its documentation leaves open.

use serde_json::json;

use super::wire::{self, Envelope, Marks};
use crate::config::Paradarum as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::TicketMessageId;
use crate::runtime::Timestamp;
use crate::ticket_api::{Author, Ticket};

fn settings() -> Settings {
    Settings::default()
}

fn read(detail: serde_json::Value) -> Ticket {
    wire::ticket(&detail, &settings(), None, None).unwrap()
}

#[test]
fn a_detail_as_the_contract_has_it() {
    let ticket = read(json!({
        "id": 789, "subject": "Down", "status": 1, "topic": 4, "propertyId": null, "description": "It\r\nis.",
        "createdAt": "2026-01-31T12:00:00",
        "messages": [
            {"id": 457, "message": "Later", "isStaff": true, "createdAt": "2026-01-31T14:00:00+02:00", "userName": "Support Team"},
            {"id": 456, "message": "Hello", "isStaff": false, "createdAt": "2026-01-31T11:00:00Z"}],
        "attachments": [
            {"id": 9, "messageId": 457, "fileName": "a.png", "contentType": "image/png", "fileSize": "1234"},
            {"id": 10, "messageId": null, "name": "b.txt"}]
    }));
    assert_eq!((ticket.ticket.as_str(), ticket.text.as_str()), ("789", "It\nis."));
    assert_eq!(ticket.created, Some(Timestamp::from_secs(1_769_860_800)));
    let said: Vec<_> = ticket.messages.iter().map(|message| (message.id.as_str(), message.by)).collect();
    assert_eq!(said, [("456", Author::Customer), ("457", Author::Staff)], "oldest first");
    let files: Vec<_> =
        ticket.attachments.iter().map(|file| (file.name.as_str(), file.message.clone(), file.size)).collect();
    assert_eq!(files, [("a.png", Some(TicketMessageId::new("457")), Some(1234)), ("b.txt", None, None)]);
}

#[test]
fn other_names_single_objects_and_missing_lists() {
    let mut other = settings();
    other.messages_key = "thread".to_owned();
    other.attachments_key = "files".to_owned();
    let detail = json!([{
        "id": "789", "status": "In Progress", "created": "2026-01-31 12:00:00",
        "thread": {"id": "1", "content": "Hi", "isAdmin": 1, "files": {"id": 3, "originalFileName": "x.pdf"}},
    }]);
    let ticket = wire::ticket(&detail, &other, None, None).unwrap();
    assert_eq!(
        ticket.messages.first().map(|message| (message.by, message.text.as_str())),
        Some((Author::Staff, "Hi"))
    );
    let file = ticket.attachments.first().unwrap();
    assert_eq!((file.name.as_str(), file.message.clone()), ("x.pdf", Some(TicketMessageId::new("1"))));
    assert!(read(json!({"id": 1, "messages": null})).messages.is_empty());
    let own = |name: &str| vec![name.to_owned()];
    (other.updated_key, other.count_key, other.author_key) = (own("touched"), own("answers"), own("by"));
    (other.attachment_message, other.attachment_type, other.attachment_size) =
        (own("of"), own("kind"), own("bytes"));
    let detail = json!({
        "id": 7, "status": 0, "touched": "x", "answers": 4, "thread": [{"id": 1, "body": "Hi", "by": "Ada"}],
        "files": [{"id": 3, "name": "x.pdf", "of": 1, "kind": "application/pdf", "bytes": 12}],
    });
    let ticket = wire::ticket(&detail, &other, Some(Marks::shown_by(&detail, &other)), None).unwrap();
    assert_eq!(ticket.change.as_deref(), Some("0/4/x"));
    assert_eq!(ticket.messages[0].author.as_deref(), Some("Ada"));
    let file = &ticket.attachments[0];
    assert_eq!((file.message.clone(), file.size), (Some(TicketMessageId::new("1")), Some(12)));
    assert_eq!(file.mime.as_deref(), Some("application/pdf"));
    assert!(wire::ticket(&json!(null), &other, None, None).is_err());
    assert!(wire::ticket(&json!({"id": 1, "thread": [{"content": "no id"}]}), &other, None, None).is_err());
}

#[test]
fn statuses_as_numbers_names_and_nonsense() {
    for (status, expected) in [
        (json!(0), TicketStatus::Open),
        (json!("1"), TicketStatus::Open),
        (json!("InProgress"), TicketStatus::Open),
        (json!("RESOLVED"), TicketStatus::Resolved),
        (json!(3), TicketStatus::Closed),
        (json!("Closed"), TicketStatus::Closed),
        (json!(17), TicketStatus::Other),
        (json!("Escalated"), TicketStatus::Other),
        (json!(null), TicketStatus::Other),
    ] {
        assert_eq!(read(json!({"id": 1, "status": status})).status, expected, "{status}");
    }
}

#[test]
fn a_message_without_the_flag_leaves_its_author_open() {
    let ticket = read(
        json!({"id": 1, "messages": [{"id": 1, "message": "a"}, {"id": 2, "message": "b", "isStaff": true}]}),
    );
    let by: Vec<_> = ticket.messages.iter().map(|message| message.by).collect();
    assert_eq!(by, [Author::Unsaid, Author::Staff]);
}

#[test]
fn a_details_mark_is_the_lists() {
    let row = json!({"id": 1, "status": 0, "messageCount": 1, "updatedAt": "x"});
    let bare = json!({"id": 1, "status": 0, "messageCount": 1});
    let none = json!({"id": 1, "status": 0});
    let detail = json!({"id": 1, "status": 0, "messages": [{"id": 7}], "updatedAt": "x"});
    for listed in [row, bare, none] {
        let marks = Some(Marks::shown_by(&listed, &settings()));
        let line = wire::line(&listed, &settings()).unwrap();
        let ticket = wire::ticket(&detail, &settings(), marks, None).unwrap();
        assert_eq!(line.change, ticket.change, "{listed}");
    }
    let before = wire::line(&json!({"id": 1, "status": 0, "messageCount": 1}), &settings()).unwrap();
    for after in
        [json!({"id": 1, "status": 2, "messageCount": 1}), json!({"id": 1, "status": 0, "messageCount": 2})]
    {
        assert_ne!(wire::line(&after, &settings()).unwrap().change, before.change);
    }
    assert_eq!(
        wire::line(&json!({"id": 1, "status": 0, "updatedAt": "x"}), &settings()).unwrap().change,
        None
    );
}

#[test]
fn an_envelope_says_yes_no_or_nothing() {
    let envelope = |value| Envelope::read(Some(value)).unwrap();
    let yes = envelope(json!({"succeeded": true, "data": {"id": 789}}));
    assert!(yes.is_success() && yes.refusal().is_none());
    assert_eq!(yes.made().as_deref(), Some("789"));
    assert_eq!(envelope(json!({"succeeded": true, "data": "789"})).made().as_deref(), Some("789"));
    let no = envelope(json!({"succeeded": false, "message": "Invalid property", "data": null}));
    assert_eq!((no.is_success(), no.refusal().as_deref()), (false, Some("Invalid property")));
    let neither = envelope(json!({"status": "ok"}));
    assert!(!neither.is_success() && neither.refusal().is_none());
    assert!(envelope(json!({"data": {"id": 1}})).is_success());
    assert!(Envelope::read(Some(json!("ok"))).is_none());
}

#[test]
fn what_is_null_empty_or_missing_is_nothing() {
    for none in [json!(null), json!([]), json!({}), json!([[]]), json!([null]), json!("")] {
        let ticket = read(json!({
            "id": 1, "subject": null, "description": null, "createdAt": null,
            "messages": none, "attachments": none,
        }));
        assert!(ticket.messages.is_empty() && ticket.attachments.is_empty(), "{none}");
        assert_eq!((ticket.subject.as_str(), ticket.text.as_str(), ticket.created), ("", "", None));
    }
    let bare = read(json!({"id": "1"}));
    assert!(!bare.shows_messages && bare.messages.is_empty() && bare.status == TicketStatus::Other);
    let message =
        json!({"id": 2, "message": null, "isStaff": "true", "createdAt": null, "attachments": [[]]});
    let ticket = read(json!({"id": 1, "messages": [message]}));
    assert_eq!((ticket.messages[0].by, ticket.messages[0].text.as_str()), (Author::Staff, ""));
}

#[test]
fn the_staff_flag_is_a_boolean_a_number_or_a_string() {
    for (said, by) in [
        (json!(true), Author::Staff),
        (json!(1), Author::Staff),
        (json!("1"), Author::Staff),
        (json!("True"), Author::Staff),
        (json!(false), Author::Customer),
        (json!(0), Author::Customer),
        (json!("false"), Author::Customer),
        (json!(null), Author::Unsaid),
        (json!("perhaps"), Author::Unsaid),
    ] {
        let ticket = read(json!({"id": 1, "messages": [{"id": 2, "message": "x", "isStaff": said}]}));
        assert_eq!(ticket.messages[0].by, by, "{said}");
    }
}

#[test]
fn lists_are_told_from_what_is_none() {
    let rows = |data| {
        Envelope::read(Some(json!({"succeeded": true, "data": data}))).unwrap().rows().map(|r| r.len())
    };
    for (data, expected) in [
        (json!([]), Some(0)),
        (json!([[]]), Some(0)),
        (json!(null), Some(0)),
        (json!({}), Some(0)),
        (json!({"id": 1}), Some(1)),
        (json!([{"id": 1}, {"id": "2"}]), Some(2)),
        (json!("none"), None),
        (json!(7), None),
    ] {
        assert_eq!(rows(data.clone()), expected, "{data}");
    }
    let pages = |value| Envelope::read(Some(json!({"data": [], "totalPages": value}))).unwrap().total_pages();
    assert_eq!([pages(json!(3)), pages(json!("3"))], [Some(3); 2]);
    assert_eq!([pages(json!(0)), pages(json!(null)), pages(json!("many"))], [None; 3]);
    assert!(wire::line(&json!({"subject": "no id"}), &settings()).is_none());
}

#[test]
fn a_refusal_without_words_is_one_all_the_same() {
    for message in [json!(null), json!(""), json!("  "), json!(7)] {
        let envelope = Envelope::read(Some(json!({"succeeded": false, "message": message}))).unwrap();
        assert_eq!(envelope.refusal().as_deref(), Some("no reason given"), "{message}");
    }
    assert!(Envelope::read(Some(json!({"succeeded": "false"}))).unwrap().refusal().is_some());
    for none in [None, Some(json!([])), Some(json!(null)), Some(json!("<html>"))] {
        assert!(Envelope::read(none).is_none());
    }
}
