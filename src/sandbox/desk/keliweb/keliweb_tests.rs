//! Keliweb's façade, driven over HTTP as a caller would.

use std::time::Duration;

use reqwest::multipart::Form;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{CLIENT_ID, CLIENT_SECRET, KeliwebBody, KeliwebOptions, user_name};
use crate::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, TicketId};
use crate::sandbox::faults::Fault;

const ACME: i64 = 123;
const OTHER: i64 = 124;

struct Caller {
    desk: DeskStandIn,
    http: Client,
    access: String,
    refresh: String,
}

async fn caller(keliweb: KeliwebOptions) -> Caller {
    let options = DeskOptions { dialect: Dialect::Keliweb, keliweb, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACME, "pass word");
    desk.add_account(OTHER, "other");
    let http = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut caller = Caller { desk, http, access: String::new(), refresh: String::new() };
    caller.logs_in().await;
    caller
}

impl Caller {
    async fn grants(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let base = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
        let url = format!("{}/oauth/token", self.desk.base_url());
        heard(self.http.post(url).form(&[base.as_slice(), fields].concat())).await
    }

    async fn logs_in(&mut self) {
        let fields = [("grant_type", "password"), ("username", &*user_name(ACME)), ("password", "pass word")];
        let (status, answer) = self.grants(&fields).await;
        assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")), "{answer}");
        self.keeps(&answer);
    }

    async fn renews(&self, refresh: &str) -> (u16, Value) {
        self.grants(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
    }

    fn keeps(&mut self, answer: &Value) {
        self.access = answer["access_token"].as_str().unwrap().to_owned();
        self.refresh = answer["refresh_token"].as_str().unwrap().to_owned();
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v2/keliweb/{path}", self.desk.base_url());
        self.http.post(url).bearer_auth(&self.access).header("X-Requested-With", "XMLHttpRequest")
    }

    async fn asks(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        heard(self.post(path).multipart(form(fields))).await
    }

    async fn opens(&self) -> TicketId {
        let fields = [("deptid", "1"), ("subject", "SSL"), ("message", "It broke."), ("attachments", "[]")];
        let (status, answer) = self.asks("open-ticket", &fields).await;
        assert_eq!((status, &answer["result"]), (200, &json!("success")), "{answer}");
        assert_eq!(answer["tid"].as_str().unwrap().len(), 6);
        TicketId(answer["id"].as_str().unwrap().parse().unwrap())
    }

    fn keeps_the_contract(&self) {
        assert_eq!(self.desk.violations(), Vec::<String>::new());
    }
}

fn form(fields: &[(&str, &str)]) -> Form {
    let add = |form: Form, (name, value): &(&str, &str)| form.text((*name).to_owned(), (*value).to_owned());
    fields.iter().fold(Form::new(), add)
}

async fn heard(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_ticket_is_opened_read_and_answered() {
    let caller = caller(KeliwebOptions::default()).await;
    let ticket = caller.opens().await;
    let id = ticket.to_string();
    caller.desk.staff_replies(ticket, "Look.").unwrap();
    let (_, replied) = caller.asks("add-ticket-reply", &[("ticketid", &id), ("message", "Still so.")]).await;
    assert_eq!(replied, json!({ "result": "success" }));
    let (_, detail) = caller.asks("get-ticket", &[("ticketid", &id), ("repliessort", "ASC")]).await;
    let texts: Vec<_> =
        detail["replies"]["reply"].as_array().unwrap().iter().map(|row| &row["message"]).collect();
    assert_eq!(texts, ["It broke.", "Look.", "Still so."]);
    assert!(detail.get("tid").is_none() && detail["ticketnum"].as_str().unwrap().len() == 6);
    let names: Vec<_> = caller.desk.calls().iter().map(|call| (call.name, call.account)).collect();
    assert_eq!(names, ["token", "create", "reply", "detail"].map(|name| (name, Some(ACME))));
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_client_sees_his_own_tickets_only() {
    let caller = caller(KeliwebOptions::default()).await;
    let theirs = caller.desk.staff_opens(OTHER, "Theirs", "secret").unwrap().to_string();
    let (_, answer) = caller.asks("get-ticket", &[("ticketid", &theirs)]).await;
    assert_eq!(answer["message"], "Ticket ID Not Found");
    let (_, answer) = caller.asks("add-ticket-reply", &[("ticketid", &theirs), ("message", "m")]).await;
    assert_eq!(answer["message"], "Ticket ID not found");
    caller.keeps_the_contract();
    let named = [("clientid", "124"), ("deptid", "1"), ("subject", "s"), ("message", "m")];
    assert_eq!(caller.asks("open-ticket", &named).await.1["result"], "error");
    assert_eq!(caller.desk.violations().len(), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_with_each_refresh_token() {
    let options = KeliwebOptions { calls_per_access: Some(1), ..KeliwebOptions::default() };
    let mut caller = caller(options).await;
    let id = caller.opens().await.to_string();
    let read = [("ticketid", &*id)];
    assert_eq!(caller.asks("get-ticket", &read).await.0, 401);
    let old = caller.refresh.clone();
    let (status, pair) = caller.renews(&old).await;
    assert_eq!((status, &pair["expires_in"]), (200, &json!(3600)));
    caller.keeps(&pair);
    assert_eq!(caller.asks("get-ticket", &read).await.0, 200);
    let (status, answer) = caller.renews(&old).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));

    caller.desk.revoke_key(ACME);
    assert_eq!(caller.renews(&caller.refresh).await.0, 400);
    caller.desk.add_account(ACME, "another");
    let fields = [("grant_type", "password"), ("username", &*user_name(ACME)), ("password", "pass word")];
    assert_eq!(caller.grants(&fields).await.1["error"], "invalid_grant");
    caller.keeps_the_contract();
}

#[tokio::test]
async fn a_revoked_password_and_time_end_a_token() {
    let options = KeliwebOptions { access_lifetime: Duration::ZERO, ..KeliwebOptions::default() };
    let expired = caller(options).await;
    assert_eq!(expired.asks("get-ticket", &[("ticketid", "1")]).await.0, 401);
    let revoked = caller(KeliwebOptions::default()).await;
    revoked.desk.revoke_key(ACME);
    let (status, answer) = revoked.asks("get-ticket", &[("ticketid", "1")]).await;
    assert_eq!((status, answer), (401, json!({ "message": "Unauthenticated." })));
    revoked.keeps_the_contract();
}

#[tokio::test]
async fn what_the_documentation_does_not_know_is_refused_and_noted() {
    let caller = caller(KeliwebOptions::default()).await;
    let id = caller.opens().await.to_string();
    let read = || form(&[("ticketid", &id)]);
    let url = |path: &str| format!("{}/api/v2/keliweb/{path}", caller.desk.base_url());
    let cases: Vec<(u16, RequestBuilder)> = vec![
        (404, caller.post("get-tickets").multipart(Form::new())),
        (404, caller.post("update-ticket").multipart(read())),
        (200, caller.post("get-ticket").form(&[("ticketid", &id)])),
        (200, caller.post("get-ticket").multipart(form(&[("ticketid", &id), ("action", "GetTicket")]))),
        (200, caller.http.post(url("get-ticket")).bearer_auth(&caller.access).multipart(read())),
        (401, caller.http.post(url("get-ticket")).multipart(read())),
        (405, caller.http.get(url("get-ticket")).bearer_auth(&caller.access)),
    ];
    for (n, (expected, request)) in cases.into_iter().enumerate() {
        let (status, answer) = heard(request).await;
        assert_eq!((status, answer["result"] == "success"), (expected, false), "case {n}");
        assert_eq!(caller.desk.violations().len(), n + 1, "case {n} is not noted");
    }
    let noted = caller.desk.violations().len();
    let scope = [("grant_type", "refresh_token"), ("refresh_token", &*caller.refresh), ("scope", "*")];
    assert_eq!(caller.grants(&scope).await.0, 400);
    assert_eq!(caller.desk.violations().len(), noted + 1);
}

#[tokio::test]
async fn the_body_the_list_and_the_faults_are_as_asked() {
    let options =
        KeliwebOptions { body: KeliwebBody::Urlencoded, has_list: true, ..KeliwebOptions::default() };
    let caller = caller(options).await;
    let fields = [("deptid", "1"), ("subject", "Form"), ("message", "m"), ("clientid", "123")];
    let open = || caller.post("open-ticket").form(&fields);
    caller.desk.faults().next("create", Fault::Status(503));
    assert_eq!(heard(open()).await.0, 503);
    assert_eq!(heard(open()).await.1["result"], "success");
    caller.desk.staff_opens(OTHER, "Theirs", "text").unwrap();
    let (_, list) = heard(caller.post("get-tickets").form(&[("status", "Open")])).await;
    assert_eq!(
        (&list["totalresults"], &list["tickets"]["ticket"][0]["subject"]),
        (&json!("1"), &json!("Form"))
    );
    caller.desk.faults().next("token", Fault::Status(500));
    assert_eq!(caller.renews(&caller.refresh).await.0, 500);
    assert_eq!(caller.renews(&caller.refresh).await.0, 200);
    caller.keeps_the_contract();
}
