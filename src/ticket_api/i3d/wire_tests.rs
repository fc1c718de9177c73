//! i3D.net's answers in every dress that its pages leave open.

use serde_json::{Value, json};

use super::wire::{self, CreateBody, Refusal};
use crate::config::I3d as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{TicketId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::{Author, Ticket};

fn settings() -> Settings {
    Settings::default()
}

fn read_as(body: &Value, settings: &Settings) -> Ticket {
    wire::ticket(body, &TicketId::new("1935509"), settings, None).unwrap()
}

fn read(body: &Value) -> Ticket {
    read_as(body, &settings())
}

fn seen() -> Value {
    json!({
        "id": 1_935_509, "hash": "OAHJ", "readHash": "e2ee", "title": "Down", "categoryName": "Bare-metal",
        "createdAt": 1_714_988_143, "updatedAt": 1_714_988_150, "clientLastReadAt": 0, "status": "open",
        "numUserReplies": 2,
        "replies": [
            {"id": 10, "fullUserName": "Ann", "content": "It\r\nis.", "createdAt": 1_714_988_143, "replyByI3d": 0,
             "attachments": [{"id": 5, "name": "a.png", "mimeType": "image/png", "size": "12"}]},
            {"id": 12, "fullUserName": "Support", "content": "<p>Look:</p><p>x</p>", "createdAt": 1_714_988_149,
             "replyByI3d": 1, "attachments": {"attachmentId": "7", "filename": "b.txt"}},
            {"id": 11, "content": "Still", "createdAt": 1_714_988_148, "replyByI3d": false, "attachments": null}]
    })
}

#[test]
fn a_detail_bare_and_as_a_list_of_one() {
    for body in [seen(), json!([seen()])] {
        let ticket = read(&body);
        assert_eq!((ticket.subject.as_str(), ticket.text.as_str()), ("Down", "It\nis."));
        assert_eq!(
            (ticket.status, ticket.created),
            (TicketStatus::Open, Some(Timestamp::from_secs(1_714_988_143)))
        );
        let said: Vec<_> = ticket.messages.iter().map(|m| (m.id.as_str(), m.by, m.text.as_str())).collect();
        assert_eq!(said, [("11", Author::Customer, "Still"), ("12", Author::Staff, "Look:\n\nx")]);
        assert_eq!(ticket.messages[1].author.as_deref(), Some("Support"));
        let files: Vec<_> = ticket
            .attachments
            .iter()
            .map(|file| (file.id.as_str(), file.name.as_str(), file.message.clone()))
            .collect();
        assert_eq!(files, [("5", "a.png", None), ("7", "b.txt", Some(TicketMessageId::new("12")))]);
        assert_eq!(ticket.attachments[0].size, Some(12));
        assert!(ticket.shows_messages);
    }
}

#[test]
fn all_but_the_required_fields_may_be_missing() {
    let bare = json!({"title": "Down", "categoryName": "Other", "status": "open"});
    let ticket = read(&bare);
    assert!(!ticket.shows_messages && ticket.messages.is_empty() && ticket.text.is_empty());
    assert_eq!((ticket.created, ticket.change), (None, None));
    for none in [json!(null), json!([]), json!([[]]), json!("")] {
        let mut ticket = bare.clone();
        ticket["replies"] = none;
        assert!(!read(&ticket).shows_messages, "{ticket}");
    }
    for none in [json!({}), json!([]), json!("ok"), json!(null)] {
        assert!(wire::ticket(&none, &TicketId::new("1"), &settings(), None).is_err(), "{none}");
    }
    assert!(wire::line(&bare, &settings()).is_none(), "without an id there is nothing to look at");
}

#[test]
fn the_staff_flag_is_a_number_a_boolean_or_a_string() {
    for (said, by) in [
        (json!(0), Author::Customer),
        (json!("0"), Author::Customer),
        (json!(false), Author::Customer),
        (json!(1), Author::Staff),
        (json!("1"), Author::Staff),
        (json!(true), Author::Staff),
        (json!("true"), Author::Staff),
        (json!("4711"), Author::Staff),
        (json!(null), Author::Unsaid),
        (json!({}), Author::Unsaid),
    ] {
        let body = json!({"id": 1, "replies": [{"id": 1}, {"id": 2, "replyByI3d": said, "content": "x"}]});
        assert_eq!(read(&body).messages[0].by, by, "{said}");
    }
}

#[test]
fn statuses_are_open_closed_or_another() {
    let archived = Settings { closed_statuses: vec!["archived".to_owned()], ..settings() };
    for (status, usual, other) in [
        (json!("open"), TicketStatus::Open, TicketStatus::Open),
        (json!("OPEN"), TicketStatus::Open, TicketStatus::Open),
        (json!("Closed"), TicketStatus::Closed, TicketStatus::Other),
        (json!("archived"), TicketStatus::Other, TicketStatus::Closed),
        (json!(null), TicketStatus::Other, TicketStatus::Other),
        (json!(3), TicketStatus::Other, TicketStatus::Other),
    ] {
        let body = json!({"id": 1, "title": "x", "status": status});
        assert_eq!((read(&body).status, read_as(&body, &archived).status), (usual, other), "{body}");
    }
}

#[test]
fn other_names_of_a_files_parts() {
    let mut other = settings();
    other.attachment_id_key = vec!["file".to_owned()];
    other.attachment_name_key = vec!["called".to_owned()];
    other.staff_flag = vec!["staff".to_owned()];
    let file = json!({"file": 9, "called": "c.txt", "fileSize": 3});
    let body = json!({"id": 1, "replies": [{"id": 1}, {"id": 2, "staff": 1, "attachments": [file, 13]}]});
    let ticket = read_as(&body, &other);
    let files: Vec<_> =
        ticket.attachments.iter().map(|file| (file.id.as_str(), file.name.as_str())).collect();
    assert_eq!(files, [("9", "c.txt"), ("13", "file-13")]);
    assert_eq!(ticket.messages[0].by, Author::Staff);
}

#[test]
fn a_details_mark_is_the_lists_and_reading_does_not_change_it() {
    let mut detail = seen();
    let mut row = seen();
    row.as_object_mut().unwrap().remove("replies");
    row["updatedAt"] = json!("1714988150");
    detail["clientLastReadAt"] = json!(1_714_999_999);
    let before = wire::line(&row, &settings()).unwrap();
    assert_eq!(before.change, read(&detail).change);
    for (field, value) in
        [("updatedAt", json!(1_714_988_151)), ("status", json!("closed")), ("numUserReplies", json!(3))]
    {
        let mut after = row.clone();
        after[field] = value;
        assert_ne!(wire::line(&after, &settings()).unwrap().change, before.change, "{field}");
    }
}

#[test]
fn times_are_unix_seconds_also_as_strings() {
    for (said, expected) in [
        (json!(1_714_988_143), Some(1_714_988_143)),
        (json!("1714988143"), Some(1_714_988_143)),
        (json!(0), None),
        (json!(null), None),
        (json!("soon"), None),
    ] {
        let line = wire::line(&json!({"id": "7", "createdAt": said}), &settings()).unwrap();
        assert_eq!(line.created, expected.map(Timestamp::from_secs), "{said}");
    }
}

#[test]
fn lists_are_told_from_what_is_none() {
    for (body, rows) in [
        (json!([]), Some(0)),
        (json!([[]]), Some(0)),
        (json!(null), Some(0)),
        (json!([{"id": 1}, {"id": 2}]), Some(2)),
        (json!({"id": 1, "title": "x"}), Some(1)),
        (json!("down"), None),
        (json!({"maintenance": true}), None),
    ] {
        assert_eq!(wire::rows(&body).map(|rows| rows.len()), rows, "{body}");
    }
    assert_eq!(
        wire::categories(&json!(["A", "", {"name": "B"}])),
        Some(vec!["A".to_owned(), "B".to_owned()])
    );
    assert_eq!(wire::categories(&json!("A")), Some(vec!["A".to_owned()]));
    assert_eq!(wire::categories(&json!(7)), None);
}

#[test]
fn the_new_reply_is_the_greatest_of_the_customers_with_our_text() {
    let body = seen();
    let made = |text: &str| wire::new_reply(&body, text, &settings()).map(|id| id.to_string());
    assert_eq!(made(" Still\n"), Some("11".to_owned()));
    assert_eq!(
        [made("Look:"), made("It is."), made("Another")],
        [None, None, None],
        "staff's, the opening, none"
    );
    let ours = "Text\nvia Telegram, @x · tb-abcdefghijklm";
    let body = json!({"id": 1, "replies": [{"id": 1}, {"id": 2, "replyByI3d": 0, "content": "<p>Text</p><i>via Telegram &middot; tb-abcdefghijklm</i>"}]});
    assert_eq!(wire::new_reply(&body, ours, &settings()), Some(TicketMessageId::new("2")));
}

#[test]
fn ids_of_what_was_made() {
    let staged = |body: Value| wire::staged(&body, &settings()).map(|id| id.to_string());
    for body in [json!({"attachmentId": 7}), json!([{"attachmentId": "7"}]), json!({"id": 7}), json!(7)] {
        assert_eq!(staged(body.clone()), Some("7".to_owned()), "{body}");
    }
    assert_eq!([staged(json!({})), staged(json!(null))], [None, None]);
    assert_eq!(wire::made(&json!([{"id": "5"}])), Some(TicketId::new("5")));
    assert_eq!(wire::made(&json!({"title": "x"})), None);
}

#[test]
fn a_refusal_says_what_is_wrong_with_which_field() {
    let refusal = |body: Value| Refusal::read(&body);
    let form = refusal(json!({"errorCode": 11001, "errorMessage": "Errors in form",
        "errors": [{"property": "title", "message": "is required"}, {"property": "emailCc", "message": "emailCc is not valid"}]}))
    .unwrap();
    assert_eq!(form.words, "Errors in form: title is required; emailCc is not valid");
    assert!(form.names("emailCc") && !form.names("emailTo") && !form.names("category"));
    let bare = refusal(json!({"errorCode": "10001", "errorMessage": "Entity not found"})).unwrap();
    assert_eq!((bare.words.as_str(), bare.code), ("Entity not found", Some(10_001)));
    assert!(refusal(json!({"errorMessage": "emailTo must not be blank"})).unwrap().names("emailTo"));
    assert_eq!(refusal(json!([{"errorCode": 1, "errors": null}])).unwrap().words, "error 1");
    for none in [seen(), json!([]), json!("no"), json!({"errors": []}), json!({"errorCode": 0, "id": 1})] {
        assert_eq!(refusal(none.clone()), None, "{none}");
    }
}

#[test]
fn a_create_names_what_the_page_names() {
    let body = CreateBody {
        title: "t",
        content: "c",
        category: "k",
        department: "d",
        email_cc: Some(""),
        email_to: None,
        attachment_ids: &[7],
    };
    let sent = json!({"title": "t", "content": "c", "category": "k", "department": "d", "emailCc": "", "attachmentIds": [7]});
    assert_eq!(serde_json::to_value(&body).unwrap(), sent);
}

#[test]
fn what_is_null_or_nested_in_nothing_is_nothing() {
    for none in [json!(null), json!([]), json!({}), json!([[]]), json!("")] {
        let reply = json!({"id": "2", "content": null, "createdAt": null, "fullUserName": null, "replyByI3d": "0",
            "attachments": none});
        let body = json!({"id": "1", "title": null, "categoryName": null, "status": null, "createdAt": null,
            "updatedAt": null, "replies": [{"id": 1, "content": null}, reply]});
        let ticket = read(&body);
        assert_eq!((ticket.subject.as_str(), ticket.text.as_str(), ticket.created), ("", "", None), "{none}");
        assert_eq!(
            (ticket.messages[0].by, ticket.messages[0].text.as_str()),
            (Author::Customer, ""),
            "{none}"
        );
        assert!(ticket.attachments.is_empty() && ticket.shows_messages, "{none}");
    }
    let one = json!({"id": 1, "title": "x", "replies": {"id": 1, "content": "Text"}});
    assert_eq!(read(&one).text, "Text", "one reply, not in a list");
    assert!(
        wire::ticket(
            &json!({"title": "x", "replies": [{"id": 1}, {"content": "no id"}]}),
            &TicketId::new("1"),
            &settings(),
            None
        )
        .is_err()
    );
}
