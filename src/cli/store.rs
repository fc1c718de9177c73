//! `store`: backups of the state, and a state made of one.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::{Remote, is_running},
};
use crate::{
    config::Config,
    runtime::Clock,
    store::{OpenError, Store, dump::DumpError},
};

/// Back the state up, move it elsewhere, or put a backup back.
///
/// The files are JSON lines with everything in them: which ticket belongs to whom, what waits, and the
/// texts and files that waiting jobs need.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge store backup /var/backups/ticket-bridge.jsonl    # any time, also while it runs
  ticket-bridge store restore /var/backups/ticket-bridge.jsonl   # after stopping it
  ticket-bridge store export state.jsonl                         # to look at; without secrets
  ticket-bridge store export state.jsonl --with-secrets          # to move to another machine
  ticket-bridge store import state.jsonl -c new/bot.toml

After a restore, sources are read again from 48 hours before the backup, and for seven days each message is
looked for at the ticket system before it is filed.
Ends with 0 when it is done, with 1 when it cannot be done, with 78 when the configuration is wrong.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a backup, the instance's secret included; a running bridge goes on meanwhile, but takes nothing in
    /// while the rows are read (some seconds where there are a million).
    Backup {
        /// Replaced if it is there.
        file: PathBuf,
    },
    /// Write the whole state to a new file.
    Export {
        file: PathBuf,
        /// Also the secret, without which markers, reply addresses and buttons made so far are not known.
        #[arg(long)]
        with_secrets: bool,
    },
    /// Make the state of a backup or an export, where there is none yet.
    Import { file: PathBuf },
    /// Put a backup in the place of a damaged state, which is kept beside it; the bridge must not run.
    Restore { file: PathBuf },
}

pub(super) fn run(args: &Args, path: &Path, output: &mut Output) -> Result<(), CliError> {
    match &args.what {
        What::Backup { file } => {
            let file = whole(file)?;
            let _: PathBuf = Remote::open(path)?.post("/admin/store/backup", json!({ "file": file }))?;
            output.line(&format!("The backup is {}. It holds a secret: keep it safe.", file.display()));
        }
        What::Export { file, with_secrets } => {
            let file = whole(file)?;
            let body = json!({ "file": file, "with_secrets": with_secrets });
            let _: PathBuf = Remote::open(path)?.post("/admin/store/export", body)?;
            output.line(&file.display().to_string());
        }
        What::Import { file } => {
            let dir = at_rest(path)?;
            let from = File::open(file).map_err(|error| refused(error.into(), file))?;
            Store::import(from, &dir, &Clock::real()).map_err(|error| refused(error, file))?;
            output.line(&format!("{} holds what {} held.", dir.display(), file.display()));
        }
        What::Restore { file } => {
            let dir = at_rest(path)?;
            Store::restore(file, &dir, &Clock::real()).map_err(|error| refused(error, file))?;
            output.line(&format!(
                "{} holds what {} held; what was there lies beside it, named \"damaged\".",
                dir.display(),
                file.display()
            ));
            output.line("Start with \"ticket-bridge run\": mail is read again, and each message is looked for before it is filed.");
        }
    }
    Ok(())
}

/// The state directory, which no daemon uses.
fn at_rest(path: &Path) -> Result<PathBuf, CliError> {
    let config = Config::load(path)?;
    if is_running(&config) {
        return Err(running(&config.state_dir));
    }
    Ok(config.state_dir)
}

fn running(dir: &Path) -> CliError {
    CliError::user(format!("a ticket-bridge runs with the state in {}", dir.display()))
        .hint("Stop it first; nothing was changed.")
}

fn refused(error: DumpError, file: &Path) -> CliError {
    let hint = match &error {
        DumpError::Open(OpenError::Locked(db)) => return running(db),
        DumpError::Io(_) => None,
        DumpError::Cut | DumpError::Damaged(_) => Some("Nothing was changed: try an older file."),
        DumpError::Newer { .. } => Some("Install the version that wrote it, or a later one."),
        DumpError::NotEmpty(_) => Some(
            "Name another state_dir in the configuration, or put a backup over a damaged state with \
             \"ticket-bridge store restore FILE\".",
        ),
        DumpError::NoSecret => Some(
            "Take a file of \"store backup\" or \"store export --with-secrets\"; without one there is \
             \"ticket-bridge run --after-loss\".",
        ),
        DumpError::Store(_) | DumpError::Open(_) => None,
    };
    let error = anyhow::Error::new(error).context(format!("{} cannot be used", file.display()));
    let error = CliError::new(ErrorKind::User, error);
    hint.into_iter().fold(error, CliError::hint)
}

/// The daemon's working directory is another one.
fn whole(file: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(file).map_err(|error| CliError::new(ErrorKind::User, error))
}
