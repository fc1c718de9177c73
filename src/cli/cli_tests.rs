//! Whole command lines: what is printed where, and the exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Runs a command line: exit code, standard output, standard error.
pub(super) fn ticket_bridge(args: &[&str]) -> (ExitCode, String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let args = std::iter::once("ticket-bridge").chain(args.iter().copied()).map(OsString::from);
    let code = main(args, Output::new(out.clone(), err.clone()));
    (code, out.text(), err.text())
}

pub(super) fn write_config(dir: &Path, more: &str) -> String {
    std::fs::write(dir.join("key"), "pdm_x\n").unwrap();
    let text = format!(
        "[[ticket_api]]\nname = \"desk\"\nkind = \"paradarum\"\nbase_url = \"https://api.example.com\"\n\
         key = {{ file = \"key\" }}\n[telegram]\ntoken = {{ file = \"key\" }}\n{more}"
    );
    let path = dir.join("bot.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_good_file_is_ok_and_its_warnings_go_to_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_config(dir.path(), "");
    let (code, out, err) = ticket_bridge(&["check", "--offline", "-c", &path]);
    assert_eq!(code, ExitCode::SUCCESS, "{err}");
    assert_eq!(out, format!("{path}: OK (1 ticket API, 0 accounts, 0 mailboxes, a Telegram bot)\n"));
    assert!(err.starts_with("warning: line 6: telegram.admin_chat: is not set"), "{err}");
}

#[test]
fn a_bad_file_ends_with_78_and_every_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_config(dir.path(), "admin_chatt = -1\nmode = \"pull\"\n");
    let (code, out, err) = ticket_bridge(&["-c", &path, "check", "--offline"]);
    assert_eq!((code, out.as_str()), (ExitCode::from(78), ""));
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines[0], format!("error: {path}: 2 problems"));
    assert_eq!(lines[1], "  line 8: telegram.admin_chatt: unknown key; did you mean \"admin_chat\"?");
    assert!(lines[2].starts_with("  line 9: telegram.mode: expected one of"));
    assert_eq!(lines[3], "hint: bot.toml.example explains every key.");
}

#[test]
fn the_problems_are_there_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_config(dir.path(), "admin_chat = 1\n");
    let (code, out, _) = ticket_bridge(&["check", "--offline", "--json", "-c", &path]);
    assert_eq!(code, ExitCode::from(78));
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["ok"], false);
    assert_eq!(result["problems"][0]["line"], 8);
    assert_eq!(result["problems"][0]["key"], "telegram.admin_chat");
}

#[test]
fn a_missing_file_and_a_missing_authority_are_problems_of_the_configuration() {
    let (code, _, err) = ticket_bridge(&["check", "--offline", "-c", "/nowhere/bot.toml"]);
    assert_eq!(code, ExitCode::from(78));
    assert!(err.contains("hint: Copy bot.toml.example to bot.toml"), "{err}");

    let dir = tempfile::tempdir().unwrap();
    let path = write_config(dir.path(), "");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("ca_file = \"none.pem\"\n{text}")).unwrap();
    let (code, _, err) = ticket_bridge(&["check", "--offline", "-c", &path]);
    assert_eq!(code, ExitCode::from(78));
    assert!(err.contains("none.pem cannot be read as PEM\n  because "), "{err}");
}

#[test]
fn mistakes_in_the_command_line_end_with_64_and_help_does_not() {
    for args in [&["chekc"][..], &["check", "--ofline"], &[]] {
        let (code, out, err) = ticket_bridge(args);
        assert_eq!((code, out.as_str()), (ExitCode::from(64), ""), "{args:?}");
        assert!(err.contains("Usage:"), "{err}");
    }
    let (code, out, _) = ticket_bridge(&["check", "--help"]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(out.contains("Examples:") && out.contains("--offline"), "{out}");
}
