//! Commands without a daemon, and beside one: the same answers either way.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use super::super::{Output, main};
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

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "1:abc\n").unwrap();
        let config = "state_dir = \"data\"\n\
            [telegram]\ntoken = { file = \"key\" }\nadmin_chat = -1\n\
            [[ticket_api]]\nname = \"desk\"\nkind = \"paradarum\"\n\
            base_url = \"https://api.example.com\"\nkey = { file = \"key\" }\n\
            [[account]]\nname = \"acme\"\nticket_api = \"desk\"\nid = \"123\"\n";
        std::fs::write(dir.path().join("bot.toml"), config).unwrap();
        Home { dir }
    }

    fn config(&self) -> std::path::PathBuf {
        self.dir.path().join("bot.toml")
    }

    /// Exit code, standard output, standard error.
    fn run(&self, args: &[&str]) -> (ExitCode, String, String) {
        let (out, err) = (Paper::default(), Paper::default());
        let config = self.config().display().to_string();
        let args = ["ticket-bridge", "-c", &config].into_iter().chain(args.iter().copied());
        let code = main(args.map(std::ffi::OsString::from), Output::new(out.clone(), err.clone()));
        (code, out.text(), err.text())
    }
}

#[test]
fn without_a_daemon_a_command_opens_the_store_itself_and_leaves_no_socket() {
    let home = Home::new();
    let add =
        ["account", "add", "zeta corp", "--ticket-api", "desk", "--id", "9", "--email", "*@zeta.example"];
    let (code, _, err) = home.run(&add);
    assert_eq!(code, ExitCode::SUCCESS, "{err}");
    let (_, out, _) = home.run(&["account", "list"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[1].starts_with("acme") && lines[2].starts_with("zeta corp"), "{out}");
    let (code, out, err) = home.run(&["account", "remove", "zeta corp"]);
    assert_eq!((code, out.as_str()), (ExitCode::SUCCESS, "Removed zeta corp and its links.\n"), "{err}");
    assert!(!home.dir.path().join("data/control.sock").exists());
}

#[test]
fn a_code_is_printed_and_what_is_not_there_is_said() {
    let home = Home::new();
    let (code, out, err) = home.run(&["link", "code", "acme"]);
    assert_eq!(code, ExitCode::SUCCESS, "{err}");
    assert!(out.starts_with("/link ") && out.contains("Links one private chat to acme"), "{out}");
    for (args, said) in [
        (&["link", "code", "nobody"][..], "there is no account nobody"),
        (&["link", "remove", "--", "-5"], "there is no linked chat -5"),
        (&["queue", "show", "7"], "there is no job 7"),
        (&["queue", "discard", "7"], "there is no job 7"),
        (&["conversation", "show", "7"], "there is no conversation 7"),
    ] {
        let (code, _, err) = home.run(args);
        assert_eq!((code, err.as_str()), (ExitCode::from(1), format!("error: {said}\n").as_str()));
    }
    let (_, out, _) = home.run(&["queue", "list", "--json"]);
    let queue: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(queue["jobs"], serde_json::json!([]));
}

#[test]
fn a_running_daemon_answers_while_it_holds_the_store() {
    let home = Home::new();
    let daemon = Remote::open(&home.config()).unwrap();
    assert!(daemon.own.is_some());
    let beside = Remote::open(&home.config()).unwrap();
    assert!(beside.own.is_none(), "the socket answered");
    drop(beside);
    let (code, out, err) = home.run(&["conversation", "list"]);
    assert_eq!(code, ExitCode::SUCCESS, "{err}");
    assert!(out.starts_with("ID  ACCOUNT"), "{out}");
    drop(daemon);
}

#[test]
fn a_state_moves_to_another_place_and_back_over_a_damaged_one() {
    let (home, other) = (Home::new(), Home::new());
    let file = home.dir.path().join("state.jsonl").display().to_string();
    let done = |home: &Home, args: &[&str]| {
        let (code, out, err) = home.run(args);
        assert_eq!(code, ExitCode::SUCCESS, "{args:?}: {err}");
        out
    };
    done(&home, &["account", "add", "zeta", "--ticket-api", "desk", "--id", "9"]);
    done(&home, &["store", "export", &file]);
    assert!(home.run(&["store", "export", &file]).2.contains("exists"), "no file is overwritten");
    done(&other, &["store", "import", &file]);
    assert!(done(&other, &["account", "list"]).contains("zeta"));
    let (code, _, err) = other.run(&["store", "import", &file]);
    assert_eq!(code, ExitCode::from(1));
    assert!(err.contains("there is a store in") && err.contains("hint: Name another state_dir"), "{err}");

    done(&home, &["store", "backup", &file]);
    std::fs::remove_dir_all(home.dir.path().join("data/db")).unwrap();
    let (code, _, err) = home.run(&["account", "list"]);
    assert_eq!(code, ExitCode::from(1));
    assert!(
        err.contains("hint: ticket-bridge store restore FILE\nhint: ticket-bridge run --after-loss"),
        "{err}"
    );
    done(&home, &["store", "restore", &file]);
    assert!(done(&home, &["account", "list"]).contains("zeta"));
}

#[test]
fn nothing_is_put_under_a_running_daemon_and_what_is_no_backup_is_said() {
    let home = Home::new();
    let daemon = Remote::open(&home.config()).unwrap();
    let file = home.dir.path().join("backup").display().to_string();
    assert_eq!(home.run(&["store", "backup", &file]).0, ExitCode::SUCCESS);
    let (code, _, err) = home.run(&["store", "restore", &file]);
    assert_eq!(code, ExitCode::from(1));
    assert!(err.contains("a ticket-bridge runs") && err.contains("hint: Stop it first"), "{err}");
    drop(daemon);
    let half = std::fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(&file, half).unwrap();
    let (code, _, err) = home.run(&["store", "restore", &file]);
    assert_eq!(code, ExitCode::from(1));
    assert!(err.contains("the file was cut") && err.contains("hint: Nothing was changed"), "{err}");
    assert_eq!(home.run(&["account", "list"]).0, ExitCode::SUCCESS, "the store is as it was");
}
