//! Threading for chats: a message goes to what it replies to, else to the chat's current conversation.

use crate::{
    bridge::{
        commands,
        context::Bridge,
        intake::Batch,
        notes,
        threading::{Placed, control, file, found},
    },
    model::{
        account::Account,
        conversation::ConversationChange,
        ids::{AccountName, ConversationId},
        inbound::{ChatOrigin, Inbound, What},
        job::{NewJob, State, Why},
    },
    store::{
        StoreError,
        change::{Change, Key},
    },
};

pub fn place(
    bridge: &Bridge,
    batch: &mut Batch<'_>,
    inbound: &Inbound,
    chat: &ChatOrigin,
) -> Result<Placed, StoreError> {
    match &inbound.what {
        What::Message(_) => message(bridge, batch, inbound, chat),
        What::Edit(_) => edit(bridge, batch, inbound, chat),
        What::Command { name, .. } if name == "new" => {
            // In order of arrival: the message that follows in the same batch must find no current conversation.
            let current = Key::Current(chat.bot, chat.chat);
            let mut changes: Vec<Change> =
                commands::set_aside(bridge, chat, batch.find(&current)?).into_iter().collect();
            changes.push(Change::Unbind(current));
            Ok(Placed { changes, jobs: vec![control(inbound)] })
        }
        What::Ignored { .. } | What::Unreadable { .. } => Ok(Placed::nothing()),
        What::Command { .. }
        | What::Button { .. }
        | What::ChatMoved { .. }
        | What::BotRemoved
        | What::BotAdded
        | What::Bounced { .. } => Ok(Placed::control(inbound)),
    }
}

/// The account that a chat writes for.
pub fn account(bridge: &Bridge, inbound: &Inbound) -> Result<Option<AccountName>, StoreError> {
    let linked = bridge.store.link(&inbound.place())?.map(|link| link.account);
    Ok(linked.or_else(|| bridge.telegram.as_ref().and_then(|telegram| telegram.unlinked.clone())))
}

fn message(
    bridge: &Bridge,
    batch: &mut Batch<'_>,
    inbound: &Inbound,
    chat: &ChatOrigin,
) -> Result<Placed, StoreError> {
    if bridge.is_admin_chat(chat.chat) {
        return Ok(Placed::nothing()); // Admins talk among themselves there.
    }
    let account = account(bridge, inbound)?;
    let Some(account) = account.map(|name| bridge.store.account(&name)).transpose()?.flatten() else {
        return notes::not_linked(bridge, inbound, chat);
    };
    let own = Key::ChatMessage(chat.bot, chat.chat, chat.message);
    let answered = match chat.reply_to {
        Some(message) => batch.find(&Key::ChatMessage(chat.bot, chat.chat, message))?,
        None => None,
    };
    let current = batch.find(&Key::Current(chat.bot, chat.chat))?;
    let mut changes = Vec::new();
    let conversation = match allowed(batch, &account, answered)?.or(allowed(batch, &account, current)?) {
        Some(id) => {
            let written = ConversationChange::WrittenFrom(inbound.place());
            changes.push(Change::Conversation(id, written));
            id
        }
        None => {
            let new = found(bridge, inbound, &account, None);
            let id = new.id;
            changes.push(Change::NewConversation(new));
            id
        }
    };
    if current != Some(conversation) {
        changes.push(Change::Rebind(Key::Current(chat.bot, chat.chat), conversation));
    }
    changes.push(Change::Rebind(own, conversation));
    let job = file(bridge, conversation, inbound, Vec::new());
    Ok(Placed { changes, jobs: vec![with_deadline(bridge, job, chat)] })
}

/// Only a conversation of the chat's own account; a link may have changed since.
fn allowed(
    batch: &Batch<'_>,
    account: &Account,
    id: Option<ConversationId>,
) -> Result<Option<ConversationId>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let conversation = batch.conversation(id)?;
    Ok(conversation.filter(|conversation| conversation.account == account.name).map(|_| id))
}

/// A member of an album or a row of forwards waits for the others; the deadline is stored with it.
fn with_deadline(bridge: &Bridge, mut job: NewJob, chat: &ChatOrigin) -> NewJob {
    if chat.media_group.is_some() || chat.forwarded {
        let until = bridge.now().plus(bridge.timing.album_quiet);
        job.state = State::Waiting { until, why: Why::Gathering };
    }
    job
}

fn edit(
    bridge: &Bridge,
    batch: &mut Batch<'_>,
    inbound: &Inbound,
    chat: &ChatOrigin,
) -> Result<Placed, StoreError> {
    let account = account(bridge, inbound)?;
    let original = batch.find(&Key::ChatMessage(chat.bot, chat.chat, chat.message))?;
    let Some(id) = original else { return Ok(Placed::nothing()) };
    let conversation = batch.conversation(id)?;
    if conversation.is_none_or(|conversation| Some(conversation.account) != account) {
        return Ok(Placed::nothing());
    }
    let mut job = file(bridge, id, inbound, Vec::new());
    let until = bridge.now().plus(bridge.timing.edit_gather);
    job.state = State::Waiting { until, why: Why::Gathering };
    Ok(Placed::job(job))
}
