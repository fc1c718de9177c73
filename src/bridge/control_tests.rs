//! People in chats: links by code, commands, questions, closes; and admins about what needs a person.

use std::time::Duration;

use crate::{
    bridge::{
        linking,
        town_tests::{ADMINS, ANN, BOT, GROUP, Town, message},
    },
    model::{
        button::{Action, Button},
        conversation::TicketStatus,
        ids::{AccountName, ChatId, ChatMessageId, MailAddress, UserId},
        inbound::{Origin, Verdict, What},
        job::State,
        place::Place,
        thread_token::ThreadToken,
    },
    store::change::{Change, Key},
    ticket_api::{ApiError, Close},
};

async fn code(town: &Town) -> String {
    let (code, change) = linking::code(&town.bridge, &AccountName::new("acme"));
    town.bridge.store.apply(vec![change]).await.unwrap();
    assert_eq!(code.url, Some(format!("https://t.me/example_bot?start={}", code.code)));
    code.code
}

fn linked(town: &Town, chat: ChatId) -> bool {
    town.bridge.store.link(&Place::Chat { bot: BOT, chat }).unwrap().is_some()
}

fn current(town: &Town, chat: ChatId) -> Option<String> {
    let id = town.bridge.store.find(&Key::Current(BOT, chat)).unwrap()?;
    town.bridge.store.conversation(id).unwrap()?.ticket.map(|ticket| ticket.to_string())
}

#[tokio::test]
async fn a_message_whose_content_is_damaged_is_told_and_stops_neither_its_lane_nor_the_admins() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    let item = town.item(ANN, message(&"The printer is on fire. ".repeat(200)));
    town.journal(vec![item]).await;
    for file in std::fs::read_dir(town.dir.path().join("data/spool")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    town.write(ANN, &["And the hall is burning"]).await;
    assert_eq!(town.desk.created.lock().unwrap().len(), 1, "the message behind it goes on");
    let alert = town.alerts()[0].text.text.clone();
    assert!(alert.contains("damaged or gone") && alert.contains("The customer was told"), "{alert}");
    let told = town.notes(ANN).iter().any(|note| note.text.text.contains("was damaged on our side"));
    assert!(told, "{:?}", town.notes(ANN));
    town.write(ADMINS, &["/queue"]).await;
    town.press(ADMINS, &town.button("Discard")).await;
    assert_eq!(town.bridge.store.depth().dead, 0);
}

#[tokio::test]
async fn a_code_links_a_chat_once_and_only_after_yes() {
    let mut town = Town::new().await;
    let code = code(&town).await;
    town.write(ANN, &[&format!("/start {}", code.to_lowercase())]).await;
    assert!(town.said(ANN).contains("to the account acme"), "{}", town.said(ANN));
    assert!(!linked(&town, ANN));
    let yes = town.button("Yes");

    town.write(ChatId(200), &[&format!("/link {code}")]).await;
    assert!(town.said(ChatId(200)).starts_with("That code is not valid"), "spent by being shown");

    town.press(ANN, &yes).await;
    assert!(linked(&town, ANN));
    assert!(town.said(ANN).starts_with("Done: this chat now belongs to the account acme"));
    assert!(town.notes(ANN).iter().any(|note| note.answers.is_some()), "the button's spinner ends");
    town.press(ANN, &yes).await;
    assert!(town.said(ANN).starts_with("This question has been settled"));

    town.write(ANN, &["/unlink"]).await;
    assert!(!linked(&town, ANN));
}

#[tokio::test]
async fn no_or_cancel_links_nothing_and_the_code_is_used_up() {
    let mut town = Town::new().await;
    for refuse in ["No", "/cancel"] {
        let code = code(&town).await;
        town.write(ANN, &[&format!("/start {code}")]).await;
        let (yes, no) = (town.button("Yes"), town.button("No"));
        if refuse == "No" {
            town.press(ANN, &no).await;
            assert!(town.said(ANN).starts_with("Nothing was connected"), "{}", town.said(ANN));
        } else {
            town.link(ANN).await;
            town.write(ANN, &["/cancel", "/unlink"]).await;
        }
        town.press(ANN, &yes).await;
        assert!(!linked(&town, ANN));
        town.write(ANN, &[&format!("/start {code}")]).await;
        assert!(town.said(ANN).starts_with("That code is not valid"));
    }
}

#[tokio::test]
async fn a_wrong_or_expired_code_links_nothing_and_guessing_is_limited() {
    let mut town = Town::new().await;
    let code = code(&town).await;
    town.clock.advance(town.bridge.timing.link_code_valid);
    town.write(ANN, &[&format!("/start {code}"), "/link ABC", "/link ABD", "/link ABE", "/link ABF"]).await;
    assert_eq!(town.notes(ANN).len(), 5);
    assert!(town.notes(ANN).iter().all(|note| note.text.text.starts_with("That code is not valid")));
    let good = self::code(&town).await;
    town.write(ANN, &[&format!("/start {good}")]).await;
    assert!(
        town.said(ANN).starts_with("Too many codes were tried here. Please wait 60 minutes"),
        "{}",
        town.said(ANN)
    );
    town.pass(Duration::from_secs(3600)).await;
    let fresh = self::code(&town).await;
    town.write(ANN, &[&format!("/start {fresh}")]).await;
    assert!(town.said(ANN).contains("to the account acme"));
}

#[tokio::test]
async fn a_code_in_a_group_is_burned_and_an_admin_links_the_group_by_buttons() {
    let mut town = Town::new().await;
    let code = code(&town).await;
    for words in ["/start", "/link"] {
        town.write(GROUP, &[&format!("{words} {code}")]).await;
        assert!(town.said(GROUP).starts_with("A code typed in a group"), "{}", town.said(GROUP));
    }
    town.write(ANN, &[&format!("/start {code}")]).await;
    assert!(town.said(ANN).starts_with("That code is not valid"), "burned");

    town.write(GROUP, &["/link"]).await;
    assert!(town.said(GROUP).starts_with("Only an admin of this group"));
    town.link(ChatId(7)).await;
    let mut asks = town.item(GROUP, What::Command { name: "link".to_owned(), argument: String::new() });
    if let Origin::Chat(origin) = &mut asks.origin {
        origin.user = UserId(7);
    }
    town.take(vec![asks]).await;
    assert!(town.said(GROUP).contains("Everyone in this group"), "{}", town.said(GROUP));
    let yes = town.button("Yes");
    town.press(GROUP, &yes).await;
    assert!(!linked(&town, GROUP), "by another member");
    town.press_as(GROUP, UserId(7), &yes).await;
    assert!(linked(&town, GROUP));
}

#[tokio::test]
async fn a_code_is_mailed_only_to_an_address_of_an_account_and_nobody_learns_which() {
    let mut town = Town::new().await;
    town.write(ANN, &["/link eve@other.example"]).await;
    let unknown = town.said(ANN);
    assert!(town.letters().is_empty());
    town.write(ANN, &["/link boss@acme.example"]).await;
    assert_eq!(town.said(ANN).replace("boss@acme", "eve@other"), unknown);
    let letter = town.letters()[0].text.clone();
    let code = letter.lines().find_map(|line| line.strip_prefix("/link ")).unwrap().to_owned();
    town.write(ANN, &[&format!("/link {code}")]).await;
    assert!(town.said(ANN).contains("to the account acme"));
}

#[tokio::test]
async fn an_unlinked_chat_learns_how_to_link_three_times_an_hour() {
    let mut town = Town::new().await;
    town.write(ANN, &["/start", "/tickets", "/close", "/new", "/foo"]).await;
    assert_eq!(town.notes(ANN).len(), 3);
    assert!(town.said(ANN).contains("/link you@example.com"));
}

#[tokio::test]
async fn new_counts_for_the_message_behind_it_and_cancel_takes_it_back() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more", "/new", "An invoice is wrong since May"]).await;
    assert_eq!(town.desk.created.lock().unwrap().len(), 2);
    assert_eq!(current(&town, ANN).as_deref(), Some("2"));

    town.write(ANN, &["/new"]).await;
    assert_eq!(current(&town, ANN), None);
    town.write(ANN, &["/cancel"]).await;
    assert_eq!(town.said(ANN), "All right, no new ticket. Your next message goes to #2.");
    town.write(ANN, &["/cancel"]).await;
    assert!(town.said(ANN).starts_with("There is nothing to cancel"));
    town.write(ANN, &["It is the one of the fourth"]).await;
    assert_eq!(town.desk.replies.lock().unwrap()[0].0.as_str(), "2");
}

#[tokio::test]
async fn tickets_are_listed_and_a_failing_list_says_so() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["/tickets"]).await;
    assert!(town.said(ANN).starts_with("This account has no tickets"));
    town.write(ANN, &["The server does not answer any more"]).await;
    town.desk.set("9", TicketStatus::Resolved);
    town.write(ANN, &["/tickets"]).await;
    let said = town.said(ANN);
    assert!(said.contains("➤ #1 · Open") && said.contains("• #9 · Resolved"), "{said}");
    let down = ApiError::Retry { after: None, reason: "502".to_owned() };
    town.desk.list_errors.lock().unwrap().push_back(down);
    town.write(ANN, &["/tickets"]).await;
    assert!(town.said(ANN).contains("does not answer at the moment"));
}

#[tokio::test]
async fn strangers_who_share_an_account_see_only_their_own_tickets() {
    let mut town = Town::with(|parts| {
        parts.telegram.as_mut().unwrap().unlinked = Some(AccountName::new("acme"));
    })
    .await;
    let eve = ChatId(300);
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(eve, &["/tickets", "/follow all"]).await;
    assert!(town.notes(eve)[0].text.text.starts_with("This account has no tickets that belong to this chat"));
    assert!(town.notes(eve)[1].text.text.starts_with("This chat is not connected"));
    town.write(ANN, &["/tickets"]).await;
    assert!(town.said(ANN).contains("#1"));
}

#[tokio::test]
async fn an_answered_question_is_followed_once() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more"]).await;
    town.desk.set("1", TicketStatus::Resolved);
    town.pass(Duration::from_secs(120)).await;
    town.write(ANN, &["thanks a lot to all of you"]).await;
    let (this, thanks) = (town.button("To #1"), town.button("Only a thank-you"));
    town.press(ChatId(300), &thanks).await;
    assert!(town.said(ChatId(300)).starts_with("This question has been settled"), "another chat's button");
    town.press(ANN, &thanks).await;
    assert_eq!(town.said(ANN), "Thank you! Nothing was added to ticket #1.");
    town.press(ANN, &this).await;
    assert!(town.said(ANN).starts_with("This question has been settled"));
    assert!(town.desk.replies.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_question_that_timed_out_takes_no_answer() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more"]).await;
    town.desk.set("1", TicketStatus::Resolved);
    town.pass(Duration::from_secs(120)).await;
    town.write(ANN, &["and now it is back again"]).await;
    let new = town.button("New ticket");
    town.pass(town.bridge.timing.ask_timeout).await;
    assert_eq!(town.desk.replies.lock().unwrap().len(), 1, "decided for the customer");
    town.press(ANN, &new).await;
    assert!(town.said(ANN).starts_with("This question has been settled"));
    assert_eq!(town.desk.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn new_ticket_instead_makes_one_however_often_it_is_pressed() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(ANN, &["An invoice is wrong since May"]).await;
    let instead = town.button("New ticket instead");
    town.press(ANN, &instead).await;
    town.press(ANN, &instead).await;
    let created = town.desk.created.lock().unwrap().clone();
    assert_eq!(created.len(), 2);
    assert_eq!(created[1].subject, "An invoice is wrong since May");
    let reply = town.desk.replies.lock().unwrap()[0].1.clone();
    assert_ne!(reply.lines().last(), created[1].text.lines().last(), "its marker is its own");
    assert_eq!(current(&town, ANN).as_deref(), Some("2"));
}

#[tokio::test]
async fn a_close_is_asked_first_and_ends_the_current_ticket() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["/close"]).await;
    assert!(town.said(ANN).starts_with("There is no open ticket"));
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(ANN, &["/close"]).await;
    assert!(town.said(ANN).contains("A closed ticket is locked"));
    town.press(ANN, &town.button("Keep it open")).await;
    assert_eq!(town.said(ANN), "Ticket #1 stays open.");
    town.press(ANN, &town.button("Close it")).await;
    assert!(town.said(ANN).contains("is closed. Your next message opens a new ticket."));
    assert_eq!(current(&town, ANN), None);
    assert!(town.alerts().iter().any(|alert| alert.text.text.contains("closed by the customer")));
    town.press(ANN, &town.button("Close it")).await;
    assert_eq!(town.desk.closes.lock().unwrap().len(), 1);
}

async fn asking_town() -> Town {
    let mut town = Town::at(|able| able.close = Close::Asking("Please close it.".to_owned())).await;
    town.link(ANN).await;
    town.write(ANN, &["The server is down since this morning."]).await;
    town.write(ANN, &["/close"]).await;
    assert!(town.said(ANN).contains("Support is asked to close it"), "{}", town.said(ANN));
    town
}

#[tokio::test]
async fn where_customers_cannot_close_staff_is_asked_once() {
    let mut town = asking_town().await;
    let button = town.button("Close it");
    for _ in 0..2 {
        town.press_under(ANN, UserId(ANN.0), ChatMessageId(700), &button).await;
    }
    let replies = town.desk.replies.lock().unwrap().clone();
    let asked: Vec<_> = replies.iter().filter(|(_, text)| text.starts_with("Please close it.")).collect();
    assert_eq!(asked.len(), 1, "{replies:?}");
    assert!(town.desk.closes.lock().unwrap().is_empty());
    town.write(ANN, &["The printer is on fire, too, by the way."]).await;
    assert_eq!(town.desk.created.lock().unwrap().len(), 2, "what comes next is about something else");
}

#[tokio::test]
async fn staff_that_has_closed_already_is_not_asked() {
    let mut town = asking_town().await;
    town.desk.set("1", TicketStatus::Closed);
    let button = town.button("Close it");
    town.press(ANN, &button).await;
    assert!(town.desk.replies.lock().unwrap().is_empty());
    assert!(town.said(ANN).contains("is closed"), "{}", town.said(ANN));
}

#[tokio::test]
async fn where_nothing_can_be_closed_from_here_that_is_said() {
    let mut town = Town::at(|able| able.close = Close::No).await;
    town.link(ANN).await;
    town.write(ANN, &["The server is down since this morning."]).await;
    town.write(ANN, &["/close"]).await;
    assert!(town.said(ANN).contains("cannot be closed from here"), "{}", town.said(ANN));
}

#[tokio::test]
async fn a_close_of_unknown_outcome_is_looked_for_and_told_once_it_is_known() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(ANN, &["/close"]).await;
    let cut = ApiError::Unknown { may_still_run: true, after: None, reason: "cut".to_owned() };
    town.desk.close_errors.lock().unwrap().push_back(cut);
    let before = town.said(ANN);
    town.press(ANN, &town.button("Close it")).await;
    assert_eq!(town.said(ANN), before, "nothing is said that is not known");
    town.desk.set("1", TicketStatus::Closed);
    town.pass(Duration::from_secs(60)).await;
    assert!(town.said(ANN).contains("is closed"), "{}", town.said(ANN));
    assert_eq!(town.desk.closes.lock().unwrap().len(), 1, "found, not called again");
}

#[tokio::test]
async fn a_close_that_surely_fails_says_that_the_ticket_is_open() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(ANN, &["/close"]).await;
    town.desk.close_errors.lock().unwrap().push_back(ApiError::Refused("not by customers".to_owned()));
    town.press(ANN, &town.button("Close it")).await;
    assert!(town.said(ANN).contains("refused it (not by customers). It is still open"));
    assert_eq!(current(&town, ANN).as_deref(), Some("1"));
}

#[tokio::test]
async fn quiet_and_follow_change_what_arrives() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    town.write(ANN, &["/quiet"]).await;
    assert!(town.said(ANN).starts_with("There is no current ticket"));
    town.write(ANN, &["The server does not answer any more"]).await;
    town.write(ANN, &["/quiet", "/follow all", "/foo"]).await;
    assert!(town.said(ANN).starts_with("I don't know the command /foo"));
    let place = Place::Chat { bot: BOT, chat: ANN };
    assert!(town.bridge.store.link(&place).unwrap().unwrap().follows_all);
    let id = town.bridge.store.find(&Key::Current(BOT, ANN)).unwrap().unwrap();
    assert_eq!(town.bridge.store.conversation(id).unwrap().unwrap().quiet, [place]);
}

#[tokio::test]
async fn a_held_mail_is_filed_when_an_admin_releases_it() {
    let mut town = Town::new().await;
    let fail = Verdict::Fail("SPF softfail".to_owned());
    let mail = town.mail("boss@acme.example", fail, message("Please restart it"));
    town.take(vec![mail]).await;
    assert!(town.desk.created.lock().unwrap().is_empty());
    assert!(town.alerts()[0].text.text.contains("Mail held back"));
    let release = town.button("Release");
    town.press(ADMINS, &release).await;
    let created = town.desk.created.lock().unwrap().clone();
    assert!(created[0].text.contains("Please restart it") && created[0].text.contains("SPF softfail"));
    assert!(town.said(ADMINS).starts_with("✔️ Release by Ann (@ann)"), "{}", town.said(ADMINS));
    town.press(ADMINS, &release).await;
    assert_eq!(town.desk.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_held_mail_of_nobody_parks_again_and_says_why() {
    let mut town = Town::new().await;
    let mail = town.mail("eve@other.example", Verdict::None, message("Please restart it"));
    town.take(vec![mail]).await;
    town.clock.advance(Duration::from_secs(1));
    town.press(ADMINS, &town.button("Release")).await;
    assert!(town.alerts()[1].text.text.contains("add the address to an account"));
    assert_eq!(town.aside().len(), 1);
    town.press(ADMINS, &town.button("Discard")).await;
    assert!(town.aside().is_empty());
}

#[tokio::test]
async fn admins_list_what_waits_and_send_it_again_or_drop_it() {
    let mut town = Town::new().await;
    town.link(ANN).await;
    for _ in 0..2 {
        town.desk.create_errors.lock().unwrap().push_back(ApiError::Refused("too long".to_owned()));
    }
    town.write(ANN, &["The server does not answer any more"]).await;
    assert!(matches!(town.aside()[0].state, State::Dead { .. }));
    town.write(ADMINS, &["/queue"]).await;
    assert!(town.said(ADMINS).contains("too long"), "{}", town.said(ADMINS));
    let again = town.button("Send again");
    town.press(ANN, &again).await;
    assert!(town.said(ANN).starts_with("This question has been settled"), "not in a customer's chat");
    town.press(ADMINS, &again).await;
    assert!(matches!(town.aside()[0].state, State::Dead { .. }), "refused once more");

    let told = town.notes(ANN).len();
    town.press(ADMINS, &town.button("Discard")).await;
    assert!(town.aside().is_empty() && town.notes(ANN).len() == told + 1);
    assert!(town.said(ANN).contains("support looked at it and set it aside"), "{}", town.said(ANN));
    town.write(ADMINS, &["/queue"]).await;
    assert!(town.said(ADMINS).starts_with("Nothing waits for a decision"));
}

#[tokio::test]
async fn a_decision_button_of_this_bridge_works_in_admin_chats_only() {
    let mut town = Town::new().await;
    let mail = town.mail("eve@other.example", Verdict::None, message("Please restart it"));
    town.take(vec![mail]).await;
    let id = town.aside()[0].id;
    let own = Button::new("Discard", Action::Discard(id), ANN, &town.bridge.secret);
    town.press(ANN, &own.data).await;
    assert_eq!(town.aside().len(), 1);
}

#[tokio::test]
async fn a_bounce_is_believed_only_with_a_signed_token_and_its_own_recipient() {
    let mut town = Town::new().await;
    let mail = town.mail("boss@acme.example", Verdict::Pass, message("Please restart it"));
    town.take(vec![mail]).await;
    let id = crate::model::ids::ConversationId(
        town.bridge
            .store
            .find(&Key::Ticket(
                crate::model::ids::ApiName::new("desk"),
                crate::model::ids::TicketId::new("1"),
            ))
            .unwrap()
            .unwrap()
            .0,
    );
    let token = ThreadToken::of(&town.bridge.secret, id);
    let boss = MailAddress::new("boss@acme.example");
    let bounce = |mail: &str, recipient: &MailAddress| What::Bounced {
        mail: Some(crate::model::ids::MailId::new(mail)),
        recipient: Some(recipient.clone()),
        permanent: true,
        reason: "550 no such user".to_owned(),
    };
    let ours = format!("x.{}@example.com", token.as_str());
    let other = MailAddress::new("eve@other.example");
    for forged in [bounce("x.abc@example.com", &boss), bounce(&ours, &other)] {
        let item = town.mail("mailer-daemon@there.example", Verdict::None, forged);
        town.take(vec![item]).await;
    }
    let alerts = town.alerts().len();
    assert_eq!(town.bridge.store.suppressed(&boss).unwrap(), None);
    for _ in 0..2 {
        let item = town.mail("mailer-daemon@there.example", Verdict::None, bounce(&ours, &boss));
        town.take(vec![item]).await;
    }
    assert!(town.bridge.store.suppressed(&boss).unwrap().is_some());
    assert_eq!(town.alerts().len(), alerts + 1, "told once");
}

#[tokio::test]
async fn a_chat_that_moved_keeps_its_link_and_one_that_threw_the_bot_out_is_paused() {
    let mut town = Town::new().await;
    town.link(GROUP).await;
    let to = ChatId(-100_500);
    let moved = town.item(GROUP, What::ChatMoved { to });
    town.take(vec![moved]).await;
    assert!(linked(&town, to) && !linked(&town, GROUP));
    let place = Place::Chat { bot: BOT, chat: to };
    for (what, paused) in [(What::BotRemoved, true), (What::BotAdded, false)] {
        let item = town.item(to, what);
        town.take(vec![item]).await;
        assert_eq!(town.bridge.store.link(&place).unwrap().unwrap().paused, paused);
    }
}

#[tokio::test]
async fn the_owner_is_the_oldest_live_link_unless_one_is_named() {
    let mut town = Town::new().await;
    let acme = AccountName::new("acme");
    let owner =
        |town: &Town| linking::owner(&town.bridge.store, &acme).unwrap().and_then(|link| link.place.chat());
    assert_eq!(owner(&town), None);
    town.link(ANN).await;
    town.clock.advance(Duration::from_secs(1));
    town.link(ChatId(200)).await;
    assert_eq!(owner(&town), Some(ANN));
    let named = linking::name_owner(&town.bridge, &acme, &Place::Chat { bot: BOT, chat: ChatId(200) });
    town.bridge.store.apply(vec![named]).await.unwrap();
    assert_eq!(owner(&town), Some(ChatId(200)));
    town.bridge.store.apply(vec![Change::Unlink(Place::Chat { bot: BOT, chat: ChatId(200) })]).await.unwrap();
    assert_eq!(owner(&town), Some(ANN));
}
