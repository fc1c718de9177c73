//! What a source gives again, and what it leaves alone.

use std::time::Duration;

use crate::{
    bridge::town_tests::{ANN, Town, chat_what, message},
    model::{
        ids::{MailboxName, TicketId},
        inbound::{Origin, Verdict},
    },
    store::change::Key,
};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_source_goes_on_by_itself_after_the_store_was_reopened() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.lose_lease().await;
    let item = town.item(ANN, chat_what("The printer is on fire"));
    // It may be refused once; it is never acknowledged then, and given again.
    let taken = town.try_take(vec![item.clone()]).await || town.try_take(vec![item]).await;
    assert!(taken, "the source stands still for ever");
    assert_eq!(town.desk.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn mail_that_is_left_alone_is_told_once_with_the_command_that_files_it() {
    let mut town = Town::new().await;
    let before = town.clock.now().minus(DAY);
    for _ in 0..2 {
        // Killed before its cursor changed, the mailbox says it again.
        town.intake().skipped(MailboxName::new("support"), 7, before).await.unwrap();
    }
    town.settle().await;
    let alerts = town.alerts();
    assert_eq!(alerts.len(), 1);
    let text = &alerts[0].text.text;
    assert!(text.contains("7 mails") && text.contains("14 June 2025"), "{text}");
    assert!(text.contains("ticket-bridge backfill support --since 2025-05-15"), "{text}");
}

#[tokio::test]
async fn a_mail_that_was_filed_long_ago_and_forgotten_is_not_filed_again() {
    let mut town = Town::new().await;
    let mut first = town.mail("carl@acme.example", Verdict::Pass, message("Our server is down"));
    let mut second = town.mail("carl@acme.example", Verdict::Pass, message("It still is"));
    if let (Origin::Mail(first), Origin::Mail(second)) = (&first.origin, &mut second.origin) {
        second.refers_to = vec![first.message_id.clone()];
    }
    // The mail server's date, which comes with each reading.
    (first.sent, second.sent) = (town.clock.now(), town.clock.now());
    town.take(vec![first.clone()]).await;
    town.take(vec![second.clone()]).await;
    let ticket = Key::Ticket(crate::model::ids::ApiName::new("desk"), TicketId::new("1"));
    let conversation = town.bridge.store.find(&ticket).unwrap();
    let filed =
        |town: &Town| (town.desk.created.lock().unwrap().len(), town.desk.replies.lock().unwrap().len());
    assert_eq!(filed(&town), (1, 1));

    town.pass(town.bridge.timing.keep_done + DAY).await;
    town.bridge.store.forget(town.clock.now().minus(town.bridge.timing.keep_done)).await.unwrap();
    let sent = town.sent.len();
    town.take(vec![first, second]).await;
    assert_eq!(filed(&town), (1, 1), "a ticket or a reply was doubled");
    assert_eq!(town.bridge.store.find(&ticket).unwrap(), conversation);
    assert_eq!(town.sent.len(), sent, "nobody is told of what is old");
}
