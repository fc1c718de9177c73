//! A message of their own for files: behind a create that could not take them, or once more for those that did not arrive.

use crate::{
    bridge::{
        filing::Work,
        new_ticket::guest,
        provenance,
        reconcile::{self, Sought},
        steps::{self, Interrupted, Standing},
        uploads,
    },
    model::{
        attachment::Attachment,
        ids::{TicketId, TicketMessageId},
        job::{Remote, Step},
    },
    store::Claim,
    ticket_api::{Files, NewReply},
};

/// Which files a message brings, each with its number among the message's own.
struct Bringing<'a> {
    /// That makes the message.
    step: Step,
    /// That brings a file.
    stage: fn(u32) -> Step,
    files: Vec<(u32, &'a Attachment)>,
}

impl Work<'_> {
    /// Where files need their ticket, those of a new one go with a second message.
    pub(super) async fn files_behind_create(
        &self,
        claim: &mut Claim,
        files: &[Attachment],
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        let files = (0..).zip(files).collect();
        self.bring(claim, Bringing { step: Step::Files, stage: Step::Stage, files }, ticket).await
    }

    /// Where a message took along what had come, and a file's fate was unknown: those that the ticket does not
    /// show surely never came, and are brought once more.
    pub(super) async fn files_again(
        &self,
        claim: &mut Claim,
        files: &[Attachment],
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
    ) -> Result<(), Interrupted> {
        let is_unsure = |number| {
            let standing = steps::standing(self.bridge, claim, &Step::Stage(number));
            matches!(standing, Standing::Done(Remote::Attachment(None)))
        };
        let mut unsure: Vec<_> = (0..).zip(files).filter(|(number, _)| is_unsure(*number)).collect();
        if unsure.is_empty()
            || matches!(steps::standing(self.bridge, claim, &Step::FilesAgain), Standing::Done(_))
        {
            return Ok(());
        }
        let missing = self.files_missing(claim, files, ticket, message).await?;
        unsure.retain(|(_, file)| missing.iter().any(|missing| missing.name == file.name));
        if unsure.is_empty() {
            return Ok(());
        }
        let again = Bringing { step: Step::FilesAgain, stage: Step::StageAgain, files: unsure };
        self.bring(claim, again, ticket).await
    }

    async fn bring(
        &self,
        claim: &mut Claim,
        bringing: Bringing<'_>,
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        let bridge = self.bridge;
        let attempt = match steps::standing(bridge, claim, &bringing.step) {
            Standing::Done(_) => return Ok(()),
            Standing::Unknown { attempted, ended } => Some((attempted, ended)),
            Standing::Untried => None,
        };
        if attempt.is_some() || self.found_again || self.looks_first() {
            let sought = Sought {
                conversation: &self.conversation,
                access: &self.access,
                ticket,
                step: bringing.step.clone(),
                markers: reconcile::marker_of_files(bridge, self.filing, &bringing.step)
                    .into_iter()
                    .collect(),
            };
            if reconcile::message(bridge, claim, sought, attempt).await?.is_some() {
                return Ok(());
            }
        }
        let why = match self.files_message(claim, &bringing, ticket).await {
            Err(Interrupted::Refused(why)) => why,
            Err(Interrupted::Unsupported(_)) => "this ticket system takes no files".to_owned(),
            Err(Interrupted::Locked) => "the ticket is closed".to_owned(),
            Err(Interrupted::NotFound) => "the ticket no longer exists".to_owned(),
            done => return done,
        };
        uploads::skip(bridge, claim, bringing.step, why).await?;
        self.unstage(claim).await;
        Ok(())
    }

    async fn files_message(
        &self,
        claim: &mut Claim,
        bringing: &Bringing<'_>,
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        let bridge = self.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(()) };
        let (mut staged, mut left_out) = (Vec::new(), Vec::new());
        for (number, file) in &bringing.files {
            let step = (bringing.stage)(*number);
            staged.extend(self.staged_by(claim, file, Some(ticket), step.clone()).await?);
            if let Standing::Done(remote) = steps::standing(bridge, claim, &step) {
                left_out.extend(uploads::left(file, &remote));
            }
        }
        // Those of unknown fate are announced, too: the ticket will show whether they are there.
        let count = bringing.files.len() - left_out.len();
        if count == 0 {
            return Ok(());
        }
        let reply = NewReply {
            text: provenance::files_text(bridge, self.filing, &bringing.step, count, &left_out),
            subject: self.conversation.subject.clone(),
            guest: guest(self.filing),
        };
        let call = api.port.reply(&self.access, ticket, &reply, Files::Staged(staged));
        let made = |message| (Remote::Message(message), Vec::new());
        steps::call(bridge, claim, &self.conversation, bringing.step.clone(), call, made).await.map(|_| ())
    }
}
