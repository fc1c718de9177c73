//! What a person decides about a job: go on, or end it for good.

use super::{
    Store, StoreError,
    change::Change,
    jobs::spooled,
    lanes::LaneChange,
    trees::{JOBS, STEPS},
    txn::{Effect, Txn},
};
use crate::model::{
    ids::JobId,
    job::{Decision, Lane, NewJob, Remote, State, StepRecord, StepState},
};

impl Store {
    /// A decision about a job: one that waits goes on where it is, a parked or dead one goes to
    /// the end of its lane (of `lane`, if given). `false` if there is no such live, parked or dead job.
    ///
    /// A job in hand keeps the decision: whatever its holder does but finish it, it goes on with it.
    pub async fn resume(
        &self,
        job: JobId,
        decision: Option<Decision>,
        lane: Option<Lane>,
    ) -> Result<bool, StoreError> {
        self.commit(move |txn| {
            if let Some(mut row) = txn.get(&JOBS, &job)? {
                row.state = State::Ready;
                row.progress.decision = decision.or(row.progress.decision);
                row.resumes += 1;
                txn.put(&JOBS, &job, &row)?;
                txn.after(Effect::Lane(LaneChange::Update(row.lane.clone(), row.entry(job))));
                return Ok(true);
            }
            let Some(mut row) = txn.take_aside(job)? else { return Ok(false) };
            row.state = State::Ready;
            row.progress.decision = txn.settle_steps(job, decision)?;
            row.progress.tries = 0;
            row.progress.failing_since = None;
            row.resumes += 1;
            row.lane = lane.unwrap_or(row.lane);
            row.place = txn.next_job().0;
            txn.place_row(job, &row)?;
            Ok(true)
        })
        .await
    }

    /// Ends a parked or dead job for good. `false` if there is none.
    pub async fn discard(
        &self,
        job: JobId,
        changes: Vec<Change>,
        follow_ups: Vec<NewJob>,
    ) -> Result<bool, StoreError> {
        let follow_ups = self.prepare(follow_ups).await?;
        self.commit_naming(spooled(&follow_ups), move |txn| {
            let Some(mut row) = txn.take_aside(job)? else {
                follow_ups.iter().try_for_each(|job| txn.orphan(&job.blobs()))?;
                return Ok(false);
            };
            row.state = State::Done { at: txn.now };
            txn.place_row(job, &row)?;
            txn.apply_all(changes)?;
            txn.insert_jobs(follow_ups)?;
            Ok(true)
        })
        .await
    }
}

impl Txn<'_> {
    /// What a person says about an unknown call settles its step here and now, so that a
    /// later call of unknown outcome is not taken for the one that was decided about.
    /// Gives back a decision that concerns no step.
    fn settle_steps(
        &mut self,
        job: JobId,
        decision: Option<Decision>,
    ) -> Result<Option<Decision>, StoreError> {
        let Some(said @ (Decision::SendAgain | Decision::ItIsThere)) = decision else { return Ok(decision) };
        let steps = self.scan(&STEPS, &job.0.to_be_bytes())?;
        let open =
            steps.into_iter().filter(|(_, record)| matches!(record.state, StepState::Attempted { .. }));
        let open: Vec<_> = open.collect();
        if open.is_empty() {
            return Ok(decision);
        }
        for (key, record) in open {
            if said == Decision::SendAgain {
                self.remove(&STEPS, &key[..]);
            } else {
                let state = StepState::Done(Remote::Skipped(Remote::IT_IS_THERE.to_owned()));
                self.put(&STEPS, &key[..], &StepRecord { state, ..record })?;
            }
        }
        Ok(None)
    }
}
