//! `run`: the bridge itself.

use std::path::Path;

use super::error::{CliError, ErrorKind};
use crate::{
    app,
    config::Config,
    runtime::{Shutdown, telemetry},
};

/// Run the bridge until it is told to stop (SIGTERM or Ctrl-C); the steps in hand are finished first.
///
/// Whatever moment it is killed at, the next start goes on where this one stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge run -c /etc/ticket-bridge/bot.toml
  ticket-bridge run --after-loss    # part of the state is gone, and no backup is at hand

On a damaged store it stops before anything is read or sent, and says what is missing.")]
pub(super) struct Args {
    /// Go on although the store does not hold all that it should: mail is read again, and each
    /// message is looked for at the ticket system before it is filed.
    #[arg(long)]
    after_loss: bool,
}

pub(super) fn run(args: &Args, path: &Path) -> Result<(), CliError> {
    let config = Config::load(path)?;
    telemetry::start_log(config.log.format, &config.log.level)
        .map_err(|error| CliError::new(ErrorKind::Config, error))?;
    for warning in &config.warnings {
        tracing::warn!(%warning, "The configuration has a doubtful part.");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals().map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let metrics =
            telemetry::Metrics::start().map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let start = app::Start { after_loss: args.after_loss, metrics: Some(metrics), shutdown };
        Ok(app::run(config, start).await?)
    })
}
