//! How a file leaves the desk as bytes.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

use super::ticket::Attachment;

/// The file with its type and both forms of its name.
pub(super) fn download(file: &Attachment) -> Response<Body> {
    let mut response = Response::new(Body::from(file.bytes.clone()));
    let content_type = HeaderValue::from_str(&file.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Ok(disposition) = HeaderValue::from_str(&disposition(&file.name)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// ASCII with `_` for the rest, and RFC 5987's, as ASP.NET and others write them.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '\\') { c } else { '_' })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // a String takes every write
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}
