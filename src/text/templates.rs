//! Every text that a person receives: minijinja templates, compiled in, each overridable by a file.
//!
//! A template is `<language>/<name>.<suffix>`: `telegram.j2` becomes text with entities, `mail.j2` plain
//! text whose first line may be `Subject: …`, `mail.html.j2` its HTML part (escaped), `ticket.j2` a plain
//! text put into a ticket for staff. A language that lacks one takes the English one. The variables of
//! each stand in [`super::samples`]. A variable that isn't given is an error, so that nobody gets half a text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use include_dir::{Dir, include_dir};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::entities::Formatted;
use super::filters;
use super::language;
use super::markup::{strip_marks, to_formatted};
use super::quote_marks::REPLY_SEPARATOR;
use super::samples::samples;

/// The language that has every template.
pub const COMPLETE_LANGUAGE: &str = "en";
/// Bytes of an overriding file.
const MAX_TEMPLATE_BYTES: u64 = 64 * 1024;

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// What a template is rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Telegram,
    MailText,
    MailHtml,
    /// Plain text for staff, inside a ticket's text.
    Ticket,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Telegram, Format::MailText, Format::MailHtml, Format::Ticket];

    pub fn suffix(self) -> &'static str {
        match self {
            Format::Telegram => "telegram.j2",
            Format::MailText => "mail.j2",
            Format::MailHtml => "mail.html.j2",
            Format::Ticket => "ticket.j2",
        }
    }
}

/// A mail as its templates make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// One line; nothing if the template leaves the subject to the thread.
    pub subject: Option<String>,
    pub text: String,
    pub html: Option<String>,
}

/// A text that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A fault of the program: `check` finds it.
    #[error("there is no template {name}.{}", format.suffix())]
    Missing { name: String, format: Format },
    #[error("the template {name} cannot be rendered")]
    Failed {
        name: String,
        #[source]
        source: minijinja::Error,
    },
}

/// Everything that is wrong with the templates, one line each.
#[derive(Debug, thiserror::Error)]
#[error("the templates have {} problem(s):\n{}", .0.len(), .0.join("\n"))]
pub struct TemplateProblems(pub Vec<String>);

/// All templates of all languages.
#[derive(Debug)]
pub struct Templates {
    env: Environment<'static>,
    /// Name and format of each English template.
    known: BTreeSet<(String, Format)>,
    languages: Vec<String>,
    default_language: String,
}

impl Templates {
    /// Loads what is built in and, over it, the files of `override_dir`, and renders each with sample
    /// data. Every problem is reported at once: a file that is unreadable, unknown or doesn't compile,
    /// a variable that doesn't exist, a default language without templates.
    pub fn new(override_dir: Option<&Path>, default_language: &str) -> Result<Self, TemplateProblems> {
        let mut problems = Vec::new();
        let mut sources = BTreeMap::new();
        built_in(&BUILT_IN, &mut sources);
        let known = known(&sources);
        if let Some(dir) = override_dir {
            overriding(dir, &known, &mut sources, &mut problems);
        }
        let languages: BTreeSet<&str> =
            sources.keys().filter_map(|path| path.split_once('/')).map(|(language, _)| language).collect();
        let languages: Vec<String> = languages.into_iter().map(str::to_owned).collect();
        if !languages.iter().any(|language| language == default_language) {
            problems.push(format!(
                "there are no templates in the default language {default_language:?}; there are: {}",
                languages.join(", ")
            ));
        }
        let mut env = environment();
        for (path, source) in sources {
            // Templates live as long as the process; an override that doesn't compile hides nothing.
            if let Err(error) = env.add_template(leak(path.clone()), leak(source)) {
                problems.push(format!("{path}: {error}"));
            }
        }
        let templates = Self { env, known, languages, default_language: default_language.to_owned() };
        if problems.is_empty() {
            problems = templates.check();
        }
        if problems.is_empty() { Ok(templates) } else { Err(TemplateProblems(problems)) }
    }

    /// The languages that have templates, sorted.
    pub fn languages(&self) -> Vec<&str> {
        self.languages.iter().map(String::as_str).collect()
    }

    /// The language to answer in for a BCP-47 tag or a list of them.
    pub fn language_for(&self, wanted: Option<&str>) -> &str {
        language::choose(wanted, &self.languages(), &self.default_language)
    }

    /// Each template's name and format, sorted.
    pub fn names(&self) -> impl Iterator<Item = (&str, Format)> {
        self.known.iter().map(|(name, format)| (name.as_str(), *format))
    }

    /// What is written in a template, if `language` has one of its own.
    pub fn source(&self, language: &str, name: &str, format: Format) -> Option<String> {
        let template = self.env.get_template(&format!("{language}/{name}.{}", format.suffix()));
        template.ok().map(|template| template.source().to_owned())
    }

    /// The text of `name`, plain: what a Telegram template marks as bold is lost
    /// (see [`Self::render_telegram`]).
    pub fn render(
        &self,
        language: &str,
        name: &str,
        format: Format,
        values: &impl Serialize,
    ) -> Result<String, TemplateError> {
        self.render_marked(language, name, format, &Value::from_serialize(values))
            .map(|text| strip_marks(&text))
    }

    /// A Telegram text with its entities.
    pub fn render_telegram(
        &self,
        language: &str,
        name: &str,
        values: &impl Serialize,
    ) -> Result<Formatted, TemplateError> {
        let marked = self.render_marked(language, name, Format::Telegram, &Value::from_serialize(values))?;
        Ok(to_formatted(&marked))
    }

    /// A mail: subject, text, and HTML where there is such a template.
    pub fn render_mail(
        &self,
        language: &str,
        name: &str,
        values: &impl Serialize,
    ) -> Result<RenderedMail, TemplateError> {
        let text = self.render(language, name, Format::MailText, values)?;
        let has_html = self.known.contains(&(name.to_owned(), Format::MailHtml));
        let html = has_html.then(|| self.render(language, name, Format::MailHtml, values)).transpose()?;
        let (subject, text) = match text.strip_prefix("Subject:").and_then(|rest| rest.split_once('\n')) {
            Some((subject, body)) => (Some(subject.trim().to_owned()), body.trim_start().to_owned()),
            None => (None, text),
        };
        Ok(RenderedMail { subject, text, html })
    }

    /// Renders every template in every language with its sample data, with optional values and without;
    /// returns one line for each that fails or has no sample.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, format) in self.names() {
            let Some(sample) = samples().get(name) else {
                problems.push(format!("{name}.{}: there is no sample data for it", format.suffix()));
                continue;
            };
            for language in &self.languages {
                for values in [sample.full(), sample.sparse()] {
                    if let Err(error) = self.render(language, name, format, &values) {
                        problems.push(format!("{language}/{name}.{}: {}", format.suffix(), chain(&error)));
                        break;
                    }
                }
            }
        }
        problems
    }

    fn render_marked(
        &self,
        language: &str,
        name: &str,
        format: Format,
        values: &Value,
    ) -> Result<String, TemplateError> {
        let path = |language: &str| format!("{language}/{name}.{}", format.suffix());
        let template = [language, &self.default_language, COMPLETE_LANGUAGE]
            .into_iter()
            .find_map(|language| self.env.get_template(&path(language)).ok())
            .ok_or_else(|| TemplateError::Missing { name: name.to_owned(), format })?;
        let rendered = template
            .render(values)
            .map_err(|source| TemplateError::Failed { name: template.name().to_owned(), source })?;
        Ok(rendered.trim().to_owned())
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_auto_escape_callback(|name| {
        if name.ends_with(Format::MailHtml.suffix()) {
            AutoEscape::Html
        } else if name.ends_with(Format::Telegram.suffix()) {
            AutoEscape::Custom(filters::TELEGRAM)
        } else {
            AutoEscape::None
        }
    });
    env.set_formatter(filters::write_value);
    filters::register(&mut env);
    env.add_global("reply_separator", REPLY_SEPARATOR);
    env
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn built_in(dir: &Dir<'static>, sources: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        if let Some(text) = file.contents_utf8() {
            sources.insert(file.path().to_string_lossy().replace('\\', "/"), text.to_owned());
        }
    }
    for inner in dir.dirs() {
        built_in(inner, sources);
    }
}

fn known(sources: &BTreeMap<String, String>) -> BTreeSet<(String, Format)> {
    let english = sources.keys().filter_map(|path| path.strip_prefix(COMPLETE_LANGUAGE)?.strip_prefix('/'));
    english.filter_map(name_and_format).collect()
}

fn name_and_format(file: &str) -> Option<(String, Format)> {
    let (name, suffix) = file.split_once('.')?;
    let format = Format::ALL.into_iter().find(|format| format.suffix() == suffix)?;
    Some((name.to_owned(), format))
}

/// Puts the files of `dir` over the built-in ones: `dir/<language>/<name>.<suffix>`.
fn overriding(
    dir: &Path,
    known: &BTreeSet<(String, Format)>,
    sources: &mut BTreeMap<String, String>,
    problems: &mut Vec<String>,
) {
    for folder in entries(dir, problems) {
        if !folder.is_dir() {
            continue;
        }
        for file in entries(&folder, problems) {
            let (Some(language), Some(name)) = (file_name(&folder), file_name(&file)) else { continue };
            if !name.ends_with(".j2") {
                continue;
            }
            if !name_and_format(name).is_some_and(|template| known.contains(&template)) {
                problems.push(format!(
                    "{}: there is no such template{}",
                    file.display(),
                    nearest(name, known)
                ));
                continue;
            }
            match read(&file) {
                Ok(text) => {
                    sources.insert(format!("{language}/{name}"), text);
                }
                Err(error) => problems.push(format!("{}: {error}", file.display())),
            }
        }
    }
}

fn entries(dir: &Path, problems: &mut Vec<String>) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(dir).and_then(|all| all.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<std::path::PathBuf> = paths.unwrap_or_else(|error: std::io::Error| {
        problems.push(format!("{}: {error}", dir.display()));
        Vec::new()
    });
    paths.sort();
    paths
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn read(file: &Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > MAX_TEMPLATE_BYTES {
        return Err(std::io::Error::other(format!("is larger than {MAX_TEMPLATE_BYTES} bytes")));
    }
    std::fs::read_to_string(file)
}

fn nearest(name: &str, known: &BTreeSet<(String, Format)>) -> String {
    let names = known.iter().map(|(name, format)| format!("{name}.{}", format.suffix()));
    names
        .map(|known| (strsim::damerau_levenshtein(name, &known), known))
        .min()
        .filter(|(distance, _)| *distance <= 4)
        .map(|(_, known)| format!("; did you mean {known}?"))
        .unwrap_or_default()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
