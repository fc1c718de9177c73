//! Keliweb's reseller API, a Bearer façade over WHMCS (<https://apiv2.keliweb.it/docs/methods/v2/reseller/open-ticket>).
//!
//! It opens, reads and answers tickets, and no more: none can be listed unless `bot.toml` says how, no file of
//! staff's can be had, and what became of a lost create nobody can know.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::ACCEPT;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, RequestBuilder, StatusCode};
use rustls::ClientConfig;
use serde_json::Value;

use super::departments::Departments;
use super::inline::Inline;
use super::tokens::{Bearer, Tokens, User};
use super::wire;
use super::{Client, Desk, Fields, MAX_ANSWER, Reached, opened_without_id, ticket_number};
use crate::config::Whmcs as Settings;
use crate::config::whmcs::{BodyForm, ClientIdMode, Keliweb as Own, Profile};
use crate::model::ids::{ApiName, AttachmentId, TicketId, TicketMessageId};
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::{Clock, Timestamp};
use crate::ticket_api::answers::{Answer, Call, undecodable};
use crate::ticket_api::calls::Calls;
use crate::ticket_api::common::{Common, SetUpError};
use crate::ticket_api::{
    Access, ApiError, Capabilities, Catalog, Created, Files, Found, Look, LookIn, NewReply, NewTicket,
    PageMark, Scope, Ticket, TicketApi, TicketPage, look, request,
};

/// The façade with all users that are spoken for there.
pub struct Keliweb {
    desk: Desk,
    own: Own,
    tokens: Tokens,
}

impl Keliweb {
    /// `token_dir` is a directory of its own, where tokens outlive this process.
    pub fn new(
        common: Common,
        settings: Settings,
        token_dir: PathBuf,
        tls: &Arc<ClientConfig>,
        clock: Clock,
    ) -> Result<Self, SetUpError> {
        let Profile::Keliweb(own) = settings.profile.clone() else { return Err(SetUpError::Profile) };
        let calls = Calls::new(&common, tls, clock.clone())?;
        let tokens = Tokens::new(token_dir, common.name.clone(), clock);
        let mut desk = Desk::new(common, settings, calls, false);
        desk.capabilities.list = own.list_path.is_some();
        Ok(Self { desk, own: *own, tokens })
    }
}

#[async_trait]
impl TicketApi for Keliweb {
    fn name(&self) -> &ApiName {
        &self.desk.common.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.desk.capabilities
    }

    async fn create(&self, account: &Access, ticket: &NewTicket, files: Files) -> Result<Created, ApiError> {
        let departments = Departments::configured(&self.desk.settings);
        let department =
            departments.and_then(|known| known.of(ticket.department_or_topic(), &self.desk.settings));
        let department = department.ok_or_else(|| undecodable("no department is configured"))?;
        let fields = self.desk.opening(ticket, &self.client(account)?, department)?;
        let (body, _) = self.call(Call::Write, &self.own.open_path, account, fields, Some(files)).await?;
        Ok(Created { ticket: wire::made(&body).ok_or_else(opened_without_id)?, message: None })
    }

    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let fields = self.desk.reply(ticket, reply, &self.client(account)?)?;
        // The answer never says the reply's id.
        self.call(Call::Write, &self.own.reply_path, account, fields, Some(files)).await.map(|_| None)
    }

    async fn close(&self, _: &Access, _: &TicketId) -> Result<(), ApiError> {
        Err(ApiError::Unsupported("closing a ticket"))
    }

    /// There is nothing to call: the reply that follows opens it.
    async fn reopen(&self, _: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        ticket_number(ticket).map(drop)
    }

    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let fields = vec![("ticketid", ticket_number(ticket)?), ("repliessort", "ASC".to_owned())];
        let (body, date) = self.call(Call::Read, &self.own.get_path, account, fields, None).await?;
        self.desk.read_ticket(&body, date)
    }

    async fn tickets(
        &self,
        account: &Access,
        _: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        let list = self.own.list_path.as_deref().ok_or(ApiError::Unsupported("listing tickets"))?;
        let client = self.client(account)?;
        let fetch = |reached: Reached| {
            let fields = self.desk.listing(&client, reached.start);
            self.call(Call::Read, list, account, fields, None)
        };
        self.desk.next_page(&client, 1, from, fetch).await
    }

    async fn download(&self, _: &Access, _: &TicketId, _: &AttachmentId) -> Result<ByteStream, ApiError> {
        Err(ApiError::Unsupported("downloading a file"))
    }

    async fn catalog(&self, _: &Access) -> Result<Catalog, ApiError> {
        let departments = Departments::configured(&self.desk.settings);
        let topics = departments.map(|known| known.names()).unwrap_or_default();
        Ok(Catalog { topics, properties: Vec::new() })
    }

    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        if matches!(look.place, LookIn::NewTickets { .. }) && !self.desk.capabilities.list {
            return Ok(Found::CannotKnow);
        }
        let subject = |subject: &str| self.desk.subject(subject);
        look::for_marker(self, account, look, subject, self.desk.common.max_pages).await
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        self.desk.calls.server_time(local)
    }
}

// === calls ===

impl Keliweb {
    /// `files` are none where the call knows no attachments. A 401 surely did not run: with a new token it is
    /// made once more.
    async fn call(
        &self,
        call: Call,
        path: &str,
        account: &Access,
        fields: Fields,
        files: Option<Files>,
    ) -> Result<(Value, Option<Timestamp>), ApiError> {
        let user = self.user(account)?;
        let takes_files = files.is_some();
        let mut files = self.desk.inline(files.unwrap_or_default()).await?;
        let has_files = files.is_some();
        loop {
            let bearer = self.tokens.bearer(&self.desk.calls, &self.own, &user).await?;
            let request = self.request(path, &bearer);
            let request = match self.own.body {
                BodyForm::Multipart => self.multipart(request, &fields, files.take(), takes_files),
                BodyForm::Form => self.form(request, &fields, files.take(), takes_files),
            };
            let answer = self.desk.calls.answer(call, request, MAX_ANSWER).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                self.tokens.accepted(&bearer, &user).await;
                return self.opened(call, &answer);
            }
            if bearer.on_trial {
                self.tokens.forget(&user).await;
                return self.opened(call, &answer);
            }
            self.tokens.refused(&bearer, &self.desk.calls, &self.own, &user).await?;
            if has_files {
                // They were on their way already and cannot be read twice.
                let reason = "the token had ended, and there is a new one".to_owned();
                return Err(ApiError::Retry { after: None, reason });
            }
        }
    }

    fn opened(&self, call: Call, answer: &Answer) -> Result<(Value, Option<Timestamp>), ApiError> {
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(self.desk.too_large());
        }
        Ok((wire::opened(call, answer)?, answer.date))
    }

    fn request(&self, path: &str, bearer: &Bearer) -> RequestBuilder {
        let mut url = self.desk.common.base_url.clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        self.desk
            .calls
            .client()
            .post(url)
            .bearer_auth(bearer.token.expose())
            .header(ACCEPT, "application/json")
            .header("X-Requested-With", "XMLHttpRequest")
    }

    fn form(
        &self,
        request: RequestBuilder,
        fields: &Fields,
        files: Option<Inline>,
        takes_files: bool,
    ) -> RequestBuilder {
        let mut fields = fields.clone();
        if takes_files && files.is_none() {
            fields.extend(self.no_files().map(|none| ("attachments", none.to_owned())));
        }
        self.desk.form(request, &fields, files)
    }

    fn multipart(
        &self,
        request: RequestBuilder,
        fields: &Fields,
        files: Option<Inline>,
        takes_files: bool,
    ) -> RequestBuilder {
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text(*name, value.clone());
        }
        match (files, self.no_files()) {
            (Some(files), _) => {
                let content = Body::wrap_stream(files.content);
                let form = form.part("attachments", Part::stream_with_length(content, files.length));
                request.multipart(form).timeout(self.desk.common.transfer_timeout)
            }
            (None, Some(none)) if takes_files => request.multipart(form.text("attachments", none)),
            _ => request.multipart(form),
        }
    }

    /// What stands for no file, as the example has it.
    fn no_files(&self) -> Option<&'static str> {
        self.own.empty_attachments.then_some("[]")
    }

    fn user<'a>(&'a self, account: &'a Access) -> Result<User<'a>, ApiError> {
        if let Some(password) = &account.key {
            return Ok(User { name: &account.remote, password });
        }
        Ok(User { name: &self.own.user, password: request::key(&self.desk.common, account)? })
    }

    /// An account that logs in itself needs no number.
    fn client(&self, account: &Access) -> Result<Client, ApiError> {
        match (Client::of(account), self.own.client_id_mode) {
            (Some(Client::Guests), _) => Ok(Client::Guests),
            (_, ClientIdMode::Fixed) => Ok(Client::Unsaid),
            (Some(client), ClientIdMode::PerUser) => Ok(client),
            (None, ClientIdMode::PerUser) if account.key.is_some() => Ok(Client::Unsaid),
            (None, ClientIdMode::PerUser) => {
                Err(ApiError::Unauthorized(format!("{:?} is no client's number", account.remote)))
            }
        }
    }
}
