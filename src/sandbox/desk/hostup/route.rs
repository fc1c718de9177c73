//! Which call a request is, from its method and path, and what the call may bear.

use axum::http::Method;

use super::super::door::number;
use super::super::ticket::{AttachmentId, TicketId};

/// The calls of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Departments,
    List,
    Create,
    Detail(TicketId),
    Reply(TicketId),
    Upload,
    Download(AttachmentId),
    Close(TicketId),
    Reopen(TicketId),
}

/// What a call's body must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    None,
    Json,
    Form,
}

/// A ticket's `number` is so far above its id.
const NUMBERED_FROM: i64 = 149_000;

// === impl Route ===

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let rest = segments.strip_prefix(&["api", "v2", "support"])?;
        let ticket = |id: &str| prefixed("tkt_", id).map(TicketId);
        match (method.as_str(), rest) {
            ("GET", ["departments"]) => Some(Self::Departments),
            ("GET", ["tickets"]) => Some(Self::List),
            ("POST", ["tickets"]) => Some(Self::Create),
            ("GET", ["tickets", id]) => {
                // A ticket's number is taken for its id "during migration".
                let by_number = || number(id).and_then(|number| number.checked_sub(NUMBERED_FROM));
                ticket(id).or_else(|| by_number().map(TicketId)).map(Self::Detail)
            }
            ("POST", ["tickets", id, "messages"]) => ticket(id).map(Self::Reply),
            ("POST", ["tickets", id, "actions", "close"]) => ticket(id).map(Self::Close),
            ("POST", ["tickets", id, "actions", "reopen"]) => ticket(id).map(Self::Reopen),
            ("POST", ["attachments"]) => Some(Self::Upload),
            ("GET", ["attachments", id]) => prefixed("tatt_", id).map(AttachmentId).map(Self::Download),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Departments => "catalog",
            Self::List => "list",
            Self::Create => "create",
            Self::Detail(_) => "detail",
            Self::Reply(_) => "reply",
            Self::Upload => "upload",
            Self::Download(_) => "download",
            Self::Close(_) => "close",
            Self::Reopen(_) => "reopen",
        }
    }

    pub(super) fn ticket(self) -> Option<TicketId> {
        match self {
            Self::Detail(id) | Self::Reply(id) | Self::Close(id) | Self::Reopen(id) => Some(id),
            Self::Departments | Self::List | Self::Create | Self::Upload | Self::Download(_) => None,
        }
    }

    /// What the key must be allowed.
    pub(super) fn scope(self) -> &'static str {
        match self {
            Self::Departments => "read:account",
            Self::List | Self::Detail(_) | Self::Download(_) => "read:support",
            Self::Create | Self::Reply(_) | Self::Upload | Self::Close(_) | Self::Reopen(_) => {
                "write:support"
            }
        }
    }

    /// The query parameters it may bear.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::List => &["limit", "cursor", "status", "departmentSlug"],
            Self::Download(_) => &["ticketId"],
            _ => &[],
        }
    }

    pub(super) fn body(self) -> BodyKind {
        match self {
            Self::Create | Self::Reply(_) => BodyKind::Json,
            Self::Upload => BodyKind::Form,
            _ => BodyKind::None,
        }
    }
}

/// The number in an id of this kind.
pub(super) fn prefixed(prefix: &str, id: &str) -> Option<i64> {
    id.strip_prefix(prefix).filter(|digits| !digits.is_empty()).and_then(number)
}

/// The number that a person is told.
pub(in crate::sandbox::desk) fn shown_number(id: TicketId) -> String {
    id.0.saturating_add(NUMBERED_FROM).to_string()
}
