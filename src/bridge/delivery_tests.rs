//! Deliveries with a real store and a channel that records what it is given and fails as it is told.

use std::time::Duration;

use super::{
    world::{ALICE, BOT, Next, START, Turn, World, acme, alert, alice, bob, link, note, noted, staff},
    *,
};
use crate::{
    bridge::alerts,
    channel::Refusal,
    model::{
        account::Link,
        button::Action,
        conversation::ConversationChange,
        delivery::Note,
        ids::{AccountName, ChatId, ChatMessageId, JobId, MailAddress, MailId, TicketMessageId},
        job::NewJob,
        staff_message::StaffMessage,
    },
    store::change::Key,
};

/// 9,000 characters in words, which makes three messages.
fn long_text() -> String {
    (0..1500).map(|n| format!("{n:05} ")).collect()
}

#[tokio::test]
async fn a_long_staff_message_arrives_in_pieces_with_its_files_behind_it_and_each_can_be_replied_to() {
    let mut world = World::new().await;
    let conversation = world.answered(Some(alice()), &staff(&long_text(), &["f1", "f2"])).await;
    world.drain().await;
    let seen = world.to_alice();
    assert_eq!(seen.len(), 5);
    assert!(seen[0].starts_with("10: #789 · Server down · Eve"));
    assert_eq!(seen[3..], ["10 file f1.txt one", "10 file f2.txt two"]);
    let words: String =
        seen[..3].iter().map(|line| line.trim_start_matches("10: ").to_owned() + " ").collect();
    let words = words.split_once("\n\n").unwrap().1.split_whitespace().collect::<Vec<_>>();
    assert_eq!(words, long_text().split_whitespace().collect::<Vec<_>>());
    for message in 1..=5 {
        assert_eq!(world.find(&Key::ChatMessage(BOT, ALICE, ChatMessageId(message))), Some(conversation.id));
    }
    assert_eq!(world.find(&Key::Current(BOT, ALICE)), Some(conversation.id));
}

#[tokio::test]
async fn killed_in_any_send_it_goes_on_there_and_repeats_that_one_alone() {
    for kill in 0..5 {
        let mut world = World::new().await;
        world.telegram.then((0..kill).map(|_| Next::Take).chain([Next::Hang]));
        world.answered(Some(alice()), &staff(&long_text(), &["f1", "f2"])).await;
        assert_eq!(world.drain().await, 1);
        let mut seen = world.to_alice();
        assert_eq!(seen.len(), 6, "killed in send {kill}");
        assert_eq!(seen.remove(kill), seen[kill], "the one that was cut off");
        seen.dedup();
        assert_eq!(seen.len(), 5, "in order, each once");
        let job = world.bridge().store.job_of_key("staff/desk/789/m1/1/10").unwrap().unwrap();
        let (job, _) = world.bridge().store.job(job).unwrap().unwrap();
        assert_eq!(job.progress.repeats, 1, "recorded");
    }
}

#[tokio::test]
async fn an_unknown_send_is_repeated_once_and_then_a_person_decides() {
    let ways: [fn() -> [Next; 2]; 4] = [
        || [Next::Unknown, Next::Unknown],
        || [Next::Unknown, Next::Hang],
        || [Next::Hang, Next::Unknown],
        || [Next::Hang, Next::Hang],
    ];
    for way in ways {
        let mut world = World::new().await;
        world.telegram.then(way());
        world.answered(Some(alice()), &staff("Hello", &["f1"])).await;
        world.drain().await;
        assert_eq!(world.to_alice().len(), 2, "never a third");
        assert_eq!(world.bridge().store.depth().parked, 1);
        let told = world.to_admins();
        assert!(told.len() == 1 && told[0].contains("Needs a decision"), "{told:?}");
        let buttons = world.telegram.buttons.lock().unwrap().last().unwrap().clone();
        assert_eq!(buttons[0].len(), 3);
    }
}

#[tokio::test]
async fn the_repeat_waits_half_a_minute_and_may_fail_surely_in_between() {
    let mut world = World::new().await;
    world.telegram.then([Next::Unknown, Next::Retry(None), Next::Take]);
    world.answered(Some(alice()), &staff("Hello", &[])).await;
    while world.turn().await != Turn::Idle {}
    assert_eq!(world.to_alice().len(), 1);
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(world.turn().await, Turn::Idle, "not yet");
    world.drain().await;
    assert_eq!(world.to_alice().len(), 3, "unknown, surely not, and the repeat");
    assert_eq!(world.bridge().store.depth().parked, 0);
}

#[tokio::test]
async fn an_admins_word_ends_a_parked_send() {
    for (decision, sends) in [(Decision::ItIsThere, 2), (Decision::SendAgain, 3)] {
        let mut world = World::new().await;
        world.telegram.then([Next::Unknown, Next::Unknown]);
        world.answered(Some(alice()), &staff("Hello", &["f1"])).await;
        world.drain().await;
        let job = world.bridge().store.job_of_key("staff/desk/789/m1/1/10").unwrap().unwrap();
        assert!(world.bridge().store.resume(job, Some(decision), None).await.unwrap());
        world.drain().await;
        let seen = world.to_alice();
        let texts = seen.iter().filter(|line| line.contains("Hello")).count();
        assert_eq!(texts, sends, "{decision:?}");
        assert_eq!(seen.last().unwrap(), "10 file f1.txt one", "and it goes on behind it");
    }
}

#[tokio::test]
async fn a_rate_limit_or_an_outage_never_ends_a_delivery() {
    let world = World::new().await;
    let after = Duration::from_secs(40);
    world.telegram.then((0..30).map(|n| Next::Retry((n % 2 == 0).then_some(after))));
    world.answered(Some(alice()), &staff("Hello", &[])).await;
    assert_eq!(world.turn().await, Turn::Ran);
    world.clock.advance(Duration::from_secs(39));
    assert_eq!(world.turn().await, Turn::Idle, "not before the time that the server named");
    for _ in 0..300 {
        while world.turn().await != Turn::Idle {}
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.to_alice().len(), 31);
    assert_eq!(world.bridge().store.depth(), crate::store::rows::Depth::default());
}

#[tokio::test]
async fn what_was_for_a_group_arrives_under_its_new_number() {
    let mut world = World::new().await;
    let new = ChatId(-1_000_010);
    world.telegram.then([Next::Moved(new)]);
    let conversation = world.answered(Some(alice()), &staff("Hello", &[])).await;
    world.enqueue(vec![noted("n", note("a note made before"))]).await;
    world.drain().await;
    let seen = world.telegram.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[0].starts_with("10: ") && seen[1].starts_with("-1000010: #789"));
    assert_eq!(seen[2], "-1000010: a note made before", "without another detour");
    let place = Place::Chat { bot: BOT, chat: new };
    assert!(world.bridge().store.link(&place).unwrap().is_some());
    assert!(world.bridge().store.link(&alice()).unwrap().is_none());
    assert_eq!(world.find(&Key::ChatMessage(BOT, new, ChatMessageId(2))), Some(conversation.id));
}

#[tokio::test]
async fn buttons_work_in_an_admin_group_that_became_a_supergroup() {
    let mut world = World::new().await;
    let new = ChatId(-1_000_005);
    world.telegram.then([Next::Moved(new)]);
    let action = Action::Discard(JobId(7));
    let job = alert(world.bridge(), 1, vec![("button_discard", action)]);
    world.enqueue(vec![job]).await;
    world.drain().await;
    let buttons = world.telegram.buttons.lock().unwrap()[1].clone();
    assert_eq!(Action::verify(&buttons[0][0].data, new, &world.bridge().secret), Some(action));
    assert!(world.telegram.seen().last().unwrap().contains("set admin_chat = -1000005"));
}

#[tokio::test]
async fn a_blocked_bot_is_told_once_and_the_answer_goes_by_mail() {
    let mut world = World::new().await;
    let mut conversation = world.converse(Some(bob())).await;
    let written = ConversationChange::WrittenFrom(alice());
    world.bridge().store.apply(vec![Change::Conversation(conversation.id, written)]).await.unwrap();
    conversation.last_writer = Some(alice());
    let only_chat = recipients::job(&conversation, &staff("Hello", &[]), &alice());
    let mut second = staff("More", &[]);
    second.id = Some(TicketMessageId::new("m2"));
    let waiting = recipients::job(&conversation, &second, &alice());
    world.telegram.then([Next::Refuse(Refusal::Gone)]);
    world.enqueue(vec![only_chat, waiting]).await;
    world.drain().await;
    assert_eq!(world.to_alice().len(), 1, "the second is not even tried");
    assert!(world.bridge().store.link(&alice()).unwrap().unwrap().paused);
    let told = world.to_admins();
    assert!(told.len() == 1 && told[0].contains("go to bob@acme.example instead"), "{told:?}");
    let mails = world.mail.mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2);
    assert!(mails[0].text.contains("Hello") && mails[1].text.contains("More"));
    let again = recipients::job(&conversation, &staff("Hello", &[]), &bob());
    assert_eq!(world.enqueue(vec![again]).await, [None], "bob has his copy");
    assert_eq!(recipients::of(world.bridge(), &conversation, Some(START)).unwrap(), [bob()]);
}

#[tokio::test]
async fn an_answer_that_can_go_nowhere_is_kept_and_told_with_buttons() {
    let mut world = World::new().await;
    world.telegram.then([Next::Refuse(Refusal::Gone)]);
    let conversation = world.answered(Some(alice()), &staff("Hello", &[])).await;
    world.drain().await;
    assert_eq!(world.bridge().store.depth().dead, 1);
    let told = world.to_admins();
    assert!(told.len() == 1 && told[0].contains("Could not be done"), "{told:?}");
    let mut next = staff("More", &[]);
    next.id = Some(TicketMessageId::new("m2"));
    let jobs = recipients::deliver(world.bridge(), &conversation, &next).unwrap();
    world.enqueue(jobs).await;
    world.drain().await;
    assert!(world.to_admins()[1].contains("reached nobody"));
    assert_eq!(world.to_alice().len(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_sent_is_replaced_by_a_note() {
    let mut world = World::new().await;
    let mut message = staff("Hello", &["f1", "missing", "f2"]);
    message.files[0].size = Some(60_000_000);
    world.telegram.then([Next::Take, Next::Refuse(Refusal::Content)]);
    world.answered(Some(alice()), &message).await;
    world.drain().await;
    let seen = world.to_alice();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert_eq!(seen[1], "10 file f2.txt two");
    assert!(seen[2].contains("f1.txt (60 MB)") && seen[2].contains("too large"));
    assert!(seen[3].contains("missing.txt") && seen[3].contains("no longer at the ticket system"));
    assert!(seen[4].contains("f2.txt") && seen[4].contains("as told"));
    assert_eq!(world.bridge().store.depth().dead, 0);
}

#[tokio::test]
async fn late_files_say_which_ticket_they_belong_to() {
    let mut world = World::new().await;
    let conversation = world.answered(Some(alice()), &staff("Hello", &[])).await;
    let jobs = recipients::deliver(world.bridge(), &conversation, &staff("", &["f1", "f2"])).unwrap();
    world.enqueue(jobs).await;
    world.drain().await;
    let seen = world.to_alice();
    assert_eq!(seen[1..], ["10 file f1.txt one #789 · Server down · Eve", "10 file f2.txt two"]);
}

#[tokio::test]
async fn notes_answer_edit_and_reply_and_what_they_refer_to_may_be_gone() {
    let mut world = World::new().await;
    let reply = Note { reply_to: Some(ChatMessageId(4)), ..note("replied") };
    let edit = Note { edits: Some(ChatMessageId(5)), ..note("edited") };
    let answer = Note { answers: Some("cb".into()), ..note("pressed") };
    let gone = || Next::Refuse(Refusal::Message);
    world.telegram.then([gone(), Next::Take, Next::Unknown, gone(), gone()]);
    world.enqueue(vec![noted("1", reply), noted("2", edit), noted("3", answer)]).await;
    world.drain().await;
    assert_eq!(
        world.telegram.seen(),
        ["10 re 4: replied", "10: replied", "10 edit 5: edited", "10 edit 5: edited", "answer cb: pressed"]
    );
    let depth = world.bridge().store.depth();
    assert_eq!((depth.dead, depth.parked), (0, 0));
}

#[tokio::test]
async fn a_refused_text_is_dead_and_told_and_what_is_behind_it_goes_on() {
    let mut world = World::new().await;
    world.telegram.then([Next::Refuse(Refusal::Content)]);
    world.answered(Some(alice()), &staff("Hello", &[])).await;
    world.enqueue(vec![noted("n", note("behind it"))]).await;
    world.drain().await;
    assert_eq!(world.to_alice()[1], "10: behind it");
    assert_eq!(world.bridge().store.depth().dead, 1);
    assert!(world.to_admins()[0].contains("as told"));
}

#[tokio::test]
async fn thirty_alerts_become_one_digest_and_what_needs_a_button_stays_single() {
    let mut world = World::new().await;
    let mut jobs: Vec<NewJob> = (0..30).map(|n| alert(world.bridge(), n, Vec::new())).collect();
    jobs.push(alert(world.bridge(), 30, vec![("button_discard", Action::Discard(JobId(1)))]));
    world.enqueue(jobs).await;
    world.drain().await;
    let told = world.to_admins();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("30 events") && told[0].contains("30 × new tickets"), "{}", told[0]);
    assert!(told[0].contains("#29 s") && !told[0].contains("#2 s"), "the newest lines");
    assert!(told[1].contains("#30"));
}

#[tokio::test]
async fn two_hundred_alerts_of_an_outage_come_as_a_few_messages() {
    let mut world = World::new().await;
    world.telegram.then((0..6).map(|_| Next::Retry(None)));
    for n in 0..200 {
        // Every fifth needs a decision, and between them stand edits of older alerts.
        let actions =
            if n % 5 == 0 { vec![("button_discard", Action::Discard(JobId(1)))] } else { Vec::new() };
        let mut jobs = vec![alert(world.bridge(), n, actions)];
        if n % 4 == 0 {
            let edit = Note { edits: Some(ChatMessageId(9)), ..note(&format!("answered {n}")) };
            let mut job = noted(&format!("edit-{n}"), edit);
            job.lane = crate::model::job::Lane::Chat(world::ADMINS);
            if let crate::model::job::Task::Deliver(delivery) = &mut job.task {
                delivery.to = Place::Chat { bot: BOT, chat: world::ADMINS };
            }
            jobs.push(job);
        }
        world.enqueue(jobs).await;
        if n % 20 == 0 {
            world.turn().await;
        }
    }
    world.drain().await;
    let told = world.to_admins();
    let edits = told.iter().filter(|line| line.contains("answered")).count();
    assert_eq!(edits, 50, "they stay what they are");
    let alerts: Vec<&String> = told.iter().filter(|line| !line.contains("answered")).collect();
    assert!(alerts.len() <= 6 + 10, "{} messages, six of them refused: {alerts:?}", alerts.len());
    let digest = alerts.iter().max_by_key(|line| line.len()).unwrap();
    assert!(digest.contains("× waiting for a decision") && digest.contains("/queue"), "{digest}");
    assert!(digest.find("waiting for a decision") < digest.find("new tickets"), "trouble before news");
}

#[tokio::test]
async fn an_alert_is_edited_once_when_staff_answers() {
    let mut world = World::new().await;
    let job = alert(world.bridge(), 789, Vec::new());
    world.enqueue(vec![job]).await;
    world.drain().await;
    let conversation = world.converse(Some(alice())).await;
    for _ in 0..2 {
        let jobs = alerts::answered(world.bridge(), &conversation, &staff("Hello", &[])).unwrap();
        world.enqueue(jobs).await;
        world.drain().await;
    }
    let told = world.to_admins();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].starts_with("-5 edit 1: ✅ #789 answered by Eve"), "{}", told[1]);
}

#[tokio::test]
async fn a_mail_is_composed_once_in_its_thread_and_answers_to_it_find_the_conversation() {
    let mut world = World::new().await;
    let conversation = world.converse(Some(bob())).await;
    let before = ConversationChange::Mail(MailId::new("first@acme.example"));
    world.bridge().store.apply(vec![Change::Conversation(conversation.id, before)]).await.unwrap();
    let jobs =
        recipients::deliver(world.bridge(), &conversation, &staff("Hello", &["f1", "missing"])).unwrap();
    world.enqueue(jobs).await;
    world.mail.then([Next::Unknown]);
    world.drain().await;
    let mails = world.mail.mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 1, "composed once");
    assert_eq!(mails[0].subject, "Re: [#789] Server down");
    assert_eq!(mails[0].in_reply_to, Some(MailId::new("first@acme.example")));
    assert!(mails[0].token.is_some() && !mails[0].automatic);
    assert!(mails[0].text.contains("- missing.txt"));
    let sent = world.mail.seen();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1], "identical bytes");
    let after = world.bridge().store.conversation(conversation.id).unwrap().unwrap();
    assert_eq!(after.participants, [MailAddress::new("bob@acme.example")]);
    assert_eq!(world.find(&Key::Mail(acme(), after.mails[1].clone())), Some(conversation.id));
}

#[tokio::test]
async fn a_mail_of_unknown_outcome_is_looked_for_before_it_is_repeated() {
    for (was_sent, sends, parked) in [(Some(true), 1, 0), (Some(false), 2, 1), (None, 2, 1)] {
        let mut world = World::new().await;
        *world.mail.was_sent.lock().unwrap() = was_sent;
        world.mail.then([Next::Hang, Next::Unknown]);
        world.answered(Some(bob()), &staff("Hello", &[])).await;
        assert_eq!(world.turn().await, Turn::Killed);
        world.restart();
        while world.turn().await != Turn::Idle {}
        world.clock.advance(Duration::from_secs(599));
        assert_eq!(world.turn().await, Turn::Idle, "ten minutes, as SMTP has it");
        world.drain().await;
        assert_eq!(world.mail.seen().len(), sends, "{was_sent:?}");
        assert_eq!(world.bridge().store.depth().parked, parked, "{was_sent:?}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_not_written_to_again() {
    let mut world = World::new().await;
    world.mail.then([Next::Refuse(Refusal::Gone)]);
    let conversation = world.answered(Some(bob()), &staff("Hello", &[])).await;
    world.drain().await;
    assert_eq!(recipients::of(world.bridge(), &conversation, Some(START)).unwrap(), []);
    assert_eq!(world.bridge().store.depth().dead, 1);
}

#[tokio::test]
async fn who_gets_a_staff_message() {
    let world = World::new().await;
    let of = |conversation: &Conversation, dated: i64| {
        recipients::of(world.bridge(), conversation, Some(Timestamp::from_secs(1_700_000_000 + dated)))
            .unwrap()
    };
    let carol = Place::Chat { bot: BOT, chat: ChatId(20) };
    let links = [
        Link { place: carol.clone(), since: START, ..link() },
        Link {
            place: Place::Chat { bot: BOT, chat: ChatId(30) },
            account: AccountName::new("other"),
            ..link()
        },
    ];
    world.bridge().store.apply(links.into_iter().map(Change::Link).collect()).await.unwrap();

    let chat = world.converse(Some(alice())).await;
    assert_eq!(of(&chat, 0), [alice()], "the founder");
    assert_eq!(of(&chat, -61), [], "nothing older than the link");
    assert_eq!(of(&Conversation { quiet: vec![alice()], ..chat.clone() }, 0), []);
    assert_eq!(
        of(&Conversation { last_writer: Some(carol.clone()), ..chat.clone() }, 0),
        [alice(), carol.clone()]
    );
    assert_eq!(
        of(&Conversation { last_writer: Some(bob()), ..chat.clone() }, 0),
        [alice()],
        "the desk mails"
    );
    assert_eq!(
        of(&Conversation { founder: Some(bob()), ..chat.clone() }, 0),
        [bob(), alice()],
        "came by mail"
    );
    let stranger = Some(Place::Chat { bot: BOT, chat: ChatId(30) });
    assert_eq!(
        of(&Conversation { founder: stranger, ..chat.clone() }, 0),
        [alice()],
        "another account's chat"
    );
    let unlinked = Some(Place::Chat { bot: BOT, chat: ChatId(99) });
    assert_eq!(of(&Conversation { founder: unlinked, last_writer: None, ..chat.clone() }, 0), []);

    let panel = Conversation { founder: None, last_writer: None, ..chat.clone() };
    assert_eq!(of(&panel, 0), [alice()], "the oldest link");
    let follows = Link { place: carol.clone(), since: START, follows_all: true, ..link() };
    world.bridge().store.apply(vec![Change::Link(follows)]).await.unwrap();
    assert_eq!(of(&chat, 0), [alice(), carol.clone()], "and who follows");
    let paused = Link { paused: true, ..link() };
    world.bridge().store.apply(vec![Change::Link(paused)]).await.unwrap();
    assert_eq!(of(&panel, 0), [carol]);
}

#[tokio::test]
async fn an_unlinked_chat_gets_nothing_that_still_waited() {
    let mut world = World::new().await;
    world.answered(Some(alice()), &staff("Hello", &[])).await;
    world.bridge().store.apply(vec![Change::Unlink(alice())]).await.unwrap();
    world.drain().await;
    assert_eq!(world.to_alice(), [""; 0]);
    assert_eq!(world.bridge().store.depth().dead, 1);
}

#[tokio::test]
async fn files_that_only_the_panel_gives_out_are_named() {
    let mut world = World::new().await;
    world.downloads = false;
    world.restart();
    world.answered(Some(alice()), &staff("Hello", &["f1", "f2"])).await;
    world.drain().await;
    let seen = world.to_alice();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("Hello") && seen[0].contains("f1.txt, f2.txt"), "{seen:?}");
    assert!(seen[0].contains("can only be read in the customer panel"), "{seen:?}");
    world.answered(Some(bob()), &StaffMessage { id: None, ..staff("Hello", &["f1"]) }).await;
    world.drain().await;
    let mails = world.mail.mails.lock().unwrap();
    assert!(
        mails[0].text.contains("- f1.txt") && mails[0].text.contains("in the customer panel"),
        "{}",
        mails[0].text
    );
}

#[tokio::test]
async fn a_text_that_only_the_panel_shows_is_told_with_its_files() {
    let mut world = World::new().await;
    let hidden = StaffMessage { in_panel_only: true, ..staff("", &["f1"]) };
    world.answered(Some(alice()), &hidden).await;
    world.answered(Some(bob()), &hidden).await;
    world.drain().await;
    let seen = world.to_alice();
    assert!(
        seen[0].contains("Support answered ticket #789") && seen[0].contains("customer panel"),
        "{seen:?}"
    );
    assert!(seen[1].contains("file f1.txt one"), "{seen:?}");
    assert!(world.mail.mails.lock().unwrap()[0].text.contains("Support answered ticket #789"));
}
