//! After a lost answer: looks for our own text by its marker, completely or not at all.

use std::collections::HashMap;

use super::walk::Walk;
use super::{
    Access, ApiError, Author, Created, Found, Look, LookIn, Scope, Ticket, TicketApi, TicketLine,
    TicketMessage,
};
use crate::model::ids::TicketId;
use crate::model::marker::Marker;

/// A list of several pages may shift between two of them, so it is walked until a walk brings nothing new.
const MOST_WALKS: u32 = 4;

/// Looks where tickets can be listed and read with their texts. `as_filed` is a subject as the API keeps it.
///
/// # Errors
/// What a call says; also when the account has more than `max_pages` pages of tickets.
pub async fn for_marker(
    api: &dyn TicketApi,
    account: &Access,
    look: Look<'_>,
    as_filed: impl Fn(&str) -> String,
    max_pages: u32,
) -> Result<Found, ApiError> {
    match look.place {
        LookIn::NewTickets { since, subject, is_known } => {
            let subject = as_filed(subject);
            let listed = every_ticket(api, account, max_pages).await?;
            let is_candidate = |line: &TicketLine| {
                !is_known(&line.ticket) && line.created.is_none_or(|created| created >= since)
            };
            let mut candidates: Vec<TicketLine> = listed.into_values().filter(is_candidate).collect();
            candidates.sort_by_key(|line| (line.subject != subject, std::cmp::Reverse(line.created)));
            among(api, account, candidates, look.markers).await
        }
        LookIn::Replies(ticket) => for_reply(api, account, look.markers, ticket).await,
    }
}

/// Looks through the candidates, in their order.
pub async fn among(
    api: &dyn TicketApi,
    account: &Access,
    candidates: Vec<TicketLine>,
    markers: &[Marker],
) -> Result<Found, ApiError> {
    let mut legible = true;
    for line in candidates {
        let ticket = match api.ticket(account, &line.ticket).await {
            Ok(ticket) => ticket,
            Err(ApiError::NotFound(_)) => continue, // deleted between the list and now
            Err(error) => return Err(error),
        };
        if holds(&ticket, markers) {
            return Ok(Found::Ticket(Created { ticket: line.ticket, message: None }));
        }
        // No ticket is without an opening text: where it reads so, it has another name than we think.
        legible &= !ticket.text.trim().is_empty();
    }
    Ok(if legible { Found::Absent } else { Found::CannotKnow })
}

/// Looks through the messages of one ticket.
pub async fn for_reply(
    api: &dyn TicketApi,
    account: &Access,
    markers: &[Marker],
    ticket: &TicketId,
) -> Result<Found, ApiError> {
    let ticket = api.ticket(account, ticket).await?;
    if let Some(message) = ticket.messages.iter().find(|message| is_ours(message, markers)) {
        return Ok(Found::Reply(Some(message.id.clone())));
    }
    // Where an opening comes without a text of its own, the first message was taken for it.
    if markers.iter().any(|marker| marker.is_in(&ticket.text)) {
        return Ok(Found::Reply(None));
    }
    // None of ours is without a text: where one reads so, or there is no list at all, a name is wrong.
    let is_legible = |message: &TicketMessage| message.by == Author::Staff || !message.text.trim().is_empty();
    let legible = ticket.shows_messages && ticket.messages.iter().all(is_legible);
    Ok(if legible { Found::Absent } else { Found::CannotKnow })
}

async fn every_ticket(
    api: &dyn TicketApi,
    account: &Access,
    max_pages: u32,
) -> Result<HashMap<TicketId, TicketLine>, ApiError> {
    let mut listed = HashMap::new();
    for _ in 0..MOST_WALKS {
        let (before, mut pages) = (listed.len(), 0);
        let mut walk = Walk::new(Scope::All, max_pages);
        while let Some(lines) = walk.next(api, account).await? {
            pages += 1;
            listed.extend(lines.into_iter().map(|line| (line.ticket.clone(), line)));
        }
        if pages <= 1 || listed.len() == before {
            return Ok(listed);
        }
    }
    Err(ApiError::Retry { after: None, reason: "the list changes faster than it can be read".to_owned() })
}

fn holds(ticket: &Ticket, markers: &[Marker]) -> bool {
    markers.iter().any(|marker| marker.is_in(&ticket.text))
        || ticket.messages.iter().any(|message| is_ours(message, markers))
}

/// Staff may quote our marker. Where a message does not say who wrote it, only one that *ends* with the
/// marker is ours.
fn is_ours(message: &TicketMessage, markers: &[Marker]) -> bool {
    let text = message.text.trim_end();
    let above = text.rsplit_once('\n').map_or("", |(above, _)| above);
    markers.iter().any(|marker| match message.by {
        Author::Staff => false,
        Author::Customer => marker.is_in(text),
        Author::Unsaid => marker.is_in(text) && !marker.is_in(above),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TicketMessageId;
    use crate::model::secret::InstanceSecret;

    #[test]
    fn a_quoted_marker_is_not_ours() {
        let marker = Marker::of(&InstanceSecret::new([7; 32], None), "a");
        let line = format!("via Telegram, @x · {marker}");
        let wrapped = format!("Hello\n{}", line.replace("tb-", "tb-\n"));
        for (by, text, ours) in [
            (Author::Customer, format!("Hello\n{line}"), true),
            (Author::Customer, "Hello".to_owned(), false),
            (Author::Staff, format!("> {line}"), false),
            (Author::Unsaid, format!("Hello\n{line}\n"), true),
            (Author::Unsaid, wrapped, true),
            (Author::Unsaid, format!("> Hello\n> {line}\nPlease restart."), false),
        ] {
            let id = TicketMessageId::new("1");
            let message = TicketMessage {
                id,
                by,
                author: None,
                text: text.clone(),
                in_panel_only: false,
                created: None,
            };
            assert_eq!(is_ours(&message, std::slice::from_ref(&marker)), ours, "{by:?} {text}");
        }
    }
}
