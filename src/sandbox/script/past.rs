//! A town with a past: what was there before the bridge first looked must make no send, in no direction.

use std::time::Duration;

use super::{Journey, Outcome, PATIENCE, Why, insist, why};
use crate::sandbox::desk::TicketId;
use crate::sandbox::town::{HARBOUR, NORDLICHT};

const OLD_MAILS: usize = 1_000;
const OLD_TICKETS: usize = 10;
const OLD_ANSWERS_EACH: usize = 20;
const OLD_MAIL: &str = "A mail from before";
const OLD_ANSWER: &str = "An answer from before";
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Fills mailbox and desk, starts the bridge for the first time, and then writes one new mail: once that is a
/// ticket, the bridge has looked at everything.
pub(super) async fn makes_no_send(journey: &Journey) -> Outcome {
    let town = &journey.town;
    for number in 0..OLD_MAILS {
        let letter = town.jonas.letter(&format!("{OLD_MAIL} {number}"), "Long settled.");
        town.jonas.leaves_in_mailbox(letter)?;
    }
    let tickets = (0..OLD_TICKETS).map(|number| open_old_ticket(journey, number));
    let tickets = tickets.collect::<Result<Vec<_>, Why>>()?;
    town.start_bridge().await?;
    // The daemon answers its commands once it is ready.
    town.link_code(HARBOUR).await?;
    // Without a list the bridge knows only the tickets that it opened.
    let tickets = if journey.dialect.lists_tickets() { tickets } else { Vec::new() };
    journey
        .desk_shows("that the bridge walked through the old tickets", |desk| {
            let calls = desk.calls();
            let walked = |ticket: &TicketId| {
                calls.iter().any(|call| call.name == "detail" && call.ticket == Some(*ticket))
            };
            tickets.iter().all(walked).then_some(())
        })
        .await?;

    let subject = "The first mail that counts";
    town.jonas.sends(town.jonas.letter(subject, "Are you there already?")).await?;
    let new = journey
        .desk_shows("the first new mail", |desk| {
            desk.tickets(NORDLICHT.id).into_iter().find(|ticket| ticket.subject == subject)
        })
        .await?;
    let number = format!("#{}", new.number);
    journey.admins_see("the first new ticket", |message| message.words().contains(&number)).await?;
    town.desk.staff_replies(new.id, "We are.")?;
    let is_new = |raw: &[u8]| String::from_utf8_lossy(raw).contains("We are.");
    let answer = town.post.wait_for_mail(is_new, PATIENCE).await;
    answer.map_err(|error| why(format!("the first new answer did not arrive: {error}")))?;
    nothing_old_went_anywhere(journey)
}

/// No old mail at the desk, no old answer in a chat or a mail.
pub(super) fn nothing_old_went_anywhere(journey: &Journey) -> Outcome {
    let town = &journey.town;
    let filed = town.desk.find_text(OLD_MAIL).len()
        + town.desk.tickets(NORDLICHT.id).iter().filter(|ticket| ticket.subject.contains(OLD_MAIL)).count();
    insist(filed == 0, format!("{filed} old mails were filed"))?;
    let sent = town.post.sent()?;
    let mailed = sent.iter().filter(|raw| {
        let text = String::from_utf8_lossy(raw);
        text.contains(OLD_ANSWER) || text.contains(OLD_MAIL)
    });
    let mailed = mailed.count();
    insist(mailed == 0, format!("{mailed} mails about old things were sent"))?;
    for (chat, whose) in [(town.mara.chat_id(), "Mara"), (town.group.id(), "the admins")] {
        let messages = town.telegram.messages_in(chat);
        let told = messages.iter().filter(|message| message.words().contains("from before")).count();
        insist(told == 0, format!("{whose} got {told} messages about old things"))?;
    }
    Ok(())
}

/// A ticket of last year with its answers.
fn open_old_ticket(journey: &Journey, number: usize) -> Result<TicketId, Why> {
    let desk = &journey.town.desk;
    let account = if number.is_multiple_of(2) { HARBOUR } else { NORDLICHT };
    let ticket = desk.staff_opens(account.id, &format!("Last year {number}"), "Long settled.")?;
    for answer in 0..OLD_ANSWERS_EACH {
        desk.staff_replies(ticket, &format!("{OLD_ANSWER} {answer}"))?;
    }
    desk.age(ticket, YEAR)?;
    Ok(ticket)
}
