//! What each adapter has of its own: its two offices, and the cases that only its contract has.

pub(super) mod hostup;
pub(super) mod i3d;
pub(super) mod keliweb;
pub(super) mod paradarum;
pub(super) mod whmcs;
