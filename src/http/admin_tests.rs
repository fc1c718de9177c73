//! The admin API over its real socket.

use std::os::unix::fs::PermissionsExt;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{admin_api, bind, health, rows, serve, serve_unix, socket};
use crate::{
    bridge::{
        keys::KeyBook,
        town_tests::{ANN, Town, message},
    },
    model::{
        account::Account,
        ids::{AccountName, ApiName, MailAddress},
        inbound::Verdict,
        sealed::SealingKey,
    },
    runtime::{secret::Secret, shutdown::Shutdown},
    store::change::Change,
};

struct Door {
    client: reqwest::Client,
    shutdown: Shutdown,
}

impl Door {
    async fn open(town: &Town) -> Door {
        let path = socket(town.dir.path());
        let listener = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner may open it");
        let shutdown = Shutdown::new();
        tokio::spawn(serve_unix(
            listener,
            path.clone(),
            admin_api::router(town.bridge.clone()),
            shutdown.clone(),
        ));
        Door { client: reqwest::Client::builder().unix_socket(path).build().unwrap(), shutdown }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("http://x{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn a_code_made_at_the_socket_links_a_chat_and_the_link_can_be_ended() {
    let mut town = Town::new().await;
    let door = Door::open(&town).await;
    assert_eq!(door.call("POST", "/admin/link-codes", Some(json!({ "account": "no" }))).await.0, 404);
    let (_, made) = door.call("POST", "/admin/link-codes", Some(json!({ "account": "acme" }))).await;
    let made: rows::LinkCode = serde_json::from_value(made).unwrap();
    town.write(ANN, &[&format!("/start {}", made.code)]).await;
    town.press(ANN, &town.button("Yes")).await;
    let (_, links) = door.call("GET", "/admin/links?account=acme", None).await;
    assert_eq!((&links[0]["chat"], &links[0]["owner"]), (&json!(100), &json!(true)));
    assert_eq!(door.call("PUT", "/admin/accounts/acme/owner", Some(json!({ "chat": 100 }))).await.0, 200);
    assert_eq!(door.call("DELETE", "/admin/links/100", None).await.0, 200);
    assert_eq!(door.call("DELETE", "/admin/links/100", None).await.0, 404);
    door.shutdown.trigger();
}

#[tokio::test]
async fn accounts_come_and_go_but_those_of_the_configuration_stay() {
    let town = Town::new().await;
    let door = Door::open(&town).await;
    let add = |name: &str, api: &str, email: &str| {
        Some(json!({ "name": name, "ticket_api": api, "id": "5", "emails": [email] }))
    };
    for (body, status) in [
        (add("zeta", "nowhere", "a@b.example"), 404),
        (add("zeta", "desk", "nonsense"), 400),
        (add("acme", "desk", "a@b.example"), 409),
        (add("zeta", "desk", "a@b.example"), 200),
    ] {
        assert_eq!(door.call("POST", "/admin/accounts", body).await.0, status);
    }
    assert_eq!(door.call("GET", "/admin/accounts", None).await.1.as_array().unwrap().len(), 2);
    assert_eq!(door.call("DELETE", "/admin/accounts/acme", None).await.0, 409);
    assert_eq!(door.call("DELETE", "/admin/accounts/zeta", None).await.0, 200);
}

#[tokio::test]
async fn an_account_without_an_id_is_found_by_its_address() {
    let town = Town::new().await;
    let door = Door::open(&town).await;
    let add =
        |emails: &[&str]| Some(json!({ "name": "zeta", "ticket_api": "desk", "id": "", "emails": emails }));
    for (emails, why) in [
        (&["*@zeta.example"][..], "no address by which"),
        (&["nobody@zeta.example"], "knows nobody with the address nobody@zeta.example"),
    ] {
        let (status, answer) = door.call("POST", "/admin/accounts", add(emails)).await;
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    let (_, added) = door.call("POST", "/admin/accounts", add(&["*@zeta.example", "zoe@zeta.example"])).await;
    assert_eq!(added["id"], "77");
}

#[tokio::test]
async fn an_account_whose_key_does_not_open_is_stopped_and_nothing_else() {
    let (ours, other) = (SealingKey::new(&Secret::new("ours")), SealingKey::new(&Secret::new("other")));
    let town = Town::with(|parts| parts.sealing = Some(ours.clone())).await;
    let door = Door::open(&town).await;
    let bridge = &town.bridge;
    let (name, api) = (AccountName::new("zeta"), ApiName::new("desk"));
    let new = |key: &str| json!({ "name": "zeta", "ticket_api": "desk", "id": "5", "key": key });
    let (status, added) = door.call("POST", "/admin/accounts", Some(new("pdm_one"))).await;
    assert_eq!((status, &added["key"]), (StatusCode::OK, &json!("own")));
    let stored = || bridge.store.account(&name).unwrap().unwrap();
    assert!(!format!("{:?}", stored()).contains("pdm_one"));
    assert_eq!(bridge.access(&stored()).key, Some(Secret::new("pdm_one")));

    let key = Some(other.seal(&name, &Secret::new("pdm_one")));
    bridge.store.apply(vec![Change::Account(Account { key, ..stored() })]).await.unwrap();
    let access = bridge.access(&stored());
    assert_eq!(access.key, Some(Secret::new("")), "never the API's common key");
    assert!(bridge.circuits.admits(&api, &name, bridge.now()).is_err());
    assert_eq!(bridge.circuits.admits(&api, &AccountName::new("acme"), bridge.now()), Ok(()));
    let why = &bridge.circuits.troubles()[0].why;
    assert!(why.contains("does not open with this secret_key"), "{why}");

    let import = json!({ "accounts": [new("pdm_two")], "dry_run": false });
    let (_, results) = door.call("POST", "/admin/account-import", Some(import)).await;
    assert_eq!(results, json!(["updated"]));
    assert_eq!(bridge.access(&stored()).key, Some(Secret::new("pdm_two")));
    assert_eq!(bridge.circuits.admits(&api, &name, bridge.now()), Ok(()), "goes on with its new key");
}

#[tokio::test]
async fn where_a_key_is_an_account_no_two_have_the_same() {
    let town = Town::with(|parts| {
        parts.sealing = Some(SealingKey::new(&Secret::new("ours")));
        parts.apis.get_mut(&ApiName::new("desk")).unwrap().keys =
            Some(KeyBook::new(Some(&Secret::new("the common one"))));
    })
    .await;
    let door = Door::open(&town).await;
    let new =
        |name: &str, key: Option<&str>| json!({ "name": name, "ticket_api": "desk", "id": "5", "key": key });
    let why = |answer: &Value| answer["error"].as_str().unwrap_or_default().to_owned();

    let (status, answer) = door.call("POST", "/admin/accounts", Some(new("zeta", None))).await;
    assert_eq!(status, 409);
    assert!(why(&answer).contains("the common one is that of the account acme"), "{answer}");
    let (status, answer) =
        door.call("POST", "/admin/accounts", Some(new("zeta", Some("the common one")))).await;
    assert_eq!(status, 409, "the same key by another way");
    assert!(why(&answer).contains("its key is that of the account acme"), "{answer}");
    assert_eq!(door.call("POST", "/admin/accounts", Some(new("zeta", Some("pdm_z")))).await.0, 200);

    let accounts = [
        new("zeta", Some("pdm_z")),
        new("eta", Some("pdm_z")),
        new("theta", Some("pdm_t")),
        new("iota", Some("pdm_t")),
    ];
    let import = |dry_run| json!({ "accounts": accounts, "dry_run": dry_run });
    for dry_run in [true, false] {
        let (_, results) = door.call("POST", "/admin/account-import", Some(import(dry_run))).await;
        assert_eq!((&results[0], &results[2]), (&json!("same"), &json!("added")));
        for (at, owner) in [(1, "zeta"), (3, "theta")] {
            let why = results[at]["refused"].as_str().unwrap();
            assert!(why.contains(&format!("its key is that of the account {owner}")), "{why}");
            assert!(!why.contains("pdm_"), "{why}");
        }
    }
    let another = json!({ "accounts": [new("zeta", Some("pdm_2"))] });
    assert_eq!(door.call("POST", "/admin/account-import", Some(another)).await.1, json!(["updated"]));
    assert_eq!(door.call("POST", "/admin/accounts", Some(new("eta", Some("pdm_z")))).await.0, 200);
    assert_eq!(door.call("DELETE", "/admin/accounts/theta", None).await.0, 200);
    assert_eq!(door.call("POST", "/admin/accounts", Some(new("iota", Some("pdm_t")))).await.0, 200);
}

#[tokio::test]
async fn an_address_belongs_to_one_account_and_goes_with_it() {
    let town = Town::new().await;
    let door = Door::open(&town).await;
    let new =
        |name: &str, email: &str| json!({ "name": name, "ticket_api": "desk", "id": "5", "emails": [email] });
    assert_eq!(door.call("POST", "/admin/accounts", Some(new("zeta", "*@ACME.example"))).await.0, 409);
    assert_eq!(door.call("POST", "/admin/accounts", Some(new("zeta", "*@Zeta.example"))).await.0, 200);
    let of = || town.bridge.account_of_address(&MailAddress::new("ann@zeta.example"));
    assert_eq!(of(), Some(AccountName::new("zeta")));
    let import = json!({ "accounts": [new("zeta", "*@new.example"), new("eta", "*@zeta.example")] });
    let (_, results) = door.call("POST", "/admin/account-import", Some(import)).await;
    assert_eq!(results[0], "updated");
    assert!(results[1]["refused"].as_str().unwrap().contains("belongs to the account zeta"), "{results}");
    assert_eq!(of(), None);
    let (_, results) = door
        .call("POST", "/admin/account-import", Some(json!({ "accounts": [new("eta", "*@zeta.example")] })))
        .await;
    assert_eq!((results, of()), (json!(["added"]), Some(AccountName::new("eta"))));
    door.call("DELETE", "/admin/accounts/eta", None).await;
    assert_eq!(of(), None);
}

#[tokio::test]
async fn the_queue_shows_what_is_held_and_a_retry_releases_it() {
    let mut town = Town::new().await;
    let door = Door::open(&town).await;
    let mail = town.mail("boss@acme.example", Verdict::None, message("Please restart it"));
    town.take(vec![mail]).await;
    let (_, queue) = door.call("GET", "/admin/queue", None).await;
    let queue: rows::Queue = serde_json::from_value(queue).unwrap();
    assert!(queue.jobs[0].held && queue.parked == 1);
    let id = queue.jobs[0].id;
    let (_, detail) = door.call("GET", &format!("/admin/queue/{id}"), None).await;
    assert_eq!(detail["excerpt"], "Please restart it");
    assert_eq!(door.call("POST", &format!("/admin/queue/{id}/retry"), Some(json!({}))).await.0, 200);
    assert_eq!(door.call("POST", &format!("/admin/queue/{id}/discard"), None).await.0, 409);
    town.settle().await;
    assert_eq!(town.desk.created.lock().unwrap().len(), 1);
    let (_, all) = door.call("GET", "/admin/conversations", None).await;
    assert_eq!((&all[0]["ticket"], &all[0]["account"]), (&json!("1"), &json!("acme")));
}

#[tokio::test]
async fn a_backup_is_written_while_the_store_is_open() {
    let town = Town::new().await;
    let door = Door::open(&town).await;
    let file = town.dir.path().join("backup.jsonl");
    assert_eq!(door.call("POST", "/admin/store/backup", Some(json!({ "file": "here" }))).await.0, 400);
    assert_eq!(door.call("POST", "/admin/store/backup", Some(json!({ "file": file }))).await.0, 200);
    assert!(std::fs::metadata(file).unwrap().len() > 0);
}

#[tokio::test]
async fn over_tcp_only_the_token_opens_and_health_says_what_is_wrong() {
    let town = Town::new().await;
    let starting = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let first_look = starting.clone();
    let why = move || {
        vec![health::Reason {
            what: "mailbox support".to_owned(),
            since: None,
            why: "refused".to_owned(),
            starting: first_look.load(std::sync::atomic::Ordering::Relaxed),
        }]
    };
    let doctor =
        health::Doctor { bridge: town.bridge.clone(), sources: std::sync::Arc::new(why), metrics: None };
    let admin = admin_api::bearer(admin_api::router(town.bridge.clone()), Secret::new("right"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, health::router(doctor).merge(admin), Shutdown::new()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (token, status) in [("", 401), ("Bearer wrong", 401), ("Bearer right", 200)] {
        let request = client.get(format!("{base}/admin/accounts")).header("authorization", token);
        assert_eq!(request.send().await.unwrap().status(), status, "{token}");
    }
    assert_eq!(client.get(format!("{base}/healthz")).send().await.unwrap().status(), 200);
    let early = client.get(format!("{base}/readyz")).send().await.unwrap();
    assert_eq!(early.status(), 503, "what comes before the first look would count as old");
    starting.store(false, std::sync::atomic::Ordering::Relaxed);
    let ready = client.get(format!("{base}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let report: Value = ready.json().await.unwrap();
    assert_eq!(report["reasons"][0]["what"], "mailbox support");
}
