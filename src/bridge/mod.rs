//! The centre: what becomes of a message; speaks only the words of the model.
//!
//! A message walks through the files in this order: `intake` journals it (with
//! `threading`), `lanes` claims its lane, `gather` joins what belongs together,
//! `filing` turns it into `steps` at the ticket API (with `reconcile` where an
//! outcome is unknown), and `outcome` settles what becomes of the job. Back:
//! `staff_watch` finds staff messages, `delivery` sends them.

pub mod address_book;
pub mod admin;
pub mod alerts;
pub mod answered;
pub mod bounced;
pub mod buttons;
pub mod chat_parts;
pub mod circuit;
pub mod closing;
pub mod commands;
pub mod context;
pub mod control;
pub mod damaged;
pub mod deliver_chat;
pub mod deliver_mail;
pub mod delivery;
pub mod digest;
pub mod files_ahead;
pub mod files_kept;
pub mod files_message;
pub mod filing;
pub mod gather;
pub mod held;
pub mod hints;
pub mod intake;
pub mod interruption;
pub mod keys;
pub mod lanes;
pub mod late;
pub mod letters;
pub mod linking;
pub mod loop_guard;
pub mod membership;
pub mod new_ticket;
pub mod notes;
mod observed;
pub mod outcome;
pub mod provenance;
pub mod question;
pub mod receipts;
pub mod recipients;
pub mod reconcile;
pub mod reopening;
pub mod sending;
mod shares;
pub mod sources;
pub mod staff_files;
pub mod staff_watch;
pub mod steps;
pub mod thread_chat;
pub mod thread_mail;
pub mod threading;
pub mod ticket_list;
pub mod trouble;
pub mod turn;
pub mod undelivered;
pub mod uploads;

#[cfg(test)]
mod files_tests;
#[cfg(test)]
pub(crate) mod town_tests;
