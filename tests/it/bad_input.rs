//! Bad input, as the people meet it: a clear answer, nothing lost, and the neighbours go on.

use std::{path::PathBuf, time::Duration};

use ticket_bridge::sandbox::{
    desk::DeskStandIn,
    faults::Fault,
    telegram::SentMessage,
    town::{HARBOUR, Town, TownPlan},
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn town() -> Town {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
    let town = Town::build(TownPlan::new(program)).await.unwrap();
    town.start_bridge().await.unwrap();
    town
}

/// Mara's chat belongs to Harbour Coffee.
async fn linked_town() -> Town {
    let town = town().await;
    let code = town.link_code(HARBOUR).await.unwrap();
    town.mara.presses_start(&code);
    let question = answer(&town, "the question", |m| m.button("Yes").is_some()).await;
    town.mara.presses(question.message_id, "Yes").unwrap();
    answer(&town, "the welcome", |m| m.words().contains("now belongs to")).await;
    town
}

async fn answer(town: &Town, what: &str, fits: impl Fn(&SentMessage) -> bool) -> SentMessage {
    let found = town.telegram.wait_for(town.mara.chat_id(), fits, PATIENCE).await;
    found.unwrap_or_else(|| {
        let seen: Vec<String> =
            town.telegram.messages_in(town.mara.chat_id()).iter().map(|m| m.words().to_owned()).collect();
        panic!("{what} did not come; the chat shows {seen:#?}\n{}", town.bridge.last_words())
    })
}

async fn desk_shows(town: &Town, text: &str) {
    let shows = |desk: &DeskStandIn| (!desk.find_text(text).is_empty()).then_some(());
    let shown = town.desk.wait_for(shows, PATIENCE).await;
    shown.unwrap_or_else(|_| panic!("the desk never shows {text:?}\n{}", town.bridge.last_words()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_that_is_too_large_the_text_is_filed_and_the_customer_told() {
    let town = linked_town().await;
    town.mara.sends_document("dump.bin", vec![7u8; 12_000_000], "here is the dump of server 4");
    desk_shows(&town, "here is the dump of server 4").await;
    answer(&town, "the refusal", |m| m.words().contains("dump.bin") && m.words().contains("12 MB")).await;
    let tickets = town.desk.tickets(HARBOUR.id);
    assert_eq!(tickets.len(), 1);
    assert!(tickets[0].attachments.is_empty());
    assert!(
        tickets[0].description.contains("dump.bin"),
        "staff see what is missing: {}",
        tickets[0].description
    );
    assert_eq!(town.desk.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_kind_that_does_not_exist_yet_stops_nothing() {
    let town = linked_town().await;
    let strange = serde_json::json!({ "hologram": { "from": { "id": 1 }, "depth": [1, { "x": null }] } });
    town.telegram.pushes(strange.as_object().unwrap().clone());
    let broken = serde_json::json!({ "message": { "message_id": "seven", "chat": 12 } });
    town.telegram.pushes(broken.as_object().unwrap().clone());
    town.mara.says("does this still arrive after the hologram?");
    desk_shows(&town, "does this still arrive after the hologram?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mail_is_answered_and_its_neighbours_are_filed() {
    let town = town().await;
    town.jonas.sends(town.jonas.letter("Nothing in it", "")).await.unwrap();
    town.post.deliver(b"\xff\xfe\x00 this is no mail at all \r\n\r\n\x00\x01").await.unwrap();
    town.jonas.sends(town.jonas.letter("Something in it", "Our order 4711 is late.")).await.unwrap();
    desk_shows(&town, "Our order 4711 is late.").await;
    let told = |mail: &[u8]| String::from_utf8_lossy(mail).contains("neither text nor a file");
    let answered = town.post.wait_for_mail(told, PATIENCE).await;
    answered.unwrap_or_else(|e| panic!("the empty mail is not answered: {e}\n{}", town.bridge.last_words()));
    assert!(town.desk.find_text("Nothing in it").is_empty());
}

/// What a ticket API may answer instead of what was asked for; each ends in exactly one ticket.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_desk_answers_each_message_is_filed_once() {
    let town = linked_town().await;
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::RetryAfter(1),
        Fault::Garbage,
        Fault::Empty,
        Fault::LoseAnswer,
        Fault::CutBefore,
        Fault::AnswerThen500,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let text = format!("order {number}-{number} has not arrived, answered by {}", fault.name());
        town.desk.faults().next("reply", fault);
        town.mara.says(&text);
        desk_shows(&town, &text).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await; // Longer than settle: a second filing would be there by then.
    for number in 0..8 {
        let found = town.desk.find_text(&format!("order {number}-{number} has"));
        assert_eq!(found.len(), 1, "order {number}: {found:?}\n{}", town.bridge.last_words());
    }
    assert_eq!(town.desk.tickets(HARBOUR.id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_parks_nothing_and_the_message_is_filed_once_the_key_works() {
    let town = linked_town().await;
    town.desk.revoke_key(HARBOUR.id);
    town.mara.says("is anybody there while the key is wrong?");
    let told = |m: &SentMessage| m.words().contains("has failed since");
    let alert = town.telegram.wait_for(town.group.id(), told, PATIENCE).await;
    assert!(alert.is_some(), "the admins were not told\n{}", town.bridge.last_words());
    assert!(town.desk.find_text("is anybody there").is_empty());
    town.desk.add_account(HARBOUR.id, HARBOUR.key);
    desk_shows(&town, "is anybody there while the key is wrong?").await;
}
