//! The text that is filed: the customer's words, remarks for the staff, and where it came from.

use serde_json::json;

use crate::{
    bridge::{
        context::Bridge,
        notes::remark,
        question::is_gone,
        reconcile::{marker_of_files, markers},
    },
    model::{
        conversation::Conversation,
        inbound::{Inbound, LeftOut, LeftOutWhy, Origin, What},
        job::{Filing, Job, Step, Task},
        marker::Marker,
    },
    runtime::clock::Timestamp,
};

/// A message that waited longer than this says when it was written.
const LATE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// What is filed for these messages. The provenance line with the markers is
/// the last one; reconciliation looks for it there.
pub fn text(
    bridge: &Bridge,
    conversation: &Conversation,
    job: &Job,
    filing: &Filing,
    left_out: &[LeftOut],
) -> String {
    let mut parts: Vec<String> =
        filing.messages.iter().filter_map(|arrived| words(bridge, &arrived.inbound)).collect();
    if parts.is_empty() {
        parts.extend(remark(bridge, "note_files_only", &json!({ "count": filing.files().count() })));
    }
    parts.extend(filing.remarks.iter().cloned());
    parts.extend(predecessor(bridge, conversation));
    parts.extend(may_be_preceded(bridge, conversation, job));
    parts.extend(left_out.iter().filter_map(|missing| left_out_remark(bridge, missing)));
    parts.extend(late(bridge, filing));
    parts.push(provenance(bridge, filing, &markers(bridge, filing)));
    parts.join("\n\n")
}

/// The text of the message that names a new ticket's files.
pub fn files_text(
    bridge: &Bridge,
    filing: &Filing,
    step: &Step,
    files: usize,
    left_out: &[LeftOut],
) -> String {
    let mut parts: Vec<String> =
        remark(bridge, "note_files_follow", &json!({ "count": files })).into_iter().collect();
    parts.extend(left_out.iter().filter_map(|missing| left_out_remark(bridge, missing)));
    parts.push(provenance(bridge, filing, marker_of_files(bridge, filing, step).as_slice()));
    parts.join("\n\n")
}

fn words(bridge: &Bridge, inbound: &Inbound) -> Option<String> {
    let text = inbound.message()?.text.trim();
    if matches!(inbound.what, What::Edit(_)) {
        let note = remark(bridge, "note_edited", &json!({ "time": day_and_time(inbound.sent) }))?;
        return Some(format!("{note}\n\n{text}"));
    }
    (!text.is_empty()).then(|| text.to_owned())
}

/// A first text names the conversation that it goes on from.
fn predecessor(bridge: &Bridge, conversation: &Conversation) -> Option<String> {
    if conversation.ticket.is_some() {
        return None;
    }
    let before = bridge.store.conversation(conversation.predecessor?).ok().flatten()?;
    let gone = is_gone(bridge, &before).unwrap_or_default();
    let number = before.ticket?.number().to_owned();
    let values = json!({ "number": number, "subject": before.subject, "gone": gone });
    remark(bridge, "note_mentions_closed", &values)
}

/// The create of an earlier message is parked: that message may stand in a ticket that nobody knows yet.
fn may_be_preceded(bridge: &Bridge, conversation: &Conversation, job: &Job) -> Option<String> {
    let (parked, since) = conversation.create_parked.filter(|_| conversation.ticket.is_none())?;
    if parked == job.id {
        return None;
    }
    let earlier = bridge.store.job(parked).ok().flatten().and_then(|(job, _)| match job.task {
        Task::File(filing) => filing.messages.first()?.inbound.message().map(|message| message.text.clone()),
        _ => None,
    });
    let values = json!({ "time": day_and_time(since), "excerpt": earlier.filter(|text| !text.is_empty()) });
    remark(bridge, "note_may_be_preceded", &values)
}

fn left_out_remark(bridge: &Bridge, missing: &LeftOut) -> Option<String> {
    let reason = match &missing.why {
        LeftOutWhy::TooLarge { limit } => format!("larger than {}", bytes(*limit)),
        LeftOutWhy::Refused(why) => why.clone(),
        LeftOutWhy::NotAvailable => "no longer available where it was sent".to_owned(),
        LeftOutWhy::Unsupported => "a kind of content that a ticket cannot hold".to_owned(),
    };
    let values = json!({ "file": missing.name, "size": missing.size.map(bytes), "reason": reason });
    remark(bridge, "note_attachment_missing", &values)
}

fn late(bridge: &Bridge, filing: &Filing) -> Option<String> {
    let sent = filing.messages.iter().map(|arrived| arrived.inbound.sent).min()?;
    let waited = bridge.now().since(sent) > LATE;
    waited.then(|| remark(bridge, "note_original_time", &json!({ "time": day_and_time(sent) }))).flatten()
}

/// “via Telegram, @name · tb-…”
pub fn provenance(bridge: &Bridge, filing: &Filing, markers: &[Marker]) -> String {
    let markers: Vec<String> = markers.iter().map(ToString::to_string).collect();
    let Some(first) = filing.messages.first() else { return markers.join(" ") };
    let sender = &first.inbound.sender;
    let (name, values) = match &first.inbound.origin {
        Origin::Chat(_) => {
            let values = json!({
                "username": sender.handle.as_deref().map(|handle| handle.trim_start_matches('@')), "name": sender.name, "group": null, "markers": markers,
            });
            ("provenance_telegram", values)
        }
        Origin::Mail(mail) => {
            let values = json!({ "name": sender.name, "address": mail.from.as_str(), "markers": markers });
            ("provenance_mail", values)
        }
    };
    // Without its markers a text must never be filed, whatever a template does.
    remark(bridge, name, &values)
        .filter(|line| markers.iter().all(|marker| line.contains(marker)))
        .unwrap_or_else(|| markers.join(" "))
}

/// As a person reads it: `5 May 2025, 10:31 UTC`.
pub fn day_and_time(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.as_millis())
        .map(|time| time.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_else(|_| time.to_string())
}

/// As a person reads it: `10 MB`, `1.4 MB`, `312 kB`.
pub fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} bytes"),
        1_000..1_000_000 => format!("{} kB", number / 1_000),
        _ if number % 1_000_000 < 50_000 => format!("{} MB", number / 1_000_000),
        _ => format!("{}.{} MB", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}
