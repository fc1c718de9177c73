//! A customer's mail program: writes, answers, and shows what was written and received, by conversation.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use mail_parser::{Address, HeaderValue, MessageParser, MimeHeaders};

use crate::sandbox::post_office::{CustomerMail, MailError, PostOffice, Verdict, mail};

/// A customer with a mail program.
#[derive(Clone, Debug)]
pub struct Penpal {
    post: PostOffice,
    address: String,
    support: String,
    mail_server: String,
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    #[error("the mail cannot be written")]
    Write(#[from] MailError),
    #[error("the mail cannot be delivered")]
    Deliver(#[from] io::Error),
}

/// A file beside a mail's text.
#[derive(Clone, Debug)]
pub struct LetterFile {
    pub name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// A mail as its reader sees it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Stable as long as the mail lies there.
    pub id: usize,
    /// Written by the customer, not to him.
    pub own: bool,
    pub from: String,
    pub to: String,
    pub subject: String,
    pub message_id: String,
    /// All that In-Reply-To and References name.
    pub references: Vec<String>,
    pub text: String,
    pub html: Option<String>,
    pub files: Vec<LetterFile>,
    pub raw: Vec<u8>,
    pub at: Timestamp,
}

/// All mails of a post office, each read once.
#[derive(Debug)]
pub struct Letters {
    post: PostOffice,
    read: Mutex<HashMap<String, Arc<Letter>>>,
}

// === impl Penpal ===

impl Penpal {
    /// Writes from this address to support's, whose server is known by that name.
    pub fn new(post: PostOffice, address: &str, support: &str, mail_server: &str) -> Self {
        let [address, support, mail_server] = [address, support, mail_server].map(str::to_owned);
        Self { post, address, support, mail_server }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// A mail in the making, from this customer to support.
    pub fn letter(&self, subject: &str, text: &str) -> CustomerMail {
        mail().from(&self.address).to(&self.support).subject(subject).text(text)
    }

    /// The same as an answer to a mail (its raw bytes), quoted below as mail programs do.
    pub fn answer(&self, answered: &[u8], text: &str) -> CustomerMail {
        mail().from(&self.address).text(text).in_reply_to(answered).quoting(answered)
    }

    /// Sends it: the receiving server finds the sender genuine and delivers. Returns the raw mail.
    pub async fn sends(&self, letter: CustomerMail) -> Result<Vec<u8>, LetterError> {
        let raw = letter.authenticated_by(&self.mail_server, Verdict::Pass).build()?;
        self.post.deliver(&raw).await?;
        Ok(raw)
    }

    /// Puts it into the mailbox without the care for its survival that [`sends`](Self::sends) takes: for the
    /// thousand mails that were there before anybody looked.
    pub fn leaves_in_mailbox(&self, letter: CustomerMail) -> Result<(), LetterError> {
        let raw = letter.authenticated_by(&self.mail_server, Verdict::Pass).build()?;
        let name = format!("{:016x}.old", rand::random::<u64>());
        Ok(fs::write(self.post.maildir().join("new").join(name), raw)?)
    }
}

// === impl Letters ===

impl Letters {
    pub fn new(post: PostOffice) -> Self {
        Self { post, read: Mutex::default() }
    }

    /// Every mail, oldest first. One that cannot be read as a mail is left out.
    pub fn all(&self) -> io::Result<Vec<Arc<Letter>>> {
        let maildir = self.post.maildir();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for (folder, own) in
            [(maildir.join("new"), true), (maildir.join("cur"), true), (self.post.outbox().to_owned(), false)]
        {
            for (name, path, at) in files_in(&folder)? {
                let key = format!("{own} {name}");
                if read.contains_key(&key) {
                    continue;
                }
                // It may be renamed between the two looks; the next one finds it.
                let Ok(raw) = fs::read(&path) else { continue };
                if let Some(letter) = Letter::parse(read.len(), own, raw, at) {
                    read.insert(key, Arc::new(letter));
                }
            }
        }
        let mut letters: Vec<_> = read.values().cloned().collect();
        letters.sort_by_key(|letter| (letter.at, letter.id));
        Ok(letters)
    }

    /// The letter of that number, if it was seen already.
    pub fn get(&self, id: usize) -> Option<Arc<Letter>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.values().find(|letter| letter.id == id).cloned()
    }
}

/// Letters by conversation, the one with the newest mail first: each names the one before it.
pub fn threads(letters: &[Arc<Letter>]) -> Vec<Vec<Arc<Letter>>> {
    let mut threads: Vec<Vec<Arc<Letter>>> = Vec::new();
    for letter in letters {
        let belongs = |thread: &&mut Vec<Arc<Letter>>| {
            thread.iter().any(|earlier| letter.references.contains(&earlier.message_id))
        };
        match threads.iter_mut().find(belongs) {
            Some(thread) => thread.push(letter.clone()),
            None => threads.push(vec![letter.clone()]),
        }
    }
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.last().map(|letter| (letter.at, letter.id))));
    threads
}

// === impl Letter ===

impl Letter {
    fn parse(id: usize, own: bool, raw: Vec<u8>, at: Timestamp) -> Option<Self> {
        let mail = MessageParser::default().parse(&raw)?;
        let html = mail.html_bodies().any(|part| part.is_text_html()).then(|| mail.body_html(0)).flatten();
        let files = mail.attachments().map(|part| LetterFile {
            name: part.attachment_name().unwrap_or("attachment").to_owned(),
            content_type: part.content_type().map_or_else(
                || "application/octet-stream".to_owned(),
                |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")),
            ),
            bytes: part.contents().to_vec(),
        });
        let mut references = ids(mail.references());
        references.extend(ids(mail.in_reply_to()));
        Some(Self {
            id,
            own,
            from: shown(mail.from()),
            to: shown(mail.to()),
            subject: mail.subject().unwrap_or_default().to_owned(),
            message_id: mail.message_id().unwrap_or_default().to_owned(),
            references,
            text: mail.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
            html: html.map(|html| html.into_owned()),
            files: files.collect(),
            at,
            raw: raw.clone(),
        })
    }
}

fn shown(address: Option<&Address<'_>>) -> String {
    let first = address.and_then(Address::first);
    let shown = first.and_then(|first| first.name().or_else(|| first.address()));
    shown.unwrap_or_default().to_owned()
}

fn ids(header: &HeaderValue<'_>) -> Vec<String> {
    match header {
        HeaderValue::Text(id) => vec![id.to_string()],
        HeaderValue::TextList(ids) => ids.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Name without Maildir's flags, path and time of writing of each whole file.
fn files_in(folder: &Path) -> io::Result<Vec<(String, PathBuf, Timestamp)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(meta) = entry.metadata() else { continue };
        if !meta.is_file() || name.starts_with('.') || name.ends_with(".tmp") {
            continue;
        }
        let at = Timestamp::try_from(meta.modified()?).unwrap_or_default();
        let bare = name.split(':').next().unwrap_or_default().to_owned();
        found.push((bare, entry.path(), at));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_conversation_is_one_thread_whatever_folder_its_mails_lie_in() {
        let folder = tempfile::tempdir().unwrap();
        let post = PostOffice::open(folder.path()).unwrap();
        let jonas = Penpal::new(post.clone(), "Jonas <j@n.example>", "s@example.com", "mx.example.com");
        let letters = Letters::new(post.clone());
        let question =
            jonas.letter("Wrong VAT", "See the file.").attach("a.pdf", "application/pdf", *b"%PDF");
        let question = jonas.sends(question).await.unwrap();
        let reply = mail().from("Support <s@example.com>").in_reply_to(&question).text("Sent anew.");
        fs::write(post.outbox().join("1.eml"), reply.html("<p>Sent anew.</p>").build().unwrap()).unwrap();
        let first = letters.all().unwrap();
        assert_eq!(first.iter().map(|letter| letter.own).collect::<Vec<_>>(), [true, false]);

        let new = fs::read_dir(post.maildir().join("new")).unwrap().next().unwrap().unwrap();
        let read = format!("cur/{}:2,S", new.file_name().to_string_lossy());
        fs::rename(new.path(), post.maildir().join(read)).unwrap();
        jonas.sends(jonas.letter("Another", "matter")).await.unwrap();
        let threads = threads(&letters.all().unwrap());
        let subjects: Vec<Vec<_>> = threads
            .iter()
            .map(|thread| thread.iter().map(|letter| letter.subject.clone()).collect())
            .collect();
        assert_eq!(subjects, [vec!["Another"], vec!["Wrong VAT", "Re: Wrong VAT"]]);
        let question = letters.get(first[0].id).unwrap();
        assert_eq!((question.files[0].name.as_str(), question.html.is_some()), ("a.pdf", false));
        assert_eq!(letters.get(first[1].id).unwrap().html.as_deref(), Some("<p>Sent anew.</p>"));
    }
}
