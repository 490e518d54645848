#![forbid(unsafe_code)]
//! Nodes in namespaces on one machine, faults, and witnesses that watch from outside.
pub mod clock;
pub mod netlink;
