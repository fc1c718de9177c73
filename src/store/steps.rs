//! Steps: recorded attempted before their call, and done after it.

use super::{
    Claim, Failed, Store, StoreError,
    change::Change,
    jobs::{shorten, step_key},
    trees::{JOBS, STEPS},
    txn::Txn,
};
use crate::model::{
    ids::{BlobId, JobId},
    job::{Remote, Step, StepRecord, StepState},
};

impl Store {
    /// Records that the call of this step is about to be made.
    pub async fn begin_step(&self, claim: &mut Claim, step: Step) -> Result<(), StoreError> {
        let (ticket, begun) = (claim.ticket()?, step.clone());
        let record = self
            .commit(move |txn| {
                txn.head(&ticket)?;
                let key = step_key(ticket.head, &begun);
                let before = txn.get(&STEPS, &key[..])?;
                if matches!(before, Some(StepRecord { state: StepState::Done(_), .. })) {
                    return Err(StoreError::Conflict(format!("the step {begun:?} is done")));
                }
                let state = StepState::Attempted { at: txn.now, ended: None };
                let record = StepRecord { step: begun, state };
                txn.put(&STEPS, &key[..], &record)?;
                Ok(record)
            })
            .await?;
        claim.replace_step(&step, Some(record));
        Ok(())
    }

    /// Records what the step made, with the mappings that follow from it.
    pub async fn end_step(
        &self,
        claim: &mut Claim,
        step: Step,
        mut made: Remote,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        if let Remote::Skipped(why) = &mut made {
            shorten(why);
        }
        let ticket = claim.ticket()?;
        let record = StepRecord { step: step.clone(), state: StepState::Done(made) };
        let stored = record.clone();
        self.commit(move |txn| {
            let mut row = txn.head(&ticket)?;
            if let Some(blob) = blob_of(&stored).filter(|blob| !row.blobs.contains(blob)) {
                txn.name_blobs(std::slice::from_ref(&blob))?;
                row.blobs.push(blob);
                txn.put(&JOBS, &ticket.head, &row)?;
            }
            txn.put(&STEPS, &step_key(ticket.head, &stored.step)[..], &stored)?;
            txn.apply_all(changes)
        })
        .await?;
        claim.replace_step(&step, Some(record));
        Ok(())
    }

    pub async fn fail_step(&self, claim: &mut Claim, step: Step, how: Failed) -> Result<(), StoreError> {
        let (ticket, failed) = (claim.ticket()?, step.clone());
        let record = self
            .commit(move |txn| {
                txn.head(&ticket)?;
                let key = step_key(ticket.head, &failed);
                let Some(StepRecord { state: StepState::Attempted { at, .. }, .. }) =
                    txn.get(&STEPS, &key[..])?
                else {
                    return Ok(None);
                };
                Ok(match how {
                    Failed::Surely => {
                        txn.remove(&STEPS, &key[..]);
                        None
                    }
                    Failed::Unknown(ended) => {
                        let state = StepState::Attempted { at, ended: Some(ended) };
                        let record = StepRecord { step: failed, state };
                        txn.put(&STEPS, &key[..], &record)?;
                        Some(record)
                    }
                })
            })
            .await?;
        claim.replace_step(&step, record);
        Ok(())
    }
}

impl Claim {
    /// Attempts whose end is known, be it only because nobody held the lane any more.
    pub(super) fn ended_attempts(&self) -> Vec<StepRecord> {
        let has_ended =
            |record: &&StepRecord| matches!(record.state, StepState::Attempted { ended: Some(_), .. });
        self.steps.iter().filter(has_ended).cloned().collect()
    }

    fn replace_step(&mut self, step: &Step, record: Option<StepRecord>) {
        self.steps.retain(|known| known.step != *step);
        self.steps.extend(record);
        self.steps.sort_by(|a, b| a.step.cmp(&b.step));
    }
}

impl Txn<'_> {
    /// An attempt that a crash left without an end keeps the one that its first claim gave it: one that
    /// moved on with each turn would never be long enough ago to decide by.
    pub(super) fn keep_ends(&mut self, job: JobId, attempts: &[StepRecord]) -> Result<(), StoreError> {
        for attempt in attempts {
            let key = step_key(job, &attempt.step);
            let stored = self.get(&STEPS, &key[..])?;
            if matches!(stored, Some(StepRecord { state: StepState::Attempted { ended: None, .. }, .. })) {
                self.put(&STEPS, &key[..], attempt)?;
            }
        }
        Ok(())
    }

    pub(super) fn blobs_of_steps(&self, job: JobId) -> Result<Vec<BlobId>, StoreError> {
        let steps = self.scan(&STEPS, &job.0.to_be_bytes())?;
        Ok(steps.iter().filter_map(|(_, record)| blob_of(record)).collect())
    }
}

fn blob_of(record: &StepRecord) -> Option<BlobId> {
    match &record.state {
        StepState::Done(Remote::Composed { raw, .. }) => Some(raw.clone()),
        _ => None,
    }
}
