//! One reading call at the ticket API, and what a failure means for the watch.

use std::time::Duration;

use crate::{
    bridge::{
        context::Bridge,
        steps::{self, Interrupted},
    },
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
    let failed = |why| Trouble::Failed { after: None, why };
    steps::read_of(bridge, api, account, call).await.map_err(|interrupted| match interrupted {
        Interrupted::Outage { until } => Trouble::Paused(until),
        Interrupted::Again { after, why } => Trouble::Failed { after, why },
        Interrupted::NotFound => Trouble::NotFound,
        Interrupted::Store(error) => Trouble::Store(error),
        Interrupted::Refused(why) | Interrupted::Look { why, .. } | Interrupted::CannotKnow { why } => {
            failed(why)
        }
        Interrupted::Locked => failed("the ticket is closed".to_owned()),
        Interrupted::Unsupported(what) => failed(format!("the ticket system has no way of {what}")),
    })
}
