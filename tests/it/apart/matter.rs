//! What each customer goes through: asks with a file, is answered with one, replies, and closes in the chat.
//!
//! Every text and every file says its account's name, so that one in a wrong place is known.

use ticket_bridge::sandbox::desk::{Dialect, Status, Ticket};
use ticket_bridge::sandbox::telegram::{Person, SentMessage};
use ticket_bridge::sandbox::town::{Account, Letter};

use super::crossing::{Crossing, Side};

/// What is said in a matter, once each.
pub struct Words {
    pub question: String,
    pub answer: String,
    pub reply: String,
    file: (String, Vec<u8>),
    staff_file: (String, Vec<u8>),
}

impl Words {
    pub fn of(account: Account, way: &str) -> Self {
        let name = account.name;
        let file =
            |what: &str| (format!("{name}-{way}-{what}.pdf"), format!("%PDF {name} {way} {what}").into());
        Self {
            question: format!("By {way} {name} asks why the invoice came twice."),
            answer: format!("By {way} {name} is told that one of them is void."),
            reply: format!("By {way} {name} says thanks for that."),
            file: file("question"),
            staff_file: file("answer"),
        }
    }
}

pub async fn by_chat(crossing: &Crossing, side: &Side, account: Account, person: &Person) {
    let words = Words::of(account, "chat");
    person.sends_document(&words.file.0, words.file.1.clone(), &words.question);
    let ticket = asked(crossing, side, account, &words).await;
    staff_answer(side, &ticket, &words);
    let answer = crossing.sees(person, &words.answer, |m| m.words().contains(&words.answer)).await;
    if side.desk.dialect() != Dialect::Keliweb {
        let is_it = |m: &SentMessage| m.file.as_ref().is_some_and(|file| file.bytes == words.staff_file.1);
        crossing.sees(person, "staff's file", is_it).await;
    }
    person.replies_to(answer.message_id, &words.reply);
    replied(crossing, side, &ticket, &words).await;

    person.says("/close");
    let question = crossing.sees(person, "whether to close", |m| m.button("Close it").is_some()).await;
    person.presses(question.message_id, "Close it").unwrap();
    let closed = || {
        let ticket = side.desk.ticket(ticket.id)?;
        let asked = || ticket.messages.iter().any(|m| m.text.starts_with("Please close this ticket."));
        let done =
            if side.desk.dialect() == Dialect::Keliweb { asked() } else { ticket.status == Status::Closed };
        done.then_some(())
    };
    crossing.until(&format!("{}'s ticket is closed", account.name), closed).await;
}

pub async fn by_mail(crossing: &Crossing, side: &Side, account: Account) {
    let words = Words::of(account, "mail");
    let penpal = crossing.penpal_of(account);
    let letter = penpal.letter(&format!("Invoices of {}", account.title), &words.question);
    let letter = letter.attach(&words.file.0, "application/pdf", words.file.1.clone());
    penpal.sends(letter).await.unwrap();
    let ticket = asked(crossing, side, account, &words).await;
    staff_answer(side, &ticket, &words);
    let is_it = |letter: &Letter| flowed(&letter.text).contains(&words.answer);
    let answer = crossing.until(&words.answer, || crossing.sent().into_iter().find(is_it)).await;
    penpal.sends(penpal.answer(&answer.raw, &words.reply)).await.unwrap();
    replied(crossing, side, &ticket, &words).await;
}

/// A mail's text without the breaks that a mail program made.
pub fn flowed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The ticket of the question, once the file is there, too.
async fn asked(crossing: &Crossing, side: &Side, account: Account, words: &Words) -> Ticket {
    let look = || {
        let ticket = side.ticket(account, &words.question)?;
        ticket.attachments.iter().any(|file| file.bytes == words.file.1).then_some(ticket)
    };
    crossing.until(&words.question, look).await
}

fn staff_answer(side: &Side, ticket: &Ticket, words: &Words) {
    let message = side.desk.staff_replies(ticket.id, &words.answer).unwrap();
    let (name, bytes) = words.staff_file.clone();
    side.desk.staff_attaches(ticket.id, Some(message), &name, bytes).unwrap();
}

async fn replied(crossing: &Crossing, side: &Side, ticket: &Ticket, words: &Words) {
    let look = || side.desk.find_text(&words.reply).iter().any(|(id, _)| *id == ticket.id).then_some(());
    crossing.until(&words.reply, look).await;
}
