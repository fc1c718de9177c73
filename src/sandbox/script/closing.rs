//! A closed ticket is locked: who replies to it is told so and offered a new one.

use super::{Journey, Outcome, insist};
use crate::sandbox::desk::Status;
use crate::sandbox::town::HARBOUR;

const LATE: &str = "Now the second terminal shows error 42 as well.";

pub(super) async fn closed_ticket_offers_a_new_one(journey: &Journey) -> Outcome {
    let (ticket, town) = (journey.telegram_ticket()?, &journey.town);
    let number = format!("#{ticket}");
    let before = town.desk.ticket(ticket).map_or(0, |ticket| ticket.messages.len());
    town.mara.says("/close");
    let question = journey
        .mara_sees("the question whether to close", |message| {
            message.words().contains(&number) && message.button("Close it").is_some()
        })
        .await?;
    insist(question.words().contains("locked"), "nobody warned that a closed ticket is locked")?;
    town.mara.presses(question.message_id, "Close it")?;
    journey
        .desk_shows("the ticket as closed", |desk| {
            (desk.ticket(ticket)?.status == Status::Closed).then_some(())
        })
        .await?;
    journey
        .mara_sees("that her ticket is closed", |message| {
            message.buttons.is_empty() && message.words().contains("is closed")
        })
        .await?;

    match journey.notes().answer_in_chat {
        Some(answer) => town.mara.replies_to(answer, LATE),
        None => town.mara.says(LATE),
    };
    let offer = journey
        .mara_sees("the offer of a new ticket", |message| {
            message.words().contains("is closed") && message.button("New ticket").is_some()
        })
        .await?;
    insist(town.desk.find_text(LATE).is_empty(), "it was filed before Mara had decided")?;
    town.mara.presses(offer.message_id, "New ticket")?;
    let new = journey
        .desk_shows("a new ticket with the late message", |desk| {
            let tickets = desk.tickets(HARBOUR.id);
            tickets.into_iter().find(|ticket| ticket.description.contains(LATE))
        })
        .await?;
    insist(new.description.contains(&number), "the new ticket does not name the closed one")?;
    let after = town.desk.ticket(ticket).map_or(0, |ticket| ticket.messages.len());
    insist(after == before, format!("the closed ticket grew from {before} to {after} messages"))
}
