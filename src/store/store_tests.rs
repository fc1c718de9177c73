//! The store's operations on a real database, restarted in between.

use std::time::Duration;

use super::{change::Key, rows::Notice, *};
use crate::model::{
    account::{Account, Link},
    attachment::{Attachment, Whereabouts},
    conversation::{Conversation, ConversationChange, TicketStatus},
    ids::{
        AccountName, ApiName, BlobId, BotId, ChatId, ChatMessageId, ConversationId, MailAddress, MailId,
        MailboxName, TicketId, UserId,
    },
    inbound::{ChatOrigin, Identity, Inbound, MailOrigin, Message, Origin, Sender, Verdict, What},
    job::{Arrived, Decision, Filing, Progress, Remote, State, Step, StepState, Task, Why},
    place::Place,
};

pub(super) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A state directory and the store in it.
pub(super) struct Town {
    pub(super) dir: tempfile::TempDir,
    pub(super) clock: Clock,
    pub(super) store: Option<(Store, Spool, InstanceSecret)>,
}

impl Town {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::stopped_at(START);
        let mut town = Self { dir, clock, store: None };
        town.open();
        town
    }

    pub(super) fn options(&self) -> Options {
        Options {
            dir: self.dir.path().join("state"),
            clock: self.clock.clone(),
            after_loss: false,
            spool_bytes: 1 << 30,
            most_jobs: 1000,
        }
    }

    pub(super) fn open(&mut self) {
        self.store = Some(Store::open(self.options()).unwrap());
    }

    pub(super) fn store(&self) -> Store {
        self.store.as_ref().unwrap().0.clone()
    }

    pub(super) fn spool(&self) -> Spool {
        self.store.as_ref().unwrap().1.clone()
    }

    pub(super) fn close(&mut self) {
        self.store = None;
    }

    pub(super) fn restart(&mut self) -> Store {
        self.close();
        self.open();
        self.store()
    }

    /// Claims the one lane that is due.
    pub(super) fn claim(&self) -> Claim {
        let mut claims = self.store().claim(10);
        assert_eq!(claims.len(), 1);
        claims.remove(0)
    }
}

pub(super) fn message(text: &str) -> Inbound {
    Inbound {
        identity: Identity { key: text.chars().take(20).collect(), also: vec![] },
        sent: START,
        sender: Sender { name: "Alice".into(), handle: None, language: None },
        origin: Origin::Chat(ChatOrigin {
            bot: BotId(1),
            chat: ChatId(2),
            message: ChatMessageId(3),
            topic: None,
            user: UserId(4),
            private: true,
            media_group: None,
            forwarded: false,
            reply_to: None,
        }),
        what: What::Message(Message { text: text.into(), ..Message::default() }),
    }
}

fn mail(text: &str, raw: BlobId) -> Inbound {
    let mut inbound = message(text);
    inbound.origin = Origin::Mail(Box::new(MailOrigin {
        mailbox: MailboxName::new("support"),
        message_id: MailId::new("x@y"),
        refers_to: vec![],
        from: MailAddress::new("a@b"),
        to: vec![],
        cc: vec![],
        subject: "s".into(),
        verdict: Verdict::Pass,
        automatic: None,
        tokens: vec![],
        spam: false,
        raw: raw.clone(),
    }));
    if let What::Message(message) = &mut inbound.what {
        message.files = vec![Attachment {
            name: "a.txt".into(),
            mime: "text/plain".into(),
            size: None,
            at: Whereabouts::MailPart { raw, part: 0 },
        }];
    }
    inbound
}

pub(super) fn filing(conversation: u64, inbounds: Vec<Inbound>) -> Task {
    Task::File(Filing {
        conversation: ConversationId(conversation),
        messages: inbounds.into_iter().map(|inbound| Arrived { inbound, at: START }).collect(),
        remarks: vec![],
    })
}

pub(super) fn job(lane: u64, key: &str) -> NewJob {
    NewJob {
        lane: Lane::Conversation(ConversationId(lane)),
        key: key.into(),
        task: filing(lane, vec![message(key)]),
        state: State::Ready,
    }
}

pub(super) fn arrival(key: &str, jobs: Vec<NewJob>) -> Arrival {
    let until = START.plus(Duration::from_secs(30 * 24 * 3600));
    Arrival { dedup: vec![Dedup { key: key.into(), until }], changes: vec![], jobs }
}

fn conversation(store: &Store) -> Conversation {
    Conversation {
        id: store.next_conversation(),
        api: ApiName::new("desk"),
        account: AccountName::new("acme"),
        ticket: None,
        subject: "It broke".into(),
        founder: Some(Place::Chat { bot: BotId(1), chat: ChatId(2) }),
        last_writer: None,
        participants: vec![],
        mails: vec![],
        status: TicketStatus::Open,
        status_read: START,
        active: START,
        successor: None,
        predecessor: None,
        quiet: vec![],
        create_parked: None,
    }
}

fn keys(claim: &Claim) -> Vec<&str> {
    claim.jobs.iter().map(|job| job.key.as_str()).collect()
}

#[tokio::test]
async fn an_item_seen_again_is_a_duplicate_also_within_its_batch_and_after_a_restart() {
    let mut town = Town::new();
    let store = town.store();
    let lease = store.take_source("bot").await.unwrap();
    assert_eq!(lease.cursor, None);
    let twice = vec![arrival("a", vec![job(1, "a")]), arrival("a", vec![job(1, "a2")])];
    let accepted = store.accept(&lease, twice, Cursor("1".into())).await.unwrap();
    assert!(
        matches!(&accepted[..], [Accepted::New(ids), Accepted::Duplicate] if ids.len() == 1),
        "{accepted:?}"
    );
    drop(store);
    let store = town.restart();
    let lease = store.take_source("bot").await.unwrap();
    assert_eq!(lease.cursor, Some(Cursor("1".into())));
    assert!(store.is_known("a").unwrap() && !store.is_known("b").unwrap());
    let again =
        store.accept(&lease, vec![arrival("a", vec![job(1, "a3")])], Cursor("2".into())).await.unwrap();
    assert_eq!(again, [Accepted::Duplicate]);
    assert_eq!(store.take_source("bot").await.unwrap().cursor, Some(Cursor("2".into())));
    assert_eq!(store.depth().live, 1);
    assert_eq!(store.job_of_key("a").unwrap(), store.summaries(9).unwrap().first().map(|s| s.id));
}

#[tokio::test]
async fn a_long_cursor_comes_back_whole_and_a_shorter_one_leaves_nothing_of_it() {
    let mut town = Town::new();
    for length in [9000, 5, 1800] {
        let store = town.restart();
        let lease = store.take_source("maildir").await.unwrap();
        let cursor = Cursor("ü\"".repeat(length));
        store.accept(&lease, vec![], cursor.clone()).await.unwrap();
        drop(store);
        assert_eq!(town.restart().take_source("maildir").await.unwrap().cursor, Some(cursor));
    }
}

#[tokio::test]
async fn only_the_newest_lease_of_a_source_counts() {
    let town = Town::new();
    let store = town.store();
    let old = store.take_source("bot").await.unwrap();
    let new = store.take_source("bot").await.unwrap();
    let refused = store.accept(&old, vec![arrival("a", vec![])], Cursor("1".into())).await;
    assert!(matches!(refused, Err(StoreError::Stale)));
    store.accept(&new, vec![arrival("a", vec![])], Cursor("1".into())).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_takes_nothing_in() {
    let mut town = Town::new();
    town.close();
    let options = Options { most_jobs: 2, ..town.options() };
    town.store = Some(Store::open(options).unwrap());
    let store = town.store();
    let lease = store.take_source("bot").await.unwrap();
    store
        .accept(&lease, vec![arrival("a", vec![job(1, "a"), job(1, "b")])], Cursor("1".into()))
        .await
        .unwrap();
    let refused = store.accept(&lease, vec![arrival("c", vec![job(1, "c")])], Cursor("2".into())).await;
    assert!(matches!(refused, Err(StoreError::Full)));
    store.finish(town.claim(), vec![], vec![]).await.unwrap();
    store.accept(&lease, vec![arrival("c", vec![job(1, "c")])], Cursor("2".into())).await.unwrap();
}

#[tokio::test]
async fn a_lane_is_first_in_first_out_and_has_one_holder() {
    let mut town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a"), job(2, "x"), job(1, "b")], vec![]).await.unwrap();
    let claims = store.claim(9);
    assert_eq!(claims.iter().map(keys).collect::<Vec<_>>(), [vec!["a", "b"], vec!["x"]]);
    assert!(store.claim(9).is_empty());
    for claim in claims {
        store.finish(claim, vec![], vec![]).await.unwrap();
    }
    drop(store);
    let store = town.restart();
    assert_eq!(keys(&town.claim()), ["b"]);
    assert_eq!(store.enqueue(vec![job(1, "a")], vec![]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_claim_that_is_dropped_or_released_gives_its_lane_back() {
    let town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a")], vec![]).await.unwrap();
    store.release(town.claim());
    drop(town.claim());
    assert_eq!(keys(&town.claim()), ["a"]);
}

#[tokio::test]
async fn a_kept_lane_is_nobodys_until_it_is_let_go_and_then_as_it_was() {
    let town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a")], vec![]).await.unwrap();
    let mut claim = town.claim();
    store.begin_step(&mut claim, Step::Create).await.unwrap();
    drop(claim);
    let ended = |claim: &Claim| claim.steps[0].state.clone();
    let claim = town.claim();
    let before = ended(&claim);
    let kept = store.keep(claim);
    assert!(store.claim(9).is_empty());
    town.clock.advance(Duration::from_secs(60));
    drop(kept);
    let claim = town.claim();
    assert_eq!((keys(&claim), ended(&claim)), (vec!["a"], before));
}

#[tokio::test]
async fn a_postponed_head_holds_its_lane_until_its_time() {
    let mut town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a"), job(1, "b")], vec![]).await.unwrap();
    let until = START.plus(Duration::from_secs(60));
    let progress = Progress { tries: 3, ..Progress::default() };
    store.postpone(town.claim(), until, Why::Retry, progress.clone(), vec![]).await.unwrap();
    drop(store);
    let store = town.restart();
    assert!(store.claim(9).is_empty());
    let mut waiting = Box::pin(store.wait_for_due());
    assert!(futures::poll!(&mut waiting).is_pending());
    town.clock.advance(Duration::from_secs(60));
    waiting.await;
    let claim = town.claim();
    assert_eq!(keys(&claim), ["a", "b"]);
    assert_eq!(claim.jobs[0].progress, progress);
}

#[tokio::test]
async fn a_head_that_gathers_is_looked_at_once_for_each_job_that_joins() {
    let town = Town::new();
    let store = town.store();
    let until = START.plus(Duration::from_secs(8));
    let state = State::Waiting { until, why: Why::Gathering };
    store.enqueue(vec![NewJob { state, ..job(1, "a") }], vec![]).await.unwrap();
    assert!(store.claim(9).is_empty());
    store.enqueue(vec![job(1, "b")], vec![]).await.unwrap();
    let claim = town.claim();
    assert_eq!(keys(&claim), ["a", "b"]);
    store.enqueue(vec![job(1, "c")], vec![]).await.unwrap();
    store.postpone(claim, until, Why::Gathering, Progress::default(), vec![]).await.unwrap();
    let claim = town.claim();
    assert_eq!(keys(&claim), ["a", "b", "c"]);
    store.postpone(claim, until, Why::Gathering, Progress::default(), vec![]).await.unwrap();
    assert!(store.claim(9).is_empty());
}

#[tokio::test]
async fn joined_jobs_are_one_and_their_keys_stay_known() {
    let mut town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a"), job(1, "b"), job(1, "c")], vec![]).await.unwrap();
    let mut claim = town.claim();
    let together = filing(1, vec![message("a"), message("b")]);
    store.join(&mut claim, 2, together.clone()).await.unwrap();
    assert_eq!(keys(&claim), ["a", "c"]);
    drop((claim, store));
    let store = town.restart();
    let claim = town.claim();
    assert_eq!((keys(&claim), &claim.jobs[0].task), (vec!["a", "c"], &together));
    assert_eq!(store.enqueue(vec![job(1, "b")], vec![]).await.unwrap(), [None]);
    assert_eq!(store.depth().live, 2);
}

#[tokio::test]
async fn a_step_that_a_kill_left_attempted_counts_as_ended_at_the_start_and_may_still_run() {
    let mut town = Town::new();
    let store = town.store();
    store.enqueue(vec![job(1, "a")], vec![]).await.unwrap();
    let mut claim = town.claim();
    store.begin_step(&mut claim, Step::Create).await.unwrap();
    let made = Remote::Ticket(TicketId::new("789"));
    store.end_step(&mut claim, Step::Create, made.clone(), vec![]).await.unwrap();
    store.begin_step(&mut claim, Step::Upload(1)).await.unwrap();
    store.begin_step(&mut claim, Step::Upload(2)).await.unwrap();
    store.fail_step(&mut claim, Step::Upload(2), Failed::Surely).await.unwrap();
    let again = store.begin_step(&mut claim, Step::Create).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    drop((claim, store));
    town.close();
    town.clock.advance(Duration::from_secs(5));
    town.open();
    town.clock.advance(Duration::from_secs(5));
    let ended = Ended { at: START.plus(Duration::from_secs(5)), may_still_run: true };
    let expected = [
        StepRecord { step: Step::Create, state: StepState::Done(made) },
        StepRecord { step: Step::Upload(1), state: StepState::Attempted { at: START, ended: Some(ended) } },
    ];
    for _ in 0..3 {
        let claim = town.claim();
        assert_eq!(claim.steps, expected, "waiting does not make its end later");
        let until = town.clock.now().plus(Duration::from_secs(60));
        town.store().postpone(claim, until, Why::Settling, Progress::default(), vec![]).await.unwrap();
        town.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_decision_about_a_job_in_hand_is_not_lost_by_what_its_holder_does() {
    let mut town = Town::new();
    let until = START.plus(Duration::from_secs(600));
    for parked in [false, true] {
        let store = town.restart();
        let id = store.enqueue(vec![job(1, &format!("a{parked}"))], vec![]).await.unwrap()[0].unwrap();
        let claim = town.claim();
        assert!(store.resume(id, Some(Decision::NewTicket), None).await.unwrap());
        if parked {
            store.park(claim, "unknown".into(), vec![], vec![]).await.unwrap();
        } else {
            store.postpone(claim, until, Why::Asking, Progress::default(), vec![]).await.unwrap();
        }
        let claim = town.claim();
        assert_eq!(claim.jobs[0].progress.decision, Some(Decision::NewTicket));
        // Once only: the next time its holder decides.
        store.park(claim, "unknown".into(), vec![], vec![]).await.unwrap();
        assert_eq!(store.depth().live, 0);
        store.discard(id, vec![], vec![]).await.unwrap();
    }
}

#[tokio::test]
async fn a_parked_job_leaves_its_lane_and_comes_back_at_its_end() {
    let mut town = Town::new();
    let store = town.store();
    let ids = store.enqueue(vec![job(1, "a"), job(1, "b"), job(1, "c")], vec![]).await.unwrap();
    let (a, b) = (ids[0].unwrap(), ids[1].unwrap());
    store.park(town.claim(), "unknown".into(), vec![], vec![]).await.unwrap();
    store.bury(town.claim(), "refused".into(), vec![], vec![job(9, "told")]).await.unwrap();
    let store = {
        drop(store);
        town.restart()
    };
    let depth = store.depth();
    assert_eq!((depth.live, depth.parked, depth.dead), (2, 1, 1));
    assert!(store.resume(a, Some(Decision::SendAgain), None).await.unwrap());
    let elsewhere = Lane::Conversation(ConversationId(9));
    assert!(store.resume(b, None, Some(elsewhere)).await.unwrap());
    let store = {
        drop(store);
        town.restart()
    };
    let claims = store.claim(9);
    assert_eq!(claims.iter().map(keys).collect::<Vec<_>>(), [vec!["c", "a"], vec!["told", "b"]]);
    assert_eq!(claims[0].jobs[1].progress.decision, Some(Decision::SendAgain));
    assert!(!store.resume(JobId(99), None, None).await.unwrap());
    assert!(!store.discard(a, vec![], vec![]).await.unwrap());
}

#[tokio::test]
async fn an_operation_that_fails_leaves_no_trace() {
    let town = Town::new();
    let store = town.store();
    let key = Key::Ticket(ApiName::new("desk"), TicketId::new("1"));
    let (one, two) = (conversation(&store), conversation(&store));
    let (first, second) = (one.id, two.id);
    assert!(second > first);
    store.apply(vec![Change::NewConversation(one), Change::Bind(key.clone(), first)]).await.unwrap();
    let refused = store
        .enqueue(vec![job(1, "a")], vec![Change::NewConversation(two), Change::Bind(key.clone(), second)])
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.conversation(second).unwrap(), None);
    assert_eq!((store.find(&key).unwrap(), store.depth().live), (Some(first), 0));
    let change = ConversationChange::Ticket(TicketId::new("1"));
    store
        .apply(vec![Change::Conversation(first, change), Change::Rebind(key.clone(), second)])
        .await
        .unwrap();
    assert_eq!(store.find(&key).unwrap(), Some(second));
    assert_eq!(store.conversation(first).unwrap().unwrap().ticket, Some(TicketId::new("1")));
}

#[tokio::test]
async fn conversation_numbers_are_never_given_twice() {
    let mut town = Town::new();
    let store = town.store();
    let mut last = ConversationId(0);
    for _ in 0..3 {
        let new = conversation(&store);
        assert!(new.id > last);
        last = new.id;
        store.apply(vec![Change::NewConversation(new)]).await.unwrap();
    }
    drop(store);
    assert!(town.restart().next_conversation() > last);
}

#[tokio::test]
async fn a_chat_that_moves_takes_its_keys_its_link_and_its_notices_along() {
    let town = Town::new();
    let store = town.store();
    let (bot, from, to) = (BotId(1), ChatId(2), ChatId(-1000));
    let new = conversation(&store);
    let id = new.id;
    let link = Link {
        place: Place::Chat { bot, chat: from },
        account: AccountName::new("acme"),
        since: START,
        follows_all: false,
        paused: false,
        language: None,
    };
    let message = |chat| Key::ChatMessage(bot, chat, ChatMessageId(5));
    store
        .apply(vec![
            Change::NewConversation(new),
            Change::Bind(message(from), id),
            Change::Bind(Key::Current(bot, from), id),
            Change::Link(link.clone()),
            Change::Notice("unlinked/1/2".into(), Notice { count: 4, ..Notice::default() }),
        ])
        .await
        .unwrap();
    store.apply(vec![Change::ChatMoved { bot, from, to }]).await.unwrap();
    let place = Place::Chat { bot, chat: to };
    assert_eq!((store.find(&message(from)).unwrap(), store.find(&message(to)).unwrap()), (None, Some(id)));
    assert_eq!(store.find(&Key::Current(bot, to)).unwrap(), Some(id));
    assert_eq!(store.conversation(id).unwrap().unwrap().founder, Some(place.clone()));
    let moved = Link { place: place.clone(), ..link.clone() };
    assert_eq!((store.link(&link.place).unwrap(), store.link(&place).unwrap()), (None, Some(moved.clone())));
    assert_eq!(store.links_of(&link.account).unwrap(), [moved]);
    assert_eq!(store.notice("unlinked/1/-1000").unwrap().unwrap().count, 4);
}

#[tokio::test]
async fn accounts_links_codes_and_watches_come_and_go() {
    let mut town = Town::new();
    let store = town.store();
    let account = Account {
        name: AccountName::new("acme"),
        api: ApiName::new("desk"),
        remote: "7".into(),
        emails: vec!["*@acme.example".into()],
        key: None,
    };
    let code = crate::model::account::LinkCode { account: account.name.clone(), expires: START };
    store
        .apply(vec![
            Change::Account(account.clone()),
            Change::LinkCode { hash: "h".into(), code: code.clone() },
            Change::Seen("staff/1".into()),
            Change::Suppress(MailAddress::new("A@b"), START),
        ])
        .await
        .unwrap();
    drop(store);
    let store = town.restart();
    assert_eq!(store.accounts().unwrap(), std::slice::from_ref(&account));
    assert_eq!(store.link_code("h").unwrap(), Some(code));
    assert!(store.is_known("staff/1").unwrap());
    assert_eq!(store.suppressed(&MailAddress::new("a@B")).unwrap(), Some(START));
    store.apply(vec![Change::SpendLinkCode("h".into())]).await.unwrap();
    let spent = store.apply(vec![Change::SpendLinkCode("h".into())]).await;
    assert!(matches!(spent, Err(StoreError::Conflict(_))));
    store.apply(vec![Change::RemoveAccount(account.name.clone())]).await.unwrap();
    assert_eq!(store.account(&account.name).unwrap(), None);
}

#[tokio::test]
async fn whatever_ids_people_send_a_conversation_stays_storable() {
    let town = Town::new();
    let store = town.store();
    let new = conversation(&store);
    let id = new.id;
    let mut changes = vec![Change::NewConversation(new)];
    for n in 0..30 {
        changes.push(Change::Conversation(
            id,
            ConversationChange::Mail(MailId::new(format!("{n}{}", "x".repeat(990)))),
        ));
        let address = MailAddress::new(&format!("{n}{}@example.org", "y".repeat(240)));
        changes.push(Change::Conversation(id, ConversationChange::Participants(vec![address])));
    }
    store.apply(changes).await.unwrap();
    let stored = store.conversation(id).unwrap().unwrap();
    assert!(
        stored.mails[0].as_str().starts_with("0x") && stored.mails.last().unwrap().as_str().starts_with("29")
    );
    assert!(stored.participants[0].as_str().starts_with("0y"));
}

#[tokio::test]
async fn a_long_task_lives_in_the_spool_and_leaves_it_when_it_is_forgotten() {
    let mut town = Town::new();
    let store = town.store();
    let raw = town.spool().put(vec![1; 5000].into()).await.unwrap();
    let task = filing(1, vec![mail(&"long ".repeat(2000), raw.clone())]);
    let first = NewJob { task: task.clone(), ..job(1, "a") };
    let second = NewJob { task: filing(1, vec![mail("short", raw.clone())]), ..job(1, "b") };
    store.enqueue(vec![first, second], vec![]).await.unwrap();
    drop(store);
    let store = town.restart();
    let claim = town.claim();
    assert_eq!(claim.jobs[0].task, task);
    store.finish(claim, vec![], vec![]).await.unwrap();
    let later = START.plus(Duration::from_secs(1));
    store.forget(later).await.unwrap();
    // The second job still names the mail.
    assert_eq!(town.spool().read(&raw).await.unwrap().len(), 5000);
    store.finish(town.claim(), vec![], vec![]).await.unwrap();
    store.forget(START).await.unwrap();
    assert_eq!(town.spool().read(&raw).await.unwrap().len(), 5000);
    store.forget(later).await.unwrap();
    assert!(town.spool().read(&raw).await.is_err());
    assert_eq!(store.enqueue(vec![job(1, "a")], vec![]).await.unwrap().iter().flatten().count(), 1);
}

#[tokio::test]
async fn joining_drops_no_mail_that_the_head_needs() {
    let town = Town::new();
    let store = town.store();
    let (one, two) =
        (town.spool().put("one".into()).await.unwrap(), town.spool().put("two".into()).await.unwrap());
    let of = |key, raw: &BlobId| NewJob { task: filing(1, vec![mail(key, raw.clone())]), ..job(1, key) };
    store.enqueue(vec![of("a", &one), of("b", &two)], vec![]).await.unwrap();
    let mut claim = town.claim();
    let task = filing(1, vec![mail("a", one.clone()), mail("b", two.clone())]);
    store.join(&mut claim, 2, task).await.unwrap();
    let later = START.plus(Duration::from_secs(1));
    store.forget(later).await.unwrap();
    for (raw, text) in [(&one, "one"), (&two, "two")] {
        assert_eq!(town.spool().read(raw).await.unwrap(), text);
    }
    store.finish(claim, vec![], vec![]).await.unwrap();
    store.forget(later).await.unwrap();
    assert!(town.spool().read(&two).await.is_err() && town.spool().read(&one).await.is_err());
}

#[tokio::test]
async fn a_duplicates_mail_leaves_the_spool_but_the_firsts_stays() {
    let town = Town::new();
    let store = town.store();
    let lease = store.take_source("imap").await.unwrap();
    let spool = town.spool();
    let (one, two) = (spool.put("one".into()).await.unwrap(), spool.put("one".into()).await.unwrap());
    let of = |raw: &BlobId| {
        arrival("m", vec![NewJob { task: filing(1, vec![mail("m", raw.clone())]), ..job(1, "m") }])
    };
    store.accept(&lease, vec![of(&one), of(&one), of(&two)], Cursor("1".into())).await.unwrap();
    assert!(spool.read(&one).await.is_ok());
    assert!(spool.read(&two).await.is_err());
}

#[tokio::test]
async fn a_job_whose_content_is_gone_is_dead_and_its_lane_goes_on() {
    let town = Town::new();
    let store = town.store();
    let task = filing(1, vec![message(&"long ".repeat(2000))]);
    store.enqueue(vec![NewJob { task, ..job(1, "a") }, job(1, "b"), job(2, "x")], vec![]).await.unwrap();
    for file in std::fs::read_dir(town.options().dir.join("spool")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let (damaged, claims): (Vec<_>, Vec<_>) =
        store.claim(9).into_iter().partition(|claim| claim.damaged.is_some());
    assert_eq!(claims.iter().map(keys).collect::<Vec<_>>(), [["x"]]);
    let [damaged] = <[Claim; 1]>::try_from(damaged).unwrap();
    let job = damaged.damaged.as_ref().unwrap().summary.id;
    assert!(store.job(job).unwrap().is_none(), "nobody stumbles over it");
    store.bury(damaged, "its content is gone".into(), vec![], vec![]).await.unwrap();
    store.wait_for_due().await;
    assert_eq!(keys(&town.claim()), ["b"]);
    assert_eq!(store.depth().dead, 1);
}

#[tokio::test]
async fn what_is_kept_no_longer_is_forgotten() {
    let town = Town::new();
    let store = town.store();
    let lease = store.take_source("bot").await.unwrap();
    store.accept(&lease, vec![arrival("a", vec![])], Cursor("1".into())).await.unwrap();
    let until = START.plus(Duration::from_secs(5));
    store.apply(vec![Change::Notice("n".into(), Notice { until, ..Notice::default() })]).await.unwrap();
    town.clock.advance(Duration::from_secs(10));
    store.forget(START).await.unwrap();
    assert_eq!(store.notice("n").unwrap(), None);
    assert!(store.is_known("a").unwrap());
    town.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert!(!store.is_known("a").unwrap());
    store.forget(START).await.unwrap();
    assert_eq!(store.job_of_key("a").unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_tasks_that_write_at_once_finish() {
    let town = Town::new();
    let store = town.store();
    let tasks = (0..8).map(|n| {
        let store = store.clone();
        async move {
            for i in 0..40 {
                let key = format!("{n}/{i}");
                store.enqueue(vec![job(n, &key)], vec![Change::Seen(key.clone())]).await.unwrap();
                assert!(store.is_known(&key).unwrap());
            }
        }
    });
    let all = futures::future::join_all(tasks.map(tokio::spawn));
    for ended in tokio::time::timeout(Duration::from_secs(120), all).await.expect("they hang") {
        ended.unwrap();
    }
    assert_eq!(store.depth().live, 320);
}

#[tokio::test]
async fn a_second_store_on_the_same_directory_is_refused() {
    let town = Town::new();
    assert!(matches!(Store::open(town.options()), Err(OpenError::Locked(_))));
}

#[tokio::test]
async fn a_refused_operation_leaves_nothing_in_the_spool() {
    let town = Town::new();
    let store = town.store();
    let task = filing(1, vec![message(&"long ".repeat(2000))]);
    let unknown = vec![Change::SpendLinkCode("none".into())];
    let refused = store.enqueue(vec![NewJob { task, ..job(1, "a") }], unknown).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    let spool = town.spool();
    drop(store);
    let named = spool.sweep(START.plus(Duration::from_secs(1 << 40)), &|_| Ok(false)).unwrap();
    assert_eq!(named, 0);
}

#[tokio::test]
async fn the_longest_reason_can_be_stored() {
    let town = Town::new();
    let store = town.store();
    let task = filing(1, vec![message(&"\"".repeat(500))]);
    store.enqueue(vec![NewJob { task, ..job(1, &"k".repeat(200)) }], vec![]).await.unwrap();
    store.park(town.claim(), "\u{1}\"<html>\n".repeat(1000), vec![], vec![]).await.unwrap();
    let state = store.summaries(1).unwrap().remove(0).state;
    assert!(matches!(state, State::Parked { why, .. } if why.contains("<html>")));
}

/// How long a commit waits for a backup of a large store; a measurement, not a bound:
/// `cargo test --release --lib a_commit_behind_a_backup -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_commit_behind_a_backup_of_many_rows_is_measured() {
    const ROWS: usize = 200_000;
    let town = Town::new();
    let store = town.store();
    for from in (0..ROWS).step_by(2000) {
        let rows = (from..from + 2000).map(|n| Change::Notice(format!("row/{n}"), Notice::default()));
        store.apply(rows.collect()).await.unwrap();
    }
    let file = town.dir.path().join("backup.jsonl");
    let (backing, path) = (store.clone(), file.clone());
    let begun = std::time::Instant::now();
    let backup = tokio::spawn(async move { backing.backup(&path).await });
    let (mut longest, mut commits) = (Duration::ZERO, 0);
    while !backup.is_finished() {
        let asked = std::time::Instant::now();
        store.apply(vec![Change::Seen(format!("seen/{commits}"))]).await.unwrap();
        longest = longest.max(asked.elapsed());
        commits += 1;
    }
    backup.await.unwrap().unwrap();
    let bytes = std::fs::metadata(&file).unwrap().len();
    println!("rows {ROWS} · {bytes} bytes · backup {:?} · longest commit {longest:?}", begun.elapsed());
}
