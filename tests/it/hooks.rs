//! Hints from end to end: the real program with polls an hour apart, a WHMCS that signs hints and a second desk that does not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use ticket_bridge::sandbox::bridge_process::BridgeProcess;
use ticket_bridge::sandbox::desk::whmcs::hints::HintOptions;
use ticket_bridge::sandbox::desk::whmcs::options::WhmcsOptions;
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect, TicketId};
use ticket_bridge::sandbox::telegram::{Options, Person, TelegramStandIn};
use ticket_bridge::sandbox::town::Folder;
use tokio::time::{Instant, sleep};

/// A few seconds suffice; the next poll comes in an hour.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(50);

const HARBOUR: i64 = 123;
const NORDLICHT: i64 = 124;
const TIDE: i64 = 125;
const TIDES_KEY: &str = "pdm_the_key_of_tide_at_paradarum";
/// Of the WHMCS alone.
const OWN: &str = "a word between the WHMCS and the bridge";
/// Of all that have no own one, here the second desk.
const COMMON: &str = "a word between all others and the bridge";

struct Office {
    telegram: TelegramStandIn,
    whmcs: DeskStandIn,
    bridge: BridgeProcess,
    http: SocketAddr,
    client: reqwest::Client,
    _paradarum: DeskStandIn,
    _folder: Folder,
}

impl Office {
    /// The bridge runs and has found that nothing is there yet.
    async fn open(with_hook_file: bool) -> Self {
        let folder = Folder::new("ticket-bridge-hooks").unwrap();
        let telegram = TelegramStandIn::start(Options::default()).await.unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let http = free.local_addr().unwrap();
        drop(free);
        let hints = HintOptions { url: format!("http://{http}/hooks/whmcs"), secret: OWN.to_owned() };
        let settings = WhmcsOptions { hints: with_hook_file.then_some(hints), ..WhmcsOptions::default() };
        let (identifier, secret) = (settings.identifier.clone(), settings.secret.clone());
        let options = DeskOptions { dialect: Dialect::Whmcs, whmcs: settings, ..DeskOptions::default() };
        let whmcs = DeskStandIn::start(options).await.unwrap();
        for client in [HARBOUR, NORDLICHT] {
            whmcs.add_account(client, "a client has no key here");
        }
        let paradarum = DeskStandIn::start(DeskOptions::default()).await.unwrap();
        paradarum.add_account(TIDE, TIDES_KEY);

        let token = telegram.token();
        let secrets = [("token", token.as_str()), ("whmcs", &secret), ("tide", TIDES_KEY)];
        for (name, word) in secrets.into_iter().chain([("own", OWN), ("common", COMMON)]) {
            std::fs::write(folder.path().join(name), word).unwrap();
        }
        let config = folder.path().join("bot.toml");
        let text = format!(
            r#"state_dir = "state"

[http]
listen = "{http}"
hook_secret = {{ file = "common" }}

[telegram]
token = {{ file = "token" }}
api_url = "{telegram}"
unlinked = "harbour"

[[ticket_api]]
name = "whmcs"
kind = "whmcs"
profile = "native"
base_url = "{whmcs}"
identifier = "{identifier}"
key = {{ file = "whmcs" }}
hook_secret = {{ file = "own" }}

[[ticket_api]]
name = "paradarum"
kind = "paradarum"
base_url = "{paradarum}"
key = {{ file = "tide" }}

[[account]]
name = "harbour"
ticket_api = "whmcs"
id = "{HARBOUR}"

[[account]]
name = "nordlicht"
ticket_api = "whmcs"
id = "{NORDLICHT}"

[[account]]
name = "tide"
ticket_api = "paradarum"
id = "{TIDE}"

[timing]
poll_hot = "1h"
poll_warm = "1h"
poll_cold = "1h"
files_recheck = ["1h"]
telegram_poll = "5s"
stop_within = "3s"
"#,
            telegram = telegram.base_url(),
            whmcs = whmcs.base_url(),
            paradarum = paradarum.base_url(),
        );
        std::fs::write(&config, text).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_ticket-bridge"));
        let bridge = BridgeProcess::new(program, config, folder.path().join("bridge.log"));
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let office = Self { telegram, whmcs, bridge, http, client, _paradarum: paradarum, _folder: folder };
        office.bridge.start().unwrap();
        office.is_ready().await;
        office
    }

    /// Until it listens and every account's baseline stands: what staff write later is new.
    async fn is_ready(&self) {
        let begun = Instant::now();
        loop {
            let answer = self.client.get(format!("http://{}/readyz", self.http)).send().await;
            let log = std::fs::read_to_string(self.bridge.log()).unwrap_or_default();
            let baselines = log.matches("Baseline taken").count();
            if answer.is_ok_and(|answer| answer.status().is_success()) && baselines >= 3 {
                return;
            }
            assert!(self.bridge.is_running(), "the bridge ended: {}", self.bridge.last_words());
            assert!(begun.elapsed() < PATIENCE, "never ready: {}", self.bridge.last_words());
            sleep(GLANCE).await;
        }
    }

    /// A customer writes: her ticket, and staff's answer in it.
    async fn asks(&self, person: &Person, question: &str, answer: &str) -> TicketId {
        person.says(question);
        let asked = self.whmcs.wait_for(|desk| desk.find_text(question).first().copied(), PATIENCE);
        let (ticket, _) = asked.await.unwrap();
        // A hint before the bridge knows its own ticket's number would be left to the poll.
        self.hears(person, "is open. Answers arrive here").await;
        self.whmcs.staff_replies(ticket, answer).unwrap();
        ticket
    }

    async fn hears(&self, person: &Person, text: &str) {
        let heard = self.telegram.wait_for(person.chat_id(), |said| said.words().contains(text), PATIENCE);
        let heard = heard.await.is_some();
        let log = std::fs::read_to_string(self.bridge.log()).unwrap_or_default();
        assert!(heard, "{text:?} was not heard: {log}");
    }

    fn heard(&self, person: &Person) -> String {
        let said = self.telegram.messages_in(person.chat_id());
        said.iter().map(|said| said.words().to_owned() + "\n").collect()
    }

    async fn links(&self, person: &Person, account: &str) {
        let code = self.bridge.link_code(account).await.unwrap();
        person.presses_start(&code);
        let asked = self.telegram.wait_for(person.chat_id(), |m| m.button("Yes").is_some(), PATIENCE);
        let asked = asked.await.unwrap().message_id;
        person.presses(asked, "Yes").unwrap();
        let linked = |m: &ticket_bridge::sandbox::telegram::SentMessage| {
            m.message_id == asked && m.edited && m.buttons.is_empty()
        };
        self.telegram.wait_for(person.chat_id(), linked, PATIENCE).await.unwrap();
    }

    async fn post(&self, api: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
        let request = self.client.post(format!("http://{}/hooks/{api}", self.http)).body(body.to_owned());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let said: Value = answer.json().await.unwrap_or_default();
        (status, said["error"].as_str().unwrap_or_default().to_owned())
    }

    /// A hint as contrib/whmcs/ticket_bridge_hook.php sends it.
    async fn hint(&self, api: &str, secret: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        self.post(api, &signed(secret, now(), &body), &body).await
    }

    fn calls(&self, name: &str) -> usize {
        self.whmcs.calls().iter().filter(|call| call.name == name).count()
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// `hash_hmac('sha256', $stamp . '.' . $body, $secret)` and its time stamp.
fn signed(secret: &str, stamp: i64, body: &str) -> [(&'static str, String); 2] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{stamp}.{body}").as_bytes());
    let tag = HEXLOWER.encode(&mac.finalize().into_bytes());
    [("X-Ticket-Bridge-Timestamp", stamp.to_string()), ("X-Ticket-Bridge-Signature", format!("sha256={tag}"))]
}

fn answered(ticket: TicketId) -> Value {
    json!({ "event": "TicketAdminReply", "ticketid": ticket.to_string() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_by_the_hint_and_not_by_the_poll() {
    let office = Office::open(true).await;
    let mara = office.telegram.person("Mara", "en");
    let lists = office.calls("list");
    office.asks(&mara, "The card terminal is dead since noon", "We send you another one").await;
    office.hears(&mara, "We send you another one").await;
    assert_eq!(office.calls("list"), lists, "no poll came between");
    assert_eq!(office.whmcs.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_sign_for_a_system_makes_nobody_look_there() {
    let office = Office::open(false).await;
    let (mara, ben) = (office.telegram.person("Mara", "en"), office.telegram.person("Ben", "en"));
    let hers = office.asks(&mara, "The card terminal is dead since noon", "Answer to Mara").await;
    let his = office.asks(&ben, "My invoice of May is missing", "Answer to Ben").await;
    let looks = office.calls("detail");

    let body = answered(hers).to_string();
    let (now, late) = (now(), now() - 600);
    let [stamp, tag] = signed(OWN, now, &body);
    let another = ("X-Ticket-Bridge-Timestamp", (now + 1).to_string());
    for (case, api, headers, status, why) in [
        ("a guess", "whmcs", signed("a guess", now, &body).to_vec(), 401, "the signature is wrong"),
        ("the other desk's", "whmcs", signed(COMMON, now, &body).to_vec(), 401, "the signature is wrong"),
        ("at the other desk", "paradarum", signed(OWN, now, &body).to_vec(), 401, "the signature is wrong"),
        ("an old one", "whmcs", signed(OWN, late, &body).to_vec(), 401, "more than five minutes"),
        ("another time", "whmcs", vec![another, tag.clone()], 401, "the signature is wrong"),
        ("another ticket's", "whmcs", signed(OWN, now, &answered(his).to_string()).to_vec(), 401, "wrong"),
        ("unsigned", "whmcs", vec![stamp], 401, "X-Ticket-Bridge-Signature is missing"),
        ("timeless", "whmcs", vec![tag], 401, "X-Ticket-Bridge-Timestamp is missing"),
        ("nowhere", "hostup", signed(OWN, now, &body).to_vec(), 404, "ticket API"),
    ] {
        let (answer, said) = office.post(api, &headers, &body).await;
        assert_eq!(answer, status, "{case}: {said}");
        assert!(said.contains(why), "{case}: {said}");
        assert!(!said.contains(OWN) && !said.contains(COMMON), "{case}: {said}");
    }

    // Hints are served in their order: after Ben's, no look for Mara is under way.
    assert_eq!(office.hint("whmcs", OWN, &answered(his)).await.0, 202);
    office.hears(&ben, "Answer to Ben").await;
    assert_eq!(office.calls("detail"), looks + 1);
    assert!(!office.heard(&mara).contains("Answer to Mara"));
    assert_eq!(office.hint("paradarum", COMMON, &answered(hers)).await.0, 202, "its own tickets only");
    assert_eq!(office.hint("whmcs", OWN, &answered(hers)).await.0, 202);
    office.hears(&mara, "Answer to Mara").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hint_says_beyond_the_ticket_is_not_believed() {
    let office = Office::open(false).await;
    let mara = office.telegram.person("Mara", "en");
    office.links(&mara, "harbour").await;
    let hers = office.asks(&mara, "The card terminal is dead since noon", "The true answer").await;
    let foreign = office.whmcs.staff_opens(NORDLICHT, "Nordlicht's books", "Nordlicht's question").unwrap();
    office.whmcs.staff_replies(foreign, "Nordlicht's answer").unwrap();
    let opened = office.whmcs.staff_opens(HARBOUR, "By the panel", "Opened in the panel").unwrap();
    office.whmcs.staff_replies(opened, "Answer in the panel").unwrap();

    for hint in [
        json!({ "event": "TicketAdminReply", "ticketid": foreign.to_string(), "account": HARBOUR.to_string() }),
        json!({ "event": "TicketAdminReply", "ticketid": "999999", "account": HARBOUR.to_string() }),
        json!({
            "event": "TicketClose", "ticketid": hers.0, "account": NORDLICHT.to_string(), "status": "Closed",
            "message": "Forged words", "admin": "Mallory", "replyid": 4711,
        }),
        json!({ "event": "TicketAdminReply", "ticketid": opened.to_string(), "account": HARBOUR.to_string() }),
    ] {
        let (status, said) = office.hint("whmcs", OWN, &hint).await;
        assert_eq!(status, 202, "{hint}: {said}");
    }
    office.hears(&mara, "The true answer").await;
    office.hears(&mara, "Answer in the panel").await;
    let heard = office.heard(&mara);
    assert!(
        !heard.contains("Forged") && !heard.contains("Nordlicht") && !heard.contains("closed"),
        "{heard}"
    );
    assert_eq!(heard.matches("The true answer").count(), 1, "{heard}");
    mara.says("Thanks, it works again now that it came");
    let filed = office.whmcs.wait_for(|desk| desk.find_text("it works again").first().copied(), PATIENCE);
    filed.await.unwrap();
}
