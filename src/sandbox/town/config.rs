//! The `bot.toml` of a town: real servers on this machine, and waits short enough to watch.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::desk::DeskStandIn;
use super::super::post_office::PostOffice;
use super::super::private_file;
use super::super::telegram::{Group, TelegramStandIn};
use super::{Account, MAIL_SERVER, SUPPORT};

/// Where everything is that the bridge talks to.
pub struct Servers {
    pub telegram: TelegramStandIn,
    /// Who gets the alerts.
    pub admins: Option<Group>,
    pub systems: Vec<TicketSystem>,
    pub post: PostOffice,
    pub http: SocketAddr,
    pub panel_url: Option<String>,
}

/// A desk as one of the bridge's ticket systems.
pub struct TicketSystem {
    pub name: &'static str,
    pub desk: DeskStandIn,
    pub accounts: Vec<Account>,
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
parked_create_wait = "3s"
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
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        private_file::write(&folder.join("telegram-token"), &self.telegram.token())?;
        let file = folder.join("bot.toml");
        private_file::write(&file, &self.text(folder)?)?;
        Ok(file)
    }

    fn text(&self, folder: &Path) -> io::Result<String> {
        let mut text = String::from("state_dir = \"state\"\nlanguage = \"en\"\n");
        if let Some(panel_url) = &self.panel_url {
            line(&mut text, format_args!("panel_url = {panel_url:?}"));
        }
        line(&mut text, format_args!("\n[http]\nlisten = \"{}\"", self.http));
        let telegram_url = self.telegram.base_url();
        line(
            &mut text,
            format_args!("\n[telegram]\ntoken = {{ file = \"telegram-token\" }}\napi_url = {telegram_url:?}"),
        );
        if let Some(admins) = &self.admins {
            line(&mut text, format_args!("admin_chat = {}", admins.id()));
        }
        for TicketSystem { name, desk, accounts } in &self.systems {
            // The desk of a town mails nobody, so the bridge confirms mails itself; it is near and quick.
            let system = desk.introduces_itself(name, folder)?;
            line(
                &mut text,
                format_args!("\n{system}desk_mails_customers = false\nmax_calls_per_second = 100"),
            );
            for Account { name: account, domain, id, .. } in accounts {
                let account = desk.introduces(*id, account, name, folder)?;
                line(&mut text, format_args!("\n{account}emails = [\"*@{domain}\"]"));
            }
        }
        line(
            &mut text,
            format_args!(
                "\n[[mailbox]]\nname = \"support\"\nmaildir = {:?}\noutbox_dir = {:?}\nfrom = {SUPPORT:?}\n\
                 authserv_id = [{MAIL_SERVER:?}]",
                self.post.maildir().display().to_string(),
                self.post.outbox().display().to_string()
            ),
        );
        Ok(text + TIMING)
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}"); // a String takes every write
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::desk::DeskOptions;
    use crate::sandbox::telegram::Options;
    use crate::sandbox::town::HARBOUR;

    #[tokio::test]
    async fn the_file_is_toml_and_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let desk = DeskStandIn::start(DeskOptions::default()).await.unwrap();
        desk.add_account(HARBOUR.id, HARBOUR.key);
        let telegram = TelegramStandIn::start(Options::default()).await.unwrap();
        let post = folder.path().join("mail \"dir\"");
        let servers = Servers {
            telegram: telegram.clone(),
            admins: None,
            systems: vec![TicketSystem { name: "desk", desk, accounts: vec![HARBOUR] }],
            post: PostOffice::open(&post).unwrap(),
            http: SocketAddr::from(([127, 0, 0, 1], 3)),
            panel_url: Some("http://127.0.0.1:8788/#ticket-{id}".to_owned()),
        };
        let text = std::fs::read_to_string(servers.write(folder.path()).unwrap()).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["mailbox"][0]["maildir"].as_str(), post.join("maildir").to_str());
        assert!(!text.contains(&telegram.token()) && !text.contains(HARBOUR.key), "{text}");
    }
}
