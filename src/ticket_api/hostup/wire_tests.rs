//! HostUp's answers in every dress that its pages show or leave open.

use serde_json::{Value, json};

use super::wire::{self, Department, NewTicketBody};
use crate::config::Hostup as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::{Author, Staged, Ticket};

const NOON: &str = "2026-01-31T12:00:00.000Z";

fn read(detail: &Value) -> Ticket {
    wire::ticket(detail, &Settings::default(), None).unwrap()
}

fn message(id: &str, sender: &str, sent: Option<&str>, body: &str) -> Value {
    json!({"id": id, "ticketId": "tkt_1", "sentAt": sent, "body": body, "sender": sender, "senderName": "Ann",
        "encrypted": false, "attachments": []})
}

fn said(ticket: &Ticket) -> Vec<(&str, Author, &str)> {
    ticket.messages.iter().map(|message| (message.id.as_str(), message.by, message.text.as_str())).collect()
}

fn example() -> Value {
    json!({
        "id": "tkt_1", "number": "149943", "subject": "Down", "body": "It\r\nis.", "status": "answered",
        "priority": "low", "departmentSlug": "vps", "departmentName": null, "createdAt": NOON,
        "updatedAt": "2026-01-31T14:00:00.000Z", "lastMessageAt": "2026-01-31T13:00:00.000Z", "ccEmails": [],
        "requesterName": null, "messageCount": 3, "linkedServices": [],
        "attachments": [{"id": "tatt_1", "filename": "a.txt", "extension": "txt", "mimeType": "text/plain",
            "downloadUrl": "/api/v2/support/attachments/tatt_1?ticketId=tkt_1"}],
        "messages": [
            message("tmsg_2", "staff", Some("2026-01-31T13:00:00.000Z"), "Look"),
            message("tmsg_1", "customer", Some("2026-01-31T12:30:00.000Z"), "Hello")],
    })
}

#[test]
fn a_detail_as_the_contract_has_it() {
    let mut detail = example();
    detail["messages"][0]["attachments"] =
        json!([{"id": "tatt_2", "filename": null, "extension": "log", "mimeType": null}, {"id": "tatt_1"}]);
    let ticket = read(&detail);
    assert_eq!((ticket.ticket.as_str(), ticket.text.as_str()), ("tkt_1", "It\nis."));
    assert_eq!(ticket.created, Some(Timestamp::from_secs(1_769_860_800)));
    assert_eq!(
        said(&ticket),
        [("tmsg_1", Author::Customer, "Hello"), ("tmsg_2", Author::Staff, "Look")],
        "oldest first"
    );
    let files: Vec<_> =
        ticket.attachments.iter().map(|file| (file.name.as_str(), file.message.clone())).collect();
    let of_staff = Some(TicketMessageId::new("tmsg_2"));
    assert_eq!(files, [("file-tatt_2.log", of_staff.clone()), ("file-tatt_1", of_staff)]);
    assert_eq!(
        wire::download_url(&detail, &AttachmentId::new("tatt_1")).as_deref(),
        Some("/api/v2/support/attachments/tatt_1?ticketId=tkt_1")
    );
    assert_eq!(wire::download_url(&detail, &AttachmentId::new("tatt_2")), None);
}

#[test]
fn an_opening_that_is_a_message_too_is_one() {
    let mut detail = example();
    let opening = message("tmsg_0", "customer", Some(NOON), "It\r\nis.");
    let welcome = message("tmsg_a", "automation", Some(NOON), "We got it.");
    let messages =
        |opening: &Value| json!([welcome, opening, message("tmsg_1", "customer", None, "It\nis.")]);
    detail["messages"] = messages(&opening);
    let both = read(&detail);
    detail["body"] = json!(null);
    let message_only = read(&detail);
    for ticket in [both, message_only] {
        assert_eq!(ticket.text, "It\nis.");
        assert_eq!(
            said(&ticket),
            [("tmsg_a", Author::Staff, "We got it."), ("tmsg_1", Author::Customer, "It\nis.")],
            "the same text again is a message"
        );
    }
    // The files of an opening are the ticket's.
    let mut with_file = opening.clone();
    with_file["attachments"] = json!([{"id": "tatt_9", "filename": "x"}]);
    detail["messages"] = messages(&with_file);
    assert_eq!(read(&detail).attachments.iter().filter(|file| file.message.is_none()).count(), 2);
}

#[test]
fn what_follows_an_answer_is_no_opening() {
    let mut detail = example();
    detail["body"] = json!(null);
    detail["messages"] = json!([
        message("tmsg_1", "staff", Some(NOON), "We noticed something."),
        message("tmsg_2", "customer", Some("2026-01-31T12:30:00Z"), "Thanks")
    ]);
    let ticket = read(&detail);
    assert_eq!((ticket.text.as_str(), ticket.messages.len()), ("", 2));
}

#[test]
fn without_dates_the_lists_order_counts() {
    let mut detail = example();
    detail["messages"] = json!([
        message("tmsg_9", "customer", Some("2026-01-31T12:10:00Z"), "1"),
        message("tmsg_8", "staff", None, "2"),
        message("tmsg_7", "customer", Some("2026-01-31T12:20:00Z"), "3")
    ]);
    let order = |ticket: &Ticket| -> String {
        ticket.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("")
    };
    assert_eq!(order(&read(&detail)), "123");
    detail["messages"].as_array_mut().unwrap().reverse();
    assert_eq!(order(&read(&detail)), "123", "newest first");
    for message in detail["messages"].as_array_mut().unwrap() {
        message["sentAt"] = json!(null);
    }
    assert_eq!(order(&read(&detail)), "321");
}

#[test]
fn missing_parts_and_other_dresses() {
    let bare = read(&json!([{"id": "tkt_1"}]));
    assert_eq!((bare.status, bare.shows_messages, bare.change), (TicketStatus::Other, false, None));
    let nulls = json!({"id": 7, "subject": null, "body": null, "status": "escalated", "createdAt": null,
        "messages": [[]], "attachments": null, "messageCount": "3"});
    let nulls = read(&nulls);
    assert_eq!((nulls.ticket.as_str(), nulls.subject.as_str(), nulls.messages.len()), ("7", "", 0));
    let single = json!({"id": "tkt_1", "body": "x", "attachments": {},
        "messages": {"id": "tmsg_1", "sender": "robot", "body": "Hi", "attachments": {"id": "tatt_1"}}});
    let single = read(&single);
    assert_eq!(said(&single), [("tmsg_1", Author::Unsaid, "Hi")]);
    assert_eq!(single.attachments.first().unwrap().message, Some(TicketMessageId::new("tmsg_1")));
    for broken in [json!(null), json!([]), json!({}), json!({"id": "tkt_1", "messages": [{"body": "x"}]})] {
        assert!(wire::ticket(&broken, &Settings::default(), None).is_err(), "{broken}");
    }
}

#[test]
fn an_encrypted_answer_is_to_be_read_in_the_panel() {
    let mut detail = example();
    for (sender, body, expected) in [
        ("staff", json!(null), true),
        ("staff", json!("shown"), false),
        ("customer", json!(null), false),
        ("automation", json!(null), true),
    ] {
        let mut message = message("tmsg_1", sender, Some("2026-01-31T12:30:00Z"), "");
        message["encrypted"] = json!(true);
        message["body"] = body.clone();
        detail["messages"] = json!([message]);
        let ticket = read(&detail);
        assert_eq!(ticket.messages[0].in_panel_only, expected, "{sender} {body}");
    }
}

#[test]
fn automatic_messages_are_told_from_people_or_left_out() {
    let mut detail = example();
    let mut robot = message("tmsg_1", "automation", Some(NOON), "Closing soon.");
    robot["attachments"] = json!([{"id": "tatt_7"}]);
    detail["messages"] = json!([robot, message("tmsg_2", "staff", Some("2026-01-31T12:30:00Z"), "Hi")]);
    let shown = read(&detail);
    assert_eq!(shown.messages[0].author.as_deref(), Some("Automatic message"));
    let quiet = Settings { forward_automation: false, ..Settings::default() };
    let quiet = wire::ticket(&detail, &quiet, None).unwrap();
    assert_eq!(said(&quiet), [("tmsg_2", Author::Staff, "Hi")]);
    assert!(quiet.attachments.iter().all(|file| file.id.as_str() != "tatt_7"));
}

#[test]
fn statuses_and_where_a_reply_opens_again() {
    let status = |word: Value, settings: &Settings| {
        wire::ticket(&json!({"id": "tkt_1", "status": word}), settings, None).unwrap().status
    };
    let usual = Settings::default();
    for word in ["open", "answered", "customer_reply", "in_progress", "on_hold", "Open"] {
        assert_eq!(status(json!(word), &usual), TicketStatus::Open, "{word}");
    }
    for word in [json!("unknown"), json!("merged"), json!(3), json!(null)] {
        assert_eq!(status(word.clone(), &usual), TicketStatus::Other, "{word}");
    }
    assert_eq!(status(json!("closed"), &usual), TicketStatus::Closed);
    let by_reply = Settings { reopen_before_reply: false, ..usual };
    assert_eq!(status(json!("closed"), &by_reply), TicketStatus::Resolved);
}

#[test]
fn a_details_mark_is_the_lists_and_changes_with_each_part() {
    let mut row = example();
    for part in ["body", "attachments", "messages"] {
        row.as_object_mut().unwrap().remove(part);
    }
    let page = |row: &Value| wire::page(&json!({"data": [row]}), &Settings::default(), None).unwrap();
    let mark = page(&row).tickets[0].change.clone();
    assert!(mark.is_some());
    assert_eq!(mark, read(&example()).change);
    for (key, value) in [
        ("lastMessageAt", json!("2026-01-31T15:00:00.000Z")),
        ("messageCount", json!(4)),
        ("status", json!("closed")),
        ("updatedAt", json!(null)),
    ] {
        let mut other = row.clone();
        other[key] = value;
        assert_ne!(page(&other).tickets[0].change, mark, "{key}");
    }
}

#[test]
fn pages_and_where_they_end() {
    let page = |answer: Value| wire::page(&answer, &Settings::default(), None);
    let next = |answer: Value| page(answer).unwrap().next.map(|mark| mark.0);
    assert_eq!(
        next(json!({"data": [{"id": "tkt_1"}], "hasMore": true, "nextCursor": "c2"})),
        Some("c2".into())
    );
    for end in [json!(null), json!("")] {
        assert_eq!(next(json!({"data": [], "hasMore": false, "nextCursor": end})), None);
    }
    assert_eq!(next(json!({"data": {"id": "tkt_1"}})), None);
    assert_eq!(page(json!({"data": [[]]})).unwrap().tickets, []);
    assert_eq!(page(json!({"hasMore": false})).unwrap().tickets, []);
    for broken in [json!({}), json!([]), json!({"data": "none"}), json!({"data": [{"number": "1"}]})] {
        assert!(page(broken.clone()).is_err(), "{broken}");
    }
}

#[test]
fn departments_with_and_without_names() {
    let answer = json!({"departments": [
        {"slug": "vps", "displayName": "VPS", "description": "a<br>b", "email": null},
        {"slug": "billing", "displayName": null}, {"displayName": "No slug"}]});
    let known = wire::departments(&answer).unwrap();
    let department = |slug: &str, name: &str| Department { slug: slug.to_owned(), name: name.to_owned() };
    assert_eq!(known, [department("vps", "VPS"), department("billing", "billing")]);
    assert_eq!(wire::departments(&json!({"data": []})), None);
}

#[test]
fn nothing_is_sent_that_the_contract_does_not_name() {
    let body = NewTicketBody {
        department_slug: "vps",
        subject: "Down",
        message: "It is.",
        priority: "medium",
        critical_reason: None,
        context: None,
    };
    let expected =
        json!({"departmentSlug": "vps", "subject": "Down", "message": "It is.", "priority": "medium"});
    assert_eq!(serde_json::to_value(&body).unwrap(), expected);
    let file = Staged { id: AttachmentId::new("satt_1"), name: "a.txt".to_owned() };
    let files = [file];
    let plain = json!({"message": "Hi", "encrypted": false});
    assert_eq!(wire::reply_body("Hi", false, None, &files), plain);
    assert_eq!(wire::reply_body("Hi", false, Some("attachmentIds"), &[]), plain);
    assert_eq!(
        wire::reply_body("Hi", true, Some("attachmentIds"), &files),
        json!({"message": "Hi", "encrypted": true, "attachmentIds": ["satt_1"]})
    );
}

#[test]
fn files_without_what_may_be_null() {
    for none in [json!(null), json!([]), json!({}), json!([[]])] {
        let mut detail = example();
        detail["attachments"] = none.clone();
        detail["messages"][0]["attachments"] = none.clone();
        assert!(read(&detail).attachments.is_empty(), "{none}");
    }
    let mut detail = example();
    detail["attachments"] = json!({"id": 5, "filename": null, "extension": null, "mimeType": null});
    detail["messages"] = json!([{"id": 6, "sender": null, "body": null, "senderName": null, "sentAt": null}]);
    let ticket = read(&detail);
    assert_eq!((ticket.attachments[0].id.as_str(), ticket.attachments[0].name.as_str()), ("5", "file-5"));
    assert_eq!(said(&ticket), [("6", Author::Unsaid, "")]);
    detail["attachments"] = json!([{"filename": "no id"}]);
    assert!(wire::ticket(&detail, &Settings::default(), None).is_err());
}
