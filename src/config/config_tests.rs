//! The reference file, and a corpus of good and bad ones with what is said of them beside each.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::mailbox::{Start, Unverified};
use super::*;
use crate::model::ids::TicketId;

const EXAMPLE: &str = include_str!("../../bot.toml.example");

/// Reads a text with every secret there but `UNSET`.
fn read_text(text: &str) -> (Result<Config, Problems>, BTreeSet<String>) {
    read(text, Path::new("/etc/bridge/bot.toml"), &|source| match source {
        SecretSource::Env(name) if name == "UNSET" => Err(SecretError::NotSet(name.clone())),
        _ => Ok(Secret::new("pdm_secret_of_the_tests")),
    })
}

/// The example with every key that is off turned on.
fn everything() -> String {
    let on = |line: &'static str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| !c.is_whitespace()) => key,
        _ => line,
    };
    EXAMPLE.lines().map(on).collect::<Vec<_>>().join("\n")
}

/// Every key that stands in a table, as `mailbox.imap.host`.
fn written(table: &DeTable<'_>, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table.iter() {
        let path =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => written(inner, &path, keys),
            DeValue::Array(items) => {
                for item in items {
                    if let DeValue::Table(inner) = item.get_ref() {
                        written(inner, &path, keys);
                    }
                }
            }
            _ => (),
        }
        keys.insert(path);
    }
}

fn corpus(kind: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/configs").join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {kind} configuration was found");
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn check_beside(kind: &str, name: &str, said: String) {
    insta::with_settings!({
        snapshot_path => format!("../../tests/corpus/configs/{kind}"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, said) });
}

#[test]
fn the_example_loads_as_it_is_and_with_everything_turned_on() {
    for text in [EXAMPLE.to_owned(), everything()] {
        let config = read_text(&text).0.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.warnings, []);
        assert_eq!(config.state_dir, Path::new("/etc/bridge/data"));
    }
}

#[test]
fn the_example_names_every_known_key() {
    let text = everything();
    let mut keys = BTreeSet::new();
    written(DeTable::parse(&text).unwrap().get_ref(), "", &mut keys);
    let missing: Vec<_> = read_text(&text).1.into_iter().filter(|key| !keys.contains(key)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_defaults_in_the_example_are_the_defaults() {
    let config = read_text(&everything()).0.unwrap();
    assert_eq!(config.timing, Timing::default());
    assert_eq!(config.limits, Limits::default());
    let ticket_api::Kind::Paradarum(paradarum) = &config.ticket_apis[0].kind else { panic!() };
    let unset = Paradarum { auth_prefix: "Bearer ".into(), ..Paradarum::default() };
    assert_eq!(**paradarum, unset, "the prefix is an example, the rest the defaults");
}

#[test]
fn the_defaults_of_hostup_in_the_example_are_the_defaults() {
    let config = read_text(&everything()).0.unwrap();
    let is_hostup = |api: &&TicketApi| matches!(api.kind, ticket_api::Kind::Hostup(_));
    let api = config.ticket_apis.iter().find(is_hostup).unwrap();
    let ticket_api::Kind::Hostup(hostup) = &api.kind else { panic!() };
    let unset = Hostup {
        default_department: Some("vps".into()),
        critical_reason: Some("The shop is down.".into()),
        reply_attachment_field: Some("attachmentIds".into()),
        ..Hostup::default()
    };
    assert_eq!((&**hostup, api.poll), (&unset, hostup::POLL), "three are examples, the rest the defaults");
}

#[test]
fn the_defaults_of_i3d_in_the_example_are_the_defaults() {
    let config = read_text(&everything()).0.unwrap();
    let own = config.ticket_apis.iter().find_map(|api| match &api.kind {
        ticket_api::Kind::I3d(own) => Some((**own).clone()),
        _ => None,
    });
    let unset = I3d::default();
    let told = own.unwrap();
    let (category, contact) = (told.category.clone(), told.contact.clone());
    assert!(category.is_some() && contact.is_some());
    let email_cc = i3d::EmailField::Value("team@example.com, boss@example.com".into());
    let email_to = i3d::EmailField::Value("customer@example.com".into());
    assert_eq!(
        told,
        I3d { category, contact, email_cc, email_to, ..unset },
        "examples, the rest the defaults"
    );
}

#[test]
fn accounts_of_a_system_where_a_key_is_an_account_have_own_keys_and_guests_a_form() {
    let api = |kind: &str| {
        format!("[[ticket_api]]\nname='i'\nkind='{kind}'\nbase_url='https://a.example'\nkey={{env='K'}}\n")
    };
    let boxes = "[[mailbox]]\nname='m'\naccount='a'\nmaildir='in'\noutbox_dir='out'\nfrom='a@b.example'\nunverified='mark'\n";
    let account = |name: &str, id: &str, key: &str| {
        format!("[[account]]\nname='{name}'\nticket_api='i'\nid='{id}'\n{key}\n")
    };
    let read = |text: String| {
        read(&text, Path::new("/etc/bridge/bot.toml"), &|source| match source {
            SecretSource::Env(name) => Ok(Secret::new(name.clone())),
            SecretSource::File(_) => Ok(Secret::new("file")),
        })
        .0
    };
    let keys = |text: String| -> Vec<String> {
        read(text).err().into_iter().flat_map(|problems| problems.list).map(|problem| problem.key).collect()
    };
    let two = |kind: &str, key: &str| {
        format!("{}{boxes}{}{}", api(kind), account("a", "1", ""), account("b", "2", key))
    };
    for kind in ["i3d", "hostup"] {
        assert_eq!(keys(two(kind, "")), ["account.key"]);
        assert_eq!(keys(two(kind, "key={env='K'}")), ["account.key"], "the same key by another way");
        assert_eq!(keys(two(kind, "key={env='OTHER'}")), Vec::<String>::new());
    }
    assert_eq!(keys(two("paradarum", "")), Vec::<String>::new());
    let form = "contact={first_name='Guest',last_name='Unknown',phone='00000'}\n";
    let guests = |form: &str| format!("{}{form}{boxes}{}", api("i3d"), account("a", "guest", ""));
    assert_eq!(keys(guests("")), ["account.id"]);
    assert_eq!(keys(guests(form)), Vec::<String>::new());
    assert_eq!(keys(guests(&form.replace("00000", "0"))), ["ticket_api.contact.phone"]);
}

#[test]
fn the_defaults_of_both_profiles_of_whmcs_are_the_defaults() {
    let config = read_text(&everything()).0.unwrap();
    let own = |name: &str| {
        let api = config.ticket_apis.iter().find(|api| api.name == name).unwrap();
        let ticket_api::Kind::Whmcs(own) = &api.kind else { panic!("{name} is not of this kind") };
        Whmcs { departments: Default::default(), default_department: None, ..(**own).clone() }
    };
    let secret = || Secret::new("pdm_secret_of_the_tests");
    let native = whmcs::Native { accesskey: Some(secret()), ..whmcs::Native::new("ABCdef123") };
    assert_eq!(own("whmcs"), Whmcs::new(whmcs::Profile::Native(native)));
    let url = "https://apiv2.keliweb.it/oauth/token".parse().unwrap();
    let keliweb = whmcs::Keliweb::new(url, "3", secret(), "reseller@example.com");
    let keliweb = whmcs::Keliweb { list_path: Some("get-tickets".into()), ..keliweb };
    assert_eq!(own("keliweb"), Whmcs::new(whmcs::Profile::Keliweb(Box::new(keliweb))));
}

#[test]
fn a_ticket_system_with_an_own_hook_secret_takes_no_hints_signed_with_the_common_one() {
    let text = |http: &str, own: &str| {
        let api = |name: &str, own: &str| {
            format!("[[ticket_api]]\nname='{name}'\nkind='paradarum'\nbase_url='https://a.example'\n{own}\n")
        };
        let bot = "[telegram]\ntoken={env='T'}\nadmin_chat=-1\n";
        format!("{bot}{http}{}{}", api("one", own), api("two", ""))
    };
    let secrets = |text: String| {
        let config = read(&text, Path::new("/etc/bridge/bot.toml"), &|source| match source {
            SecretSource::Env(name) => Ok(Secret::new(name.clone())),
            SecretSource::File(_) => Ok(Secret::new("file")),
        });
        let config = config.0.unwrap_or_else(|problems| panic!("{problems}"));
        let word = |api: TicketApi| api.hook_secret.map(|secret| secret.expose().to_owned());
        let warned: Vec<_> = config.warnings.into_iter().map(|problem| problem.key).collect();
        (config.ticket_apis.into_iter().map(word).collect::<Vec<_>>(), warned)
    };
    let some = |word: &str| Some(word.to_owned());
    let http = "[http]\nlisten='127.0.0.1:1'\n";
    let common = format!("{http}hook_secret={{env='COMMON'}}\n");
    let own = "hook_secret={env='OWN'}";
    assert_eq!(secrets(text(&common, own)), (vec![some("OWN"), some("COMMON")], vec![]));
    assert_eq!(secrets(text(&common, "")), (vec![some("COMMON"), some("COMMON")], vec![]));
    assert_eq!(secrets(text(http, own)), (vec![some("OWN"), None], vec![]));
    assert_eq!(secrets(text("", own)).1, ["ticket_api.hook_secret"], "no door for hints");
}

#[test]
fn whmcs_says_which_keys_its_profile_needs() {
    let problems = |own: &str| {
        let text = format!(
            "[[ticket_api]]\nname='w'\nkind='whmcs'\nbase_url='https://a.example'\nkey={{env='K'}}\n{own}\n\
             [telegram]\ntoken={{env='T'}}"
        );
        let problems = read_text(&text).0.map_or_else(|problems| problems.list, |_| Vec::new());
        problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
    };
    assert_eq!(problems("identifier='i'\nstaff_rule=['admin_nonempty']"), ["ticket_api.profile"]);
    assert_eq!(problems("profile='native'"), ["ticket_api.identifier"]);
    assert_eq!(problems("profile='native'\nidentifier='i'\noauth_url='x'"), ["ticket_api.oauth_url"]);
    assert_eq!(
        problems("profile='native'\nidentifier='i'\nserver_timezone='Mars'"),
        ["ticket_api.server_timezone"]
    );
    let keliweb = "profile='keliweb'\noauth_url='https://a.example/t'\nclient_id='1'\nclient_secret={env='S'}\nuser='u'";
    assert_eq!(problems(keliweb), ["ticket_api.departments"]);
    let keliweb = format!("{keliweb}\ndepartments={{A=1}}");
    assert_eq!(problems(&format!("{keliweb}\nclose_mode='update_ticket'")), ["ticket_api.close_mode"]);
    assert_eq!(problems(&keliweb), Vec::<String>::new());
}

#[test]
fn a_mailbox_wishes_for_a_priority_that_its_ticket_system_knows() {
    let problems = |of_hostup: &str, mailbox: &str| {
        let text = format!(
            "[[ticket_api]]\nname='h'\nkind='hostup'\nbase_url='https://h.example'\nkey={{env='K'}}\n{of_hostup}\n\
             [[ticket_api]]\nname='p'\nkind='paradarum'\nbase_url='https://p.example'\nkey={{env='K'}}\n\
             [[account]]\nname='a'\nticket_api='h'\nid='1'\n[[account]]\nname='b'\nticket_api='p'\nid='1'\n\
             [[mailbox]]\nname='m'\nmaildir='in'\noutbox_dir='out'\nfrom='a@b.example'\nunverified='mark'\n{mailbox}"
        );
        let problems = read_text(&text).0.map_or_else(|problems| problems.list, |_| Vec::new());
        problems.into_iter().map(|problem| format!("{}: {}", problem.key, problem.text)).collect::<Vec<_>>()
    };
    let unknown = "mailbox.priority: expected one of low, medium, high, urgent, critical, found \"enormous\"";
    assert_eq!(problems("", "account='a'\npriority='enormous'"), [unknown]);
    assert_eq!(problems("", "priority='enormous'"), [unknown], "by sender, somebody's tickets go there");
    assert_eq!(problems("", "account='a'\npriority='High'"), [""; 0]);
    assert_eq!(problems("", "account='b'\npriority='enormous'"), [""; 0], "there is none at Paradarum");
    let critical = "account='a'\npriority='critical'";
    assert!(problems("", critical)[0].contains("needs critical_reason"));
    assert_eq!(problems("critical_reason='Down.'", critical), [""; 0]);
}

#[test]
fn bad_files_are_refused_with_every_problem_at_once() {
    for (name, text) in corpus("invalid") {
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            let problems = read_text(&text).0.expect_err(&name);
            check_beside("invalid", &name, problems.to_string());
        }
    }
}

#[test]
fn good_files_load_and_say_what_deserves_a_look() {
    for (name, text) in corpus("valid") {
        let config = read_text(&text).0.unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        check_beside("valid", &name, warnings.join("\n"));
    }
}

#[test]
fn five_mistakes_are_five_problems_with_their_lines_and_no_secret_in_them() {
    let (_, text) = corpus("invalid").into_iter().find(|(name, _)| name == "five_mistakes").unwrap();
    let problems = read_text(&text).0.unwrap_err();
    let lines: Vec<_> = problems.list.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 3, 8, 13, 14]);
    assert!(!problems.to_string().contains("AAAA"));
}

#[test]
fn a_mailbox_by_sender_needs_to_be_told_what_to_do_with_the_unproven() {
    let text = |extra: &str| {
        format!(
            "[[ticket_api]]\nname='d'\nkind='paradarum'\nbase_url='https://a.example'\nkey={{env='K'}}\n\
             [[mailbox]]\nname='m'\nmaildir='in'\noutbox_dir='out'\nfrom='a@b.example'\nstart='2026-01-31'\n{extra}"
        )
    };
    let problems = read_text(&text("")).0.unwrap_err();
    assert_eq!(problems.list.len(), 1);
    assert_eq!(problems.list[0].key, "mailbox.authserv_id");
    assert!(read_text(&text("authserv_id = 'mx.example.com'")).0.is_ok());
    let config = read_text(&text("unverified = 'mark'")).0.unwrap();
    assert_eq!(config.mailboxes[0].unverified, Unverified::Mark);
    let Start::Since(start) = config.mailboxes[0].start else { panic!("not a date") };
    assert_eq!(start.to_string(), "2026-01-31T00:00:00Z");
}

#[test]
fn a_printed_configuration_holds_no_secret() {
    let config = read_text(&everything()).0.unwrap();
    assert!(!format!("{config:?}").contains("pdm_secret"));
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let problems = Config::load(Path::new("/nowhere/bot.toml")).unwrap_err();
    assert!(
        problems.to_string().starts_with("/nowhere/bot.toml: 1 problem\n  cannot be read:"),
        "{problems}"
    );
}

#[test]
fn panel_links_escape_what_the_api_called_an_id() {
    let text = EXAMPLE.replace("#panel_url", "panel_url");
    let config = read_text(&text).0.unwrap();
    let ticket = TicketId::new("7/../8?x").called(Some("516757".into()));
    let link = config.ticket_apis[0].panel_url.as_ref().unwrap().of("acme", &ticket);
    assert_eq!(link, "https://panel.example.com/tickets/7%2F..%2F8%3Fx");
    let text = EXAMPLE.replace("#panel_url", "panel_url").replace("/{id}\"", "/{account}/{number}\"");
    let config = read_text(&text).0.unwrap();
    let link = config.ticket_apis[0].panel_url.as_ref().unwrap().of("acme", &ticket);
    assert_eq!(link, "https://panel.example.com/tickets/acme/516757");
}
