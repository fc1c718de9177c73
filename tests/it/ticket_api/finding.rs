//! Cases: after a lost answer, what was filed is found by its marker, or it is said that nobody can know.

use std::time::Duration;

use ticket_bridge::model::ids::TicketId;
use ticket_bridge::runtime::Clock;
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::ticket_api::Found;

use super::Open;
use super::office::{ANY_TIME, PATIENT, failed, marker, new_ticket};

pub(super) async fn finds_a_lost_create_by_its_marker(open: Open) {
    let office = open(PATIENT).await;
    let lost = marker("lost");
    for n in 0..4 {
        office
            .creates(&format!("Ticket {n}"), &format!("Text\n\nvia Telegram · {}", marker(&n.to_string())))
            .await;
    }
    let absent = if office.api.capabilities().list { Found::Absent } else { Found::CannotKnow };
    assert_eq!(office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await.unwrap(), absent);
    office.desk.fault("create", Fault::LoseAnswer);
    let ticket = new_ticket("Lost", &format!("Text\n\nvia Telegram · {lost}"));
    let ending = office.api.create(&office.account, &ticket, ticket_bridge::ticket_api::Files::None).await;
    assert_eq!(failed(ending), "may still run");
    let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await.unwrap();
    if absent == Found::CannotKnow {
        assert_eq!(found, Found::CannotKnow, "though it is there");
        return office.closes_clean();
    }
    let Found::Ticket(found) = found else { panic!("{found:?}") };
    assert_eq!(office.reads(&found.ticket).await.subject, "Lost");
    let is_known = |ticket: &TicketId| *ticket == found.ticket;
    assert_eq!(office.looks_for_ticket(&lost, ANY_TIME, &is_known).await.unwrap(), Found::Absent);
    office.desk.ages(&found.ticket, Duration::from_secs(86_400));
    let an_hour_ago = office.api.server_time(Clock::real().now()).minus(Duration::from_secs(3600));
    assert_eq!(office.looks_for_ticket(&lost, an_hour_ago, &|_| false).await.unwrap(), Found::Absent);
    office.closes_clean();
}

pub(super) async fn finds_a_lost_reply_by_its_marker(open: Open) {
    let office = open(PATIENT).await;
    let (lost, quoted) = (marker("lost"), marker("quoted"));
    let ticket = office.creates("Help", "Text").await;
    office.desk.staff_replies(&ticket, &format!("> via Telegram · {quoted}\nPlease restart it."));
    assert_eq!(office.looks_for_reply(&lost, &ticket).await.unwrap(), Found::Absent);
    office.desk.fault("reply", Fault::LoseAnswer);
    let ending = office.tries_to_reply(&ticket, &format!("Hello\n\nvia Telegram · {lost}")).await;
    assert_eq!(failed(ending), "may still run");
    let ours = office.reads(&ticket).await.messages.remove(1).id;
    assert_eq!(office.looks_for_reply(&lost, &ticket).await.unwrap(), Found::Reply(Some(ours)));
    let found = office.looks_for_reply(&quoted, &ticket).await.unwrap();
    assert_eq!(found, Found::Absent, "staff's quote is not our message");
    office.closes_clean();
}

pub(super) async fn a_look_that_cannot_be_finished_is_none(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let lost = marker("lost");
    office.desk.fault("detail", Fault::Status(500));
    assert_eq!(failed(office.looks_for_reply(&lost, &ticket).await), "retry");
    if !office.api.capabilities().list {
        let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await.unwrap();
        assert_eq!(found, Found::CannotKnow);
        return office.closes_clean();
    }
    for call in ["list", "detail"] {
        office.desk.fault(call, Fault::Status(500));
        assert_eq!(failed(office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await), "retry", "{call}");
    }
    office.closes_clean();
}
