//! Calls to the Bot API: teloxide's requests over our own HTTP client.
//!
//! teloxide's own transport sleeps ten seconds on each 5xx, reads answers without a bound and drops the
//! `error_code`, without which a server's failure looks like a refusal.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, multipart::Form};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use teloxide::requests::Payload;

use super::errors::Failure;
use crate::{
    model::ids::ChatId,
    runtime::{
        http_client::{self, HttpError},
        secret::Secret,
    },
};

/// A hundred updates of full length are far below it.
const MOST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// One bot at one Bot API server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    url: String,
    token: Secret,
}

/// <https://core.telegram.org/bots/api#making-requests>
#[derive(Deserialize)]
struct Answer<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// <https://core.telegram.org/bots/api#responseparameters>
#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    pub(super) fn new(client: Client, url: &str, token: Secret) -> Self {
        Self { client, url: url.trim_end_matches('/').to_owned(), token }
    }

    /// Calls the payload's method; what it answers is read as `T`, which may be less than what the Bot API
    /// promises, so that a success is never mistaken for something else.
    pub(super) async fn call<P, T>(&self, payload: &P, timeout: Duration) -> Result<T, Failure>
    where
        P: Payload + Serialize,
        T: DeserializeOwned,
    {
        self.post(P::NAME, |request| request.json(payload), timeout).await
    }

    /// The same for a method with a file in its form.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        method: &str,
        form: Form,
        timeout: Duration,
    ) -> Result<T, Failure> {
        self.post(method, |request| request.multipart(form), timeout).await
    }

    /// Begins to read a file that `getFile` named.
    pub(super) async fn download(&self, path: &str, timeout: Duration) -> Result<Response, HttpError> {
        let url = format!("{}/file/bot{}/{path}", self.url, self.token.expose());
        http_client::send(self.client.get(url).timeout(timeout)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        method: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let url = format!("{}/bot{}/{method}", self.url, self.token.expose());
        let request = fill(self.client.post(url)).timeout(timeout);
        let response = http_client::send(request).await.map_err(Failure::Http)?;
        let status = response.status().as_u16();
        match http_client::read_capped(response, MOST_ANSWER_BYTES).await {
            Ok(body) => decode(status, &body),
            Err(error) => Err(Failure::Body { status, error }),
        }
    }
}

fn decode<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Failure> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(Failure::Undecodable { status });
    };
    if !answer.ok {
        return Err(Failure::Refused {
            code: answer.error_code.unwrap_or(status),
            description: answer.description,
            retry_after: answer.parameters.retry_after.map(Duration::from_secs),
            moved_to: answer.parameters.migrate_to_chat_id.map(ChatId),
        });
    }
    let result = answer.result.map_or("null", RawValue::get);
    serde_json::from_str(result).map_err(|_| Failure::Undecodable { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_and_parameters() {
        let body = br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7",
                        "parameters":{"retry_after":7}}"#;
        let Err(Failure::Refused { code, retry_after, .. }) = decode::<bool>(429, body) else { panic!() };
        assert_eq!((code, retry_after), (429, Some(Duration::from_secs(7))));
    }

    #[test]
    fn html_is_no_answer_whatever_its_status() {
        for status in [200, 502] {
            let answer = decode::<bool>(status, b"<html>Bad Gateway</html>");
            assert!(matches!(answer, Err(Failure::Undecodable { status: s }) if s == status));
        }
    }
}
