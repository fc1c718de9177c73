//! Delivery reports: which of our mails did not arrive, and whether it ever will (RFC 3464).

use std::sync::LazyLock;

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use regex::Regex;

use super::headers::Headers;
use crate::model::{
    ids::{MailAddress, MailId},
    inbound::What,
};

/// Characters of the reason that are kept.
const MOST_REASON: usize = 300;
/// Characters of a report that are searched; the original may follow in full.
const MOST_TEXT: usize = 64 * 1024;

/// What a report says; nothing if the mail is none. `text` is the mail's own text.
pub(super) fn report(message: &Message<'_>, headers: &Headers, text: &str) -> Option<What> {
    let kind = headers.get("content-type").unwrap_or_default().to_lowercase();
    if kind.starts_with("multipart/report") {
        if kind.contains("disposition-notification") {
            return Some(What::Ignored { reason: "a receipt that a mail was read".to_owned() });
        }
        if let Some(status) = message.parts.iter().find(|part| is(part, "message", "delivery-status")) {
            return Some(standard(&String::from_utf8_lossy(status.contents()), message));
        }
    }
    is_bounce_by_its_looks(headers).then(|| by_its_text(message, headers, text))
}

/// RFC 3464: fields of the mail, then a group of fields per recipient.
fn standard(status: &str, message: &Message<'_>) -> What {
    let status = status.replace("\r\n", "\n");
    let recipients: Vec<Headers> =
        status.split("\n\n").map(|group| Headers::read(group.trim_start().as_bytes())).collect();
    let with_action = |wanted: &[&str]| {
        recipients.iter().find(|fields| {
            fields.get("action").is_some_and(|action| wanted.contains(&action.to_lowercase().as_str()))
        })
    };
    let Some(fields) = with_action(&["failed"]).or_else(|| with_action(&["delayed"])) else {
        return What::Ignored { reason: "a report that a mail arrived".to_owned() };
    };
    let recipient = fields.get("original-recipient").or_else(|| fields.get("final-recipient")).map(|value| {
        MailAddress::new(value.rsplit(';').next().unwrap_or(value).trim_matches(['<', '>', ' ']))
    });
    let code = fields.get("status").unwrap_or_default();
    let failed = fields.get("action").is_some_and(|action| action.eq_ignore_ascii_case("failed"));
    let reason =
        fields.get("diagnostic-code").map(|value| value.split_once(';').map_or(value, |(_, text)| text));
    What::Bounced {
        mail: original(message),
        recipient,
        permanent: failed && code.trim_start().starts_with('5'),
        reason: short(reason.unwrap_or(code)),
    }
}

/// Exim, qmail and others write reports in words only.
fn by_its_text(message: &Message<'_>, headers: &Headers, text: &str) -> What {
    let text: String = text.chars().take(MOST_TEXT).collect();
    let code = CODE.find(&text).map(|found| found.as_str());
    let recipient = headers
        .get("x-failed-recipients")
        .and_then(|list| list.split(',').next())
        .map(MailAddress::new)
        .or_else(|| {
            ADDRESS.captures(&text).and_then(|found| found.get(1)).map(|a| MailAddress::new(a.as_str()))
        });
    let mail = original(message).or_else(|| {
        MESSAGE_ID.captures(&text).and_then(|found| found.get(1)).map(|id| MailId::new(id.as_str()))
    });
    let reason =
        code.and_then(|code| text.lines().find(|line| line.contains(code))).unwrap_or("not delivered");
    What::Bounced {
        mail,
        recipient,
        permanent: code.is_some_and(|code| code.trim_start_matches('#').starts_with('5')),
        reason: short(reason),
    }
}

fn is_bounce_by_its_looks(headers: &Headers) -> bool {
    if headers.get("x-failed-recipients").is_some() {
        return true;
    }
    let from = headers.get("from").unwrap_or_default().to_lowercase();
    let machine = ["mailer-daemon", "postmaster", "mail delivery"].iter().any(|name| from.contains(name))
        || headers.get("return-path").is_some_and(|path| path.trim() == "<>");
    let subject = headers.get("subject").unwrap_or_default().to_lowercase();
    machine
        && [
            "undeliver",
            "delivery fail",
            "delivery status",
            "failure notice",
            "returned mail",
            "mail delivery",
            "returned to sender",
            "unzustellbar",
            "nicht zugestellt",
            "non remis",
        ]
        .iter()
        .any(|words| subject.contains(words))
}

/// The Message-ID of the mail that is reported on, from its copy or its copied header.
fn original(message: &Message<'_>) -> Option<MailId> {
    message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(nested) => nested.message_id().map(MailId::new),
        _ if is(part, "text", "rfc822-headers") || is(part, "message", "rfc822-headers") => {
            let headers = Headers::read(part.contents());
            headers.get("message-id").map(|id| MailId::new(id.trim_matches(['<', '>', ' '])))
        }
        _ => None,
    })
}

fn is(part: &MessagePart<'_>, kind: &str, subtype: &str) -> bool {
    part.content_type().is_some_and(|found| {
        found.ctype().eq_ignore_ascii_case(kind)
            && found.subtype().is_some_and(|sub| sub.eq_ignore_ascii_case(subtype))
    })
}

fn short(reason: &str) -> String {
    let line: Vec<&str> = reason.split_whitespace().collect();
    line.join(" ").chars().take(MOST_REASON).collect()
}

/// RFC 3463 codes, else SMTP's own.
#[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
static CODE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"#?\b[45]\.\d{1,2}\.\d{1,3}\b|\b[45]\d\d[ -]").expect("valid"));

#[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*<?([^\s<>@:]+@[^\s<>@:]+\.[^\s<>@:]+)>?:?\s*$").expect("valid"));

#[expect(clippy::expect_used, reason = "a constant pattern that a test compiles")]
static MESSAGE_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?im)^[> ]*message-id:\s*<([^<>\s]+)>").expect("valid"));
