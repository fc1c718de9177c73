//! The admin API over its socket.
