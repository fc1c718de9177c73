//! Joining: what a person sent as one thing arrives as one thing, and nothing waits longer than it must.

use std::time::Duration;

use super::*;
use crate::model::{
    attachment::{Attachment, Whereabouts},
    ids::{BotId, ChatId, ChatMessageId, ConversationId, JobId, UserId},
    inbound::{Identity, Inbound, Message, Sender},
    job::{Lane, Progress, State},
};

const ID: ConversationId = ConversationId(1);

/// A chat's messages as they lie in the lane.
#[derive(Default)]
struct Chat {
    jobs: Vec<Job>,
}

impl Chat {
    fn add(&mut self, at_ms: i64, text: &str, change: impl FnOnce(&mut Inbound)) -> &mut Self {
        let number = self.jobs.len() as i64 + 1;
        let mut inbound = Inbound {
            identity: Identity { key: format!("tg/1/2/{number}"), also: Vec::new() },
            sent: ms(at_ms),
            sender: Sender { name: "Ann".into(), handle: None, language: None },
            origin: Origin::Chat(ChatOrigin {
                bot: BotId(1),
                chat: ChatId(2),
                message: ChatMessageId(number),
                topic: None,
                user: UserId(2),
                private: true,
                media_group: None,
                forwarded: false,
                reply_to: None,
            }),
            what: What::Message(Message { text: text.into(), ..Message::default() }),
        };
        change(&mut inbound);
        let arrived = Arrived { inbound, at: ms(at_ms) };
        let filing = Filing { conversation: ID, messages: vec![arrived], remarks: Vec::new() };
        self.jobs.push(Job {
            id: JobId(number as u64),
            lane: Lane::Conversation(ID),
            key: number.to_string(),
            task: Task::File(filing),
            accepted: ms(at_ms),
            state: State::Ready,
            progress: Progress::default(),
        });
        self
    }

    fn says(&mut self, at_ms: i64, text: &str) -> &mut Self {
        self.add(at_ms, text, |_| {})
    }

    fn photo(&mut self, at_ms: i64, album: &str) -> &mut Self {
        self.add(at_ms, "", |inbound| {
            let at = Whereabouts::Telegram { file_id: "f".into() };
            let file = Attachment { name: "p.jpg".into(), mime: "image/jpeg".into(), size: Some(1), at };
            inbound.what = What::Message(Message { files: vec![file], ..Message::default() });
            chat(inbound).media_group = Some(album.into());
        })
    }

    fn forwards(&mut self, at_ms: i64, text: &str) -> &mut Self {
        self.add(at_ms, text, |inbound| chat(inbound).forwarded = true)
    }

    fn edits(&mut self, at_ms: i64, message: i64, text: &str) -> &mut Self {
        self.add(at_ms, text, |inbound| {
            inbound.what = What::Edit(Message { text: text.into(), ..Message::default() });
            chat(inbound).message = ChatMessageId(message);
        })
    }

    fn decides(&self, founds: bool, last_filed_ms: Option<i64>, now_ms: i64) -> String {
        let waiting = Waiting { jobs: &self.jobs, founds, last_filed: last_filed_ms.map(ms) };
        match decide(&waiting, &Timing::default(), ms(now_ms)) {
            None => "no filing".into(),
            Some(Gather::Wait(until)) => format!("wait {}", until.since(ms(now_ms)).as_millis()),
            Some(Gather::Take(jobs, filing)) => {
                let texts = filing.messages.iter().filter_map(|m| m.inbound.message());
                format!("take {jobs}: {}", texts.map(|m| m.text.as_str()).collect::<Vec<_>>().join("|"))
            }
        }
    }
}

fn chat(inbound: &mut Inbound) -> &mut ChatOrigin {
    match &mut inbound.origin {
        Origin::Chat(chat) => chat,
        Origin::Mail(_) => unreachable!("made as a chat"),
    }
}

fn ms(at: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000).plus(Duration::from_millis(at.unsigned_abs()))
}

#[test]
fn a_text_goes_at_once() {
    let mut chat = Chat::default();
    chat.says(0, "my server does not answer");
    assert_eq!(chat.decides(true, None, 1), "take 1: my server does not answer");
    assert_eq!(chat.decides(false, None, 1), "take 1: my server does not answer");
}

#[test]
fn a_greeting_waits_for_what_it_is_about() {
    let mut chat = Chat::default();
    chat.says(0, "Hi");
    assert_eq!(chat.decides(true, None, 500), "wait 7500");
    assert_eq!(chat.decides(true, None, 8000), "take 1: Hi");
    assert_eq!(chat.decides(false, None, 500), "take 1: Hi", "an existing ticket needs no subject");
    chat.says(3000, "my server does not answer");
    assert_eq!(chat.decides(true, None, 3001), "take 2: Hi|my server does not answer");
}

#[test]
fn what_follows_within_two_seconds_is_one_reply() {
    let mut chat = Chat::default();
    chat.says(1000, "and another thing");
    assert_eq!(chat.decides(false, Some(0), 1001), "wait 999");
    chat.says(1500, "and one more");
    assert_eq!(chat.decides(false, Some(0), 2000), "take 2: and another thing|and one more");
}

#[test]
fn what_came_while_the_lane_was_busy_is_joined_but_never_more_than_ten() {
    let mut chat = Chat::default();
    for n in 0..14 {
        chat.says(5000 + n, &n.to_string());
    }
    assert_eq!(chat.decides(false, Some(0), 60_000), "take 10: 0|1|2|3|4|5|6|7|8|9");
}

#[test]
fn an_album_waits_for_its_members_and_a_slow_one_not_for_ever() {
    let mut chat = Chat::default();
    chat.photo(0, "a").photo(200, "a");
    assert_eq!(chat.decides(true, None, 300), "wait 900", "a second after the last arrival");
    assert_eq!(chat.decides(true, None, 1200), "take 2: |");
    let mut slow = Chat::default();
    for n in 0..9 {
        slow.photo(n * 950, "a");
    }
    assert_eq!(slow.decides(true, None, 7990), "wait 10");
    assert!(slow.decides(true, None, 8000).starts_with("take 9"));
}

#[test]
fn an_album_that_is_followed_by_something_else_is_complete() {
    let mut chat = Chat::default();
    chat.photo(0, "a").photo(10, "a").says(300, "what is this?");
    assert_eq!(chat.decides(false, None, 301), "take 2: |");
}

#[test]
fn forwards_in_a_row_are_one() {
    let mut chat = Chat::default();
    chat.forwards(0, "one").forwards(100, "two");
    assert_eq!(chat.decides(true, None, 150), "wait 950");
    assert_eq!(chat.decides(true, None, 1100), "take 2: one|two");
}

#[test]
fn an_edit_replaces_what_was_not_filed_yet() {
    let mut chat = Chat::default();
    chat.says(0, "my sever is donw").edits(1000, 1, "my server is down").says(1500, "please help");
    assert_eq!(chat.decides(false, None, 9000), "take 3: my server is down|please help");
}

#[test]
fn edits_of_a_filed_message_are_one_revision_ended_by_the_next_message() {
    let mut chat = Chat::default();
    chat.edits(0, 77, "v2").edits(4000, 77, "v3");
    assert_eq!(chat.decides(false, None, 5000), "wait 5000");
    assert_eq!(chat.decides(false, None, 10_000), "take 2: v3");
    chat.says(5500, "next");
    assert_eq!(chat.decides(false, None, 5600), "take 2: v3");
}

#[test]
fn an_edit_of_something_else_is_not_joined_into_a_text() {
    let mut chat = Chat::default();
    chat.says(0, "one thing").edits(100, 55, "another, filed long ago");
    assert_eq!(chat.decides(false, None, 60_000), "take 1: one thing");
}
