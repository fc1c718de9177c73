//! `backfill`: a mailbox read again from a date on.

use std::path::Path;

use serde_json::json;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::{Remote, is_running, segment},
};
use crate::{config::Config, http::rows::Backfill};

/// Read a mailbox again from a date on, and file what was not filed before.
///
/// Each mail is recognised by its content, so that nothing is filed twice. Mail from before the
/// bridge's first start counts, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge backfill support --since 2026-01-31

An IMAP folder goes by the date on which the server got a mail; a Maildir's new, cur and the folder
of `after` by the date in a file's name, or of the file.")]
pub(super) struct Args {
    /// The mailbox's name in the configuration.
    mailbox: String,
    /// The first day, in UTC.
    #[arg(long, value_name = "DATE")]
    since: String,
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, config: &Path, output: &mut Output) -> Result<(), CliError> {
    if !is_running(&Config::load(config)?) {
        let error = anyhow::Error::msg("no daemon runs that could read the mailbox");
        return Err(CliError::new(ErrorKind::Unreachable, error).hint("Start it with `ticket-bridge run`."));
    }
    let path = format!("/admin/mailboxes/{}/backfill", segment(&args.mailbox));
    let asked: Backfill = Remote::open(config)?.post(&path, json!({ "since": args.since }))?;
    if args.json {
        output.json(&asked);
    } else {
        output.line(&format!(
            "{} is read again from {} on; what was filed before is recognised.",
            asked.mailbox, args.since
        ));
    }
    Ok(())
}
