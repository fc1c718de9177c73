//! `bot.toml`: what is written there, what it means, and every problem with it at once.

pub mod account;
pub mod defaults;
mod file;
pub mod hostup;
pub mod http;
pub mod i3d;
pub mod mailbox;
pub mod paradarum;
pub mod problems;
mod resolve;
pub mod telegram;
pub mod ticket_api;
pub mod values;
pub mod whmcs;

#[cfg(test)]
mod config_tests;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use account::{Account, EmailPattern};
pub use defaults::{Limits, Timing};
pub use hostup::Hostup;
pub use http::Http;
pub use i3d::I3d;
pub use mailbox::Mailbox;
pub use paradarum::Paradarum;
pub use problems::{Problem, Problems};
pub use telegram::Telegram;
pub use ticket_api::TicketApi;
pub use values::{Address, ByteSize, SecretSource};
pub use whmcs::Whmcs;

use crate::runtime::Secret;
use crate::runtime::secret::SecretError;
use crate::runtime::telemetry::LogFormat;
use file::{Reading, Table};

/// The whole configuration, checked: names are unique, what is named exists, secrets are read.
#[derive(Clone, Debug)]
pub struct Config {
    /// Store and spool.
    pub state_dir: PathBuf,
    pub language: String,
    /// Templates here are taken instead of those built in.
    pub templates: Option<PathBuf>,
    /// PEM file of authorities trusted beside the known ones.
    pub ca_file: Option<PathBuf>,
    /// Seals the keys of accounts in the store.
    pub secret_key: Option<Secret>,
    pub log: Log,
    pub telegram: Option<Telegram>,
    pub http: Option<Http>,
    pub ticket_apis: Vec<TicketApi>,
    pub accounts: Vec<Account>,
    pub mailboxes: Vec<Mailbox>,
    pub timing: Timing,
    pub limits: Limits,
    /// What works but deserves a look.
    pub warnings: Vec<Problem>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// A filter such as `info` or `info,ticket_bridge=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::default(), level: "info".to_owned() }
    }
}

impl Config {
    /// Reads a file and the secrets that it names. Fails with every problem at once.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::whole_file(path, format!("cannot be read: {error}")))?;
        read(&text, path, &SecretSource::read).0
    }

    /// As [`load`](Config::load), from a text; relative paths are relative to `base_dir`.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Config, Problems> {
        read(text, &base_dir.join("bot.toml"), &SecretSource::read).0
    }
}

/// The configuration, and every key that was asked for.
fn read(
    text: &str,
    path: &Path,
    secrets: &dyn Fn(&SecretSource) -> Result<Secret, SecretError>,
) -> (Result<Config, Problems>, BTreeSet<String>) {
    let reading = Reading {
        text,
        base_dir: path.parent().unwrap_or(Path::new("")),
        secrets,
        problems: RefCell::default(),
        warnings: RefCell::default(),
        asked: RefCell::default(),
    };
    let root = reading.parse();
    let config = resolve::resolve(&Table::root(&reading, &root));
    let problems = Problems::new(path, reading.problems.take());
    let config = if problems.list.is_empty() {
        let warnings = Problems::new(path, reading.warnings.take()).list;
        Ok(Config { warnings, ..config })
    } else {
        Err(problems)
    };
    (config, reading.asked.take())
}
