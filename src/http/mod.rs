//! Doors for machines: health, metrics, hooks, the admin API.

pub mod admin_accounts;
pub mod admin_api;
mod admin_mailboxes;
pub mod admin_queue;
mod admin_store;
pub mod health;
pub mod hooks;
pub mod rows;

#[cfg(test)]
mod admin_tests;
#[cfg(test)]
mod hooks_tests;

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use crate::runtime::shutdown::Shutdown;

/// Where a command finds the running daemon.
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Serves on a TCP port until shutdown; requests in hand are answered.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await
}

/// A unix socket that only its owner can open. What an earlier process left there is removed: whoever binds
/// holds the store's lock, so that no other one can be alive behind it.
///
/// The path's length is limited to 107 bytes by the kernel (unix(7)).
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves on a unix socket until shutdown, then removes it.
pub async fn serve_unix(
    listener: UnixListener,
    path: PathBuf,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<()> {
    let served =
        axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await;
    let _ = fs::remove_file(path);
    served
}
