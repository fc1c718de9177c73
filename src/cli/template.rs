//! `template`: the texts that people receive, and whether an operator's own ones work.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
};
use crate::{
    config::Config,
    text::{
        samples::samples,
        templates::{COMPLETE_LANGUAGE, Format, Templates},
    },
};

/// See the texts that people receive, and check your own ones.
///
/// A file LANGUAGE/NAME.SUFFIX in the folder that `templates` in the configuration names replaces the built-in
/// text; start with a copy of what `template show` prints.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge template list
  ticket-bridge template show ticket_opened
  ticket-bridge template show mail_receipt --language de
  ticket-bridge template check    # ends with 78 if one of them cannot be used")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the templates with their forms and the languages that have them.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Print what is written in a template, and what becomes of it with sample values.
    Show {
        name: String,
        /// Else the language of the configuration.
        #[arg(long)]
        language: Option<String>,
    },
    /// Render every template, your own ones included, with sample values, full and sparse.
    Check,
}

pub(super) fn run(args: &Args, path: &Path, output: &mut Output) -> Result<(), CliError> {
    let (templates, default_language) = load(path, output)?;
    match &args.what {
        What::List { json } => list(&templates, *json, output),
        What::Show { name, language } => {
            show(&templates, name, language.as_deref().unwrap_or(&default_language), output)?;
        }
        // Loading has rendered each of them.
        What::Check => output.line(&format!(
            "{} templates render in {}",
            templates.names().count(),
            templates.languages().join(", ")
        )),
    }
    Ok(())
}

/// Every problem of the templates at once, if there is one.
fn load(path: &Path, output: &mut Output) -> Result<(Templates, String), CliError> {
    let (folder, language) = if path.exists() {
        let config = Config::load(path)?;
        (config.templates, config.language)
    } else {
        output.complain(&format!("warning: there is no {}: these are the built-in texts", path.display()));
        (None, COMPLETE_LANGUAGE.to_owned())
    };
    let templates = Templates::new(folder.as_deref(), &language).map_err(|problems| {
        CliError::new(ErrorKind::Config, problems).hint(
            "\"ticket-bridge template show NAME\" prints the built-in text; -c names the configuration.",
        )
    })?;
    Ok((templates, language))
}

fn list(templates: &Templates, as_json: bool, output: &mut Output) {
    let languages = |name: &str, format: Format| -> Vec<String> {
        let all = templates.languages().into_iter();
        all.filter(|language| templates.source(language, name, format).is_some()).map(str::to_owned).collect()
    };
    let all = templates.names().map(|(name, format)| (name, format.suffix(), languages(name, format)));
    if as_json {
        let all: Vec<_> = all
            .map(
                |(name, suffix, languages)| json!({ "name": name, "suffix": suffix, "languages": languages }),
            )
            .collect();
        output.json(&all);
        return;
    }
    let rows: Vec<Vec<String>> = all
        .map(|(name, suffix, languages)| vec![name.to_owned(), suffix.to_owned(), languages.join(", ")])
        .collect();
    output.table(&["name", "suffix", "languages"], &rows);
}

fn show(templates: &Templates, name: &str, language: &str, output: &mut Output) -> Result<(), CliError> {
    let formats: Vec<Format> =
        templates.names().filter(|(known, _)| *known == name).map(|(_, format)| format).collect();
    let sample = samples().get(name);
    let (Some(sample), false) = (sample, formats.is_empty()) else {
        return Err(CliError::user(format!("there is no template {name}"))
            .hint("\"ticket-bridge template list\" shows all names."));
    };
    if !templates.languages().contains(&language) {
        return Err(CliError::user(format!("there are no templates in {language:?}"))
            .hint(format!("There are: {}.", templates.languages().join(", "))));
    }
    for format in formats {
        let own = templates.source(language, name, format).map(|source| (language, source));
        let english = || Some((COMPLETE_LANGUAGE, templates.source(COMPLETE_LANGUAGE, name, format)?));
        let Some((from, source)) = own.or_else(english) else { continue };
        let rendered = templates.render(language, name, format, &sample.full());
        let rendered = rendered.map_err(|error| CliError::new(ErrorKind::Config, error))?;
        output.line(&format!("── {from}/{name}.{} ──\n{}\n", format.suffix(), source.trim_end()));
        output.line(&format!("── with sample values ──\n{rendered}\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{process::ExitCode, sync::Arc};

    use super::super::cli_tests::{ticket_bridge, write_config};

    fn home(own: &str) -> (Arc<tempfile::TempDir>, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("texts/en")).unwrap();
        std::fs::write(dir.path().join("texts/en/reply_filed.telegram.j2"), own).unwrap();
        let config = write_config(dir.path(), "admin_chat = -1\n");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("templates = \"texts\"\n{text}")).unwrap();
        (Arc::new(dir), config)
    }

    #[test]
    fn an_own_text_is_shown_and_a_broken_one_is_found() {
        let (_dir, config) = home("Got it, #{{ number }} has it.");
        let (code, out, err) = ticket_bridge(&["template", "show", "reply_filed", "-c", &config]);
        assert_eq!(code, ExitCode::SUCCESS, "{err}");
        assert!(out.contains("#{{ number }}") && out.contains("Got it, #789 has it."), "{out}");
        assert_eq!(ticket_bridge(&["template", "check", "-c", &config]).0, ExitCode::SUCCESS);

        let (_dir, config) = home("Got it, {{ nummer }}.");
        let (code, _, err) = ticket_bridge(&["template", "check", "-c", &config]);
        assert_eq!(code, ExitCode::from(78));
        assert!(err.contains("en/reply_filed.telegram.j2"), "{err}");
    }

    #[test]
    fn what_there_is_is_listed_and_what_is_not_there_is_said() {
        let (_dir, config) = home("#{{ number }}");
        let (_, out, _) = ticket_bridge(&["template", "list", "-c", &config]);
        assert!(
            out.lines().any(|line| line.starts_with("mail_staff ") && line.contains("mail.html.j2")),
            "{out}"
        );
        for args in [&["no_such"][..], &["reply_filed", "--language", "xx"]] {
            let args = [&["template", "show", "-c", config.as_str()], args].concat();
            let (code, _, err) = ticket_bridge(&args);
            assert_eq!(code, ExitCode::from(1));
            assert!(err.contains("hint: "), "{err}");
        }
    }
}
