//! What one mailbox is told: where its mail comes from and goes to, whom to believe, how long to wait.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls::ClientConfig;

pub use crate::config::mailbox::{After, Start, TlsMode as Security};
use crate::{
    model::ids::MailboxName,
    runtime::{Secret, backoff::Backoff},
};

const MIB: u64 = 1024 * 1024;

/// One inbound folder with the identity that answers for it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: MailboxName,
    pub inbox: InboxSettings,
    pub outbox: OutboxSettings,
    pub from: From,
    /// An address with `{token}` in its local part, as `support+{token}@example.com`.
    pub reply_address: Option<String>,
    pub after: After,
    pub start: Start,
    pub trust: TrustSettings,
    pub timing: Timing,
    pub limits: Limits,
}

/// Who writes: the address in From and in the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    pub name: Option<String>,
    pub address: String,
}

#[derive(Clone, Debug)]
pub enum InboxSettings {
    Imap(ImapSettings),
    /// The directory with `new`, `cur` and `tmp` in it.
    Maildir(PathBuf),
}

#[derive(Clone, Debug)]
pub struct ImapSettings {
    pub server: Server,
    pub user: String,
    pub password: Secret,
    pub folder: String,
    /// Where the server keeps a copy of what was sent; asked when a send's outcome is unknown.
    pub sent_folder: Option<String>,
}

#[derive(Clone, Debug)]
pub enum OutboxSettings {
    Smtp(SmtpSettings),
    /// Each outgoing mail becomes a file here.
    Directory(PathBuf),
}

#[derive(Clone, Debug)]
pub struct SmtpSettings {
    pub server: Server,
    /// Nothing: the server takes mail without a login.
    pub login: Option<(String, Secret)>,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Whom to trust, see `runtime::tls`.
    pub tls: Arc<ClientConfig>,
}

/// Which servers' words about a sender are believed (RFC 8601).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustSettings {
    /// `-` stands for a topmost header without an id, as Microsoft 365 writes.
    pub authserv_ids: Vec<String>,
    /// Addresses, networks and host names of own servers; empty: private addresses and `authserv_ids`.
    pub received_by: Vec<String>,
}

/// Every wait of this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub connect: Duration,
    /// Each read and each write of IMAP.
    pub io: Duration,
    /// A step of an SMTP dialogue, and on top of it the time that a large mail takes.
    pub smtp: Duration,
    /// IDLE is renewed after this; routers forget a silent connection after some ten minutes.
    pub idle: Duration,
    /// NOOP, where there is no IDLE; and the rescan of a Maildir.
    pub poll: Duration,
    pub backoff: Backoff,
    pub login_every: Duration,
    pub login_burst: u32,
    /// The wait after a refused login, so that no account is locked by us.
    pub unauthorized: Duration,
    /// Mail older than the newest read minus this is left alone after a UIDVALIDITY change.
    pub overlap: Duration,
}

/// Every bound of this room, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a larger mail its header and its first [`Limits::kept_of_oversize`] are taken.
    pub mail: u64,
    pub kept_of_oversize: u64,
    pub headers: usize,
    /// MIME parts of one mail, by their number.
    pub parts: usize,
    /// Mails within mails, by their number.
    pub depth: usize,
    /// A composed mail, its attachments before their encoding.
    pub outgoing: u64,
}

impl Default for Timing {
    /// As chatmail/core waits (its `src/imap.rs`, `src/imap/idle.rs`, `src/net.rs`).
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "two seconds are less than eighty")]
        let backoff =
            Backoff::new(Duration::from_secs(2), Duration::from_secs(80)).expect("2 s are less than 80 s");
        Self {
            connect: Duration::from_secs(30),
            io: Duration::from_secs(60),
            smtp: Duration::from_secs(5 * 60),
            idle: Duration::from_secs(5 * 60),
            poll: Duration::from_secs(60),
            backoff,
            login_every: Duration::from_secs(60),
            login_burst: 2,
            unauthorized: Duration::from_secs(5 * 60),
            overlap: Duration::from_secs(48 * 3600),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mail: 35 * MIB,
            kept_of_oversize: 64 * 1024,
            headers: 256 * 1024,
            parts: 1000,
            depth: 100,
            outgoing: 25 * MIB,
        }
    }
}
