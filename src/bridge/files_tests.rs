//! Messages with files at ticket systems of every kind: what is called in which order, and what people are told.

use std::time::Duration;

use super::town_tests::{ANN, Town};
use crate::{
    model::{
        attachment::{Attachment, Whereabouts},
        conversation::TicketStatus,
        inbound::{Message, Verdict, What},
        job::State,
    },
    ticket_api::{ApiError, Attachments, Created, Found, Reopen},
};

fn file(name: &str, content: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        mime: "text/plain".to_owned(),
        size: Some(content.len() as u64),
        at: Whereabouts::Telegram { file_id: content.to_owned() },
    }
}

fn with_files(text: &str, files: &[(&str, &str)]) -> What {
    let files = files.iter().map(|(name, content)| file(name, content)).collect();
    What::Message(Message { text: text.to_owned(), files, ..Message::default() })
}

async fn town(attachments: Attachments) -> Town {
    let mut town = Town::at(|able| able.attachments = attachments).await;
    town.link(ANN).await;
    town
}

async fn send(town: &mut Town, text: &str, files: &[(&str, &str)]) {
    let item = town.item(ANN, with_files(text, files));
    town.take(vec![item]).await;
    town.pass(Duration::from_secs(10)).await;
}

const HELP: &str = "The server in rack 12 is down";
const TWO: [(&str, &str); 2] = [("a.txt", "one"), ("b.txt", "two")];

fn refused() -> ApiError {
    ApiError::Refused("not this kind".to_owned())
}

fn unknown() -> ApiError {
    ApiError::Unknown { may_still_run: false, after: None, reason: "500".to_owned() }
}

#[tokio::test]
async fn files_go_ahead_of_the_message_that_names_them() {
    let mut town = town(Attachments::Before { ticket_first: false }).await;
    send(&mut town, HELP, &TWO).await;
    send(&mut town, "And here is the log of today", &[("log.txt", "l")]).await;
    assert_eq!(
        town.desk.calls(),
        ["stage a.txt", "stage b.txt", "create [s-a.txt, s-b.txt]", "stage log.txt", "reply 1 [s-log.txt]"]
    );
}

#[tokio::test]
async fn a_file_that_is_refused_ahead_is_named_in_the_text_and_to_the_customer() {
    let mut town = town(Attachments::Before { ticket_first: false }).await;
    town.desk.stage_errors.lock().unwrap().push_back(refused());
    send(&mut town, HELP, &TWO).await;
    assert_eq!(town.desk.calls(), ["stage a.txt", "stage b.txt", "create [s-b.txt]"]);
    assert!(town.desk.created.lock().unwrap()[0].text.contains("[Left out: a.txt"));
    assert!(town.said(ANN).contains("refused a.txt: not this kind"), "{}", town.said(ANN));
}

/// As i3D.net's contact form has it: a guest's ticket takes no files.
#[tokio::test]
async fn who_writes_by_mail_is_told_which_file_was_refused_ahead_and_the_text_is_filed() {
    let mut town = Town::at(|able| able.attachments = Attachments::Before { ticket_first: false }).await;
    let why = "the ticket system's contact form takes no files";
    for text in [HELP, "And here is the log of today"] {
        town.desk.stage_errors.lock().unwrap().push_back(ApiError::Refused(why.to_owned()));
        let item = town.mail("boss@acme.example", Verdict::Pass, with_files(text, &TWO[..1]));
        town.take(vec![item]).await;
        town.pass(Duration::from_secs(10)).await;
    }
    assert_eq!(town.desk.calls(), ["stage a.txt", "create []", "stage a.txt", "create []"]);
    let texts: Vec<String> = town.desk.created.lock().unwrap().iter().map(|new| new.text.clone()).collect();
    assert!(texts[0].contains(HELP) && texts[0].contains("[Left out: a.txt"), "{texts:?}");
    let told: Vec<_> = town.letters().into_iter().filter(|letter| letter.text.contains(why)).collect();
    assert_eq!(told.len(), 2, "{:?}", town.letters());
    assert!(told[0].text.contains("a.txt") && told[0].text.contains("ticket #1"), "{}", told[0].text);
    assert!(town.aside().is_empty());
}

#[tokio::test]
async fn a_stage_of_unknown_outcome_is_done_again_and_what_was_brought_is_not() {
    let mut town = town(Attachments::Before { ticket_first: false }).await;
    town.desk
        .create_errors
        .lock()
        .unwrap()
        .push_back(ApiError::Retry { after: None, reason: "503".to_owned() });
    send(&mut town, HELP, &TWO[..1]).await;
    town.desk.stage_errors.lock().unwrap().push_back(unknown());
    send(&mut town, "And here is the log of today", &[("log.txt", "l")]).await;
    town.pass(Duration::from_secs(60)).await;
    assert_eq!(
        town.desk.calls(),
        [
            "stage a.txt",
            "create [s-a.txt]",
            "create [s-a.txt]",
            "stage log.txt",
            "stage log.txt",
            "reply 1 [s-log.txt]"
        ]
    );
}

#[tokio::test]
async fn what_was_brought_for_a_message_that_is_refused_is_dropped() {
    let mut town = town(Attachments::Before { ticket_first: false }).await;
    town.desk.create_errors.lock().unwrap().push_back(refused());
    send(&mut town, HELP, &TWO).await;
    assert_eq!(
        town.desk.calls(),
        ["stage a.txt", "stage b.txt", "create [s-a.txt, s-b.txt]", "unstage s-a.txt", "unstage s-b.txt"]
    );
    assert!(matches!(town.aside()[0].state, State::Dead { .. }));
}

#[tokio::test]
async fn where_files_need_their_ticket_a_second_message_names_them() {
    let mut town = town(Attachments::Before { ticket_first: true }).await;
    town.desk.reply_errors.lock().unwrap().push_back(unknown());
    send(&mut town, HELP, &TWO).await;
    town.pass(Duration::from_secs(60)).await;
    assert_eq!(
        town.desk.calls(),
        [
            "create []",
            "stage a.txt to 1",
            "stage b.txt to 1",
            "reply 1 [s-a.txt, s-b.txt]",
            "reply 1 [s-a.txt, s-b.txt]"
        ]
    );
    let (_, text) = town.desk.replies.lock().unwrap()[0].clone();
    assert!(text.starts_with("[2 files attached.]\n\nvia Telegram, @ann · tb-"), "{text}");
    let created = town.desk.created.lock().unwrap()[0].text.clone();
    assert_ne!(text.rsplit_once("tb-").unwrap().1, created.rsplit_once("tb-").unwrap().1, "its own marker");
    send(&mut town, "And here is the log of today", &[("log.txt", "l")]).await;
    assert_eq!(town.desk.calls()[5..], ["stage log.txt to 1", "reply 1 [s-log.txt]"]);
}

#[tokio::test]
async fn a_second_message_that_was_made_after_all_is_not_made_again() {
    let mut town = town(Attachments::Before { ticket_first: true }).await;
    town.desk.reply_errors.lock().unwrap().push_back(unknown());
    town.desk.finds.lock().unwrap().push_back(Found::Reply(None));
    send(&mut town, HELP, &TWO[..1]).await;
    town.pass(Duration::from_secs(60)).await;
    assert_eq!(town.desk.calls(), ["create []", "stage a.txt to 1", "reply 1 [s-a.txt]"]);
    assert!(!town.sent.is_empty() && town.aside().is_empty());
}

#[tokio::test]
async fn a_refused_second_message_leaves_its_files_out_and_the_ticket_stands() {
    let mut town = town(Attachments::Before { ticket_first: true }).await;
    town.desk.reply_errors.lock().unwrap().push_back(refused());
    send(&mut town, HELP, &TWO[..1]).await;
    assert_eq!(town.desk.calls().last().unwrap(), "unstage s-a.txt");
    assert!(town.said(ANN).contains("refused a.txt: not this kind"), "{}", town.said(ANN));
    assert!(town.aside().is_empty());
}

#[tokio::test]
async fn files_go_inside_of_the_call_and_are_opened_again_for_the_next() {
    let mut town = town(Attachments::Inside).await;
    town.desk.create_errors.lock().unwrap().push_back(unknown());
    town.desk.finds.lock().unwrap().push_back(Found::Absent);
    send(&mut town, HELP, &TWO).await;
    town.pass(Duration::from_secs(60)).await;
    let create = "create [a.txt=one, b.txt=two]";
    assert_eq!(town.desk.calls(), [create, create]);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_left_out_of_the_call() {
    let mut town = town(Attachments::Inside).await;
    let mut what = with_files(HELP, &TWO);
    if let What::Message(message) = &mut what {
        message.files[0].at = Whereabouts::MailPart { raw: crate::model::ids::BlobId::new("none"), part: 0 };
    }
    let item = town.item(ANN, what);
    town.take(vec![item]).await;
    town.pass(Duration::from_secs(10)).await;
    assert_eq!(town.desk.calls(), ["create [b.txt=two]"]);
    assert!(town.desk.created.lock().unwrap()[0].text.contains("[Left out: a.txt"));
    assert!(town.said(ANN).contains("a.txt"), "{}", town.said(ANN));
}

#[tokio::test]
async fn a_create_that_was_made_after_all_takes_no_files_twice() {
    let mut town = town(Attachments::Inside).await;
    town.desk.create_errors.lock().unwrap().push_back(unknown());
    let created = Created { ticket: crate::model::ids::TicketId::new("7"), message: None };
    town.desk.finds.lock().unwrap().push_back(Found::Ticket(created));
    send(&mut town, HELP, &TWO).await;
    town.pass(Duration::from_secs(60)).await;
    assert_eq!(town.desk.calls().len(), 1);
    assert!(town.said(ANN).contains("#7"), "{}", town.said(ANN));
}

#[tokio::test]
async fn a_file_that_the_desk_dropped_without_a_word_is_told() {
    let mut town = Town::at(|able| {
        able.attachments = Attachments::Before { ticket_first: false };
        able.drops_files = true;
    })
    .await;
    town.link(ANN).await;
    town.desk.kept.lock().unwrap().push("A_1.TXT".to_owned());
    send(&mut town, HELP, &[("a.txt", "one"), ("b.exe", "two")]).await;
    let told: Vec<_> = town.notes(ANN).into_iter().map(|note| note.text.text.clone()).collect();
    assert!(told.iter().any(|text| text.contains("b.exe") && text.contains("did not keep")), "{told:?}");
    assert!(!told.iter().any(|text| text.contains("a.txt")), "{told:?}");
}

/// Of two files the first is brought with an unknown outcome; the desk has these when its message is there.
async fn of_unknown_fate(kept: &[&str]) -> Vec<String> {
    let mut town = Town::at(|able| {
        able.attachments = Attachments::Before { ticket_first: true };
        (able.binds_staged, able.drops_files) = (true, true);
    })
    .await;
    town.link(ANN).await;
    town.desk.stage_errors.lock().unwrap().push_back(unknown());
    town.desk.kept.lock().unwrap().extend(kept.iter().map(|name| (*name).to_owned()));
    send(&mut town, HELP, &TWO).await;
    town.pass(Duration::from_secs(60)).await;
    assert!(town.aside().is_empty());
    town.desk.calls()
}

#[tokio::test]
async fn what_a_message_takes_along_is_never_brought_twice() {
    let brought = ["create []", "stage a.txt to 1", "stage b.txt to 1", "reply 1 [s-b.txt]"];
    assert_eq!(of_unknown_fate(&["a.txt", "b.txt"]).await, brought, "it had arrived");
    let again = ["stage a.txt to 1", "reply 1 [s-a.txt]"];
    assert_eq!(of_unknown_fate(&["b.txt"]).await, [&brought[..], &again].concat(), "it had not");
}

// === reopening ===

async fn closed_ticket() -> Town {
    let mut town = Town::at(|able| able.reopen = Reopen::Call).await;
    town.link(ANN).await;
    send(&mut town, HELP, &[]).await;
    town.desk.set("1", TicketStatus::Closed);
    town.pass(Duration::from_secs(120)).await;
    send(&mut town, "It is down again since this morning", &[]).await;
    town
}

#[tokio::test]
async fn a_closed_ticket_that_can_be_opened_is_asked_about_and_opened() {
    let mut town = closed_ticket().await;
    assert_eq!(town.desk.calls(), ["create []"], "asked first");
    let same = town.button("To #1");
    town.press(ANN, &same).await;
    assert_eq!(town.desk.calls()[1..], ["reopen 1", "reply 1 []"]);
}

#[tokio::test]
async fn a_ticket_that_stays_closed_is_followed_by_a_new_one_that_names_it() {
    let mut town = closed_ticket().await;
    town.desk.reopen_errors.lock().unwrap().push_back(ApiError::Locked("for good".to_owned()));
    let same = town.button("To #1");
    town.press(ANN, &same).await;
    assert_eq!(town.desk.calls()[1..], ["reopen 1", "create []"]);
    assert!(town.desk.created.lock().unwrap()[1].text.contains("Goes on from ticket #1"));
    assert!(town.said(ANN).contains("#2"), "{}", town.said(ANN));
}

#[tokio::test]
async fn an_opened_ticket_that_is_locked_all_the_same_is_followed_by_a_new_one() {
    let mut town = closed_ticket().await;
    town.desk.reply_errors.lock().unwrap().push_back(ApiError::Locked("for good".to_owned()));
    let same = town.button("To #1");
    town.press(ANN, &same).await;
    assert_eq!(town.desk.calls()[1..], ["reopen 1", "reply 1 []", "create []"]);
}

// === gone, and no list ===

#[tokio::test]
async fn after_a_ticket_is_gone_the_next_message_opens_one_that_names_it() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    send(&mut town, HELP, &[]).await;
    town.desk.reply_errors.lock().unwrap().push_back(ApiError::NotFound("merged".to_owned()));
    send(&mut town, "It is down again since this morning", &[]).await;
    assert!(town.said(ANN).contains("Ticket #1 no longer exists"), "{}", town.said(ANN));
    send(&mut town, "So I write it once more to you", &[]).await;
    assert_eq!(town.desk.calls(), ["create []", "reply 1 []", "create []"]);
    let text = town.desk.created.lock().unwrap()[1].text.clone();
    assert!(text.contains("Goes on from ticket #1") && text.contains("no longer exists"), "{text}");
    send(&mut town, "And this belongs to the new one", &[]).await;
    assert_eq!(town.desk.calls()[3..], ["reply 2 []"]);
}

#[tokio::test]
async fn where_nothing_can_be_listed_the_known_tickets_are_shown() {
    let mut town = Town::at(|able| able.list = false).await;
    town.link(ANN).await;
    send(&mut town, HELP, &[]).await;
    town.write(ANN, &["/tickets"]).await;
    assert!(town.said(ANN).contains("#1 · Open"), "{}", town.said(ANN));
}
