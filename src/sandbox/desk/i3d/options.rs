//! What i3D.net's page leaves open, as switches: each default is the contract's assumption.

/// How this desk answers where nobody has seen the real one.
#[derive(Clone, Debug)]
pub struct I3dOptions {
    /// What `GET …/categories` lists.
    pub categories: Vec<String>,
    /// The departments that a create may name; no call lists them.
    pub departments: Vec<String>,
    /// How a create's `emailCc` and `emailTo` are held.
    pub mail_fields: MailField,
    /// The most characters of a title. The page gives 250 for the contact form only.
    pub max_title: usize,
    /// The most rows of a list, whatever `results` asks for.
    pub max_results: usize,
    /// Whether a list that goes on gives a `PAGE-TOKEN`, to be echoed on the next request.
    pub page_token: bool,
    /// Whether a list's rows have an empty `replies` instead of none.
    pub list_has_replies: bool,
    /// Whether a create's and a reply's answer holds the replies.
    pub answer_has_replies: bool,
    /// Whether a single resource comes as an array of one.
    pub answers_in_array: bool,
    /// Whether `replyByI3d` is `true` and `false` instead of 1 and 0.
    pub flags_as_bool: bool,
    /// Fields that are left out of every ticket; the page calls most optional.
    pub absent: Vec<String>,
    /// Keys of a file's id and name in a reply's `attachments`.
    pub attachment_id_key: String,
    pub attachment_name_key: String,
    pub download: DownloadForm,
    /// The status of a success that makes a ticket or a reply: 200 as documented, or 201.
    pub made_status: u16,
    /// The status for a wrong key: 401 as seen, or 403 as documented.
    pub auth_status: u16,
}

/// How a field is held that the page calls required and working clients leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailField {
    Optional,
    /// It must be there, and may be empty.
    Required,
    /// It may be left out, but where it is there it must name somebody.
    NotEmpty,
}

/// How a file comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadForm {
    /// Its bytes, with its own type and name.
    Raw,
    /// A JSON string of base64.
    Base64Json,
    /// A JSON string with an address elsewhere.
    Url,
}

impl Default for I3dOptions {
    fn default() -> Self {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            categories: named(&["Bare-metal", "Game servers", "Network", "Billing"]),
            departments: named(&["Service Desk", "Finance"]),
            mail_fields: MailField::Optional,
            max_title: 250,
            max_results: 100,
            page_token: false,
            list_has_replies: false,
            answer_has_replies: true,
            answers_in_array: false,
            flags_as_bool: false,
            absent: Vec::new(),
            attachment_id_key: "id".to_owned(),
            attachment_name_key: "name".to_owned(),
            download: DownloadForm::Base64Json,
            made_status: 200,
            auth_status: 401,
        }
    }
}
