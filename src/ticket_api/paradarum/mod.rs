//! The adapter for Paradarum's ticket API (<https://docs.paradarum.com/api/reference>).

mod catalog;
mod wire;
#[cfg(test)]
mod wire_tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::header::HeaderName;
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder};
use rustls::ClientConfig;

use super::answers::{Answer, Call, error_of, not_understood, undecodable};
use super::calls::Calls;
use super::common::{Common, SetUpError};
use super::{
    Access, ApiError, Attachments, Author, Capabilities, Catalog, Close, Created, Files, Found, Look,
    NewReply, NewTicket, PageMark, Reopen, Scope, Ticket, TicketApi, TicketPage, Upload, look, request,
    upload,
};
use crate::config::Paradarum as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::{Clock, Timestamp};
use crate::text::subject::single_line;
use wire::{Envelope, Marks, NewTicketBody, ReplyBody};

const CREATE: &str = "/api/Ticket";
const REPLY: &str = "/api/Ticket/{id}/message";
const UPLOAD: &str = "/api/Ticket/{id}/attachment";
const DOWNLOAD: &str = "/api/Ticket/{id}/attachment/{file}";
const CLOSE: &str = "/api/Ticket/{id}/close";

/// In UTF-16 units: the server is .NET.
const MAX_SUBJECT: usize = 200;
/// Bytes read of an answer; a detail holds a whole conversation.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// One Paradarum API with all accounts that are spoken for there.
pub struct Paradarum {
    common: Common,
    settings: Settings,
    capabilities: Capabilities,
    calls: Calls,
    auth_header: HeaderName,
    /// What the list was last seen to show of changes.
    listed: Mutex<Option<Marks>>,
    told_of_missing_flag: AtomicBool,
}

/// What a path names: a 404 has another meaning for each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Account,
    Ticket,
}

impl Paradarum {
    pub fn new(
        common: Common,
        settings: Settings,
        tls: &Arc<ClientConfig>,
        clock: Clock,
    ) -> Result<Self, SetUpError> {
        let auth_header = settings.auth_header.parse();
        let auth_header = auth_header.map_err(|_| SetUpError::AuthHeader(settings.auth_header.clone()))?;
        let calls = Calls::new(&common, tls, clock)?;
        let capabilities = Capabilities {
            max_attachment_bytes: settings.max_attachment_bytes.0,
            max_subject: MAX_SUBJECT,
            attachments: Attachments::After,
            drops_files: false,
            binds_staged: false,
            download: true,
            close: Close::Call,
            reopen: Reopen::ReplyWhileResolved,
            list: true,
            active_list: false,
            desk_mails_customers: common.desk_mails_customers,
        };
        let told_of_missing_flag = AtomicBool::new(false);
        Ok(Self {
            common,
            settings,
            capabilities,
            calls,
            auth_header,
            listed: Mutex::new(None),
            told_of_missing_flag,
        })
    }
}

#[async_trait]
impl TicketApi for Paradarum {
    fn name(&self) -> &ApiName {
        &self.common.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, account: &Access, ticket: &NewTicket, _: Files) -> Result<Created, ApiError> {
        let body = NewTicketBody {
            subject: &single_line(&ticket.subject, MAX_SUBJECT),
            description: &ticket.text,
            topic: ticket.topic_or_department().and_then(|topic| self.topic(topic)),
            property_id: ticket.property.as_deref().map(property_id).transpose()?,
        };
        let request = self.on_account(Method::POST, CREATE, account)?.json(&body);
        let (made, _) = self.ask(Call::Write, About::Account, request).await?;
        let made =
            made.made().ok_or_else(|| not_understood("the answer does not say the id of the new ticket"))?;
        Ok(Created { ticket: TicketId::new(made), message: None })
    }

    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        _: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let request =
            self.on_ticket(Method::POST, REPLY, account, ticket)?.json(&ReplyBody { message: &reply.text });
        match self.ask(Call::Write, About::Ticket, request).await {
            Ok((made, _)) => {
                let id = made.at(&self.settings.reply_id_ptr).or_else(|| made.made());
                Ok(id.map(TicketMessageId::new))
            }
            Err(error) => Err(self.locked_or(error, account, ticket).await),
        }
    }

    async fn upload(
        &self,
        account: &Access,
        ticket: &TicketId,
        message: Option<&TicketMessageId>,
        file: Upload,
    ) -> Result<Option<AttachmentId>, ApiError> {
        let most = self.settings.max_attachment_bytes.0;
        let refused = || ApiError::Refused(upload::too_large(most));
        if file.size > most {
            return Err(refused());
        }
        let form = match message {
            Some(message) => Form::new().text("messageId", message.to_string()),
            None => Form::new(),
        };
        let form = form.part("file", upload::part(file, self.common.call_timeout).await?);
        let request = self.on_ticket(Method::POST, UPLOAD, account, ticket)?.multipart(form);
        let request = request.timeout(self.common.transfer_timeout);
        let answer = self.calls.answer(Call::Write, request, MAX_ANSWER).await?;
        if answer.status == reqwest::StatusCode::PAYLOAD_TOO_LARGE {
            return Err(refused());
        }
        match opened(Call::Write, About::Ticket, &answer) {
            Ok(made) => Ok(made.made().map(AttachmentId::new)),
            Err(error) => Err(self.locked_or(error, account, ticket).await),
        }
    }

    async fn close(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let request = self.on_ticket(Method::POST, CLOSE, account, ticket)?;
        let Err(error) = self.ask(Call::Write, About::Ticket, request).await else { return Ok(()) };
        match self.locked_or(error, account, ticket).await {
            ApiError::Locked(_) => Ok(()),
            error => Err(error),
        }
    }

    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let request = self.on_ticket(Method::GET, &self.settings.detail_path, account, ticket)?;
        let (detail, server_date) = self.ask(Call::Read, About::Ticket, request).await?;
        let listed = *self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let read = wire::ticket(detail.data(), &self.settings, listed, server_date).map_err(undecodable)?;
        self.tell_of_missing_flag(&read);
        Ok(read)
    }

    async fn tickets(
        &self,
        account: &Access,
        _: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        let page = page_number(from);
        if page > self.common.max_pages {
            return Err(undecodable(&format!("the list has more than {} pages", self.common.max_pages)));
        }
        let request = self.on_account(Method::GET, &self.settings.list_path, account)?;
        let (list, server_date) = self.ask(Call::Read, About::Account, self.paged(request, page)).await?;
        let rows = list.rows().ok_or_else(|| undecodable("the answer holds no list of tickets"))?;
        if let Some(row) = rows.first() {
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Marks::shown_by(row, &self.settings));
        }
        let tickets: Option<Vec<_>> = rows.iter().map(|row| wire::line(row, &self.settings)).collect();
        let tickets = tickets.ok_or_else(|| undecodable("a ticket of the list has no id"))?;
        let next = (!is_last(&list, page, tickets.len())).then(|| PageMark((page + 1).to_string()));
        Ok(TicketPage { tickets, next, server_date })
    }

    async fn download(
        &self,
        account: &Access,
        ticket: &TicketId,
        attachment: &AttachmentId,
    ) -> Result<ByteStream, ApiError> {
        let path = DOWNLOAD.replace("{file}", request::plain_id(attachment.as_str())?);
        let request = self.on_ticket(Method::GET, &path, account, ticket)?;
        let request = request.timeout(self.common.transfer_timeout);
        let most = self.common.max_download_bytes;
        match self.calls.stream(request, most).await? {
            Ok((Some(length), _)) if length > most => Err(ApiError::Refused(upload::too_large(most))),
            Ok((_, content)) => Ok(content),
            Err(answer) => Err(refusal_of(Call::Read, About::Ticket, &answer)),
        }
    }

    async fn catalog(&self, account: &Access) -> Result<Catalog, ApiError> {
        let mut topics: Vec<_> = self.settings.topics.iter().collect();
        topics.sort_by_key(|(_, number)| **number);
        let topics = topics.into_iter().map(|(name, _)| name.clone()).collect();
        Ok(Catalog { topics, properties: self.properties(account).await? })
    }

    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        let subject = |subject: &str| single_line(subject, MAX_SUBJECT);
        look::for_marker(self, account, look, subject, self.common.max_pages).await
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        self.calls.server_time(local)
    }
}

// === calls ===

impl Paradarum {
    fn tell_of_missing_flag(&self, ticket: &Ticket) {
        let unsaid = |message: &super::TicketMessage| message.by == Author::Unsaid;
        if !ticket.messages.is_empty()
            && ticket.messages.iter().all(unsaid)
            && !self.told_of_missing_flag.swap(true, Ordering::Relaxed)
        {
            let (api, flags) = (self.name(), &self.settings.staff_flag);
            tracing::error!(%api, ticket = %ticket.ticket, ?flags, "No message says whether staff wrote it; check staff_flag.");
        }
    }

    /// A refusal may mean that the ticket is locked: its status tells, not the words.
    async fn locked_or(&self, error: ApiError, account: &Access, ticket: &TicketId) -> ApiError {
        let ApiError::Refused(words) = error else { return error };
        match self.ticket(account, ticket).await {
            Ok(ticket) if ticket.status == TicketStatus::Closed => ApiError::Locked(words),
            Ok(_) => ApiError::Refused(words),
            // The refusal is certain; why, is to be seen when the call is made again.
            Err(error) => error,
        }
    }

    async fn ask(
        &self,
        call: Call,
        about: About,
        request: RequestBuilder,
    ) -> Result<(Envelope, Option<Timestamp>), ApiError> {
        let answer = self.calls.answer(call, request, MAX_ANSWER).await?;
        Ok((opened(call, about, &answer)?, answer.date))
    }

    fn on_ticket(
        &self,
        method: Method,
        path: &str,
        account: &Access,
        ticket: &TicketId,
    ) -> Result<RequestBuilder, ApiError> {
        self.on_account(method, &path.replace("{id}", request::plain_id(ticket.as_str())?), account)
    }

    fn on_account(&self, method: Method, path: &str, account: &Access) -> Result<RequestBuilder, ApiError> {
        Ok(self.request(method, path, account)?.query(&[("accountId", &account.remote)]))
    }

    fn request(&self, method: Method, path: &str, account: &Access) -> Result<RequestBuilder, ApiError> {
        let key = request::key(&self.common, account)?;
        let value = request::secret_value(&format!("{}{}", self.settings.auth_prefix, key.expose()))?;
        let url = request::address(&self.common, path);
        Ok(self.calls.client().request(method, url).header(self.auth_header.clone(), value))
    }

    fn paged(&self, request: RequestBuilder, page: u32) -> RequestBuilder {
        let (number, size) = &self.settings.page_params;
        request.query(&[(number, page), (size, self.settings.page_size)])
    }

    fn topic(&self, name: &str) -> Option<i64> {
        let known = self.settings.topics.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let number = known.map(|(_, number)| *number).or_else(|| name.parse().ok());
        if number.is_none() {
            tracing::warn!(api = %self.name(), topic = name, "This topic is unknown; the ticket gets none.");
        }
        number
    }
}

/// The first page has the number 1.
fn page_number(from: Option<&PageMark>) -> u32 {
    from.and_then(|mark| mark.0.parse().ok()).unwrap_or(1)
}

/// The envelope of a success; else what the answer means.
fn opened(call: Call, about: About, answer: &Answer) -> Result<Envelope, ApiError> {
    let envelope = Envelope::read(answer.json());
    let success = envelope.filter(|envelope| answer.status.is_success() && envelope.is_success());
    success.ok_or_else(|| refusal_of(call, about, answer))
}

fn refusal_of(call: Call, about: About, answer: &Answer) -> ApiError {
    let words = Envelope::read(answer.json()).and_then(|envelope| envelope.refusal());
    let in_own_form = words.is_some();
    match error_of(call, answer, words) {
        ApiError::NotFound(reason) if about == About::Account && in_own_form => {
            ApiError::Unauthorized(format!("{reason} (the account's id is not one of this key)"))
        }
        ApiError::NotFound(reason) if about == About::Account => ApiError::Retry {
            after: answer.retry_after,
            reason: format!("{reason}; check base_url and paths"),
        },
        error => error,
    }
}

/// By the number of pages where the server says it. A page that is merely short proves nothing: a server may
/// give fewer rows than it was asked for.
fn is_last(list: &Envelope, page: u32, rows: usize) -> bool {
    rows == 0 || list.total_pages().is_some_and(|pages| i64::from(page) >= pages)
}

fn property_id(property: &str) -> Result<i64, ApiError> {
    property.parse().map_err(|_| ApiError::Refused(format!("there is no property {property}")))
}
