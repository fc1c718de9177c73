//! A new ticket: under which category, and with which of the fields that the pages and working clients differ on.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::refusals::{About, opened, refusal_of};
use super::wire::{self, CreateBody, Refusal};
use super::{CATEGORIES, CONTACT, CREATE, I3d, MAX_ANSWER, contact};
use crate::config::i3d::{Contact, EmailField};
use crate::runtime::Timestamp;
use crate::ticket_api::answers::{Call, undecodable};
use crate::ticket_api::{Access, ApiError, NewTicket};

/// So long categories are taken as known.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// A create, and once more without each of what may be refused: two fields, a stale category, a department.
const MOST_TRIES: u32 = 5;

/// The categories, and when they were read.
pub(super) type Known = Option<(Timestamp, Vec<String>)>;

impl I3d {
    /// The answer to a create. A refusal by name of a field that may be left out, or of a category or department
    /// that is not there, is certain: then it is tried again without.
    pub(super) async fn opening(
        &self,
        account: &Access,
        ticket: &NewTicket,
        files: &[i64],
    ) -> Result<Value, ApiError> {
        let title = self.title(&ticket.subject);
        let mut category = self.category(account, ticket.topic.as_deref()).await?;
        let own = &self.settings.department;
        let mut department = ticket.department.as_ref().unwrap_or(own);
        for left in (0..MOST_TRIES).rev() {
            let body = CreateBody {
                title: &title,
                content: &ticket.text,
                category: &category,
                department,
                email_cc: value(&self.settings.email_cc, &self.without_cc),
                email_to: value(&self.settings.email_to, &self.without_to),
                attachment_ids: files,
            };
            let request = self.request(Method::POST, CREATE, account)?.json(&body);
            let answer = self.calls.answer(Call::Write, request, MAX_ANSWER).await?;
            let is_named = answer.status == StatusCode::UNPROCESSABLE_ENTITY && left > 0;
            let refusal = answer.json().as_ref().and_then(Refusal::read).filter(|_| is_named);
            let Some(refusal) = refusal else { return opened(Call::Write, About::Account, &answer) };
            if refusal.names("department") && department != own {
                let (api, words) = (&self.common.name, &refusal.words);
                tracing::warn!(%api, department, instead = own, words, "This department is refused; another gets the ticket.");
                department = own;
            } else if !self.leaves_out(&refusal, &body) {
                let moved = self.another_category(account, ticket, &refusal, &category).await;
                category = moved.ok_or_else(|| refusal_of(Call::Write, About::Account, &answer))?;
            }
        }
        Err(undecodable("the ticket system refuses another field each time"))
    }

    /// A guest's ticket, by the contact form.
    pub(super) async fn opening_of_guest(
        &self,
        account: &Access,
        ticket: &NewTicket,
        form: &Contact,
    ) -> Result<Value, ApiError> {
        let title = self.title(&ticket.subject);
        let category = self.category(account, ticket.topic.as_deref()).await?;
        let body = contact::body(form, ticket, &title, &category)?;
        let request = self.request(Method::POST, CONTACT, account)?.json(&body);
        Ok(self.ask(Call::Write, About::Account, request).await?.0)
    }

    /// Reads which categories there are.
    pub(super) async fn categories(&self, account: &Access) -> Result<Vec<String>, ApiError> {
        let request = self.request(Method::GET, CATEGORIES, account)?;
        let (body, _) = self.ask(Call::Read, About::Account, request).await?;
        let names = wire::categories(&body);
        let names = names.ok_or_else(|| undecodable("the answer holds no list of categories"))?;
        let known = Some((self.clock.now(), names.clone()));
        *self.known_categories.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(names)
    }

    /// Whether the refusal names a field that was sent and need not be; it is never sent again.
    fn leaves_out(&self, refusal: &Refusal, sent: &CreateBody<'_>) -> bool {
        let fields =
            [("emailCc", sent.email_cc, &self.without_cc), ("emailTo", sent.email_to, &self.without_to)];
        let named = fields.into_iter().filter(|(field, sent, _)| sent.is_some() && refusal.names(field));
        let mut any = false;
        for (field, _, without) in named {
            let words = &refusal.words;
            tracing::warn!(api = %self.common.name, field, words, "This field is refused; from now on tickets go without it.");
            without.store(true, Ordering::Relaxed);
            any = true;
        }
        any
    }

    /// Where the refusal is about the category: the one to file under by what is listed now, if another.
    async fn another_category(
        &self,
        account: &Access,
        ticket: &NewTicket,
        refusal: &Refusal,
        refused: &str,
    ) -> Option<String> {
        if !refusal.names("category") {
            return None;
        }
        let names = self.categories(account).await.ok()?;
        let default = self.settings.category.as_deref();
        let of_topic = chosen(&names, ticket.topic.as_deref());
        let other = of_topic.or_else(|| chosen(&names, default)).or_else(|| names.first().cloned());
        other.filter(|other| other != refused)
    }

    /// The name of the category to file under. Where nobody says which there are, names are taken as they are.
    async fn category(&self, account: &Access, topic: Option<&str>) -> Result<String, ApiError> {
        let default = self.settings.category.clone();
        if let (None, Some(default)) = (topic, &default) {
            return Ok(default.clone());
        }
        let names = match (self.known(), topic) {
            (Some(names), _) => names,
            (None, None) => self.categories(account).await?,
            (None, Some(topic)) => match self.categories(account).await {
                Ok(names) => names,
                Err(error @ ApiError::Unauthorized(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(api = %self.common.name, topic, %error, "The categories cannot be read; the topic is sent as it is.");
                    return Ok(topic.to_owned());
                }
            },
        };
        if let Some(name) = chosen(&names, topic) {
            return Ok(name);
        }
        let other = default.or_else(|| names.first().cloned());
        if let Some(topic) = topic {
            tracing::warn!(api = %self.common.name, topic, category = ?other, "There is no such category; the ticket goes to another.");
        }
        other.or_else(|| topic.map(str::to_owned)).ok_or_else(|| {
            undecodable("the ticket system lists no category, and no default is configured: set `category`")
        })
    }

    fn known(&self) -> Option<Vec<String>> {
        let known = self.known_categories.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, names) = known.as_ref()?;
        (self.clock.now().since(*read) < KNOWN_FOR).then(|| names.clone())
    }
}

/// The listed name, however it was written.
fn chosen(names: &[String], wanted: Option<&str>) -> Option<String> {
    let wanted = wanted?.trim().to_lowercase();
    names.iter().find(|name| name.trim().to_lowercase() == wanted).cloned()
}

fn value<'a>(setting: &'a EmailField, without: &AtomicBool) -> Option<&'a str> {
    match setting {
        _ if without.load(Ordering::Relaxed) => None,
        EmailField::Empty => Some(""),
        EmailField::Omit => None,
        EmailField::Value(value) => Some(value),
    }
}
