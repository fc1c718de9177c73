//! What an operator may set for a ticket API of any kind.

use std::time::Duration;

use url::Url;

use crate::model::ids::ApiName;
use crate::runtime::Secret;

/// The part of the settings that all adapters share; what else each needs stands in `config` by its name.
#[derive(Clone, Debug)]
pub struct Common {
    pub name: ApiName,
    /// Paths are appended to it.
    pub base_url: Url,
    /// For accounts without a key of their own.
    pub key: Option<Secret>,
    pub call_timeout: Duration,
    /// For an upload or a download as a whole.
    pub transfer_timeout: Duration,
    /// Zero: no limit.
    pub max_calls_per_second: f64,
    pub connections: u32,
    pub desk_mails_customers: bool,
    /// A look through more pages than this fails, as half a look is none.
    pub max_pages: u32,
    /// Staff's files may be larger than customers': Telegram takes 50 MB.
    pub max_download_bytes: u64,
}

/// Why an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("auth_header is no name of an HTTP header: {0:?}")]
    AuthHeader(String),
    #[error("the settings are those of another profile of WHMCS")]
    Profile,
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

impl Common {
    pub fn new(name: ApiName, base_url: Url) -> Self {
        Self {
            name,
            base_url,
            key: None,
            call_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(300),
            max_calls_per_second: 5.0,
            connections: 8,
            desk_mails_customers: true,
            max_pages: 1_000,
            max_download_bytes: 50_000_000,
        }
    }
}
