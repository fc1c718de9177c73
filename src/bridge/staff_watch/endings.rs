//! A ticket ends without its customer: staff closed it, or it was merged or deleted. Its places and the admins are told once.

use serde_json::json;

use crate::{
    bridge::{
        alerts::{self, Tell},
        context::Bridge,
        notes::{self, Say},
        question, recipients,
    },
    model::{
        conversation::{Conversation, TicketStatus},
        delivery::AlertKind,
        ids::TicketId,
        job::NewJob,
    },
    store::{StoreError, change::Change, rows::TicketWatch},
};

/// What a look at a ticket's status means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// It is open, nobody is concerned, or its places know.
    Nothing,
    /// Closed, and not known to be by its customer. A `/close` of his may just be on its way into the
    /// store, so a second look decides.
    Suspected,
    ByStaff,
}

pub(super) fn closing(
    status: TicketStatus,
    conversation: Option<&Conversation>,
    known: Option<&TicketWatch>,
) -> Closing {
    let concerned = conversation.filter(|conversation| conversation.status != TicketStatus::Closed);
    match (status, concerned) {
        (TicketStatus::Closed, Some(_)) if known.is_some_and(|known| known.closed) => Closing::ByStaff,
        (TicketStatus::Closed, Some(_)) => Closing::Suspected,
        _ => Closing::Nothing,
    }
}

/// The notes and the alert of a close by staff.
pub(super) fn closed(bridge: &Bridge, conversation: &Conversation) -> Result<Vec<NewJob>, StoreError> {
    let Some(ticket) = &conversation.ticket else { return Ok(Vec::new()) };
    let occasion = format!("{}/{ticket}/{}", conversation.api, bridge.now().as_millis());
    let reopens = bridge.reopens(&conversation.api);
    let values = json!({ "number": ticket.number(), "subject": conversation.subject, "reopens": reopens });
    let mut jobs =
        tell_places(bridge, conversation, &format!("closed/{occasion}"), "closed_by_staff", &values)?;
    jobs.extend(alerts::closed(bridge, &occasion, "staff", false, conversation));
    Ok(jobs)
}

/// The notes that a ticket goes on in another.
pub(super) fn merged(
    bridge: &Bridge,
    conversation: &Conversation,
    into: &TicketId,
) -> Result<Vec<NewJob>, StoreError> {
    let Some(ticket) = &conversation.ticket else { return Ok(Vec::new()) };
    let key = format!("merged/{}/{ticket}/{into}", conversation.api);
    let values = json!({
        "number": ticket.number(), "subject": conversation.subject, "into": into.number(),
    });
    tell_places(bridge, conversation, &key, "ticket_merged", &values)
}

/// What follows when a known ticket does not exist any more.
pub(super) fn gone(
    bridge: &Bridge,
    watch: &TicketWatch,
    conversation: Option<&Conversation>,
) -> Result<(Vec<NewJob>, Vec<Change>), StoreError> {
    let ticket = &watch.ticket;
    let mut changes = vec![Change::Unwatch(watch.api.clone(), watch.account.clone(), ticket.clone())];
    let Some(conversation) = conversation else { return Ok((Vec::new(), changes)) };
    let key = format!("gone/{}/{ticket}", watch.api);
    let values = json!({ "number": ticket.number(), "subject": conversation.subject });
    let mut jobs = tell_places(bridge, conversation, &key, "ticket_vanished", &values)?;
    jobs.extend(alert(bridge, conversation, ticket, key, !jobs.is_empty()));
    changes.push(question::gone(bridge, conversation, ticket));
    Ok((jobs, changes))
}

fn alert(
    bridge: &Bridge,
    conversation: &Conversation,
    ticket: &TicketId,
    key: String,
    customer_told: bool,
) -> Option<NewJob> {
    let values = json!({
        "number": ticket.number(), "subject": conversation.subject,
        "account": conversation.account.as_str(), "customer_told": customer_told,
    });
    let told = Tell {
        kind: AlertKind::Closed,
        template: "alert_ticket_vanished",
        values,
        line: format!("#{} {} (merged or deleted)", ticket.number(), conversation.subject),
        about: Some((conversation.api.clone(), ticket.clone())),
        actions: Vec::new(),
    };
    alerts::tell(bridge, Some(&conversation.account), None, format!("alert/{key}"), told)
}

/// Chats only: no automatic mail is sent for it.
fn tell_places(
    bridge: &Bridge,
    conversation: &Conversation,
    key: &str,
    template: &'static str,
    values: &serde_json::Value,
) -> Result<Vec<NewJob>, StoreError> {
    let places = recipients::of(bridge, conversation, None)?;
    let notes = places.iter().filter_map(|place| {
        let note = Say::new(template, values.clone()).about(conversation.id);
        notes::say(bridge, place, format!("{key}/{place:?}"), note)
    });
    Ok(notes.collect())
}
