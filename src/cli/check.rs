//! `check`: is the configuration right, and does every server answer?

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::remote::Remote;
use crate::app::{self, check::Checked};
use crate::config::mailbox::{Outbox, Source};
use crate::config::{Config, Mailbox, Problem, Problems};
use crate::http::rows::{Account, KeyState};
use crate::runtime::tls;

/// Accounts whose names one line of the table holds.
const MOST_NAMED: usize = 5;

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
    if args.offline {
        report(&config, path, args.json, output);
        return Ok(());
    }
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    let checked = runtime.block_on(app::check::check(&config));
    let mut checked = checked.map_err(|error| CliError::new(ErrorKind::Config, error))?;
    checked.extend(stored_keys(&config, path));
    report_servers(&config, &checked, args.json, output)
}

fn report_servers(
    config: &Config,
    checked: &[Checked],
    as_json: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    if as_json {
        let servers: Vec<Value> = checked
            .iter()
            .map(|server| {
                json!({
                    "what": server.what, "ok": server.result.is_ok(), "ms": server.took_ms,
                    "found": server.result.as_ref().ok(), "error": server.result.as_ref().err(),
                })
            })
            .collect();
        let ok = checked.iter().all(|server| server.result.is_ok());
        output.json(&json!({ "ok": ok, "problems": [], "servers": servers }));
    } else {
        for warning in &config.warnings {
            output.complain(&format!("warning: {warning}"));
        }
        let row = |server: &Checked| {
            let (state, found) = match &server.result {
                Ok(found) => ("ok", found),
                Err(error) => ("FAIL", error),
            };
            vec![state.to_owned(), server.what.clone(), format!("{} ms", server.took_ms), found.clone()]
        };
        let rows: Vec<Vec<String>> = checked.iter().map(row).collect();
        output.table(&["", "server", "time", "found"], &rows);
    }
    let failed = checked.iter().filter(|server| server.result.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    let error = anyhow::anyhow!("{failed} of {} servers do not work", checked.len());
    Err(CliError::new(ErrorKind::Unreachable, error).hint("Mend what the table says, then run check again."))
}

/// Whether the keys of accounts that were added while running open with the present `secret_key`; nothing
/// where there are none.
fn stored_keys(config: &Config, path: &Path) -> Option<Checked> {
    let store = config.state_dir.join("db");
    if !store.exists() {
        return None; // A first start.
    }
    let begun = Instant::now();
    let accounts = Remote::open(path).and_then(|remote| remote.get::<Vec<Account>>("/admin/accounts"));
    let result = match accounts {
        Ok(accounts) => keys_of(&accounts)?,
        Err(error) => Err(format!("{:#}", error.error)),
    };
    let what = "accounts added while running, their keys".to_owned();
    Some(Checked { what, result, took_ms: begun.elapsed().as_millis() })
}

fn keys_of(accounts: &[Account]) -> Option<Result<String, String>> {
    let with = |state| -> Vec<&str> {
        accounts.iter().filter(|a| a.key == state).map(|a| a.name.as_str()).collect()
    };
    let (good, unreadable, shared) =
        (with(KeyState::Own), with(KeyState::Unreadable), with(KeyState::Shared));
    let all = good.len() + unreadable.len() + shared.len();
    let bad = [
        (unreadable, "do not open with this secret_key"),
        (shared, "are those of other accounts, where a key is an account"),
    ];
    let bad = bad.into_iter().filter(|(names, _)| !names.is_empty());
    let bad: Vec<String> = bad
        .map(|(names, what)| {
            let more = if names.len() > MOST_NAMED { ", …" } else { "" };
            let named: Vec<&str> = names.iter().take(MOST_NAMED).copied().collect();
            format!("{} of {all} {what}: {}{more}", names.len(), named.join(", "))
        })
        .collect();
    match bad.as_slice() {
        [] => (all > 0).then(|| Ok(count(all, "key"))),
        _ => Some(Err(bad.join("; "))),
    }
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
