//! `account`: customers' accounts, those of `bot.toml` and those added while running.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{
    account_import,
    error::{CliError, ErrorKind},
    output::Output,
    remote::{Remote, segment},
};
use crate::{
    http::rows::{Account, KeyState, NewAccount},
    runtime::Secret,
};

/// List customers' accounts; add and remove them while the bridge runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge account list
  ticket-bridge account add acme --ticket-api paradarum --id 123 --email '*@acme.example'
  ticket-bridge account add zeta --ticket-api paradarum --id 7 --key-file /run/secrets/zeta
  ticket-bridge account import customers.csv --dry-run
  ticket-bridge account remove acme")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List {
        #[arg(long)]
        json: bool,
    },
    /// Add an account. An own key is stored encrypted, which needs secret_key in bot.toml.
    Add {
        name: String,
        /// The name of a `[[ticket_api]]`.
        #[arg(long)]
        ticket_api: String,
        /// Its id there. Left out, it is looked up by the first --email, where the ticket system can (WHMCS).
        #[arg(long, default_value = "", hide_default_value = true)]
        id: String,
        /// The environment variable with its own key.
        #[arg(long, value_name = "VAR", conflicts_with = "key_file")]
        key_env: Option<String>,
        /// The file with its own key.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// An address, or '*@' and a domain, that belongs to it; may be given several times.
        #[arg(long = "email", value_name = "ADDRESS")]
        emails: Vec<String>,
    },
    /// Add and update the accounts of a CSV file: name,ticket_api,id,key,emails.
    ///
    /// Its first line names the columns, in any order; key and emails may be left out. Several addresses in a
    /// cell are separated by spaces or semicolons. An empty key leaves the key as it is. All lines are checked
    /// first; bad ones are named, and the others imported.
    Import {
        file: PathBuf,
        /// Only check, and say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove an account and its links; its tickets stay as they are.
    Remove { name: String },
}

pub(super) fn run(args: &Args, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let remote = Remote::open(config)?;
    match &args.what {
        What::List { json } => {
            let accounts: Vec<Account> = remote.get("/admin/accounts")?;
            if *json {
                output.json(&accounts);
            } else {
                let row = |a: &Account| {
                    let key = key_word(a.key).to_owned();
                    vec![a.name.clone(), a.ticket_api.clone(), a.id.clone(), key, a.emails.join(", ")]
                };
                let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
                output.table(&["name", "ticket api", "id", "key", "addresses"], &rows);
            }
        }
        What::Add { name, ticket_api, id, key_env, key_file, emails } => {
            let new = NewAccount {
                name: name.clone(),
                ticket_api: ticket_api.clone(),
                id: id.clone(),
                key: key(key_env.as_deref(), key_file.as_deref())?,
                emails: Some(emails.clone()),
            };
            let body =
                serde_json::to_value(&new).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
            let added: Account = remote.post("/admin/accounts", body)?;
            output.line(&format!("Added {} ({} {}).", added.name, added.ticket_api, added.id));
        }
        What::Import { file, dry_run } => account_import::run(file, *dry_run, &remote, output)?,
        What::Remove { name } => {
            let removed: Account = remote.delete(&format!("/admin/accounts/{}", segment(name)))?;
            output.line(&format!("Removed {} and its links.", removed.name));
        }
    }
    Ok(())
}

fn key(env: Option<&str>, file: Option<&Path>) -> Result<Option<Secret>, CliError> {
    let key = env.map(Secret::from_env).or_else(|| file.map(Secret::from_file));
    key.transpose().map_err(|error| CliError::new(ErrorKind::User, error))
}

fn key_word(key: KeyState) -> &'static str {
    match key {
        KeyState::Common => "-",
        KeyState::Configured => "bot.toml",
        KeyState::Own => "own",
        KeyState::Unreadable => "unreadable",
        KeyState::Shared => "another's",
    }
}
