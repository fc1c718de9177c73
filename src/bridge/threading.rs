//! Which conversation an inbound belongs to, hence its lane; decided in order of arrival, before it is journaled.

use crate::{
    bridge::{context::Bridge, intake::Batch, thread_chat, thread_mail},
    model::{
        conversation::{Conversation, TicketStatus},
        ids::{AccountName, ConversationId},
        inbound::{Inbound, Origin, What},
        job::{Arrived, Filing, Lane, NewJob, State, Task},
        place::Place,
    },
    store::{Arrival, Dedup, StoreError, change::Change},
    text::subject,
};

/// What an inbound changes and what work it makes; nothing if it is a duplicate.
pub fn arrival(
    bridge: &Bridge,
    batch: &mut Batch<'_>,
    inbound: &Inbound,
) -> Result<Option<Arrival>, StoreError> {
    let account = match &inbound.origin {
        Origin::Chat(_) => None,
        Origin::Mail(mail) => thread_mail::account(bridge, mail),
    };
    let dedup = dedup(bridge, inbound, account.as_ref());
    for key in &dedup {
        if batch.is_known(&key.key)? {
            return Ok(None);
        }
    }
    let placed = match &inbound.what {
        What::Ignored { .. } => Placed::nothing(),
        What::Unreadable { reason, .. } => Placed::job(dead(inbound, reason)),
        _ => match &inbound.origin {
            Origin::Chat(chat) => thread_chat::place(bridge, batch, inbound, chat)?,
            Origin::Mail(mail) => thread_mail::place(bridge, batch, inbound, mail, account)?,
        },
    };
    Ok(Some(Arrival { dedup, changes: placed.changes, jobs: placed.jobs }))
}

/// What threading decided about one inbound.
pub struct Placed {
    pub changes: Vec<Change>,
    pub jobs: Vec<NewJob>,
}

impl Placed {
    pub fn nothing() -> Self {
        Self { changes: Vec::new(), jobs: Vec::new() }
    }

    pub fn job(job: NewJob) -> Self {
        Self { changes: Vec::new(), jobs: vec![job] }
    }

    pub fn control(inbound: &Inbound) -> Self {
        Self::job(control(inbound))
    }
}

/// The item goes to the control lane of its place.
pub fn control(inbound: &Inbound) -> NewJob {
    let lane = match inbound.place() {
        Place::Chat { chat, .. } => Lane::Control(chat),
        Place::Mail { address, .. } => Lane::Letters(address),
    };
    NewJob {
        lane,
        key: format!("control/{}", inbound.identity.key),
        task: Task::Control(inbound.clone()),
        state: State::Ready,
    }
}

/// The message is filed in this conversation.
pub fn file(
    bridge: &Bridge,
    conversation: ConversationId,
    inbound: &Inbound,
    remarks: Vec<String>,
) -> NewJob {
    NewJob {
        lane: Lane::Conversation(conversation),
        key: format!("file/{}", inbound.identity.key),
        task: Task::File(Filing {
            conversation,
            messages: vec![Arrived { inbound: inbound.clone(), at: bridge.now() }],
            remarks,
        }),
        state: State::Ready,
    }
}

/// A conversation that this message founds; its ticket is still to be created.
pub fn found(
    bridge: &Bridge,
    inbound: &Inbound,
    account: &crate::model::account::Account,
    predecessor: Option<ConversationId>,
) -> Conversation {
    let now = bridge.now();
    let place = inbound.place();
    Conversation {
        id: bridge.store.next_conversation(),
        api: account.api.clone(),
        account: account.name.clone(),
        ticket: None,
        subject: first_subject(inbound),
        founder: Some(place.clone()),
        last_writer: Some(place),
        participants: Vec::new(),
        mails: Vec::new(),
        status: TicketStatus::Open,
        status_read: now,
        active: now,
        successor: None,
        predecessor,
        quiet: Vec::new(),
        create_parked: None,
    }
}

fn first_subject(inbound: &Inbound) -> String {
    if let Origin::Mail(mail) = &inbound.origin {
        let subject = subject::strip_prefixes(&mail.subject);
        if !subject.is_empty() {
            return subject;
        }
    }
    let message = inbound.message();
    let files: Vec<&str> =
        message.map(|m| m.files.iter().map(|f| f.mime.as_str()).collect()).unwrap_or_default();
    subject::subject_from_text(message.map_or("", |m| m.text.as_str()), &files, &inbound.sender.name)
}

/// A mail is one mail within its account, whatever mailbox it came by.
fn dedup(bridge: &Bridge, inbound: &Inbound, account: Option<&AccountName>) -> Vec<Dedup> {
    let now = bridge.now();
    let scope = account.map_or("-", AccountName::as_str);
    let (own, also) = match &inbound.origin {
        Origin::Chat(_) => (inbound.identity.key.clone(), bridge.timing.keep_updates),
        Origin::Mail(_) => (format!("{scope}/{}", inbound.identity.key), bridge.timing.keep_done),
    };
    let also = inbound.identity.also.iter().map(|key| Dedup { key: key.clone(), until: now.plus(also) });
    std::iter::once(Dedup { key: own, until: now.plus(bridge.timing.keep_done) }).chain(also).collect()
}

/// An item that nothing can be made of: kept for whoever looks, with its raw copy.
pub fn unreadable(bridge: &Bridge, inbound: &Inbound, why: &str) -> Arrival {
    Arrival { dedup: dedup(bridge, inbound, None), changes: Vec::new(), jobs: vec![dead(inbound, why)] }
}

fn dead(inbound: &Inbound, why: &str) -> NewJob {
    let mut job = control(inbound);
    job.state = State::Dead { why: format!("it cannot be read: {why}"), since: inbound.sent };
    job
}
