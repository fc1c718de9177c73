//! A delivery by mail: composed once into the spool, then sent from there, again if need be with the same bytes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    bridge::{
        alerts, chat_parts,
        context::Mailbox,
        delivery::{Errand, Halt, later},
        notes,
        outcome::{Outcome, TryAgain},
        provenance::bytes,
        sending::{self, Due},
        staff_files::{self, Broke, FetchError},
    },
    channel::{OutgoingFile, OutgoingMail, Parcel, Refusal, SendError},
    model::{
        attachment::Attachment,
        conversation::{Conversation, ConversationChange},
        delivery::{Content, Letter},
        ids::{BlobId, MailAddress, MailId, MailboxName},
        job::{Remote, Step, Why},
        staff_message::StaffMessage,
        thread_token::ThreadToken,
    },
    runtime::byte_stream,
    store::{
        Claim,
        change::{Change, Key},
    },
};

/// A mail that surely was not sent is given up after this: RFC 5321 §4.5.4.1 asks for at least 4–5 days.
const GIVE_UP: Duration = Duration::from_secs(5 * 86_400);

pub(super) async fn run(
    errand: Errand<'_>,
    claim: &mut Claim,
    mailbox: &MailboxName,
    address: &MailAddress,
) -> Result<Outcome, Halt> {
    let Some(configured) = errand.bridge.mailboxes.get(mailbox) else {
        return Ok(errand.refused("its mailbox is not configured any more"));
    };
    let mut work = Work { errand, mailbox: configured, name: mailbox, address };
    let (raw, mail) = work.composed(claim).await?;
    work.sent(claim, &raw, &mail).await?;
    Ok(work.finish())
}

struct Work<'a> {
    errand: Errand<'a>,
    mailbox: &'a Mailbox,
    name: &'a MailboxName,
    address: &'a MailAddress,
}

impl Work<'_> {
    /// The mail in the spool. Composing tells nobody anything, so that it may be begun twice.
    async fn composed(&mut self, claim: &mut Claim) -> Result<(BlobId, MailId), Halt> {
        if let Some(Remote::Composed { raw, mail }) = sending::made(&claim.steps, &Step::Compose) {
            return Ok((raw.clone(), mail.clone()));
        }
        let (mail, files, sources) = match &self.errand.delivery.content {
            Content::Staff(staff) => self.staff(staff).await?,
            Content::Letter(letter) => (self.letter(letter), Vec::new(), Vec::new()),
            Content::Note(_) | Content::Alert(_) => {
                return Err(self.errand.refused("only mails can be sent to an address").into());
            }
        };
        let store = &self.errand.bridge.store;
        store.begin_step(claim, Step::Compose).await?;
        match self.mailbox.channel.compose(&mail, files).await {
            Ok(composed) => {
                let remote = Remote::Composed { raw: composed.raw.clone(), mail: composed.mail.clone() };
                store.end_step(claim, Step::Compose, remote, self.bound(&composed.mail)).await?;
                self.errand.went_on();
                Ok((composed.raw, composed.mail))
            }
            Err(SendError::Retry { reason, .. }) if sources.iter().any(Broke::off) => {
                Err(match sending::again(self.errand.bridge, &self.errand.progress, None, false) {
                    TryAgain::At { until, why, progress } => later(until, why, progress),
                    TryAgain::TimeIsOver { .. } => self.errand.refused(&reason),
                }
                .into())
            }
            Err(error) => Err(self.failed(error)?),
        }
    }

    /// An answer to it finds the conversation, by its Message-ID and by its recipient.
    fn bound(&self, mail: &MailId) -> Vec<Change> {
        let Some(conversation) = &self.errand.conversation else { return Vec::new() };
        let id = conversation.id;
        vec![
            Change::Rebind(Key::Mail(conversation.account.clone(), mail.clone()), id),
            Change::Conversation(id, ConversationChange::Mail(mail.clone())),
            Change::Conversation(id, ConversationChange::Participants(vec![self.address.clone()])),
        ]
    }

    async fn sent(&mut self, claim: &mut Claim, raw: &BlobId, mail: &MailId) -> Result<(), Halt> {
        let bridge = self.errand.bridge;
        let again = bridge.timing.smtp_unknown_again;
        loop {
            let due = sending::due(&claim.steps, &self.errand.progress, &Step::Mail, again, bridge.now());
            let step = match due {
                Due::Done => return Ok(()),
                Due::Wait { until, progress } => return Err(later(until, Why::Settling, progress).into()),
                // What the Sent folder or our own copy knows is worth more than a guess.
                Due::Now(Step::Send(_)) | Due::Unsettled
                    if self.mailbox.channel.was_sent(mail).await == Some(true) =>
                {
                    bridge.store.end_step(claim, Step::Mail, Remote::Mailed, Vec::new()).await?;
                    return Ok(());
                }
                Due::Unsettled => return Err(self.errand.unsettled().into()),
                Due::Now(step) => step,
            };
            let parcel = Parcel::Mail { raw: raw.clone(), to: vec![self.address.clone()] };
            let send = self.mailbox.channel.send(parcel);
            let made = |_: &_| (Remote::Mailed, Vec::new());
            match sending::call(bridge, claim, step, send, made).await? {
                None => return Ok(()),
                // The records say now whether it is repeated or parked.
                Some(SendError::Unknown { .. }) => {}
                Some(error) => return Err(self.failed(error)?),
            }
        }
    }

    /// Nothing was sent: the server will take it later, or never.
    fn failed(&self, error: SendError) -> Result<Halt, crate::store::StoreError> {
        let errand = &self.errand;
        let now = errand.bridge.now();
        let reason = error.to_string();
        Ok(match error {
            SendError::Retry { .. } if now.since(errand.job.accepted) >= GIVE_UP => {
                errand.refused(&reason).into()
            }
            SendError::Retry { after: Some(after), .. } => errand.wait(now.plus(after), Why::Retry).into(),
            SendError::Refused { what: Refusal::Gone, .. } => errand.gone(&reason)?.into(),
            SendError::Refused { .. } => errand.refused(&reason).into(),
            SendError::Retry { .. } | SendError::Unauthorized(_) | SendError::Unknown { .. } => {
                errand.outage(&reason).into()
            }
            SendError::Moved { .. } => errand.refused(&reason).into(),
        })
    }

    async fn staff(
        &self,
        staff: &StaffMessage,
    ) -> Result<(OutgoingMail, Vec<OutgoingFile>, Vec<Broke>), Halt> {
        let errand = &self.errand;
        let Some(conversation) = &errand.conversation else {
            return Err(errand.refused("its conversation is missing").into());
        };
        let (files, left_out, sources) = self.files(conversation, staff).await?;
        let values = self.values(conversation, staff, &left_out);
        let language = notes::language(errand.bridge, &errand.delivery.to);
        let rendered = errand.bridge.templates.render_mail(&language, "mail_staff", &values);
        let (text, html) = match rendered {
            Ok(mail) => (mail.text, mail.html),
            Err(error) => {
                tracing::error!(%error, "A staff message is mailed without its frame.");
                (staff.text.clone(), None)
            }
        };
        let mail = OutgoingMail {
            mailbox: self.name.clone(),
            to: self.address.clone(),
            subject: subject(conversation, staff),
            text,
            html,
            in_reply_to: conversation.mails.last().cloned(),
            references: conversation.mails.clone(),
            token: self.token(),
            automatic: false,
            key: errand.job.key.clone(),
        };
        Ok((mail, files, sources))
    }

    fn values(&self, conversation: &Conversation, staff: &StaffMessage, left_out: &[&Attachment]) -> Value {
        let bridge = self.errand.bridge;
        let files: Vec<Value> = left_out
            .iter()
            .map(|file| {
                let size = file.size.map_or_else(|| "size unknown".to_owned(), bytes);
                json!({ "name": file.name, "size": size })
            })
            .collect();
        let text = if staff.in_panel_only {
            chat_parts::staff_text(&self.errand, &self.errand.delivery.to, staff).text
        } else {
            staff.text.clone()
        };
        json!({
            "language": notes::language(bridge, &self.errand.delivery.to), "number": staff.ticket.number(),
            "text": text, "files_left_out": Some(files).filter(|files| !files.is_empty()),
            "url": alerts::url(bridge, conversation, Some(&staff.ticket)), "author": staff.author,
            "sender": self.mailbox.sender, "subject": conversation.subject,
        })
    }

    /// The files that fit into a mail, and those that the text names instead.
    async fn files<'s>(
        &self,
        conversation: &Conversation,
        staff: &'s StaffMessage,
    ) -> Result<(Vec<OutgoingFile>, Vec<&'s Attachment>, Vec<Broke>), Halt> {
        let errand = &self.errand;
        let mut room = room(errand.bridge.limits.mail_bytes.0);
        let mut files = Vec::new();
        let mut left_out = Vec::new();
        let mut sources = Vec::new();
        if !staff_files::can_be_had(errand.bridge, conversation) {
            return Ok((files, staff.files.iter().collect(), sources));
        }
        for file in &staff.files {
            if file.size.is_some_and(|size| size > room) {
                left_out.push(file);
                continue;
            }
            match staff_files::fetch(errand.bridge, Some(conversation), file).await {
                Ok(fetched) => match sized(fetched.file, room).await {
                    Some((size, file)) => {
                        room = room.saturating_sub(size);
                        files.push(file);
                        sources.push(fetched.broke);
                    }
                    None => left_out.push(file),
                },
                Err(FetchError::Store(error)) => return Err(error.into()),
                Err(FetchError::Never(_)) => left_out.push(file),
                Err(FetchError::Outage { until }) => return Err(errand.wait(until, Why::Outage).into()),
                Err(FetchError::Again { after, outage, .. }) => {
                    match sending::again(errand.bridge, &errand.progress, after, outage) {
                        TryAgain::At { until, why, progress } => {
                            return Err(later(until, why, progress).into());
                        }
                        TryAgain::TimeIsOver { .. } => left_out.push(file),
                    }
                }
            }
        }
        Ok((files, left_out, sources))
    }

    fn letter(&self, letter: &Letter) -> OutgoingMail {
        OutgoingMail {
            mailbox: self.name.clone(),
            to: self.address.clone(),
            subject: letter.subject.clone(),
            text: letter.text.clone(),
            html: letter.html.clone(),
            in_reply_to: letter.in_reply_to.clone(),
            references: letter.in_reply_to.iter().cloned().collect(),
            token: self.token(),
            automatic: true,
            key: self.errand.job.key.clone(),
        }
    }

    fn token(&self) -> Option<String> {
        let errand = &self.errand;
        let id = errand.conversation.as_ref()?.id;
        Some(ThreadToken::of(&errand.bridge.secret, id).as_str().to_owned())
    }

    fn finish(self) -> Outcome {
        let errand = &self.errand;
        let now = errand.bridge.now();
        let changes = match (&errand.delivery.content, &errand.conversation) {
            (Content::Staff(_), Some(conversation)) => {
                vec![Change::Conversation(conversation.id, ConversationChange::Active(now))]
            }
            _ => Vec::new(),
        };
        let waited_ms = now.since(errand.job.accepted).as_millis();
        tracing::info!(job.id = %errand.job.id, job.key = %errand.job.key, waited_ms, "Mailed.");
        Outcome::Done { changes, follow_ups: Vec::new() }
    }
}

/// Bytes of files for which a mail has room: base64 makes four bytes of three, and 64 KiB are for the text.
fn room(mail_bytes: u64) -> u64 {
    mail_bytes.saturating_sub(64 * 1024) / 4 * 3 / 100 * 97
}

/// A file of known size; nothing if it does not fit or broke off. One that the desk gave no size
/// is held until it is known to fit.
async fn sized(file: OutgoingFile, room: u64) -> Option<(u64, OutgoingFile)> {
    if let Some(size) = file.size {
        return Some((size, file));
    }
    let whole = byte_stream::collect(file.content, room).await.ok()?;
    let size = whole.len() as u64;
    Some((size, OutgoingFile { size: Some(size), content: byte_stream::whole(whole), ..file }))
}

fn subject(conversation: &Conversation, staff: &StaffMessage) -> String {
    let numbered = format!("[#{}] {}", staff.ticket.number(), conversation.subject);
    let subject = crate::text::subject::single_line(numbered.trim(), 200);
    // A ticket that was opened in the panel has no mail that this one answers.
    if conversation.mails.is_empty() { subject } else { format!("Re: {subject}") }
}
