//! The queue's state machine: whatever happens in whatever order, each lane is first in,
//! first out, and each job is done exactly once.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    tests::{Town, job},
    *,
};
use crate::model::{
    ids::ConversationId,
    job::{Progress, Remote, State, Step, Why},
};

const LANES: u64 = 3;

#[derive(Clone, Debug)]
enum Event {
    Accept(u64),
    Claim,
    Attempt(usize),
    Did(usize),
    Finish(usize),
    Postpone(usize, u64),
    Park(usize),
    Bury(usize),
    Release(usize),
    Join(usize),
    Resume(usize),
    Discard(usize),
    Wait(u64),
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..LANES).prop_map(Event::Accept),
        4 => Just(Event::Claim),
        2 => (0..3usize).prop_map(Event::Attempt),
        1 => (0..3usize).prop_map(Event::Did),
        2 => (0..3usize).prop_map(Event::Finish),
        2 => (0..3usize, 0..50u64).prop_map(|(n, secs)| Event::Postpone(n, secs)),
        1 => (0..3usize).prop_map(Event::Park),
        1 => (0..3usize).prop_map(Event::Bury),
        1 => (0..3usize).prop_map(Event::Release),
        1 => (0..3usize).prop_map(Event::Join),
        2 => (0..20usize).prop_map(Event::Resume),
        1 => (0..20usize).prop_map(Event::Discard),
        2 => (0..40u64).prop_map(Event::Wait),
        1 => Just(Event::Crash),
    ]
}

/// What must be so, kept beside the store.
#[derive(Default)]
struct Expected {
    lanes: BTreeMap<u64, VecDeque<JobId>>,
    aside: Vec<(u64, JobId)>,
    all: Vec<JobId>,
    done: Vec<JobId>,
    /// A decision that the holder of the job does not know of.
    decided: Vec<JobId>,
}

struct Play {
    town: Town,
    claims: Vec<Claim>,
    expected: Expected,
    accepted: u32,
}

fn number(lane: &Lane) -> u64 {
    match lane {
        Lane::Conversation(ConversationId(number)) => *number,
        other => panic!("{other:?}"),
    }
}

impl Play {
    fn take(&mut self, n: usize) -> Option<(Claim, u64, JobId)> {
        (n < self.claims.len()).then(|| {
            let claim = self.claims.remove(n);
            let (lane, head) = (number(&claim.lane), claim.jobs[0].id);
            (claim, lane, head)
        })
    }

    /// The head leaves its lane, unless somebody decided meanwhile that it goes on.
    fn leave(&mut self, lane: u64, head: JobId) -> bool {
        let decided = self.expected.decided.contains(&head);
        self.expected.decided.retain(|id| *id != head);
        if !decided {
            assert_eq!(self.expected.lanes.get_mut(&lane).unwrap().pop_front(), Some(head));
        }
        !decided
    }

    async fn play(&mut self, event: Event) {
        let store = self.town.store();
        match event {
            Event::Accept(lane) => {
                self.accepted += 1;
                let key = format!("job {}", self.accepted);
                let id = store.enqueue(vec![job(lane, &key)], vec![]).await.unwrap()[0].unwrap();
                assert!(self.expected.all.last().is_none_or(|last| *last < id), "numbers ascend");
                assert_eq!(store.enqueue(vec![job(lane, &key)], vec![]).await.unwrap(), [None]);
                self.expected.lanes.entry(lane).or_default().push_back(id);
                self.expected.all.push(id);
            }
            Event::Claim => {
                for claim in store.claim(9) {
                    let expected = &self.expected.lanes[&number(&claim.lane)];
                    let ids: Vec<JobId> = claim.jobs.iter().map(|job| job.id).collect();
                    assert_eq!(ids, expected.iter().take(12).copied().collect::<Vec<_>>());
                    assert!(self.claims.iter().all(|other| other.lane != claim.lane), "two holders");
                    self.expected.decided.retain(|id| *id != ids[0]);
                    self.claims.push(claim);
                }
            }
            Event::Attempt(n) => {
                if let Some(claim) = self.claims.get_mut(n) {
                    // Refused only when the step is done.
                    let begun = store.begin_step(claim, Step::Create).await;
                    assert!(matches!(begun, Ok(()) | Err(StoreError::Conflict(_))), "{begun:?}");
                }
            }
            Event::Did(n) => {
                if let Some(claim) = self.claims.get_mut(n) {
                    store.end_step(claim, Step::Create, Remote::Nothing, vec![]).await.unwrap();
                }
            }
            Event::Finish(n) => {
                if let Some((claim, lane, head)) = self.take(n) {
                    store.finish(claim, vec![], vec![]).await.unwrap();
                    self.expected.decided.retain(|id| *id != head);
                    self.leave(lane, head);
                    self.expected.done.push(head);
                }
            }
            Event::Postpone(n, secs) => {
                if let Some((claim, _, head)) = self.take(n) {
                    let until = store.now().plus(Duration::from_secs(secs));
                    store.postpone(claim, until, Why::Retry, Progress::default(), vec![]).await.unwrap();
                    self.expected.decided.retain(|id| *id != head);
                }
            }
            Event::Park(n) | Event::Bury(n) => {
                let park = matches!(event, Event::Park(_));
                if let Some((claim, lane, head)) = self.take(n) {
                    if park {
                        store.park(claim, "why".into(), vec![], vec![]).await.unwrap();
                    } else {
                        store.bury(claim, "why".into(), vec![], vec![]).await.unwrap();
                    }
                    if self.leave(lane, head) {
                        self.expected.aside.push((lane, head));
                    }
                }
            }
            Event::Release(n) => {
                if let Some((claim, _, head)) = self.take(n) {
                    store.release(claim);
                    self.expected.decided.retain(|id| *id != head);
                }
            }
            Event::Join(n) => {
                if let Some(claim) = self.claims.get_mut(n).filter(|claim| claim.jobs.len() > 1) {
                    let (lane, second, task) =
                        (number(&claim.lane), claim.jobs[1].id, claim.jobs[0].task.clone());
                    store.join(claim, 2, task).await.unwrap();
                    assert_eq!(self.expected.lanes.get_mut(&lane).unwrap().remove(1), Some(second));
                    self.expected.done.push(second);
                }
            }
            Event::Resume(n) => {
                let Some(id) = self.expected.all.get(n).copied() else { return };
                let resumed = store.resume(id, None, None).await.unwrap();
                assert_eq!(resumed, !self.expected.done.contains(&id));
                if let Some(at) = self.expected.aside.iter().position(|(_, aside)| *aside == id) {
                    let (lane, id) = self.expected.aside.remove(at);
                    self.expected.lanes.get_mut(&lane).unwrap().push_back(id);
                } else if self.claims.iter().any(|claim| claim.jobs[0].id == id) {
                    self.expected.decided.push(id);
                }
            }
            Event::Discard(n) => {
                let Some(id) = self.expected.all.get(n).copied() else { return };
                let at = self.expected.aside.iter().position(|(_, aside)| *aside == id);
                assert_eq!(store.discard(id, vec![], vec![]).await.unwrap(), at.is_some());
                if let Some(at) = at {
                    self.expected.aside.remove(at);
                    self.expected.done.push(id);
                }
            }
            Event::Wait(secs) => self.town.clock.advance(Duration::from_secs(secs)),
            Event::Crash => {
                self.claims.clear();
                drop(store);
                self.town.restart();
                self.expected.decided.clear();
            }
        }
        let depth = self.town.store().depth();
        assert_eq!(depth.live, self.expected.lanes.values().map(VecDeque::len).sum::<usize>());
        assert_eq!(depth.parked + depth.dead, self.expected.aside.len());
    }

    /// Everything that is still there is finished, in order.
    async fn end(mut self) {
        self.claims.clear();
        for n in (0..self.expected.all.len()).rev() {
            if self.expected.aside.iter().any(|(_, id)| *id == self.expected.all[n]) {
                self.play(Event::Resume(n)).await;
            }
        }
        self.play(Event::Wait(1000)).await;
        while self.expected.lanes.values().any(|lane| !lane.is_empty()) {
            self.play(Event::Claim).await;
            assert!(!self.claims.is_empty(), "a lane is stuck");
            while !self.claims.is_empty() {
                self.play(Event::Finish(0)).await;
            }
        }
        let mut done = self.expected.done.clone();
        done.sort();
        assert_eq!(done, self.expected.all, "each exactly once");
        for id in done {
            let (job, _) = self.town.store().job(id).unwrap().unwrap();
            assert!(matches!(job.state, State::Done { .. }), "{job:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_lane_is_first_in_first_out_and_each_job_done_once(events in prop::collection::vec(event(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut play = Play {
                town: Town::new(),
                claims: Vec::new(),
                expected: Expected::default(),
                accepted: 0,
            };
            for event in events {
                play.play(event).await;
            }
            play.end().await;
        });
    }
}
