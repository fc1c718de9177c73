//! `demo --headless`: the round trips through all four seats, leg by leg, each with its time.
//!
//! The legs tell one story in a town with a past: Mara writes in Telegram, Jonas by mail, staff answer, an
//! admin watches, and in the middle of a busy minute the bridge is killed.

mod by_mail;
mod closing;
mod kill;
mod past;
mod telegram;
mod watch;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::bridge_process::BridgeError;
use super::desk::{DeskError, Dialect, TicketId};
use super::post_office::{MailError, PostError};
use super::telegram::{NoSuchButton, SentMessage};
use super::town::{LetterError, Town, TownError, TownPlan};

/// A leg that takes longer has failed.
const LEG: Duration = Duration::from_secs(20);

/// One thing inside a leg may take so long; less than a leg, so that the leg can say what did not come.
const PATIENCE: Duration = Duration::from_secs(15);

/// How one leg went.
#[derive(Debug)]
pub struct Report {
    pub leg: &'static str,
    pub took: Duration,
    pub outcome: Result<(), Why>,
    /// Why this ticket API cannot do it, so that it was not tried.
    pub skipped: Option<&'static str>,
}

/// How all of them went.
#[derive(Debug, Default)]
pub struct Score {
    pub passed: usize,
    pub failed: usize,
    /// The bridge's log, kept because something failed.
    pub log: Option<PathBuf>,
}

/// What did not happen.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Why(String);

type Outcome = Result<(), Why>;

/// The legs in the order of the story.
const LEGS: &[Leg] = &[
    leg("1,000 old mails and 200 old staff messages make no send", |j| past::makes_no_send(j).boxed()),
    leg("link by code", |j| telegram::links_by_code(j).boxed()),
    leg("Telegram text -> ticket", |j| telegram::text_becomes_a_ticket(j).boxed()),
    leg("Telegram photo -> attachment", |j| telegram::photo_becomes_an_attachment(j).boxed()),
    leg("staff reply with a file -> Telegram", |j| telegram::staff_answer_with_a_file(j).boxed()),
    leg("Telegram reply -> same ticket", |j| telegram::reply_goes_to_the_same_ticket(j).boxed()),
    leg("mail with attachment -> ticket", |j| by_mail::mail_becomes_a_ticket(j).boxed()),
    leg("staff reply -> mail in the same thread", |j| by_mail::staff_answer_in_the_thread(j).boxed()),
    leg("mail reply -> same ticket, quote trimmed", |j| by_mail::reply_without_its_quote(j).boxed()),
    leg("alert in the group for each", |j| watch::admins_see_each(j).boxed()),
    leg("close, then a reply is refused with an offer", |j| {
        closing::closed_ticket_offers_a_new_one(j).boxed()
    }),
    leg("killed in a batch: nothing lost, nothing doubled", |j| kill::in_the_middle_of_a_batch(j).boxed()),
    leg("every call as the services document it", |j| watch::no_call_outside_the_contracts(j).boxed()),
];

struct Leg {
    name: &'static str,
    play: for<'a> fn(&'a Journey) -> BoxFuture<'a, Outcome>,
}

const fn leg(name: &'static str, play: for<'a> fn(&'a Journey) -> BoxFuture<'a, Outcome>) -> Leg {
    Leg { name, play }
}

/// What a ticket API has no way of.
const SKIPPED: &[(Dialect, &str, &str)] = &[(
    Dialect::Keliweb,
    "staff reply with a file -> Telegram",
    "its API has no way of fetching a file of staff; the customer is told to see the panel",
)];

/// Builds a town, plays every leg and reports each as it ends. Errors: there is no town to play in.
pub async fn play(
    program: PathBuf,
    dialect: Dialect,
    mut report: impl FnMut(&Report),
) -> Result<Score, TownError> {
    let town = Town::build(TownPlan { dialect, ..TownPlan::new(program) }).await?;
    let journey = Journey { town, dialect, notes: Mutex::default() };
    let mut score = Score::default();
    for leg in LEGS {
        let told = journey.plays(leg).await;
        match told.outcome {
            _ if told.skipped.is_some() => {}
            Ok(()) => score.passed += 1,
            Err(_) => score.failed += 1,
        }
        report(&told);
    }
    if score.failed > 0 {
        journey.town.folder.keep();
        score.log = Some(journey.town.bridge.log().to_owned());
    }
    Ok(score)
}

/// A town, and what earlier legs left for later ones.
struct Journey {
    town: Town,
    dialect: Dialect,
    notes: Mutex<Notes>,
}

#[derive(Clone, Default)]
struct Notes {
    /// Mara's ticket from Telegram, and what stands in her chat of it: its number, and staff's answer.
    telegram_ticket: Option<TicketId>,
    receipt_in_chat: Option<i64>,
    answer_in_chat: Option<i64>,
    /// Jonas' ticket, his mail, and staff's answer as a mail.
    mail_ticket: Option<TicketId>,
    question_by_mail: Option<Vec<u8>>,
    answer_by_mail: Option<Vec<u8>>,
}

// === impl Journey ===

impl Journey {
    async fn plays(&self, leg: &Leg) -> Report {
        let begun = Instant::now();
        let skipped = SKIPPED.iter().find(|(dialect, name, _)| *dialect == self.dialect && *name == leg.name);
        if let Some((_, _, why)) = skipped {
            return Report { leg: leg.name, took: begun.elapsed(), outcome: Ok(()), skipped: Some(why) };
        }
        let outcome = timeout(LEG, (leg.play)(self)).await;
        let mut outcome = outcome.unwrap_or_else(|_| Err(why(format!("it took longer than {LEG:?}"))));
        if let Err(Why(text)) = &mut outcome
            && !self.town.bridge.is_running()
        {
            *text = format!("{text} (the bridge does not run; it said: {})", self.town.bridge.last_words());
        }
        Report { leg: leg.name, took: begun.elapsed(), outcome, skipped: None }
    }

    fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn telegram_ticket(&self) -> Result<TicketId, Why> {
        self.notes().telegram_ticket.ok_or_else(|| why("there is no ticket from Telegram to go on with"))
    }

    /// What Mara replies to if she means her ticket.
    fn telegram_message(&self) -> Result<i64, Why> {
        let Notes { answer_in_chat, receipt_in_chat, .. } = self.notes();
        answer_in_chat.or(receipt_in_chat).ok_or_else(|| why("nothing in Mara's chat is about her ticket"))
    }

    /// As people call it.
    fn number(&self, ticket: TicketId) -> String {
        self.town.desk.ticket(ticket).map_or_else(|| ticket.to_string(), |ticket| ticket.number)
    }

    fn mail_ticket(&self) -> Result<TicketId, Why> {
        self.notes().mail_ticket.ok_or_else(|| why("there is no ticket from mail to go on with"))
    }

    /// Waits for a message of the bot in Mara's chat.
    async fn mara_sees(&self, what: &str, fits: impl Fn(&SentMessage) -> bool) -> Result<SentMessage, Why> {
        let seen = self.town.telegram.wait_for(self.town.mara.chat_id(), fits, PATIENCE).await;
        seen.ok_or_else(|| why(format!("Mara did not see {what}")))
    }

    /// Waits for a message of the bot in the admin group.
    async fn admins_see(&self, what: &str, fits: impl Fn(&SentMessage) -> bool) -> Result<SentMessage, Why> {
        let seen = self.town.telegram.wait_for(self.town.group.id(), fits, PATIENCE).await;
        seen.ok_or_else(|| why(format!("the admins did not see {what}")))
    }

    /// Waits until the desk shows something.
    async fn desk_shows<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&super::desk::DeskStandIn) -> Option<T>,
    ) -> Result<T, Why> {
        let shown = self.town.desk.wait_for(|desk| look(desk), PATIENCE).await;
        shown.map_err(|_| why(format!("the desk does not show {what}")))
    }
}

impl Why {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

fn why(text: impl Into<String>) -> Why {
    Why::new(text)
}

/// `Ok` if it is so, else what is wrong.
fn insist(so: bool, otherwise: impl Into<String>) -> Outcome {
    if so { Ok(()) } else { Err(why(otherwise)) }
}

macro_rules! why_from {
    ($($error:ty),*) => {
        $(impl From<$error> for Why {
            fn from(error: $error) -> Why {
                let mut text = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(deeper) = cause {
                    text = format!("{text}: {deeper}");
                    cause = deeper.source();
                }
                Why(text)
            }
        })*
    };
}

why_from!(BridgeError, DeskError, LetterError, MailError, NoSuchButton, PostError, TownError, std::io::Error);
