//! Files and HTML mails, handed to the browser in a way that nothing in them can act.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::Stage;
use crate::sandbox::desk::{AttachmentId, TicketId};

/// Pictures that a browser may show in the page; everything else, SVG above all, is only downloaded.
const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

const LOCKED_UP: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// Without `allow-scripts`, `allow-same-origin` or any source: styles and pictures inside the mail only.
const LETTER: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

pub(super) async fn of_telegram(
    State(stage): State<Arc<Stage>>,
    Path((chat, message)): Path<(i64, i64)>,
) -> Response {
    let history = stage.town.telegram.history_in(chat);
    let found = history.into_iter().find(|found| found.message_id == message);
    let file = found.and_then(|found| found.file);
    file.map_or_else(gone, |file| hand_out(&file.name, &file.mime, file.bytes))
}

pub(super) async fn of_desk(
    State(stage): State<Arc<Stage>>,
    Path((ticket, attachment)): Path<(i64, i64)>,
) -> Response {
    let ticket = stage.town.desk.ticket(TicketId(ticket));
    let file = ticket.as_ref().and_then(|ticket| ticket.attachment(AttachmentId(attachment)));
    file.map_or_else(gone, |file| hand_out(&file.name, &file.content_type, file.bytes.clone()))
}

pub(super) async fn of_mail(
    State(stage): State<Arc<Stage>>,
    Path((letter, number)): Path<(usize, usize)>,
) -> Response {
    let letter = stage.letters.get(letter);
    let file = letter.as_ref().and_then(|letter| letter.files.get(number));
    file.map_or_else(gone, |file| hand_out(&file.name, &file.content_type, Bytes::from(file.bytes.clone())))
}

/// The HTML of a mail, for a frame that is locked up on both sides.
pub(super) async fn mail_as_html(State(stage): State<Arc<Stage>>, Path(letter): Path<usize>) -> Response {
    let html = stage.letters.get(letter).and_then(|letter| letter.html.clone());
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    html.map_or_else(gone, |html| ([kind, (header::CONTENT_SECURITY_POLICY, LETTER)], html).into_response())
}

/// Whether the page may show a file of this type itself.
pub(super) fn is_picture(content_type: &str) -> bool {
    PICTURES.contains(&content_type)
}

fn hand_out(name: &str, content_type: &str, bytes: Bytes) -> Response {
    let shown = is_picture(content_type);
    let content_type = if shown { content_type } else { "application/octet-stream" };
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    // RFC 8187 knows no `+` for a space.
    let encoded = encoded.replace('+', "%20");
    let how = if shown { "inline" } else { "attachment" };
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("{how}; filename*=UTF-8''{encoded}")),
        (header::CONTENT_SECURITY_POLICY, LOCKED_UP.to_owned()),
    ];
    (headers, bytes).into_response()
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "There is no such file any more.").into_response()
}
