//! `check` with the real program: every ticket system is listed and asked what tickets may be filed under.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use ticket_bridge::sandbox::desk::keliweb::{CLIENT_ID, CLIENT_SECRET, user_name};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, HostupOptions};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::sandbox::post_office::PostOffice;
use ticket_bridge::sandbox::town::Folder;
use tokio::time::timeout;

const ACCOUNT: i64 = 12;
const KEY: &str = "hup_live_abcdefghijklmnopqrstu";
const PATIENCE: Duration = Duration::from_secs(30);

async fn desk(options: DeskOptions) -> DeskStandIn {
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, KEY);
    desk
}

/// The rows of the table by what they are about, and whether all is well.
async fn check(apis: &str) -> (bool, Vec<(String, Result<String, String>)>) {
    let folder = Folder::new("ticket-bridge-check").unwrap();
    let post = PostOffice::open(folder.path()).unwrap();
    std::fs::write(folder.path().join("key"), KEY).unwrap();
    std::fs::write(folder.path().join("client-secret"), CLIENT_SECRET).unwrap();
    let config = folder.path().join("bot.toml");
    let text = format!(
        "state_dir = \"state\"\n{apis}\n[[mailbox]]\nname = \"support\"\nunverified = \"mark\"\n\
         from = \"s@example.com\"\nmaildir = {:?}\noutbox_dir = {:?}\n\n[timing]\napi_call = \"1s\"\n",
        post.maildir(),
        post.outbox(),
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ticket-bridge"));
    command.args(["check", "--json", "-c"]).arg(&config);
    let output = timeout(PATIENCE, tokio::task::spawn_blocking(move || command.output()));
    let output = output.await.expect("it hangs").unwrap().unwrap();
    let table: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let result = if row["ok"] == true { Ok(word(&row["found"])) } else { Err(word(&row["error"])) };
        (word(&row["what"]), result)
    };
    let rows = table["servers"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(table["ok"].as_bool(), Some(output.status.success()));
    (output.status.success(), rows)
}

fn api(name: &str, base_url: &str, own: &str) -> String {
    format!(
        "[[ticket_api]]\nname = \"{name}\"\nbase_url = \"{base_url}\"\nkey = {{ file = \"key\" }}\n{own}\n\n\
         [[account]]\nname = \"{name}-account\"\nticket_api = \"{name}\"\nid = \"{ACCOUNT}\"\n\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_system_says_what_tickets_may_be_filed_under() {
    let paradarum = desk(DeskOptions::default()).await;
    paradarum.add_property(ACCOUNT, "harbour.example");
    let keliweb = desk(DeskOptions { dialect: Dialect::Keliweb, ..DeskOptions::default() }).await;
    let base = keliweb.base_url();
    let base = base.trim_end_matches('/');
    let own = format!(
        "kind = \"whmcs\"\nprofile = \"keliweb\"\noauth_url = \"{base}/oauth/token\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = {{ file = \"client-secret\" }}\nuser = \"{}\"\ndepartments = {{ Support = 1, Sales = 2 }}",
        user_name(ACCOUNT)
    );
    let apis = api("paradarum", &paradarum.base_url(), "kind = \"paradarum\"")
        + &api("keliweb", &format!("{base}/api/v2/keliweb/"), &own);
    let (is_well, rows) = check(&apis).await;
    assert!(is_well, "{rows:?}");
    let found = |what: &str| {
        let row = rows.iter().find(|(about, _)| about.contains(what));
        row.and_then(|(_, found)| found.clone().ok()).unwrap_or_else(|| panic!("no {what} in {rows:?}"))
    };
    assert_eq!(found("API paradarum, account paradarum-account"), "0 tickets");
    let topics = "6 topics: General, Networking, Rules, Billing, SSL, …; 1 property";
    assert_eq!(found("API paradarum, account paradarum-account, topics"), topics);
    assert_eq!(found("API keliweb, account keliweb-account"), "logged in; tickets are not listed there");
    assert_eq!(found("API keliweb, account keliweb-account, topics"), "2 topics: Support, Sales");
    assert_eq!(keliweb.violations(), [""; 0]);

    keliweb.revoke_key(ACCOUNT);
    let (is_well, rows) = check(&apis).await;
    assert!(
        !is_well && rows.iter().any(|(about, found)| about.contains("keliweb") && found.is_err()),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_named_and_a_system_that_hangs_is_not_waited_for() {
    let scopes = ["read:support", "write:support"].map(str::to_owned).to_vec();
    let hostup = HostupOptions { scopes, ..HostupOptions::default() };
    let scoped = desk(DeskOptions { dialect: Dialect::Hostup, hostup, ..DeskOptions::default() }).await;
    let hanging = desk(DeskOptions { dialect: Dialect::Hostup, ..DeskOptions::default() }).await;
    hanging.faults().next("catalog", Fault::Hang(Duration::from_secs(600)));
    let apis = api("scoped", &scoped.base_url(), "kind = \"hostup\"")
        + &api("hanging", &hanging.base_url(), "kind = \"hostup\"");
    let (is_well, rows) = check(&apis).await;
    assert!(!is_well);
    let of = |what: &str| {
        rows.iter()
            .find(|(about, _)| about == what)
            .unwrap_or_else(|| panic!("no {what} in {rows:?}"))
            .1
            .clone()
    };
    assert_eq!(of("ticket API scoped, account scoped-account"), Ok("0 tickets".to_owned()));
    let why = of("ticket API scoped, account scoped-account, topics").unwrap_err();
    assert!(why.contains("read:account"), "{why}");
    assert_eq!(of("ticket API hanging, account hanging-account"), Ok("0 tickets".to_owned()));
    let why = of("ticket API hanging, account hanging-account, topics").unwrap_err();
    assert!(!why.is_empty(), "it says how long it waited");
}
