//! Which call a request is, from its method and path.

use axum::http::Method;

use super::super::door::number;
use super::super::ticket::{AttachmentId, TicketId};

/// The calls of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Categories,
    List { open_or_unread: bool },
    Create,
    Contact,
    Detail(TicketId),
    Reply(TicketId),
    Upload,
    Unstage(AttachmentId),
    Download(TicketId, AttachmentId),
    Close(TicketId),
    Open(TicketId),
}

/// What a call's body must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    None,
    Json,
    Form,
}

// === impl Route ===

impl Route {
    /// The call, if there is one; an id that is no number is no path here.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let rest = segments.strip_prefix(&["v3", "tickets"])?;
        let ticket = |id: &str| number(id).map(TicketId);
        let file = |id: &str| number(id).map(AttachmentId);
        match (method.as_str(), rest) {
            ("GET", []) => Some(Self::List { open_or_unread: false }),
            ("GET", ["openOrUnread"]) => Some(Self::List { open_or_unread: true }),
            ("GET", ["categories"]) => Some(Self::Categories),
            ("GET", [id]) => Some(Self::Detail(ticket(id)?)),
            ("GET", [id, "attachment", of]) => Some(Self::Download(ticket(id)?, file(of)?)),
            ("POST", []) => Some(Self::Create),
            ("POST", ["contact"]) => Some(Self::Contact),
            ("POST", ["attachment"]) => Some(Self::Upload),
            ("POST", [id, "reply"]) => Some(Self::Reply(ticket(id)?)),
            ("DELETE", ["attachment", id]) => Some(Self::Unstage(file(id)?)),
            ("PUT", [id, "close"]) => Some(Self::Close(ticket(id)?)),
            ("PUT", [id, "open"]) => Some(Self::Open(ticket(id)?)),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Categories => "catalog",
            Self::List { .. } => "list",
            Self::Create => "create",
            Self::Contact => "contact",
            Self::Detail(_) => "detail",
            Self::Reply(_) => "reply",
            Self::Upload => "upload",
            Self::Unstage(_) => "unstage",
            Self::Download(..) => "download",
            Self::Close(_) => "close",
            Self::Open(_) => "reopen",
        }
    }

    pub(super) fn ticket(self) -> Option<TicketId> {
        match self {
            Self::Detail(id) | Self::Reply(id) | Self::Download(id, _) | Self::Close(id) | Self::Open(id) => {
                Some(id)
            }
            _ => None,
        }
    }

    pub(super) fn body(self) -> BodyKind {
        match self {
            Self::Create | Self::Contact | Self::Reply(_) => BodyKind::Json,
            Self::Upload => BodyKind::Form,
            _ => BodyKind::None,
        }
    }
}
