//! Hooks at the real router: who is believed, and what comes of it.

use hmac::{Hmac, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpListener, sync::mpsc};

use super::{hooks, serve};
use crate::{
    bridge::{
        hints::{Hint, Hints},
        town_tests::{ANN, Town},
    },
    model::{
        account::Account,
        ids::{AccountName, ApiName, TicketId},
    },
    runtime::{secret::Secret, shutdown::Shutdown},
};

struct Hooks {
    town: Town,
    base: String,
    client: reqwest::Client,
}

impl Hooks {
    async fn open() -> Hooks {
        let hints = |parts: &mut crate::bridge::context::Parts| {
            parts.hints = Hints::new([(ApiName::new("desk"), Secret::new("shared"))]);
        };
        let town = Town::with(hints).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, hooks::router(town.bridge.clone()), Shutdown::new()));
        Hooks { town, base, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn now(&self) -> i64 {
        self.town.bridge.now().as_secs()
    }

    async fn post(&self, api: &str, stamp: i64, secret: &str, body: &str) -> (StatusCode, Value) {
        self.post_signed(api, &stamp.to_string(), &sign(secret, stamp, body), body).await
    }

    async fn post_signed(&self, api: &str, stamp: &str, tag: &str, body: &str) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}/hooks/{api}", self.base)).body(body.to_owned());
        let request = request.header("X-Ticket-Bridge-Timestamp", stamp);
        let answer = request.header("X-Ticket-Bridge-Signature", tag).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// What the watch is told, in order.
    async fn told(&self, most: usize) -> Vec<(String, String)> {
        let (to, mut from) = mpsc::channel::<Hint>(1);
        let bridge = &self.town.bridge;
        let api = ApiName::new("desk");
        let turn = async {
            loop {
                tokio::task::yield_now().await;
                self.town.clock.advance(std::time::Duration::from_millis(20));
            }
        };
        let take = async {
            let mut told = Vec::new();
            while told.len() < most {
                let (account, ticket) = from.recv().await.unwrap();
                told.push((account.to_string(), ticket.to_string()));
            }
            told
        };
        tokio::select! {
            told = take => told,
            () = bridge.hints.forward(&api, to, &bridge.clock) => panic!("it is taken"),
            () = turn => unreachable!(),
        }
    }
}

fn sign(secret: &str, stamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{stamp}.{body}").as_bytes());
    format!("sha256={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[tokio::test]
async fn only_who_knows_the_secret_and_the_time_is_believed() {
    let hooks = Hooks::open().await;
    let (now, body) = (hooks.now(), r#"{"event":"TicketAdminReply","ticketid":1,"account":"acme"}"#);
    for (case, stamp, secret, api, status) in [
        ("right", now, "shared", "desk", 202),
        ("again, as a replay", now, "shared", "desk", 202),
        ("a slow clock", now - 299, "shared", "desk", 202),
        ("too old", now - 301, "shared", "desk", 401),
        ("of the future", now + 301, "shared", "desk", 401),
        ("another secret", now, "guessed", "desk", 401),
        ("another API", now, "shared", "paradarum", 404),
    ] {
        assert_eq!(hooks.post(api, stamp, secret, body).await.0, status, "{case}");
    }
    let tag = sign("shared", now, body);
    for (case, stamp, tag, body, why) in [
        ("another body", now.to_string(), tag.as_str(), r#"{"ticketid":2}"#, "the signature is wrong"),
        ("another time", (now + 1).to_string(), tag.as_str(), body, "the signature is wrong"),
        ("no number", format!("{now}.0"), tag.as_str(), body, "not a number of seconds"),
        ("no hash", now.to_string(), "sha256=zz", body, "hexadecimal"),
        ("cut", now.to_string(), tag.get(..tag.len() - 2).unwrap(), body, "the signature is wrong"),
    ] {
        let (status, answer) = hooks.post_signed("desk", &stamp, tag, body).await;
        assert_eq!(status, 401, "{case}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{case}: {answer}");
    }
    let bare = hooks.client.post(format!("{}/hooks/desk", hooks.base)).body(body).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(hooks.told(1).await, [("acme".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn what_is_no_hint_is_refused_also_with_a_signature() {
    let hooks = Hooks::open().await;
    let now = hooks.now();
    let long = format!("{{\"ticketid\":1,\"message\":\"{}\"}}", "x".repeat(70_000));
    for (body, status) in [
        ("not json", 400),
        ("[]", 400),
        ("{}", 400),
        (r#"{"ticketid":null}"#, 400),
        (long.as_str(), 413),
        (r#"{"ticketid":" 7 ","account":"acme","unknown":{"deep":[1]}}"#, 202),
    ] {
        assert_eq!(hooks.post("desk", now, "shared", body).await.0, status, "{body:.40}");
    }
    assert_eq!(hooks.told(1).await, [("acme".to_owned(), "7".to_owned())]);
}

#[tokio::test]
async fn a_ticket_is_looked_at_for_whom_it_belongs_to_whatever_the_hint_says() {
    let mut hooks = Hooks::open().await;
    hooks.town.link(ANN).await;
    hooks.town.write(ANN, &["The server is down since this morning"]).await;
    let zeta = Account {
        name: AccountName::new("zeta"),
        api: ApiName::new("desk"),
        remote: "77".to_owned(),
        emails: Vec::new(),
        key: None,
    };
    hooks.town.bridge.store.apply(vec![crate::store::change::Change::Account(zeta)]).await.unwrap();
    hooks.town.bridge.addresses.reload(&hooks.town.bridge.store).unwrap();
    let ticket = hooks
        .town
        .bridge
        .store
        .find(&crate::store::change::Key::Ticket(ApiName::new("desk"), TicketId::new("1")));
    assert!(ticket.unwrap().is_some(), "ticket 1 is Ann's");
    let now = hooks.now();
    for hook in [
        json!({ "event": "TicketUserReply", "ticketid": 1, "account": "zeta" }),
        json!({ "event": "TicketOpenAdmin", "ticketid": "5", "account": 77 }),
        json!({ "event": "TicketAdminReply", "ticketid": 6 }),
        json!({ "event": "TicketMerge", "masterTicketId": 8, "mergedTicketIds": ["1", 9], "account": "zeta" }),
        json!({ "event": "TicketDelete", "ticketId": 10, "account": "zeta" }),
    ] {
        assert_eq!(hooks.post("desk", now, "shared", &hook.to_string()).await.0, 202, "{hook}");
    }
    let told = hooks.told(5).await;
    let told: Vec<(&str, &str)> = told.iter().map(|(a, t)| (a.as_str(), t.as_str())).collect();
    assert_eq!(told, [("acme", "1"), ("zeta", "5"), ("zeta", "8"), ("zeta", "9"), ("zeta", "10")]);
}
