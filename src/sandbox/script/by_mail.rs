//! Jonas' legs: he asks by mail with an attachment, is answered in the same thread, and replies with a quote.

use mail_parser::{Message, MessageParser};

use super::{Journey, Outcome, PATIENCE, insist, why};
use crate::sandbox::desk::Author;
use crate::sandbox::town::{INVOICE_PDF, NORDLICHT};

const SUBJECT: &str = "Invoice 2071 shows the wrong VAT number";
const QUESTION: &str = "the attached invoice still shows our old VAT number. Could you send a corrected one?";
const INVOICE: &str = "invoice-2071.pdf";
const CORRECTED: &str = "invoice-2071b.pdf";
const ANSWER: &str = "Good morning Jonas, the corrected invoice is on its way to your accountant.";
const REPLY: &str = "Perfect, the accountant has it. Thanks for the quick help.";

pub(super) async fn mail_becomes_a_ticket(journey: &Journey) -> Outcome {
    let jonas = &journey.town.jonas;
    let text = format!("Hello,\r\n\r\n{QUESTION}\r\n\r\nBest regards\r\nJonas");
    let letter = jonas.letter(SUBJECT, &text).attach(INVOICE, "application/pdf", INVOICE_PDF);
    let sent = jonas.sends(letter).await?;
    let ticket = journey
        .desk_shows("a ticket with Jonas' mail and its file", |desk| {
            let tickets = desk.tickets(NORDLICHT.id);
            let ticket = tickets.into_iter().find(|ticket| ticket.description.contains(QUESTION))?;
            let file = |name: &str, bytes: &[u8]| name == INVOICE && bytes == INVOICE_PDF;
            ticket.attachments.iter().any(|found| file(&found.name, &found.bytes)).then_some(ticket)
        })
        .await?;
    journey.note(|notes| (notes.mail_ticket, notes.question_by_mail) = (Some(ticket.id), Some(sent)));
    insist(ticket.subject == SUBJECT, format!("the ticket's subject is {:?}", ticket.subject))
}

pub(super) async fn staff_answer_in_the_thread(journey: &Journey) -> Outcome {
    let (ticket, town) = (journey.mail_ticket()?, &journey.town);
    let question = journey.notes().question_by_mail.unwrap_or_default();
    let question_id = parsed(&question).and_then(|mail| mail.message_id().map(str::to_owned));
    let message = town.desk.staff_replies(ticket, ANSWER)?;
    town.desk.staff_attaches(ticket, Some(message), CORRECTED, INVOICE_PDF)?;
    let answer = town.post.wait_for_mail(|raw| body(raw).contains(ANSWER), PATIENCE).await;
    let answer = answer.map_err(|error| why(format!("Jonas got no answer: {error}")))?;
    journey.note(|notes| notes.answer_by_mail = Some(answer.clone()));

    let mail = parsed(&answer).ok_or_else(|| why("the answer is no mail"))?;
    let header = |name: &str| mail.header_raw(name).unwrap_or_default().to_owned();
    let thread = header("In-Reply-To") + &header("References");
    let in_thread = question_id.is_some_and(|id| thread.contains(&format!("<{id}>")));
    insist(in_thread, format!("the answer does not name the mail that it answers: {thread:?}"))?;
    let subject = mail.subject().unwrap_or_default();
    let subject_fits =
        subject.contains(&format!("[#{}]", journey.number(ticket))) && subject.contains(SUBJECT);
    insist(subject_fits, format!("the answer's subject is {subject:?}"))?;
    insist(header("To").contains("jonas@nordlicht.example"), format!("it went to {:?}", header("To")))?;
    if !journey.dialect.gives_out_files() {
        let named = |raw: &[u8]| body(raw).contains(CORRECTED);
        let told = town.post.wait_for_mail(named, PATIENCE).await;
        return told.map(drop).map_err(|error| why(format!("Jonas was not told of staff's file: {error}")));
    }
    let with_file = |raw: &[u8]| {
        parsed(raw).is_some_and(|mail| mail.attachments().any(|file| file.contents() == INVOICE_PDF))
    };
    let file = town.post.wait_for_mail(with_file, PATIENCE).await;
    file.map(drop).map_err(|error| why(format!("staff's file did not follow: {error}")))
}

pub(super) async fn reply_without_its_quote(journey: &Journey) -> Outcome {
    let (ticket, jonas) = (journey.mail_ticket()?, &journey.town.jonas);
    let answer = journey.notes().answer_by_mail.ok_or_else(|| why("there is no mail to reply to"))?;
    jonas.sends(jonas.answer(&answer, REPLY)).await?;
    let reply = journey
        .desk_shows("Jonas' reply in his ticket", |desk| {
            let messages = desk.ticket(ticket)?.messages;
            messages.into_iter().find(|found| found.author == Author::Customer && found.text.contains(REPLY))
        })
        .await?;
    insist(!reply.text.contains(ANSWER), format!("the quote is still there: {:?}", reply.text))
}

fn parsed(raw: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse(raw)
}

fn body(raw: &[u8]) -> String {
    // Quoted-printable and format=flowed may break a long line.
    let mail = parsed(raw);
    let text = mail.as_ref().and_then(|mail| mail.body_text(0)).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
