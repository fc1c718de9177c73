//! Text with formatting as Telegram wants it: plain text beside entities, so that nothing needs escaping.
//!
//! Offsets and lengths are UTF-16 code units (core.telegram.org/bots/api#messageentity).

use serde::{Deserialize, Serialize};

/// What an entity does to its range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntityKind {
    Bold,
    Italic,
    Underline,
    Strikethrough,
    Spoiler,
    Code,
    /// A block of code, with its language if known.
    Pre(Option<String>),
    Blockquote,
    /// A text that leads to this URL.
    Link(String),
}

/// A range of a text and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    pub kind: EntityKind,
    pub offset_utf16: usize,
    pub len_utf16: usize,
}

impl Entity {
    pub fn end_utf16(&self) -> usize {
        self.offset_utf16.saturating_add(self.len_utf16)
    }
}

/// A text and its entities; what is sent to Telegram, without a parse_mode.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Formatted {
    pub text: String,
    pub entities: Vec<Entity>,
}

impl Formatted {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), entities: Vec::new() }
    }

    /// Length in UTF-16 code units, the measure of Telegram's limits.
    pub fn len_utf16(&self) -> usize {
        len_utf16(&self.text)
    }

    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    #[must_use]
    pub fn bold(self, text: &str) -> Self {
        self.with(EntityKind::Bold, text)
    }

    #[must_use]
    pub fn code(self, text: &str) -> Self {
        self.with(EntityKind::Code, text)
    }

    #[must_use]
    pub fn blockquote(self, text: &str) -> Self {
        self.with(EntityKind::Blockquote, text)
    }

    #[must_use]
    pub fn link(self, text: &str, url: &str) -> Self {
        self.with(EntityKind::Link(url.to_owned()), text)
    }

    /// Adds another formatted text at the end.
    #[must_use]
    pub fn append(mut self, other: Formatted) -> Self {
        let shift = self.len_utf16();
        self.text.push_str(&other.text);
        let moved = other.entities.into_iter().map(|e| Entity { offset_utf16: e.offset_utf16 + shift, ..e });
        self.entities.extend(moved);
        self
    }

    fn with(mut self, kind: EntityKind, text: &str) -> Self {
        let len_utf16 = len_utf16(text);
        if len_utf16 > 0 {
            let offset_utf16 = self.len_utf16();
            self.entities.push(Entity { kind, offset_utf16, len_utf16 });
        }
        self.text(text)
    }
}

/// Length of a text in UTF-16 code units.
pub fn len_utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
