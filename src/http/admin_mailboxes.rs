//! Mailboxes in the admin API: reading one again from a date on.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use serde::Deserialize;

use super::{admin_api::Refused, rows};
use crate::{
    bridge::{context::Bridge, intake::mailbox_key},
    config::mailbox::day,
    model::ids::MailboxName,
};

pub(super) fn routes() -> Router<Bridge> {
    Router::new().route("/admin/mailboxes/{name}/backfill", post(backfill))
}

#[derive(Deserialize)]
struct Backfill {
    /// `2026-01-31`, from its midnight in UTC.
    since: String,
}

/// What arrived since then is read again; what was filed before is recognised.
async fn backfill(
    State(bridge): State<Bridge>,
    Path(name): Path<String>,
    Json(asked): Json<Backfill>,
) -> Result<Json<rows::Backfill>, Refused> {
    let name = MailboxName::new(name);
    let mailbox = bridge.mailboxes.get(&name);
    let mailbox =
        mailbox.ok_or_else(|| Refused::unknown(format_args!("mailbox {name} in the configuration")))?;
    let since = day(&asked.since).filter(|since| *since <= bridge.now()).ok_or_else(|| {
        let error = format!("{:?} is no date in the past such as 2026-01-31", asked.since);
        Refused::new(StatusCode::BAD_REQUEST, error)
    })?;
    if !bridge.store.ask_reread(&mailbox_key(&name), since).await? {
        let error = format!("the mailbox {name} was never read yet; its `start` says where it begins");
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    mailbox.channel.read_again();
    tracing::info!(mailbox.name = %name, %since, "The mailbox is read again.");
    Ok(Json(rows::Backfill { mailbox: name.to_string(), since: since.to_string() }))
}
