//! When trouble is told, by tables; and that a restart tells nothing twice.

use tokio::sync::watch;

use super::*;
use crate::bridge::delivery::world::World;
use crate::bridge::observed::plain;
use crate::bridge::sources::SourceTrouble;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn patience() -> Patience {
    Patience { notice: Duration::from_secs(180), stall: Duration::from_secs(3600) }
}

fn down(since: i64) -> Observed {
    Observed { what: "Telegram".into(), ..plain("source/Telegram", at(since), "connection refused") }
}

fn told(deadline_told: bool) -> HashMap<String, Told> {
    HashMap::from([("source/Telegram".to_owned(), down(0).told(deadline_told))])
}

fn said(observed: &[Observed], told: &HashMap<String, Told>, now: i64) -> Vec<&'static str> {
    let say = judge(observed, told, &HashMap::new(), at(0), at(now), &patience());
    say.iter()
        .map(|say| match say {
            Say::Trouble(_) => "trouble",
            Say::Deadline(..) => "deadline",
            Say::Over(..) => "over",
        })
        .collect()
}

#[test]
fn transient_trouble_is_told_after_three_minutes_once_and_once_when_it_is_over() {
    let nothing = HashMap::new();
    assert_eq!(said(&[down(0)], &nothing, 179), [""; 0]);
    assert_eq!(said(&[down(0)], &nothing, 180), ["trouble"]);
    assert_eq!(said(&[down(0)], &told(false), 500), [""; 0]);
    assert_eq!(said(&[], &told(false), 500), ["over"]);
    assert_eq!(said(&[], &nothing, 500), [""; 0], "what was not told is not told to be over");
}

#[test]
fn a_refused_key_is_told_at_once() {
    let refused = Observed { at_once: true, ..down(0) };
    assert_eq!(said(&[refused], &HashMap::new(), 0), ["trouble"]);
}

#[test]
fn a_source_that_drops_what_waits_names_the_deadline_after_an_hour() {
    let telegram = Observed { keeps: Some(Duration::from_secs(86_400)), ..down(0) };
    let now = std::slice::from_ref(&telegram);
    assert_eq!(said(now, &told(false), 3599), [""; 0]);
    assert_eq!(said(now, &told(false), 3600), ["deadline"]);
    assert_eq!(said(now, &told(true), 7200), [""; 0]);
    assert_eq!(said(&[down(0)], &told(false), 7200), [""; 0], "mail stays on its server");
}

#[test]
fn a_restart_alone_does_not_end_a_trouble() {
    assert_eq!(said(&[], &told(false), 100), [""; 0], "nobody has tried yet");
    assert_eq!(said(&[], &told(false), 180), ["over"]);
}

#[test]
fn trouble_that_could_not_be_told_is_told_when_it_is_over() {
    let unsaid = told(false);
    let say = judge(&[], &HashMap::new(), &unsaid, at(0), at(1), &patience());
    assert!(matches!(&say[..], [Say::Over(_, told)] if told.what == "Telegram"));
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_the_end_of_it_is_told_all_the_same() {
    let mut world = World::new().await;
    let (health, trouble) = watch::channel(Some(SourceTrouble {
        since: world.bridge().now(),
        what: "connection refused".into(),
        stopped: false,
        starting: false,
    }));
    let sources = [Watched {
        name: "Mailbox support".into(),
        meaning: "mails stay on the server".into(),
        todo: None,
        mailbox: None,
        keeps: None,
        trouble,
    }];
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let begin = |world: &World| {
        let mut watch = Watch { began: world.bridge().now(), told: HashMap::new(), unsaid: HashMap::new() };
        watch.recall(world.bridge(), &sources).unwrap();
        watch
    };
    let mut watch = begin(&world);
    for _ in 0..10 {
        watch.turn(world.bridge(), &sources).await.unwrap();
        world.drain().await;
        world.clock.advance(minutes(1));
    }
    world.restart();
    let mut watch = begin(&world);
    watch.turn(world.bridge(), &sources).await.unwrap();
    world.drain().await;
    assert_eq!(world.to_admins().len(), 1);
    assert!(world.to_admins()[0].contains("Mailbox support has failed"));
    world.clock.advance(minutes(5));
    health.send(None).unwrap();
    for _ in 0..2 {
        watch.turn(world.bridge(), &sources).await.unwrap();
        world.drain().await;
    }
    assert_eq!(world.to_admins().len(), 2);
    assert!(world.to_admins()[1].contains("works again"));
}
