//! The keys that only `kind = "whmcs"` knows: its two profiles, and what their documentation does not say.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use toml::de::DeValue;
use url::Url;

use super::file::{Reading, Table};
use super::resolve::check_transport;
use super::values::{ByteSize, FromValue, Word, Words, numbers};
use crate::runtime::Secret;

/// Defaults as far as WHMCS's developer pages and Keliweb's tell, else as an installation comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Whmcs {
    pub profile: Profile,
    /// Names of departments and their numbers. Native asks for them where none are given.
    pub departments: BTreeMap<String, i64>,
    /// For tickets without a topic; the first department where absent.
    pub default_department: Option<String>,
    pub default_priority: Option<String>,
    pub markdown: bool,
    /// The desk mails nobody about what the bridge files. Native only.
    pub noemail: bool,
    /// The key of a file's name in `attachments`.
    pub attachment_name_key: String,
    pub staff_rule: Vec<StaffRule>,
    /// For dates, which carry no offset.
    pub server_timezone: TimeZone,
    /// Whether texts hold `&amp;` and the like for `&`.
    pub html_unescape: bool,
    pub close_mode: CloseMode,
    /// What `close_mode = "reply"` writes.
    pub close_text: String,
    pub status_closed: Vec<String>,
    pub max_attachment_bytes: ByteSize,
    /// Lower case, without the dot; empty: every file is sent.
    pub allowed_extensions: Vec<String>,
    /// In UTF-16 units.
    pub subject_max: usize,
    /// Rows of a page of a list.
    pub page_size: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    Native(Native),
    Keliweb(Box<Keliweb>),
}

/// `includes/api.php` of an installation.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    /// Whose secret the common `key` is. An account's own key is `identifier:secret`.
    pub identifier: String,
    /// Lifts the restriction to known IP addresses.
    pub accesskey: Option<Secret>,
    pub ignore_dept_assignments: bool,
    /// What tickets are in that something is likely to have happened to.
    pub active_status: Vec<String>,
}

/// Keliweb's Bearer façade. The common `key` is the user's password.
#[derive(Clone, Debug, PartialEq)]
pub struct Keliweb {
    pub oauth_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
    /// For accounts without an own key; one with an own key is its id with the key as password.
    pub user: String,
    /// Paths below `base_url`.
    pub open_path: String,
    pub get_path: String,
    pub reply_path: String,
    /// Absent: this façade lists no tickets.
    pub list_path: Option<String>,
    pub body: BodyForm,
    pub client_id_mode: ClientIdMode,
    /// Says `[]` where a message has no file, instead of nothing.
    pub empty_attachments: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffRule {
    AdminNonempty,
    RequestorOperator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    UpdateTicket,
    /// A reply asks staff to close it.
    Reply,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    Multipart,
    Form,
}

/// Whether a call says whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIdMode {
    /// By the account's id, where that is a number.
    PerUser,
    /// The token says it all.
    Fixed,
}

/// The words of WHMCS for how urgent a ticket is (<https://developers.whmcs.com/api-reference/openticket/>).
pub const PRIORITIES: [&str; 3] = ["Low", "Medium", "High"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProfileName {
    Native,
    Keliweb,
}

impl Word for ProfileName {
    const WORDS: &'static [(&'static str, Self)] =
        &[("native", ProfileName::Native), ("keliweb", ProfileName::Keliweb)];
}

impl Word for StaffRule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("admin_nonempty", StaffRule::AdminNonempty), ("requestor_operator", StaffRule::RequestorOperator)];
}

impl Word for CloseMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("update_ticket", CloseMode::UpdateTicket), ("reply", CloseMode::Reply), ("off", CloseMode::Off)];
}

impl Word for BodyForm {
    const WORDS: &'static [(&'static str, Self)] =
        &[("multipart", BodyForm::Multipart), ("form", BodyForm::Form)];
}

impl Word for ClientIdMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("per_user", ClientIdMode::PerUser), ("fixed", ClientIdMode::Fixed)];
}

impl Whmcs {
    /// The settings of a profile where `bot.toml` says nothing more.
    pub fn new(profile: Profile) -> Whmcs {
        let close_mode = match profile {
            Profile::Native(_) => CloseMode::UpdateTicket,
            Profile::Keliweb(_) => CloseMode::Reply,
        };
        Whmcs {
            profile,
            departments: BTreeMap::new(),
            default_department: None,
            default_priority: Some("Medium".into()),
            markdown: false,
            noemail: false,
            attachment_name_key: "name".into(),
            staff_rule: vec![StaffRule::AdminNonempty, StaffRule::RequestorOperator],
            server_timezone: TimeZone::UTC,
            html_unescape: true,
            close_mode,
            close_text: "Please close this ticket.".into(),
            status_closed: vec!["Closed".into()],
            max_attachment_bytes: ByteSize::mb(5),
            allowed_extensions: Vec::new(),
            subject_max: 200,
            page_size: 100,
        }
    }
}

impl Native {
    pub fn new(identifier: impl Into<String>) -> Native {
        Native {
            identifier: identifier.into(),
            accesskey: None,
            ignore_dept_assignments: true,
            active_status: vec!["Answered".into()],
        }
    }
}

impl Keliweb {
    pub fn new(
        oauth_url: Url,
        client_id: impl Into<String>,
        client_secret: Secret,
        user: impl Into<String>,
    ) -> Keliweb {
        Keliweb {
            oauth_url,
            client_id: client_id.into(),
            client_secret,
            user: user.into(),
            open_path: "open-ticket".into(),
            get_path: "get-ticket".into(),
            reply_path: "add-ticket-reply".into(),
            list_path: None,
            body: BodyForm::Multipart,
            client_id_mode: ClientIdMode::PerUser,
            empty_attachments: false,
        }
    }
}

// === reading ===

pub(super) fn read(table: &Table<'_>) -> Option<Whmcs> {
    let name = table.required("profile", "which WHMCS it is: native or keliweb")?;
    let profile = match name {
        ProfileName::Native => native(table).map(Profile::Native),
        ProfileName::Keliweb => keliweb(table).map(|keliweb| Profile::Keliweb(Box::new(keliweb))),
    };
    let close_mode = table.get("close_mode");
    if name == ProfileName::Keliweb {
        if close_mode == Some(CloseMode::UpdateTicket) {
            table.wrong("close_mode", "must be \"reply\" or \"off\": this profile has no such call");
        }
        if !table.has("departments") {
            table.missing("departments", "this profile cannot be asked for them");
        }
    }
    // All keys are asked for, whatever is missing: else they would be called unknown.
    let known = profile.is_some();
    let whmcs = shared(table, profile.unwrap_or_else(|| Profile::Native(Native::new(""))), close_mode);
    known.then_some(whmcs)
}

fn shared(table: &Table<'_>, profile: Profile, close_mode: Option<CloseMode>) -> Whmcs {
    let unset = Whmcs::new(profile);
    let is_native = matches!(unset.profile, Profile::Native(_));
    Whmcs {
        departments: table.get::<Departments>("departments").map_or(unset.departments, |given| given.0),
        default_department: table.get("default_department"),
        default_priority: table.get("default_priority").or(unset.default_priority),
        markdown: table.or("markdown", unset.markdown),
        noemail: is_native && table.or("noemail", unset.noemail),
        attachment_name_key: table.or("attachment_name_key", unset.attachment_name_key),
        staff_rule: table.or("staff_rule", unset.staff_rule),
        server_timezone: table.get::<Zone>("server_timezone").map_or(unset.server_timezone, |zone| zone.0),
        html_unescape: table.or("html_unescape", unset.html_unescape),
        close_mode: close_mode.unwrap_or(unset.close_mode),
        close_text: table.or("close_text", unset.close_text),
        status_closed: words(table, "status_closed").unwrap_or(unset.status_closed),
        max_attachment_bytes: table.or("max_attachment_bytes", unset.max_attachment_bytes),
        allowed_extensions: extensions(table).unwrap_or(unset.allowed_extensions),
        subject_max: table.get::<u32>("subject_max").map_or(unset.subject_max, |most| most as usize),
        page_size: table.or("page_size", unset.page_size),
        profile: unset.profile,
    }
}

fn native(table: &Table<'_>) -> Option<Native> {
    let identifier =
        table.required::<String>("identifier", "the name of the API credential whose secret is key");
    let unset = Native::new("");
    let native = Native {
        accesskey: table.get("accesskey"),
        ignore_dept_assignments: table.or("ignore_dept_assignments", unset.ignore_dept_assignments),
        active_status: words(table, "active_status").unwrap_or(unset.active_status),
        ..unset
    };
    Some(Native { identifier: identifier?, ..native })
}

fn keliweb(table: &Table<'_>) -> Option<Keliweb> {
    let oauth_url = table.required::<Url>("oauth_url", "where tokens are had");
    if let Some(url) = &oauth_url {
        check_transport(table, "oauth_url", url);
    }
    let client_id = table.required::<String>("client_id", "the OAuth client's id");
    let client_secret = table.required::<Secret>("client_secret", "the OAuth client's secret");
    let user = table.required::<String>("user", "the e-mail address of the user whose password is key");
    let path = |key| table.get::<String>(key).map(|path| path.trim_matches('/').to_owned());
    let (open, get, reply, list) =
        (path("open_path"), path("get_path"), path("reply_path"), path("list_path"));
    let (body, client_id_mode) = (table.get("body"), table.get("client_id_mode"));
    let empty_attachments = table.get("empty_attachments");
    let unset = Keliweb::new(oauth_url?, client_id?, client_secret?, user?);
    Some(Keliweb {
        open_path: open.unwrap_or(unset.open_path),
        get_path: get.unwrap_or(unset.get_path),
        reply_path: reply.unwrap_or(unset.reply_path),
        list_path: list,
        body: body.unwrap_or(unset.body),
        client_id_mode: client_id_mode.unwrap_or(unset.client_id_mode),
        empty_attachments: empty_attachments.unwrap_or(unset.empty_attachments),
        ..unset
    })
}

fn words(table: &Table<'_>, key: &'static str) -> Option<Vec<String>> {
    table.get::<Words>(key).map(|words| words.0)
}

fn extensions(table: &Table<'_>) -> Option<Vec<String>> {
    let words = words(table, "allowed_extensions")?;
    Some(words.iter().map(|word| word.trim_start_matches('.').to_lowercase()).collect())
}

struct Departments(BTreeMap<String, i64>);

impl FromValue for Departments {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        numbers(value, reading, "{ Support = 1, Billing = 2 }").map(Departments)
    }
}

struct Zone(TimeZone);

impl FromValue for Zone {
    fn from_value(value: &DeValue<'_>, reading: &Reading<'_>) -> Result<Self, String> {
        let name = String::from_value(value, reading)?;
        let zone = TimeZone::get(&name);
        zone.map(Zone).map_err(|_| format!("expected a time zone such as \"Europe/Rome\", found {name:?}"))
    }
}
