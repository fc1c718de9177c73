//! `queue`: what waits, for the ticket system or for a person, and the decisions about it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::Remote,
};
use crate::http::rows::{Job, JobDetail, Queue};

/// List what waits for a person (parked, dead, held back), and decide about it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge queue list               # what waits for a person
  ticket-bridge queue list --all --json  # also what is under way
  ticket-bridge queue show 4711
  ticket-bridge queue retry 4711         # send again; releases a mail that is held back
  ticket-bridge queue retry 4711 --it-is-there
  ticket-bridge queue discard 4711       # drop it; the customer is told
  ticket-bridge queue export 4711 --to /tmp")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the jobs that wait for a person, oldest first.
    List {
        /// Also what is under way or waits by itself.
        #[arg(long)]
        all: bool,
        /// So many at most.
        #[arg(long, default_value_t = 100)]
        most: usize,
        #[arg(long)]
        json: bool,
    },
    /// Show one job with everything that is stored of it.
    Show {
        id: u64,
        #[arg(long)]
        json: bool,
    },
    /// Do it again, at the end of its lane; a mail that is held back is filed.
    Retry {
        id: u64,
        /// The call of unknown outcome did happen: go on behind it instead.
        #[arg(long)]
        it_is_there: bool,
    },
    /// Drop it for good; a customer whose message it is is told.
    Discard { id: u64 },
    /// Write the job, and its raw mail or update if there is one, as files.
    Export {
        id: u64,
        /// The folder that gets job-ID.json and job-ID.raw.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        to: PathBuf,
    },
}

pub(super) fn run(args: &Args, config: &Path, output: &mut Output) -> Result<(), CliError> {
    let remote = Remote::open(config)?;
    match &args.what {
        What::List { all, most, json } => {
            let queue: Queue = remote.get(&format!("/admin/queue?all={all}&most={most}"))?;
            if *json {
                output.json(&queue);
            } else {
                list(&queue, output);
            }
        }
        What::Show { id, json } => {
            let detail: JobDetail = remote.get(&format!("/admin/queue/{id}"))?;
            if *json {
                output.json(&detail);
            } else {
                show(&detail, output);
            }
        }
        What::Retry { id, it_is_there } => {
            let job: Job =
                remote.post(&format!("/admin/queue/{id}/retry"), json!({ "it_is_there": it_is_there }))?;
            output.line(&format!("Job {id} goes on: {}.", job.what));
        }
        What::Discard { id } => {
            let job: Job = remote.post(&format!("/admin/queue/{id}/discard"), json!({}))?;
            output.line(&format!("Job {id} is dropped: {}.", job.what));
        }
        What::Export { id, to } => export(&remote, *id, to, output)?,
    }
    Ok(())
}

fn list(queue: &Queue, output: &mut Output) {
    let row = |job: &Job| {
        let state = if job.held { "held".to_owned() } else { job.state.clone() };
        let since = job.since.clone().unwrap_or_else(|| job.accepted.clone());
        vec![job.id.to_string(), state, since, job.what.clone(), job.who.clone(), job.why.clone()]
    };
    let rows: Vec<Vec<String>> = queue.jobs.iter().map(row).collect();
    output.table(&["id", "state", "since", "what", "who", "why"], &rows);
    output.line(&format!("{} under way, {} parked, {} dead", queue.live, queue.parked, queue.dead));
}

fn show(detail: &JobDetail, output: &mut Output) {
    let job = &detail.row;
    let none = || "–".to_owned();
    let lines = [
        ("job", format!("{} ({})", job.id, if job.held { "held" } else { &job.state })),
        ("what", job.what.clone()),
        ("who", job.who.clone()),
        ("account", job.account.clone().unwrap_or_else(none)),
        ("why", job.why.clone()),
        ("accepted", job.accepted.clone()),
        ("since", job.since.clone().unwrap_or_else(none)),
        ("lane", detail.lane.clone()),
        ("key", detail.key.clone()),
        ("raw copy", if detail.raw { format!("ticket-bridge queue export {}", job.id) } else { none() }),
        ("steps", detail.steps.to_string()),
    ];
    for (name, value) in lines {
        output.line(&format!("{name:<9} {value}"));
    }
    if let Some(text) = &detail.excerpt {
        output.line(&format!("\n{text}"));
    }
}

fn export(remote: &Remote, id: u64, to: &Path, output: &mut Output) -> Result<(), CliError> {
    let detail: JobDetail = remote.get(&format!("/admin/queue/{id}"))?;
    let text =
        serde_json::to_vec_pretty(&detail).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    write(&to.join(format!("job-{id}.json")), &text, output)?;
    if detail.raw {
        let raw = remote.bytes(&format!("/admin/queue/{id}/raw"))?;
        write(&to.join(format!("job-{id}.raw")), &raw, output)?;
    }
    Ok(())
}

fn write(file: &Path, bytes: &[u8], output: &mut Output) -> Result<(), CliError> {
    std::fs::write(file, bytes).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} cannot be written", file.display()));
        CliError::new(ErrorKind::User, error)
    })?;
    output.line(&file.display().to_string());
    Ok(())
}
