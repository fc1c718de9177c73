//! Threading for mail: whose it is by its mailbox or its proven sender, and a ticket only for those who take part.

use serde_json::json;

use crate::{
    bridge::{
        context::Bridge,
        intake::Batch,
        letters, notes,
        provenance::day_and_time,
        threading::{Placed, control, file, found},
    },
    config::mailbox::Unverified,
    model::{
        account::Account,
        conversation::{Conversation, ConversationChange},
        ids::{AccountName, ConversationId, MailAddress},
        inbound::{Automatic, Inbound, MailOrigin, Verdict, What},
        job::{NewJob, State},
    },
    store::{
        StoreError,
        change::{Change, Key},
    },
    text::subject,
};

/// The account that a mail is for: its mailbox's, else its sender's, proven or not.
pub fn account(bridge: &Bridge, mail: &MailOrigin) -> Option<AccountName> {
    let mailbox = bridge.mailboxes.get(&mail.mailbox)?;
    mailbox.account.clone().or_else(|| bridge.account_of_address(&mail.from))
}

const UNVERIFIED: &str = "the sender could not be verified";
const UNKNOWN: &str = "no account has this sender's address, and the sender could not be verified";

pub fn place(
    bridge: &Bridge,
    batch: &mut Batch<'_>,
    inbound: &Inbound,
    mail: &MailOrigin,
    account: Option<AccountName>,
) -> Result<Placed, StoreError> {
    if matches!(inbound.what, What::Bounced { .. }) {
        return Ok(Placed::control(inbound));
    }
    match mail.automatic {
        // Our own mail come back, or a bounce that names nothing: filing it would start a loop.
        Some(kind @ (Automatic::Ours | Automatic::Bounce)) => return Ok(left_out(inbound, kind)),
        // An out-of-office answer to one of our mails says nothing about the ticket and would reopen it.
        Some(Automatic::Reply) if answers_us(bridge, batch, mail, account.as_ref())? => {
            return Ok(Placed::nothing());
        }
        _ => {}
    }
    if mail.spam {
        return Ok(Placed::job(held_back(inbound, "flagged as spam by the mail server", true)));
    }
    let Some(account) = account.map(|name| bridge.store.account(&name)).transpose()?.flatten() else {
        return unknown_sender(bridge, inbound, mail);
    };
    let thread = thread(bridge, batch, mail, &account)?;
    match admission(bridge, mail, &thread) {
        Admission::File => Ok(filed(bridge, inbound, mail, &account, thread)),
        Admission::Quarantine => Ok(Placed::job(held_back(inbound, UNVERIFIED, false))),
        // A sender who may be forged is never answered, so the admins are all who can be told.
        Admission::Refuse => Ok(Placed::job(held_back(inbound, UNVERIFIED, true))),
    }
}

/// A robot's mail that no ticket needs; it stays at its source, and the log says so.
fn left_out(inbound: &Inbound, kind: Automatic) -> Placed {
    tracing::info!(item = %inbound.identity.key, ?kind, "An automatic mail is not filed.");
    metrics::counter!("automatic_mails_left_out_total").increment(1);
    Placed::nothing()
}

/// Files a mail that was held back, because an admin said so.
pub fn released(bridge: &Bridge, inbound: &Inbound, mail: &MailOrigin) -> Result<Option<Placed>, StoreError> {
    let account = account(bridge, mail).map(|name| bridge.store.account(&name)).transpose()?.flatten();
    let Some(account) = account else { return Ok(None) };
    let batch = Batch::new(bridge);
    let thread = thread(bridge, &batch, mail, &account)?;
    Ok(Some(filed(bridge, inbound, mail, &account, thread)))
}

/// What a mail's headers say about where it belongs.
struct Thread {
    /// The conversation that it continues, by a sender who takes part.
    joins: Option<Conversation>,
    /// One that it names without the right to join it.
    mentions: Option<String>,
    by_token: bool,
}

fn thread(
    bridge: &Bridge,
    batch: &Batch<'_>,
    mail: &MailOrigin,
    account: &Account,
) -> Result<Thread, StoreError> {
    let named = named(bridge, batch, mail, account)?;
    let by_number = subject::ticket_number_in(&mail.subject);
    match named {
        Some((conversation, by_token)) if takes_part(bridge, &conversation, mail, account) => {
            Ok(Thread { joins: Some(conversation), mentions: None, by_token })
        }
        Some((conversation, by_token)) => {
            let ticket = conversation.ticket.map(|ticket| ticket.number().to_owned());
            // Only of the same account: another customer's number is nobody's business.
            let ticket = ticket.filter(|_| conversation.account == account.name);
            Ok(Thread { joins: None, mentions: ticket.or(by_number), by_token })
        }
        None => Ok(Thread { joins: None, mentions: by_number, by_token: false }),
    }
}

/// The conversation that a token or a referred mail names, and whether by token.
fn named(
    bridge: &Bridge,
    batch: &Batch<'_>,
    mail: &MailOrigin,
    account: &Account,
) -> Result<Option<(Conversation, bool)>, StoreError> {
    for id in mail.tokens.iter().filter_map(|token| token.verify(&bridge.secret)) {
        if let Some(conversation) = batch.conversation(id)? {
            return Ok(Some((conversation, true)));
        }
    }
    for message_id in &mail.refers_to {
        let found = batch.find(&Key::Mail(account.name.clone(), message_id.clone()))?;
        if let Some(conversation) = found.map(|id| batch.conversation(id)).transpose()?.flatten() {
            return Ok(Some((conversation, false)));
        }
    }
    Ok(None)
}

/// Design §7: founder, From/To/Cc of a mail accepted into it, an address that we
/// mailed, or one linked to the same account with an aligned pass.
fn takes_part(bridge: &Bridge, conversation: &Conversation, mail: &MailOrigin, account: &Account) -> bool {
    conversation.account == account.name
        && (conversation.participants.contains(&mail.from)
            || (mail.verdict == Verdict::Pass
                && bridge.account_of_address(&mail.from).as_ref() == Some(&conversation.account)))
}

enum Admission {
    File,
    Quarantine,
    Refuse,
}

fn admission(bridge: &Bridge, mail: &MailOrigin, thread: &Thread) -> Admission {
    let Some(mailbox) = bridge.mailboxes.get(&mail.mailbox) else { return Admission::Quarantine };
    let proven = mail.verdict == Verdict::Pass || (thread.by_token && thread.joins.is_some());
    if mailbox.account.is_some() || proven {
        return Admission::File;
    }
    match mailbox.unverified {
        Unverified::Mark => Admission::File,
        Unverified::Quarantine => Admission::Quarantine,
        Unverified::Refuse => Admission::Refuse,
    }
}

fn filed(bridge: &Bridge, inbound: &Inbound, mail: &MailOrigin, account: &Account, thread: Thread) -> Placed {
    let mut remarks = Vec::new();
    if mail.verdict != Verdict::Pass {
        remarks.extend(notes::sender_not_verified(bridge, mail));
    }
    if let Some(number) = &thread.mentions {
        remarks.extend(notes::may_belong_to(bridge, number));
    }
    let mut changes = Vec::new();
    let conversation = match thread.joins {
        Some(conversation) => {
            changes.push(Change::Conversation(
                conversation.id,
                ConversationChange::WrittenFrom(inbound.place()),
            ));
            conversation.id
        }
        None => {
            let new = found(bridge, inbound, account, None);
            let id = new.id;
            changes.push(Change::NewConversation(new));
            id
        }
    };
    changes.push(Change::Conversation(conversation, ConversationChange::Participants(people(bridge, mail))));
    changes.push(Change::Conversation(conversation, ConversationChange::Mail(mail.message_id.clone())));
    changes.extend(bind(bridge, account, mail, conversation));
    Placed { changes, jobs: vec![file(bridge, conversation, inbound, remarks)] }
}

/// The same Message-ID with other content is another mail (design §5): the first keeps the name.
fn bind(bridge: &Bridge, account: &Account, mail: &MailOrigin, id: ConversationId) -> Option<Change> {
    let key = Key::Mail(account.name.clone(), mail.message_id.clone());
    let taken = bridge.store.find(&key).is_ok_and(|found| found.is_some());
    (!taken).then_some(Change::Rebind(key, id))
}

/// Everybody on the mail but ourselves.
fn people(bridge: &Bridge, mail: &MailOrigin) -> Vec<MailAddress> {
    let ours = |address: &MailAddress| bridge.mailboxes.values().any(|mailbox| mailbox.address == *address);
    let all = std::iter::once(&mail.from).chain(&mail.to).chain(&mail.cc);
    all.filter(|address| !ours(address)).take(12).cloned().collect()
}

fn answers_us(
    bridge: &Bridge,
    batch: &Batch<'_>,
    mail: &MailOrigin,
    account: Option<&AccountName>,
) -> Result<bool, StoreError> {
    let Some(account) = account.map(|name| bridge.store.account(name)).transpose()?.flatten() else {
        return Ok(false);
    };
    Ok(named(bridge, batch, mail, &account)?.is_some())
}

fn unknown_sender(bridge: &Bridge, inbound: &Inbound, mail: &MailOrigin) -> Result<Placed, StoreError> {
    if mail.verdict == Verdict::Pass {
        let values = json!({
            "original_subject": mail.subject, "date": day_and_time(inbound.sent),
            "address": mail.from.as_str(), "url": null,
        });
        return letters::refusal(bridge, inbound, "mail_refused_unlinked_sender", values);
    }
    Ok(Placed::job(held_back(inbound, UNKNOWN, false)))
}

/// A mail that waits for an admin's *Release*: its job parks itself with an alert, see `control`.
/// Spam, and what the operator wants refused, is only kept for whoever looks.
fn held_back(inbound: &Inbound, why: &str, silent: bool) -> NewJob {
    let mut job = control(inbound);
    job.key = format!("held/{}", inbound.identity.key);
    if silent {
        job.state = State::Dead { why: why.to_owned(), since: inbound.sent };
    }
    job
}

/// Why a mail is held back, for the alert.
pub fn held_because(account: Option<&AccountName>) -> &'static str {
    match account {
        Some(_) => UNVERIFIED,
        None => UNKNOWN,
    }
}
