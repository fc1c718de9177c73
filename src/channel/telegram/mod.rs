//! Telegram: the Bot API in and out.
