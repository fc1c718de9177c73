//! One mail by SMTP, phase by phase, so that it is known whether a failed one may have been sent.
//!
//! Before the last byte of the mail was written nothing can have been accepted; after it, only the
//! server's reply says so (RFC 5321 §4.2.5 and §6.1).

use std::time::Duration;

use lettre::{
    Address,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    settings::{Security, SmtpSettings, Timing},
    wire::Wire,
};
use crate::channel::{Refusal, SendError};

/// Bytes a second that any line to a mail server makes.
const SLOWEST: u64 = 50 * 1024;
/// Bytes that lettre gets at once.
const PIECE: usize = 64 * 1024;
const QUIT: Duration = Duration::from_secs(2);
const MOST_REPLY: usize = 8 * 1024;

/// Whom a mail is from and to. No sender for automatic mail, so that nothing bounces back.
pub(super) struct Envelope {
    pub(super) from: Option<Address>,
    pub(super) to: Vec<Address>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Login,
    Sender,
    Recipient,
    Content,
}

pub(super) async fn send(
    settings: &SmtpSettings,
    timing: &Timing,
    envelope: Envelope,
    mail: &[u8],
) -> Result<(), SendError> {
    let patience = timing.smtp + Duration::from_secs(mail.len() as u64 / SLOWEST);
    let mut connection = connect(settings, timing, patience).await?;
    let parameters = parameters(&connection, &envelope, mail)?;
    connection
        .command(Mail::new(envelope.from, parameters))
        .await
        .map_err(|error| failed(Phase::Sender, &error))?;
    for to in envelope.to {
        connection.command(Rcpt::new(to, vec![])).await.map_err(|error| failed(Phase::Recipient, &error))?;
    }
    connection.command(Data).await.map_err(|error| failed(Phase::Content, &error))?;
    let outcome = send_content(&mut connection, mail, patience).await;
    // The outcome is certain already; a server that does not answer this changes nothing.
    let _ = timeout(QUIT, connection.quit()).await;
    outcome
}

/// Connects and logs in: what `check` does, too.
pub(super) async fn connect(
    settings: &SmtpSettings,
    timing: &Timing,
    patience: Duration,
) -> Result<AsyncSmtpConnection, SendError> {
    let server = &settings.server;
    let hello = ClientId::default();
    let unreachable =
        |error: std::io::Error| retry(format!("{}:{} cannot be reached: {error}", server.host, server.port));
    let wire = Wire::connect(server, timing.connect, patience).await.map_err(unreachable)?;
    let wire = match server.security {
        Security::None => wire,
        Security::Implicit => wire.encrypt(server, timing.connect).await.map_err(unreachable)?,
        Security::Starttls => {
            let wire = ask_for_tls(wire, &hello).await?;
            let wire = wire.encrypt(server, timing.connect).await.map_err(unreachable)?;
            // The server greets only once, and lettre waits for a greeting.
            wire.read_first(b"220 encrypted\r\n")
        }
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello)
        .await
        .map_err(|error| failed(Phase::Greeting, &error))?;
    if let Some((user, password)) = &settings.login {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await
            .map_err(|error| failed(Phase::Login, &error))?;
    }
    Ok(connection)
}

/// STARTTLS (RFC 3207), read byte by byte so that nothing said before TLS is taken for said within it.
async fn ask_for_tls(mut wire: Wire, hello: &ClientId) -> Result<Wire, SendError> {
    expect_reply(&mut wire, "220").await?;
    write_line(&mut wire, &format!("EHLO {hello}")).await?;
    let abilities = expect_reply(&mut wire, "250").await?;
    let offered = abilities
        .lines()
        .any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offered {
        return Err(retry("the server does not offer STARTTLS".to_owned()));
    }
    write_line(&mut wire, "STARTTLS").await?;
    expect_reply(&mut wire, "220").await?;
    Ok(wire)
}

async fn write_line(wire: &mut Wire, line: &str) -> Result<(), SendError> {
    let written = async {
        wire.write_all(format!("{line}\r\n").as_bytes()).await?;
        wire.flush().await
    };
    written.await.map_err(|error| retry(format!("the connection was lost: {error}")))
}

async fn expect_reply(wire: &mut Wire, code: &str) -> Result<String, SendError> {
    let mut reply = Vec::new();
    let mut line_begins = 0;
    while reply.len() < MOST_REPLY {
        let byte =
            wire.read_u8().await.map_err(|error| retry(format!("the connection was lost: {error}")))?;
        reply.push(byte);
        if byte == b'\n' {
            // `250-` goes on, `250 ` ends.
            if reply.get(line_begins + 3) != Some(&b'-') {
                break;
            }
            line_begins = reply.len();
        }
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    if reply.starts_with(code) { Ok(reply) } else { Err(retry(format!("the server said {}", reply.trim()))) }
}

fn parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<Vec<MailParameter>, SendError> {
    let can = |ability| connection.server_info().supports_feature(ability);
    let mut parameters = Vec::new();
    let addresses = envelope.from.iter().chain(&envelope.to);
    if addresses.into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !can(Extension::SmtpUtfEight) {
            let reason = "the mail server takes no address with such letters (SMTPUTF8)".to_owned();
            return Err(SendError::Refused { reason, what: Refusal::Gone });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() && can(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

async fn send_content(
    connection: &mut AsyncSmtpConnection,
    mail: &[u8],
    patience: Duration,
) -> Result<(), SendError> {
    // lettre takes the next piece only once the one before is written, and writes the end after the last.
    let mut all_written = false;
    let mut pieces = mail.chunks(PIECE);
    let content = std::iter::from_fn(|| {
        let piece = pieces.next();
        all_written |= piece.is_none();
        piece
    });
    let sent = timeout(patience.saturating_mul(2), connection.message_iter(content)).await;
    match sent {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.status().is_some() => Err(failed(Phase::Content, &error)),
        Ok(Err(error)) if all_written => Err(unknown(error.to_string())),
        Err(_) if all_written => Err(unknown("the server did not confirm in time".to_owned())),
        Ok(Err(error)) => Err(retry(format!("the connection was lost within the mail: {error}"))),
        Err(_) => Err(retry("the mail could not be handed over in time".to_owned())),
    }
}

/// What a failure before the end of the mail means, or a reply after it. Surely not sent.
fn failed(phase: Phase, error: &SmtpError) -> SendError {
    let reason = error.to_string();
    match error.status().map(u16::from) {
        Some(code) => replied(phase, code, reason),
        // No mechanism that both know: waiting will not help.
        None if phase == Phase::Login && error.is_client() => SendError::Unauthorized(reason),
        None => retry(reason),
    }
}

/// Codes of RFC 5321 §4.2.3 and RFC 3463.
fn replied(phase: Phase, code: u16, reason: String) -> SendError {
    if code < 500 {
        return retry(reason);
    }
    let says = |codes: &[&str]| codes.iter().any(|code| reason.contains(code));
    let refused = |what| SendError::Refused { reason: reason.clone(), what };
    match (phase, code) {
        (_, 530 | 535 | 534 | 538) | (Phase::Login, _) => SendError::Unauthorized(reason),
        (Phase::Greeting, _) => retry(reason),
        _ if says(&["5.3.4", "5.2.3"]) => refused(Refusal::TooLarge),
        // Too many recipients, or a full mailbox: RFC 5321 §4.5.3.1.10 has it as passing.
        (Phase::Recipient, 552) => retry(reason),
        (_, 552) => refused(Refusal::TooLarge),
        (Phase::Recipient, 550 | 551 | 553 | 556) => {
            // A policy or a block list is about us, not about the recipient.
            if says(&["5.7."]) { refused(Refusal::Content) } else { refused(Refusal::Gone) }
        }
        _ if says(&["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"]) => refused(Refusal::Gone),
        _ => refused(Refusal::Content),
    }
}

fn retry(reason: String) -> SendError {
    SendError::Retry { after: None, reason }
}

fn unknown(reason: String) -> SendError {
    SendError::Unknown { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_what_to_do() {
        for (phase, code, text, expected) in [
            (Phase::Recipient, 451, "4.7.1 greylisted", "retry"),
            (Phase::Recipient, 550, "5.1.1 no such user", "gone"),
            (Phase::Recipient, 550, "5.7.1 blocked", "content"),
            (Phase::Recipient, 552, "5.2.2 mailbox full", "retry"),
            (Phase::Sender, 552, "5.3.4 message too big", "large"),
            (Phase::Content, 552, "too much", "large"),
            (Phase::Content, 554, "5.6.0 looks like spam", "content"),
            (Phase::Content, 550, "5.1.1 no such user", "gone"),
            (Phase::Login, 535, "5.7.8 bad", "login"),
            (Phase::Sender, 530, "5.7.0 log in first", "login"),
            (Phase::Greeting, 554, "no service", "retry"),
        ] {
            let found = match replied(phase, code, text.to_owned()) {
                SendError::Retry { .. } => "retry",
                SendError::Refused { what: Refusal::Gone, .. } => "gone",
                SendError::Refused { what: Refusal::TooLarge, .. } => "large",
                SendError::Refused { what: Refusal::Content, .. } => "content",
                SendError::Unauthorized(_) => "login",
                _ => "other",
            };
            assert_eq!(found, expected, "{code} {text}");
        }
    }
}
