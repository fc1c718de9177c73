//! Opening the store: what is there must be what was acknowledged; damage is told, never guessed away.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    OpenError, StoreError,
    committer::{Disk, LAST_KEY, last_in},
    digest,
    jobs::shorten,
    lanes::Lanes,
    secret_file,
    tree::{Db, Key, encode},
    trees::{CONVERSATIONS, LAST, LOSS, NAMES, SCHEMA},
    watermark::{Last, Watermark, sync_directory_of},
};
use crate::{
    model::secret::InstanceSecret,
    runtime::{
        clock::{Clock, Timestamp},
        tasks::panic_text,
    },
};

/// The schema that this version writes.
pub(super) const SCHEMA_VERSION: u32 = 1;
/// What the database may keep of its pages in memory, in bytes.
const CACHE: u64 = 8 << 20;
/// A database that was just closed lets go of its lock a moment later.
const LOCK_TRIES: u32 = 40;
const LOCK_WAIT: Duration = Duration::from_millis(50);
/// How far back sources are read again after a loss, and how long every call looks first.
const REREAD: Duration = Duration::from_secs(48 * 3600);
const LOOK_FIRST: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Schema {
    pub(super) version: u32,
}

/// Something was lost, and somebody decided to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loss {
    pub(super) reread_since: Timestamp,
    pub(super) look_first_until: Timestamp,
    /// When the last was committed of what is lost.
    #[serde(default)]
    pub(super) lost_until: Timestamp,
    /// Cursors that were written later count.
    pub(super) sequence: u64,
    /// What was wrong.
    #[serde(default)]
    pub(super) what: String,
}

pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) disk: Disk,
    pub(super) lanes: Lanes,
    pub(super) loss: Option<Loss>,
}

pub(super) fn may_miss_since(loss: &Loss) -> Timestamp {
    loss.reread_since.plus(REREAD)
}

pub(super) fn decided_at(loss: &Loss) -> Timestamp {
    loss.look_first_until.minus(LOOK_FIRST)
}

/// The files of a state directory.
pub(super) struct Files {
    pub(super) db: PathBuf,
    pub(super) watermark: PathBuf,
    pub(super) secret: PathBuf,
    pub(super) spool: PathBuf,
}

/// Why a store cannot simply be opened, and what is left of it.
enum Trouble {
    Open(OpenError),
    /// It opened, but not with all.
    Less(String, Box<Db>, Option<Last>),
    /// It did not open.
    Nothing(String),
}

impl Files {
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            db: dir.join("db"),
            watermark: dir.join("watermark"),
            secret: dir.join("secret"),
            spool: dir.join("spool"),
        }
    }
}

/// The directory itself: made, or made private.
pub(super) fn prepare_directory(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

pub(super) fn open(
    dir: &Path,
    clock: &Clock,
    after_loss: bool,
) -> Result<(Opened, InstanceSecret), OpenError> {
    let files = Files::of(dir);
    let mark = Watermark::read(&files.watermark)?;
    let (db, last, secret) = match look(&files, mark.as_ref()) {
        Ok((db, last, secret)) => (db, last, secret),
        Err(Trouble::Open(error)) => return Err(error),
        Err(Trouble::Less(what, ..) | Trouble::Nothing(what)) if !after_loss => {
            return Err(OpenError::Lost(lost(dir, &what, mark.as_ref())));
        }
        Err(Trouble::Less(what, db, last)) => {
            tracing::warn!(what, "Going on after a loss with what is left.");
            let last = after(&db, last, mark, clock, what)?;
            (*db, Some(last), secret_or_new(&files)?)
        }
        Err(Trouble::Nothing(what)) => {
            let aside = move_aside(&files.db, clock)?;
            tracing::warn!(what, aside = %aside.display(), "Going on after a loss without the old database.");
            let db = open_db(&files.db)?.map_err(OpenError::Lost)?;
            let last = after(&db, None, mark, clock, what)?;
            (db, Some(last), secret_or_new(&files)?)
        }
    };
    let secret = match secret {
        Some(secret) => secret,
        None => {
            let secret = secret_file::make();
            secret_file::write(&files.secret, &secret)?;
            secret
        }
    };
    let last = match last {
        Some(last) => last,
        None => begin(&files, &db, clock)?,
    };
    Ok((ready(&files, db, last, clock)?, secret))
}

/// The same checks again, for a store that was open before.
pub(super) fn reopen(dir: &Path, clock: &Clock) -> Result<Opened, OpenError> {
    Ok(open(dir, clock, false)?.0)
}

type Whole = (Db, Option<Last>, Option<InstanceSecret>);

/// Everything that must be there is there, or what is wrong.
fn look(files: &Files, mark: Option<&Last>) -> Result<Whole, Trouble> {
    let has_db = files.db.join("db").exists();
    let secret = match secret_file::read(&files.secret) {
        Ok(secret) => secret,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(Trouble::Open(error.into())),
    };
    let begun = mark.map_or(files.watermark.exists(), |mark| mark.sequence > 0);
    if !has_db && begun {
        return Err(Trouble::Nothing("its database is missing".into()));
    }
    let db = open_db(&files.db).map_err(Trouble::Open)?.map_err(Trouble::Nothing)?;
    let checked =
        catch_unwind(AssertUnwindSafe(|| Ok::<_, StoreError>((last_in(&db)?, digest::of_all(&db)?))));
    let (last, digest) = match checked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(unreadable(&error.to_string())),
        Err(panic) => return Err(unreadable(panic_text(&*panic))),
    };
    newer(&db).map_err(Trouble::Open)?;
    match compare(last.as_ref(), mark, digest, &secret) {
        None => Ok((db, last, secret)),
        Some(what) => Err(Trouble::Less(what, Box::new(db), last)),
    }
}

fn unreadable(what: &str) -> Trouble {
    not_damage(what)
        .map_or_else(|| Trouble::Nothing(format!("its database is damaged ({what})")), Trouble::Open)
}

fn compare(
    last: Option<&Last>,
    mark: Option<&Last>,
    digest: u64,
    secret: &Option<InstanceSecret>,
) -> Option<String> {
    let what = match (last, mark) {
        (None, None) if digest == 0 => return None,
        (None, Some(mark)) if mark.sequence == 0 => return None,
        (None, _) => "its database is empty or has lost its beginning",
        (Some(_), None) => "its watermark is missing or damaged, so nobody knows whether all is there",
        (Some(last), Some(mark)) if last.instance != mark.instance => {
            "its database and its watermark are of different stores"
        }
        (Some(last), Some(mark)) if last.sequence < mark.sequence => "the end of its database is missing",
        (Some(last), Some(_)) if last.digest != digest => "rows of its database are missing or old",
        (Some(_), Some(_)) if secret.is_none() => {
            "its secret is missing or damaged, so that older markers and tokens would no longer be known"
        }
        (Some(_), Some(_)) => return None,
    };
    Some(what.to_owned())
}

/// What a person reads who must decide; the ways on stand in [`super::WAYS_ON`].
fn lost(dir: &Path, what: &str, mark: Option<&Last>) -> String {
    let since = mark.map_or_else(
        || "items accepted at any time may be missing".to_owned(),
        |mark| format!("items accepted until {} may be missing", mark.at),
    );
    format!("the store in {} is damaged: {what}; {since}", dir.display())
}

fn newer(db: &Db) -> Result<(), OpenError> {
    let schema = db.get(&SCHEMA, "schema").map_err(|error| OpenError::Lost(error.to_string()))?;
    match schema {
        Some(Schema { version }) if version > SCHEMA_VERSION => {
            Err(OpenError::Newer { found: version, known: SCHEMA_VERSION })
        }
        _ => Ok(()),
    }
}

/// The first transaction of a new store. Whenever this is cut short, the next start begins again:
/// the secret and a watermark of nothing are there before it.
fn begin(files: &Files, db: &Db, clock: &Clock) -> Result<Last, OpenError> {
    let (instance, at) = (rand::random(), clock.now());
    let nothing = Last { instance, sequence: 0, at, conversations: 0, jobs: 0, digest: 0 };
    Watermark::begin(&files.watermark, &nothing)?;
    found(db, Last { sequence: 1, ..nothing }, None)
}

/// The first transaction after a loss.
fn after(
    db: &Db,
    last: Option<Last>,
    mark: Option<Last>,
    clock: &Clock,
    what: String,
) -> Result<Last, OpenError> {
    let (last, loss) = above(db, last, mark, clock, what);
    found(db, last, Some(loss))
}

/// Numbers that go on above all that were given out, and how far sources are to go back.
pub(super) fn above(
    db: &Db,
    last: Option<Last>,
    mark: Option<Last>,
    clock: &Clock,
    mut what: String,
) -> (Last, Loss) {
    shorten(&mut what);
    let now = clock.now();
    let known: Vec<&Last> = last.iter().chain(&mark).collect();
    let highest = |number: fn(&Last) -> u64| known.iter().map(|last| number(last)).max().unwrap_or(0);
    let stored = db.trees.get(CONVERSATIONS.index).and_then(|tree| tree.last().ok().flatten());
    let stored = stored.and_then(|(key, _)| key.as_ref().try_into().ok().map(u64::from_be_bytes));
    let new = Last {
        instance: known.first().map_or_else(rand::random, |last| last.instance),
        sequence: highest(|last| last.sequence) + 1,
        at: now,
        conversations: highest(|last| last.conversations).max(stored.unwrap_or(0)),
        jobs: highest(|last| last.jobs),
        digest: 0,
    };
    // What came after the older of the two is what may be missing.
    let since = known.iter().map(|last| last.at).min().unwrap_or(now);
    let loss = Loss {
        reread_since: since.minus(REREAD),
        look_first_until: now.plus(LOOK_FIRST),
        lost_until: known.last().map_or(now, |last| last.at),
        sequence: new.sequence,
        what,
    };
    (new, loss)
}

/// Before the committer runs: the rows that every store has.
pub(super) fn found(db: &Db, mut last: Last, loss: Option<Loss>) -> Result<Last, OpenError> {
    let write = || -> Result<Last, StoreError> {
        let meta = db.trees.get(LAST.index).ok_or_else(|| StoreError::Unavailable("no meta tree".into()))?;
        meta.insert("schema".row_key(), encode(&Schema { version: SCHEMA_VERSION })?)?;
        if let Some(loss) = loss {
            meta.insert("loss".row_key(), encode(&loss)?)?;
        }
        last.digest = digest::of_all(db)?;
        meta.insert(LAST_KEY.row_key(), encode(&last)?)?;
        db.sled.flush()?;
        Ok(last)
    };
    write().map_err(|error| {
        let what = format!("the store cannot be begun: {error}");
        not_damage(&what).unwrap_or(OpenError::Lost(what))
    })
}

pub(super) fn ready(files: &Files, db: Db, last: Last, clock: &Clock) -> Result<Opened, OpenError> {
    let database = File::open(files.db.join("db"))?;
    database.sync_all()?;
    sync_directory_of(&files.db.join("db"))?;
    sync_directory_of(&files.db)?;
    let watermark = Watermark::open(&files.watermark)?;
    watermark.write(&last)?;
    let damaged = |error: StoreError| OpenError::Lost(format!("the store's rows cannot be read: {error}"));
    let lanes = Lanes::load(&db, clock.now()).map_err(damaged)?;
    let loss = db.get(&LOSS, "loss").map_err(damaged)?;
    Ok(Opened { db, disk: Disk { files: vec![database], watermark, last }, lanes, loss })
}

/// The database with its trees; the inner error is damage.
pub(super) fn open_db(path: &Path) -> Result<Result<Db, String>, OpenError> {
    remove_half_written_snapshots(path)?;
    for _ in 0..LOCK_TRIES {
        let what = match catch_unwind(AssertUnwindSafe(|| open_sled(path))) {
            Ok(Ok(db)) => return Ok(Ok(db)),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(&*panic).to_owned(),
        };
        if what.contains("could not acquire lock") {
            std::thread::sleep(LOCK_WAIT);
        } else {
            return not_damage(&what).map_or(Ok(Err(format!("its database does not open ({what})"))), Err);
        }
    }
    Err(OpenError::Locked(path.to_owned()))
}

/// A machine in trouble is no damage. The database gives such errors as text only, or panics with them.
fn not_damage(what: &str) -> Option<OpenError> {
    // EACCES, ENFILE, EMFILE, ENOSPC, EROFS, EDQUOT of Linux.
    let passing = [13, 23, 24, 28, 30, 122];
    let code = passing.into_iter().find(|code| {
        what.contains(&format!("os error {code})")) || what.contains(&format!("code: {code},"))
    })?;
    Some(OpenError::Io(io::Error::from_raw_os_error(code)))
}

/// sled 0.34 takes a snapshot that it was killed over, or had no room for, to be the newest one
/// (`get_snapshot_files` lists `snap.*.generating`), and then calls the whole database corrupted.
/// Without it, it goes on from the snapshot before.
fn remove_half_written_snapshots(path: &Path) -> Result<(), OpenError> {
    if !path.exists() || unlocked(path).is_err() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// Whether nobody has the database open.
pub(super) fn unlocked(path: &Path) -> Result<(), OpenError> {
    let Ok(file) = File::open(path.join("db")) else { return Ok(()) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

fn open_sled(path: &Path) -> Result<Db, sled::Error> {
    let sled = sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None).open()?;
    let trees = NAMES.iter().map(|name| sled.open_tree(name)).collect::<Result<_, _>>()?;
    Ok(Db { sled, trees })
}

fn secret_or_new(files: &Files) -> io::Result<Option<InstanceSecret>> {
    match secret_file::read(&files.secret) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            fs::rename(&files.secret, files.secret.with_extension("damaged"))?;
            Ok(None)
        }
        secret => secret,
    }
}

/// Where the damaged database lies from now on.
pub(super) fn move_aside(path: &Path, clock: &Clock) -> io::Result<PathBuf> {
    let aside = path.with_extension(format!("damaged-{}", clock.now().as_millis()));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(aside),
        moved => moved.map(|()| aside),
    }
}
