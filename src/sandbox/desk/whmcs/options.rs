//! What the WHMCS contract leaves open or to the installation, as switches; Keliweb's façade words tickets alike.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::hints::HintOptions;

/// How a WHMCS is set up, and how it words its answers where several wordings are known.
#[derive(Clone, Debug)]
pub struct WhmcsOptions {
    /// The API credential; one serves all clients.
    pub identifier: String,
    pub secret: String,
    /// Calls come from an address that is not allowed, unless they bear this access key.
    pub access_key: Option<String>,
    pub departments: Vec<Department>,
    /// E-mail addresses of clients; others have `client<id>@whmcs.example`.
    pub client_emails: BTreeMap<i64, String>,
    /// The HTTP status of a logical error.
    pub error_status: u16,
    pub ids: Ids,
    pub empty_lists: EmptyLists,
    /// Whether a list of one element is that element.
    pub single_as_object: bool,
    pub staff_mark: StaffMark,
    /// Whether `requestor_*` is there (WHMCS 8.0 and later).
    pub has_requestor: bool,
    /// Whether `attachments` is there beside the legacy `attachment` (7.10 and later).
    pub has_attachments: bool,
    /// Whether `message` and `subject` come with HTML entities.
    pub escapes_entities: bool,
    /// Whether lines of a message end in `\r\n`.
    pub crlf: bool,
    /// The zone of every date.
    pub time_zone: TimeZone,
    /// The key of a file's name in `attachments` of a call: `name` (the example) or `filename` (the text).
    pub attachment_name_key: String,
    /// Extensions that files may have, in lower case; `None` takes all.
    pub allowed_extensions: Option<Vec<String>>,
    /// The most bytes a file may have.
    pub max_file_bytes: usize,
    /// What becomes of a file that is too large or of a type that is not allowed.
    pub refused_files: RefusedFiles,
    /// Whether the desk has thrown its files away.
    pub attachments_removed: bool,
    /// Where signed hints go, if a hook file is installed.
    pub hints: Option<HintOptions>,
}

/// A support department.
#[derive(Clone, Debug)]
pub struct Department {
    pub id: i64,
    pub name: String,
    /// Whether the API's user is assigned to it; others are seen with `ignore_dept_assignments` only.
    pub assigned: bool,
}

/// How numbers that name something are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// `"id": "1"`
    Strings,
    /// `"id": 1`
    Ints,
}

/// How a list without elements is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLists {
    /// `[]`
    Array,
    /// `""`
    Text,
    /// `{}`
    Object,
    /// `[[]]`
    Nested,
    /// The key is not there.
    Missing,
}

/// What tells a staff member's reply from a customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffMark {
    /// `admin` holds a name.
    Admin,
    /// `requestor_type` is `Operator`.
    Requestor,
    Both,
}

/// What becomes of a file that the installation does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFiles {
    /// It is left out without a word.
    Dropped,
    /// The call is refused.
    Refuse,
}

impl Default for WhmcsOptions {
    fn default() -> Self {
        let department = |id, name: &str, assigned| Department { id, name: name.to_owned(), assigned };
        Self {
            identifier: "D4j1dKYE3g40VROOPCGyJ9zRwP0ADJIv".to_owned(),
            secret: "F1CKGXRIpylMfsrig3mwwdSdYUdLiFlo".to_owned(),
            access_key: None,
            departments: vec![
                department(1, "Support", true),
                department(2, "Sales", true),
                department(3, "Abuse", false),
            ],
            client_emails: BTreeMap::new(),
            error_status: 200,
            ids: Ids::Strings,
            empty_lists: EmptyLists::Array,
            single_as_object: false,
            staff_mark: StaffMark::Both,
            has_requestor: true,
            has_attachments: true,
            escapes_entities: false,
            crlf: false,
            time_zone: TimeZone::UTC,
            attachment_name_key: "name".to_owned(),
            allowed_extensions: None,
            max_file_bytes: 5_000_000,
            refused_files: RefusedFiles::Dropped,
            attachments_removed: false,
            hints: None,
        }
    }
}

// === impl WhmcsOptions ===

impl WhmcsOptions {
    /// The address of a client.
    pub fn client_email(&self, client: i64) -> String {
        let known = self.client_emails.get(&client).cloned();
        known.unwrap_or_else(|| format!("client{client}@whmcs.example"))
    }

    pub(super) fn department(&self, id: i64) -> Option<&Department> {
        self.departments.iter().find(|department| department.id == id)
    }
}
