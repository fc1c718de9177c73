//! How a command fails: what kind of failure, its chain of causes, what to do about it, the exit code.

use std::process::ExitCode;

use crate::{
    app::StartError,
    config::Problems,
    store::{OpenError, WAYS_ON},
};

/// A failed command, to be printed once and turned into an exit code.
#[derive(Debug)]
pub struct CliError {
    pub kind: ErrorKind,
    pub error: anyhow::Error,
    /// What to do next, each a sentence of its own.
    pub hints: Vec<String>,
}

/// Exit codes other than 1 are those of BSD's sysexits.h, so that a supervisor can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for cannot be done: no such job, a name taken.
    User,
    /// The command line is wrong (EX_USAGE).
    Usage,
    /// The configuration is wrong (EX_CONFIG): starting again will not help.
    Config,
    /// A server or the daemon cannot be reached (EX_UNAVAILABLE).
    Unreachable,
    /// Anything else (EX_SOFTWARE).
    Internal,
}

impl ErrorKind {
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    const fn number(self) -> u8 {
        match self {
            ErrorKind::User => 1,
            ErrorKind::Usage => 64,
            ErrorKind::Unreachable => 69,
            ErrorKind::Internal => 70,
            ErrorKind::Config => 78,
        }
    }
}

impl CliError {
    pub fn new(kind: ErrorKind, error: impl Into<anyhow::Error>) -> CliError {
        CliError { kind, error: error.into(), hints: Vec::new() }
    }

    /// What was asked for cannot be done.
    pub fn user(text: impl Into<String>) -> CliError {
        CliError::new(ErrorKind::User, anyhow::Error::msg(text.into()))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hints.push(hint.into());
        self
    }

    pub fn exit_code(&self) -> ExitCode {
        self.kind.exit_code()
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> CliError {
        CliError::new(ErrorKind::Internal, error)
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> CliError {
        let absent = !problems.file.exists();
        let error = CliError::new(ErrorKind::Config, problems);
        if absent {
            error.hint("Copy bot.toml.example to bot.toml, or name another file with -c FILE.")
        } else {
            error.hint("bot.toml.example explains every key.")
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> CliError {
        let (kind, hints): (_, &[&str]) = match &error {
            StartError::Open(OpenError::Lost(_)) => (ErrorKind::User, &WAYS_ON),
            StartError::Open(OpenError::Locked(_)) => (
                ErrorKind::Unreachable,
                &["Another ticket-bridge holds the store: stop it, or see its log if it does not answer."],
            ),
            StartError::Open(_) | StartError::Store(_) => (ErrorKind::User, &[]),
            StartError::Door { .. } => (ErrorKind::Unreachable, &[]),
            StartError::Templates(_)
            | StartError::WebhookWithoutHttp
            | StartError::Timing(_)
            | StartError::Tls(_) => (ErrorKind::Config, &[]),
            StartError::Telegram(_) | StartError::Paradarum(_) | StartError::Whmcs(_) => {
                (ErrorKind::Config, &[])
            }
        };
        hints.iter().fold(CliError::new(kind, error), |error, hint| error.hint(*hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_exit_codes_that_supervisors_know() {
        let kinds = [
            ErrorKind::User,
            ErrorKind::Usage,
            ErrorKind::Unreachable,
            ErrorKind::Internal,
            ErrorKind::Config,
        ];
        assert_eq!(kinds.map(ErrorKind::number), [1, 64, 69, 70, 78]);
    }
}
