//! What is new from staff in one ticket: messages and files that were not seen before.

use super::baseline::is_before;
use crate::{
    model::{
        attachment::{Attachment, Whereabouts, safe_name},
        ids::{AccountName, ApiName},
        marker::Marker,
        staff_message::StaffMessage,
    },
    runtime::clock::Timestamp,
    ticket_api::{Author, Ticket, TicketAttachment, TicketMessage},
};

/// Whose ticket it is.
pub(super) struct Owner<'a> {
    pub(super) api: &'a ApiName,
    pub(super) account: &'a AccountName,
}

/// While an account's baseline is being walked: what of the found is old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    pub(super) before: Timestamp,
    /// Whether what has no date is old.
    pub(super) undated: bool,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct News {
    /// To be handed on, in the order of the conversation. One without text brings files that came late.
    pub(super) messages: Vec<StaffMessage>,
    /// Seen from now on.
    pub(super) seen: Vec<String>,
    /// No message says who wrote it: nothing is handed on rather than guessed.
    pub(super) undecidable: bool,
    /// The date of the last staff message.
    pub(super) newest: Option<Timestamp>,
}

/// Compares the ticket with what was seen before.
pub(super) fn news<E>(
    ticket: &Ticket,
    owner: &Owner<'_>,
    old: Option<Old>,
    is_seen: impl Fn(&str) -> Result<bool, E>,
) -> Result<News, E> {
    let undecidable = !ticket.messages.is_empty() && ticket.messages.iter().all(|m| m.by == Author::Unsaid);
    let mut news = News { undecidable, ..News::default() };
    for message in ticket.messages.iter().filter(|message| is_staff(message)) {
        news.newest = news.newest.max(message.created);
        let is_old = old.is_some_and(|old| old.holds(message.created));
        let key = format!("staff/{}/{}/{}", owner.api, ticket.ticket, message.id);
        let unseen = (is_old || !undecidable) && !is_seen(&key)?;
        if unseen {
            news.seen.push(key);
        }
        let mut files = Vec::new();
        for file in ticket.attachments.iter().filter(|file| belongs_to(file, ticket) == Some(message)) {
            let is_old = old.is_some_and(|old| old.holds(file.created.or(message.created)));
            let key = format!("staff-file/{}/{}/{}", owner.api, ticket.ticket, file.id);
            if (!is_old && undecidable) || is_seen(&key)? {
                continue;
            }
            news.seen.push(key);
            if !is_old {
                files.push(attachment(file, ticket, owner));
            }
        }
        let is_new = unseen && !is_old;
        let in_panel_only = is_new && message.in_panel_only;
        let text = if is_new && !in_panel_only { message.text.clone() } else { String::new() };
        if in_panel_only || !text.trim().is_empty() || !files.is_empty() {
            news.messages.push(StaffMessage {
                ticket: ticket.ticket.clone(),
                id: Some(message.id.clone()),
                author: message.author.clone(),
                text,
                in_panel_only,
                sent: message.created,
                files,
            });
        }
    }
    Ok(news)
}

/// The last sign of life that the ticket shows, of either side.
pub(super) fn last_active(ticket: &Ticket) -> Option<Timestamp> {
    ticket.messages.iter().filter_map(|message| message.created).chain(ticket.created).max()
}

impl Old {
    fn holds(self, dated: Option<Timestamp>) -> bool {
        dated.map_or(self.undated, |dated| is_before(dated, self.before))
    }
}

/// The flag decides. Where it is absent, a text is ours if its last line is our provenance line; a quote
/// of that line, further up or marked as one, is a staff answer's.
fn is_staff(message: &TicketMessage) -> bool {
    match message.by {
        Author::Staff => true,
        Author::Customer => false,
        Author::Unsaid => !ends_with_provenance(&message.text),
    }
}

fn ends_with_provenance(text: &str) -> bool {
    let text = text.trim_end();
    let (above, last) = text.rsplit_once('\n').unwrap_or(("", text));
    // The marker itself may be broken over the last two lines.
    let completed = Marker::all_in(text).count() > Marker::all_in(above).count();
    completed && !last.trim_start().starts_with('>')
}

/// The message that a file belongs to. A file of the ticket itself belongs to the last word before it,
/// since no API says who added it: files that we or the customer in the panel add at the opening are the
/// opening's (`None`), and one without a date is nobody's and never sent. What remains: of files that we
/// still upload to a ticket just opened when staff already answers, the customer gets a copy of the late ones.
fn belongs_to<'a>(file: &TicketAttachment, ticket: &'a Ticket) -> Option<&'a TicketMessage> {
    if let Some(id) = &file.message {
        return ticket.messages.iter().find(|message| message.id == *id);
    }
    let added = file.created?;
    let dated = ticket.messages.iter().all(|message| message.created.is_some());
    ticket.messages.iter().rfind(|message| dated && message.created.is_some_and(|written| written <= added))
}

fn attachment(file: &TicketAttachment, ticket: &Ticket, owner: &Owner<'_>) -> Attachment {
    Attachment {
        name: safe_name(&file.name),
        mime: file.mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
        size: file.size,
        at: Whereabouts::Ticket {
            api: owner.api.clone(),
            account: owner.account.clone(),
            ticket: ticket.ticket.clone(),
            attachment: file.id.clone(),
        },
    }
}
