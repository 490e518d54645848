#![forbid(unsafe_code)]
//! Messages between nodes and from tools: versioned, the only types that promise a format.
//!
//! Nodes multicast a [`Message`], cut into [`frame`]s that any engine carries; tools ask a daemon with a [`Request`]
//! and get a [`Reply`], a line of JSON each. [`stonith`] is what both say of fencing. [`host`] is what hosts are asked from
//! afar, while there is no cluster yet. [`failover`] is what is remembered of each failover. [`write`] gives the CIB's own types a form without their knowing.

pub mod attribute;
pub mod failover;
pub mod frame;
pub mod host;
pub mod message;
pub mod order;
pub mod record;
pub mod request;
pub mod stonith;
pub mod write;

pub use attribute::{AttributeChange, AttributeState, AttributeValue, Dampening, Update};
pub use message::{Again, Chunk, Hello, Message, Origin, State, Taken};
pub use order::{FenceOrder, OrderId, Resource, RunOrder};
pub use record::{Happening, Record};
pub use request::{Kept, QueryWhat, Reply, Request, Status, WhichPlan, Why};

/// The newest protocol that this build speaks; it speaks all below as well, and members speak the newest that all of
/// them know. 2 brought attributes that are gathered, and writes of several attributes at once; 3 that what was cut by a
/// membership is said again, and that a disk which could not take the configuration is told to all; 4 records of what
/// happened.
///
/// A node that hears a higher one says so and leaves the message alone.
pub const PROTOCOL: u32 = 4;
/// The protocol in which members meet: whatever they speak later, a `Hello` must be read by all.
pub const FIRST_PROTOCOL: u32 = 1;
