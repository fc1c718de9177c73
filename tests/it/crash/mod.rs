//! Nothing is lost and nothing doubled, whatever moment the bridge is killed at and however its servers answer.

mod each_step;
mod ground;
mod mail_sink;
mod reaper;
mod soak;
mod tally;
mod traffic;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ticket_bridge::sandbox::desk::Dialect;
use ticket_bridge::sandbox::faults::Fault;
use tokio::time::{Instant, sleep};

use self::ground::{AFTERMATH, Admins, Ground};
use self::reaper::Reaper;
use self::tally::{Sides, Tally};
use self::traffic::Crowd;

/// How much is played; the environment says more, or repeats a seed.
struct Size {
    kills: usize,
    messages: usize,
    seed: u64,
}

impl Size {
    /// Unless the environment says otherwise.
    fn of(kills: usize, messages: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let of = |name, unset| number(name).and_then(|value| usize::try_from(value).ok()).unwrap_or(unset);
        let seed = number("CRASH_SEED").unwrap_or(20_261_121);
        Self { kills: of("CRASH_KILLS", kills), messages: of("CRASH_MESSAGES", messages), seed }
    }
}

/// Faults at the desk and at Telegram, each about as often; of Telegram's, none holds back what customers write.
const RATE: f64 = 0.16;
const SLOW: Duration = Duration::from_millis(1500);
const AT_THE_DESK: &[Fault] = &[
    Fault::Status(500),
    Fault::Status(503),
    Fault::RetryAfter(1),
    Fault::Hang(SLOW),
    Fault::CutBefore,
    Fault::LoseAnswer,
    Fault::Garbage,
    Fault::Empty,
    Fault::AnswerThen500,
];
const AT_TELEGRAM: &[Fault] = &[
    Fault::LoseAnswer,
    Fault::CutBefore,
    Fault::CutBefore,
    Fault::RetryAfter(1),
    Fault::RetryAfter(1),
    Fault::Status(500),
    Fault::Garbage,
];
/// One cycle of a start and a kill takes about so long; what is written comes over this time.
const CYCLE: Duration = Duration::from_millis(2000);
/// At the end the bridge has so long to get something done, again and again.
const STUCK: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm() {
    blows(Dialect::Paradarum, Size::of(12, 120)).await;
}

/// What differs between the desks is how a call's outcome is found out.
mod at {
    use super::{Dialect, Size, blows};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn i3d() {
        blows(Dialect::I3d, Size::of(8, 80)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whmcs() {
        blows(Dialect::Whmcs, Size::of(8, 80)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keliweb() {
        blows(Dialect::Keliweb, Size::of(8, 80)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn hostup() {
        blows(Dialect::Hostup, Size::of(8, 80)).await;
    }
}

async fn blows(dialect: Dialect, size: Size) {
    println!(
        "{dialect:?} CRASH_SEED={} CRASH_KILLS={} CRASH_MESSAGES={}",
        size.seed, size.kills, size.messages
    );
    let mut dice = StdRng::seed_from_u64(size.seed);
    let ground = Ground::open(Admins::InTheirGroup, dialect).await;
    ground.start().await;
    ground.baselines().await;
    let chats = (size.messages / 30).clamp(6, 150);
    let mut crowd = Crowd::gather(&ground, chats, StdRng::seed_from_u64(dice.random())).await;
    let mut reaper = Reaper::new(StdRng::seed_from_u64(dice.random()));

    let calm = calls_and_faults(&ground);
    breaks_out(&ground, dice.random());
    for kill in 1..=size.kills {
        let due = size.messages * kill / size.kills;
        tokio::join!(crowd.speaks(&ground, due, CYCLE), reaper.strikes(&ground));
    }
    let stormy = calls_and_faults(&ground);
    let (calls, faults) = (stormy.0 - calm.0, stormy.1 - calm.1);
    ground.desk.faults().stop();
    ground.telegram.faults().stop();
    ground.sink.stop();
    ground.start().await;
    drains(&ground, &crowd).await;

    let left = ground.left();
    let tally = Sides::look(&ground, &crowd).judge(&ground, &crowd, &left);
    let repeats = ground.log_about(&["A send of unknown outcome is repeated".to_owned()]).len();
    println!(
        "kills {} · inside a step {} · faults {faults} · after commit {} · in {} · lost {} · doubled {} · \
         parked {} · repeats to channels {repeats}",
        reaper.kills,
        reaper.inside,
        after_commit(&ground),
        tally.said,
        tally.lost.len(),
        tally.doubled.len(),
        tally.parked,
    );
    let mut wrong = wrongs(&tally);
    wrong.extend(reaper.ended_by_itself.iter().map(|words| format!("the bridge ended by itself: {words}")));
    wrong.extend(ground.desk.violations().into_iter().map(|what| format!("against the contract: {what}")));
    let mut insist = |fits: bool, what: String| {
        if !fits {
            wrong.push(what);
        }
    };
    insist(reaper.inside * 3 >= reaper.kills, format!("only {} kills were inside a step", reaper.inside));
    insist(faults * 10 >= calls, format!("only {faults} of {calls} calls were faulted"));
    insist(repeats <= reaper.kills + faults, format!("{repeats} repeats to channels"));
    let again = tally.received_again;
    insist(
        again <= repeats,
        format!("{again} messages of staff came again, but {repeats} repeats are recorded"),
    );
    if !wrong.is_empty() {
        ground.folder.keep();
        let folder = ground.folder.path().display();
        panic!("CRASH_SEED={}; the folder is {folder}\n{}", size.seed, wrong.join("\n"));
    }
}

fn breaks_out(ground: &Ground, seed: u64) {
    ground.desk.faults().rate(AT_THE_DESK, RATE, seed);
    ground.telegram.faults().rate(AT_TELEGRAM, RATE, seed);
    ground.sink.rate(RATE, seed);
}

fn calls_and_faults(ground: &Ground) -> (usize, usize) {
    let (mails, mail_faults, _) = ground.sink.counts();
    let counts = ground.all_faults().map(|faults| faults.counts());
    let calls: usize = counts.iter().map(|counts| counts.calls).sum();
    let faults: usize = counts.iter().map(|counts| counts.total()).sum();
    (calls + mails, faults + mail_faults)
}

fn after_commit(ground: &Ground) -> usize {
    let (_, _, mails) = ground.sink.counts();
    mails + ground.all_faults().iter().map(|faults| faults.counts().after_commit).sum::<usize>()
}

/// Waits until everything has arrived and nothing is under way, as long as something still happens.
async fn drains(ground: &Ground, crowd: &Crowd) {
    let mut before = (usize::MAX, u64::MAX);
    let mut moved = Instant::now();
    loop {
        let missing = Sides::look(ground, crowd).missing(crowd);
        let live = ground.live().await.unwrap_or(u64::MAX);
        if missing == 0 && live == 0 && ground.telegram.pending_updates() == 0 {
            break;
        }
        if (missing, live) != before {
            before = (missing, live);
            moved = Instant::now();
        }
        if live == 0 && moved.elapsed() > 3 * AFTERMATH {
            return; // What is parked does not arrive; the verdict knows which.
        }
        if moved.elapsed() > STUCK {
            println!("stuck: {missing} messages have not arrived, {live} jobs are under way");
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
    sleep(AFTERMATH).await;
}

fn wrongs(tally: &Tally) -> Vec<String> {
    let kinds = [
        ("lost", &tally.lost),
        ("doubled", &tally.doubled),
        ("misplaced", &tally.misplaced),
        ("out of order", &tally.misordered),
    ];
    kinds.iter().flat_map(|(kind, all)| all.iter().map(move |what| format!("{kind}: {what}"))).collect()
}
