//! The page of the demo: the four seats side by side, live, and a visitor who may sit in each.

mod actions;
mod chronicle;
mod files;
mod guard;
#[cfg(test)]
mod scene_tests;
mod story;
mod view;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use data_encoding::HEXLOWER;
use futures::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::town::{Letters, Town};
use crate::runtime::Shutdown;

pub use story::tell;

/// Mail folders say nothing when they change, so the scene is looked at this often whatever happens.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Changes that come so close together are shown at once.
const DRAW_BREATH: Duration = Duration::from_millis(40);
/// A file in a form; Telegram and the desk have their own, lower limits.
const LARGEST_FORM: usize = 24_000_000;

/// What every handler shares.
struct Stage {
    town: Arc<Town>,
    letters: Letters,
    guard: guard::Guard,
    /// The whole scene as JSON.
    picture: watch::Sender<Arc<str>>,
}

/// Serves the page until shutdown. Errors: the listener fails.
pub async fn serve(town: Arc<Town>, listener: TcpListener, shutdown: &Shutdown) -> io::Result<()> {
    let stage = Stage::new(town, listener.local_addr()?);
    let router = router(stage.clone());
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        served = axum::serve(listener, router).into_future() => served,
        never = stage.keeps_looking() => match never {},
    }
}

fn router(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(|| async { asset("text/css", include_str!("page.css")) }))
        .route("/page.js", get(|| async { asset("text/javascript", include_str!("page.js")) }))
        .route("/parts.js", get(|| async { asset("text/javascript", include_str!("parts.js")) }))
        .route("/live", get(live))
        .route("/file/telegram/{chat}/{message}", get(files::of_telegram))
        .route("/file/desk/{ticket}/{attachment}", get(files::of_desk))
        .route("/file/mail/{letter}/{number}", get(files::of_mail))
        .route("/mail/{letter}/html", get(files::mail_as_html))
        .route("/do/telegram/say", post(actions::telegram_says))
        .route("/do/telegram/press", post(actions::telegram_presses))
        .route("/do/telegram/connect", post(actions::telegram_connects))
        .route("/do/mail/send", post(actions::mail_sends))
        .route("/do/desk/reply", post(actions::desk_replies))
        .route("/do/desk/status", post(actions::desk_sets_status))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(stage.clone(), guard::stand))
        .with_state(stage)
}

async fn page(State(stage): State<Arc<Stage>>) -> Html<String> {
    Html(include_str!("page.html").replace("{token}", stage.guard.token()))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], text)
}

/// The scene now, and again after each change.
async fn live(State(stage): State<Arc<Stage>>) -> Response {
    let pictures = stream::unfold((stage.picture.subscribe(), true), |(mut pictures, first)| async move {
        if !first {
            pictures.changed().await.ok()?;
        }
        let picture = pictures.borrow_and_update().clone();
        Some((picture, (pictures, false)))
    });
    Sse::new(events(pictures)).keep_alive(KeepAlive::default()).into_response()
}

fn events(pictures: impl Stream<Item = Arc<str>>) -> impl Stream<Item = Result<Event, Infallible>> {
    pictures.map(|picture| Ok(Event::default().data(picture.as_ref())))
}

// === impl Stage ===

impl Stage {
    fn new(town: Arc<Town>, address: SocketAddr) -> Arc<Self> {
        let token = HEXLOWER.encode(&rand::random::<[u8; 16]>());
        let stage = Self {
            letters: Letters::new(town.post.clone()),
            guard: guard::Guard::new(address, token),
            picture: watch::Sender::new(Arc::from("{}")),
            town,
        };
        stage.looks();
        Arc::new(stage)
    }

    /// Draws the scene anew whenever something may have changed.
    async fn keeps_looking(&self) -> Infallible {
        let mut changes = self.town.telegram.changes();
        loop {
            // Whether something changed or the time is over: look.
            let _ = timeout(LOOK_AGAIN, changes.changed()).await;
            sleep(DRAW_BREATH).await;
            changes.mark_unchanged();
            self.looks();
        }
    }

    fn looks(&self) {
        let picture = view::draw(&self.town, &self.letters);
        self.picture.send_if_modified(|shown| {
            let changed = **shown != *picture;
            if changed {
                *shown = Arc::from(picture);
            }
            changed
        });
    }
}
