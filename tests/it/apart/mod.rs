//! Two ticket APIs with two accounts each, side by side in one bridge: nobody's key, id or word goes astray.

mod crossing;
mod matter;
mod tap;
mod traces;

use std::time::Duration;

use futures::future::join_all;
use mail_parser::{Address, MessageParser};
use ticket_bridge::sandbox::desk::{Dialect, Ticket};
use ticket_bridge::sandbox::faults::Fault;
use ticket_bridge::sandbox::telegram::Person;
use ticket_bridge::sandbox::town::Account;

use crossing::{ACCOUNTS, Crossing, Side};
use matter::Words;
use traces::{Traces, own_secret};

/// The default of a ticket API's `connections`.
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn paradarum_and_i3d_keep_four_accounts_apart() {
    stays_apart([Dialect::Paradarum, Dialect::I3d]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostup_and_whmcs_keep_four_accounts_apart() {
    stays_apart([Dialect::Hostup, Dialect::Whmcs]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keliweb_and_paradarum_keep_four_accounts_apart() {
    stays_apart([Dialect::Keliweb, Dialect::Paradarum]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_i3d_hangs_paradarum_is_served_and_a_revoked_key_stops_its_account_alone() {
    trouble_stays_where_it_is([Dialect::I3d, Dialect::Paradarum]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_hostup_hangs_whmcs_is_served_and_a_revoked_key_stops_its_account_alone() {
    trouble_stays_where_it_is([Dialect::Hostup, Dialect::Whmcs]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_paradarum_hangs_keliweb_is_served_and_a_revoked_key_stops_its_account_alone() {
    trouble_stays_where_it_is([Dialect::Paradarum, Dialect::Keliweb]).await;
}

/// More lanes wait for the desk that hangs than the bridge works on at one time.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_before_a_desk_that_hangs_does_not_stand_in_the_way_of_another() {
    let crossing = Crossing::open([Dialect::Paradarum, Dialect::I3d], "api_call = \"20s\"").await;
    let ([hanging, well], [[crowded, _], [other, _]]) = (&crossing.sides, ACCOUNTS);
    let person = crossing.chat_of(other).await;
    hanging.desk.faults().rate(&[Fault::HoldBefore(Duration::from_secs(600))], 1.0, 1);
    let penpal = crossing.penpal_of(crowded);
    for number in 0..100 {
        let letter = penpal.letter(&format!("Matter {number}"), &format!("This is the {number}. of many."));
        penpal.sends(letter).await.unwrap();
    }
    while crossing.queue().await["live"].as_u64() < Some(100) {}
    let words = Words::of(other, "chat");
    person.says(&words.question);
    crossing.until(&words.question, || well.shows(&words.question)).await;
    // A call that is given up makes room for the next, so that more than its connections would have come.
    let called = hanging.desk.faults().counts().total();
    assert!(called <= CONNECTIONS, "it was filed only after {called} calls to the desk that hangs");

    hanging.desk.faults().stop();
    let all = || (hanging.desk.tickets(crowded.id).len() == 100).then_some(());
    crossing.until("the crowd is filed, too", all).await;
}

// === each to its own ===

async fn stays_apart(dialects: [Dialect; 2]) {
    let crossing = Crossing::open(dialects, "").await;
    crossing.sides.iter().for_each(something_goes_wrong);
    let people =
        join_all(crossing.accounts().map(async |(_, account)| crossing.chat_of(account).await)).await;
    let chats = crossing.accounts().zip(&people);
    let chats = chats.map(async |((side, account), person)| {
        matter::by_chat(&crossing, side, account, person).await;
    });
    let mails = crossing.accounts().map(async |(side, account)| {
        matter::by_mail(&crossing, side, account).await;
    });
    futures::join!(join_all(chats), join_all(mails));
    crossing.comes_to_rest().await;

    let traces = Traces::of(&crossing);
    for side in &crossing.sides {
        assert!(side.desk.faults().counts().total() >= 5, "{:?}", side.desk.faults().counts());
        requests_are_of_one_account(side, &crossing, &traces);
        calls_are_about_their_own(side);
        assert_eq!(side.desk.violations(), [""; 0]);
    }
    for ((side, account), person) in crossing.accounts().zip(&people) {
        tickets_hold_their_own(side, account, &traces);
        chat_shows_its_own(&crossing, account, person, &traces);
        mails_are_its_own(&crossing, account, &traces);
    }
}

/// Answers are lost on the way, and calls turned away, so that the bridge looks and tries again.
fn something_goes_wrong(side: &Side) {
    let faults = side.desk.faults();
    // Nobody can look for a lost ticket behind Keliweb's façade: a person would have to.
    let is_found = side.desk.dialect() != Dialect::Keliweb;
    faults.next("create", if is_found { Fault::LoseAnswer } else { Fault::RetryAfter(1) });
    faults.next("create", Fault::RetryAfter(1));
    faults.next("reply", Fault::LoseAnswer);
    faults.next("reply", Fault::RetryAfter(1));
    faults.next("detail", Fault::Status(503));
    faults.next("list", Fault::Status(503));
}

fn requests_are_of_one_account(side: &Side, crossing: &Crossing, traces: &Traces) {
    let own = side.accounts.map(|account| account.name);
    let secrets = crossing.sides.iter().filter(|other| !std::ptr::eq(*other, side)).filter_map(own_secret);
    let others_secrets: Vec<String> = secrets.collect();
    let mut of_account = own.map(|name| (name, 0));
    for heard in side.tap.heard() {
        let (keys, all) = (traces.keys_in(&heard.carried), traces.all_in(&heard.carried));
        let is_one = all.len() <= 1 && all.iter().all(|name| own.contains(name));
        assert!(is_one, "{} carries something of {all:?}:\n{}", heard.line, heard.carried);
        // One credential speaks for all clients of a WHMCS; elsewhere each account has its own.
        let credential = match side.desk.dialect() {
            Dialect::Whmcs => keys.is_empty() && heard.carried.contains(&own_secret(side).unwrap()),
            _ => keys.len() == 1,
        };
        assert!(credential, "{} bears the keys of {keys:?}:\n{}", heard.line, heard.carried);
        let strange = others_secrets.iter().any(|secret| heard.carried.contains(secret));
        assert!(!strange, "{} bears the other API's secret:\n{}", heard.line, heard.carried);
        let named = of_account.iter_mut().filter(|(name, _)| all.contains(name));
        named.for_each(|(_, requests)| *requests += 1);
    }
    // Two tickets of each were opened and replied to, at the least.
    assert!(of_account.iter().all(|(_, requests)| *requests >= 4), "{of_account:?}");
}

/// By the desk's own word: the key's account, the one that is named, and the ticket's are the same.
fn calls_are_about_their_own(side: &Side) {
    let calls = side.desk.calls();
    for call in &calls {
        let is_anybodys = side.desk.dialect() == Dialect::Whmcs && call.name == "catalog";
        assert!(call.account.is_some() || is_anybodys, "{call:?}");
        assert!(call.names.is_none() || call.names == call.account, "{call:?}");
        let ticket = call.ticket.and_then(|id| side.desk.ticket(id));
        assert!(ticket.is_none_or(|ticket| Some(ticket.account) == call.account), "{call:?}");
    }
    for account in side.accounts {
        for name in ["create", "reply", "detail"] {
            let of_it = calls.iter().filter(|call| call.name == name && call.account == Some(account.id));
            assert!(of_it.count() >= 2, "{} was not called for {}", name, account.name);
        }
    }
}

fn tickets_hold_their_own(side: &Side, account: Account, traces: &Traces) {
    let tickets = side.desk.tickets(account.id);
    assert_eq!(tickets.len(), 2, "one by chat and one by mail: {tickets:#?}");
    for ticket in &tickets {
        let all = everything_in(ticket);
        assert_eq!(traces.all_in(&all), [account.name], "ticket {} holds:\n{all}", ticket.id);
    }
    for words in ["chat", "mail"].map(|way| Words::of(account, way)) {
        for text in [words.question, words.answer, words.reply] {
            assert_eq!(side.desk.find_text(&text).len(), 1, "{text}");
        }
    }
}

fn everything_in(ticket: &Ticket) -> String {
    let messages = ticket.messages.iter().map(|message| message.text.clone());
    let files = ticket
        .attachments
        .iter()
        .flat_map(|file| [file.name.clone(), String::from_utf8_lossy(&file.bytes).into_owned()]);
    let head = [ticket.subject.clone(), ticket.description.clone()].into_iter();
    head.chain(messages).chain(files).collect::<Vec<_>>().join("\n")
}

fn chat_shows_its_own(crossing: &Crossing, account: Account, person: &Person, traces: &Traces) {
    let messages = crossing.telegram.messages_in(person.chat_id());
    for message in &messages {
        let file = message.file.as_ref().map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
        let all = format!("{} {}", message.words(), file.unwrap_or_default());
        let strange = traces.all_in(&all).into_iter().any(|name| name != account.name);
        assert!(!strange, "the chat of {} shows {all}", account.name);
    }
    let answer = Words::of(account, "chat").answer;
    assert_eq!(messages.iter().filter(|message| message.words().contains(&answer)).count(), 1, "{answer}");
}

fn mails_are_its_own(crossing: &Crossing, account: Account, traces: &Traces) {
    let address = format!("post@{}", account.domain);
    let mut answers = 0;
    for letter in crossing.sent() {
        let mail = MessageParser::default().parse(&letter.raw).unwrap();
        let to = mail.to().and_then(Address::first).and_then(|to| to.address()).unwrap_or_default();
        if to != address {
            continue;
        }
        let files = letter.files.iter().map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
        let all = format!("{} {} {}", letter.subject, letter.text, files.collect::<String>());
        assert_eq!(traces.all_in(&all), [account.name], "{address} got {all}");
        answers += usize::from(matter::flowed(&letter.text).contains(&Words::of(account, "mail").answer));
    }
    assert_eq!(answers, 1, "staff's answer to {address}");
}

// === trouble ===

async fn trouble_stays_where_it_is(dialects: [Dialect; 2]) {
    let crossing = Crossing::open(dialects, "api_call = \"3s\"").await;
    let people =
        join_all(crossing.accounts().map(async |(_, account)| crossing.chat_of(account).await)).await;
    let [down, well] = &crossing.sides;

    down.desk.faults().rate(&[Fault::HoldBefore(Duration::from_secs(60)), Fault::Status(500)], 1.0, 4);
    for ((_, account), person) in crossing.accounts().zip(&people) {
        person.says(&Words::of(account, "chat").question);
        let penpal = crossing.penpal_of(account);
        let letter = penpal.letter("An invoice", &Words::of(account, "mail").question);
        penpal.sends(letter).await.unwrap();
    }
    for (account, person) in well.accounts.into_iter().zip(&people[2..]) {
        let [chat, mail] = ["chat", "mail"].map(|way| Words::of(account, way));
        let ticket = crossing.until(&chat.question, || well.ticket(account, &chat.question)).await;
        crossing.until(&mail.question, || well.ticket(account, &mail.question)).await;
        well.desk.staff_replies(ticket.id, &chat.answer).unwrap();
        crossing.sees(person, &chat.answer, |m| m.words().contains(&chat.answer)).await;
    }
    assert_eq!(down.accounts.map(|account| down.desk.tickets(account.id).len()), [0, 0]);
    down.desk.faults().stop();
    for account in down.accounts {
        for words in ["chat", "mail"].map(|way| Words::of(account, way)) {
            crossing.until(&words.question, || down.ticket(account, &words.question)).await;
        }
    }

    for side in &crossing.sides {
        side.desk.revoke_key(side.accounts[0].id);
    }
    for ((_, account), person) in crossing.accounts().zip(&people) {
        person.says(&Words::of(account, "chat").reply);
    }
    for side in &crossing.sides {
        let [revoked, other] = side.accounts.map(|account| Words::of(account, "chat").reply);
        crossing.until(&other, || side.shows(&other)).await;
        assert!(side.shows(&revoked).is_none(), "filed without a key");
    }
    for side in &crossing.sides {
        let account = side.accounts[0];
        side.desk.add_account(account.id, account.key);
        let reply = Words::of(account, "chat").reply;
        crossing.until(&reply, || side.shows(&reply)).await;
    }
    for side in &crossing.sides {
        assert_eq!(side.desk.violations(), [""; 0]);
    }
}
