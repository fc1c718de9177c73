//! The desk in i3D.net's dialect, driven over HTTP as a caller would.

use std::time::Duration;

use data_encoding::BASE64;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{
    Author, DeskOptions, DeskStandIn, Dialect, DownloadForm, I3dOptions, MailField, Status, TicketId,
};
use crate::sandbox::faults::Fault;

const ACME: i64 = 123;
const KEY: &str = "i3d-key-of-acme";
const OTHER: i64 = 124;
const OTHER_KEY: &str = "i3d-key-of-another";

struct Caller {
    desk: DeskStandIn,
    http: Client,
    key: &'static str,
}

async fn caller(i3d: I3dOptions) -> Caller {
    let options = DeskOptions { dialect: Dialect::I3d, i3d, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACME, KEY);
    desk.add_account(OTHER, OTHER_KEY);
    let http = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    Caller { desk, http, key: KEY }
}

impl Caller {
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v3/tickets{path}", self.desk.base_url()))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.bare(Method::GET, path).header("PRIVATE-TOKEN", self.key)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.bare(Method::POST, path).header("PRIVATE-TOKEN", self.key).json(body)
    }

    fn put(&self, path: &str) -> RequestBuilder {
        self.bare(Method::PUT, path).header("PRIVATE-TOKEN", self.key)
    }

    async fn opens(&self, title: &str) -> TicketId {
        let (status, ticket) = said(self.post("", &ticket(title)).send().await.unwrap()).await;
        assert_eq!(status, 200, "{ticket}");
        TicketId(ticket["id"].as_i64().unwrap())
    }

    async fn replies(&self, to: TicketId, body: Value) -> (u16, Value) {
        said(self.post(&format!("/{to}/reply"), &body).send().await.unwrap()).await
    }

    async fn uploads(&self, name: &str, bytes: &[u8]) -> i64 {
        let request = self.bare(Method::POST, "/attachment").header("PRIVATE-TOKEN", self.key);
        let (status, answer) = said(request.multipart(form(name, bytes)).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer["attachmentId"].as_i64().unwrap()
    }

    async fn reads(&self, path: &str) -> Value {
        let (status, answer) = said(self.get(path).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn lists(&self, path: &str, range: &str) -> Vec<i64> {
        let request = self.get(path).header("RANGED-DATA", range);
        let (status, answer) = said(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    async fn puts(&self, path: &str) -> u16 {
        self.put(path).send().await.unwrap().status().as_u16()
    }

    fn keeps_the_contract(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

fn ticket(title: &str) -> Value {
    json!({ "title": title, "content": "It broke.", "category": "Bare-metal", "department": "Service Desk" })
}

fn form(name: &str, bytes: &[u8]) -> Form {
    Form::new().part("attachment", Part::bytes(bytes.to_vec()).file_name(name.to_owned()))
}

async fn said(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status >= 400 {
        assert!(answer["errorCode"].is_i64() && answer["errorMessage"].is_string(), "{text}");
    }
    (status, answer)
}

#[tokio::test]
async fn a_ticket_goes_from_create_to_close_and_open_again() {
    let caller = caller(I3dOptions::default()).await;
    let file = caller.uploads("before.txt", b"one").await;
    let mut body = ticket("Server down");
    body["emailCc"] = json!("");
    body["emailTo"] = json!("a@acme.example, b@acme.example");
    body["attachmentIds"] = json!([file]);
    let (status, made) = said(caller.post("", &body).send().await.unwrap()).await;
    assert_eq!((status, &made["status"], &made["clientLastReadAt"]), (200, &json!("open"), &json!(0)));
    assert_eq!((&made["numUserReplies"], &made["categoryName"]), (&json!(1), &json!("Bare-metal")));
    let opening = &made["replies"][0];
    assert_eq!((&opening["content"], &opening["replyByI3d"]), (&json!("It broke."), &json!(0)));
    assert_eq!(opening["attachments"][0]["id"], file);
    let id = TicketId(made["id"].as_i64().unwrap());
    assert_eq!(caller.desk.staged(ACME), []);

    let second = caller.uploads("after.txt", b"two").await;
    let reply = json!({ "title": "Re: Server down", "content": "Still.", "attachmentIds": [second] });
    let (status, answer) = caller.replies(id, reply).await;
    assert_eq!((status, &answer["replies"][1]["content"]), (200, &json!("Still.")));
    assert_eq!(answer["replies"][1]["attachments"][0]["name"], "after.txt");
    let staff = caller.desk.staff_replies(id, "We look.").unwrap();
    let sent = caller.desk.staff_attaches(id, Some(staff), "fix.pdf", "pdf").unwrap();
    let detail = caller.reads(&format!("/{id}")).await;
    assert_eq!((&detail["replies"][2]["replyByI3d"], &detail["numUserReplies"]), (&json!(1), &json!(3)));
    assert_eq!(detail["replies"][2]["attachments"][0]["id"], sent.0);
    let bytes = caller.reads(&format!("/{id}/attachment/{sent}")).await;
    assert_eq!(BASE64.decode(bytes.as_str().unwrap().as_bytes()).unwrap(), b"pdf");

    assert_eq!(caller.puts(&format!("/{id}/close")).await, 204);
    assert_eq!(caller.reads(&format!("/{id}")).await["status"], "closed");
    let again = json!({ "title": "Re", "content": "again" });
    assert_eq!(caller.replies(id, again.clone()).await.0, 422);
    assert_eq!(caller.puts(&format!("/{id}/open")).await, 204);
    assert_eq!(caller.replies(id, again.clone()).await.0, 200);
    caller.desk.staff_force_closes(id).unwrap();
    assert_eq!(caller.puts(&format!("/{id}/open")).await, 422);
    let kept = caller.desk.ticket(id).unwrap();
    assert_eq!((kept.status, kept.messages[0].author), (Status::Closed, Author::Customer));
    assert_eq!(
        (kept.attachments[0].bytes.as_ref(), &kept.cc[0]),
        (&b"one"[..], &"a@acme.example".to_owned())
    );
    let names: Vec<_> = caller.desk.calls().iter().map(|call| call.name).collect();
    let first =
        ["upload", "create", "upload", "reply", "detail", "download", "close", "detail", "reply", "reopen"];
    assert_eq!(names[..10], first);
    assert!(caller.desk.calls().iter().all(|call| call.account == Some(ACME)));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_form_is_refused_with_every_field_that_is_wrong() {
    let caller = caller(I3dOptions { mail_fields: MailField::Required, ..I3dOptions::default() }).await;
    let body = json!({ "title": " ", "category": "Towers", "department": "Nobody", "emailCc": "x" });
    let (status, answer) = said(caller.post("", &body).send().await.unwrap()).await;
    assert_eq!((status, &answer["errorCode"]), (422, &json!(11001)));
    let wrong: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| &error["property"]).collect();
    assert_eq!(wrong, ["title", "content", "category", "department", "emailCc", "emailTo"]);
    let mut body = ticket("Mail");
    (body["emailCc"], body["emailTo"]) = (json!(""), json!(""));
    assert_eq!(caller.post("", &body).send().await.unwrap().status(), 200);
    let id = caller.desk.tickets(ACME)[0].id;
    let (_, answer) = caller.replies(id, json!({ "content": "no title" })).await;
    assert_eq!(answer["errors"], json!([{ "property": "title", "message": "is required" }]));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn lists_are_ranged_by_a_header() {
    let caller = caller(I3dOptions { page_token: true, ..I3dOptions::default() }).await;
    let opens = |n: i32| caller.desk.staff_opens(ACME, &format!("t{n}"), "text").unwrap().0;
    let mut ids: Vec<i64> = (0..30).map(opens).collect();
    ids.reverse();
    caller.desk.staff_opens(OTHER, "foreign", "text").unwrap();
    let first = caller.get("").send().await.unwrap();
    let token = first.headers()["page-token"].clone();
    let rows: Vec<Value> = first.json().await.unwrap();
    assert_eq!((rows.len(), rows[0].get("replies")), (25, None));
    assert_eq!(caller.lists("", "start=28,results=25").await, ids[28..]);
    let rest = caller.get("").header("PAGE-TOKEN", token).send().await.unwrap();
    assert!(!rest.headers().contains_key("page-token"));
    let rest: Vec<Value> = rest.json().await.unwrap();
    assert_eq!(rest.len(), 5);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_closed_ticket_is_listed_until_its_last_answer_is_read() {
    let caller = caller(I3dOptions::default()).await;
    let (open, closed) = (caller.opens("Open").await, caller.opens("Closed").await);
    let listed = || caller.lists("/openOrUnread", "start=0,results=25");
    caller.desk.staff_replies(closed, "Done.").unwrap();
    caller.desk.staff_resolves(closed).unwrap();
    assert_eq!(listed().await, [closed.0, open.0]);
    assert!(caller.reads(&format!("/{closed}")).await["clientLastReadAt"].as_i64().unwrap() > 0);
    assert_eq!(listed().await, [open.0]);
    assert_eq!(caller.lists("", "start=0,results=25").await, [closed.0, open.0]);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn an_upload_can_be_taken_back_until_it_is_bound() {
    let caller = caller(I3dOptions::default()).await;
    let (unused, used) = (caller.uploads("a", b"a").await, caller.uploads("b", b"b").await);
    let mut body = ticket("Files");
    body["attachmentIds"] = json!([used]);
    assert_eq!(caller.post("", &body).send().await.unwrap().status(), 200);
    let deletes = async |id: i64, key| {
        let request = caller.bare(Method::DELETE, &format!("/attachment/{id}"));
        request.header("PRIVATE-TOKEN", key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(deletes(unused, OTHER_KEY).await, 404);
    assert_eq!(deletes(unused, KEY).await, 204);
    assert_eq!(deletes(unused, KEY).await, 404);
    assert_eq!(deletes(used, KEY).await, 404);
    body["attachmentIds"] = json!([unused]);
    assert_eq!(caller.post("", &body).send().await.unwrap().status(), 422);
    assert_eq!(caller.desk.tickets(ACME).len(), 1);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_guest_writes_through_the_contact_form() {
    let caller = caller(I3dOptions::default()).await;
    let mut body = json!({ "firstName": "Ada", "lastName": "Lovelace", "email": "ada@guest.example",
                           "phone": "0101234567", "title": "Hello", "content": "Who are you?", "category": "Network" });
    let (status, made) = said(caller.post("/contact", &body).send().await.unwrap()).await;
    assert_eq!((status, &made["replies"][0]["fullUserName"]), (200, &json!("Ada Lovelace")));
    body["phone"] = json!("1");
    let (status, answer) = said(caller.post("/contact", &body).send().await.unwrap()).await;
    assert_eq!((status, &answer["errors"][0]["property"]), (422, &json!("phone")));
    assert_eq!(caller.reads("/categories").await[0], "Bare-metal");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_refused_and_noted() {
    let caller = caller(I3dOptions::default()).await;
    let id = caller.opens("A").await;
    let with = |field: &str, value: Value| {
        let mut body = ticket("s");
        body[field] = value;
        caller.post("", &body)
    };
    let token = |method, path: &str| caller.bare(method, path).header("PRIVATE-TOKEN", KEY);
    let upload = || token(Method::POST, "/attachment");
    let cases: Vec<(u16, RequestBuilder)> = vec![
        (400, with("priority", json!("high"))),
        (400, with("attachmentIds", json!(["1"]))),
        (400, with("attachmentIds", Value::Null)),
        (400, with("emailCc", Value::Null)),
        (400, with("title", json!(1))),
        (400, token(Method::POST, "").form(&[("title", "s")])),
        (400, token(Method::POST, "").body(ticket("s").to_string())),
        (400, caller.post("", &ticket("s")).query(&[("x", "1")])),
        (400, caller.get("").query(&[("start", "0")])),
        (400, caller.get("").header("RANGED-DATA", "start=0")),
        (400, caller.get("").header("RANGED-DATA", "start=0, results=25")),
        (400, caller.get("").header("RANGED-DATA", "start=0,results=0")),
        (400, caller.get("").header("PAGE-TOKEN", "pt00000019")),
        (400, caller.get("/categories").header("RANGED-DATA", "start=0,results=25")),
        (400, caller.put(&format!("/{id}/close")).json(&json!({}))),
        (422, upload().multipart(form("a", b"a").text("ticketId", "1"))),
        (422, upload().multipart(Form::new().text("attachment", "no file"))),
        (422, upload().multipart(Form::new().part("file", Part::text("a").file_name("a")))),
        (400, upload().json(&json!({}))),
        (401, caller.bare(Method::GET, "")),
        (401, caller.bare(Method::GET, "").bearer_auth(KEY)),
        (404, caller.get("/first")),
        (404, caller.post(&format!("/{id}/close"), &json!({}))),
        (404, token(Method::DELETE, &format!("/{id}"))),
    ];
    for (n, (expected, request)) in cases.into_iter().enumerate() {
        let (status, answer) = said(request.send().await.unwrap()).await;
        assert_eq!(status, expected, "case {n}: {answer}");
        assert_eq!(caller.desk.violations().len(), n + 1, "case {n} is not noted");
    }
    let kept = caller.desk.ticket(id).unwrap();
    assert_eq!((caller.desk.tickets(ACME).len(), kept.status), (1, Status::Open));
    assert!(caller.desk.staged(ACME).is_empty());
}

#[tokio::test]
async fn a_key_opens_its_own_account_only() {
    let mut caller = caller(I3dOptions { auth_status: 403, ..I3dOptions::default() }).await;
    let id = caller.opens("Ours").await;
    let ours = caller.uploads("a", b"a").await;
    caller.key = OTHER_KEY;
    let (status, answer) = caller.replies(id, json!({ "title": "t", "content": "hello" })).await;
    assert_eq!((status, &answer["errorCode"]), (404, &json!(10001)));
    assert_eq!(caller.puts(&format!("/{id}/close")).await, 404);
    let mut body = ticket("Theirs");
    body["attachmentIds"] = json!([ours]);
    assert_eq!(caller.post("", &body).send().await.unwrap().status(), 422);
    caller.desk.revoke_key(OTHER);
    let (status, answer) = said(caller.get("").send().await.unwrap()).await;
    assert_eq!((status, &answer["errorCode"]), (403, &json!(10004)));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_is_inferred_can_be_worded_otherwise() {
    let caller = caller(I3dOptions {
        answers_in_array: true,
        flags_as_bool: true,
        absent: vec!["hash".to_owned(), "updatedAt".to_owned()],
        attachment_id_key: "attachmentId".to_owned(),
        attachment_name_key: "fileName".to_owned(),
        download: DownloadForm::Raw,
        made_status: 201,
        answer_has_replies: false,
        ..I3dOptions::default()
    })
    .await;
    let (status, made) = said(caller.post("", &ticket("Words")).send().await.unwrap()).await;
    assert_eq!((status, made[0].get("replies"), made[0].get("updatedAt")), (201, None, None));
    let id = TicketId(made[0]["id"].as_i64().unwrap());
    let staff = caller.desk.staff_replies(id, "Look.").unwrap();
    let file = caller.desk.staff_attaches(id, Some(staff), "café.txt", "x").unwrap();
    let detail = caller.reads(&format!("/{id}")).await;
    assert_eq!(detail[0]["replies"][1]["replyByI3d"], true);
    let shown = &detail[0]["replies"][1]["attachments"][0];
    assert_eq!((&shown["attachmentId"], &shown["fileName"]), (&json!(file.0), &json!("café.txt")));
    let bytes = caller.get(&format!("/{id}/attachment/{file}")).send().await.unwrap();
    assert_eq!(bytes.headers()["content-type"], "text/plain");
    assert!(bytes.headers()["content-disposition"].to_str().unwrap().contains("caf%C3%A9.txt"));
    assert_eq!(bytes.text().await.unwrap(), "x");
}

#[tokio::test]
async fn faults_speak_its_error_form() {
    let caller = caller(I3dOptions::default()).await;
    let id = caller.opens("Faults").await;
    caller.desk.faults().next("reply", Fault::LoseAnswer);
    caller.desk.faults().next("reply", Fault::Status(500));
    caller.desk.faults().next("reopen", Fault::RetryAfter(7));
    let body = json!({ "title": "t", "content": "lost" });
    assert!(caller.post(&format!("/{id}/reply"), &body).send().await.is_err());
    assert_eq!(caller.replies(id, body).await.0, 500);
    let throttled = caller.put(&format!("/{id}/open")).send().await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(caller.desk.find_text("lost").len(), 1);
}
