//! What the visitor does in a seat: typed texts, chosen files, pressed buttons.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::Stage;
use crate::sandbox::bridge_process::BridgeError;
use crate::sandbox::desk::{DeskError, TicketId};
use crate::sandbox::telegram::{FileKind, NoSuchButton, Person, SentFile};
use crate::sandbox::town::{HARBOUR, LetterError};

type Done = Result<StatusCode, Refused>;
type Seat = State<Arc<Stage>>;

/// Why nothing was done, for the visitor.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the form cannot be read")]
    Form(#[from] MultipartError),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error(transparent)]
    Button(#[from] NoSuchButton),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error(transparent)]
    Bridge(#[from] BridgeError),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Refused::Bridge(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

/// `seat` (customer or admin), `text`, `reply_to`, a file.
pub(super) async fn telegram_says(State(stage): Seat, form: Multipart) -> Done {
    let form = Form::read(form).await?;
    let person = form.person(&stage);
    let (text, reply_to) = (form.text("text"), form.number("reply_to"));
    match (&form.file, reply_to) {
        (Some(file), _) => person.sends_file(file.as_sent(), text),
        (None, _) if text.is_empty() => return Err(Refused::Missing("a text or a file")),
        (None, Some(message)) => person.replies_to(message, text),
        (None, None) => person.says(text),
    };
    Ok(StatusCode::NO_CONTENT)
}

/// `seat`, `message`, `button`.
pub(super) async fn telegram_presses(State(stage): Seat, form: Multipart) -> Done {
    let form = Form::read(form).await?;
    let message = form.number("message").ok_or(Refused::Missing("the message"))?;
    form.person(&stage).presses(message, form.text("button"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens the bot by a fresh link, as the button of a customer panel would.
pub(super) async fn telegram_connects(State(stage): Seat) -> Done {
    let code = stage.town.link_code(HARBOUR).await?;
    stage.town.mara.presses_start(&code);
    Ok(StatusCode::NO_CONTENT)
}

/// `text`, a file, and either `answers` (the number of a letter) or `subject`.
pub(super) async fn mail_sends(State(stage): Seat, form: Multipart) -> Done {
    let form = Form::read(form).await?;
    let (jonas, text) = (&stage.town.jonas, form.text("text"));
    if text.is_empty() && form.file.is_none() {
        return Err(Refused::Missing("a text or a file"));
    }
    let answered = form.number("answers").and_then(|id| stage.letters.get(usize::try_from(id).ok()?));
    let mut letter = match answered {
        Some(answered) => jonas.answer(&answered.raw, text),
        None => jonas.letter(form.text("subject"), text),
    };
    if let Some(file) = &form.file {
        letter = letter.attach(&file.name, &file.content_type, file.bytes.to_vec());
    }
    jonas.sends(letter).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `ticket`, `text`, a file.
pub(super) async fn desk_replies(State(stage): Seat, form: Multipart) -> Done {
    let form = Form::read(form).await?;
    let (ticket, desk) = (form.ticket()?, &stage.town.desk);
    let message = match form.text("text") {
        "" if form.file.is_none() => return Err(Refused::Missing("a text or a file")),
        "" => None,
        text => Some(desk.staff_replies(ticket, text)?),
    };
    if let Some(file) = form.file {
        desk.staff_attaches(ticket, message, &file.name, file.bytes)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `ticket`, `status`: in_progress, resolved or closed.
pub(super) async fn desk_sets_status(State(stage): Seat, form: Multipart) -> Done {
    let form = Form::read(form).await?;
    let (ticket, desk) = (form.ticket()?, &stage.town.desk);
    match form.text("status") {
        "in_progress" => desk.staff_takes_up(ticket)?,
        "resolved" => desk.staff_resolves(ticket)?,
        "closed" => desk.staff_closes(ticket)?,
        _ => return Err(Refused::Missing("the status")),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A form that the page sent.
struct Form {
    fields: HashMap<String, String>,
    file: Option<FormFile>,
}

struct FormFile {
    name: String,
    content_type: String,
    bytes: Bytes,
}

impl Form {
    async fn read(mut form: Multipart) -> Result<Self, Refused> {
        let mut read = Form { fields: HashMap::new(), file: None };
        while let Some(field) = form.next_field().await? {
            let name = field.name().unwrap_or_default().to_owned();
            let Some(file) = field.file_name().map(bare_name) else {
                read.fields.insert(name, field.text().await?);
                continue;
            };
            let content_type = mime_guess::from_path(&file).first_or_octet_stream().to_string();
            read.file = Some(FormFile { name: file, content_type, bytes: field.bytes().await? });
        }
        Ok(read)
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    fn ticket(&self) -> Result<TicketId, Refused> {
        self.number("ticket").map(TicketId).ok_or(Refused::Missing("the ticket"))
    }

    fn person<'a>(&self, stage: &'a Stage) -> &'a Person {
        if self.text("seat") == "admin" { &stage.town.admin } else { &stage.town.mara }
    }
}

impl FormFile {
    /// As Telegram's apps send it: a JPEG as a photo, a film as one, everything else as a document.
    fn as_sent(&self) -> SentFile {
        let kind = match self.content_type.as_str() {
            "image/jpeg" => FileKind::Photo,
            "video/mp4" => FileKind::Video,
            _ => FileKind::Document,
        };
        SentFile::new(kind, &self.name, self.bytes.clone())
    }
}

/// The last part of what a browser calls a file.
fn bare_name(name: &str) -> String {
    let bare = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if bare.is_empty() { "file".to_owned() } else { bare.to_owned() }
}
