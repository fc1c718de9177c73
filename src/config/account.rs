//! `[[account]]`: a customer's account at a ticket API, and the addresses that belong to it.

use super::file::Table;
use super::telegram::admin_chat;
use super::values::Words;
use crate::runtime::Secret;

#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    /// The name of its `[[ticket_api]]`.
    pub ticket_api: String,
    /// Its id there.
    pub id: String,
    /// Its own key, where the API's common one does not reach it.
    pub key: Option<Secret>,
    /// Who writes from one of these is this account, if the mail's sender is proven.
    pub emails: Vec<EmailPattern>,
    pub admin_chat: Option<i64>,
    /// What new tickets get, where the mailbox says nothing else.
    pub topic: Option<String>,
    /// What new tickets are about: the id or name of a property or service.
    pub property: Option<String>,
}

/// Lower case, as both are compared so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EmailPattern {
    /// One address.
    Address(String),
    /// Every address of a domain, written `*@example.com`; not of its subdomains.
    Domain(String),
}

impl EmailPattern {
    /// `None` when it is neither an address nor `*@` and a domain.
    pub fn parse(text: &str) -> Option<EmailPattern> {
        let text = text.trim().to_lowercase();
        let plain = |text: &str| text.parse::<lettre::Address>().is_ok();
        match text.strip_prefix("*@") {
            Some(domain) => plain(&format!("x@{domain}")).then(|| EmailPattern::Domain(domain.to_owned())),
            None => plain(&text).then_some(EmailPattern::Address(text)),
        }
    }

    pub fn matches(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        match self {
            EmailPattern::Address(own) => *own == address,
            EmailPattern::Domain(own) => address.rsplit_once('@').is_some_and(|(_, domain)| domain == own),
        }
    }
}

impl std::fmt::Display for EmailPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EmailPattern::Address(address) => f.write_str(address),
            EmailPattern::Domain(domain) => write!(f, "*@{domain}"),
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Account> {
    let name = table.required("name", "mailboxes and commands refer to it");
    let ticket_api = table.required("ticket_api", "the name of a [[ticket_api]]");
    let id = table.required("id", "the account's id at the ticket API, as a string");
    let key = table.get("key");
    let emails = emails(table);
    let admin_chat = admin_chat(table);
    let topic = table.get("topic");
    let property = table.get("property");
    table.finish();
    Some(Account { name: name?, ticket_api: ticket_api?, id: id?, key, emails, admin_chat, topic, property })
}

fn emails(table: &Table<'_>) -> Vec<EmailPattern> {
    let mut emails = Vec::new();
    for text in table.get::<Words>("emails").map_or_else(Vec::new, |words| words.0) {
        match EmailPattern::parse(&text) {
            Some(pattern) => emails.push(pattern),
            None => table.wrong("emails", format!("{text:?} is neither an address nor \"*@\" and a domain")),
        }
    }
    emails
}
