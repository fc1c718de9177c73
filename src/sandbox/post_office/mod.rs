//! A post office of two folders: a Maildir that mail is delivered into, an outbox that sent mail appears in.

mod mail;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

pub use mail::{CustomerMail, MailError, Verdict, mail};

/// The two folders; several handles on the same folders do not disturb each other.
#[derive(Clone, Debug)]
pub struct PostOffice {
    maildir: PathBuf,
    outbox: PathBuf,
}

/// Why a mail was not seen.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the outbox cannot be read")]
    Read(#[from] io::Error),
    #[error("the outbox cannot be watched")]
    Watch(#[from] notify::Error),
    #[error("no such mail was sent within {0:?}")]
    Elapsed(Duration),
}

/// Makes Maildir names unique within this process.
static DELIVERIES: AtomicU64 = AtomicU64::new(0);

// === impl PostOffice ===

impl PostOffice {
    /// Creates `maildir/{tmp,new,cur}` and `outbox` below `folder` where they are missing.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let (maildir, outbox) = (folder.join("maildir"), folder.join("outbox"));
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(maildir.join(part))?;
        }
        fs::create_dir_all(&outbox)?;
        Ok(Self { maildir, outbox })
    }

    /// The Maildir that the bridge reads.
    pub fn maildir(&self) -> &Path {
        &self.maildir
    }

    /// The folder that the bridge puts each sent mail into, as one file.
    pub fn outbox(&self) -> &Path {
        &self.outbox
    }

    /// Delivers a mail as a mail server does (<https://cr.yp.to/proto/maildir.html>): written and synced in
    /// `tmp/`, then renamed into `new/`. The bytes are kept as they are. Returns where the mail lies.
    pub async fn deliver(&self, raw: &[u8]) -> io::Result<PathBuf> {
        let name = unique_name();
        let (written, delivered) =
            (self.maildir.join("tmp").join(&name), self.maildir.join("new").join(&name));
        let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(&written).await?;
        file.write_all(raw).await?;
        file.sync_all().await?;
        tokio::fs::rename(&written, &delivered).await?;
        tokio::fs::File::open(self.maildir.join("new")).await?.sync_all().await?;
        Ok(delivered)
    }

    /// Every mail in the outbox, oldest first. Files whose name begins with a dot or ends in `.tmp` are still
    /// being written.
    pub fn sent(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.outbox)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let meta = match entry.metadata() {
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if meta.is_file() && !name.starts_with('.') && !name.ends_with(".tmp") {
                found.push((meta.modified()?, name, entry.path()));
            }
        }
        found.sort();
        found.into_iter().map(|(_, _, path)| fs::read(path)).collect()
    }

    /// Waits for a mail in the outbox that `wanted` says yes to; one that is there already counts.
    pub async fn wait_for_mail(
        &self,
        mut wanted: impl FnMut(&[u8]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<u8>, PostError> {
        let (bell, mut rung) = watch::channel(());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_a_change(event.kind)) {
                bell.send_replace(());
            }
        })?;
        watcher.watch(&self.outbox, RecursiveMode::NonRecursive)?;
        let looking = async {
            loop {
                rung.mark_unchanged();
                if let Some(mail) = self.sent()?.into_iter().find(|mail| wanted(mail)) {
                    return Ok(mail);
                }
                // The bell goes with the watcher, which outlives this loop.
                if rung.changed().await.is_err() {
                    return Err(PostError::Elapsed(timeout));
                }
            }
        };
        tokio::time::timeout(timeout, looking).await.unwrap_or(Err(PostError::Elapsed(timeout)))
    }
}

/// Our own reading is an event, too; heeding it would be looking for ever.
fn is_a_change(kind: EventKind) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    kind == written || kind.is_create() || kind.is_modify()
}

fn unique_name() -> String {
    let now = Timestamp::now();
    let number = DELIVERIES.fetch_add(1, Ordering::Relaxed);
    let (seconds, micros) = (now.as_second(), now.subsec_microsecond());
    format!("{seconds}.M{micros:06}P{}Q{number}.sandbox", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_delivered_mail_lies_whole_in_new() {
        let folder = tempfile::tempdir().unwrap();
        let post = PostOffice::open(folder.path()).unwrap();
        let first = post.deliver(b"From: a\r\n\r\none").await.unwrap();
        let second = post.deliver(b"two").await.unwrap();
        assert_ne!(first, second);
        assert_eq!(first.parent().unwrap(), folder.path().join("maildir/new"));
        assert_eq!(fs::read(first).unwrap(), b"From: a\r\n\r\none");
        assert_eq!(fs::read_dir(post.maildir().join("tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_mail_that_is_sent_while_waiting_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let post = PostOffice::open(folder.path()).unwrap();
        fs::write(post.outbox().join("1.eml"), "Subject: other").unwrap();
        fs::write(post.outbox().join(".2.eml"), "Subject: wanted, half").unwrap();
        let (looked, has_looked) = tokio::sync::oneshot::channel();
        let mut looked = Some(looked);
        let waiting = post.wait_for_mail(
            |mail| {
                looked.take().map(|looked| looked.send(()));
                mail.starts_with(b"Subject: wanted")
            },
            PATIENCE,
        );
        let sending = async {
            has_looked.await.unwrap();
            fs::write(post.outbox().join(".2.eml"), "Subject: wanted, whole").unwrap();
            fs::rename(post.outbox().join(".2.eml"), post.outbox().join("2.eml")).unwrap();
        };
        let (mail, ()) = tokio::join!(waiting, sending);
        assert_eq!(mail.unwrap(), b"Subject: wanted, whole");
        assert_eq!(post.sent().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn waiting_in_vain_ends() {
        let folder = tempfile::tempdir().unwrap();
        let post = PostOffice::open(folder.path()).unwrap();
        fs::write(post.outbox().join("1.eml"), "x").unwrap();
        let mut looks = 0;
        let waited = post.wait_for_mail(
            |_| {
                looks += 1;
                false
            },
            Duration::from_millis(100),
        );
        assert!(matches!(waited.await, Err(PostError::Elapsed(_))));
        assert!(looks < 10, "its own reading wakes it: {looks}");
    }
}
