//! `account import`: a table of accounts, every line checked before the first is imported.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::Context;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
    remote::Remote,
};
use crate::{
    http::{
        admin_accounts::MOST_AT_ONCE,
        rows::{Import, Imported, NewAccount},
    },
    runtime::Secret,
};

const COLUMNS: [&str; 5] = ["name", "ticket_api", "id", "key", "emails"];
/// A larger file is no table of accounts.
const MOST_BYTES: u64 = 64 << 20;
/// A longer cell holds no name, key or list of addresses that could be used.
const LONGEST_CELL: usize = 4000;
/// Bytes of accounts in one request, well below what the admin API takes.
const MOST_IN_REQUEST: usize = 1 << 20;

/// What stands on a line.
struct Row {
    line: u64,
    account: NewAccount,
}

/// What is wrong with a line. Cells are not repeated: one of them may be a key in the wrong column.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    line: u64,
    why: String,
}

#[derive(Default)]
struct Tally {
    added: usize,
    updated: usize,
    same: usize,
}

pub(super) fn run(file: &Path, dry_run: bool, remote: &Remote, output: &mut Output) -> Result<(), CliError> {
    let (rows, mut wrong) = open(file).and_then(|text| read(&text)).map_err(|error| {
        CliError::new(ErrorKind::User, error.context(format!("{} cannot be imported", file.display())))
            .hint(format!("Its first line names the columns: {}", COLUMNS.join(",")))
    })?;
    let lines = rows.len() + wrong.len();
    let mut tally = Tally::default();
    let mut count = |row: &Row, imported: &Imported| match imported {
        Imported::Added => tally.added += 1,
        Imported::Updated => {
            tally.updated += 1;
            let what = if dry_run { "would be updated" } else { "is updated" };
            output.line(&format!("line {}: {} {what}", row.line, row.account.name));
        }
        Imported::Same => tally.same += 1,
        Imported::Refused(_) => {}
    };
    if dry_run {
        send(rows, true, remote, &mut wrong, &mut count)?;
    } else {
        let good = send(rows, true, remote, &mut wrong, &mut |_, _| ())?;
        send(good, false, remote, &mut wrong, &mut count)?;
    }
    wrong.sort_by_key(|wrong| wrong.line);
    for wrong in &wrong {
        output.complain(&format!("line {}: {}", wrong.line, wrong.why));
    }
    let would = if dry_run { "Would be: " } else { "" };
    let Tally { added, updated, same } = tally;
    output.line(&format!("{would}{added} added, {updated} updated, {same} unchanged."));
    if wrong.is_empty() {
        return Ok(());
    }
    let verb = if dry_run { "cannot be" } else { "were not" };
    let error = anyhow::anyhow!("{} of {lines} lines {verb} imported", wrong.len());
    Err(CliError::new(ErrorKind::User, error)
        .hint("Mend them and import the file again: what is there stays."))
}

fn open(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file).context("it cannot be opened")?.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MOST_BYTES, "it is larger than {} MiB", MOST_BYTES >> 20);
    Ok(text)
}

/// The good lines and the bad ones; an error where no line can be understood.
fn read(text: &[u8]) -> anyhow::Result<(Vec<Row>, Vec<Wrong>)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text);
    let columns = columns(reader.headers().map_err(unreadable)?)?;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => match (error.kind(), line(text, error.position())) {
                (csv::ErrorKind::Utf8 { .. }, line) => {
                    wrong.push(Wrong { line, why: "is not UTF-8".to_owned() });
                    continue;
                }
                _ => return Err(unreadable(error)),
            },
        };
        let line = line(text, record.position());
        match account(&record, &columns).and_then(|account| once(account, line, &mut names, &mut addresses)) {
            Ok(account) => rows.push(Row { line, account }),
            Err(why) => wrong.push(Wrong { line, why }),
        }
    }
    Ok((rows, wrong))
}

/// The line on which a record begins; the reader's own number is that of the end of the one before.
fn line(text: &[u8], at: Option<&csv::Position>) -> u64 {
    let Some(at) = at else { return 0 };
    let before = usize::try_from(at.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let ends = before.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    at.line() + ends.count() as u64
}

/// Which column each of [`COLUMNS`] is.
fn columns(head: &csv::StringRecord) -> anyhow::Result<Vec<&'static str>> {
    let known = |name: &str| COLUMNS.into_iter().find(|column| *column == name.to_lowercase());
    let columns: Option<Vec<&str>> = head.iter().map(known).collect();
    let columns = columns.context("its first line has columns that are not known")?;
    for (number, column) in columns.iter().enumerate() {
        anyhow::ensure!(!columns.iter().take(number).any(|other| other == column), "{column} is there twice");
    }
    for needed in COLUMNS.iter().take(3) {
        anyhow::ensure!(columns.contains(needed), "its first line has no column {needed}");
    }
    Ok(columns)
}

fn account(record: &csv::StringRecord, columns: &[&str]) -> Result<NewAccount, String> {
    if record.len() != columns.len() {
        return Err(format!("has {} columns instead of {}", record.len(), columns.len()));
    }
    if record.iter().any(|cell| cell.len() > LONGEST_CELL) {
        return Err(format!("has a cell of more than {LONGEST_CELL} bytes; is a quote not closed?"));
    }
    let cell = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        record.get(at)
    };
    let needed = |name: &str| cell(name).unwrap_or_default().to_owned();
    let words = |cell: &str| {
        let words = cell.split(|c: char| c == ';' || c.is_whitespace()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    Ok(NewAccount {
        name: needed("name"),
        ticket_api: needed("ticket_api"),
        id: needed("id"),
        key: cell("key").filter(|key| !key.is_empty()).map(Secret::new),
        emails: cell("emails").map(words),
    })
}

/// No account and no address stands on two lines: which one would count?
fn once(
    account: NewAccount,
    line: u64,
    names: &mut HashMap<String, u64>,
    addresses: &mut HashMap<String, u64>,
) -> Result<NewAccount, String> {
    if let Some(first) = names.get(&account.name) {
        return Err(format!("its account stands on line {first} already"));
    }
    let emails = || account.emails.iter().flatten().map(|email| email.to_lowercase());
    if let Some(first) = emails().find_map(|email| addresses.get(&email).copied()) {
        return Err(format!("one of its addresses stands on line {first} already"));
    }
    names.insert(account.name.clone(), line);
    addresses.extend(emails().map(|email| (email, line)));
    Ok(account)
}

/// Sends them in batches; gives back those that were not refused.
fn send(
    rows: Vec<Row>,
    dry_run: bool,
    remote: &Remote,
    wrong: &mut Vec<Wrong>,
    each: &mut dyn FnMut(&Row, &Imported),
) -> Result<Vec<Row>, CliError> {
    let mut good = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < MOST_AT_ONCE
            && bytes < MOST_IN_REQUEST
            && let Some(row) = rows.next()
        {
            bytes += serde_json::to_vec(&row.account).map_or(0, |json| json.len());
            batch.push(row);
        }
        let accounts = batch.iter().map(|row| row.account.clone()).collect();
        let body = serde_json::to_value(Import { accounts, dry_run });
        let body = body.map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let results: Vec<Imported> = remote.post("/admin/account-import", body)?;
        for (row, imported) in batch.into_iter().zip(results) {
            each(&row, &imported);
            match imported {
                Imported::Refused(why) => wrong.push(Wrong { line: row.line, why }),
                _ => good.push(row),
            }
        }
    }
    Ok(good)
}

fn unreadable(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => anyhow::Error::new(error).context("it cannot be read"),
        csv::ErrorKind::Utf8 { .. } => anyhow::anyhow!("its first line is not UTF-8"),
        _ => anyhow::Error::new(io::Error::from(io::ErrorKind::InvalidData)).context("it is no table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> (Vec<Row>, Vec<Wrong>) {
        read(text).unwrap()
    }

    #[test]
    fn columns_come_in_any_order_and_cells_as_spreadsheets_write_them() {
        let text = "\u{feff}ID,Name,ticket_api,emails,key\r\n\
                    7, zeta ,desk,\"a@b.example; *@c.example\nd@e.example\",\"pdm,\"\"x\"\"\"\r\n\
                    \r\n\
                    8,eta,desk,,\r\n";
        let (rows, wrong) = read_text(text.as_bytes());
        assert_eq!(wrong, []);
        let first = &rows[0].account;
        assert_eq!((first.name.as_str(), first.id.as_str(), rows[0].line), ("zeta", "7", 2));
        assert_eq!(first.emails.as_deref().unwrap(), ["a@b.example", "*@c.example", "d@e.example"]);
        assert_eq!(first.key, Some(Secret::new("pdm,\"x\"")));
        assert_eq!((&rows[1].account.key, rows[1].account.emails.as_deref()), (&None, Some(&[][..])));
    }

    #[test]
    fn every_bad_line_is_named_and_the_others_are_read() {
        let text = b"name,ticket_api,id,emails\na,desk,1,x@b.example\nb,desk\nc,\xff,3,\na,desk,4,\n\
                     e,desk,5,X@b.example\nf,desk,6,\n";
        let (rows, wrong) = read_text(text);
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 7]);
        let said: Vec<String> = wrong.iter().map(|wrong| format!("{}: {}", wrong.line, wrong.why)).collect();
        assert_eq!(
            said,
            [
                "3: has 2 columns instead of 4",
                "4: is not UTF-8",
                "5: its account stands on line 2 already",
                "6: one of its addresses stands on line 2 already",
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_table_of_accounts_is_refused_as_a_whole() {
        for (text, why) in [
            ("name,ticket_api\n", "no column id"),
            ("name,ticket_api,id,id\n", "id is there twice"),
            ("name;ticket_api;id\n", "not known"),
            ("", "no column name"),
        ] {
            let error = read(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_one_bad_line() {
        let text = format!("name,ticket_api,id\na,desk,1\nb,\"desk,2\n{}", "x,desk,3\n".repeat(1000));
        let (rows, wrong) = read_text(text.as_bytes());
        assert_eq!((rows.len(), wrong.len(), wrong[0].line), (1, 1, 3));
    }
}
