#![forbid(unsafe_code)]
//! Nodes in namespaces on one machine, faults, and witnesses that watch from outside.
//!
//! ```text
//!  keeper ─── the command; leaves its namespaces, waits, ends everything            sandbox
//!   └ stage ─ process 1 of the new ones: all that follows runs here                 demo
//!      ├ hub ─────── the embedded engine: systoled hub                              cluster
//!      ├ board node1 ── owns the node's namespaces                                  machine
//!      │  └ init ────── furnishes the node, becomes `systoled supervise`            machine
//!      ├ board node2 …
//!      ├ power switch ─ a socket for fence agents                                   power
//!      ├ watchdogs ──── reset nodes whose daemons do not feed them                  watchdogs
//!      ├ client ─────── asks the service every 5 ms, in a namespace of its own      client
//!      └ witness ────── sees who holds address and file system                      witness
//! ```
//!
//! A program that uses the lab calls [`machine::take_part`] first thing in `main`, as the parts above are that same
//! program started again, then [`sandbox::run`] to get a stage, and there [`demo::run`].

pub mod demo;
pub mod fault;
pub mod field;
pub mod idle;
pub mod receipt;
pub mod trials;
pub mod writes;

pub mod adapt;
pub mod bare;
pub mod bare_steps;
pub mod scene;

pub mod client;
pub mod cluster;
pub mod control;
pub mod holdings;
pub mod ledger;
pub mod log;
pub mod machine;
pub mod node;
pub mod power;
pub mod recorder;
pub mod ring;
pub mod services;
pub mod story;
pub mod watchdogs;
pub mod witness;

pub mod clock;
pub mod disk;
pub mod netlink;
pub mod network;
pub mod nfs;
pub mod sandbox;
pub mod wait;
