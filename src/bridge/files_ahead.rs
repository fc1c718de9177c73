//! Files that go ahead of the message that names them, or inside of it: brought as steps, and what cannot go is left out before the call.

use crate::{
    bridge::{
        files_message::{rounds, stage},
        filing::Work,
        receipts,
        steps::{self, Interrupted, Standing},
        uploads::{self, TOO_LARGE},
    },
    model::{
        attachment::Attachment,
        ids::TicketId,
        inbound::LeftOut,
        job::{Ended, Remote, Step, StepState},
    },
    store::Claim,
    ticket_api::{Attachments, Files, Staged},
};

impl Work<'_> {
    /// What goes with the call that makes the message; `ticket` is the one that it is added to, if any.
    pub(super) async fn files_with_message(
        &self,
        claim: &mut Claim,
        files: &[Attachment],
        ticket: Option<&TicketId>,
    ) -> Result<Files, Interrupted> {
        let Some(api) = self.bridge.apis.get(&self.conversation.api) else { return Ok(Files::None) };
        match api.port.capabilities().attachments {
            Attachments::After | Attachments::None => Ok(Files::None),
            Attachments::Inside => self.inside(claim, files).await,
            Attachments::Before { ticket_first: true } if ticket.is_none() => Ok(Files::None),
            Attachments::Before { ticket_first } => {
                let staged = self.staged(claim, files, ticket.filter(|_| ticket_first)).await?;
                Ok(if staged.is_empty() { Files::None } else { Files::Staged(staged) })
            }
        }
    }

    /// Brings what has not been brought yet.
    async fn staged(
        &self,
        claim: &mut Claim,
        files: &[Attachment],
        ticket: Option<&TicketId>,
    ) -> Result<Vec<Staged>, Interrupted> {
        let mut staged = Vec::new();
        for (file, number) in files.iter().zip(0..) {
            staged.extend(self.staged_by(claim, file, ticket, Step::Stage(number)).await?);
        }
        Ok(staged)
    }

    /// Brings one file, unless its step is done; nothing if that went wrong for good, or nobody knows.
    pub(super) async fn staged_by(
        &self,
        claim: &mut Claim,
        file: &Attachment,
        ticket: Option<&TicketId>,
        step: Step,
    ) -> Result<Option<Staged>, Interrupted> {
        let remote = match steps::standing(self.bridge, claim, &step) {
            Standing::Done(remote) => remote,
            Standing::Unknown { ended, .. } if self.binds_staged() => {
                self.settled(claim, step, &ended).await?
            }
            Standing::Untried | Standing::Unknown { .. } => self.stage(claim, file, ticket, step).await?,
        };
        let Remote::Attachment(Some(id)) = remote else { return Ok(None) };
        Ok(Some(Staged { id, name: file.name.clone() }))
    }

    /// Brought again it might be there twice: once no late call can bring it any more, the message goes
    /// without knowing, and the ticket shows which files it took.
    async fn settled(&self, claim: &mut Claim, step: Step, ended: &Ended) -> Result<Remote, Interrupted> {
        let at = steps::settled_at(self.bridge, &self.conversation, ended);
        if self.bridge.now() < at {
            return Err(Interrupted::Look { at, why: "whether a file arrived is not known".to_owned() });
        }
        let unsure = Remote::Attachment(None);
        self.bridge.store.end_step(claim, step, unsure.clone(), Vec::new()).await?;
        Ok(unsure)
    }

    fn binds_staged(&self) -> bool {
        let api = self.bridge.apis.get(&self.conversation.api);
        api.is_some_and(|api| api.port.capabilities().binds_staged)
    }

    async fn stage(
        &self,
        claim: &mut Claim,
        file: &Attachment,
        ticket: Option<&TicketId>,
        step: Step,
    ) -> Result<Remote, Interrupted> {
        let bridge = self.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(Remote::Nothing) };
        let Some(from) = receipts::place_of(self.filing) else { return Ok(Remote::Nothing) };
        let limit = api.port.capabilities().max_attachment_bytes;
        let upload = match uploads::opened(bridge, claim, file, &from, limit, &step).await? {
            Ok(upload) => upload,
            Err(skipped) => return Ok(skipped),
        };
        let call = api.port.stage(&self.access, ticket, upload);
        let made = |id| (Remote::Attachment(Some(id)), Vec::new());
        let staged = if self.binds_staged() {
            steps::call(bridge, claim, &self.conversation, step.clone(), call, made).await
        } else {
            // Brought twice, it leaves an orphan.
            steps::call_again(bridge, claim, &self.conversation, step.clone(), call, made).await
        };
        match staged {
            // The ticket's own trouble meets the message that would name the file.
            Err(own @ (Interrupted::Locked | Interrupted::NotFound)) if ticket.is_some() => Err(own),
            made => uploads::or_left_out(bridge, claim, step, made).await,
        }
    }

    /// All files at once, opened anew for each call; together no larger than a mail may be.
    async fn inside(&self, claim: &mut Claim, files: &[Attachment]) -> Result<Files, Interrupted> {
        let bridge = self.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(Files::None) };
        let Some(from) = receipts::place_of(self.filing) else { return Ok(Files::None) };
        let limit = api.port.capabilities().max_attachment_bytes;
        let together = bridge.limits.mail_bytes.0;
        let mut room = together;
        let mut inside = Vec::new();
        for (file, number) in files.iter().zip(0..) {
            let step = Step::Stage(number);
            if let Standing::Done(_) = steps::standing(bridge, claim, &step) {
                continue;
            }
            let too_large = format!("{TOO_LARGE}{together}");
            if file.size.is_some_and(|size| size > room) {
                uploads::skip(bridge, claim, step, too_large).await?;
                continue;
            }
            match uploads::opened(bridge, claim, file, &from, limit, &step).await? {
                Ok(upload) if upload.size > room => {
                    uploads::skip(bridge, claim, step, too_large).await?;
                }
                Ok(upload) => {
                    room = room.saturating_sub(upload.size);
                    inside.push(upload);
                }
                Err(_) => {}
            }
        }
        Ok(if inside.is_empty() { Files::None } else { Files::Inside(inside) })
    }

    /// What the steps so far have left out.
    pub(super) fn files_left_out(&self, claim: &Claim, files: &[Attachment]) -> Vec<LeftOut> {
        let done = |step| match steps::standing(self.bridge, claim, &step) {
            Standing::Done(remote) => Some(remote),
            Standing::Untried | Standing::Unknown { .. } => None,
        };
        let message = done(Step::Files);
        let left_out = files.iter().zip(0..).filter_map(|(file, number)| {
            let left = |step| done(step).and_then(|remote| uploads::left(file, &remote));
            let own = rounds().find_map(|round| left(stage(round, number)));
            own.or_else(|| uploads::left(file, message.as_ref()?))
        });
        left_out.collect()
    }

    /// No message will name what was brought. Tried once: what stays does no harm.
    pub(super) async fn unstage(&self, claim: &Claim) {
        let Some(api) = self.bridge.apis.get(&self.conversation.api) else { return };
        for record in &claim.steps {
            let (Step::Stage(_), StepState::Done(Remote::Attachment(Some(id)))) =
                (&record.step, &record.state)
            else {
                continue;
            };
            let call = api.port.unstage(&self.access, id);
            if let Err(why) = steps::read(self.bridge, &self.conversation, call).await {
                tracing::info!(job.id = %self.job.id, file = %id, ?why, "A file brought ahead stays there.");
            }
        }
    }

    /// Whether the message that names the files is there.
    pub(super) fn is_made(claim: &Claim) -> bool {
        claim.steps.iter().any(|record| {
            matches!(record.step, Step::Create | Step::Reply) && matches!(record.state, StepState::Done(_))
        })
    }
}
