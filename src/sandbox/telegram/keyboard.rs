//! Keyboards under a message, and the rules for their buttons.

use serde_json::{Value, json};
use url::{Host, Url};

use super::params::Params;
use super::rules::{MAX_BUTTON_DATA, MAX_BUTTONS, Refusal};

/// What a button can do; it does exactly one of these.
const ACTIONS: [&str; 9] = [
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "pay",
];

/// The inline keyboard of a call; other markups are checked and then leave no trace in the message.
pub fn read(params: &Params) -> Result<Option<Value>, Refusal> {
    let Some(markup) = params.json("reply_markup")? else { return Ok(None) };
    if !markup.is_object() {
        return Err(Refusal::bad_request("object expected as reply markup"));
    }
    let Some(rows) = markup.get("inline_keyboard") else {
        let others = ["keyboard", "remove_keyboard", "force_reply"];
        return match others.iter().any(|key| markup.get(*key).is_some()) {
            true => Ok(None),
            false => Err(Refusal::bad_request("can't parse reply keyboard markup JSON object")),
        };
    };
    let unparsable =
        || Refusal::bad_request("can't parse inline keyboard: expected an Array of Array of Buttons");
    let mut kept = Vec::new();
    for row in rows.as_array().ok_or_else(unparsable)? {
        let row = row.as_array().ok_or_else(unparsable)?;
        row.iter().try_for_each(check)?;
        if !row.is_empty() {
            kept.push(row.clone());
        }
    }
    if kept.iter().map(Vec::len).sum::<usize>() > MAX_BUTTONS {
        return Err(Refusal::bad_request("REPLY_MARKUP_TOO_LONG"));
    }
    Ok((!kept.is_empty()).then(|| json!({ "inline_keyboard": kept })))
}

fn check(button: &Value) -> Result<(), Refusal> {
    let unparsable =
        |why: &str| Err(Refusal::bad_request(format!("can't parse inline keyboard button: {why}")));
    let text = |key| button.get(key).and_then(Value::as_str);
    match text("text") {
        None => return unparsable("Can't find field \"text\""),
        Some("") => return unparsable("InlineKeyboardButton must be non-empty"),
        Some(_) => {}
    }
    if !ACTIONS.iter().any(|action| button.get(*action).is_some()) {
        return unparsable("Text buttons are unallowed in the inline keyboard");
    }
    if let Some(address) = text("url") {
        check_url(address)?;
    }
    match text("callback_data") {
        Some(data) if data.is_empty() || data.len() > MAX_BUTTON_DATA => {
            Err(Refusal::bad_request("BUTTON_DATA_INVALID"))
        }
        _ => Ok(()),
    }
}

fn check_url(address: &str) -> Result<(), Refusal> {
    let fits = Url::parse(address).ok().filter(|url| match url.host() {
        Some(Host::Domain(name)) => name.contains('.') || url.scheme() == "tg",
        host => host.is_some(),
    });
    match fits {
        Some(url) if ["http", "https", "tg", "ton"].contains(&url.scheme()) => Ok(()),
        _ => {
            let wrong = format!("inline keyboard button URL '{address}' is invalid: Wrong HTTP URL");
            Err(Refusal::bad_request(wrong))
        }
    }
}
