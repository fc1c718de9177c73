//! What a ticket system can do, and in which of the known ways.

/// What a ticket system can do; asked by the bridge instead of the adapter's name.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Largest file in bytes.
    pub max_attachment_bytes: u64,
    /// Longest subject in UTF-16 units.
    pub max_subject: usize,
    pub attachments: Attachments,
    /// The server may drop a file without a word: whether it arrived is to be read.
    pub drops_files: bool,
    /// A message takes along every file that waits for its ticket, named or not: one brought twice is there
    /// twice.
    pub binds_staged: bool,
    /// Whether staff's files can be had.
    pub download: bool,
    pub close: Close,
    pub reopen: Reopen,
    /// Whether all tickets of an account can be listed.
    pub list: bool,
    /// Whether [`super::Scope::Active`] is shorter than [`super::Scope::All`].
    pub active_list: bool,
    /// Whether the desk mails its customers itself.
    pub desk_mails_customers: bool,
}

/// What becomes of a customer's wish to close a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// [`super::TicketApi::close`] closes it.
    Call,
    /// Staff is asked to, in these words, by a reply like any other.
    Asking(String),
    No,
}

/// When a message's files go to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachments {
    /// Each by a call of its own, once the message is there: [`super::TicketApi::upload`].
    After,
    /// Ahead of the message that names them: [`super::TicketApi::stage`]. With `ticket_first` they need their
    /// ticket, so that the files of a new one go with a second message.
    Before {
        ticket_first: bool,
    },
    /// Within the call that makes the message.
    Inside,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// A reply to a Resolved ticket opens it; a Closed one stays locked.
    ReplyWhileResolved,
    /// A call of its own opens a Closed ticket.
    Call,
    Never,
}
