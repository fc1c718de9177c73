//! Words in, words out: pure functions over text.

mod html_depth;

pub mod entities;
pub mod html_to_text;
pub mod split;
