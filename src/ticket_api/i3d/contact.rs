//! The contact form: tickets of guests, with what a mail does not say from the configuration.

use serde::Serialize;

use crate::config::i3d::Contact;
use crate::ticket_api::{ApiError, Guest, NewTicket};

/// The body of the form, within its limits (docs.i3d.net, “Tickets”): in characters, checked where configured.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactBody<'a> {
    first_name: String,
    last_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    company_name: Option<&'a str>,
    email: &'a str,
    phone: &'a str,
    title: String,
    content: &'a str,
    category: &'a str,
}

const SHORTEST: usize = 2;
const MOST_FIRST_NAME: usize = 64;
const MOST_LAST_NAME: usize = 128;
const MOST_EMAIL: usize = 128;

/// Fills in the form. `title` is cut to its limit already.
///
/// # Errors
/// Refused, where the form cannot be filled in.
pub(super) fn body<'a>(
    contact: &'a Contact,
    ticket: &'a NewTicket,
    title: &str,
    category: &'a str,
) -> Result<ContactBody<'a>, ApiError> {
    let by_mail = "tickets of guests need an e-mail address: please write by mail";
    let guest = ticket.guest.as_ref().ok_or_else(|| ApiError::Refused(by_mail.to_owned()))?;
    let email = guest.address.as_str();
    if length(email) > MOST_EMAIL {
        return Err(ApiError::Refused(format!("the address has more than {MOST_EMAIL} characters")));
    }
    let (first, last) = names(guest);
    let or = |name: Option<String>, unset: &str, most| {
        let name: String = name.unwrap_or_default().chars().take(most).collect();
        if length(&name) < SHORTEST { unset.to_owned() } else { name }
    };
    Ok(ContactBody {
        first_name: or(first, &contact.first_name, MOST_FIRST_NAME),
        last_name: or(last, &contact.last_name, MOST_LAST_NAME),
        company_name: contact.company.as_deref(),
        email,
        phone: &contact.phone,
        title: if length(title) < SHORTEST { format!("Message: {title}") } else { title.to_owned() },
        content: &ticket.text,
        category,
    })
}

/// First and last name, as far as the mail shows them: “Ann Lee”, “Lee, Ann”.
fn names(guest: &Guest) -> (Option<String>, Option<String>) {
    let name: String = guest.name.chars().filter(|c| !c.is_control() && *c != '"').collect();
    let name = name.trim();
    if name.is_empty() || name.contains('@') {
        return (None, None);
    }
    let (first, last) = match name.split_once(',') {
        Some((last, first)) => (first, last),
        None => name.rsplit_once(char::is_whitespace).unwrap_or((name, "")),
    };
    let part = |part: &str| Some(part.trim().to_owned()).filter(|part| !part.is_empty());
    (part(first), part(last))
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::MailAddress;

    fn filled(name: &str, address: &str, title: &str) -> Result<(String, String, String), String> {
        let contact = Contact {
            first_name: "Guest".to_owned(),
            last_name: "Unknown".to_owned(),
            phone: "0000000".to_owned(),
            company: None,
        };
        let guest = Guest { name: name.to_owned(), address: MailAddress::new(address) };
        let ticket = NewTicket {
            subject: title.to_owned(),
            text: "Text".to_owned(),
            guest: Some(guest).filter(|guest| !guest.address.as_str().is_empty()),
            ..NewTicket::default()
        };
        let body = body(&contact, &ticket, title, "Other").map_err(|error| error.to_string())?;
        Ok((body.first_name, body.last_name, body.title))
    }

    #[test]
    fn names_are_split_and_what_is_missing_is_filled_in() {
        for (name, first, last) in [
            ("Ann Lee", "Ann", "Lee"),
            ("Anna Maria van Lee", "Anna Maria van", "Lee"),
            ("\"Lee, Ann\"", "Ann", "Lee"),
            ("Cher", "Cher", "Unknown"),
            ("J Lee", "Guest", "Lee"),
            ("", "Guest", "Unknown"),
            ("ann@example.com", "Guest", "Unknown"),
        ] {
            let (found_first, found_last, _) = filled(name, "ann@example.com", "Help").unwrap();
            assert_eq!((found_first.as_str(), found_last.as_str()), (first, last), "{name}");
        }
        let (first, last, _) =
            filled(&format!("{} {}", "ä".repeat(99), "ö".repeat(200)), "a@b.example", "?").unwrap();
        assert_eq!((first.chars().count(), last.chars().count()), (64, 128));
    }

    #[test]
    fn what_the_form_cannot_take_is_refused_or_padded() {
        assert_eq!(filled("Ann", "a@b.example", "?").unwrap().2, "Message: ?");
        assert!(filled("Ann", "", "Help").unwrap_err().contains("write by mail"));
        let long = format!("{}@example.com", "a".repeat(128));
        assert!(filled("Ann", &long, "Help").unwrap_err().contains("128 characters"));
    }
}
