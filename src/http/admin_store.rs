//! The store in the admin API: backups and exports, written by the daemon while it goes on.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::PathBuf};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::Deserialize;

use super::admin_api::Refused;
use crate::{bridge::context::Bridge, store::dump::DumpError};

pub(super) fn routes() -> Router<Bridge> {
    Router::new().route("/admin/store/backup", post(backup)).route("/admin/store/export", post(export))
}

impl From<DumpError> for Refused {
    fn from(error: DumpError) -> Self {
        let status = match &error {
            // Most often a folder that is not there, or not the daemon's to write to.
            DumpError::Io(_) | DumpError::NoSecret => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut text = format!("nothing was written: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            text.push_str(&format!(": {deeper}"));
            cause = deeper.source();
        }
        Self::new(status, text)
    }
}

#[derive(Deserialize)]
struct Target {
    /// Absolute: the daemon's working directory is not the caller's.
    file: PathBuf,
    #[serde(default)]
    with_secrets: bool,
}

impl Target {
    fn check(&self) -> Result<(), Refused> {
        match self.file.is_absolute() {
            true => Ok(()),
            false => Err(Refused::new(StatusCode::BAD_REQUEST, "the file must be named by its whole path")),
        }
    }
}

async fn backup(State(bridge): State<Bridge>, Json(target): Json<Target>) -> Result<Json<PathBuf>, Refused> {
    target.check()?;
    bridge.store.backup(&target.file).await?;
    Ok(Json(target.file))
}

/// A new file of the daemon's: what customers wrote is in it, so nobody else may read it.
async fn export(State(bridge): State<Bridge>, Json(target): Json<Target>) -> Result<Json<PathBuf>, Refused> {
    target.check()?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target.file);
    bridge.store.export(file.map_err(DumpError::Io)?, target.with_secrets).await?;
    Ok(Json(target.file))
}
