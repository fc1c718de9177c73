//! `[[mailbox]]`: one inbound folder, and the identity that answers for it.

use std::path::PathBuf;

use toml::de::DeValue;

use super::file::{Reading, Table};
use super::telegram::admin_chat;
use super::values::{Address, FromValue, Word, Words, kind_of};
use crate::runtime::{Secret, Timestamp};

#[derive(Clone, Debug)]
pub struct Mailbox {
    pub name: String,
    /// All its mail belongs to the account of this name; none: who writes decides.
    pub account: Option<String>,
    pub new_tickets: NewTickets,
    pub source: Source,
    pub outbox: Outbox,
    pub from: Address,
    pub after: After,
    pub start: Start,
    /// The servers whose Authentication-Results are believed; `-` for a header without a name.
    pub authserv_id: Vec<String>,
    /// Own servers in front of it: addresses, networks or host names.
    pub received_by: Vec<String>,
    pub unverified: Unverified,
    pub receipt: Receipt,
    /// An address with `{token}` in its local part.
    pub reply_address: Option<String>,
    pub admin_chat: Option<i64>,
    /// Where the server keeps a copy of what was sent; asked when a send's outcome is unknown.
    pub sent_folder: Option<String>,
}

/// What tickets from here get, as far as the ticket API knows such a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTickets {
    pub topic: Option<String>,
    pub department: Option<String>,
    pub category: Option<String>,
    pub priority: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Source {
    Imap(Imap),
    Maildir(PathBuf),
}

#[derive(Clone, Debug)]
pub enum Outbox {
    Smtp(Smtp),
    /// Each outgoing mail becomes a file here.
    Directory(PathBuf),
}

#[derive(Clone, Debug)]
pub struct Imap {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    pub user: String,
    pub password: Secret,
    pub folder: String,
    /// PEM file of an authority trusted for this server only, beside the known ones.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    /// Absent: the server takes mail without a login.
    pub login: Option<(String, Secret)>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Implicit,
    Starttls,
    None,
}

/// What becomes of a mail on its server once it is journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    Seen,
    Move(String),
    Delete,
    Nothing,
}

/// Which mail of a new mailbox is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// What arrives from now on.
    Now,
    All,
    /// What arrived since then.
    Since(Timestamp),
}

/// What becomes of mail whose sender is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    Quarantine,
    Mark,
    Refuse,
}

/// Whether a new ticket is confirmed by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    First,
    Never,
}

impl Word for TlsMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("implicit", TlsMode::Implicit), ("starttls", TlsMode::Starttls), ("none", TlsMode::None)];
}

impl Word for Unverified {
    const WORDS: &'static [(&'static str, Self)] =
        &[("quarantine", Unverified::Quarantine), ("mark", Unverified::Mark), ("refuse", Unverified::Refuse)];
}

impl Word for Receipt {
    const WORDS: &'static [(&'static str, Self)] = &[("first", Receipt::First), ("never", Receipt::Never)];
}

impl FromValue for After {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        let text = String::from_value(value, reading)?;
        match (text.as_str(), text.strip_prefix("move:")) {
            ("seen", _) => Ok(After::Seen),
            ("delete", _) => Ok(After::Delete),
            ("nothing", _) => Ok(After::Nothing),
            (_, Some(folder)) if !folder.is_empty() => Ok(After::Move(folder.to_owned())),
            _ => {
                Err(format!("expected \"seen\", \"move:Folder\", \"delete\" or \"nothing\", found {text:?}"))
            }
        }
    }
}

impl FromValue for Start {
    fn from_value(value: &DeValue<'_>, _: &Reading<'_>) -> Result<Self, String> {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            other => return Err(format!("expected \"now\", \"all\" or a date, found {}", kind_of(other))),
        };
        match text.as_str() {
            "now" => Ok(Start::Now),
            "all" => Ok(Start::All),
            date => day(date).map(Start::Since).ok_or_else(|| {
                format!("expected \"now\", \"all\" or a date such as \"2026-01-31\", found {date:?}")
            }),
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Mailbox> {
    let name = table.required("name", "logs, alerts and commands refer to it");
    let account = table.get::<String>("account");
    let new_tickets = NewTickets {
        topic: table.get("topic"),
        department: table.get("department"),
        category: table.get("category"),
        priority: table.get("priority"),
    };
    let source = source(table);
    let outbox = outbox(table);
    let from = table.required("from", "who answers, as \"Example Support <support@example.com>\"");
    let after = table.or("after", After::Seen);
    let start = table.or("start", Start::Now);
    let list = |key| table.get::<Words>(key).map_or_else(Vec::new, |words| words.0);
    let (authserv_id, received_by) = (list("authserv_id"), list("received_by"));
    let unverified = table.or("unverified", Unverified::Quarantine);
    if account.is_none() && authserv_id.is_empty() && !table.has("unverified") && !table.has("account") {
        table.missing(
            "authserv_id",
            "who writes decides here, and without the name of the server that checks senders none can be \
             proven; name it, or set unverified to say what becomes of all mail",
        );
    }
    let receipt = table.or("receipt", Receipt::First);
    let reply_address = reply_address(table);
    let admin_chat = admin_chat(table);
    let sent_folder = table.get("sent_folder");
    table.finish();
    Some(Mailbox {
        name: name?,
        account,
        new_tickets,
        source: source?,
        outbox: outbox?,
        from: from?,
        after,
        start,
        authserv_id,
        received_by,
        unverified,
        receipt,
        reply_address,
        admin_chat,
        sent_folder,
    })
}

fn source(table: &Table<'_>) -> Option<Source> {
    let imap = table.table("imap").map(|imap| read_imap(&imap).map(Source::Imap));
    let maildir = table.get("maildir").map(Source::Maildir);
    match (table.has("imap"), table.has("maildir")) {
        (true, false) => imap.flatten(),
        (false, true) => maildir,
        (true, true) => {
            table.wrong("maildir", "stands beside imap: a mailbox has one of the two");
            None
        }
        (false, false) => {
            table.missing("imap", "where its mail comes from: imap = { … }, or maildir = \"…\"");
            None
        }
    }
}

fn outbox(table: &Table<'_>) -> Option<Outbox> {
    let smtp = table.table("smtp").map(|smtp| read_smtp(&smtp).map(Outbox::Smtp));
    let directory = table.get("outbox_dir").map(Outbox::Directory);
    match (table.has("smtp"), table.has("outbox_dir")) {
        (true, false) => smtp.flatten(),
        (false, true) => directory,
        (true, true) => {
            table.wrong("outbox_dir", "stands beside smtp: a mailbox has one of the two");
            None
        }
        (false, false) => {
            table.missing("smtp", "how its answers leave: smtp = { … }, or outbox_dir = \"…\"");
            None
        }
    }
}

fn read_imap(table: &Table<'_>) -> Option<Imap> {
    let host = table.required("host", "the IMAP server");
    let tls = tls_mode(table);
    let port = table.get("port").unwrap_or(if tls == TlsMode::Implicit { 993 } else { 143 });
    let user = table.required("user", "who logs in");
    let password = table.required("password", "{ env = \"NAME\" } or { file = \"/path\" }");
    let folder = table.or("folder", "INBOX".to_owned());
    let ca_file = table.get("ca_file");
    table.finish();
    Some(Imap { host: host?, port, tls, user: user?, password: password?, folder, ca_file })
}

fn read_smtp(table: &Table<'_>) -> Option<Smtp> {
    let host = table.required("host", "the SMTP server");
    let tls = tls_mode(table);
    let port = table.get("port").unwrap_or(match tls {
        TlsMode::Implicit => 465,
        TlsMode::Starttls => 587,
        TlsMode::None => 25,
    });
    let (user, password) = (table.get("user"), table.get("password"));
    match (table.has("user"), table.has("password")) {
        (true, false) => table.missing("password", "user is given, too"),
        (false, true) => table.missing("user", "password is given, too"),
        _ => (),
    }
    let ca_file = table.get("ca_file");
    table.finish();
    Some(Smtp { host: host?, port, tls, login: user.zip(password), ca_file })
}

fn tls_mode(table: &Table<'_>) -> TlsMode {
    let tls = table.or("tls", TlsMode::Implicit);
    let host = table.get::<String>("host").unwrap_or_default();
    if tls == TlsMode::None && !super::resolve::is_loopback(&host) {
        table.warn("tls", "is \"none\": the password and all mail can be read on the way");
    }
    tls
}

fn reply_address(table: &Table<'_>) -> Option<String> {
    let address = table.get::<String>("reply_address")?;
    let sample = address.replacen("{token}", "t", 1);
    if !address.contains("{token}@") || sample.contains('{') || sample.parse::<lettre::Address>().is_err() {
        table.wrong("reply_address", "must look like \"support+{token}@example.com\"");
    }
    Some(address)
}

/// The start of a day, in UTC.
pub fn day(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}
