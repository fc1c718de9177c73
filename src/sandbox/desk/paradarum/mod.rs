//! Paradarum's dialect: each request is checked, answered by the records' rules, dated and logged.

mod request;
mod route;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::ledger::{Books, Call, Ledger};
use super::options::DeskOptions;
use super::records::{NewMessage, NewTicket, Records, Refusal};
use super::ticket::{Author, TicketId};
use crate::sandbox::faults;
use request::{Admitted, CreateBody, ReplyBody, Turned, UploadForm};
use route::Route;
use wire::{Answer, Page};

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect = faults::Dialect { call: call_name, refusal };

/// What a call's body holds, read before the records are locked.
enum Content {
    None,
    Create(CreateBody),
    Reply(ReplyBody),
    Upload(UploadForm),
}

/// Every path goes through one door: axum's own routes heed the case of a path, the real server does not.
pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    // The desk has its own cap, which answers as the real web server does.
    Router::new().fallback(knock).layer(DefaultBodyLimit::disable()).with_state(ledger)
}

async fn knock(State(ledger): State<Arc<Ledger>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let route = Route::of(&parts.method, parts.uri.path());
    let name = route.map_or("unknown", Route::name);
    let body = request::read_body(body, ledger.options.max_request_bytes).await;
    let Some(late) = ledger.take_late(name) else {
        return attend(&ledger, route, parts, body).await;
    };
    // In a task of its own: a caller who has hung up does not stop a call that is under way.
    let under_way = tokio::spawn(async move {
        tokio::time::sleep(late).await;
        attend(&ledger, route, parts, body).await
    });
    under_way.await.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, None))
}

async fn attend(
    ledger: &Ledger,
    route: Result<Route, StatusCode>,
    parts: Parts,
    body: Result<Bytes, Turned>,
) -> Response<Body> {
    let mut call = Call {
        name: route.map_or("unknown", Route::name),
        request: format!("{} {}", parts.method, parts.uri),
        account: None,
        ticket: route.ok().and_then(Route::ticket),
        status: 0,
        at: ledger.now(),
    };
    let checked = check(ledger, route, parts, body, &mut call).await;
    let now = ledger.now();
    let answer = ledger.change(|books| {
        let answer = match checked {
            Ok((route, admitted, content)) => {
                serve(route, admitted, content, &mut books.records, &ledger.options, now, &mut call)
                    .unwrap_or_else(Answer::from)
            }
            Err(turned) => {
                note(books, &call, turned.violation);
                turned.answer
            }
        };
        call.status = answer.status().as_u16();
        call.at = now;
        books.note_call(call);
        answer
    });
    let mut response = answer.into_response();
    if let Ok(date) = HeaderValue::from_str(&wire::http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn check(
    ledger: &Ledger,
    route: Result<Route, StatusCode>,
    parts: Parts,
    body: Result<Bytes, Turned>,
    call: &mut Call,
) -> Result<(Route, Admitted, Content), Turned> {
    let route = route.map_err(|status| Turned::noting(Answer::Bare(status), "no such call"))?;
    let body = body?;
    let admitted = ledger.read(|books| request::admit(route, &parts, &body, &books.records))?;
    call.account = Some(admitted.account);
    let content = match route {
        Route::Create => Content::Create(request::json_body(&body)?),
        Route::Reply(_) => Content::Reply(request::json_body(&body)?),
        Route::Upload(_) => Content::Upload(request::upload_form(parts, body).await?),
        _ => Content::None,
    };
    Ok((route, admitted, content))
}

fn serve(
    route: Route,
    admitted: Admitted,
    content: Content,
    records: &mut Records,
    options: &DeskOptions,
    now: jiff::Timestamp,
    call: &mut Call,
) -> Result<Answer, Refusal> {
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

fn note(books: &mut Books, call: &Call, violation: Option<String>) {
    if let Some(violation) = violation {
        books.note_violation(format!("{}: {violation}", call.request));
    }
}

fn call_name(request: &Request) -> String {
    Route::of(request.method(), request.uri().path()).map_or("unknown", Route::name).to_owned()
}

fn refusal(status: StatusCode, _wait: Option<u32>) -> Response<Body> {
    let message = match status {
        StatusCode::TOO_MANY_REQUESTS => "Too many requests.",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::NOT_FOUND => "Not found.",
        _ => "An error occurred while processing your request.",
    };
    Answer::said(status, message, Value::Null).into_response()
}
