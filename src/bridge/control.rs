//! What is not a message to a ticket, each to its own file; and what is told of a job that failed the bridge.

use serde_json::json;

use crate::{
    bridge::{
        admin, alerts, bounced, buttons, commands,
        context::Bridge,
        held, membership,
        outcome::Outcome,
        receipts,
        turn::{Press, Turn},
    },
    model::{
        delivery::{AlertKind, Content},
        inbound::{Inbound, Origin, What},
        job::{Job, NewJob, Task},
    },
    store::{Claim, StoreError},
};

/// Runs a command, a button, a held mail, a bounce or a change of membership.
pub async fn run(
    bridge: &Bridge,
    claim: &mut Claim,
    job: &Job,
    inbound: &Inbound,
) -> Result<Outcome, StoreError> {
    match (&inbound.what, &inbound.origin) {
        (What::Command { name, argument }, Origin::Chat(chat)) => {
            let turn = Turn { bridge, job, inbound, chat };
            commands::run(&turn, name, argument).await
        }
        (What::Button { data, callback, under }, Origin::Chat(chat)) => {
            let turn = Turn { bridge, job, inbound, chat };
            buttons::run(&Press { turn, callback, under: *under }, claim, data).await
        }
        (What::Message(_), Origin::Mail(mail)) => held::run(bridge, job, inbound, mail),
        (What::Bounced { mail, recipient, permanent, reason }, Origin::Mail(origin)) => {
            let bounce = bounced::Bounce { mail: mail.as_ref(), recipient: recipient.as_ref(), reason };
            if *permanent { bounced::run(bridge, job, origin, &bounce) } else { Ok(Outcome::done()) }
        }
        (What::ChatMoved { to }, Origin::Chat(chat)) => Ok(membership::moved(bridge, chat, *to)),
        (What::BotRemoved, Origin::Chat(_)) => membership::paused(bridge, inbound, true),
        (What::BotAdded, Origin::Chat(_)) => membership::paused(bridge, inbound, false),
        _ => Ok(Outcome::done()),
    }
}

/// A job that panicked: the admins are told, and the customer whose message it was.
pub fn broken(bridge: &Bridge, job: Option<&Job>, why: &str) -> Vec<NewJob> {
    let Some(job) = job else { return Vec::new() };
    match &job.task {
        Task::File(filing) => {
            let told = receipts::could_not_file(bridge, job, filing, "the bridge failed over it", false);
            let mut jobs = told.map(|told| told.jobs).unwrap_or_default();
            let customer_told = !jobs.is_empty();
            let conversation = bridge.store.conversation(filing.conversation).ok().flatten();
            jobs.extend(match conversation {
                Some(conversation) => alerts::dead(bridge, job, filing, &conversation, why, customer_told),
                None => dead(bridge, job, why),
            });
            jobs
        }
        // An alert about an alert that cannot be sent would not end.
        Task::Deliver(delivery) if matches!(delivery.content, Content::Alert(_)) => Vec::new(),
        Task::Control(_) | Task::Deliver(_) => dead(bridge, job, why).into_iter().collect(),
    }
}

/// The alert about a dead job that is no filing.
fn dead(bridge: &Bridge, job: &Job, why: &str) -> Option<NewJob> {
    let about = admin::about(bridge, job);
    let kept_until = bridge.now().plus(bridge.timing.keep_done);
    let values = json!({
        "what": about.what, "who": about.who, "account": about.account, "channel": about.channel, "why": why,
        "customer_told": false, "excerpt": about.excerpt, "url": null, "job": job.id.to_string(),
        "kept_until": crate::bridge::provenance::day_and_time(kept_until),
    });
    let told = alerts::Tell {
        kind: AlertKind::Dead,
        template: "alert_dead",
        values,
        line: format!("{} failed: {why}", about.what),
        about: None,
        actions: admin::second_chances(job.id),
    };
    alerts::tell(bridge, None, None, format!("alert/broken/{}", job.id), told)
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
