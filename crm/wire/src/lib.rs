#![forbid(unsafe_code)]
//! Messages between nodes and from tools: versioned, the only types that promise a format.
//!
//! Nodes multicast a [`Message`], cut into [`frame`]s that any engine carries; tools ask a daemon with a [`Request`]
//! and get a [`Reply`], a line of JSON each. [`write`] gives the CIB's own types a form without their knowing.

pub mod frame;
pub mod message;
pub mod order;
pub mod request;
pub mod write;

pub use message::{Hello, Message, Origin, State};
pub use order::{FenceOrder, OrderId, Resource, RunOrder};
pub use request::{Reply, Request, Status};

/// The protocol that this build speaks. A node that hears a higher one says so and leaves the message alone.
pub const PROTOCOL: u32 = 1;
