#![forbid(unsafe_code)]
//! One node as one machine: controller, executor, fencer and the replica of the CIB, wired together.
//!
//! The daemon gives it the world, the simulator gives it a made one; both run this same code. What happens comes in as
//! an [`Event`], what is to be done goes out as a [`Command`]; between them there is no I/O, no clock and no chance.
//!
//! [`event`] is all that it sees and does, and the place to begin; [`machine`] is the wiring; `voice` is what is said and
//! heard, `members` who is here, `meeting` how they come to hold the same CIB, `written` what a write means; [`replica`] keeps
//! the CIB the same everywhere, and [`transfer`] brings it to who joins; [`orders`] turns orders into operations and their outcomes
//! into history; [`cut_off`] does the same for fencing, with [`fencing`], [`fence_history`] and [`watchdog`]; `disk` is
//! what of the configuration is safe; [`asked`] is what tools may ask, [`clients`] who waits for an answer; [`tell`] is
//! what the operator reads, `alerting` what agents for alerts are called for, and [`failovers`] the receipt of each failover.
//! [`attributes`] gathers attributes of nodes before they stand in the CIB; [`versions`] is how members of an older build are
//! spoken to; [`remote`] keeps what needs a connection that nobody makes out of plans.

pub mod attributes;
pub mod event;
pub mod evidence;
pub mod machine;
mod meeting;
mod members;
pub mod replica;
mod speech;
pub mod transfer;
pub mod versions;
mod voice;
mod written;

mod allowed;
pub mod cut_off;
mod disk;
mod executed;
pub mod fence_history;
pub mod fencing;
mod metadata;
pub mod orders;
pub mod watchdog;

mod alerting;
pub mod asked;
pub mod clients;
pub mod failovers;
mod query;
pub mod remote;
pub mod tell;

pub use clients::ClientId;
pub use disk::history;
pub use event::{Command, Event, FencingSettings, Now, Process, Program, Settings};
pub use machine::Node;
pub use query::look;
