//! The calls of one ticket API: within its budget, with its clock noted, each answer read whole and bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{RequestBuilder, Response};
use rustls::ClientConfig;

use super::ApiError;
use super::answers::{self, Answer, Call, chain};
use super::budget::{Budget, Permit};
use super::common::Common;
use super::server_clock::ServerClock;
use crate::runtime::byte_stream::ByteStream;
use crate::runtime::http_client::{self, http_client};
use crate::runtime::{Clock, Timestamp};

/// What adapters send their requests through.
pub struct Calls {
    client: reqwest::Client,
    clock: Clock,
    budget: Budget,
    server_clock: ServerClock,
    timeout: Duration,
}

impl Calls {
    /// The time for one call is also the one for the wait for its permit before it.
    pub fn new(common: &Common, tls: &Arc<ClientConfig>, clock: Clock) -> Result<Self, reqwest::Error> {
        let timeout = common.call_timeout;
        Ok(Self {
            client: http_client(tls, timeout)?,
            budget: Budget::new(clock.clone(), common.max_calls_per_second, common.connections),
            server_clock: ServerClock::default(),
            clock,
            timeout,
        })
    }

    /// Makes requests for [`answer`](Self::answer) and [`stream`](Self::stream).
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request. An answer of any status is `Ok`, with at most `most` bytes of a success.
    pub async fn answer(&self, call: Call, request: RequestBuilder, most: usize) -> Result<Answer, ApiError> {
        let _permit = self.permit(call).await?;
        let response = http_client::send(request).await.map_err(|error| answers::unanswered(call, &error))?;
        let answer = Answer::read(response, most).await;
        self.note(&answer);
        Ok(answer)
    }

    /// Sends a request whose success is a file: a stream that fails beyond `most` bytes, or when its server
    /// is silent for as long as a call may take. Any other answer is `Ok(Err(_))`.
    pub async fn stream(
        &self,
        request: RequestBuilder,
        most: u64,
    ) -> Result<Result<(Option<u64>, ByteStream), Answer>, ApiError> {
        let length = |head: &Answer| head.header(CONTENT_LENGTH.as_str())?.parse().ok();
        let streamed = self.stream_with_head(request, most).await?;
        Ok(streamed.map(|(head, content)| (length(&head), content)))
    }

    /// As [`stream`](Self::stream), with the answer that the file came in, whose body is empty.
    pub async fn stream_with_head(
        &self,
        request: RequestBuilder,
        most: u64,
    ) -> Result<Result<(Answer, ByteStream), Answer>, ApiError> {
        let permit = self.permit(Call::Read).await?;
        let sent = tokio::time::timeout(self.timeout, http_client::send(request)).await;
        let silent = || ApiError::Retry { after: None, reason: "the server does not answer".to_owned() };
        let response =
            sent.map_err(|_| silent())?.map_err(|error| answers::unanswered(Call::Read, &error))?;
        let head = Answer::head(&response);
        self.note(&head);
        if !head.status.is_success() {
            return Ok(Err(Answer::read(response, 0).await));
        }
        Ok(Ok((head, bounded(response, permit, most, self.timeout))))
    }

    /// What the server's clock shows when ours shows `local`.
    pub fn server_time(&self, local: Timestamp) -> Timestamp {
        self.server_clock.at(local)
    }

    async fn permit(&self, call: Call) -> Result<Permit, ApiError> {
        self.budget.permit(call, self.timeout).await.map_err(|wait| ApiError::Retry {
            after: Some(wait),
            reason: "the budget for calls is used up".to_owned(),
        })
    }

    fn note(&self, answer: &Answer) {
        if let Some(date) = answer.date {
            self.server_clock.heard(date, self.clock.now());
        }
        if let Some(wait) = answer.retry_after.filter(|_| !answer.status.is_success()) {
            self.budget.freeze(wait);
        }
    }
}

fn bounded(response: Response, permit: Permit, most: u64, silence: Duration) -> ByteStream {
    let start = (response, permit, most);
    Box::pin(futures::stream::try_unfold(start, move |(mut response, permit, left)| async move {
        let chunk = tokio::time::timeout(silence, response.chunk()).await;
        let chunk = chunk.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let chunk = chunk.map_err(|error| io::Error::other(chain(&error.without_url())))?;
        let Some(chunk) = chunk else { return Ok(None) };
        let left = left.checked_sub(chunk.len() as u64);
        let left = left.ok_or_else(|| too_large(most))?;
        Ok(Some((chunk, (response, permit, left))))
    }))
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes"))
}
