//! `backfill`: mail that was left alone is filed after all, once, because a person says so.

use std::{path::PathBuf, time::Duration};

use ticket_bridge::sandbox::town::{NORDLICHT, Town, TownPlan};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn mail_from_before_the_first_start_is_filed_once_when_an_admin_asks_for_it() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
    let town = Town::build(TownPlan::new(program)).await.unwrap();
    let jonas = &town.jonas;
    jonas.sends(jonas.letter("An old question", "Please look at word-of-old.")).await.unwrap();
    let mailbox = "support";
    let no_daemon = town.bridge.says(&["backfill", mailbox, "--since", "2020-01-01"]).await.unwrap_err();
    assert!(no_daemon.to_string().contains("no daemon runs"), "{no_daemon}");

    town.start_bridge().await.unwrap();
    jonas.sends(jonas.letter("A new question", "Please look at word-of-new.")).await.unwrap();
    filed(&town, "word-of-new").await;
    assert_eq!(town.desk.find_text("word-of-old").len(), 0, "it was there before");
    for again in 1..=2 {
        town.bridge.says(&["backfill", mailbox, "--since", "2020-01-01"]).await.unwrap();
        filed(&town, "word-of-old").await;
        let word = format!("word-behind-{again}");
        jonas.sends(jonas.letter("Another", &format!("Please look at {word}."))).await.unwrap();
        filed(&town, &word).await;
    }
    assert_eq!(town.desk.tickets(NORDLICHT.id).len(), 4);
    let wrong = town.bridge.says(&["backfill", "nobody", "--since", "2020-01-01"]).await.unwrap_err();
    assert!(wrong.to_string().contains("there is no mailbox nobody"), "{wrong}");
}

async fn filed(town: &Town, word: &str) {
    let found = town.desk.wait_for(|desk| desk.find_text(word).first().copied(), PATIENCE).await;
    assert!(found.is_ok(), "{word} was not filed: {}", town.bridge.last_words());
}
