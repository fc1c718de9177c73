//! Kills the bridge: about half of the times while a call of a step is open, else at any moment, its start included.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use ticket_bridge::sandbox::faults::{Fault, Faults};
use tokio::time::{Instant, sleep, timeout};

use super::ground::Ground;
use super::mail_sink::MailFault;

/// Calls that change something: each is the inside of a step.
const CHANGES: &[&str] = &[
    "create",
    "reply",
    "upload",
    "close",
    "sendMessage",
    "sendDocument",
    "sendPhoto",
    "sendMediaGroup",
    "editMessageText",
];
/// What is aimed at, as often as it stands here.
const AIMS: &[&str] = &[
    "create",
    "create",
    "reply",
    "reply",
    "reply",
    "upload",
    "upload",
    "sendMessage",
    "sendMessage",
    "mail",
];
/// What the desk sometimes does later than its caller waits, and still within `settle`.
const LATE_CALLS: &[&str] = &["create", "reply", "upload"];
const LATE: Duration = Duration::from_millis(1200);
/// Longer than any bridge lives here.
const FOR_EVER: Duration = Duration::from_secs(600);
/// What is aimed at may not come.
const LURKS: Duration = Duration::from_secs(4);
const READY: Duration = Duration::from_secs(20);

pub struct Reaper {
    pub kills: usize,
    pub inside: usize,
    /// The bridge was gone already when it was to be killed: why.
    pub ended_by_itself: Vec<String>,
    dice: StdRng,
}

impl Reaper {
    pub fn new(dice: StdRng) -> Self {
        Self { kills: 0, inside: 0, ended_by_itself: Vec::new(), dice }
    }

    /// Starts the bridge and kills it once.
    pub async fn strikes(&mut self, ground: &Ground) {
        let pause = self.dice.random_range(0..300);
        sleep(Duration::from_millis(pause)).await;
        let before = ground.telegram.polls();
        ground.bridge.start().unwrap();
        if self.dice.random_bool(0.3) {
            // Its caller gives up or is killed, looks, finds nothing, and the desk does it after all.
            ground.desk.does_late(LATE_CALLS[self.dice.random_range(0..LATE_CALLS.len())], LATE);
        }
        if self.inside * 2 <= self.kills {
            self.aims(ground, before).await;
        } else if self.dice.random_bool(0.2) {
            sleep(Duration::from_millis(self.dice.random_range(0..600))).await; // perhaps before it is up
        } else {
            listens(ground, before).await;
            sleep(Duration::from_millis(self.dice.random_range(0..2500))).await;
        }
        if !ground.bridge.is_running() {
            self.ended_by_itself.push(ground.bridge.last_words());
        }
        let open = open_changes(ground);
        ground.bridge.kill();
        self.kills += 1;
        self.inside += usize::from(!open.is_empty());
    }

    /// Waits until a call of a step is open at its other side: received, or done and not answered.
    async fn aims(&mut self, ground: &Ground, before: u64) {
        listens(ground, before).await;
        sleep(Duration::from_millis(self.dice.random_range(0..800))).await;
        // Where files are inside their message there is no call for them.
        let uploads = ground.desk.dialect().takes_uploads();
        let aims: Vec<&str> = AIMS.iter().copied().filter(|aim| uploads || *aim != "upload").collect();
        let aim = aims[self.dice.random_range(0..aims.len())];
        let committed = self.dice.random_bool(0.5);
        let moment = Duration::from_millis(self.dice.random_range(0..40));
        if aim == "mail" {
            let fault = if committed { MailFault::Hang(FOR_EVER) } else { MailFault::HoldBefore(FOR_EVER) };
            ground.sink.next(fault);
            wait_until(|| ground.sink.is_open()).await;
        } else {
            let fault = if committed { Fault::Hang(FOR_EVER) } else { Fault::HoldBefore(FOR_EVER) };
            let faults =
                if aim.starts_with("send") { ground.telegram.faults() } else { ground.desk.faults() };
            let so_far = held(faults, fault);
            faults.next(aim, fault);
            wait_until(|| held(faults, fault) > so_far).await;
        }
        sleep(moment).await;
    }
}

/// Calls of steps that are open at this moment.
pub fn open_changes(ground: &Ground) -> Vec<String> {
    let mut open: Vec<String> = ground.all_faults().iter().flat_map(|faults| faults.open_calls()).collect();
    open.retain(|call| CHANGES.contains(&call.as_str()));
    if ground.sink.is_open() {
        open.push("mail".to_owned());
    }
    open
}

fn held(faults: &Faults, fault: Fault) -> usize {
    faults.counts().by_fault.get(fault.name()).copied().unwrap_or_default()
}

async fn listens(ground: &Ground, before: u64) {
    let begun = Instant::now();
    while ground.telegram.polls() == before && ground.bridge.is_running() && begun.elapsed() < READY {
        sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_until(mut seen: impl FnMut() -> bool) {
    let waiting = async {
        while !seen() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let _ = timeout(LURKS, waiting).await; // Then it is killed at that moment instead.
}
