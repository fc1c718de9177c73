//! What the contract leaves open, as switches: each default is the contract's assumption.

use jiff::SignedDuration;

use super::hostup::options::HostupOptions;
use super::i3d::options::I3dOptions;
use super::keliweb::KeliwebOptions;
use super::whmcs::options::WhmcsOptions;

/// How the desk words its answers where nobody has seen the real ones.
///
/// An adapter that claims to be configurable is tried with other values than the defaults.
#[derive(Clone, Debug)]
pub struct DeskOptions {
    pub dialect: Dialect,
    /// Key of the flag that marks a staff message; `None` leaves the flag out of every message.
    pub staff_flag: Option<String>,
    /// Key of a message's text.
    pub message_text_key: String,
    /// Key of the thread in a ticket's detail.
    pub messages_key: String,
    /// Key of the file list in a ticket's detail.
    pub attachments_key: String,
    /// Key of a file's original name.
    pub attachment_name_key: String,
    /// Key of every creation date.
    pub created_key: String,
    /// Whether the list says `messageCount`.
    pub list_has_message_count: bool,
    /// Whether the list says `updatedAt`.
    pub list_has_updated_at: bool,
    /// Whether a reply's answer carries the new message's id; otherwise `data` is null.
    pub reply_answers_id: bool,
    /// How dates are written.
    pub timestamps: Timestamps,
    /// How status and topic are written.
    pub enums: Enums,
    /// How far the desk's clock, which dates records and the `Date` header, is ahead of ours.
    pub clock_skew: SignedDuration,
    /// The most bytes a file may have. The contract says “10 MB”; decimal is the stricter reading.
    pub max_file_bytes: usize,
    /// The most bytes a request's body may have before the web server itself refuses it.
    pub max_request_bytes: usize,
    /// The most rows of a page, whatever `pageSize` asks for.
    pub max_page_size: usize,
    /// Keliweb's façade words tickets by these, too.
    pub whmcs: WhmcsOptions,
    pub keliweb: KeliwebOptions,
    pub i3d: I3dOptions,
    pub hostup: HostupOptions,
}

/// Which contract the desk keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Paradarum,
    I3d,
    Whmcs,
    Keliweb,
    Hostup,
}

impl Dialect {
    /// Without a list nobody can look for a ticket whose id he does not know.
    pub fn lists_tickets(self) -> bool {
        self != Self::Keliweb
    }

    pub fn gives_out_files(self) -> bool {
        self != Self::Keliweb
    }

    /// Whether a file comes by a call of its own, and not inside its message.
    pub fn takes_uploads(self) -> bool {
        !matches!(self, Self::Whmcs | Self::Keliweb)
    }
}

/// How the desk writes a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// `2026-01-31T12:00:00.5Z`
    Utc,
    /// `2026-01-31T14:00:00.5+02:00`
    Offset,
    /// `2026-01-31T12:00:00.5`, to be read as UTC.
    Bare,
}

/// How the desk writes an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enums {
    /// `"status": 1`
    Int,
    /// `"status": "InProgress"`
    Name,
}

impl Default for DeskOptions {
    fn default() -> Self {
        Self {
            dialect: Dialect::Paradarum,
            staff_flag: Some("isStaff".to_owned()),
            message_text_key: "message".to_owned(),
            messages_key: "messages".to_owned(),
            attachments_key: "attachments".to_owned(),
            attachment_name_key: "fileName".to_owned(),
            created_key: "createdAt".to_owned(),
            list_has_message_count: true,
            list_has_updated_at: false,
            reply_answers_id: true,
            timestamps: Timestamps::Utc,
            enums: Enums::Int,
            clock_skew: SignedDuration::ZERO,
            max_file_bytes: 10_000_000,
            max_request_bytes: 11_000_000,
            max_page_size: 100,
            whmcs: WhmcsOptions::default(),
            keliweb: KeliwebOptions::default(),
            i3d: I3dOptions::default(),
            hostup: HostupOptions::default(),
        }
    }
}
