//! Words in, words out: pure functions over text.

mod html_depth;
mod quote_marks;

pub mod entities;
pub mod html_to_text;
pub mod language;
pub mod quotes;
pub mod split;
pub mod subject;
