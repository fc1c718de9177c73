//! An answer from the desk, on its way to a customer.

use serde::{Deserialize, Serialize};

use super::{
    attachment::Attachment,
    ids::{TicketId, TicketMessageId},
};
use crate::runtime::clock::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StaffMessage {
    pub ticket: TicketId,
    /// Nothing for files that belong to the ticket itself.
    pub id: Option<TicketMessageId>,
    /// As the desk names its author, if it does.
    pub author: Option<String>,
    /// Plain text; empty where only files came late.
    pub text: String,
    /// There is a text, but it can only be read in the panel.
    #[serde(default)]
    pub in_panel_only: bool,
    pub sent: Option<Timestamp>,
    pub files: Vec<Attachment>,
}
