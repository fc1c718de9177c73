//! Cases: new tickets and replies, and what they are filed under.

use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::{MailAddress, TicketId};
use ticket_bridge::ticket_api::{ApiError, Author, Files, Guest, NewTicket, Scope};

use super::Open;
use super::office::{Office, PATIENT, Properties, failed, new_ticket};

const TEXT: &str = "Ünïcode \u{1F600}, \"It's\" 100 % R&D + a < b\n\nsecond line";

pub(super) async fn the_catalog_names_topics_and_properties(open: Open) {
    let office = open(PATIENT).await;
    let property = office.desk.adds_property();
    let catalog = office.api.catalog(&office.account).await.unwrap();
    assert!(catalog.topics.len() > 1, "{:?}", catalog.topics);
    let is_listed = office.ways.properties == Properties::Listed;
    assert_eq!(catalog.properties, Vec::from_iter(Some(property).filter(|_| is_listed)));
    office.closes_clean();
}

pub(super) async fn creates_with_and_without_topic_and_property(open: Open) {
    let office = open(PATIENT).await;
    let (property, name) = office.desk.adds_property();
    let topics = office.api.catalog(&office.account).await.unwrap().topics;
    let plain = office.creates("A plain one", "Text one").await;
    let full = NewTicket {
        topic: topics.last().cloned(),
        property: Some(property).filter(|_| office.ways.properties != Properties::None),
        ..new_ticket("A full one", "Text two")
    };
    let full = office.opens(&full).await;
    assert_ne!(plain, full);
    assert_ne!(place(&office, &plain), place(&office, &full), "the topic is heeded");
    let about = office.desk.filed(&full).property.map(|(_, name)| name);
    assert_eq!(about, Some(name).filter(|_| office.ways.properties != Properties::None));
    let read = office.reads(&full).await;
    assert_eq!(
        (read.subject.as_str(), read.text.as_str(), read.status),
        ("A full one", "Text two", TicketStatus::Open)
    );
    assert!(read.created.is_some() && read.messages.is_empty() && read.server_date.is_some());
    office.closes_clean();
}

pub(super) async fn words_that_nobody_knows_hold_no_ticket_up(open: Open) {
    let office = open(PATIENT).await;
    let plain = office.creates("Help", "Text").await;
    let unknown = || Some("Cooking".to_owned());
    for ticket in [
        NewTicket { topic: unknown(), ..new_ticket("Help", "Text") },
        NewTicket { department: unknown(), ..new_ticket("Help", "Text") },
        NewTicket { priority: unknown(), ..new_ticket("Help", "Text") },
    ] {
        let filed = office.opens(&ticket).await;
        assert_eq!(place(&office, &plain), place(&office, &filed), "{ticket:?}");
        assert_eq!(office.desk.filed(&plain).priority, office.desk.filed(&filed).priority, "{ticket:?}");
    }
}

pub(super) async fn a_priority_is_heeded_where_there_are_any(open: Open) {
    let office = open(PATIENT).await;
    for word in ["high", "HIGH"] {
        let ticket = NewTicket { priority: Some(word.to_owned()), ..new_ticket("Help", "Text") };
        let ticket = office.opens(&ticket).await;
        let filed = office.desk.filed(&ticket).priority.map(|priority| priority.to_lowercase());
        assert_eq!(filed, office.ways.priorities.then(|| "high".to_owned()));
    }
    office.closes_clean();
}

pub(super) async fn a_property_that_nobody_knows_is_refused(open: Open) {
    let office = open(PATIENT).await;
    let ticket = NewTicket { property: Some("987654".to_owned()), ..new_ticket("Help", "Text") };
    let ending = office.api.create(&office.account, &ticket, Files::None).await;
    if office.ways.properties == Properties::None {
        ending.expect("where tickets are about nothing it says nothing");
        return office.closes_clean();
    }
    let words = ["Invalid property", "Service ID Not Found", "The service is not yours."];
    let error = ending.unwrap_err();
    assert!(matches!(&error, ApiError::Refused(why) if words.contains(&why.as_str())), "{error:?}");
    office.closes_clean();
}

pub(super) async fn a_text_without_words_is_refused(open: Open) {
    let office = open(PATIENT).await;
    assert_eq!(failed(office.tries_to_create(" ").await), "refused");
    let ticket = office.creates("Help", "Text").await;
    assert_eq!(failed(office.tries_to_reply(&ticket, " ").await), "refused");
    office.closes_clean();
}

pub(super) async fn a_subject_is_one_line_within_the_limit(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates(&format!("Two\r\nlines {}", "😀".repeat(300)), "Text").await;
    let subject = office.reads(&ticket).await.subject;
    assert!(subject.starts_with("Two lines 😀"));
    assert!(subject.encode_utf16().count() <= office.api.capabilities().max_subject);
    office.closes_clean();
}

pub(super) async fn texts_arrive_as_they_were_written(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("R&D: \"down\"", TEXT).await;
    // Another text than the opening: of the same moment they could be one and the same.
    let reply = format!("Again: {TEXT}");
    office.replies(&ticket, &reply).await;
    assert_eq!(office.desk.times(TEXT), 2);
    let read = office.reads(&ticket).await;
    assert_eq!((read.subject.as_str(), read.text.as_str()), ("R&D: \"down\"", TEXT));
    assert_eq!(read.messages[0].text, reply);
    office.closes_clean();
}

pub(super) async fn guests_are_known_by_name_and_address_or_not_at_all(open: Open) {
    let office = open(PATIENT).await;
    let guest = Guest { name: "Ann Lee".to_owned(), address: MailAddress::new("ann@example.org") };
    let ticket = NewTicket { guest: Some(guest), ..new_ticket("Help", "Is it down?") };
    let who = office.ways.guests.as_ref().unwrap_or(&office.account);
    let made = office.api.create(who, &ticket, Files::None).await.unwrap().ticket;
    let shown = office.desk.filed(&made).requester.map(|guest| (guest.name, guest.email));
    let by_name = ("Ann Lee".to_owned(), "ann@example.org".to_owned());
    assert_eq!(shown, office.ways.guests.is_some().then_some(by_name));
    assert_eq!(office.api.ticket(who, &made).await.unwrap().text, "Is it down?");
    if let Some(guests) = &office.ways.guests {
        let nobody = office.api.create(guests, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
        let words = nobody.to_string();
        assert!(matches!(nobody, ApiError::Refused(_)) && words.contains("please write by"), "{words}");
    }
    office.closes_clean();
}

/// Its number is known from its opening on, wherever it is shown.
pub(super) async fn a_ticket_is_called_as_people_call_it(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let number = office.desk.filed(&ticket).number;
    assert_eq!(
        (ticket.number(), office.reads(&ticket).await.ticket.number()),
        (number.as_str(), number.as_str())
    );
    let listed = office.api.tickets(&office.account, Scope::All, None).await;
    if office.api.capabilities().list {
        assert_eq!(listed.unwrap().tickets[0].ticket.number(), number);
    } else {
        assert_eq!(failed(listed), "unsupported");
    }
    office.closes_clean();
}

pub(super) async fn replies_and_tells_staff_from_customer(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let ours = office.replies(&ticket, "It is still down.").await;
    let theirs = office.desk.staff_replies(&ticket, "We look into it.");
    let messages = office.reads(&ticket).await.messages;
    assert_eq!(ours, Some(messages[0].id.clone()).filter(|_| office.ways.says_reply_id));
    assert_eq!(messages[1].id, theirs);
    let said: Vec<_> = messages.iter().map(|said| (said.by, said.text.as_str())).collect();
    assert_eq!(said, [(Author::Customer, "It is still down."), (Author::Staff, "We look into it.")]);
    office.closes_clean();
}

/// Where staff finds the ticket, in whatever words the desk has for that.
fn place(office: &Office, ticket: &TicketId) -> (u8, Option<String>, Option<String>) {
    let filed = office.desk.filed(ticket);
    (filed.topic, filed.department, filed.category)
}
