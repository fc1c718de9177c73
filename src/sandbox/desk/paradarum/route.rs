//! Which call a request is, from its method and path; the real server ignores the path's case.

use axum::http::{Method, StatusCode};

use super::super::door::number;
use super::super::ticket::{AttachmentId, TicketId};

/// The calls of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Create,
    List,
    Detail(TicketId),
    Reply(TicketId),
    Upload(TicketId),
    Download(TicketId, AttachmentId),
    Close(TicketId),
    Properties,
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
    /// The call, or the web server's own refusal: 404 for the path, 405 for the method.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, StatusCode> {
        let path = path.to_ascii_lowercase();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let found = match method.as_str() {
            "GET" => Self::read(&segments),
            "POST" => Self::write(&segments),
            _ => None,
        };
        let elsewhere = || Self::read(&segments).or(Self::write(&segments));
        found.ok_or_else(|| elsewhere().map_or(StatusCode::NOT_FOUND, |_| StatusCode::METHOD_NOT_ALLOWED))
    }

    fn read(segments: &[&str]) -> Option<Self> {
        match segments {
            ["api", "property"] => Some(Self::Properties),
            ["api", "ticket"] => Some(Self::List),
            ["api", "ticket", id] => Some(Self::Detail(TicketId(number(id)?))),
            ["api", "ticket", id, "attachment", file] => {
                Some(Self::Download(TicketId(number(id)?), AttachmentId(number(file)?)))
            }
            _ => None,
        }
    }

    fn write(segments: &[&str]) -> Option<Self> {
        match segments {
            ["api", "ticket"] => Some(Self::Create),
            ["api", "ticket", id, "message"] => Some(Self::Reply(TicketId(number(id)?))),
            ["api", "ticket", id, "attachment"] => Some(Self::Upload(TicketId(number(id)?))),
            ["api", "ticket", id, "close"] => Some(Self::Close(TicketId(number(id)?))),
            _ => None,
        }
    }

    /// The name by which faults and the call log know it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Detail(_) => "detail",
            Self::Reply(_) => "reply",
            Self::Upload(_) => "upload",
            Self::Download(..) => "download",
            Self::Close(_) => "close",
            Self::Properties => "properties",
        }
    }

    pub(super) fn ticket(self) -> Option<TicketId> {
        match self {
            Self::Detail(id)
            | Self::Reply(id)
            | Self::Upload(id)
            | Self::Download(id, _)
            | Self::Close(id) => Some(id),
            Self::Create | Self::List | Self::Properties => None,
        }
    }

    /// The query parameters it may bear.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::List => &["accountId", "pageNumber", "pageSize"],
            Self::Properties => &["pageNumber", "pageSize"],
            _ => &["accountId"],
        }
    }

    pub(super) fn body(self) -> BodyKind {
        match self {
            Self::Create | Self::Reply(_) => BodyKind::Json,
            Self::Upload(_) => BodyKind::Form,
            _ => BodyKind::None,
        }
    }
}
