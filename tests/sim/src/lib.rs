#![forbid(unsafe_code)]
//! Whole clusters in one thread from one seed: the judge of everything.
//!
//! The nodes are the real machine, [`node::Node`] with controller, executor, fencer and replica in it, and plans are
//! made by the real policy. All else is made: time, network, disks, agents and power switches. What goes wrong is drawn
//! from the seed, and judges watch the true state from outside. A seed that breaks a rule is repeated with one command,
//! and becomes a script in `tests/scripts.rs` that stays.
//!
//! Read it in this order: [`run`] is one run from seed to verdict; [`scenario`] what the cluster looks like; [`faults`]
//! what goes wrong and [`strike`] how; [`script`] tells fixed scenarios as text; [`checkers`] the judges; [`world`] the clock and the queue; [`shell`] what a daemon does for its
//! machine; [`engine`], [`disk`], [`agents`], [`power`] and [`watchdog`] what it meets.

pub mod run;
pub mod scenario;
pub mod script;

pub mod changes;
pub mod faults;
pub mod operator;
pub mod strike;

pub mod checkers;
pub mod trace;

pub mod world;

pub mod host;
pub mod shell;

pub mod agents;
pub mod disk;
pub mod engine;
pub mod power;
pub mod random;
pub mod watchdog;

pub use run::{Verdict, run};
pub use trace::Keep;
