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

/// A file whose fate is unknown after so many rounds is told to its sender as missing.
const ROUNDS: u8 = 5;

/// The files' own message, and those that bring some of them once more.
pub(super) fn rounds() -> impl Iterator<Item = u8> {
    0..=ROUNDS
}

/// What brings a file in a round …
pub(super) fn stage(round: u8, file: u32) -> Step {
    if round == 0 { Step::Stage(file) } else { Step::StageAgain { round, file } }
}

/// … and what makes the message that takes it along.
pub(super) fn message_of(round: u8) -> Step {
    if round == 0 { Step::Files } else { Step::FilesAgain { round } }
}

/// Files with their numbers among the message's own.
type Numbered<'a> = Vec<(u32, &'a Attachment)>;

impl Work<'_> {
    /// Where files need their ticket, those of a new one go with a second message.
    pub(super) async fn files_behind_create(
        &self,
        claim: &mut Claim,
        files: &[Attachment],
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        self.bring(claim, 0, (0..).zip(files).collect(), ticket).await
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
        for round in rounds().skip(1) {
            let is_unsure = |file| {
                let standing = steps::standing(self.bridge, claim, &stage(round - 1, file));
                matches!(standing, Standing::Done(Remote::Attachment(None)))
            };
            let mut unsure: Numbered<'_> = (0..).zip(files).filter(|(file, _)| is_unsure(*file)).collect();
            if unsure.is_empty() {
                break;
            }
            if let Standing::Done(_) = steps::standing(self.bridge, claim, &message_of(round)) {
                continue;
            }
            let missing = match self.files_missing(claim, files, ticket, message).await {
                // The message is there, and will be told as such; its ticket is gone, or shows itself no more.
                Err(Interrupted::NotFound | Interrupted::Refused(_)) => break,
                missing => missing?,
            };
            unsure.retain(|(_, file)| missing.iter().any(|missing| missing.name == file.name));
            if unsure.is_empty() {
                break;
            }
            self.bring(claim, round, unsure, ticket).await?;
        }
        Ok(())
    }

    async fn bring(
        &self,
        claim: &mut Claim,
        round: u8,
        files: Numbered<'_>,
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        let (bridge, step) = (self.bridge, message_of(round));
        let attempt = match steps::standing(bridge, claim, &step) {
            Standing::Done(_) => return Ok(()),
            Standing::Unknown { attempted, ended } => Some((attempted, ended)),
            Standing::Untried => None,
        };
        if attempt.is_some() || self.found_again || self.looks_first() {
            let sought = Sought {
                conversation: &self.conversation,
                access: &self.access,
                ticket,
                step: step.clone(),
                markers: reconcile::marker_of_files(bridge, self.filing, &step).into_iter().collect(),
            };
            if reconcile::message(bridge, claim, sought, attempt).await?.is_some() {
                return Ok(());
            }
        }
        let why = match self.files_message(claim, round, &files, ticket).await {
            Err(Interrupted::Refused(why)) => why,
            Err(Interrupted::Unsupported(_)) => "this ticket system takes no files".to_owned(),
            Err(Interrupted::Locked) => "the ticket is closed".to_owned(),
            Err(Interrupted::NotFound) => "the ticket no longer exists".to_owned(),
            done => return done,
        };
        uploads::skip(bridge, claim, step, why).await?;
        self.unstage(claim).await;
        Ok(())
    }

    async fn files_message(
        &self,
        claim: &mut Claim,
        round: u8,
        files: &Numbered<'_>,
        ticket: &TicketId,
    ) -> Result<(), Interrupted> {
        let bridge = self.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(()) };
        let (mut staged, mut left_out) = (Vec::new(), Vec::new());
        for (number, file) in files {
            let step = stage(round, *number);
            staged.extend(self.staged_by(claim, file, Some(ticket), step.clone()).await?);
            if let Standing::Done(remote) = steps::standing(bridge, claim, &step) {
                left_out.extend(uploads::left(file, &remote));
            }
        }
        // Those of unknown fate are announced, too: the ticket will show whether they are there.
        let count = files.len() - left_out.len();
        if count == 0 {
            return Ok(());
        }
        let reply = NewReply {
            text: provenance::files_text(bridge, self.filing, &message_of(round), count, &left_out),
            subject: self.conversation.subject.clone(),
            guest: guest(self.filing),
        };
        let call = api.port.reply(&self.access, ticket, &reply, Files::Staged(staged));
        let made = |message| (Remote::Message(message), Vec::new());
        steps::call(bridge, claim, &self.conversation, message_of(round), call, made).await.map(|_| ())
    }
}
