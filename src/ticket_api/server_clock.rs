//! What the server's clock shows, by the `Date` header of its last answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::runtime::Timestamp;

/// How far the server's clock is ahead of ours; nothing is assumed before the first answer.
#[derive(Debug, Default)]
pub struct ServerClock {
    ahead_millis: AtomicI64,
}

impl ServerClock {
    /// Notes that the server showed `date` when our clock showed `local`.
    pub fn heard(&self, date: Timestamp, local: Timestamp) {
        let ahead = date.as_millis().saturating_sub(local.as_millis());
        // `Date` has whole seconds and is cut off, not rounded (RFC 9110 §6.6.1): less than that is no offset.
        let ahead = if (-1000..=0).contains(&ahead) { 0 } else { ahead };
        self.ahead_millis.store(ahead, Ordering::Relaxed);
    }

    /// What the server's clock shows when ours shows `local`, give or take a second.
    pub fn at(&self, local: Timestamp) -> Timestamp {
        let ahead = self.ahead_millis.load(Ordering::Relaxed);
        let by = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { local.minus(by) } else { local.plus(by) }
    }
}

/// Reads an HTTP date (RFC 9110 §5.6.7).
pub fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_servers_time_in_either_direction() {
        let clock = ServerClock::default();
        let local = Timestamp::from_secs(1_000_000);
        assert_eq!(clock.at(local), local);
        clock.heard(local.plus(Duration::from_secs(90)), local);
        assert_eq!(clock.at(Timestamp::from_secs(5)), Timestamp::from_secs(95));
        clock.heard(local.minus(Duration::from_secs(3)), local);
        assert_eq!(clock.at(Timestamp::from_secs(5)), Timestamp::from_secs(2));
    }

    #[test]
    fn a_cut_off_fraction_of_a_second_is_no_offset() {
        let clock = ServerClock::default();
        clock.heard(Timestamp::from_millis(7_000), Timestamp::from_millis(7_950));
        assert_eq!(clock.at(Timestamp::from_secs(5)), Timestamp::from_secs(5));
    }

    #[test]
    fn reads_http_dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp::from_secs(784_111_777)));
        assert_eq!(http_date("yesterday"), None);
    }
}
