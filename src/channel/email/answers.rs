//! What a FETCH answer says: sizes, dates and bytes.

use async_imap::imap_proto::{AttributeValue, MessageSection, SectionPath};
use bytes::Bytes;

use crate::runtime::clock::Timestamp;

/// One mail as it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) uid: u32,
    pub(super) size: u64,
    pub(super) arrived: Timestamp,
}

/// Size and date; nothing for an answer about something else, as a changed flag.
pub(super) fn as_listed(attributes: &[AttributeValue<'_>], now: Timestamp) -> Option<Listed> {
    let (mut uid, mut size, mut arrived) = (None, None, None);
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(n) => uid = Some(*n),
            AttributeValue::Rfc822Size(n) => size = Some(u64::from(*n)),
            AttributeValue::InternalDate(date) => arrived = internal_date(date),
            _ => (),
        }
    }
    Some(Listed { uid: uid?, size: size?, arrived: arrived.unwrap_or(now).min(now) })
}

/// `17-Jul-1996 02:44:25 -0700` (RFC 9051 §9, date-time), its day perhaps with a blank before it.
fn internal_date(text: &str) -> Option<Timestamp> {
    let date = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?;
    Some(date.to_timestamp().ok()?.into())
}

/// The UID and the bytes of a wanted section.
pub(super) fn body_of(
    attributes: &[AttributeValue<'_>],
    wanted: impl Fn(&Option<SectionPath>) -> bool,
) -> Option<(u32, Bytes)> {
    let (mut uid, mut body) = (None, None);
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(n) => uid = Some(*n),
            AttributeValue::BodySection { section, data: Some(data), .. } if wanted(section) => {
                body = Some(Bytes::copy_from_slice(data));
            }
            _ => (),
        }
    }
    uid.zip(body)
}

pub(super) fn is_section(wanted: MessageSection) -> impl Fn(&Option<SectionPath>) -> bool {
    let wanted = Some(SectionPath::Full(wanted));
    move |section| *section == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_servers_are_read() {
        let time = internal_date("17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!(time.to_string(), "1996-07-17T09:44:25Z");
        assert_eq!(internal_date(" 7-Jul-1996 02:44:25 +0000").unwrap().to_string(), "1996-07-07T02:44:25Z");
        assert_eq!(internal_date("yesterday"), None);
    }
}
