//! Mailboxes from the configuration.
