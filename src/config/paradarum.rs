//! The keys that only `kind = "paradarum"` knows: what its documentation does not say, and we assume.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::file::{Reading, Table};
use super::values::{ByteSize, FromValue, Words, numbers};

/// Defaults as far as the published pages tell (docs.paradarum.com), else as the panel shows them. Lists of
/// names are tried in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Paradarum {
    pub auth_header: String,
    /// Put before the key; the API wants none.
    pub auth_prefix: String,
    pub list_path: String,
    /// With `{id}`.
    pub detail_path: String,
    pub properties_path: String,
    /// The query parameters for the page's number and its size.
    pub page_params: (String, String),
    pub page_size: u32,
    /// Time stamps without an offset are in UTC.
    pub assume_utc: bool,
    pub staff_flag: Vec<String>,
    pub message_text: Vec<String>,
    pub messages_key: String,
    pub attachments_key: String,
    pub attachment_name: Vec<String>,
    pub created_key: Vec<String>,
    /// Of a ticket: when it changed, and how many messages it has.
    pub updated_key: Vec<String>,
    pub count_key: Vec<String>,
    /// Who wrote a message.
    pub author_key: Vec<String>,
    /// Of a file: the message that it belongs to, its media type and its bytes.
    pub attachment_message: Vec<String>,
    pub attachment_type: Vec<String>,
    pub attachment_size: Vec<String>,
    /// A JSON pointer (RFC 6901) to a new reply's id.
    pub reply_id_ptr: String,
    pub max_attachment_bytes: ByteSize,
    /// Names of topics and their numbers.
    pub topics: BTreeMap<String, i64>,
}

impl Default for Paradarum {
    fn default() -> Paradarum {
        let topics = ["General", "Networking", "Rules", "Billing", "SSL", "Performance"];
        Paradarum {
            auth_header: "X-API-Key".into(),
            auth_prefix: String::new(),
            list_path: "/api/Ticket".into(),
            detail_path: "/api/Ticket/{id}".into(),
            properties_path: "/api/property".into(),
            page_params: ("pageNumber".into(), "pageSize".into()),
            page_size: 100,
            assume_utc: true,
            staff_flag: words(&["isStaff", "isStaffReply", "isAdmin", "isAdminReply"]),
            message_text: words(&["message", "body", "content"]),
            messages_key: "messages".into(),
            attachments_key: "attachments".into(),
            attachment_name: words(&["fileName", "originalFileName", "name"]),
            created_key: words(&["createdAt", "created"]),
            updated_key: words(&["updatedAt", "updated"]),
            count_key: words(&["messageCount"]),
            author_key: words(&["userName", "authorName"]),
            attachment_message: words(&["messageId"]),
            attachment_type: words(&["contentType", "mimeType"]),
            attachment_size: words(&["fileSize", "size"]),
            reply_id_ptr: "/data/id".into(),
            max_attachment_bytes: ByteSize::mb(10),
            topics: topics.into_iter().map(str::to_owned).zip(0..).collect(),
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Paradarum {
    let unset = Paradarum::default();
    let list = |key, unset: Vec<String>| table.get::<Words>(key).map_or(unset, |words| words.0);
    let path = |key, unset: String| {
        let path = table.or(key, unset);
        if !path.starts_with('/') {
            table.wrong(key, "must begin with a slash");
        }
        path
    };
    let paradarum = Paradarum {
        auth_header: table.or("auth_header", unset.auth_header),
        auth_prefix: table.or("auth_prefix", unset.auth_prefix),
        list_path: path("list_path", unset.list_path),
        detail_path: path("detail_path", unset.detail_path),
        properties_path: path("properties_path", unset.properties_path),
        page_params: page_params(table).unwrap_or(unset.page_params),
        page_size: table.or("page_size", unset.page_size),
        assume_utc: table.or("assume_utc", unset.assume_utc),
        staff_flag: list("staff_flag", unset.staff_flag),
        message_text: list("message_text", unset.message_text),
        messages_key: table.or("messages_key", unset.messages_key),
        attachments_key: table.or("attachments_key", unset.attachments_key),
        attachment_name: list("attachment_name", unset.attachment_name),
        created_key: list("created_key", unset.created_key),
        updated_key: list("updated_key", unset.updated_key),
        count_key: list("count_key", unset.count_key),
        author_key: list("author_key", unset.author_key),
        attachment_message: list("attachment_message", unset.attachment_message),
        attachment_type: list("attachment_type", unset.attachment_type),
        attachment_size: list("attachment_size", unset.attachment_size),
        reply_id_ptr: path("reply_id_ptr", unset.reply_id_ptr),
        max_attachment_bytes: table.or("max_attachment_bytes", unset.max_attachment_bytes),
        topics: table.get::<Topics>("topics").map_or(unset.topics, |topics| topics.0),
    };
    if !paradarum.detail_path.contains("{id}") {
        table.wrong("detail_path", "must hold {id}, where the ticket's number goes");
    }
    paradarum
}

fn page_params(table: &Table<'_>) -> Option<(String, String)> {
    let params = table.get::<Words>("page_params")?.0;
    if let [number, size] = params.as_slice() {
        return Some((number.clone(), size.clone()));
    }
    table.wrong("page_params", "must be two names: of the page's number and of its size");
    None
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

struct Topics(BTreeMap<String, i64>);

impl FromValue for Topics {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        numbers(value, reading, "{ General = 0, SSL = 4 }").map(Topics)
    }
}
