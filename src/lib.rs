//! Links the places that customers write from to a company's support tickets.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod model;

pub mod text;

pub mod runtime;

pub mod config;

pub mod spool;

pub mod store;

pub mod channel;

pub mod ticket_api;

pub mod bridge;

pub mod http;

pub mod sandbox;

pub mod app;

pub mod cli;
