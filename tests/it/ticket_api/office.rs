//! An office: an adapter, the desk that it speaks to, and what its contract says beside its capabilities.

use std::sync::Arc;
use std::time::Duration;

use ticket_bridge::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use ticket_bridge::model::marker::Marker;
use ticket_bridge::model::secret::InstanceSecret;
use ticket_bridge::runtime::byte_stream::whole;
use ticket_bridge::runtime::{Secret, Timestamp};
use ticket_bridge::sandbox::desk::{self, DeskStandIn};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::common::Common;
use ticket_bridge::ticket_api::walk::Walk;
use ticket_bridge::ticket_api::{
    Access, ApiError, Attachments, Files, Found, Look, LookIn, NewReply, NewTicket, Scope, Staged, Ticket,
    TicketApi, Upload,
};

use super::disguise::{Disguise, Front, in_front_of};

pub(super) const PATIENT: Duration = Duration::from_secs(20);
pub(super) const ANY_TIME: Timestamp = Timestamp::EPOCH;
/// The account that every office speaks for.
pub(super) const ACCOUNT: i64 = 12;
/// Another one at the same desk.
pub(super) const OTHER: i64 = 13;

pub(super) struct Office {
    pub(super) api: Arc<dyn TicketApi>,
    pub(super) account: Access,
    pub(super) desk: Desk,
    pub(super) ways: Ways,
    /// Makes the same adapter for the desk at another address.
    pub(super) connect: Connect,
}

pub(super) type Connect = Box<dyn Fn(&str) -> Arc<dyn TicketApi> + Send + Sync>;

/// What a contract says of its desk, and no capability.
pub(super) struct Ways {
    /// No error may show it.
    pub(super) key: &'static str,
    /// Whose calls are refused for who makes them.
    pub(super) stranger: Access,
    /// Stands for people who are known by name and address only.
    pub(super) guests: Option<Access>,
    pub(super) properties: Properties,
    pub(super) priorities: bool,
    /// Whether a reply's answer leads to the reply's id.
    pub(super) says_reply_id: bool,
    pub(super) closed: Closed,
    /// The call that asks what tickets may be filed under, if any.
    pub(super) catalog: Option<&'static str>,
    /// So many refusals of its credentials in a row end a call: one, or more where others are got first.
    pub(super) refusals_of_key: usize,
}

/// What tickets may be about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Properties {
    Listed,
    /// They can be named, if one knows them.
    Unlisted,
    None,
}

/// What a closed ticket does with a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    Refuses,
    Opens,
}

/// The stand-in, by the ids that callers see.
pub(super) struct Desk {
    pub(super) stand_in: DeskStandIn,
    ids: Ids,
}

/// What stands before the numbers in ids.
#[derive(Clone, Copy, Default)]
pub(super) struct Ids {
    pub(super) ticket: &'static str,
    pub(super) message: &'static str,
    pub(super) property: &'static str,
    pub(super) file: &'static str,
}

// === impl Office ===

impl Office {
    pub(super) fn new(desk: Desk, ways: Ways, connect: Connect) -> Self {
        let account = Access { remote: ACCOUNT.to_string(), key: None };
        Self { api: connect(&desk.stand_in.base_url()), account, desk, ways, connect }
    }

    /// From now on its adapter speaks to the desk through this door.
    pub(super) async fn goes_through(&mut self, disguise: Disguise) -> Front {
        let front = in_front_of(&self.desk.stand_in, disguise).await;
        self.api = (self.connect)(&front.url);
        front
    }

    pub(super) async fn creates(&self, subject: &str, text: &str) -> TicketId {
        self.opens(&new_ticket(subject, text)).await
    }

    pub(super) async fn opens(&self, ticket: &NewTicket) -> TicketId {
        self.api.create(&self.account, ticket, Files::None).await.unwrap().ticket
    }

    pub(super) async fn tries_to_create(&self, text: &str) -> Result<TicketId, ApiError> {
        let created = self.api.create(&self.account, &new_ticket("Help", text), Files::None).await;
        created.map(|created| created.ticket)
    }

    pub(super) async fn replies(&self, ticket: &TicketId, text: &str) -> Option<TicketMessageId> {
        self.tries_to_reply(ticket, text).await.unwrap()
    }

    pub(super) async fn tries_to_reply(
        &self,
        ticket: &TicketId,
        text: &str,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        self.api.reply(&self.account, ticket, &new_reply(text), Files::None).await
    }

    pub(super) async fn reads(&self, ticket: &TicketId) -> Ticket {
        self.api.ticket(&self.account, ticket).await.unwrap()
    }

    /// The tickets of all pages, oldest first.
    pub(super) async fn lists(&self, scope: Scope) -> Result<Vec<TicketId>, ApiError> {
        let mut listed = Vec::new();
        let mut walk = Walk::new(scope, 100);
        while let Some(lines) = walk.next(&*self.api, &self.account).await? {
            listed.extend(lines.into_iter().map(|line| line.ticket));
        }
        listed.sort();
        Ok(listed)
    }

    pub(super) async fn looks_for_ticket(
        &self,
        marker: &Marker,
        since: Timestamp,
        is_known: &(dyn Fn(&TicketId) -> bool + Sync),
    ) -> Result<Found, ApiError> {
        let place = LookIn::NewTickets { since, subject: "Lost", is_known };
        self.api.find_by_marker(&self.account, Look { markers: std::slice::from_ref(marker), place }).await
    }

    pub(super) async fn looks_for_reply(
        &self,
        marker: &Marker,
        ticket: &TicketId,
    ) -> Result<Found, ApiError> {
        let place = LookIn::Replies(ticket);
        self.api.find_by_marker(&self.account, Look { markers: std::slice::from_ref(marker), place }).await
    }

    /// Nothing was sent that no caller who keeps the contract sends.
    pub(super) fn closes_clean(&self) {
        assert_eq!(self.desk.stand_in.violations(), Vec::<String>::new());
    }
}

// === impl Office: files, by the way that this API takes them ===

impl Office {
    /// Opens a ticket with files.
    pub(super) async fn creates_with(&self, files: Vec<Upload>) -> TicketId {
        let ticket = new_ticket("Files & more", "See the files + 100 %");
        match self.api.capabilities().attachments {
            Attachments::Before { ticket_first: false } => {
                let staged = self.stages(None, files).await.unwrap();
                self.api.create(&self.account, &ticket, Files::Staged(staged)).await.unwrap().ticket
            }
            Attachments::Inside => {
                self.api.create(&self.account, &ticket, Files::Inside(files)).await.unwrap().ticket
            }
            Attachments::Before { ticket_first: true } => {
                let ticket = self.opens(&ticket).await;
                self.replies_with(&ticket, files).await.unwrap();
                ticket
            }
            Attachments::After => {
                let ticket = self.opens(&ticket).await;
                self.uploads(&ticket, None, files).await.unwrap();
                ticket
            }
            Attachments::None => self.opens(&ticket).await,
        }
    }

    /// Replies with files.
    pub(super) async fn replies_with(&self, ticket: &TicketId, files: Vec<Upload>) -> Result<(), ApiError> {
        let reply = new_reply("And the files");
        let files = match self.api.capabilities().attachments {
            Attachments::Before { ticket_first } => {
                let known = Some(ticket).filter(|_| ticket_first);
                Files::Staged(self.stages(known, files).await?)
            }
            Attachments::Inside => Files::Inside(files),
            Attachments::None => Files::None,
            Attachments::After => {
                let said = self.api.reply(&self.account, ticket, &reply, Files::None).await?;
                let newest = self.reads(ticket).await.messages.pop().map(|message| message.id);
                return self.uploads(ticket, said.or(newest).as_ref(), files).await;
            }
        };
        self.api.reply(&self.account, ticket, &reply, files).await.map(drop)
    }

    pub(super) async fn stages(
        &self,
        ticket: Option<&TicketId>,
        files: Vec<Upload>,
    ) -> Result<Vec<Staged>, ApiError> {
        let mut staged = Vec::new();
        for file in files {
            let name = file.name.clone();
            staged.push(Staged { id: self.api.stage(&self.account, ticket, file).await?, name });
        }
        Ok(staged)
    }

    async fn uploads(
        &self,
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
        files: Vec<Upload>,
    ) -> Result<(), ApiError> {
        for file in files {
            self.api.upload(&self.account, ticket, message, file).await?;
        }
        Ok(())
    }
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(stand_in: DeskStandIn, ids: Ids) -> Self {
        Self { stand_in, ids }
    }

    /// The ticket as staff sees it.
    pub(super) fn filed(&self, ticket: &TicketId) -> desk::Ticket {
        self.stand_in.ticket(self.number(ticket)).unwrap()
    }

    pub(super) fn staff_replies(&self, ticket: &TicketId, text: &str) -> TicketMessageId {
        let message = self.stand_in.staff_replies(self.number(ticket), text).unwrap();
        TicketMessageId::new(format!("{}{message}", self.ids.message))
    }

    pub(super) fn staff_attaches(
        &self,
        ticket: &TicketId,
        message: &TicketMessageId,
        name: &str,
        bytes: &'static [u8],
    ) {
        let message = message.as_str().strip_prefix(self.ids.message).unwrap().parse().unwrap();
        let message = Some(desk::MessageId(message));
        self.stand_in.staff_attaches(self.number(ticket), message, name, bytes).unwrap();
    }

    /// A ticket that somebody opened in the panel.
    pub(super) fn opened_in_the_panel(&self, account: i64, text: &str) -> TicketId {
        let ticket = self.stand_in.staff_opens(account, "From the panel", text).unwrap();
        TicketId::new(format!("{}{ticket}", self.ids.ticket))
    }

    /// Staff makes one ticket of two.
    pub(super) fn staff_merges(&self, from: &TicketId, into: &TicketId) {
        self.stand_in.staff_merges(self.number(from), self.number(into)).unwrap();
    }

    pub(super) fn staff_resolves(&self, ticket: &TicketId) {
        self.stand_in.staff_resolves(self.number(ticket)).unwrap();
    }

    pub(super) fn staff_closes(&self, ticket: &TicketId) {
        self.stand_in.staff_closes(self.number(ticket)).unwrap();
    }

    pub(super) fn staff_closes_for_good(&self, ticket: &TicketId) {
        self.stand_in.staff_force_closes(self.number(ticket)).unwrap();
    }

    pub(super) fn staff_removes(&self, ticket: &TicketId) {
        self.stand_in.staff_removes(self.number(ticket)).unwrap();
    }

    pub(super) fn ages(&self, ticket: &TicketId, by: Duration) {
        self.stand_in.age(self.number(ticket), by).unwrap();
    }

    /// Id and name of a new property or service.
    pub(super) fn adds_property(&self) -> (String, String) {
        let name = "vps-1.example.com".to_owned();
        (format!("{}{}", self.ids.property, self.stand_in.add_property(ACCOUNT, &name)), name)
    }

    pub(super) fn takes_the_key_back(&self) {
        self.stand_in.revoke_key(ACCOUNT);
    }

    pub(super) fn fault(&self, call: &str, fault: Fault) {
        self.stand_in.faults().next(call, fault);
    }

    /// How many descriptions and messages hold the text.
    pub(super) fn times(&self, text: &str) -> usize {
        self.stand_in.find_text(text).len()
    }

    /// How many calls of this name were answered.
    pub(super) fn calls(&self, name: &str) -> usize {
        self.stand_in.calls().iter().filter(|call| call.name == name).count()
    }

    /// An id that no file has.
    pub(super) fn no_such_file(&self) -> AttachmentId {
        AttachmentId::new(format!("{}4711", self.ids.file))
    }

    pub(super) fn number(&self, ticket: &TicketId) -> desk::TicketId {
        desk::TicketId(ticket.as_str().strip_prefix(self.ids.ticket).unwrap().parse().unwrap())
    }
}

// === what is said ===

pub(super) fn common(name: &str, url: &str, key: &str, patience: Duration) -> Common {
    Common {
        key: Some(Secret::new(key)),
        call_timeout: patience,
        transfer_timeout: PATIENT,
        max_calls_per_second: 0.0,
        ..Common::new(ApiName::new(name), url.parse().unwrap())
    }
}

/// An account that has its own key, which nobody knows.
pub(super) fn with_key(remote: &str, key: &str) -> Access {
    Access { remote: remote.to_owned(), key: Some(Secret::new(key)) }
}

pub(super) fn new_ticket(subject: &str, text: &str) -> NewTicket {
    NewTicket { subject: subject.to_owned(), text: text.to_owned(), ..NewTicket::default() }
}

pub(super) fn new_reply(text: &str) -> NewReply {
    NewReply { text: text.to_owned(), subject: "Help".to_owned(), guest: None }
}

pub(super) fn file(name: &str, bytes: Vec<u8>) -> Upload {
    let mime = "application/octet-stream".to_owned();
    Upload { name: name.to_owned(), mime, size: bytes.len() as u64, content: whole(bytes) }
}

pub(super) fn marker(key: &str) -> Marker {
    Marker::of(&InstanceSecret::new([7; 32], None), key)
}

/// One word for each kind of error, for tables.
pub(super) fn kind(error: &ApiError) -> &'static str {
    match error {
        ApiError::Retry { .. } => "retry",
        ApiError::Unknown { may_still_run: true, .. } => "may still run",
        ApiError::Unknown { may_still_run: false, .. } => "unknown",
        ApiError::Refused(_) => "refused",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::NotFound(_) => "not found",
        ApiError::Locked(_) => "locked",
        ApiError::Unsupported(_) => "unsupported",
    }
}

/// The same word of what did not succeed.
#[track_caller]
pub(super) fn failed<T>(ending: Result<T, ApiError>) -> &'static str {
    kind(&ending.map(drop).expect_err("it did not fail"))
}
