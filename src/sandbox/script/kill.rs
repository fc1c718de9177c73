//! The bridge is killed while a call of it is open at the desk, and started again.

use std::time::Duration;

use super::{Journey, Outcome, Why, insist, why};
use crate::sandbox::desk::DeskStandIn;
use crate::sandbox::faults::Fault;

const MAILS: usize = 16;
const TEXTS: usize = 8;
/// Longer than the leg: the answer never comes.
const NO_ANSWER: Duration = Duration::from_secs(60);
/// The town's `settle` and a poll: by then a second attempt at anything would be visible.
const AFTERMATH: Duration = Duration::from_secs(4);

pub(super) async fn in_the_middle_of_a_batch(journey: &Journey) -> Outcome {
    let town = &journey.town;
    let (mails, texts) = (words("mail", MAILS), words("text", TEXTS));
    // One ticket is created, and its answer held back: whether it exists is unknown to who dies then.
    town.desk.faults().next("create", Fault::Hang(NO_ANSWER));
    // Others have to be tried again, so that the batch is not over too soon.
    for _ in 0..MAILS / 2 {
        town.desk.faults().next("create", Fault::Status(500));
    }
    for word in &mails {
        town.jonas
            .sends(town.jonas.letter(&format!("Order {word}"), &format!("Please confirm {word}.")))
            .await?;
    }
    for word in &texts {
        town.mara.says(&format!("Item {word} arrived."));
    }
    let all: Vec<&String> = mails.iter().chain(&texts).collect();
    let filed = |desk: &DeskStandIn| all.iter().filter(|word| !desk.find_text(word).is_empty()).count();
    journey
        .desk_shows("the first third of the batch", |desk| (filed(desk) >= all.len() / 3).then_some(()))
        .await?;

    let hangs =
        |desk: &DeskStandIn| desk.faults().counts().by_fault.contains_key(Fault::Hang(NO_ANSWER).name());
    journey.desk_shows("an open call", |desk| hangs(desk).then_some(())).await?;
    town.bridge.kill();
    let at_the_kill = filed(&town.desk);
    town.desk.faults().stop();
    insist(at_the_kill < all.len(), "the batch was over before the bridge could be killed")?;

    town.start_bridge().await?;
    journey
        .desk_shows("the whole batch after the restart", |desk| (filed(desk) == all.len()).then_some(()))
        .await?;
    tokio::time::sleep(AFTERMATH).await;
    once_each(&town.desk, &all)?;
    in_order(&town.desk, &texts)
}

/// Words that nothing else contains, so that one is not found in another.
fn words(kind: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-k{number:02}q")).collect()
}

fn once_each(desk: &DeskStandIn, words: &[&String]) -> Outcome {
    let wrong = words.iter().find_map(|word| {
        let times = desk.find_text(word).len();
        (times != 1).then(|| why(format!("{word} stands at the desk {times} times")))
    });
    wrong.map_or(Ok(()), Err)
}

/// What Mara wrote stands in the order in which she wrote it.
fn in_order(desk: &DeskStandIn, words: &[String]) -> Result<(), Why> {
    let mut places = Vec::new();
    for word in words {
        let (ticket, message) =
            desk.find_text(word).into_iter().next().ok_or_else(|| why("a text is lost"))?;
        let texts = desk.ticket(ticket).map(|ticket| match message {
            None => ticket.description,
            Some(id) => ticket.message(id).map(|message| message.text.clone()).unwrap_or_default(),
        });
        places.push((ticket, message, texts.unwrap_or_default().find(word.as_str())));
    }
    insist(places.is_sorted(), format!("Mara's texts changed their order: {places:?}"))
}
