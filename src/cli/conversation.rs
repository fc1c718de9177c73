//! `conversation`: which ticket belongs to which place.

use std::path::Path;

use clap::Subcommand;

use super::{
    error::CliError,
    output::Output,
    remote::{Remote, segment},
};
use crate::http::rows::Conversation;

/// List conversations: which ticket belongs to which chat or correspondent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge conversation list --account acme
  ticket-bridge conversation list --most 200 --json
  ticket-bridge conversation show 17")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List those with a ticket, the latest active first.
    List {
        #[arg(long)]
        account: Option<String>,
        /// So many at most.
        #[arg(long, default_value_t = 50)]
        most: usize,
        #[arg(long)]
        json: bool,
    },
    /// Show one by its number.
    Show {
        id: u64,
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &Args, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let remote = Remote::open(config)?;
    match &args.what {
        What::List { account, most, json } => {
            let filter =
                account.as_ref().map(|name| format!("&account={}", segment(name))).unwrap_or_default();
            let all: Vec<Conversation> = remote.get(&format!("/admin/conversations?most={most}{filter}"))?;
            if *json {
                output.json(&all);
            } else {
                let rows: Vec<Vec<String>> = all.iter().map(row).collect();
                output.table(&["id", "account", "ticket", "status", "active", "from", "subject"], &rows);
            }
        }
        What::Show { id, json } => {
            let one: Conversation = remote.get(&format!("/admin/conversations/{id}"))?;
            if *json {
                output.json(&one);
            } else {
                show(&one, output);
            }
        }
    }
    Ok(())
}

fn row(one: &Conversation) -> Vec<String> {
    vec![
        one.id.to_string(),
        one.account.clone(),
        one.ticket.clone().unwrap_or_else(|| "–".to_owned()),
        one.status.clone(),
        one.active.clone(),
        one.founder.clone().unwrap_or_else(|| "panel".to_owned()),
        one.subject.clone(),
    ]
}

fn show(one: &Conversation, output: &mut Output) {
    let none = || "–".to_owned();
    let lines = [
        ("conversation", one.id.to_string()),
        ("subject", one.subject.clone()),
        ("account", format!("{} at {}", one.account, one.ticket_api)),
        ("ticket", one.ticket.clone().unwrap_or_else(none)),
        ("status", one.status.clone()),
        ("founded by", one.founder.clone().unwrap_or_else(|| "the panel".to_owned())),
        ("last written from", one.last_writer.clone().unwrap_or_else(none)),
        ("last active", one.active.clone()),
        ("page", one.url.clone().unwrap_or_else(none)),
    ];
    for (name, value) in lines {
        output.line(&format!("{name:<18} {value}"));
    }
}
