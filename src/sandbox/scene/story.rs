//! The first conversation, played through the real bridge before the visitor comes.

use std::time::Duration;

use tokio::time::timeout;

use crate::sandbox::bridge_process::BridgeError;
use crate::sandbox::desk::{DeskError, DeskStandIn, TicketId};
use crate::sandbox::post_office::PostError;
use crate::sandbox::telegram::{NoSuchButton, SentMessage};
use crate::sandbox::town::{
    HARBOUR, INVOICE_PDF, LetterError, NORDLICHT, SETTINGS_PDF, TERMINAL_PHOTO, Town,
};

/// Each turn of the conversation takes a fraction of a second; so long only where something is wrong.
const TURN: Duration = Duration::from_secs(10);
const ALL: Duration = Duration::from_secs(45);

/// Why the story broke off.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    #[error("the desk waited for {0} in vain")]
    Desk(&'static str),
    #[error("Mara waited for {0} in vain")]
    Telegram(&'static str),
    #[error("Jonas waited for an answer in vain")]
    Mail(#[from] PostError),
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error(transparent)]
    Staff(#[from] DeskError),
    #[error(transparent)]
    Button(#[from] NoSuchButton),
    #[error("the story took longer than {ALL:?}")]
    Elapsed,
}

/// Plays the conversation; the bridge must run. Errors: what did not come; all before it stands.
pub async fn tell(town: &Town) -> Result<(), StoryError> {
    timeout(ALL, async {
        connects(town).await?;
        let mailed = asks_by_mail(town).await?;
        let asked = asks_in_telegram(town).await?;
        answers_by_mail(town, mailed).await?;
        answers_in_telegram(town, asked).await
    })
    .await
    .unwrap_or(Err(StoryError::Elapsed))
}

async fn connects(town: &Town) -> Result<(), StoryError> {
    let code = town.link_code(HARBOUR).await?;
    town.mara.presses_start(&code);
    let question = mara_sees(town, "the question", |message| message.button("Yes").is_some()).await?;
    town.mara.presses(question.message_id, "Yes")?;
    mara_sees(town, "the connection", |message| {
        message.buttons.is_empty() && message.words().contains(HARBOUR.name)
    })
    .await?;
    Ok(())
}

async fn asks_in_telegram(town: &Town) -> Result<TicketId, StoryError> {
    let text =
        "Hello! Since this morning our card terminal says “No connection”, and there is a queue at the till.";
    town.mara.says(text);
    let ticket = desk_shows(town, "Mara's ticket", |desk| desk.find_text("queue at the till").pop()).await?;
    town.mara.sends_photo(TERMINAL_PHOTO, "This is what it shows. Error 42?");
    desk_shows(town, "Mara's photo", |desk| {
        desk.ticket(ticket.0).filter(|ticket| !ticket.attachments.is_empty())
    })
    .await?;
    Ok(ticket.0)
}

async fn asks_by_mail(town: &Town) -> Result<TicketId, StoryError> {
    let text = "Hello,\r\n\r\nthe attached invoice still shows our old VAT number. Could you send us a corrected \
                one? Our accountant needs it by Friday.\r\n\r\nBest regards\r\nJonas Weber\r\nNordlicht Books";
    let letter = town.jonas.letter("Invoice 2071 shows the wrong VAT number", text);
    town.jonas.sends(letter.attach("invoice-2071.pdf", "application/pdf", INVOICE_PDF)).await?;
    desk_shows(town, "Jonas' ticket", |desk| {
        desk.tickets(NORDLICHT.id).into_iter().find(|ticket| !ticket.attachments.is_empty())
    })
    .await
    .map(|ticket| ticket.id)
}

async fn answers_in_telegram(town: &Town, ticket: TicketId) -> Result<(), StoryError> {
    town.desk.staff_takes_up(ticket)?;
    let text = "Good morning Mara, error 42 means that the terminal looks for the old gateway. Please enter the \
                settings on the attached page; it takes two minutes.";
    let message = town.desk.staff_replies(ticket, text)?;
    town.desk.staff_attaches(ticket, Some(message), "terminal-settings.pdf", SETTINGS_PDF)?;
    let answer = mara_sees(town, "the answer", |message| message.words().contains("old gateway")).await?;
    mara_sees(town, "the file", |message| message.file.is_some()).await?;
    town.mara.replies_to(answer.message_id, "It says “Online” again. You saved our morning, thank you!");
    desk_shows(town, "Mara's reply", |desk| desk.find_text("saved our morning").pop()).await?;
    Ok(())
}

async fn answers_by_mail(town: &Town, ticket: TicketId) -> Result<(), StoryError> {
    let text = "Good morning Jonas,\n\nsorry about that. The corrected invoice is attached; your account has the \
                new number now, so the next ones will be right.";
    let message = town.desk.staff_replies(ticket, text)?;
    town.desk.staff_attaches(ticket, Some(message), "invoice-2071-corrected.pdf", INVOICE_PDF)?;
    let wanted = |raw: &[u8]| String::from_utf8_lossy(raw).contains("sorry about that");
    let answer = town.post.wait_for_mail(wanted, TURN).await?;
    town.jonas
        .sends(town.jonas.answer(&answer, "Perfect, our accountant is happy. Thanks for the quick help!"))
        .await?;
    desk_shows(town, "Jonas' reply", |desk| desk.find_text("accountant is happy").pop()).await?;
    Ok(())
}

async fn mara_sees(
    town: &Town,
    what: &'static str,
    fits: impl Fn(&SentMessage) -> bool,
) -> Result<SentMessage, StoryError> {
    let seen = town.telegram.wait_for(town.mara.chat_id(), fits, TURN).await;
    seen.ok_or(StoryError::Telegram(what))
}

async fn desk_shows<T>(
    town: &Town,
    what: &'static str,
    mut look: impl FnMut(&DeskStandIn) -> Option<T>,
) -> Result<T, StoryError> {
    town.desk.wait_for(|desk| look(desk), TURN).await.map_err(|_| StoryError::Desk(what))
}
