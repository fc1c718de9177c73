//! Reaches every configured server once and says what works.

use std::time::{Duration, Instant};

use crate::{
    app::{StartError, apis, mailboxes, telegram},
    config::Config,
    model::ids::{AccountName, ApiName, TicketId},
    runtime::{clock::Clock, tls},
    ticket_api::{Access, ApiError, Scope, TicketApi},
};

/// A login, the call, and both once more with a new token; each has the time of a call.
const CALLS_OF_A_LOOK: u32 = 4;
/// Topics that one line of the table names.
const MOST_NAMED: usize = 5;

/// What came of one server.
#[derive(Clone, Debug)]
pub struct Checked {
    /// `Telegram`, `ticket API paradarum, account acme`, `mailbox support, IMAP` …
    pub what: String,
    /// What was found, or why it does not work.
    pub result: Result<String, String>,
    pub took_ms: u128,
}

/// Tries every server, one after the other; none of them is changed.
pub async fn check(config: &Config) -> Result<Vec<Checked>, StartError> {
    let clock = Clock::real();
    let tls = tls::client_config(config.ca_file.as_deref())?;
    let mut all = Vec::new();
    if let Some(telegram) = telegram::build(config, &tls, &clock)? {
        all.push(timed("Telegram".to_owned(), telegram.check()).await);
    }
    let apis = apis::build(config, &tls, &clock)?;
    for account in &config.accounts {
        let Some(api) = apis.get(&ApiName::new(&account.ticket_api)) else { continue };
        let access = Access { remote: account.id.clone(), key: account.key.clone() };
        let name = AccountName::new(&account.name);
        let what = format!("ticket API {}, account {name}", account.ticket_api);
        let patience = config.timing.api_call * CALLS_OF_A_LOOK;
        let topics = format!("{what}, topics");
        all.push(timed(what, in_time(patience, reach(api.port.as_ref(), &access))).await);
        all.push(timed(topics, in_time(patience, catalog(api.port.as_ref(), &access))).await);
    }
    for mailbox in mailboxes::to_check(config, &tls, &clock)? {
        all.push(timed(format!("mailbox {}, in", mailbox.name()), mailbox.check_inbox()).await);
        all.push(timed(format!("mailbox {}, out", mailbox.name()), mailbox.check_outbox()).await);
    }
    Ok(all)
}

/// Tickets are listed, or where that cannot be, one is asked for that need not be there.
async fn reach(api: &dyn TicketApi, access: &Access) -> Result<String, ApiError> {
    if !api.capabilities().list {
        return match api.ticket(access, &TicketId::new("1")).await {
            Ok(_) | Err(ApiError::NotFound(_)) => Ok("logged in; tickets are not listed there".to_owned()),
            Err(error) => Err(error),
        };
    }
    let page = api.tickets(access, Scope::All, None).await?;
    let more = if page.next.is_none() { "" } else { " on the first page" };
    Ok(format!("{} tickets{more}", page.tickets.len()))
}

/// What may be written as `topic`; asked for as new tickets need it, perhaps by another right than the list.
async fn catalog(api: &dyn TicketApi, access: &Access) -> Result<String, ApiError> {
    let catalog = api.catalog(access).await?;
    let count = |number: usize, one: &str, more: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {more}"),
    };
    let named: Vec<&str> = catalog.topics.iter().take(MOST_NAMED).map(String::as_str).collect();
    let mut found = count(catalog.topics.len(), "topic", "topics");
    if !named.is_empty() {
        let more = if catalog.topics.len() > named.len() { ", …" } else { "" };
        found = format!("{found}: {}{more}", named.join(", "));
    }
    if !catalog.properties.is_empty() {
        found = format!("{found}; {}", count(catalog.properties.len(), "property", "properties"));
    }
    Ok(found)
}

async fn in_time(
    patience: Duration,
    look: impl Future<Output = Result<String, ApiError>>,
) -> Result<String, String> {
    match tokio::time::timeout(patience, look).await {
        Ok(looked) => looked.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

async fn timed(what: String, look: impl Future<Output = Result<String, String>>) -> Checked {
    let begun = Instant::now();
    let result = look.await;
    Checked { what, result, took_ms: begun.elapsed().as_millis() }
}
