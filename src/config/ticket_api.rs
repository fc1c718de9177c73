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
    /// Signs this system's hints, and no other's; without it its hooks are refused.
    pub hook_secret: Option<Secret>,
}

/// What a ticket system gets that does not say it itself.
#[derive(Clone, Copy)]
pub(super) struct Unset<'a> {
    pub(super) timing: &'a Timing,
    pub(super) panel: Option<&'a PanelUrl>,
    pub(super) hook_secret: Option<&'a Secret>,
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

impl Kind {
    /// Whether no request names an account, so that two with one key would see each other's tickets.
    pub fn key_is_the_account(&self) -> bool {
        self.name().key_is_the_account()
    }

    fn name(&self) -> KindName {
        match self {
            Kind::Paradarum(_) => KindName::Paradarum,
            Kind::Hostup(_) => KindName::Hostup,
            Kind::I3d(_) => KindName::I3d,
            Kind::Whmcs(_) => KindName::Whmcs,
        }
    }
}

impl KindName {
    fn key_is_the_account(self) -> bool {
        match self {
            KindName::I3d | KindName::Hostup => true,
            KindName::Paradarum | KindName::Whmcs => false,
        }
    }

    /// What a ticket's priority may be; nothing where tickets have none.
    fn priorities(self) -> Vec<&'static str> {
        match self {
            KindName::Hostup => hostup::Priority::WORDS.iter().map(|(word, _)| *word).collect(),
            KindName::Whmcs => whmcs::PRIORITIES.to_vec(),
            KindName::Paradarum | KindName::I3d => Vec::new(),
        }
    }
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

pub(super) fn read(table: &Table<'_>, unset: Unset<'_>) -> Option<TicketApi> {
    let name = table.required("name", "accounts refer to it");
    let kind = table.required::<KindName>("kind", "which system it is: paradarum, i3d, whmcs or hostup")?;
    let base_url = table.required::<Url>("base_url", "such as \"https://api.paradarum.com\"");
    if let Some(url) = &base_url {
        check_transport(table, "base_url", url);
    }
    let key = table.get("key");
    let poll = table.or("poll", poll_unset(kind, unset.timing));
    let settle = table.or("settle", unset.timing.settle);
    let max_calls_per_second = table.or("max_calls_per_second", 5.0);
    let connections = table.or("connections", 8);
    let panel_url = panel_url(table).or_else(|| unset.panel.cloned());
    let desk_mails_customers = table.or("desk_mails_customers", true);
    let hook_secret = table.get("hook_secret").or_else(|| unset.hook_secret.cloned());
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
        hook_secret,
    })
}

/// As [`Kind::key_is_the_account`], by what the table says.
pub(super) fn key_is_the_account(table: &Table<'_>) -> bool {
    kind_of(table).is_some_and(KindName::key_is_the_account)
}

/// What a mailbox's `priority` may be for tickets there; nothing where they have none.
pub(super) fn priorities(table: &Table<'_>) -> Vec<&'static str> {
    kind_of(table).map(KindName::priorities).unwrap_or_default()
}

fn kind_of(table: &Table<'_>) -> Option<KindName> {
    let word = table.get::<String>("kind")?;
    KindName::WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
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
