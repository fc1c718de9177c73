//! `demo`: the whole bridge between stand-ins, to look at or to be proven leg by leg.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;

use super::error::{CliError, ErrorKind};
use super::output::Output;
use crate::runtime::Shutdown;
use crate::sandbox::desk::Dialect;
use crate::sandbox::scene;
use crate::sandbox::script::{self, Report};
use crate::sandbox::town::{Town, TownPlan};

/// See the bridge at work: a real one, between a Telegram, a ticket desk and a post office of its own.
///
/// Nothing has to be installed or configured, and nothing leaves this machine. The page shows four seats: a
/// customer in Telegram, a customer by mail, the support desk, the admins. Everything it writes lives in a
/// temporary folder and goes with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge demo
  ticket-bridge demo --headless
  ticket-bridge demo --ticket-api whmcs --headless")]
pub(super) struct Args {
    /// Play every round trip without a page, print one line for each, and end with 0 if all passed.
    #[arg(long)]
    headless: bool,
    /// Which ticket API the desk speaks.
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    ticket_api: TicketApi,
    /// Where the page is.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788", conflicts_with = "headless")]
    listen: SocketAddr,
}

/// The contracts that the desk keeps.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum TicketApi {
    #[default]
    Paradarum,
    I3d,
    Whmcs,
    Keliweb,
    Hostup,
}

impl From<TicketApi> for Dialect {
    fn from(api: TicketApi) -> Self {
        match api {
            TicketApi::Paradarum => Self::Paradarum,
            TicketApi::I3d => Self::I3d,
            TicketApi::Whmcs => Self::Whmcs,
            TicketApi::Keliweb => Self::Keliweb,
            TicketApi::Hostup => Self::Hostup,
        }
    }
}

pub(super) fn run(args: &Args, output: &mut Output) -> Result<(), CliError> {
    if !args.listen.ip().is_loopback() {
        let error = CliError::user(format!("the demo does not listen at {}", args.listen));
        return Err(
            error.hint("It has no login: choose an address of this machine alone, as 127.0.0.1:8788.")
        );
    }
    let program = std::env::current_exe().context("the bridge does not find its own program")?;
    let runtime = tokio::runtime::Runtime::new().context("the demo cannot start its tasks")?;
    let done = match args.headless {
        true => runtime.block_on(play(program, args.ticket_api.into(), output)),
        false => runtime.block_on(show(program, args.ticket_api.into(), args.listen, output)),
    };
    runtime.shutdown_background();
    done
}

async fn play(program: PathBuf, dialect: Dialect, output: &mut Output) -> Result<(), CliError> {
    let score = script::play(program, dialect, |report| output.line(&line(report))).await;
    let score = score.context("the demo could not begin")?;
    output.line(&format!("{} passed, {} failed", score.passed, score.failed));
    match score.log {
        None => Ok(()),
        Some(log) => {
            let error = CliError::user(format!("{} of the demo's legs failed", score.failed));
            Err(error.hint(format!("The bridge's log is {}.", log.display())))
        }
    }
}

fn line(report: &Report) -> String {
    if let Some(why) = report.skipped {
        return format!("skip {} {why}", report.leg);
    }
    match &report.outcome {
        Ok(()) => format!("ok {} {}", report.leg, report.took.as_millis()),
        Err(why) => format!("FAIL {} {}", report.leg, why.to_string().replace('\n', " ")),
    }
}

async fn show(
    program: PathBuf,
    dialect: Dialect,
    at: SocketAddr,
    output: &mut Output,
) -> Result<(), CliError> {
    let shutdown = Shutdown::new();
    shutdown.on_signals().context("the demo cannot listen to signals")?;
    let listener = TcpListener::bind(at).await.map_err(|error| cannot_listen(at, error))?;
    let address = listener.local_addr().context("the page has no address")?;
    let page = format!("http://{address}/");
    let panel_url = Some(format!("{page}#ticket-{{number}}"));
    let town =
        Town::build(TownPlan { program, dialect, panel_url }).await.context("the demo could not begin")?;
    let town = Arc::new(town);

    output.complain("A first conversation is being played …");
    let story = async {
        town.start_bridge().await.context("the bridge did not start")?;
        scene::tell(&town).await.context("the first conversation broke off")
    };
    match shutdown.unless_cancelled(story).await {
        None => return Ok(()),
        Some(Ok(())) => {}
        Some(Err(error)) => {
            output.complain(&format!("warning: {error:#}; the page shows what there is"));
            output.complain(&format!("hint: The bridge's log is {}.", town.bridge.log().display()));
        }
    }
    output.line(&format!("The demo is at {page}"));
    output.line("Press Ctrl-C to end it.");
    scene::serve(town, listener, &shutdown).await.context("the page cannot be served")?;
    Ok(())
}

fn cannot_listen(at: SocketAddr, error: io::Error) -> CliError {
    let error = anyhow::Error::new(error).context(format!("the demo cannot listen at {at}"));
    CliError::new(ErrorKind::User, error)
        .hint("Choose another address: --listen 127.0.0.1:0 takes any free port.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_page_is_never_for_other_machines() {
        let args = Args {
            headless: false,
            ticket_api: TicketApi::default(),
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let mut output = Output::new(io::sink(), io::sink());
        let error = run(&args, &mut output).unwrap_err();
        assert_eq!(error.kind, ErrorKind::User);
        assert!(error.hints.concat().contains("127.0.0.1"), "{error:?}");
    }

    #[test]
    fn a_leg_is_one_line() {
        let took = Duration::from_millis(12);
        let passed = Report { leg: "link by code", took, outcome: Ok(()), skipped: None };
        assert_eq!(line(&passed), "ok link by code 12");
        let skipped = Report { skipped: Some("no codes here"), ..passed };
        assert_eq!(line(&skipped), "skip link by code no codes here");
        let outcome = Err(script::Why::new("no\ncode"));
        let failed = Report { leg: "link by code", took, outcome, skipped: None };
        assert_eq!(line(&failed), "FAIL link by code no code");
    }
}
