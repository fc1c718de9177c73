//! Words in, words out: pure functions over text.

pub mod entities;
mod filters;
mod html_depth;
pub mod html_to_text;
pub mod language;
mod markup;
mod quote_marks;
pub mod quotes;
pub mod samples;
pub mod split;
pub mod subject;
pub mod templates;
