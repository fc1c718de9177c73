//! `bot.toml`: what is written there, what it means, and every problem with it at once.
