//! A damaged store: the real bridge stops before it touches anything, and both ways on are walked to their end.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::process::Command;

use ticket_bridge::sandbox::{
    desk::TicketId,
    faults::Fault,
    telegram::SentMessage,
    town::{HARBOUR, INVOICE_PDF, NORDLICHT, Town, TownPlan},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that customers wrote before the damage; each word stands in one message only.
const BY_MAIL: [&str; 3] = ["mail-before", "reply-by-mail", "mail-after"];
const BY_CHAT: [&str; 3] = ["chat-before", "chat-after", "chat-unconfirmed"];
/// What staff wrote, and the customers have.
const ANSWERS_BY_MAIL: [&str; 2] = ["answer-by-mail", "late-answer-by-mail"];
/// What staff wrote while the bridge was dead.
const MISSED_BY_MAIL: &str = "missed-answer-by-mail";
const MISSED_BY_CHAT: &str = "missed-answer-by-chat";
const ANSWERS_BY_CHAT: [&str; 2] = ["answer-by-chat", "late-answer-by-chat"];

/// A town in which much was said, and whose bridge was killed; a backup is of the middle of it.
struct Seen {
    town: Town,
    backup: PathBuf,
    /// What stood in Mara's chat and in the outbox then.
    chat: Vec<SentMessage>,
    sent: Vec<Vec<u8>>,
}

impl Seen {
    async fn much() -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
        let town = Town::build(TownPlan::new(program)).await.unwrap();
        town.start_bridge().await.unwrap();
        let backup = town.folder.path().join("backup.jsonl");
        let mut seen = Self { town, backup, chat: Vec::new(), sent: Vec::new() };
        seen.links_mara().await;
        seen.town.mara.says("The terminal is down: chat-before.");
        let chat = seen.filed("chat-before").await;
        seen.mail("The invoice", "mail-before").await;
        let mail = seen.filed("mail-before").await;
        seen.staff(chat, "answer-by-chat").await;
        let answer = seen.staff(mail, "answer-by-mail").await;
        let backup = seen.backup.display().to_string();
        seen.town.bridge.says(&["store", "backup", &backup]).await.unwrap();

        let jonas = &seen.town.jonas;
        jonas.sends(jonas.answer(&answer.unwrap(), "Thanks: reply-by-mail.")).await.unwrap();
        assert_eq!(seen.filed("reply-by-mail").await, mail);
        seen.mail("Another invoice", "mail-after").await;
        seen.filed("mail-after").await;
        seen.town.mara.says("Still down: chat-after.");
        assert_eq!(seen.filed("chat-after").await, chat);
        seen.staff(chat, "late-answer-by-chat").await;
        seen.staff(mail, "late-answer-by-mail").await;
        // Telegram never learns that this one was taken.
        for _ in 0..1000 {
            seen.town.telegram.faults().next("getUpdates", Fault::Status(500));
        }
        seen.town.mara.says("Up again: chat-unconfirmed.");
        assert_eq!(seen.filed("chat-unconfirmed").await, chat);
        seen.rests().await;
        seen.town.bridge.kill();
        seen.town.telegram.faults().stop();
        seen.town.desk.staff_replies(chat, &says(MISSED_BY_CHAT)).unwrap();
        seen.town.desk.staff_replies(mail, &says(MISSED_BY_MAIL)).unwrap();
        assert!(seen.town.telegram.pending_updates() > 0);
        seen.chat = seen.town.telegram.messages_in(seen.town.mara.chat_id());
        seen.sent = seen.town.post.sent().unwrap();
        seen
    }

    async fn links_mara(&self) {
        let code = self.town.link_code(HARBOUR).await.unwrap();
        let mara = &self.town.mara;
        mara.presses_start(&code);
        let asks = |message: &SentMessage| message.button("Yes").is_some();
        let question = self.town.telegram.wait_for(mara.chat_id(), asks, PATIENCE).await.unwrap();
        mara.presses(question.message_id, "Yes").unwrap();
        let linked = |message: &SentMessage| {
            message.message_id >= question.message_id && message.buttons.is_empty() && message.from_bot
        };
        self.town.telegram.wait_for(mara.chat_id(), linked, PATIENCE).await.unwrap();
    }

    async fn mail(&self, subject: &str, word: &str) {
        let jonas = &self.town.jonas;
        let letter = jonas.letter(subject, &format!("Please look at {word}."));
        jonas.sends(letter.attach("invoice.pdf", "application/pdf", INVOICE_PDF)).await.unwrap();
    }

    /// The ticket that holds a word.
    async fn filed(&self, word: &str) -> TicketId {
        let found = self.town.desk.wait_for(|desk| desk.find_text(word).first().copied(), PATIENCE).await;
        found.unwrap_or_else(|_| panic!("{word} was not filed: {}", self.town.bridge.last_words())).0
    }

    /// Staff write; returns the mail that it became, if it did.
    async fn staff(&self, ticket: TicketId, word: &str) -> Option<Vec<u8>> {
        self.town.desk.staff_replies(ticket, &says(word)).unwrap();
        if word.contains("chat") {
            let has = |message: &SentMessage| message.words().contains(&says(word));
            self.town.telegram.wait_for(self.town.mara.chat_id(), has, PATIENCE).await.unwrap();
            return None;
        }
        let has = |raw: &[u8]| String::from_utf8_lossy(raw).contains(word);
        Some(self.town.post.wait_for_mail(has, PATIENCE).await.unwrap())
    }

    /// Waits until nothing is in hand.
    async fn rests(&self) {
        let waiting = async {
            loop {
                let queue = self.town.bridge.says(&["queue", "list", "--json"]).await.unwrap();
                let queue: Value = serde_json::from_str(&queue).unwrap();
                if queue["live"] == 0 {
                    assert_eq!((&queue["parked"], &queue["dead"]), (&0.into(), &0.into()), "{queue}");
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the queue drains");
    }

    fn database(&self) -> PathBuf {
        self.town.folder.path().join("state/db")
    }

    /// `run` ends at once, says what to do, and nobody was called.
    async fn refuses(&self) {
        let calls =
            || (self.town.telegram.calls().len(), self.town.telegram.polls(), self.town.desk.calls().len());
        let before = calls();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ticket-bridge"));
        command.arg("run").arg("-c").arg(self.town.folder.path().join("bot.toml"));
        let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let ended = tokio::time::timeout(PATIENCE, running).await.expect("it does not run").unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("is damaged: ") && said.contains("may be missing"), "{said}");
        let hints: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
        assert_eq!(hints, ["ticket-bridge store restore FILE", "ticket-bridge run --after-loss"]);
        assert_eq!(calls(), before);
        assert!(self.town.post.sent().unwrap() == self.sent);
        assert!(fs::read_dir(self.town.post.maildir().join("new")).unwrap().next().is_none());
    }

    /// What staff wrote in the meantime comes after all.
    async fn has_what_was_missed_by_mail(&self) {
        let has = |raw: &[u8]| String::from_utf8_lossy(raw).contains(&says(MISSED_BY_MAIL));
        let sent = self.town.post.wait_for_mail(has, PATIENCE).await;
        assert!(sent.is_ok(), "never sent: {}", self.town.bridge.last_words());
    }

    async fn has_what_was_missed_by_chat(&self) {
        let has = |message: &SentMessage| message.words().contains(&says(MISSED_BY_CHAT));
        let sent = self.town.telegram.wait_for(self.town.mara.chat_id(), has, PATIENCE).await;
        assert!(sent.is_some(), "never sent: {}", self.town.bridge.last_words());
    }

    /// The admins were told so often.
    fn told_admins(&self, words: &str) -> usize {
        let group = self.town.telegram.messages_in(self.town.group.id());
        group.iter().filter(|message| message.words().contains(words)).count()
    }

    /// The mails of a day were read again, and the desk was looked at.
    async fn has_looked_at_everything(&self) {
        self.mail("A third invoice", "mail-at-last").await;
        self.filed("mail-at-last").await;
        let lists = || self.town.desk.calls().iter().filter(|call| call.name == "list").count();
        let before = lists();
        self.town.desk.wait_for(|_| (lists() >= before + 6).then_some(()), PATIENCE).await.unwrap();
        self.rests().await;
    }

    fn filed_once(&self, words: &[&str]) {
        for word in words {
            assert_eq!(self.town.desk.find_text(word).len(), 1, "{word} at the desk");
        }
        for ticket in self.town.desk.tickets(NORDLICHT.id) {
            assert_eq!(ticket.attachments.len(), 1, "the file of {}", ticket.subject);
        }
        assert_eq!(self.town.desk.violations(), [""; 0]);
    }

    fn sent_once(&self) {
        let chat = self.town.telegram.messages_in(self.town.mara.chat_id());
        for word in ANSWERS_BY_CHAT {
            let times = chat.iter().filter(|message| message.words().contains(&says(word))).count();
            assert_eq!(times, 1, "{word} in Mara's chat");
        }
        let sent = self.town.post.sent().unwrap();
        // Nothing but the receipt of the last mail and the missed answer came after the damage.
        let after = sent.get(self.sent.len()..).unwrap_or_default();
        assert_eq!(
            after.len(),
            2,
            "{:?}",
            after.iter().map(|raw| String::from_utf8_lossy(raw)).collect::<Vec<_>>()
        );
        for word in ANSWERS_BY_MAIL.into_iter().chain([MISSED_BY_MAIL]) {
            let has = |raw: &&Vec<u8>| String::from_utf8_lossy(raw).contains(&says(word));
            assert_eq!(sent.iter().filter(has).count(), 1, "{word} in the outbox");
        }
    }
}

/// A staff answer, which is no part of another one.
fn says(word: &str) -> String {
    format!("We say {word}.")
}

fn cut_by_half(database: &Path) {
    let file = OpenOptions::new().write(true).open(database.join("db")).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
}

fn empty(database: &Path) {
    fs::remove_dir_all(database).unwrap();
    fs::create_dir(database).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_what_is_seen_again_is_filed_once_and_nothing_old_is_sent() {
    let seen = Seen::much().await;
    cut_by_half(&seen.database());
    seen.refuses().await;
    let backup = seen.backup.display().to_string();
    seen.town.bridge.says(&["store", "restore", &backup]).await.unwrap();
    seen.town.start_bridge().await.unwrap();
    seen.has_what_was_missed_by_mail().await;
    seen.has_what_was_missed_by_chat().await;
    seen.has_looked_at_everything().await;
    seen.filed_once(&BY_MAIL);
    seen.filed_once(&BY_CHAT);
    assert_eq!(seen.town.desk.tickets(HARBOUR.id).len(), 1);
    assert_eq!(seen.town.desk.tickets(NORDLICHT.id).len(), 3);
    seen.sent_once();
    let chat = seen.town.telegram.messages_in(seen.town.mara.chat_id());
    assert_eq!(chat.len(), seen.chat.len() + 1, "{:?}", chat.last());
    assert_eq!(seen.told_admins("was put back"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_loss_what_is_seen_again_is_filed_once_and_nothing_old_is_sent() {
    let seen = Seen::much().await;
    empty(&seen.database());
    seen.refuses().await;
    seen.town.start_bridge_with(&["--after-loss"]).await.unwrap();
    seen.links_mara().await;
    seen.has_what_was_missed_by_mail().await;
    seen.has_looked_at_everything().await;
    seen.filed_once(&BY_MAIL);
    seen.filed_once(&BY_CHAT);
    assert_eq!(seen.town.desk.tickets(NORDLICHT.id).len(), 3);
    seen.sent_once();
    seen.town.bridge.kill();
    seen.town.start_bridge().await.unwrap();
    seen.mail("One more", "mail-after-all").await;
    seen.filed("mail-after-all").await;
    seen.rests().await;
    assert_eq!(seen.told_admins("goes on after a loss"), 1, "once, however often it starts");
}
