//! What the customer is told about a message: filed, waiting, filed without a part, or not filed and why.

use serde_json::{Value, json};

use crate::{
    bridge::{
        context::Bridge,
        letters::{self, To},
        notes::{self, Say, label},
        provenance::{bytes, day_and_time},
    },
    config::mailbox::Receipt,
    model::{
        button::{Action, Button},
        conversation::Conversation,
        ids::TicketId,
        inbound::{ChatOrigin, Inbound, LeftOut, LeftOutWhy, MailOrigin, Origin, Verdict, What},
        job::{Filing, Job, NewJob},
        place::Place,
    },
    store::{StoreError, change::Change},
};

/// What follows from a filing: notes or letters, with the counts that they cost.
#[derive(Default)]
pub struct Told {
    pub jobs: Vec<NewJob>,
    pub changes: Vec<Change>,
}

impl Told {
    fn job(job: Option<NewJob>) -> Self {
        Self { jobs: job.into_iter().collect(), changes: Vec::new() }
    }

    fn letter(letter: Option<(NewJob, Vec<Change>)>) -> Self {
        letter.map_or_else(Self::default, |(job, changes)| Self { jobs: vec![job], changes })
    }

    pub fn and(mut self, other: Self) -> Self {
        self.jobs.extend(other.jobs);
        self.changes.extend(other.changes);
        self
    }
}

/// The message is filed.
pub fn filed(bridge: &Bridge, job: &Job, filing: &Filing, filed: &Filed<'_>) -> Result<Told, StoreError> {
    let Some(first) = filing.messages.first() else { return Ok(Told::default()) };
    let told = match &first.inbound.origin {
        Origin::Chat(chat) => Told::job(filed_in_chat(bridge, job, &first.inbound, chat, filed)),
        Origin::Mail(mail) => filed_by_mail(bridge, job, &first.inbound, mail, filed)?,
    };
    Ok(told.and(without_parts(bridge, job, &first.inbound, filed)?))
}

/// What the filing did.
pub struct Filed<'a> {
    pub conversation: &'a Conversation,
    pub ticket: &'a TicketId,
    pub founded: bool,
    pub reopened: bool,
    pub left_out: &'a [LeftOut],
}

fn filed_in_chat(
    bridge: &Bridge,
    job: &Job,
    inbound: &Inbound,
    chat: &ChatOrigin,
    filed: &Filed<'_>,
) -> Option<NewJob> {
    if matches!(inbound.what, What::Edit(_)) {
        return None; // A revision is the least noisy thing there is.
    }
    let number = filed.ticket.number();
    let place = inbound.place();
    let (template, values) = if filed.founded {
        ("ticket_opened", json!({ "number": number, "subject": filed.conversation.subject }))
    } else if filed.reopened {
        ("reply_reopened", json!({ "number": number }))
    } else if job.progress.told_waiting && job.progress.asked.is_none() {
        ("filed_after_all", json!({ "number": number }))
    } else {
        ("reply_filed", json!({ "number": number }))
    };
    let mut note = Say::new(template, values).replying(Some(chat.message)).about(filed.conversation.id);
    // Where the customer did not say which ticket, it may have been another.
    if !filed.founded && chat.reply_to.is_none() && job.progress.decision.is_none() {
        let text = label(bridge, &place, "button_new_instead", &json!({}));
        let button = Button::new(text, Action::NewInstead(job.id), chat.chat, &bridge.secret);
        note = note.with(vec![vec![button]]);
    }
    notes::say(bridge, &place, format!("filed/{}", job.key), note)
}

fn filed_by_mail(
    bridge: &Bridge,
    job: &Job,
    inbound: &Inbound,
    mail: &MailOrigin,
    filed: &Filed<'_>,
) -> Result<Told, StoreError> {
    let to = letters::to(mail);
    let number = filed.ticket.number();
    let conversation = Some(filed.conversation.id);
    if mail.verdict != Verdict::Pass || mail.automatic.is_some() {
        return Ok(Told::default());
    }
    if let Some(closed) = closed_predecessor(bridge, filed)? {
        let values = json!({ "closed_number": closed, "number": number });
        let key = format!("closed-new/{}", job.key);
        let letter =
            letters::letter(bridge, &to, key, "mail_refused_closed_new_ticket", values, conversation)?;
        return Ok(Told::letter(letter));
    }
    if job.progress.told_waiting {
        let values = json!({
            "original_subject": mail.subject, "date": day_and_time(inbound.sent), "number": number,
        });
        let key = format!("after-all/{}", job.key);
        return letters::letter(bridge, &to, key, "mail_filed_after_all", values, conversation)
            .map(Told::letter);
    }
    let wanted = bridge.mailboxes.get(&mail.mailbox).is_some_and(|mailbox| mailbox.receipt == Receipt::First);
    let desk_mails = bridge
        .apis
        .get(&filed.conversation.api)
        .is_some_and(|api| api.port.capabilities().desk_mails_customers);
    if !filed.founded || !wanted || desk_mails {
        return Ok(Told::default());
    }
    let values = json!({
        "name": inbound.sender.name, "number": number, "ticket_subject": filed.conversation.subject, "url": null,
    });
    let subject = format!("[#{number}] {}", mail.subject);
    let to = To { subject, ..to };
    letters::letter(bridge, &to, format!("receipt/{}", job.key), "mail_receipt", values, conversation)
        .map(Told::letter)
}

fn closed_predecessor(bridge: &Bridge, filed: &Filed<'_>) -> Result<Option<String>, StoreError> {
    let Some(id) = filed.conversation.predecessor.filter(|_| filed.founded) else { return Ok(None) };
    Ok(bridge
        .store
        .conversation(id)?
        .and_then(|before| before.ticket)
        .map(|ticket| ticket.number().to_owned()))
}

/// Each part that was left out is named, with why.
fn without_parts(
    bridge: &Bridge,
    job: &Job,
    inbound: &Inbound,
    filed: &Filed<'_>,
) -> Result<Told, StoreError> {
    if filed.left_out.is_empty() {
        return Ok(Told::default());
    }
    let number = filed.ticket.number();
    match &inbound.origin {
        Origin::Chat(chat) => {
            let jobs = filed.left_out.iter().enumerate().filter_map(|(n, part)| {
                let (template, values) = left_out_note(part, number);
                let note =
                    Say::new(template, values).replying(Some(chat.message)).about(filed.conversation.id);
                notes::say(bridge, &inbound.place(), format!("left-out/{n}/{}", job.key), note)
            });
            Ok(Told { jobs: jobs.collect(), changes: Vec::new() })
        }
        Origin::Mail(mail) if mail.verdict == Verdict::Pass && mail.automatic.is_none() => {
            let files: Vec<Value> = filed
                .left_out
                .iter()
                .map(|part| {
                    let size = part.size.map_or_else(|| "size unknown".to_owned(), bytes);
                    json!({ "name": part.name, "size": size, "reason": reason(&part.why) })
                })
                .collect();
            let values = json!({
                "original_subject": mail.subject, "date": day_and_time(inbound.sent),
                "number": number, "files": files,
            });
            let key = format!("left-out/{}", job.key);
            let about = Some(filed.conversation.id);
            letters::letter(bridge, &letters::to(mail), key, "mail_refused_attachment", values, about)
                .map(Told::letter)
        }
        Origin::Mail(_) => Ok(Told::default()),
    }
}

fn left_out_note(part: &LeftOut, number: &str) -> (&'static str, Value) {
    match &part.why {
        LeftOutWhy::TooLarge { limit } => match part.size {
            Some(size) => (
                "file_too_large",
                json!({
                    "file": part.name, "size": bytes(size), "limit": bytes(*limit),
                    "text_filed": true, "number": number,
                }),
            ),
            None => (
                "file_from_telegram_too_large",
                json!({ "file": part.name, "limit": bytes(*limit), "text_filed": true, "number": number }),
            ),
        },
        LeftOutWhy::NotAvailable => ("file_not_available", json!({ "file": part.name, "number": number })),
        LeftOutWhy::Unsupported => ("unknown_kind", json!({ "kind": part.name })),
        LeftOutWhy::Refused(why) => (
            "attachment_refused",
            json!({ "file": part.name, "reason": why, "text_filed": true, "number": number }),
        ),
    }
}

fn reason(why: &LeftOutWhy) -> String {
    match why {
        LeftOutWhy::TooLarge { limit } => format!("larger than {}", bytes(*limit)),
        LeftOutWhy::Refused(why) => why.clone(),
        LeftOutWhy::NotAvailable => "not readable".to_owned(),
        LeftOutWhy::Unsupported => "this kind of content cannot be passed on".to_owned(),
    }
}

/// There was nothing in it.
pub fn empty(bridge: &Bridge, job: &Job, inbound: &Inbound) -> Result<Told, StoreError> {
    match &inbound.origin {
        Origin::Chat(chat) => {
            let note = Say::new("empty_message", json!({})).replying(Some(chat.message));
            Ok(Told::job(notes::say(bridge, &inbound.place(), format!("empty/{}", job.key), note)))
        }
        Origin::Mail(mail) => refused(bridge, inbound, mail, "mail_refused_empty", json!({})),
    }
}

/// The message waits; said once.
pub fn waiting(bridge: &Bridge, job: &Job, filing: &Filing) -> Result<Told, StoreError> {
    let Some(first) = filing.messages.first() else { return Ok(Told::default()) };
    match &first.inbound.origin {
        Origin::Chat(chat) => {
            let note = Say::new("waiting", json!({})).replying(Some(chat.message)).about(filing.conversation);
            Ok(Told::job(notes::say(bridge, &first.inbound.place(), format!("waiting/{}", job.key), note)))
        }
        Origin::Mail(mail) if mail.verdict == Verdict::Pass && mail.automatic.is_none() => {
            let values =
                json!({ "original_subject": mail.subject, "date": day_and_time(first.inbound.sent) });
            let key = format!("waiting/{}", job.key);
            letters::letter(
                bridge,
                &letters::to(mail),
                key,
                "mail_waiting",
                values,
                Some(filing.conversation),
            )
            .map(Told::letter)
        }
        Origin::Mail(_) => Ok(Told::default()),
    }
}

/// The message could not be filed, or it is not known whether it was (`parked`).
pub fn could_not_file(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    why: &str,
    parked: bool,
) -> Result<Told, StoreError> {
    let Some(first) = filing.messages.first() else { return Ok(Told::default()) };
    match &first.inbound.origin {
        Origin::Chat(chat) => {
            let excerpt = first.inbound.message().map(|m| m.text.clone()).filter(|text| !text.is_empty());
            let values = json!({ "parked": parked, "excerpt": excerpt, "reason": why, "url": null });
            let note =
                Say::new("could_not_file", values).replying(Some(chat.message)).about(filing.conversation);
            Ok(Told::job(notes::say(bridge, &first.inbound.place(), format!("not-filed/{}", job.key), note)))
        }
        Origin::Mail(mail) => {
            let values = json!({ "parked": parked, "reason": why, "url": null });
            refused(bridge, &first.inbound, mail, "mail_refused_could_not_file", values)
        }
    }
}

/// The ticket was merged or deleted.
pub fn ticket_gone(
    bridge: &Bridge,
    job: &Job,
    filing: &Filing,
    ticket: &TicketId,
) -> Result<Told, StoreError> {
    let Some(first) = filing.messages.first() else { return Ok(Told::default()) };
    let values = json!({ "number": ticket.number() });
    match &first.inbound.origin {
        Origin::Chat(chat) => {
            let note = Say::new("ticket_gone", values).replying(Some(chat.message));
            Ok(Told::job(notes::say(bridge, &first.inbound.place(), format!("gone/{}", job.key), note)))
        }
        Origin::Mail(mail) => refused(bridge, &first.inbound, mail, "mail_refused_ticket_gone", values),
    }
}

fn refused(
    bridge: &Bridge,
    inbound: &Inbound,
    mail: &MailOrigin,
    template: &'static str,
    mut values: Value,
) -> Result<Told, StoreError> {
    if let Some(map) = values.as_object_mut() {
        map.insert("original_subject".to_owned(), json!(mail.subject));
        map.insert("date".to_owned(), json!(day_and_time(inbound.sent)));
    }
    let placed = letters::refusal(bridge, inbound, template, values)?;
    Ok(Told { jobs: placed.jobs, changes: placed.changes })
}

/// The place that a filing came from.
pub fn place_of(filing: &Filing) -> Option<Place> {
    filing.messages.first().map(|arrived| arrived.inbound.place())
}
