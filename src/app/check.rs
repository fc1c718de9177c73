//! Reaches every configured server once and says what works.

use std::time::Instant;

use crate::{
    app::{StartError, apis, mailboxes, telegram},
    config::Config,
    model::ids::AccountName,
    runtime::{clock::Clock, tls},
    ticket_api::{Access, Scope},
};

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
        let Some(api) = apis.get(&crate::model::ids::ApiName::new(&account.ticket_api)) else { continue };
        let access = Access { remote: account.id.clone(), key: account.key.clone() };
        let name = AccountName::new(&account.name);
        let what = format!("ticket API {}, account {name}", account.ticket_api);
        let look = async {
            let page =
                api.port.tickets(&access, Scope::All, None).await.map_err(|error| error.to_string())?;
            let more = if page.next.is_none() { "" } else { " on the first page" };
            Ok(format!("{} tickets{more}", page.tickets.len()))
        };
        all.push(timed(what, look).await);
    }
    for mailbox in mailboxes::to_check(config, &tls, &clock)? {
        all.push(timed(format!("mailbox {}, in", mailbox.name()), mailbox.check_inbox()).await);
        all.push(timed(format!("mailbox {}, out", mailbox.name()), mailbox.check_outbox()).await);
    }
    Ok(all)
}

async fn timed(what: String, look: impl Future<Output = Result<String, String>>) -> Checked {
    let begun = Instant::now();
    let result = look.await;
    Checked { what, result, took_ms: begun.elapsed().as_millis() }
}
