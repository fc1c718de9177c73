//! The files inside a call: base64 of a JSON list of names and base64 data.

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::super::records::NewFile;
use super::answer::{Answer, Turned};
use super::options::{RefusedFiles, WhmcsOptions};

/// The files that the installation takes, in order.
pub(super) fn decode(field: Option<&str>, options: &WhmcsOptions) -> Result<Vec<NewFile>, Turned> {
    // The contract's example form sends a plain `[]` where there is none.
    let Some(field) = field.filter(|field| *field != "[]") else { return Ok(Vec::new()) };
    let list = BASE64.decode(field.as_bytes()).map_err(|error| bad(format!("is not base64: {error}")))?;
    let rows: Vec<Map<String, Value>> =
        serde_json::from_slice(&list).map_err(|error| bad(format!("is not a list of objects: {error}")))?;
    let mut files = Vec::new();
    for row in rows {
        let file = file(&row, options)?;
        if is_taken(&file, options) {
            files.push(file);
        } else if options.refused_files == RefusedFiles::Refuse {
            return Err(Turned::error("Attachment Not Allowed"));
        }
    }
    Ok(files)
}

fn file(row: &Map<String, Value>, options: &WhmcsOptions) -> Result<NewFile, Turned> {
    let key = options.attachment_name_key.as_str();
    if let Some(stranger) = row.keys().find(|name| *name != key && *name != "data") {
        return Err(bad(format!("has the key {stranger:?}")));
    }
    let text = |key: &str| row.get(key).and_then(Value::as_str).ok_or_else(|| bad(format!("lacks {key:?}")));
    let name = text(key)?;
    if name.is_empty() {
        return Err(bad("holds a file without a name".to_owned()));
    }
    let bytes = BASE64.decode(text("data")?.as_bytes());
    let bytes = bytes.map_err(|error| bad(format!("has data that is not base64: {error}")))?;
    let content_type = mime_guess::from_path(name).first_or_octet_stream().to_string();
    Ok(NewFile { name: name.to_owned(), content_type, bytes: bytes.into() })
}

fn is_taken(file: &NewFile, options: &WhmcsOptions) -> bool {
    let extension = file.name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let is_allowed = |allowed: &Vec<String>| extension.is_some_and(|extension| allowed.contains(&extension));
    file.bytes.len() <= options.max_file_bytes && options.allowed_extensions.as_ref().is_none_or(is_allowed)
}

fn bad(what: String) -> Turned {
    Turned::noting(Answer::Error("Invalid Attachments"), format!("attachments {what}"))
}
