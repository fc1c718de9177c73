//! The bridge's own doors: the admins' unix socket, and health and metrics over HTTP.

use std::{io, path::Path, sync::Arc};

use axum::Router;
use tokio::sync::watch;

use crate::{
    app::StartError,
    bridge::{
        context::Bridge,
        sources::{SourceTrouble, Watched},
    },
    config::Config,
    http::{
        self, admin_api,
        health::{self, Doctor, Reason},
        hooks,
    },
    runtime::{shutdown::Shutdown, tasks::Tasks, telemetry::Metrics},
};

/// What stands behind the doors.
pub(super) struct Doors<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) watched: &'a [Watched],
    pub(super) metrics: Option<Metrics>,
    /// Where Telegram brings its updates, in webhook mode.
    pub(super) webhook: Option<Router>,
}

impl Doors<'_> {
    /// Opens them; a port that is taken stops the start.
    pub(super) async fn open(
        self,
        config: &Config,
        tasks: &Tasks,
        shutdown: &Shutdown,
    ) -> Result<(), StartError> {
        unix_socket(&config.state_dir, self.bridge, tasks, shutdown)?;
        let Some(http) = &config.http else {
            return if self.webhook.is_some() { Err(StartError::WebhookWithoutHttp) } else { Ok(()) };
        };
        let listener = tokio::net::TcpListener::bind(http.listen)
            .await
            .map_err(|source| StartError::Door { door: http.listen.to_string(), source })?;
        let doctor =
            Doctor { bridge: self.bridge.clone(), sources: sources(self.watched), metrics: self.metrics };
        let mut router = health::router(doctor)
            .merge(hooks::router(self.bridge.clone()))
            .merge(self.webhook.unwrap_or_default());
        if let Some(token) = &http.admin_token {
            let admin = admin_api::router(self.bridge.clone());
            router = router.merge(admin_api::bearer(admin, token.clone()));
        }
        let shutdown = shutdown.clone();
        tasks.spawn_once("http", async move { ended("http", http::serve(listener, router, shutdown).await) });
        Ok(())
    }
}

fn unix_socket(
    state_dir: &Path,
    bridge: &Bridge,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> Result<(), StartError> {
    let path = http::socket(state_dir);
    let listener =
        http::bind(&path).map_err(|source| StartError::Door { door: path.display().to_string(), source })?;
    let (router, shutdown) = (admin_api::router(bridge.clone()), shutdown.clone());
    tasks.spawn_once("admin socket", async move {
        ended("admin socket", http::serve_unix(listener, path, router, shutdown).await);
    });
    Ok(())
}

fn ended(door: &str, served: io::Result<()>) {
    if let Err(error) = served {
        tracing::error!(door, %error, "A door of the bridge has closed.");
    }
}

/// The sources in trouble, for health.
fn sources(watched: &[Watched]) -> health::Sources {
    type Trouble = watch::Receiver<Option<SourceTrouble>>;
    let watched: Vec<(String, Trouble)> =
        watched.iter().map(|source| (source.name.clone(), source.trouble.clone())).collect();
    Arc::new(move || {
        let reason = |(name, trouble): &(String, Trouble)| {
            let trouble = trouble.borrow().clone()?;
            Some(Reason {
                what: name.clone(),
                since: Some(trouble.since.to_string()),
                why: trouble.what,
                starting: trouble.starting,
            })
        };
        watched.iter().filter_map(reason).collect()
    })
}
