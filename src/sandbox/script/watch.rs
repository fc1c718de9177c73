//! What others see: the admins each event, the services no call that they do not document.

use super::{Journey, Outcome, insist, past, why};
use crate::sandbox::telegram::Outcome as CallOutcome;

pub(super) async fn admins_see_each(journey: &Journey) -> Outcome {
    let tickets = [("Telegram", journey.telegram_ticket()?), ("mail", journey.mail_ticket()?)];
    for (channel, ticket) in tickets {
        let number = format!("#{}", journey.number(ticket));
        let names =
            |text: &str| text.split(|c: char| !(c == '#' || c.is_ascii_digit())).any(|word| word == number);
        journey
            .admins_see(&format!("the new ticket from {channel}"), |message| names(message.words()))
            .await?;
    }
    for (channel, excerpt) in [("Telegram", "Online again"), ("mail", "accountant has it")] {
        journey
            .admins_see(&format!("the reply by {channel}"), |message| message.words().contains(excerpt))
            .await?;
    }
    journey
        .admins_see("that staff answered", |message| {
            message.edited && message.words().to_lowercase().contains("answered")
        })
        .await?;
    Ok(())
}

pub(super) async fn no_call_outside_the_contracts(journey: &Journey) -> Outcome {
    let town = &journey.town;
    insist(!town.desk.calls().is_empty(), "the desk was never called")?;
    let violations = town.desk.violations();
    let first = violations.first().cloned().unwrap_or_default();
    insist(violations.is_empty(), format!("the desk noted {} violations, first: {first}", violations.len()))?;
    let refused = town.telegram.calls().into_iter().find_map(|call| match call.outcome {
        CallOutcome::Refused { status: 400, description } => Some(format!("{}: {description}", call.method)),
        CallOutcome::Done(_) | CallOutcome::Refused { .. } => None,
    });
    refused.map_or(Ok(()), |refused| Err(why(format!("Telegram refused {refused}"))))?;
    past::nothing_old_went_anywhere(journey)
}
