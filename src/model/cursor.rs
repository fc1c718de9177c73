//! How far a source has been read.

/// In the source's own words; opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);
