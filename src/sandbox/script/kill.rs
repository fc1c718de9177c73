//! The bridge is killed while a call of it is open at the desk, and started again.

use std::time::Duration;

use tokio::time::timeout;

use super::{Journey, Outcome, PATIENCE, Why, insist, why};
use crate::sandbox::desk::{DeskStandIn, Dialect};
use crate::sandbox::faults::Fault;

const MAILS: usize = 16;
const TEXTS: usize = 8;
/// Longer than the leg: the answer never comes.
const NO_ANSWER: Duration = Duration::from_secs(60);
/// The town's `settle` and a poll: by then a second attempt at anything would be visible.
const AFTERMATH: Duration = Duration::from_secs(4);

const LOOK_AGAIN: Duration = Duration::from_millis(300);

pub(super) async fn in_the_middle_of_a_batch(journey: &Journey) -> Outcome {
    let town = &journey.town;
    let (mails, texts) = (words("mail", MAILS), words("text", TEXTS));
    // One ticket is created, and its answer held back: whether it exists is unknown to who dies then.
    town.desk.faults().next("create", Fault::Hang(NO_ANSWER));
    // Others have to be tried again, so that the batch is not over too soon.
    for _ in 0..MAILS / 2 {
        town.desk.faults().next("create", surely_refused(journey.dialect));
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
    // The call that hung was open in any case; a 429 holds the others up for a moment only.
    let is_half_way = at_the_kill < all.len() || !journey.dialect.lists_tickets();
    insist(is_half_way, "the batch was over before the bridge could be killed")?;

    town.start_bridge().await?;
    if journey.dialect.lists_tickets() {
        journey
            .desk_shows("the whole batch after the restart", |desk| (filed(desk) == all.len()).then_some(()))
            .await?;
    } else {
        timeout(PATIENCE, filed_or_parked(journey, &all))
            .await
            .map_err(|_| why("a message is nowhere"))??;
    }
    tokio::time::sleep(AFTERMATH).await;
    never_twice(&town.desk, &all)?;
    in_order(&town.desk, &texts)
}

/// Without a list nobody can know what became of the creates that were open at the kill: they are not sent
/// again, but stand in the queue for a person to decide.
async fn filed_or_parked(journey: &Journey, words: &[&String]) -> Outcome {
    loop {
        let missing = |word: &&&String| journey.town.desk.find_text(word).is_empty();
        let missing: Vec<_> = words.iter().filter(missing).collect();
        let parked = if missing.is_empty() { String::new() } else { parked(journey).await? };
        if missing.iter().all(|word| parked.contains(word.as_str())) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// All that is stored of the jobs that wait for a person.
async fn parked(journey: &Journey) -> Result<String, Why> {
    let bridge = &journey.town.bridge;
    let queue = bridge.says(&["queue", "list", "--json"]).await?;
    let queue: serde_json::Value =
        serde_json::from_str(&queue).map_err(|error| why(format!("the queue cannot be read: {error}")))?;
    let jobs = queue.get("jobs").and_then(|jobs| jobs.as_array()).into_iter().flatten();
    let mut all = String::new();
    for id in jobs.filter_map(|job| job.get("id")?.as_u64()) {
        all += &bridge.says(&["queue", "show", "--json", &id.to_string()]).await.unwrap_or_default();
    }
    Ok(all)
}

/// What is tried again. Without a list nobody can know what became of a create that ended in a 500.
fn surely_refused(dialect: Dialect) -> Fault {
    Fault::Status(if dialect.lists_tickets() { 500 } else { 429 })
}

/// Words that nothing else contains, so that one is not found in another.
fn words(kind: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-k{number:02}q")).collect()
}

fn never_twice(desk: &DeskStandIn, words: &[&String]) -> Outcome {
    let doubled = words.iter().find_map(|word| {
        let times = desk.find_text(word).len();
        (times > 1).then(|| why(format!("{word} stands at the desk {times} times")))
    });
    doubled.map_or(Ok(()), Err)
}

/// What Mara wrote stands in the order in which she wrote it.
fn in_order(desk: &DeskStandIn, words: &[String]) -> Result<(), Why> {
    let mut places = Vec::new();
    for word in words {
        let Some((ticket, message)) = desk.find_text(word).into_iter().next() else { continue };
        let texts = desk.ticket(ticket).map(|ticket| match message {
            None => ticket.description,
            Some(id) => ticket.message(id).map(|message| message.text.clone()).unwrap_or_default(),
        });
        places.push((ticket, message, texts.unwrap_or_default().find(word.as_str())));
    }
    insist(places.is_sorted(), format!("Mara's texts changed their order: {places:?}"))
}
