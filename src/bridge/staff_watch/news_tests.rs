//! What is new in a ticket, case by case.

use std::{collections::HashSet, convert::Infallible};

use super::news::{News, Old, Owner, news};
use crate::{
    model::{
        attachment::Whereabouts,
        conversation::TicketStatus,
        ids::{AccountName, ApiName, AttachmentId, TicketId, TicketMessageId},
        marker::Marker,
        secret::InstanceSecret,
    },
    runtime::clock::Timestamp,
    ticket_api::{Author, Ticket, TicketAttachment, TicketMessage},
};

fn message(id: &str, by: Author, text: &str, at: i64) -> TicketMessage {
    let created = Some(Timestamp::from_secs(at));
    TicketMessage {
        id: TicketMessageId::new(id),
        by,
        author: None,
        text: text.to_owned(),
        in_panel_only: false,
        created,
    }
}

fn file(id: &str, message: Option<&str>, at: i64) -> TicketAttachment {
    TicketAttachment {
        id: AttachmentId::new(id),
        message: message.map(TicketMessageId::new),
        name: format!("{id}.pdf"),
        mime: None,
        size: None,
        created: Some(Timestamp::from_secs(at)),
    }
}

fn ticket(messages: Vec<TicketMessage>, attachments: Vec<TicketAttachment>) -> Ticket {
    Ticket {
        ticket: TicketId::new("7"),
        subject: "Help".to_owned(),
        status: TicketStatus::Open,
        created: Some(Timestamp::from_secs(1)),
        change: None,
        text: "It is down".to_owned(),
        messages,
        attachments,
        shows_messages: true,
        merged_into: None,
        server_date: None,
    }
}

fn look(ticket: &Ticket, old: Option<Old>, seen: &[&str]) -> News {
    let (api, account) = (ApiName::new("desk"), AccountName::new("acme"));
    let seen: HashSet<&str> = seen.iter().copied().collect();
    let is_seen = |key: &str| Ok::<_, Infallible>(seen.contains(key));
    news(ticket, &Owner { api: &api, account: &account }, old, is_seen).unwrap()
}

/// `text+file,file` of each message that is handed on.
fn handed_on(news: &News) -> Vec<String> {
    let files = |message: &crate::model::staff_message::StaffMessage| {
        let ids = message.files.iter().map(|file| match &file.at {
            Whereabouts::Ticket { attachment, .. } => attachment.to_string(),
            _ => panic!("a staff file lies at its ticket"),
        });
        ids.collect::<Vec<_>>().join(",")
    };
    news.messages.iter().map(|message| format!("{}+{}", message.text, files(message))).collect()
}

#[test]
fn staff_messages_that_were_not_seen_are_new_in_their_order_with_their_files() {
    use Author::{Customer, Staff};
    let ticket = ticket(
        vec![
            message("1", Staff, "one", 10),
            message("2", Customer, "two", 20),
            message("3", Staff, "three", 30),
            message("4", Staff, "four", 40),
        ],
        vec![
            file("a", Some("3"), 31),
            file("b", Some("2"), 21),
            file("c", None, 2),
            file("d", Some("4"), 41),
        ],
    );
    let news = look(&ticket, None, &["staff/desk/7/1"]);
    assert_eq!(handed_on(&news), ["three+a", "four+d"]);
    assert_eq!(news.seen, ["staff/desk/7/3", "staff-file/desk/7/a", "staff/desk/7/4", "staff-file/desk/7/d"]);
    let seen: Vec<&str> = news.seen.iter().map(String::as_str).chain(["staff/desk/7/1"]).collect();
    let again = look(&ticket, None, &seen);
    assert!(again.messages.is_empty() && again.seen.is_empty());
}

#[test]
fn files_that_come_after_their_message_go_without_its_text() {
    let messages = || vec![message("1", Author::Staff, "one", 10), message("2", Author::Staff, "two", 20)];
    let ticket = ticket(messages(), vec![file("a", Some("1"), 15), file("b", Some("1"), 16)]);
    let news = look(&ticket, None, &["staff/desk/7/1", "staff-file/desk/7/a"]);
    assert_eq!(handed_on(&news), ["+b", "two+"]);
    assert_eq!(news.messages[0].id, Some(TicketMessageId::new("1")));
}

#[test]
fn a_staff_message_without_a_text_is_seen_and_its_file_is_sent_when_it_comes() {
    let empty = || vec![message("1", Author::Staff, " \n", 10)];
    let news = look(&ticket(empty(), vec![]), None, &[]);
    assert_eq!((handed_on(&news), news.seen), (vec![], vec!["staff/desk/7/1".to_owned()]));
    let news = look(&ticket(empty(), vec![file("a", Some("1"), 12)]), None, &["staff/desk/7/1"]);
    assert_eq!(handed_on(&news), ["+a"]);
}

#[test]
fn a_file_of_the_ticket_itself_belongs_to_the_last_word_before_it() {
    use Author::{Customer, Staff};
    for (case, added, handed) in [
        ("at the opening", Some(5), "staff+"),
        ("after the answer", Some(21), "staff+a"),
        ("after the customer's own words", Some(31), "staff+"),
        ("nobody knows when", None, "staff+"),
    ] {
        let mut file = file("a", None, 0);
        file.created = added.map(Timestamp::from_secs);
        let messages = vec![message("1", Staff, "staff", 20), message("2", Customer, "customer", 30)];
        assert_eq!(handed_on(&look(&ticket(messages, vec![file]), None, &[])), [handed], "{case}");
    }
}

#[test]
fn in_a_baseline_what_is_dated_before_is_seen_and_what_is_dated_later_is_new() {
    let mut undated = message("3", Author::Staff, "undated", 0);
    undated.created = None;
    let messages = || {
        vec![message("1", Author::Staff, "old", 99), message("2", Author::Staff, "new", 100), undated.clone()]
    };
    let files = || vec![file("a", Some("1"), 99), file("b", Some("1"), 101)];
    for (swallows_undated, handed) in [(true, vec!["+b", "new+"]), (false, vec!["+b", "new+", "undated+"])] {
        let old = Old { before: Timestamp::from_secs(100), undated: swallows_undated };
        let news = look(&ticket(messages(), files()), Some(old), &[]);
        assert_eq!(handed_on(&news), handed);
        assert_eq!(news.seen.len(), 5);
    }
}

#[test]
fn without_a_flag_only_a_text_that_ends_with_our_provenance_is_ours() {
    let marker = Marker::of(&InstanceSecret::new([7; 32], None), "a");
    let line = format!("via Telegram, @ann · {marker}");
    for (case, text, is_staff) in [
        ("our own", format!("It is down\n\n{line}\n"), false),
        ("our own, wrapped", format!("It is down\n\n{}", line.replace("tb-", "tb-\n")), false),
        ("quoted in the middle", format!("You wrote:\n{line}\nPlease restart."), true),
        ("quoted below the answer", format!("Please restart.\n\n> It is down\n> {line}"), true),
        ("nothing of ours", "Please restart.".to_owned(), true),
    ] {
        let flagged = message("1", Author::Customer, "flagged", 5);
        let ticket = ticket(vec![flagged, message("2", Author::Unsaid, &text, 10)], vec![]);
        assert_eq!(look(&ticket, None, &[]).messages.len(), usize::from(is_staff), "{case}");
    }
    let quoting = format!("Please restart.\n{line}");
    let ticket = ticket(vec![message("1", Author::Staff, &quoting, 10)], vec![]);
    assert_eq!(look(&ticket, None, &[]).messages.len(), 1, "a flag decides, whatever the text");
}

#[test]
fn where_no_message_says_who_wrote_it_nothing_is_guessed() {
    let messages = vec![message("1", Author::Unsaid, "one", 10), message("2", Author::Unsaid, "two", 200)];
    let ticket = ticket(messages, vec![file("a", Some("2"), 201)]);
    let news = look(&ticket, None, &[]);
    assert!(news.undecidable && news.messages.is_empty() && news.seen.is_empty());
    let old = Old { before: Timestamp::from_secs(100), undated: true };
    let in_baseline = look(&ticket, Some(old), &[]);
    assert_eq!(in_baseline.seen, ["staff/desk/7/1"], "what is old stays old when the flag is found");
    assert!(in_baseline.messages.is_empty());
}
