//! The desk, driven over HTTP as a caller would.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Author, DeskOptions, DeskStandIn, Enums, MessageId, Status, TicketId, Timestamps};
use crate::sandbox::faults::Fault;

const ACME: i64 = 123;
const KEY: &str = "pdm_k3y!@#$%&*abcdefghijklmnopqr";
const OTHER: i64 = 124;
const OTHER_KEY: &str = "pdm_other-key-of-28-characters!!";
const PATIENCE: Duration = Duration::from_secs(20);

/// A caller with a key at a desk with two accounts.
struct Caller {
    desk: DeskStandIn,
    http: Client,
    key: &'static str,
    account: i64,
}

async fn caller(options: DeskOptions) -> Caller {
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACME, KEY);
    desk.add_account(OTHER, OTHER_KEY);
    let http = Client::builder().timeout(PATIENCE).build().unwrap();
    Caller { desk, http, key: KEY, account: ACME }
}

impl Caller {
    fn get(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.desk.base_url());
        self.http.get(url).header("X-API-Key", self.key).query(&[("accountId", self.account)])
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.desk.base_url());
        self.http.post(url).header("X-API-Key", self.key).query(&[("accountId", self.account)])
    }

    async fn creates(&self, body: Value) -> (u16, Value) {
        envelope(self.post("/api/Ticket").json(&body).send().await.unwrap()).await
    }

    async fn opens(&self, subject: &str) -> TicketId {
        let (status, answer) = self.creates(json!({ "subject": subject, "description": "It broke." })).await;
        assert_eq!(status, 201, "{answer}");
        TicketId(answer["data"]["id"].as_i64().unwrap())
    }

    async fn replies(&self, ticket: TicketId, text: &str) -> (u16, Value) {
        let request = self.post(&format!("/api/Ticket/{ticket}/message")).json(&json!({ "message": text }));
        envelope(request.send().await.unwrap()).await
    }

    async fn uploads(&self, ticket: TicketId, form: Form) -> (u16, Value) {
        let request = self.post(&format!("/api/Ticket/{ticket}/attachment")).multipart(form);
        envelope(request.send().await.unwrap()).await
    }

    async fn closes(&self, ticket: TicketId) -> (u16, Value) {
        envelope(self.post(&format!("/api/Ticket/{ticket}/close")).send().await.unwrap()).await
    }

    async fn detail(&self, ticket: TicketId) -> Value {
        let (status, answer) =
            envelope(self.get(&format!("/api/Ticket/{ticket}")).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer["data"].clone()
    }

    fn keeps_the_contract(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

async fn envelope(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if answer.get("succeeded").is_some() {
        assert_eq!(answer["succeeded"], json!(status < 400), "{text}");
    }
    (status, answer)
}

fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Form {
    Form::new().part("file", Part::bytes(bytes.into()).file_name(name.to_owned()))
}

#[tokio::test]
async fn a_ticket_goes_from_create_to_close() {
    let caller = caller(DeskOptions::default()).await;
    let property = caller.desk.add_property(ACME, "example.com");
    let body = json!({ "subject": "SSL fails", "description": "Since noon. tb-abc", "topic": 4, "propertyId": property });
    let (status, answer) = caller.creates(body).await;
    assert_eq!((status, &answer["message"]), (201, &json!("Ticket created successfully.")));
    let ticket = TicketId(answer["data"]["id"].as_i64().unwrap());
    let data = json!({ "id": ticket.0, "subject": "SSL fails", "status": 0, "topic": 4,
                       "propertyId": property, "propertyName": "example.com" });
    assert_eq!(answer["data"], data);

    let (status, answer) = caller.replies(ticket, "Still so.").await;
    assert_eq!(status, 201);
    let message = answer["data"]["id"].as_i64().unwrap();
    let form = file("café \"1\".png", vec![7; 300]).text("messageId", message.to_string());
    let (status, answer) = caller.uploads(ticket, form).await;
    assert_eq!((status, &answer["data"]["messageId"]), (201, &json!(message)));

    let staff = caller.desk.staff_replies(ticket, "Look at this.").unwrap();
    let sent = caller.desk.staff_attaches(ticket, Some(staff), "fix.pdf", "pdf").unwrap();
    let detail = caller.detail(ticket).await;
    assert_eq!(detail["description"], "Since noon. tb-abc");
    assert_eq!(detail["messages"][0]["isStaff"], false);
    assert_eq!(detail["messages"][1]["isStaff"], true);
    assert_eq!(detail["attachments"][0]["fileSize"], 300);
    assert_eq!(detail["attachments"][1]["fileName"], "fix.pdf");
    assert!(detail["attachments"][0]["id"].as_i64() < detail["attachments"][1]["id"].as_i64());
    let bytes = caller.get(&format!("/api/Ticket/{ticket}/attachment/{sent}")).send().await.unwrap();
    assert_eq!(bytes.headers()["content-type"], "application/pdf");
    assert_eq!(
        bytes.headers()["content-disposition"],
        "attachment; filename=\"fix.pdf\"; filename*=UTF-8''fix.pdf"
    );
    assert_eq!(bytes.text().await.unwrap(), "pdf");

    assert_eq!(caller.closes(ticket).await.0, 200);
    assert_eq!(caller.closes(ticket).await.0, 400);
    let kept = caller.desk.ticket(ticket).unwrap();
    assert_eq!((kept.status, kept.messages[0].author), (Status::Closed, Author::Customer));
    assert_eq!(kept.attachments[0].name, "café \"1\".png");
    assert_eq!(kept.attachments[0].bytes, vec![7; 300]);
    assert_eq!(caller.desk.find_text("tb-abc"), [(ticket, None)]);
    assert_eq!(caller.desk.find_text("Still so"), [(ticket, Some(MessageId(message)))]);
    let names: Vec<_> = caller.desk.calls().iter().map(|call| (call.name, call.status)).collect();
    let expected = [
        ("create", 201),
        ("reply", 201),
        ("upload", 201),
        ("detail", 200),
        ("download", 200),
        ("close", 200),
        ("close", 400),
    ];
    assert_eq!(names, expected);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_name_outside_ascii_comes_back_whole() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Names").await;
    let sent = caller.desk.staff_attaches(ticket, None, "répons;e.txt", "x").unwrap();
    let answer = caller.get(&format!("/API/TICKET/{ticket}/Attachment/{sent}")).send().await.unwrap();
    let disposition = "attachment; filename=\"r_pons;e.txt\"; filename*=UTF-8''r%C3%A9pons%3Be.txt";
    assert_eq!(answer.headers()["content-disposition"], disposition);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn bad_creates_are_refused_in_the_envelope() {
    let caller = caller(DeskOptions::default()).await;
    let foreign = caller.desk.add_property(OTHER, "other.example");
    let cases = [
        (json!({ "description": "d" }), "Subject is required."),
        (json!({ "subject": " ", "description": "d" }), "Subject is required."),
        (json!({ "subject": "s", "description": "" }), "Description is required."),
        (json!({ "subject": "a\nb", "description": "d" }), "Subject must be a single line."),
        (
            json!({ "subject": "😀".repeat(101), "description": "d" }),
            "Subject must not exceed 200 characters.",
        ),
        (json!({ "subject": "s", "description": "d", "topic": 6 }), "Invalid topic"),
        (json!({ "subject": "s", "description": "d", "topic": -1 }), "Invalid topic"),
        (json!({ "subject": "s", "description": "d", "propertyId": foreign }), "Invalid property"),
    ];
    for (body, message) in cases {
        let (status, answer) = caller.creates(body.clone()).await;
        assert_eq!((status, &answer["message"]), (400, &json!(message)), "{body}");
        assert_eq!(answer["data"], Value::Null);
    }
    assert!(caller.desk.tickets(ACME).is_empty());
    let (status, _) =
        caller.creates(json!({ "subject": "😀".repeat(100), "description": "d", "propertyId": null })).await;
    assert_eq!(status, 201);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_refused_and_noted() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("A").await;
    let body = json!({ "subject": "s", "description": "d" });
    let bare = |path: &str| caller.http.get(format!("{}{path}", caller.desk.base_url()));
    let own = format!("/api/Ticket/{ticket}");
    let upload = format!("{own}/attachment");
    let cases: Vec<(u16, RequestBuilder)> = vec![
        (400, caller.post("/api/Ticket").json(&json!({ "subject": "s", "description": "d", "priority": 1 }))),
        (
            400,
            caller.post("/api/Ticket").json(&json!({ "subject": "s", "description": "d", "topic": "SSL" })),
        ),
        (400, caller.post("/api/Ticket").header("content-type", "application/json").body("{")),
        (415, caller.post("/api/Ticket").form(&[("subject", "s")])),
        (415, caller.post("/api/Ticket").body(body.to_string())),
        (400, caller.post("/api/Ticket").query(&[("marker", "x")]).json(&body)),
        (400, caller.post("/api/Ticket").query(&[("accountId", "123")]).json(&body)),
        (400, caller.get("/api/Ticket").query(&[("status", "0")])),
        (400, caller.get("/api/Ticket").query(&[("pageNumber", "0")])),
        (400, caller.get("/api/property")),
        (400, caller.post(&format!("{own}/close")).json(&json!({}))),
        (
            400,
            caller
                .post(&upload)
                .multipart(file("a.txt", "a").part("file", Part::text("b").file_name("b.txt"))),
        ),
        (400, caller.post(&upload).multipart(Form::new().text("file", "not a file"))),
        (400, caller.post(&upload).multipart(file("a.txt", "a").text("messageId", "first"))),
        (415, caller.post(&upload).json(&json!({ "file": "x" }))),
        (400, bare(&own).header("X-API-Key", KEY)),
        (400, bare(&format!("{own}?accountId=acme")).header("X-API-Key", KEY)),
        (401, bare(&format!("{own}?accountId=123"))),
        (401, bare(&format!("{own}?accountId=123")).bearer_auth(KEY)),
        (401, caller.get(&own).bearer_auth("jwt")),
        (404, caller.get("/api/v1/Ticket")),
        (404, caller.get("/api/Ticket/first")),
        (405, caller.post(&own)),
    ];
    for (n, (expected, request)) in cases.into_iter().enumerate() {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "case {n}: {}", answer.text().await.unwrap());
        assert_eq!(caller.desk.violations().len(), n + 1, "case {n} is not noted");
    }
    assert_eq!(caller.desk.tickets(ACME).len(), 1);
    assert!(caller.desk.ticket(ticket).unwrap().attachments.is_empty());
    assert!(caller.desk.violations().iter().all(|violation| !violation.contains(KEY)));
}

#[tokio::test]
async fn a_key_opens_its_own_account_only() {
    let mut caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Ours").await;
    caller.key = OTHER_KEY;
    assert_eq!(caller.creates(json!({ "subject": "s", "description": "d" })).await.0, 404);
    caller.account = OTHER;
    assert_eq!(caller.replies(ticket, "hello").await.0, 404);
    assert_eq!(caller.uploads(ticket, file("a", "a")).await.0, 404);
    assert_eq!(caller.closes(ticket).await.0, 404);
    caller.desk.revoke_key(OTHER);
    let (status, answer) = caller.replies(ticket, "hello").await;
    assert_eq!((status, &answer["succeeded"]), (401, &json!(false)));
    let kept = caller.desk.ticket(ticket).unwrap();
    assert!(kept.messages.is_empty() && kept.status == Status::Open);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn the_size_limits_strike_one_after_the_other() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Big").await;
    assert_eq!(caller.uploads(ticket, file("fits.bin", vec![0; 10_000_000])).await.0, 201);
    let (status, answer) = caller.uploads(ticket, file("over.bin", vec![0; 10_000_001])).await;
    assert_eq!((status, &answer["message"]), (400, &json!("File size exceeds 10 MB limit.")));
    let request = caller.post(&format!("/api/Ticket/{ticket}/attachment"));
    let answer = request.multipart(file("huge.bin", vec![0; 12_000_000])).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert_eq!(answer.text().await.unwrap(), "");
    assert_eq!(caller.desk.ticket(ticket).unwrap().attachments.len(), 1);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_reply_reopens_a_resolved_ticket_and_a_closed_one_refuses_everything() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Life").await;
    let first = caller.replies(ticket, "one").await.1["data"]["id"].as_i64().unwrap();
    caller.desk.staff_resolves(ticket).unwrap();
    assert!(caller.detail(ticket).await["resolvedAt"].is_string());
    assert_eq!(caller.uploads(ticket, file("a.txt", "a")).await.0, 201);
    assert_eq!(caller.desk.ticket(ticket).unwrap().status, Status::Resolved);
    assert_eq!(caller.replies(ticket, "again").await.0, 201);
    let detail = caller.detail(ticket).await;
    assert_eq!((&detail["status"], &detail["resolvedAt"]), (&json!(0), &Value::Null));
    assert_eq!(caller.replies(ticket, " \n").await.0, 400);
    let other = caller.opens("Other").await;
    assert_eq!(caller.uploads(other, file("a", "a").text("messageId", first.to_string())).await.0, 400);

    caller.desk.staff_closes(ticket).unwrap();
    assert_eq!(caller.replies(ticket, "more").await.0, 400);
    assert_eq!(caller.uploads(ticket, file("b.txt", "b")).await.0, 400);
    assert!(caller.desk.staff_replies(ticket, "no").is_err());
    assert_eq!(caller.detail(ticket).await["status"], 3);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn the_list_is_paged_and_the_newest_stands_first() {
    let caller = caller(DeskOptions::default()).await;
    for n in 0..5 {
        caller.desk.staff_opens(ACME, &format!("t{n}"), "text").unwrap();
    }
    caller.desk.staff_opens(OTHER, "foreign", "text").unwrap();
    let request = caller.get("/api/ticket").query(&[("pageNumber", 2), ("pageSize", 2)]);
    let (_, answer) = envelope(request.send().await.unwrap()).await;
    let subjects: Vec<_> =
        answer["data"].as_array().unwrap().iter().map(|row| row["subject"].clone()).collect();
    assert_eq!(subjects, ["t2", "t1"]);
    let paging =
        ["pageNumber", "pageSize", "totalPages", "totalRecords"].map(|key| answer[key].as_i64().unwrap());
    assert_eq!(paging, [2, 2, 3, 5]);

    caller.desk.add_property(ACME, "example.com");
    let url = format!("{}/api/property", caller.desk.base_url());
    let (_, answer) = envelope(caller.http.get(url).header("x-api-key", KEY).send().await.unwrap()).await;
    assert_eq!(answer["data"][0]["name"], "example.com");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_is_inferred_can_be_worded_otherwise() {
    let options = DeskOptions {
        staff_flag: Some("fromSupport".to_owned()),
        message_text_key: "body".to_owned(),
        created_key: "created".to_owned(),
        list_has_message_count: false,
        reply_answers_id: false,
        timestamps: Timestamps::Bare,
        enums: Enums::Name,
        clock_skew: jiff::SignedDuration::from_hours(-3),
        ..DeskOptions::default()
    };
    let caller = caller(options).await;
    let ticket = caller.opens("Words").await;
    assert_eq!(caller.replies(ticket, "hello").await.1["data"], Value::Null);
    caller.desk.staff_takes_up(ticket).unwrap();
    caller.desk.age(ticket, Duration::from_secs(86_400)).unwrap();
    let detail = caller.detail(ticket).await;
    assert_eq!((&detail["status"], &detail["topic"]), (&json!("InProgress"), &json!("General")));
    assert_eq!(detail["messages"][0]["body"], "hello");
    assert_eq!(detail["messages"][0]["fromSupport"], false);
    let created: jiff::civil::DateTime = detail["created"].as_str().unwrap().parse().unwrap();
    let created = created.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let age = jiff::Timestamp::now().duration_since(created);
    assert!((27 * 3600..27 * 3600 + 60).contains(&age.as_secs()), "{age:?}");

    let answer = caller.get("/api/Ticket").send().await.unwrap();
    let date = answer.headers()["date"].to_str().unwrap().to_owned();
    let date = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
    let behind = jiff::Timestamp::now().duration_since(date).as_secs();
    assert!((3 * 3600..3 * 3600 + 60).contains(&behind), "{behind}");
    assert!(answer.json::<Value>().await.unwrap()["data"][0].get("messageCount").is_none());
}

#[tokio::test]
async fn faults_strike_before_or_after_the_commit() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Faults").await;
    let faults = caller.desk.faults();
    faults.next("reply", Fault::LoseAnswer);
    faults.next("reply", Fault::Status(500));
    faults.next("reply", Fault::RetryAfter(7));
    let path = format!("/api/Ticket/{ticket}/message");
    let lost = caller.post(&path).json(&json!({ "message": "lost" })).send().await;
    assert!(lost.unwrap_err().status().is_none());
    let (status, answer) = caller.replies(ticket, "never").await;
    assert_eq!((status, &answer["succeeded"]), (500, &json!(false)));
    let throttled = caller.post(&path).json(&json!({ "message": "never" })).send().await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(caller.desk.find_text("lost").len(), 1);
    assert_eq!(caller.desk.find_text("never"), []);
}

#[tokio::test]
async fn a_late_call_happens_after_its_caller_has_given_up() {
    let caller = caller(DeskOptions::default()).await;
    let ticket = caller.opens("Late").await;
    caller.desk.does_late("reply", Duration::from_millis(1500));
    let request = caller.post(&format!("/api/Ticket/{ticket}/message")).json(&json!({ "message": "late" }));
    assert!(request.timeout(Duration::from_secs(1)).send().await.unwrap_err().is_timeout());
    assert_eq!(caller.desk.find_text("late"), []);
    let found = caller.desk.wait_for(|desk| desk.find_text("late").pop(), PATIENCE).await.unwrap();
    assert_eq!(found.0, ticket);
}

#[tokio::test]
async fn waiting_in_vain_ends() {
    let caller = caller(DeskOptions::default()).await;
    let waited = caller.desk.wait_for(|desk| desk.tickets(ACME).pop(), Duration::from_millis(20)).await;
    assert!(waited.is_err());
}
