//! The keys that only `kind = "i3d"` knows: the operator's choices, and what i3D.net's pages leave open.

use super::file::Table;
use super::values::{ByteSize, Word, Words};

/// The `id` of an account whose tickets go through the contact form.
pub const GUESTS: &str = "guest";

/// Where a ticket goes, and what the pages (docs.i3d.net, “Tickets”) do not say, as we assume it. Lists of names
/// are tried in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct I3d {
    /// The header with the key.
    pub token_header: String,
    /// By name; no call lists them.
    pub department: String,
    /// Of tickets whose topic is unknown or not said; the first of the list where absent.
    pub category: Option<String>,
    pub email_cc: EmailField,
    pub email_to: EmailField,
    /// Tickets asked for at once; more than 25 may not be given.
    pub page_size: u32,
    /// The list that is polled.
    pub poll_path: String,
    /// The header by which a list may say where it goes on; other lists of this API have one.
    pub page_token_header: String,
    pub staff_flag: Vec<String>,
    pub attachment_id_key: Vec<String>,
    pub attachment_name_key: Vec<String>,
    pub attachment_download: Download,
    pub max_attachment_bytes: ByteSize,
    /// With `{title}`.
    pub reply_title_template: String,
    /// In UTF-16 units.
    pub max_subject: usize,
    pub content_format: ContentFormat,
    /// Statuses of tickets that take no reply before they are opened again; in lower case.
    pub closed_statuses: Vec<String>,
    /// What the contact form wants to know of a guest beyond his name and address.
    pub contact: Option<Contact>,
}

/// One of the two fields for addresses of a create, which the page calls required and clients leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailField {
    Empty,
    Omit,
    /// Addresses with commas between them.
    Value(String),
}

/// What a download's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Download {
    /// By its content type.
    Auto,
    Raw,
    Base64Json,
}

/// What staff's texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// HTML where it looks so.
    Auto,
    Text,
    Html,
}

/// What a mail does not say. The limits are those of the form, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// 2 to 64; for guests whose name is not known.
    pub first_name: String,
    /// 2 to 128; for guests with one name.
    pub last_name: String,
    /// 5 to 15; of every guest.
    pub phone: String,
    /// At most 120.
    pub company: Option<String>,
}

/// The words for [`EmailField`].
#[derive(Clone, Copy)]
enum EmailMode {
    Empty,
    Omit,
    Value,
}

impl Word for EmailMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("empty", EmailMode::Empty), ("omit", EmailMode::Omit), ("value", EmailMode::Value)];
}

impl Word for Download {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Download::Auto), ("raw", Download::Raw), ("base64_json", Download::Base64Json)];
}

impl Word for ContentFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", ContentFormat::Auto), ("text", ContentFormat::Text), ("html", ContentFormat::Html)];
}

impl Default for I3d {
    fn default() -> I3d {
        I3d {
            token_header: "PRIVATE-TOKEN".into(),
            department: "Service Desk".into(),
            category: None,
            email_cc: EmailField::Empty,
            email_to: EmailField::Empty,
            page_size: 25,
            poll_path: "/v3/tickets/openOrUnread".into(),
            page_token_header: "PAGE-TOKEN".into(),
            staff_flag: words(&["replyByI3d"]),
            attachment_id_key: words(&["id", "attachmentId"]),
            attachment_name_key: words(&["name", "fileName", "filename", "title"]),
            attachment_download: Download::Auto,
            max_attachment_bytes: ByteSize::mb(10),
            reply_title_template: "Re: {title}".into(),
            max_subject: 250,
            content_format: ContentFormat::Auto,
            closed_statuses: words(&["closed"]),
            contact: None,
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> I3d {
    let unset = I3d::default();
    let list = |key, unset: Vec<String>| table.get::<Words>(key).map_or(unset, |words| words.0);
    let closed = list("closed_statuses", unset.closed_statuses);
    let max_subject = table.get::<u16>("max_subject").map_or(unset.max_subject, usize::from);
    let i3d = I3d {
        token_header: header(table, "token_header", unset.token_header),
        department: table.or("department", unset.department),
        category: table.get("category"),
        email_cc: email_field(table, "email_cc_mode", "email_cc"),
        email_to: email_field(table, "email_to_mode", "email_to"),
        page_size: table.or("page_size", unset.page_size),
        poll_path: table.or("poll_path", unset.poll_path),
        page_token_header: header(table, "page_token_header", unset.page_token_header),
        staff_flag: list("staff_flag", unset.staff_flag),
        attachment_id_key: list("attachment_id_key", unset.attachment_id_key),
        attachment_name_key: list("attachment_name_key", unset.attachment_name_key),
        attachment_download: table.or("attachment_download", unset.attachment_download),
        max_attachment_bytes: table.or("max_attachment_bytes", unset.max_attachment_bytes),
        reply_title_template: table.or("reply_title_template", unset.reply_title_template),
        max_subject,
        content_format: table.or("content_format", unset.content_format),
        closed_statuses: closed.iter().map(|status| status.trim().to_lowercase()).collect(),
        contact: table.table("contact").and_then(|table| contact(&table)),
    };
    if !i3d.poll_path.starts_with('/') {
        table.wrong("poll_path", "must begin with a slash");
    }
    i3d
}

fn email_field(table: &Table<'_>, mode_key: &'static str, value_key: &'static str) -> EmailField {
    let value = table.get::<String>(value_key);
    match (table.or(mode_key, EmailMode::Empty), value) {
        (EmailMode::Value, Some(value)) => EmailField::Value(value),
        (EmailMode::Value, None) => {
            table.missing(value_key, "addresses with commas between them, as its mode is \"value\"");
            EmailField::Empty
        }
        (EmailMode::Empty | EmailMode::Omit, Some(_)) => {
            table.wrong(value_key, "is sent only where its mode is \"value\"");
            EmailField::Empty
        }
        (EmailMode::Empty, None) => EmailField::Empty,
        (EmailMode::Omit, None) => EmailField::Omit,
    }
}

fn contact(table: &Table<'_>) -> Option<Contact> {
    let first_name = required(table, "first_name", "for guests whose mail shows no name", 2, 64);
    let last_name = required(table, "last_name", "for guests whose mail shows one name", 2, 128);
    let phone = required(table, "phone", "i3D.net's contact form wants one", 5, 15);
    let company = table.get::<String>("company").inspect(|text| check_length(table, "company", text, 1, 120));
    table.finish();
    Some(Contact { first_name: first_name?, last_name: last_name?, phone: phone?, company })
}

fn required(table: &Table<'_>, key: &'static str, why: &str, least: usize, most: usize) -> Option<String> {
    let text = table.required::<String>(key, why)?;
    check_length(table, key, &text, least, most);
    Some(text)
}

fn check_length(table: &Table<'_>, key: &'static str, text: &str, least: usize, most: usize) {
    if !(least..=most).contains(&text.chars().count()) {
        table.wrong(key, format!("must have {least} to {most} characters"));
    }
}

/// The name of an HTTP header (RFC 9110 §5.1).
fn header(table: &Table<'_>, key: &'static str, unset: String) -> String {
    let name = table.or(key, unset);
    if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
        table.wrong(key, "is no name of an HTTP header");
    }
    name
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
