//! A file on its way, and where its bytes lie until they are sent on.

use serde::{Deserialize, Serialize};

use super::ids::{AccountName, ApiName, AttachmentId, BlobId, TicketId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// A safe file name, see [`safe_name`].
    pub name: String,
    /// The media type as its sender declared it.
    pub mime: String,
    /// Bytes, where the source says so before the download.
    pub size: Option<u64>,
    pub at: Whereabouts,
}

/// Where an attachment's bytes lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whereabouts {
    /// At Telegram, to be had by getFile.
    Telegram { file_id: String },
    /// In a spooled raw mail, its n-th attachment as the mail parser counts.
    MailPart { raw: BlobId, part: usize },
    /// At the ticket API, for a staff file.
    Ticket { api: ApiName, account: AccountName, ticket: TicketId, attachment: AttachmentId },
}

/// Makes a name that is safe as a file name everywhere and in a header:
/// the last path component, without control and reserved characters or
/// leading dots, at most 120 characters with its extension kept.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last
        .chars()
        .map(|c| if c.is_control() || "<>:\"|?*\u{202e}\u{202d}".contains(c) { '_' } else { c })
        .collect();
    let clean = clean.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    if clean.is_empty() { "file".to_owned() } else { shorten(clean, 120) }
}

fn shorten(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= 10 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let stem: String = stem.chars().take(most.saturating_sub(extension.chars().count())).collect();
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_control_character_cannot_leave_the_name() {
        assert_eq!(safe_name("../../etc/passwd"), "passwd");
        assert_eq!(safe_name("C:\\x\\report\r\n.pdf"), "report__.pdf");
        assert_eq!(safe_name("..."), "file");
        assert_eq!(safe_name("Übersicht 2026.pdf"), "Übersicht 2026.pdf");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe_name(&format!("{}.pdf", "x".repeat(500)));
        assert_eq!(name.chars().count(), 120);
        assert!(name.ends_with("x.pdf"));
    }
}
