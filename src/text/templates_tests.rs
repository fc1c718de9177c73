//! Every template is rendered and held by a snapshot; what a customer writes never becomes markup.

use serde_json::json;

use super::*;
use crate::text::entities::EntityKind;

fn templates() -> Templates {
    Templates::new(None, "en").unwrap()
}

/// One file a language and format, so that a reviewer reads all texts in a row.
#[test]
fn every_template_in_every_language_reads_as_it_did() {
    let templates = templates();
    for language in templates.languages() {
        for format in Format::ALL {
            let mut all = String::new();
            for (name, _) in templates.names().filter(|(_, f)| *f == format) {
                let sample = &samples()[name];
                let full = show(&templates, language, name, format, &sample.full());
                let sparse = show(&templates, language, name, format, &sample.sparse());
                all.push_str(&format!("======== {name}\n{full}\n"));
                if sparse != full {
                    all.push_str(&format!("-------- without what is optional\n{sparse}\n"));
                }
            }
            let format = format.suffix().trim_end_matches(".j2").replace('.', "_");
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{language}_{format}"), all);
            });
        }
    }
}

/// Telegram texts with their entities shown as `⟦…⟧`.
fn show(
    templates: &Templates,
    language: &str,
    name: &str,
    format: Format,
    values: &serde_json::Value,
) -> String {
    if format != Format::Telegram {
        return templates.render(language, name, format, values).unwrap();
    }
    let formatted = templates.render_telegram(language, name, values).unwrap();
    let mut units: Vec<u16> = formatted.text.encode_utf16().collect();
    for entity in formatted.entities.iter().rev() {
        units.splice(entity.end_utf16()..entity.end_utf16(), "⟧".encode_utf16());
        units.splice(entity.offset_utf16..entity.offset_utf16, "⟦".encode_utf16());
    }
    String::from_utf16(&units).unwrap()
}

#[test]
fn every_sample_has_its_template() {
    let templates = templates();
    for sample in samples().keys() {
        assert!(templates.names().any(|(name, _)| name == sample), "{sample} has no template");
    }
}

#[test]
fn a_telegram_text_never_exceeds_one_message_by_itself() {
    let templates = templates();
    for (name, _) in templates.names().filter(|(_, format)| *format == Format::Telegram) {
        let sample = &samples()[name];
        let text = templates.render_telegram("en", name, &sample.full()).unwrap();
        assert!(text.len_utf16() < 2000 && !text.text.is_empty(), "{name}");
    }
}

#[test]
fn what_a_customer_writes_is_no_markup() {
    let text = "*a* _b_ <b>c</b> \u{f0000}d\u{f0001} {{ e }}";
    let values = json!({ "number": "1\u{f0001}", "subject": null, "author": null, "text": text });
    let rendered = templates().render_telegram("en", "staff_message", &values).unwrap();
    assert_eq!(rendered.text, "#1\n\n*a* _b_ <b>c</b> d {{ e }}");
    assert_eq!(rendered.entities.len(), 1);
    assert_eq!(rendered.entities[0].kind, EntityKind::Bold);
}

#[test]
fn html_is_escaped() {
    let values = json!({
        "text": "<script>alert(1)</script>", "subject": "\"><img>", "number": "1", "author": "<i>", "language": "en",
        "sender": "S", "url": "javascript:alert(1)", "files_left_out": [],
    });
    let mail = templates().render_mail("en", "mail_staff", &values).unwrap();
    let html = mail.html.unwrap();
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
    assert!(mail.subject.is_none() && mail.text.starts_with("##- "));
}

#[test]
fn a_mail_brings_its_subject() {
    let sample = &samples()["link_code"];
    let mail = templates().render_mail("en", "link_code", &sample.full()).unwrap();
    assert_eq!(mail.subject.as_deref(), Some("Your code for connecting Telegram"));
    assert!(mail.text.starts_with("Hello,"));
}

#[test]
fn a_missing_value_is_an_error_and_a_missing_language_english() {
    let templates = templates();
    assert!(templates.render("en", "reply_filed", Format::Telegram, &json!({})).is_err());
    assert!(matches!(
        templates.render("en", "no_such", Format::Telegram, &json!({})),
        Err(TemplateError::Missing { .. })
    ));
    let text = templates.render("xx", "reply_filed", Format::Telegram, &json!({ "number": "1" })).unwrap();
    assert_eq!(text, "Added to ticket #1.");
    assert_eq!(templates.language_for(Some("xx-YY")), "en");
}

#[test]
fn a_file_wins_and_a_new_language_falls_back() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("eo")).unwrap();
    std::fs::write(dir.path().join("eo/reply_filed.telegram.j2"), "Aldonita al {{ number }}.").unwrap();
    std::fs::write(dir.path().join("eo/README"), "not a template").unwrap();
    let templates = Templates::new(Some(dir.path()), "en").unwrap();
    let render = |name| templates.render("eo", name, Format::Telegram, &json!({ "number": "1" })).unwrap();
    assert_eq!(render("reply_filed"), "Aldonita al 1.");
    assert_eq!(render("close_kept"), "Ticket #1 stays open.");
    assert_eq!(templates.language_for(Some("eo")), "eo");
}

#[test]
fn every_problem_of_the_overriding_files_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let en = dir.path().join("en");
    std::fs::create_dir(&en).unwrap();
    std::fs::write(en.join("reply_file.telegram.j2"), "x").unwrap();
    std::fs::write(en.join("closed.telegram.j2"), "{% if %}").unwrap();
    std::fs::write(en.join("help.telegram.j2"), [0xff]).unwrap();
    let TemplateProblems(problems) = Templates::new(Some(dir.path()), "xx").unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("did you mean reply_filed.telegram.j2?")), "{problems:?}");

    std::fs::remove_dir_all(&en).unwrap();
    std::fs::create_dir(&en).unwrap();
    std::fs::write(en.join("closed.telegram.j2"), "{{ nummer }}").unwrap();
    let TemplateProblems(problems) = Templates::new(Some(dir.path()), "en").unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("en/closed.telegram.j2"), "{problems:?}");
    assert!(Templates::new(Some(&dir.path().join("none")), "en").is_err());
}
