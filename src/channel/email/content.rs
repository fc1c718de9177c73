//! What a mail says and what hangs on it: the text part with its charset mended, the files with their names.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::{
    Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType,
    decoders::{
        base64::base64_decode, charsets::map::charset_decoder, quoted_printable::quoted_printable_decode,
    },
};

use crate::{
    model::{
        attachment::{Attachment, Whereabouts, safe_name},
        ids::BlobId,
    },
    text::html_to_text::html_to_text,
};

/// Pictures up to this many bytes that nobody attached are there to watch the reader.
const TRACKING_PIXEL: usize = 200;

/// The mail's text, with what is quoted in it; blank if there is none.
pub(super) fn text(message: &Message<'_>, raw: &[u8]) -> String {
    let plain = join(message, &message.text_body, raw);
    // Some programs send an empty text beside the HTML that they mean.
    let text = if plain.trim().is_empty() { join(message, &message.html_body, raw) } else { plain };
    let text = if text.trim().is_empty() { undivided(message) } else { text.into() };
    clean(&text)
}

/// The attachments of a mail in the spool; what only shows in the quote is left to the mail it came with.
pub(super) fn files(message: &Message<'_>, raw: &[u8], blob: &BlobId, quotes: bool) -> Vec<Attachment> {
    let html = message.html_bodies().find_map(|part| part.text_contents().filter(|_| part.is_text_html()));
    let quote_begins = html.filter(|_| quotes).and_then(quote_begins);
    let unwanted = |part: &MessagePart<'_>| {
        is_undivided(part)
            || is_tracking_pixel(part)
            || is_inline_picture(part) && only_quoted(part, html, quote_begins)
    };
    message
        .attachments
        .iter()
        .enumerate()
        .filter_map(|(nth, id)| Some((nth, message.part(*id)?)))
        .filter(|(_, part)| !unwanted(part))
        .map(|(nth, part)| Attachment {
            name: name(part, nth),
            mime: mime(part),
            size: Some(bytes(part, raw).len() as u64),
            at: Whereabouts::MailPart { raw: blob.clone(), part: nth },
        })
        .collect()
}

/// The bytes of the n-th attachment as [`files`] counts them; nothing if there is none.
pub(super) fn attachment(raw: &[u8], nth: usize) -> Option<Bytes> {
    let message = MessageParser::default().parse(raw)?;
    let part = message.part(*message.attachments.get(nth)?)?;
    Some(Bytes::copy_from_slice(&bytes(part, raw)))
}

/// A multipart whose boundary is missing or wrong: the parser keeps it whole.
fn undivided<'a>(message: &'a Message<'_>) -> Cow<'a, str> {
    let part = message.parts.iter().find(|part| is_undivided(part));
    part.map_or(Cow::default(), |part| String::from_utf8_lossy(part.contents()))
}

fn is_undivided(part: &MessagePart<'_>) -> bool {
    !part.is_multipart()
        && part.content_type().is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))
}

/// As its sender encoded it: a text file keeps its charset.
fn bytes<'a>(part: &'a MessagePart<'_>, raw: &'a [u8]) -> Cow<'a, [u8]> {
    let as_parsed = || Cow::Borrowed(part.contents());
    match (&part.body, part.encoding) {
        (PartType::Text(_) | PartType::Html(_), _) => source(part, raw).unwrap_or_else(as_parsed),
        // The parser's own copy of a nested mail is the whole outer one.
        (PartType::Message(_), Encoding::None) => source(part, raw).unwrap_or_else(as_parsed),
        _ => as_parsed(),
    }
}

/// The part's bytes in the mail, their transfer encoding undone.
fn source<'a>(part: &MessagePart<'_>, raw: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let encoded = raw.get(part.offset_body as usize..part.offset_end as usize)?;
    match part.encoding {
        Encoding::None => Some(encoded.into()),
        Encoding::Base64 => base64_decode(encoded).map(Cow::Owned),
        Encoding::QuotedPrintable => quoted_printable_decode(encoded).map(Cow::Owned),
    }
}

fn join(message: &Message<'_>, ids: &[u32], raw: &[u8]) -> String {
    let mut text = String::new();
    for part in ids.iter().filter_map(|id| message.part(*id)) {
        let piece = match &part.body {
            PartType::Text(_) => decoded(part, raw),
            PartType::Html(_) => html_to_text(&decoded(part, raw)).into(),
            _ => continue,
        };
        if !text.is_empty() && !piece.trim().is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&piece);
    }
    text
}

/// The parser believes the label; where that cannot be right, the bytes are asked.
fn decoded<'a>(part: &'a MessagePart<'_>, raw: &'a [u8]) -> Cow<'a, str> {
    let parsed = part.text_contents().unwrap_or_default();
    if parsed.is_ascii() {
        return parsed.into();
    }
    let label = part.content_type().and_then(|kind| kind.attribute("charset")).unwrap_or_default();
    let label = label.to_ascii_lowercase();
    let single_byte = label.is_empty()
        || ["iso-8859-1", "iso-8859-15", "windows-1252", "latin1", "us-ascii", "ascii", "utf-8", "utf8"]
            .contains(&label.as_str());
    let unknown = charset_decoder(label.as_bytes()).is_none();
    if !(single_byte || unknown) {
        return parsed.into();
    }
    let Some(bytes) = source(part, raw) else { return parsed.into() };
    match std::str::from_utf8(&bytes) {
        // Accented Latin-1 is hardly ever valid UTF-8 by chance.
        Ok(text) => text.to_owned().into(),
        Err(_) if parsed.contains('\u{fffd}') || unknown => {
            let label = meta_charset(&bytes).unwrap_or_else(|| "windows-1252".to_owned());
            charset_decoder(label.as_bytes()).map_or(parsed.into(), |decode| decode(&bytes).into())
        }
        Err(_) => parsed.into(),
    }
}

/// `<meta charset=…>` within the first kilobyte.
fn meta_charset(html: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(html.get(..html.len().min(1024))?).to_ascii_lowercase();
    let (_, rest) = head.split_once("charset=")?;
    let name: String = rest
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    (name != "utf-8" && charset_decoder(name.as_bytes()).is_some()).then_some(name)
}

/// One kind of line end, no control characters.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}

fn name(part: &MessagePart<'_>, nth: usize) -> String {
    if let Some(name) = part.attachment_name().filter(|name| !name.trim().is_empty()) {
        return safe_name(name);
    }
    if let PartType::Message(nested) = &part.body {
        return safe_name(&format!("{}.eml", nested.subject().unwrap_or("mail")));
    }
    let mime = mime(part);
    match mime.as_str() {
        "application/ms-tnef" => "winmail.dat".to_owned(),
        "text/calendar" => "invitation.ics".to_owned(),
        "message/rfc822" => "mail.eml".to_owned(),
        "text/plain" => format!("text-{}.txt", nth + 1),
        "image/jpeg" => format!("picture-{}.jpg", nth + 1),
        _ => {
            let known = mime_guess::get_mime_extensions_str(&mime).and_then(|all| all.first());
            format!("attachment-{}.{}", nth + 1, known.unwrap_or(&"bin"))
        }
    }
}

fn mime(part: &MessagePart<'_>) -> String {
    match part.content_type() {
        Some(kind) => {
            let mime =
                format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")).to_ascii_lowercase();
            let sane = mime.chars().all(|c| c.is_ascii_alphanumeric() || "/.+-_".contains(c));
            if sane { mime } else { "application/octet-stream".to_owned() }
        }
        None if part.is_message() => "message/rfc822".to_owned(),
        None => "text/plain".to_owned(),
    }
}

fn is_picture(part: &MessagePart<'_>) -> bool {
    part.content_type().is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("image"))
}

fn is_attached(part: &MessagePart<'_>) -> bool {
    part.content_disposition().is_some_and(|disposition| disposition.is_attachment())
}

fn is_tracking_pixel(part: &MessagePart<'_>) -> bool {
    is_picture(part) && !is_attached(part) && part.contents().len() <= TRACKING_PIXEL
}

fn is_inline_picture(part: &MessagePart<'_>) -> bool {
    is_picture(part) && !is_attached(part) && part.content_id().is_some()
}

fn only_quoted(part: &MessagePart<'_>, html: Option<&str>, quote_begins: Option<usize>) -> bool {
    let (Some(html), Some(begins), Some(id)) = (html, quote_begins, part.content_id()) else { return false };
    let shown = html.find(&format!("cid:{}", id.trim_matches(['<', '>'])));
    shown.is_some_and(|shown| shown > begins)
}

/// Where a reply's HTML begins to quote, by the marks of Gmail, Outlook, Apple Mail and Thunderbird.
fn quote_begins(html: &str) -> Option<usize> {
    ["gmail_quote", "divRplyFwdMsg", "<blockquote", "moz-cite-prefix"]
        .iter()
        .filter_map(|mark| html.find(mark))
        .min()
}
