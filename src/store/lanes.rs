//! The lanes' heads in memory: who waits where, until when, and who holds which lane.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{
    StoreError, jobs,
    tree::Db,
    trees::{ASIDE, JOBS},
};
use crate::{
    model::{
        ids::JobId,
        job::{Lane, State, Why},
    },
    runtime::clock::Timestamp,
};

/// All lanes that have live jobs.
pub(super) struct Lanes {
    lanes: HashMap<Lane, Queue>,
    /// The lanes that nobody holds, by when their head is due.
    due: BTreeSet<(Timestamp, u64, Lane)>,
    live: usize,
    pub(super) parked: usize,
    pub(super) dead: usize,
    opened: Timestamp,
}

/// What is remembered of a live job.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its place in the lane; ascending.
    pub(super) place: u64,
    pub(super) id: JobId,
    pub(super) due: Timestamp,
    pub(super) why: Option<Why>,
    pub(super) accepted: Timestamp,
}

#[derive(Debug)]
pub(super) enum LaneChange {
    /// At the end of the lane.
    Push(Lane, Entry),
    Remove(Lane, JobId),
    /// Its deadline changed.
    Update(Lane, Entry),
    /// The holder with this fence lets go.
    GiveBack(Lane, u64, Timestamp),
}

struct Queue {
    jobs: VecDeque<Entry>,
    holder: Option<u64>,
    /// Until then an attempt that nobody ended may have been running.
    let_go: Timestamp,
    /// A job came since the lane was last looked at.
    joined: bool,
    scheduled: Option<(Timestamp, u64)>,
}

/// A lane that was given to a holder.
pub(super) struct Held {
    pub(super) lane: Lane,
    pub(super) jobs: Vec<JobId>,
    pub(super) let_go: Timestamp,
}

impl LaneChange {
    /// By how many live jobs there are more.
    pub(super) fn jobs_more(&self) -> isize {
        match self {
            Self::Push(..) => 1,
            Self::Remove(..) => -1,
            Self::Update(..) | Self::GiveBack(..) => 0,
        }
    }
}

impl Lanes {
    pub(super) fn empty(opened: Timestamp) -> Self {
        Self { lanes: HashMap::new(), due: BTreeSet::new(), live: 0, parked: 0, dead: 0, opened }
    }

    /// One look at every live, parked and dead job. Nobody holds anything.
    pub(super) fn load(db: &Db, opened: Timestamp) -> Result<Self, StoreError> {
        let mut lanes = Self::empty(opened);
        let mut all = Vec::new();
        for row in db.scan(&JOBS, &[])? {
            let (key, row) = row?;
            all.push((row.lane.clone(), row.entry(jobs::id_of(&key))));
        }
        all.sort_by_key(|(_, entry)| entry.place);
        for (lane, entry) in all {
            lanes.apply(LaneChange::Push(lane, entry));
        }
        for row in db.scan(&ASIDE, &[])? {
            match row?.1.state {
                State::Dead { .. } => lanes.dead += 1,
                _ => lanes.parked += 1,
            }
        }
        Ok(lanes)
    }

    pub(super) fn apply(&mut self, change: LaneChange) {
        match change {
            LaneChange::Push(lane, entry) => {
                let opened = self.opened;
                let queue = self.lanes.entry(lane.clone()).or_insert_with(|| Queue::new(opened));
                queue.jobs.push_back(entry);
                queue.joined = queue.jobs.len() > 1;
                self.live += 1;
                self.schedule(&lane);
            }
            LaneChange::Remove(lane, id) => {
                if let Some(queue) = self.lanes.get_mut(&lane) {
                    let before = queue.jobs.len();
                    queue.jobs.retain(|entry| entry.id != id);
                    self.live -= before - queue.jobs.len();
                }
                self.schedule(&lane);
            }
            LaneChange::Update(lane, new) => {
                let queue = self.lanes.get_mut(&lane);
                if let Some(old) = queue.and_then(|q| q.jobs.iter_mut().find(|entry| entry.id == new.id)) {
                    *old = new;
                }
                self.schedule(&lane);
            }
            LaneChange::GiveBack(lane, fence, at) => self.give_back(&lane, fence, at),
        }
    }

    /// Whether this fence still holds the lane.
    pub(super) fn holds(&self, lane: &Lane, fence: u64) -> bool {
        self.lanes.get(lane).is_some_and(|queue| queue.holder == Some(fence))
    }

    /// Nothing, when somebody else holds the lane by now.
    pub(super) fn give_back(&mut self, lane: &Lane, fence: u64, at: Timestamp) {
        if let Some(queue) = self.lanes.get_mut(lane).filter(|queue| queue.holder == Some(fence)) {
            queue.holder = None;
            queue.let_go = queue.let_go.max(at);
            self.schedule(lane);
        }
    }

    /// The head is not looked at before `until`; in memory only.
    pub(super) fn delay(&mut self, lane: &Lane, until: Timestamp) {
        if let Some(head) = self.lanes.get_mut(lane).and_then(|queue| queue.jobs.front_mut()) {
            head.due = until;
            head.why = None;
        }
    }

    /// The lane whose head has been due for longest, for the holder `fence`.
    pub(super) fn take_due(&mut self, now: Timestamp, fence: u64, most_jobs: usize) -> Option<Held> {
        let (due, _, _) = self.due.first()?;
        if *due > now {
            return None;
        }
        let (_, _, lane) = self.due.pop_first()?;
        let queue = self.lanes.get_mut(&lane)?;
        queue.scheduled = None;
        queue.holder = Some(fence);
        queue.joined = false;
        Some(Held {
            jobs: queue.jobs.iter().take(most_jobs).map(|entry| entry.id).collect(),
            let_go: queue.let_go,
            lane,
        })
    }

    /// When the next lane is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _, _)| *due)
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.lanes.values().flat_map(|queue| &queue.jobs).map(|entry| entry.accepted).min()
    }

    fn schedule(&mut self, lane: &Lane) {
        let Some(queue) = self.lanes.get_mut(lane) else { return };
        if let Some((due, place)) = queue.scheduled.take() {
            self.due.remove(&(due, place, lane.clone()));
        }
        if queue.holder.is_some() {
            return;
        }
        match queue.due() {
            Some((due, place)) => {
                queue.scheduled = Some((due, place));
                self.due.insert((due, place, lane.clone()));
            }
            None => {
                self.lanes.remove(lane);
            }
        }
    }
}

impl Queue {
    fn new(let_go: Timestamp) -> Self {
        Self { jobs: VecDeque::new(), holder: None, let_go, joined: false, scheduled: None }
    }

    /// A head that gathers is due as soon as another job has joined it.
    fn due(&self) -> Option<(Timestamp, u64)> {
        let head = self.jobs.front()?;
        let gathered = head.why == Some(Why::Gathering) && self.joined;
        Some((if gathered { head.accepted } else { head.due }, head.place))
    }
}
