//! How a job is stored, and reading jobs back.

use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError, blobs,
    journal::{self, Known},
    lanes::{Entry, LaneChange},
    queue::Unreadable,
    rows::{Depth, Summary},
    tree::Db,
    trees::{ASIDE, DEDUP, DONE, JOBS, STEPS},
    txn::{Effect, Txn},
};
use crate::{
    model::{
        ids::{BlobId, JobId},
        job::{Job, Lane, NewJob, Progress, State, Step, StepRecord, Task},
    },
    runtime::clock::Timestamp,
    spool::{Spool, SpoolError},
};

/// A longer task goes to the spool.
pub(super) const LARGEST_TASK: usize = 2048;
/// A longer reason is cut, so that a job can always be set aside.
const LONGEST_WHY: usize = 400;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) lane: Lane,
    /// Its place in the lane.
    pub(super) place: u64,
    pub(super) key: String,
    pub(super) task: StoredTask,
    pub(super) kind: Kind,
    pub(super) accepted: Timestamp,
    pub(super) state: State,
    pub(super) progress: Progress,
    /// How often somebody decided about it, so that a holder notices a decision made meanwhile.
    pub(super) resumes: u32,
    /// Every blob that the task or a step names.
    pub(super) blobs: Vec<BlobId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum StoredTask {
    Here(Box<Task>),
    Spooled(BlobId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    File,
    Control,
    Deliver,
}

/// A new job whose task lies where it will be stored.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    job: NewJob,
    stored: StoredTask,
}

impl Prepared {
    pub(super) fn blobs(&self) -> Vec<BlobId> {
        blobs::of_new(&self.stored, &self.job.task)
    }
}

/// The blobs that were made only for these jobs' rows.
pub(super) fn spooled<'a>(jobs: impl IntoIterator<Item = &'a Prepared>) -> Vec<BlobId> {
    jobs.into_iter().filter_map(|job| job.stored.blob()).collect()
}

impl StoredTask {
    pub(super) fn blob(&self) -> Option<BlobId> {
        match self {
            Self::Here(_) => None,
            Self::Spooled(blob) => Some(blob.clone()),
        }
    }
}

impl Kind {
    fn of(task: &Task) -> Self {
        match task {
            Task::File(_) => Self::File,
            Task::Control(_) => Self::Control,
            Task::Deliver(_) => Self::Deliver,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Control => "control",
            Self::Deliver => "deliver",
        }
    }
}

impl Row {
    pub(super) fn entry(&self, id: JobId) -> Entry {
        let (due, why) = match &self.state {
            State::Waiting { until, why } => (*until, Some(*why)),
            _ => (self.accepted, None),
        };
        Entry { place: self.place, id, due, why, accepted: self.accepted }
    }

    pub(super) fn job(self, id: JobId, spool: &Spool) -> Result<Job, Unreadable> {
        let task = match self.task {
            StoredTask::Here(task) => *task,
            StoredTask::Spooled(blob) => {
                let bytes = spool.read_now(&blob).map_err(|error| unreadable(id, &error))?;
                serde_json::from_slice(&bytes)
                    .map_err(|error| Unreadable::Never(format!("the content of job {id}: {error}")))?
            }
        };
        Ok(Job {
            id,
            lane: self.lane,
            key: self.key,
            task,
            accepted: self.accepted,
            state: self.state,
            progress: self.progress,
        })
    }

    pub(super) fn summary(self, id: JobId) -> Summary {
        Summary {
            id,
            lane: self.lane,
            key: self.key,
            task: self.kind.word().to_owned(),
            state: self.state,
            accepted: self.accepted,
        }
    }
}

impl Store {
    /// Puts the tasks that are too long for a row into the spool.
    pub(super) async fn prepare(&self, jobs: Vec<NewJob>) -> Result<Vec<Prepared>, StoreError> {
        // While nothing can be committed, nothing is spooled for it either.
        self.read(|_| Ok(()))?;
        let mut prepared = Vec::with_capacity(jobs.len());
        // Side by side, so that one sync serves them all.
        let stored =
            futures::future::try_join_all(jobs.iter().map(|job| self.prepare_task(&job.task))).await?;
        for (job, stored) in jobs.into_iter().zip(stored) {
            prepared.push(Prepared { job, stored });
        }
        Ok(prepared)
    }

    pub(super) async fn prepare_task(&self, task: &Task) -> Result<StoredTask, StoreError> {
        let json = serde_json::to_vec(task)
            .map_err(|error| StoreError::Unavailable(format!("a task cannot be written: {error}")))?;
        if json.len() <= LARGEST_TASK {
            return Ok(StoredTask::Here(Box::new(task.clone())));
        }
        let blob = self.shared().spool.put(json.into()).await;
        Ok(StoredTask::Spooled(blob.map_err(|error| StoreError::Unavailable(chain(&error)))?))
    }

    /// Commits what names `spooled`; when it surely was not written, those bytes are dropped.
    pub(super) async fn commit_naming<R: Send + 'static>(
        &self,
        spooled: Vec<BlobId>,
        operation: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let result = self.commit(operation).await;
        // After trouble with the disk nobody knows; the next start's sweep does.
        if matches!(&result, Err(error) if !matches!(error, StoreError::Unavailable(_)))
            && !spooled.is_empty()
        {
            let spool = self.shared().spool.clone();
            let dropped = tokio::task::spawn_blocking(move || spool.drop_blobs(&spooled)).await;
            if !matches!(dropped, Ok(Ok(()))) {
                tracing::warn!("Spooled bytes could not be dropped; the next start sweeps them.");
            }
        }
        result
    }

    /// Any job still stored, done ones included, with its steps; nothing, too, for one whose content is gone.
    pub fn job(&self, id: JobId) -> Result<Option<(Job, Vec<StepRecord>)>, StoreError> {
        let found = self.read(|db| {
            for tree in [JOBS, ASIDE, DONE] {
                if let Some(row) = db.get(&tree, &id)? {
                    return Ok(Some((row, steps_of(db, id)?)));
                }
            }
            Ok(None)
        })?;
        let Some((row, steps)) = found else { return Ok(None) };
        match row.job(id, &self.shared().spool) {
            Ok(job) => Ok(Some((job, steps))),
            Err(Unreadable::Never(_)) => Ok(None),
            Err(now @ Unreadable::Now(_)) => Err(now.into()),
        }
    }

    /// The job that a dedup or idempotency key led to, while both are kept.
    pub fn job_of_key(&self, key: &str) -> Result<Option<JobId>, StoreError> {
        self.read(|db| {
            for key in [journal::job_key(key), journal::dedup_key(key)] {
                if let Some(Known { job: Some(job), .. }) = db.get(&DEDUP, &key[..])? {
                    return Ok(Some(job));
                }
            }
            Ok(None)
        })
    }

    /// Live, parked and dead jobs for lists, at most `most`, in order of acceptance.
    pub fn summaries(&self, most: usize) -> Result<Vec<Summary>, StoreError> {
        self.read(|db| {
            let mut all = Vec::new();
            for tree in [JOBS, ASIDE] {
                for row in db.scan(&tree, &[])?.take(most) {
                    let (key, row) = row?;
                    all.push(row.summary(id_of(&key)));
                }
            }
            all.sort_by_key(|summary| summary.id);
            all.truncate(most);
            Ok(all)
        })
    }

    pub fn depth(&self) -> Depth {
        let lanes = self.shared().lanes();
        Depth { live: lanes.live(), parked: lanes.parked, dead: lanes.dead, oldest: lanes.oldest() }
    }
}

impl Txn<'_> {
    /// `None` when its key is known.
    pub(super) fn insert_job(&mut self, prepared: Prepared) -> Result<Option<JobId>, StoreError> {
        let key = journal::job_key(&prepared.job.key);
        if self.get(&DEDUP, &key[..])?.is_some() {
            self.orphan(&prepared.blobs())?;
            return Ok(None);
        }
        let id = self.next_job();
        let blobs = prepared.blobs();
        let NewJob { lane, key: name, task, state } = prepared.job;
        let mut row = Row {
            lane,
            place: id.0,
            key: name,
            kind: Kind::of(&task),
            blobs,
            task: prepared.stored,
            accepted: self.now,
            state,
            progress: Progress::default(),
            resumes: 0,
        };
        self.name_blobs(&row.blobs)?;
        self.put(&DEDUP, &key[..], &Known { until: Timestamp::from_millis(i64::MAX), job: Some(id) })?;
        cut(&mut row.state);
        self.place_row(id, &row)?;
        Ok(Some(id))
    }

    pub(super) fn insert_jobs(&mut self, jobs: Vec<Prepared>) -> Result<Vec<Option<JobId>>, StoreError> {
        jobs.into_iter().map(|job| self.insert_job(job)).collect()
    }

    /// Writes a row that was in no tree, or was just taken out of its own, where its state belongs.
    pub(super) fn place_row(&mut self, id: JobId, row: &Row) -> Result<(), StoreError> {
        match row.state {
            State::Ready | State::Waiting { .. } => {
                self.put(&JOBS, &id, row)?;
                self.after(Effect::Lane(LaneChange::Push(row.lane.clone(), row.entry(id))));
            }
            State::Parked { .. } => {
                self.put(&ASIDE, &id, row)?;
                self.after(Effect::Parked(1));
            }
            State::Dead { .. } => {
                self.put(&ASIDE, &id, row)?;
                self.after(Effect::Dead(1));
            }
            State::Done { .. } => self.put(&DONE, &id, row)?,
        }
        Ok(())
    }

    /// Takes a parked or dead job out of its tree.
    pub(super) fn take_aside(&mut self, id: JobId) -> Result<Option<Row>, StoreError> {
        let Some(row) = self.get(&ASIDE, &id)? else { return Ok(None) };
        self.remove(&ASIDE, &id);
        self.after(match row.state {
            State::Dead { .. } => Effect::Dead(-1),
            _ => Effect::Parked(-1),
        });
        Ok(Some(row))
    }

    /// Takes a live job out of its lane and puts it where `state` belongs.
    pub(super) fn move_out(&mut self, id: JobId, mut row: Row, state: State) -> Result<(), StoreError> {
        self.remove(&JOBS, &id);
        self.after(Effect::Lane(LaneChange::Remove(row.lane.clone(), id)));
        row.state = state;
        cut(&mut row.state);
        self.place_row(id, &row)
    }
}

pub(super) fn steps_of(db: &Db, id: JobId) -> Result<Vec<StepRecord>, StoreError> {
    db.scan(&STEPS, &id.0.to_be_bytes())?.map(|row| Ok(row?.1)).collect()
}

/// Its job, its kind, its number: in this order the steps are read back.
pub(super) fn step_key(job: JobId, step: &Step) -> Vec<u8> {
    let (kind, number) = match step {
        Step::Create => (0, 0),
        Step::Reply => (1, 0),
        Step::Reopen => (2, 0),
        Step::Upload(number) => (3, *number),
        Step::Close => (4, 0),
        Step::Send(number) => (5, *number),
        Step::Compose => (6, 0),
        Step::Mail => (7, 0),
        Step::Stage(number) => (8, *number),
        Step::Files => (9, 0),
        Step::StageAgain { round, file } => (10, u32::from(*round) << 24 | file & 0x00ff_ffff),
        Step::FilesAgain { round } => (11, u32::from(*round)),
    };
    let mut key = job.0.to_be_bytes().to_vec();
    key.push(kind);
    key.extend(number.to_be_bytes());
    key
}

/// The number in a job's key; zero, which no job has, for anything else.
pub(super) fn id_of(key: &[u8]) -> JobId {
    JobId(key.try_into().map_or(0, u64::from_be_bytes))
}

fn unreadable(id: JobId, error: &SpoolError) -> Unreadable {
    let why = format!("the content of job {id}: {}", chain(error));
    match error {
        SpoolError::Missing(_) => Unreadable::Never(why),
        SpoolError::Io(error) if error.kind() == ErrorKind::InvalidData => Unreadable::Never(why),
        SpoolError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => Unreadable::Never(why),
        SpoolError::Io(_) | SpoolError::Full => Unreadable::Now(why),
    }
}

/// Cuts what a row cannot hold of a reason.
fn cut(state: &mut State) {
    if let State::Parked { why, .. } | State::Dead { why, .. } = state {
        shorten(why);
    }
}

/// Short enough for a row, also as JSON, which writes a control character as six.
pub(super) fn shorten(why: &mut String) {
    *why = why.replace(char::is_control, " ");
    if why.len() > LONGEST_WHY {
        let at = (0..=LONGEST_WHY).rev().find(|at| why.is_char_boundary(*at)).unwrap_or(0);
        why.truncate(at);
        why.push('…');
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
