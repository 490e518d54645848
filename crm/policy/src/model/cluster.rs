//! The whole cluster as one value: arenas of nodes, resources and actions, and what holds for all of them.

use cib::Pairs;

use super::action::{ActId, Action};
use super::node::{Node, NodeId, NodeKind};
use super::resource::{Resource, RscId};

/// What happens in a partition without quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NoQuorumPolicy {
    /// Stop everything.
    #[default]
    Stop,
    /// Go on.
    Ignore,
    /// Keep what runs, start nothing.
    Freeze,
    /// Demote what is promoted, else stop.
    Demote,
    /// Fence the members of this partition.
    Fence,
}

/// How nodes are chosen among equals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Placement {
    /// By the number of resources.
    #[default]
    Default,
    /// Capacity bounds, number of resources decides.
    Utilization,
    /// The roomiest node.
    Balanced,
    /// As few nodes as can be.
    Minimal,
}

/// The cluster's options, read once.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// All properties as written, under their current names.
    pub raw: Pairs,
    /// `symmetric-cluster`.
    pub symmetric: bool,
    /// `maintenance-mode`.
    pub maintenance: bool,
    /// `fencing-enabled`.
    pub fencing_enabled: bool,
    /// There is a fence device, or a watchdog.
    pub have_fencing: bool,
    /// Some resource provides or needs unfencing.
    pub unfencing: bool,
    /// `concurrent-fencing`.
    pub concurrent_fencing: bool,
    /// `stop-removed-resources`.
    pub stop_removed_resources: bool,
    /// `cancel-removed-actions`.
    pub cancel_removed_actions: bool,
    /// `stop-all-resources`.
    pub stop_all: bool,
    /// `start-failure-is-fatal`.
    pub start_failure_fatal: bool,
    /// `startup-fencing`.
    pub startup_fencing: bool,
    /// `shutdown-lock`.
    pub shutdown_lock: bool,
    /// `enable-startup-probes`.
    pub probes: bool,
    /// `fence-remote-without-quorum`.
    pub fence_remote_without_quorum: bool,
    /// `fencing-action`.
    pub fence_action: String,
    /// `fencing-timeout` in milliseconds.
    pub fencing_timeout_ms: u32,
    /// `priority-fencing-delay` in milliseconds.
    pub priority_fencing_delay_ms: u32,
    /// `shutdown-lock-limit` in milliseconds.
    pub shutdown_lock_ms: u32,
    /// `node-pending-timeout` in milliseconds.
    pub node_pending_ms: u32,
    /// `no-quorum-policy`.
    pub no_quorum_policy: NoQuorumPolicy,
    /// `placement-strategy`.
    pub placement: Placement,
}

/// An operation whose result was not as wanted, for displays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedOperation {
    /// Name of its resource in the history.
    pub resource: String,
    /// Where it failed.
    pub node: NodeId,
    /// `start`, `monitor`, …
    pub operation: String,
    /// Interval in milliseconds.
    pub interval_ms: u32,
    /// Exit status of the agent.
    pub rc: i32,
    /// It is a probe that failed because the agent cannot work there: the resource counts as stopped.
    pub masked_probe: bool,
}

/// Everything the plan knows.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Options.
    pub options: Options,
    /// Whether this partition has quorum.
    pub quorate: bool,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Nodes in the order of their names, numbers in them compared as numbers.
    pub nodes_by_name: Vec<NodeId>,
    /// All resources, members and instances included.
    pub resources: Vec<Resource>,
    /// Top-level resources, in the order they are dealt with.
    pub top: Vec<RscId>,
    /// All actions in the order of creation; empty until planned.
    pub actions: Vec<Action>,
    /// The coordinator.
    pub dc: Option<NodeId>,
    /// The time the plan is made for, in seconds since 1970.
    pub now: i64,
    /// Seconds since 1970 at which something changes by itself.
    pub recheck_by: Option<i64>,
    /// Resource instances in all.
    pub instances: u32,
    /// Instances that are disabled by their target role.
    pub disabled: u32,
    /// Instances that are left alone because of a failure.
    pub blocked: u32,
    /// Failed operations, in the order they were found.
    pub failed: Vec<FailedOperation>,
}

impl Cluster {
    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A resource.
    pub fn resource(&self, id: RscId) -> &Resource {
        &self.resources[id.index()]
    }

    /// An action.
    pub fn action(&self, id: ActId) -> &Action {
        &self.actions[id.index()]
    }

    /// The node of that name.
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name.eq_ignore_ascii_case(name)).map(|i| NodeId(i as u32))
    }

    /// The resource of that id; instances have their number in it.
    pub fn find_resource(&self, id: &str) -> Option<RscId> {
        self.resources.iter().position(|resource| resource.id == id).map(|i| RscId(i as u32))
    }

    /// Whether `node` is a remote or guest node.
    pub fn is_remote(&self, node: NodeId) -> bool {
        self.node(node).kind == NodeKind::Remote
    }

    /// Whether `node` lives in a resource of the cluster: a guest or the inside of a bundle.
    pub fn is_guest(&self, node: NodeId) -> bool {
        self.is_remote(node) && self.node(node).remote.is_some_and(|rsc| self.resource(rsc).launcher.is_some())
    }

    /// Whether `node` is a remote node that is no guest.
    pub fn is_remote_only(&self, node: NodeId) -> bool {
        self.is_remote(node) && !self.is_guest(node)
    }

    /// The topmost group, clone or (if asked for) bundle that `resource` is part of; itself if of none.
    pub fn top_of(&self, resource: RscId, include_bundle: bool) -> RscId {
        let mut at = resource;
        while let Some(parent) = self.resource(at).parent {
            if !include_bundle && self.resource(parent).is_bundle() {
                break;
            }
            at = parent;
        }
        at
    }

    /// The role the target-role meta attribute asks for, if it says anything of use.
    pub fn is_disabled(&self, resource: RscId) -> bool {
        use super::resource::Role;
        let rsc = self.resource(resource);
        let promotable = self.resource(self.top_of(resource, false)).is(super::flags::RscFlags::PROMOTABLE);
        match rsc.meta("target-role").and_then(Role::parse) {
            Some(Role::Stopped) => true,
            Some(Role::Unpromoted) => promotable,
            _ => false,
        }
    }

    /// Whether a node can take resources: online, clean, not leaving, not in standby.
    pub fn is_available(&self, node: NodeId) -> bool {
        self.node(node).is_available()
    }
}
