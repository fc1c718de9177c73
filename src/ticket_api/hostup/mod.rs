//! The adapter for HostUp's ticket API, version 2 (<https://developer.hostup.se/endpoints/support/>).

mod create;
mod files;
mod memory;
mod problem;
#[cfg(test)]
mod problem_tests;
mod wire;
#[cfg(test)]
mod wire_tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, RequestBuilder};
use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use super::answers::{Answer, not_understood, undecodable};
use super::calls::Calls;
use super::common::{Common, SetUpError};
use super::request::{self, plain_id};
use super::{
    Access, ApiError, Attachments, Capabilities, Catalog, Close, Created, Files, Found, Look, NewReply,
    NewTicket, PageMark, Reopen, Scope, Ticket, TicketApi, TicketPage, Upload, look,
};
use crate::config::Hostup as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::{Clock, Secret, Timestamp};
use crate::text::subject::single_line;
use create::of_account;
use memory::Memory;
use problem::{Failure, Kind, Right};
use wire::Department;

const TICKETS: &str = "/support/tickets";
const TICKET: &str = "/support/tickets/{id}";
const MESSAGES: &str = "/support/tickets/{id}/messages";
const REOPEN: &str = "/support/tickets/{id}/actions/reopen";

/// Bytes read of an answer; a detail holds a whole conversation.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// How long an account that took no files is not asked again.
const NO_FILES_FOR: Duration = Duration::from_secs(600);

/// One HostUp API. A key is an account there: no request names one.
pub struct Hostup {
    common: Common,
    settings: Settings,
    capabilities: Capabilities,
    calls: Calls,
    clock: Clock,
    departments: Memory<Arc<[Department]>>,
    takes_no_files: Memory<()>,
}

impl Hostup {
    pub fn new(
        common: Common,
        settings: Settings,
        tls: &Arc<ClientConfig>,
        clock: Clock,
    ) -> Result<Self, SetUpError> {
        let calls = Calls::new(&common, tls, clock.clone())?;
        let capabilities = Capabilities {
            max_attachment_bytes: settings.max_attachment_bytes.0,
            max_subject: usize::try_from(settings.subject_max).unwrap_or(usize::MAX),
            attachments: Attachments::Before { ticket_first: true },
            drops_files: true,
            binds_staged: settings.pin_upload && settings.reply_attachment_field.is_none(),
            download: true,
            close: Close::Call,
            reopen: if settings.reopen_before_reply { Reopen::Call } else { Reopen::ReplyWhileResolved },
            list: true,
            active_list: true,
            desk_mails_customers: common.desk_mails_customers,
        };
        let departments = Memory::new(settings.departments_for);
        let takes_no_files = Memory::new(NO_FILES_FOR);
        Ok(Self { common, settings, capabilities, calls, clock, departments, takes_no_files })
    }
}

#[async_trait]
impl TicketApi for Hostup {
    fn name(&self) -> &ApiName {
        &self.common.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, account: &Access, ticket: &NewTicket, _: Files) -> Result<Created, ApiError> {
        self.open(account, ticket).await
    }

    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let files = if let Files::Staged(files) = files { files } else { Vec::new() };
        let field = self.settings.reply_attachment_field.as_deref();
        let body = wire::reply_body(&reply.text, self.settings.send_encrypted, field, &files);
        let request = self.request(Method::POST, &path(MESSAGES, ticket)?, account)?.json(&body);
        match self.ask(Right::WriteSupport, request).await {
            Ok((answer, _)) => {
                let made = wire::made(&answer)
                    .ok_or_else(|| not_understood("the answer does not say the id of the new message"))?;
                Ok(Some(TicketMessageId::new(made)))
            }
            Err(failure) => match self.of_ticket(failure, account, ticket).await {
                ApiError::Refused(words) => Err(match self.status(account, ticket).await {
                    Ok(TicketStatus::Closed) => ApiError::Locked(words),
                    Ok(_) => ApiError::Refused(words),
                    // The refusal is certain; why, is to be seen when the call is made again.
                    Err(error) => error,
                }),
                error => Err(error),
            },
        }
    }

    async fn stage(
        &self,
        account: &Access,
        ticket: Option<&TicketId>,
        file: Upload,
    ) -> Result<AttachmentId, ApiError> {
        self.stage_file(account, ticket, file).await
    }

    async fn close(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let is_closed = |status| matches!(status, TicketStatus::Closed | TicketStatus::Resolved);
        self.turn(account, ticket, &self.settings.close_path, is_closed).await
    }

    async fn reopen(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        let is_open = |status| !matches!(status, TicketStatus::Closed | TicketStatus::Resolved);
        match self.turn(account, ticket, REOPEN, is_open).await {
            Err(ApiError::Refused(words)) => Err(ApiError::Locked(words)),
            ended => ended,
        }
    }

    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let (detail, server_date) = self.detail(account, ticket).await?;
        wire::ticket(&detail, &self.settings, server_date).map_err(undecodable)
    }

    async fn tickets(
        &self,
        account: &Access,
        scope: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        let mut query = vec![("limit", self.settings.list_page.to_string())];
        if scope == Scope::Active {
            query.push(("status", "answered".to_owned()));
        }
        if let Some(mark) = from {
            query.push(("cursor", mark.0.clone()));
        }
        self.page(account, &query).await
    }

    async fn download(
        &self,
        account: &Access,
        ticket: &TicketId,
        attachment: &AttachmentId,
    ) -> Result<ByteStream, ApiError> {
        self.fetch_file(account, ticket, attachment).await
    }

    async fn catalog(&self, account: &Access) -> Result<Catalog, ApiError> {
        let departments = self.departments(account).await?;
        let topics = departments.iter().map(|department| department.slug.clone()).collect();
        Ok(Catalog { topics, properties: Vec::new() })
    }

    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        let subject = |subject: &str| self.subject_line(subject);
        look::for_marker(self, account, look, subject, self.common.max_pages).await
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        self.calls.server_time(local)
    }
}

// === calls ===

impl Hostup {
    /// Closes or opens. What the answer leaves unknown, and what was refused as done already, the ticket tells.
    async fn turn(
        &self,
        account: &Access,
        ticket: &TicketId,
        template: &str,
        is_done: impl Fn(TicketStatus) -> bool,
    ) -> Result<(), ApiError> {
        let request = self.request(Method::POST, &path(template, ticket)?, account)?;
        let ending = match self.ask(Right::WriteSupport, request).await {
            Ok((answer, date)) => match wire::ticket(&answer, &self.settings, date) {
                Ok(ticket) if is_done(ticket.status) => return Ok(()),
                _ => ApiError::Unknown {
                    may_still_run: true,
                    after: None,
                    reason: "the server says that it is done, but the ticket's status does not".to_owned(),
                },
            },
            Err(failure) => self.of_ticket(failure, account, ticket).await,
        };
        if !matches!(ending, ApiError::Refused(_) | ApiError::Unknown { .. }) {
            return Err(ending);
        }
        if is_done(self.status(account, ticket).await?) { Ok(()) } else { Err(ending) }
    }

    async fn status(&self, account: &Access, ticket: &TicketId) -> Result<TicketStatus, ApiError> {
        Ok(self.ticket(account, ticket).await?.status)
    }

    async fn detail(
        &self,
        account: &Access,
        ticket: &TicketId,
    ) -> Result<(Value, Option<Timestamp>), ApiError> {
        let request = self.request(Method::GET, &path(TICKET, ticket)?, account)?;
        match self.ask(Right::ReadSupport, request).await {
            Ok(read) => Ok(read),
            // A ticket of somebody else, if the key may read at all.
            Err(Failure { kind: Kind::Forbidden, error, .. }) => {
                self.try_key(account).await?;
                Err(ApiError::NotFound(error.to_string()))
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// What a write to a ticket ended with: it is forbidden where the ticket is somebody else's, too.
    async fn of_ticket(&self, failure: Failure, account: &Access, ticket: &TicketId) -> ApiError {
        if failure.kind != Kind::Forbidden {
            return failure.error;
        }
        match self.detail(account, ticket).await {
            Ok(_) => failure.error,
            Err(error) => error,
        }
    }

    /// Whether the key may read.
    async fn try_key(&self, account: &Access) -> Result<(), ApiError> {
        self.page(account, &[("limit", "1".to_owned())]).await.map(drop)
    }

    async fn page(&self, account: &Access, query: &[(&str, String)]) -> Result<TicketPage, ApiError> {
        let request = self.request(Method::GET, TICKETS, account)?.query(query);
        let asked = self.ask(Right::ReadSupport, request).await;
        let (answer, server_date) = asked.map_err(|failure| of_account(failure.error))?;
        wire::page(&answer, &self.settings, server_date).map_err(undecodable)
    }

    /// The JSON of a success.
    async fn ask(
        &self,
        right: Right,
        request: RequestBuilder,
    ) -> Result<(Value, Option<Timestamp>), Failure> {
        let request = request.header(ACCEPT, "application/json");
        let answer = self.calls.answer(right.call(), request, MAX_ANSWER).await?;
        let success = |answer: &Answer| answer.json().filter(|_| answer.status.is_success());
        match success(&answer).filter(|body| body.is_object() || body.is_array()) {
            Some(body) => Ok((body, answer.date)),
            None => Err(Failure::of(right, &answer)),
        }
    }

    fn request(&self, method: Method, path: &str, account: &Access) -> Result<RequestBuilder, ApiError> {
        self.request_at(method, self.url(path), account)
    }

    fn request_at(&self, method: Method, url: Url, account: &Access) -> Result<RequestBuilder, ApiError> {
        let value = request::secret_value(&format!("Bearer {}", self.key(account)?.expose()))?;
        Ok(self.calls.client().request(method, url).header(AUTHORIZATION, value))
    }

    fn url(&self, path: &str) -> Url {
        request::address(&self.common, path)
    }

    fn key<'a>(&'a self, account: &'a Access) -> Result<&'a Secret, ApiError> {
        request::key(&self.common, account)
    }

    /// One line that is not too long.
    fn subject_line(&self, subject: &str) -> String {
        single_line(subject, self.capabilities.max_subject)
    }
}

fn path(template: &str, ticket: &TicketId) -> Result<String, ApiError> {
    Ok(template.replace("{id}", plain_id(ticket.as_str())?))
}
