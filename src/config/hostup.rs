//! The keys that only `kind = "hostup"` knows: what its documentation does not say, and what new tickets get.

use std::time::Duration;

use super::file::Table;
use super::values::{ByteSize, Word};

/// Defaults as far as the published pages tell (developer.hostup.se/endpoints/support), else as we assume.
#[derive(Clone, Debug, PartialEq)]
pub struct Hostup {
    /// Tickets of a page, 1 to 100.
    pub list_page: u32,
    /// Slug or display name of the department of tickets without a topic; the first of the list where absent.
    pub default_department: Option<String>,
    /// How long a list of departments is believed, unless the server refuses one of it.
    pub departments_for: Duration,
    pub default_priority: Priority,
    /// What a critical ticket must say of its impact on customers; sent with [`Priority::Critical`] only.
    pub critical_reason: Option<String>,
    /// What a `property` without a type before its id is.
    pub default_service: Service,
    /// Whether customers are shown the desk's automatic messages.
    pub forward_automation: bool,
    /// The field of a reply that names uploads; none where absent, as the server binds what is pinned.
    pub reply_attachment_field: Option<String>,
    /// Whether an upload names its ticket.
    pub pin_upload: bool,
    /// With `{id}`.
    pub close_path: String,
    /// Whether a closed ticket must be reopened by a call; else a reply opens it again.
    pub reopen_before_reply: bool,
    pub max_attachment_bytes: ByteSize,
    /// In UTF-16 units.
    pub subject_max: u32,
    /// Whether the desk is to keep customers' messages encrypted.
    pub send_encrypted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Low,
    Medium,
    High,
    Urgent,
    Critical,
}

/// The kinds of service that a ticket may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Domain,
    Hosting,
    Vps,
    Other,
}

/// The API's limits of a page.
const PAGES: std::ops::RangeInclusive<u32> = 1..=100;
/// How often the list is asked for, where nothing else is set: the server's limits are not published.
pub(super) const POLL: Duration = Duration::from_secs(30);

impl Priority {
    pub fn word(self) -> &'static str {
        word(self)
    }

    pub fn from_word(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, priority)| *priority)
    }
}

impl Service {
    pub fn word(self) -> &'static str {
        word(self)
    }

    pub fn from_word(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, service)| *service)
    }
}

impl Word for Priority {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("low", Priority::Low),
        ("medium", Priority::Medium),
        ("high", Priority::High),
        ("urgent", Priority::Urgent),
        ("critical", Priority::Critical),
    ];
}

impl Word for Service {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("domain", Service::Domain),
        ("hosting", Service::Hosting),
        ("vps", Service::Vps),
        ("other", Service::Other),
    ];
}

impl Default for Hostup {
    fn default() -> Hostup {
        Hostup {
            list_page: 100,
            default_department: None,
            departments_for: Duration::from_secs(3600),
            default_priority: Priority::Medium,
            critical_reason: None,
            default_service: Service::Other,
            forward_automation: true,
            reply_attachment_field: None,
            pin_upload: true,
            close_path: "/support/tickets/{id}/actions/close".into(),
            reopen_before_reply: true,
            max_attachment_bytes: ByteSize::mb(10),
            subject_max: 200,
            send_encrypted: false,
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Hostup {
    let unset = Hostup::default();
    let hostup = Hostup {
        list_page: table.or("list_page", unset.list_page),
        default_department: table.get("default_department"),
        departments_for: table.or("departments_for", unset.departments_for),
        default_priority: table.or("default_priority", unset.default_priority),
        critical_reason: table.get("critical_reason"),
        default_service: table.or("default_service", unset.default_service),
        forward_automation: table.or("forward_automation", unset.forward_automation),
        reply_attachment_field: table.get("reply_attachment_field"),
        pin_upload: table.or("pin_upload", unset.pin_upload),
        close_path: table.or("close_path", unset.close_path),
        reopen_before_reply: table.or("reopen_before_reply", unset.reopen_before_reply),
        max_attachment_bytes: table.or("max_attachment_bytes", unset.max_attachment_bytes),
        subject_max: table.or("subject_max", unset.subject_max),
        send_encrypted: table.or("send_encrypted", unset.send_encrypted),
    };
    check(table, &hostup);
    hostup
}

fn check(table: &Table<'_>, hostup: &Hostup) {
    if !PAGES.contains(&hostup.list_page) {
        table.wrong("list_page", "must be between 1 and 100, as the server takes no other");
    }
    if hostup.default_priority == Priority::Critical && hostup.critical_reason.is_none() {
        table
            .missing("critical_reason", "the server wants to know what a critical ticket means to customers");
    }
    if !hostup.close_path.starts_with('/') || !hostup.close_path.contains("{id}") {
        table.wrong("close_path", "must begin with a slash and hold {id}, where the ticket's id goes");
    }
    let taken = ["message", "encrypted"];
    if hostup.reply_attachment_field.as_deref().is_some_and(|field| taken.contains(&field)) {
        table.wrong("reply_attachment_field", "is a field of replies already");
    }
}

fn word<T: Word + PartialEq>(value: T) -> &'static str {
    T::WORDS.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}
