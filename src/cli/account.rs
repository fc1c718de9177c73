//! `account`: customers' accounts, those of `bot.toml` and those added while running.

use std::path::Path;

use clap::Subcommand;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::{Remote, segment},
};
use crate::http::rows::Account;

/// List customers' accounts; add and remove them while the bridge runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge account list
  ticket-bridge account add acme --ticket-api paradarum --id 123 --email '*@acme.example'
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
    /// Add an account. Its key, if it has its own, can only stand in bot.toml.
    Add {
        name: String,
        /// The name of a `[[ticket_api]]`.
        #[arg(long)]
        ticket_api: String,
        /// Its id there.
        #[arg(long)]
        id: String,
        /// An address, or '*@' and a domain, that belongs to it; may be given several times.
        #[arg(long = "email", value_name = "ADDRESS")]
        emails: Vec<String>,
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
                    vec![a.name.clone(), a.ticket_api.clone(), a.id.clone(), a.emails.join(", ")]
                };
                let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
                output.table(&["name", "ticket api", "id", "addresses"], &rows);
            }
        }
        What::Add { name, ticket_api, id, emails } => {
            let row = Account {
                name: name.clone(),
                ticket_api: ticket_api.clone(),
                id: id.clone(),
                emails: emails.clone(),
            };
            let body =
                serde_json::to_value(&row).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
            let added: Account = remote.post("/admin/accounts", body)?;
            output.line(&format!("Added {} ({} {}).", added.name, added.ticket_api, added.id));
        }
        What::Remove { name } => {
            let removed: Account = remote.delete(&format!("/admin/accounts/{}", segment(name)))?;
            output.line(&format!("Removed {} and its links.", removed.name));
        }
    }
    Ok(())
}
