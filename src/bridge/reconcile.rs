//! An outcome is unknown: look for the marker; found is done, surely absent is called again, else a person decides.

use crate::{
    bridge::{
        context::Bridge,
        steps::{self, Interrupted},
    },
    model::{
        conversation::Conversation,
        ids::{ConversationId, TicketId},
        inbound::Origin,
        job::{Ended, Filing, Remote, Step},
        marker::Marker,
    },
    runtime::clock::Timestamp,
    store::{
        Claim, Failed,
        change::{Change, Key},
    },
    ticket_api::{Access, Found, Look, LookIn},
};

/// The markers of a filing: one for each message in it.
pub fn markers(bridge: &Bridge, filing: &Filing) -> Vec<Marker> {
    filing.messages.iter().map(|arrived| Marker::of(&bridge.secret, &arrived.inbound.identity.key)).collect()
}

/// The marker of the message that this step makes for files.
pub fn marker_of_files(bridge: &Bridge, filing: &Filing, step: &Step) -> Option<Marker> {
    let first = filing.messages.first()?;
    let which = match step {
        Step::FilesAgain { round } => format!("files-again/{round}"),
        _ => "files".to_owned(),
    };
    Some(Marker::of(&bridge.secret, &format!("{}/{which}", first.inbound.identity.key)))
}

/// Looks for a create of unknown outcome. `Some` if it happened, `None` if it
/// surely did not and may be called again.
pub async fn create(
    bridge: &Bridge,
    claim: &mut Claim,
    conversation: &Conversation,
    access: &Access,
    filing: &Filing,
    attempt: Option<(Timestamp, Ended)>,
) -> Result<Option<Remote>, Interrupted> {
    let Some(api) = bridge.apis.get(&conversation.api) else { return Err(unknown_api(conversation)) };
    let since = match &attempt {
        Some((attempted, _)) => api.port.server_time(*attempted),
        None => {
            filing.messages.iter().map(|arrived| arrived.inbound.sent).min().unwrap_or_else(|| bridge.now())
        }
    };
    let since = since.minus(bridge.timing.clock_skew);
    let begun = bridge.now();
    let found = look_for_create(bridge, conversation, access, filing, since).await?;
    if let Found::Ticket(created) = &found {
        let remote = Remote::Ticket(created.ticket.clone());
        // A mail of long ago, read again: its ticket stays the first conversation's.
        let ticket = Key::Ticket(conversation.api.clone(), created.ticket.clone());
        let owner = bridge.store.find(&ticket)?.filter(|owner| *owner != conversation.id);
        let changes = match owner {
            Some(owner) if filed_before(bridge, conversation, filing).contains(&owner) => Vec::new(),
            _ => super::filing::created(conversation, &created.ticket, bridge.now()),
        };
        bridge.store.end_step(claim, Step::Create, remote.clone(), changes).await?;
        return Ok(Some(remote));
    }
    absent(bridge, claim, conversation, Step::Create, attempt, begun, &found).await
}

/// The ticket with a filing's marker, among those that may be its own: dated `since` then by the server's
/// clock, and founded by no other conversation.
pub async fn look_for_create(
    bridge: &Bridge,
    conversation: &Conversation,
    access: &Access,
    filing: &Filing,
    since: Timestamp,
) -> Result<Found, Interrupted> {
    let Some(api) = bridge.apis.get(&conversation.api) else { return Err(unknown_api(conversation)) };
    let filed_before = filed_before(bridge, conversation, filing);
    // A ticket that only the poll has met may be the very one that is looked for: only those that
    // a conversation of ours founded are known.
    let is_known = |ticket: &TicketId| {
        let key = Key::Ticket(conversation.api.clone(), ticket.clone());
        let found = bridge.store.find(&key).ok().flatten();
        let found = found.and_then(|id| bridge.store.conversation(id).ok().flatten());
        found.is_some_and(|known| {
            known.founder.is_some() && known.id != conversation.id && !filed_before.contains(&known.id)
        })
    };
    let markers = markers(bridge, filing);
    let look = Look {
        markers: &markers,
        place: LookIn::NewTickets { since, subject: &conversation.subject, is_known: &is_known },
    };
    steps::read(bridge, conversation, api.port.find_by_marker(access, look)).await
}

/// A message of ours in an existing ticket.
pub struct Sought<'a> {
    pub conversation: &'a Conversation,
    pub access: &'a Access,
    pub ticket: &'a TicketId,
    /// What makes it.
    pub step: Step,
    pub markers: Vec<Marker>,
}

/// The same for a message to a ticket.
pub async fn message(
    bridge: &Bridge,
    claim: &mut Claim,
    sought: Sought<'_>,
    attempt: Option<(Timestamp, Ended)>,
) -> Result<Option<Remote>, Interrupted> {
    let Sought { conversation, access, ticket, step, markers } = sought;
    let Some(api) = bridge.apis.get(&conversation.api) else { return Err(unknown_api(conversation)) };
    let begun = bridge.now();
    let look = Look { markers: &markers, place: LookIn::Replies(ticket) };
    let found = steps::read(bridge, conversation, api.port.find_by_marker(access, look)).await?;
    if let Found::Reply(message) = &found {
        let remote = Remote::Message(message.clone());
        bridge.store.end_step(claim, step, remote.clone(), Vec::<Change>::new()).await?;
        return Ok(Some(remote));
    }
    absent(bridge, claim, conversation, step, attempt, begun, &found).await
}

/// A complete look that began at `begun` found nothing.
pub async fn absent(
    bridge: &Bridge,
    claim: &mut Claim,
    conversation: &Conversation,
    step: Step,
    attempt: Option<(Timestamp, Ended)>,
    begun: Timestamp,
    found: &Found,
) -> Result<Option<Remote>, Interrupted> {
    let Some((_, ended)) = attempt else { return Ok(None) };
    if *found == Found::CannotKnow {
        let why = "the ticket system has no way to look for it".to_owned();
        return Err(Interrupted::CannotKnow { why });
    }
    let from = steps::settled_at(bridge, conversation, &ended);
    if begun < from {
        return Err(Interrupted::Look { at: from, why: "the call may still be running".to_owned() });
    }
    bridge.store.fail_step(claim, step, Failed::Surely).await?;
    Ok(None)
}

/// The conversations that mails with these Message-IDs are known in.
fn filed_before(bridge: &Bridge, conversation: &Conversation, filing: &Filing) -> Vec<ConversationId> {
    let mails = filing.messages.iter().filter_map(|arrived| match &arrived.inbound.origin {
        Origin::Mail(mail) => Some(Key::Mail(conversation.account.clone(), mail.message_id.clone())),
        Origin::Chat(_) => None,
    });
    mails.filter_map(|key| bridge.store.find(&key).ok().flatten()).collect()
}

fn unknown_api(conversation: &Conversation) -> Interrupted {
    Interrupted::Refused(format!("the ticket system {} is not configured any more", conversation.api))
}
