//! An outgoing mail → its bytes, composed once into the spool: fixed Message-ID, date and boundaries.

use std::{
    fmt::Write as _,
    io,
    time::{Duration, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use futures::{StreamExt, TryStreamExt, stream};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, MessageBuilder, MultiPart, SinglePart,
        header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};

use super::{
    automatic::OWN_HEADER,
    settings::{From, Settings},
};
use crate::{
    channel::{Composed, OutgoingFile, OutgoingMail, Refusal, SendError},
    model::{attachment::safe_name, ids::MailId},
    runtime::{byte_stream::ByteStream, clock::Timestamp},
    spool::{Spool, SpoolError},
    text::subject::single_line,
};

/// Characters of References: some servers cut longer header fields.
const MOST_REFERENCES: usize = 1500;
const MOST_SUBJECT_UTF16: usize = 500;
/// Bytes of a line of 76 characters (RFC 2045 §6.8).
const LINE: usize = 57;

/// Composes and spools. Composing the same job again gives the same Message-ID.
pub(super) async fn compose(
    settings: &Settings,
    spool: &Spool,
    now: Timestamp,
    mail: &OutgoingMail,
    files: Vec<OutgoingFile>,
) -> Result<Composed, SendError> {
    let limit = settings.limits.outgoing;
    if files.iter().filter_map(|file| file.size).sum::<u64>() > limit {
        return Err(too_large(limit));
    }
    let id = message_id(&settings.from, mail);
    let marks: Vec<String> = (0..files.len()).map(|nth| format!("=?{}.{nth}?=", &random_word())).collect();
    let frame = frame(settings, now, mail, &id, &files, &marks)?;
    let content = fill(frame, &marks, files, limit);
    match spool.put_stream(content).await {
        Ok((raw, _)) => Ok(Composed { raw, mail: id }),
        Err(SpoolError::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => Err(too_large(limit)),
        Err(error) => {
            Err(SendError::Retry { after: None, reason: format!("the mail cannot be composed: {error}") })
        }
    }
}

/// `<hash>.<token>@domain`, without brackets.
fn message_id(from: &From, mail: &OutgoingMail) -> MailId {
    let hash = Sha256::digest(mail.key.as_bytes());
    let mut id = hash.iter().take(10).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    });
    if let Some(token) = &mail.token {
        id.push('.');
        id.push_str(token);
    }
    MailId::new(format!("{id}@{}", from.domain()))
}

/// The whole mail with a mark where each file's bytes belong.
fn frame(
    settings: &Settings,
    now: Timestamp,
    mail: &OutgoingMail,
    id: &MailId,
    files: &[OutgoingFile],
    marks: &[String],
) -> Result<Vec<u8>, SendError> {
    let builder = headers(settings, now, mail, id)?;
    let body = match &mail.html {
        Some(html) => MultiPart::alternative_plain_html(mail.text.clone(), html.clone()),
        None => MultiPart::mixed().singlepart(SinglePart::plain(mail.text.clone())),
    };
    let body = if files.is_empty() {
        body
    } else {
        let mixed = MultiPart::mixed().multipart(body);
        files.iter().zip(marks).fold(mixed, |mixed, (file, mark)| mixed.singlepart(file_part(file, mark)))
    };
    let message = if mail.html.is_none() && files.is_empty() {
        builder.singlepart(SinglePart::plain(mail.text.clone()))
    } else {
        builder.multipart(body)
    };
    Ok(message.map_err(|error| refused(format!("the mail cannot be composed: {error}")))?.formatted())
}

fn headers(
    settings: &Settings,
    now: Timestamp,
    mail: &OutgoingMail,
    id: &MailId,
) -> Result<MessageBuilder, SendError> {
    let no_recipient = |error| SendError::Refused {
        reason: format!("{} is no address that mail can be sent to: {error}", mail.to),
        what: Refusal::Gone,
    };
    let to: Address = mail.to.as_str().parse().map_err(no_recipient)?;
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut builder = Message::builder()
        .from(settings.from.mailbox()?)
        .to(Mailbox::new(None, to))
        .subject(single_line(&mail.subject, MOST_SUBJECT_UTF16))
        .date(UNIX_EPOCH + Duration::from_millis(millis))
        .message_id(Some(format!("<{id}>")))
        .raw_header(field(OWN_HEADER, "1"));
    if let Some(parent) = mail.in_reply_to.as_ref().filter(|id| is_plain(id)) {
        builder = builder.in_reply_to(format!("<{parent}>"));
    }
    let references = references(mail);
    if !references.is_empty() {
        builder = builder.references(references);
    }
    if let (Some(pattern), Some(token)) = (&settings.reply_address, &mail.token) {
        let address = pattern.replace("{token}", token);
        let address: Address = address
            .parse()
            .map_err(|error| refused(format!("{address} is no address to reply to: {error}")))?;
        builder = builder.reply_to(Mailbox::new(settings.from.name.clone(), address));
    }
    if mail.automatic {
        // RFC 3834 §5, and what programs before it and Exchange understand.
        builder = builder
            .raw_header(field("Auto-Submitted", "auto-replied"))
            .raw_header(field("Precedence", "bulk"))
            .raw_header(field("X-Auto-Response-Suppress", "All"));
    }
    Ok(builder)
}

/// The first mail of the thread and as many of the last as there is room for (RFC 5322 §3.6.4).
fn references(mail: &OutgoingMail) -> String {
    let mut ids: Vec<&MailId> = mail.references.iter().filter(|id| is_plain(id)).collect();
    ids.extend(mail.in_reply_to.as_ref().filter(|id| is_plain(id) && !mail.references.contains(id)));
    let Some((first, rest)) = ids.split_first() else { return String::new() };
    let mut room = MOST_REFERENCES.saturating_sub(first.as_str().len() + 2);
    let mut last: Vec<&MailId> = rest
        .iter()
        .rev()
        .take_while(|id| {
            let needed = id.as_str().len() + 3;
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        })
        .copied()
        .collect();
    last.reverse();
    let written: Vec<String> = std::iter::once(*first).chain(last).map(|id| format!("<{id}>")).collect();
    written.join(" ")
}

/// What a customer's mail called itself may be anything; only what cannot break a header is repeated.
fn is_plain(id: &MailId) -> bool {
    let id = id.as_str();
    (1..900).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic() && !"<>".contains(c))
}

fn file_part(file: &OutgoingFile, mark: &str) -> SinglePart {
    // A mail or multipart must not be in base64 (RFC 2046 §5.2.1), so it travels as a mere file.
    let declared = Some(file.mime.as_str())
        .filter(|mime| !mime.starts_with("message/") && !mime.starts_with("multipart/"));
    let kind = declared.and_then(|mime| ContentType::parse(mime).ok());
    let unknown = || ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
    SinglePart::builder()
        .header(ContentDisposition::attachment(&safe_name(&file.name)))
        .header(kind.unwrap_or_else(unknown))
        .body(Body::dangerous_pre_encoded(mark.as_bytes().to_vec(), ContentTransferEncoding::Base64))
}

/// The frame with the files' bytes in place of the marks, chunk by chunk.
fn fill(frame: Vec<u8>, marks: &[String], files: Vec<OutgoingFile>, limit: u64) -> ByteStream {
    let mut rest = Bytes::from(frame);
    let mut parts: Vec<ByteStream> = Vec::new();
    for (mark, file) in marks.iter().zip(files) {
        let at = find(&rest, mark.as_bytes());
        let before = rest.split_to(at.unwrap_or(rest.len()));
        let _ = rest.split_to(mark.len().min(rest.len()));
        parts.push(stream::once(async { Ok(before) }).boxed());
        parts.push(file.content);
    }
    parts.push(stream::once(async { Ok(rest) }).boxed());
    let mut left = limit;
    // Frame and files take turns.
    stream::iter(parts.into_iter().enumerate())
        .flat_map(|(nth, part)| if nth % 2 == 1 { base64_lines(part) } else { part })
        .and_then(move |chunk| {
            let encoded = chunk.len() as u64 * 3 / 4;
            let fits = encoded <= left.saturating_add(1024 * 1024);
            left = left.saturating_sub(encoded);
            std::future::ready(if fits { Ok(chunk) } else { Err(io::ErrorKind::FileTooLarge.into()) })
        })
        .boxed()
}

fn base64_lines(content: ByteStream) -> ByteStream {
    let end = stream::once(async { Ok(None) });
    content
        .map_ok(Some)
        .chain(end)
        .scan(BytesMut::new(), |kept, chunk: io::Result<Option<Bytes>>| {
            let encoded = chunk.map(|chunk| {
                let whole = match &chunk {
                    Some(chunk) => {
                        kept.extend_from_slice(chunk);
                        kept.len() / LINE * LINE
                    }
                    None => kept.len(),
                };
                let ready = kept.split_to(whole);
                let mut lines = String::with_capacity(ready.len() * 3 / 2);
                for line in ready.chunks(LINE) {
                    BASE64.encode_append(line, &mut lines);
                    lines.push_str("\r\n");
                }
                Bytes::from(lines)
            });
            std::future::ready(Some(encoded))
        })
        .boxed()
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

fn random_word() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn field(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn too_large(limit: u64) -> SendError {
    SendError::Refused {
        reason: format!("the files of one mail may have {limit} bytes at most"),
        what: Refusal::TooLarge,
    }
}

fn refused(reason: String) -> SendError {
    SendError::Refused { reason, what: Refusal::Content }
}

// === impl From ===

impl From {
    pub(super) fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }

    fn mailbox(&self) -> Result<Mailbox, SendError> {
        let address: Address = self
            .address
            .parse()
            .map_err(|error| refused(format!("{} is no address to send from: {error}", self.address)))?;
        Ok(Mailbox::new(self.name.clone(), address))
    }
}
