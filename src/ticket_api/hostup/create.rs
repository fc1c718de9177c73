//! A new ticket: its department by slug, as only the server may name one, and the service that it is about.

use std::sync::Arc;

use reqwest::Method;

use super::Hostup;
use super::problem::{Failure, Kind, Right};
use super::wire::{self, Department, NewTicketBody, ServiceContext};
use crate::config::hostup::{Priority, Service};
use crate::ticket_api::answers::{not_understood, undecodable};
use crate::ticket_api::{Access, ApiError, Created, NewTicket};

const DEPARTMENTS: &str = "/support/departments";
const CREATE: &str = "/support/tickets";

impl Hostup {
    /// Opens a ticket. A department that the server refuses is looked for in a new list, once: the refusal is
    /// certain, so that the call may be made again.
    pub(super) async fn open(&self, account: &Access, ticket: &NewTicket) -> Result<Created, ApiError> {
        let slug = self.slug(account, ticket.department_or_topic()).await?;
        match self.open_in(account, ticket, &slug).await {
            Err(failure) if is_department_refused(&failure) => {
                self.fetch_departments(account).await?;
                let another = self.slug(account, ticket.department_or_topic()).await?;
                if another == slug {
                    return Err(failure.error);
                }
                Ok(self.open_in(account, ticket, &another).await?)
            }
            opened => Ok(opened?),
        }
    }

    pub(super) async fn departments(&self, account: &Access) -> Result<Arc<[Department]>, ApiError> {
        match self.departments.recall(self.key(account)?, self.clock.now()) {
            Some(known) => Ok(known),
            None => self.fetch_departments(account).await,
        }
    }

    async fn open_in(&self, account: &Access, ticket: &NewTicket, slug: &str) -> Result<Created, Failure> {
        let priority = self.priority(ticket.priority.as_deref());
        let reason = self.settings.critical_reason.as_deref();
        let body = NewTicketBody {
            department_slug: slug,
            subject: &self.subject_line(&ticket.subject),
            message: &ticket.text,
            priority: priority.word(),
            critical_reason: reason.filter(|_| priority == Priority::Critical),
            context: ticket
                .property
                .as_deref()
                .map(|property| service(property, self.settings.default_service)),
        };
        let request = self.request(Method::POST, CREATE, account)?.json(&body);
        match self.ask(Right::WriteSupport, request).await {
            Ok((answer, _)) => {
                let ticket = wire::ticket_id(&answer)
                    .ok_or_else(|| not_understood("the answer does not say the id of the new ticket"))?;
                Ok(Created { ticket, message: None })
            }
            Err(failure) => Err(of_create(failure, body.context.is_some())),
        }
    }

    /// The slug of a topic; of the department for all others where there is none, or none of this name.
    async fn slug(&self, account: &Access, topic: Option<&str>) -> Result<String, ApiError> {
        let unset = self.settings.default_department.as_deref();
        let wanted = topic.or(unset);
        let mut known = self.departments(account).await?;
        if wanted.is_some_and(|name| named(&known, name).is_none()) {
            known = self.fetch_departments(account).await?; // perhaps it is younger than the list
        }
        let names = [topic, unset].into_iter().flatten();
        let found = names.filter_map(|name| named(&known, name)).next().or_else(|| known.first());
        let found = found.ok_or_else(|| undecodable("the server names no department for tickets"))?;
        if let Some(name) = wanted.filter(|name| !is_named(found, name)) {
            let (api, instead) = (&self.common.name, &found.slug);
            tracing::warn!(%api, department = name, instead, "This department is unknown; another gets the ticket.");
        }
        Ok(found.slug.clone())
    }

    /// The default one for a word that the server would refuse, and for `critical` where nobody says why.
    fn priority(&self, word: Option<&str>) -> Priority {
        let unset = self.settings.default_priority;
        let Some(word) = word else { return unset };
        let has_reason = self.settings.critical_reason.is_some();
        let known = Priority::from_word(word).filter(|known| *known != Priority::Critical || has_reason);
        if known.is_none() {
            let (api, instead) = (&self.common.name, unset.word());
            tracing::warn!(%api, priority = word, instead, "This priority cannot be given; the ticket gets another.");
        }
        known.unwrap_or(unset)
    }

    async fn fetch_departments(&self, account: &Access) -> Result<Arc<[Department]>, ApiError> {
        let request = self.request(Method::GET, DEPARTMENTS, account)?;
        let (answer, _) =
            self.ask(Right::ReadAccount, request).await.map_err(|failure| of_account(failure.error))?;
        let known = wire::departments(&answer);
        let known: Arc<[Department]> =
            known.ok_or_else(|| undecodable("the answer holds no list of departments"))?.into();
        self.departments.learn(self.key(account)?, self.clock.now(), known.clone());
        Ok(known)
    }
}

/// What a path that names no ticket means by “not found”.
pub(super) fn of_account(error: ApiError) -> ApiError {
    match error {
        ApiError::NotFound(reason) => {
            ApiError::Retry { after: None, reason: format!("{reason}; check base_url") }
        }
        error => error,
    }
}

/// A service that is not this account's is refused as if the key were not good enough.
fn of_create(mut failure: Failure, has_context: bool) -> Failure {
    let is_of_service = has_context && failure.mentions("service") && !failure.mentions("scope");
    failure.error = match failure.error {
        ApiError::Unauthorized(why) if failure.kind == Kind::Forbidden && is_of_service => {
            ApiError::Refused(why)
        }
        ApiError::NotFound(why) if is_of_service => ApiError::Refused(why),
        error => of_account(error),
    };
    failure
}

fn is_department_refused(failure: &Failure) -> bool {
    matches!(failure.error, ApiError::Refused(_)) && failure.mentions("departmentslug")
}

fn named<'a>(known: &'a [Department], name: &str) -> Option<&'a Department> {
    known.iter().find(|department| is_named(department, name))
}

fn is_named(department: &Department, name: &str) -> bool {
    let name = name.trim().to_lowercase();
    department.slug.to_lowercase() == name || department.name.trim().to_lowercase() == name
}

/// `vps:1234`, or an id alone.
fn service(property: &str, unset: Service) -> ServiceContext<'_> {
    let typed = property.split_once(':').and_then(|(word, id)| Some((Service::from_word(word.trim())?, id)));
    let (service, id) = typed.unwrap_or((unset, property));
    ServiceContext { service_type: service.word(), service_id: id.trim() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_say_its_type() {
        for (property, expected) in [
            ("vps:1234", ("vps", "1234")),
            ("Domain: example.com", ("domain", "example.com")),
            ("1234", ("other", "1234")),
            ("urn:1234", ("other", "urn:1234")),
        ] {
            let service = service(property, Service::Other);
            assert_eq!((service.service_type, service.service_id), expected, "{property}");
        }
    }

    #[test]
    fn a_department_is_known_by_slug_and_by_name() {
        let known = [
            Department { slug: "domain-names".to_owned(), name: "Domain names".to_owned() },
            Department { slug: "vps".to_owned(), name: "VPS".to_owned() },
        ];
        for name in ["domain-names", "DOMAIN NAMES ", "Domain names"] {
            assert_eq!(named(&known, name), known.first(), "{name}");
        }
        assert_eq!(named(&known, "Billing"), None);
    }
}
