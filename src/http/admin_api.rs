//! What a command or a panel may do: codes, links, accounts, conversations; the queue and the store beside it.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Deserialize;

use super::{admin_accounts, admin_mailboxes, admin_queue, admin_store, rows};
use crate::{
    bridge::{alerts, context::Bridge, linking},
    model::{
        account::Link,
        conversation::{Conversation, TicketStatus},
        ids::{ChatId, ConversationId},
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
        .route("/admin/accounts/{name}/owner", put(owner))
        .route("/admin/conversations", get(conversations))
        .route("/admin/conversations/{id}", get(conversation))
        .merge(admin_accounts::routes())
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

    /// Why, without the status.
    pub(super) fn into_text(self) -> String {
        self.error
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

/// Conversations in one list at most, however many are asked for.
const MOST_CONVERSATIONS: usize = 10_000;

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
    let account = admin_accounts::known(&bridge, &of.account)?;
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
    let links = match filter.account.as_deref() {
        Some(name) => bridge.store.links_of(&admin_accounts::known(&bridge, name)?.name)?,
        None => bridge.store.links()?,
    };
    let mut owners = HashMap::new();
    for account in links.iter().map(|link| &link.account) {
        if !owners.contains_key(account) {
            let owner = linking::owner(&bridge.store, account)?.map(|link| link.place);
            owners.insert(account.clone(), owner);
        }
    }
    let owner = |link: &Link| owners.get(&link.account).and_then(Option::as_ref);
    Ok(Json(links.iter().map(|link| link_row(link, owner(link))).collect()))
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
    let account = admin_accounts::known(&bridge, &name)?;
    let link = link_of_chat(&bridge, owner.chat)?;
    if link.account != account.name {
        let error = format!("the chat {} belongs to the account {}", owner.chat, link.account);
        return Err(Refused::new(StatusCode::CONFLICT, error));
    }
    bridge.store.apply(vec![linking::name_owner(&bridge, &account.name, &link.place)]).await?;
    Ok(Json(link_row(&link, Some(&link.place))))
}

async fn conversations(
    State(bridge): State<Bridge>,
    Query(filter): Query<Filter>,
) -> Answer<Vec<rows::Conversation>> {
    let most = filter.most.min(MOST_CONVERSATIONS);
    let newest = match filter.account.as_deref() {
        None => {
            // Reads them all, which may take a while.
            let store = bridge.store.clone();
            let read = tokio::task::spawn_blocking(move || store.newest_conversations(most)).await;
            read.map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??
        }
        Some(name) => {
            let account = admin_accounts::known(&bridge, name)?;
            let watches = bridge.store.watches(&account.api, &account.name)?;
            let ids: Vec<ConversationId> = watches.iter().filter_map(|watch| watch.conversation).collect();
            bridge.store.newest_of(&ids, most)?
        }
    };
    Ok(Json(newest.iter().map(|conversation| conversation_row(&bridge, conversation)).collect()))
}

async fn conversation(State(bridge): State<Bridge>, Path(id): Path<u64>) -> Answer<rows::Conversation> {
    let found = bridge.store.conversation(ConversationId(id))?;
    let found = found.ok_or_else(|| Refused::unknown(format_args!("conversation {id}")))?;
    Ok(Json(conversation_row(&bridge, &found)))
}

fn link_of_chat(bridge: &Bridge, number: i64) -> Result<Link, Refused> {
    let place = bridge.telegram.as_ref().map(|t| Place::Chat { bot: t.bot, chat: ChatId(number) });
    let link = place.map(|place| bridge.store.link(&place)).transpose()?.flatten();
    // Or of a bot that was before this one.
    let of_chat = |link: &Link| link.place.chat().is_some_and(|chat| chat.0 == number);
    let link = match link {
        None => bridge.store.links()?.into_iter().find(of_chat),
        found => found,
    };
    link.ok_or_else(|| Refused::unknown(format_args!("linked chat {number}")))
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
