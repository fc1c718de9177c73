//! `check`: is the configuration right, and does every server answer?

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::{CliError, ErrorKind};
use super::output::Output;
use crate::config::mailbox::{Outbox, Source};
use crate::config::{Config, Mailbox, Problem, Problems};
use crate::runtime::tls;

/// Check the configuration, and that every server in it can be reached and logged in to.
///
/// Ends with 0 when all is well, with 78 when the configuration is wrong, with 69 when a server does not answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge check --offline
  ticket-bridge check --offline -c /etc/ticket-bridge/bot.toml --json")]
pub(super) struct Args {
    /// Only look at the file and the secrets that it names; reach no server.
    #[arg(long)]
    offline: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, path: &Path, output: &mut Output) -> Result<(), CliError> {
    let config = check_file(path, args.json, output)?;
    check_authorities(&config)?;
    if !args.offline {
        return Err(CliError::user("this version cannot try the servers yet").hint("Add --offline."));
    }
    report(&config, path, args.json, output);
    Ok(())
}

fn check_file(path: &Path, json: bool, output: &mut Output) -> Result<Config, CliError> {
    Config::load(path).map_err(|problems| {
        if json {
            output.json(&result(Some(&problems), &[]));
        }
        CliError::from(problems)
    })
}

/// The files with own certificate authorities can be used.
fn check_authorities(config: &Config) -> Result<(), CliError> {
    let own = config.mailboxes.iter().flat_map(ca_files);
    for file in config.ca_file.iter().chain(own) {
        tls::client_config(Some(file)).map_err(|error| CliError::new(ErrorKind::Config, error))?;
    }
    Ok(())
}

fn ca_files(mailbox: &Mailbox) -> impl Iterator<Item = &PathBuf> {
    let imap = match &mailbox.source {
        Source::Imap(imap) => imap.ca_file.as_ref(),
        Source::Maildir(_) => None,
    };
    let smtp = match &mailbox.outbox {
        Outbox::Smtp(smtp) => smtp.ca_file.as_ref(),
        Outbox::Directory(_) => None,
    };
    imap.into_iter().chain(smtp)
}

fn report(config: &Config, path: &Path, json: bool, output: &mut Output) {
    if json {
        output.json(&result(None, &config.warnings));
        return;
    }
    for warning in &config.warnings {
        output.complain(&format!("warning: {warning}"));
    }
    let bot = if config.telegram.is_some() { "a Telegram bot" } else { "no Telegram bot" };
    output.line(&format!(
        "{}: OK ({}, {}, {}, {bot})",
        path.display(),
        count(config.ticket_apis.len(), "ticket API"),
        count(config.accounts.len(), "account"),
        count(config.mailboxes.len(), "mailbox"),
    ));
}

fn result(problems: Option<&Problems>, warnings: &[Problem]) -> Value {
    let list = |problems: &[Problem]| -> Vec<Value> {
        let entry =
            |problem: &Problem| json!({"line": problem.line, "key": problem.key, "text": problem.text});
        problems.iter().map(entry).collect()
    };
    json!({
        "ok": problems.is_none(),
        "problems": list(problems.map_or(&[], |problems| &problems.list)),
        "warnings": list(warnings),
    })
}

fn count(number: usize, noun: &str) -> String {
    let plural = if noun.ends_with('x') { "es" } else { "s" };
    format!("{number} {noun}{}", if number == 1 { "" } else { plural })
}
