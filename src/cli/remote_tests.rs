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

/// With an own key, a file of more accounts, and `secret_key`.
fn home_with_keys() -> Home {
    let home = Home::new();
    let text = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.dir.path().join("sealing"), "a long word of the operator\n").unwrap();
    std::fs::write(home.config(), format!("secret_key = {{ file = \"sealing\" }}\n{text}")).unwrap();
    std::fs::write(home.dir.path().join("zeta.key"), "pdm_zeta\n").unwrap();
    home
}

#[test]
fn an_own_key_is_sealed_and_never_shown_and_another_secret_key_is_noticed() {
    let home = home_with_keys();
    let key = home.dir.path().join("zeta.key").display().to_string();
    let add = ["account", "add", "zeta", "--ticket-api", "desk", "--id", "9", "--key-file", &key];
    let (code, out, err) = home.run(&add);
    assert_eq!((code, out.as_str()), (ExitCode::SUCCESS, "Added zeta (desk 9).\n"), "{err}");
    let (_, out, _) = home.run(&["account", "list", "--json"]);
    let accounts: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(accounts[1]["key"], "own");
    let file = home.dir.path().join("export").display().to_string();
    assert_eq!(home.run(&["store", "export", &file]).0, ExitCode::SUCCESS);
    let dump = std::fs::read_to_string(&file).unwrap();
    assert!(dump.contains("zeta") && !dump.contains("pdm_zeta"), "only the sealed form leaves the store");

    std::fs::write(home.dir.path().join("sealing"), "another word\n").unwrap();
    let (_, out, _) = home.run(&["account", "list"]);
    assert!(out.lines().any(|line| line.starts_with("zeta") && line.contains("unreadable")), "{out}");
    let (_, out, _) = home.run(&["check"]);
    assert!(out.contains("1 of 1 do not open with this secret_key: zeta"), "{out}");
    assert!(home.run(&["account", "remove", "zeta"]).0 == ExitCode::SUCCESS);
}

#[test]
fn without_a_secret_key_an_own_key_is_refused_with_what_to_set() {
    let home = Home::new();
    let key = home.dir.path().join("key").display().to_string();
    let add = ["account", "add", "zeta", "--ticket-api", "desk", "--id", "9", "--key-file", &key];
    let (code, _, err) = home.run(&add);
    assert_eq!(code, ExitCode::from(1));
    assert!(err.contains("secret_key in bot.toml") && !err.contains("1:abc"), "{err}");
}

#[test]
fn where_a_key_is_an_account_a_shared_one_is_refused_and_one_that_came_to_be_shared_is_stopped() {
    let home = home_with_keys();
    let text = std::fs::read_to_string(home.config()).unwrap().replace("paradarum", "hostup");
    std::fs::write(home.config(), &text).unwrap();
    let key = home.dir.path().join("zeta.key").display().to_string();
    let add = ["account", "add", "zeta", "--ticket-api", "desk", "--id", "9"];
    let (code, _, err) = home.run(&add);
    assert_eq!(code, ExitCode::from(1));
    assert!(err.contains("that of the account acme"), "{err}");
    let (code, _, err) = home.run(&[&add[..], &["--key-file", &key]].concat());
    assert_eq!(code, ExitCode::SUCCESS, "{err}");

    let late =
        "[[account]]\nname = \"eta\"\nticket_api = \"desk\"\nid = \"1\"\nkey = { file = \"zeta.key\" }\n";
    std::fs::write(home.config(), text + late).unwrap();
    let (_, out, _) = home.run(&["account", "list", "--json"]);
    let accounts: Vec<crate::http::rows::Account> = serde_json::from_str(&out).unwrap();
    let states: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), account.key)).collect();
    use crate::http::rows::KeyState::{Common, Configured, Shared};
    assert_eq!(states, [("acme", Common), ("eta", Configured), ("zeta", Shared)]);
}

#[test]
fn a_file_is_checked_first_then_imported_and_a_second_time_changes_nothing() {
    let home = home_with_keys();
    let file = home.dir.path().join("customers.csv");
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        home.run(&[&["account", "import", &file], more].concat())
    };
    let good = "name,ticket_api,id,key,emails\nzeta,desk,9,pdm_zeta,*@zeta.example\neta,desk,10,,\n";
    let (code, out, err) = import(good, &["--dry-run"]);
    assert_eq!(
        (code, out.as_str()),
        (ExitCode::SUCCESS, "Would be: 2 added, 0 updated, 0 unchanged.\n"),
        "{err}"
    );
    assert!(!home.run(&["account", "list"]).1.contains("zeta"));
    assert_eq!(import(good, &[]).1, "2 added, 0 updated, 0 unchanged.\n");
    assert_eq!(import(good, &[]).1, "0 added, 0 updated, 2 unchanged.\n");

    let mixed = "name,ticket_api,id,key,emails\nzeta,desk,9,,*@zeta.example\neta,desk,11,,\n\
                 theta,nowhere,1,,\niota,desk,2,,pdm_secret\nacme,desk,5,,\n,desk,6,,\nkappa,desk,3,,a@zeta.example\n";
    let (code, out, err) = import(mixed, &[]);
    assert_eq!(code, ExitCode::from(1));
    assert_eq!(out, "line 3: eta is updated\n1 added, 1 updated, 1 unchanged.\n");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[0], "line 4: its ticket_api is none of those in the configuration: desk");
    assert_eq!(lines[1], "line 5: its address 1 is neither an address nor \"*@\" and a domain");
    assert!(lines[2].starts_with("line 6: the account acme stands in the configuration"), "{err}");
    assert_eq!(lines[3], "line 7: it has no name");
    assert_eq!(lines[4], "error: 4 of 7 lines were not imported");
    let (_, out, _) = home.run(&["account", "list"]);
    assert!(
        out.lines().any(|line| line.starts_with("zeta") && line.contains("own")),
        "its key stayed: {out}"
    );
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
