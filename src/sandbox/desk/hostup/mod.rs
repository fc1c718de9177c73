//! HostUp's dialect: each request is checked and answered by the records' rules.
//!
//! An account's services are its properties: `context.serviceId` is a property's number.

pub(super) mod options;
mod refused;
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
use super::download::download;
use super::ledger::Ledger;
use super::lifecycle::Status;
use super::records::{NewMessage, NewTicket};
use super::ticket::{AttachmentId, Author, Ticket, TicketId};
use crate::sandbox::faults;
use options::Binding;
use refused::Refused;
use route::Route;
pub(super) use route::shown_number;
use wire::Place;

/// How faults name the desk's calls and word its errors.
pub(super) const FAULTS: faults::Dialect =
    faults::Dialect { call: call_name, refusal: refused::plain_refusal };

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    let name = |asked: &Asked| name_of(Route::of(&asked.method, asked.uri.path()));
    door::router(ledger, Door { name, attend, refusal: refused::plain_refusal })
}

fn attend(asked: &Asked, visit: &mut Visit<'_>) -> Answered {
    match serve(asked, visit) {
        Ok(response) => Answered { response, violation: None },
        Err(refused) => {
            let (response, violation) = refused.split(asked.uri.path(), visit.now);
            Answered { response, violation }
        }
    }
}

fn serve(asked: &Asked, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    let route = Route::of(&asked.method, asked.uri.path()).ok_or_else(|| {
        let refused = Refused::new(StatusCode::NOT_FOUND, "not_found", "There is no such endpoint.");
        refused.noting("no such call")
    })?;
    visit.call.ticket = route.ticket();
    let account = request::admit(route, asked, visit)?;
    visit.call.account = Some(account);
    if let Some(id) = route.ticket() {
        own(account, id, visit)?;
    }
    match route {
        Route::Departments => Ok(wire::said(StatusCode::OK, &wire::departments(&visit.options.hostup))),
        Route::List => list(account, asked, visit),
        Route::Create => create(account, asked, visit),
        Route::Detail(id) => detail(account, id, visit),
        Route::Reply(id) => reply(account, id, asked, visit),
        Route::Upload => upload(account, asked, visit),
        Route::Download(file) => {
            let ticket = request::owner(asked)?;
            visit.call.ticket = Some(ticket);
            own(account, ticket, visit)?.attachment(file).map(download).ok_or_else(Refused::no_file)
        }
        Route::Close(id) => {
            let closed = own(account, id, visit)?.status == Status::Closed;
            refuse_state(closed, "conflict", "The ticket is already closed.", visit)?;
            visit.records.close(id, visit.now)?;
            detail(account, id, visit)
        }
        Route::Reopen(id) => {
            let open = own(account, id, visit)?.status != Status::Closed;
            refuse_state(open, "conflict", "The ticket is not closed.", visit)?;
            visit.records.reopen(id, visit.now)?;
            detail(account, id, visit)
        }
    }
}

/// The account's ticket; another's is refused as the options say.
fn own<'a>(account: i64, id: TicketId, visit: &'a Visit<'_>) -> Result<&'a Ticket, Refused> {
    let foreign = visit.records.any_ticket(id).is_some_and(|ticket| ticket.account != account);
    if foreign && visit.options.hostup.foreign_status == StatusCode::FORBIDDEN {
        return Err(Refused::forbidden("The ticket is not yours."));
    }
    Ok(visit.records.ticket(account, id)?)
}

/// Newest activity first; the cursor is the last row's place in that order.
fn list(account: i64, asked: &Asked, visit: &Visit<'_>) -> Result<Response<Body>, Refused> {
    let options = &visit.options.hostup;
    let listing = request::listing(asked, options)?;
    let fits = |ticket: &&Ticket| {
        listing.status.is_none_or(|status| status == ticket.status)
            && listing
                .department
                .as_deref()
                .is_none_or(|slug| wire::department_of(ticket, options) == Some(slug))
            && listing.after.is_none_or(|after| Place::of(ticket) < after)
    };
    let mut rows: Vec<_> = visit.records.tickets(account).filter(fits).collect();
    rows.sort_by_key(|ticket| std::cmp::Reverse(Place::of(ticket)));
    let more = rows.len() > listing.limit;
    rows.truncate(listing.limit);
    let next = rows.last().filter(|_| more).map(|last| Place::of(last).cursor());
    let data: Vec<_> = rows.into_iter().map(|row| Value::Object(wire::summary(row, options))).collect();
    Ok(wire::said(StatusCode::OK, &json!({ "data": data, "hasMore": more, "nextCursor": next })))
}

fn create(account: i64, asked: &Asked, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    let body = request::create(asked, &visit.options.hostup)?;
    let context = body.context.as_ref();
    let service = context.and_then(|context| context.service_id.as_deref());
    let owned = visit.records.properties(account);
    let service = service
        .map(|id| owned.iter().map(|(known, _)| *known).find(|known| known.to_string() == id))
        .map(|found| found.ok_or_else(|| Refused::field("/context/serviceId", "The service is not yours.")))
        .transpose()?;
    let kind = context.and_then(|context| context.service_type);
    let asked = NewTicket {
        subject: body.subject.unwrap_or_default(),
        description: body.message.unwrap_or_default(),
        property: service,
        department: body.department_slug,
        category: kind.map(|kind| format!("{kind:?}").to_lowercase()),
        priority: body.priority.map(|priority| format!("{priority:?}").to_lowercase()),
        cc: body.cc_emails,
        ..NewTicket::default()
    };
    let ticket = visit.records.create(account, asked, visit.now)?;
    visit.call.ticket = Some(ticket.id);
    Ok(wire::said(StatusCode::CREATED, &wire::whole(ticket, &visit.options.hostup)))
}

fn detail(account: i64, id: TicketId, visit: &Visit<'_>) -> Result<Response<Body>, Refused> {
    Ok(wire::said(StatusCode::OK, &wire::whole(own(account, id, visit)?, &visit.options.hostup)))
}

fn reply(
    account: i64,
    id: TicketId,
    asked: &Asked,
    visit: &mut Visit<'_>,
) -> Result<Response<Body>, Refused> {
    let body = request::reply(asked, &visit.options.hostup)?;
    let closed = own(account, id, visit)?.status == Status::Closed;
    refuse_state(closed, "ticket_closed", "The ticket is closed; reopen it first.", visit)?;
    let files = match visit.options.hostup.binding {
        Binding::Pinned => visit.records.staging.pinned(id),
        Binding::Field(_) | Binding::Never => body.files,
    };
    let message =
        NewMessage { encrypted: body.encrypted, files, ..NewMessage::new(Author::Customer, body.message) };
    let message = visit.records.reply(id, message, visit.now)?;
    let ticket = own(account, id, visit)?;
    let shown = ticket.message(message).map(|written| wire::message(written, ticket, &visit.options.hostup));
    Ok(wire::said(StatusCode::CREATED, &shown.unwrap_or_default()))
}

fn upload(account: i64, asked: &Asked, visit: &mut Visit<'_>) -> Result<Response<Body>, Refused> {
    match visit.options.hostup.upload_refusal {
        Some(404) => {
            return Err(Refused::new(StatusCode::NOT_FOUND, "not_found", "Uploads are not available."));
        }
        Some(_) => return Err(Refused::forbidden("Uploads are not available to this account.")),
        None => {}
    }
    let upload = request::upload(asked, &visit.options.hostup)?;
    visit.call.ticket = upload.ticket;
    if let Some(ticket) = upload.ticket {
        own(account, ticket, visit)?;
    }
    if upload.file.bytes.len() > visit.options.max_file_bytes {
        return Err(Refused::field("/file", "The file is too large."));
    }
    let id: AttachmentId = visit.records.stage(account, upload.ticket, upload.file.clone(), visit.now);
    Ok(wire::said(StatusCode::CREATED, &wire::upload(id, &upload.file, upload.ticket, visit.now)))
}

/// Refuses what a ticket's state forbids, with the status of the options.
fn refuse_state(
    forbidden: bool,
    code: &'static str,
    detail: &'static str,
    visit: &Visit<'_>,
) -> Result<(), Refused> {
    let refused = || Refused::state(visit.options.hostup.state_refusal, code, detail);
    if forbidden { Err(refused()) } else { Ok(()) }
}

fn call_name(request: &Request) -> String {
    name_of(Route::of(request.method(), request.uri().path())).to_owned()
}

fn name_of(route: Option<Route>) -> &'static str {
    route.map_or("unknown", Route::name)
}
