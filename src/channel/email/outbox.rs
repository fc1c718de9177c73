//! Where composed mail leaves: by SMTP, or as files in a directory.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use lettre::Address;
use tokio::{fs, io::AsyncWriteExt};

use super::{
    headers::Headers,
    imap_session::{ImapError, ImapSession},
    settings::{ImapSettings, SmtpSettings, Timing},
    smtp::{self, Envelope},
};
use crate::{
    channel::{Refusal, SendError},
    model::{
        attachment::safe_name,
        ids::{MailAddress, MailId},
    },
    runtime::clock::Timestamp,
};

pub(super) enum Outbox {
    Smtp {
        settings: SmtpSettings,
        from: String,
        /// Where the server keeps copies of what was sent, if it does.
        copies: Option<Box<ImapSettings>>,
    },
    Directory(PathBuf),
}

impl Outbox {
    /// Sends composed bytes as they are.
    pub(super) async fn send(
        &self,
        timing: &Timing,
        now: Timestamp,
        mail: Bytes,
        to: &[MailAddress],
    ) -> Result<(), SendError> {
        let headers = Headers::read(&mail);
        match self {
            Self::Smtp { settings, from, .. } => {
                let envelope = envelope(from, to, headers.get("auto-submitted").is_some())?;
                smtp::send(settings, timing, envelope, &mail).await
            }
            Self::Directory(directory) => {
                let id = headers.get("message-id").unwrap_or_default().trim_matches(['<', '>']);
                put(directory, &MailId::new(id), now, &mail).await.map_err(|error| SendError::Retry {
                    after: None,
                    reason: format!("the outbox {} cannot be written: {error}", directory.display()),
                })
            }
        }
    }

    /// Whether the mail is known to have been sent; nothing where nobody keeps copies.
    pub(super) async fn was_sent(&self, timing: &Timing, mail: &MailId) -> Option<bool> {
        match self {
            Self::Directory(directory) => Some(find(directory, mail).await.ok()?.is_some()),
            Self::Smtp { copies, .. } => {
                let imap = copies.as_ref()?;
                let folder = imap.sent_folder.as_deref()?;
                match look_in(imap, folder, timing, mail).await {
                    Ok(found) => Some(found),
                    Err(error) => {
                        tracing::warn!(%error, folder, "The folder of sent mail cannot be searched.");
                        None
                    }
                }
            }
        }
    }
}

async fn look_in(
    imap: &ImapSettings,
    folder: &str,
    timing: &Timing,
    mail: &MailId,
) -> Result<bool, ImapError> {
    let mut session = ImapSession::connect(imap, timing).await?;
    session.select(folder).await?;
    let id: String = mail.as_str().chars().filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c)).collect();
    let found = session.search(&format!("HEADER Message-ID \"{id}\"")).await?;
    session.logout().await;
    Ok(!found.is_empty())
}

fn envelope(from: &str, to: &[MailAddress], automatic: bool) -> Result<Envelope, SendError> {
    let address = |text: &str, what| {
        text.parse::<Address>().map_err(|error| SendError::Refused {
            reason: format!("{text} is no mail address: {error}"),
            what,
        })
    };
    let from = if automatic { None } else { Some(address(from, Refusal::Content)?) };
    let to: Vec<Address> =
        to.iter().map(|to| address(to.as_str(), Refusal::Gone)).collect::<Result<_, _>>()?;
    if to.is_empty() {
        return Err(SendError::Refused {
            reason: "the mail has no recipient".to_owned(),
            what: Refusal::Gone,
        });
    }
    Ok(Envelope { from, to })
}

/// Written, synced and then renamed, so that nobody sees half a mail. A mail that is there is left.
async fn put(directory: &Path, mail: &MailId, now: Timestamp, bytes: &[u8]) -> io::Result<()> {
    if find(directory, mail).await?.is_some() {
        return Ok(());
    }
    let name = format!("{}-{}", now.as_millis(), file_name(mail));
    let unfinished = directory.join(format!(".{name}.tmp"));
    let mut file = fs::File::create(&unfinished).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    fs::rename(&unfinished, directory.join(name)).await?;
    fs::File::open(directory).await?.sync_all().await
}

async fn find(directory: &Path, mail: &MailId) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(directory).await?;
    let wanted = file_name(mail);
    let mut files = fs::read_dir(directory).await?;
    while let Some(file) = files.next_entry().await? {
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.split_once('-').is_some_and(|(time, rest)| rest == wanted && !time.starts_with('.')) {
            return Ok(Some(file.path()));
        }
    }
    Ok(None)
}

fn file_name(mail: &MailId) -> String {
    safe_name(&format!("{mail}.eml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mail_lies_in_the_directory_once_however_often_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::Directory(dir.path().join("out"));
        let timing = Timing::default();
        let (id, mail) =
            (MailId::new("1.abc@x.example"), Bytes::from("Message-ID: <1.abc@x.example>\r\n\r\nhello"));
        assert_eq!(outbox.was_sent(&timing, &id).await, Some(false));
        for time in [1, 2] {
            outbox.send(&timing, Timestamp::from_millis(time), mail.clone(), &[]).await.unwrap();
        }
        assert_eq!(outbox.was_sent(&timing, &id).await, Some(true));
        let files: Vec<_> =
            std::fs::read_dir(dir.path().join("out")).unwrap().map(|f| f.unwrap().file_name()).collect();
        assert_eq!(files, ["1-1.abc@x.example.eml"]);
    }
}
