//! The port to the places where customers write.

pub mod email;
pub mod telegram;
