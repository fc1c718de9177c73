//! Damage, disk trouble and the ways on: everything acknowledged is there, or it is told.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    dump::DumpError,
    opening::Files,
    tests::{START, Town, arrival, filing, job, message},
    *,
};
use crate::model::job::State;

const ITEMS: usize = 2400;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A state directory that has seen traffic, a backup of its first half, and what was acknowledged.
struct Seen {
    _home: tempfile::TempDir,
    dir: PathBuf,
    backup: PathBuf,
    acknowledged: Vec<String>,
    clock: Clock,
    conversations: u64,
}

async fn seen() -> Seen {
    let home = tempfile::tempdir().unwrap();
    let (dir, backup) = (home.path().join("state"), home.path().join("backup"));
    let clock = Clock::stopped_at(START);
    let store = open(&dir, &clock, false).unwrap();
    let mut acknowledged = Vec::new();
    let mut conversations = 0;
    let lease = store.take_source("bot").await.unwrap();
    for batch in 0..ITEMS / 100 {
        let arrivals = (0..100).map(|n| {
            let key = format!("item {batch}/{n}");
            let task = filing(n, vec![message(&format!("{key} {}", "text ".repeat(150)))]);
            acknowledged.push(key.clone());
            arrival(&key, vec![NewJob { task, ..job(n, &key) }])
        });
        let arrivals = arrivals.collect();
        conversations = store.next_conversation().0;
        store.accept(&lease, arrivals, Cursor(batch.to_string())).await.unwrap();
        for claim in store.claim(20) {
            store.finish(claim, vec![], vec![]).await.unwrap();
        }
        if batch == ITEMS / 200 {
            store.backup(&backup).await.unwrap();
        }
        clock.advance(Duration::from_secs(60));
    }
    drop(store);
    // A second start, so that there is a snapshot.
    drop(open(&dir, &clock, false).unwrap());
    Seen { _home: home, dir, backup, acknowledged, clock, conversations }
}

fn open(dir: &Path, clock: &Clock, after_loss: bool) -> Result<Store, OpenError> {
    let options = Options {
        dir: dir.to_owned(),
        clock: clock.clone(),
        after_loss,
        spool_bytes: 1 << 30,
        most_jobs: 100_000,
    };
    Ok(Store::open(options)?.0)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn cut(path: &Path, by: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(by)).unwrap();
}

impl Seen {
    fn missing(&self, store: &Store) -> usize {
        let lost = |key: &&String| {
            let id = store.job_of_key(key).ok().flatten();
            let job = id.and_then(|id| store.job(id).ok().flatten());
            !store.is_known(key).unwrap_or(false) || job.is_none_or(|(job, _)| job.key != **key)
        };
        self.acknowledged.iter().filter(lost).count()
    }

    /// Whether it opened with everything; otherwise both ways on are walked.
    async fn survive(&self, what: &str, damage: impl Fn(&Files)) -> bool {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("state");
        copy(&self.dir, &dir);
        damage(&Files::of(&dir));
        let text = match open(&dir, &self.clock, false) {
            Ok(store) => {
                assert_eq!(self.missing(&store), 0, "{what}: opened without a word");
                assert_eq!(store.look_first_until(), None);
                return true;
            }
            Err(OpenError::Lost(text)) => text,
            Err(other) => panic!("{what}: {other}"),
        };
        assert!(text.contains("may be missing"), "{what}: {text}");
        assert!(matches!(open(&dir, &self.clock, false), Err(OpenError::Lost(_))), "{what}: forgotten");
        let other = home.path().join("other");
        copy(&dir, &other);
        self.go_on(what, &dir).await;
        Store::restore(&self.backup, &other, &self.clock).unwrap();
        let store = self.check(what, &other, false).await;
        assert_eq!(self.missing(&store), ITEMS / 2 - 100, "{what}: not as the backup was");
        false
    }

    async fn go_on(&self, what: &str, dir: &Path) {
        drop(self.check(what, dir, true).await);
        // Once decided, it is an ordinary store.
        let store = open(dir, &self.clock, false).unwrap();
        assert!(store.look_first_until().is_some(), "{what}");
    }

    async fn check(&self, what: &str, dir: &Path, after_loss: bool) -> Store {
        let store = open(dir, &self.clock, after_loss).unwrap();
        let now = self.clock.now();
        assert_eq!(store.look_first_until(), Some(now.plus(DAY * 7)), "{what}");
        assert!(store.next_conversation().0 > self.conversations, "{what}");
        let lease = store.take_source("bot").await.unwrap();
        let reread = lease.reread.unwrap().since;
        assert!(reread <= now.minus(DAY * 2) && reread >= START.minus(DAY * 2), "{what}: {reread}");
        store.accept(&lease, vec![arrival("new", vec![job(1, "new")])], Cursor("9".into())).await.unwrap();
        // A kill in the middle of reading again does not end it.
        let lease = store.take_source("bot").await.unwrap();
        assert_eq!(lease.reread.map(|reread| reread.since), Some(reread), "{what}");
        store.reread_done(&lease, lease.reread.unwrap()).await.unwrap();
        assert_eq!(store.take_source("bot").await.unwrap().reread, None, "{what}");
        store
    }
}

fn database(files: &Files) -> PathBuf {
    files.db.join("db")
}

fn snapshots(files: &Files) -> Vec<PathBuf> {
    let all = fs::read_dir(&files.db).unwrap().map(|file| file.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snap.")).collect()
}

#[tokio::test]
async fn a_damaged_store_opens_with_everything_or_stops_and_says_so() {
    let seen = seen().await;
    assert_eq!(fs::read_dir(seen.dir.join("db/blobs")).unwrap().count(), 0, "sled never syncs these");
    assert!(seen.survive("untouched", |_| {}).await);
    let length = fs::metadata(seen.dir.join("db/db")).unwrap().len();
    assert!(length > 3 << 19, "{length} bytes are too few segments");
    let (mut whole, mut damages) = (0, 0);
    for by in [1, 4096, 512 << 10, length / 2, length] {
        damages += 1;
        whole += usize::from(seen.survive(&format!("cut by {by}"), |files| cut(&database(files), by)).await);
    }
    for at in (0..length).step_by(usize::try_from(length / 12).unwrap()) {
        let overwrite = |files: &Files| {
            let file = OpenOptions::new().write(true).open(database(files)).unwrap();
            file.write_all_at(&[0xa5; 4096], at).unwrap();
        };
        damages += 1;
        whole += usize::from(seen.survive(&format!("overwritten at {at}"), overwrite).await);
    }
    // Much of a log is obsolete; what was overwritten there is missed by nobody.
    assert!(whole > 0 && whole < damages, "both must occur: {whole} of {damages} did no harm");
    let cut_snapshots = |files: &Files| {
        assert!(!snapshots(files).is_empty());
        snapshots(files).iter().for_each(|path| cut(path, 20));
    };
    seen.survive("snapshot cut", cut_snapshots).await;
    assert!(
        !seen
            .survive("emptied", |files| {
                fs::remove_dir_all(&files.db).unwrap();
                fs::create_dir(&files.db).unwrap();
            })
            .await
    );
    assert!(!seen.survive("removed", |files| fs::remove_dir_all(&files.db).unwrap()).await);
}

#[tokio::test]
async fn a_kill_while_the_database_writes_its_snapshot_is_no_damage() {
    let mut town = Town::new();
    town.store().enqueue(vec![job(1, "a")], vec![]).await.unwrap();
    town.close();
    for name in ["snap.0000000000000001.generating", "snap.FFFFFFFFFFFFFFFF.generating"] {
        fs::write(town.options().dir.join("db").join(name), b"half").unwrap();
    }
    town.open();
    assert_eq!(town.store().depth().live, 1);
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_begins_again() {
    let home = tempfile::tempdir().unwrap();
    let clock = Clock::stopped_at(START);
    let whole = home.path().join("whole");
    drop(open(&whole, &clock, false).unwrap());
    let empty = home.path().join("empty");
    drop(sled::open(empty.join("db")).unwrap());
    // The database exists; then the secret, too; then a watermark of nothing, too.
    for made in 0..3 {
        let dir = home.path().join(made.to_string());
        copy(&empty, &dir);
        if made > 0 {
            fs::copy(whole.join("secret"), dir.join("secret")).unwrap();
        }
        if made > 1 {
            let mut nothing = watermark::Watermark::read(&whole.join("watermark")).unwrap().unwrap();
            nothing.sequence = 0;
            watermark::Watermark::begin(&dir.join("watermark"), &nothing).unwrap();
        }
        let store = open(&dir, &clock, false).unwrap();
        store.enqueue(vec![job(1, "a")], vec![]).await.unwrap();
        drop(store);
        assert_eq!(open(&dir, &clock, false).unwrap().depth().live, 1);
    }
}

#[tokio::test]
async fn a_missing_watermark_or_secret_is_a_loss_too() {
    let seen = seen().await;
    let home = tempfile::tempdir().unwrap();
    for name in ["watermark", "secret"] {
        for (way, damage) in [("removed", 0), ("emptied", 1)] {
            let dir = home.path().join(format!("{name}-{way}"));
            copy(&seen.dir, &dir);
            match damage {
                0 => fs::remove_file(dir.join(name)).unwrap(),
                _ => fs::write(dir.join(name), "").unwrap(),
            }
            match open(&dir, &seen.clock, false) {
                Err(OpenError::Lost(text)) => assert!(text.contains(name), "{text}"),
                Err(other) => panic!("{name} {way}: {other}"),
                Ok(_) => panic!("{name} {way}: opened without a word"),
            }
            let store = open(&dir, &seen.clock, true).unwrap();
            assert_eq!(seen.missing(&store), 0);
            drop(store);
            open(&dir, &seen.clock, false).unwrap();
        }
    }
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_noticed() {
    let mut town = Town::new();
    let db = town.options().dir.join("db");
    let store = town.store();
    store.enqueue(vec![job(1, "a")], vec![]).await.unwrap();
    drop(store);
    town.close();
    let old = town.dir.path().join("old");
    copy(&db, &old);
    town.open();
    town.store().enqueue(vec![job(1, "b")], vec![]).await.unwrap();
    town.close();
    fs::remove_dir_all(&db).unwrap();
    copy(&old, &db);
    assert!(matches!(Store::open(town.options()), Err(OpenError::Lost(text)) if text.contains("the end")));
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let mut town = Town::new();
    town.close();
    let sled = sled::open(town.options().dir.join("db")).unwrap();
    let meta = sled.open_tree("meta").unwrap();
    meta.insert("schema", b"\x01{\"version\":2}").unwrap();
    sled.flush().unwrap();
    drop((meta, sled));
    assert!(matches!(Store::open(town.options()), Err(OpenError::Newer { found: 2, known: 1 })));
}

#[tokio::test]
async fn after_disk_trouble_the_store_heals_and_nothing_acknowledged_is_lost() {
    let town = Town::new();
    let store = town.store();
    let mut health = store.health();
    store.enqueue(vec![job(1, "a"), job(2, "b")], vec![]).await.unwrap();
    let lease = store.take_source("bot").await.unwrap();
    let mut claim = store.claim(1).remove(0);
    store.begin_step(&mut claim, crate::model::job::Step::Create).await.unwrap();
    *store.shared().trouble.lock().unwrap() = Some("no space left".into());
    let refused = store.enqueue(vec![job(3, "c")], vec![]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(why)) if why.contains("no space left")));
    health
        .wait_for(|health| matches!(health, Health::Broken { why, .. } if why.contains("no space")))
        .await
        .unwrap();
    assert!(store.claim(9).is_empty());
    assert!(matches!(store.enqueue(vec![], vec![]).await, Err(StoreError::Unavailable(_))));
    *store.shared().trouble.lock().unwrap() = None;
    health.wait_for(|health| *health == Health::Ok).await.unwrap();
    let stale = store.finish(claim, vec![], vec![]).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert!(matches!(store.accept(&lease, vec![], Cursor("1".into())).await, Err(StoreError::Stale)));
    let claims = store.claim(9);
    assert_eq!(claims.iter().map(|claim| claim.jobs[0].key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(claims[0].steps.len(), 1);
    assert!(store.enqueue(vec![job(3, "c")], vec![]).await.unwrap()[0].is_some());
}

#[tokio::test]
async fn a_panic_in_an_operation_is_that_operations_error() {
    let town = Town::new();
    let store = town.store();
    let refused = store.commit::<()>(|_| panic!("for the test")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert!(store.enqueue(vec![job(1, "a")], vec![]).await.unwrap()[0].is_some());
    assert_eq!(*store.health().borrow(), Health::Ok);
}

#[tokio::test]
async fn an_export_makes_the_same_store_elsewhere() {
    let town = Town::new();
    let store = town.store();
    let long = NewJob { task: filing(1, vec![message(&"long ".repeat(3000))]), ..job(1, "long") };
    let large = NewJob { task: filing(2, vec![message(&"large ".repeat(300_000))]), ..job(2, "large") };
    let parked = State::Parked { why: "spam".into(), since: START };
    store.enqueue(vec![long, large, NewJob { state: parked, ..job(3, "p") }], vec![]).await.unwrap();
    let path = town.dir.path().join("dump");
    store.export(fs::File::create(&path).unwrap(), false).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("\"secret\""));
    let dir = town.dir.path().join("elsewhere");
    Store::import(text.as_bytes(), &dir, &town.clock).unwrap();
    let other = open(&dir, &town.clock, false).unwrap();
    assert_eq!(other.summaries(9).unwrap(), store.summaries(9).unwrap());
    for summary in store.summaries(9).unwrap() {
        assert_eq!(other.job(summary.id).unwrap(), store.job(summary.id).unwrap());
    }
    assert_eq!(other.look_first_until(), None);
    assert!(matches!(Store::import(text.as_bytes(), &dir, &town.clock), Err(DumpError::NotEmpty(_))));
    let cut: String = text.lines().take(5).map(|line| format!("{line}\n")).collect();
    let nowhere = town.dir.path().join("nowhere");
    assert!(matches!(Store::import(cut.as_bytes(), &nowhere, &town.clock), Err(DumpError::Cut)));
    Store::import(text.as_bytes(), &nowhere, &town.clock).unwrap();
}

#[tokio::test]
async fn a_restore_needs_a_secret_and_leaves_a_store_in_use_alone() {
    let mut town = Town::new();
    let store = town.store();
    let (with, without) = (town.dir.path().join("with"), town.dir.path().join("without"));
    store.backup(&with).await.unwrap();
    store.export(fs::File::create(&without).unwrap(), false).await.unwrap();
    let dir = town.options().dir;
    let in_use = Store::restore(&with, &dir, &town.clock);
    assert!(matches!(in_use, Err(DumpError::Open(OpenError::Locked(_)))), "{in_use:?}");
    drop(store);
    let secret = *town.store.as_ref().unwrap().2.expose().0;
    town.close();
    fs::remove_file(dir.join("secret")).unwrap();
    assert!(matches!(Store::restore(&without, &dir, &town.clock), Err(DumpError::NoSecret)));
    Store::restore(&with, &dir, &town.clock).unwrap();
    town.open();
    assert_eq!(town.store.as_ref().unwrap().2.expose().0, &secret);
}

#[tokio::test]
async fn what_a_rotated_secret_signed_still_verifies() {
    let mut town = Town::new();
    let tag = town.store.as_ref().unwrap().2.sign("x", b"y");
    town.store().rotate_secret().unwrap();
    town.restart();
    let secret = &town.store.as_ref().unwrap().2;
    assert!(secret.verifies("x", b"y", &tag) && secret.sign("x", b"y") != tag);
}
