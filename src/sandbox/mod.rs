//! Stand-ins over real protocols, for the demo and the tests; they share no wire type with the adapters.

pub mod bridge_process;
pub mod desk;
pub mod faults;
pub mod post_office;
mod private_file;
pub mod scene;
pub mod script;
pub mod telegram;
pub mod town;
