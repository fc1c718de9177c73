//! Cases: closing, and what a closed ticket does with who still has something to say.

use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::model::ids::TicketId;
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::{Attachments, Author, Reopen};

use super::Open;
use super::office::{Close, Closed, Office, PATIENT, failed, file};

pub(super) async fn closing_twice_is_a_success(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for _ in 0..2 {
        office.api.close(&office.account, &ticket).await.unwrap();
        is_closed(&office, &ticket).await;
    }
    // Asking for what staff did already would open it again.
    let by_staff = office.creates("Other", "Text").await;
    office.desk.staff_closes(&by_staff);
    office.api.close(&office.account, &by_staff).await.unwrap();
    assert_eq!(office.reads(&by_staff).await.status, TicketStatus::Closed);
    office.closes_clean();
}

pub(super) async fn a_lost_closing_can_be_made_again(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let call = if matches!(office.ways.close, Close::Closes) { "close" } else { "reply" };
    office.desk.fault(call, Fault::LoseAnswer);
    // Some look whether it happened.
    if let Err(error) = office.api.close(&office.account, &ticket).await {
        assert_eq!(failed(Err::<(), _>(error)), "may still run");
    }
    office.api.close(&office.account, &ticket).await.unwrap();
    is_closed(&office, &ticket).await;
    office.closes_clean();
}

/// As the bridge does it: reopened first where that is a call.
pub(super) async fn a_closed_ticket_is_opened_again_by_the_next_reply(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_resolves(&ticket);
    let is_call = office.api.capabilities().reopen == Reopen::Call;
    let expected = if is_call { TicketStatus::Closed } else { TicketStatus::Resolved };
    assert_eq!(office.reads(&ticket).await.status, expected);
    if is_call {
        office.api.reopen(&office.account, &ticket).await.unwrap();
    }
    office.replies(&ticket, "It is back").await;
    assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
    office.closes_clean();
}

pub(super) async fn reopening_is_a_call_or_unsupported(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_closes(&ticket);
    if office.ways.closed == Closed::Refuses {
        assert_eq!(failed(office.tries_to_reply(&ticket, "Hello?").await), "locked");
    }
    for _ in 0..2 {
        let ending = office.api.reopen(&office.account, &ticket).await;
        if office.api.capabilities().reopen == Reopen::Call {
            ending.unwrap();
        } else {
            assert_eq!(failed(ending), "unsupported");
        }
    }
    office.closes_clean();
}

pub(super) async fn a_ticket_that_is_closed_for_good_says_so(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_closes_for_good(&ticket);
    let reopened = office.api.reopen(&office.account, &ticket).await;
    let replied = office.tries_to_reply(&ticket, "Hello?").await;
    if office.ways.closed == Closed::Opens {
        replied.expect("there is no such thing here");
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
        return office.closes_clean();
    }
    let can_reopen = office.api.capabilities().reopen == Reopen::Call;
    assert_eq!(failed(reopened), if can_reopen { "locked" } else { "unsupported" });
    assert_eq!(failed(replied), "locked");
    if office.api.capabilities().attachments == Attachments::After {
        let uploaded = office.api.upload(&office.account, &ticket, None, file("a", vec![1])).await;
        assert_eq!(failed(uploaded), "locked");
    }
    office.api.close(&office.account, &ticket).await.unwrap();
    office.closes_clean();
}

/// Closed, or staff was asked to.
async fn is_closed(office: &Office, ticket: &TicketId) {
    let read = office.reads(ticket).await;
    match office.ways.close {
        Close::Closes => assert_eq!(read.status, TicketStatus::Closed),
        Close::Asks(words) => {
            let asked = |said: &ticket_bridge::ticket_api::TicketMessage| {
                (said.by, said.text.as_str()) == (Author::Customer, words)
            };
            assert!(read.messages.last().is_some_and(asked), "{read:?}");
        }
    }
}
