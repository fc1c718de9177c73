//! Paradarum's dialect: each request is checked and answered by the records' rules.

mod request;
mod route;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::door::{self, Answered, Asked, Door, Visit};
use super::ledger::Ledger;
use super::options::DeskOptions;
use super::records::{NewMessage, NewTicket, Records, Refusal};
use super::ticket::{Author, TicketId};
use crate::sandbox::faults;
use request::{Admitted, CreateBody, ReplyBody, Turned, UploadForm};
use route::Route;
use wire::{Answer, Page};

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect = faults::Dialect { call: call_name, refusal };

/// What a call's body holds.
enum Content {
    None,
    Create(CreateBody),
    Reply(ReplyBody),
    Upload(UploadForm),
}

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    let name = |asked: &Asked| name_of(Route::of(&asked.method, asked.uri.path()));
    door::router(ledger, Door { name, attend, refusal })
}

fn attend(asked: &Asked, visit: &mut Visit<'_>) -> Answered {
    let (answer, violation) = match check(asked, visit) {
        Ok((route, admitted, content)) => {
            (serve(route, admitted, content, visit).unwrap_or_else(Answer::from), None)
        }
        Err(turned) => (turned.answer, turned.violation),
    };
    Answered { response: answer.into_response(), violation }
}

fn check(asked: &Asked, visit: &mut Visit<'_>) -> Result<(Route, Admitted, Content), Turned> {
    let route = Route::of(&asked.method, asked.uri.path());
    let route = route.map_err(|status| Turned::noting(Answer::Bare(status), "no such call"))?;
    visit.call.ticket = route.ticket();
    visit.call.names = request::named_account(asked);
    let admitted = request::admit(route, asked, visit.records)?;
    visit.call.account = Some(admitted.account);
    let content = match route {
        Route::Create => Content::Create(request::json_body(asked)?),
        Route::Reply(_) => Content::Reply(request::json_body(asked)?),
        Route::Upload(_) => Content::Upload(request::upload_form(asked)?),
        _ => Content::None,
    };
    Ok((route, admitted, content))
}

fn serve(
    route: Route,
    admitted: Admitted,
    content: Content,
    visit: &mut Visit<'_>,
) -> Result<Answer, Refusal> {
    let Visit { records, options, now, call } = visit;
    let (options, now) = (*options, *now);
    let account = admitted.account;
    if let Some(id) = route.ticket() {
        records.ticket(account, id)?;
    }
    match (route, content) {
        (Route::Create, Content::Create(body)) => {
            let asked = NewTicket {
                subject: body.subject.unwrap_or_default(),
                description: body.description.unwrap_or_default(),
                topic: body.topic,
                property: body.property_id,
                ..NewTicket::default()
            };
            let ticket = records.create(account, asked, now)?;
            call.ticket = Some(ticket.id);
            let data = Value::Object(wire::created_ticket(ticket, options));
            Ok(Answer::said(StatusCode::CREATED, "Ticket created successfully.", data))
        }
        (Route::Reply(id), Content::Reply(body)) => {
            let asked = NewMessage::new(Author::Customer, body.message.unwrap_or_default());
            let message = records.reply(id, asked, now)?;
            let written = records.ticket(account, id)?.message(message);
            let written = written.filter(|_| options.reply_answers_id);
            let data = written.map_or(Value::Null, |written| wire::message_json(written, options));
            Ok(Answer::said(StatusCode::CREATED, "Message added successfully.", data))
        }
        (Route::Upload(id), Content::Upload(form)) => upload(id, form, records, options, now),
        (Route::Close(id), _) => {
            records.close(id, now)?;
            Ok(Answer::said(StatusCode::OK, "Ticket closed successfully.", Value::Null))
        }
        (Route::Detail(id), _) => {
            let data = wire::whole_ticket(records.ticket(account, id)?, options);
            Ok(Answer::said(StatusCode::OK, "Ticket retrieved successfully.", data))
        }
        (Route::Download(id, file), _) => {
            let file = records.ticket(account, id)?.attachment(file);
            let file = file.ok_or(Refusal::NotFound("Attachment not found."))?;
            Ok(Answer::File(Box::new(file.clone())))
        }
        (Route::Properties, _) => {
            let rows = records.properties(account);
            let rows = rows.into_iter().map(|(id, name)| json!({ "id": id, "name": name, "domain": name }));
            Ok(paged(rows, admitted, options))
        }
        (Route::List, _) => {
            let rows: Vec<_> = records.tickets(account).rev().collect();
            Ok(paged(rows.into_iter().map(|ticket| wire::listed_ticket(ticket, options)), admitted, options))
        }
        (Route::Create | Route::Reply(_) | Route::Upload(_), _) => Err(Refusal::Invalid("Invalid request")),
    }
}

fn upload(
    id: TicketId,
    form: UploadForm,
    records: &mut Records,
    options: &DeskOptions,
    now: jiff::Timestamp,
) -> Result<Answer, Refusal> {
    let file = form.file.ok_or(Refusal::Invalid("File is required."))?;
    if file.bytes.len() > options.max_file_bytes {
        return Err(Refusal::Invalid("File size exceeds 10 MB limit."));
    }
    let stored = records.attach(id, form.message, Author::Customer, file, now)?;
    let stored = records.any_ticket(id).and_then(|ticket| ticket.attachment(stored));
    let data = stored.map_or(Value::Null, |stored| wire::attachment_json(stored, options));
    Ok(Answer::said(StatusCode::CREATED, "Attachment uploaded successfully.", data))
}

fn paged(rows: impl ExactSizeIterator<Item = Value>, asked: Admitted, options: &DeskOptions) -> Answer {
    let size = asked.page_size.min(options.max_page_size);
    let page = Page { number: asked.page_number, size, records: rows.len() };
    let skipped = asked.page_number.saturating_sub(1).saturating_mul(size);
    let rows = rows.skip(skipped).take(size).collect();
    let message = "Records retrieved successfully.";
    Answer::Said { status: StatusCode::OK, message, data: Value::Array(rows), page: Some(page) }
}

fn call_name(request: &Request) -> String {
    name_of(Route::of(request.method(), request.uri().path())).to_owned()
}

fn name_of(route: Result<Route, StatusCode>) -> &'static str {
    route.map_or("unknown", Route::name)
}

fn refusal(status: StatusCode, _wait: Option<u32>) -> Response<Body> {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Answer::Bare(status).into_response(); // the web server's own
    }
    let message = match status {
        StatusCode::TOO_MANY_REQUESTS => "Too many requests.",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::NOT_FOUND => "Not found.",
        _ => "An error occurred while processing your request.",
    };
    Answer::said(status, message, Value::Null).into_response()
}
