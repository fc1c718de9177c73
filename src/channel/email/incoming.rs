//! A raw mail → [`Inbound`]: whatever its sender or their program did wrong, it becomes an item.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use mail_parser::{Address, Message as Parsed, MessageParser};
use regex::Regex;
use sha2::{Digest, Sha256};

use super::{
    automatic::automatic,
    bounces, content,
    headers::Headers,
    settings::Limits,
    trust::{Assessment, Trust},
};
use crate::{
    model::{
        ids::{BlobId, MailAddress, MailId, MailboxName},
        inbound::{
            Automatic, Identity, Inbound, LeftOut, LeftOutWhy, MailOrigin, Message, Origin, Sender, Verdict,
            What,
        },
        thread_token::FoundToken,
    },
    runtime::{clock::Timestamp, tasks::panic_text},
    text::{quotes::trim_quote, subject},
};

/// Mails that one refers to.
const MOST_REFERENCES: usize = 10;
const MOST_ADDRESSES: usize = 50;
const MOST_NAME_CHARS: usize = 100;
const MOST_SUBJECT_UTF16: usize = 500;
/// Bytes of text; a person writes less, a robot's log is an attachment.
const MOST_TEXT: usize = 1024 * 1024;

/// A mail that lies in the spool.
#[derive(Clone, Debug)]
pub(super) struct RawMail {
    pub(super) blob: BlobId,
    pub(super) bytes: Bytes,
    /// The size at its source, where only the beginning was taken.
    pub(super) cut_from: Option<u64>,
    /// Where it lies at its source: a further key by which it is known.
    pub(super) place: String,
    /// When it arrived there.
    pub(super) received: Timestamp,
}

/// Reads the mails of one mailbox. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) mailbox: MailboxName,
    pub(super) trust: Arc<Trust>,
    pub(super) limits: Limits,
}

impl Reader {
    /// Never fails and never panics: what cannot be read becomes [`What::Unreadable`].
    ///
    /// Must run where the stack holds [`Limits::depth`] nested mails; see `door`.
    pub(super) fn read(&self, mail: &RawMail) -> Inbound {
        let headers = Headers::read(&mail.bytes);
        if let Err(reason) = self.check_limits(&mail.bytes, &headers) {
            return self.unreadable(mail, &headers, reason);
        }
        match catch_unwind(AssertUnwindSafe(|| self.parse(mail, &headers))) {
            Ok(Some(inbound)) => inbound,
            Ok(None) => self.unreadable(mail, &headers, "it has no header".to_owned()),
            Err(panic) => {
                let reason = format!("the parser failed: {}", panic_text(panic.as_ref()));
                self.unreadable(mail, &headers, reason)
            }
        }
    }

    /// An item for a mail that its source lists but does not give out.
    pub(super) fn never_seen(&self, place: String, received: Timestamp, reason: String) -> Inbound {
        let identity = Identity { key: format!("mail/{place}"), also: vec![place] };
        let origin = self.origin(&Headers::default(), &identity.key, BlobId::new(""), None);
        let what = What::Unreadable { reason, raw: None };
        Inbound {
            identity,
            sent: received,
            sender: sender(&origin, None, None),
            origin: Origin::Mail(Box::new(origin)),
            what,
        }
    }

    fn check_limits(&self, raw: &[u8], headers: &Headers) -> Result<(), String> {
        if headers.is_empty() {
            return Err("it has no header".to_owned());
        }
        if headers.body_at > self.limits.headers {
            return Err(format!("its header is longer than {} bytes", self.limits.headers));
        }
        // Each part and each nested mail needs such a line, however it is written; a parser recurses there.
        if count(raw, b"content-type") > self.limits.parts {
            return Err(format!("it has more than {} parts", self.limits.parts));
        }
        if count(raw, b"message/") > self.limits.depth {
            return Err(format!("it holds more than {} mails within mails", self.limits.depth));
        }
        Ok(())
    }

    fn parse(&self, mail: &RawMail, headers: &Headers) -> Option<Inbound> {
        let message = MessageParser::default().parse(&mail.bytes)?;
        let fields = MessageParser::default().parse_headers(&headers.block)?;
        let identity = identity(mail, headers);
        let text = content::text(&message, &mail.bytes);
        let mut origin = self.origin(headers, &identity.key, mail.blob.clone(), Some(&fields));
        let body = self.message(mail, &message, &origin, text);
        origin.tokens = tokens(headers, &body);
        let what = match bounces::report(&message, headers, &body.text) {
            Some(report) => {
                origin.automatic = origin.automatic.or(Some(Automatic::Bounce));
                report
            }
            None => What::Message(body),
        };
        Some(Inbound {
            identity,
            sent: sent(&fields, mail.received),
            sender: sender(&origin, Some(&fields), headers.get("content-language")),
            origin: Origin::Mail(Box::new(origin)),
            what,
        })
    }

    fn message(&self, mail: &RawMail, parsed: &Parsed<'_>, origin: &MailOrigin, text: String) -> Message {
        let mut left_out = Vec::new();
        let (text, rest) = cut(text, MOST_TEXT);
        if let Some(size) = rest {
            let why = LeftOutWhy::TooLarge { limit: MOST_TEXT as u64 };
            left_out.push(LeftOut { name: "the rest of the text".to_owned(), size: Some(size), why });
        }
        let (text, quoted) = divide(text, &origin.subject);
        let mut files = Vec::new();
        match mail.cut_from {
            // What was cut ends in the middle of its files.
            Some(size) => {
                let why = LeftOutWhy::TooLarge { limit: self.limits.mail };
                left_out.push(LeftOut { name: "the whole mail".to_owned(), size: Some(size), why });
            }
            None => files = content::files(parsed, &mail.bytes, &mail.blob, quoted.is_some()),
        }
        Message { text, quoted, files, left_out }
    }

    fn unreadable(&self, mail: &RawMail, headers: &Headers, reason: String) -> Inbound {
        let identity = identity(mail, headers);
        let parse = || MessageParser::default().parse_headers(&headers.block);
        let fields = if headers.body_at <= self.limits.headers {
            catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
        } else {
            None
        };
        let origin = self.origin(headers, &identity.key, mail.blob.clone(), fields.as_ref());
        Inbound {
            identity,
            sent: mail.received,
            sender: sender(&origin, fields.as_ref(), None),
            origin: Origin::Mail(Box::new(origin)),
            what: What::Unreadable { reason, raw: Some(mail.blob.clone()) },
        }
    }

    fn origin(&self, headers: &Headers, key: &str, raw: BlobId, fields: Option<&Parsed<'_>>) -> MailOrigin {
        let authors = fields.map(|fields| addresses(fields.from())).unwrap_or_default();
        let from = authors.first().cloned().or_else(|| substitute(headers, fields));
        let domains: Vec<&str> = authors.iter().map(MailAddress::domain).collect();
        let Assessment { verdict, spam } = match headers.is_empty() {
            true => Assessment { verdict: Verdict::None, spam: false },
            false => self.trust.assess(headers, &domains),
        };
        let automatic = match &from {
            Some(from) => automatic(headers, from),
            // Nobody is there to be answered.
            None => Some(Automatic::Reply),
        };
        let subject = fields.and_then(Parsed::subject).unwrap_or_default();
        MailOrigin {
            mailbox: self.mailbox.clone(),
            message_id: own_id(headers, key),
            refers_to: references(headers),
            from: from.unwrap_or_else(|| MailAddress::new("unknown@sender.invalid")),
            to: fields.map(|fields| addresses(fields.to())).unwrap_or_default(),
            cc: fields.map(|fields| addresses(fields.cc())).unwrap_or_default(),
            subject: subject::single_line(subject, MOST_SUBJECT_UTF16),
            verdict,
            automatic,
            tokens: Vec::new(),
            spam,
            raw,
        }
    }
}

/// Message-ID and a hash over what makes it the same mail; line ends differ from source to source.
fn identity(mail: &RawMail, headers: &Headers) -> Identity {
    let mut hash = Sha256::new();
    for name in ["from", "to", "cc", "date", "subject", "message-id"] {
        for value in headers.all(name) {
            hash.update(name.as_bytes());
            hash.update(b":");
            hash.update(value.as_bytes());
            hash.update(b"\n");
        }
    }
    // Without a header all of it is what tells it from another one.
    let body_at = if headers.is_empty() { 0 } else { headers.body_at };
    let body = mail.bytes.get(body_at..).unwrap_or_default();
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                hash.update(line);
                hash.update(b"\n");
            }
            None => hash.update(line),
        }
    }
    if let Some(size) = mail.cut_from {
        hash.update(size.to_be_bytes());
    }
    let key = hash.finalize().iter().take(20).fold("mail/".to_owned(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    });
    Identity { key, also: vec![mail.place.clone()] }
}

fn own_id(headers: &Headers, key: &str) -> MailId {
    let written = headers.get("message-id").and_then(|value| ids(value).into_iter().next());
    written.unwrap_or_else(|| MailId::new(format!("{}@message-id.invalid", key.replace('/', "."))))
}

/// In-Reply-To, then References from the last one up.
fn references(headers: &Headers) -> Vec<MailId> {
    let mut found: Vec<MailId> = Vec::new();
    let parents = headers.all("in-reply-to").flat_map(ids);
    let ancestors: Vec<MailId> = headers.all("references").flat_map(ids).collect();
    for id in parents.chain(ancestors.into_iter().rev()) {
        if found.len() < MOST_REFERENCES && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// `<…>`, also among words; or, where somebody forgot the brackets, words with an `@`.
fn ids(value: &str) -> Vec<MailId> {
    #[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
    static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<\s*([^<>\s]{1,900})\s*>").expect("valid"));
    let found: Vec<MailId> =
        ID.captures_iter(value).filter_map(|found| found.get(1)).map(|id| MailId::new(id.as_str())).collect();
    if !found.is_empty() {
        return found;
    }
    value.split_whitespace().filter(|word| word.contains('@') && word.len() < 900).map(MailId::new).collect()
}

fn addresses(list: Option<&Address<'_>>) -> Vec<MailAddress> {
    let Some(list) = list else { return Vec::new() };
    list.iter()
        .filter_map(|entry| entry.address())
        .filter(|address| is_address(address))
        .take(MOST_ADDRESSES)
        .map(MailAddress::new)
        .collect()
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 320
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// Who sent it, where From says nothing of use.
fn substitute(headers: &Headers, fields: Option<&Parsed<'_>>) -> Option<MailAddress> {
    let sender = fields.and_then(|fields| addresses(fields.sender()).into_iter().next());
    sender.or_else(|| {
        let path = headers.get("return-path")?.trim_matches(['<', '>', ' ']);
        is_address(path).then(|| MailAddress::new(path))
    })
}

fn sender(origin: &MailOrigin, fields: Option<&Parsed<'_>>, language: Option<&str>) -> Sender {
    let name = fields
        .and_then(|fields| fields.from()?.first()?.name())
        .map(|name| subject::single_line(name, MOST_NAME_CHARS))
        .filter(|name| !name.is_empty());
    let language =
        language.map(|list| list.split([',', ' ', ';']).next().unwrap_or_default()).filter(|tag| {
            (2..=12).contains(&tag.len()) && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    Sender {
        name: name.unwrap_or_else(|| origin.from.to_string()),
        handle: Some(origin.from.to_string()),
        language: language.map(str::to_owned),
    }
}

/// By its Date, but never after it arrived.
fn sent(fields: &Parsed<'_>, received: Timestamp) -> Timestamp {
    let date =
        fields.date().filter(|date| date.is_valid()).map(|date| Timestamp::from_secs(date.to_timestamp()));
    date.filter(|date| *date <= received && *date > Timestamp::EPOCH).unwrap_or(received)
}

/// What is new, and what is quoted together with the signature. A forwarded mail is about its quote.
fn divide(text: String, subject: &str) -> (String, Option<String>) {
    if subject::is_forward(subject) {
        return (text.trim().to_owned(), None);
    }
    let trimmed = trim_quote(&text);
    let rest: Vec<String> = [trimmed.signature, trimmed.quoted].into_iter().flatten().collect();
    (trimmed.new.trim().to_owned(), (!rest.is_empty()).then(|| rest.join("\n\n")))
}

fn tokens(headers: &Headers, body: &Message) -> Vec<FoundToken> {
    let named = ["in-reply-to", "references", "to", "cc", "delivered-to", "x-original-to", "envelope-to"];
    let mut text: String =
        named.iter().flat_map(|name| headers.all(name)).fold(String::new(), |mut text, value| {
            text.push_str(value);
            text.push('\n');
            text
        });
    text.push_str(body.quoted.as_deref().unwrap_or(&body.text));
    FoundToken::all_in(&text)
}

/// The first `most` bytes at a character, and how many bytes there were if some are left.
fn cut(mut text: String, most: usize) -> (String, Option<u64>) {
    let size = text.len();
    if size <= most {
        return (text, None);
    }
    text.truncate(text.floor_char_boundary(most));
    (text, Some(size as u64))
}

/// Occurrences of an ASCII word in lower case.
fn count(raw: &[u8], word: &[u8]) -> usize {
    let first = word.first().copied().unwrap_or_default();
    let starts = raw.iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(&first));
    starts
        .filter(|(at, _)| {
            raw.get(*at..*at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
        })
        .count()
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
