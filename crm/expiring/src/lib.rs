#![forbid(unsafe_code)]
//! Changes of the configuration that end by themselves: a trial that is taken back unless somebody confirms it, a wish
//! for two hours.
//!
//! The way back stands in the CIB itself, beside the change, as a [`mark`]: whoever coordinates when the time is over
//! finds it there, so neither the session nor the host that made the change need live that long. [`due`] tells when to
//! look, and what is to be done then. Constraints of moves and bans whose lifetime is over are removed as well, whoever
//! wrote them. Asking for the write, and at which time, is the daemon's.

pub mod due;
pub mod mark;

pub use due::{Due, Outcome};
pub use mark::{Kind, Mark, TooLarge};
