//! Mixed traffic with faults and no kills for as long as one likes: what the bridge takes of the machine after
//! five minutes stands beside what it takes at the end.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use ticket_bridge::sandbox::desk::Dialect;
use tokio::time::{Instant, sleep};

use super::ground::{Admins, Ground};
use super::tally::Sides;
use super::traffic::Crowd;
use super::{AT_TELEGRAM, AT_THE_DESK, drains, wrongs};

/// One call in so many fails: enough for each kind of fault to come up every minute.
const RATE: f64 = 0.04;
const CHATS: usize = 60;
const A_SECOND: usize = 2;
const WARM: Duration = Duration::from_secs(300);

/// What the bridge takes of the machine.
struct Takes {
    memory_kib: u64,
    files: usize,
    disk_kib: u64,
}

/// `SOAK_MINUTES` says how long, 60 unless told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes an hour"]
async fn soak() {
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|value| value.parse().ok()).unwrap_or(60);
    let ground = Ground::open(Admins::Nowhere, Dialect::Paradarum).await;
    ground.start().await;
    ground.baselines().await;
    let mut crowd = Crowd::gather(&ground, CHATS, StdRng::seed_from_u64(20_261_121)).await;
    ground.desk.faults().rate(AT_THE_DESK, RATE, 1);
    ground.telegram.faults().rate(AT_TELEGRAM, RATE, 2);
    ground.sink.rate(RATE, 3);

    let begun = Instant::now();
    let mut warm = None;
    let second = Duration::from_secs(1);
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        let due = crowd.spoken() + A_SECOND;
        tokio::join!(crowd.speaks(&ground, due, second / 2), sleep(second));
        if warm.is_none() && begun.elapsed() >= WARM {
            warm = Some((crowd.spoken(), takes(&ground)));
        }
    }
    let (spoken, at_the_end) = (crowd.spoken(), takes(&ground));
    if let Some((spoken, warm)) = &warm {
        println!("after {WARM:?}: {spoken} messages, {warm}");
    }
    println!("after {minutes} min: {spoken} messages, {at_the_end}");
    ground.desk.faults().stop();
    ground.telegram.faults().stop();
    ground.sink.stop();
    drains(&ground, &crowd).await;
    println!("drained: {}", takes(&ground));
    let left = ground.left();
    let tally = Sides::look(&ground, &crowd).judge(&ground, &crowd, &left);
    println!(
        "in {} · lost {} · doubled {} · parked {}",
        tally.said,
        tally.lost.len(),
        tally.doubled.len(),
        tally.parked
    );
    let wrong = wrongs(&tally);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (memory, files, disk) = (self.memory_kib, self.files, self.disk_kib);
        write!(f, "{memory} KiB of memory, {files} open files, {disk} KiB on disk")
    }
}

fn takes(ground: &Ground) -> Takes {
    let process = ground.bridge.id().expect("the bridge runs");
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Takes {
        memory_kib: memory.trim().trim_end_matches(" kB").parse().unwrap(),
        files: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
        disk_kib: bytes_in(&ground.folder.path().join("state")) / 1024,
    }
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?; // What is gone meanwhile takes nothing.
        Some(if metadata.is_dir() { bytes_in(&entry.path()) } else { metadata.len() })
    });
    sizes.sum()
}
