//! WHMCS's answers in every dress that its pages show, or that PHP makes of nothing.

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::wire::{self, FileAddress};
use super::{Client, Reached, about};
use crate::config::Whmcs as Settings;
use crate::config::whmcs::{Native, Profile, StaffRule};
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::answers::{Answer, Call};
use crate::ticket_api::{ApiError, Author, PageMark, Ticket};

fn settings() -> Settings {
    Settings::new(Profile::Native(Native::new("id")))
}

fn read(body: &Value) -> Ticket {
    wire::ticket(body, &settings(), None).unwrap()
}

fn detail(replies: &Value) -> Value {
    json!({
        "result": "success", "ticketid": "1", "tid": "516757", "userid": "1", "date": "2016-01-01 06:26:29",
        "subject": "It&#039;s &quot;down&quot;", "status": "Customer-Reply", "lastreply": "2016-01-01 06:30:16",
        "replies": replies, "notes": {"note": [{"noteid": "1", "message": "private"}]},
    })
}

fn opening() -> Value {
    json!({"replyid": "0", "date": "2016-01-01 06:26:29", "message": "Hello\r\n&lt;b&gt;", "admin": ""})
}

#[test]
fn a_ticket_as_the_page_shows_it() {
    let ticket = read(&detail(&json!({"reply": [
        {"replyid": "0", "userid": "1", "date": "2016-01-01 06:26:29", "message": "It\r\n&lt;is&gt;.", "admin": "",
         "requestor_type": "Owner", "attachments": [{"filename": "a.png", "index": 0}], "attachments_removed": false},
        {"replyid": "2", "userid": "0", "date": "2016-01-01 06:30:16", "message": "Fixed", "admin": "Jane",
         "requestor_type": "Operator", "attachments": [{"filename": "b.txt", "index": "0"}, {"filename": "c", "index": 1}]},
        {"replyid": "3", "userid": "1", "name": "Joe", "date": "2016-01-01 06:31:00", "message": "Thanks", "admin": "",
         "requestor_type": "Owner", "attachments": [[]]},
    ]})));
    assert_eq!((ticket.ticket.as_str(), ticket.subject.as_str()), ("1", "It's \"down\""));
    assert_eq!((ticket.text.as_str(), ticket.status), ("It\n<is>.", TicketStatus::Open));
    assert_eq!(ticket.created, Some(Timestamp::from_secs(1_451_629_589)));
    assert_eq!(ticket.change.as_deref(), Some("2016-01-01 06:30:16/Customer-Reply"));
    let said: Vec<_> =
        ticket.messages.iter().map(|said| (said.id.as_str(), said.by, said.author.as_deref())).collect();
    assert_eq!(said, [("2", Author::Staff, Some("Jane")), ("3", Author::Customer, Some("Joe"))]);
    let files: Vec<_> = ticket
        .attachments
        .iter()
        .map(|file| (file.id.as_str(), file.message.clone(), file.name.as_str()))
        .collect();
    let staff = Some(TicketMessageId::new("2"));
    assert_eq!(
        files,
        [("ticket:1:0", None, "a.png"), ("reply:2:0", staff.clone(), "b.txt"), ("reply:2:1", staff, "c")]
    );
    assert!(ticket.shows_messages);
}

#[test]
fn lists_of_one_of_none_and_without_their_inner_name() {
    for one in [
        json!({"reply": [opening()]}),
        json!({"reply": opening()}),
        json!([opening()]),
        json!([{"reply": [opening()]}]),
        json!({"reply": {"replyid": 0, "message": "Hello\n<b>"}}),
    ] {
        let ticket = read(&detail(&one));
        assert_eq!((ticket.text.as_str(), ticket.messages.len()), ("Hello\n<b>", 0), "{one}");
        assert!(ticket.shows_messages);
    }
    for none in [
        json!(""),
        json!([]),
        json!({}),
        json!([[]]),
        json!(null),
        json!({"reply": ""}),
        json!({"reply": [[]]}),
    ] {
        let ticket = read(&detail(&none));
        assert!(ticket.messages.is_empty() && ticket.text.is_empty() && !ticket.shows_messages, "{none}");
    }
    assert!(wire::ticket(&json!({"result": "success"}), &settings(), None).is_err());
    assert!(wire::ticket(&detail(&json!({"reply": [{"message": "no id"}]})), &settings(), None).is_err());
}

#[test]
fn names_as_the_facade_has_them() {
    let body = json!({"ticketid": 7, "ticketnum": "516757", "status": "Open", "replies": [opening()]});
    assert_eq!(read(&body).ticket.as_str(), "7");
    assert_eq!(read(&body).change, None, "nothing tells of a new message");
}

#[test]
fn files_of_older_installations_and_purged_ones() {
    let with = |file: Value| {
        let mut row = opening();
        row.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
        let files = read(&detail(&json!({"reply": [row]}))).attachments;
        files.into_iter().map(|file| format!("{} {}", file.id, file.name)).collect::<Vec<_>>()
    };
    assert_eq!(
        with(json!({"attachment": "123456_name_1.png|654321_b.txt"})),
        ["ticket:1:0 name_1.png", "ticket:1:1 b.txt"]
    );
    assert_eq!(with(json!({"attachment": "plain.png", "attachments": [[]]})), ["ticket:1:0 plain.png"]);
    assert_eq!(with(json!({"attachments": {"filename": "a&amp;b.png", "index": 3}})), ["ticket:1:3 a&b.png"]);
    assert_eq!(with(json!({"attachments": ["a.png", "b.png"]})), ["ticket:1:0 a.png", "ticket:1:1 b.png"]);
    assert_eq!(with(json!({"attachment": "1_a", "attachments": "", "attachments_removed": "1"})), [""; 0]);
    for (id, expected) in [
        ("reply:2:1", Some(FileAddress { kind: "reply", related: 2, index: 1 })),
        ("note:2:1", None),
        ("reply:2", None),
        ("reply:2:1:3", None),
        ("reply:x:1", None),
    ] {
        assert_eq!(FileAddress::parse(&AttachmentId::new(id)), expected, "{id}");
    }
}

#[test]
fn who_wrote_by_either_rule() {
    let both = [StaffRule::AdminNonempty, StaffRule::RequestorOperator];
    for (reply, rules, expected) in [
        (json!({"admin": "Jane"}), &both[..], Author::Staff),
        (json!({"admin": "", "requestor_type": "operator"}), &both[..], Author::Staff),
        (json!({"admin": "", "requestor_type": "Owner"}), &both[..], Author::Customer),
        (json!({"admin": null}), &both[..], Author::Customer),
        (json!({"admin": 0, "requestor_type": "Subaccount"}), &both[..], Author::Customer),
        (json!({"requestor_type": ""}), &both[..], Author::Unsaid),
        (json!({}), &both[..], Author::Unsaid),
        (json!({"admin": "Jane", "requestor_type": "Owner"}), &both[1..], Author::Customer),
        (json!({"admin": "Jane"}), &both[1..], Author::Unsaid),
    ] {
        let mut row = json!({"replyid": 5, "message": "x"});
        row.as_object_mut().unwrap().extend(reply.as_object().unwrap().clone());
        let settings = Settings { staff_rule: rules.to_vec(), ..settings() };
        let ticket = wire::ticket(&detail(&json!({"reply": [row]})), &settings, None).unwrap();
        assert_eq!(ticket.messages[0].by, expected, "{reply}");
    }
}

#[test]
fn time_zone_escapes_and_statuses_are_the_operators() {
    let mut other = settings();
    other.server_timezone = TimeZone::get("Europe/Rome").unwrap();
    other.html_unescape = false;
    other.status_closed = vec!["Erledigt".to_owned(), "Closed".to_owned()];
    let mut body = detail(&json!({"reply": [opening()]}));
    let ticket = wire::ticket(&body, &other, None).unwrap();
    assert_eq!(ticket.created, Some(Timestamp::from_secs(1_451_629_589 - 3600)));
    assert_eq!(
        (ticket.subject.as_str(), ticket.text.as_str()),
        ("It&#039;s &quot;down&quot;", "Hello\n&lt;b&gt;")
    );
    for (status, expected) in [
        ("Open", TicketStatus::Open),
        ("Answered", TicketStatus::Open),
        ("On Hold", TicketStatus::Open),
        ("closed", TicketStatus::Closed),
        ("Erledigt", TicketStatus::Closed),
        ("Wartet", TicketStatus::Other),
        ("", TicketStatus::Other),
    ] {
        body["status"] = json!(status);
        assert_eq!(wire::ticket(&body, &other, None).unwrap().status, expected, "{status}");
    }
    body["date"] = json!("0000-00-00 00:00:00");
    assert_eq!(wire::ticket(&body, &other, None).unwrap().created, None);
}

#[test]
fn a_list_and_its_detail_show_the_same_mark() {
    let row = json!({"id": "1", "tid": "516757", "userid": "1", "subject": "S", "status": "Customer-Reply",
        "date": "2016-01-01 06:26:29", "lastreply": "2016-01-01 06:30:16"});
    let list = |tickets: Value| json!({"result": "success", "totalresults": "1", "tickets": tickets});
    for tickets in [json!({"ticket": [row]}), json!({"ticket": row}), json!([row])] {
        let page = wire::page(&list(tickets), &settings(), |_| true).unwrap();
        assert_eq!(page.tickets[0].change, read(&detail(&json!(""))).change);
        assert_eq!((page.rows, page.total), (1, Some(1)));
    }
    for none in [json!(""), json!([]), json!({}), json!({"ticket": [[]]})] {
        assert!(wire::page(&list(none), &settings(), |_| true).unwrap().tickets.is_empty());
    }
    assert!(wire::page(&json!({"result": "success"}), &settings(), |_| true).is_err(), "no list at all");
    let page =
        wire::page(&list(json!({"ticket": [row]})), &settings(), |row| Client::Number(2).owns(row)).unwrap();
    assert_eq!((page.tickets.len(), page.rows), (0, 1), "another client's is counted, not shown");
}

#[test]
fn a_list_is_read_to_its_end() {
    let page = |rows, total| wire::Page { tickets: Vec::new(), rows, total };
    let marks = |from: Option<&str>, rows, total, statuses| {
        let from = from.map(|mark| PageMark(mark.to_owned()));
        Reached::read(from.as_ref()).after(&page(rows, total), statuses).map(|next| next.mark().0)
    };
    assert_eq!(marks(None, 25, Some(60), 1).as_deref(), Some("0:25"));
    assert_eq!(marks(Some("0:50"), 10, Some(60), 1), None);
    assert_eq!(marks(Some("0:50"), 10, Some(60), 2).as_deref(), Some("1:0"));
    assert_eq!(marks(Some("0:50"), 10, None, 1).as_deref(), Some("0:60"), "no total: until nothing comes");
    assert_eq!(marks(Some("0:60"), 0, Some(90), 1), None, "the total is wrong");
}

#[test]
fn clients_guests_and_what_is_neither() {
    let client =
        |remote: &str| Client::of(&crate::ticket_api::Access { remote: remote.to_owned(), key: None });
    assert_eq!(
        [client("7"), client("0"), client("guest")],
        [Some(Client::Number(7)), Some(Client::Guests), Some(Client::Guests)]
    );
    assert_eq!([client("-1"), client("me@example.com"), client("")], [None, None, None]);
    let (own, others) = (json!({"userid": "7"}), json!({"userid": 8}));
    assert!(Client::Number(7).owns(&own) && !Client::Number(7).owns(&others));
    assert!(!Client::Number(7).owns(&json!({"userid": "0"})) && Client::Number(7).owns(&json!({})));
    assert!(Client::Guests.owns(&json!({"userid": 0})) && !Client::Guests.owns(&own));
}

#[test]
fn what_a_ticket_is_about() {
    assert_eq!(about("12").unwrap(), ("serviceid", "12".to_owned()));
    assert_eq!(about("domain:3").unwrap(), ("domainid", "3".to_owned()));
    assert!(matches!(about("example.com"), Err(ApiError::Refused(_))));
}

#[test]
fn an_answer_without_a_file_says_why() {
    let no_file = |body: &'static str| wire::no_file(&Bytes::from_static(body.as_bytes()));
    let deleted = no_file(r#"{"result":"error","message":"Attachments Deleted"}"#);
    assert!(matches!(deleted, ApiError::NotFound(_)), "{deleted:?}");
    let invalid = no_file(r#"{"result":"error","message":"Invalid Type"}"#);
    assert!(matches!(invalid, ApiError::Refused(_)), "{invalid:?}");
    assert!(matches!(no_file("<html>"), ApiError::Retry { .. }));
}

#[test]
fn what_is_null_or_missing_is_nothing() {
    let body = json!({"result": "success", "ticketid": 1, "subject": null, "status": null, "date": null,
        "lastreply": null, "userid": null,
        "replies": {"reply": {"replyid": "2", "message": null, "admin": null, "date": null, "name": null,
            "attachment": null, "attachments": null, "attachments_removed": null}}});
    let ticket = read(&body);
    assert_eq!((ticket.subject.as_str(), ticket.status, ticket.created), ("", TicketStatus::Other, None));
    assert_eq!((ticket.messages[0].by, ticket.messages[0].text.as_str()), (Author::Customer, ""));
    assert!(ticket.attachments.is_empty() && ticket.change.is_none());
    assert_eq!(read(&json!({"ticketid": "7"})).ticket.as_str(), "7");
    assert_eq!(wire::made(&json!({"result": "success", "id": 7})), Some(TicketId::new("7")));
    assert_eq!(wire::made(&json!({"result": "success", "id": null})), None);
}

#[test]
fn results_count_before_the_status_and_without_words() {
    let word = |status: u16, body: &str| {
        let response = axum::http::Response::builder().status(status).body(body.to_owned()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(Answer::read(reqwest::Response::from(response), 1 << 16));
        match wire::opened(Call::Write, &answer) {
            Ok(_) => "success",
            Err(ApiError::Refused(_)) => "refused",
            Err(ApiError::NotFound(_)) => "not found",
            Err(ApiError::Unauthorized(_)) => "unauthorized",
            Err(ApiError::Retry { .. }) => "retry",
            Err(ApiError::Unknown { .. }) => "unknown",
            Err(ApiError::Locked(_) | ApiError::Unsupported(_)) => "never by an answer alone",
        }
    };
    for (status, body, expected) in [
        (200, r#"{"result":"success"}"#, "success"),
        (200, r#"{"result":"SUCCESS"}"#, "success"),
        (200, r#"{"result":"error","message":"Ticket ID Not Found"}"#, "not found"),
        (404, r#"{"result":"error","message":"Ticket ID not found"}"#, "not found"),
        (400, r#"{"result":"error","message":"Message is required"}"#, "refused"),
        (200, r#"{"result":"error","message":"Client ID Not Found"}"#, "unauthorized"),
        (403, r#"{"result":"error","message":"Invalid IP 192.0.2.1"}"#, "unauthorized"),
        (200, r#"{"result":"error","message":"Unable to generate ticket number"}"#, "retry"),
        (200, r#"{"result":"error"}"#, "refused"),
        (200, r#"{"result":"error","message":null}"#, "refused"),
        (500, r#"{"result":"error","message":"Message is required"}"#, "unknown"),
        (200, r#"{"id":"1"}"#, "unknown"),
        (200, "[]", "unknown"),
        (200, "", "unknown"),
        (200, "<html></html>", "unknown"),
        (404, "<html></html>", "retry"),
        (403, "", "unauthorized"),
    ] {
        assert_eq!(word(status, body), expected, "{status} {body}");
    }
}
