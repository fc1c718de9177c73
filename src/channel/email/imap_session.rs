//! One IMAP connection: TLS, login, what the server can do, and commands whose answer is believed.
//!
//! Commands are read here rather than by async-imap's own methods, because those take a `NO` to FETCH or
//! SEARCH for an empty result (async-imap 0.12, `src/parse.rs`), and so mail that is there for mail that
//! is gone.

use std::{collections::BTreeSet, io, time::Duration};

use async_imap::{
    Client, Session,
    error::Error as LibraryError,
    imap_proto::{Capability, MailboxDatum, Outcome, Response, ResponseCode, Status, StatusAttribute},
};
use data_encoding::BASE64_NOPAD;
use tokio::time::{Instant, timeout_at};

use super::{
    settings::{ImapSettings, Security, Timing},
    wire::Wire,
};

/// What a caller must do: wait and connect again, tell somebody, or go on with the next mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImapError {
    /// The login is refused for good.
    #[error("the server refused the login: {0}")]
    Unauthorized(String),
    /// This command was answered with NO or BAD; the connection is well.
    #[error("the server refused {command}: {answer}")]
    Refused { command: String, answer: String, try_create: bool },
    /// Not a folder, or one without lasting numbers.
    #[error("the folder {0} cannot be used: {1}")]
    Folder(String, String),
    #[error("the connection was lost: {0}")]
    Lost(String),
}

/// A logged-in connection with a selected folder.
pub(super) struct ImapSession {
    session: Session<Wire>,
    abilities: BTreeSet<String>,
    io_timeout: Duration,
    exists: u32,
    /// Whether more mail was announced since somebody asked.
    news: bool,
}

/// What SELECT said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) uidvalidity: u32,
    pub(super) uid_next: u32,
    pub(super) exists: u32,
}

struct Plain<'a>(&'a ImapSettings);

impl ImapError {
    /// Whether the server itself says that it is out of order just now.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { answer, .. } if is_passing(answer))
    }
}

impl ImapSession {
    pub(super) async fn connect(settings: &ImapSettings, timing: &Timing) -> Result<Self, ImapError> {
        let server = &settings.server;
        let mut wire = Wire::connect(server, timing.connect, timing.io).await?;
        if server.security == Security::Implicit {
            wire = wire.encrypt(server, timing.connect).await?;
        }
        let mut client = Client::new(wire);
        greeting(&mut client).await?;
        if server.security == Security::Starttls {
            client.run_command_and_check_ok("STARTTLS", None).await?;
            client = Client::new(client.into_inner().encrypt(server, timing.connect).await?);
        }
        let session = login(client, settings).await?;
        let mut this =
            Self { session, abilities: BTreeSet::new(), io_timeout: timing.io, exists: 0, news: false };
        this.abilities = this.read_abilities().await?;
        if this.can("ID") {
            this.introduce().await?;
        }
        Ok(this)
    }

    /// Whether the server has an extension, by its capability's name.
    pub(super) fn can(&self, ability: &str) -> bool {
        self.abilities.contains(ability)
    }

    pub(super) async fn select(&mut self, folder: &str) -> Result<Selected, ImapError> {
        let (mut uidvalidity, mut uid_next, mut exists) = (None, None, 0);
        let command = format!("SELECT {}", quoted_folder(folder)?);
        let selected = self
            .command(&command, |response| match response {
                Response::Data { status: Status::Ok, outcome } => match &outcome.code {
                    Some(ResponseCode::UidValidity(n)) => uidvalidity = Some(*n),
                    Some(ResponseCode::UidNext(n)) => uid_next = Some(*n),
                    _ => (),
                },
                Response::MailboxData(MailboxDatum::Exists(n)) => exists = *n,
                _ => (),
            })
            .await;
        let unusable = |why: String| ImapError::Folder(folder.to_owned(), why);
        match selected {
            Err(ImapError::Refused { answer, .. }) => return Err(unusable(answer)),
            other => other?,
        }
        self.news = false;
        let uidvalidity = uidvalidity.ok_or_else(|| {
            unusable("the server keeps no lasting message numbers (UIDVALIDITY)".to_owned())
        })?;
        let uid_next = match uid_next {
            Some(uid_next) => uid_next,
            None => self.find_uid_next(folder).await?,
        };
        Ok(Selected { uidvalidity, uid_next, exists })
    }

    /// All UIDs that match, ascending.
    pub(super) async fn search(&mut self, criteria: &str) -> Result<Vec<u32>, ImapError> {
        let mut found = Vec::new();
        self.command(&format!("UID SEARCH {criteria}"), |response| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                found.extend(uids);
            }
        })
        .await?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Sends one command, hands each untagged answer to `on`, and returns once it is completed.
    pub(super) async fn command(
        &mut self,
        command: &str,
        mut on: impl FnMut(&Response<'_>),
    ) -> Result<(), ImapError> {
        let tag = self.session.run_command(command).await?;
        loop {
            let answer = self.session.read_response().await?.ok_or_else(closed)?;
            let response = answer.parsed();
            match response {
                Response::Done { tag: done, status, outcome } if *done == tag => {
                    return completed(command, status, outcome);
                }
                Response::Data { status: Status::Bye, outcome } => return Err(bye(outcome)),
                _ => (),
            }
            self.note(response);
            on(response);
        }
    }

    /// Whether more mail was announced since the last call.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Waits until the server announces mail, at most `at_most`. Must not begin while news is pending.
    pub(super) async fn idle(&mut self, at_most: Duration) -> Result<(), ImapError> {
        let tag = self.session.run_command("IDLE").await?;
        let until = Instant::now() + at_most;
        self.session.as_mut().set_read_timeout(at_most.saturating_add(self.io_timeout));
        while !self.news {
            let Ok(answer) = timeout_at(until, self.session.read_response()).await else { break };
            let answer = answer?.ok_or_else(closed)?;
            match answer.parsed() {
                Response::Done { tag: done, status, outcome } if *done == tag => {
                    self.session.as_mut().set_read_timeout(self.io_timeout);
                    // A server that ends IDLE by itself has news or had enough; one that refuses it says NO.
                    return completed("IDLE", status, outcome);
                }
                Response::Data { status: Status::Bye, outcome } => return Err(bye(outcome)),
                other => self.note(other),
            }
        }
        self.session.as_mut().set_read_timeout(self.io_timeout);
        self.session.run_command_untagged("DONE").await?;
        loop {
            let answer = self.session.read_response().await?.ok_or_else(closed)?;
            match answer.parsed() {
                Response::Done { tag: done, status, outcome } if *done == tag => {
                    return completed("IDLE", status, outcome);
                }
                other => self.note(other),
            }
        }
    }

    /// Says good-bye; what the server answers no longer matters.
    pub(super) async fn logout(mut self) {
        let _ = self.session.run_command("LOGOUT").await;
    }

    fn note(&mut self, response: &Response<'_>) {
        match response {
            Response::MailboxData(MailboxDatum::Exists(n)) => {
                self.news |= *n > self.exists;
                self.exists = *n;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            _ => (),
        }
    }

    async fn read_abilities(&mut self) -> Result<BTreeSet<String>, ImapError> {
        let mut found = BTreeSet::new();
        self.command("CAPABILITY", |response| collect_abilities(response, &mut found)).await?;
        Ok(found)
    }

    /// RFC 2971; 163.com shows a client that does not introduce itself an empty folder
    /// (chatmail/core, `src/imap.rs`).
    async fn introduce(&mut self) -> Result<(), ImapError> {
        let command =
            concat!(r#"ID ("name" "ticket-bridge" "version" ""#, env!("CARGO_PKG_VERSION"), r#"")"#);
        match self.command(command, |_| ()).await {
            Err(ImapError::Refused { .. }) => Ok(()),
            other => other,
        }
    }

    /// For servers whose SELECT lacks UIDNEXT, as 163.com's (chatmail/core, `src/imap/select_folder.rs`).
    async fn find_uid_next(&mut self, folder: &str) -> Result<u32, ImapError> {
        let mut uid_next = None;
        let command = format!("STATUS {} (UIDNEXT)", quoted_folder(folder)?);
        let asked = self
            .command(&command, |response| {
                if let Response::MailboxData(MailboxDatum::Status { status, .. }) = response {
                    uid_next = status.iter().find_map(|attribute| match attribute {
                        StatusAttribute::UidNext(n) => Some(*n),
                        _ => None,
                    });
                }
            })
            .await;
        match (asked, uid_next) {
            (Ok(()), Some(uid_next)) => Ok(uid_next),
            (Ok(()) | Err(ImapError::Refused { .. }), _) => {
                Ok(self.search("ALL").await?.last().map_or(1, |uid| uid.saturating_add(1)))
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// A folder's name as a quoted string in modified UTF-7 (RFC 3501 §5.1.3).
pub(super) fn quoted_folder(name: &str) -> Result<String, ImapError> {
    if name.chars().any(char::is_control) {
        return Err(ImapError::Folder(name.to_owned(), "its name holds a control character".to_owned()));
    }
    let mut encoded = String::new();
    let mut foreign: Vec<u8> = Vec::new();
    for c in name.chars() {
        if c.is_ascii() {
            flush_foreign(&mut foreign, &mut encoded);
            match c {
                '&' => encoded.push_str("&-"),
                '"' | '\\' => encoded.extend(['\\', c]),
                _ => encoded.push(c),
            }
        } else {
            foreign.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush_foreign(&mut foreign, &mut encoded);
    Ok(format!("\"{encoded}\""))
}

fn flush_foreign(foreign: &mut Vec<u8>, encoded: &mut String) {
    if !foreign.is_empty() {
        encoded.push('&');
        encoded.push_str(&BASE64_NOPAD.encode(foreign).replace('/', ","));
        encoded.push('-');
        foreign.clear();
    }
}

async fn greeting(client: &mut Client<Wire>) -> Result<(), ImapError> {
    let answer = client.read_response().await?.ok_or_else(closed)?;
    match answer.parsed() {
        Response::Data { status: Status::Ok | Status::PreAuth, .. } => Ok(()),
        Response::Data { outcome, .. } => Err(bye(outcome)),
        _ => Err(ImapError::Lost("the server did not greet".to_owned())),
    }
}

fn collect_abilities(response: &Response<'_>, found: &mut BTreeSet<String>) {
    let Response::Capabilities(abilities) = response else { return };
    found.extend(abilities.iter().map(|ability| match ability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(mechanism) => format!("AUTH={}", mechanism.to_uppercase()),
        Capability::Atom(name) => name.to_uppercase(),
    }));
}

/// LOGIN, which every server knows; AUTHENTICATE PLAIN where LOGIN is unknown or cannot carry the letters.
async fn login(client: Client<Wire>, settings: &ImapSettings) -> Result<Session<Wire>, ImapError> {
    let ascii = settings.user.is_ascii() && settings.password.expose().is_ascii();
    let tried = if ascii {
        client.login(&settings.user, settings.password.expose()).await
    } else {
        client.authenticate("PLAIN", Plain(settings)).await
    };
    let done = match tried {
        Err((LibraryError::Bad(_), client)) if ascii => client.authenticate("PLAIN", Plain(settings)).await,
        other => other,
    };
    done.map_err(|(error, _)| match error {
        LibraryError::No(answer) if !is_passing(&answer) => ImapError::Unauthorized(answer),
        LibraryError::Bad(answer) => ImapError::Unauthorized(answer),
        other => other.into(),
    })
}

/// RFC 5530: the service itself is down, or too many use it.
fn is_passing(answer: &str) -> bool {
    let answer = answer.to_lowercase();
    ["unavailable", "inuse", "limit", "temporar", "try again", "too many"]
        .iter()
        .any(|word| answer.contains(word))
}

fn completed(command: &str, status: &Status, outcome: &Outcome<'_>) -> Result<(), ImapError> {
    if *status == Status::Ok {
        return Ok(());
    }
    Err(ImapError::Refused {
        // The verb and its object: the whole of a UID set says nothing more.
        command: command.split(' ').take(2).collect::<Vec<_>>().join(" "),
        answer: outcome.information.as_deref().unwrap_or("without a reason").to_owned(),
        try_create: matches!(outcome.code, Some(ResponseCode::TryCreate)),
    })
}

fn bye(outcome: &Outcome<'_>) -> ImapError {
    ImapError::Lost(format!("the server said {}", outcome.information.as_deref().unwrap_or("good-bye")))
}

fn closed() -> ImapError {
    ImapError::Lost("the server closed it".to_owned())
}

impl async_imap::Authenticator for Plain<'_> {
    type Response = String;

    fn process(&mut self, _: &[u8]) -> String {
        format!("\0{}\0{}", self.0.user, self.0.password.expose())
    }
}

impl From<io::Error> for ImapError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<LibraryError> for ImapError {
    fn from(error: LibraryError) -> Self {
        Self::Lost(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_is_named_as_the_server_does() {
        for (name, quoted) in [
            ("INBOX", "\"INBOX\""),
            ("Entwürfe & \"Co\"", "\"Entw&APw-rfe &- \\\"Co\\\"\""),
            ("台北", "\"&U,BTFw-\""),
        ] {
            assert_eq!(quoted_folder(name).unwrap(), quoted);
        }
        assert!(quoted_folder("a\r\nLOGOUT").is_err());
    }

    #[test]
    fn a_login_service_that_is_down_is_no_wrong_password() {
        assert!(is_passing("code: None, info: Some(\"[UNAVAILABLE] Temporary authentication failure\")"));
        assert!(!is_passing("code: None, info: Some(\"[AUTHENTICATIONFAILED] Authentication failed.\")"));
    }
}
