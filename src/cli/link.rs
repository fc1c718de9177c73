//! `link`: codes by which chats are linked to accounts, and the links there are.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::{Remote, segment},
};
use crate::http::rows::{Link, LinkCode};

/// Link Telegram chats to accounts, and list or end links.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge link code acme              # a code, to be sent to the customer
  ticket-bridge link code acme --chat-url   # only the link that opens the chat with the bot
  ticket-bridge link list --account acme
  ticket-bridge link owner acme 123456789   # who gets answers in tickets that were opened in the panel
  ticket-bridge link remove -- -1001234567890")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a code that links one chat to the account; it works once, and not for long.
    Code {
        account: String,
        /// Print only the link that opens the chat with the bot and sends the code.
        #[arg(long)]
        chat_url: bool,
        #[arg(long)]
        json: bool,
    },
    /// List the links, oldest first.
    List {
        #[arg(long)]
        account: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// End the link of a chat.
    Remove {
        #[arg(allow_negative_numbers = true)]
        chat: i64,
    },
    /// Name the chat that gets the answers in tickets which were opened in the panel.
    Owner {
        account: String,
        #[arg(allow_negative_numbers = true)]
        chat: i64,
    },
}

pub(super) fn run(args: &Args, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let remote = Remote::open(config)?;
    match &args.what {
        What::Code { account, chat_url, json } => {
            let code: LinkCode = remote.post("/admin/link-codes", json!({ "account": account }))?;
            print_code(&code, *chat_url, *json, output)
        }
        What::List { account, json } => {
            let filter =
                account.as_ref().map(|name| format!("?account={}", segment(name))).unwrap_or_default();
            let links: Vec<Link> = remote.get(&format!("/admin/links{filter}"))?;
            if *json {
                output.json(&links);
            } else {
                print_links(&links, output);
            }
            Ok(())
        }
        What::Remove { chat } => {
            let link: Link = remote.delete(&format!("/admin/links/{chat}"))?;
            output.line(&format!("{} no longer belongs to {}.", link.place, link.account));
            Ok(())
        }
        What::Owner { account, chat } => {
            let path = format!("/admin/accounts/{}/owner", segment(account));
            let link: Link = remote.put(&path, json!({ "chat": chat }))?;
            output.line(&format!("{} is the owner of {}.", link.place, link.account));
            Ok(())
        }
    }
}

fn print_code(code: &LinkCode, chat_url: bool, json: bool, output: &mut Output) -> Result<(), CliError> {
    match (&code.url, chat_url, json) {
        (_, _, true) => output.json(code),
        (Some(url), true, false) => output.line(url),
        (None, true, false) => {
            let error = anyhow::Error::msg("the bot's name is not known yet, so there is no link");
            let hint = format!("The daemon learns it from Telegram. Until then: /link {}", code.code);
            return Err(CliError::new(ErrorKind::Unreachable, error).hint(hint));
        }
        (url, false, false) => {
            output.line(&format!("/link {}", code.code));
            if let Some(url) = url {
                output.line(url);
            }
            output.line(&format!("Links one private chat to {}, until {}.", code.account, code.expires));
        }
    }
    Ok(())
}

fn print_links(links: &[Link], output: &mut Output) {
    let rows: Vec<Vec<String>> = links
        .iter()
        .map(|link| {
            let marks = [(link.owner, "owner"), (link.follows_all, "follows all"), (link.paused, "paused")];
            let marks: Vec<&str> = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
            vec![link.account.clone(), link.place.clone(), link.since.clone(), marks.join(", ")]
        })
        .collect();
    output.table(&["account", "place", "since", ""], &rows);
}
