//! An action as it is being planned: what it is, whether it is needed and possible, and what comes before it.

use std::borrow::Cow;
use std::sync::Arc;

use cib::{Element, Pairs};

use super::flags::{ActFlags, OrderFlags};
use super::node::NodeId;
use super::resource::{Role, RscId};

/// An action, as an index into [`Cluster::actions`](super::Cluster::actions).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActId(pub u32);

impl ActId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What follows from a failure; the order is that of severity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum OnFail {
    /// As if nothing had happened.
    #[default]
    Ignore,
    /// Demote, if promoted.
    Demote,
    /// Restart the resource.
    Restart,
    /// Fence the remote node whose connection failed, or restart the connection.
    ResetRemote,
    /// Restart what launched it.
    RestartContainer,
    /// Move away.
    Ban,
    /// Leave alone.
    Block,
    /// Stop and leave stopped.
    Stop,
    /// Take everything off the node.
    Standby,
    /// Fence the node.
    Fence,
}

/// What must hold before an action may be done for recovery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Requires {
    /// Nothing.
    #[default]
    Nothing,
    /// Quorum.
    Quorum,
    /// Fencing of what is unclean.
    Fencing,
}

/// One action in relation to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Related {
    /// The other action.
    pub action: ActId,
    /// How they depend.
    pub flags: OrderFlags,
    /// Whether the relation is in the transition already.
    pub graphed: bool,
}

/// What an action does. The usual words cost nothing to make and to copy, see [`task`].
pub type Task = Cow<'static, str>;

/// A task by its name.
pub fn task(name: &str) -> Task {
    const USUAL: [&str; 22] = [
        "start",
        "running",
        "stop",
        "stopped",
        "monitor",
        "promote",
        "promoted",
        "demote",
        "demoted",
        "notify",
        "notified",
        "migrate_to",
        "migrate_from",
        "cancel",
        "reload",
        "reload-agent",
        "stonith",
        "do_shutdown",
        "clear_failcount",
        "lrm_delete",
        "delete",
        "meta-data",
    ];
    match USUAL.iter().find(|usual| **usual == name) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(name.to_owned()),
    }
}

/// One planned action.
#[derive(Clone, Debug)]
pub struct Action {
    /// Number in the order of creation, from 1.
    pub number: u32,
    /// `priority` of its configuration, or of its kind.
    pub priority: i32,
    /// The resource it is about.
    pub resource: Option<RscId>,
    /// The node it runs on, or is about.
    pub node: Option<NodeId>,
    /// Its `<op>`, if configured.
    pub config: Option<Element>,
    /// `start`, `monitor`, `stonith`, …
    pub task: Task,
    /// `RESOURCE_TASK_INTERVAL`.
    pub key: String,
    /// For a cancellation, what is cancelled.
    pub cancel_task: Option<String>,
    /// Why it is needed, or why it cannot be done.
    pub reason: Option<String>,
    /// Facts.
    pub flags: ActFlags,
    /// What it needs.
    pub needs: Requires,
    /// What follows from its failure.
    pub on_fail: OnFail,
    /// Role after its failure.
    pub fail_role: Role,
    /// Meta attributes; actions of one operation share them.
    pub meta: Arc<Pairs>,
    /// Parameters of its own.
    pub extra: Pairs,
    /// Interval in milliseconds.
    pub interval_ms: u32,
    /// How many runnable instances come before it.
    pub runnable_before: u32,
    /// How many it needs.
    pub required_runnable_before: u32,
    /// What comes before, oldest relation first.
    pub before: Vec<Related>,
    /// What comes after, oldest relation first.
    pub after: Vec<Related>,
}

impl Action {
    /// The meta attributes, to be changed: from then on they are its own.
    pub fn meta_mut(&mut self) -> &mut Pairs {
        Arc::make_mut(&mut self.meta)
    }

    /// Whether all of `flags` are set.
    pub fn is(&self, flags: ActFlags) -> bool {
        self.flags.has(flags)
    }

    /// Whether it will be done.
    pub fn required(&self) -> bool {
        !self.is(ActFlags::OPTIONAL)
    }

    /// Whether it can be done.
    pub fn runnable(&self) -> bool {
        self.is(ActFlags::RUNNABLE)
    }
}
