//! Paradarum's JSON: the envelope, tickets, messages and files; read tolerantly, as much of it is undocumented.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

use crate::config::Paradarum as Settings;
use crate::model::conversation::TicketStatus;
use crate::model::ids::{AttachmentId, TicketId, TicketMessageId};
use crate::runtime::Timestamp;
use crate::ticket_api::answers;
use crate::ticket_api::decoding::{first, flag, id, integer, list, one, text, time};
use crate::ticket_api::{Author, Ticket, TicketAttachment, TicketLine, TicketMessage};

/// The body of a create.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTicketBody<'a> {
    pub(super) subject: &'a str,
    pub(super) description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) property_id: Option<i64>,
}

/// The body of a reply.
#[derive(Serialize)]
pub(super) struct ReplyBody<'a> {
    pub(super) message: &'a str,
}

/// What a list shows of a ticket's changes; learnt from it, so that a detail's mark can be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    count: bool,
    updated: bool,
}

/// The envelope around every JSON answer.
pub(super) struct Envelope(Value);

// === impl Envelope ===

impl Envelope {
    pub(super) fn read(body: Option<Value>) -> Option<Self> {
        body.filter(Value::is_object).map(Self)
    }

    /// Whether the server says yes; one that says neither must at least bring data.
    pub(super) fn is_success(&self) -> bool {
        self.0.get("succeeded").and_then(flag).unwrap_or_else(|| !self.data().is_null())
    }

    /// The words of a refusal in the API's own form.
    pub(super) fn refusal(&self) -> Option<String> {
        let refused = self.0.get("succeeded").and_then(flag) == Some(false);
        let said = self.0.get("message").and_then(Value::as_str).map(answers::words);
        refused.then(|| said.filter(|said| !said.is_empty()).unwrap_or_else(|| "no reason given".to_owned()))
    }

    pub(super) fn data(&self) -> &Value {
        self.0.get("data").unwrap_or(&Value::Null)
    }

    pub(super) fn at(&self, pointer: &str) -> Option<String> {
        self.0.pointer(pointer).and_then(id)
    }

    /// The id of what a call made: `data.id`, or `data` itself.
    pub(super) fn made(&self) -> Option<String> {
        one(self.data()).map_or_else(|| id(self.data()), |made| made.get("id").and_then(id))
    }

    /// Pages of the whole list, where the server says so.
    pub(super) fn total_pages(&self) -> Option<i64> {
        self.0.get("totalPages").and_then(integer).filter(|pages| *pages > 0)
    }

    /// Rows of the list: `None` if `data` is no list at all.
    pub(super) fn rows(&self) -> Option<Vec<&Value>> {
        let data = self.data();
        (data.is_array() || data.is_object() || data.is_null()).then(|| list(Some(data)))
    }
}

// === rows and details ===

/// A row of the list; a row without an id is none.
pub(super) fn line(row: &Value, settings: &Settings) -> Option<TicketLine> {
    let marks = Marks::shown_by(row, settings);
    Some(TicketLine {
        ticket: TicketId::new(row.get("id").and_then(id)?),
        subject: row.get("subject").and_then(text).unwrap_or_default(),
        status: status(row),
        created: created(row, settings),
        change: marks.change(row, None, settings),
    })
}

/// A ticket's detail, or what is wrong with it. `listed` is what the list was seen to show.
pub(super) fn ticket(
    data: &Value,
    settings: &Settings,
    listed: Option<Marks>,
    server_date: Option<Timestamp>,
) -> Result<Ticket, &'static str> {
    let data = one(data).ok_or("the answer holds no ticket")?;
    let ticket = TicketId::new(data.get("id").and_then(id).ok_or("the ticket has no id")?);
    let rows = list(data.get(&settings.messages_key));
    let messages: Option<Vec<_>> = rows.iter().map(|row| message(row, settings)).collect();
    let mut messages = messages.ok_or("a message of the ticket has no id")?;
    in_order(&mut messages);
    let own_files = list(data.get(&settings.attachments_key)).into_iter().map(|row| (row, None));
    let their_files = rows.iter().flat_map(|row| {
        let message = row.get("id").and_then(id).map(TicketMessageId::new);
        list(row.get(&settings.attachments_key)).into_iter().map(move |file| (file, message.clone()))
    });
    let mut attachments: Vec<TicketAttachment> = Vec::new();
    for (row, message) in own_files.chain(their_files) {
        let file = attachment(row, message, settings).ok_or("a file of the ticket has no id")?;
        if attachments.iter().all(|known| known.id != file.id) {
            attachments.push(file);
        }
    }
    let marks =
        listed.unwrap_or(Marks { count: true, updated: first(data, &settings.updated_key).is_some() });
    Ok(Ticket {
        ticket,
        subject: data.get("subject").and_then(text).unwrap_or_default(),
        status: status(data),
        created: created(data, settings),
        change: marks.change(data, Some(messages.len()), settings),
        text: data.get("description").and_then(text).unwrap_or_default(),
        messages,
        attachments,
        shows_messages: data.get(&settings.messages_key).is_some_and(|list| !list.is_null()),
        merged_into: None,
        server_date,
    })
}

/// Id and name of a property.
pub(super) fn property(row: &Value) -> Option<(String, String)> {
    let id = row.get("id").and_then(id)?;
    let name = first(row, &["name", "domain"]).and_then(text).unwrap_or_else(|| id.clone());
    Some((id, name))
}

// === impl Marks ===

impl Marks {
    pub(super) fn shown_by(row: &Value, settings: &Settings) -> Self {
        let shows = |names: &[String]| first(row, names).is_some();
        Self { count: shows(&settings.count_key), updated: shows(&settings.updated_key) }
    }

    /// Changes with whatever the list shows; `None` where that does not tell of a new message.
    fn change(self, row: &Value, messages: Option<usize>, settings: &Settings) -> Option<String> {
        let counted = first(row, &settings.count_key).and_then(text);
        let count = counted.or_else(|| messages.map(|count| count.to_string())).filter(|_| self.count)?;
        let status = row.get("status").and_then(text).unwrap_or_default();
        if !self.updated {
            return Some(format!("{status}/{count}"));
        }
        first(row, &settings.updated_key).and_then(text).map(|updated| format!("{status}/{count}/{updated}"))
    }
}

// === parts ===

fn message(row: &Value, settings: &Settings) -> Option<TicketMessage> {
    let by = match first(row, &settings.staff_flag).and_then(flag) {
        Some(true) => Author::Staff,
        Some(false) => Author::Customer,
        None => Author::Unsaid,
    };
    Some(TicketMessage {
        id: TicketMessageId::new(row.get("id").and_then(id)?),
        by,
        author: first(row, &settings.author_key).and_then(text),
        text: first(row, &settings.message_text).and_then(text).unwrap_or_default(),
        in_panel_only: false,
        created: created(row, settings),
    })
}

fn attachment(
    row: &Value,
    message: Option<TicketMessageId>,
    settings: &Settings,
) -> Option<TicketAttachment> {
    let file = AttachmentId::new(row.get("id").and_then(id)?);
    Some(TicketAttachment {
        message: first(row, &settings.attachment_message).and_then(id).map(TicketMessageId::new).or(message),
        name: first(row, &settings.attachment_name).and_then(text).unwrap_or_else(|| format!("file-{file}")),
        mime: first(row, &settings.attachment_type).and_then(text),
        size: first(row, &settings.attachment_size)
            .and_then(integer)
            .and_then(|size| u64::try_from(size).ok()),
        created: created(row, settings),
        id: file,
    })
}

/// Oldest first, by date; where a date is missing, by number; else as the server has them.
fn in_order(messages: &mut [TicketMessage]) {
    let number = |message: &TicketMessage| message.id.as_str().parse::<i64>().ok();
    if messages.iter().all(|message| message.created.is_some()) {
        messages.sort_by_key(|message| (message.created, number(message)));
    } else if messages.iter().all(|message| number(message).is_some()) {
        messages.sort_by_key(number);
    }
}

fn created(row: &Value, settings: &Settings) -> Option<Timestamp> {
    let utc = TimeZone::UTC;
    let zone = settings.assume_utc.then_some(&utc);
    first(row, &settings.created_key).and_then(|value| time(value, zone))
}

/// <https://docs.paradarum.com/support/categories-and-statuses>, as a number or as its name.
fn status(row: &Value) -> TicketStatus {
    let Some(value) = row.get("status") else { return TicketStatus::Other };
    let name = value.as_str().map(|name| name.replace([' ', '_'], "").to_ascii_lowercase());
    match (integer(value), name.as_deref()) {
        (Some(0 | 1), _) | (_, Some("open" | "inprogress")) => TicketStatus::Open,
        (Some(2), _) | (_, Some("resolved")) => TicketStatus::Resolved,
        (Some(3), _) | (_, Some("closed")) => TicketStatus::Closed,
        _ => TicketStatus::Other,
    }
}
