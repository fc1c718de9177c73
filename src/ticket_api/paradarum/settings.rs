//! What an operator may set for a Paradarum API; the defaults are our reading of its documentation.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::model::ids::ApiName;
use crate::runtime::Secret;

/// Lists of names are tried in their order.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: ApiName,
    /// Paths are appended to it.
    pub base_url: Url,
    /// For accounts without a key of their own.
    pub key: Option<Secret>,
    pub call_timeout: Duration,
    /// For an upload or a download as a whole.
    pub transfer_timeout: Duration,
    /// Zero: no limit.
    pub max_calls_per_second: f64,
    pub connections: u32,
    pub desk_mails_customers: bool,
    pub auth_header: String,
    /// Put before the key.
    pub auth_prefix: String,
    pub list_path: String,
    /// With `{id}`.
    pub detail_path: String,
    pub properties_path: String,
    /// The query parameters for the page's number and its size.
    pub page_params: (String, String),
    pub page_size: u32,
    /// A look through more pages than this fails, as half a look is none.
    pub max_pages: u32,
    /// Time stamps without an offset are in UTC; else they are unusable.
    pub assume_utc: bool,
    pub staff_flag: Vec<String>,
    pub message_text: Vec<String>,
    pub messages_key: String,
    pub attachments_key: String,
    pub attachment_name: Vec<String>,
    pub created_key: Vec<String>,
    /// A JSON pointer (RFC 6901) to a new reply's id.
    pub reply_id_ptr: String,
    pub max_attachment_bytes: u64,
    /// Staff's files may be larger than customers': Telegram takes 50 MB.
    pub max_download_bytes: u64,
    /// Names of topics and their numbers.
    pub topics: BTreeMap<String, i64>,
}

impl Settings {
    /// The defaults; paths and names as in <https://docs.paradarum.com/api/reference>.
    pub fn new(name: ApiName, base_url: Url) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let topics = ["General", "Networking", "Rules", "Billing", "SSL", "Performance"];
        Self {
            name,
            base_url,
            key: None,
            call_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(300),
            max_calls_per_second: 5.0,
            connections: 8,
            desk_mails_customers: true,
            auth_header: "X-API-Key".to_owned(),
            auth_prefix: String::new(),
            list_path: "/api/Ticket".to_owned(),
            detail_path: "/api/Ticket/{id}".to_owned(),
            properties_path: "/api/property".to_owned(),
            page_params: ("pageNumber".to_owned(), "pageSize".to_owned()),
            page_size: 100,
            max_pages: 1_000,
            assume_utc: true,
            staff_flag: words(&["isStaff", "isStaffReply", "isAdmin", "isAdminReply"]),
            message_text: words(&["message", "body", "content"]),
            messages_key: "messages".to_owned(),
            attachments_key: "attachments".to_owned(),
            attachment_name: words(&["fileName", "originalFileName", "name"]),
            created_key: words(&["createdAt", "created"]),
            reply_id_ptr: "/data/id".to_owned(),
            max_attachment_bytes: 10_000_000,
            max_download_bytes: 50_000_000,
            topics: topics.into_iter().map(str::to_owned).zip(0..).collect(),
        }
    }
}
