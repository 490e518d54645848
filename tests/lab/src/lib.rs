#![forbid(unsafe_code)]
//! Nodes in namespaces on one machine, faults, and witnesses that watch from outside.
pub mod adapt;
pub mod clock;
pub mod disk;
pub mod holdings;
pub mod log;
pub mod machine;
pub mod netlink;
pub mod network;
pub mod node;
pub mod sandbox;
pub mod scene;
pub mod story;
pub mod witness;
