//! `[http]`: where machines and the admins' tools knock.

use std::net::SocketAddr;

use super::file::Table;
use crate::runtime::Secret;

#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    /// The bearer token of the admin API over TCP; without it that API is on the unix socket only.
    pub admin_token: Option<Secret>,
    /// Signs the hints of ticket systems without an own one; see [`TicketApi`](super::TicketApi::hook_secret).
    pub hook_secret: Option<Secret>,
}

pub(super) fn read(table: &Table<'_>) -> Option<Http> {
    let listen = table.required("listen", "an address and a port such as \"127.0.0.1:8787\"");
    let admin_token = table.get("admin_token");
    let hook_secret = table.get("hook_secret");
    table.finish();
    Some(Http { listen: listen?, admin_token, hook_secret })
}
