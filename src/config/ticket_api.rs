//! `[[ticket_api]]`: one ticket system; what is common to all kinds.

use std::time::Duration;

use url::Url;

use super::defaults::Timing;
use super::file::Table;
use super::hostup::{self, Hostup};
use super::i3d::{self, I3d};
use super::paradarum::{self, Paradarum};
use super::resolve::check_transport;
use super::values::Word;
use super::whmcs::{self, Whmcs};
use crate::model::ids::TicketId;
use crate::runtime::Secret;

#[derive(Clone, Debug)]
pub struct TicketApi {
    pub name: String,
    pub kind: Kind,
    /// Paths are appended to it; a URL without a path ends with a slash.
    pub base_url: Url,
    /// The key used for every account without an own one.
    pub key: Option<Secret>,
    /// How often tickets with recent activity are looked at.
    pub poll: Duration,
    /// See [`Timing::settle`].
    pub settle: Duration,
    pub max_calls_per_second: f64,
    /// Connections, hence calls at one time.
    pub connections: u32,
    pub panel_url: Option<PanelUrl>,
    /// The desk sends its own mails to customers, so the bridge need not.
    pub desk_mails_customers: bool,
}

/// Which adapter, with the keys that only it knows.
#[derive(Clone, Debug)]
pub enum Kind {
    Paradarum(Box<Paradarum>),
    Hostup(Box<Hostup>),
    I3d(Box<I3d>),
    Whmcs(Box<Whmcs>),
}

/// Where a person sees a ticket: a URL with `{id}` or `{number}`, and perhaps `{account}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelUrl(String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum KindName {
    Paradarum,
    I3d,
    Whmcs,
    Hostup,
}

impl Word for KindName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("paradarum", KindName::Paradarum),
        ("i3d", KindName::I3d),
        ("whmcs", KindName::Whmcs),
        ("hostup", KindName::Hostup),
    ];
}

impl PanelUrl {
    /// The link to one ticket. Ids come from the API and are escaped.
    pub fn of(&self, account: &str, ticket: &TicketId) -> String {
        let escape = |id: &str| url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>();
        let named =
            self.0.replace("{id}", &escape(ticket.as_str())).replace("{number}", &escape(ticket.number()));
        named.replace("{account}", &escape(account))
    }
}

pub(super) fn read(table: &Table<'_>, timing: &Timing, panel: Option<&PanelUrl>) -> Option<TicketApi> {
    let name = table.required("name", "accounts refer to it");
    let kind = table.required::<KindName>("kind", "which system it is: paradarum, i3d, whmcs or hostup")?;
    let base_url = table.required::<Url>("base_url", "such as \"https://api.paradarum.com\"");
    if let Some(url) = &base_url {
        check_transport(table, "base_url", url);
    }
    let key = table.get("key");
    let poll = table.or("poll", poll_unset(kind, timing));
    let settle = table.or("settle", timing.settle);
    let max_calls_per_second = table.or("max_calls_per_second", 5.0);
    let connections = table.or("connections", 8);
    let panel_url = panel_url(table).or_else(|| panel.cloned());
    let desk_mails_customers = table.or("desk_mails_customers", true);
    let kind = match kind {
        KindName::Whmcs => {
            let own = whmcs::read(table);
            if !table.has("profile") {
                return None; // Which keys there are depends on it.
            }
            own.map(|own| Kind::Whmcs(Box::new(own)))
        }
        KindName::Hostup => Some(Kind::Hostup(Box::new(hostup::read(table)))),
        KindName::I3d => Some(Kind::I3d(Box::new(i3d::read(table)))),
        KindName::Paradarum => Some(Kind::Paradarum(Box::new(paradarum::read(table)))),
    };
    table.finish();
    Some(TicketApi {
        name: name?,
        kind: kind?,
        base_url: base_url?,
        key,
        poll,
        settle,
        max_calls_per_second,
        connections,
        panel_url,
        desk_mails_customers,
    })
}

fn poll_unset(kind: KindName, timing: &Timing) -> Duration {
    match kind {
        KindName::Hostup if timing.poll_hot == Timing::default().poll_hot => hostup::POLL,
        _ => timing.poll_hot,
    }
}

/// The key `panel_url` of a table.
pub(super) fn panel_url(table: &Table<'_>) -> Option<PanelUrl> {
    let url = table.get::<String>("panel_url")?;
    if !url.contains("{id}") && !url.contains("{number}") {
        table.wrong("panel_url", "must hold {id} or {number}, where the ticket's id or number goes");
    } else if Url::parse(&url.replace(['{', '}'], "")).is_err() {
        table.wrong("panel_url", "is not a URL");
    }
    Some(PanelUrl(url))
}
