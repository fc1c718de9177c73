//! `mail`: what the bridge makes of a raw mail, for when a customer's mail did not do what it should.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{
    error::{CliError, ErrorKind},
    output::Output,
};
use crate::{
    app::inspect::inspect,
    config::{Config, Mailbox},
    model::{
        attachment::Attachment,
        inbound::{
            Automatic, Inbound, LeftOut, LeftOutWhy, MailOrigin, Message, Origin, Verdict, What as Item,
        },
    },
};

/// Look at raw mails.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ticket-bridge mail inspect mail.eml
  ticket-bridge mail inspect mail.eml --mailbox support --json
  ticket-bridge queue export 4711 && ticket-bridge mail inspect job-4711.raw")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what the bridge makes of a mail; nothing is stored, and nobody is asked.
    Inspect {
        /// The mail with its header, as it lies on its server.
        file: PathBuf,
        /// By whose settings: who is trusted about a sender. Needed where there are several.
        #[arg(long, value_name = "NAME")]
        mailbox: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &Args, path: &Path, output: &mut Output) -> Result<(), CliError> {
    let What::Inspect { file, mailbox, json } = &args.what;
    let config = Config::load(path)?;
    let mailbox = chosen(&config, mailbox.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    let inbound = runtime.block_on(inspect(&config, mailbox, file)).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} cannot be read", file.display()));
        CliError::new(ErrorKind::User, error)
    })?;
    if *json {
        output.json(&inbound);
    } else {
        show(&inbound, mailbox, output);
    }
    Ok(())
}

fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Mailbox, CliError> {
    let names =
        || config.mailboxes.iter().map(|mailbox| mailbox.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, config.mailboxes.as_slice()) {
        (_, []) => Err(CliError::user("the configuration has no mailbox")),
        (None, [only]) => Ok(only),
        (None, _) => Err(CliError::user("there are several mailboxes")
            .hint(format!("Say by which one's settings: --mailbox with one of {}.", names()))),
        (Some(name), all) => all.iter().find(|mailbox| mailbox.name == name).ok_or_else(|| {
            CliError::user(format!("there is no mailbox {name}")).hint(format!("There are: {}.", names()))
        }),
    }
}

fn show(inbound: &Inbound, mailbox: &Mailbox, output: &mut Output) {
    if let Origin::Mail(origin) = &inbound.origin {
        for (name, value) in header(inbound, origin, mailbox) {
            output.line(format!("{name:<11} {value}").trim_end());
        }
    }
    match &inbound.what {
        Item::Message(message) | Item::Edit(message) => show_message(message, output),
        Item::Bounced { mail, recipient, permanent, reason } => {
            let how = if *permanent { "for good" } else { "for now" };
            let mail =
                mail.as_ref().map_or_else(|| "a mail that it does not name".to_owned(), ToString::to_string);
            let to = recipient.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
            output.line(&format!("bounce      {mail} did not reach {to}, {how}: {reason}"));
        }
        Item::Unreadable { reason, .. } => output.line(&format!("unreadable  {reason}")),
        other => output.line(&format!("item        {other:?}")),
    }
}

fn header(inbound: &Inbound, origin: &MailOrigin, mailbox: &Mailbox) -> Vec<(&'static str, String)> {
    let list = |all: Vec<String>| if all.is_empty() { "–".to_owned() } else { all.join(", ") };
    let automatic = match origin.automatic {
        None => "no",
        Some(Automatic::Reply) => "yes: an automatic reply, or nobody to answer to",
        Some(Automatic::Bounce) => "yes: a delivery report",
        Some(Automatic::List) => "yes: a mailing list",
        Some(Automatic::Ours) => "yes: sent by this bridge",
    };
    vec![
        ("sender", format!("{} <{}>", inbound.sender.name, origin.from)),
        ("verified", verdict(&origin.verdict, mailbox)),
        ("automatic", automatic.to_owned()),
        ("spam", if origin.spam { "flagged by a trusted server" } else { "no" }.to_owned()),
        ("sent", inbound.sent.to_string()),
        ("to", list(origin.to.iter().chain(&origin.cc).map(ToString::to_string).collect())),
        ("subject", origin.subject.clone()),
        ("identity", inbound.identity.key.clone()),
        ("message id", origin.message_id.to_string()),
        ("refers to", list(origin.refers_to.iter().map(ToString::to_string).collect())),
        ("tokens", origin.tokens.len().to_string()),
    ]
}

fn verdict(verdict: &Verdict, mailbox: &Mailbox) -> String {
    let ids = if mailbox.authserv_id.is_empty() {
        "none is configured".to_owned()
    } else {
        mailbox.authserv_id.join(", ")
    };
    match verdict {
        Verdict::Pass => "yes".to_owned(),
        Verdict::Fail(why) => format!("no: {why}"),
        Verdict::None => format!("no: no Authentication-Results of a trusted server (authserv_id: {ids})"),
    }
}

fn show_message(message: &Message, output: &mut Output) {
    for Attachment { name, mime, size, .. } in &message.files {
        let size = size.map_or_else(String::new, |size| format!(", {size} bytes"));
        output.line(&format!("file        {name} ({mime}{size})"));
    }
    for LeftOut { name, why, .. } in &message.left_out {
        let why = match why {
            LeftOutWhy::TooLarge { limit } => format!("larger than {limit} bytes"),
            LeftOutWhy::Refused(words) => words.clone(),
            LeftOutWhy::NotAvailable => "gone".to_owned(),
            LeftOutWhy::Unsupported => "of no use in a ticket".to_owned(),
        };
        output.line(&format!("left out    {name}: {why}"));
    }
    output.line(&format!("\n── new text ──\n{}", message.text));
    if let Some(quoted) = &message.quoted {
        output.line(&format!("\n── quote and signature, kept but not filed ──\n{quoted}"));
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::super::cli_tests::{ticket_bridge, write_config};

    const MAILBOX: &str = "admin_chat = -1\n[[mailbox]]\nname = \"support\"\nmaildir = \"in\"\noutbox_dir = \"out\"\n\
        from = \"Desk <support@desk.example>\"\nauthserv_id = [\"mx.desk.example\"]\n";

    fn corpus(name: &str) -> String {
        format!("{}/tests/corpus/mail/{name}.eml", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn a_mail_shows_whom_it_is_from_and_what_is_new_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = write_config(dir.path(), MAILBOX);
        let inspect = |name: &str| {
            let (code, out, err) = ticket_bridge(&["mail", "inspect", &corpus(name), "-c", &config]);
            assert_eq!(code, ExitCode::SUCCESS, "{name}: {err}");
            out
        };
        assert!(inspect("verified").contains("\nverified    yes\n"));
        assert!(inspect("plain").contains("\nverified    no: "));
        assert!(inspect("out-of-office").contains("\nautomatic   yes: "));
        let quoting = inspect("german-quote");
        assert!(
            quoting.contains("── new text ──") && quoting.contains("── quote and signature"),
            "{quoting}"
        );
        assert!(inspect("attachment").contains("\nfile        "));
        assert!(inspect("zero-bytes").contains("unreadable  it has no header"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is stored");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let config = write_config(dir.path(), MAILBOX);
        for args in [&["/nowhere.eml"][..], &["/nowhere.eml", "--mailbox", "sales"]] {
            let args = [&["mail", "inspect", "-c", config.as_str()], args].concat();
            let (code, _, err) = ticket_bridge(&args);
            assert_eq!(code, ExitCode::from(1), "{err}");
        }
    }
}
