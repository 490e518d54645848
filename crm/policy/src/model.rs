//! The cluster as one value of flat arenas: nodes, resources and actions are indices. It holds facts and draws no
//! conclusions; the passes of the crate do.

pub mod action;
pub mod cluster;
pub mod flags;
pub mod node;
pub mod resource;
pub mod score;

pub use action::{ActId, Action, OnFail, Related, Requires, Task, task};
pub use cluster::{Cluster, FailedOperation, NoQuorumPolicy, Options, Placement};
pub use flags::{ActFlags, NodeFlags, OrderFlags, RscFlags};
pub use node::{Node, NodeId, NodeKind};
pub use resource::{BundleData, CloneData, MultiplyActive, Replica, Resource, Role, RscId, RscKind};
pub use score::{Entry, INFINITY, NodeTable, ProbeMode, add, readable};
