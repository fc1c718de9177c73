//! The bridge as a process of its own, so that a kill is a real kill and a restart a real restart.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

/// How long a command beside the daemon may take.
const COMMAND: Duration = Duration::from_secs(10);

/// A link code has 128 bits: 26 characters in base32, 22 in base64.
const SHORTEST_CODE: usize = 16;

/// One `ticket-bridge run`, which ends with this value.
pub struct BridgeProcess {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

/// Why the bridge's program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error("the bridge cannot be started")]
    Start(#[from] io::Error),
    /// With what it said.
    #[error("`{command}` failed: {said}")]
    Failed { command: String, said: String },
    #[error("`{command}` did not end within {COMMAND:?}")]
    Elapsed { command: String },
}

impl BridgeProcess {
    /// A bridge that is not running yet. All its runs write to one log.
    pub fn new(program: PathBuf, config: PathBuf, log: PathBuf) -> Self {
        Self { program, config, log, child: Mutex::default() }
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Starts it; one that runs already is killed first.
    pub fn start(&self) -> Result<(), BridgeError> {
        self.start_with(&[])
    }

    /// The same with options of `run`.
    pub fn start_with(&self, options: &[&str]) -> Result<(), BridgeError> {
        self.kill();
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = self
            .command(&[&["run"], options].concat())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        *self.child() = Some(child);
        Ok(())
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            // One that ended by itself cannot be killed any more, which is as well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn is_running(&self) -> bool {
        self.child().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.is_running().then(|| self.child().as_ref().map(Child::id)).flatten()
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let text = File::open(&self.log).and_then(io::read_to_string).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// A new code that links a chat to an account, as an operator makes one.
    pub async fn link_code(&self, account: &str) -> Result<String, BridgeError> {
        let said = self.says(&["link", "code", account]).await?;
        let code = said
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .filter(|word| word.len() >= SHORTEST_CODE && *word != account)
            .max_by_key(|word| word.len());
        let failed = || BridgeError::Failed { command: "link code".to_owned(), said: said.clone() };
        code.map(str::to_owned).ok_or_else(failed)
    }

    /// Runs another command of the bridge with the same configuration: what it printed.
    pub async fn says(&self, args: &[&str]) -> Result<String, BridgeError> {
        let command = args.join(" ");
        let mut process = self.command(args);
        let running = tokio::task::spawn_blocking(move || process.stdin(Stdio::null()).output());
        let output = timeout(COMMAND, running).await;
        let output = output.map_err(|_| BridgeError::Elapsed { command: command.clone() })?;
        let Output { status, stdout, stderr } = output.map_err(io::Error::other)??;
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr).trim().replace('\n', " | ");
            return Err(BridgeError::Failed { command, said });
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).arg("-c").arg(&self.config);
        command
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BridgeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that only prints its arguments, runs for long on `run` and fails on `link code nobody`.
    fn stub(folder: &Path) -> BridgeProcess {
        let program = folder.join("stub");
        let script = "#!/bin/sh\necho \"called with $*\"\n[ \"$1\" = run ] && exec sleep 100\n\
                      [ \"$3\" = nobody ] && { echo 'error: no such account' >&2; exit 1; }\n\
                      echo 'https://t.me/bot?start=abcdefghijklmnopqrstuvwxyz'\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        BridgeProcess::new(program, folder.join("bot.toml"), folder.join("log"))
    }

    #[tokio::test]
    async fn it_runs_until_killed_and_its_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let bridge = stub(folder.path());
        assert!(!bridge.is_running());
        bridge.start().unwrap();
        assert!(bridge.is_running());
        bridge.kill();
        assert!(!bridge.is_running());
    }

    #[tokio::test]
    async fn the_code_is_found_in_what_the_command_prints() {
        let folder = tempfile::tempdir().unwrap();
        let bridge = stub(folder.path());
        assert_eq!(bridge.link_code("acme").await.unwrap(), "abcdefghijklmnopqrstuvwxyz");
        let error = bridge.link_code("nobody").await.unwrap_err();
        assert!(error.to_string().ends_with("error: no such account"), "{error}");
    }
}
