//! A look at one raw mail: what a mailbox would make of it, with nothing stored.

use std::{io, path::Path, sync::Arc};

use super::{
    door::on_deep_stack,
    incoming::{RawMail, Reader},
    maildir::read_file,
    settings::{Limits, TrustSettings},
    trust::Trust,
};
use crate::{
    model::{
        ids::{BlobId, MailboxName},
        inbound::Inbound,
    },
    runtime::Timestamp,
};

/// Reads `file` as if it had arrived `now`. Errors: the file cannot be read; a mail that makes no sense is
/// an item like any other.
pub async fn inspect(
    mailbox: MailboxName,
    trust: &TrustSettings,
    limits: Limits,
    file: &Path,
    now: Timestamp,
) -> io::Result<Inbound> {
    let (bytes, cut_from) = read_file(file, limits)?;
    let reader = Reader { mailbox, trust: Arc::new(Trust::new(trust)), limits };
    let (blob, place) = (BlobId::new(""), format!("inspected/{}", file.display()));
    let mail = RawMail { blob, bytes, cut_from, place, received: now };
    on_deep_stack(move || reader.read(&mail)).await
}
