//! What surrounds the tickets: departments, statuses, counts, clients.

use serde_json::{Map, Value, json};

use super::super::lifecycle::Status;
use super::super::ticket::Ticket;
use super::answer::Turned;
use super::reading::paged;
use super::turn::{Fields, Turn};
use super::wire;

/// `GetSupportDepartments`
pub(super) fn departments(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let all = turn.form.flag("ignore_dept_assignments")?;
    let options = turn.options;
    let row = |department: &super::options::Department| {
        let own = || turn.tickets().filter(|ticket| wire::department_of(ticket, options) == department.id);
        json!({
            "id": wire::id(department.id, options),
            "name": department.name,
            "awaitingreply": wire::count(own().filter(awaits).count(), options),
            "opentickets": wire::count(own().filter(|ticket| ticket.status != Status::Closed).count(), options),
        })
    };
    let seen = options.departments.iter().filter(|department| all || department.assigned);
    let rows: Vec<Value> = seen.map(row).collect();
    Ok(counted("departments", "department", rows, turn))
}

/// `GetSupportStatuses`
pub(super) fn statuses(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let department = turn.form.number("deptid")?;
    let is_in = |ticket: &&Ticket| {
        department.is_none_or(|wanted| wire::department_of(ticket, turn.options) == wanted)
    };
    let row = |(status, title): &(Status, &str)| {
        let count = turn.tickets().filter(is_in).filter(|ticket| ticket.status == *status).count();
        json!({ "title": title, "count": count, "color": "#779500" })
    };
    let rows = wire::STATUSES.iter().map(row).collect();
    Ok(counted("statuses", "status", rows, turn))
}

/// `GetTicketCounts`
pub(super) fn counts(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let all = turn.form.flag("ignoreDepartmentAssignments")?;
    let options = turn.options;
    let is_seen = |ticket: &&Ticket| {
        let department = options.department(wire::department_of(ticket, options));
        all || department.is_some_and(|department| department.assigned)
    };
    let seen: Vec<_> = turn.tickets().filter(is_seen).collect();
    let filtered = options.departments.iter().filter(|department| all || department.assigned);
    let filtered: Vec<_> = filtered.map(|department| department.id).collect();
    let mut answer = Map::new();
    answer.insert("filteredDepartments".to_owned(), json!(filtered));
    let active = seen.iter().filter(|ticket| ticket.status != Status::Closed).count();
    answer.insert("allActive".to_owned(), json!(active));
    answer.insert("awaitingReply".to_owned(), json!(seen.iter().filter(|ticket| awaits(ticket)).count()));
    answer.insert("flaggedTickets".to_owned(), json!(0));
    if turn.form.flag("includeCountsByStatus")? {
        let by_status = wire::STATUSES.iter().map(|(status, title)| {
            let key = title.to_lowercase().replace([' ', '-'], "");
            let count = seen.iter().filter(|ticket| ticket.status == *status).count();
            (key, json!({ "title": title, "count": count }))
        });
        answer.insert("status".to_owned(), Value::Object(by_status.collect()));
    }
    Ok(answer)
}

/// `GetClients`: those whose address or name begins with the search term.
pub(super) fn clients(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    let (start, size) = (turn.form.size("limitstart", 0)?, turn.form.size("limitnum", 25)?);
    let term = turn.form.get("search").unwrap_or_default().to_lowercase();
    let begins = |text: &str| text.to_lowercase().starts_with(&term);
    let is_meant = |id: &i64| {
        begins(&turn.options.client_email(*id)) || begins("Client") || begins(&format!("Client {id}"))
    };
    let mut found: Vec<_> = known_clients(turn).filter(is_meant).collect();
    if turn.form.get("sorting") == Some("DESC") {
        found.reverse();
    }
    let total = found.len();
    let rows = found.into_iter().skip(start).take(size).map(|id| client_json(id, turn)).collect();
    Ok(paged("clients", "client", rows, start, total, turn.options))
}

/// `GetClientsDetails`
pub(super) fn client(turn: &mut Turn<'_>) -> Result<Fields, Turned> {
    turn.form.flag("stats")?;
    let email = turn.form.get("email").map(str::to_owned);
    let id = turn.form.number("clientid")?;
    if id.is_none() && email.is_none() {
        return Err(Turned::error("Either clientid Or email Is Required"));
    }
    let is_meant = |client: &i64| match (&id, &email) {
        (Some(id), _) => client == id,
        (None, Some(email)) => turn.options.client_email(*client).eq_ignore_ascii_case(email),
        (None, None) => false,
    };
    let found = known_clients(turn).find(is_meant).ok_or(Turned::error("Client Not Found"))?;
    let details = client_json(found, turn);
    let mut answer = Map::new();
    // The older form stands beside the newer one.
    if let Value::Object(fields) = &details {
        answer.extend(fields.clone());
    }
    answer.insert("userid".to_owned(), wire::id(found, turn.options));
    answer.insert("client".to_owned(), details);
    turn.call.account = Some(found);
    Ok(answer)
}

fn known_clients(turn: &Turn<'_>) -> impl Iterator<Item = i64> {
    turn.records.accounts().filter(|id| *id != 0)
}

fn client_json(id: i64, turn: &Turn<'_>) -> Value {
    json!({
        "id": wire::id(id, turn.options),
        "firstname": "Client",
        "lastname": id.to_string(),
        "fullname": format!("Client {id}"),
        "companyname": "",
        "email": turn.options.client_email(id),
        "datecreated": "2016-01-01",
        "groupid": wire::id(0, turn.options),
        "status": "Active",
    })
}

fn awaits(ticket: &&Ticket) -> bool {
    matches!(ticket.status, Status::Open | Status::CustomerReply)
}

fn counted(outer: &str, inner: &str, rows: Vec<Value>, turn: &Turn<'_>) -> Fields {
    let mut answer = Map::new();
    answer.insert("totalresults".to_owned(), wire::count(rows.len(), turn.options));
    wire::nest(&mut answer, outer, inner, rows, turn.options);
    answer
}
