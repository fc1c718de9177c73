//! The adapter for i3D.net's ticket API, version 3 (<https://docs.i3d.net/api-references/general/tickets-1>).

mod contact;
mod content;
mod create;
mod download;
mod pages;
mod refusals;
mod wire;
#[cfg(test)]
mod wire_tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::ClientConfig;
use serde_json::Value;

use super::answers::{Call, not_understood, undecodable};
use super::calls::Calls;
use super::common::{Common, SetUpError};
use super::{
    Access, ApiError, Attachments, Capabilities, Catalog, Close, Created, Files, Found, Look, LookIn,
    NewReply, NewTicket, PageMark, Reopen, Scope, Ticket, TicketApi, TicketPage, Upload, look, request,
    upload,
};
use crate::config::I3d as Settings;
use crate::config::i3d::{Contact, GUESTS};
use crate::model::conversation::TicketStatus;
use crate::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::{Clock, Timestamp};
use crate::text::subject::single_line;
use pages::Place;
use refusals::{About, harmless, opened, refusal_of};
use wire::ReplyBody;

const CATEGORIES: &str = "/v3/tickets/categories";
const CREATE: &str = "/v3/tickets";
const CONTACT: &str = "/v3/tickets/contact";
const LIST: &str = "/v3/tickets";
const DETAIL: &str = "/v3/tickets/{id}";
const REPLY: &str = "/v3/tickets/{id}/reply";
const STAGE: &str = "/v3/tickets/attachment";
const UNSTAGE: &str = "/v3/tickets/attachment/{file}";
const DOWNLOAD: &str = "/v3/tickets/{id}/attachment/{file}";
const CLOSE: &str = "/v3/tickets/{id}/close";
const OPEN: &str = "/v3/tickets/{id}/open";

/// The request header that asks for a part of a list.
const RANGE: &str = "RANGED-DATA";
/// Bytes read of an answer; a detail holds a whole conversation.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// One i3D.net API with all accounts that are spoken for there. No request names its account: the key does.
pub struct I3d {
    common: Common,
    settings: Settings,
    capabilities: Capabilities,
    calls: Calls,
    clock: Clock,
    known_categories: Mutex<create::Known>,
    /// The server refused `emailCc`.
    without_cc: AtomicBool,
    /// The server refused `emailTo`.
    without_to: AtomicBool,
    /// A list showed a ticket without an id: that none is found there means nothing.
    nameless: AtomicBool,
}

impl I3d {
    pub fn new(
        common: Common,
        settings: Settings,
        tls: &Arc<ClientConfig>,
        clock: Clock,
    ) -> Result<Self, SetUpError> {
        let calls = Calls::new(&common, tls, clock.clone())?;
        let capabilities = Capabilities {
            max_attachment_bytes: settings.max_attachment_bytes.0,
            max_subject: settings.max_subject,
            attachments: Attachments::Before { ticket_first: false },
            drops_files: false,
            binds_staged: false,
            download: true,
            close: Close::Call,
            reopen: Reopen::Call,
            list: true,
            active_list: true,
            desk_mails_customers: common.desk_mails_customers,
        };
        Ok(Self {
            common,
            settings,
            capabilities,
            calls,
            clock,
            known_categories: Mutex::default(),
            without_cc: AtomicBool::new(false),
            without_to: AtomicBool::new(false),
            nameless: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl TicketApi for I3d {
    fn name(&self) -> &ApiName {
        &self.common.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, account: &Access, ticket: &NewTicket, files: Files) -> Result<Created, ApiError> {
        let files = numbers(&files)?;
        let made = match self.contact(account) {
            Some(_) if !files.is_empty() => return Err(no_files_of_guests()),
            Some(form) => self.opening_of_guest(account, ticket, form).await?,
            None => self.opening(account, ticket, &files).await?,
        };
        let ticket = wire::made(&made)
            .ok_or_else(|| not_understood("the answer does not say the id of the new ticket"))?;
        Ok(Created { ticket, message: None })
    }

    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let title = self.settings.reply_title_template.replace("{title}", &reply.subject);
        let files = numbers(&files)?;
        let body = ReplyBody { title: &self.title(&title), content: &reply.text, attachment_ids: &files };
        let request = self.on_ticket(Method::POST, REPLY, account, ticket)?.json(&body);
        let mut answer = match self.ask(Call::Write, About::Ticket, request).await {
            Ok((answer, _)) if wire::is_ticket(&answer) => answer,
            Ok(_) => return Err(not_understood("the reply's answer is no ticket")),
            Err(error) => return Err(self.locked_or(error, account, ticket).await),
        };
        if !wire::shows_replies(&answer) {
            let request = self.on_ticket(Method::GET, DETAIL, account, ticket)?;
            // The reply is made, whatever this says.
            let Ok((read, _)) = self.ask(Call::Read, About::Ticket, request).await else { return Ok(None) };
            answer = read;
        }
        Ok(wire::new_reply(&answer, &reply.text, &self.settings))
    }

    async fn stage(
        &self,
        account: &Access,
        ticket: Option<&TicketId>,
        file: Upload,
    ) -> Result<AttachmentId, ApiError> {
        let most = self.settings.max_attachment_bytes.0;
        if file.size > most {
            return Err(ApiError::Refused(upload::too_large(most)));
        }
        if ticket.is_none() && self.contact(account).is_some() {
            return Err(no_files_of_guests());
        }
        let form = Form::new().part("attachment", upload::part(file, self.common.call_timeout).await?);
        let request = self.request(Method::POST, STAGE, account)?.multipart(form);
        let request = request.timeout(self.common.transfer_timeout);
        let answer = self.calls.answer(Call::Write, request, MAX_ANSWER).await.map_err(harmless)?;
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(ApiError::Refused(upload::too_large(most)));
        }
        let staged = opened(Call::Write, About::Account, &answer).map_err(harmless)?;
        let staged = wire::staged(&staged, &self.settings);
        staged.ok_or_else(|| undecodable("the answer does not say the file's id"))
    }

    async fn unstage(&self, account: &Access, staged: &AttachmentId) -> Result<(), ApiError> {
        let path = UNSTAGE.replace("{file}", number(staged.as_str())?);
        let request = self.request(Method::DELETE, &path, account)?;
        match self.act(About::Ticket, request).await.map_err(harmless) {
            Err(ApiError::NotFound(_)) => Ok(()),
            ending => ending,
        }
    }

    async fn close(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let request = self.on_ticket(Method::PUT, CLOSE, account, ticket)?;
        let Err(error) = self.act(About::Ticket, request).await else { return Ok(()) };
        match self.locked_or(error, account, ticket).await {
            ApiError::Locked(_) => Ok(()),
            error => Err(error),
        }
    }

    async fn reopen(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let request = self.on_ticket(Method::PUT, OPEN, account, ticket)?;
        let Err(error) = self.act(About::Ticket, request).await else { return Ok(()) };
        match self.status_after(&error, account, ticket).await? {
            Some(TicketStatus::Open) if matches!(error, ApiError::Refused(_)) => Ok(()),
            Some(TicketStatus::Closed) => Err(ApiError::Locked(error.to_string())),
            _ => Err(error),
        }
    }

    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let request = self.on_ticket(Method::GET, DETAIL, account, ticket)?;
        let (detail, server_date) = self.ask(Call::Read, About::Ticket, request).await?;
        wire::ticket(&detail, ticket, &self.settings, server_date).map_err(undecodable)
    }

    async fn tickets(
        &self,
        account: &Access,
        scope: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        let path = if scope == Scope::Active { &self.settings.poll_path } else { LIST };
        let from = Place::of(from);
        let request = self.request(Method::GET, path, account)?;
        let request = match &from {
            Place::Start(start) => {
                request.header(RANGE, format!("start={start},results={}", self.settings.page_size))
            }
            Place::Token(token) => request.header(&self.settings.page_token_header, token),
        };
        let answer = self.calls.answer(Call::Read, request, MAX_ANSWER).await?;
        let list = opened(Call::Read, About::Account, &answer)?;
        let rows = wire::rows(&list).ok_or_else(|| undecodable("the answer holds no list of tickets"))?;
        let tickets: Vec<_> = rows.iter().filter_map(|row| wire::line(row, &self.settings)).collect();
        if tickets.len() < rows.len() && !self.nameless.swap(true, Ordering::Relaxed) {
            tracing::error!(api = %self.name(), "A listed ticket has no id; nothing can be done with it.");
        }
        let token = answer.header(&self.settings.page_token_header);
        let next = from.next(rows.len(), self.settings.page_size, token);
        Ok(TicketPage { tickets, next, server_date: answer.date })
    }

    async fn download(
        &self,
        account: &Access,
        ticket: &TicketId,
        attachment: &AttachmentId,
    ) -> Result<ByteStream, ApiError> {
        let path = DOWNLOAD.replace("{file}", number(attachment.as_str())?);
        let request = self.on_ticket(Method::GET, &path, account, ticket)?;
        let request = request.timeout(self.common.transfer_timeout);
        let most = self.common.max_download_bytes;
        let on_the_wire = download::on_the_wire(most);
        let (head, content) = match self.calls.stream_with_head(request, on_the_wire).await? {
            Ok(streamed) => streamed,
            Err(answer) => return Err(refusal_of(Call::Read, About::Ticket, &answer)),
        };
        let length = head.header(CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > on_the_wire) {
            return Err(ApiError::Refused(upload::too_large(most)));
        }
        let content_type = head.header(CONTENT_TYPE.as_str());
        let content = download::opened(self.settings.attachment_download, content_type, content).await?;
        Ok(download::at_most(most, content))
    }

    async fn catalog(&self, account: &Access) -> Result<Catalog, ApiError> {
        Ok(Catalog { topics: self.categories(account).await?, properties: Vec::new() })
    }

    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        let in_list = matches!(look.place, LookIn::NewTickets { .. });
        let as_filed = |subject: &str| self.title(subject);
        let found = look::for_marker(self, account, look, as_filed, self.common.max_pages).await?;
        let cannot_know = in_list && found == Found::Absent && self.nameless.load(Ordering::Relaxed);
        Ok(if cannot_know { Found::CannotKnow } else { found })
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        self.calls.server_time(local)
    }
}

// === calls ===

impl I3d {
    /// What a refusal means for a ticket: its status tells, not the words.
    async fn locked_or(&self, error: ApiError, account: &Access, ticket: &TicketId) -> ApiError {
        match self.status_after(&error, account, ticket).await {
            Ok(Some(TicketStatus::Closed)) => ApiError::Locked(error.to_string()),
            Ok(_) => error,
            Err(error) => error,
        }
    }

    /// The status of a ticket that a call was refused for; nothing where the call had another ending. A 403
    /// may be about the key or about this ticket.
    async fn status_after(
        &self,
        error: &ApiError,
        account: &Access,
        ticket: &TicketId,
    ) -> Result<Option<TicketStatus>, ApiError> {
        if !matches!(error, ApiError::Refused(_) | ApiError::Unauthorized(_)) {
            return Ok(None);
        }
        // The refusal is certain; where this cannot be read, why is to be seen when the call is made again.
        self.ticket(account, ticket).await.map(|ticket| Some(ticket.status))
    }

    async fn ask(
        &self,
        call: Call,
        about: About,
        request: RequestBuilder,
    ) -> Result<(Value, Option<Timestamp>), ApiError> {
        let answer = self.calls.answer(call, request, MAX_ANSWER).await?;
        Ok((opened(call, about, &answer)?, answer.date))
    }

    /// A call that is answered with nothing.
    async fn act(&self, about: About, request: RequestBuilder) -> Result<(), ApiError> {
        let answer = self.calls.answer(Call::Write, request, MAX_ANSWER).await?;
        if answer.status.is_success() && answer.is_empty() {
            return Ok(());
        }
        opened(Call::Write, about, &answer).map(drop)
    }

    fn on_ticket(
        &self,
        method: Method,
        path: &str,
        account: &Access,
        ticket: &TicketId,
    ) -> Result<RequestBuilder, ApiError> {
        self.request(method, &path.replace("{id}", number(ticket.as_str())?), account)
    }

    fn request(&self, method: Method, path: &str, account: &Access) -> Result<RequestBuilder, ApiError> {
        let value = request::secret_value(request::key(&self.common, account)?.expose())?;
        let url = request::address(&self.common, path);
        Ok(self.calls.client().request(method, url).header(&self.settings.token_header, value))
    }

    /// The form for this account's tickets, if it stands for guests.
    fn contact(&self, account: &Access) -> Option<&Contact> {
        self.settings.contact.as_ref().filter(|_| account.remote == GUESTS)
    }

    /// A title as the API keeps it.
    fn title(&self, subject: &str) -> String {
        single_line(subject, self.settings.max_subject)
    }
}

fn no_files_of_guests() -> ApiError {
    ApiError::Refused("the ticket system's contact form takes no files".to_owned())
}

/// An id as it may stand in a path: all of this API are whole numbers.
fn number(id: &str) -> Result<&str, ApiError> {
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Ok(id) } else { Err(request::no_such_id(id)) }
}

/// Staged files as a create or reply names them.
fn numbers(files: &Files) -> Result<Vec<i64>, ApiError> {
    let Files::Staged(staged) = files else { return Ok(Vec::new()) };
    let as_number = |id: &AttachmentId| number(id.as_str()).ok()?.parse().ok();
    let numbers: Option<Vec<i64>> = staged.iter().map(|file| as_number(&file.id)).collect();
    numbers.ok_or_else(|| ApiError::Refused("a file's id is none of this ticket system".to_owned()))
}
