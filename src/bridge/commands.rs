//! What a customer's command does. Each answers at once; what it changes is committed with the answer.

use std::time::Duration;

use serde_json::json;

use crate::{
    bridge::{
        admin, closing,
        context::Bridge,
        linking,
        notes::Say,
        outcome::Outcome,
        ticket_list,
        turn::{Customer, Permission, Turn, notice_key, remember},
    },
    model::{account::Link, conversation::ConversationChange, ids::ConversationId, inbound::ChatOrigin},
    store::{StoreError, change::Change},
};

/// The conversation that `/new` set aside, for `/cancel`.
const ASIDE: &str = "aside";
/// `/cancel` brings back what was set aside this long ago at most.
const ASIDE_LASTS: Duration = Duration::from_secs(86_400);

pub async fn run(turn: &Turn<'_>, name: &str, argument: &str) -> Result<Outcome, StoreError> {
    if turn.bridge.is_admin_chat(turn.chat.chat) {
        return admin::command(turn, name);
    }
    let customer = turn.customer()?;
    match (name, &customer) {
        ("start" | "link", _) if !argument.is_empty() => linking::argument(turn, argument).await,
        ("link", _) if !turn.chat.private => linking::group(turn).await,
        ("help", _) => Ok(help(turn, customer.as_ref())),
        (_, None) => turn.how_to_link(),
        ("start", Some(_)) => Ok(help(turn, customer.as_ref())),
        (_, Some(customer)) => of_customer(turn, customer, name, argument).await,
    }
}

async fn of_customer(
    turn: &Turn<'_>,
    customer: &Customer,
    name: &str,
    argument: &str,
) -> Result<Outcome, StoreError> {
    match name {
        "new" => Ok(turn.answer("new_started", json!({}))),
        "cancel" => cancel(turn),
        "tickets" => ticket_list::run(turn, customer).await,
        "close" => closing::ask(turn, customer),
        "quiet" => quiet(turn, customer),
        "follow" => Ok(follow(turn, customer, argument)),
        "unlink" => unlink(turn, customer).await,
        "link" => Ok(help(turn, Some(customer))),
        _ => Ok(turn.answer("command_unknown", json!({ "command": format!("/{name}") }))),
    }
}

fn help(turn: &Turn<'_>, customer: Option<&Customer>) -> Outcome {
    let account = customer.map(|customer| customer.account.name.as_str());
    turn.answer("help", json!({ "account": account }))
}

/// What the acceptance of `/new` changes beside unbinding the chat's current conversation.
pub fn set_aside(bridge: &Bridge, chat: &ChatOrigin, current: Option<ConversationId>) -> Option<Change> {
    let value = current?.0.to_string();
    Some(remember(bridge, notice_key(chat, ASIDE), value, ASIDE_LASTS))
}

/// Forgets what was asked last: whether to link, or what the new ticket is about.
fn cancel(turn: &Turn<'_>) -> Result<Outcome, StoreError> {
    if linking::is_pending(turn)? {
        let changes = vec![turn.forget(linking::PENDING)];
        return Ok(turn.answer_with(Say::new("link_declined", json!({})), changes));
    }
    let store = &turn.bridge.store;
    let aside = turn.remembered(ASIDE)?.and_then(|id| id.parse().ok()).map(ConversationId);
    let Some(id) = aside.filter(|_| matches!(store.find(&turn.current_key()), Ok(None))) else {
        return Ok(turn.answer("nothing_to_cancel", json!({})));
    };
    let number = store.conversation(id)?.and_then(|conversation| conversation.ticket);
    let number = number.map(|ticket| ticket.number().to_owned());
    // Not over what a message of the meantime founded: then this is decided anew.
    let changes = vec![Change::Bind(turn.current_key(), id), turn.forget(ASIDE)];
    Ok(turn.answer_with(Say::new("new_cancelled", json!({ "number": number })), changes))
}

fn quiet(turn: &Turn<'_>, customer: &Customer) -> Result<Outcome, StoreError> {
    let conversation = turn.conversation(&customer.account)?;
    let found = conversation.and_then(|c| Some((c.id, c.ticket?)));
    let Some((id, ticket)) = found else { return Ok(turn.answer("quiet_nothing", json!({}))) };
    let changes = vec![Change::Conversation(id, ConversationChange::Quiet(turn.place()))];
    let note = Say::new("quiet_on", json!({ "number": ticket.number() })).about(id);
    Ok(turn.answer_with(note, changes))
}

fn follow(turn: &Turn<'_>, customer: &Customer, argument: &str) -> Outcome {
    // Strangers who share one account must not read each other's tickets.
    let Some(link) = &customer.link else { return turn.answer("not_linked", json!({})) };
    let all = argument.eq_ignore_ascii_case("all");
    let changes = vec![Change::Link(Link { follows_all: all, ..link.clone() })];
    let values = json!({ "all": all, "account": customer.account.name.as_str() });
    turn.answer_with(Say::new("follow_on", values), changes)
}

async fn unlink(turn: &Turn<'_>, customer: &Customer) -> Result<Outcome, StoreError> {
    if customer.link.is_none() {
        return Ok(turn.answer("not_linked", json!({})));
    }
    match turn.permission().await {
        Permission::Given => {}
        Permission::Denied => return Ok(turn.answer("link_group_admins_only", json!({}))),
        Permission::Later(outcome) => return Ok(*outcome),
    }
    let changes = vec![
        Change::Unlink(turn.place()),
        Change::Unbind(turn.current_key()),
        turn.forget(linking::PENDING),
        turn.forget(ASIDE),
    ];
    let values = json!({ "account": customer.account.name.as_str() });
    Ok(turn.answer_with(Say::new("unlinked_done", values), changes))
}
