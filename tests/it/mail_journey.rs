//! A mail's whole way through the real program, over a real Dovecot and a real Postfix, to the desk and back.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use ticket_bridge::sandbox::{
    bridge_process::BridgeProcess,
    desk::{DeskOptions, DeskStandIn},
};

use crate::{
    dovecot::{Dovecot, PASSWORD, PATIENCE},
    postfix::Postfix,
};

const KEY: &str = "pdm_Q7m4x!Rt2vZk9sWd3hLp6nBy8cFg";

struct Town {
    bridge: BridgeProcess,
    desk: DeskStandIn,
    dovecot: Dovecot,
    _postfix: Postfix,
    _folder: TempDir,
}

impl Town {
    async fn new() -> Self {
        let (folder, dovecot) = (tempfile::tempdir().unwrap(), Dovecot::start());
        let postfix = Postfix::start(&dovecot);
        let desk = DeskStandIn::start(DeskOptions::default()).await.unwrap();
        desk.add_account(123, KEY);
        fs::write(folder.path().join("key"), KEY).unwrap();
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let config = folder.path().join("bot.toml");
        fs::write(&config, bot_toml(&desk, &dovecot, &postfix)).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
        let bridge = BridgeProcess::new(program, config, folder.path().join("bridge.log"));
        Self { bridge, desk, dovecot, _postfix: postfix, _folder: folder }
    }

    /// The mailbox's first look is over: what comes from now on counts.
    async fn starts(&self) {
        let watched = || {
            let log = fs::read_to_string(self.bridge.log()).unwrap_or_default();
            log.matches("The mailbox is watched").count()
        };
        let before = watched();
        self.bridge.start().unwrap();
        self.until("the mailbox is watched", || watched() > before).await;
    }

    async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.bridge.last_words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The customer writes to support.
    fn sends(&self, mail: &str) {
        self.dovecot.deliver_from("customer@desk.example", "support", mail);
    }

    /// What the customer's mailbox holds.
    fn customer_has(&self) -> Vec<String> {
        let new = self.dovecot.maildir("customer").join("new");
        let entries = fs::read_dir(new).into_iter().flatten().flatten();
        entries.map(|entry| String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned()).collect()
    }
}

fn bot_toml(desk: &DeskStandIn, dovecot: &Dovecot, postfix: &Postfix) -> String {
    let ca = dovecot.ca_file();
    format!(
        r#"
state_dir = "state"
ca_file = {ca:?}

[[ticket_api]]
name = "paradarum"
kind = "paradarum"
base_url = "{desk}"
key = {{ file = "key" }}
poll = "500ms"

[[account]]
name = "acme"
ticket_api = "paradarum"
id = "123"

[[mailbox]]
name = "support"
account = "acme"
imap = {{ host = "127.0.0.1", port = {imaps}, tls = "implicit", user = "support", password = {{ file = "password" }} }}
smtp = {{ host = "127.0.0.1", port = {smtp}, tls = "starttls", user = "support", password = {{ file = "password" }} }}
from = "Example Support <support@desk.example>"
authserv_id = "mx.desk.example"
"#,
        desk = desk.base_url(),
        imaps = dovecot.imaps,
        smtp = postfix.port,
    )
}

fn mail(id: &str, subject: &str, more: &str, text: &str) -> String {
    format!(
        "From: Carla <customer@desk.example>\r\nTo: support@desk.example\r\nSubject: {subject}\r\n\
         Message-ID: <{id}@desk.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n{more}\r\n{text}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_becomes_a_ticket_and_the_answers_stay_in_its_thread() {
    let town = Town::new().await;
    town.sends(&mail("old", "From before", "", "nobody was told to look at this"));
    town.starts().await;
    let text = "The printer on floor 3 prints only stars.";
    town.sends(&mail("first", "Printer", "", text));
    town.until("the ticket", || !town.desk.find_text(text).is_empty()).await;
    let [ticket] = &town.desk.tickets(123)[..] else { panic!("{:#?}", town.desk.tickets(123)) };
    assert_eq!(ticket.subject, "Printer");
    assert!(ticket.description.contains("customer@desk.example"), "{}", ticket.description);

    town.desk.staff_replies(ticket.id, "Please switch it off and on again.").unwrap();
    town.until("the answer by mail", || !town.customer_has().is_empty()).await;
    let answer = town.customer_has().remove(0);
    assert!(answer.contains("Please switch it off and on again."), "{answer}");
    assert!(answer.contains("In-Reply-To: <first@desk.example>"), "{answer}");
    let id = answer.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();

    town.bridge.kill();
    town.starts().await;
    let reply = format!("In-Reply-To: {id}\r\nReferences: <first@desk.example> {id}\r\n");
    town.sends(&mail("second", "Re: Printer", &reply, "That helped, thank you!"));
    town.until("the reply", || !town.desk.find_text("That helped, thank you!").is_empty()).await;
    assert_eq!(town.desk.tickets(123).len(), 1, "the reply joined its ticket");
    assert_eq!(town.desk.find_text(text).len(), 1);
    assert!(town.desk.find_text("nobody was told").is_empty(), "mail from before is left alone");
    assert_eq!(town.customer_has().len(), 1, "the answer was sent once");
    assert_eq!(town.desk.violations(), Vec::<String>::new());
}
