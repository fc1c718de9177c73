//! The port to a ticket system.
