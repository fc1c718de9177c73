//! A closed ticket is locked or waits to be opened again: who replies to it is asked, and offered a new one.

use super::{Journey, Outcome, insist};
use crate::sandbox::desk::{Dialect, Status, TicketId};
use crate::sandbox::town::HARBOUR;

const LATE: &str = "Now the second terminal shows error 42 as well.";

pub(super) async fn closed_ticket_offers_a_new_one(journey: &Journey) -> Outcome {
    let (ticket, town) = (journey.telegram_ticket()?, &journey.town);
    let number = format!("#{}", journey.number(ticket));
    town.mara.says("/close");
    let question = journey
        .mara_sees("the question whether to close", |message| {
            message.words().contains(&number) && message.button("Close it").is_some()
        })
        .await?;
    let means = match journey.dialect {
        Dialect::Paradarum => "locked",
        Dialect::Keliweb => "asked to close",
        Dialect::I3d | Dialect::Whmcs | Dialect::Hostup => "opens it again",
    };
    insist(question.words().contains(means), format!("nobody said what closing means here: {means}"))?;
    town.mara.presses(question.message_id, "Close it")?;
    match journey.dialect {
        Dialect::Keliweb => staff_is_asked(journey, ticket).await?,
        _ => it_is_closed(journey, ticket).await?,
    }

    let before = town.desk.ticket(ticket).map_or(0, |ticket| ticket.messages.len());
    town.mara.replies_to(journey.telegram_message()?, LATE);
    let offer = journey
        .mara_sees("the offer of a new ticket", |message| {
            message.words().contains("is closed") && message.button("New ticket").is_some()
        })
        .await?;
    let reopens = journey.dialect != Dialect::Paradarum;
    let this_ticket = offer.button(&format!("To {number}")).is_some();
    insist(this_ticket == reopens, "the offer does not fit what a closed ticket is here")?;
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

async fn it_is_closed(journey: &Journey, ticket: TicketId) -> Outcome {
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
    Ok(())
}

/// There is no call for it: a reply says what Mara wants, and staff does it.
async fn staff_is_asked(journey: &Journey, ticket: TicketId) -> Outcome {
    journey
        .desk_shows("that Mara wants it closed", |desk| {
            let asked = |text: &str| text.starts_with("Please close this ticket.");
            desk.ticket(ticket)?.messages.iter().any(|message| asked(&message.text)).then_some(())
        })
        .await?;
    journey.town.desk.staff_closes(ticket)?;
    journey
        .mara_sees("that support closed her ticket", |message| {
            message.words().contains("Support closed ticket")
        })
        .await?;
    Ok(())
}
