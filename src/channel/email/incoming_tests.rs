//! Every mail of `tests/corpus/mail`, with both line ends, as the item it becomes.

use std::{fs, path::Path};

use serde_json::Value;

use super::*;
use crate::channel::email::{door::on_deep_stack, settings::TrustSettings};

fn reader() -> Reader {
    let trust = TrustSettings { authserv_ids: vec!["mx.desk.example".to_owned()], received_by: Vec::new() };
    Reader {
        mailbox: MailboxName::new("support"),
        trust: Arc::new(Trust::new(&trust)),
        limits: Limits::default(),
    }
}

fn mail(bytes: impl Into<Bytes>) -> RawMail {
    RawMail {
        blob: BlobId::new("raw"),
        bytes: bytes.into(),
        cut_from: None,
        place: "imap/support/INBOX/7/42".to_owned(),
        // Thursday, 5 November 2026.
        received: Timestamp::from_secs(1_793_880_000),
    }
}

fn read(bytes: impl Into<Bytes>) -> Inbound {
    reader().read(&mail(bytes))
}

fn message(bytes: impl Into<Bytes>) -> Message {
    match read(bytes).what {
        What::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => out.extend([text.strip_suffix(b"\r").unwrap_or(text), b"\r\n"].concat()),
            None => out.extend(line),
        }
    }
    out
}

/// Line ends count into a text file's size, and nowhere else.
fn without_sizes(inbound: &Inbound) -> Value {
    let mut value = serde_json::to_value(inbound).unwrap();
    if let Some(files) = value.pointer_mut("/what/Message/files").and_then(Value::as_array_mut) {
        files.iter_mut().for_each(|file| file["size"] = Value::Null);
    }
    value
}

#[test]
fn each_mail_of_the_corpus_becomes_the_same_item_with_both_line_ends() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/mail");
    let mut count = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let raw = fs::read(&path).unwrap();
        let unix = read(raw.clone());
        assert_eq!(without_sizes(&read(with_crlf(&raw))), without_sizes(&unix), "{name} with CRLF");
        insta::with_settings!({ snapshot_suffix => name, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_json_snapshot!("mail", unix);
        });
        count += 1;
    }
    assert!(count >= 30, "{count} mails found");
}

#[test]
fn every_listed_file_can_be_opened_in_its_listed_size() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/mail");
    let mut count = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let Ok(raw) = fs::read(&path) else { continue };
        for file in read(raw.clone()).message().into_iter().flat_map(|message| &message.files) {
            let crate::model::attachment::Whereabouts::MailPart { part, .. } = file.at else { panic!() };
            let bytes = content::attachment(&raw, part).unwrap();
            assert_eq!(Some(bytes.len() as u64), file.size, "{} in {}", file.name, path.display());
            count += 1;
        }
    }
    assert!(count >= 10);
}

#[test]
fn a_text_file_keeps_its_own_charset_and_a_nested_mail_its_header() {
    let corpus = |name: &str| {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/mail").join(name)).unwrap()
    };
    let raw = corpus("attachment-evil-name.eml");
    let files = message(raw.clone()).files;
    let csv = files.iter().find(|file| file.mime == "text/csv").unwrap();
    let crate::model::attachment::Whereabouts::MailPart { part, .. } = csv.at else { panic!() };
    assert_eq!(content::attachment(&raw, part).unwrap().as_ref(), b"K\xf6ln;1");
    let nested = content::attachment(&corpus("nested-mail.eml"), 0).unwrap();
    assert!(nested.starts_with(b"From: shop@shop.example\n") && nested.ends_with(b"Pay now."));
}

#[test]
fn the_same_mail_has_the_same_identity_and_another_with_its_id_does_not() {
    let key = |body: &str| read(format!("From: a@b.example\r\nMessage-ID: <1@b>\r\n\r\n{body}")).identity.key;
    assert_eq!(key("one\r\ntwo"), key("one\ntwo"));
    assert_ne!(key("one"), key("two"));
    let moved = "Received: by somewhere else\r\nFrom: a@b.example\r\nMessage-ID: <1@b>\r\n\r\none";
    assert_eq!(read(moved).identity.key, key("one"));
}

#[test]
fn of_a_cut_mail_the_text_is_kept_and_the_rest_told() {
    let raw = "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\nContent-Type: application/zip\r\n\r\nPK";
    let cut = RawMail { cut_from: Some(40 << 20), ..mail(raw) };
    let What::Message(message) = reader().read(&cut).what else { panic!() };
    assert_eq!((message.text.as_str(), message.files.len()), ("hello", 0));
    let limit = Limits::default().mail;
    assert_eq!(message.left_out[0].why, LeftOutWhy::TooLarge { limit });
    assert_eq!(message.left_out[0].size, Some(40 << 20));
}

#[tokio::test]
async fn what_would_break_a_parser_is_kept_unread() {
    let nested = "Content-Type: message/rfc822\n\n".repeat(200_000);
    let digest = "Content-Type: multipart/digest; boundary=x\n\n--x\n\n".repeat(50_000);
    let long = format!("From: a@b.example\nX-Long: {}\n\nhello", "x".repeat(300 * 1024));
    let parts = format!(
        "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n{}",
        "--x\nContent-Type: text/plain\n\na\n".repeat(2000)
    );
    for raw in [nested, digest, long, parts] {
        let inbound = on_deep_stack(move || read(raw)).await.unwrap();
        assert!(matches!(inbound.what, What::Unreadable { raw: Some(_), .. }), "{:?}", inbound.what);
    }
}

#[tokio::test]
async fn as_deep_as_allowed_is_read() {
    let raw = format!("From: a@b.example\n{}\n\nhello", "Content-Type: message/rfc822\n\n".repeat(99));
    let inbound = on_deep_stack(move || read(raw)).await.unwrap();
    assert!(matches!(inbound.what, What::Message(_)), "{:?}", inbound.what);
}

#[test]
fn a_mail_nobody_saw_has_a_lasting_identity() {
    let place = "imap/support/INBOX/7/43".to_owned();
    let inbound = reader().never_seen(place.clone(), Timestamp::EPOCH, "gone wrong".to_owned());
    assert_eq!(inbound.identity.also, [place]);
    assert!(matches!(inbound.what, What::Unreadable { raw: None, .. }));
}

proptest::proptest! {
    #[test]
    fn any_bytes_become_an_item(bytes: Vec<u8>, header in "[a-zA-Z\\-:;=\"/ \n\t<>@.]{0,200}") {
        let _ = read([header.as_bytes(), b"\n\n", bytes.as_slice()].concat());
        let _ = read(bytes);
    }
}
