//! Who gets a staff message: the place that founded the conversation, the one last written from, who asked for copies.

use crate::{
    bridge::{alerts, context::Bridge, linking},
    model::{
        account::Link,
        attachment::Whereabouts,
        conversation::Conversation,
        delivery::{Content, Delivery},
        ids::ApiName,
        job::{Lane, NewJob, State, Task},
        place::Place,
        staff_message::StaffMessage,
    },
    runtime::clock::Timestamp,
    store::StoreError,
};

/// The places that a staff message of this date goes to, in no promised order but without doubles.
pub fn of(
    bridge: &Bridge,
    conversation: &Conversation,
    staff_dated: Option<Timestamp>,
) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    for place in wanted(bridge, conversation)? {
        if !places.contains(&place) && standing(bridge, conversation, &place, staff_dated)? == Standing::Open
        {
            places.push(place);
        }
    }
    Ok(places)
}

/// One job per place. Where nobody is left who can be reached, the admins are told instead.
pub fn deliver(
    bridge: &Bridge,
    conversation: &Conversation,
    staff: &StaffMessage,
) -> Result<Vec<NewJob>, StoreError> {
    let places = of(bridge, conversation, staff.sent)?;
    if places.is_empty() && unreachable(bridge, conversation, staff.sent)? {
        tracing::warn!(
            conversation.id = %conversation.id, ticket.id = %staff.ticket, "A staff message reaches nobody."
        );
        return Ok(alerts::unreached(bridge, conversation, staff).into_iter().collect());
    }
    Ok(places.iter().map(|place| job(conversation, staff, place)).collect())
}

/// The staff message on its way to one place; the same job whoever makes it.
pub fn job(conversation: &Conversation, staff: &StaffMessage, place: &Place) -> NewJob {
    let lane = match place {
        Place::Chat { chat, .. } => Lane::Chat(*chat),
        Place::Mail { .. } => Lane::Thread(conversation.id),
    };
    let delivery = Delivery {
        to: place.clone(),
        conversation: Some(conversation.id),
        content: Content::Staff(staff.clone()),
    };
    let key = key(&conversation.api, staff, place);
    NewJob { lane, key, task: Task::Deliver(delivery), state: State::Ready }
}

/// The founder's or the last writer's other place, when this one cannot be reached.
pub fn fallback(
    bridge: &Bridge,
    conversation: &Conversation,
    instead_of: &Place,
    staff_dated: Option<Timestamp>,
) -> Result<Option<Place>, StoreError> {
    for place in conversation.founder.iter().chain(&conversation.last_writer) {
        if place != instead_of && standing(bridge, conversation, place, staff_dated)? == Standing::Open {
            return Ok(Some(place.clone()));
        }
    }
    Ok(None)
}

/// Whether a staff message may still be sent to a place that was chosen earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// The customer left by `/quiet`.
    Quiet,
    /// Blocked, gone, bounced: another place may do.
    Unreachable,
    /// Not linked to the conversation's account, linked after the message, or mailed by the desk itself.
    Closed,
}

pub fn standing(
    bridge: &Bridge,
    conversation: &Conversation,
    place: &Place,
    staff_dated: Option<Timestamp>,
) -> Result<Standing, StoreError> {
    let link = bridge.store.link(place)?;
    let open = match place {
        Place::Chat { .. } => {
            let unlinked = bridge.telegram.as_ref().and_then(|telegram| telegram.unlinked.as_ref());
            chat_is_open(link.as_ref(), conversation, unlinked == Some(&conversation.account), staff_dated)
        }
        Place::Mail { .. } => mail_is_open(bridge, conversation),
    };
    let unreachable = match place {
        Place::Chat { .. } => link.is_some_and(|link| link.paused),
        Place::Mail { address, .. } => {
            bridge.store.suppressed(address)?.is_some_and(|until| until > bridge.now())
        }
    };
    Ok(match (open, unreachable) {
        (false, _) => Standing::Closed,
        (true, _) if conversation.quiet.contains(place) => Standing::Quiet,
        (true, true) => Standing::Unreachable,
        (true, false) => Standing::Open,
    })
}

/// Nothing older than the link is ever sent there, and nothing of another account.
fn chat_is_open(
    link: Option<&Link>,
    conversation: &Conversation,
    takes_unlinked: bool,
    staff_dated: Option<Timestamp>,
) -> bool {
    match link {
        Some(link) => {
            link.account == conversation.account && staff_dated.is_none_or(|dated| dated >= link.since)
        }
        None => takes_unlinked,
    }
}

/// Where the desk mails its customers itself, only conversations that came by mail are answered by mail.
fn mail_is_open(bridge: &Bridge, conversation: &Conversation) -> bool {
    let api = bridge.apis.get(&conversation.api);
    let desk_mails = api.is_some_and(|api| api.port.capabilities().desk_mails_customers);
    !desk_mails || matches!(conversation.founder, Some(Place::Mail { .. }))
}

fn wanted(bridge: &Bridge, conversation: &Conversation) -> Result<Vec<Place>, StoreError> {
    let mut places: Vec<Place> =
        conversation.founder.iter().chain(&conversation.last_writer).cloned().collect();
    if conversation.founder.is_none() {
        places.extend(linking::owner(&bridge.store, &conversation.account)?.map(|link| link.place));
    }
    let links = bridge.store.links_of(&conversation.account)?;
    places.extend(links.into_iter().filter(|link| link.follows_all).map(|link| link.place));
    Ok(places)
}

/// Whether somebody would have got it, but cannot be reached.
fn unreachable(
    bridge: &Bridge,
    conversation: &Conversation,
    staff_dated: Option<Timestamp>,
) -> Result<bool, StoreError> {
    for place in wanted(bridge, conversation)? {
        if standing(bridge, conversation, &place, staff_dated)? == Standing::Unreachable {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A message, or the files that came after it, is sent to a place once.
fn key(api: &ApiName, staff: &StaffMessage, place: &Place) -> String {
    let place = match place {
        Place::Chat { bot, chat } => format!("{bot}/{chat}"),
        Place::Mail { mailbox, address } => format!("{mailbox}/{address}"),
    };
    format!("staff/{api}/{}/{}/{place}", staff.ticket, part(staff))
}

/// What names a staff message within its ticket.
pub fn part(staff: &StaffMessage) -> String {
    let first = staff.files.first().map(|file| match &file.at {
        Whereabouts::Ticket { attachment, .. } => attachment.as_str(),
        Whereabouts::Telegram { .. } | Whereabouts::MailPart { .. } => file.name.as_str(),
    });
    match (&staff.id, first) {
        (Some(id), None) => id.to_string(),
        (Some(id), Some(_)) if staff.in_panel_only || !staff.text.trim().is_empty() => id.to_string(),
        (_, Some(first)) => format!("files-{first}-{}", staff.files.len()),
        (None, None) => "-".to_owned(),
    }
}
