//! What belongs together is joined after the journal: albums, forwards, a first “Hi”, bursts, edits.
//!
//! A pure decision over the lane's waiting jobs and their stored times of
//! arrival, so that a restart goes on where it was.

use crate::{
    config::Timing,
    model::{
        inbound::{ChatOrigin, Origin, What},
        job::{Arrived, Filing, Job, Task},
    },
    runtime::clock::Timestamp,
};

/// A joined text carries the marker of each message in it; more than ten would be a text of markers.
const MOST: usize = 10;
/// A first message of fewer words, without a file, is a greeting until the next one comes.
const GREETING_WORDS: usize = 4;

#[derive(Debug, PartialEq)]
pub enum Gather {
    /// More may come.
    Wait(Timestamp),
    /// The first so many jobs become one, with this content.
    Take(usize, Filing),
}

/// The lane as it stands.
pub struct Waiting<'a> {
    pub jobs: &'a [Job],
    /// Whether the head founds its ticket.
    pub founds: bool,
    /// When the last filing of this lane began, if lately.
    pub last_filed: Option<Timestamp>,
}

/// Nothing if the head is no filing.
pub fn decide(waiting: &Waiting<'_>, timing: &Timing, now: Timestamp) -> Option<Gather> {
    let filings: Vec<&Filing> = waiting.jobs.iter().map_while(filing).collect();
    let head = *filings.first()?;
    let first = head.messages.first()?;
    let Origin::Chat(chat) = &first.inbound.origin else {
        return Some(Gather::Take(1, head.clone())); // A mail is a message of its own.
    };
    // A joined head was decided before; it is never joined again.
    if head.messages.len() > 1 {
        return Some(Gather::Take(1, head.clone()));
    }
    if matches!(first.inbound.what, What::Edit(_)) {
        return Some(revision(&filings, timing, now));
    }
    let alike = match (&chat.media_group, chat.forwarded) {
        (Some(_), _) => run(&filings, |next| next.media_group == chat.media_group),
        (None, true) => {
            run(&filings, |next| next.forwarded && next.user == chat.user && next.media_group.is_none())
        }
        (None, false) => {
            return Some(text(&filings, first, chat, waiting, timing, now));
        }
    };
    let members = filings.get(..alike).unwrap_or_default();
    let last = members.iter().filter_map(|filing| filing.messages.last()).map(|arrived| arrived.at).max()?;
    let complete = last.plus(timing.album_quiet).min(first.at.plus(timing.album_most));
    // What follows them already shows that they are all.
    if now < complete && filings.len() == alike && alike < MOST {
        return Some(Gather::Wait(complete));
    }
    Some(take(members))
}

fn text(
    filings: &[&Filing],
    first: &Arrived,
    chat: &ChatOrigin,
    waiting: &Waiting<'_>,
    timing: &Timing,
    now: Timestamp,
) -> Gather {
    let joinable = joinable_texts(filings, chat);
    let members = filings.get(..joinable).unwrap_or_default();
    if waiting.founds && is_greeting(first) && joinable < 2 {
        let until = first.at.plus(timing.short_first_wait);
        return if now < until && filings.len() == 1 { Gather::Wait(until) } else { take(members) };
    }
    // What its sender adds within the window that the last text opened comes as one reply.
    if let Some(window) = waiting.last_filed.map(|at| at.plus(timing.burst))
        && first.at < window
        && now < window
    {
        return Gather::Wait(window);
    }
    take(members)
}

/// How many texts from the head on one sender wrote for the same conversation, with edits of them between.
fn joinable_texts(filings: &[&Filing], chat: &ChatOrigin) -> usize {
    let mut texts = Vec::new();
    filings
        .iter()
        .take_while(|filing| {
            let Some(arrived) = filing.messages.first().filter(|_| filing.messages.len() == 1) else {
                return false;
            };
            let Origin::Chat(next) = &arrived.inbound.origin else { return false };
            if matches!(arrived.inbound.what, What::Edit(_)) {
                return texts.contains(&next.message);
            }
            texts.push(next.message);
            next.user == chat.user && next.media_group.is_none() && !next.forwarded && texts.len() <= MOST
        })
        .count()
        .max(1)
}

/// Edits of one message within their time are one revision; the next message ends it.
fn revision(filings: &[&Filing], timing: &Timing, now: Timestamp) -> Gather {
    let message = |filing: &Filing| filing.messages.first().and_then(|a| chat_of(a).map(|chat| chat.message));
    let edited = filings.first().and_then(|filing| message(filing));
    let run: Vec<&&Filing> = filings
        .iter()
        .take_while(|filing| {
            message(filing) == edited
                && filing.messages.first().is_some_and(|a| matches!(a.inbound.what, What::Edit(_)))
        })
        .collect();
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Gather::Wait(now.plus(timing.edit_gather));
    };
    let opened = first.messages.first().map_or(now, |arrived| arrived.at);
    let until = opened.plus(timing.edit_gather);
    if now < until && filings.len() == run.len() {
        return Gather::Wait(until);
    }
    Gather::Take(run.len(), (**last).clone())
}

fn run(filings: &[&Filing], belongs: impl Fn(&ChatOrigin) -> bool) -> usize {
    filings
        .iter()
        .take(MOST)
        .take_while(|filing| {
            filing.messages.len() == 1
                && filing.messages.first().is_some_and(|arrived| {
                    chat_of(arrived).is_some_and(&belongs) && matches!(arrived.inbound.what, What::Message(_))
                })
        })
        .count()
        .max(1)
}

/// Joins, with each edit put in the place of what it edits.
fn take(members: &[&Filing]) -> Gather {
    let mut joined: Option<Filing> = None;
    for member in members {
        let Some(joined) = &mut joined else {
            joined = Some((*member).clone());
            continue;
        };
        for arrived in &member.messages {
            join(&mut joined.messages, arrived);
        }
        joined.remarks.extend(member.remarks.iter().cloned());
    }
    match joined {
        Some(filing) => Gather::Take(members.len(), filing),
        None => Gather::Wait(Timestamp::EPOCH),
    }
}

fn join(messages: &mut Vec<Arrived>, arrived: &Arrived) {
    if let What::Edit(new) = &arrived.inbound.what {
        let edited = chat_of(arrived).map(|chat| chat.message);
        let original = messages.iter_mut().find(|m| chat_of(m).map(|chat| chat.message) == edited);
        if let Some(original) = original {
            // The original's identity, hence marker, stays: it is the same message.
            original.inbound.what = What::Message(new.clone());
            return;
        }
    }
    messages.push(arrived.clone());
}

fn is_greeting(arrived: &Arrived) -> bool {
    arrived.inbound.message().is_some_and(|message| {
        message.files.is_empty()
            && message.left_out.is_empty()
            && message.text.split_whitespace().count() < GREETING_WORDS
    })
}

fn chat_of(arrived: &Arrived) -> Option<&ChatOrigin> {
    match &arrived.inbound.origin {
        Origin::Chat(chat) => Some(chat),
        Origin::Mail(_) => None,
    }
}

fn filing(job: &Job) -> Option<&Filing> {
    match &job.task {
        Task::File(filing) => Some(filing),
        _ => None,
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
