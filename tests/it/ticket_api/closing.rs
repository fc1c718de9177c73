//! Cases: closing, and what a closed ticket does with who still has something to say.

use ticket_bridge::model::conversation::TicketStatus;
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::{Attachments, Close, Reopen};

use super::Open;
use super::office::{Closed, PATIENT, failed, file};

pub(super) async fn closing_twice_is_a_success_or_unsupported(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    for _ in 0..2 {
        let ending = office.api.close(&office.account, &ticket).await;
        if office.api.capabilities().close == Close::Call {
            ending.unwrap();
            assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
        } else {
            assert_eq!(failed(ending), "unsupported");
            assert_eq!(office.reads(&ticket).await.status, TicketStatus::Open);
        }
    }
    let by_staff = office.creates("Other", "Text").await;
    office.desk.staff_closes(&by_staff);
    let ending = office.api.close(&office.account, &by_staff).await;
    assert_eq!(ending.is_ok(), office.api.capabilities().close == Close::Call);
    assert_eq!(office.reads(&by_staff).await.status, TicketStatus::Closed);
    office.closes_clean();
}

pub(super) async fn a_lost_closing_can_be_made_again(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    office.desk.fault("close", Fault::LoseAnswer);
    let lost = office.api.close(&office.account, &ticket).await;
    let again = office.api.close(&office.account, &ticket).await;
    if office.api.capabilities().close == Close::Call {
        // Some look whether it happened.
        assert!(lost.is_ok() || failed(lost) == "may still run");
        again.unwrap();
        assert_eq!(office.reads(&ticket).await.status, TicketStatus::Closed);
    } else {
        assert_eq!([failed(lost), failed(again)], ["unsupported"; 2]);
    }
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
