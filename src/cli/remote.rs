//! Talks to the running daemon over its socket; while none runs, is the daemon for the moment of one command.

use std::{os::unix::net::UnixStream, path::Path, time::Duration};

use bytes::Bytes;
use reqwest::{Client, Method, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{runtime::Runtime, task::JoinHandle};

use super::error::{CliError, ErrorKind};
use crate::{
    app,
    config::Config,
    http::{self, admin_api, rows::Refusal},
    runtime::Shutdown,
};

/// Even a backup of a large store ends within this.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The way to the admin API.
pub(super) struct Remote {
    runtime: Runtime,
    client: Client,
    own: Option<Own>,
}

/// The API served by this very process, since no daemon does.
struct Own {
    shutdown: Shutdown,
    served: JoinHandle<std::io::Result<()>>,
}

impl Remote {
    pub(super) fn open(config_file: &Path) -> Result<Remote, CliError> {
        let config = Config::load(config_file)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(internal)?;
        let socket = http::socket(&config.state_dir);
        let own = match is_running(&config) {
            true => None,
            false => Some(runtime.block_on(serve(&config, &socket))?),
        };
        let client = Client::builder().unix_socket(socket).no_proxy().timeout(TIMEOUT).build();
        Ok(Remote { runtime, client: client.map_err(internal)?, own })
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.call(Method::GET, path, None)
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, CliError> {
        self.call(Method::POST, path, Some(body))
    }

    pub(super) fn put<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T, CliError> {
        self.call(Method::PUT, path, Some(body))
    }

    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.call(Method::DELETE, path, None)
    }

    pub(super) fn bytes(&self, path: &str) -> Result<Bytes, CliError> {
        self.runtime.block_on(async {
            let answer = self.send(Method::GET, path, None).await?;
            answer.bytes().await.map_err(unreachable)
        })
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, CliError> {
        self.runtime.block_on(async {
            let answer = self.send(method, path, body).await?;
            answer.json().await.map_err(unreachable)
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response, CliError> {
        let mut request = self.client.request(method, format!("http://ticket-bridge{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(unreachable)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        let said = serde_json::from_str::<Refusal>(&text).map(|refusal| refusal.error);
        let error = said.unwrap_or_else(|_| format!("the daemon answered {status}: {}", text.trim()));
        let kind = if status.is_server_error() { ErrorKind::Unreachable } else { ErrorKind::User };
        Err(CliError::new(kind, anyhow::Error::msg(error)))
    }
}

/// Lets the last change reach the disk before the process ends.
impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.shutdown.trigger();
            let _ = self.runtime.block_on(own.served);
        }
    }
}

async fn serve(config: &Config, socket: &Path) -> Result<Own, CliError> {
    let bridge = app::at_rest(config).await?;
    let listener = http::bind(socket).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} cannot be made", socket.display()));
        CliError::new(ErrorKind::Internal, error)
    })?;
    let shutdown = Shutdown::new();
    let served = http::serve_unix(listener, socket.to_owned(), admin_api::router(bridge), shutdown.clone());
    Ok(Own { shutdown, served: tokio::spawn(served) })
}

/// Whether a daemon answers at the socket of this `state_dir`.
pub(super) fn is_running(config: &Config) -> bool {
    UnixStream::connect(http::socket(&config.state_dir)).is_ok()
}

fn internal(error: impl Into<anyhow::Error>) -> CliError {
    CliError::new(ErrorKind::Internal, error)
}

fn unreachable(error: reqwest::Error) -> CliError {
    let error = anyhow::Error::new(error.without_url()).context("the daemon did not answer");
    CliError::new(ErrorKind::Unreachable, error)
}

/// A name as it stands in a path.
pub(super) fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
