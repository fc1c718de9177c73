//! Where a staff message goes from here: its deliveries and the admins' alert. The one place that knows who makes them.

use crate::{
    bridge::context::Bridge,
    model::{
        conversation::Conversation,
        delivery::{Content, Delivery},
        job::{Lane, NewJob, State, Task},
        place::Place,
        staff_message::StaffMessage,
    },
    store::StoreError,
};

/// One job for each place that gets it.
pub(super) fn deliver(
    bridge: &Bridge,
    conversation: &Conversation,
    staff: &StaffMessage,
) -> Result<Vec<NewJob>, StoreError> {
    let places = places(bridge, conversation)?;
    Ok(places.into_iter().map(|to| job(conversation, staff, to)).collect())
}

/// The alert of what staff has answered is edited to say so.
pub(super) fn answered(
    _bridge: &Bridge,
    _conversation: &Conversation,
    _staff: &StaffMessage,
) -> Result<Vec<NewJob>, StoreError> {
    Ok(Vec::new())
}

/// Founder and last writer, unless they left; for a ticket of the panel the account's oldest live link.
pub(super) fn places(bridge: &Bridge, conversation: &Conversation) -> Result<Vec<Place>, StoreError> {
    let mut places: Vec<Place> = Vec::new();
    for place in [&conversation.founder, &conversation.last_writer].into_iter().flatten() {
        if !places.contains(place) && !conversation.quiet.contains(place) {
            places.push(place.clone());
        }
    }
    if conversation.founder.is_none() && places.is_empty() {
        let links = bridge.store.links_of(&conversation.account)?;
        places.extend(links.into_iter().find(|link| !link.paused).map(|link| link.place));
    }
    Ok(places)
}

fn job(conversation: &Conversation, staff: &StaffMessage, to: Place) -> NewJob {
    let lane = match &to {
        Place::Chat { chat, .. } => Lane::Chat(*chat),
        Place::Mail { .. } => Lane::Thread(conversation.id),
    };
    let ids = staff.files.iter().map(|file| match &file.at {
        crate::model::attachment::Whereabouts::Ticket { attachment, .. } => attachment.to_string(),
        _ => file.name.clone(),
    });
    let ids: Vec<String> = ids.collect();
    let message = staff.id.as_ref().map_or("", |id| id.as_str());
    let part = if staff.text.is_empty() { ids.join("+") } else { "text".to_owned() };
    let key = format!("staff/{}/{}/{message}/{part}/{to:?}", conversation.api, staff.ticket);
    let content = Content::Staff(staff.clone());
    let task = Task::Deliver(Delivery { to, conversation: Some(conversation.id), content });
    NewJob { lane, key, task, state: State::Ready }
}
