//! What a command or a panel may do: codes, links, accounts, conversations; the queue and the store beside it.

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Deserialize;

use super::{admin_mailboxes, admin_queue, admin_store, rows};
use crate::{
    bridge::{alerts, context::Bridge, linking},
    config::EmailPattern,
    model::{
        account::{Account, Link},
        conversation::{Conversation, TicketStatus},
        ids::{AccountName, ApiName, ConversationId},
        place::Place,
    },
    runtime::secret::Secret,
    store::{StoreError, change::Change},
};

/// The whole admin API. Whoever can reach it may do everything: on the unix socket the file's mode decides,
/// over TCP put [`bearer`] before it.
pub fn router(bridge: Bridge) -> Router {
    Router::new()
        .route("/admin/link-codes", post(make_code))
        .route("/admin/links", get(links))
        .route("/admin/links/{chat}", delete(remove_link))
        .route("/admin/accounts", get(accounts).post(add_account))
        .route("/admin/accounts/{name}", delete(remove_account))
        .route("/admin/accounts/{name}/owner", put(owner))
        .route("/admin/conversations", get(conversations))
        .route("/admin/conversations/{id}", get(conversation))
        .merge(admin_mailboxes::routes())
        .merge(admin_queue::routes())
        .merge(admin_store::routes())
        .with_state(bridge)
}

/// Lets only requests with this token through (RFC 6750 §2.1).
pub fn bearer(router: Router, token: Secret) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let token = token.clone();
        async move {
            let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let given = given.and_then(|value| value.strip_prefix("Bearer ")).map(Secret::new);
            if given == Some(token) {
                return next.run(request).await;
            }
            let refused = Refused::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
            ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
        }
    }))
}

/// Why something was not done, in words for whoever asked.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    error: String,
}

impl Refused {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub fn unknown(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(rows::Refusal { error: self.error })).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

#[derive(Deserialize)]
struct OfAccount {
    account: String,
}

#[derive(Deserialize)]
struct Filter {
    account: Option<String>,
    #[serde(default = "fifty")]
    most: usize,
}

fn fifty() -> usize {
    50
}

async fn make_code(State(bridge): State<Bridge>, Json(of): Json<OfAccount>) -> Answer<rows::LinkCode> {
    let account = known_account(&bridge, &of.account)?;
    let (code, change) = linking::code(&bridge, &account.name);
    bridge.store.apply(vec![change]).await?;
    Ok(Json(rows::LinkCode {
        account: account.name.to_string(),
        code: code.code,
        expires: code.expires.to_string(),
        url: code.url,
    }))
}

async fn links(State(bridge): State<Bridge>, Query(filter): Query<Filter>) -> Answer<Vec<rows::Link>> {
    let mut rows = Vec::new();
    for account in chosen(&bridge, filter.account.as_deref())? {
        let owner = linking::owner(&bridge.store, &account.name)?.map(|link| link.place);
        let links = bridge.store.links_of(&account.name)?;
        rows.extend(links.iter().map(|link| link_row(link, owner.as_ref())));
    }
    Ok(Json(rows))
}

async fn remove_link(State(bridge): State<Bridge>, Path(chat): Path<i64>) -> Answer<rows::Link> {
    let link = link_of_chat(&bridge, chat)?;
    let mut changes = vec![Change::Unlink(link.place.clone())];
    if let Place::Chat { bot, chat } = link.place {
        changes.push(Change::Unbind(crate::store::change::Key::Current(bot, chat)));
    }
    bridge.store.apply(changes).await?;
    Ok(Json(link_row(&link, None)))
}

#[derive(Deserialize)]
struct Owner {
    chat: i64,
}

async fn owner(
    State(bridge): State<Bridge>,
    Path(name): Path<String>,
    Json(owner): Json<Owner>,
) -> Answer<rows::Link> {
    let account = known_account(&bridge, &name)?;
    let link = link_of_chat(&bridge, owner.chat)?;
    if link.account != account.name {
        let error = format!("the chat {} belongs to the account {}", owner.chat, link.account);
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    bridge.store.apply(vec![linking::name_owner(&bridge, &account.name, &link.place)]).await?;
    Ok(Json(link_row(&link, Some(&link.place))))
}

async fn accounts(State(bridge): State<Bridge>) -> Answer<Vec<rows::Account>> {
    Ok(Json(bridge.store.accounts()?.into_iter().map(account_row).collect()))
}

async fn add_account(State(bridge): State<Bridge>, Json(row): Json<rows::Account>) -> Answer<rows::Account> {
    let name = row.name.trim();
    if name.is_empty() || name.contains('/') || row.id.trim().is_empty() {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "an account needs a name without a slash, and an id",
        ));
    }
    let api = ApiName::new(&row.ticket_api);
    if !bridge.apis.contains_key(&api) {
        return Err(Refused::unknown(format_args!("ticket API {api} in the configuration")));
    }
    if let Some(wrong) = row.emails.iter().find(|email| EmailPattern::parse(email).is_none()) {
        let error = format!("{wrong:?} is neither an address nor \"*@\" and a domain");
        return Err(Refused::new(StatusCode::BAD_REQUEST, error));
    }
    let name = AccountName::new(name);
    if bridge.store.account(&name)?.is_some() {
        return Err(Refused::new(StatusCode::CONFLICT, format!("there is an account {name} already")));
    }
    let account = Account { name, api, remote: row.id.trim().to_owned(), emails: row.emails };
    bridge.store.apply(vec![Change::Account(account.clone())]).await?;
    bridge.addresses.reload(&bridge.store)?;
    Ok(Json(account_row(account)))
}

/// An account of `bot.toml` would be back at the next start.
async fn remove_account(State(bridge): State<Bridge>, Path(name): Path<String>) -> Answer<rows::Account> {
    let account = known_account(&bridge, &name)?;
    if bridge.accounts.contains_key(&account.name) {
        let error = format!("the account {name} stands in the configuration; remove it there");
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    let links = bridge.store.links_of(&account.name)?;
    let mut changes: Vec<Change> = links.into_iter().map(|link| Change::Unlink(link.place)).collect();
    changes.push(Change::RemoveAccount(account.name.clone()));
    bridge.store.apply(changes).await?;
    bridge.addresses.reload(&bridge.store)?;
    Ok(Json(account_row(account)))
}

async fn conversations(
    State(bridge): State<Bridge>,
    Query(filter): Query<Filter>,
) -> Answer<Vec<rows::Conversation>> {
    let mut all = Vec::new();
    for account in chosen(&bridge, filter.account.as_deref())? {
        for watch in bridge.store.watches(&account.api, &account.name)? {
            if let Some(id) = watch.conversation
                && let Some(conversation) = bridge.store.conversation(id)?
            {
                all.push(conversation);
            }
        }
    }
    all.sort_by_key(|conversation| std::cmp::Reverse(conversation.active));
    Ok(Json(
        all.iter().take(filter.most).map(|conversation| conversation_row(&bridge, conversation)).collect(),
    ))
}

async fn conversation(State(bridge): State<Bridge>, Path(id): Path<u64>) -> Answer<rows::Conversation> {
    let found = bridge.store.conversation(ConversationId(id))?;
    let found = found.ok_or_else(|| Refused::unknown(format_args!("conversation {id}")))?;
    Ok(Json(conversation_row(&bridge, &found)))
}

fn known_account(bridge: &Bridge, name: &str) -> Result<Account, Refused> {
    let account = bridge.store.account(&AccountName::new(name))?;
    account.ok_or_else(|| Refused::unknown(format_args!("account {name}")))
}

fn chosen(bridge: &Bridge, account: Option<&str>) -> Result<Vec<Account>, Refused> {
    match account {
        Some(name) => Ok(vec![known_account(bridge, name)?]),
        None => Ok(bridge.store.accounts()?),
    }
}

fn link_of_chat(bridge: &Bridge, number: i64) -> Result<Link, Refused> {
    for account in bridge.store.accounts()? {
        let links = bridge.store.links_of(&account.name)?;
        if let Some(link) = links.into_iter().find(|link| link.place.chat().is_some_and(|c| c.0 == number)) {
            return Ok(link);
        }
    }
    Err(Refused::unknown(format_args!("linked chat {number}")))
}

fn link_row(link: &Link, owner: Option<&Place>) -> rows::Link {
    rows::Link {
        account: link.account.to_string(),
        place: place(&link.place),
        chat: link.place.chat().map(|chat| chat.0),
        since: link.since.to_string(),
        follows_all: link.follows_all,
        paused: link.paused,
        owner: owner == Some(&link.place),
    }
}

fn account_row(account: Account) -> rows::Account {
    rows::Account {
        name: account.name.to_string(),
        ticket_api: account.api.to_string(),
        id: account.remote,
        emails: account.emails,
    }
}

fn conversation_row(bridge: &Bridge, conversation: &Conversation) -> rows::Conversation {
    let status = match conversation.status {
        TicketStatus::Open => "open",
        TicketStatus::Resolved => "resolved",
        TicketStatus::Closed => "closed",
        TicketStatus::Other => "other",
    };
    rows::Conversation {
        id: conversation.id.0,
        account: conversation.account.to_string(),
        ticket_api: conversation.api.to_string(),
        ticket: conversation.ticket.as_ref().map(ToString::to_string),
        status: status.to_owned(),
        subject: conversation.subject.clone(),
        founder: conversation.founder.as_ref().map(place),
        last_writer: conversation.last_writer.as_ref().map(place),
        active: conversation.active.to_string(),
        url: alerts::url(bridge, conversation, conversation.ticket.as_ref()),
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Chat { chat, .. } => format!("Telegram chat {chat}"),
        Place::Mail { mailbox, address } => format!("{address} by {mailbox}"),
    }
}
