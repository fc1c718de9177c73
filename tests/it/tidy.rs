//! The rules of the house: headers, sizes, and who may import whom.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Longer files, each with the reason why it is one subject all the same.
const LONG: &[(&str, &str)] = &[];
const MOST_LINES: usize = 400;

/// What the bridge knows only by its ports.
const DOORS: [&str; 6] = [
    "channel::email",
    "channel::telegram",
    "ticket_api::hostup",
    "ticket_api::i3d",
    "ticket_api::paradarum",
    "ticket_api::whmcs",
];

#[test]
fn every_file_says_first_what_it_is_for() {
    for (path, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 10, "{path}: its first line is {first:?}");
    }
}

#[test]
fn no_file_has_outgrown_its_subject() {
    for (path, text) in sources() {
        let lines = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        let excused = LONG.iter().any(|(long, _)| *long == path) || path.ends_with("_tests.rs");
        assert!(
            lines <= MOST_LINES || excused,
            "{path} has {lines} lines: which second question does it answer?"
        );
    }
}

#[test]
fn rooms_import_only_what_the_architecture_allows() {
    let allowed = directions();
    for (path, text) in sources() {
        let Some((room, _)) = path.split_once('/') else { continue };
        let rights = allowed.get(room).unwrap_or_else(|| panic!("{room} is not in ARCHITECTURE.md"));
        if path.ends_with("_tests.rs") {
            continue; // Tests may use the stand-ins.
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for used in imports(code) {
            let fits = used == room || rights.contains(&used);
            assert!(fits, "{path} uses crate::{used}, which ARCHITECTURE.md does not allow to {room}");
        }
        if room == "bridge" {
            for door in DOORS {
                assert!(!code.contains(door), "{path} uses {door} instead of the port");
            }
        }
    }
}

#[test]
fn every_room_is_in_the_map() {
    let allowed = directions();
    for entry in fs::read_dir(src()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let room = entry.file_name().into_string().unwrap();
            assert!(allowed.contains_key(&room), "src/{room} is not in ARCHITECTURE.md");
        }
    }
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let mut folder = String::new();
    for name in text.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") || name.ends_with('/'))
    {
        // A bare name lies in the folder that was named last.
        let path = if name.contains('/') { name.to_owned() } else { format!("{folder}/{name}") };
        let path = path.trim_start_matches("src/");
        if let Some((parent, _)) = path.rsplit_once('/') {
            folder = parent.to_owned();
        }
        let there = src().join(path).exists() || path.is_empty();
        assert!(there, "ARCHITECTURE.md names {name}, which is not at src/{path}");
    }
}

#[test]
fn the_readme_lists_the_commands_that_there_are() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| !line.starts_with("| command |")).skip(2);
    let mut listed: Vec<String> = rows
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.split('`').nth(1)?.split(' ').next().map(str::to_owned))
        .collect();
    let help =
        std::process::Command::new(env!("CARGO_BIN_EXE_ticket-bridge")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let mut there: Vec<String> = commands
        .take_while(|line| line.starts_with("  "))
        .filter(|line| line.chars().nth(2).is_some_and(|c| c != ' '))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|command| command != "help")
        .collect();
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

/// The table at the end of ARCHITECTURE.md.
fn directions() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| room |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].to_owned(), cells[1].split(", ").map(str::to_owned).collect())
        })
        .collect()
}

/// The rooms named by `crate::…` paths, grouped imports included.
fn imports(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            None => rooms.extend(word(part)),
            Some(group) => {
                let mut depth = 0;
                let mut at_start = true;
                for (index, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if at_start && depth == 0 && c.is_alphabetic() => {
                            rooms.extend(group.get(index..).and_then(word));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, by its path below `src/`.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(src()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 30, "only {} files were found", found.len());
    found
}
