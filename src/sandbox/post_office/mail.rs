//! Customers' mails as real mail programs write them: threading headers, quotes, attachments, and the
//! receiving server's lines on top.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use mail_parser::{Address, HeaderValue, MessageParser};
use rand::Rng;

/// Begins a mail; it needs at least `from`, and `to` or `in_reply_to`.
pub fn mail() -> CustomerMail {
    CustomerMail::default()
}

/// A mail in the making; later calls of the same method replace, except `to`, `attach` and `header`.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CustomerMail {
    from: String,
    to: Vec<String>,
    cc: Vec<String>,
    subject: Option<String>,
    text: String,
    html: Option<String>,
    files: Vec<(String, String, Vec<u8>)>,
    answered: Option<Vec<u8>>,
    quoted: Option<Vec<u8>>,
    message_id: Option<String>,
    date: Option<Timestamp>,
    extra: Vec<(String, String)>,
    checked: Option<(String, Verdict)>,
}

/// What the receiving server found about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
}

/// Why a mail could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("{address:?} is no mail address")]
    Address { address: String, source: lettre::address::AddressError },
    #[error("{0:?} is no content type")]
    ContentType(String),
    #[error("the answered or quoted mail cannot be read")]
    Unreadable,
    #[error("the mail is incomplete")]
    Incomplete(#[from] lettre::error::Error),
}

// === impl CustomerMail ===

impl CustomerMail {
    /// The sender: `Bob <bob@example.org>`.
    pub fn from(mut self, from: &str) -> Self {
        self.from = from.to_owned();
        self
    }

    /// One recipient more; without any, an answer goes where the answered mail asks for.
    pub fn to(mut self, to: &str) -> Self {
        self.to.push(to.to_owned());
        self
    }

    /// One more who gets a copy.
    pub fn cc(mut self, cc: &str) -> Self {
        self.cc.push(cc.to_owned());
        self
    }

    /// The subject; an answer without one takes the answered mail's with `Re:`.
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// The text as typed, without the quote.
    pub fn text(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self
    }

    /// The HTML alternative, without the quote.
    pub fn html(mut self, html: &str) -> Self {
        self.html = Some(html.to_owned());
        self
    }

    /// One file more.
    pub fn attach(mut self, name: &str, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content_type.to_owned(), bytes.into()));
        self
    }

    /// Answers a mail (its raw bytes): In-Reply-To and References, RFC 5322, 3.6.4.
    pub fn in_reply_to(mut self, answered: &[u8]) -> Self {
        self.answered = Some(answered.to_vec());
        self
    }

    /// Puts a mail's text (its raw bytes) below the own one, as Gmail does.
    pub fn quoting(mut self, quoted: &[u8]) -> Self {
        self.quoted = Some(quoted.to_vec());
        self
    }

    /// The Message-ID with its angle brackets; a random one at the sender's domain otherwise.
    pub fn message_id(mut self, message_id: &str) -> Self {
        self.message_id = Some(message_id.to_owned());
        self
    }

    /// The Date; now otherwise.
    pub fn date(mut self, date: Timestamp) -> Self {
        self.date = Some(date);
        self
    }

    /// One header line more, of the sender's own making (a forged verdict, `Auto-Submitted`, …); kept as it is.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts what a receiving server of this name writes on top: its Authentication-Results (RFC 8601) about
    /// the sender's domain, and its Received line.
    pub fn authenticated_by(mut self, server: &str, verdict: Verdict) -> Self {
        self.checked = Some((server.to_owned(), verdict));
        self
    }

    /// The mail's bytes, with CRLF.
    pub fn build(self) -> Result<Vec<u8>, MailError> {
        let from = mailbox(&self.from)?;
        let domain = from.email.domain().to_owned();
        let date = self.date.unwrap_or_else(Timestamp::now);
        let answered = self.answered.as_deref().map(Known::read).transpose()?;
        let mut to = self.to.iter().map(|to| mailbox(to)).collect::<Result<Vec<_>, _>>()?;
        if let (true, Some(answered)) = (to.is_empty(), &answered) {
            to.push(answered.reply_to.clone());
        }

        let mut raw = self.top_lines(&from, &to, date).into_bytes();
        let message_id = self.message_id.clone().unwrap_or_else(|| random_message_id(&domain));
        let mut message = Message::builder()
            .from(from)
            .date(SystemTime::from(date))
            .message_id(Some(message_id))
            .subject(self.subject_beside(answered.as_ref()));
        for to in to {
            message = message.to(to);
        }
        for cc in &self.cc {
            message = message.cc(mailbox(cc)?);
        }
        if let Some(answered) = answered {
            message = message.in_reply_to(answered.message_id).references(answered.references);
        }
        let (text, html) = self.bodies()?;
        let files = self.files.into_iter().map(attachment).collect::<Result<Vec<_>, _>>()?;
        let message = match (html, files.is_empty()) {
            (None, true) => message.singlepart(SinglePart::plain(text))?,
            (Some(html), true) => message.multipart(MultiPart::alternative_plain_html(text, html))?,
            (html, false) => {
                let mixed = match html {
                    None => MultiPart::mixed().singlepart(SinglePart::plain(text)),
                    Some(html) => MultiPart::mixed().multipart(MultiPart::alternative_plain_html(text, html)),
                };
                message.multipart(files.into_iter().fold(mixed, MultiPart::singlepart))?
            }
        };
        raw.extend(message.formatted());
        Ok(raw)
    }

    /// The lines above the sender's own: newest first, as servers put them on top of each other.
    fn top_lines(&self, from: &Mailbox, to: &[Mailbox], date: Timestamp) -> String {
        let mut lines = String::new();
        let (address, domain) = (&from.email, from.email.domain());
        if let Some((server, verdict)) = &self.checked {
            let verdict = if *verdict == Verdict::Pass { "pass" } else { "fail" };
            let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
            let to = to.first().map(|to| to.email.to_string()).unwrap_or_default();
            lines = format!(
                "Return-Path: <{address}>\r\n\
                 Authentication-Results: {server};\r\n\
                 \tdkim={verdict} header.d={domain} header.s=mail;\r\n\
                 \tspf={verdict} smtp.mailfrom={address};\r\n\
                 \tdmarc={verdict} header.from={domain}\r\n\
                 Received: from mail.{domain} (mail.{domain} [192.0.2.10])\r\n\
                 \tby {server} with ESMTPS id 4Zq7mX2Kc1z9rT\r\n\
                 \tfor <{to}>; {date}\r\n"
            );
        }
        for (name, value) in &self.extra {
            let _ = write!(lines, "{name}: {value}\r\n"); // a String takes every write
        }
        lines
    }

    fn subject_beside(&self, answered: Option<&Known>) -> String {
        let given = self.subject.clone();
        given.or_else(|| answered.map(|answered| answered.answering_subject())).unwrap_or_default()
    }

    fn bodies(&self) -> Result<(String, Option<String>), MailError> {
        let Some(quoted) = &self.quoted else {
            return Ok((self.text.clone(), self.html.clone()));
        };
        let quoted = Known::read(quoted)?;
        let text = format!("{}\r\n\r\n{}\r\n\r\n{}", self.text, quoted.attribution(), quoted.marked_text());
        Ok((text, self.html.as_ref().map(|html| quoted.below_html(html))))
    }
}

/// What a mail program takes from a mail that it answers or quotes.
struct Known {
    message_id: String,
    references: String,
    reply_to: Mailbox,
    subject: String,
    sender: String,
    date: Timestamp,
    text: String,
    html: Option<String>,
}

// === impl Known ===

impl Known {
    fn read(raw: &[u8]) -> Result<Self, MailError> {
        let mail = MessageParser::default().parse(raw).ok_or(MailError::Unreadable)?;
        let message_id = format!("<{}>", mail.message_id().ok_or(MailError::Unreadable)?);
        let (name, address) = mail.from().and_then(first_address).ok_or(MailError::Unreadable)?;
        let seconds = mail.date().map(mail_parser::DateTime::to_timestamp).unwrap_or_default();
        let references = match ids(mail.references()) {
            none if none.is_empty() => ids(mail.in_reply_to()),
            some => some,
        };
        let reply_to = mail.reply_to().and_then(first_address).unwrap_or((name.clone(), address.clone()));
        let reply_to = Mailbox::new(reply_to.0, mailbox(&reply_to.1)?.email);
        Ok(Self {
            references: format!("{references} {message_id}").trim_start().to_owned(),
            message_id,
            sender: format!("{} <{address}>", name.as_deref().unwrap_or_default()).trim_start().to_owned(),
            reply_to,
            subject: mail.subject().unwrap_or_default().to_owned(),
            date: Timestamp::from_second(seconds).unwrap_or_default(),
            text: mail.body_text(0).unwrap_or_default().into_owned(),
            html: (mail.html_body_count() > 0)
                .then(|| mail.body_html(0))
                .flatten()
                .map(|html| html.into_owned()),
        })
    }

    fn answering_subject(&self) -> String {
        let answers = self.subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        if answers { self.subject.clone() } else { format!("Re: {}", self.subject) }
    }

    /// Gmail breaks a long one inside the angle bracket.
    fn attribution(&self) -> String {
        let date = self.date.strftime("%a, %b %-d, %Y at %-I:%M %p");
        let line = format!("On {date} {} wrote:", self.sender);
        if line.chars().count() < 78 { line } else { line.replacen('<', "<\r\n", 1) }
    }

    fn marked_text(&self) -> String {
        let mark = |line: &str| match line {
            "" => ">".to_owned(),
            quote if quote.starts_with('>') => format!(">{quote}"),
            line => format!("> {line}"),
        };
        self.text.trim_end().lines().map(mark).collect::<Vec<_>>().join("\r\n") + "\r\n"
    }

    fn below_html(&self, own: &str) -> String {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let attribution = escape(&self.attribution().replace("\r\n", ""));
        let quoted = self.html.clone().unwrap_or_else(|| escape(&self.text).replace('\n', "<br>"));
        format!(
            "<div dir=\"ltr\">{own}</div><br><div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">\
             {attribution}<br></div><blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex;\
             border-left:1px solid rgb(204,204,204);padding-left:1ex\">{quoted}</blockquote></div>"
        )
    }
}

fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    address.parse().map_err(|source| MailError::Address { address: address.to_owned(), source })
}

fn first_address(header: &Address<'_>) -> Option<(Option<String>, String)> {
    let first = header.first()?;
    Some((first.name().map(str::to_owned), first.address()?.to_owned()))
}

fn ids(header: &HeaderValue<'_>) -> String {
    let ids = match header {
        HeaderValue::Text(id) => std::slice::from_ref(id),
        HeaderValue::TextList(ids) => ids.as_slice(),
        _ => &[],
    };
    ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" ")
}

fn attachment((name, content_type, bytes): (String, String, Vec<u8>)) -> Result<SinglePart, MailError> {
    let parsed = ContentType::parse(&content_type).map_err(|_| MailError::ContentType(content_type))?;
    Ok(Attachment::new(name).body(bytes, parsed))
}

fn random_message_id(domain: &str) -> String {
    let random: u128 = rand::rng().random();
    format!("<{random:032x}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MimeHeaders;

    fn first() -> Vec<u8> {
        let sent = mail().from("\"Support, Example\" <support@example.com>").to("Bob <bob@bob.example>");
        let sent =
            sent.subject("[#789] Größe").text("Hello Bob,\r\n\r\ntry again.").html("<p>Hello Bob,</p>");
        let sent = sent.message_id("<one@example.com>").date("2026-02-03T10:11:00Z".parse().unwrap());
        sent.build().unwrap()
    }

    #[test]
    fn an_answer_is_threaded_and_quotes_below() {
        let answer = mail().from("Bob <bob@bob.example>").in_reply_to(&first()).quoting(&first());
        let answer = answer.text("It works.").html("<p>It works.</p>");
        let answer = answer.attach("résumé.pdf", "application/pdf", [0, 255, 13, 10, 7]).build().unwrap();
        let again = mail().from("support@example.com").in_reply_to(&answer).text("Good.").build().unwrap();

        let read = MessageParser::default().parse(&answer).unwrap();
        assert_eq!(read.subject(), Some("Re: [#789] Größe"));
        assert_eq!(read.to().unwrap().first().unwrap().address(), Some("support@example.com"));
        assert_eq!(ids(read.in_reply_to()), "<one@example.com>");
        let text = read.body_text(0).unwrap();
        let expected = "It works.\r\n\r\nOn Tue, Feb 3, 2026 at 10:11 AM Support, Example <support@example.com> wrote:\
                        \r\n\r\n> Hello Bob,\r\n>\r\n> try again.\r\n";
        assert_eq!(text.replace("<\r\n", "<"), expected);
        assert!(read.body_html(0).unwrap().contains("<blockquote class=\"gmail_quote\""));
        let file = read.attachments().next().unwrap();
        assert_eq!((file.attachment_name(), file.contents()), (Some("résumé.pdf"), &[0, 255, 13, 10, 7][..]));
        let own_id = read.message_id().unwrap();
        assert!(own_id.ends_with("@bob.example"));

        let read = MessageParser::default().parse(&again).unwrap();
        assert_eq!(ids(read.references()), format!("<one@example.com> <{own_id}>"));
        assert_eq!(read.subject(), Some("Re: [#789] Größe"));
    }

    #[test]
    fn every_line_ends_in_crlf_and_the_server_stands_above_the_sender() {
        let forged = mail().from("bob@bob.example").to("support@example.com").subject("Hi").text("one\ntwo");
        let forged =
            forged.header("Authentication-Results", "mx.example.com; dmarc=pass header.from=bob.example");
        let raw = forged.authenticated_by("mx.example.com", Verdict::Fail).build().unwrap();
        let raw = String::from_utf8(raw).unwrap();
        assert_eq!(raw.matches('\n').count(), raw.matches("\r\n").count(), "{raw}");
        let places =
            ["dmarc=fail header.from=bob.example", "Received: from", "dmarc=pass", "From: bob@bob.example"];
        let places = places.map(|line| raw.find(line).unwrap());
        assert!(places.is_sorted(), "{raw}");
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let error = mail().from("Bob at home").to("a@b.example").build().unwrap_err();
        assert!(error.to_string().contains("Bob at home"));
    }
}
