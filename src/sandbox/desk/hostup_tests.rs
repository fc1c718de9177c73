//! The desk in HostUp's dialect, driven over HTTP as a caller would.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Binding, DeskOptions, DeskStandIn, Dialect, HostupOptions, Opening, Status, TicketId};
use crate::sandbox::faults::Fault;

const ACME: i64 = 123;
const KEY: &str = "hostup-key-of-acme";
const OTHER: i64 = 124;
const OTHER_KEY: &str = "hostup-key-of-another";

struct Caller {
    desk: DeskStandIn,
    http: Client,
    key: &'static str,
}

async fn caller(hostup: HostupOptions) -> Caller {
    let options = DeskOptions { dialect: Dialect::Hostup, hostup, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACME, KEY);
    desk.add_account(OTHER, OTHER_KEY);
    let http = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    Caller { desk, http, key: KEY }
}

impl Caller {
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/support{path}", self.desk.base_url());
        self.http.request(method, url).header("accept", "application/json")
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.bare(Method::GET, path).bearer_auth(self.key)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.bare(Method::POST, path).bearer_auth(self.key)
    }

    async fn creates(&self, body: &Value) -> (u16, Value) {
        said(self.post("/tickets").json(body).send().await.unwrap()).await
    }

    async fn opens(&self, subject: &str) -> TicketId {
        let (status, made) = self.creates(&ticket(subject)).await;
        assert_eq!(status, 201, "{made}");
        number(&made["id"])
    }

    async fn replies(&self, to: TicketId, body: Value) -> (u16, Value) {
        said(self.post(&format!("/tickets/tkt_{to}/messages")).json(&body).send().await.unwrap()).await
    }

    async fn uploads(&self, form: Form) -> (u16, Value) {
        said(self.post("/attachments").multipart(form).send().await.unwrap()).await
    }

    async fn acts(&self, on: TicketId, action: &str) -> (u16, Value) {
        said(self.post(&format!("/tickets/tkt_{on}/actions/{action}")).send().await.unwrap()).await
    }

    async fn detail(&self, id: TicketId) -> Value {
        self.reads(&format!("/tickets/tkt_{id}")).await
    }

    async fn reads(&self, path: &str) -> Value {
        let (status, answer) = said(self.get(path).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn keeps_the_contract(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

fn ticket(subject: &str) -> Value {
    json!({ "departmentSlug": "vps", "subject": subject, "message": "It broke." })
}

fn file(name: &str, bytes: &[u8]) -> Form {
    Form::new().part("file", Part::bytes(bytes.to_vec()).file_name(name.to_owned()))
}

fn number(id: &Value) -> TicketId {
    TicketId(id.as_str().unwrap().strip_prefix("tkt_").unwrap().parse().unwrap())
}

async fn said(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].clone();
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status >= 400 {
        assert_eq!((kind.as_bytes(), &answer["status"]), (&b"application/problem+json"[..], &json!(status)));
        assert!(answer["code"].is_string() && answer["timestamp"].is_string(), "{text}");
    }
    (status, answer)
}

#[tokio::test]
async fn a_ticket_goes_from_create_to_close_and_back() {
    let caller = caller(HostupOptions::default()).await;
    let service = caller.desk.add_property(ACME, "vps-1.acme.example");
    let mut body = ticket("VPS down");
    body["priority"] = json!("critical");
    body["criticalReason"] = json!("The shop is down.");
    body["ccEmails"] = json!(["boss@acme.example"]);
    body["context"] = json!({ "serviceType": "vps", "serviceId": service.to_string() });
    (body["aiSummary"], body["aiHelpful"]) = (Value::Null, json!(false));
    let (status, made) = caller.creates(&body).await;
    assert_eq!((status, &made["status"], &made["body"]), (201, &json!("open"), &json!("It broke.")));
    assert_eq!((&made["messageCount"], &made["messages"]), (&json!(1), &json!([])));
    assert_eq!(made["linkedServices"][0]["serviceName"], "vps-1.acme.example");
    assert_eq!((&made["priority"], &made["departmentName"]), (&json!("critical"), &json!("VPS")));
    let id = number(&made["id"]);
    assert!(made["createdAt"].as_str().unwrap().ends_with('Z'));

    let (status, message) = caller.replies(id, json!({ "message": "Still.", "encrypted": false })).await;
    assert_eq!((status, &message["sender"], &message["attachments"]), (201, &json!("customer"), &json!([])));
    assert_eq!(caller.detail(id).await["status"], "customer_reply");
    caller.desk.staff_replies(id, "We look.").unwrap();
    caller.desk.staff_replies_encrypted(id, "root:secret").unwrap();
    caller.desk.automation_replies(id, "Rebooted.").unwrap();
    let detail = caller.reads(&format!("/tickets/{}", made["number"].as_str().unwrap())).await;
    assert_eq!((&detail["status"], &detail["messageCount"]), (&json!("answered"), &json!(5)));
    let senders: Vec<_> = (0..4).map(|n| &detail["messages"][n]["sender"]).collect();
    assert_eq!(senders, ["customer", "staff", "staff", "automation"]);
    assert_eq!(
        (&detail["messages"][2]["encrypted"], &detail["messages"][2]["body"]),
        (&json!(true), &Value::Null)
    );

    let (status, closed) = caller.acts(id, "close").await;
    assert_eq!((status, &closed["status"]), (200, &json!("closed")));
    assert_eq!(caller.acts(id, "close").await.0, 409);
    let (status, refused) = caller.replies(id, json!({ "message": "more" })).await;
    assert_eq!((status, &refused["code"]), (409, &json!("ticket_closed")));
    assert_eq!(caller.acts(id, "reopen").await.1["status"], "open");
    assert_eq!(caller.acts(id, "reopen").await.0, 409);
    assert_eq!(caller.replies(id, json!({ "message": "more" })).await.0, 201);
    let names: Vec<_> =
        caller.desk.calls().iter().map(|call| (call.name, call.account, call.ticket)).collect();
    let expected =
        ["create", "reply", "detail", "detail", "close", "close", "reply", "reopen", "reopen", "reply"];
    assert_eq!(names, expected.map(|name| (name, Some(ACME), Some(id))));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_bad_field_is_named_by_its_pointer() {
    let caller = caller(HostupOptions::default()).await;
    caller.desk.add_property(OTHER, "foreign");
    let with = |field: &str, value: Value| {
        let mut body = ticket("s");
        body[field] = value;
        body
    };
    let cases = [
        (with("departmentSlug", json!("towers")), "/departmentSlug"),
        (with("subject", json!(" ")), "/subject"),
        (with("message", json!("")), "/message"),
        (with("priority", json!("critical")), "/criticalReason"),
        (with("ccEmails", json!(["nobody"])), "/ccEmails"),
        (with("context", json!({ "serviceId": "51" })), "/context/serviceId"),
    ];
    for (body, pointer) in cases {
        let (status, answer) = caller.creates(&body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_request")), "{body}");
        assert_eq!(answer["errors"][0]["pointer"], pointer);
    }
    assert!(caller.desk.tickets(ACME).is_empty());
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_pinned_upload_becomes_the_next_messages_file() {
    let caller = caller(HostupOptions::default()).await;
    let id = caller.opens("Files").await;
    let (status, upload) =
        caller.uploads(file("er/ror.log", b"log").text("ticketId", format!("tkt_{id}"))).await;
    assert_eq!((status, &upload["filename"], &upload["byteLength"]), (201, &json!("er_ror.log"), &json!(3)));
    assert!(upload["attachmentId"].as_str().unwrap().starts_with("satt_"));
    let (_, loose) = caller.uploads(file("loose.txt", b"x")).await;
    assert_eq!(loose["ticketId"], Value::Null);
    assert_eq!(caller.detail(id).await["attachments"], json!([]));
    assert_eq!(caller.replies(id, json!({ "message": "1 file attached" })).await.0, 201);
    let detail = caller.detail(id).await;
    let shown = &detail["messages"][0]["attachments"][0];
    assert_eq!((&shown["filename"], &shown["extension"]), (&json!("er_ror.log"), &json!("log")));
    let url = shown["downloadUrl"].as_str().unwrap().strip_prefix("/api/v2/support").unwrap();
    let bytes = caller.http.get(format!("{}/support{url}", caller.desk.base_url())).bearer_auth(KEY);
    let bytes = bytes.send().await.unwrap();
    assert!(bytes.headers()["content-disposition"].to_str().unwrap().contains("er_ror.log"));
    assert_eq!(bytes.bytes().await.unwrap(), "log");
    let other = caller.opens("Other").await;
    let elsewhere = url.replace(&format!("tkt_{id}"), &format!("tkt_{other}"));
    assert_eq!(caller.get(&elsewhere).send().await.unwrap().status(), 404);
    assert_eq!(caller.desk.staged(ACME).len(), 1);
    caller.keeps_the_contract();

    let (without, _) = url.split_once('?').unwrap();
    let (status, answer) = said(caller.get(without).send().await.unwrap()).await;
    assert_eq!((status, &answer["errors"][0]["pointer"]), (400, &json!("?ticketId")));
    assert_eq!(caller.desk.violations().len(), 1);
}

#[tokio::test]
async fn uploads_are_bound_as_the_options_say() {
    let pinned = |id: TicketId| file("a.txt", b"a").text("ticketId", format!("tkt_{id}"));
    let never = caller(HostupOptions { binding: Binding::Never, ..HostupOptions::default() }).await;
    let id = never.opens("Never").await;
    assert_eq!(never.uploads(pinned(id)).await.0, 201);
    assert_eq!(never.replies(id, json!({ "message": "a" })).await.0, 201);
    assert!(never.desk.ticket(id).unwrap().attachments.is_empty());

    let binding = Binding::Field("attachmentIds".to_owned());
    let named = caller(HostupOptions { binding, files_at_root: true, ..HostupOptions::default() }).await;
    let id = named.opens("Named").await;
    let (_, upload) = named.uploads(pinned(id)).await;
    let body = json!({ "message": "a", "attachmentIds": [upload["attachmentId"]] });
    assert_eq!(named.replies(id, body.clone()).await.0, 201);
    assert_eq!(named.detail(id).await["attachments"][0]["filename"], "a.txt");
    assert_eq!(named.replies(id, body).await.0, 400);

    let without = caller(HostupOptions { upload_refusal: Some(403), ..HostupOptions::default() }).await;
    let id = without.opens("Without").await;
    let (status, answer) = without.uploads(pinned(id)).await;
    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")));
    for caller in [never, named, without] {
        caller.keeps_the_contract();
    }
}

#[tokio::test]
async fn the_list_goes_on_at_its_cursor_and_shows_no_text() {
    let caller = caller(HostupOptions::default()).await;
    let ids: Vec<_> =
        (0..5).map(|n| caller.desk.staff_opens(ACME, &format!("t{n}"), "text").unwrap()).collect();
    caller.desk.staff_opens(OTHER, "foreign", "text").unwrap();
    caller.desk.staff_replies(ids[1], "news").unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let request = caller.get("/tickets").query(&[("limit", "2")]).query(&[("cursor", &cursor)]);
        let request = if cursor.is_none() { caller.get("/tickets?limit=2") } else { request };
        let (status, page) = said(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{page}");
        let rows = page["data"].as_array().unwrap();
        assert!(
            rows.iter()
                .all(|row| ["body", "messages", "attachments"].iter().all(|key| row.get(key).is_none()))
        );
        seen.extend(rows.iter().map(|row| number(&row["id"])));
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        assert_eq!(page["hasMore"], cursor.is_some());
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [ids[1], ids[4], ids[3], ids[2], ids[0]]);
    let answered = caller.reads("/tickets?status=answered&departmentSlug=general-web-hosting").await;
    assert_eq!(answered["data"].as_array().unwrap().len(), 1);
    assert_eq!(caller.reads("/departments").await["departments"][1]["slug"], "domain-names");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_refused_and_noted() {
    let caller = caller(HostupOptions::default()).await;
    let id = caller.opens("A").await;
    let with = |field: &str, value: Value| {
        let mut body = ticket("s");
        body[field] = value;
        caller.post("/tickets").json(&body)
    };
    let own = format!("/tickets/tkt_{id}");
    let messages = format!("{own}/messages");
    let cases: Vec<(u16, RequestBuilder)> = vec![
        (400, with("accountId", json!("1"))),
        (400, with("attachments", json!([]))),
        (400, with("priority", json!("enormous"))),
        (400, with("subject", Value::Null)),
        (400, with("context", json!({ "domain": "x" }))),
        (400, caller.post(&messages).json(&json!({ "message": "a", "attachmentIds": ["satt_1"] }))),
        (400, caller.post(&messages).json(&json!({ "message": 1 }))),
        (415, caller.post(&messages).body("{\"message\":\"a\"}")),
        (415, caller.post("/attachments").json(&json!({}))),
        (400, caller.post("/attachments").multipart(file("a", b"a").text("messageId", "1"))),
        (400, caller.post("/attachments").multipart(file("a", b"a").text("ticketId", id.to_string()))),
        (400, caller.post("/attachments").multipart(Form::new().text("file", "no file"))),
        (400, caller.post(&format!("{own}/actions/close")).json(&json!({}))),
        (400, caller.get("/tickets?limit=101")),
        (400, caller.get("/tickets?limit=0")),
        (400, caller.get("/tickets?status=unknown")),
        (400, caller.get("/tickets?cursor=x")),
        (400, caller.get("/tickets?since=1")),
        (400, caller.get(&format!("{own}?accountId=1"))),
        (401, caller.bare(Method::GET, &own)),
        (401, caller.bare(Method::GET, &own).header("authorization", KEY)),
        (401, caller.get(&own).header("x-api-key", KEY)),
        (406, caller.http.get(format!("{}/support{own}", caller.desk.base_url())).bearer_auth(KEY)),
        (404, caller.get("/tickets/first")),
        (404, caller.post(&own).json(&json!({}))),
    ];
    for (n, (expected, request)) in cases.into_iter().enumerate() {
        let (status, answer) = said(request.send().await.unwrap()).await;
        assert_eq!(status, expected, "case {n}: {answer}");
        assert_eq!(caller.desk.violations().len(), n + 1, "case {n} is not noted");
    }
    let kept = caller.desk.ticket(id).unwrap();
    assert!(kept.messages.is_empty() && kept.status == Status::Open && caller.desk.tickets(ACME).len() == 1);
    assert!(caller.desk.staged(ACME).is_empty());
}

#[tokio::test]
async fn a_key_does_what_its_scopes_allow_in_its_own_account() {
    let scopes = vec!["read:support".to_owned(), "write:support".to_owned()];
    let mut caller = caller(HostupOptions { scopes, foreign_status: 403, ..HostupOptions::default() }).await;
    let (status, answer) = said(caller.get("/departments").send().await.unwrap()).await;
    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")));
    assert!(answer["detail"].as_str().unwrap().contains("read:account"));
    let id = caller.opens("Ours").await;
    caller.key = OTHER_KEY;
    assert_eq!(caller.replies(id, json!({ "message": "hello" })).await.0, 403);
    assert_eq!(caller.uploads(file("a", b"a").text("ticketId", format!("tkt_{id}"))).await.0, 403);
    assert_eq!(
        caller.replies(TicketId(1), json!({ "message": "hello" })).await.1["code"],
        "ticket_not_found"
    );
    caller.desk.revoke_key(OTHER);
    assert_eq!(caller.acts(id, "close").await.1["code"], "unauthorized");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_is_inferred_can_be_worded_otherwise() {
    let options = HostupOptions {
        opening: Opening::BodyAndMessage,
        nulls: true,
        state_refusal: 400,
        ..HostupOptions::default()
    };
    let caller = caller(options).await;
    let id = caller.opens("Words").await;
    let detail = caller.detail(id).await;
    assert_eq!(detail["messages"][0]["body"], detail["body"]);
    assert_eq!((&detail["messageCount"], &detail["departmentName"]), (&json!(1), &Value::Null));
    assert_eq!(detail["messages"][0]["sentAt"], Value::Null);
    caller.desk.staff_closes(id).unwrap();
    assert_eq!(caller.replies(id, json!({ "message": "a" })).await.0, 400);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_merged_ticket_is_unknown_and_its_texts_stand_in_the_other() {
    let caller = caller(HostupOptions::default()).await;
    let (from, into) = (caller.opens("From").await, caller.opens("Into").await);
    assert_eq!(caller.replies(from, json!({ "message": "moved along" })).await.0, 201);
    caller.desk.staff_merges(from, into).unwrap();
    assert_eq!(caller.acts(from, "close").await.0, 404);
    assert_eq!(caller.detail(into).await["messages"][1]["body"], "moved along");
    assert_eq!(caller.desk.ticket(from).unwrap().merged_into, Some(into));
    assert_eq!(caller.desk.find_text("moved along").len(), 1);
}

#[tokio::test]
async fn a_throttled_caller_is_told_when_to_come_back() {
    let caller = caller(HostupOptions::default()).await;
    caller.desk.faults().next("create", Fault::RetryAfter(7));
    caller.desk.faults().next("create", Fault::LoseAnswer);
    let throttled = caller.post("/tickets").json(&ticket("s")).send().await.unwrap();
    assert_eq!(throttled.headers()["retry-after"], "7");
    let reset: jiff::Timestamp = throttled.headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!((0..=7).contains(&reset.duration_since(jiff::Timestamp::now()).as_secs()));
    assert_eq!(said(throttled).await.1["code"], "rate_limited");
    assert!(caller.post("/tickets").json(&ticket("s")).send().await.is_err());
    assert_eq!(caller.desk.tickets(ACME).len(), 1);
}
