//! What a new ticket says beside its text: what it is about, who shall answer it, how urgent it is, and who wrote it.

use crate::{
    bridge::context::Bridge,
    config::mailbox::NewTickets,
    model::{ids::AccountName, inbound::Origin, job::Filing},
    ticket_api::{Guest, NewTicket},
};

/// By the mailbox that the first message came from, and by the account; `subject` and `text` as they are filed.
pub(super) fn of(
    bridge: &Bridge,
    account: &AccountName,
    filing: &Filing,
    subject: String,
    text: String,
) -> NewTicket {
    let NewTickets { topic, department, category, priority } = of_mailbox(bridge, filing);
    let rules = bridge.accounts.get(account);
    let topic = topic.or(category);
    // The account's topic is for tickets of which the mailbox says nothing.
    let of_account = || rules.and_then(|rules| rules.topic.clone()).filter(|_| department.is_none());
    NewTicket {
        subject,
        text,
        topic: topic.or_else(of_account),
        department,
        priority,
        property: rules.and_then(|rules| rules.property.clone()),
        guest: guest(filing),
    }
}

/// Who writes, where his channel knows an address.
pub(super) fn guest(filing: &Filing) -> Option<Guest> {
    let inbound = &filing.messages.first()?.inbound;
    let Origin::Mail(mail) = &inbound.origin else { return None };
    Some(Guest { name: inbound.sender.name.clone(), address: mail.from.clone() })
}

fn of_mailbox(bridge: &Bridge, filing: &Filing) -> NewTickets {
    let mailbox = filing.messages.first().and_then(|first| match &first.inbound.origin {
        Origin::Mail(mail) => bridge.mailboxes.get(&mail.mailbox),
        Origin::Chat(_) => None,
    });
    mailbox.map(|mailbox| mailbox.new_tickets.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bridge::town_tests::{ANN, Town, message},
        model::{ids::MailboxName, inbound::Verdict},
    };

    async fn filed(wishes: NewTickets) -> NewTicket {
        let mut town = Town::with(|parts| {
            parts.mailboxes.get_mut(&MailboxName::new("support")).unwrap().new_tickets = wishes;
            parts.accounts.get_mut(&AccountName::new("acme")).unwrap().topic = Some("General".to_owned());
        })
        .await;
        let mail = town.mail("boss@acme.example", Verdict::Pass, message("Please restart it"));
        town.take(vec![mail]).await;
        town.desk.created.lock().unwrap().remove(0)
    }

    fn word(word: &str) -> Option<String> {
        Some(word.to_owned())
    }

    #[tokio::test]
    async fn what_a_mailbox_wishes_reaches_the_ticket_system_before_what_the_account_does() {
        let all = NewTickets {
            topic: word("SSL"),
            department: word("vps"),
            category: word("Other"),
            priority: word("high"),
        };
        let ticket = filed(all.clone()).await;
        assert_eq!((ticket.topic, ticket.department), (word("SSL"), word("vps")));
        assert_eq!(ticket.priority, word("high"));
        let ticket = filed(NewTickets { topic: None, ..all.clone() }).await;
        assert_eq!(ticket.topic, word("Other"), "a category is a topic");
        let ticket = filed(NewTickets { topic: None, category: None, ..all }).await;
        assert_eq!((ticket.topic, ticket.department), (None, word("vps")));
        let ticket = filed(NewTickets::default()).await;
        assert_eq!((ticket.topic, ticket.department, ticket.priority), (word("General"), None, None));
        assert_eq!(ticket.guest.unwrap().name, "Carl");
    }

    #[tokio::test]
    async fn a_chat_wishes_nothing_of_a_mailbox() {
        let mut town = Town::with(|parts| {
            let mailbox = parts.mailboxes.get_mut(&MailboxName::new("support")).unwrap();
            mailbox.new_tickets.priority = word("high");
        })
        .await;
        town.link(ANN).await;
        town.write(ANN, &["The server in rack 12 is down"]).await;
        assert_eq!(town.desk.created.lock().unwrap()[0].priority, None);
    }
}
