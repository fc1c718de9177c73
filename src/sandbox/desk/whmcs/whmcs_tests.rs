//! The native WHMCS desk, driven over HTTP as a caller would.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, Mac};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::Sha256;

use super::hints::HintOptions;
use super::options::{Department, EmptyLists, Ids, RefusedFiles, StaffMark, WhmcsOptions};
use super::{PRIVATE_NOTE, STAFF_NAME};
use crate::sandbox::desk::{Author, DeskOptions, DeskStandIn, Dialect, Status, TicketId};
use crate::sandbox::faults::Fault;

const ACME: i64 = 123;
const OTHER: i64 = 124;
const PATIENCE: Duration = Duration::from_secs(20);

struct Caller {
    desk: DeskStandIn,
    http: Client,
    options: WhmcsOptions,
}

type Pairs<'a> = Vec<(&'a str, &'a str)>;

async fn caller(options: WhmcsOptions) -> Caller {
    let whole = DeskOptions { dialect: Dialect::Whmcs, whmcs: options.clone(), ..DeskOptions::default() };
    let desk = DeskStandIn::start(whole).await.unwrap();
    desk.add_account(ACME, "acme");
    desk.add_account(OTHER, "other");
    Caller { desk, http: Client::builder().timeout(PATIENCE).build().unwrap(), options }
}

impl Caller {
    fn credential<'a>(&'a self, action: &'a str) -> Pairs<'a> {
        let (identifier, secret) = (&*self.options.identifier, &*self.options.secret);
        vec![("identifier", identifier), ("secret", secret), ("action", action), ("responsetype", "json")]
    }

    async fn sends(&self, fields: &[(&str, &str)]) -> Response {
        let url = format!("{}/includes/api.php", self.desk.base_url());
        self.http.post(url).form(fields).send().await.unwrap()
    }

    async fn asks(&self, action: &str, fields: &[(&str, &str)]) -> Value {
        let response = self.sends(&[self.credential(action).as_slice(), fields].concat()).await;
        assert!(response.headers().contains_key("date"));
        let answer: Value = response.json().await.unwrap();
        assert!(answer["result"] == "success" || answer["message"].is_string(), "{answer}");
        answer
    }

    async fn opens(&self, subject: &str) -> TicketId {
        let fields = [("clientid", "123"), ("deptid", "1"), ("subject", subject), ("message", "It broke.")];
        let answer = self.asks("OpenTicket", &fields).await;
        TicketId(answer["id"].as_str().unwrap().parse().unwrap())
    }

    async fn detail(&self, ticket: TicketId) -> Value {
        self.asks("GetTicket", &[("ticketid", &ticket.to_string())]).await
    }

    fn keeps_the_contract(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

fn attached(files: Value) -> String {
    BASE64.encode(files.to_string().as_bytes())
}

#[tokio::test]
async fn a_ticket_goes_from_opening_to_closing_and_back() {
    let caller = caller(WhmcsOptions::default()).await;
    let files = attached(json!([{ "name": "café.png", "data": BASE64.encode(&[7; 300]) }]));
    let fields = [
        ("clientid", "123"),
        ("deptid", "2"),
        ("subject", "SSL fails"),
        ("message", "Since noon. tb-abc"),
        ("priority", "High"),
        ("attachments", &files),
    ];
    let opened = caller.asks("OpenTicket", &fields).await;
    let id = opened["id"].as_str().unwrap().to_owned();
    let number = opened["tid"].as_str().unwrap().to_owned();
    assert!(number.len() == 6 && number != id && !opened["c"].as_str().unwrap().is_empty());
    let ticket = TicketId(id.parse().unwrap());

    let staff = caller.desk.staff_replies(ticket, "Look at this.").unwrap();
    caller.desk.staff_attaches(ticket, Some(staff), "fix.pdf", "pdf").unwrap();
    let reply = [("ticketid", &*id), ("clientid", "123"), ("message", "Still so.")];
    assert_eq!(caller.asks("AddTicketReply", &reply).await, json!({ "result": "success" }));
    let detail = caller.asks("GetTicket", &[("ticketnum", &number)]).await;
    assert_eq!((&detail["ticketid"], &detail["status"]), (&json!(id), &json!("Customer-Reply")));
    assert_eq!((&detail["deptname"], &detail["priority"]), (&json!("Sales"), &json!("High")));
    assert_eq!(detail["notes"]["note"][0]["message"], PRIVATE_NOTE);
    let replies = detail["replies"]["reply"].as_array().unwrap();
    assert_eq!((&replies[0]["replyid"], &replies[0]["message"]), (&json!("0"), &json!("Since noon. tb-abc")));
    assert_eq!(replies[0]["attachments"], json!([{ "filename": "café.png", "index": 0 }]));
    assert!(replies[0]["attachment"].as_str().unwrap().ends_with("_café.png"));
    assert_eq!(
        (&replies[1]["admin"], &replies[1]["requestor_type"]),
        (&json!(STAFF_NAME), &json!("Operator"))
    );
    assert_eq!((&replies[2]["admin"], &replies[2]["requestor_type"]), (&json!(""), &json!("Owner")));

    let opening = [("relatedid", &*id), ("type", "ticket"), ("index", "0")];
    let file = caller.asks("GetTicketAttachment", &opening).await;
    assert_eq!(file["data"], BASE64.encode(&[7; 300]));
    let staff = staff.to_string();
    let file =
        caller.asks("GetTicketAttachment", &[("relatedid", &staff), ("type", "reply"), ("index", "0")]).await;
    assert_eq!((&file["filename"], &file["data"]), (&json!("fix.pdf"), &json!(BASE64.encode(b"pdf"))));

    let closed = caller.asks("UpdateTicket", &[("ticketid", &id), ("status", "Closed")]).await;
    assert_eq!(closed["ticketid"], json!(id));
    assert_eq!(caller.desk.ticket(ticket).unwrap().status, Status::Closed);
    assert_eq!(caller.asks("AddTicketReply", &reply).await["result"], "success");
    assert_eq!(caller.desk.ticket(ticket).unwrap().status, Status::CustomerReply);
    caller.desk.staff_resolves(ticket).unwrap();
    assert_eq!(caller.detail(ticket).await["status"], "Closed");
    caller.asks("UpdateTicket", &[("ticketid", &id), ("status", "Open")]).await;
    assert_eq!(caller.desk.ticket(ticket).unwrap().status, Status::Open);
    let calls = caller.desk.calls();
    let names: Vec<_> = calls.iter().map(|call| call.name).collect();
    let expected = "create reply detail download download close reply detail reopen";
    assert_eq!(names.join(" "), expected);
    assert!(calls.iter().all(|call| call.account == Some(ACME) && call.ticket == Some(ticket)));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn refusals_bear_the_texts_of_the_documentation() {
    let caller = caller(WhmcsOptions::default()).await;
    let open = |change: &[(&'static str, &'static str)]| {
        let base = [("clientid", "123"), ("deptid", "1"), ("subject", "s"), ("message", "m")];
        let kept = base.into_iter().filter(|(name, _)| change.iter().all(|(other, _)| other != name));
        kept.chain(change.iter().copied()).collect::<Pairs<'static>>()
    };
    let cases = [
        (open(&[("clientid", "9")]), "Client ID Not Found"),
        (open(&[("contactid", "5")]), "Contact ID Not Found"),
        (open(&[("clientid", "")]), "Name and email address are required if not a client"),
        (open(&[("clientid", ""), ("name", "G"), ("email", "nowhere")]), "Email Address Invalid"),
        (open(&[("deptid", "77")]), "Department ID not found"),
        (open(&[("subject", "")]), "Subject is required"),
        (open(&[("message", "")]), "Message is required"),
        (open(&[("serviceid", "5")]), "Service ID Not Found"),
        (open(&[("domainid", "5")]), "Domain ID Not Found"),
        (open(&[("created", "yesterday")]), "Invalid Date Format"),
        (open(&[("created", "2999-01-01 00:00:00")]), "Ticket creation date cannot be in the future"),
    ];
    for (fields, message) in cases {
        let answer = caller.asks("OpenTicket", &fields).await;
        assert_eq!(answer, json!({ "result": "error", "message": message }), "{fields:?}");
    }
    for action in ["GetTicket", "UpdateTicket"] {
        assert_eq!(caller.asks(action, &[("ticketid", "1")]).await["message"], "Ticket ID Not Found");
    }
    let ticket = caller.opens("A").await.to_string();
    let bad = caller.asks("UpdateTicket", &[("ticketid", &ticket), ("status", "Gone")]).await;
    assert_eq!(bad["message"], "Invalid Ticket Status");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_refused_and_noted() {
    let caller = caller(WhmcsOptions::default()).await;
    let ticket = caller.opens("A").await.to_string();
    let files = attached(json!([{ "filename": "a.txt", "data": "" }]));
    let open = [("clientid", "123"), ("deptid", "1"), ("subject", "s"), ("message", "m")];
    let plus = |field: (&'static str, &'static str)| [open.as_slice(), &[field]].concat();
    let foreign = vec![("ticketid", &*ticket), ("clientid", "124"), ("message", "m")];
    let as_staff = vec![("ticketid", &*ticket), ("adminusername", "ada"), ("message", "m")];
    let cases: Vec<(&str, Pairs<'_>)> = vec![
        ("OpenTicket", plus(("admin", "true"))),
        ("OpenTicket", plus(("marker", "tb-1"))),
        ("OpenTicket", plus(("priority", "Urgent"))),
        ("OpenTicket", plus(("attachments", "not base64"))),
        ("OpenTicket", [open.as_slice(), &[("attachments", &files)]].concat()),
        ("OpenTicket", plus(("subject", "twice"))),
        ("AddTicketReply", foreign),
        ("AddTicketReply", as_staff),
        ("UpdateTicket", vec![("ticketid", &ticket), ("message", "rewritten")]),
        ("GetTicketAttachment", vec![("relatedid", &ticket), ("type", "note"), ("index", "0")]),
        ("GetTickets", vec![("since", "2020-01-01")]),
        ("GetTickets", vec![("status", "Resolved")]),
        ("GetTicket", vec![("ticketid", "tkt_1")]),
        ("DeleteTicket", vec![("ticketid", &ticket)]),
    ];
    for (n, (action, fields)) in cases.iter().enumerate() {
        assert_eq!(caller.asks(action, fields).await["result"], "error", "{action} {fields:?}");
        assert_eq!(caller.desk.violations().len(), n + 1, "{action} {fields:?} is not noted");
    }
    let noted = caller.desk.violations().len();
    let xml = caller.sends(&caller.credential("GetTickets")[..3]).await;
    assert!(xml.text().await.unwrap().starts_with("result=error"));
    let bare = caller.http.get(format!("{}/includes/api.php", caller.desk.base_url())).send().await.unwrap();
    assert_eq!(bare.status().as_u16(), 405);
    assert_eq!(caller.desk.violations().len(), noted + 2);
    assert!(caller.desk.violations().iter().all(|line| !line.contains(&caller.options.secret)));
    let kept = caller.desk.tickets(ACME);
    assert!(kept.len() == 1 && kept[0].messages.is_empty() && kept[0].description == "It broke.");
}

#[tokio::test]
async fn the_credential_the_address_and_the_client_decide_who_comes_in() {
    let options = WhmcsOptions { access_key: Some("open sesame".to_owned()), ..WhmcsOptions::default() };
    let caller = caller(options).await;
    let mut fields = caller.credential("GetTickets");
    let refused = caller.sends(&fields).await;
    assert_eq!(refused.status().as_u16(), 403);
    assert_eq!(refused.json::<Value>().await.unwrap()["message"], "Invalid IP");
    fields.push(("accesskey", "open sesame"));
    assert_eq!(caller.sends(&fields).await.json::<Value>().await.unwrap()["result"], "success");
    fields[1] = ("secret", "wrong");
    let refused = caller.sends(&fields).await;
    assert_eq!(refused.status().as_u16(), 403);
    assert_eq!(refused.json::<Value>().await.unwrap()["message"], "Authentication Failed");

    fields[1] = ("secret", &caller.options.secret);
    caller.desk.revoke_key(OTHER);
    assert_eq!(caller.sends(&fields).await.status().as_u16(), 200);
    let theirs = [fields.as_slice(), &[("clientid", "124")]].concat();
    assert_eq!(caller.sends(&theirs).await.status().as_u16(), 403);
    caller.desk.revoke_key(ACME);
    assert_eq!(caller.sends(&fields).await.status().as_u16(), 403);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn the_list_is_narrowed_and_paged() {
    let caller = caller(WhmcsOptions::default()).await;
    let first = caller.opens("First about SSL").await;
    let second = caller.opens("Second").await;
    caller.desk.staff_opens(OTHER, "Theirs", "text").unwrap();
    let abuse = [("clientid", "123"), ("deptid", "3"), ("subject", "Hidden"), ("message", "m")];
    caller.asks("OpenTicket", &abuse).await;
    caller.desk.staff_replies(first, "Answer").unwrap();
    caller.desk.staff_closes(second).unwrap();
    let subjects = async |fields: &[(&str, &str)]| {
        let answer = caller.asks("GetTickets", fields).await;
        let rows = answer["tickets"]["ticket"].as_array().unwrap().clone();
        let mut subjects: Vec<_> =
            rows.iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect();
        subjects.sort();
        (answer["totalresults"].as_str().unwrap().to_owned(), subjects.join(", "))
    };
    let all = ("ignore_dept_assignments", "true");
    let expect = |total: &str, subjects: &str| (total.to_owned(), subjects.to_owned());
    assert_eq!(subjects(&[]).await, expect("3", "First about SSL, Second, Theirs"));
    assert_eq!(subjects(&[all, ("clientid", "123")]).await, expect("3", "First about SSL, Hidden, Second"));
    assert_eq!(subjects(&[("status", "Answered")]).await, expect("1", "First about SSL"));
    assert_eq!(subjects(&[all, ("status", "Awaiting Reply")]).await, expect("2", "Hidden, Theirs"));
    assert_eq!(subjects(&[("status", "All Active Tickets")]).await, expect("2", "First about SSL, Theirs"));
    assert_eq!(subjects(&[("subject", "about ssl")]).await, expect("1", "First about SSL"));
    assert_eq!(subjects(&[("limitstart", "2"), ("limitnum", "5")]).await.0, "3");
    let departments = caller.asks("GetSupportDepartments", &[]).await;
    assert_eq!(departments["departments"]["department"].as_array().unwrap().len(), 2);
    let departments = caller.asks("GetSupportDepartments", &[all]).await;
    assert_eq!(departments["departments"]["department"][2]["name"], "Abuse");
    let statuses = caller.asks("GetSupportStatuses", &[]).await;
    assert_eq!(
        statuses["statuses"]["status"][1],
        json!({ "title": "Answered", "count": 1, "color": "#779500" })
    );
    let counts = caller.asks("GetTicketCounts", &[("includeCountsByStatus", "true")]).await;
    assert_eq!((&counts["awaitingReply"], &counts["status"]["closed"]["count"]), (&json!(1), &json!(1)));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn clients_are_found_by_address_and_guests_need_none() {
    let emails = [(ACME, "boss@acme.example".to_owned())].into();
    let caller = caller(WhmcsOptions { client_emails: emails, ..WhmcsOptions::default() }).await;
    let client = caller.asks("GetClientsDetails", &[("email", "Boss@acme.example")]).await;
    assert_eq!((&client["userid"], &client["client"]["id"]), (&json!("123"), &json!("123")));
    let missing = caller.asks("GetClientsDetails", &[("email", "nobody@acme.example")]).await;
    assert_eq!(missing["message"], "Client Not Found");
    let found = caller.asks("GetClients", &[("search", "boss@")]).await;
    assert_eq!(found["clients"]["client"].as_array().unwrap().len(), 1);

    let guest =
        [("name", "Guest"), ("email", "g@new.example"), ("deptid", "1"), ("subject", "Hi"), ("message", "m")];
    let id = caller.asks("OpenTicket", &guest).await["id"].as_str().unwrap().to_owned();
    let detail = caller.asks("GetTicket", &[("ticketid", &id)]).await;
    assert_eq!((&detail["userid"], &detail["email"]), (&json!("0"), &json!("g@new.example")));
    let reply = [("ticketid", &*id), ("name", "Guest"), ("email", "g@new.example"), ("message", "more")];
    assert_eq!(caller.asks("AddTicketReply", &reply).await["result"], "success");
    let listed = caller.asks("GetTickets", &[("email", "g@new.example")]).await;
    assert_eq!(listed["tickets"]["ticket"][0]["id"], json!(id));
    assert_eq!(caller.desk.tickets(0).len(), 1);
    caller.keeps_the_contract();
}

#[tokio::test]
async fn the_wording_can_be_another() {
    let options = WhmcsOptions {
        departments: vec![Department { id: 9, name: "Only".to_owned(), assigned: true }],
        error_status: 400,
        ids: Ids::Ints,
        empty_lists: EmptyLists::Nested,
        single_as_object: true,
        staff_mark: StaffMark::Requestor,
        escapes_entities: true,
        crlf: true,
        time_zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(5)),
        attachment_name_key: "filename".to_owned(),
        allowed_extensions: Some(vec!["txt".to_owned()]),
        max_file_bytes: 10,
        ..WhmcsOptions::default()
    };
    let caller = caller(options).await;
    let file =
        |name: &str, size: usize| json!({ "filename": name, "data": BASE64.encode(&vec![b'x'; size]) });
    let files = attached(json!([file("a.txt", 10), file("b.exe", 1), file("c.txt", 11)]));
    let fields = [
        ("clientid", "123"),
        ("deptid", "9"),
        ("subject", "\"Quote\""),
        ("message", "a <b>\n'c' & d"),
        ("attachments", &files),
    ];
    let id = caller.asks("OpenTicket", &fields).await["id"].as_i64().unwrap();
    let ticket = TicketId(id);
    assert_eq!(caller.desk.ticket(ticket).unwrap().attachments.len(), 1);
    let detail = caller.detail(ticket).await;
    let opening = &detail["replies"]["reply"];
    assert_eq!(opening["message"], "a &lt;b&gt;\r\n&#039;c&#039; &amp; d");
    assert_eq!(opening["attachments"], json!({ "filename": "a.txt", "index": 0 }));
    assert_eq!((&detail["subject"], &detail["deptid"]), (&json!("&quot;Quote&quot;"), &json!(9)));
    let created = caller.desk.ticket(ticket).unwrap().created;
    let local = created.checked_add(jiff::SignedDuration::from_hours(5)).unwrap();
    assert_eq!(detail["date"], local.strftime("%Y-%m-%d %H:%M:%S").to_string());

    caller.desk.staff_replies(ticket, "Hello").unwrap();
    let newest = [("ticketid", &*id.to_string()), ("repliessort", "DESC")];
    let detail = caller.asks("GetTicket", &newest).await;
    let staff = &detail["replies"]["reply"][0];
    assert_eq!((&staff["admin"], &staff["requestor_type"]), (&json!(""), &json!("Operator")));
    assert_eq!(staff["attachments"], json!([[]]));
    let missing =
        caller.sends(&[caller.credential("GetTicket").as_slice(), &[("ticketid", "1")]].concat()).await;
    assert_eq!(missing.status().as_u16(), 400);
    let none = caller.asks("GetTickets", &[("clientid", "124")]).await;
    assert_eq!(none["tickets"], json!({ "ticket": [[]] }));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_file_can_be_refused_aloud() {
    let options =
        WhmcsOptions { max_file_bytes: 1, refused_files: RefusedFiles::Refuse, ..WhmcsOptions::default() };
    let caller = caller(options).await;
    let files = attached(json!([{ "name": "a.txt", "data": BASE64.encode(b"two") }]));
    let fields =
        [("clientid", "123"), ("deptid", "1"), ("subject", "s"), ("message", "m"), ("attachments", &files)];
    assert_eq!(caller.asks("OpenTicket", &fields).await["result"], "error");
    assert!(caller.desk.tickets(ACME).is_empty());
    caller.keeps_the_contract();
}

#[tokio::test]
async fn faults_and_delays_know_calls_by_their_action() {
    let caller = caller(WhmcsOptions::default()).await;
    let ticket = caller.opens("Faults").await;
    let id = ticket.to_string();
    let faults = caller.desk.faults();
    faults.next("close", Fault::Status(500));
    faults.next("reply", Fault::LoseAnswer);
    assert_eq!(caller.detail(ticket).await["result"], "success");
    let reply = |text: &'static str| {
        vec![("ticketid", id.clone()), ("clientid", "123".into()), ("message", text.into())]
    };
    let url = format!("{}/includes/api.php", caller.desk.base_url());
    let send = async |action: &str, fields: Vec<(&'static str, String)>, patience: Duration| {
        // Multipart, and the action last: the name must be found wherever it stands.
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in fields {
            form = form.text(name, value);
        }
        for (name, value) in caller.credential(action) {
            form = form.text(name.to_owned(), value.to_owned());
        }
        caller.http.post(&url).multipart(form).timeout(patience).send().await
    };
    assert!(send("AddTicketReply", reply("lost"), PATIENCE).await.is_err());
    assert_eq!(caller.desk.find_text("lost").len(), 1);
    let closing = vec![("ticketid", id.clone()), ("status", "Closed".to_owned())];
    assert_eq!(send("UpdateTicket", closing, PATIENCE).await.unwrap().status().as_u16(), 500);
    assert_eq!(caller.desk.ticket(ticket).unwrap().status, Status::CustomerReply);

    caller.desk.does_late("reply", Duration::from_millis(1500));
    let gave_up = send("AddTicketReply", reply("late"), Duration::from_secs(1)).await;
    assert!(gave_up.unwrap_err().is_timeout() && caller.desk.find_text("late").is_empty());
    caller.desk.wait_for(|desk| desk.find_text("late").pop(), PATIENCE).await.unwrap();
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_merged_ticket_is_unknown_and_its_texts_stand_in_the_master() {
    let caller = caller(WhmcsOptions::default()).await;
    let (gone, master) = (caller.opens("Gone").await, caller.opens("Master").await);
    let reply = [("ticketid", &*gone.to_string()), ("clientid", "123"), ("message", "tb-moved")];
    caller.asks("AddTicketReply", &reply).await;
    caller.desk.staff_merges(gone, master).unwrap();
    assert_eq!(caller.detail(gone).await["message"], "Ticket ID Not Found");
    assert_eq!(caller.asks("AddTicketReply", &reply).await["message"], "Ticket ID not found");
    assert!(caller.detail(master).await["replies"].to_string().contains("tb-moved"));
    caller.desk.staff_removes(master).unwrap();
    assert_eq!(caller.detail(master).await["message"], "Ticket ID Not Found");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn what_staff_does_is_hinted_with_a_signature() {
    let (told, mut hints) = tokio::sync::mpsc::channel(16);
    let hook = axum::routing::post(async move |headers: axum::http::HeaderMap, body: String| {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        told.send((text("x-ticket-bridge-timestamp"), text("x-ticket-bridge-signature"), body))
            .await
            .unwrap();
        axum::http::StatusCode::ACCEPTED
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/whmcs", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, axum::Router::new().route("/hooks/whmcs", hook)).into_future());
    let options = HintOptions { url, secret: "a word".to_owned() };
    let caller = caller(WhmcsOptions { hints: Some(options), ..WhmcsOptions::default() }).await;
    let (ticket, other) = (caller.opens("Hints").await, caller.opens("Other").await);
    let reply = caller.desk.staff_replies(ticket, "secret words").unwrap();
    let mut next = async || tokio::time::timeout(PATIENCE, hints.recv()).await.unwrap().unwrap();
    let (stamp, signature, body) = next().await;
    let expected = json!({ "event": "TicketAdminReply", "ticketid": ticket.0, "replyid": reply.0 });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a word").unwrap();
    mac.update(format!("{stamp}.{body}").as_bytes());
    let signed = HEXLOWER.decode(signature.strip_prefix("sha256=").unwrap().as_bytes()).unwrap();
    mac.verify_slice(&signed).unwrap();
    caller.desk.staff_closes(ticket).unwrap();
    assert!(next().await.2.contains("TicketClose"));
    caller.desk.staff_merges(ticket, other).unwrap();
    let merged: Value = serde_json::from_str(&next().await.2).unwrap();
    assert_eq!(
        (&merged["event"], &merged["masterTicketId"]),
        (&json!("TicketMerge"), &json!(other.to_string()))
    );
    assert!(
        caller.desk.ticket(other).unwrap().messages.iter().any(|message| message.author == Author::Staff)
    );
}
