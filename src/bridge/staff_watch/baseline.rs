//! What is old at an account: found in the first full walk, and dated before it began (design §5).

use crate::{
    model::ids::{AccountName, ApiName},
    runtime::clock::Timestamp,
    store::{Store, StoreError, change::Change, rows::Notice},
};

const WALKING: &str = "walking";
const DONE: &str = "done";

/// How far an account's baseline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Baseline {
    NotBegun,
    /// The walk began then, by the server's clock.
    Walking(Timestamp),
    /// Whatever has not been seen is new.
    Done,
}

impl Baseline {
    pub(super) fn of(store: &Store, api: &ApiName, account: &AccountName) -> Result<Self, StoreError> {
        Ok(match store.notice(&key(api, account))? {
            None => Self::NotBegun,
            Some(notice) if notice.value == DONE => Self::Done,
            Some(notice) => Self::Walking(notice.first),
        })
    }
}

pub(super) fn begun(api: &ApiName, account: &AccountName, at: Timestamp) -> Change {
    change(api, account, at, WALKING)
}

pub(super) fn done(api: &ApiName, account: &AccountName, at: Timestamp) -> Change {
    change(api, account, at, DONE)
}

/// Whether something dated so was there before the walk began. A date without a fraction may have lost
/// it: within the second in which the walk began it counts as later, since a message sent without
/// need is better than one lost.
pub(super) fn is_before(dated: Timestamp, began: Timestamp) -> bool {
    if dated.as_millis().rem_euclid(1000) == 0 { dated.as_secs() < began.as_secs() } else { dated < began }
}

fn change(api: &ApiName, account: &AccountName, at: Timestamp, value: &str) -> Change {
    let until = Timestamp::from_millis(i64::MAX); // never forgotten: a second baseline would swallow messages
    let notice = Notice { first: at, last: at, count: 1, value: value.to_owned(), until };
    Change::Notice(key(api, account), notice)
}

fn key(api: &ApiName, account: &AccountName) -> String {
    format!("baseline/{api}/{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_without_a_fraction_in_the_first_second_counts_as_later() {
        let began = Timestamp::from_millis(10_500);
        for (dated, before) in
            [(9_999, true), (10_499, true), (10_500, false), (9_000, true), (10_000, false)]
        {
            assert_eq!(is_before(Timestamp::from_millis(dated), began), before, "{dated}");
        }
    }
}
