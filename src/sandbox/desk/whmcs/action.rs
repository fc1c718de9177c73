//! The calls of the contract: their names, their parameters, and what faults and the call log call them.

use super::form::Form;

/// A call; Keliweb's façade has the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox::desk) enum Action {
    OpenTicket,
    AddTicketReply,
    GetTicket,
    GetTickets,
    GetTicketAttachment,
    UpdateTicket,
    GetSupportDepartments,
    GetSupportStatuses,
    GetTicketCounts,
    GetClients,
    GetClientsDetails,
}

const ALL: [Action; 11] = [
    Action::OpenTicket,
    Action::AddTicketReply,
    Action::GetTicket,
    Action::GetTickets,
    Action::GetTicketAttachment,
    Action::UpdateTicket,
    Action::GetSupportDepartments,
    Action::GetSupportStatuses,
    Action::GetTicketCounts,
    Action::GetClients,
    Action::GetClientsDetails,
];

// === impl Action ===

impl Action {
    /// The call of this name; WHMCS ignores its case.
    pub(in crate::sandbox::desk) fn of(name: &str) -> Option<Self> {
        ALL.into_iter().find(|action| format!("{action:?}").eq_ignore_ascii_case(name))
    }

    /// The name by which faults and the call log know it.
    pub(in crate::sandbox::desk) fn call(self, form: &Form) -> &'static str {
        match self {
            Self::OpenTicket => "create",
            Self::AddTicketReply => "reply",
            Self::GetTicket => "detail",
            Self::GetTickets => "list",
            Self::GetTicketAttachment => "download",
            Self::UpdateTicket => match form.get("status") {
                Some("Closed") => "close",
                Some(_) => "reopen",
                None => "update",
            },
            Self::GetSupportDepartments => "catalog",
            Self::GetSupportStatuses => "statuses",
            Self::GetTicketCounts => "counts",
            Self::GetClients | Self::GetClientsDetails => "clients",
        }
    }

    /// What the native API takes, beside the credential.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::OpenTicket => &[
                "deptid",
                "subject",
                "message",
                "clientid",
                "userid",
                "contactid",
                "name",
                "email",
                "priority",
                "serviceid",
                "domainid",
                "markdown",
                "customfields",
                "attachments",
                "created",
                "admin",
                "noemail",
                "preventClientClosure",
            ],
            Self::AddTicketReply => &[
                "ticketid",
                "message",
                "clientid",
                "contactid",
                "name",
                "email",
                "adminusername",
                "status",
                "markdown",
                "customfields",
                "attachments",
                "noemail",
                "created",
            ],
            Self::GetTicket => &["ticketid", "ticketnum", "repliessort"],
            Self::GetTickets => &[
                "limitstart",
                "limitnum",
                "deptid",
                "clientid",
                "email",
                "status",
                "subject",
                "ignore_dept_assignments",
            ],
            Self::GetTicketAttachment => &["relatedid", "type", "index"],
            Self::UpdateTicket => &[
                "ticketid",
                "status",
                "deptid",
                "subject",
                "userid",
                "name",
                "email",
                "cc",
                "priority",
                "created",
                "flag",
                "removeFlag",
                "message",
                "markdown",
                "customfields",
                "preventClientClosure",
            ],
            Self::GetSupportDepartments => &["ignore_dept_assignments"],
            Self::GetSupportStatuses => &["deptid"],
            Self::GetTicketCounts => &["includeCountsByStatus", "ignoreDepartmentAssignments"],
            Self::GetClients => &["limitstart", "limitnum", "sorting", "search"],
            Self::GetClientsDetails => &["clientid", "email", "stats"],
        }
    }

    /// What Keliweb's façade takes; `clientid` and `priority` stand in its examples only.
    pub(in crate::sandbox::desk) fn facade_parameters(self) -> &'static [&'static str] {
        match self {
            Self::OpenTicket => &[
                "deptid",
                "subject",
                "message",
                "clientid",
                "contactid",
                "name",
                "email",
                "priority",
                "serviceid",
                "domainid",
                "markdown",
                "customfields",
                "attachments",
            ],
            Self::AddTicketReply => &[
                "ticketid",
                "message",
                "clientid",
                "contactid",
                "name",
                "email",
                "markdown",
                "customfields",
                "attachments",
            ],
            other => other.parameters(),
        }
    }
}
