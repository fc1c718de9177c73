//! What becomes of journaled mail at its IMAP server: seen, moved, deleted, or nothing.

use super::{
    fetch::uid_set,
    imap_session::{ImapError, ImapSession, quoted_folder},
    settings::After,
};

/// Marks `uids`. A refusal is only logged, for the mails are safe; a lost connection is an error.
pub(super) async fn apply(session: &mut ImapSession, after: &After, uids: &[u32]) -> Result<(), ImapError> {
    if uids.is_empty() {
        return Ok(());
    }
    let done = match after {
        After::Nothing => Ok(()),
        After::Seen => {
            session.command(&format!("UID STORE {} +FLAGS.SILENT (\\Seen)", uid_set(uids)), |_| ()).await
        }
        After::Delete => delete(session, uids).await,
        After::Move(folder) => move_to(session, folder, uids).await,
    };
    match done {
        Err(error @ (ImapError::Refused { .. } | ImapError::Folder(..))) => {
            tracing::warn!(mails = uids.len(), %error, "Journaled mail could not be marked at its server.");
            Ok(())
        }
        other => other,
    }
}

/// MOVE (RFC 6851), or a copy and a deletion.
async fn move_to(session: &mut ImapSession, folder: &str, uids: &[u32]) -> Result<(), ImapError> {
    let verb = if session.can("MOVE") { "MOVE" } else { "COPY" };
    let command = format!("UID {verb} {} {}", uid_set(uids), quoted_folder(folder)?);
    match session.command(&command, |_| ()).await {
        Err(ImapError::Refused { try_create: true, .. }) => {
            session.command(&format!("CREATE {}", quoted_folder(folder)?), |_| ()).await?;
            session.command(&command, |_| ()).await?;
        }
        other => other?,
    }
    if verb == "COPY" { delete(session, uids).await } else { Ok(()) }
}

/// Without UIDPLUS (RFC 4315) an EXPUNGE would take along what other people marked: then the mark is all.
async fn delete(session: &mut ImapSession, uids: &[u32]) -> Result<(), ImapError> {
    let set = uid_set(uids);
    session.command(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"), |_| ()).await?;
    if session.can("UIDPLUS") {
        session.command(&format!("UID EXPUNGE {set}"), |_| ()).await?;
    }
    Ok(())
}
