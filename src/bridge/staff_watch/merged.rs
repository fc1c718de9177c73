//! A ticket was merged into another: its conversation goes on there, and its places are told.

use super::{
    Watcher,
    calls::{Trouble, ask},
    endings,
    news::{News, Old, Owner, news},
    ticket_look::{Subject, Visit},
};
use crate::{
    model::{
        conversation::{Conversation, ConversationChange},
        ids::TicketId,
        job::NewJob,
    },
    runtime::clock::Timestamp,
    store::{
        StoreError,
        change::{Change, Key},
        rows::TicketWatch,
    },
    ticket_api::Ticket,
};

impl Watcher {
    /// What follows from the merge, to be committed with the look that found it.
    pub(super) async fn merged(
        &self,
        visit: &Visit<'_>,
        subject: &Subject,
        detail: &Ticket,
        into: &TicketId,
        conversation: &Conversation,
    ) -> Result<(Vec<NewJob>, Vec<Change>), Trouble> {
        let bridge = &self.bridge;
        let master =
            ask(bridge, &self.api, &visit.account.name, self.port.ticket(&visit.access, into)).await?;
        let mut jobs = endings::merged(bridge, conversation, into)?;
        let mut changes = self.moved(conversation, into)?;
        let owner = Owner { api: &self.api, account: &visit.account.name };
        let old = Old { before: self.port.server_time(last_look(subject)), undated: true };
        let found = news(&master, &owner, Some(old), |key| bridge.store.is_known(key))?;
        let there = Subject { ticket: into.clone(), known: None, listed: None, hinted: false };
        let at_master = Conversation { ticket: Some(into.clone()), ..conversation.clone() };
        let found = without(found, detail);
        let (more, further) = self.consequences(visit, &there, &master, found, Some(at_master))?;
        jobs.extend(more);
        changes.extend(further);
        let closed = TicketWatch {
            api: self.api.clone(),
            account: visit.account.name.clone(),
            ticket: subject.ticket.clone(),
            conversation: None,
            change: subject.listed.clone().or_else(|| detail.change.clone()),
            looked: bridge.now(),
            active: Timestamp::EPOCH,
            again: Vec::new(),
            closed: true,
        };
        changes.push(Change::Watch(closed));
        tracing::warn!(api = %self.api, ticket.id = %subject.ticket, %into, "A known ticket was merged.");
        Ok((jobs, changes))
    }

    /// The conversation leads to the master from now on. Where another one of a channel does already, that
    /// one gets what staff answers, and copies it to this one's place.
    fn moved(&self, conversation: &Conversation, into: &TicketId) -> Result<Vec<Change>, StoreError> {
        let store = &self.bridge.store;
        let key = Key::Ticket(self.api.clone(), into.clone());
        let id = conversation.id;
        let mut changes = vec![Change::Conversation(id, ConversationChange::Ticket(into.clone()))];
        changes.extend(
            conversation.ticket.clone().map(|old| Change::Unbind(Key::Ticket(self.api.clone(), old))),
        );
        let other = store.find(&key)?.filter(|other| *other != id);
        let other = other.map(|other| store.conversation(other)).transpose()?.flatten();
        match other.filter(|other| other.founder.is_some()) {
            Some(other) => {
                let place = conversation.last_writer.as_ref().or(conversation.founder.as_ref());
                let place = place.filter(|place| other.founder.as_ref() != Some(*place));
                let written = |place| Change::Conversation(other.id, ConversationChange::WrittenFrom(place));
                changes.extend(place.cloned().map(written));
            }
            None => changes.push(Change::Rebind(key, id)),
        }
        Ok(changes)
    }
}

/// A write of ours replaces the row, and with it when it was last looked at.
fn last_look(subject: &Subject) -> Timestamp {
    subject.known.as_ref().map_or(Timestamp::EPOCH, |known| known.looked.max(known.active))
}

/// Messages that moved to the master, and that the old ticket still shows, were handed on from there.
fn without(mut found: News, old: &Ticket) -> News {
    let is_there = |text: &str, sent| old.messages.iter().any(|m| m.text == text && m.created == sent);
    found.messages.retain(|staff| staff.text.is_empty() || !is_there(&staff.text, staff.sent));
    found
}
