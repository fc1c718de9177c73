//! The adapters for WHMCS: its native API, and a Bearer façade in front of one.
//!
//! What both share is here: how a message is worded in fields, and who it is from.

mod departments;
mod entities;
mod file_answer;
mod inline;
mod keliweb;
mod native;
mod tokens;
mod wire;
#[cfg(test)]
mod wire_tests;

use std::path::Path;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder};
use serde_json::Value;
use url::form_urlencoded::Serializer;

pub use keliweb::Keliweb;
pub use native::Native;

use super::answers::{not_understood, undecodable};
use super::calls::Calls;
use super::common::Common;
use super::request::no_such_id;
use super::{
    Access, ApiError, Attachments, Capabilities, Close, Files, Guest, NewReply, NewTicket, PageMark, Reopen,
    Ticket, TicketId, TicketPage, Timestamp, Upload, upload,
};
use crate::config::Whmcs as Settings;
use crate::config::whmcs::{CloseMode, PRIORITIES};
use crate::text::subject::single_line;
use inline::Inline;

/// Bytes read of an answer; a detail holds a whole conversation.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// What the two profiles share.
struct Desk {
    common: Common,
    settings: Settings,
    capabilities: Capabilities,
    calls: Calls,
}

/// The fields of a call, in their order.
type Fields = Vec<(&'static str, String)>;

/// On whose behalf a call is made; never by what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Client {
    Number(u64),
    /// People who are no clients, each with name and address.
    Guests,
    /// The credentials say it.
    Unsaid,
}

/// How far a list of several statuses was read.
#[derive(Clone, Copy, Default)]
struct Reached {
    status: usize,
    start: usize,
}

impl Desk {
    fn new(common: Common, settings: Settings, calls: Calls, is_native: bool) -> Self {
        let capabilities = Capabilities {
            max_attachment_bytes: settings.max_attachment_bytes.0,
            max_subject: settings.subject_max,
            attachments: Attachments::Inside,
            drops_files: true,
            binds_staged: false,
            download: is_native,
            close: match settings.close_mode {
                CloseMode::UpdateTicket => Close::Call,
                CloseMode::Reply => Close::Asking(settings.close_text.clone()),
                CloseMode::Off => Close::No,
            },
            reopen: Reopen::Call,
            list: is_native,
            active_list: is_native,
            desk_mails_customers: common.desk_mails_customers,
        };
        Self { common, settings, capabilities, calls }
    }

    fn opening(&self, ticket: &NewTicket, client: &Client, department: i64) -> Result<Fields, ApiError> {
        let mut fields = vec![
            ("deptid", department.to_string()),
            ("subject", self.subject(&ticket.subject)),
            ("message", ticket.text.clone()),
        ];
        sign(&mut fields, client, ticket.guest.as_ref())?;
        let priority = self.priority(ticket.priority.as_deref());
        fields.extend(priority.map(|priority| ("priority", priority.to_owned())));
        fields.extend(ticket.property.as_deref().map(about).transpose()?);
        self.mark(&mut fields);
        Ok(fields)
    }

    /// In WHMCS's own spelling; the default one for a word that it would refuse.
    fn priority<'a>(&'a self, word: Option<&str>) -> Option<&'a str> {
        let unset = self.settings.default_priority.as_deref();
        let Some(word) = word else { return unset };
        let known = PRIORITIES.into_iter().find(|known| known.eq_ignore_ascii_case(word));
        if known.is_none() {
            let api = &self.common.name;
            tracing::warn!(%api, priority = word, instead = unset, "This priority is unknown; the ticket gets another.");
        }
        known.or(unset)
    }

    fn reply(&self, ticket: &TicketId, reply: &NewReply, client: &Client) -> Result<Fields, ApiError> {
        let mut fields = vec![("ticketid", ticket_number(ticket)?), ("message", reply.text.clone())];
        sign(&mut fields, client, reply.guest.as_ref())?;
        self.mark(&mut fields);
        Ok(fields)
    }

    /// The fields of a list from here on.
    fn listing(&self, client: &Client, start: usize) -> Fields {
        let mut fields =
            vec![("limitstart", start.to_string()), ("limitnum", self.settings.page_size.to_string())];
        if let Client::Number(number) = client {
            fields.push(("clientid", number.to_string()));
        }
        fields
    }

    /// The next page that has something of this client's: one without does not end the list. `fetch` asks for
    /// one page.
    async fn next_page<F>(
        &self,
        client: &Client,
        statuses: usize,
        from: Option<&PageMark>,
        fetch: impl Fn(Reached) -> F,
    ) -> Result<TicketPage, ApiError>
    where
        F: Future<Output = Result<(Value, Option<Timestamp>), ApiError>>,
    {
        let mut reached = Reached::read(from);
        for _ in 0..self.common.max_pages {
            let (body, server_date) = fetch(reached).await?;
            let page = wire::page(&body, &self.settings, |row| client.owns(row)).map_err(undecodable)?;
            let next = reached.after(&page, statuses);
            match next {
                Some(next) if page.tickets.is_empty() => reached = next,
                _ => {
                    let next = next.map(Reached::mark);
                    return Ok(TicketPage { tickets: page.tickets, next, server_date });
                }
            }
        }
        Err(undecodable(&format!("the list has more than {} pages", self.common.max_pages)))
    }

    fn mark(&self, fields: &mut Fields) {
        if self.settings.markdown {
            fields.push(("markdown", "true".to_owned()));
        }
    }

    /// One line, cut at the limit.
    fn subject(&self, subject: &str) -> String {
        single_line(subject, self.settings.subject_max)
    }

    /// The files that this desk takes, ready to be sent. One of a kind that it would drop is left out here.
    async fn inline(&self, files: Files) -> Result<Option<Inline>, ApiError> {
        let Files::Inside(mut files) = files else { return Ok(None) };
        if files.iter().any(|file| file.size > self.settings.max_attachment_bytes.0) {
            return Err(self.too_large());
        }
        files.retain(|file| self.takes(file));
        if files.is_empty() {
            return Ok(None);
        }
        Inline::of(files, &self.settings.attachment_name_key, self.common.call_timeout).await.map(Some)
    }

    fn takes(&self, file: &Upload) -> bool {
        let allowed = &self.settings.allowed_extensions;
        let extension = Path::new(&file.name).extension().map(|e| e.to_string_lossy().to_lowercase());
        allowed.is_empty() || extension.is_some_and(|extension| allowed.contains(&extension))
    }

    fn too_large(&self) -> ApiError {
        ApiError::Refused(upload::too_large(self.settings.max_attachment_bytes.0))
    }

    /// The request with its fields in a form; files are made while they are sent.
    fn form(&self, request: RequestBuilder, fields: &Fields, files: Option<Inline>) -> RequestBuilder {
        let Some(files) = files else { return request.form(fields) };
        let mut head = Serializer::new(String::new()).extend_pairs(fields).finish();
        head.push_str("&attachments=");
        let length = files.length.saturating_add(head.len() as u64);
        let head = futures::stream::once(async move { Ok(head.into()) });
        request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(CONTENT_LENGTH, length)
            .timeout(self.common.transfer_timeout)
            .body(Body::wrap_stream(futures::StreamExt::chain(head, files.content)))
    }

    fn read_ticket(&self, body: &Value, date: Option<Timestamp>) -> Result<Ticket, ApiError> {
        wire::ticket(body, &self.settings, date).map_err(undecodable)
    }
}

impl Client {
    fn of(account: &Access) -> Option<Self> {
        match account.remote.trim() {
            "0" | "guest" => Some(Self::Guests),
            number => number.parse().ok().map(Self::Number),
        }
    }

    /// Whether a ticket is one of theirs; a row that does not say whose it is came by a filter.
    fn owns(&self, row: &Value) -> bool {
        match self {
            Self::Number(number) => {
                row.get("userid").is_none() || wire::owner(row) == Some(number.to_string())
            }
            Self::Guests => wire::owner(row).is_none(),
            Self::Unsaid => true,
        }
    }
}

impl Reached {
    fn read(mark: Option<&PageMark>) -> Self {
        let parts = mark.and_then(|mark| mark.0.split_once(':'));
        let parsed = parts.and_then(|(status, start)| Some((status.parse().ok()?, start.parse().ok()?)));
        parsed.map_or_else(Self::default, |(status, start)| Self { status, start })
    }

    fn mark(self) -> PageMark {
        PageMark(format!("{}:{}", self.status, self.start))
    }

    /// Where the list goes on after this page.
    fn after(self, page: &wire::Page, statuses: usize) -> Option<Self> {
        let start = self.start.saturating_add(page.rows);
        let total = page.total.map(|total| usize::try_from(total).unwrap_or(0));
        if page.rows > 0 && total.is_none_or(|total| start < total) {
            return Some(Self { start, ..self });
        }
        let status = self.status.saturating_add(1);
        (status < statuses).then_some(Self { status, start: 0 })
    }
}

/// Says who writes. Never as staff: neither `admin` nor `adminusername` is ever sent.
fn sign(fields: &mut Fields, client: &Client, guest: Option<&Guest>) -> Result<(), ApiError> {
    match (client, guest) {
        (Client::Number(number), _) => fields.push(("clientid", number.to_string())),
        (Client::Unsaid, _) => {}
        (Client::Guests, Some(guest)) => {
            let address = guest.address.to_string();
            let name = Some(guest.name.trim()).filter(|name| !name.is_empty());
            fields.push(("name", name.unwrap_or(&address).to_owned()));
            fields.push(("email", address));
        }
        (Client::Guests, None) => {
            let words = "this desk knows guests by their address; please write by e-mail";
            return Err(ApiError::Refused(words.to_owned()));
        }
    }
    Ok(())
}

/// A service by its number, or a domain as `domain:NUMBER`.
fn about(property: &str) -> Result<(&'static str, String), ApiError> {
    let (key, number) = match property.split_once(':') {
        Some(("domain", number)) => ("domainid", number),
        Some(("service", number)) => ("serviceid", number),
        _ => ("serviceid", property),
    };
    let number = number.trim().parse::<u64>();
    let number = number.map_err(|_| ApiError::Refused(format!("there is no service {property}")))?;
    Ok((key, number.to_string()))
}

fn ticket_number(ticket: &TicketId) -> Result<String, ApiError> {
    let number = ticket.as_str().parse::<u64>();
    number.map(|number| number.to_string()).map_err(|_| no_such_id(ticket.as_str()))
}

fn opened_without_id() -> ApiError {
    not_understood("the answer does not say the id of the new ticket")
}
