//! The fields of a call's body, form-urlencoded or multipart; each once, and text only.

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use futures::FutureExt;
use url::form_urlencoded;

use super::super::door::{Asked, Part, number};
use super::answer::{Answer, Turned};

/// The fields in the order in which they came.
#[derive(Clone, Default)]
pub(in crate::sandbox::desk) struct Form(Vec<(String, String)>);

// === impl Form: how it is read ===

impl Form {
    /// Reads a body; says what is wrong with it.
    pub(in crate::sandbox::desk) fn of(asked: &Asked) -> Result<Self, String> {
        let fields = match &asked.form {
            Some(Ok(parts)) => parts.iter().map(text_part).collect::<Result<_, _>>()?,
            Some(Err(error)) => return Err(format!("multipart: {error}")),
            None if is_urlencoded(&asked.headers) => {
                form_urlencoded::parse(&asked.body).into_owned().collect()
            }
            None => return Err(format!("content type {:?}", asked.content_type().0)),
        };
        let form = Self(fields);
        match form.twice() {
            Some(name) => Err(format!("field {name:?} twice")),
            None => Ok(form),
        }
    }

    /// Only the fields of these names, from a body in memory; what cannot be read is left out.
    pub(in crate::sandbox::desk) fn glance(headers: &HeaderMap, body: &Bytes, names: &[&str]) -> Self {
        if !is_urlencoded(headers) {
            // Nothing is waited for where the body is in memory.
            let fields = text_fields(headers, body.clone(), names).now_or_never().flatten();
            return Self(fields.unwrap_or_default());
        }
        let begins = |pair: &[u8], name: &&str| {
            pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
        };
        let pairs = body.split(|byte| *byte == b'&');
        let pairs = pairs.filter(|pair| names.iter().any(|name| begins(pair, name)));
        Self(pairs.flat_map(|pair| form_urlencoded::parse(pair).into_owned()).collect())
    }
}

// === impl Form: what it says ===

impl Form {
    /// The field's value; an empty one is, as in PHP, none.
    pub(in crate::sandbox::desk) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(in crate::sandbox::desk) fn number(&self, name: &str) -> Result<Option<i64>, Turned> {
        let Some(value) = self.get(name) else { return Ok(None) };
        number(value).map(Some).ok_or_else(|| unreadable(name, value))
    }

    /// A number that counts, such as a page's size.
    pub(super) fn size(&self, name: &str, default: usize) -> Result<usize, Turned> {
        let size = self.number(name)?.map(usize::try_from).transpose();
        size.map(|size| size.unwrap_or(default)).map_err(|_| unreadable(name, "a number out of bounds"))
    }

    /// Yes or no; PHP would take the word “false” for yes in places, so no caller should lean on it.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Turned> {
        match self.get(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(unreadable(name, other)),
        }
    }

    /// The first field that is not among these.
    pub(in crate::sandbox::desk) fn stranger(&self, known: &[&[&str]]) -> Option<&str> {
        self.names().find(|name| !known.iter().any(|names| names.contains(name)))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn twice(&self) -> Option<&str> {
        let again = |(n, name): &(usize, &str)| self.names().take(*n).any(|earlier| earlier == *name);
        self.names().enumerate().find(again).map(|(_, name)| name)
    }
}

fn unreadable(name: &str, value: &str) -> Turned {
    Turned::noting(Answer::Error("Invalid Parameter"), format!("{name}={value:?}"))
}

fn is_urlencoded(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn text_part(part: &Part) -> Result<(String, String), String> {
    if let Some(file) = &part.file_name {
        return Err(format!("part {:?} is a file, {file:?}", part.name));
    }
    let text = std::str::from_utf8(&part.bytes).map_err(|_| format!("part {:?} is not UTF-8", part.name))?;
    Ok((part.name.clone(), text.to_owned()))
}

async fn text_fields(headers: &HeaderMap, body: Bytes, names: &[&str]) -> Option<Vec<(String, String)>> {
    let mut request = Request::new(Body::from(body));
    headers.clone_into(request.headers_mut());
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &()).await.ok()?;
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let name = part.name().unwrap_or_default().to_owned();
        if names.contains(&name.as_str()) {
            fields.push((name, part.text().await.ok()?));
        }
    }
    Some(fields)
}
