//! Each recorded update of the corpus beside what it becomes, and what must hold for any of them.

use std::path::PathBuf;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_300_000);

fn reader() -> Reader {
    Reader::new(BotId(7_000_001), "example_support_bot".to_owned(), 20 * 1024 * 1024)
}

fn corpus() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/updates");
    let mut updates: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let update = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), update)
        })
        .collect();
    updates.sort_by(|one, other| one.0.cmp(&other.0));
    updates
}

fn update(name: &str) -> Value {
    corpus().into_iter().find(|(found, _)| found == name).unwrap().1
}

fn what(update: &Value) -> What {
    reader().map(update, NOW).map_err(|Unreadable(reason)| reason).unwrap().what
}

#[test]
fn every_recorded_update_becomes_what_stands_beside_it() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../tests/corpus/updates");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, update) in corpus() {
            match reader().map(&update, NOW) {
                Ok(inbound) => insta::assert_json_snapshot!(name, inbound),
                Err(Unreadable(reason)) => insta::assert_snapshot!(name, format!("unreadable: {reason}")),
            }
        }
    });
}

/// The marker is made of the identity, so nothing of it may come from when or how often we look.
#[test]
fn an_update_read_again_later_has_the_same_identity_and_content() {
    for (name, update) in corpus() {
        let Ok(first) = reader().map(&update, NOW) else { continue };
        let Ok(again) = reader().map(&update, Timestamp::from_secs(1_900_000_000)) else { panic!("{name}") };
        assert_eq!((first.identity, first.what), (again.identity, again.what), "{name}");
    }
}

#[test]
fn no_two_recorded_updates_share_an_identity() {
    let mut seen = BTreeSet::new();
    for (name, update) in corpus() {
        if let Ok(inbound) = reader().map(&update, NOW) {
            assert!(seen.insert(inbound.identity.key), "{name}");
        }
    }
}

/// Whatever Telegram adds or changes in one part of a message, its text arrives.
#[test]
fn no_broken_part_costs_a_message_its_text() {
    let whole = update("document");
    for field in ["caption_entities", "document", "from", "media_group_id", "quote", "external_reply"] {
        for broken in [serde_json::json!(7), serde_json::json!({"x": []}), serde_json::json!([1, "a"])] {
            let mut update = whole.clone();
            update["message"][field] = broken;
            let What::Message(message) = what(&update) else { panic!("{field}") };
            assert_eq!(message.text, "Our order", "{field}");
            assert_eq!(
                message.files.len() + message.left_out.len(),
                1,
                "{field}: the file is not passed over"
            );
        }
    }
}

#[test]
fn a_file_at_the_limit_is_taken_and_one_byte_more_is_left_out() {
    for (size, taken) in [(20 * 1024 * 1024, true), (20 * 1024 * 1024 + 1, false)] {
        let mut update = update("document");
        update["message"]["document"]["file_size"] = size.into();
        let What::Message(message) = what(&update) else { panic!() };
        assert_eq!((message.files.len() == 1, message.left_out.is_empty()), (taken, taken));
        assert_eq!(message.text, "Our order");
    }
}

#[test]
fn an_update_of_unbelievable_size_is_not_read() {
    let mut update = update("text");
    update["message"]["text"] = "x".repeat(MOST_UPDATE_BYTES).into();
    assert!(reader().map(&update, NOW).is_err());
}
