//! Cases: how a call may end, and whether that is certain.

use std::time::Duration;

use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::TicketId;
use ticket_bridge::runtime::Clock;
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::{ApiError, Attachments, Close, Files, Scope};

use super::Open;
use super::office::{Closed, Office, PATIENT, failed, file, kind, new_ticket};

/// What goes wrong with a write, what that means, and whether it happened.
const ENDINGS: [(Fault, &str, bool); 20] = [
    (Fault::Status(500), "unknown", false),
    (Fault::AnswerThen500, "unknown", true),
    (Fault::Status(503), "unknown", false),
    (Fault::Garbage, "unknown", false),
    (Fault::Empty, "unknown", false),
    (Fault::Status(502), "may still run", false),
    (Fault::Status(504), "may still run", false),
    (Fault::Status(520), "may still run", false),
    (Fault::Status(408), "may still run", false),
    (Fault::Status(499), "may still run", false),
    (Fault::CutBefore, "may still run", false),
    (Fault::LoseAnswer, "may still run", true),
    (Fault::Status(302), "retry", false),
    (Fault::Status(307), "retry", false),
    (Fault::Status(429), "retry", false),
    (Fault::Status(400), "refused", false),
    (Fault::Status(409), "refused", false),
    (Fault::Status(422), "refused", false),
    (Fault::Status(401), "unauthorized", false),
    (Fault::Status(403), "unauthorized", false),
];

pub(super) async fn each_ending_of_a_write_is_certain_or_unknown(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for (n, (fault, expected, happened)) in ENDINGS.into_iter().enumerate() {
        let text = format!("Text number {n}.");
        goes_wrong(&office, "create", fault);
        let error = office.tries_to_create(&text).await.unwrap_err();
        assert_eq!(kind(&error), expected, "create, {fault:?}: {error:?}");
        goes_wrong(&office, "reply", fault);
        let error = office.tries_to_reply(&ticket, &text).await.unwrap_err();
        assert_eq!(kind(&error), expected, "reply, {fault:?}: {error:?}");
        assert_eq!(office.desk.times(&text), if happened { 2 } else { 0 }, "{fault:?}");
    }
    office.closes_clean();
}

/// A closing that is looked at afterwards may turn out to have happened; one that says nothing may be a success.
pub(super) async fn each_ending_of_a_closing_is_certain_or_unknown(open: Open) {
    let office = open(PATIENT).await;
    for (fault, expected, happened) in ENDINGS {
        let ticket = office.creates("Help", "Text").await;
        goes_wrong(&office, "close", fault);
        let ending = office.api.close(&office.account, &ticket).await;
        if !closes(&office) {
            assert_eq!(failed(ending), "unsupported", "{fault:?}");
            continue;
        }
        match ending {
            Ok(()) => assert!(happened || fault == Fault::Empty, "{fault:?}"),
            Err(error) => assert_eq!(kind(&error), expected, "{fault:?}: {error:?}"),
        }
        let is_closed = office.reads(&ticket).await.status == TicketStatus::Closed;
        assert_eq!(is_closed, happened, "{fault:?}");
    }
    office.closes_clean();
}

pub(super) async fn what_is_unknown_of_a_read_is_tried_again(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates_with(vec![file("a.txt", vec![1])]).await;
    let file = office.reads(&ticket).await.attachments.remove(0).id;
    let can = office.api.capabilities();
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(408),
        Fault::Status(302),
        Fault::CutBefore,
        Fault::LoseAnswer,
    ] {
        office.desk.fault("detail", fault);
        assert_eq!(failed(office.api.ticket(&office.account, &ticket).await), "retry", "detail, {fault:?}");
        if can.list {
            office.desk.fault("list", fault);
            let listed = office.api.tickets(&office.account, Scope::All, None).await;
            assert_eq!(failed(listed), "retry", "list, {fault:?}");
        }
        if can.download {
            office.desk.fault("download", fault);
            let downloaded = office.api.download(&office.account, &ticket, &file).await;
            assert_eq!(failed(downloaded), "retry", "download, {fault:?}");
        }
    }
    assert!(office.api.ticket(&office.account, &ticket).await.is_ok());
    office.closes_clean();
}

/// A page of something in front of the API, and nothing at all.
pub(super) async fn what_is_no_answer_is_not_taken_for_one(open: Open) {
    let office = open(PATIENT).await;
    // Before a ticket is opened: what is known then may be remembered.
    for fault in [Fault::Garbage, Fault::Empty] {
        let Some(call) = office.ways.catalog else { break };
        office.desk.fault(call, fault);
        let catalog = office.api.catalog(&office.account).await;
        assert_eq!(failed(catalog), "retry", "catalog, {fault:?}");
    }
    let ticket = office.creates("Help", "Text").await;
    for fault in [Fault::Garbage, Fault::Empty] {
        office.desk.fault("detail", fault);
        assert_eq!(failed(office.api.ticket(&office.account, &ticket).await), "retry", "detail, {fault:?}");
        if office.api.capabilities().list {
            office.desk.fault("list", fault);
            let listed = office.api.tickets(&office.account, Scope::All, None).await;
            assert_eq!(failed(listed), "retry", "list, {fault:?}");
        }
        let call =
            if office.api.capabilities().attachments == Attachments::Inside { "reply" } else { "upload" };
        office.desk.fault(call, fault);
        let brought = office.replies_with(&ticket, vec![file("a.txt", vec![1])]).await;
        assert!(["retry", "unknown"].contains(&failed(brought)), "upload, {fault:?}");
    }
    assert!(office.reads(&ticket).await.attachments.is_empty());
    office.closes_clean();
}

/// That a reply was refused is certain; where tickets may be locked, whether this one is must be read.
pub(super) async fn a_refusal_that_cannot_be_explained_is_tried_again(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.fault("reply", Fault::Status(400));
    office.desk.fault("detail", Fault::Status(500));
    let expected = if office.ways.closed == Closed::Refuses { "retry" } else { "refused" };
    assert_eq!(failed(office.tries_to_reply(&ticket, "Hello?").await), expected);
    assert_eq!(office.desk.times("Hello?"), 0);
    office.closes_clean();
}

pub(super) async fn too_many_calls_freeze_the_api(open: Open) {
    let office = open(Duration::from_secs(5)).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.fault("reply", Fault::RetryAfter(600));
    for n in 0..2 {
        let error = office.tries_to_reply(&ticket, &format!("Number {n}")).await.unwrap_err();
        let ApiError::Retry { after: Some(after), .. } = error else { panic!("{error:?}") };
        assert!(after > Duration::from_secs(500) && after <= Duration::from_secs(600), "{after:?}");
    }
    assert_eq!(office.desk.times("Number"), 0, "the second call was not made");
    office.closes_clean();
}

pub(super) async fn a_hanging_call_may_still_run(open: Open) {
    let office = open(Duration::from_millis(400)).await;
    office.desk.fault("create", Fault::Hang(Duration::from_secs(600)));
    assert_eq!(failed(office.tries_to_create("Hanging text").await), "may still run");
    assert_eq!(office.desk.times("Hanging text"), 1, "and it did");
    office.desk.fault("list", Fault::Hang(Duration::from_secs(600)));
    let listed = office.api.tickets(&office.account, Scope::All, None).await;
    let expected = if office.api.capabilities().list { "retry" } else { "unsupported" };
    assert_eq!(failed(listed), expected);
    office.closes_clean();
}

pub(super) async fn a_server_that_is_not_there_was_surely_not_reached(open: Open) {
    let Office { api, account, desk, .. } = open(PATIENT).await;
    drop(desk);
    let ending = api.create(&account, &new_ticket("Help", "Text"), Files::None).await;
    assert_eq!(failed(ending), "retry");
}

pub(super) async fn a_removed_or_merged_ticket_is_not_found(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let (merged, master) =
        (office.creates("The same", "Text").await, office.creates("The same", "Text").await);
    office.desk.staff_merges(&merged, &master);
    office.desk.staff_removes(&ticket);
    let (api, account) = (&office.api, &office.account);
    assert_eq!(failed(office.tries_to_reply(&ticket, "Hello?").await), "not found");
    for ticket in [&ticket, &merged] {
        assert_eq!(failed(api.ticket(account, ticket).await), "not found");
    }
    assert_eq!(failed(api.ticket(account, &TicketId::new("../property")).await), "not found");
    let closed = api.close(account, &ticket).await;
    assert_eq!(failed(closed), if closes(&office) { "not found" } else { "unsupported" });
    if api.capabilities().attachments == Attachments::After {
        let uploaded = api.upload(account, &ticket, None, file("a", vec![1])).await;
        assert_eq!(failed(uploaded), "not found");
    }
    let downloaded = api.download(account, &ticket, &office.desk.no_such_file()).await;
    assert_eq!(failed(downloaded), if api.capabilities().download { "not found" } else { "unsupported" });
    office.closes_clean();
}

pub(super) async fn an_account_that_is_not_the_keys_is_unauthorized(open: Open) {
    let office = open(PATIENT).await;
    let ending = office.api.create(&office.ways.stranger, &new_ticket("Help", "Text"), Files::None).await;
    assert_eq!(failed(ending), "unauthorized");
    office.closes_clean();
}

pub(super) async fn a_revoked_key_is_unauthorized(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.takes_the_key_back();
    assert_eq!(failed(office.tries_to_create("Text").await), "unauthorized");
    assert_eq!(failed(office.tries_to_reply(&ticket, "Hello?").await), "unauthorized");
    assert_eq!(failed(office.api.ticket(&office.account, &ticket).await), "unauthorized");
    let closed = office.api.close(&office.account, &ticket).await;
    assert_eq!(failed(closed), if closes(&office) { "unauthorized" } else { "unsupported" });
    let listed = office.api.tickets(&office.account, Scope::All, None).await;
    let expected = if office.api.capabilities().list { "unauthorized" } else { "unsupported" };
    assert_eq!(failed(listed), expected);
    office.closes_clean();
}

pub(super) async fn no_error_shows_the_key(open: Open) {
    let Office { api, account, desk, ways, .. } = open(PATIENT).await;
    desk.takes_the_key_back();
    let refused = api.create(&account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    drop(desk);
    let unreached = api.create(&account, &new_ticket("Help", "Text"), Files::None).await.unwrap_err();
    for error in [refused, unreached] {
        assert!(!format!("{error} {error:?}").contains(ways.key), "{error:?}");
    }
}

pub(super) async fn knows_the_servers_time(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let shown = office.api.server_time(Clock::real().now());
    let created = office.reads(&ticket).await.created.unwrap();
    let apart = shown.since(created).max(created.since(shown));
    assert!(apart < Duration::from_secs(10), "{shown} and {created}");
    office.closes_clean();
}

fn closes(office: &Office) -> bool {
    office.api.capabilities().close == Close::Call
}

/// As often as needed where a refused key is renewed first.
fn goes_wrong(office: &Office, call: &str, fault: Fault) {
    let times = if fault == Fault::Status(401) { office.ways.refusals_of_key } else { 1 };
    for _ in 0..times {
        office.desk.fault(call, fault);
    }
}
