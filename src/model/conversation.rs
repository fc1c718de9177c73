//! The mapping between one ticket and the place it is discussed from.

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountName, ApiName, ConversationId, JobId, MailAddress, MailId, TicketId},
    place::Place,
};
use crate::runtime::clock::Timestamp;

/// At most so many participants and mails of a thread are remembered in the
/// conversation itself, so that its row stays below the store's 4 KiB rule.
const REMEMBERED: usize = 20;

/// One ticket, perhaps still to be created, and its places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: ConversationId,
    pub api: ApiName,
    pub account: AccountName,
    /// Nothing until the create call is known to have succeeded.
    pub ticket: Option<TicketId>,
    pub subject: String,
    /// Nothing for a ticket opened in the panel.
    pub founder: Option<Place>,
    pub last_writer: Option<Place>,
    /// Addresses that take part: From, To and Cc of accepted mails, and those we mailed.
    pub participants: Vec<MailAddress>,
    /// The mails of the thread, oldest first, for References.
    pub mails: Vec<MailId>,
    pub status: TicketStatus,
    /// When `status` was last read from the API.
    pub status_read: Timestamp,
    /// The last message of either side.
    pub active: Timestamp,
    /// The conversation that took over, when this one's ticket is locked or its create is parked.
    pub successor: Option<ConversationId>,
    /// The conversation that this one takes over from, named in its first text.
    pub predecessor: Option<ConversationId>,
    /// Places that left by `/quiet`.
    pub quiet: Vec<Place>,
    /// The job whose create waits for an admin's decision, and since when.
    pub create_parked: Option<(JobId, Timestamp)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketStatus {
    Open,
    /// Done by the desk's word; a reply opens it again.
    Resolved,
    /// Locked.
    Closed,
    /// A status that no contract names.
    Other,
}

/// One change of a conversation. Changes of different hands commute, so that
/// nobody overwrites what another has just learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConversationChange {
    Ticket(TicketId),
    Status {
        status: TicketStatus,
        read: Timestamp,
    },
    Active(Timestamp),
    WrittenFrom(Place),
    Participants(Vec<MailAddress>),
    Mail(MailId),
    Successor(ConversationId),
    CreateParked(JobId, Timestamp),
    /// Somebody decided about that job.
    CreateDecided(JobId),
    Quiet(Place),
}

impl Conversation {
    pub fn apply(&mut self, change: ConversationChange) {
        match change {
            ConversationChange::Ticket(ticket) => self.ticket = Some(ticket),
            ConversationChange::Status { status, read } if read >= self.status_read => {
                self.status = status;
                self.status_read = read;
            }
            ConversationChange::Status { .. } => {}
            ConversationChange::Active(at) => self.active = self.active.max(at),
            // Who writes wants the answer, whatever was said by `/quiet` before.
            ConversationChange::WrittenFrom(place) => {
                self.quiet.retain(|quiet| *quiet != place);
                self.last_writer = Some(place);
            }
            ConversationChange::Participants(addresses) => {
                for address in addresses {
                    remember(&mut self.participants, address);
                }
            }
            ConversationChange::Mail(mail) => remember(&mut self.mails, mail),
            ConversationChange::Successor(id) => self.successor = Some(id),
            ConversationChange::CreateParked(job, since) => self.create_parked = Some((job, since)),
            ConversationChange::CreateDecided(job) => {
                self.create_parked = self.create_parked.filter(|(parked, _)| *parked != job);
            }
            ConversationChange::Quiet(place) => remember(&mut self.quiet, place),
        }
    }
}

/// Adds what is not there yet; the first stays, of the others the oldest goes.
fn remember<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.contains(&item) {
        return;
    }
    if list.len() >= REMEMBERED {
        list.remove(1);
    }
    list.push(item);
}
