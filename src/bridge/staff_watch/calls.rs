//! One reading call at the ticket API, through its circuit, and what a failure means for the watch.

use std::time::Duration;

use crate::{
    bridge::context::Bridge,
    model::ids::{AccountName, ApiName},
    runtime::clock::Timestamp,
    store::StoreError,
    ticket_api::ApiError,
};

/// Why something was not looked at now. Nothing is lost by it: the next look finds the same.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The circuit is open until then.
    #[error("no calls are made before {0}")]
    Paused(Timestamp),
    /// This call failed, and the server asks for a pause of `after`, if it does.
    #[error("{why}")]
    Failed { after: Option<Duration>, why: String },
    #[error("it does not exist at the ticket system")]
    NotFound,
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
}

pub(super) async fn ask<T>(
    bridge: &Bridge,
    api: &ApiName,
    account: &AccountName,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Trouble> {
    bridge.circuits.admits(api, account, bridge.now()).map_err(Trouble::Paused)?;
    let error = match call.await {
        Ok(answer) => {
            bridge.circuits.succeeded(api, account);
            return Ok(answer);
        }
        Err(error) => error,
    };
    match &error {
        ApiError::Retry { reason, .. } | ApiError::Unknown { reason, .. } => {
            bridge.circuits.failed(api, reason, bridge.now());
        }
        ApiError::Unauthorized(reason) => bridge.circuits.unauthorized(api, account, reason, bridge.now()),
        // Any answer of the application shows that it is well.
        _ => bridge.circuits.succeeded(api, account),
    }
    Err(match error {
        ApiError::NotFound(_) => Trouble::NotFound,
        ApiError::Retry { after, reason } | ApiError::Unknown { after, reason, .. } => {
            Trouble::Failed { after, why: reason }
        }
        error => Trouble::Failed { after: None, why: error.to_string() },
    })
}
