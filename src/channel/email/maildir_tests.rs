//! The pure parts; the whole way is tested with a bridge's end in `tests/it/email.rs`.

use super::*;

fn entries(sizes: &[u64]) -> Vec<Entry> {
    let dir = tempfile::tempdir().unwrap();
    for (nth, size) in sizes.iter().enumerate() {
        let name = format!("{}.M1P1.host", 1_700_000_000 + nth);
        fs::write(dir.path().join(name), vec![b'x'; usize::try_from(*size).unwrap()]).unwrap();
    }
    scan(dir.path()).unwrap()
}

#[test]
fn batches_are_bounded_and_keep_the_order() {
    let sizes = |entries: &[Entry]| -> Vec<usize> { batches(entries).map(<[Entry]>::len).collect() };
    assert_eq!(sizes(&entries(&[1; 150])), [64, 64, 22]);
    assert_eq!(sizes(&entries(&[3 << 20, 3 << 20, 1, 1])), [1, 3]);
    assert_eq!(sizes(&[]), Vec::<usize>::new());
}

#[test]
fn of_a_too_large_file_header_and_beginning_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail");
    fs::write(&path, format!("Subject: x\n\n{}", "y".repeat(5000))).unwrap();
    let limits = Limits { mail: 100, kept_of_oversize: 10, headers: 200, ..Limits::default() };
    let (bytes, cut_from) = read_file(&path, limits).unwrap();
    assert_eq!((bytes.as_ref(), cut_from), (&b"Subject: x\n\nyyyyyyyyyy"[..], Some(5012)));
}

#[test]
fn a_file_is_put_away_as_told() {
    for (after, expected) in [
        (After::Seen, "cur/1700000000.M1P1.host:2,S"),
        (After::Move("Done/2026".to_owned()), ".Done.2026/cur/1700000000.M1P1.host:2,S"),
        (After::Nothing, "new/1700000000.M1P1.host"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for part in ["new", "cur"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        fs::write(dir.path().join("new/1700000000.M1P1.host"), "x").unwrap();
        let entry = scan(&dir.path().join("new")).unwrap().remove(0);
        put_away(dir.path(), &entry, &after).unwrap();
        assert!(dir.path().join(expected).exists(), "{after:?}");
    }
}
