//! What the process says about itself: log lines on stderr, and metrics.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("{filter:?} is not a log filter such as \"info\" or \"info,ticket_bridge=debug\"")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("the log was set up before")]
    Logs(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the metrics were set up before")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
}

/// Renders what the `metrics` macros counted.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Is `filter` one that [`start_log`] will take?
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    parse(filter).map(drop)
}

/// Writes log lines to stderr from now on. `RUST_LOG` in the environment wins over `filter`.
pub fn start_log(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(wanted) if !wanted.is_empty() => parse(&wanted)?,
        _ => parse(filter)?,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Logs)
}

impl Metrics {
    /// Counts from now on. Once per process.
    pub fn start() -> Result<Metrics, TelemetryError> {
        let handle = PrometheusBuilder::new().install_recorder().map_err(TelemetryError::Metrics)?;
        Ok(Metrics { handle })
    }

    /// The text that a Prometheus server reads.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds the samples of histograms together; without a call every few seconds they grow until the next
    /// [`render`](Metrics::render).
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// At its trace level async-imap logs the LOGIN line with the password, whatever was asked for.
const NEVER_SECRETS: &str = "async_imap=info";

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(format!("{filter},{NEVER_SECRETS}"))
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(check_filter("info,ticket_bridge=debug").is_ok());
        assert!(check_filter("info,ticket_bridge=loud").is_err());
    }

    #[test]
    fn metrics_are_rendered() {
        let metrics = Metrics::start().unwrap();
        metrics::counter!("telemetry_test_total").increment(2);
        metrics.tidy();
        assert!(metrics.render().contains("telemetry_test_total 2"));
    }
}
