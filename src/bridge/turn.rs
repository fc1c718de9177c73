//! One command or pressed button at work, and how it is answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    bridge::{
        context::Bridge,
        loop_guard,
        notes::{self, Say, label},
        outcome::{Outcome, TryAgain, try_again},
        thread_chat,
    },
    channel::SendError,
    model::{
        account::{Account, Link},
        button::{Action, Button},
        conversation::Conversation,
        delivery::{Content, Delivery, Note},
        formatted::Formatted,
        ids::{ChatMessageId, JobId},
        inbound::{ChatOrigin, Inbound},
        job::{Job, Lane, NewJob, State, Task},
        place::Place,
    },
    runtime::{backoff::Backoff, clock::Timestamp},
    store::{
        StoreError,
        change::{Change, Key},
        rows::Notice,
    },
};

/// A question to Telegram that holds up a person's command is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command, or a button, of one person in one chat.
pub struct Turn<'a> {
    pub bridge: &'a Bridge,
    pub job: &'a Job,
    pub inbound: &'a Inbound,
    pub chat: &'a ChatOrigin,
}

/// A pressed button.
pub struct Press<'a> {
    pub turn: Turn<'a>,
    pub callback: &'a str,
    /// The message that the button stands under.
    pub under: ChatMessageId,
}

/// Whom a chat writes for.
pub struct Customer {
    pub account: Account,
    /// Nothing where `telegram.unlinked` gives the chat its account; many strangers share that one.
    pub link: Option<Link>,
}

/// Whether a person may act for a chat.
pub enum Permission {
    Given,
    Denied,
    /// Telegram could not be asked now.
    Later(Box<Outcome>),
}

impl Turn<'_> {
    pub fn place(&self) -> Place {
        self.inbound.place()
    }

    pub fn customer(&self) -> Result<Option<Customer>, StoreError> {
        let Some(name) = thread_chat::account(self.bridge, self.inbound)? else { return Ok(None) };
        let link = self.bridge.store.link(&self.place())?;
        Ok(self.bridge.store.account(&name)?.map(|account| Customer { account, link }))
    }

    /// The conversation of the message that is replied to, else the chat's current one.
    pub fn conversation(&self, account: &Account) -> Result<Option<Conversation>, StoreError> {
        let store = &self.bridge.store;
        let replied = self.chat.reply_to.map(|message| self.message_key(message));
        let replied = replied.map(|key| store.find(&key)).transpose()?.flatten();
        let found = match replied {
            Some(id) => Some(id),
            None => store.find(&self.current_key())?,
        };
        let conversation = found.map(|id| store.conversation(id)).transpose()?.flatten();
        Ok(conversation.filter(|conversation| conversation.account == account.name))
    }

    pub fn current_key(&self) -> Key {
        Key::Current(self.chat.bot, self.chat.chat)
    }

    fn message_key(&self, message: ChatMessageId) -> Key {
        Key::ChatMessage(self.chat.bot, self.chat.chat, message)
    }

    /// A notice about this chat, unless its time is over.
    pub fn remembered(&self, what: &str) -> Result<Option<String>, StoreError> {
        let notice = self.bridge.store.notice(&self.notice_key(what))?;
        let live = notice.filter(|notice| notice.until > self.bridge.now() && !notice.value.is_empty());
        Ok(live.map(|notice| notice.value))
    }

    pub fn remember(&self, what: &str, value: String, lasts: Duration) -> Change {
        remember(self.bridge, self.notice_key(what), value, lasts)
    }

    pub fn forget(&self, what: &str) -> Change {
        self.remember(what, String::new(), Duration::ZERO)
    }

    fn notice_key(&self, what: &str) -> String {
        notice_key(self.chat, what)
    }

    /// The command's answer; the job is done.
    pub fn answer(&self, template: &'static str, values: Value) -> Outcome {
        self.answer_with(Say::new(template, values), Vec::new())
    }

    pub fn answer_with(&self, say: Say, changes: Vec<Change>) -> Outcome {
        Outcome::Done { changes, follow_ups: self.note(say).into_iter().collect() }
    }

    /// A note in reply to the command; each template once.
    pub fn note(&self, say: Say) -> Option<NewJob> {
        let key = format!("{}/{}", say.template, self.job.key);
        notes::say(self.bridge, &self.place(), key, say.replying(Some(self.chat.message)))
    }

    pub fn button(&self, template: &str, action: Action) -> Button {
        let text = label(self.bridge, &self.place(), template, &json!({}));
        Button::new(text, action, self.chat.chat, &self.bridge.secret)
    }

    /// What a chat that nobody linked is told: the first three times of an hour.
    pub fn how_to_link(&self) -> Result<Outcome, StoreError> {
        let placed = notes::not_linked(self.bridge, self.inbound, self.chat)?;
        Ok(Outcome::Done { changes: placed.changes, follow_ups: placed.jobs })
    }

    /// An answer that may be provoked by anybody: the first three times of an hour.
    pub fn answer_seldom(
        &self,
        template: &'static str,
        values: Value,
        mut changes: Vec<Change>,
    ) -> Result<Outcome, StoreError> {
        let most = self.bridge.limits.unlinked_refusals_per_hour;
        let key = self.notice_key(template);
        let counted = loop_guard::count(self.bridge, key, most, Duration::from_secs(3600))?;
        let note = counted.as_ref().and_then(|_| self.note(Say::new(template, values)));
        changes.extend(counted);
        Ok(Outcome::Done { changes, follow_ups: note.into_iter().collect() })
    }

    /// In a private chat its person, in a group its admins.
    pub async fn permission(&self) -> Permission {
        if self.chat.private {
            return Permission::Given;
        }
        let Some(telegram) = &self.bridge.telegram else { return Permission::Denied };
        match telegram.channel.is_chat_admin(self.chat.chat, self.chat.user).await {
            Ok(true) => Permission::Given,
            Ok(false) => Permission::Denied,
            Err(SendError::Retry { after, .. }) => self.later(after),
            Err(SendError::Unknown { .. }) => self.later(None),
            Err(error) => {
                tracing::warn!(chat.id = %self.chat.chat, %error, "Whether somebody is an admin cannot be asked.");
                Permission::Denied
            }
        }
    }

    fn later(&self, after: Option<Duration>) -> Permission {
        let timing = &self.bridge.timing;
        let Ok(backoff) = Backoff::new(timing.retry_min, timing.retry_max) else { return Permission::Denied };
        match try_again(&self.job.progress, after, false, &backoff, PATIENCE, self.bridge.now()) {
            TryAgain::At { until, why, progress } => {
                Permission::Later(Box::new(Outcome::Later { until, why, progress, follow_ups: Vec::new() }))
            }
            TryAgain::TimeIsOver { .. } => Permission::Denied,
        }
    }
}

impl Press<'_> {
    /// The question was settled before, or never was this chat's.
    pub fn expired(&self) -> Outcome {
        let pop_up = self.pop_up(Some("choice_expired"));
        Outcome::Done { changes: Vec::new(), follow_ups: vec![pop_up] }
    }

    /// A job that nobody can describe any more was discarded.
    pub fn let_go(&self, job: JobId) -> Outcome {
        let what = "an item whose content was damaged";
        let values = json!({
            "decision": label(self.turn.bridge, &self.turn.place(), "button_discard", &json!({})),
            "by": crate::bridge::alerts::who(self.turn.inbound), "what": what, "who": "a customer",
            "account": null, "channel": "Telegram", "excerpt": null, "job": job.to_string(),
        });
        self.settled("alert_decided", values, Vec::new())
    }

    /// The message with the button now says what was decided, and the button is gone.
    pub fn settled(&self, template: &'static str, values: Value, changes: Vec<Change>) -> Outcome {
        Outcome::Done { changes, follow_ups: self.settling(template, values) }
    }

    pub fn settling(&self, template: &'static str, values: Value) -> Vec<NewJob> {
        let mut jobs = vec![self.pop_up(None)];
        jobs.extend(self.edit(Say::new(template, values)));
        jobs
    }

    pub fn edit(&self, say: Say) -> Option<NewJob> {
        let mut job = self.turn.note(say)?;
        if let Task::Deliver(Delivery { content: Content::Note(note), .. }) = &mut job.task {
            note.reply_to = None;
            note.edits = Some(self.under);
        }
        Some(job)
    }

    /// Ends Telegram's spinner on the button; with a text, shows it as a pop-up.
    pub fn pop_up(&self, template: Option<&'static str>) -> NewJob {
        let bridge = self.turn.bridge;
        let to = self.turn.place();
        let language = notes::language(bridge, &to);
        let render = |template| bridge.templates.render_telegram(&language, template, &json!({}));
        let text = template.and_then(|template| render(template).ok()).unwrap_or_default();
        let text = Formatted::plain(text.text);
        let note = Note { text, answers: Some(self.callback.to_owned()), ..Note::default() };
        let task = Task::Deliver(Delivery { to, conversation: None, content: Content::Note(note) });
        let lane = Lane::Chat(self.turn.chat.chat);
        NewJob { lane, key: format!("pressed/{}", self.turn.job.key), task, state: State::Ready }
    }
}

/// How something that is remembered about a chat is named.
pub fn notice_key(chat: &ChatOrigin, what: &str) -> String {
    format!("{what}/{}/{}", chat.bot, chat.chat)
}

pub fn remember(bridge: &Bridge, key: String, value: String, lasts: Duration) -> Change {
    let now = bridge.now();
    Change::Notice(key, Notice { first: now, last: now, count: 1, value, until: now.plus(lasts) })
}

/// As a person reads it: `10 minutes`, `45 seconds`, `2 hours`.
pub fn duration(duration: Duration) -> String {
    let (number, unit) = match duration.as_secs() {
        secs @ 0..120 => (secs, "second"),
        secs @ 120..7200 => (secs.div_ceil(60), "minute"),
        secs => (secs.div_ceil(3600), "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// How long it is until then, at least a second.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    duration(then.since(now).max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reads_as_a_person_says_it() {
        let cases = [
            (1, "1 second"),
            (90, "90 seconds"),
            (600, "10 minutes"),
            (3599, "60 minutes"),
            (7200, "2 hours"),
        ];
        for (secs, text) in cases {
            assert_eq!(duration(Duration::from_secs(secs)), text);
        }
    }
}
