//! The demo plays all its legs on each ticket API; those that one cannot do are named with the reason.

use std::process::Command;

/// Plays headless. Returns what was skipped.
fn plays(ticket_api: &str) -> Vec<String> {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_ticket-bridge"));
    let output = demo.args(["demo", "--headless", "--ticket-api", ticket_api]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(said.lines().last(), Some(format!("{passed} passed, 0 failed").as_str()));
    assert!(passed >= 12, "{said}");
    said.lines().filter(|line| line.starts_with("skip ")).map(str::to_owned).collect()
}

#[test]
fn on_paradarum() {
    assert_eq!(plays("paradarum"), Vec::<String>::new());
}

#[test]
fn on_i3d() {
    assert_eq!(plays("i3d"), Vec::<String>::new());
}

#[test]
fn on_whmcs() {
    assert_eq!(plays("whmcs"), Vec::<String>::new());
}

#[test]
fn on_keliweb() {
    let skipped = plays("keliweb");
    let [skipped] = &skipped[..] else { panic!("{skipped:?}") };
    assert!(skipped.contains("its API has no way of fetching a file of staff"), "{skipped}");
}

#[test]
fn on_hostup() {
    assert_eq!(plays("hostup"), Vec::<String>::new());
}
