//! The offices of Keliweb's façade, and what only its contract leaves open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::Method;
use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config::whmcs::{BodyForm, ClientIdMode, CloseMode, Keliweb, Profile};
use ticket_bridge::config::{ByteSize, Whmcs as Settings};
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::keliweb::{
    CLIENT_ID, CLIENT_SECRET, KeliwebBody, KeliwebOptions, user_name,
};
use ticket_bridge::sandbox::desk::whmcs::options::{EmptyLists, Ids as IdForm, StaffMark, WhmcsOptions};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::whmcs;
use ticket_bridge::ticket_api::{ApiError, Close, Files, TicketApi};

use super::super::disguise::Disguise;
use super::super::office::{
    ACCOUNT, Closed, Desk, Ids, Office, PATIENT, Properties, Ways, common, failed, file, new_ticket, with_key,
};

const PASSWORD: &str = "correct horse & battery";

pub(in super::super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    async move { dressed(patience, DeskOptions::default(), |_, _| {}).await }.boxed()
}

/// The contract's open questions, answered in another way than assumed, and set so in `bot.toml`.
pub(in super::super) fn office_in_another_dress(patience: Duration) -> BoxFuture<'static, Office> {
    let options = DeskOptions {
        keliweb: KeliwebOptions {
            body: KeliwebBody::Urlencoded,
            has_list: true,
            ..KeliwebOptions::default()
        },
        whmcs: WhmcsOptions {
            ids: IdForm::Ints,
            empty_lists: EmptyLists::Text,
            single_as_object: true,
            staff_mark: StaffMark::Requestor,
            escapes_entities: true,
            attachment_name_key: "filename".to_owned(),
            ..WhmcsOptions::default()
        },
        ..DeskOptions::default()
    };
    let set = |settings: &mut Settings, own: &mut Keliweb| {
        own.body = BodyForm::Form;
        own.list_path = Some("get-tickets".to_owned());
        own.client_id_mode = ClientIdMode::Fixed;
        own.empty_attachments = true;
        settings.attachment_name_key = "filename".to_owned();
        settings.max_attachment_bytes = ByteSize(4_000_000);
        settings.subject_max = 40;
        settings.page_size = 3;
    };
    async move { dressed(patience, options, set).await }.boxed()
}

async fn dressed(
    patience: Duration,
    options: DeskOptions,
    set: impl FnOnce(&mut Settings, &mut Keliweb),
) -> Office {
    let desk = DeskStandIn::start(DeskOptions { dialect: Dialect::Keliweb, ..options }).await.unwrap();
    desk.add_account(ACCOUNT, PASSWORD);
    let (mut settings, mut own) = settings();
    set(&mut settings, &mut own);
    let connect = move |url: &str| -> Arc<dyn TicketApi> {
        Arc::new(adapter(url, patience, token_dir(), settings.clone(), own.clone()))
    };
    let ways = Ways {
        key: PASSWORD,
        stranger: with_key("nobody@keli.example", "nothing"),
        guests: None,
        properties: Properties::Unlisted,
        priorities: true,
        says_reply_id: false,
        closed: Closed::Opens,
        catalog: None,
        refusals_of_key: 2,
    };
    Office::new(Desk::new(desk, Ids::default()), ways, Box::new(connect))
}

fn settings() -> (Settings, Keliweb) {
    let login = "http://localhost/oauth/token".parse().unwrap();
    let own = Keliweb::new(login, CLIENT_ID, Secret::new(CLIENT_SECRET), user_name(ACCOUNT));
    let mut settings = Settings::new(Profile::Keliweb(Box::new(own.clone())));
    settings.departments = [("Support".to_owned(), 1), ("Sales".to_owned(), 2)].into();
    (settings, own)
}

/// Where people log in is below the same address.
fn adapter(
    url: &str,
    patience: Duration,
    tokens: PathBuf,
    mut settings: Settings,
    mut own: Keliweb,
) -> whmcs::Keliweb {
    let base = url.trim_end_matches('/');
    own.oauth_url = format!("{base}{}", own.oauth_url.path()).parse().unwrap();
    settings.profile = Profile::Keliweb(Box::new(own));
    let common = common("keliweb", &format!("{base}/api/v2/keliweb/"), PASSWORD, patience);
    whmcs::Keliweb::new(common, settings, tokens, &tls::client_config(None).unwrap(), Clock::real()).unwrap()
}

/// One of its own for each adapter, below the target directory.
fn token_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("tokens-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// All paths have other names here, and what goes with each call is as configured.
#[tokio::test]
async fn each_name_that_is_assumed_is_a_key() {
    let path = |inner, outer| (Method::POST, inner, outer);
    let paths = vec![
        path("/oauth/token", "/login"),
        path("/api/v2/keliweb/open-ticket", "/api/v2/keliweb/open"),
        path("/api/v2/keliweb/get-ticket", "/api/v2/keliweb/get"),
        path("/api/v2/keliweb/add-ticket-reply", "/api/v2/keliweb/reply"),
    ];
    let mut office = dressed(PATIENT, DeskOptions::default(), |settings, own| {
        own.oauth_url = "http://localhost/login".parse().unwrap();
        own.open_path = "open".to_owned();
        own.get_path = "get".to_owned();
        own.reply_path = "reply".to_owned();
        own.empty_attachments = true;
        own.client_id_mode = ClientIdMode::Fixed;
        settings.default_department = Some("Sales".to_owned());
    })
    .await;
    let front = office.goes_through(Disguise { paths, ..Disguise::default() }).await;
    let ticket = office.creates("Help", "Text").await;
    assert_eq!(office.desk.filed(&ticket).department.as_deref(), Some("2"));
    office.replies(&ticket, "Hello").await;
    assert_eq!(office.reads(&ticket).await.messages.len(), 1);
    let seen = front.seen();
    assert!(seen.iter().all(|call| !call.contains("clientid")), "the login says it");
    assert!(seen.iter().any(|call| call.contains("name=\"attachments\"\r\n\r\n[]")), "{seen:?}");
    office.closes_clean();
}

/// The façade closes nothing: staff is asked to, or nobody.
#[tokio::test]
async fn closing_is_a_request_to_staff_or_off() {
    let asking = Close::Asking("Chiudete, per favore.".to_owned());
    for (mode, expected) in [(CloseMode::Reply, asking), (CloseMode::Off, Close::No)] {
        let set = |settings: &mut Settings, _: &mut Keliweb| {
            (settings.close_mode, settings.close_text) = (mode, "Chiudete, per favore.".to_owned());
        };
        let office = dressed(PATIENT, DeskOptions::default(), set).await;
        assert_eq!(office.api.capabilities().close, expected);
    }
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_and_the_call_made_again() {
    let keliweb = KeliwebOptions { calls_per_access: Some(2), ..KeliwebOptions::default() };
    let office = dressed(PATIENT, DeskOptions { keliweb, ..DeskOptions::default() }, |_, _| {}).await;
    let ticket = office.creates("Help", "Text").await;
    for n in 0..5 {
        office.replies(&ticket, &format!("Number {n}")).await;
    }
    assert_eq!(office.reads(&ticket).await.messages.len(), 5, "each once");
    assert_eq!(office.desk.calls("token"), 4);
    // A file cannot be read twice: the bridge brings it again.
    let mut refused = 0;
    for _ in 0..4 {
        match office.replies_with(&ticket, vec![file("a.txt", vec![1])]).await {
            Ok(_) => {}
            Err(ApiError::Retry { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(refused > 0);
    let filed = office.reads(&ticket).await.attachments.len();
    assert_eq!(filed, 4 - refused);
    office.closes_clean();
}

#[tokio::test]
async fn many_calls_at_once_log_in_once() {
    let office = office(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.fault("detail", Fault::Status(401));
    let calls = (0..8).map(|_| office.reads(&ticket));
    futures::future::join_all(calls).await;
    assert_eq!(office.desk.calls("token"), 2, "one at first, one after the refusal");
    office.closes_clean();
}

#[tokio::test]
async fn tokens_outlive_the_process_and_a_dead_refresh_token_is_no_end() {
    let office = office(PATIENT).await;
    let url = office.desk.stand_in.base_url();
    let (settings, own) = settings();
    let dir = token_dir();
    let adapter = || adapter(&url, PATIENT, dir.clone(), settings.clone(), own.clone());
    for n in 0..3 {
        let api = adapter();
        api.create(&office.account, &new_ticket(&format!("Run {n}"), "Text"), Files::None).await.unwrap();
    }
    assert_eq!(office.desk.calls("token"), 1);
    for file in std::fs::read_dir(&dir).unwrap() {
        let stored = r#"{"access":"dead","refresh":"dead, too","ends":99999999999999}"#;
        std::fs::write(file.unwrap().path(), stored).unwrap();
    }
    let api = adapter();
    api.create(&office.account, &new_ticket("After", "Text"), Files::None).await.unwrap();
    assert_eq!(office.desk.calls("token"), 3, "the refresh was refused, the password was not");
}

#[tokio::test]
async fn an_account_with_its_own_password_logs_in_by_its_id() {
    let office = office(PATIENT).await;
    office.desk.stand_in.add_account(77, "own password");
    let own = with_key(&user_name(77), "own password");
    let ticket = office.api.create(&own, &new_ticket("Mine", "Text"), Files::None).await.unwrap().ticket;
    assert_eq!(office.desk.stand_in.tickets(77).len(), 1);
    let seen = office.api.ticket(&office.account, &ticket).await;
    assert_eq!(failed(seen), "not found", "another user does not see it");
    office.closes_clean();
}
