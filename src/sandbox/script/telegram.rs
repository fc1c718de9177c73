//! Mara's legs: she connects her chat, asks with a photo, gets an answer with a file, and replies.

use super::{Journey, Outcome, insist};
use crate::sandbox::desk::{Author, Status};
use crate::sandbox::town::{HARBOUR, SETTINGS_PDF, TERMINAL_PHOTO};

const QUESTION: &str = "Hello! Our card terminal lost its connection this morning and shows error 42.";
const ANSWER: &str = "Hello Mara, please type the settings of the attached page into the menu.";
const ANSWER_FILE: &str = "terminal-settings.pdf";
const REPLY: &str = "It says Online again, thank you!";

pub(super) async fn links_by_code(journey: &Journey) -> Outcome {
    let town = &journey.town;
    let code = town.link_code(HARBOUR).await?;
    town.mara.presses_start(&code);
    let names_the_account = |text: &str| text.contains(HARBOUR.name);
    let question = journey
        .mara_sees("the question whether the account is right", |message| {
            names_the_account(message.words()) && message.button("Yes").is_some()
        })
        .await?;
    let pressed = town.mara.presses(question.message_id, "Yes")?;
    journey
        .mara_sees("that her chat is connected", |message| {
            message.buttons.is_empty() && names_the_account(message.words())
        })
        .await?;
    let answered = town.telegram.wait_until(|_| town.mara.answer_to(&pressed), super::PATIENCE).await;
    insist(answered.is_some(), "the pressed button spins for ever")?;

    town.mara.presses_start(&code);
    journey.mara_sees("that a code works once only", |message| message.words().contains("not valid")).await?;
    Ok(())
}

pub(super) async fn text_becomes_a_ticket(journey: &Journey) -> Outcome {
    let town = &journey.town;
    town.mara.says(QUESTION);
    let ticket = journey
        .desk_shows("a ticket with Mara's text", |desk| {
            let tickets = desk.tickets(HARBOUR.id);
            tickets.into_iter().find(|ticket| ticket.description.contains(QUESTION))
        })
        .await?;
    journey.note(|notes| notes.telegram_ticket = Some(ticket.id));
    insist(ticket.status == Status::Open, format!("the new ticket is {:?}", ticket.status))?;
    let last_line = ticket.description.trim_end().lines().last().unwrap_or_default();
    insist(last_line.contains("tb-"), format!("the ticket's last line does not say whence: {last_line:?}"))?;
    let number = format!("#{}", ticket.number);
    let receipt =
        journey.mara_sees("her ticket's number", |message| message.words().contains(&number)).await?;
    journey.note(|notes| notes.receipt_in_chat = Some(receipt.message_id));
    Ok(())
}

pub(super) async fn photo_becomes_an_attachment(journey: &Journey) -> Outcome {
    let ticket = journey.telegram_ticket()?;
    journey.town.mara.sends_photo(TERMINAL_PHOTO, "This is what it shows.");
    let file = journey
        .desk_shows("the photo, byte for byte", |desk| {
            let files = desk.ticket(ticket)?.attachments;
            files.into_iter().find(|file| file.author == Author::Customer && file.bytes == TERMINAL_PHOTO)
        })
        .await?;
    let caption = journey.town.desk.find_text("This is what it shows.");
    insist(caption.iter().any(|(found, _)| *found == ticket), "the photo's caption is missing")?;
    insist(file.content_type.starts_with("image/"), format!("the photo became {}", file.content_type))
}

pub(super) async fn staff_answer_with_a_file(journey: &Journey) -> Outcome {
    let (ticket, town) = (journey.telegram_ticket()?, &journey.town);
    let message = town.desk.staff_replies(ticket, ANSWER)?;
    town.desk.staff_attaches(ticket, Some(message), ANSWER_FILE, SETTINGS_PDF)?;
    let answer = journey.mara_sees("staff's answer", |message| message.words().contains(ANSWER)).await?;
    journey.note(|notes| notes.answer_in_chat = Some(answer.message_id));
    let is_the_file = |message: &crate::sandbox::telegram::SentMessage| {
        message.file.as_ref().is_some_and(|file| file.name == ANSWER_FILE && file.bytes == SETTINGS_PDF)
    };
    journey.mara_sees("staff's file, byte for byte", is_the_file).await?;
    Ok(())
}

pub(super) async fn reply_goes_to_the_same_ticket(journey: &Journey) -> Outcome {
    let (ticket, town) = (journey.telegram_ticket()?, &journey.town);
    let tickets = town.desk.tickets(HARBOUR.id).len();
    town.mara.replies_to(journey.telegram_message()?, REPLY);
    journey
        .desk_shows("Mara's reply in her ticket", |desk| {
            let found = desk.find_text(REPLY);
            found.iter().any(|(found, message)| *found == ticket && message.is_some()).then_some(())
        })
        .await?;
    let more = town.desk.tickets(HARBOUR.id).len() - tickets;
    insist(more == 0, format!("the reply opened {more} more tickets"))
}
