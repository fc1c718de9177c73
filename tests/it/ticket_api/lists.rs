//! Cases: the list of changes, whole or of what is active, or its refusal.

use ticket_bridge::model::ids::TicketId;
use ticket_bridge::ticket_api::walk::Walk;
use ticket_bridge::ticket_api::{Found, Scope};

use super::Open;
use super::office::{ACCOUNT, ANY_TIME, OTHER, Office, PATIENT, failed, marker};

pub(super) async fn lists_every_ticket_once(open: Open) {
    let office = open(PATIENT).await;
    let made = seven(&office).await;
    let listed = office.lists(Scope::All).await;
    if can_list(&office) {
        assert_eq!(listed.unwrap(), made);
    } else {
        assert_eq!(failed(listed), "unsupported");
    }
    office.closes_clean();
}

pub(super) async fn half_a_look_is_none(open: Open) {
    let office = open(PATIENT).await;
    seven(&office).await;
    let mut walk = Walk::new(Scope::All, 1);
    let first = walk.next(&*office.api, &office.account).await;
    if can_list(&office) {
        assert!(first.unwrap().is_some());
        assert_eq!(failed(walk.next(&*office.api, &office.account).await), "retry");
    } else {
        assert_eq!(failed(first), "unsupported");
    }
    office.closes_clean();
}

pub(super) async fn what_is_another_accounts_is_not_shown(open: Open) {
    let office = open(PATIENT).await;
    office.desk.stand_in.add_account(OTHER, "a key of their own");
    let lost = marker("theirs");
    let theirs = office.desk.opened_in_the_panel(OTHER, &format!("Text · {lost}"));
    let ours = office.desk.opened_in_the_panel(ACCOUNT, "Text");
    assert_eq!(office.reads(&ours).await.text, "Text", "whoever opened it");
    assert_eq!(failed(office.api.ticket(&office.account, &theirs).await), "not found");
    let found = office.looks_for_ticket(&lost, ANY_TIME, &|_| false).await.unwrap();
    let listed = office.lists(Scope::All).await;
    if can_list(&office) {
        assert_eq!((listed.unwrap(), found), (vec![ours], Found::Absent));
    } else {
        assert_eq!((failed(listed), found), ("unsupported", Found::CannotKnow));
    }
    office.closes_clean();
}

/// A short list has what staff answered, and not what is closed and has nothing new.
pub(super) async fn what_staff_answered_is_among_the_active(open: Open) {
    let office = open(PATIENT).await;
    let done = office.creates("Done", "Text").await;
    office.desk.staff_closes(&done);
    office.reads(&done).await;
    let mut answered = Vec::new();
    for n in 0..5 {
        let ticket = office.creates(&format!("Ticket {n}"), "Text").await;
        office.desk.staff_replies(&ticket, "Answer");
        answered.push(ticket);
    }
    let active = office.lists(Scope::Active).await;
    if !can_list(&office) {
        assert_eq!(failed(active), "unsupported");
    } else if office.api.capabilities().active_list {
        assert_eq!(active.unwrap(), answered);
    } else {
        assert_eq!(active.unwrap(), office.lists(Scope::All).await.unwrap());
    }
    office.closes_clean();
}

pub(super) async fn a_new_message_changes_the_mark(open: Open) {
    let office = open(PATIENT).await;
    let ticket = office.creates("Help", "Text").await;
    let mut marks = vec![mark(&office, &ticket).await];
    office.desk.staff_replies(&ticket, "Hello");
    marks.push(mark(&office, &ticket).await);
    office.desk.staff_resolves(&ticket);
    marks.push(mark(&office, &ticket).await);
    marks.dedup();
    assert_eq!(marks.len(), 3, "{marks:?}");
    office.closes_clean();
}

/// The list's, with which the detail agrees; or the detail's alone.
async fn mark(office: &Office, ticket: &TicketId) -> String {
    let listed = office.api.tickets(&office.account, Scope::All, None).await;
    let read = office.reads(ticket).await.change;
    if can_list(office) {
        let listed = listed.unwrap().tickets.remove(0).change.unwrap();
        assert_eq!(read.unwrap_or_else(|| listed.clone()), listed, "the detail agrees as far as it tells");
        return listed;
    }
    read.unwrap()
}

fn can_list(office: &Office) -> bool {
    office.api.capabilities().list
}

/// More than a page of them.
async fn seven(office: &Office) -> Vec<TicketId> {
    let mut made = Vec::new();
    for n in 0..7 {
        made.push(office.creates(&format!("Ticket {n}"), "Text").await);
    }
    made
}
