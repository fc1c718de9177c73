//! Whether a request is one that the contract knows: key, scope, query, body.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::door::{Asked, Part, Visit, not_null};
use super::super::lifecycle::Status;
use super::super::records::NewFile;
use super::super::ticket::{AttachmentId, TicketId};
use super::options::{Binding, HostupOptions};
use super::refused::{Refused, Wrong};
use super::route::{BodyKind, Route, prefixed};
use super::wire;

/// The body of a create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateBody {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) department_slug: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) subject: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) message: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) priority: Option<Priority>,
    critical_reason: Option<String>,
    #[serde(default)]
    pub(super) cc_emails: Vec<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) context: Option<Context>,
    #[serde(rename = "aiSummary")]
    _ai_summary: Option<String>,
    #[serde(rename = "aiHelpful")]
    _ai_helpful: Option<bool>,
}

/// What a ticket is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Context {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) service_type: Option<ServiceType>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) service_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    Low,
    Medium,
    High,
    Urgent,
    Critical,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ServiceType {
    Domain,
    Hosting,
    Vps,
    Other,
}

/// The body of a reply.
pub(super) struct ReplyBody {
    pub(super) message: String,
    pub(super) encrypted: bool,
    /// The uploads that it names, where the desk has a field for them.
    pub(super) files: Vec<AttachmentId>,
}

/// What a list is asked for.
pub(super) struct Listing {
    pub(super) limit: usize,
    pub(super) after: Option<wire::Place>,
    pub(super) status: Option<Status>,
    pub(super) department: Option<String>,
}

/// The parts of an upload.
pub(super) struct Upload {
    pub(super) file: NewFile,
    pub(super) ticket: Option<TicketId>,
}

/// Checks everything but the values of query and body; the account is the key's.
pub(super) fn admit(route: Route, asked: &Asked, visit: &Visit<'_>) -> Result<i64, Refused> {
    let account = account_of(asked, visit)?;
    let scope = route.scope();
    if visit.options.hostup.scopes.iter().all(|had| had != scope) {
        return Err(Refused::forbidden(format!("The API key does not have the scope {scope}.")));
    }
    let query = asked.query();
    for (n, (name, _)) in query.iter().enumerate() {
        if !route.parameters().contains(&name.as_str()) {
            return Err(Refused::malformed(format!("query {name:?} where it is unknown")));
        }
        if query.iter().take(n).any(|(earlier, _)| earlier == name) {
            return Err(Refused::malformed(format!("query {name:?} twice")));
        }
    }
    let takes_json =
        asked.header("accept").ok().flatten().is_some_and(|accept| accept.contains("application/json"));
    if !takes_json && !matches!(route, Route::Download(_)) {
        let refused = Refused::new(StatusCode::NOT_ACCEPTABLE, "invalid_request", "Answers are JSON.");
        return Err(refused.noting("Accept does not name application/json"));
    }
    let fits = match route.body() {
        BodyKind::None if !asked.body.is_empty() => {
            return Err(Refused::malformed("a body where none is expected"));
        }
        BodyKind::None => true,
        BodyKind::Json => asked.is_json(),
        BodyKind::Form => asked.form.is_some(),
    };
    let wrong = || {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let refused = Refused::new(status, "invalid_request", "The content type is not supported.");
        refused.noting(format!("content type {:?}", asked.content_type()))
    };
    if fits { Ok(account) } else { Err(wrong()) }
}

/// The body of a create, of exactly the fields that the contract names.
pub(super) fn create(asked: &Asked, options: &HostupOptions) -> Result<CreateBody, Refused> {
    let body: CreateBody = asked.json().map_err(|error| Refused::malformed(format!("body: {error}")))?;
    let is_empty = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
    let slug = body.department_slug.as_deref();
    let known = options.departments.iter().any(|(known, _)| Some(known.as_str()) == slug);
    let subject = body.subject.as_deref();
    let long = subject.is_some_and(|subject| subject.chars().count() > options.max_subject);
    let critical = body.priority == Some(Priority::Critical);
    let bad_cc = body.cc_emails.iter().any(|one| !one.contains('@') || one.contains(char::is_whitespace));
    Refused::fields(vec![
        (!known).then_some(("/departmentSlug", "The department is unknown.")),
        is_empty(subject).then_some(("/subject", "The subject is required.")),
        long.then_some(("/subject", "The subject is too long.")),
        is_empty(body.message.as_deref()).then_some(("/message", "The message is required.")),
        (critical && is_empty(body.critical_reason.as_deref()))
            .then_some(("/criticalReason", "The impact on customers is required with critical.")),
        bad_cc.then_some(("/ccEmails", "An address is invalid.")),
    ])?;
    Ok(body)
}

/// The body of a reply, of exactly the fields that the contract names.
pub(super) fn reply(asked: &Asked, options: &HostupOptions) -> Result<ReplyBody, Refused> {
    let bad = |what: &str| Refused::malformed(format!("body: {what}"));
    let fields: Map<String, Value> = asked.json().map_err(|error| bad(&error))?;
    let mut body = ReplyBody { message: String::new(), encrypted: false, files: Vec::new() };
    for (name, value) in fields {
        match (name.as_str(), value, &options.binding) {
            ("message", Value::String(text), _) => body.message = text,
            ("encrypted", Value::Bool(encrypted), _) => body.encrypted = encrypted,
            (name, Value::Array(ids), Binding::Field(field)) if name == field => {
                let id = |id: &Value| id.as_str().and_then(|id| prefixed("satt_", id)).map(AttachmentId);
                let ids: Option<Vec<_>> = ids.iter().map(id).collect();
                body.files = ids.ok_or_else(|| bad("an upload's id is no satt_"))?;
            }
            (name, _, _) => return Err(bad(&format!("{name:?} is unknown or of another type"))),
        }
    }
    let empty: Option<Wrong> =
        body.message.trim().is_empty().then_some(("/message", "The message is required."));
    Refused::fields(vec![empty])?;
    Ok(body)
}

/// The query of a list.
pub(super) fn listing(asked: &Asked, options: &HostupOptions) -> Result<Listing, Refused> {
    let mut listing = Listing { limit: options.page, after: None, status: None, department: None };
    for (name, value) in asked.query() {
        let bad =
            |pointer| Refused::field(pointer, "The value is invalid.").noting(format!("{name}={value:?}"));
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                listing.limit = limit.ok_or_else(|| bad("?limit"))?;
            }
            "cursor" => listing.after = Some(wire::Place::read(&value).ok_or_else(|| bad("?cursor"))?),
            "status" => listing.status = Some(wire::status_of(&value).ok_or_else(|| bad("?status"))?),
            _ if options.departments.iter().all(|(slug, _)| *slug != value) => {
                return Err(Refused::field("?departmentSlug", "The department is unknown."));
            }
            _ => listing.department = Some(value),
        }
    }
    Ok(listing)
}

/// The ticket that a download names; it must.
pub(super) fn owner(asked: &Asked) -> Result<TicketId, Refused> {
    let wrong = |text| Refused::field("?ticketId", text).noting("a download without its ticket's id");
    let query = asked.query();
    let (_, id) = query.first().ok_or_else(|| wrong("The ticket is required."))?;
    prefixed("tkt_", id).map(TicketId).ok_or_else(|| wrong("The value is invalid."))
}

/// The parts of an upload; the type is told from the name, which is sanitised.
pub(super) fn upload(asked: &Asked, options: &HostupOptions) -> Result<Upload, Refused> {
    let bad = |what: String| Refused::field("/file", "The form cannot be read.").noting(what);
    let parts = match &asked.form {
        Some(Ok(parts)) => parts.as_slice(),
        Some(Err(error)) => return Err(bad(format!("multipart: {error}"))),
        None => &[],
    };
    let (mut file, mut ticket) = (None, None);
    for part in parts {
        match part.name.as_str() {
            "file" if file.is_none() => {
                let arrived = part.file().ok_or_else(|| bad("the file has no name".to_owned()))?;
                file = Some(sanitised(arrived, options));
            }
            "ticketId" if ticket.is_none() && part.file_name.is_none() => {
                ticket = Some(ticket_id(part).ok_or_else(|| bad("ticketId is no tkt_".to_owned()))?);
            }
            name => return Err(bad(format!("a part named {name:?} too many"))),
        }
    }
    Ok(Upload { file: file.ok_or_else(|| bad("no part named file".to_owned()))?, ticket })
}

fn ticket_id(part: &Part) -> Option<TicketId> {
    let id = std::str::from_utf8(&part.bytes).ok()?;
    prefixed("tkt_", id).map(TicketId)
}

fn sanitised(file: NewFile, options: &HostupOptions) -> NewFile {
    let keeps = |c: char| match options.ascii_names {
        true => c.is_ascii_alphanumeric() || ".-_".contains(c),
        false => !c.is_control() && !"/\\:*?\"<>|".contains(c),
    };
    let name: String = file.name.chars().map(|c| if keeps(c) { c } else { '_' }).collect();
    let content_type = mime_guess::from_path(&name).first_or_octet_stream().to_string();
    NewFile { name, content_type, bytes: file.bytes }
}

fn account_of(asked: &Asked, visit: &Visit<'_>) -> Result<i64, Refused> {
    if asked.headers.contains_key("x-api-key") {
        return Err(Refused::unauthorized().noting("an X-API-Key header, which is the old API's"));
    }
    let Ok(Some(value)) = asked.header("authorization") else {
        return Err(Refused::unauthorized().noting("not exactly one Authorization header"));
    };
    let Some(key) = value.strip_prefix("Bearer ") else {
        return Err(Refused::unauthorized().noting("Authorization is not Bearer"));
    };
    visit.records.account_of_key(key).ok_or_else(Refused::unauthorized)
}
