//! The page's doors: who is let in, what each action does to the stand-ins, and that nothing escapes.

use std::path::PathBuf;

use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, StatusCode};
use serde_json::Value;

use super::*;
use crate::sandbox::desk::{Dialect, Status, TicketId};
use crate::sandbox::post_office::mail;
use crate::sandbox::telegram::FileKind;
use crate::sandbox::town::{HARBOUR, TERMINAL_PHOTO, TownPlan};

const NASTY: &str = "<img src=x onerror=alert(1)></script>";

/// A town without a bridge, and a browser before its page.
struct Visitor {
    stage: Arc<Stage>,
    browser: Client,
    page: String,
}

/// A field of a form: name, file name, bytes.
type Field<'a> = (&'a str, Option<&'a str>, &'a [u8]);

impl Visitor {
    async fn comes() -> Self {
        Self::to(Dialect::Paradarum).await
    }

    async fn to(dialect: Dialect) -> Self {
        let plan = TownPlan { dialect, ..TownPlan::new(PathBuf::from("/nowhere")) };
        let town = Town::build(plan).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Stage::new(Arc::new(town), address);
        tokio::spawn(axum::serve(listener, router(stage.clone())).into_future());
        let browser = Client::builder().no_proxy().build().unwrap();
        Self { stage, browser, page: format!("http://{address}") }
    }

    fn town(&self) -> &Town {
        &self.stage.town
    }

    async fn gets(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let answer = self.browser.get(format!("{}{path}", self.page)).send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.text().await.unwrap())
    }

    async fn does(&self, path: &str, fields: &[Field<'_>]) -> (StatusCode, String) {
        let request = self.browser.post(format!("{}{path}", self.page)).multipart(form(fields));
        let request = request.header(ORIGIN, &self.page);
        let answer = request.header(guard::TOKEN_HEADER, self.stage.guard.token()).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    fn picture(&self) -> Value {
        serde_json::from_str(&view::draw(self.town(), &self.stage.letters)).unwrap()
    }
}

fn form(fields: &[Field<'_>]) -> Form {
    fields.iter().fold(Form::new(), |form, (name, file, bytes)| {
        let part = Part::bytes(bytes.to_vec());
        let part = if let Some(file) = file { part.file_name((*file).to_owned()) } else { part };
        form.part((*name).to_owned(), part)
    })
}

#[tokio::test]
async fn only_the_page_itself_may_act_and_only_under_its_own_name() {
    let visitor = Visitor::comes().await;
    let token = visitor.stage.guard.token().to_owned();
    let own = visitor.page.trim_start_matches("http://");
    let tries = [
        (own, None, None),
        (own, None, Some("guessed")),
        (own, Some("http://evil.example"), Some(token.as_str())),
        (own, Some("null"), Some(token.as_str())),
        ("evil.example:8788", None, Some(token.as_str())),
    ];
    for (host, origin, token) in tries {
        let mut request =
            visitor.browser.post(format!("{}/do/telegram/say", visitor.page)).header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        if let Some(token) = token {
            request = request.header(guard::TOKEN_HEADER, token);
        }
        let answer = request.multipart(form(&[("text", None, b"hello")])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{host} {origin:?} {token:?}");
    }
    assert!(visitor.town().telegram.history_in(visitor.town().mara.chat_id()).is_empty());

    let stranger = visitor.browser.get(&visitor.page).header(HOST, "evil.example").send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
    let (status, headers, page) = visitor.gets("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains(&token));
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn what_is_typed_in_telegram_reaches_the_bot_with_its_file() {
    let visitor = Visitor::comes().await;
    let chat = visitor.town().mara.chat_id();
    let (status, _) =
        visitor.does("/do/telegram/say", &[("seat", None, b"customer"), ("text", None, b"one")]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let first = visitor.town().telegram.history_in(chat)[0].message_id.to_string();
    let photo: &[Field<'_>] = &[("text", None, b"look"), ("file", Some("a.jpg"), TERMINAL_PHOTO)];
    visitor.does("/do/telegram/say", photo).await;
    visitor.does("/do/telegram/say", &[("text", None, b"two"), ("reply_to", None, first.as_bytes())]).await;
    visitor.does("/do/telegram/say", &[("seat", None, b"admin"), ("text", None, b"hi")]).await;

    let history = visitor.town().telegram.history_in(chat);
    assert_eq!(history.iter().map(|one| one.words()).collect::<Vec<_>>(), ["one", "look", "two"]);
    assert_eq!(history[1].file.as_ref().map(|file| file.kind), Some(FileKind::Photo));
    assert_eq!(history[2].reply_to, Some(history[0].message_id));
    assert_eq!(visitor.town().telegram.history_in(visitor.town().group.id())[0].author, "Ada");
    assert_eq!(visitor.town().telegram.pending_updates(), 4);

    let (status, why) = visitor.does("/do/telegram/say", &[("text", None, b"  ")]).await;
    assert_eq!((status, why.as_str()), (StatusCode::BAD_REQUEST, "a text or a file is missing"));
    let (status, why) =
        visitor.does("/do/telegram/press", &[("message", None, b"1"), ("button", None, b"Yes")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("no button"), "{why}");
    let (status, _) = visitor.does("/do/telegram/connect", &[]).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "there is no bridge that could make a code");
}

#[tokio::test]
async fn a_typed_mail_is_delivered_and_an_answer_names_what_it_answers() {
    let visitor = Visitor::comes().await;
    let question: &[Field<'_>] =
        &[("subject", None, b"Hot"), ("text", None, b"Too hot."), ("file", Some("C:\\t\\log.txt"), b"99")];
    assert_eq!(visitor.does("/do/mail/send", question).await.0, StatusCode::NO_CONTENT);
    let sent = visitor.stage.letters.all().unwrap();
    assert_eq!((sent[0].subject.as_str(), sent[0].files[0].name.as_str()), ("Hot", "log.txt"));

    let id = sent[0].id.to_string();
    visitor.does("/do/mail/send", &[("answers", None, id.as_bytes()), ("text", None, b"Hotter.")]).await;
    let both = visitor.stage.letters.all().unwrap();
    assert!(both[1].references.contains(&both[0].message_id));
    assert_eq!(visitor.picture()["mail"][0]["letters"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn staff_answer_and_settle_a_ticket_and_a_closed_one_says_why_not() {
    let visitor = Visitor::comes().await;
    let desk = &visitor.town().desk;
    let ticket = desk.staff_opens(HARBOUR.id, "Printer", "It is on fire.").unwrap();
    let number = ticket.to_string();
    let reply: &[Field<'_>] =
        &[("ticket", None, number.as_bytes()), ("text", None, b"Run."), ("file", Some("exit.pdf"), b"%PDF")];
    assert_eq!(visitor.does("/do/desk/reply", reply).await.0, StatusCode::NO_CONTENT);
    let seen = desk.ticket(ticket).unwrap();
    assert_eq!(
        (seen.messages[0].text.as_str(), seen.attachments[0].message),
        ("Run.", Some(seen.messages[0].id))
    );

    for (status, becomes) in
        [("in_progress", Status::InProgress), ("resolved", Status::Resolved), ("closed", Status::Closed)]
    {
        let set: &[Field<'_>] = &[("ticket", None, number.as_bytes()), ("status", None, status.as_bytes())];
        assert_eq!(visitor.does("/do/desk/status", set).await.0, StatusCode::NO_CONTENT);
        assert_eq!(desk.ticket(ticket).unwrap().status, becomes);
    }
    let (status, why) = visitor.does("/do/desk/reply", reply).await;
    assert_eq!((status, why.as_str()), (StatusCode::BAD_REQUEST, "the desk refuses: Ticket is closed."));
    assert_eq!(visitor.does("/do/desk/reply", &[("ticket", None, b"x")]).await.1, "the ticket is missing");
}

#[tokio::test]
async fn every_status_of_every_desk_has_its_name_and_its_colour() {
    let visitor = Visitor::to(Dialect::Whmcs).await;
    let desk = &visitor.town().desk;
    let ticket = desk.staff_opens(HARBOUR.id, "Printer", "It is on fire.").unwrap();
    let shown = || visitor.picture()["desk"][0]["status"].as_str().unwrap().to_owned();
    desk.staff_replies(ticket, "Run.").unwrap();
    assert_eq!(shown(), "answered");
    desk.customer_replies(ticket, "I do.").unwrap();
    assert_eq!(shown(), "customer_reply");
    desk.staff_puts_off(ticket).unwrap();
    assert_eq!(shown(), "on_hold");
    desk.automation_replies(ticket, "Nobody has answered for a while.").unwrap();
    assert_eq!(visitor.picture()["desk"][0]["entries"][3]["staff"], true, "no words of the customer");

    let all = [
        Status::Open,
        Status::Answered,
        Status::CustomerReply,
        Status::InProgress,
        Status::OnHold,
        Status::Resolved,
        Status::Closed,
    ];
    let names = include_str!("page.js").split_once("const STATUS = {").unwrap().1.split_once("};").unwrap().0;
    for word in all.map(view::status_word) {
        assert!(names.contains(&format!("{word}: \"")), "{word} has no name");
        assert!(include_str!("page.css").contains(&format!(".pill.{word}")), "{word} has no colour");
    }
}

#[tokio::test]
async fn nothing_that_people_write_can_act_in_the_page() {
    let visitor = Visitor::comes().await;
    let town = visitor.town();
    town.mara.says(NASTY);
    town.mara.sends_document("evil.svg", NASTY.as_bytes(), "");
    town.desk.staff_opens(HARBOUR.id, NASTY, NASTY).unwrap();
    let html = format!("<p>{NASTY}</p>");
    let raw = mail().from("S <s@example.com>").to("j@n.example").subject(NASTY).text(NASTY).html(&html);
    std::fs::write(town.post.outbox().join("1.eml"), raw.build().unwrap()).unwrap();

    // The scene carries it as data, and the page puts data into text nodes only.
    let picture = visitor.picture();
    assert_eq!(picture["telegram"]["messages"][0]["words"], NASTY);
    for script in [include_str!("page.js"), include_str!("parts.js")] {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"] {
            assert!(!script.contains(way), "{way}");
        }
    }
    let (_, _, page) = visitor.gets("/").await;
    assert!(!page.contains(NASTY));

    let frame = format!("/mail/{}/html", picture["mail"][0]["letters"][0]["id"]);
    let (status, headers, _) = visitor.gets(&frame).await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");

    let drawing = picture["telegram"]["messages"][1]["file"]["url"].as_str().unwrap().to_owned();
    let (_, headers, _) = visitor.gets(&drawing).await;
    assert_eq!(headers[CONTENT_TYPE], "application/octet-stream");
    assert!(headers[CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(visitor.gets("/file/desk/1/1").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_strip_tells_what_was_carried_and_how_long_it_took() {
    let visitor = Visitor::comes().await;
    let town = visitor.town();
    town.mara.says("The till is silent.");
    let text = "The till is silent.\n\nvia Telegram, @mara_1 · tb-abcdefghijklm";
    let ticket = town.desk.staff_opens(HARBOUR.id, "The till", text).unwrap();
    assert_eq!(ticket, TicketId(701));
    let events = visitor.picture()["events"].clone();
    assert_eq!(events[0]["text"], "Telegram → ticket #701");
    assert_eq!((&events[0]["from"], &events[0]["to"]), (&Value::from("telegram"), &Value::from("desk")));
    assert!(events[0]["ms"].as_i64().unwrap() < 60_000);
}
