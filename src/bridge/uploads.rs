//! Files of a message on their way to its ticket: which can go, under which names, and each as a step.

use std::collections::HashSet;

use crate::{
    bridge::{
        context::Bridge,
        steps::{self, Interrupted, Standing},
    },
    channel::OpenError,
    model::{
        attachment::Attachment,
        conversation::Conversation,
        ids::{TicketId, TicketMessageId},
        inbound::{LeftOut, LeftOutWhy},
        job::{Ended, Filing, Remote, Step, StepState},
        place::Place,
    },
    runtime::{byte_stream, clock::Timestamp},
    store::{Claim, Failed},
    ticket_api::{Access, Ticket, TicketAttachment, Upload},
};

/// The files that can go, with names unique among them, and what is left out from the start.
pub fn plan(filing: &Filing, max_bytes: u64, possible: bool) -> (Vec<Attachment>, Vec<LeftOut>) {
    let mut left_out: Vec<LeftOut> =
        filing.messages.iter().filter_map(|m| m.inbound.message()).flat_map(|m| m.left_out.clone()).collect();
    let mut files = Vec::new();
    let mut names = HashSet::new();
    for file in filing.files() {
        let why = match file.size {
            _ if !possible => Some(LeftOutWhy::Unsupported),
            Some(size) if size > max_bytes => Some(LeftOutWhy::TooLarge { limit: max_bytes }),
            _ => None,
        };
        match why {
            Some(why) => left_out.push(LeftOut { name: file.name.clone(), size: file.size, why }),
            None => files.push(Attachment { name: unique(&file.name, &mut names), ..file.clone() }),
        }
    }
    (files, left_out)
}

/// A second `log.txt` becomes `log-2.txt`, so that an upload of unknown outcome can be found by its name.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) => (stem, format!(".{extension}")),
        None => (name, String::new()),
    };
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{stem}-{number}{extension}");
        number += 1;
    }
    candidate
}

/// Where the files go.
pub struct Target<'a> {
    pub conversation: &'a Conversation,
    pub access: &'a Access,
    pub ticket: &'a TicketId,
    pub message: Option<&'a TicketMessageId>,
    /// Whose file it is, hence which channel has its bytes.
    pub from: &'a Place,
    /// The message was there before its steps were known: so may the files be.
    pub found_again: bool,
}

/// Uploads what is not uploaded yet; what cannot be is left out and told.
pub async fn run(
    bridge: &Bridge,
    claim: &mut Claim,
    files: &[Attachment],
    target: &Target<'_>,
) -> Result<Vec<LeftOut>, Interrupted> {
    let mut left_out = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let step = Step::Upload(u32::try_from(number).unwrap_or(u32::MAX));
        let remote = match steps::standing(bridge, claim, &step) {
            Standing::Done(remote) => remote,
            Standing::Untried if !target.found_again => upload(bridge, claim, file, target, step).await?,
            Standing::Untried => match look(bridge, claim, file, target, &step).await? {
                Some(remote) => remote,
                None => upload(bridge, claim, file, target, step).await?,
            },
            Standing::Unknown { ended, .. } => {
                match reconcile(bridge, claim, file, target, &step, &ended).await? {
                    Some(remote) => remote,
                    None => upload(bridge, claim, file, target, step).await?,
                }
            }
        };
        left_out.extend(left(file, &remote));
    }
    Ok(left_out)
}

/// What is told of a file whose step ended so.
pub(super) fn left(file: &Attachment, remote: &Remote) -> Option<LeftOut> {
    let Remote::Skipped(why) = remote else { return None };
    let is_there = why == Remote::IT_IS_THERE;
    (!is_there).then(|| LeftOut { name: file.name.clone(), size: file.size, why: told(why) })
}

async fn upload(
    bridge: &Bridge,
    claim: &mut Claim,
    file: &Attachment,
    target: &Target<'_>,
    step: Step,
) -> Result<Remote, Interrupted> {
    let Some(api) = bridge.apis.get(&target.conversation.api) else { return Ok(Remote::Nothing) };
    let limit = api.port.capabilities().max_attachment_bytes;
    let upload = match opened(bridge, claim, file, target.from, limit, &step).await? {
        Ok(upload) => upload,
        Err(skipped) => return Ok(skipped),
    };
    let call = api.port.upload(target.access, target.ticket, target.message, upload);
    let made = |id| (Remote::Attachment(id), Vec::new());
    let uploaded = steps::call(bridge, claim, target.conversation, step.clone(), call, made).await;
    or_left_out(bridge, claim, step, uploaded).await
}

/// The file on its way, at most `limit` bytes; the step is over if that can never be.
pub(super) async fn opened(
    bridge: &Bridge,
    claim: &mut Claim,
    file: &Attachment,
    from: &Place,
    limit: u64,
    step: &Step,
) -> Result<Result<Upload, Remote>, Interrupted> {
    let why = match open(bridge, file, from, limit).await {
        Ok(upload) => return Ok(Ok(upload)),
        Err(OpenError::Retry { after, reason }) => return Err(Interrupted::Again { after, why: reason }),
        Err(OpenError::TooLarge { limit }) => format!("{TOO_LARGE}{limit}"),
        Err(OpenError::Gone(_)) => GONE.to_owned(),
    };
    Ok(Err(skip(bridge, claim, step.clone(), why).await?))
}

/// What the ticket system will never take ends its step.
pub(super) async fn or_left_out(
    bridge: &Bridge,
    claim: &mut Claim,
    step: Step,
    made: Result<Remote, Interrupted>,
) -> Result<Remote, Interrupted> {
    match made {
        Err(Interrupted::Refused(why)) => skip(bridge, claim, step, why).await,
        Err(Interrupted::Locked) => skip(bridge, claim, step, "the ticket is closed".to_owned()).await,
        Err(Interrupted::NotFound) => {
            skip(bridge, claim, step, "the ticket no longer exists".to_owned()).await
        }
        Err(Interrupted::Unsupported(_)) => {
            skip(bridge, claim, step, "this ticket system takes no files".to_owned()).await
        }
        done => done,
    }
}

/// The file's bytes as they come from its channel.
async fn open(bridge: &Bridge, file: &Attachment, from: &Place, limit: u64) -> Result<Upload, OpenError> {
    let Some(channel) = bridge.channel(from) else {
        return Err(OpenError::Gone("its channel is not configured any more".to_owned()));
    };
    let opened = channel.open(file).await?;
    let (size, content) = match opened.size {
        Some(size) if size > limit => return Err(OpenError::TooLarge { limit }),
        Some(size) => (size, opened.content),
        None => {
            // Its length must stand before its first byte; such files are small or too large.
            let whole =
                byte_stream::collect(opened.content, limit).await.map_err(|error| match error.kind() {
                    std::io::ErrorKind::FileTooLarge => OpenError::TooLarge { limit },
                    _ => OpenError::Retry { after: None, reason: error.to_string() },
                })?;
            (whole.len() as u64, byte_stream::whole(whole))
        }
    };
    Ok(Upload { name: file.name.clone(), mime: file.mime.clone(), size, content })
}

/// A complete look that began after the call can have ended: `None` if it surely did not happen.
async fn reconcile(
    bridge: &Bridge,
    claim: &mut Claim,
    file: &Attachment,
    target: &Target<'_>,
    step: &Step,
    ended: &Ended,
) -> Result<Option<Remote>, Interrupted> {
    let begun: Timestamp = bridge.now();
    if let Some(found) = look(bridge, claim, file, target, step).await? {
        return Ok(Some(found));
    }
    let from = steps::settled_at(bridge, target.conversation, ended);
    if begun < from {
        return Err(Interrupted::Look { at: from, why: "the upload may still be running".to_owned() });
    }
    bridge.store.fail_step(claim, step.clone(), Failed::Surely).await?;
    Ok(None)
}

/// Found by name and message, else by size and message, among what no other step of ours made.
async fn look(
    bridge: &Bridge,
    claim: &mut Claim,
    file: &Attachment,
    target: &Target<'_>,
    step: &Step,
) -> Result<Option<Remote>, Interrupted> {
    let Some(api) = bridge.apis.get(&target.conversation.api) else { return Ok(None) };
    let detail = api.port.ticket(target.access, target.ticket);
    let detail = steps::read(bridge, target.conversation, detail).await?;
    let Some(found) = find(&detail, file, target.message, claim) else { return Ok(None) };
    let remote = Remote::Attachment(Some(found.id.clone()));
    bridge.store.end_step(claim, step.clone(), remote.clone(), Vec::new()).await?;
    Ok(Some(remote))
}

fn find<'a>(
    detail: &'a Ticket,
    file: &Attachment,
    message: Option<&TicketMessageId>,
    claim: &Claim,
) -> Option<&'a TicketAttachment> {
    let ours = |candidate: &TicketAttachment| {
        claim.steps.iter().any(|record| {
            matches!(&record.state, StepState::Done(Remote::Attachment(Some(id))) if *id == candidate.id)
        })
    };
    let here: Vec<&TicketAttachment> =
        detail.attachments.iter().filter(|a| a.message.as_ref() == message && !ours(a)).collect();
    here.iter().find(|a| a.name == file.name).copied().or_else(|| {
        here.into_iter()
            .find(|a| file.size.is_some() && a.size == file.size && !detail_has_other_name(a, file))
    })
}

/// A server may rename a file, but keeps its extension.
fn detail_has_other_name(candidate: &TicketAttachment, file: &Attachment) -> bool {
    let extension = |name: &str| name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension(&candidate.name) != extension(&file.name)
}

pub(super) const TOO_LARGE: &str = "larger than ";
const GONE: &str = "no longer available where it was sent";

pub(super) async fn skip(
    bridge: &Bridge,
    claim: &mut Claim,
    step: Step,
    why: String,
) -> Result<Remote, Interrupted> {
    let remote = Remote::Skipped(why);
    bridge.store.end_step(claim, step, remote.clone(), Vec::new()).await?;
    Ok(remote)
}

fn told(why: &str) -> LeftOutWhy {
    if why == GONE {
        return LeftOutWhy::NotAvailable;
    }
    match why.strip_prefix(TOO_LARGE).and_then(|limit| limit.parse().ok()) {
        Some(limit) => LeftOutWhy::TooLarge { limit },
        None => LeftOutWhy::Refused(why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_whatever_their_case() {
        let mut taken = HashSet::new();
        assert_eq!(unique("log.txt", &mut taken), "log.txt");
        assert_eq!(unique("LOG.txt", &mut taken), "LOG-2.txt");
        assert_eq!(unique("log.txt", &mut taken), "log-3.txt");
        assert_eq!(unique("README", &mut taken), "README");
        assert_eq!(unique("README", &mut taken), "README-2");
    }
}
