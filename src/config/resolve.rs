//! What `bot.toml` means as a whole: the parts put together, and what they say of each other checked.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::account::EmailPattern;
use super::defaults::{Limits, Timing};
use super::file::Table;
use super::hostup::Priority;
use super::i3d::GUESTS;
use super::mailbox::{Mailbox, Source};
use super::problems::did_you_mean;
use super::values::Words;
use super::{Config, Log, account, http, mailbox, telegram, ticket_api};
use crate::runtime::Secret;

/// Characters; as many random bytes as text have 96 bits or more.
const SHORTEST_SECRET_KEY: usize = 16;

/// Reads the whole file. What is wrong is noted and left out.
pub(super) fn resolve(root: &Table<'_>) -> Config {
    let timing = root.table("timing").map_or_else(Timing::default, |table| Timing::read(&table));
    let limits = root.table("limits").map_or_else(Limits::default, |table| Limits::read(&table));
    let panel_url = ticket_api::panel_url(root);
    let log = root.table("log").map_or_else(Log::default, |table| read_log(&table));

    let (apis, accounts, mailboxes) =
        (root.tables("ticket_api"), root.tables("account"), root.tables("mailbox"));
    let bot = root.table("telegram");
    let listener = root.table("http");
    check_references(bot.as_ref(), &apis, &accounts, &mailboxes);
    check_keys(&apis, &accounts);
    for api in &apis {
        check_shared_keys(api, &accounts);
        check_guests(api, &accounts);
    }
    for mailbox in &mailboxes {
        check_priority(mailbox, &apis, &accounts);
    }
    if !root.has("ticket_api") {
        root.missing("ticket_api", "without a [[ticket_api]] there is nowhere to file messages");
    }
    if !root.has("telegram") && !root.has("mailbox") {
        root.missing("telegram", "without [telegram] and [[mailbox]] there is nowhere to get messages from");
    }

    let http = listener.as_ref().and_then(http::read);
    check_hooks(root, &apis);
    let unset = ticket_api::Unset {
        timing: &timing,
        panel: panel_url.as_ref(),
        hook_secret: http.as_ref().and_then(|http| http.hook_secret.as_ref()),
    };
    let ticket_apis = apis.iter().filter_map(|table| ticket_api::read(table, unset)).collect();
    let read_mailboxes: Vec<_> = mailboxes.iter().map(|table| (table, mailbox::read(table))).collect();
    check_sources(&read_mailboxes);
    let config = Config {
        state_dir: root.get("state_dir").unwrap_or_else(|| root.relative("data")),
        language: language(root),
        templates: root.get("templates"),
        ca_file: root.get("ca_file"),
        secret_key: secret_key(root),
        log,
        telegram: bot.as_ref().and_then(telegram::read),
        http,
        ticket_apis,
        accounts: accounts.iter().filter_map(account::read).collect(),
        mailboxes: read_mailboxes.into_iter().filter_map(|(_, mailbox)| mailbox).collect(),
        timing,
        limits,
        warnings: Vec::new(),
    };
    root.finish();
    config
}

/// Warns of a server that is spoken to without TLS over a network.
pub(super) fn check_transport(table: &Table<'_>, key: &'static str, url: &Url) {
    let local = url.host().is_some_and(|host| match host {
        Host::Domain(name) => is_loopback(name),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    });
    if url.scheme() == "http" && !local {
        table.warn(key, "is http://: the key and all messages can be read on the way");
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A short word could be guessed by whoever gets hold of a backup.
fn secret_key(root: &Table<'_>) -> Option<Secret> {
    let key = root.get::<Secret>("secret_key");
    if key.as_ref().is_some_and(|key| key.expose().len() < SHORTEST_SECRET_KEY) {
        root.warn(
            "secret_key",
            format!(
                "is shorter than {SHORTEST_SECRET_KEY} characters, so that it might be guessed; \
                 `openssl rand -base64 32` makes a good one"
            ),
        );
    }
    key
}

fn read_log(table: &Table<'_>) -> Log {
    let unset = Log::default();
    let log = Log { format: table.or("format", unset.format), level: table.or("level", unset.level) };
    if let Err(error) = crate::runtime::telemetry::check_filter(&log.level) {
        table.wrong("level", error.to_string());
    }
    table.finish();
    log
}

/// A language tag such as `en` or `pt-BR`; whether there are templates for it is known elsewhere.
fn language(root: &Table<'_>) -> String {
    let language = root.or("language", "en".to_owned());
    let good = language
        .split('-')
        .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !good {
        root.wrong("language", format!("expected a language such as \"en\", found {language:?}"));
    }
    language
}

/// Names are unique, and what is named exists. Looks at the tables, not at what could be made of them, so that
/// a mistake elsewhere in a table hides nothing.
fn check_references(
    bot: Option<&Table<'_>>,
    apis: &[Table<'_>],
    accounts: &[Table<'_>],
    boxes: &[Table<'_>],
) {
    let api_names = unique_names(apis, "[[ticket_api]]");
    let account_names = unique_names(accounts, "[[account]]");
    unique_names(boxes, "[[mailbox]]");
    for account in accounts {
        refers(account, "ticket_api", &api_names, "[[ticket_api]]");
    }
    for mailbox in boxes {
        refers(mailbox, "account", &account_names, "[[account]]");
    }
    if let Some(bot) = bot.filter(|bot| bot.get::<String>("unlinked").is_some_and(|who| who != "refuse")) {
        refers(bot, "unlinked", &account_names, "[[account]]");
    }
    check_emails(accounts);
}

fn unique_names(tables: &[Table<'_>], what: &str) -> Vec<String> {
    let mut names = Vec::new();
    for table in tables {
        let Some(name) = table.get::<String>("name") else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.len() > 64 || !name.bytes().all(plain) {
            table.wrong(
                "name",
                "must be at most 64 letters, digits, dots, - and _: it stands in logs and commands",
            );
        }
        if names.contains(&name) {
            table.wrong("name", format!("{name:?} is the name of another {what}"));
        }
        names.push(name);
    }
    names
}

fn refers(table: &Table<'_>, key: &'static str, names: &[String], what: &str) {
    let Some(name) = table.get::<String>(key) else { return };
    if !names.contains(&name) {
        let near = did_you_mean(&name, names.iter().map(String::as_str));
        table.wrong(key, format!("there is no {what} named {name:?}{near}"));
    }
}

/// An address that belongs to two accounts belongs to none.
fn check_emails(accounts: &[Table<'_>]) {
    let mut owners = BTreeMap::new();
    for (number, table) in accounts.iter().enumerate() {
        for text in table.get::<Words>("emails").map_or_else(Vec::new, |words| words.0) {
            let Some(pattern) = EmailPattern::parse(&text).map(|pattern| pattern.to_string()) else {
                continue;
            };
            if owners.insert(pattern, number).is_some_and(|owner| owner != number) {
                table.wrong("emails", format!("{text:?} belongs to another [[account]] already"));
            }
        }
    }
}

/// Each account can log in somewhere: with its own key or its API's.
fn check_keys(apis: &[Table<'_>], accounts: &[Table<'_>]) {
    for account in accounts.iter().filter(|account| !account.has("key")) {
        let name = account.get::<String>("ticket_api");
        let api = apis.iter().find(|api| name.is_some() && api.get::<String>("name") == name);
        if api.is_some_and(|api| !api.has("key")) {
            account.missing("key", "its [[ticket_api]] has none either; one of them needs it");
        }
    }
}

/// Where no request names an account, the key is the account: two that share one would see each other's tickets.
fn check_shared_keys(api: &Table<'_>, accounts: &[Table<'_>]) {
    let name = api.get::<String>("name");
    if name.is_none() || !ticket_api::key_is_the_account(api) {
        return;
    }
    let mut keys: Vec<Secret> = Vec::new();
    for account in accounts.iter().filter(|account| account.get::<String>("ticket_api") == name) {
        let of = if account.has("key") { account } else { api };
        let Some(key) = of.get::<Secret>("key") else { continue };
        if keys.contains(&key) {
            account.wrong(
                "key",
                "must be its own: at this kind of system a key is an account, and with the key of another \
                 [[account]] it would see that one's tickets",
            );
        }
        keys.push(key);
    }
}

/// i3D.net takes guests' tickets by its contact form, which asks for more than a mail says.
fn check_guests(api: &Table<'_>, accounts: &[Table<'_>]) {
    let name = api.get::<String>("name");
    if name.is_none() || api.get::<String>("kind").as_deref() != Some("i3d") || api.has("contact") {
        return;
    }
    let at_it = accounts.iter().filter(|account| account.get::<String>("ticket_api") == name);
    for account in at_it.filter(|account| account.get::<String>("id").as_deref() == Some(GUESTS)) {
        account.wrong("id", "stands for guests, for whom its [[ticket_api]] needs the table `contact`");
    }
}

/// A hint needs a door.
fn check_hooks(root: &Table<'_>, apis: &[Table<'_>]) {
    for api in apis.iter().filter(|api| !root.has("http") && api.has("hook_secret")) {
        api.warn("hook_secret", "is of no use without [http], where hints arrive");
    }
}

/// A priority is a word of the ticket systems that this mailbox's tickets go to. Those that know none ignore it.
fn check_priority(mailbox: &Table<'_>, apis: &[Table<'_>], accounts: &[Table<'_>]) {
    let Some(word) = mailbox.get::<String>("priority") else { return };
    let named = |tables: &[Table<'_>], name: &str| {
        tables.iter().position(|table| table.get::<String>("name").as_deref() == Some(name))
    };
    let only = mailbox.get::<String>("account").map(|account| {
        let account = accounts.get(named(accounts, &account)?)?;
        named(apis, &account.get::<String>("ticket_api")?)
    });
    let reached = apis.iter().enumerate().filter(|(number, _)| only.is_none_or(|only| only == Some(*number)));
    let words: Vec<(&Table<'_>, Vec<&str>)> = reached
        .map(|(_, api)| (api, ticket_api::priorities(api)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
    let knows = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(&word));
    if !words.is_empty() && !words.iter().any(|(_, words)| knows(words)) {
        let known: Vec<&str> = words.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        mailbox.wrong("priority", format!("expected one of {}, found {word:?}", known.join(", ")));
    }
    let is_critical = word.eq_ignore_ascii_case(Priority::Critical.word());
    if is_critical && words.iter().any(|(api, words)| knows(words) && !api.has("critical_reason")) {
        mailbox
            .wrong("priority", "needs critical_reason in its [[ticket_api]], which the server wants with it");
    }
}

/// No folder is read twice: each mail would be taken in twice.
fn check_sources(mailboxes: &[(&Table<'_>, Option<Mailbox>)]) {
    let mut seen = Vec::new();
    for (table, mailbox) in mailboxes {
        let Some(mailbox) = mailbox else { continue };
        let (key, place) = match &mailbox.source {
            Source::Imap(imap) => {
                let host = imap.host.to_lowercase();
                ("imap", format!("{}@{host}:{}/{}", imap.user, imap.port, imap.folder))
            }
            Source::Maildir(path) => ("maildir", path.display().to_string()),
        };
        if seen.contains(&place) {
            table.wrong(key, "is read by another [[mailbox]] already");
        }
        seen.push(place);
    }
}
