//! WHMCS's own API, `includes/api.php` (<https://developers.whmcs.com/api/>).
//!
//! It acts as an administrator: whose a call is comes from the account alone, and a ticket of another client
//! is not shown even if its number is known.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::StatusCode;
use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use super::departments::Departments;
use super::file_answer::{self, FileAnswer};
use super::wire::{self, FileAddress};
use super::{Client, Desk, Fields, MAX_ANSWER, Reached, opened_without_id, ticket_number};
use crate::config::Whmcs as Settings;
use crate::config::whmcs::{CloseMode, Native as Own, Profile};
use crate::model::ids::{ApiName, AttachmentId, MailAddress, TicketId, TicketMessageId};
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::{Clock, Timestamp};
use crate::ticket_api::answers::{Call, undecodable};
use crate::ticket_api::calls::Calls;
use crate::ticket_api::common::{Common, SetUpError};
use crate::ticket_api::decoding::id;
use crate::ticket_api::{
    Access, ApiError, Capabilities, Catalog, Created, Files, Found, Look, NewReply, NewTicket, PageMark,
    Scope, Ticket, TicketApi, TicketPage, look, request, upload,
};

const API: &str = "/includes/api.php";

/// One WHMCS with all clients that are spoken for there.
pub struct Native {
    desk: Desk,
    own: Own,
    url: Url,
    /// What the server was last heard to have.
    departments: Mutex<Option<Departments>>,
}

impl Native {
    pub fn new(
        common: Common,
        settings: Settings,
        tls: &Arc<ClientConfig>,
        clock: Clock,
    ) -> Result<Self, SetUpError> {
        let Profile::Native(own) = settings.profile.clone() else { return Err(SetUpError::Profile) };
        let calls = Calls::new(&common, tls, clock)?;
        let mut url = common.base_url.clone();
        if !url.path().ends_with(".php") {
            url.set_path(&format!("{}{API}", url.path().trim_end_matches('/')));
        }
        Ok(Self { desk: Desk::new(common, settings, calls, true), own, url, departments: Mutex::new(None) })
    }
}

#[async_trait]
impl TicketApi for Native {
    fn name(&self) -> &ApiName {
        &self.desk.common.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.desk.capabilities
    }

    async fn create(&self, account: &Access, ticket: &NewTicket, files: Files) -> Result<Created, ApiError> {
        let client = client(account)?;
        let heard = self.heard();
        let was_heard = heard.is_some();
        let departments = match heard {
            Some(departments) => departments,
            None => self.ask_departments(account).await?,
        };
        let department = departments.of(ticket.department_or_topic(), &self.desk.settings);
        let department =
            department.ok_or_else(|| undecodable("there is no department to file a ticket under"))?;
        let mut fields = self.desk.opening(ticket, &client, department)?;
        self.quietly(&mut fields);
        match self.call(Call::Write, "OpenTicket", account, fields, files).await {
            Ok((body, _)) => {
                let ticket = wire::made(&body).ok_or_else(opened_without_id)?;
                Ok(Created { ticket, message: None })
            }
            Err(ApiError::Refused(words)) if was_heard && is_about_departments(&words) => {
                *self.departments.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Err(ApiError::Retry {
                    after: None,
                    reason: format!("{words}; departments are asked for anew"),
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn reply(
        &self,
        account: &Access,
        ticket: &TicketId,
        reply: &NewReply,
        files: Files,
    ) -> Result<Option<TicketMessageId>, ApiError> {
        let mut fields = self.desk.reply(ticket, reply, &client(account)?)?;
        self.quietly(&mut fields);
        // The answer never says the reply's id.
        self.call(Call::Write, "AddTicketReply", account, fields, files).await.map(|_| None)
    }

    async fn close(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        match self.desk.settings.close_mode {
            CloseMode::UpdateTicket => {
                let closed = self.desk.settings.status_closed.first().map_or("Closed", String::as_str);
                self.set_status(account, ticket, closed).await
            }
            CloseMode::Reply | CloseMode::Off => Err(ApiError::Unsupported("closing a ticket")),
        }
    }

    async fn reopen(&self, account: &Access, ticket: &TicketId) -> Result<(), ApiError> {
        self.set_status(account, ticket, "Open").await
    }

    async fn ticket(&self, account: &Access, ticket: &TicketId) -> Result<Ticket, ApiError> {
        let client = client(account)?;
        let number = ticket_number(ticket)?;
        let fields = vec![("ticketid", number), ("repliessort", "ASC".to_owned())];
        let (body, date) = self.call(Call::Read, "GetTicket", account, fields, Files::None).await?;
        // A guest's ticket may have become a client's: the guest still has it.
        if client != Client::Guests && !client.owns(&body) {
            return Err(ApiError::NotFound("the ticket is another client's".to_owned()));
        }
        self.desk.read_ticket(&body, date)
    }

    async fn tickets(
        &self,
        account: &Access,
        scope: Scope,
        from: Option<&PageMark>,
    ) -> Result<TicketPage, ApiError> {
        let client = client(account)?;
        let statuses: Vec<Option<&str>> = match scope {
            Scope::Active => self.own.active_status.iter().map(|status| Some(status.as_str())).collect(),
            Scope::All => vec![None],
        };
        let (theirs, statuses) = (&client, &statuses);
        let fetch = |reached: Reached| {
            let status = statuses.get(reached.status).copied().flatten();
            let fields = self.listing(theirs, status, reached.start);
            self.call(Call::Read, "GetTickets", account, fields, Files::None)
        };
        self.desk.next_page(theirs, statuses.len(), from, fetch).await
    }

    async fn download(
        &self,
        account: &Access,
        ticket: &TicketId,
        attachment: &AttachmentId,
    ) -> Result<ByteStream, ApiError> {
        // The API's user may have any client's files: only the ticket tells whose they are.
        let files = self.ticket(account, ticket).await?.attachments;
        let address = FileAddress::parse(attachment)
            .filter(|_| files.iter().any(|file| file.id == *attachment))
            .ok_or_else(|| ApiError::NotFound("no file of this ticket".to_owned()))?;
        let fields = vec![
            ("relatedid", address.related.to_string()),
            ("type", address.kind.to_owned()),
            ("index", address.index.to_string()),
        ];
        let request = self.request("GetTicketAttachment", account, fields, Files::None).await?;
        let request = request.timeout(self.desk.common.transfer_timeout);
        let most = self.desk.common.max_download_bytes;
        // In base64, each `/` perhaps escaped, and with a name before it.
        let most_encoded = most.saturating_mul(3) / 2 + 100_000;
        let (length, content) = match self.desk.calls.stream(request, most_encoded).await? {
            Ok(file) => file,
            Err(answer) => {
                let said = wire::opened(Call::Read, &answer).err();
                return Err(said.unwrap_or_else(|| undecodable("the answer holds no file")));
            }
        };
        if length.is_some_and(|length| length > most_encoded) {
            return Err(ApiError::Refused(upload::too_large(most)));
        }
        match file_answer::read(content, most).await {
            Ok(FileAnswer::File(content)) => Ok(content),
            Ok(FileAnswer::Other(body)) => Err(wire::no_file(&body)),
            Err(error) => Err(undecodable(&format!("the file cannot be read: {error}"))),
        }
    }

    async fn catalog(&self, account: &Access) -> Result<Catalog, ApiError> {
        let departments = match Departments::configured(&self.desk.settings) {
            Some(departments) => departments,
            None => self.ask_departments(account).await?,
        };
        Ok(Catalog { topics: departments.names(), properties: Vec::new() })
    }

    async fn account_of(&self, address: &MailAddress) -> Result<Option<String>, ApiError> {
        let installation = Access { remote: String::new(), key: None };
        let fields = vec![("email", address.to_string())];
        let body = match self.call(Call::Read, "GetClientsDetails", &installation, fields, Files::None).await
        {
            Ok((body, _)) => body,
            Err(ApiError::Unauthorized(why)) if why.to_lowercase().contains("client") => return Ok(None),
            Err(error) => return Err(error),
        };
        let client = body.get("client").unwrap_or(&body);
        Ok(["id", "userid", "client_id"].iter().find_map(|key| client.get(key).and_then(id)))
    }

    async fn find_by_marker(&self, account: &Access, look: Look<'_>) -> Result<Found, ApiError> {
        let subject = |subject: &str| self.desk.subject(subject);
        look::for_marker(self, account, look, subject, self.desk.common.max_pages).await
    }

    fn server_time(&self, local: Timestamp) -> Timestamp {
        self.desk.calls.server_time(local)
    }
}

// === calls ===

impl Native {
    async fn call(
        &self,
        call: Call,
        action: &'static str,
        account: &Access,
        fields: Fields,
        files: Files,
    ) -> Result<(Value, Option<Timestamp>), ApiError> {
        let request = self.request(action, account, fields, files).await?;
        let answer = self.desk.calls.answer(call, request, MAX_ANSWER).await?;
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(self.desk.too_large());
        }
        Ok((wire::opened(call, &answer)?, answer.date))
    }

    async fn request(
        &self,
        action: &'static str,
        account: &Access,
        fields: Fields,
        files: Files,
    ) -> Result<reqwest::RequestBuilder, ApiError> {
        let (identifier, secret) = self.credentials(account)?;
        let mut all: Fields = vec![("identifier", identifier.to_owned()), ("secret", secret.to_owned())];
        all.extend(self.own.accesskey.as_ref().map(|key| ("accesskey", key.expose().to_owned())));
        all.push(("action", action.to_owned()));
        all.push(("responsetype", "json".to_owned()));
        all.extend(fields);
        let files = self.desk.inline(files).await?;
        Ok(self.desk.form(self.desk.calls.client().post(self.url.clone()), &all, files))
    }

    /// An account's own credential, `identifier:secret`, else the API's.
    fn credentials<'a>(&'a self, account: &'a Access) -> Result<(&'a str, &'a str), ApiError> {
        if let Some(key) = &account.key {
            let own = key.expose().split_once(':');
            return Ok(own.unwrap_or((self.own.identifier.as_str(), key.expose())));
        }
        let key = request::key(&self.desk.common, account)?;
        Ok((self.own.identifier.as_str(), key.expose()))
    }

    fn listing(&self, client: &Client, status: Option<&str>, start: usize) -> Fields {
        let mut fields = self.desk.listing(client, start);
        fields.extend(status.map(|status| ("status", status.to_owned())));
        self.of_every_department(&mut fields);
        fields
    }

    /// Else the API's user sees those of its own departments alone.
    fn of_every_department(&self, fields: &mut Fields) {
        if self.own.ignore_dept_assignments {
            fields.push(("ignore_dept_assignments", "true".to_owned()));
        }
    }

    /// Where the bridge tells customers, the desk need not.
    fn quietly(&self, fields: &mut Fields) {
        if self.desk.settings.noemail || !self.desk.common.desk_mails_customers {
            fields.push(("noemail", "true".to_owned()));
        }
    }

    async fn set_status(&self, account: &Access, ticket: &TicketId, status: &str) -> Result<(), ApiError> {
        let fields = vec![("ticketid", ticket_number(ticket)?), ("status", status.to_owned())];
        self.call(Call::Write, "UpdateTicket", account, fields, Files::None).await.map(drop)
    }

    fn heard(&self) -> Option<Departments> {
        Departments::configured(&self.desk.settings)
            .or_else(|| self.departments.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn ask_departments(&self, account: &Access) -> Result<Departments, ApiError> {
        let mut fields = Fields::new();
        self.of_every_department(&mut fields);
        let asked = self.call(Call::Read, "GetSupportDepartments", account, fields, Files::None).await?;
        let departments = Departments(wire::departments(&asked.0));
        let known = (!departments.0.is_empty()).then(|| departments.clone());
        *self.departments.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(departments)
    }
}

fn client(account: &Access) -> Result<Client, ApiError> {
    let refused = || ApiError::Unauthorized(format!("{:?} is no client's number", account.remote));
    Client::of(account).ok_or_else(refused)
}

fn is_about_departments(words: &str) -> bool {
    words.to_lowercase().contains("department id not found")
}
