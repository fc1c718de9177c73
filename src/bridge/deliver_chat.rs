//! A delivery to a chat: its text in pieces, then its files, each a step; what Telegram says about one decides the next.

use serde_json::json;

use crate::{
    bridge::{
        alerts, answered,
        chat_parts::{self, FILES, Part, What},
        context::{Bridge, Telegram},
        delivery::{Errand, Halt, later},
        notes::{self, Say},
        outcome::{Outcome, TryAgain},
        provenance::bytes,
        sending::{self, Due},
        staff_files::{self, Broke, FetchError},
        undelivered,
    },
    channel::{Parcel, Refusal, SendError, Sent},
    model::{
        attachment::Attachment,
        button::{Action, Button},
        conversation::ConversationChange,
        delivery::Content,
        ids::{BotId, ChatId},
        job::{NewJob, Remote, Step, Why},
        place::Place,
        staff_message::StaffMessage,
    },
    store::{
        Claim, StoreError,
        change::{Change, Key},
        rows::Notice,
    },
};

/// A group becomes a supergroup once; more hops than this are a mistake.
const HOPS: usize = 3;
/// Begins the reason of a skipped file that is too large.
const TOO_LARGE: &str = "larger than ";

/// Delivers to `chat`, which the job knows as `named`.
pub(super) async fn run(
    errand: Errand<'_>,
    claim: &mut Claim,
    bot: BotId,
    chat: ChatId,
    named: ChatId,
) -> Result<Outcome, Halt> {
    let Some(telegram) = errand.bridge.telegram.as_ref().filter(|telegram| telegram.bot == bot) else {
        return Ok(errand.refused("its bot is not configured any more"));
    };
    let mut work = Work { errand, telegram, named, chat, moved: Vec::new() };
    for part in chat_parts::of(&work.errand, &work.place()) {
        work.part(claim, part).await?;
    }
    Ok(work.finish(claim).await?)
}

/// The number that a chat has now: it changes when a group becomes a supergroup.
pub fn where_now(bridge: &Bridge, bot: BotId, chat: ChatId) -> Result<ChatId, StoreError> {
    let mut now = chat;
    for _ in 0..HOPS {
        let moved = bridge.store.notice(&moved_key(bot, now))?;
        let Some(to) = moved.and_then(|notice| notice.value.parse().ok()) else { break };
        now = ChatId(to);
    }
    Ok(now)
}

/// Not in the form by which the store finds notices of a chat: this one must stay under the old number.
fn moved_key(bot: BotId, chat: ChatId) -> String {
    format!("moved-from/{bot}:{chat}")
}

struct Work<'a> {
    errand: Errand<'a>,
    telegram: &'a Telegram,
    /// The chat as the job names it, and as it is reached.
    named: ChatId,
    chat: ChatId,
    moved: Vec<NewJob>,
}

/// What follows from a send that failed.
enum Next {
    Again,
    Skip(String),
}

impl Work<'_> {
    fn place(&self) -> Place {
        Place::Chat { bot: self.telegram.bot, chat: self.chat }
    }

    /// Sends one part, unless it is done.
    async fn part(&mut self, claim: &mut Claim, mut part: Part) -> Result<(), Halt> {
        let again = self.errand.bridge.timing.telegram_unknown_again;
        loop {
            let bridge = self.errand.bridge;
            let step =
                match sending::due(&claim.steps, &self.errand.progress, &part.step, again, bridge.now()) {
                    Due::Done => return Ok(()),
                    Due::Now(step) => step,
                    Due::Wait { .. } | Due::Unsettled if part.what.is_idempotent() => part.step.clone(),
                    Due::Wait { until, progress } => return Err(later(until, Why::Settling, progress).into()),
                    Due::Unsettled => return Err(self.errand.unsettled().into()),
                };
            let (parcel, broke) = match self.parcel(&part.what).await? {
                Ok(parcel) => parcel,
                Err(why) => return Ok(self.skip(claim, step, why).await?),
            };
            let is_first = part.step == Step::Send(0);
            let (errand, bot, chat) = (&self.errand, self.telegram.bot, self.chat);
            let made = |sent: &Sent| sent_changes(errand, bot, chat, sent, is_first);
            let send = self.telegram.channel.send(parcel);
            let error = sending::call(bridge, claim, step.clone(), send, made).await?;
            let Some(error) = error else {
                self.errand.went_on();
                return Ok(());
            };
            match self.failed(error, &mut part, broke.off()).await? {
                Next::Again => {}
                Next::Skip(why) => return Ok(self.skip(claim, step, why).await?),
            }
        }
    }

    /// The part as it is sent; a file that cannot be had is skipped with a reason.
    async fn parcel(&self, what: &What) -> Result<Result<(Parcel, Broke), String>, Halt> {
        let chat = self.chat;
        let parcel = match what {
            What::Text { text, buttons, reply_to } => Parcel::Text {
                chat,
                topic: None,
                text: text.clone(),
                buttons: self.buttons(buttons),
                reply_to: *reply_to,
            },
            What::Edit { message, text, buttons } => {
                Parcel::Edit { chat, message: *message, text: text.clone(), buttons: self.buttons(buttons) }
            }
            What::Answer { callback, text } => {
                Parcel::ButtonAnswer { callback: callback.clone(), text: text.clone() }
            }
            What::File { file, caption } => return self.file(file, caption).await,
        };
        Ok(Ok((parcel, Broke::default())))
    }

    async fn file(&self, file: &Attachment, caption: &str) -> Result<Result<(Parcel, Broke), String>, Halt> {
        let errand = &self.errand;
        let limit = errand.bridge.limits.telegram_upload.0;
        if file.size.is_some_and(|size| size > limit) {
            return Ok(Err(format!("{TOO_LARGE}{}", bytes(limit))));
        }
        let fetched = match staff_files::fetch(errand.bridge, errand.conversation.as_ref(), file).await {
            Ok(fetched) => fetched,
            Err(FetchError::Store(error)) => return Err(error.into()),
            Err(FetchError::Never(why)) => return Ok(Err(why)),
            Err(FetchError::Outage { until }) => return Err(errand.wait(until, Why::Outage).into()),
            Err(FetchError::Again { after, why, outage }) => {
                return match sending::again(errand.bridge, &errand.progress, after, outage) {
                    TryAgain::At { until, why, progress } => Err(later(until, why, progress).into()),
                    TryAgain::TimeIsOver { .. } => Ok(Err(why)),
                };
            }
        };
        let parcel = Parcel::File {
            chat: self.chat,
            topic: None,
            file: fetched.file,
            caption: caption.to_owned(),
            reply_to: None,
        };
        Ok(Ok((parcel, fetched.broke)))
    }

    async fn failed(&mut self, error: SendError, part: &mut Part, source_broke: bool) -> Result<Next, Halt> {
        let reason = error.to_string();
        match error {
            SendError::Moved { to } => {
                self.moved(to).await?;
                Ok(Next::Again)
            }
            SendError::Retry { after: Some(after), .. } => {
                // The chat's or the bot's rate, which says nothing against the message.
                let until = self.errand.bridge.now().plus(after);
                Err(self.errand.wait(until, Why::Retry).into())
            }
            SendError::Retry { .. } if source_broke => self.ages(reason),
            SendError::Retry { .. } | SendError::Unauthorized(_) => Err(self.errand.outage(&reason).into()),
            SendError::Unknown { .. } if part.what.is_idempotent() => self.ages(reason),
            // The records say now whether it is repeated or parked.
            SendError::Unknown { .. } => Ok(Next::Again),
            SendError::Refused { what, .. } => self.refused(what, reason, &mut part.what),
        }
    }

    fn refused(&self, refusal: Refusal, reason: String, what: &mut What) -> Result<Next, Halt> {
        match (refusal, what) {
            (_, What::Answer { .. }) | (Refusal::Message, What::Edit { .. }) => Ok(Next::Skip(reason)),
            (Refusal::Gone, _) => Err(self.errand.gone(&reason)?.into()),
            (Refusal::Message, What::Text { reply_to: reply_to @ Some(_), .. }) => {
                *reply_to = None;
                Ok(Next::Again)
            }
            (Refusal::TooLarge, What::File { .. }) => {
                let limit = self.errand.bridge.limits.telegram_upload.0;
                Ok(Next::Skip(format!("{TOO_LARGE}{}", bytes(limit))))
            }
            (_, What::File { .. }) => Ok(Next::Skip(reason)),
            (_, What::Text { .. } | What::Edit { .. }) => Err(self.errand.refused(&reason).into()),
        }
    }

    /// The trouble is this part's own: after its time is over it is left out.
    fn ages(&self, reason: String) -> Result<Next, Halt> {
        match sending::again(self.errand.bridge, &self.errand.progress, None, false) {
            TryAgain::At { until, why, progress } => Err(later(until, why, progress).into()),
            TryAgain::TimeIsOver { .. } => Ok(Next::Skip(reason)),
        }
    }

    /// Everything of the chat goes on under its new number, this delivery included.
    async fn moved(&mut self, to: ChatId) -> Result<(), Halt> {
        let bridge = self.errand.bridge;
        let (bot, from) = (self.telegram.bot, self.chat);
        if from == to || self.moved.len() >= HOPS {
            return Err(self.errand.refused("the chat moves in a circle").into());
        }
        tracing::warn!(%from, %to, "The group became a supergroup.");
        let now = bridge.now();
        let until = now.plus(bridge.timing.keep_done);
        let remembered = Notice { first: now, last: now, count: 1, value: to.to_string(), until };
        let changes =
            vec![Change::ChatMoved { bot, from, to }, Change::Notice(moved_key(bot, from), remembered)];
        bridge.store.apply(changes).await?;
        if bridge.is_admin_chat(from) {
            self.moved.extend(undelivered::admin_chat_moved(
                bridge,
                self.errand.job,
                self.errand.delivery,
                to,
            ));
        }
        self.chat = to;
        Ok(())
    }

    /// Buttons are bound to their chat; in a chat that moved they must be signed for its new number.
    fn buttons(&self, buttons: &[Vec<Button>]) -> Vec<Vec<Button>> {
        let secret = &self.errand.bridge.secret;
        let resigned = |button: &Button| match Action::verify(&button.data, self.named, secret) {
            Some(action) if self.named != self.chat => {
                Button::new(button.label.clone(), action, self.chat, secret)
            }
            _ => button.clone(),
        };
        buttons.iter().map(|row| row.iter().map(resigned).collect()).collect()
    }

    async fn skip(&self, claim: &mut Claim, step: Step, why: String) -> Result<(), StoreError> {
        tracing::info!(job.id = %self.errand.job.id, ?step, why, "A part of a delivery is left out.");
        self.errand.bridge.store.end_step(claim, step, Remote::Skipped(why), Vec::new()).await
    }

    async fn finish(self, claim: &Claim) -> Result<Outcome, StoreError> {
        let errand = &self.errand;
        let bridge = errand.bridge;
        let mut changes = Vec::new();
        let mut follow_ups = self.moved.clone();
        if let (Content::Staff(staff), Some(conversation)) = (&errand.delivery.content, &errand.conversation)
        {
            changes.push(Change::Conversation(conversation.id, ConversationChange::Active(bridge.now())));
            follow_ups.extend(self.left_out(claim, staff));
            self.make_current(conversation.id).await?;
        }
        // What arrives shows that the chat can be reached again.
        if let Some(mut link) = bridge.store.link(&self.place())?.filter(|link| link.paused) {
            link.paused = false;
            changes.push(Change::Link(link));
        }
        let waited_ms = bridge.now().since(errand.job.accepted).as_millis();
        tracing::info!(job.id = %errand.job.id, job.key = %errand.job.key, waited_ms, "Delivered.");
        Ok(Outcome::Done { changes, follow_ups })
    }

    /// A plain answer of the customer goes to this ticket, unless the chat talks about another already.
    async fn make_current(&self, id: crate::model::ids::ConversationId) -> Result<(), StoreError> {
        let store = &self.errand.bridge.store;
        let key = Key::Current(self.telegram.bot, self.chat);
        if store.find(&key)?.is_some() {
            return Ok(());
        }
        match store.apply(vec![Change::Bind(key, id)]).await {
            Err(StoreError::Conflict(_)) => Ok(()), // The customer has just begun another.
            other => other,
        }
    }

    /// A note with the way to the panel for each file that could not be sent.
    fn left_out(&self, claim: &Claim, staff: &StaffMessage) -> Vec<NewJob> {
        let errand = &self.errand;
        let url = errand
            .conversation
            .as_ref()
            .and_then(|conversation| alerts::url(errand.bridge, conversation, Some(&staff.ticket)));
        let skipped = staff.files.iter().zip(FILES..).filter_map(|(file, number)| {
            match sending::made(&claim.steps, &Step::Send(number)) {
                Some(Remote::Skipped(why)) => Some((file, number, why)),
                _ => None,
            }
        });
        let notes = skipped.filter_map(|(file, number, why)| {
            let mut values = json!({ "file": file.name, "number": staff.ticket.number(), "url": url });
            let (template, name, value) = match file.size {
                Some(size) if why.starts_with(TOO_LARGE) => ("staff_file_too_large", "size", bytes(size)),
                _ => ("staff_file_failed", "reason", why.clone()),
            };
            if let Some(map) = values.as_object_mut() {
                map.insert(name.to_owned(), json!(value));
            }
            let mut say = Say::new(template, values);
            say.conversation = errand.delivery.conversation;
            notes::say(errand.bridge, &self.place(), format!("staff-file/{number}/{}", errand.job.key), say)
        });
        notes.collect()
    }
}

/// A reply to any message of a conversation finds its way; the first message of an alert is remembered.
fn sent_changes(
    errand: &Errand<'_>,
    bot: BotId,
    chat: ChatId,
    sent: &Sent,
    is_first: bool,
) -> (Remote, Vec<Change>) {
    let Sent::ChatMessage(message) = sent else { return (Remote::Nothing, Vec::new()) };
    let mut changes = Vec::new();
    if let Some(conversation) = errand.delivery.conversation {
        changes.push(Change::Rebind(Key::ChatMessage(bot, chat, *message), conversation));
    }
    if let Content::Alert(alert) = &errand.delivery.content
        && is_first
    {
        let remembered = answered::remember(errand.bridge, errand.job, alert, bot, chat, *message);
        changes.extend(remembered.ok().flatten());
    }
    (Remote::ChatMessage(*message), changes)
}
