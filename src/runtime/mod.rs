//! A long-lived process: clock, tasks, back-off, limits, secrets; knows nothing of tickets.

pub mod backoff;
pub mod byte_stream;
pub mod clock;
pub mod http_client;
pub mod rate_limit;
pub mod secret;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub use backoff::Backoff;
pub use clock::{Clock, Timestamp};
pub use rate_limit::RateLimit;
pub use secret::Secret;
pub use shutdown::Shutdown;
pub use tasks::Tasks;
