//! Cases: answers mean the same in each dress of JSON that a server may choose.

use serde_json::{Value, json};
use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::runtime::byte_stream::collect;
use ticket_bridge::ticket_api::{Author, Close, Found, Scope};

use super::Open;
use super::disguise::Disguise;
use super::office::{ANY_TIME, PATIENT, Properties, file, marker};

pub(super) async fn numbers_and_flags_may_be_strings(open: Open) {
    means_the_same(open, |value| match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Bool(flag) => json!(flag.to_string()),
        other => other,
    })
    .await;
}

pub(super) async fn digits_may_be_numbers(open: Open) {
    means_the_same(open, |value| match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => json!(number),
        None => value,
    })
    .await;
}

pub(super) async fn a_list_of_one_may_be_its_element(open: Open) {
    means_the_same(open, |value| match value {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        other => other,
    })
    .await;
}

pub(super) async fn an_empty_list_may_hold_an_empty_list(open: Open) {
    means_the_same(open, |value| if value == json!([]) { json!([[]]) } else { value }).await;
}

pub(super) async fn an_empty_list_may_be_null(open: Open) {
    means_the_same(open, |value| if value == json!([]) { json!(null) } else { value }).await;
}

pub(super) async fn what_is_empty_may_be_missing(open: Open) {
    means_the_same(open, |mut value| {
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!(""));
        }
        value
    })
    .await;
}

pub(super) async fn what_nobody_asked_for_may_be_there(open: Open) {
    means_the_same(open, |mut value| {
        if let Some(fields) = value.as_object_mut() {
            fields.insert("unheardOf".to_owned(), json!({"id": 4711, "items": [[], null, "x"]}));
        }
        value
    })
    .await;
}

/// All that is read, read through a door that changes each value of an answer.
async fn means_the_same(open: Open, dress: fn(Value) -> Value) {
    let mut office = open(PATIENT).await;
    office.goes_through(Disguise { dress: Some(dress), ..Disguise::default() }).await;
    let can = office.api.capabilities().clone();
    let property = office.desk.adds_property();
    let catalog = office.api.catalog(&office.account).await.unwrap();
    assert!(catalog.topics.len() > 1, "{catalog:?}");
    let is_listed = office.ways.properties == Properties::Listed;
    assert_eq!(catalog.properties, Vec::from_iter(Some(property).filter(|_| is_listed)));

    let text = format!("Text · {}", marker("lost"));
    let ticket = office.creates("Lost", &text).await;
    let read = office.reads(&ticket).await;
    assert_eq!((&read.ticket, read.subject.as_str(), &read.text), (&ticket, "Lost", &text));
    assert!(read.messages.is_empty() && read.attachments.is_empty() && read.status == TicketStatus::Open);
    assert!(read.created.is_some());
    if can.list {
        let line = office.api.tickets(&office.account, Scope::All, None).await.unwrap().tickets.remove(0);
        assert_eq!((&line.ticket, line.subject.as_str(), line.status), (&ticket, "Lost", TicketStatus::Open));
        assert_eq!((line.change.is_some(), line.created), (true, read.created));
        assert_eq!(office.lists(Scope::All).await.unwrap(), std::slice::from_ref(&ticket));
        let found = office.looks_for_ticket(&marker("lost"), ANY_TIME, &|_| false).await.unwrap();
        assert!(matches!(found, Found::Ticket(found) if found.ticket == ticket));
    }

    let said = office.replies(&ticket, &format!("Hello · {}", marker("reply"))).await;
    let read = office.reads(&ticket).await;
    let ours = read.messages[0].id.clone();
    assert_eq!((read.messages.len(), read.messages[0].by), (1, Author::Customer));
    assert_eq!(said, Some(ours.clone()).filter(|_| office.ways.says_reply_id));
    let found = office.looks_for_reply(&marker("reply"), &ticket).await.unwrap();
    assert_eq!(found, Found::Reply(Some(ours)));
    assert_eq!(office.looks_for_reply(&marker("none"), &ticket).await.unwrap(), Found::Absent);

    let theirs = office.desk.staff_replies(&ticket, "We look.");
    office.replies_with(&ticket, vec![file("a.txt", b"hello".to_vec())]).await.unwrap();
    let read = office.reads(&ticket).await;
    let by: Vec<_> = read.messages.iter().map(|said| said.by).collect();
    assert_eq!(by, [Author::Customer, Author::Staff, Author::Customer]);
    assert_eq!((&read.messages[1].id, read.messages[1].text.as_str()), (&theirs, "We look."));
    let attachment = &read.attachments[0];
    assert_eq!(
        (attachment.name.as_str(), &attachment.message),
        ("a.txt", &Some(read.messages[2].id.clone()))
    );
    if can.download {
        let content = office.api.download(&office.account, &ticket, &attachment.id).await.unwrap();
        assert_eq!(collect(content, 99).await.unwrap(), "hello");
    }
    if can.close == Close::Call {
        office.api.close(&office.account, &ticket).await.unwrap();
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
    }
    office.closes_clean();
}
