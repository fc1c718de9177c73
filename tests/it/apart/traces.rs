//! Whose key, id or name stands in a text: the accounts that left a trace there.

use std::collections::BTreeMap;

use ticket_bridge::sandbox::desk::Dialect;
use ticket_bridge::sandbox::desk::keliweb::CLIENT_SECRET;
use ticket_bridge::sandbox::desk::whmcs::options::WhmcsOptions;

use super::crossing::{Crossing, Side};
use super::tap::Heard;

/// What each account is known by.
pub struct Traces {
    /// Its key, and the tokens that it was given for it.
    keys: BTreeMap<&'static str, Vec<String>>,
    ids: BTreeMap<&'static str, String>,
}

impl Traces {
    pub fn of(crossing: &Crossing) -> Self {
        let mut traces = Self { keys: BTreeMap::new(), ids: BTreeMap::new() };
        for (_, account) in crossing.accounts() {
            traces.keys.insert(account.name, vec![account.key.to_owned()]);
            traces.ids.insert(account.name, account.id.to_string());
        }
        for side in &crossing.sides {
            side.tap.heard().iter().filter(|heard| heard.line.contains("/oauth/token")).for_each(|heard| {
                traces.learn(heard);
            });
        }
        traces
    }

    /// The accounts whose key it is that stands there.
    pub fn keys_in(&self, text: &str) -> Vec<&'static str> {
        let holds = |(_, keys): &(_, &Vec<String>)| keys.iter().any(|key| text.contains(key));
        self.keys.iter().filter(holds).map(|(name, _)| *name).collect()
    }

    /// The accounts whose key, id or name stands there.
    pub fn all_in(&self, text: &str) -> Vec<&'static str> {
        let (keys, lower) = (self.keys_in(text), text.to_lowercase());
        let named = |(name, id): &(&&str, &String)| {
            keys.contains(*name) || lower.contains(**name) || text.contains(*id)
        };
        self.ids.iter().filter(named).map(|(name, _)| *name).collect()
    }

    /// The tokens of a login belong to whose password or older token asked for them.
    fn learn(&mut self, login: &Heard) {
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&login.answer) else { return };
        let tokens = ["access_token", "refresh_token"].map(|key| answer[key].as_str().map(str::to_owned));
        for name in self.keys_in(&login.carried) {
            self.keys.entry(name).or_default().extend(tokens.iter().flatten().cloned());
        }
    }
}

/// The secret of the API itself, where it has one beside its accounts' keys.
pub fn own_secret(side: &Side) -> Option<String> {
    match side.desk.dialect() {
        Dialect::Whmcs => Some(WhmcsOptions::default().secret),
        Dialect::Keliweb => Some(CLIENT_SECRET.to_owned()),
        Dialect::Paradarum | Dialect::I3d | Dialect::Hostup => None,
    }
}
