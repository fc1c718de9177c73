//! Stand-ins over real protocols, for the demo and the tests; they share no wire type with the adapters.

pub mod desk;
pub mod faults;
pub mod post_office;
pub mod telegram;
