//! A parked create, decided early and late, with a message behind it.

use crate::{
    bridge::town_tests::{ADMINS, ANN, Town},
    model::{
        conversation::TicketStatus,
        ids::{ApiName, TicketId},
        inbound::Inbound,
        job::Task,
        marker::Marker,
    },
    store::change::Key,
    ticket_api::{ApiError, Found, NewTicket},
};

/// Ann wrote twice; whether her first message became a ticket cannot be known, and the second waits.
async fn parked() -> Town {
    let mut town = Town::new().await;
    town.link(ANN).await;
    let reason = "the connection was cut".to_owned();
    let unknown = ApiError::Unknown { may_still_run: true, reason, after: None };
    town.desk.create_errors.lock().unwrap().push_back(unknown);
    town.desk.finds.lock().unwrap().push_back(Found::CannotKnow);
    town.write(ANN, &["The printer in the hall is on fire"]).await;
    town.pass(town.bridge.timing.retry_max).await;
    assert_eq!(town.aside().len(), 1, "it is parked");
    town.write(ANN, &["Now the hall is burning, too"]).await;
    assert_eq!(filed(&town), (0, 0), "the second one waits");
    town
}

fn filed(town: &Town) -> (usize, usize) {
    (town.desk.created.lock().unwrap().len(), town.desk.replies.lock().unwrap().len())
}

/// The first message did become a ticket.
fn shows_up(town: &Town) {
    let Task::File(filing) = &town.aside()[0].task else { unreachable!("it is a filing") };
    let first: &Inbound = &filing.messages[0].inbound;
    let text = format!("on fire\n\n{}", Marker::of(&town.bridge.secret, &first.identity.key));
    let mut created = town.desk.created.lock().unwrap();
    created.push(NewTicket { subject: "on fire".to_owned(), text, ..NewTicket::default() });
    let number = created.len().to_string();
    drop(created);
    town.desk.set(&number, TicketStatus::Open);
}

fn conversation(town: &Town, ticket: &str) -> Option<crate::model::ids::ConversationId> {
    town.bridge.store.find(&Key::Ticket(ApiName::new("desk"), TicketId::new(ticket))).unwrap()
}

#[tokio::test]
async fn it_is_there_in_time_makes_the_next_message_a_reply() {
    let mut town = parked().await;
    shows_up(&town);
    town.press(ADMINS, &town.button("It is there")).await;
    assert_eq!(filed(&town), (1, 1), "no second ticket");
    let replies = town.desk.replies.lock().unwrap().clone();
    assert!(replies[0].0 == TicketId::new("1") && replies[0].1.contains("burning"), "{replies:?}");
    assert!(town.aside().is_empty());
}

#[tokio::test]
async fn it_is_there_said_late_links_both_tickets() {
    let mut town = parked().await;
    shows_up(&town);
    town.pass(town.bridge.timing.parked_create_wait).await;
    assert_eq!(filed(&town), (2, 0));
    let second = town.desk.created.lock().unwrap()[1].text.clone();
    assert!(second.contains("may be missing"), "{second}");
    town.press(ADMINS, &town.button("It is there")).await;
    assert_eq!(filed(&town), (2, 1));
    let replies = town.desk.replies.lock().unwrap().clone();
    assert!(replies[0].0 == TicketId::new("2"), "{replies:?}");
    assert!(replies[0].1.contains("stands in ticket #1") && replies[0].1.contains("on fire"), "{replies:?}");
    assert!(town.said(ANN).contains("#1"), "{}", town.said(ANN));
    // Answers in either ticket find their way, and what Ann writes goes on in the later one.
    assert!(conversation(&town, "1").is_some() && conversation(&town, "1") != conversation(&town, "2"));
    town.write(ANN, &["And it is hot"]).await;
    assert!(town.desk.replies.lock().unwrap()[1].0 == TicketId::new("2"));
}

#[tokio::test]
async fn whatever_is_decided_lets_the_next_message_go_on_at_once() {
    for (button, expected) in [("Send again", (1, 1)), ("Discard", (1, 0)), ("It is there", (1, 0))] {
        let mut town = parked().await;
        town.press(ADMINS, &town.button(button)).await;
        assert_eq!(filed(&town), expected, "{button}");
        let created = town.desk.created.lock().unwrap()[0].text.clone();
        assert!(created.contains("burning") && !created.contains("may be missing"), "{button}: {created}");
    }
}
