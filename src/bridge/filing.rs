//! A customer's message on its way to its ticket: create or reply, then its files, then who is told.

use crate::{
    bridge::{
        alerts,
        context::Bridge,
        interruption, late, new_ticket,
        new_ticket::guest,
        outcome::Outcome,
        provenance, question,
        question::Route,
        receipts::{self, Filed, Told},
        reconcile::{self, Sought},
        steps::{self, Interrupted, Standing},
        uploads,
    },
    model::{
        account::Account,
        attachment::Attachment,
        conversation::{Conversation, ConversationChange, TicketStatus},
        ids::{TicketId, TicketMessageId},
        inbound::{LeftOut, What},
        job::{Filing, Job, Remote, Step, Why},
    },
    runtime::clock::Timestamp,
    store::{
        Claim, StoreError,
        change::{Change, Key},
        rows::TicketWatch,
    },
    ticket_api::{Access, Attachments, NewReply},
};

/// Runs the head of the lane until it is done or has to wait.
pub async fn run(
    bridge: &Bridge,
    claim: &mut Claim,
    job: &Job,
    filing: &Filing,
) -> Result<Outcome, StoreError> {
    let Some(conversation) = bridge.store.conversation(filing.conversation)? else {
        return Ok(interruption::bury(
            format!("its conversation {} is missing", filing.conversation),
            Told::default(),
        ));
    };
    let Some(account) = bridge.store.account(&conversation.account)? else {
        return interruption::park(
            bridge,
            job,
            filing,
            &conversation,
            "its account is not configured any more",
        );
    };
    let access = bridge.access(&account);
    let mut work = Work { bridge, job, filing, access, account, conversation, found_again: false };
    let outcome = match work.file(claim).await {
        Ok(outcome) => outcome,
        Err(interrupted) => work.interrupted(interrupted).await?,
    };
    if matches!(outcome, Outcome::Done { .. } | Outcome::Bury { .. }) && !Work::is_made(claim) {
        work.unstage(claim).await;
    }
    Ok(outcome)
}

/// What follows from a created ticket, committed with its step.
pub fn created(conversation: &Conversation, ticket: &TicketId, now: Timestamp) -> Vec<Change> {
    let id = conversation.id;
    vec![
        Change::Conversation(id, ConversationChange::Ticket(ticket.clone())),
        Change::Conversation(id, ConversationChange::Status { status: TicketStatus::Open, read: now }),
        Change::Conversation(id, ConversationChange::Active(now)),
        Change::Rebind(Key::Ticket(conversation.api.clone(), ticket.clone()), id),
        Change::Watch(watch(conversation, ticket, now)),
    ]
}

pub(super) fn watch(conversation: &Conversation, ticket: &TicketId, now: Timestamp) -> TicketWatch {
    TicketWatch {
        api: conversation.api.clone(),
        account: conversation.account.clone(),
        ticket: ticket.clone(),
        conversation: Some(conversation.id),
        change: None,
        looked: Timestamp::EPOCH,
        active: now,
        again: Vec::new(),
        closed: false,
    }
}

/// A filing in hand.
pub(super) struct Work<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) job: &'a Job,
    pub(super) filing: &'a Filing,
    pub(super) conversation: Conversation,
    account: Account,
    pub(super) access: Access,
    /// A lost store had filed it already: its files may be there, and all were told.
    pub(super) found_again: bool,
}

impl Work<'_> {
    async fn file(&mut self, claim: &mut Claim) -> Result<Outcome, Interrupted> {
        let bridge = self.bridge;
        let Some(api) = bridge.apis.get(&self.conversation.api) else {
            return Err(Interrupted::CannotKnow {
                why: "its ticket system is not configured any more".to_owned(),
            });
        };
        let capabilities = api.port.capabilities().clone();
        let (files, left_out) = uploads::plan(
            self.filing,
            capabilities.max_attachment_bytes,
            capabilities.attachments != Attachments::None,
        );
        if self.is_empty() {
            return self.refuse_empty().await;
        }
        let founded = self.conversation.ticket.is_none()
            || claim.steps.iter().any(|record| record.step == Step::Create);
        let (ticket, message, reopened) = if founded {
            match self.create(claim, &files, &left_out, capabilities.max_subject).await? {
                Created::Ticket(ticket) => (ticket, None, false),
                Created::Ends(outcome) => return Ok(outcome),
            }
        } else {
            match self.reply(claim, &files, &left_out).await? {
                Replied::Message { ticket, message, reopened } => (ticket, message, reopened),
                Replied::Ends(outcome) => return Ok(outcome),
            }
        };
        if founded && self.conversation.ticket.as_ref().is_some_and(|later| *later != ticket) {
            let (earlier, later) = (&ticket, &self.conversation);
            late::name_in_later(bridge, claim, self.filing, later, &self.access, earlier).await?;
            if let Some(own) = late::of_ticket(bridge, later, earlier)? {
                self.conversation = own;
            }
        }
        let mut all_left_out = left_out;
        if capabilities.attachments == (Attachments::Before { ticket_first: true }) && founded {
            self.files_behind_create(claim, &files, &ticket).await?;
        }
        self.files_again(claim, &files, &ticket, message.as_ref()).await?;
        all_left_out.extend(self.files_left_out(claim, &files));
        let from = receipts::place_of(self.filing).filter(|_| capabilities.attachments == Attachments::After);
        if let Some(from) = &from {
            let target = uploads::Target {
                conversation: &self.conversation,
                access: &self.access,
                ticket: &ticket,
                message: message.as_ref(),
                from,
                found_again: self.found_again,
            };
            all_left_out.extend(uploads::run(bridge, claim, &files, &target).await?);
        }
        let not_kept = self.files_not_kept(claim, &files, &all_left_out, &ticket, message.as_ref()).await?;
        all_left_out.extend(not_kept);
        self.filed(&ticket, founded, reopened, &all_left_out).map_err(Interrupted::Store)
    }

    async fn create(
        &mut self,
        claim: &mut Claim,
        files: &[Attachment],
        left_out: &[LeftOut],
        max_subject: usize,
    ) -> Result<Created, Interrupted> {
        let bridge = self.bridge;
        let attempt = match steps::standing(bridge, claim, &Step::Create) {
            Standing::Done(Remote::Ticket(ticket)) => return Ok(Created::Ticket(ticket)),
            Standing::Done(_) => return self.said_to_be_there(claim).await,
            Standing::Unknown { attempted, ended } => Some((attempted, ended)),
            Standing::Untried => match self.predecessor_decides() {
                Some(until) => return Ok(Created::Ends(self.wait(until, Why::Predecessor)?)),
                None => None,
            },
        };
        let is_new = attempt.is_none();
        if attempt.is_some() || self.looks_first() {
            let found =
                reconcile::create(bridge, claim, &self.conversation, &self.access, self.filing, attempt)
                    .await?;
            if let Some(Remote::Ticket(ticket)) = found {
                self.found_again = is_new;
                return Ok(Created::Ticket(ticket));
            }
        }
        let Some(api) = bridge.apis.get(&self.conversation.api) else {
            return Ok(Created::Ends(Outcome::done()));
        };
        let with_it = self.files_with_message(claim, files, None).await?;
        let subject = crate::text::subject::single_line(&self.conversation.subject, max_subject);
        let text = self.text(claim, files, left_out);
        let ticket = new_ticket::of(bridge, &self.account.name, self.filing, subject, text);
        let now = bridge.now();
        let conversation = self.conversation.clone();
        let call = api.port.create(&self.access, &ticket, with_it);
        let made = |answer: crate::ticket_api::Created| {
            (Remote::Ticket(answer.ticket.clone()), created(&conversation, &answer.ticket, now))
        };
        match steps::call(bridge, claim, &self.conversation, Step::Create, call, made).await? {
            Remote::Ticket(ticket) => Ok(Created::Ticket(ticket)),
            _ => Ok(Created::Ends(Outcome::done())),
        }
    }

    async fn said_to_be_there(&self, claim: &mut Claim) -> Result<Created, Interrupted> {
        let (bridge, job, filing) = (self.bridge, self.job, self.filing);
        let there = late::there(bridge, claim, job, filing, &self.conversation, &self.access).await?;
        Ok(match there {
            Some(ticket) => Created::Ticket(ticket),
            None if filing.files().next().is_none() => Created::Ends(Outcome::done()),
            None => {
                let why = "its ticket is said to be there but shows no marker, so its files were not added";
                let alert = alerts::dead(bridge, job, filing, &self.conversation, why, false);
                let told = Told { jobs: alert.into_iter().collect(), changes: Vec::new() };
                Created::Ends(interruption::bury(why.to_owned(), told))
            }
        })
    }

    async fn reply(
        &mut self,
        claim: &mut Claim,
        files: &[Attachment],
        left_out: &[LeftOut],
    ) -> Result<Replied, Interrupted> {
        let bridge = self.bridge;
        let Some(ticket) = self.conversation.ticket.clone() else {
            return Ok(Replied::Ends(Outcome::done()));
        };
        let attempt = match steps::standing(bridge, claim, &Step::Reply) {
            Standing::Done(remote) => return Ok(replied(ticket, remote, false)),
            Standing::Unknown { attempted, ended } => Some((attempted, ended)),
            Standing::Untried => None,
        };
        let is_new = attempt.is_none();
        // Before anything is asked about it: it may have been filed long ago.
        if attempt.is_some() || self.looks_first() {
            let sought = Sought {
                conversation: &self.conversation,
                access: &self.access,
                ticket: &ticket,
                step: Step::Reply,
                markers: reconcile::markers(bridge, self.filing),
            };
            if let Some(remote) = reconcile::message(bridge, claim, sought, attempt).await? {
                self.found_again = is_new;
                return Ok(replied(ticket, remote, false));
            }
        }
        let mut reopened = false;
        if is_new {
            let locked = self.stays_closed(claim);
            let route = question::route(
                bridge,
                self.job,
                self.filing,
                &mut self.conversation,
                &self.account,
                &self.access,
                locked,
            );
            match route.await? {
                Route::Ends(outcome) => return Ok(Replied::Ends(*outcome)),
                Route::Ticket { reopens, reopen_call } => {
                    reopened = reopens;
                    if reopen_call && !self.reopen(claim, &ticket).await? {
                        return Ok(Replied::Ends(self.wait(bridge.now(), Why::Retry)?));
                    }
                }
            }
        }
        let Some(api) = bridge.apis.get(&self.conversation.api) else {
            return Ok(Replied::Ends(Outcome::done()));
        };
        let with_it = self.files_with_message(claim, files, Some(&ticket)).await?;
        let text = self.text(claim, files, left_out);
        let now = bridge.now();
        let id = self.conversation.id;
        let mut changes = vec![Change::Conversation(id, ConversationChange::Active(now))];
        changes.push(Change::Watch(watch(&self.conversation, &ticket, now)));
        if reopened {
            let status = ConversationChange::Status { status: TicketStatus::Open, read: now };
            changes.push(Change::Conversation(id, status));
        }
        let reply = NewReply { text, subject: self.conversation.subject.clone(), guest: guest(self.filing) };
        let call = api.port.reply(&self.access, &ticket, &reply, with_it);
        let made = |message| (Remote::Message(message), changes);
        let made = steps::call(bridge, claim, &self.conversation, Step::Reply, call, made).await;
        if matches!(made, Err(Interrupted::Locked)) && Self::was_opened(claim) {
            self.keep_closed(claim).await?;
        }
        Ok(replied(ticket, made?, reopened))
    }

    fn text(&self, claim: &Claim, files: &[Attachment], left_out: &[LeftOut]) -> String {
        let left_out = [left_out, &self.files_left_out(claim, files)].concat();
        provenance::text(self.bridge, &self.conversation, self.job, self.filing, &left_out)
    }

    /// After a lost or restored store, what the desk already has may be seen again; and so may a message
    /// that is older than what is remembered, when a mailbox is read again.
    pub(super) fn looks_first(&self) -> bool {
        let keeps = self.bridge.timing.keep_done;
        self.bridge.store.look_first_until().is_some_and(|until| self.bridge.now() < until)
            || self.filing.messages.iter().any(|message| message.at.since(message.inbound.sent) >= keeps)
    }

    /// Messages behind a parked create wait for an admin's decision.
    fn predecessor_decides(&self) -> Option<Timestamp> {
        let (parked, since) = self.conversation.create_parked?;
        let until = since.plus(self.bridge.timing.parked_create_wait);
        (parked != self.job.id && self.bridge.now() < until).then_some(until)
    }

    fn is_empty(&self) -> bool {
        self.filing.messages.iter().filter_map(|m| m.inbound.message()).all(|message| {
            message.text.trim().is_empty() && message.files.is_empty() && message.left_out.is_empty()
        })
    }

    async fn refuse_empty(&self) -> Result<Outcome, Interrupted> {
        let Some(first) = self.filing.messages.first() else { return Ok(Outcome::done()) };
        let told = receipts::empty(self.bridge, self.job, &first.inbound).map_err(Interrupted::Store)?;
        Ok(Outcome::Done { changes: told.changes, follow_ups: told.jobs })
    }

    fn filed(
        &self,
        ticket: &TicketId,
        founded: bool,
        reopened: bool,
        left_out: &[LeftOut],
    ) -> Result<Outcome, StoreError> {
        if self.found_again {
            tracing::info!(job.id = %self.job.id, ticket.id = %ticket, "Found at the ticket system already.");
            return Ok(Outcome::done());
        }
        let filed = Filed { conversation: &self.conversation, ticket, founded, reopened, left_out };
        let mut told = receipts::filed(self.bridge, self.job, self.filing, &filed)?;
        let is_edit = self.filing.messages.iter().all(|m| matches!(m.inbound.what, What::Edit(_)));
        if !is_edit {
            let (job, filing) = (self.job, self.filing);
            let alert =
                alerts::filed(self.bridge, job, filing, &self.conversation, ticket, founded, reopened);
            told.jobs.extend(alert);
        }
        tracing::info!(
            job.id = %self.job.id, job.key = %self.job.key, ticket.id = %ticket, founded,
            waited_ms = self.bridge.now().since(self.job.accepted).as_millis(), "Message filed."
        );
        Ok(Outcome::Done { changes: told.changes, follow_ups: told.jobs })
    }
}

enum Created {
    Ticket(TicketId),
    Ends(Outcome),
}

enum Replied {
    Message { ticket: TicketId, message: Option<TicketMessageId>, reopened: bool },
    Ends(Outcome),
}

fn replied(ticket: TicketId, remote: Remote, reopened: bool) -> Replied {
    match remote {
        Remote::Message(message) => Replied::Message { ticket, message, reopened },
        // A person says that it is there: its files go to the ticket itself.
        Remote::Skipped(_) => Replied::Message { ticket, message: None, reopened },
        _ => Replied::Ends(Outcome::done()),
    }
}
