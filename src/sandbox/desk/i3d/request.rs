//! Whether a request is one that the contract knows: key, headers, query, body.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::door::{Asked, Visit, not_null};
use super::super::records::NewFile;
use super::super::ticket::AttachmentId;
use super::options::{I3dOptions, MailField};
use super::route::{BodyKind, Route};
use super::wire::Refused;

/// The body of a create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateBody {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) title: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) content: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) category: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) department: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) email_cc: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) email_to: Option<String>,
    #[serde(default)]
    pub(super) attachment_ids: Vec<i64>,
}

/// The body of a reply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplyBody {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) title: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) attachment_ids: Vec<i64>,
}

/// The body of the contact form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ContactBody {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) first_name: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) last_name: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) company_name: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) phone: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) title: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) content: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) category: Option<String>,
}

/// Which rows of a list are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) results: usize,
}

const DEFAULT_RANGE: Range = Range { start: 0, results: 25 };

/// Checks everything but the body's inside; the account is the key's.
pub(super) fn admit(route: Route, asked: &Asked, visit: &Visit<'_>) -> Result<i64, Refused> {
    let account = account_of(asked, visit)?;
    if !asked.query().is_empty() {
        return Err(Refused::malformed(format!("a query ({:?}) where none is known", asked.uri.query())));
    }
    for header in ["ranged-data", "page-token"] {
        if asked.headers.contains_key(header) && !matches!(route, Route::List { .. }) {
            return Err(Refused::malformed(format!("the header {header} where nothing is listed")));
        }
    }
    let fits = match route.body() {
        BodyKind::None => asked.body.is_empty(),
        BodyKind::Json => asked.is_json(),
        BodyKind::Form => asked.form.is_some(),
    };
    if fits {
        Ok(account)
    } else {
        let length = asked.body.len();
        Err(Refused::malformed(format!("a body of {length} bytes as {:?}", asked.content_type())))
    }
}

/// A JSON body, of exactly the fields that the contract names.
pub(super) fn body<T: DeserializeOwned>(asked: &Asked) -> Result<T, Refused> {
    asked.json().map_err(|error| Refused::malformed(format!("body: {error}")))
}

/// The one file of an upload.
pub(super) fn file(asked: &Asked) -> Result<NewFile, Refused> {
    let broken = |what: &str| Refused::field("attachment", "is invalid").noting(what.to_owned());
    let parts = match &asked.form {
        Some(Ok(parts)) => parts,
        Some(Err(error)) => return Err(broken(&format!("multipart: {error}"))),
        None => return Err(broken("no multipart body")),
    };
    let [part] = parts.as_slice() else {
        return Err(broken(&format!("{} parts instead of one", parts.len())));
    };
    if part.name != "attachment" {
        return Err(broken(&format!("a part named {:?}", part.name)));
    }
    part.file().ok_or_else(|| broken("the part has no file name"))
}

/// The rows of a list, from `RANGED-DATA` or, where the desk gave one, from the `PAGE-TOKEN`.
pub(super) fn range(asked: &Asked, options: &I3dOptions) -> Result<Range, Refused> {
    let once = |name: &str| {
        asked.header(name).map_err(|()| Refused::malformed(format!("more than one {name} header")))
    };
    let mut range = once("ranged-data")?.map_or(Some(DEFAULT_RANGE), ranged).ok_or_else(|| {
        Refused::malformed("RANGED-DATA is not start=N,results=N, with results above zero".to_owned())
    })?;
    if let Some(token) = once("page-token")? {
        let start = token.strip_prefix("pt").and_then(|start| usize::from_str_radix(start, 16).ok());
        let start = start.filter(|_| options.page_token);
        range.start =
            start.ok_or_else(|| Refused::malformed("a PAGE-TOKEN that was not given".to_owned()))?;
    }
    range.results = range.results.min(options.max_results);
    Ok(range)
}

/// The token of the rows from `start` on.
pub(super) fn page_token(start: usize) -> String {
    format!("pt{start:08x}")
}

// === what the bodies must hold ===

impl CreateBody {
    pub(super) fn check(&self, options: &I3dOptions) -> Result<(), Refused> {
        let mut wrong = vec![
            required("title", self.title.as_deref(), 1, options.max_title),
            required("content", self.content.as_deref(), 1, usize::MAX),
            one_of("category", self.category.as_deref(), &options.categories),
            one_of("department", self.department.as_deref(), &options.departments),
        ];
        for (name, field) in [("emailCc", &self.email_cc), ("emailTo", &self.email_to)] {
            wrong.push(addresses(name, field.as_deref(), options.mail_fields));
        }
        Refused::form(wrong)
    }
}

impl ReplyBody {
    pub(super) fn check(&self, options: &I3dOptions) -> Result<(), Refused> {
        Refused::form(vec![
            required("title", self.title.as_deref(), 1, options.max_title),
            required("content", self.content.as_deref(), 1, usize::MAX),
        ])
    }
}

impl ContactBody {
    pub(super) fn check(&self, options: &I3dOptions) -> Result<(), Refused> {
        let company = self.company_name.as_deref().filter(|name| name.chars().count() > 120);
        let email = self.email.as_deref().filter(|email| !email.is_empty() && !is_address(email));
        Refused::form(vec![
            required("firstName", self.first_name.as_deref(), 2, 64),
            required("lastName", self.last_name.as_deref(), 2, 128),
            company.map(|_| ("companyName", "is too long")),
            required("email", self.email.as_deref(), 1, 128),
            email.map(|_| ("email", "is not a valid email address")),
            required("phone", self.phone.as_deref(), 5, 15),
            required("title", self.title.as_deref(), 2, 250),
            one_of("category", self.category.as_deref(), &options.categories),
        ])
    }
}

pub(super) fn attachments(ids: &[i64]) -> Vec<AttachmentId> {
    ids.iter().map(|id| AttachmentId(*id)).collect()
}

/// What is wrong with a field, if anything.
pub(super) type Wrong = Option<(&'static str, &'static str)>;

fn required(name: &'static str, value: Option<&str>, least: usize, most: usize) -> Wrong {
    let length = value.map_or(0, |value| value.trim().chars().count());
    match length {
        0 => Some((name, "is required")),
        _ if length < least => Some((name, "is too short")),
        _ if length > most => Some((name, "is too long")),
        _ => None,
    }
}

fn one_of(name: &'static str, value: Option<&str>, known: &[String]) -> Wrong {
    match value {
        None | Some("") => Some((name, "is required")),
        Some(value) if known.iter().any(|known| known == value) => None,
        Some(_) => Some((name, "is invalid")),
    }
}

fn addresses(name: &'static str, value: Option<&str>, held: MailField) -> Wrong {
    match value {
        None => (held == MailField::Required).then_some((name, "is required")),
        Some("") => (held == MailField::NotEmpty).then_some((name, "is required")),
        Some(list) if list.split(',').all(|one| is_address(one.trim())) => None,
        Some(_) => Some((name, "is invalid")),
    }
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        && !text.contains(char::is_whitespace)
}

fn account_of(asked: &Asked, visit: &Visit<'_>) -> Result<i64, Refused> {
    let refused = || Refused::unauthorized(visit.options.i3d.auth_status);
    if asked.headers.contains_key("authorization") {
        return Err(
            refused().noting("an Authorization header; a key goes into PRIVATE-TOKEN alone".to_owned())
        );
    }
    let Ok(Some(key)) = asked.header("private-token") else {
        return Err(refused().noting("not exactly one PRIVATE-TOKEN header".to_owned()));
    };
    visit.records.account_of_key(key).ok_or_else(refused)
}

fn ranged(text: &str) -> Option<Range> {
    let (mut start, mut results) = (None, None);
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=')?;
        let value = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()?;
        let slot = match name {
            "start" => &mut start,
            "results" => &mut results,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(Range { start: start?, results: results.filter(|results| *results > 0)? })
}
