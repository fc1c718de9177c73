//! What a failed call means: surely not done, perhaps done, or refused for good.

use std::time::Duration;

use crate::{
    channel::{OpenError, Refusal, SendError},
    model::ids::ChatId,
    runtime::http_client::{BodyError, HttpError, Sent},
};

/// A call that brought no success. Its text holds no URL, hence no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The Bot API's own “no”.
    #[error("Telegram answered {code}: {description}")]
    Refused { code: u16, description: String, retry_after: Option<Duration>, moved_to: Option<ChatId> },
    /// An answer that is not in the Bot API's form.
    #[error("the Bot API server answered {status} with something that is no Bot API answer")]
    Undecodable { status: u16 },
    #[error("the Bot API server answered {status}, and {error}")]
    Body { status: u16, error: BodyError },
    #[error("{}", with_cause(.0))]
    Http(HttpError),
    /// The content to be uploaded broke off, so that the server never had the whole request.
    #[error("the file broke off before it was sent: {0}")]
    Source(String),
}

/// Whether a call took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    NotDone,
    Unknown,
    /// A decided answer of the Bot API below 500.
    Refused,
}

impl Failure {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { code: 500.., .. } => Outcome::Unknown,
            Self::Refused { .. } => Outcome::Refused,
            Self::Http(error) if error.sent == Sent::No => Outcome::NotDone,
            Self::Source(_) => Outcome::NotDone,
            // A proxy's answer; 408 and 499 are said of a request that may have got through.
            Self::Undecodable { status } | Self::Body { status, .. }
                if (300..500).contains(status) && !matches!(status, 408 | 499) =>
            {
                Outcome::NotDone
            }
            Self::Undecodable { .. } | Self::Body { .. } | Self::Http(_) => Outcome::Unknown,
        }
    }

    /// The status by which the Bot API, or who stands before it, refused.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Undecodable { status } | Self::Body { status, .. } => Some(*status),
            Self::Http(_) | Self::Source(_) => None,
        }
    }

    /// Whether the refusal's words contain `part`, without regard to case.
    pub(super) fn says(&self, part: &str) -> bool {
        matches!(self, Self::Refused { description, .. } if contains(description, part))
    }

    /// A token that was revoked gives 401, one that never was a token 404.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { code: 401, .. })
            || (self.code() == Some(404) && self.says("not found"))
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { code: 429, retry_after, .. } => {
                Some(retry_after.unwrap_or(Duration::from_secs(1)))
            }
            _ => None,
        }
    }
}

/// Words of refusals after which nobody can be reached in the chat.
const GONE: [&str; 9] = [
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "group is deactivated",
    "bot was kicked",
    "bot is not a member",
    "have no rights to send",
    "not enough rights to send",
    "chat_write_forbidden",
];

/// Words of refusals about the message that was to be edited or answered, or its topic.
const MESSAGE: [&str; 10] = [
    "message is not modified",
    "message to edit not found",
    "message can't be edited",
    "message to be replied not found",
    "message to reply not found",
    "message_id_invalid",
    "query is too old",
    "query_id_invalid",
    "message thread not found",
    "topic_",
];

const TOO_LARGE: [&str; 4] =
    ["request entity too large", "file is too big", "file_parts_invalid", "too big for a"];

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        let reason = failure.to_string();
        if failure.is_unauthorized() {
            return Self::Unauthorized(reason);
        }
        if failure.code() == Some(413) {
            return Self::Refused { reason, what: Refusal::TooLarge };
        }
        match failure.outcome() {
            Outcome::NotDone => Self::Retry { after: None, reason },
            Outcome::Unknown => Self::Unknown { reason },
            Outcome::Refused => refused(&failure, reason),
        }
    }
}

fn refused(failure: &Failure, reason: String) -> SendError {
    if let Failure::Refused { moved_to: Some(to), .. } = failure {
        return SendError::Moved { to: *to };
    }
    if let Some(after) = failure.retry_after() {
        return SendError::Retry { after: Some(after), reason };
    }
    let says_any = |words: &[&str]| words.iter().any(|word| failure.says(word));
    let what = if says_any(&MESSAGE) {
        Refusal::Message
    } else if failure.code() == Some(403) || says_any(&GONE) {
        Refusal::Gone
    } else if says_any(&TOO_LARGE) {
        Refusal::TooLarge
    } else {
        Refusal::Content
    };
    SendError::Refused { reason, what }
}

/// What a failed `getFile` means; `limit` is what the server gives out. For a file id that it does not like
/// Telegram says “wrong file_id or the file is temporarily unavailable”: as it may be the latter, it is tried
/// again.
pub(super) fn open_error(failure: &Failure, limit: u64) -> OpenError {
    let reason = failure.to_string();
    if failure.says("file is too big") {
        return OpenError::TooLarge { limit };
    }
    let for_good = failure.outcome() == Outcome::Refused
        && failure.code() == Some(400)
        && !failure.says("temporarily unavailable");
    if for_good { OpenError::Gone(reason) } else { OpenError::Retry { after: failure.retry_after(), reason } }
}

fn with_cause(error: &HttpError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, description: &str) -> SendError {
        Failure::Refused { code, description: description.into(), retry_after: None, moved_to: None }.into()
    }

    fn what(code: u16, description: &str) -> Refusal {
        match refused(code, description) {
            SendError::Refused { what, .. } => what,
            other => panic!("{description}: {other:?}"),
        }
    }

    #[test]
    fn refusals_say_what_they_are_about() {
        for gone in [
            "Forbidden: bot was blocked by the user",
            "Forbidden: user is deactivated",
            "Forbidden: bot was kicked from the supergroup chat",
            "Forbidden: bot can't initiate conversation with a user",
        ] {
            assert_eq!(what(403, gone), Refusal::Gone);
        }
        assert_eq!(what(400, "Bad Request: chat not found"), Refusal::Gone);
        assert_eq!(what(400, "Bad Request: message to edit not found"), Refusal::Message);
        assert_eq!(
            what(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"),
            Refusal::Message
        );
        assert_eq!(what(400, "Bad Request: message is too long"), Refusal::Content);
        assert_eq!(what(413, "Request Entity Too Large"), Refusal::TooLarge);
    }

    #[test]
    fn a_failing_server_leaves_the_outcome_open_even_in_the_bot_apis_own_form() {
        assert!(matches!(refused(500, "Internal Server Error"), SendError::Unknown { .. }));
        assert!(matches!(refused(502, "Bad Gateway"), SendError::Unknown { .. }));
        let undecodable = |status| SendError::from(Failure::Undecodable { status });
        assert!(matches!(undecodable(200), SendError::Unknown { .. }));
        assert!(matches!(undecodable(504), SendError::Unknown { .. }));
        assert!(matches!(undecodable(403), SendError::Retry { .. }));
        assert!(matches!(undecodable(408), SendError::Unknown { .. }));
    }

    #[test]
    fn a_flood_wait_a_migration_and_a_bad_token_are_themselves() {
        let flood = Failure::Refused {
            code: 429,
            description: "Too Many Requests: retry after 9".into(),
            retry_after: Some(Duration::from_secs(9)),
            moved_to: None,
        };
        let after = Duration::from_secs(9);
        assert!(matches!(flood.into(), SendError::Retry { after: Some(a), .. } if a == after));
        let moved = Failure::Refused {
            code: 400,
            description: "Bad Request: group chat was upgraded to a supergroup chat".into(),
            retry_after: None,
            moved_to: Some(ChatId(-1001)),
        };
        assert!(matches!(moved.into(), SendError::Moved { to: ChatId(-1001) }));
        assert!(matches!(refused(401, "Unauthorized"), SendError::Unauthorized(_)));
        assert!(matches!(refused(404, "Not Found"), SendError::Unauthorized(_)));
    }

    #[test]
    fn a_file_that_may_come_back_is_asked_for_again_and_one_that_is_too_big_is_not() {
        let open = |code, description: &str| {
            let description = description.to_owned();
            let failure = Failure::Refused { code, description, retry_after: None, moved_to: None };
            open_error(&failure, 20)
        };
        let unavailable = "Bad Request: wrong file_id or the file is temporarily unavailable";
        assert!(matches!(open(400, unavailable), OpenError::Retry { .. }));
        assert!(matches!(open(400, "Bad Request: file is too big"), OpenError::TooLarge { limit: 20 }));
        assert!(matches!(open(400, "Bad Request: invalid file_id"), OpenError::Gone(_)));
        assert!(matches!(open(500, "Internal Server Error"), OpenError::Retry { .. }));
        assert!(matches!(open(429, "Too Many Requests"), OpenError::Retry { after: Some(_), .. }));
    }
}
