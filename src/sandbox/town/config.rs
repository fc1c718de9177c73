//! The `bot.toml` of a town: real servers on this machine, and waits short enough to watch.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::desk::Dialect;
use super::{Account, HARBOUR, MAIL_SERVER, NORDLICHT, SUPPORT};

/// Where everything is that the bridge talks to.
pub(super) struct Servers {
    pub(super) telegram_url: String,
    pub(super) telegram_token: String,
    pub(super) admin_chat: i64,
    pub(super) dialect: Dialect,
    pub(super) desk_url: String,
    pub(super) maildir: PathBuf,
    pub(super) outbox: PathBuf,
    pub(super) http: SocketAddr,
    pub(super) panel_url: Option<String>,
}

/// Waits of minutes become seconds, and nothing else differs from a real installation. `settle` must outlast
/// a call that the desk still works on, which here takes microseconds.
const TIMING: &str = r#"
[timing]
album_quiet = "300ms"
album_most = "2s"
short_first_wait = "3s"
burst = "400ms"
edit_gather = "1s"
settle = "2s"
retry_min = "200ms"
retry_max = "2s"
held_lane = "20s"
telegram_unknown_again = "1s"
smtp_unknown_again = "3s"
status_fresh = "1s"
poll_hot = "300ms"
poll_warm = "1s"
poll_cold = "3s"
files_recheck = ["1s", "3s", "10s"]
imap_poll = "1s"
telegram_poll = "20s"
stop_within = "5s"
"#;

impl Servers {
    /// Writes the file, and beside it one for each secret. Returns the file's path.
    pub(super) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        write_private(&folder.join("telegram-token"), &self.telegram_token)?;
        for account in [HARBOUR, NORDLICHT] {
            write_private(&folder.join(key_file(account)), account.key)?;
        }
        let file = folder.join("bot.toml");
        write_private(&file, &self.text())?;
        Ok(file)
    }

    fn text(&self) -> String {
        let mut text = String::from("state_dir = \"state\"\nlanguage = \"en\"\n");
        if let Some(panel_url) = &self.panel_url {
            line(&mut text, format_args!("panel_url = {panel_url:?}"));
        }
        line(&mut text, format_args!("\n[http]\nlisten = \"{}\"", self.http));
        line(
            &mut text,
            format_args!(
                "\n[telegram]\ntoken = {{ file = \"telegram-token\" }}\napi_url = {:?}\nadmin_chat = {}",
                self.telegram_url, self.admin_chat
            ),
        );
        // The desk of a town mails nobody, so the bridge confirms mails itself; it is near and quick.
        line(
            &mut text,
            format_args!(
                "\n[[ticket_api]]\nname = \"desk\"\nbase_url = {:?}\ndesk_mails_customers = false\n\
                 max_calls_per_second = 100\n{}",
                self.desk_url,
                self.of_dialect()
            ),
        );
        for (account, emails) in [(HARBOUR, "*@harbour.example"), (NORDLICHT, "*@nordlicht.example")] {
            line(
                &mut text,
                format_args!(
                    "\n[[account]]\nname = {:?}\nticket_api = \"desk\"\nid = \"{}\"\n\
                     key = {{ file = {:?} }}\nemails = [{emails:?}]",
                    account.name,
                    account.id,
                    key_file(account)
                ),
            );
        }
        line(
            &mut text,
            format_args!(
                "\n[[mailbox]]\nname = \"support\"\nmaildir = {:?}\noutbox_dir = {:?}\nfrom = {SUPPORT:?}\n\
                 authserv_id = [{MAIL_SERVER:?}]",
                self.maildir.display().to_string(),
                self.outbox.display().to_string()
            ),
        );
        text + TIMING
    }

    /// The keys that only this ticket API knows.
    fn of_dialect(&self) -> String {
        match self.dialect {
            Dialect::Paradarum => "kind = \"paradarum\"".to_owned(),
            Dialect::I3d => "kind = \"i3d\"".to_owned(),
            Dialect::Whmcs => "kind = \"whmcs\"".to_owned(),
            Dialect::Keliweb => "kind = \"whmcs\"\nprofile = \"keliweb\"".to_owned(),
            Dialect::Hostup => "kind = \"hostup\"".to_owned(),
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}"); // a String takes every write
}

fn key_file(account: Account) -> String {
    format!("{}-key", account.name)
}

/// Only its owner reads it: it names secrets or is one.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_toml_and_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let servers = Servers {
            telegram_url: "http://127.0.0.1:1".to_owned(),
            telegram_token: "7:secret".to_owned(),
            admin_chat: -1001,
            dialect: Dialect::Paradarum,
            desk_url: "http://127.0.0.1:2".to_owned(),
            maildir: PathBuf::from("/tmp/mail \"dir\""),
            outbox: PathBuf::from("/tmp/out"),
            http: SocketAddr::from(([127, 0, 0, 1], 3)),
            panel_url: Some("http://127.0.0.1:8788/#ticket-{id}".to_owned()),
        };
        let text = std::fs::read_to_string(servers.write(folder.path()).unwrap()).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["mailbox"][0]["maildir"].as_str(), Some("/tmp/mail \"dir\""));
        assert!(!text.contains("7:secret") && !text.contains(HARBOUR.key), "{text}");
    }
}
