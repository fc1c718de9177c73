//! Command line in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ticket_bridge::cli::main(std::env::args_os(), ticket_bridge::cli::Output::to_terminal())
}
