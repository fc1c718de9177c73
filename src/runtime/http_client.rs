//! The one way to speak HTTP: time limits, no redirects, bounded answers, no secrets in errors.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, Response};
use rustls::ClientConfig;

/// DNS, TCP and the TLS handshake together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter than the 60 to 75 s after which common servers close an idle connection: a request on a connection
/// that is just being closed ends with an unknown outcome.
const POOL_IDLE: Duration = Duration::from_secs(30);

const USER_AGENT: &str = concat!("ticket-bridge/", env!("CARGO_PKG_VERSION"));

/// Whether the server may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Surely not: no connection came about.
    No,
    /// It may have been read, and acted upon.
    Maybe,
}

/// A call that brought no (complete) answer. Its text names no URL, as that may hold a token.
#[derive(Debug, thiserror::Error)]
#[error("{}", match sent { Sent::No => "the server cannot be reached", Sent::Maybe => "the call got no complete answer" })]
pub struct HttpError {
    pub sent: Sent,
    /// No answer within the time limit.
    pub timed_out: bool,
    #[source]
    source: reqwest::Error,
}

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the answer is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the answer broke off")]
    Broken(#[source] HttpError),
}

/// A client with HTTP/1.1 over `tls`. `timeout` is for a whole call, its body included; a single request may
/// set another one. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured, except for this host.
/// Redirects are not followed: the key would travel along, and a POST would become a GET.
pub fn http_client(tls: &Arc<ClientConfig>, timeout: Duration) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .use_preconfigured_tls(ClientConfig::clone(tls))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_keepalive(POOL_IDLE)
        .user_agent(USER_AGENT)
        .no_proxy();
    for proxy in proxies()? {
        builder = builder.proxy(proxy);
    }
    builder.build()
}

/// Sends a request. An answer of any status is `Ok`.
pub async fn send(request: RequestBuilder) -> Result<Response, HttpError> {
    request.send().await.map_err(HttpError::from)
}

/// Reads an answer's body of at most `max` bytes; of a larger one no more than that is held.
pub async fn read_capped(mut response: Response, max: usize) -> Result<Bytes, BodyError> {
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > max {
        return Err(BodyError::TooLarge { max });
    }
    let mut body = BytesMut::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Broken(error.into()))? {
        if body.len() + chunk.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Whether the server may have seen the request that ended so. What cannot be proven unsent counts as sent.
pub fn sent(error: &reqwest::Error) -> Sent {
    if error.is_connect() || error.is_builder() { Sent::No } else { Sent::Maybe }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> HttpError {
        HttpError { sent: sent(&error), timed_out: error.is_timeout(), source: error.without_url() }
    }
}

fn proxies() -> Result<Vec<Proxy>, reqwest::Error> {
    let except = from_env(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let except = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{except}"));
    let mut proxies = Vec::new();
    if let Some(url) = from_env(["HTTPS_PROXY", "https_proxy"]) {
        proxies.push(Proxy::https(url)?);
    }
    if let Some(url) = from_env(["HTTP_PROXY", "http_proxy"]) {
        proxies.push(Proxy::http(url)?);
    }
    if let Some(url) = from_env(["ALL_PROXY", "all_proxy"]) {
        proxies.push(Proxy::all(url)?);
    }
    Ok(proxies.into_iter().map(|proxy| proxy.no_proxy(except.clone())).collect())
}

fn from_env(names: [&str; 2]) -> Option<String> {
    names.into_iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::runtime::tls;

    fn client() -> Client {
        http_client(&tls::client_config(None).unwrap(), Duration::from_secs(5)).unwrap()
    }

    /// Answers each connection with `answer` after it read something, then closes. Returns its address.
    async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://{address}")
    }

    fn chain(error: &dyn std::error::Error) -> String {
        let source = error.source().map(chain).unwrap_or_default();
        format!("{error} {error:?} {source}")
    }

    #[tokio::test]
    async fn a_refused_connection_was_surely_not_sent_and_hides_the_token() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/botTOKEN/getMe", listener.local_addr().unwrap());
        drop(listener);
        let error = send(client().post(url)).await.unwrap_err();
        assert_eq!(error.sent, Sent::No);
        assert!(!chain(&error).contains("TOKEN"), "{}", chain(&error));
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_was_surely_not_sent() {
        let plain = server("HTTP/1.1 200 OK\r\n\r\n").await.replace("http", "https");
        assert_eq!(send(client().post(plain)).await.unwrap_err().sent, Sent::No);
    }

    #[tokio::test]
    async fn a_connection_cut_after_the_request_may_have_been_sent() {
        let url = server("").await + "/botTOKEN/sendMessage";
        let error = send(client().post(url).body("hello")).await.unwrap_err();
        assert_eq!(error.sent, Sent::Maybe);
        assert!(!chain(&error).contains("TOKEN"), "{}", chain(&error));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_timeout_that_may_have_been_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let request = client().post(url).timeout(Duration::from_millis(50));
        let error = send(request).await.unwrap_err();
        assert!(error.timed_out && error.sent == Sent::Maybe);
    }

    #[tokio::test]
    async fn redirects_are_answers() {
        let url =
            server("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(send(client().get(url)).await.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn bodies_are_capped_whether_their_length_was_announced_or_not() {
        let body = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789";
        let announced = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
        for answer in [body, announced] {
            let url = server(answer).await;
            let response = send(client().get(&url)).await.unwrap();
            assert_eq!(read_capped(response, 10).await.unwrap(), "0123456789");
            let response = send(client().get(&url)).await.unwrap();
            assert!(matches!(read_capped(response, 9).await, Err(BodyError::TooLarge { max: 9 })));
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_a_body() {
        let url = server("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123").await;
        let response = send(client().get(url)).await.unwrap();
        assert!(matches!(read_capped(response, 100).await, Err(BodyError::Broken(_))));
    }
}
