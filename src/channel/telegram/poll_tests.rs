//! Intake by polling and sends, against the stand-in of the Bot API server.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::{
    channel::{
        Channel, OutgoingFile, Parcel, Refusal, SendError, Sent,
        intake::{Begin, IntakeStopped, Request, Source},
        telegram::{Health, Rates, Settings, Telegram},
    },
    model::{
        formatted::Formatted,
        ids::{ChatId, ChatMessageId, UserId},
        inbound::What,
    },
    runtime::{byte_stream, clock::Clock, secret::Secret, tls},
    sandbox::{
        faults::Fault,
        telegram::{ChatKind, Options, Outcome, Person, Role, TelegramStandIn},
    },
    spool::Spool,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A bridge of ten lines: what it took in, and whether it takes anything in.
struct Bridge {
    requests: mpsc::Receiver<Request>,
    cursor: Option<Cursor>,
    taken: Vec<Inbound>,
}

struct Town {
    server: TelegramStandIn,
    bot: Telegram,
    intake: Intake,
    bridge: Bridge,
    shutdown: Shutdown,
    /// The spool's; it goes with the town.
    _folder: tempfile::TempDir,
}

impl Town {
    async fn new() -> Self {
        let server = TelegramStandIn::start(Options::default()).await.unwrap();
        let bot = bot(&server, &server.token());
        let folder = tempfile::tempdir().unwrap();
        let (intake, requests) = Intake::new(Spool::open(folder.path(), 1_000_000).unwrap(), 4);
        let bridge = Bridge { requests, cursor: None, taken: Vec::new() };
        Self { server, bot, intake, bridge, shutdown: Shutdown::new(), _folder: folder }
    }

    fn polls(&self) -> tokio::task::JoinHandle<()> {
        let (bot, intake, shutdown) = (self.bot.clone(), self.intake.clone(), self.shutdown.clone());
        tokio::spawn(async move { bot.poll(intake, shutdown).await })
    }

    fn confirmed(&self) -> Option<i64> {
        self.server.confirmed_offset()
    }

    async fn waits_until(&self, holds: impl Fn(&TelegramStandIn) -> bool) {
        let found = self.server.wait_until(|server| holds(server).then_some(()), PATIENCE).await;
        found.expect("it happens in time");
    }

    /// Waits until the bot tells of trouble with these words.
    async fn hears_trouble(&self, words: &str) {
        let mut health = self.bot.health();
        let told =
            health.wait_for(|health| matches!(health, Health::Trouble { what, .. } if what.contains(words)));
        tokio::time::timeout(PATIENCE, told).await.expect("it is told").unwrap();
    }
}

impl Bridge {
    async fn next(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.expect("a request comes").unwrap()
    }

    async fn begins(&mut self) -> Source {
        let Request::Begin { source, answer } = self.next().await else { panic!("begin comes first") };
        let _ = answer.send(Ok(Begin { cursor: self.cursor.clone(), reread: None }));
        source
    }

    /// Answers the next acceptance; the texts of its messages.
    async fn accepts(&mut self) -> Vec<String> {
        let Request::Accept { items, cursor, answer, .. } = self.next().await else { panic!("no accept") };
        let texts = items.iter().map(|item| item.message().map_or("-", |message| &message.text).to_owned());
        let texts = texts.collect();
        self.taken.extend(items);
        self.cursor = Some(cursor);
        let _ = answer.send(Ok(()));
        texts
    }

    async fn refuses(&mut self) {
        let Request::Accept { answer, .. } = self.next().await else { panic!("no accept") };
        let _ = answer.send(Err(IntakeStopped("the disk is full".to_owned())));
    }
}

fn bot(server: &TelegramStandIn, token: &str) -> Telegram {
    let mut settings = Settings::new(Secret::new(token), server.base_url());
    settings.long_poll = Duration::from_secs(2);
    settings.call_timeout = Duration::from_secs(5);
    settings.backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(20)).unwrap();
    settings.slow_retry = Duration::from_millis(50);
    settings.rates = Rates { chat_per_second: 1000, ..Rates::default() };
    let tls = tls::client_config(None).unwrap();
    Telegram::new(settings, &Arc::clone(&tls), Clock::real()).unwrap()
}

fn text(chat: i64, text: &str) -> Parcel {
    Parcel::Text {
        chat: ChatId(chat),
        topic: None,
        text: Formatted::plain(text),
        buttons: Vec::new(),
        reply_to: None,
    }
}

fn file(chat: &Person, name: &str, mime: &str, bytes: Vec<u8>) -> Parcel {
    let size = Some(bytes.len() as u64);
    let content = byte_stream::whole(bytes);
    let file = OutgoingFile { name: name.to_owned(), mime: mime.to_owned(), size, content };
    let chat = ChatId(chat.chat_id());
    Parcel::File { chat, topic: None, file, caption: "the file".to_owned(), reply_to: None }
}

#[tokio::test]
async fn an_update_is_confirmed_only_after_it_was_accepted() {
    let mut town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    anna.says("hello");
    let _poll = town.polls();
    let source = town.bridge.begins().await;
    assert_eq!(source, town.bot.source());
    town.bridge.refuses().await;
    town.bridge.refuses().await;
    assert_eq!(town.confirmed(), None);
    assert_eq!(town.server.pending_updates(), 1);
    town.hears_trouble("the disk is full").await;
    assert_eq!(town.bridge.accepts().await, ["hello"]);
    town.waits_until(|server| server.pending_updates() == 0).await;
    assert_eq!(town.confirmed(), Some(815_000_002));
    assert_eq!(town.bridge.cursor, Some(Cursor(r#"{"next":815000002}"#.to_owned())));
    assert!(matches!(*town.bot.health().borrow(), Health::Well { .. }));
}

#[tokio::test]
async fn it_goes_on_from_the_journals_cursor_also_when_numbers_are_lower_now() {
    let mut town = Town::new().await;
    town.bridge.cursor = Some(Confirmed { next: 815_000_900 }.cursor());
    let anna = town.server.person("Anna", "de");
    let _poll = town.polls();
    town.bridge.begins().await;
    anna.says("first");
    assert_eq!(town.bridge.accepts().await, ["first"]);
    town.waits_until(|server| server.pending_updates() == 0).await;
    town.server.jumps_to(40);
    anna.says("after a quiet week");
    assert_eq!(town.bridge.accepts().await, ["after a quiet week"]);
    town.waits_until(|server| server.pending_updates() == 0).await;
    assert_eq!(town.bridge.cursor, Some(Confirmed { next: 41 }.cursor()));
}

#[tokio::test]
async fn an_unknown_update_in_the_middle_costs_its_neighbours_nothing() {
    let mut town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    anna.says("before");
    let strange = json!({ "telepathy": { "chat": { "id": anna.chat_id() }, "thought": "?" } });
    let Value::Object(strange) = strange else { panic!() };
    town.server.pushes(strange);
    let Value::Object(hologram) = json!({ "hologram": { "size": 3 } }) else { panic!() };
    anna.sends_content(hologram);
    anna.says("after");
    let _poll = town.polls();
    town.bridge.begins().await;
    assert_eq!(town.bridge.accepts().await, ["before", "-", "", "after"]);
    town.waits_until(|server| server.pending_updates() == 0).await;
    let left_out = town.bridge.taken.get(2).and_then(Inbound::message).map(|message| &message.left_out);
    assert_eq!(left_out.map(|parts| parts[0].name.as_str()), Some("hologram"));
    assert!(matches!(&town.bridge.taken[1].what, What::Ignored { reason } if reason.contains("telepathy")));
}

#[tokio::test]
async fn a_second_reader_is_told_and_nothing_is_lost_when_it_stops() {
    let mut town = Town::new().await;
    town.server.faults().next("getUpdates", Fault::Status(409));
    town.server.faults().next("getUpdates", Fault::Status(409));
    let _poll = town.polls();
    town.bridge.begins().await;
    town.hears_trouble("another program reads this bot's updates").await;
    town.server.person("Anna", "de").says("hello");
    assert_eq!(town.bridge.accepts().await, ["hello"]);
}

#[tokio::test]
async fn a_webhook_left_behind_is_removed_without_dropping_updates() {
    let mut town = Town::new().await;
    let call = json!({ "url": "https://bridge.example/hook", "allowed_updates": ["message"] });
    let url = format!("{}/bot{}/setWebhook", town.server.base_url(), town.server.token());
    let client =
        crate::runtime::http_client::http_client(&tls::client_config(None).unwrap(), PATIENCE).unwrap();
    client.post(url).json(&call).send().await.unwrap();
    assert!(town.server.webhook().is_some());
    town.server.person("Anna", "de").says("hello");
    let _poll = town.polls();
    town.bridge.begins().await;
    assert_eq!(town.bridge.accepts().await, ["hello"]);
    assert!(town.server.webhook().is_none());
}

#[tokio::test]
async fn a_wrong_token_is_told_and_never_shown() {
    let mut town = Town::new().await;
    town.bot = bot(&town.server, "7000000001:AAwrong-token");
    let _poll = town.polls();
    town.hears_trouble("check the bot token").await;
    assert!(!format!("{:?}", *town.bot.health().borrow()).contains("AAwrong"));
    let Err(SendError::Unauthorized(reason)) = town.bot.send(text(1, "x")).await else { panic!() };
    assert!(!reason.contains("AAwrong"));
}

#[tokio::test]
async fn polling_goes_on_after_every_kind_of_failed_call() {
    let mut town = Town::new().await;
    for fault in [
        Fault::Status(500),
        Fault::Garbage,
        Fault::Empty,
        Fault::CutBefore,
        Fault::LoseAnswer,
        Fault::Status(502),
        Fault::AnswerThen500,
    ] {
        town.server.faults().next("getMe", fault);
        town.server.faults().next("getUpdates", fault);
    }
    town.server.person("Anna", "de").says("hello");
    let _poll = town.polls();
    town.bridge.begins().await;
    assert_eq!(town.bridge.accepts().await, ["hello"]);
}

#[tokio::test]
async fn polling_ends_at_once_on_shutdown() {
    let mut town = Town::new().await;
    let poll = town.polls();
    town.bridge.begins().await;
    town.waits_until(|server| server.polls() > 1).await;
    town.shutdown.trigger();
    tokio::time::timeout(Duration::from_secs(1), poll).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_text_arrives_with_its_buttons_as_an_answer_and_can_be_edited() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    let asked = anna.says("hello");
    let button = crate::model::button::Button { label: "Yes".to_owned(), data: "y0.abc".to_owned() };
    let chat = ChatId(anna.chat_id());
    let parcel = Parcel::Text {
        chat,
        topic: None,
        text: Formatted::default().bold("Really?").text(" <b>&amp; https://example.org"),
        buttons: vec![vec![button]],
        reply_to: Some(ChatMessageId(asked)),
    };
    let Ok(Sent::ChatMessage(id)) = town.bot.send(parcel).await else { panic!() };
    let seen = town.server.messages_in(anna.chat_id()).pop().unwrap();
    assert_eq!((seen.message_id, seen.words()), (id.0, "Really? <b>&amp; https://example.org"));
    assert_eq!(seen.reply_to, Some(asked));
    assert_eq!(seen.entities, [json!({ "type": "bold", "offset": 0, "length": 7 })]);
    assert_eq!(seen.button("Yes").unwrap().data.as_deref(), Some("y0.abc"));
    let edit = || Parcel::Edit { chat, message: id, text: Formatted::plain("Done."), buttons: Vec::new() };
    town.bot.send(edit()).await.unwrap();
    let seen = town.server.messages_in(anna.chat_id()).pop().unwrap();
    assert_eq!((seen.words(), seen.buttons.len()), ("Done.", 0));
    let again = town.bot.send(edit()).await;
    assert!(matches!(again, Err(SendError::Refused { what: Refusal::Message, .. })), "{again:?}");
}

#[tokio::test]
async fn an_answer_to_a_deleted_message_still_arrives() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    let asked = anna.says("hello");
    anna.deletes(asked);
    let Parcel::Text { chat, topic, text, buttons, .. } = text(anna.chat_id(), "answer") else { panic!() };
    let parcel = Parcel::Text { chat, topic, text, buttons, reply_to: Some(ChatMessageId(asked)) };
    town.bot.send(parcel).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_known_is_unknown_and_what_was_surely_not_sent_is_retried() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    anna.says("hello");
    for fault in [Fault::LoseAnswer, Fault::AnswerThen500, Fault::Status(502), Fault::Garbage, Fault::Empty] {
        town.server.faults().next("sendMessage", fault);
        let sent = town.bot.send(text(anna.chat_id(), "answer")).await;
        assert!(matches!(sent, Err(SendError::Unknown { .. })), "{fault:?}: {sent:?}");
    }
    town.server.faults().next("sendMessage", Fault::RetryAfter(7));
    let sent = town.bot.send(text(anna.chat_id(), "answer")).await;
    let after = Some(Duration::from_secs(7));
    assert!(matches!(sent, Err(SendError::Retry { after: a, .. }) if a == after), "{sent:?}");
    let calls = town.server.calls_of("sendMessage").len();
    let sent = town.bot.send(text(anna.chat_id(), "answer")).await;
    assert!(matches!(sent, Err(SendError::Retry { after: Some(_), .. })), "frozen: {sent:?}");
    assert_eq!(town.server.calls_of("sendMessage").len(), calls, "the silence is kept");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_was_surely_not_asked() {
    let town = Town::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings::new(Secret::new("7:AAtoken"), url);
    let bot = Telegram::new(settings, &tls::client_config(None).unwrap(), Clock::real()).unwrap();
    let Err(SendError::Retry { reason, .. }) = bot.send(text(1, "x")).await else { panic!() };
    assert!(!reason.contains("AAtoken"), "{reason}");
    drop(town);
}

#[tokio::test]
async fn refusals_name_what_they_are_about() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    let refusal = async |parcel| match town.bot.send(parcel).await {
        Err(SendError::Refused { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let chat = anna.chat_id();
    assert_eq!(refusal(text(4711, "x")).await, Refusal::Gone);
    anna.says("hello");
    anna.blocks_bot();
    assert_eq!(refusal(text(chat, "x")).await, Refusal::Gone);
    anna.unblocks_bot();
    assert_eq!(refusal(text(chat, &"x".repeat(4097))).await, Refusal::Content);
    assert_eq!(refusal(text(chat, " \n")).await, Refusal::Content);
    let late = Parcel::ButtonAnswer { callback: "12".to_owned(), text: "late".to_owned() };
    assert_eq!(refusal(late).await, Refusal::Message);
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_named() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    let group = town.server.group("Acme", ChatKind::Group);
    group.admits(&anna, Role::Admin);
    let new = group.becomes_supergroup();
    let sent = town.bot.send(text(group.id(), "x")).await;
    assert!(matches!(sent, Err(SendError::Moved { to }) if to.0 == new.id()), "{sent:?}");
    let admin = town.bot.is_chat_admin(ChatId(new.id()), UserId(anna.id())).await.unwrap();
    assert!(admin);
    let other = town.server.person("Otto", "de");
    assert!(!town.bot.is_chat_admin(ChatId(new.id()), UserId(other.id())).await.unwrap());
}

#[tokio::test]
async fn files_go_out_and_come_back_byte_for_byte() {
    let mut town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    anna.sends_document("report.bin", bytes.clone(), "look");
    town.bot.send(file(&anna, "Übersicht.bin", "application/octet-stream", bytes.clone())).await.unwrap();
    let seen = town.server.messages_in(anna.chat_id()).pop().unwrap();
    assert_eq!(seen.words(), "the file");
    assert_eq!(seen.file.unwrap().name, "Übersicht.bin");
    let _poll = town.polls();
    town.bridge.begins().await;
    town.bridge.accepts().await;
    let attachment = town.bridge.taken[0].message().unwrap().files[0].clone();
    let opened = town.bot.open(&attachment).await.unwrap();
    assert_eq!(opened.size, Some(bytes.len() as u64));
    assert_eq!(byte_stream::collect(opened.content, 1 << 20).await.unwrap(), bytes);
}

#[tokio::test]
async fn what_telegram_refuses_as_a_photo_arrives_as_a_document() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    anna.says("hello");
    let parcel = || file(&anna, "screen.png", "image/png", b"this is no picture".to_vec());
    let first = town.bot.send(parcel()).await;
    assert!(matches!(first, Err(SendError::Retry { .. })), "{first:?}");
    town.bot.send(parcel()).await.unwrap();
    let calls = town.server.calls();
    let done: Vec<&str> = calls
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Done(_)))
        .map(|call| call.method.as_str())
        .collect();
    assert_eq!(done.last(), Some(&"sendDocument"));
}

#[tokio::test]
async fn a_file_whose_source_breaks_off_was_surely_not_sent() {
    let town = Town::new().await;
    let anna = town.server.person("Anna", "de");
    anna.says("hello");
    for size in [None, Some(100), Some(3)] {
        let broken =
            futures::stream::iter([Ok("half".into()), Err(std::io::Error::other("the desk is gone"))]);
        let content = futures::StreamExt::boxed(broken);
        let file = OutgoingFile { name: "a.bin".into(), mime: "x/y".into(), size, content };
        let chat = ChatId(anna.chat_id());
        let parcel = Parcel::File { chat, topic: None, file, caption: String::new(), reply_to: None };
        let sent = town.bot.send(parcel).await;
        assert!(matches!(sent, Err(SendError::Retry { .. })), "{size:?}: {sent:?}");
    }
    assert!(town.server.messages_in(anna.chat_id()).is_empty());
}

/// The stand-in accepts what we send, so this server refuses each formatting, in the real one's words.
#[tokio::test]
async fn a_text_whose_formatting_is_refused_arrives_plain() {
    let app = axum::Router::new().fallback(async |body: String| {
        let refusal = r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: x"}"#;
        if body.contains(r#""type":"bold""#) { refusal } else { r#"{"ok":true,"result":{"message_id":7}}"# }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = Settings::new(Secret::new("7:AAtoken"), url);
    let bot = Telegram::new(settings, &tls::client_config(None).unwrap(), Clock::real()).unwrap();
    let Parcel::Text { chat, topic, buttons, reply_to, .. } = text(1, "") else { panic!() };
    let parcel = Parcel::Text { chat, topic, text: Formatted::default().bold("loud"), buttons, reply_to };
    assert_eq!(bot.send(parcel).await.unwrap(), Sent::ChatMessage(ChatMessageId(7)));
}
