//! When a ticket or an account is due for a look: by its last sign of life, and by what a list shows.

use std::time::Duration;

use crate::{
    bridge::hints::LastHint, config::Timing, model::conversation::TicketStatus, runtime::clock::Timestamp,
    store::rows::TicketWatch, ticket_api::TicketLine,
};

/// At most so many further looks are planned for one ticket.
const MOST_FURTHER_LOOKS: usize = 16;
/// Where a hint came within this time, more will come.
const HINTED_FOR: Duration = Duration::from_secs(3600);
/// What is hot is then looked at so much less often.
const HINTED: u32 = 4;

/// How often something is looked at (design §5).
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    hot: Duration,
    hot_for: Duration,
    warm: Duration,
    warm_for: Duration,
    cold: Duration,
    last_hint: LastHint,
}

impl Rhythm {
    /// `hot` is the API's own.
    pub(super) fn of(timing: &Timing, hot: Duration) -> Self {
        Self {
            hot,
            hot_for: timing.hot_for,
            warm: timing.poll_warm,
            warm_for: timing.warm_for,
            cold: timing.poll_cold,
            last_hint: LastHint::default(),
        }
    }

    /// While hints come, they are what finds answers at once, and the poll what finds those that got lost.
    pub(super) fn with_hints(self, last_hint: LastHint) -> Self {
        Self { last_hint, ..self }
    }

    /// The time between two looks at what was last `active` then.
    pub(super) fn interval(&self, active: Timestamp, now: Timestamp) -> Duration {
        match now.since(active) {
            silent if silent <= self.hot_for && self.last_hint.is_within(HINTED_FOR, now) => {
                (self.hot * HINTED).min(self.cold).max(self.hot)
            }
            silent if silent <= self.hot_for => self.hot,
            silent if silent <= self.warm_for => self.warm,
            _ => self.cold,
        }
    }

    pub(super) fn hottest(&self) -> Duration {
        self.hot
    }

    pub(super) fn warm(&self) -> Duration {
        self.warm
    }

    /// A look dated later than now was made before the clock was set back.
    fn is_due(&self, watch: &TicketWatch, now: Timestamp) -> bool {
        watch.looked > now || watch.looked.plus(self.interval(watch.active, now)) <= now
    }

    /// Whether a ticket must be looked at, by what the last look stored and what a list shows, if it shows it.
    pub(super) fn needs_look(
        &self,
        known: Option<&TicketWatch>,
        listed: Option<&TicketLine>,
        now: Timestamp,
    ) -> bool {
        let Some(known) = known else { return true };
        if known.again.iter().any(|at| *at <= now) {
            return true;
        }
        let Some(line) = listed else { return !known.closed && self.is_due(known, now) };
        let closed = line.status == TicketStatus::Closed;
        if closed != known.closed {
            return true;
        }
        match (&known.change, &line.change) {
            (Some(known), Some(listed)) => known != listed,
            _ => !closed && self.is_due(known, now),
        }
    }
}

/// Why a ticket is to be read again soon.
pub(super) struct Recheck<'a> {
    /// What was planned before.
    pub(super) planned: &'a [Timestamp],
    /// After a new staff message: so long after it, each.
    pub(super) after: &'a [Duration],
    /// The look found a new staff message.
    pub(super) found: bool,
    /// How old the newest staff message is, if the plan may have been lost by a write of ours.
    pub(super) age: Option<Duration>,
}

/// The further looks that are due for files which come after their message, soonest first.
pub(super) fn further_looks(recheck: &Recheck<'_>, now: Timestamp) -> Vec<Timestamp> {
    let planned = recheck.planned.iter().copied().filter(|at| *at > now);
    let found = recheck.after.iter().filter(|_| recheck.found).map(|after| now.plus(*after));
    let lost = recheck.after.iter().filter_map(|after| {
        let left = after.checked_sub(recheck.age?)?;
        (!left.is_zero()).then(|| now.plus(left))
    });
    let mut looks: Vec<Timestamp> = planned.chain(found).chain(lost).collect();
    looks.sort_unstable();
    looks.dedup();
    // The latest matter most: what is there by then is found by them, too.
    let surplus = looks.len().saturating_sub(MOST_FURTHER_LOOKS);
    looks.drain(..surplus);
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bridge::hints::Hints,
        model::ids::{AccountName, ApiName, TicketId},
        runtime::secret::Secret,
    };

    const NOW: Timestamp = Timestamp::from_secs(10_000_000);

    fn ago(secs: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(secs))
    }

    fn watch(looked: Timestamp, active: Timestamp) -> TicketWatch {
        TicketWatch {
            api: ApiName::new("desk"),
            account: AccountName::new("acme"),
            ticket: TicketId::new("1"),
            conversation: None,
            change: None,
            looked,
            active,
            again: Vec::new(),
            closed: false,
        }
    }

    fn line(status: TicketStatus, change: Option<&str>) -> TicketLine {
        TicketLine {
            ticket: TicketId::new("1"),
            subject: String::new(),
            status,
            created: None,
            change: change.map(str::to_owned),
        }
    }

    #[test]
    fn heat_follows_the_last_sign_of_life() {
        let rhythm = Rhythm::of(&Timing::default(), Timing::default().poll_hot);
        for (silent, interval) in
            [(0, 15), (3600, 15), (3601, 120), (3 * 86_400, 120), (3 * 86_400 + 1, 1800), (10_000_000, 1800)]
        {
            assert_eq!(rhythm.interval(ago(silent), NOW), Duration::from_secs(interval), "{silent} s silent");
        }
        assert_eq!(rhythm.interval(NOW.plus(Duration::from_secs(9)), NOW), Duration::from_secs(15));
    }

    #[test]
    fn while_hints_come_what_is_hot_is_polled_less_and_never_less_than_what_is_cold() {
        let (api, hints) = (ApiName::new("desk"), Hints::new([(ApiName::new("desk"), Secret::new("s"))]));
        let hot = |hot: u64, now| {
            let rhythm = Rhythm::of(&Timing::default(), Duration::from_secs(hot));
            rhythm.with_hints(hints.last(&api)).interval(now, now).as_secs()
        };
        assert_eq!(hot(15, NOW), 15, "nobody has sent one yet");
        hints.came(&api, NOW);
        assert_eq!((hot(15, NOW), hot(600, NOW), hot(3600, NOW)), (60, 1800, 3600));
        assert_eq!(hot(15, NOW.plus(HINTED_FOR * 2)), 15, "they stopped coming");
    }

    #[test]
    fn a_ticket_is_looked_at_when_the_list_shows_a_change_or_its_time_has_come() {
        use TicketStatus::{Closed, Open};
        let rhythm = Rhythm::of(&Timing::default(), Timing::default().poll_hot);
        let changed = |change: &str| TicketWatch { change: Some(change.to_owned()), ..watch(ago(9), ago(9)) };
        let closed = |watch: TicketWatch| TicketWatch { closed: true, ..watch };
        let again = |at| TicketWatch { again: vec![at], ..closed(changed("a")) };
        let later = NOW.plus(Duration::from_secs(1));
        for (case, known, listed, looks) in [
            ("never seen", None, Some(line(Open, Some("a"))), true),
            ("the same", Some(changed("a")), Some(line(Open, Some("a"))), false),
            (
                "the same for a day",
                Some(TicketWatch { looked: ago(86_400), ..changed("a") }),
                Some(line(Open, Some("a"))),
                false,
            ),
            ("changed", Some(changed("a")), Some(line(Open, Some("b"))), true),
            ("just closed", Some(changed("a")), Some(line(Closed, Some("a"))), true),
            ("closed before", Some(closed(changed("a"))), Some(line(Closed, Some("a"))), false),
            ("opened again", Some(closed(changed("a"))), Some(line(Open, Some("a"))), true),
            ("files may have come", Some(again(NOW)), Some(line(Closed, Some("a"))), true),
            ("files may come later", Some(again(later)), Some(line(Closed, Some("a"))), false),
            ("a list without changes, hot", Some(watch(ago(15), ago(15))), Some(line(Open, None)), true),
            (
                "a list without changes, just seen",
                Some(watch(ago(14), ago(15))),
                Some(line(Open, None)),
                false,
            ),
            (
                "a list without changes, cold",
                Some(watch(ago(900), ago(9_000_000))),
                Some(line(Open, None)),
                false,
            ),
            ("just written by us", Some(watch(Timestamp::EPOCH, NOW)), Some(line(Open, Some("a"))), true),
            (
                "closed, a list without changes",
                Some(closed(watch(ago(9_000), ago(9_000)))),
                Some(line(Closed, None)),
                false,
            ),
            ("not listed, hot", Some(watch(ago(15), ago(15))), None, true),
            ("not listed, closed", Some(closed(watch(ago(9_000), ago(9_000)))), None, false),
            ("looked at in the future", Some(watch(later, ago(9_000_000))), None, true),
        ] {
            assert_eq!(rhythm.needs_look(known.as_ref(), listed.as_ref(), NOW), looks, "{case}");
        }
    }

    #[test]
    fn files_are_looked_for_after_each_wait_also_when_a_write_of_ours_lost_the_plan() {
        let after: Vec<Duration> = [15, 120, 600].map(Duration::from_secs).to_vec();
        let looks = |planned: &[Timestamp], found, age: Option<u64>| {
            let age = age.map(Duration::from_secs);
            let recheck = Recheck { planned, after: &after, found, age };
            let looks = further_looks(&recheck, NOW);
            looks.iter().map(|at| at.since(NOW).as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(looks(&[], true, None), [15, 120, 600]);
        assert_eq!(looks(&[ago(1), NOW, NOW.plus(Duration::from_secs(90))], false, None), [90]);
        assert_eq!(looks(&[], false, Some(100)), [20, 500]);
        assert_eq!(looks(&[], false, Some(600)), [0u64; 0]);
        assert_eq!(looks(&[], true, Some(0)), [15, 120, 600]);
        let many: Vec<_> = (1..100).map(|n| NOW.plus(Duration::from_secs(n))).collect();
        assert_eq!(looks(&many, false, None).last(), Some(&99));
        assert_eq!(looks(&many, false, None).len(), MOST_FURTHER_LOOKS);
    }
}
