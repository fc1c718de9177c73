//! A call's parameters, however they came: query, form, JSON or multipart.

use std::collections::BTreeMap;

use axum::body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::rules::{MAX_UPLOAD, Refusal};

/// A file that came with the call.
#[derive(Debug, Clone)]
pub struct Upload {
    pub name: String,
    pub bytes: Bytes,
}

/// The parameters of one call. In forms every value is text; in JSON it may be typed.
#[derive(Debug, Default)]
pub struct Params {
    values: Map<String, Value>,
    uploads: BTreeMap<String, Upload>,
}

impl Params {
    /// Reads them all; a later source wins over the query.
    pub async fn read(request: Request) -> Result<Params, Refusal> {
        let mut params = Params::default();
        params.form(request.uri().query().unwrap_or_default().as_bytes());
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        if content_type.starts_with("multipart/form-data") {
            params.multipart(request).await?;
            return Ok(params);
        }
        let bytes =
            body::to_bytes(request.into_body(), MAX_UPLOAD).await.map_err(|_| Refusal::too_large())?;
        if content_type.starts_with("application/x-www-form-urlencoded") {
            params.form(&bytes);
        } else if content_type.starts_with("application/json") && !bytes.is_empty() {
            let object = serde_json::from_slice::<Map<String, Value>>(&bytes);
            params.values.extend(object.map_err(|_| Refusal::bad_request("can't parse JSON object"))?);
        }
        Ok(params)
    }

    fn form(&mut self, bytes: &[u8]) {
        for (name, value) in form_urlencoded::parse(bytes) {
            self.values.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    async fn multipart(&mut self, request: Request) -> Result<(), Refusal> {
        let broken = || Refusal::bad_request("can't parse multipart body");
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
        let mut total = 0;
        while let Some(mut part) = parts.next_field().await.map_err(|_| broken())? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let mut bytes = BytesMut::new();
            while let Some(chunk) = part.chunk().await.map_err(|_| broken())? {
                total += chunk.len();
                if total <= MAX_UPLOAD {
                    bytes.extend_from_slice(&chunk);
                }
            }
            match file_name {
                Some(file_name) => {
                    let file_name = if file_name.is_empty() { "file".to_owned() } else { file_name };
                    self.uploads.insert(name, Upload { name: file_name, bytes: bytes.freeze() });
                }
                None => {
                    let text = String::from_utf8(bytes.into()).map_err(|_| strings_must_be_utf8())?;
                    self.values.insert(name, Value::String(text));
                }
            }
        }
        if total > MAX_UPLOAD { Err(Refusal::too_large()) } else { Ok(()) }
    }

    /// Parameters of the same call, but of one item of a list (an album's).
    pub fn of_item(&self, item: &Map<String, Value>) -> Params {
        Params { values: item.clone(), uploads: self.uploads.clone() }
    }

    /// What the call said, for the log; files by name and size.
    pub fn log(&self) -> Value {
        let mut log = self.values.clone();
        for (name, upload) in &self.uploads {
            log.insert(name.clone(), Value::from(format!("{} ({} bytes)", upload.name, upload.bytes.len())));
        }
        Value::Object(log)
    }

    /// The first parameter that is not in the list. A file part may have any name that a value refers to.
    pub fn unknown(&self, known: &[&str]) -> Option<String> {
        let said = Value::Object(self.values.clone()).to_string();
        let file =
            |name: &&String| !known.contains(&name.as_str()) && !said.contains(&format!("attach://{name}"));
        let value = self.values.keys().find(|name| !known.contains(&name.as_str()));
        value.or_else(|| self.uploads.keys().find(file)).cloned()
    }

    pub fn upload(&self, name: &str) -> Option<&Upload> {
        self.uploads.get(name)
    }

    /// A text, or a number or truth value as text; missing and empty are the same.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| Refusal::bad_request(format!("invalid {name} specified")))?;
        Ok(Some(number))
    }

    /// As the server reads truth: `true`, `yes`, `1`.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "1"))
    }

    /// A nested value: JSON, or JSON in a text.
    pub fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(value) => Ok(Some(value)),
                Err(_) => {
                    Err(Refusal::bad_request(format!("can't parse {} JSON object", name.replace('_', " "))))
                }
            },
            Some(value) => Ok(Some(value.clone())),
        }
    }

    pub fn list(&self, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
        match self.json(name)? {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(Refusal::bad_request(format!("expected an Array of {}", name.replace('_', " ")))),
        }
    }
}

fn strings_must_be_utf8() -> Refusal {
    Refusal::bad_request("strings must be encoded in UTF-8")
}
