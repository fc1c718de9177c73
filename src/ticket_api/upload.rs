//! A file on its way up: streamed, with its exact length known before the first byte.

use std::time::Duration;

use futures::StreamExt;
use reqwest::multipart::Part;

use super::{ApiError, Upload};
use crate::runtime::byte_stream::{ByteStream, exactly};

/// The file's content, of its announced size or failing. Waits for its first bytes: a source that fails
/// before anything was sent leaves nothing unknown.
pub async fn begun(file: &mut Upload, patience: Duration) -> Result<ByteStream, ApiError> {
    let mut content = std::mem::replace(&mut file.content, futures::stream::empty().boxed());
    let first = tokio::time::timeout(patience, content.next()).await;
    let first = match first {
        Ok(Some(Err(error))) => return Err(unreadable(&file.name, &error.to_string())),
        Ok(first) => first,
        Err(_) => return Err(unreadable(&file.name, "its source is silent")),
    };
    // Otherwise what follows would be read as the file's, or the other way round.
    Ok(exactly(file.size, futures::stream::iter(first).chain(content).boxed()))
}

/// The file as a part of a form.
pub async fn part(mut file: Upload, patience: Duration) -> Result<Part, ApiError> {
    let content = begun(&mut file, patience).await?;
    let name: String = file.name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let mime = file.mime.parse().unwrap_or(mime_guess::mime::APPLICATION_OCTET_STREAM);
    let part = Part::stream_with_length(reqwest::Body::wrap_stream(content), file.size).file_name(name);
    part.mime_str(mime.as_ref()).map_err(|error| unreadable(&file.name, &error.to_string()))
}

/// What the customer is told of a file above the limit.
pub fn too_large(most: u64) -> String {
    let (megabytes, rest) = (most / 1_000_000, most % 1_000_000 / 100_000);
    let limit = if rest == 0 { format!("{megabytes} MB") } else { format!("{megabytes}.{rest} MB") };
    format!("the file is larger than {limit}, the most that a file of a ticket may have")
}

fn unreadable(name: &str, why: &str) -> ApiError {
    ApiError::Retry { after: None, reason: format!("the file {name} cannot be read: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_named_as_people_say_it() {
        assert!(too_large(10_000_000).contains("10 MB,"));
        assert!(too_large(2_500_000).contains("2.5 MB,"));
    }
}
