//! The HTTP face: token, method, parameters, the envelope, and file downloads.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::files::FileKind;
use super::params::Params;
use super::rules::{self, Answer, MAX_COMMANDS, MAX_DOWNLOAD, Refusal};
use super::world::{Outcome, Shared, World};
use super::{chats, editing, sending, updates};
use crate::sandbox::faults::Dialect;

/// Names calls by their documented method, downloads `file`.
pub const DIALECT: Dialect = Dialect {
    call: |request| {
        let path = request.uri().path();
        let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
        if path.starts_with("/file/") { "file".to_owned() } else { documented(last) }
    },
    refusal: |status, retry_after| Refusal::of_status(status, retry_after).into_response(),
};

/// `/bot<token>/<method>` and `/file/bot<token>/<path>`, each part percent-encoded or not.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/file/{bot}/{*path}", get(download))
        .route("/{bot}/{method}", get(call).post(call))
        .fallback(async || Refusal::not_found())
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

fn documented(name: &str) -> String {
    rules::method(name).map_or_else(|| name.to_owned(), |(name, _)| name.to_owned())
}

/// What is no token at all gets 404, a token that is nobody's 401, as the real server has it.
fn right_token(shared: &Shared, bot: &str) -> Result<(), Refusal> {
    let token = bot.strip_prefix("bot").ok_or_else(Refusal::not_found)?;
    if shared.look().token == token {
        return Ok(());
    }
    let well_formed = token.split_once(':').is_some_and(|(id, _)| id.parse::<u64>().is_ok());
    Err(if well_formed { Refusal::unauthorized() } else { Refusal::not_found() })
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path((bot, path)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    right_token(&shared, &bot)?;
    let world = shared.look();
    let file = world.files.at_path(&path).ok_or_else(Refusal::not_found)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], file.bytes.clone()).into_response())
}

async fn call(
    State(shared): State<Arc<Shared>>,
    Path((bot, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    if let Err(refusal) = right_token(&shared, &bot) {
        return refusal.into_response();
    }
    let (log, answer) = match Params::read(request).await {
        Err(refusal) => (Value::Null, Err(refusal)),
        Ok(params) => (params.log(), perform(&shared, &name, &params).await),
    };
    let name = documented(&name);
    let outcome = match &answer {
        Ok(result) if name == "getUpdates" => Outcome::Done(update_ids(result)),
        Ok(result) => Outcome::Done(result.clone()),
        Err(refusal) => {
            Outcome::Refused { status: refusal.status.as_u16(), description: refusal.description.clone() }
        }
    };
    shared.change(|world| world.log(name, log, outcome));
    match answer {
        Ok(result) => (StatusCode::OK, Json(json!({ "ok": true, "result": result }))).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn update_ids(updates: &Value) -> Value {
    let updates = updates.as_array().map(Vec::as_slice).unwrap_or_default();
    updates.iter().filter_map(|update| update.get("update_id").cloned()).collect()
}

async fn perform(shared: &Shared, name: &str, params: &Params) -> Answer {
    let (method, known) = rules::method(name).ok_or_else(Refusal::not_found)?;
    let unknown = params.unknown(&known).filter(|_| shared.look().strict);
    if let Some(unknown) = unknown {
        return Err(Refusal::bad_request(format!("unknown parameter \"{unknown}\" of {method}")));
    }
    if method == "getUpdates" {
        return updates::get_updates(shared, params).await;
    }
    shared.change(|world| act(world, method, params))
}

fn act(world: &mut World, method: &str, params: &Params) -> Answer {
    match method {
        "getMe" => get_me(world),
        "setWebhook" => updates::set_webhook(world, params),
        "deleteWebhook" => updates::delete_webhook(world, params),
        "getWebhookInfo" => updates::webhook_info(world, params),
        "setMyCommands" => set_commands(world, params),
        "getMyCommands" => Ok(Value::Array(world.commands.clone())),
        "deleteMyCommands" => {
            world.commands.clear();
            Ok(Value::Bool(true))
        }
        "sendMessage" => sending::send_message(world, params),
        "sendDocument" => sending::send_file(world, params, FileKind::Document),
        "sendPhoto" => sending::send_file(world, params, FileKind::Photo),
        "sendVideo" => sending::send_file(world, params, FileKind::Video),
        "sendVoice" => sending::send_file(world, params, FileKind::Voice),
        "sendAudio" => sending::send_file(world, params, FileKind::Audio),
        "sendAnimation" => sending::send_file(world, params, FileKind::Animation),
        "sendMediaGroup" => sending::send_media_group(world, params),
        "sendChatAction" => editing::chat_action(world, params),
        "setMessageReaction" => editing::react(world, params),
        "editMessageText" => editing::edit_text(world, params),
        "editMessageCaption" => editing::edit_caption(world, params),
        "editMessageReplyMarkup" => editing::edit_markup(world, params),
        "deleteMessage" => editing::delete(world, params),
        "answerCallbackQuery" => editing::answer_callback(world, params),
        "getFile" => get_file(world, params),
        "getChat" => chats::get_chat(world, params),
        "getChatMember" => chats::get_member(world, params),
        "getChatMemberCount" => chats::count_members(world, params),
        "getChatAdministrators" => chats::get_administrators(world, params),
        "createForumTopic" => chats::create_topic(world, params),
        "editForumTopic" => chats::rename_topic(world, params),
        "closeForumTopic" => chats::close_topic(world, params, true),
        "reopenForumTopic" => chats::close_topic(world, params, false),
        "leaveChat" => chats::leave(world, params),
        _ => Err(Refusal::not_found()),
    }
}

fn get_me(world: &World) -> Answer {
    let mut me = world.bot.json();
    if let Some(me) = me.as_object_mut() {
        let abilities = [
            ("can_join_groups", true),
            ("can_read_all_group_messages", false),
            ("supports_inline_queries", false),
            ("can_connect_to_business", false),
            ("has_main_web_app", false),
            ("has_topics_enabled", false),
        ];
        me.extend(abilities.map(|(ability, has)| (ability.to_owned(), Value::Bool(has))));
    }
    Ok(me)
}

fn set_commands(world: &mut World, params: &Params) -> Answer {
    let commands = params.list("commands")?.unwrap_or_default();
    if commands.len() > MAX_COMMANDS {
        return Err(Refusal::bad_request("BOT_COMMANDS_TOO_MUCH"));
    }
    for command in &commands {
        let text = |key| command.get(key).and_then(Value::as_str).unwrap_or_default();
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !(1..=32).contains(&text("command").len()) || !text("command").chars().all(letter) {
            return Err(Refusal::bad_request("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&text("description").chars().count()) {
            return Err(Refusal::bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    world.commands = commands;
    Ok(Value::Bool(true))
}

fn get_file(world: &World, params: &Params) -> Answer {
    let file_id = params.text("file_id").ok_or_else(|| Refusal::bad_request("file_id is empty"))?;
    let file = world.files.get(&file_id);
    if file.is_some_and(|file| file.bytes.len() > MAX_DOWNLOAD) {
        return Err(Refusal::bad_request("file is too big"));
    }
    let gone = || Refusal::bad_request("wrong file_id or the file is temporarily unavailable");
    world.files.describe(&file_id).ok_or_else(gone)
}
