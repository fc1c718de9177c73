//! Files: up ahead of their message and pinned to its ticket, down from the API's own host alone.

use reqwest::Method;
use reqwest::multipart::Form;
use url::Url;

use super::problem::{Failure, Kind, Right};
use super::{Hostup, wire};
use crate::model::ids::{AttachmentId, TicketId};
use crate::runtime::byte_stream::ByteStream;
use crate::ticket_api::answers::not_understood;
use crate::ticket_api::request::plain_id;
use crate::ticket_api::{Access, ApiError, Upload, upload};

const ATTACHMENTS: &str = "/support/attachments";

/// Some accounts cannot have files at their tickets.
const NO_FILES: ApiError = ApiError::Unsupported("adding files to this account's tickets");

impl Hostup {
    pub(super) async fn stage_file(
        &self,
        account: &Access,
        ticket: Option<&TicketId>,
        file: Upload,
    ) -> Result<AttachmentId, ApiError> {
        let most = self.settings.max_attachment_bytes.0;
        if file.size > most {
            return Err(ApiError::Refused(upload::too_large(most)));
        }
        if self.takes_no_files.recall(self.key(account)?, self.clock.now()).is_some() {
            return Err(NO_FILES);
        }
        let mut form = Form::new();
        if let Some(ticket) = ticket.filter(|_| self.settings.pin_upload) {
            form = form.text("ticketId", plain_id(ticket.as_str())?.to_owned());
        }
        let form = form.part("file", upload::part(file, self.common.call_timeout).await?);
        let request = self.request(Method::POST, ATTACHMENTS, account)?.multipart(form);
        let request = request.timeout(self.common.transfer_timeout);
        match self.ask(Right::WriteSupport, request).await {
            Ok((answer, _)) => {
                let staged = wire::staged(&answer).map(AttachmentId::new);
                staged.ok_or_else(|| not_understood("the answer does not say the id of the new file"))
            }
            Err(Failure { kind: Kind::TooLarge, .. }) => Err(ApiError::Refused(upload::too_large(most))),
            Err(failure) => Err(self.of_upload(failure, account, ticket).await),
        }
    }

    /// That an upload is forbidden or not there is said of accounts without files, of missing tickets and of
    /// keys that may not write: what else the key can do tells.
    async fn of_upload(&self, failure: Failure, account: &Access, ticket: Option<&TicketId>) -> ApiError {
        let scope = Right::WriteSupport.scope();
        let is_of_key = failure.kind == Kind::Forbidden && failure.mentions(scope);
        if !matches!(failure.kind, Kind::Forbidden | Kind::Missing) || is_of_key {
            return failure.error;
        }
        let seen = match ticket {
            Some(ticket) => self.detail(account, ticket).await.map(drop),
            None => self.try_key(account).await,
        };
        if let Err(error) = seen {
            return error;
        }
        if let Ok(key) = self.key(account) {
            self.takes_no_files.learn(key, self.clock.now(), ());
        }
        NO_FILES
    }

    /// The detail says where a file is; what it says counts only below the API's own origin.
    pub(super) async fn fetch_file(
        &self,
        account: &Access,
        ticket: &TicketId,
        file: &AttachmentId,
    ) -> Result<ByteStream, ApiError> {
        let (detail, _) = self.detail(account, ticket).await?;
        let url = match wire::download_url(&detail, file) {
            Some(url) => at_own_origin(&self.common.base_url, &url)?,
            None => self.url(&format!("{ATTACHMENTS}/{}", plain_id(file.as_str())?)),
        };
        let request = self.request_at(Method::GET, of_ticket(url, ticket), account)?;
        let request = request.timeout(self.common.transfer_timeout);
        let most = self.common.max_download_bytes;
        match self.calls.stream(request, most).await? {
            Ok((Some(length), _)) if length > most => Err(ApiError::Refused(upload::too_large(most))),
            Ok((_, content)) => Ok(content),
            Err(answer) => Err(of_download(Failure::of(Right::ReadSupport, &answer))),
        }
    }
}

/// The key has just read the ticket: what it may not read is no file of it.
fn of_download(failure: Failure) -> ApiError {
    match (failure.kind, failure.error) {
        (Kind::Forbidden, ApiError::Unauthorized(why)) => ApiError::NotFound(why),
        (_, error) => error,
    }
}

/// The key goes with a download, so it must not lead elsewhere.
fn at_own_origin(base: &Url, url: &str) -> Result<Url, ApiError> {
    let elsewhere =
        || ApiError::Refused("its address leads to another host, which must not see the key".to_owned());
    let url = base.join(url).map_err(|_| elsewhere())?;
    let is_own = url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
    if is_own { Ok(url) } else { Err(elsewhere()) }
}

/// Without its ticket no file is to be had.
fn of_ticket(mut url: Url, ticket: &TicketId) -> Url {
    if !url.query_pairs().any(|(name, _)| name == "ticketId") {
        url.query_pairs_mut().append_pair("ticketId", ticket.as_str());
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(url: &str) -> Option<String> {
        let base = "https://cloud.hostup.se/api/v2".parse().unwrap();
        at_own_origin(&base, url).ok().map(|url| of_ticket(url, &TicketId::new("tkt_1")).to_string())
    }

    #[test]
    fn a_file_comes_from_the_apis_own_host_alone() {
        let file = "/api/v2/support/attachments/tatt_1?ticketId=tkt_1";
        let whole = format!("https://cloud.hostup.se{file}");
        for good in [file, &whole, "/api/v2/support/attachments/tatt_1"] {
            assert_eq!(resolved(good).as_deref(), Some(whole.as_str()), "{good}");
        }
        for bad in [
            "https://evil.example/api/v2/support/attachments/tatt_1",
            "//evil.example/tatt_1",
            "http://cloud.hostup.se/api/v2/support/attachments/tatt_1",
            "https://cloud.hostup.se:8443/tatt_1",
            "https://cloud.hostup.se@evil.example/tatt_1",
            "https://user:word@cloud.hostup.se/tatt_1",
            "file:///etc/passwd",
            "\\\\evil.example\\tatt_1",
        ] {
            assert_eq!(resolved(bad), None, "{bad}");
        }
    }
}
