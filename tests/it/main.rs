//! The integration tests: one binary, one module per journey.
#![cfg(test)] // Already so; it tells clippy that helpers here are tests, too.

mod damage;
mod staff_watch;
mod ticket_api;
mod tidy;
