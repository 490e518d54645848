#![forbid(unsafe_code)]
//! An engine for nodes on one machine: membership, quorum by votes and totally ordered messages over a Unix socket.
//!
//! One process, the *hub*, puts everything in order; each node's daemon connects to it as a client. The order in which
//! the hub takes things is the order for all, which is why this engine is small — and why it is for one machine only:
//! whoever holds the hub holds the cluster. For nodes on several machines there is Corosync.
//!
//! ```text
//!   daemon ── Client ──┐                        ┌── control: partition, heal, status, stop
//!   daemon ── Client ──┤   serve ── Hub (pure)  │
//!   pid 1 ── Presence ─┴────────┬───────────────┘
//! ```
//!
//! * A **member** connection is a daemon. A **presence** connection is held by the node's pid 1. A *host* is up as long
//!   as any of the two is there; a daemon that dies leaves a host without a member, as with Corosync and Pacemaker.
//! * A **partition** cuts the nodes into sides. Each side has its own membership, quorum and order of messages. Members
//!   keep their `since` across partitions, so that after healing the eldest is who it was before.
//! * **Detection**: a closed socket at once, a daemon that hangs after the token time.
//!
//! Read in this order: [`Identity`] and [`SocketPath`] (who, where), [`Request`] (what an operator may ask), [`frame`]
//! (bytes), [`Hub`] (all decisions), then the shells: [`run_hub`], [`Client`], [`Presence`].

mod identity;
mod socket;

mod control;
pub mod frame;
mod votes;

mod config;
mod hub;

mod listen;
mod serve;

mod client;

mod blocking;
mod presence;

pub use blocking::GreetError;
pub use client::Client;
pub use config::{BadConfig, Config};
pub use control::{ControlError, NodeStatus, Reply, Request, RequestError, Status, control};
pub use hub::{ClientId, Command, Event, Hub, MAX_NODES};
pub use identity::{BadIdentity, Identity};
pub use listen::{ListenError, Listening, listen};
pub use presence::{Presence, PresenceError, presence};
pub use serve::{HubError, run_hub, serve};
pub use socket::{BadSocket, SocketPath};
