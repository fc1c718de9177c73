//! Accounts in the admin API: listed, added and removed one by one, imported many at a time.

use std::collections::{HashMap, HashSet};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};

use super::{admin_api::Refused, rows};
use crate::{
    bridge::{
        context::Bridge,
        keys::{NoKey, Tag},
    },
    config::EmailPattern,
    model::{
        account::Account,
        ids::{AccountName, ApiName, MailAddress},
        sealed::Sealed,
    },
    runtime::secret::Secret,
    store::change::Change,
};

/// Accounts that one import request may hold; they become one transaction.
pub const MOST_AT_ONCE: usize = 300;
/// Bytes of such a request.
const MOST_BYTES: usize = 4 << 20;
/// So that a row with all of them stays below what the store takes.
const LONGEST_NAME: usize = 64;
const LONGEST_ID: usize = 200;
const LONGEST_KEY: usize = 1000;
const LONGEST_ADDRESSES: usize = 1500;

type Answer<T> = Result<Json<T>, Refused>;

pub(super) fn routes() -> Router<Bridge> {
    Router::new()
        .route("/admin/accounts", get(list).post(add))
        .route("/admin/accounts/{name}", delete(remove))
        .route("/admin/account-import", post(import).layer(DefaultBodyLimit::max(MOST_BYTES)))
}

/// The account, or that there is none.
pub(super) fn known(bridge: &Bridge, name: &str) -> Result<Account, Refused> {
    let account = bridge.store.account(&AccountName::new(name))?;
    account.ok_or_else(|| Refused::unknown(format_args!("account {name}")))
}

async fn list(State(bridge): State<Bridge>) -> Answer<Vec<rows::Account>> {
    Ok(Json(bridge.store.accounts()?.iter().map(|account| row(&bridge, account)).collect()))
}

async fn add(State(bridge): State<Bridge>, Json(mut new): Json<rows::NewAccount>) -> Answer<rows::Account> {
    if new.id.trim().is_empty() {
        new.id = found_by_address(&bridge, &new).await?;
    }
    let change = examine(&bridge, &new, &mut Seen::default())?;
    if change.before.is_some() {
        let error = format!("there is an account {} already", change.after.name);
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    bridge.store.apply(vec![Change::Account(change.after.clone())]).await?;
    change.made(&bridge);
    Ok(Json(row(&bridge, &change.after)))
}

/// The id that the ticket system has for the account's first address.
async fn found_by_address(bridge: &Bridge, new: &rows::NewAccount) -> Result<String, Refused> {
    let name = api(bridge, &new.ticket_api)?;
    let known = bridge.apis.get(&name).ok_or_else(|| Refused::unknown(format_args!("ticket API {name}")))?;
    let address = new.emails.iter().flatten().find(|email| !email.trim().starts_with('*'));
    let address = address.ok_or_else(|| bad("it has no id, and no address by which one could be found"))?;
    match known.port.account_of(&MailAddress::new(address)).await {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(bad(format!("it has no id, and {name} knows nobody with the address {address}"))),
        Err(error) => Err(bad(format!("it has no id, and {address} cannot be looked up at {name}: {error}"))),
    }
}

/// An account of `bot.toml` would be back at the next start.
async fn remove(State(bridge): State<Bridge>, Path(name): Path<String>) -> Answer<rows::Account> {
    let account = known(&bridge, &name)?;
    if bridge.accounts.contains_key(&account.name) {
        let error = format!("the account {name} stands in the configuration; remove it there");
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    let links = bridge.store.links_of(&account.name)?;
    let mut changes: Vec<Change> = links.into_iter().map(|link| Change::Unlink(link.place)).collect();
    changes.push(Change::RemoveAccount(account.name.clone()));
    bridge.store.apply(changes).await?;
    let removed = row(&bridge, &account);
    bridge.addresses.remove(&account);
    bridge.forget_key(&account);
    bridge.circuits.forget(&account.api, &account.name);
    Ok(Json(removed))
}

/// What becomes of each, in their order. One that is refused stops no other.
async fn import(
    State(bridge): State<Bridge>,
    Json(import): Json<rows::Import>,
) -> Answer<Vec<rows::Imported>> {
    if import.accounts.len() > MOST_AT_ONCE {
        let error = format!("at most {MOST_AT_ONCE} accounts are imported at once");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    let (mut seen, mut changes) = (Seen::default(), Vec::new());
    let mut results = Vec::new();
    for new in &import.accounts {
        results.push(match examine(&bridge, new, &mut seen) {
            Err(refused) => rows::Imported::Refused(refused.into_text()),
            Ok(change) if change.is_none() => rows::Imported::Same,
            Ok(change) => {
                let imported = match change.before {
                    None => rows::Imported::Added,
                    Some(_) => rows::Imported::Updated,
                };
                changes.push(change);
                imported
            }
        });
    }
    if !import.dry_run && !changes.is_empty() {
        bridge.store.apply(changes.iter().map(|c| Change::Account(c.after.clone())).collect()).await?;
        changes.iter().for_each(|change| change.made(&bridge));
    }
    Ok(Json(results))
}

/// An account that is to come, or to be another.
struct AccountChange {
    before: Option<Account>,
    after: Account,
}

/// What other accounts of the same request have.
#[derive(Default)]
struct Seen {
    names: HashSet<AccountName>,
    addresses: HashMap<String, AccountName>,
    keys: HashMap<Tag, AccountName>,
}

impl AccountChange {
    fn is_none(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }

    /// What is known in memory follows what is on disk.
    fn made(&self, bridge: &Bridge) {
        bridge.addresses.put(self.before.as_ref(), &self.after);
        bridge.know_key(self.before.as_ref(), &self.after);
        if let Some(before) = &self.before
            && (before.key != self.after.key || before.api != self.after.api)
        {
            bridge.circuits.forget(&before.api, &before.name);
        }
    }
}

/// What an account would become, or why it cannot. Neither a key nor what may be one is repeated.
fn examine(bridge: &Bridge, new: &rows::NewAccount, seen: &mut Seen) -> Result<AccountChange, Refused> {
    let name = name(&new.name)?;
    let before = bridge.store.account(&name)?;
    let api = api(bridge, &new.ticket_api)?;
    let remote = plain(new.id.trim(), "id", LONGEST_ID)?.to_owned();
    let emails = match &new.emails {
        Some(emails) => patterns(emails)?,
        None => before.as_ref().map(|before| before.emails.clone()).unwrap_or_default(),
    };
    if !seen.names.insert(name.clone()) {
        return Err(conflict(format!("the account {name} is there twice")));
    }
    for pattern in &emails {
        let owner = bridge.addresses.owner(pattern).filter(|owner| *owner != name);
        if let Some(owner) = owner.or_else(|| seen.addresses.get(pattern).cloned()) {
            return Err(conflict(format!("{pattern} belongs to the account {owner}")));
        }
        seen.addresses.insert(pattern.clone(), name.clone());
    }
    let key = sealed(bridge, &name, &api, before.as_ref(), new.key.as_ref())?;
    let after = Account { name, api, remote, emails, key };
    if bridge.accounts.contains_key(&after.name) && before.as_ref() != Some(&after) {
        let error = format!("the account {} stands in the configuration; change it there", after.name);
        return Err(conflict(error));
    }
    key_is_its_own(bridge, &after, seen)?;
    Ok(AccountChange { before, after })
}

/// Where a key is an account, two with one key would see each other's tickets.
fn key_is_its_own(bridge: &Bridge, account: &Account, seen: &mut Seen) -> Result<(), Refused> {
    let Some((tag, owner)) = bridge.key_of_its_own(account) else { return Ok(()) };
    let owner = owner.or_else(|| seen.keys.get(&tag).filter(|owner| **owner != account.name).cloned());
    if let Some(owner) = owner {
        let whose = match account.key {
            Some(_) => "its key is",
            None => "it has no own key, and the common one is",
        };
        return Err(conflict(format!(
            "{whose} that of the account {owner}; at this ticket system a key is an account, so give it its own"
        )));
    }
    seen.keys.insert(tag, account.name.clone());
    Ok(())
}

fn name(name: &str) -> Result<AccountName, Refused> {
    let name = name.trim();
    if name.contains('/') {
        return Err(bad("a name must not hold a slash: it stands in paths"));
    }
    plain(name, "name", LONGEST_NAME).map(AccountName::new)
}

fn api(bridge: &Bridge, name: &str) -> Result<ApiName, Refused> {
    let api = ApiName::new(name.trim());
    if bridge.apis.contains_key(&api) {
        return Ok(api);
    }
    let mut known: Vec<&str> = bridge.apis.keys().map(ApiName::as_str).collect();
    known.sort_unstable();
    let error = format!("its ticket_api is none of those in the configuration: {}", known.join(", "));
    Err(Refused::new(StatusCode::NOT_FOUND, error))
}

fn patterns(emails: &[String]) -> Result<Vec<String>, Refused> {
    let mut patterns: Vec<String> = Vec::new();
    for (number, email) in (1..).zip(emails) {
        let Some(pattern) = EmailPattern::parse(email) else {
            return Err(bad(format!("its address {number} is neither an address nor \"*@\" and a domain")));
        };
        let pattern = pattern.to_string();
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    // With its quotes and comma.
    if patterns.iter().map(|pattern| pattern.len() + 5).sum::<usize>() > LONGEST_ADDRESSES {
        let error =
            format!("its addresses are longer than {LONGEST_ADDRESSES} bytes; a domain takes one entry");
        return Err(bad(error));
    }
    Ok(patterns)
}

/// The account's key as it is to be stored. One that is given again is kept as it was sealed, and one that is
/// not given stays, but never for another system.
fn sealed(
    bridge: &Bridge,
    name: &AccountName,
    api: &ApiName,
    before: Option<&Account>,
    key: Option<&Secret>,
) -> Result<Option<Sealed>, Refused> {
    let kept = before.filter(|before| before.api == *api).and_then(|before| before.key.clone());
    let Some(key) = key else { return Ok(kept) };
    let Some(sealing) = &bridge.sealing else {
        return Err(bad(
            "an own key is stored encrypted, which needs secret_key in bot.toml: set it, for example to what \
             `openssl rand -base64 32` prints, and restart the bridge",
        ));
    };
    let printable = key.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if key.expose().trim().is_empty() || key.expose().len() > LONGEST_KEY || !printable {
        return Err(bad(format!("its key is not 1 to {LONGEST_KEY} printable ASCII characters")));
    }
    let is_same = |sealed: &Sealed| sealing.open(name, sealed).as_ref() == Ok(key);
    Ok(Some(kept.filter(is_same).unwrap_or_else(|| sealing.seal(name, key))))
}

fn plain<'t>(text: &'t str, what: &str, longest: usize) -> Result<&'t str, Refused> {
    match text {
        "" => Err(bad(format!("it has no {what}"))),
        text if text.len() > longest => Err(bad(format!("its {what} is longer than {longest} bytes"))),
        text if text.chars().any(char::is_control) => {
            Err(bad(format!("its {what} holds control characters")))
        }
        text => Ok(text),
    }
}

fn row(bridge: &Bridge, account: &Account) -> rows::Account {
    let configured = bridge.accounts.get(&account.name).is_some_and(|rules| rules.key.is_some());
    let key = match bridge.own_key(account) {
        Err(NoKey::Anothers) => rows::KeyState::Shared,
        Err(NoKey::NoSecretKey | NoKey::OtherSecretKey) => rows::KeyState::Unreadable,
        Ok(None) => rows::KeyState::Common,
        Ok(Some(_)) if configured => rows::KeyState::Configured,
        Ok(Some(_)) => rows::KeyState::Own,
    };
    rows::Account {
        name: account.name.to_string(),
        ticket_api: account.api.to_string(),
        id: account.remote.clone(),
        emails: account.emails.clone(),
        key,
    }
}

fn bad(error: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error)
}

fn conflict(error: impl Into<String>) -> Refused {
    Refused::new(StatusCode::CONFLICT, error)
}
