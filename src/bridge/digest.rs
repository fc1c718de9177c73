//! More alerts than the group's limit allows become one digest, trouble before news.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bridge::{context::Bridge, outcome::Outcome, provenance::day_and_time},
    model::{
        delivery::{Alert, AlertKind, Content, Delivery},
        ids::JobId,
        job::{Job, Progress, Task, Why},
    },
    runtime::clock::Timestamp,
    store::{Claim, StoreError},
};

/// More waiting alerts than this are joined. A group takes twenty messages a minute
/// (<https://core.telegram.org/bots/faq#broadcasting-to-users>), so five wait a quarter of one.
const MOST_SINGLE: usize = 5;
/// The same for those with buttons, while so much waits that a claim cannot show all of it.
const MOST_DECISIONS_OF_MANY: usize = 2;
/// A claim that shows so many jobs may have more behind them.
const MOST_SHOWN: usize = 12;
/// Lines of each sort that a digest shows.
const MOST_LINES: usize = 5;
const LINE_CHARS: usize = 160;

/// What a digest counts. It is kept, as JSON, as the digest's own line, so that alerts that
/// come while it waits can still join it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Digest {
    since: Timestamp,
    counts: Vec<(AlertKind, u32)>,
    /// Newest last.
    trouble: Vec<String>,
    news: Vec<String>,
}

/// Joins the alerts at the head of a lane while too many wait; `None` to go on with the head.
///
/// What an admin must press a button for stays single while it is little, and so does what was begun to
/// be sent. A lane has at most one unsent digest: it is made at the head, and what follows joins it,
/// whatever else stands in between.
pub async fn digested(bridge: &Bridge, claim: &mut Claim) -> Result<Option<Outcome>, StoreError> {
    if !claim.steps.is_empty() {
        return Ok(None);
    }
    let joined = joinable(&claim.jobs);
    let Some(task) = digest_of(bridge, &joined) else { return Ok(None) };
    let others: Vec<JobId> = joined.iter().skip(1).map(|job| job.id).collect();
    let more = claim.jobs.len() >= MOST_SHOWN;
    metrics::counter!("alerts_joined_total").increment(joined.len() as u64);
    bridge.store.join_with(claim, others, task).await?;
    if !more {
        return Ok(None);
    }
    // The next claim shows what else waits.
    let progress = claim.jobs.first().map_or_else(Progress::default, |job| job.progress.clone());
    Ok(Some(Outcome::Later { until: bridge.now(), why: Why::Gathering, progress, follow_ups: Vec::new() }))
}

/// Which jobs become one digest, the head first; none if the head is none of them.
fn joinable(jobs: &[Job]) -> Vec<&Job> {
    let Some((head, first)) = jobs.first().and_then(|head| Some((head, alert(head)?))) else {
        return Vec::new();
    };
    let here =
        || jobs.iter().filter(|job| place(job) == place(head)).filter_map(|job| Some((job, alert(job)?)));
    if here().count() <= MOST_SINGLE && counts(first).is_none() {
        return Vec::new();
    }
    // More decisions than anybody can see at once: the digest counts them, and the admins' list has their buttons.
    let decisions = here().filter(|(_, alert)| !alert.buttons.is_empty()).count();
    let most = if jobs.len() >= MOST_SHOWN { MOST_DECISIONS_OF_MANY } else { MOST_SINGLE };
    let floods = decisions > most;
    if !first.buttons.is_empty() && !floods {
        return Vec::new();
    }
    here().filter(|(_, alert)| floods || alert.buttons.is_empty()).map(|(job, _)| job).collect()
}

fn digest_of(bridge: &Bridge, jobs: &[&Job]) -> Option<Task> {
    if jobs.len() < 2 {
        return None;
    }
    let all = jobs.iter().filter_map(|job| Some((alert(job)?, job.accepted)));
    let digest = all.map(|(alert, accepted)| one(alert, accepted)).reduce(Digest::and)?;
    let text = bridge
        .templates
        .render_telegram(&bridge.language, "alert_digest", &values(&digest))
        .inspect_err(|error| tracing::error!(%error, "A digest could not be rendered."))
        .ok()?;
    let kind = digest.counts.first().map_or(AlertKind::Trouble, |(kind, _)| *kind);
    let line = serde_json::to_string(&digest).ok()?;
    let alert = Alert { kind, text, line, buttons: Vec::new(), about: None };
    let Task::Deliver(head) = &jobs.first()?.task else { return None };
    let delivery = Delivery { to: head.to.clone(), conversation: None, content: Content::Alert(alert) };
    Some(Task::Deliver(delivery))
}

fn values(digest: &Digest) -> serde_json::Value {
    let kinds = digest.counts.iter().map(
        |(kind, count)| json!({ "name": name(*kind, *count), "count": count, "trouble": is_trouble(*kind) }),
    );
    let newest: Vec<&String> = digest.trouble.iter().rev().chain(digest.news.iter().rev()).collect();
    json!({
        "total": digest.counts.iter().map(|(_, count)| count).sum::<u32>(),
        "decisions": digest.counts.iter().any(|(kind, _)| needs_person(*kind)),
        "since": day_and_time(digest.since), "kinds": kinds.collect::<Vec<_>>(), "newest": newest,
    })
}

fn one(alert: &Alert, accepted: Timestamp) -> Digest {
    if let Some(digest) = counts(alert) {
        return digest;
    }
    let line: String = alert.line.chars().take(LINE_CHARS).collect();
    let (trouble, news) =
        if is_trouble(alert.kind) { (vec![line], Vec::new()) } else { (Vec::new(), vec![line]) };
    Digest { since: accepted, counts: vec![(alert.kind, 1)], trouble, news }
}

impl Digest {
    fn and(mut self, later: Self) -> Self {
        for (kind, count) in later.counts {
            match self.counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, known)) => *known = known.saturating_add(count),
                None => self.counts.push((kind, count)),
            }
        }
        self.counts.sort();
        self.trouble.extend(later.trouble);
        self.news.extend(later.news);
        self.trouble.drain(..self.trouble.len().saturating_sub(MOST_LINES));
        self.news.drain(..self.news.len().saturating_sub(MOST_LINES));
        self.since = self.since.min(later.since);
        self
    }
}

/// The counts of an alert that is a digest already. No other alert's line begins with a brace.
fn counts(alert: &Alert) -> Option<Digest> {
    serde_json::from_str(&alert.line).ok()
}

fn alert(job: &Job) -> Option<&Alert> {
    match &job.task {
        Task::Deliver(Delivery { content: Content::Alert(alert), .. }) => Some(alert),
        Task::Deliver(_) | Task::File(_) | Task::Control(_) => None,
    }
}

fn place(job: &Job) -> Option<&crate::model::place::Place> {
    match &job.task {
        Task::Deliver(delivery) => Some(&delivery.to),
        Task::File(_) | Task::Control(_) => None,
    }
}

fn is_trouble(kind: AlertKind) -> bool {
    kind < AlertKind::NewTicket
}

fn needs_person(kind: AlertKind) -> bool {
    matches!(kind, AlertKind::Parked | AlertKind::Dead | AlertKind::Quarantined)
}

fn name(kind: AlertKind, count: u32) -> &'static str {
    match (kind, count) {
        (AlertKind::Trouble, 1) => "trouble report",
        (AlertKind::Trouble, _) => "trouble reports",
        (AlertKind::Parked, _) => "waiting for a decision",
        (AlertKind::Dead, _) => "could not be done",
        (AlertKind::Quarantined, 1) => "mail held back",
        (AlertKind::Quarantined, _) => "mails held back",
        (AlertKind::NewTicket, 1) => "new ticket",
        (AlertKind::NewTicket, _) => "new tickets",
        (AlertKind::Reply, 1) => "reply of a customer",
        (AlertKind::Reply, _) => "replies of customers",
        (AlertKind::Closed, 1) => "closed ticket",
        (AlertKind::Closed, _) => "closed tickets",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        button::Button,
        formatted::Formatted,
        ids::{BotId, ChatId},
        job::{Lane, State},
        place::Place,
    };

    fn job(id: u64, kind: AlertKind, buttons: bool) -> Job {
        let button = Button { label: "again".into(), data: "x".into() };
        let alert = Alert {
            kind,
            text: Formatted::plain("x"),
            line: format!("{kind:?} {id}"),
            buttons: if buttons { vec![vec![button]] } else { Vec::new() },
            about: None,
        };
        let to = Place::Chat { bot: BotId(1), chat: ChatId(-5) };
        Job {
            id: JobId(id),
            lane: Lane::Chat(ChatId(-5)),
            key: format!("k{id}"),
            task: Task::Deliver(Delivery { to, conversation: None, content: Content::Alert(alert) }),
            accepted: Timestamp::from_secs(i64::try_from(id).unwrap()),
            state: State::Ready,
            progress: Progress::default(),
        }
    }

    fn news(ids: std::ops::Range<u64>) -> Vec<Job> {
        ids.map(|id| job(id, AlertKind::NewTicket, false)).collect()
    }

    #[test]
    fn few_alerts_stay_single_and_many_are_joined() {
        assert_eq!(joinable(&news(0..5)).len(), 0);
        assert_eq!(joinable(&news(0..6)).len(), 6);
    }

    #[test]
    fn what_needs_a_button_stays_single_unless_it_floods_the_group() {
        let mut jobs = news(0..8);
        jobs[3] = job(3, AlertKind::Parked, true);
        let ids = |jobs: &[Job]| joinable(jobs).iter().map(|job| job.id.0).collect::<Vec<_>>();
        assert_eq!(ids(&jobs), [0, 1, 2, 4, 5, 6, 7]);
        jobs.drain(..3);
        assert!(ids(&jobs).is_empty(), "it is the head");
        let flood: Vec<Job> = (0..6).map(|id| job(id, AlertKind::Parked, true)).collect();
        assert_eq!(ids(&flood), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_comes_later_joins_a_digest_that_still_waits_and_nothing_is_counted_twice() {
        let all = |jobs: &[Job]| {
            jobs.iter().map(|job| one(alert(job).unwrap(), job.accepted)).reduce(Digest::and).unwrap()
        };
        let first = all(&news(0..12));
        let mut digest = job(0, AlertKind::NewTicket, false);
        if let Task::Deliver(Delivery { content: Content::Alert(alert), .. }) = &mut digest.task {
            alert.line = serde_json::to_string(&first).unwrap();
        }
        let jobs = [digest, job(12, AlertKind::NewTicket, false), job(13, AlertKind::Trouble, false)];
        assert_eq!(joinable(&jobs).len(), 3, "even if only two more wait");
        let whole = all(&jobs);
        assert_eq!(whole.counts, [(AlertKind::Trouble, 1), (AlertKind::NewTicket, 13)], "trouble first");
        assert_eq!(whole.since, Timestamp::from_secs(0));
        assert_eq!(whole.trouble, ["Trouble 13"]);
        assert_eq!(whole.news.len(), MOST_LINES);
        assert_eq!(whole.news.last().unwrap(), "NewTicket 12");
        assert_eq!(values(&whole)["total"], 14);
        assert_eq!(values(&whole)["newest"][0], "Trouble 13");
    }
}
