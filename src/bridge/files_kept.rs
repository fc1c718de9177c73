//! A server that drops files without a word: after the message the ticket is read, and what is missing is told.

use crate::{
    bridge::{
        files_message::{message_of, rounds},
        filing::Work,
        steps::{self, Interrupted, Standing},
    },
    model::{
        attachment::Attachment,
        ids::{TicketId, TicketMessageId},
        inbound::{LeftOut, LeftOutWhy},
        job::Remote,
    },
    runtime::clock::Timestamp,
    store::Claim,
    ticket_api::{Ticket, TicketAttachment},
};

/// The message itself is filed: a ticket that cannot be read after so many tries is believed.
const TRIES: u32 = 5;

impl Work<'_> {
    /// Why files are missing that went with a message the server took.
    pub(super) async fn files_not_kept(
        &self,
        claim: &Claim,
        files: &[Attachment],
        left_out: &[LeftOut],
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
    ) -> Result<Vec<LeftOut>, Interrupted> {
        let went = |file: &&Attachment| !left_out.iter().any(|left| left.name == file.name);
        let sent: Vec<Attachment> = files.iter().filter(went).cloned().collect();
        match self.files_missing(claim, &sent, ticket, message).await {
            Ok(missing) => Ok(missing.iter().map(not_kept).collect()),
            Err(wait @ (Interrupted::Outage { .. } | Interrupted::Store(_))) => Err(wait),
            Err(wait @ Interrupted::Again { .. }) if self.job.progress.tries < TRIES => Err(wait),
            Err(why) => {
                tracing::warn!(ticket.id = %ticket, ?why, "Whether files arrived cannot be read.");
                Ok(Vec::new())
            }
        }
    }

    /// Of the files that went to the ticket those that it does not show. Reading changes nothing, so that a
    /// restart simply reads again.
    pub(super) async fn files_missing(
        &self,
        claim: &Claim,
        sent: &[Attachment],
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
    ) -> Result<Vec<Attachment>, Interrupted> {
        let bridge = self.bridge;
        let sent: Vec<&Attachment> = sent.iter().collect();
        let Some(api) = bridge.apis.get(&self.conversation.api) else { return Ok(Vec::new()) };
        if sent.is_empty() || self.found_again || !api.port.capabilities().drops_files {
            return Ok(Vec::new());
        }
        let own = |round| match steps::standing(bridge, claim, &message_of(round)) {
            Standing::Done(Remote::Message(message)) => message,
            _ => None,
        };
        let behind: Vec<_> = rounds().filter_map(own).collect();
        let messages: Vec<_> = behind.iter().chain(message).collect();
        let detail = api.port.ticket(&self.access, ticket);
        let detail = steps::read(bridge, &self.conversation, detail).await?;
        let since = api.port.server_time(self.job.accepted).minus(bridge.timing.clock_skew);
        let here = candidates(&detail, &messages, since);
        Ok(missing(&sent, &here).into_iter().cloned().collect())
    }
}

/// Why a file is missing that went with a message the server took.
fn not_kept(file: &Attachment) -> LeftOut {
    let why = LeftOutWhy::Refused("it took the message, but did not keep the file".to_owned());
    LeftOut { name: file.name.clone(), size: file.size, why }
}

/// The files of these messages; where nothing says which message it belongs to, those that can be of them by
/// their date.
fn candidates<'a>(
    detail: &'a Ticket,
    messages: &[&TicketMessageId],
    since: Timestamp,
) -> Vec<&'a TicketAttachment> {
    let fits = |file: &&TicketAttachment| match &file.message {
        Some(id) if !messages.is_empty() => messages.contains(&id),
        _ => file.created.is_none_or(|created| created >= since),
    };
    detail.attachments.iter().filter(fits).collect()
}

/// Servers rename files: a name is found leniently, and one file more than was found by name stands for one
/// whose name is lost.
fn missing<'a>(sent: &[&'a Attachment], here: &[&TicketAttachment]) -> Vec<&'a Attachment> {
    let mut here: Vec<&str> = here.iter().map(|file| file.name.as_str()).collect();
    let mut missing = sent.to_vec();
    for is_same in [|a: &str, b: &str| a == b, is_alike] {
        missing.retain(|file| match here.iter().position(|name| is_same(name, &file.name)) {
            Some(found) => {
                here.swap_remove(found);
                false
            }
            None => true,
        });
    }
    missing.split_off(here.len().min(missing.len()))
}

/// Case, spaces and signs do not count, nor what stands before or after the name to make it unique.
fn is_alike(theirs: &str, ours: &str) -> bool {
    let parts = |name: &str| {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        (plain(stem), plain(extension))
    };
    let ((theirs, their_extension), (ours, our_extension)) = (parts(theirs), parts(ours));
    their_extension == our_extension && !ours.is_empty() && theirs.contains(&ours)
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{attachment::Whereabouts, ids::AttachmentId};

    fn lost(sent: &[&str], here: &[&str]) -> Vec<String> {
        let sent: Vec<Attachment> = sent
            .iter()
            .map(|name| Attachment {
                name: (*name).to_owned(),
                mime: String::new(),
                size: None,
                at: Whereabouts::Telegram { file_id: String::new() },
            })
            .collect();
        let here: Vec<TicketAttachment> = here
            .iter()
            .map(|name| TicketAttachment {
                id: AttachmentId::new(*name),
                message: None,
                name: (*name).to_owned(),
                mime: None,
                size: None,
                created: None,
            })
            .collect();
        let sent: Vec<&Attachment> = sent.iter().collect();
        missing(&sent, &here.iter().collect::<Vec<_>>()).into_iter().map(|file| file.name.clone()).collect()
    }

    #[test]
    fn a_renamed_file_is_found_and_a_dropped_one_is_missed() {
        for (sent, here, left) in [
            (vec!["a.txt"], vec!["a.txt"], vec![]),
            (vec!["My Log (1).TXT"], vec!["1732_my_log_1.txt"], vec![]),
            (vec!["log.txt"], vec!["log-8f3a.txt"], vec![]),
            (vec!["log.txt", "photo.jpg"], vec!["log.txt"], vec!["photo.jpg"]),
            (vec!["a.txt", "data.txt"], vec!["data.txt"], vec!["a.txt"]),
            (vec!["日本.pdf"], vec!["8f3a.pdf"], vec![]),
            (vec!["a.exe"], vec![], vec!["a.exe"]),
        ] {
            assert_eq!(lost(&sent, &here), left, "{sent:?} {here:?}");
        }
    }
}
