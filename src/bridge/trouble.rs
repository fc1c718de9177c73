//! Trouble that lasts becomes an alert: once when it is certain, and once when it is over.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bridge::{
        alerts::{self, Tell},
        circuit::Guarded,
        context::Bridge,
        observed::{Observed, QUEUE, STORE, key, observe, source_key},
        provenance::day_and_time,
        sources::Watched,
    },
    model::{
        delivery::AlertKind,
        ids::{AccountName, MailboxName},
        job::NewJob,
    },
    runtime::{clock::Timestamp, shutdown::Shutdown},
    store::{StoreError, change::Change, rows::Notice},
};

/// Watches until shutdown. Must run for as long as the bridge does.
pub async fn run(bridge: Bridge, sources: Vec<Watched>, shutdown: Shutdown) {
    let mut watch = Watch { began: bridge.now(), told: HashMap::new(), unsaid: HashMap::new() };
    let mut recalled = false;
    let pause = (bridge.timing.trouble_notice / 10).clamp(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        let turn = async {
            if !recalled {
                watch.recall(&bridge, &sources)?;
                bridge.store.enqueue(alerts::lost_state(&bridge).into_iter().collect(), Vec::new()).await?;
                recalled = true;
            }
            watch.turn(&bridge, &sources).await
        };
        if let Err(error) = turn.await {
            tracing::debug!(%error, "Trouble cannot be told while the store is in trouble itself.");
        }
        if shutdown.unless_cancelled(bridge.clock.sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// What admins know; kept as notices, so that a restart tells nothing twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    what: String,
    since: Timestamp,
    deadline_told: bool,
    account: Option<AccountName>,
    mailbox: Option<MailboxName>,
}

#[derive(Debug, PartialEq)]
enum Say {
    Trouble(Observed),
    /// What waits there is dropped at that time.
    Deadline(Observed, Timestamp),
    Over(String, Told),
}

struct Watch {
    began: Timestamp,
    told: HashMap<String, Told>,
    /// Was due while it could not be told (the store's own trouble); its end is told all the same.
    unsaid: HashMap<String, Told>,
}

impl Watch {
    fn recall(&mut self, bridge: &Bridge, sources: &[Watched]) -> Result<(), StoreError> {
        let accounts = bridge.store.accounts()?;
        let of_accounts =
            accounts.iter().map(|account| key(&Guarded::Account(account.api.clone(), account.name.clone())));
        let of_apis = bridge.apis.keys().flat_map(|api| {
            [Guarded::Api(api.clone()), Guarded::Keys(api.clone())].map(|guarded| key(&guarded))
        });
        let of_sources = sources.iter().map(|source| source_key(&source.name));
        let own = [STORE, QUEUE].map(str::to_owned);
        for key in of_sources.chain(of_apis).chain(of_accounts).chain(own) {
            let notice = bridge.store.notice(&notice_key(&key))?;
            if let Some(told) = notice.and_then(|notice| serde_json::from_str(&notice.value).ok()) {
                self.told.insert(key, told);
            }
        }
        Ok(())
    }

    async fn turn(&mut self, bridge: &Bridge, sources: &[Watched]) -> Result<(), StoreError> {
        let now = bridge.now();
        let observed = observe(bridge, sources, now);
        let said = judge(&observed, &self.told, &self.unsaid, self.began, now, &Patience::of(bridge));
        for say in said {
            self.say(bridge, say, now).await?;
        }
        Ok(())
    }

    async fn say(&mut self, bridge: &Bridge, say: Say, now: Timestamp) -> Result<(), StoreError> {
        let (key, told) = match &say {
            Say::Trouble(trouble) => (trouble.key.clone(), Some(trouble.told(false))),
            Say::Deadline(trouble, _) => (trouble.key.clone(), Some(trouble.told(true))),
            Say::Over(key, _) => (key.clone(), None),
        };
        if !self.unsaid.contains_key(&key) {
            log(&say);
        }
        let job = alert(bridge, &say, now);
        let value = told.as_ref().map(|told| serde_json::to_string(told).unwrap_or_default());
        let notice = Notice {
            first: now,
            last: now,
            count: 1,
            // A trouble that is over is forgotten soon; one that lasts must be remembered longer than it may.
            until: if told.is_some() { now.plus(YEAR) } else { now },
            value: value.unwrap_or_default(),
        };
        let changes = vec![Change::Notice(notice_key(&key), notice)];
        if let Err(error) = bridge.store.enqueue(job.into_iter().collect(), changes).await {
            if let Some(told) = told {
                self.unsaid.insert(key, told);
            }
            return Err(error);
        }
        self.unsaid.remove(&key);
        match told {
            Some(told) => self.told.insert(key, told),
            None => self.told.remove(&key),
        };
        Ok(())
    }
}

const YEAR: Duration = Duration::from_secs(365 * 86_400);

impl Observed {
    fn told(&self, deadline_told: bool) -> Told {
        Told {
            what: self.what.clone(),
            since: self.since,
            deadline_told,
            account: self.account.clone(),
            mailbox: self.mailbox.clone(),
        }
    }
}

struct Patience {
    notice: Duration,
    stall: Duration,
}

impl Patience {
    fn of(bridge: &Bridge) -> Self {
        Self { notice: bridge.timing.trouble_notice, stall: bridge.timing.intake_stall_notice }
    }
}

/// What is to be said now about what is in trouble, given what was said before.
fn judge(
    observed: &[Observed],
    told: &HashMap<String, Told>,
    unsaid: &HashMap<String, Told>,
    began: Timestamp,
    now: Timestamp,
    patience: &Patience,
) -> Vec<Say> {
    let mut say = Vec::new();
    for trouble in observed {
        let lasts = now.since(trouble.since);
        let known = told.get(&trouble.key);
        if known.is_none() && (trouble.at_once || lasts >= patience.notice) {
            say.push(Say::Trouble(trouble.clone()));
        }
        if let Some(keeps) = trouble.keeps
            && lasts >= patience.stall
            && known.is_some_and(|known| !known.deadline_told)
        {
            say.push(Say::Deadline(trouble.clone(), trouble.since.plus(keeps)));
        }
    }
    // After a start a circuit is closed until somebody tried; that alone doesn't end a trouble.
    let settled = now.since(began) >= patience.notice;
    let lasting: HashSet<&String> = observed.iter().map(|trouble| &trouble.key).collect();
    let is_over = |key: &String| !lasting.contains(key);
    let known =
        told.iter().filter(|_| settled).chain(unsaid.iter().filter(|(key, _)| !told.contains_key(*key)));
    let over = known.filter(|(key, _)| is_over(key));
    let mut over: Vec<Say> = over.map(|(key, told)| Say::Over(key.clone(), told.clone())).collect();
    over.sort_by_key(since);
    say.extend(over);
    say
}

fn since(say: &Say) -> Timestamp {
    match say {
        Say::Trouble(trouble) | Say::Deadline(trouble, _) => trouble.since,
        Say::Over(_, told) => told.since,
    }
}

/// When Telegram itself is down, this line is all that shows until it is back.
fn log(say: &Say) {
    match say {
        Say::Trouble(trouble) => {
            tracing::warn!(what = trouble.what, since = %trouble.since, error = trouble.error, "Trouble lasts.");
        }
        Say::Deadline(trouble, deadline) => {
            tracing::error!(what = trouble.what, %deadline, "What waits at the source is dropped at the deadline.");
        }
        Say::Over(_, told) => tracing::info!(what = told.what, since = %told.since, "Trouble is over."),
    }
}

fn alert(bridge: &Bridge, say: &Say, now: Timestamp) -> Option<NewJob> {
    let (template, line, values, account, mailbox) = match say {
        Say::Trouble(trouble) => {
            let values = json!({
                "what": trouble.what, "since": day_and_time(trouble.since), "error": trouble.error,
                "meaning": trouble.meaning, "todo": trouble.todo,
            });
            let line = format!("{} has failed: {}", trouble.what, trouble.error);
            ("alert_trouble", line, values, &trouble.account, &trouble.mailbox)
        }
        Say::Deadline(trouble, deadline) => {
            let values = json!({
                "source": trouble.what, "reason": trouble.error, "deadline": day_and_time(*deadline),
                "todo": trouble.todo.as_deref().unwrap_or("look into the log"),
            });
            let line =
                format!("{} is stopped, what waits is kept until {}", trouble.what, day_and_time(*deadline));
            ("alert_source_stopped", line, values, &trouble.account, &trouble.mailbox)
        }
        Say::Over(_, told) => {
            let backlog = Some(bridge.store.depth().live).filter(|live| *live > 0);
            let values = json!({
                "what": told.what, "since": day_and_time(told.since), "until": day_and_time(now),
                "backlog": backlog,
            });
            let line = format!("{} works again", told.what);
            ("alert_trouble_over", line, values, &told.account, &told.mailbox)
        }
    };
    let key = format!("alert/{template}/{}/{}", now.as_millis(), line.chars().take(80).collect::<String>());
    let told = Tell { kind: AlertKind::Trouble, template, values, line, about: None, actions: Vec::new() };
    alerts::tell(bridge, account.as_ref(), mailbox.as_ref(), key, told)
}

fn notice_key(key: &str) -> String {
    format!("trouble/{key}")
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
