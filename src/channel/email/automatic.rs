//! Robots, lists and out-of-office notes: who must never be answered by a robot (RFC 3834).

use super::headers::Headers;
use crate::model::{ids::MailAddress, inbound::Automatic};

/// Stands in every mail that a bridge sends, so that none answers itself or another one.
pub(super) const OWN_HEADER: &str = "X-Ticket-Bridge";

/// What kind of robot wrote the mail; nothing for a person.
pub(super) fn automatic(headers: &Headers, from: &MailAddress) -> Option<Automatic> {
    let value = |name| headers.get(name).map(str::to_lowercase);
    let content_type = value("content-type").unwrap_or_default();
    let local = from.as_str().split('@').next().unwrap_or_default();
    if value("x-ticket-bridge").is_some() {
        return Some(Automatic::Ours);
    }
    let report = content_type.starts_with("multipart/report");
    if report || local == "mailer-daemon" || value("x-failed-recipients").is_some() {
        return Some(Automatic::Bounce);
    }
    let precedence = value("precedence").unwrap_or_default();
    if value("list-id").is_some()
        || value("list-unsubscribe").is_some()
        || ["bulk", "list"].contains(&precedence.as_str())
    {
        return Some(Automatic::List);
    }
    let robot = value("auto-submitted").is_some_and(|word| !word.starts_with("no"))
        || ["junk", "auto_reply"].contains(&precedence.as_str())
        || value("x-auto-response-suppress").is_some_and(|words| suppresses_replies(&words))
        || ["x-autoreply", "x-autorespond", "x-autoresponder"].iter().any(|name| value(name).is_some())
        || value("return-path").is_some_and(|path| path.replace(' ', "") == "<>")
        || is_robots_name(local);
    robot.then_some(Automatic::Reply)
}

/// Words of [MS-OXCMAIL] §2.2.3.2.14; `DR`, `RN` and `NRN` only speak of receipts.
fn suppresses_replies(words: &str) -> bool {
    words.split(',').any(|word| ["all", "oof", "autoreply"].contains(&word.trim()))
}

fn is_robots_name(local: &str) -> bool {
    let plain: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
    ["noreply", "donotreply", "noresponder", "nepasrepondre", "postmaster", "bounce", "bounces"]
        .contains(&plain.as_str())
        || plain.starts_with("noreply")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_robot_is_known_by_its_mark_and_a_person_is_not() {
        for (field, from, expected) in [
            ("Subject: hello", "bob@a.example", None),
            ("Auto-Submitted: no", "bob@a.example", None),
            ("X-Auto-Response-Suppress: DR, RN", "bob@a.example", None),
            ("Return-Path: <bob@a.example>", "bob@a.example", None),
            ("Auto-Submitted: auto-replied (vacation)", "bob@a.example", Some(Automatic::Reply)),
            ("Auto-Submitted: auto-generated", "bob@a.example", Some(Automatic::Reply)),
            ("X-Auto-Response-Suppress: DR, OOF", "bob@a.example", Some(Automatic::Reply)),
            ("X-Autoreply: yes", "bob@a.example", Some(Automatic::Reply)),
            ("Precedence: junk", "bob@a.example", Some(Automatic::Reply)),
            ("Return-Path: <>", "bob@a.example", Some(Automatic::Reply)),
            ("Subject: receipt", "no-reply@shop.example", Some(Automatic::Reply)),
            ("Precedence: bulk", "bob@a.example", Some(Automatic::List)),
            ("List-Id: <l.example>", "bob@a.example", Some(Automatic::List)),
            ("Content-Type: multipart/report; report-type=x", "bob@a.example", Some(Automatic::Bounce)),
            ("Subject: failure notice", "MAILER-DAEMON@mx.example", Some(Automatic::Bounce)),
            ("X-Ticket-Bridge: 1", "bob@a.example", Some(Automatic::Ours)),
        ] {
            let headers = Headers::read(format!("{field}\r\n\r\n").as_bytes());
            assert_eq!(automatic(&headers, &MailAddress::new(from)), expected, "{field} from {from}");
        }
    }
}
