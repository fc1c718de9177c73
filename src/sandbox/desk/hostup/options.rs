//! What HostUp's pages leave open, as switches: each default is the contract's assumption.

/// How this desk answers where nobody has seen the real one.
#[derive(Clone, Debug)]
pub struct HostupOptions {
    /// Slug and display name of each department.
    pub departments: Vec<(String, String)>,
    /// What every key may do: `read:support`, `write:support`, `read:account`.
    pub scopes: Vec<String>,
    /// The status by which uploads are refused to accounts that do not have them; `None`: all have them.
    pub upload_refusal: Option<u16>,
    /// How an upload comes to its message.
    pub binding: Binding,
    /// Whether a reply's files stand at the ticket's root instead of in the message.
    pub files_at_root: bool,
    /// Whether a sanitised file name is reduced to ASCII letters, digits, `.`, `-` and `_`.
    pub ascii_names: bool,
    pub opening: Opening,
    /// Whether all that may be null is null, but texts and file names.
    pub nulls: bool,
    /// Whether file names are null.
    pub null_file_names: bool,
    /// The status for what a ticket's state forbids: 409 or 400.
    pub state_refusal: u16,
    /// The status for another account's ticket: 404 or 403.
    pub foreign_status: u16,
    /// The most characters of a subject.
    pub max_subject: usize,
    /// The most rows of a page where no `limit` is asked for.
    pub page: usize,
}

/// How an upload comes to its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A ticket's next message takes what is pinned to it.
    Pinned,
    /// A message names its uploads in this field.
    Field(String),
    /// Never: an upload stays temporary.
    Never,
}

/// Where a ticket's opening text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// In `body` only; `messageCount` counts it.
    Body,
    /// In `body` and as the first message.
    BodyAndMessage,
}

impl Default for HostupOptions {
    fn default() -> Self {
        let departments = [
            ("general-web-hosting", "General web hosting"),
            ("domain-names", "Domain names"),
            ("vps", "VPS"),
            ("billing", "Billing"),
        ];
        Self {
            departments: departments.map(|(slug, name)| (slug.to_owned(), name.to_owned())).into(),
            scopes: ["read:support", "write:support", "read:account"].map(str::to_owned).into(),
            upload_refusal: None,
            binding: Binding::Pinned,
            files_at_root: false,
            ascii_names: false,
            opening: Opening::Body,
            nulls: false,
            null_file_names: false,
            state_refusal: 409,
            foreign_status: 404,
            max_subject: 200,
            page: 25,
        }
    }
}
