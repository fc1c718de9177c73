//! i3D.net's dialect: each request is checked and answered by the records' rules.
//!
//! It knows open and closed only. Nothing is hidden in it: a message for the panel only is shown as any other.

pub(super) mod options;
mod request;
mod route;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::door::{self, Answered, Asked, Door, Visit};
use super::ledger::Ledger;
use super::lifecycle::Status;
use super::records::{NewMessage, NewTicket, Refusal};
use super::ticket::{AttachmentId, Author, Requester, TicketId};
use crate::sandbox::faults;
use request::{ContactBody, CreateBody, ReplyBody};
use route::Route;
use wire::Refused;

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect = faults::Dialect { call: call_name, refusal: wire::plain_refusal };

const NO_SUCH_FILE: Refusal = Refusal::NotFound("Attachment not found.");

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    let name = |asked: &Asked| name_of(Route::of(&asked.method, asked.uri.path()));
    door::router(ledger, Door { name, attend, refusal: wire::plain_refusal })
}

fn attend(asked: &Asked, visit: &mut Visit<'_>) -> Answered {
    match serve(asked, visit) {
        Ok(response) => Answered { response, violation: None },
        Err(refused) => refused.answered(),
    }
}

fn serve(asked: &Asked, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    let route = Route::of(&asked.method, asked.uri.path()).ok_or_else(Refused::no_route)?;
    visit.call.ticket = route.ticket();
    let account = request::admit(route, asked, visit)?;
    visit.call.account = Some(account);
    if let Some(id) = route.ticket() {
        visit.records.ticket(account, id)?;
    }
    match route {
        Route::Categories => Ok(wire::said(StatusCode::OK, &json!(visit.options.i3d.categories))),
        Route::List { open_or_unread } => list(account, open_or_unread, asked, visit),
        Route::Create => create(account, &request::body::<CreateBody>(asked)?, visit),
        Route::Contact => contact(account, &request::body::<ContactBody>(asked)?, visit),
        Route::Detail(id) => detail(account, id, visit),
        Route::Reply(id) => reply(id, &request::body::<ReplyBody>(asked)?, visit),
        Route::Upload => upload(account, asked, visit),
        Route::Unstage(id) => unstage(account, id, visit),
        Route::Download(id, file) => {
            let file = visit.records.ticket(account, id)?.attachment(file).ok_or(NO_SUCH_FILE)?;
            Ok(wire::file(file, visit.options))
        }
        Route::Close(id) => stand(account, id, Status::Closed, visit),
        Route::Open(id) => stand(account, id, Status::Open, visit),
    }
}

/// The rows from the newest ticket on; a row moves only when a ticket is opened or goes.
fn list(
    account: i64,
    open_or_unread: bool,
    asked: &Asked,
    visit: &Visit<'_>,
) -> Result<Response<Body>, Refused> {
    let options = &visit.options.i3d;
    let range = request::range(asked, options)?;
    let rows = visit.records.tickets(account).rev();
    let rows = rows.filter(|row| !open_or_unread || row.status != Status::Closed || wire::is_unread(row));
    let mut rows = rows.skip(range.start);
    let shown = rows.by_ref().take(range.results).map(|ticket| wire::listed(ticket, visit.options)).collect();
    let more = rows.next().is_some();
    let mut response = wire::said(StatusCode::OK, &shown);
    if more && options.page_token {
        let token = request::page_token(range.start.saturating_add(range.results));
        if let Ok(token) = HeaderValue::from_str(&token) {
            response.headers_mut().insert(HeaderName::from_static("page-token"), token);
        }
    }
    Ok(response)
}

fn create(account: i64, body: &CreateBody, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    body.check(&visit.options.i3d)?;
    let named = [&body.email_to, &body.email_cc];
    let cc = named.into_iter().flatten().flat_map(|list| list.split(',')).map(str::trim);
    let asked = NewTicket {
        subject: body.title.clone().unwrap_or_default(),
        description: body.content.clone().unwrap_or_default(),
        category: body.category.clone(),
        department: body.department.clone(),
        cc: cc.filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        files: request::attachments(&body.attachment_ids),
        ..NewTicket::default()
    };
    made(account, asked, visit)
}

fn contact(account: i64, body: &ContactBody, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    body.check(&visit.options.i3d)?;
    let said = |field: &Option<String>| field.clone().unwrap_or_default();
    let title = said(&body.title);
    let asked = NewTicket {
        // The form's text is optional; a ticket of the desk always has one.
        description: body.content.clone().filter(|text| !text.trim().is_empty()).unwrap_or(title.clone()),
        subject: title,
        category: body.category.clone(),
        requester: Some(Requester {
            name: format!("{} {}", said(&body.first_name), said(&body.last_name)),
            email: said(&body.email),
        }),
        ..NewTicket::default()
    };
    made(account, asked, visit)
}

fn made(account: i64, asked: NewTicket, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    let ticket = visit.records.create(account, asked, visit.now)?.id;
    visit.call.ticket = Some(ticket);
    answer_made(ticket, visit)
}

fn detail(account: i64, id: TicketId, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    visit.records.note_read(id, visit.now);
    let whole = wire::whole(visit.records.ticket(account, id)?, visit.options);
    Ok(wire::single(StatusCode::OK, whole, visit.options))
}

fn reply(id: TicketId, body: &ReplyBody, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    body.check(&visit.options.i3d)?;
    let message = NewMessage {
        title: body.title.clone(),
        files: request::attachments(&body.attachment_ids),
        ..NewMessage::new(Author::Customer, body.content.clone().unwrap_or_default())
    };
    visit.records.reply(id, message, visit.now)?;
    answer_made(id, visit)
}

/// The ticket, as a create and a reply answer it.
fn answer_made(id: TicketId, visit: &Visit<'_>) -> Result<Response<Body>, Refused> {
    let ticket = visit.records.any_ticket(id).ok_or(Refusal::NotFound("Ticket not found."))?;
    let shown = if visit.options.i3d.answer_has_replies {
        wire::whole(ticket, visit.options)
    } else {
        wire::listed(ticket, visit.options)
    };
    let status = StatusCode::from_u16(visit.options.i3d.made_status).unwrap_or(StatusCode::OK);
    Ok(wire::single(status, shown, visit.options))
}

fn upload(account: i64, asked: &Asked, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    let file = request::file(asked)?;
    if file.bytes.len() > visit.options.max_file_bytes {
        return Err(Refused::field("attachment", "is too large"));
    }
    let id = visit.records.stage(account, None, file, visit.now);
    Ok(wire::single(StatusCode::OK, json!({ "attachmentId": id.0 }), visit.options))
}

fn unstage(account: i64, id: AttachmentId, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    visit.records.staging.check(account, None, &[id]).map_err(|_| NO_SUCH_FILE)?;
    visit.records.staging.take(id);
    Ok(wire::no_content())
}

/// Both calls name a state, so that one in which the ticket already stands is no error.
fn stand(
    account: i64,
    id: TicketId,
    status: Status,
    visit: &mut Visit<'_>,
) -> Result<Response<Body>, Refused> {
    let closed = visit.records.ticket(account, id)?.status == Status::Closed;
    match status {
        Status::Closed if !closed => visit.records.close(id, visit.now)?,
        Status::Open if closed => visit.records.reopen(id, visit.now)?,
        _ => {}
    }
    Ok(wire::no_content())
}

fn call_name(request: &Request) -> String {
    name_of(Route::of(request.method(), request.uri().path())).to_owned()
}

fn name_of(route: Option<Route>) -> &'static str {
    route.map_or("unknown", Route::name)
}
