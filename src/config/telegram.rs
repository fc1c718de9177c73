//! `[telegram]`: the bot, the admins' group, and who may write without a link.

use url::Url;

use super::file::Table;
use super::resolve::check_transport;
use super::values::Word;
use crate::runtime::Secret;

/// Telegram's own Bot API server.
pub const OFFICIAL_API: &str = "https://api.telegram.org";

#[derive(Clone, Debug)]
pub struct Telegram {
    pub token: Secret,
    /// Methods are appended to it; a URL without a path ends with a slash.
    pub api_url: Url,
    pub mode: TelegramMode,
    /// The group that gets alerts: a negative chat id.
    pub admin_chat: Option<i64>,
    /// A forum topic per ticket in that group.
    pub admin_topics: bool,
    pub unlinked: Unlinked,
}

#[derive(Clone, Debug)]
pub enum TelegramMode {
    Polling,
    Webhook(Webhook),
}

#[derive(Clone, Debug)]
pub struct Webhook {
    /// The public URL that Telegram calls: its host, with `path`.
    pub url: Url,
    /// Telegram repeats it in each call (core.telegram.org/bots/api#setwebhook).
    pub secret_token: Secret,
    /// Where the bridge's own HTTP server expects the calls.
    pub path: String,
}

/// What becomes of a chat that nobody linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlinked {
    Refuse,
    /// Its messages go to the account of this name.
    Account(String),
}

#[derive(Clone, Copy)]
enum Mode {
    Polling,
    Webhook,
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("polling", Mode::Polling), ("webhook", Mode::Webhook)];
}

pub(super) fn read(table: &Table<'_>) -> Option<Telegram> {
    let token = table.required("token", "the bot's token from @BotFather");
    let api_url = read_api_url(table);
    let webhook = table.table("webhook").map(|webhook| read_webhook(&webhook));
    let mode = match (table.or("mode", Mode::Polling), webhook) {
        (Mode::Polling, _) => Some(TelegramMode::Polling),
        (Mode::Webhook, Some(webhook)) => webhook.map(TelegramMode::Webhook),
        (Mode::Webhook, None) => {
            table.missing("webhook", "mode = \"webhook\" needs [telegram.webhook] with url and secret_token");
            None
        }
    };
    if !table.has("admin_chat") {
        table.warn("admin_chat", "is not set: alerts only show in the log, unless an account names its own");
    }
    let admin_chat = admin_chat(table);
    let admin_topics = table.or("admin_topics", false);
    if admin_topics {
        table.warn("admin_topics", "is not available in this version: alerts go to the group itself");
    }
    let unlinked = match table.get::<String>("unlinked") {
        Some(account) if account != "refuse" => Unlinked::Account(account),
        _ => Unlinked::Refuse,
    };
    table.finish();
    Some(Telegram { token: token?, api_url: api_url?, mode: mode?, admin_chat, admin_topics, unlinked })
}

/// A group's id, which is negative: a positive one is a person, who would get every customer's messages.
pub(super) fn admin_chat(table: &Table<'_>) -> Option<i64> {
    let chat = table.get::<i64>("admin_chat")?;
    if chat < 0 {
        return Some(chat);
    }
    table.wrong("admin_chat", "must be a group's id, which is negative, as -1001234567890");
    None
}

fn read_api_url(table: &Table<'_>) -> Option<Url> {
    if table.has("api_url") {
        let url = table.get::<Url>("api_url")?;
        check_transport(table, "api_url", &url);
        return Some(url);
    }
    Url::parse(OFFICIAL_API).ok()
}

fn read_webhook(table: &Table<'_>) -> Option<Webhook> {
    let url = table.required::<Url>("url", "the public https URL that Telegram is to call");
    let secret_token = table.required::<Secret>("secret_token", "without it anybody could send updates");
    let path = table.or("path", "/telegram".to_owned());
    if url.as_ref().is_some_and(|url| url.scheme() != "https") {
        table.wrong("url", "must begin with https://: Telegram calls no other");
    }
    if secret_token.as_ref().is_some_and(|token| !is_secret_token(token.expose())) {
        table.wrong(
            "secret_token",
            "must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -: Telegram takes no other",
        );
    }
    if !path.starts_with('/') {
        table.wrong("path", "must begin with a slash");
    }
    table.finish();
    Some(Webhook { url: url?, secret_token: secret_token?, path })
}

fn is_secret_token(token: &str) -> bool {
    token.len() <= 256 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
