#![forbid(unsafe_code)]
//! One node as one machine: controller, executor, fencer and the replica of the CIB, wired together.
//!
//! The daemon gives it the world, the simulator gives it a made one; both run this same code. What happens comes in as
//! an [`Event`], what is to be done goes out as a [`Command`]; between them there is no I/O, no clock and no chance.
//!
//! [`machine`] is the wiring, and the place to begin; [`replica`] keeps the CIB the same everywhere; [`orders`] turns
//! orders into operations and their outcomes into history; [`fencing`] does the same for fencing; [`clients`] answers
//! those who asked for something.

pub mod clients;
pub mod fencing;
pub mod machine;
pub mod orders;
pub mod replica;

pub use clients::ClientId;
pub use machine::{Command, Event, Node, Now, Process, Program, Settings};
