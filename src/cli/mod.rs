//! Doors for people: one file per command.

mod account;
mod account_import;
mod backfill;
mod check;
mod conversation;
mod demo;
pub mod error;
mod link;
mod mail;
pub mod output;
mod queue;
mod remote;
mod run;
mod store;
mod template;

#[cfg(test)]
mod cli_tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::{CliError, ErrorKind};
pub use output::Output;

/// Links Telegram chats and mailboxes to a company's support tickets.
#[derive(Debug, Parser)]
#[command(name = "ticket-bridge", version, max_term_width = 100)]
struct Cli {
    /// The configuration; bot.toml.example explains every key.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "bot.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Account(account::Args),
    Link(link::Args),
    Conversation(conversation::Args),
    Queue(queue::Args),
    Backfill(backfill::Args),
    Store(store::Args),
    Mail(mail::Args),
    Template(template::Args),
    Demo(demo::Args),
}

/// Runs one command line, its program name included, and says how the process is to end.
pub fn main(args: impl IntoIterator<Item = OsString>, mut output: Output) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &mut output),
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args, &cli.config),
        Command::Check(args) => check::run(&args, &cli.config, &mut output),
        Command::Account(args) => account::run(&args, &cli.config, &mut output),
        Command::Link(args) => link::run(&args, &cli.config, &mut output),
        Command::Conversation(args) => conversation::run(&args, &cli.config, &mut output),
        Command::Queue(args) => queue::run(&args, &cli.config, &mut output),
        Command::Backfill(args) => backfill::run(&args, &cli.config, &mut output),
        Command::Store(args) => store::run(&args, &cli.config, &mut output),
        Command::Mail(args) => mail::run(&args, &cli.config, &mut output),
        Command::Template(args) => template::run(&args, &cli.config, &mut output),
        Command::Demo(args) => demo::run(&args, &mut output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}

/// What clap has to say: help and version, or a mistake in the command line.
fn usage(error: &clap::Error, output: &mut Output) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        output.complain(text.trim_end());
        ErrorKind::Usage.exit_code()
    } else {
        output.line(text.trim_end());
        ExitCode::SUCCESS
    }
}
