//! The stand-in seen through plain HTTP and through a real client.

use std::future::IntoFuture;

use futures::TryStreamExt;
use serde_json::json;
use teloxide::net::Download;
use teloxide::prelude::*;
use teloxide::types::{
    AllowedUpdate, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, InputMedia, InputMediaPhoto,
    ParseMode, ReplyParameters, UpdateKind,
};
use teloxide::{ApiError, RequestError};

use super::*;
use crate::sandbox::faults::Fault;

const PATIENCE: Duration = Duration::from_secs(10);
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture of a broken printer";

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// A stand-in without sending limits, and the plain way to call it.
struct Server {
    stand_in: TelegramStandIn,
    client: reqwest::Client,
}

async fn server() -> Server {
    let options = Options { rate_limits: false, ..Options::default() };
    Server { stand_in: TelegramStandIn::start(options).await.unwrap(), client: client() }
}

impl Server {
    async fn call(&self, method: &str, params: Value) -> Value {
        let url = format!("{}/bot{}/{method}", self.stand_in.base_url(), self.stand_in.token());
        self.client.post(url).json(&params).send().await.unwrap().json().await.unwrap()
    }

    /// The error's description; panics if the call passed.
    async fn refusal(&self, method: &str, params: Value) -> String {
        let answer = self.call(method, params).await;
        assert_eq!(answer["ok"], false, "{answer}");
        answer["description"].as_str().unwrap().to_owned()
    }

    async fn updates(&self, offset: i64) -> Vec<Value> {
        self.call("getUpdates", json!({ "offset": offset })).await["result"].as_array().unwrap().clone()
    }

    fn bot(&self) -> Bot {
        let url = self.stand_in.base_url().parse().unwrap();
        Bot::with_client(self.stand_in.token(), client()).set_api_url(url)
    }

    /// A person who has pressed Start.
    fn alice(&self) -> Person {
        let alice = self.stand_in.person("Alice", "en");
        alice.presses_start("");
        alice
    }
}

#[tokio::test]
async fn a_real_client_reads_updates_and_confirms_them() {
    let server = server().await;
    let (bot, alice) = (server.bot(), server.stand_in.person("Alice", "de"));
    alice.presses_start("code-123");
    alice.sends_photo(JPEG, "the printer");
    let updates = bot.get_updates().await.unwrap();
    assert_eq!(updates[1].id.0, updates[0].id.0 + 1);
    let UpdateKind::Message(start) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!(start.text(), Some("/start code-123"));
    assert_eq!(start.from.as_ref().unwrap().language_code.as_deref(), Some("de"));
    assert_eq!(start.parse_entities().unwrap()[0].text(), "/start");
    let UpdateKind::Message(photo) = &updates[1].kind else { panic!("{updates:?}") };
    assert_eq!(photo.caption(), Some("the printer"));

    let largest = photo.photo().unwrap().last().unwrap();
    let file = bot.get_file(largest.file.id.clone()).await.unwrap();
    assert_eq!(file.size as usize, JPEG.len());
    let chunks: Vec<bytes::Bytes> = bot.download_file_stream(&file.path).try_collect().await.unwrap();
    assert_eq!(chunks.concat(), JPEG);

    let next = updates[1].id.as_offset();
    let rest = bot.get_updates().offset(next).timeout(0).await.unwrap();
    assert!(rest.is_empty());
    assert_eq!(server.stand_in.confirmed_offset(), Some(i64::from(next)));
    assert_eq!(server.stand_in.pending_updates(), 0);
}

#[tokio::test]
async fn a_real_client_sends_texts_files_and_albums() {
    let server = server().await;
    let (bot, alice) = (server.bot(), server.alice());
    let chat = ChatId(alice.chat_id());
    let question = alice.says("my printer burns");
    let me = bot.get_me().await.unwrap();
    assert_eq!(me.username(), "example_support_bot");
    bot.get_chat(chat).await.unwrap();

    let keyboard = InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("New ticket", "new:1")]]);
    let reply = ReplyParameters::new(teloxide::types::MessageId(question as i32));
    let sent = bot
        .send_message(chat, "<b>Ticket</b> 7")
        .parse_mode(ParseMode::Html)
        .reply_parameters(reply)
        .reply_markup(keyboard)
        .await
        .unwrap();
    assert_eq!(sent.text(), Some("Ticket 7"));
    let file = InputFile::memory(&b"%PDF-1.7"[..]).file_name("How to put it out.pdf");
    bot.send_document(chat, file).caption("see page 2").await.unwrap();
    let photo = |caption: &str| {
        InputMedia::Photo(InputMediaPhoto::new(InputFile::memory(JPEG)).caption(caption.to_owned()))
    };
    let album = bot.send_media_group(chat, [photo("one"), photo("two")]).await.unwrap();
    assert_eq!(album.len(), 2);
    bot.edit_message_text(chat, sent.id, "Ticket 7, taken").await.unwrap();

    let seen = server.stand_in.messages_in(alice.chat_id());
    let words: Vec<_> = seen.iter().map(SentMessage::words).collect();
    assert_eq!(words, ["Ticket 7, taken", "see page 2", "one", "two"]);
    assert_eq!((seen[0].reply_to, seen[0].edited), (Some(question), true));
    let document = seen[1].file.clone().unwrap();
    assert_eq!(
        (document.name.as_str(), document.mime.as_str()),
        ("How to put it out.pdf", "application/pdf")
    );
    assert_eq!(document.bytes, b"%PDF-1.7"[..]);
    assert!(seen[2].media_group.is_some() && seen[2].media_group == seen[3].media_group);
    assert!(seen.windows(2).all(|pair| pair[0].message_id < pair[1].message_id));
}

#[tokio::test]
async fn a_pressed_button_is_a_query_that_can_be_answered_once() {
    let server = server().await;
    let (bot, alice) = (server.bot(), server.alice());
    let keyboard = InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("Yes", "link:yes")]]);
    let sent = bot.send_message(ChatId(alice.chat_id()), "Link?").reply_markup(keyboard).await.unwrap();
    let query = alice.presses(sent.id.0.into(), "Yes").unwrap();
    assert!(alice.presses(sent.id.0.into(), "Maybe").is_err());
    let updates = bot.get_updates().offset(-1).allowed_updates([AllowedUpdate::CallbackQuery]).await.unwrap();
    let UpdateKind::CallbackQuery(pressed) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!(pressed.data.as_deref(), Some("link:yes"));
    assert_eq!(alice.answer_to(&query), None);
    bot.answer_callback_query(pressed.id.clone()).text("Linked").await.unwrap();
    assert_eq!(alice.answer_to(&query).unwrap().text.as_deref(), Some("Linked"));
    let twice = bot.answer_callback_query(pressed.id.clone()).await;
    assert!(matches!(twice, Err(RequestError::Api(_))), "{twice:?}");
}

#[tokio::test]
async fn a_real_client_works_in_groups_and_forums() {
    let server = server().await;
    let (bot, alice) = (server.bot(), server.stand_in.person("Alice", "en"));
    let forum = server.stand_in.group("Staff", ChatKind::Forum);
    let seat = forum.admits(&alice, Role::Creator);
    let chat = ChatId(forum.id());
    bot.get_chat(chat).await.unwrap();
    assert_eq!(bot.get_chat_administrators(chat).await.unwrap().len(), 2);
    assert!(bot.get_chat_member(chat, UserId(alice.id() as u64)).await.unwrap().is_privileged());
    let topic = bot.create_forum_topic(chat, "Ticket 7").await.unwrap();
    let sent = bot.send_message(chat, "new ticket").message_thread_id(topic.thread_id).await.unwrap();
    assert_eq!(sent.thread_id, Some(topic.thread_id));
    let topic_id = i64::from(topic.thread_id.0.0);
    seat.in_topic(topic_id).replies_to(sent.id.0.into(), "mine");
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::Message(reply) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!((reply.thread_id, reply.reply_to_message().unwrap().id), (Some(topic.thread_id), sent.id));
    bot.close_forum_topic(chat, topic.thread_id).await.unwrap();
    assert_eq!(server.stand_in.topic(forum.id(), topic_id), Some(("Ticket 7".to_owned(), true)));
    let closed = json!({ "chat_id": forum.id(), "message_thread_id": topic_id, "text": "late" });
    assert_eq!(server.refusal("sendMessage", closed).await, "Bad Request: TOPIC_CLOSED");
    forum.deletes_topic(topic_id);
    let gone = json!({ "chat_id": forum.id(), "message_thread_id": topic_id, "text": "late" });
    assert_eq!(server.refusal("sendMessage", gone).await, "Bad Request: message thread not found");
}

#[tokio::test]
async fn a_migrated_group_says_where_it_went() {
    let server = server().await;
    let group = server.stand_in.group("Staff", ChatKind::Group);
    let alice = server.stand_in.person("Alice", "en");
    group.admits(&alice, Role::Creator);
    let new = group.becomes_supergroup();
    let refused = server.bot().send_message(ChatId(group.id()), "hello").await.unwrap_err();
    assert!(matches!(refused, RequestError::MigrateToChatId(ChatId(id)) if id == new.id()), "{refused:?}");
    server.bot().send_message(ChatId(new.id()), "hello").await.unwrap();
    let updates = server.updates(0).await;
    assert_eq!(updates[0]["message"]["migrate_to_chat_id"], new.id());
    assert_eq!(updates[1]["message"]["migrate_from_chat_id"], group.id());
}

#[tokio::test]
async fn the_token_and_the_method_have_to_exist() {
    let server = server().await;
    let base = server.stand_in.base_url();
    let status = async |path: &str| {
        let answer = server.client.get(format!("{base}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["description"].clone())
    };
    assert_eq!(status("/bot123:wrong/getMe").await, (401, json!("Unauthorized")));
    assert_eq!(status("/botnonsense/getMe").await, (404, json!("Not Found")));
    assert_eq!(status("/file/bot123:wrong/photos/file_1.jpg").await, (401, json!("Unauthorized")));
    assert_eq!(server.refusal("sendPidgeon", json!({})).await, "Not Found");
    let by_get = format!("{base}/bot{}/GETME", server.stand_in.token());
    let me: Value = server.client.get(by_get).send().await.unwrap().json().await.unwrap();
    assert_eq!(me["result"]["is_bot"], true);
}

#[tokio::test]
async fn parameters_come_in_every_published_form() {
    let server = server().await;
    let alice = server.alice();
    let url = format!("{}/bot{}/sendMessage", server.stand_in.base_url(), server.stand_in.token());
    let chat = alice.chat_id().to_string();
    let query = [("chat_id", chat.as_str()), ("text", "by query")];
    server.client.get(&url).query(&query).send().await.unwrap().error_for_status().unwrap();
    let form = [("chat_id", chat.as_str()), ("text", "by form")];
    server.client.post(&url).form(&form).send().await.unwrap().error_for_status().unwrap();
    let parts = reqwest::multipart::Form::new().text("chat_id", chat.clone()).text("text", "by parts");
    server.client.post(&url).multipart(parts).send().await.unwrap().error_for_status().unwrap();
    let seen = server.stand_in.messages_in(alice.chat_id());
    assert_eq!(seen.iter().map(SentMessage::words).collect::<Vec<_>>(), ["by query", "by form", "by parts"]);
}

#[tokio::test]
async fn what_the_real_server_refuses_is_refused_in_its_words() {
    let server = server().await;
    let alice = server.alice();
    let stranger = server.stand_in.person("Bob", "en");
    let chat = alice.chat_id();
    let own = alice.says("hello");
    let cases = [
        ("sendMessage", json!({ "chat_id": chat }), "Bad Request: message text is empty"),
        ("sendMessage", json!({ "chat_id": chat, "text": " \n " }), "Bad Request: message text is empty"),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "😀".repeat(2049) }),
            "Bad Request: message is too long",
        ),
        ("sendMessage", json!({ "chat_id": 12345, "text": "a" }), "Bad Request: chat not found"),
        ("sendMessage", json!({ "text": "a" }), "Bad Request: chat_id is empty"),
        (
            "sendMessage",
            json!({ "chat_id": stranger.chat_id(), "text": "a" }),
            "Forbidden: bot can't initiate conversation with a user",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "reply_parameters": { "message_id": 999 } }),
            "Bad Request: message to be replied not found",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "message_thread_id": 5 }),
            "Bad Request: message thread not found",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "reply_markup":
                { "inline_keyboard": [[{ "text": "b", "callback_data": "x".repeat(65) }]] } }),
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "reply_markup": { "inline_keyboard": [[{ "text": "b" }]] } }),
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "parse_mode": "BBCode" }),
            "Bad Request: unsupported parse_mode",
        ),
        (
            "sendMessage",
            json!({ "chat_id": chat, "text": "a", "colour": "red" }),
            "Bad Request: unknown parameter \"colour\" of sendMessage",
        ),
        (
            "editMessageText",
            json!({ "chat_id": chat, "message_id": 999, "text": "a" }),
            "Bad Request: message to edit not found",
        ),
        (
            "editMessageText",
            json!({ "chat_id": chat, "message_id": own, "text": "a" }),
            "Bad Request: message can't be edited",
        ),
        (
            "deleteMessage",
            json!({ "chat_id": chat, "message_id": 999 }),
            "Bad Request: message to delete not found",
        ),
        (
            "answerCallbackQuery",
            json!({ "callback_query_id": "1" }),
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        ),
        (
            "sendDocument",
            json!({ "chat_id": chat, "document": "nonsense" }),
            "Bad Request: wrong file identifier/HTTP URL specified",
        ),
        ("sendPhoto", json!({ "chat_id": chat }), "Bad Request: there is no photo in the request"),
        (
            "getFile",
            json!({ "file_id": "nonsense" }),
            "Bad Request: wrong file_id or the file is temporarily unavailable",
        ),
        (
            "setMessageReaction",
            json!({ "chat_id": chat, "message_id": own, "reaction": [{ "type": "emoji", "emoji": "🪣" }] }),
            "Bad Request: REACTION_INVALID",
        ),
        ("createForumTopic", json!({ "chat_id": chat, "name": "a" }), "Bad Request: the chat is not a forum"),
        (
            "setMyCommands",
            json!({ "commands": [{ "command": "New", "description": "a" }] }),
            "Bad Request: BOT_COMMAND_INVALID",
        ),
    ];
    for (method, params, expected) in cases {
        assert_eq!(server.refusal(method, params.clone()).await, expected, "{method} {params}");
    }
    assert!(server.stand_in.messages_in(chat).is_empty());
    let lenient = json!({ "chat_id": chat, "text": "a",
        "reply_parameters": { "message_id": 999, "allow_sending_without_reply": true } });
    assert_eq!(server.call("sendMessage", lenient).await["ok"], true);
}

#[tokio::test]
async fn an_edit_has_to_change_something() {
    let server = server().await;
    let alice = server.alice();
    let chat = alice.chat_id();
    let keyboard = json!({ "inline_keyboard": [[{ "text": "a", "callback_data": "a" }]] });
    let first = json!({ "chat_id": chat, "text": "words", "reply_markup": keyboard });
    let id = server.call("sendMessage", first).await["result"]["message_id"].clone();
    let same = json!({ "chat_id": chat, "message_id": id, "text": "words", "reply_markup": keyboard });
    let refused = server.refusal("editMessageText", same).await;
    assert!(refused.starts_with("Bad Request: message is not modified: specified new message content"));
    let bare = json!({ "chat_id": chat, "message_id": id });
    assert_eq!(server.call("editMessageReplyMarkup", bare).await["ok"], true);
    assert!(server.stand_in.messages_in(chat)[0].buttons.is_empty());
}

#[tokio::test]
async fn who_blocks_the_bot_or_leaves_is_not_reached() {
    let server = server().await;
    let (alice, bot) = (server.alice(), server.bot());
    let chat = ChatId(alice.chat_id());
    alice.blocks_bot();
    let refused = bot.send_message(chat, "a").await.unwrap_err();
    assert!(matches!(refused, RequestError::Api(ApiError::BotBlocked)), "{refused:?}");
    alice.says("here again");
    bot.send_message(chat, "a").await.unwrap();
    let kinds: Vec<_> = bot.get_updates().await.unwrap().into_iter().map(|update| update.kind).collect();
    assert!(matches!(kinds[1], UpdateKind::MyChatMember(_)), "{kinds:?}");
    assert!(matches!(kinds[2], UpdateKind::MyChatMember(_)), "{kinds:?}");
    alice.deletes_account();
    let refused = bot.send_message(chat, "a").await.unwrap_err();
    assert!(matches!(refused, RequestError::Api(ApiError::UserDeactivated)), "{refused:?}");
}

#[tokio::test]
async fn sizes_have_their_limits() {
    let server = server().await;
    let (alice, bot) = (server.alice(), server.bot());
    let chat = ChatId(alice.chat_id());
    alice.sends_document("disk.img", vec![0; MAX_DOWNLOAD + 1], "");
    let update = server.updates(-1).await;
    let file_id = update[0]["message"]["document"]["file_id"].clone();
    assert_eq!(
        server.refusal("getFile", json!({ "file_id": file_id })).await,
        "Bad Request: file is too big"
    );
    let long = InputFile::memory(&b"a"[..]).file_name("a.txt");
    let refused = bot.send_document(chat, long).caption("a".repeat(1025)).await.unwrap_err();
    assert!(refused.to_string().contains("message caption is too long"), "{refused}");
    let huge = InputFile::memory(vec![0; MAX_UPLOAD + 1]).file_name("huge.bin");
    let refused = bot.send_document(chat, huge).await.unwrap_err();
    assert!(matches!(refused, RequestError::Api(ApiError::RequestEntityTooLarge)), "{refused:?}");
    let text = InputFile::memory(&b"not a picture"[..]).file_name("a.jpg");
    let refused = bot.send_photo(chat, text).await.unwrap_err();
    assert!(matches!(refused, RequestError::Api(ApiError::ImageProcessFailed)), "{refused:?}");
    assert!(server.stand_in.messages_in(alice.chat_id()).is_empty());
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_update_and_only_one_poller_is_heard() {
    let server = server().await;
    let alice = server.alice();
    let first = server.updates(0).await;
    let next = first[0]["update_id"].as_i64().unwrap() + 1;
    let poll = || server.call("getUpdates", json!({ "offset": next, "timeout": 50 }));
    let mut pushed_out = std::pin::pin!(poll());
    let polls = |calls: u64| move |s: &TelegramStandIn| (s.polls() >= calls).then_some(());
    tokio::select! {
        _ = &mut pushed_out => panic!("nothing happened yet"),
        seen = server.stand_in.wait_until(polls(2), PATIENCE) => assert!(seen.is_some()),
    }
    let says_when_both_wait = async {
        server.stand_in.wait_until(polls(3), PATIENCE).await.unwrap();
        alice.says("hello")
    };
    let (pushed_out, heard, _) = tokio::join!(pushed_out, poll(), says_when_both_wait);
    let conflict =
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_eq!((&pushed_out["error_code"], &pushed_out["description"]), (&json!(409), &json!(conflict)));
    assert_eq!(heard["result"][0]["message"]["text"], "hello");
}

#[tokio::test]
async fn offsets_and_jumping_ids_behave_as_in_the_real_queue() {
    let server = server().await;
    let alice = server.alice();
    for text in ["one", "two", "three"] {
        alice.says(text);
    }
    let all = server.updates(0).await;
    assert_eq!(all.len(), 4);
    assert_eq!(server.updates(-2).await.len(), 2, "a negative offset keeps the last ones");
    let last = all[3]["update_id"].as_i64().unwrap();
    assert!(server.updates(last + 1).await.is_empty());
    server.stand_in.jumps_to(1000);
    alice.says("after a quiet week");
    let again = server.updates(last + 1).await;
    assert_eq!(again[0]["update_id"], 1000, "an offset far ahead of the queue is ignored");
    assert_eq!(server.updates(last + 1).await.len(), 1, "and confirms nothing");
    assert!(server.updates(1001).await.is_empty());
    let unheard = json!({ "poetry": { "rhymes": true }, "update_id": 5000 });
    server.stand_in.pushes(unheard.as_object().unwrap().clone());
    assert_eq!(server.updates(1001).await[0]["poetry"]["rhymes"], true);
}

#[tokio::test]
async fn a_webhook_and_polling_exclude_each_other() {
    let server = server().await;
    let plain = json!({ "url": "http://a.example/hook" });
    assert!(server.refusal("setWebhook", plain).await.contains("HTTPS URL must be provided"));
    server.call("setWebhook", json!({ "url": "https://a.example/hook", "secret_token": "s" })).await;
    let refused = server.bot().get_updates().await.unwrap_err();
    assert!(matches!(refused, RequestError::Api(_)), "{refused:?}");
    assert_eq!(server.call("getWebhookInfo", json!({})).await["result"]["url"], "https://a.example/hook");
    server.bot().delete_webhook().await.unwrap();
    assert!(server.bot().get_updates().await.is_ok());
}

#[tokio::test]
async fn sending_too_fast_is_answered_with_the_time_to_wait() {
    let stand_in = TelegramStandIn::start(Options::default()).await.unwrap();
    let server = Server { stand_in, client: client() };
    let (alice, bot) = (server.alice(), server.bot());
    let mut refused = None;
    for _ in 0..10 {
        refused = refused.or(bot.send_message(ChatId(alice.chat_id()), "a").await.err());
    }
    assert!(matches!(refused, Some(RequestError::RetryAfter(wait)) if wait.seconds() >= 1), "{refused:?}");
    assert_eq!(server.stand_in.messages_in(alice.chat_id()).len(), 5);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_message_and_its_call_behind() {
    let server = server().await;
    let alice = server.alice();
    server.stand_in.faults().next("sendMessage", Fault::LoseAnswer);
    server.stand_in.faults().next("sendMessage", Fault::RetryAfter(3));
    let send = || server.bot().send_message(ChatId(alice.chat_id()), "once").into_future();
    assert!(matches!(send().await, Err(RequestError::Network(_))));
    assert!(matches!(send().await, Err(RequestError::RetryAfter(wait)) if wait.seconds() == 3));
    let arrived =
        server.stand_in.wait_for(alice.chat_id(), |message| message.words() == "once", PATIENCE).await;
    assert!(arrived.is_some());
    let calls = server.stand_in.calls_of("sendMessage");
    assert!(matches!(&calls[..], [Call { outcome: Outcome::Done(_), .. }]), "{calls:?}");
}

#[tokio::test]
async fn people_edit_forward_and_send_albums() {
    let server = server().await;
    let alice = server.alice();
    let message = alice.says("printr");
    assert!(alice.edits(message, "printer"));
    alice.forwards("it burned", "Bob");
    let file = |name: &str| SentFile::new(FileKind::Document, name, bytes::Bytes::from_static(b"x"));
    alice.sends_album(vec![file("a.txt"), file("b.txt")], "both");
    let kinds: Vec<_> =
        server.bot().get_updates().await.unwrap().into_iter().map(|update| update.kind).collect();
    let UpdateKind::EditedMessage(edited) = &kinds[2] else { panic!("{kinds:?}") };
    assert_eq!((i64::from(edited.id.0), edited.text()), (message, Some("printer")));
    let messages: Vec<_> = kinds
        .iter()
        .filter_map(|kind| if let UpdateKind::Message(m) = kind { Some(m) } else { None })
        .collect();
    assert!(messages[2].forward_origin().is_some());
    assert_eq!(messages[3].media_group_id(), messages[4].media_group_id());
    assert_eq!((messages[3].caption(), messages[4].caption()), (Some("both"), None));
    assert_eq!(messages[4].document().unwrap().file_name.as_deref(), Some("b.txt"));
}

#[tokio::test]
async fn a_bot_that_is_no_admin_hears_only_what_is_for_it() {
    let server = server().await;
    let group = server.stand_in.group("Customers", ChatKind::Supergroup);
    let alice = server.stand_in.person("Alice", "en");
    let seat = group.admits(&alice, Role::Member);
    group.makes_bot(Role::Member);
    let question = server.bot().send_message(ChatId(group.id()), "how can I help?").await.unwrap();
    seat.says("nobody listens");
    seat.says("/new printer");
    seat.replies_to(question.id.0.into(), "it burns");
    group.makes_bot(Role::Left);
    seat.says("/new is not heard any more");
    let updates = server.updates(0).await;
    let heard: Vec<_> = updates.iter().filter_map(|update| update["message"]["text"].as_str()).collect();
    assert_eq!(heard, ["/new printer", "it burns"]);
    let to_group = json!({ "chat_id": group.id(), "text": "a" });
    let refused = server.refusal("sendMessage", to_group).await;
    assert_eq!(refused, "Forbidden: bot was kicked from the supergroup chat");

    let other = server.stand_in.group("Passing by", ChatKind::Group);
    server.bot().leave_chat(ChatId(other.id())).await.unwrap();
    let last = server.updates(-1).await;
    assert_eq!(last[0]["my_chat_member"]["new_chat_member"]["status"], "left");
    let refused = server.refusal("sendMessage", json!({ "chat_id": other.id(), "text": "a" })).await;
    assert_eq!(refused, "Forbidden: bot is not a member of the group chat");
}
