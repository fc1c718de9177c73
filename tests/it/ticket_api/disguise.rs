//! A door in front of a desk that calls things by other names: without the right keys of `bot.toml` nobody gets in.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;
use ticket_bridge::runtime::http_client::http_client;
use ticket_bridge::runtime::tls;
use ticket_bridge::sandbox::desk::DeskStandIn;
use url::Url;

use super::office::PATIENT;

/// What is called otherwise, each pair as the desk has it and as callers must have it.
#[derive(Clone, Default)]
pub(super) struct Disguise {
    /// The path of `base_url`, where it is not the desk's.
    pub(super) base: Option<&'static str>,
    /// Headers of both directions, and what callers must put before the value.
    pub(super) headers: Vec<(&'static str, &'static str, &'static str)>,
    /// Paths, with `{id}` for a part of any name.
    pub(super) paths: Vec<(Method, &'static str, &'static str)>,
    pub(super) query: Vec<(&'static str, &'static str)>,
    /// Keys of answers, where the path ends so.
    pub(super) keys: Vec<(&'static str, &'static str, &'static str)>,
    /// Words that are the whole value, in answers and in forms.
    pub(super) words: Vec<(&'static str, &'static str)>,
    /// What becomes of each value of an answer, once its parts are changed.
    pub(super) dress: Option<fn(Value) -> Value>,
}

/// The door, which stands as long as the test runs.
pub(super) struct Front {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

struct Behind {
    disguise: Disguise,
    desk: Url,
    client: reqwest::Client,
    seen: Arc<Mutex<Vec<String>>>,
}

const MOST: usize = 20_000_000;

impl Front {
    /// What was sent: path, query and body of each call.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(super) async fn in_front_of(desk: &DeskStandIn, disguise: Disguise) -> Front {
    let seen = Arc::default();
    let desk: Url = desk.base_url().parse().unwrap();
    let path = disguise.base.unwrap_or(desk.path().trim_end_matches('/')).to_owned();
    let client = http_client(&tls::client_config(None).unwrap(), PATIENT).unwrap();
    let behind = Behind { disguise, desk, client, seen: Arc::clone(&seen) };
    let router = Router::new().fallback(pass).with_state(Arc::new(behind));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Front { url, seen }
}

async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MOST).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    behind.seen.lock().unwrap().push(format!("{} {} {text}", parts.method, parts.uri));
    let query = parts.uri.query().unwrap_or_default();
    let disguise = &behind.disguise;
    let way = disguise.path(&parts.method, parts.uri.path()).zip(disguise.query(query));
    let Some((path, query)) = way else { return empty(StatusCode::NOT_FOUND) };
    let mut url = behind.desk.clone();
    url.set_path(&path);
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
    });
    let body = if is_form { disguise.form(text).into() } else { body };
    let request =
        behind.client.request(parts.method, url).headers(disguise.inwards(&parts.headers)).body(body);
    let answer = request.send().await.unwrap();
    let mut response = empty(answer.status());
    *response.headers_mut() = disguise.outwards(answer.headers());
    let body = answer.bytes().await.unwrap();
    let body = match serde_json::from_slice::<Value>(&body) {
        Ok(json) => disguise.answer(json, &path).to_string().into(),
        Err(_) => body,
    };
    *response.body_mut() = Body::from(body);
    response
}

// === impl Disguise ===

impl Disguise {
    /// The desk's path; nothing where callers must not use its name.
    fn path(&self, method: &Method, path: &str) -> Option<String> {
        let of_method = || self.paths.iter().filter(|(of, _, _)| of == method);
        let renamed =
            of_method().find_map(|(_, inner, outer)| Some(inner.replace("{id}", part(outer, path)?)));
        let is_hidden = of_method().any(|(_, inner, _)| part(inner, path).is_some());
        renamed.or_else(|| (!is_hidden).then(|| path.to_owned()))
    }

    fn query(&self, query: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if self.query.iter().any(|(inner, _)| *inner == name) {
                return None;
            }
            let known = self.query.iter().find(|(_, outer)| *outer == name);
            pairs.append_pair(known.map_or(&name, |(inner, _)| inner), &value);
        }
        Some(pairs.finish())
    }

    fn form(&self, mut text: String) -> String {
        for (inner, outer) in &self.words {
            text = text.replace(&format!("={outer}"), &format!("={inner}"));
        }
        text
    }

    fn inwards(&self, headers: &HeaderMap) -> HeaderMap {
        let mut inwards = headers.clone();
        for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            inwards.remove(name);
        }
        for (inner, outer, prefix) in &self.headers {
            inwards.remove(*inner);
            let Some(value) = inwards.remove(*outer) else { continue };
            if let Some(value) = value.to_str().unwrap().strip_prefix(prefix) {
                inwards.insert(HeaderName::from_static(inner), HeaderValue::from_str(value).unwrap());
            }
        }
        inwards
    }

    fn outwards(&self, headers: &HeaderMap) -> HeaderMap {
        let mut outwards = headers.clone();
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            outwards.remove(name);
        }
        for (inner, outer, _) in &self.headers {
            if let Some(value) = outwards.remove(*inner) {
                outwards.insert(HeaderName::from_static(outer), value);
            }
        }
        outwards
    }

    fn answer(&self, json: Value, path: &str) -> Value {
        let here = |(end, inner, outer): &(&str, &'static str, &'static str)| {
            path.ends_with(end).then_some((*inner, *outer))
        };
        let keys: Vec<_> = self.keys.iter().filter_map(here).collect();
        let json = renamed(json, &keys, &self.words);
        match self.dress {
            Some(dress) => dressed(json, dress),
            None => json,
        }
    }
}

/// What stands for `{id}`, or nothing where there is none; `None` if the path is another.
fn part<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    match template.split_once("{id}") {
        None => (template == path).then_some(""),
        Some((start, end)) => {
            path.strip_prefix(start)?.strip_suffix(end).filter(|part| !part.is_empty() && !part.contains('/'))
        }
    }
}

fn renamed(json: Value, keys: &[(&str, &str)], words: &[(&str, &str)]) -> Value {
    let outer = |name: &str, names: &[(&str, &str)]| {
        names.iter().find(|(inner, _)| *inner == name).map(|(_, outer)| (*outer).to_owned())
    };
    match json {
        Value::Array(items) => items.into_iter().map(|item| renamed(item, keys, words)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(key, value)| (outer(&key, keys).unwrap_or(key), renamed(value, keys, words)))
                .collect()
        }
        Value::String(text) => Value::String(outer(&text, words).unwrap_or(text)),
        other => other,
    }
}

fn dressed(json: Value, dress: fn(Value) -> Value) -> Value {
    dress(match json {
        Value::Array(items) => items.into_iter().map(|item| dressed(item, dress)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, dressed(value, dress))).collect()
        }
        scalar => scalar,
    })
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
