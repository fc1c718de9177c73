//! What the bridge makes of a raw mail, by the settings of one of its mailboxes.

use std::{io, path::Path};

use crate::{
    app::mailboxes,
    channel::email,
    config::{Config, Mailbox},
    model::{ids::MailboxName, inbound::Inbound},
    runtime::Clock,
};

/// Nothing is stored, nobody is asked.
pub async fn inspect(config: &Config, mailbox: &Mailbox, file: &Path) -> io::Result<Inbound> {
    let (trust, limits) = (mailboxes::trust(mailbox), mailboxes::limits(config));
    email::inspect(MailboxName::new(&mailbox.name), &trust, limits, file, Clock::real().now()).await
}
