//! How a place is proven to belong to an account: link codes, their confirmation, an account's owner.

use std::time::Duration;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    bridge::{
        context::Bridge,
        letters::{self, To},
        loop_guard,
        notes::Say,
        outcome::Outcome,
        turn::{Permission, Press, Turn, duration, remember, until},
    },
    model::{
        account::{Link, LinkCode},
        button::Action,
        ids::{AccountName, ChatId, ChatMessageId, MailAddress, MailboxName},
        place::Place,
    },
    runtime::clock::Timestamp,
    store::{Store, StoreError, change::Change},
};

/// The account that this chat was shown and asked about.
pub const PENDING: &str = "linking";
const HOUR: Duration = Duration::from_secs(3600);

/// A link code in clear, to be shown once.
#[derive(Clone, Debug)]
pub struct Code {
    pub code: String,
    pub expires: Timestamp,
    /// Opens the chat with the bot and sends the code, where the bot's name is known.
    pub url: Option<String>,
}

/// What waits for Yes or No.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: AccountName,
    /// The command that asked: the question stands below it, an older question above.
    asked: ChatMessageId,
}

/// A fresh code for an account, and what stores it.
pub fn code(bridge: &Bridge, account: &AccountName) -> (Code, Change) {
    let code = BASE32_NOPAD.encode(&rand::random::<[u8; 16]>());
    let expires = bridge.now().plus(bridge.timing.link_code_valid);
    let username = bridge.telegram.as_ref().and_then(|telegram| telegram.username.get());
    // Telegram allows 64 characters of A-Z, a-z, 0-9, _ and - (core.telegram.org/bots/features#deep-linking).
    let url = username.map(|name| format!("https://t.me/{}?start={code}", name.trim_start_matches('@')));
    let stored = LinkCode { account: account.clone(), expires };
    let change = Change::LinkCode { hash: hash(&code), code: stored };
    (Code { code, expires, url }, change)
}

/// What of a code is stored. It has 128 bits, so that its hash needs neither salt nor stretching.
fn hash(code: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("link-code/{}", bare(code))))
}

/// As it was made, however it was copied: in lower case, in groups.
fn bare(code: &str) -> String {
    code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// `/start <code>`, `/link <code>`, `/link name@example.com`.
pub async fn argument(turn: &Turn<'_>, argument: &str) -> Result<Outcome, StoreError> {
    let is_mail = argument.contains('@');
    if !turn.chat.private {
        return if is_mail { turn.how_to_link() } else { burn(turn, argument) };
    }
    let bridge = turn.bridge;
    let key = turn_key(turn, "link-attempts");
    let Some(counted) = loop_guard::count(bridge, key.clone(), bridge.limits.link_attempts_per_hour, HOUR)?
    else {
        let first = bridge.store.notice(&key)?.map_or_else(|| bridge.now(), |notice| notice.first);
        let wait = until(first.plus(HOUR), bridge.now());
        return turn.answer_seldom("link_too_many_attempts", json!({ "wait": wait }), Vec::new());
    };
    if is_mail { by_mail(turn, argument, counted) } else { use_code(turn, argument, counted) }
}

fn use_code(turn: &Turn<'_>, code: &str, counted: Change) -> Result<Outcome, StoreError> {
    let bridge = turn.bridge;
    let hash = hash(code);
    let known = bridge.store.link_code(&hash)?.filter(|known| known.expires > bridge.now());
    let account = known.map(|known| bridge.store.account(&known.account)).transpose()?.flatten();
    let Some(account) = account else {
        return Ok(turn.answer_with(Say::new("link_invalid", json!({})), vec![counted]));
    };
    // Spent before it is confirmed: whoever else has read it can do nothing with it.
    let changes = vec![counted, Change::SpendLinkCode(hash)];
    Ok(confirm(turn, account.name, changes))
}

/// Everybody in a group has read the code, so it must not be good for anything any more.
fn burn(turn: &Turn<'_>, code: &str) -> Result<Outcome, StoreError> {
    let hash = hash(code);
    let known = turn.bridge.store.link_code(&hash)?;
    let changes = known.map(|_| Change::SpendLinkCode(hash)).into_iter().collect();
    turn.answer_seldom("link_burned_in_group", json!({}), changes)
}

/// `/link` in a group, by an admin of it whose own chat with the bot is linked: no code is shown to anybody.
pub async fn group(turn: &Turn<'_>) -> Result<Outcome, StoreError> {
    match turn.permission().await {
        Permission::Given => {}
        Permission::Denied => return turn.answer_seldom("link_group_admins_only", json!({}), Vec::new()),
        Permission::Later(outcome) => return Ok(*outcome),
    }
    // A private chat has its person's number (core.telegram.org/bots/api#chat).
    let own = Place::Chat { bot: turn.chat.bot, chat: ChatId(turn.chat.user.0) };
    match turn.bridge.store.link(&own)? {
        Some(link) => Ok(confirm(turn, link.account, Vec::new())),
        None => turn.how_to_link(),
    }
}

fn confirm(turn: &Turn<'_>, account: AccountName, mut changes: Vec<Change>) -> Outcome {
    let buttons =
        vec![vec![turn.button("button_yes", Action::LinkYes), turn.button("button_no", Action::LinkNo)]];
    let values = json!({ "account": account.as_str(), "is_group": !turn.chat.private });
    let pending = Pending { account, asked: turn.chat.message };
    let value = serde_json::to_string(&pending).unwrap_or_default();
    changes.push(turn.remember(PENDING, value, turn.bridge.timing.link_code_valid));
    turn.answer_with(Say::new("link_confirm", values).with(buttons), changes)
}

/// The same answer whether the address is known or not.
fn by_mail(turn: &Turn<'_>, address: &str, counted: Change) -> Result<Outcome, StoreError> {
    let bridge = turn.bridge;
    let mut changes = vec![counted];
    let account = bridge.account_of_address(&MailAddress::new(address));
    let account = account.map(|name| bridge.store.account(&name)).transpose()?.flatten();
    let mailbox = account.as_ref().and_then(|account| mailbox_for(bridge, &account.name));
    let mut jobs = Vec::new();
    if let Some((account, mailbox)) = account.zip(mailbox) {
        let (made, stored) = code(bridge, &account.name);
        let bot = bridge.telegram.as_ref().and_then(|telegram| telegram.username.get());
        let values = json!({
            "account": account.name.as_str(),
            "bot": bot.map_or_else(|| "the bot".to_owned(), |name| format!("@{}", name.trim_start_matches('@'))),
            "code": made.code, "link_url": made.url, "valid_for": duration(bridge.timing.link_code_valid),
        });
        let address = MailAddress::new(address);
        let to = To { mailbox, address, subject: "link code".to_owned(), in_reply_to: None };
        let key = format!("link-code/{}", turn.job.key);
        if let Some((letter, counts)) = letters::letter(bridge, &to, key, "link_code", values, None)? {
            changes.extend(counts);
            changes.push(stored);
            jobs.push(letter);
        }
    }
    let values = json!({ "address": address, "valid_for": duration(bridge.timing.link_code_valid) });
    jobs.extend(turn.note(Say::new("link_mail_sent", values)));
    Ok(Outcome::Done { changes, follow_ups: jobs })
}

/// The account's own mailbox before one that goes by sender, before any other.
fn mailbox_for(bridge: &Bridge, account: &AccountName) -> Option<MailboxName> {
    let rank = |of: Option<&AccountName>| match of {
        Some(own) if own == account => 0,
        None => 1,
        Some(_) => 2,
    };
    let mailboxes = bridge.mailboxes.iter();
    mailboxes
        .map(|(name, mailbox)| (rank(mailbox.account.as_ref()), name))
        .min()
        .map(|(_, name)| name.clone())
}

pub fn is_pending(turn: &Turn<'_>) -> Result<bool, StoreError> {
    Ok(turn.remembered(PENDING)?.is_some())
}

/// Yes or No was pressed under the question.
pub async fn decided(press: &Press<'_>, yes: bool) -> Result<Outcome, StoreError> {
    let turn = &press.turn;
    let pending = turn.remembered(PENDING)?.and_then(|value| serde_json::from_str::<Pending>(&value).ok());
    let Some(pending) = pending.filter(|pending| press.under > pending.asked) else {
        return Ok(press.expired());
    };
    match turn.permission().await {
        Permission::Given => {}
        Permission::Denied => {
            let pop_up = press.pop_up(Some("link_group_admins_only"));
            return Ok(Outcome::Done { changes: Vec::new(), follow_ups: vec![pop_up] });
        }
        Permission::Later(outcome) => return Ok(*outcome),
    }
    let mut changes = vec![turn.forget(PENDING)];
    if !yes {
        return Ok(press.settled("link_declined", json!({}), changes));
    }
    let values = json!({ "account": pending.account.as_str() });
    let before = turn.bridge.store.link(&turn.place())?;
    if before.is_none_or(|link| link.account != pending.account) {
        // What went to another account's ticket so far must not go there any more.
        changes.push(Change::Unbind(turn.current_key()));
    }
    tracing::info!(account = %pending.account, chat.id = %turn.chat.chat, "A chat was linked.");
    changes.push(Change::Link(Link {
        place: turn.place(),
        account: pending.account,
        since: turn.bridge.now(),
        follows_all: false,
        paused: false,
        language: turn.inbound.sender.language.clone(),
    }));
    Ok(press.settled("linked", values, changes))
}

/// Who gets answers in tickets that were opened in the panel: the link that was named as the owner's, else
/// the oldest one; only one that can be reached.
pub fn owner(store: &Store, account: &AccountName) -> Result<Option<Link>, StoreError> {
    let links = store.links_of(account)?;
    let named = store.notice(&owner_key(account))?.map(|notice| notice.value);
    let named = named.and_then(|value| serde_json::from_str::<Place>(&value).ok());
    let live = || links.iter().filter(|link| !link.paused);
    let owner = live().find(|link| Some(&link.place) == named.as_ref()).or_else(|| live().next());
    Ok(owner.cloned())
}

/// Names the owner for good.
pub fn name_owner(bridge: &Bridge, account: &AccountName, place: &Place) -> Change {
    const FOR_EVER: Duration = Duration::from_secs(1000 * 365 * 86_400);
    let value = serde_json::to_string(place).unwrap_or_default();
    remember(bridge, owner_key(account), value, FOR_EVER)
}

fn owner_key(account: &AccountName) -> String {
    format!("owner/{account}")
}

fn turn_key(turn: &Turn<'_>, what: &str) -> String {
    crate::bridge::turn::notice_key(turn.chat, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_was_copied_and_another_one_is_not() {
        let code = BASE32_NOPAD.encode(&[7; 16]);
        assert_eq!(code.len(), 26);
        let (left, right) = code.split_at(13);
        let grouped = format!(" {left}-{} ", right.to_lowercase());
        assert_eq!(hash(&code), hash(&grouped));
        assert_ne!(hash(&code), hash(&BASE32_NOPAD.encode(&[8; 16])));
        assert!(!hash(&code).contains(&code.to_lowercase()));
    }
}
