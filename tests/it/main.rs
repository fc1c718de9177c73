//! The integration tests: one binary, one module per journey.
#![cfg(test)] // Already so; it tells clippy that helpers here are tests, too.

mod apart;
mod backfill;
mod bad_input;
mod check;
mod crash;
mod damage;
mod demo;
mod dovecot;
mod email;
mod hooks;
mod mail_journey;
mod new_tickets;
mod postfix;
mod staff_watch;
mod ticket_api;
mod tidy;
