//! The office of Keliweb's façade, and what only its contract leaves open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use ticket_bridge::config::Whmcs as Settings;
use ticket_bridge::config::whmcs::{BodyForm, CloseMode, Keliweb, Profile};
use ticket_bridge::model::ids::{AttachmentId, TicketId, TicketMessageId};
use ticket_bridge::runtime::{Clock, Secret, tls};
use ticket_bridge::sandbox::desk::keliweb::{
    CLIENT_ID, CLIENT_SECRET, KeliwebBody, KeliwebOptions, user_name,
};
use ticket_bridge::sandbox::desk::{DeskOptions, DeskStandIn, Dialect};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::whmcs;
use ticket_bridge::ticket_api::{Access, ApiError, Author, Files, Found, Look, Scope, TicketApi};

use super::paradarum::ACCOUNT;
use super::{
    ANY_TIME, Counterpart, Office, PATIENT, common, file, kind, marker, new_reply, new_ticket, new_tickets,
};

const PASSWORD: &str = "correct horse & battery";

pub(super) fn office(patience: Duration) -> BoxFuture<'static, Office> {
    async move { dressed(patience, KeliwebOptions::default(), |_, _| {}).await.0 }.boxed()
}

async fn dressed(
    patience: Duration,
    keliweb: KeliwebOptions,
    set: impl FnOnce(&mut Settings, &mut Keliweb),
) -> (Office, Arc<DeskStandIn>) {
    let options = DeskOptions { dialect: Dialect::Keliweb, keliweb, ..DeskOptions::default() };
    let desk = DeskStandIn::start(options).await.unwrap();
    desk.add_account(ACCOUNT, PASSWORD);
    let desk = Arc::new(desk);
    let api = adapter(&desk, patience, token_dir(), set);
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    let office = Office { api: Arc::new(api), account, desk: Box::new(Arc::clone(&desk)) };
    (office, desk)
}

fn adapter(
    desk: &DeskStandIn,
    patience: Duration,
    tokens: PathBuf,
    set: impl FnOnce(&mut Settings, &mut Keliweb),
) -> whmcs::Keliweb {
    let base = desk.base_url();
    let base = base.trim_end_matches('/');
    let oauth_url = format!("{base}/oauth/token").parse().unwrap();
    let mut own = Keliweb::new(oauth_url, CLIENT_ID, Secret::new(CLIENT_SECRET), user_name(ACCOUNT));
    let mut settings = Settings::new(Profile::Keliweb(Box::new(own.clone())));
    settings.departments = [("Support".to_owned(), 1), ("Sales".to_owned(), 2)].into();
    set(&mut settings, &mut own);
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

/// The suite's hand on a desk that a test holds, too.
impl Counterpart for Arc<DeskStandIn> {
    fn staff_replies(&self, ticket: &TicketId, text: &str) -> TicketMessageId {
        Counterpart::staff_replies(&**self, ticket, text)
    }

    fn staff_attaches(&self, ticket: &TicketId, message: &TicketMessageId, name: &str, bytes: &'static [u8]) {
        Counterpart::staff_attaches(&**self, ticket, message, name, bytes);
    }

    fn resolve(&self, ticket: &TicketId) {
        Counterpart::resolve(&**self, ticket);
    }

    fn lock(&self, ticket: &TicketId) {
        Counterpart::lock(&**self, ticket);
    }

    fn remove(&self, ticket: &TicketId) {
        Counterpart::remove(&**self, ticket);
    }

    fn age(&self, ticket: &TicketId, by: Duration) {
        Counterpart::age(&**self, ticket, by);
    }

    fn add_property(&self) -> (String, String) {
        Counterpart::add_property(&**self)
    }

    fn times(&self, text: &str) -> usize {
        Counterpart::times(&**self, text)
    }

    fn fault(&self, call: &str, fault: Fault) {
        Counterpart::fault(&**self, call, fault);
    }

    fn revoke_key(&self) {
        Counterpart::revoke_key(&**self);
    }

    fn violations(&self) -> Vec<String> {
        Counterpart::violations(&**self)
    }
}

fn logins(desk: &DeskStandIn) -> usize {
    desk.calls().iter().filter(|call| call.name == "token").count()
}

#[tokio::test]
async fn says_plainly_what_it_cannot_do() {
    let office = office(PATIENT).await;
    let can = office.api.capabilities().clone();
    assert!(!can.list && !can.active_list && !can.download);
    let ticket = office.creates("Help", &format!("Text · {}", marker("lost"))).await;
    let listed = office.api.tickets(&office.account, Scope::All, None).await.unwrap_err();
    let file = office.api.download(&office.account, &ticket, &AttachmentId::new("ticket:1:0")).await;
    assert_eq!([kind(&listed), kind(&file.map(drop).unwrap_err())], ["unsupported"; 2]);
    let look = Look { markers: &[marker("lost")], place: new_tickets(ANY_TIME, &|_| false) };
    assert_eq!(office.api.find_by_marker(&office.account, look).await.unwrap(), Found::CannotKnow);
    office.closes_clean();
}

#[tokio::test]
async fn closing_asks_staff_or_is_off() {
    let office = office(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.api.close(&office.account, &ticket).await.unwrap();
    let read = office.reads(&ticket).await;
    let said: Vec<_> = read.messages.iter().map(|said| (said.by, said.text.as_str())).collect();
    assert_eq!(said, [(Author::Customer, "Please close this ticket.")]);
    office.closes_clean();
    let off = |settings: &mut Settings, _: &mut Keliweb| settings.close_mode = CloseMode::Off;
    let (office, _) = dressed(PATIENT, KeliwebOptions::default(), off).await;
    assert!(!office.api.capabilities().close);
    assert_eq!(kind(&office.api.close(&office.account, &ticket).await.unwrap_err()), "unsupported");
}

/// A reply opens a closed ticket, so that reopening needs no call of its own.
#[tokio::test]
async fn a_reply_opens_a_closed_ticket() {
    let office = office(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.lock(&ticket);
    office.api.reopen(&office.account, &ticket).await.unwrap();
    office.replies(&ticket, "It is back").await;
    assert_eq!(office.reads(&ticket).await.status, ticket_bridge::model::conversation::TicketStatus::Open);
    office.closes_clean();
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_and_the_call_made_again() {
    let options = KeliwebOptions { calls_per_access: Some(2), ..KeliwebOptions::default() };
    let (office, desk) = dressed(PATIENT, options, |_, _| {}).await;
    let ticket = office.creates("Help", "Text").await;
    for n in 0..5 {
        office.replies(&ticket, &format!("Number {n}")).await;
    }
    assert_eq!(office.reads(&ticket).await.messages.len(), 5, "each once");
    assert_eq!(logins(&desk), 4);
    // A file cannot be read twice: the bridge brings it again.
    let files = || Files::Inside(vec![file("a.txt", vec![1])]);
    let mut refused = 0;
    for _ in 0..4 {
        match office.api.reply(&office.account, &ticket, &new_reply("File"), files()).await {
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
    let (office, desk) = dressed(PATIENT, KeliwebOptions::default(), |_, _| {}).await;
    let ticket = office.creates("Help", "Text").await;
    desk.faults().next("detail", Fault::Status(401));
    let calls = (0..8).map(|_| office.reads(&ticket));
    futures::future::join_all(calls).await;
    assert_eq!(logins(&desk), 2, "one at first, one after the refusal");
    office.closes_clean();
}

#[tokio::test]
async fn tokens_outlive_the_process_and_a_dead_refresh_token_is_no_end() {
    let (_, desk) = dressed(PATIENT, KeliwebOptions::default(), |_, _| {}).await;
    let account = Access { remote: ACCOUNT.to_string(), key: None };
    let dir = token_dir();
    for n in 0..3 {
        let api = adapter(&desk, PATIENT, dir.clone(), |_, _| {});
        api.create(&account, &new_ticket(&format!("Run {n}"), "Text"), Files::None).await.unwrap();
    }
    assert_eq!(logins(&desk), 1);
    for file in std::fs::read_dir(&dir).unwrap() {
        let stored = r#"{"access":"dead","refresh":"dead, too","ends":99999999999999}"#;
        std::fs::write(file.unwrap().path(), stored).unwrap();
    }
    let api = adapter(&desk, PATIENT, dir, |_, _| {});
    api.create(&account, &new_ticket("After", "Text"), Files::None).await.unwrap();
    assert_eq!(logins(&desk), 3, "the refresh was refused, the password was not");
}

#[tokio::test]
async fn an_account_with_its_own_password_logs_in_by_its_id() {
    let (office, desk) = dressed(PATIENT, KeliwebOptions::default(), |_, _| {}).await;
    desk.add_account(77, "own password");
    let own = Access { remote: user_name(77), key: Some(Secret::new("own password")) };
    let ticket = office.api.create(&own, &new_ticket("Mine", "Text"), Files::None).await.unwrap().ticket;
    assert_eq!(desk.tickets(77).len(), 1);
    let seen = office.api.ticket(&office.account, &ticket).await.unwrap_err();
    assert_eq!(kind(&seen), "not found", "another user does not see it");
    office.closes_clean();
}

#[tokio::test]
async fn as_a_form_and_with_a_list_where_so_configured() {
    let options =
        KeliwebOptions { body: KeliwebBody::Urlencoded, has_list: true, ..KeliwebOptions::default() };
    let (office, _) = dressed(PATIENT, options, |_, own| {
        own.body = BodyForm::Form;
        own.list_path = Some("get-tickets".to_owned());
        own.empty_attachments = true;
    })
    .await;
    let files = Files::Inside(vec![file("a.txt", b"hello".to_vec())]);
    let text = format!("Text · {}", marker("lost"));
    let ticket = office.api.create(&office.account, &new_ticket("Lost", &text), files).await.unwrap().ticket;
    office.replies(&ticket, "Hello").await;
    assert_eq!(office.reads(&ticket).await.attachments[0].name, "a.txt");
    let found = office.looks_for_ticket(&marker("lost"), ANY_TIME, &|_| false).await;
    assert!(matches!(found, Found::Ticket(found) if found.ticket == ticket));
    office.closes_clean();
}
