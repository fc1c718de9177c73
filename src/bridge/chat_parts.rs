//! What a delivery to a chat consists of: its text in pieces that Telegram takes, then its files, each with its step.

use serde_json::{Value, json};

use crate::{
    bridge::{alerts, delivery::Errand, notes, staff_files::can_be_had},
    model::{
        attachment::Attachment,
        button::Button,
        delivery::{Content, Note},
        formatted::Formatted,
        ids::ChatMessageId,
        job::Step,
        place::Place,
        staff_message::StaffMessage,
    },
    text::split::{CAPTION_LIMIT, TEXT_LIMIT, split},
};

/// Steps of files are numbered from here on, so that they are the same whatever number of pieces a text has.
pub(super) const FILES: u32 = 100_000;
/// The answer to a pressed button.
const ANSWER: u32 = 900_000;
/// Characters of such an answer (<https://core.telegram.org/bots/api#answercallbackquery>).
const ANSWER_CHARS: usize = 200;

/// One message to send.
pub(super) struct Part {
    pub(super) step: Step,
    pub(super) what: What,
}

pub(super) enum What {
    Text { text: Formatted, buttons: Vec<Vec<Button>>, reply_to: Option<ChatMessageId> },
    Edit { message: ChatMessageId, text: Formatted, buttons: Vec<Vec<Button>> },
    Answer { callback: String, text: String },
    File { file: Attachment, caption: String },
}

impl What {
    /// Doing it twice changes nothing.
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(self, Self::Edit { .. } | Self::Answer { .. })
    }
}

pub(super) fn of(errand: &Errand<'_>, place: &Place) -> Vec<Part> {
    match &errand.delivery.content {
        Content::Staff(staff) => staff_parts(errand, place, staff),
        Content::Note(note) => note_parts(note),
        Content::Alert(alert) => texts(&alert.text, &alert.buttons, None, None),
        Content::Letter(letter) => texts(&Formatted::plain(letter.text.as_str()), &[], None, None),
    }
}

fn staff_parts(errand: &Errand<'_>, place: &Place, staff: &StaffMessage) -> Vec<Part> {
    let has_text = staff.in_panel_only || !staff.text.trim().is_empty();
    let text = staff_text(errand, place, staff);
    if !staff.files.is_empty() && !errand.conversation.as_ref().is_none_or(|c| can_be_had(errand.bridge, c)) {
        let files = files_in_panel(errand, place, staff);
        let text = if has_text { text.text("\n\n").append(files) } else { files };
        return texts(&text, &[], None, None);
    }
    let mut caption = String::new();
    let mut parts = Vec::new();
    if !has_text {
        // Files that came late: the first says which ticket they belong to.
        caption = split(&text, CAPTION_LIMIT).into_iter().next().unwrap_or_default().text.trim().to_owned();
    } else {
        parts = texts(&text, &[], None, None);
    }
    parts.extend(staff.files.iter().zip(FILES..).map(|(file, number)| {
        let what = What::File { file: file.clone(), caption: std::mem::take(&mut caption) };
        Part { step: Step::Send(number), what }
    }));
    parts
}

pub(super) fn staff_text(errand: &Errand<'_>, place: &Place, staff: &StaffMessage) -> Formatted {
    if staff.in_panel_only {
        let values = json!({ "number": staff.ticket.number(), "url": url(errand, staff) });
        return rendered(errand, place, "staff_message_in_panel", &values)
            .unwrap_or_else(|| Formatted::plain(format!("#{}", staff.ticket.number())));
    }
    let subject = errand.conversation.as_ref().map(|conversation| conversation.subject.as_str());
    let values = json!({
        "number": staff.ticket.number(), "subject": subject.filter(|subject| !subject.is_empty()),
        "author": staff.author, "text": staff.text,
    });
    rendered(errand, place, "staff_message", &values).unwrap_or_else(|| Formatted::plain(staff.text.as_str()))
}

/// Names the files that nobody but a person at the panel can have.
fn files_in_panel(errand: &Errand<'_>, place: &Place, staff: &StaffMessage) -> Formatted {
    let names: Vec<&str> = staff.files.iter().map(|file| file.name.as_str()).collect();
    let values = json!({ "number": staff.ticket.number(), "files": names, "url": url(errand, staff) });
    rendered(errand, place, "staff_files_in_panel", &values)
        .unwrap_or_else(|| Formatted::plain(format!("#{}: {}", staff.ticket.number(), names.join(", "))))
}

fn url(errand: &Errand<'_>, staff: &StaffMessage) -> Option<String> {
    alerts::url(errand.bridge, errand.conversation.as_ref()?, Some(&staff.ticket))
}

fn rendered(errand: &Errand<'_>, place: &Place, template: &str, values: &Value) -> Option<Formatted> {
    let language = notes::language(errand.bridge, place);
    let text = errand.bridge.templates.render_telegram(&language, template, values);
    text.inspect_err(|error| tracing::error!(%error, "A staff message is sent without its frame.")).ok()
}

fn note_parts(note: &Note) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(callback) = &note.answers {
        // Beside an edit the pop-up would only say the same again.
        let text = if note.edits.is_none() {
            note.text.text.chars().take(ANSWER_CHARS).collect()
        } else {
            String::new()
        };
        parts
            .push(Part { step: Step::Send(ANSWER), what: What::Answer { callback: callback.clone(), text } });
        if note.edits.is_none() {
            return parts;
        }
    }
    parts.extend(texts(&note.text, &note.buttons, note.reply_to, note.edits));
    parts
}

/// A text in pieces that Telegram takes: the first answers or edits, the last has the buttons. None is empty.
fn texts(
    text: &Formatted,
    buttons: &[Vec<Button>],
    reply_to: Option<ChatMessageId>,
    edits: Option<ChatMessageId>,
) -> Vec<Part> {
    let pieces: Vec<Formatted> =
        split(text, TEXT_LIMIT).into_iter().filter(|piece| !piece.text.trim().is_empty()).collect();
    let last = pieces.len().saturating_sub(1);
    let numbered = pieces.into_iter().enumerate().zip(0..);
    let part = |((index, text), number): ((usize, Formatted), u32)| {
        let buttons = if index == last { buttons.to_vec() } else { Vec::new() };
        let what = match edits.filter(|_| index == 0) {
            Some(message) => What::Edit { message, text, buttons },
            None => What::Text { text, buttons, reply_to: reply_to.filter(|_| index == 0) },
        };
        Part { step: Step::Send(number), what }
    };
    numbered.map(part).collect()
}
