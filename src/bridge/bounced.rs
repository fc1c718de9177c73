//! One of our mails could not be delivered: its recipient gets none for a while, and the admins are told once.

use serde_json::json;

use crate::{
    bridge::{
        alerts::{self, Tell},
        context::Bridge,
        loop_guard,
        outcome::Outcome,
        provenance::day_and_time,
    },
    model::{
        conversation::Conversation,
        delivery::AlertKind,
        ids::{MailAddress, MailId},
        inbound::MailOrigin,
        job::Job,
        place::Place,
        thread_token::FoundToken,
    },
    store::{StoreError, change::Change},
};

/// A failure that a mail server says is for good.
pub struct Bounce<'a> {
    pub mail: Option<&'a MailId>,
    pub recipient: Option<&'a MailAddress>,
    pub reason: &'a str,
}

/// A bounce is as easily forged as any mail. It is believed only if it names a mail of ours by the signed
/// token in its Message-ID, and a recipient who takes part in that conversation; it is never answered.
pub fn run(
    bridge: &Bridge,
    job: &Job,
    origin: &MailOrigin,
    bounce: &Bounce<'_>,
) -> Result<Outcome, StoreError> {
    let conversation = conversation(bridge, origin, bounce)?;
    let named = conversation.zip(bounce.recipient).filter(|(known, address)| takes_part(known, address));
    let Some((conversation, address)) = named else {
        metrics::counter!("bounces_not_believed_total").increment(1);
        tracing::info!(job.id = %job.id, mailbox = %origin.mailbox, "A bounce names no mail of ours; it is ignored.");
        return Ok(Outcome::done());
    };
    let lasts = bridge.timing.suppress_bounced;
    let mut changes = vec![Change::Suppress(address.clone(), bridge.now().plus(lasts))];
    let Some(first) = loop_guard::count(bridge, format!("bounced/{address}"), 1, lasts)? else {
        return Ok(Outcome::Done { changes, follow_ups: Vec::new() });
    };
    changes.push(first);
    let alert = alert(bridge, job, origin, &conversation, address, bounce.reason);
    Ok(Outcome::Done { changes, follow_ups: alert.into_iter().collect() })
}

fn conversation(
    bridge: &Bridge,
    origin: &MailOrigin,
    bounce: &Bounce<'_>,
) -> Result<Option<Conversation>, StoreError> {
    let in_mail = bounce.mail.map(|mail| FoundToken::all_in(mail.as_str())).unwrap_or_default();
    let id = in_mail.iter().chain(&origin.tokens).find_map(|token| token.verify(&bridge.secret));
    Ok(id.map(|id| bridge.store.conversation(id)).transpose()?.flatten())
}

fn takes_part(conversation: &Conversation, address: &MailAddress) -> bool {
    let place =
        |place: &Option<Place>| matches!(place, Some(Place::Mail { address: own, .. }) if own == address);
    conversation.participants.contains(address)
        || place(&conversation.founder)
        || place(&conversation.last_writer)
}

fn alert(
    bridge: &Bridge,
    job: &Job,
    origin: &MailOrigin,
    conversation: &Conversation,
    address: &MailAddress,
    reason: &str,
) -> Option<crate::model::job::NewJob> {
    let number = conversation
        .ticket
        .as_ref()
        .map_or_else(|| "the new ticket".to_owned(), |t| format!("#{}", t.number()));
    let values = json!({
        "what": format!("Mail to {address}"),
        "since": day_and_time(bridge.now()),
        "error": reason,
        "meaning": format!("answers in {number} do not reach this address, and for a while none is sent there"),
        "todo": "ask the customer for another address",
    });
    let told = Tell {
        kind: AlertKind::Trouble,
        template: "alert_trouble",
        values,
        line: format!("mail to {address} bounced: {reason}"),
        about: None,
        actions: Vec::new(),
    };
    let key = format!("alert/bounced/{}", job.key);
    alerts::tell(bridge, Some(&conversation.account), Some(&origin.mailbox), key, told)
}
