//! A resource as the plan sees it: primitive, group, clone or bundle, its configuration, where it is and where it goes.

use cib::{Element, Pairs};

use super::action::ActId;
use super::flags::RscFlags;
use super::node::NodeId;
use super::score::NodeTable;

/// A resource, as an index into [`Cluster::resources`](super::Cluster::resources).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RscId(pub u32);

impl RscId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a resource does at a time; the order matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Role {
    /// Not known, or not said.
    #[default]
    Unknown,
    /// Not running.
    Stopped,
    /// Running.
    Started,
    /// Running in the lower role of a promotable clone.
    Unpromoted,
    /// Running in the higher role.
    Promoted,
}

impl Role {
    /// The name operators know.
    pub fn text(self) -> &'static str {
        match self {
            Role::Unknown => "Unknown",
            Role::Stopped => "Stopped",
            Role::Started => "Started",
            Role::Unpromoted => "Unpromoted",
            Role::Promoted => "Promoted",
        }
    }

    /// Reads a role; `Master` and `Slave` are the old names.
    pub fn parse(text: &str) -> Option<Role> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match () {
            () if is("Unknown") => Some(Role::Unknown),
            () if is("Stopped") => Some(Role::Stopped),
            () if is("Started") => Some(Role::Started),
            () if is("Unpromoted") || is("Slave") => Some(Role::Unpromoted),
            () if is("Promoted") || is("Master") => Some(Role::Promoted),
            () => None,
        }
    }
}

/// What a clone is.
#[derive(Clone, Debug, Default)]
pub struct CloneData {
    /// `clone-max`, or the number of nodes.
    pub max: u32,
    /// `clone-node-max`.
    pub node_max: u32,
    /// `promoted-max`.
    pub promoted_max: u32,
    /// `promoted-node-max`.
    pub promoted_node_max: u32,
    /// Instances start one after the other.
    pub ordered: bool,
    /// Orders and colocations between clones hold node by node.
    pub interleave: bool,
    /// `clone-min`: how many must run for what is ordered after.
    pub min: u32,
    /// Element of the cloned resource.
    pub child: Option<Element>,
    /// Its id.
    pub child_id: String,
    /// Instances made so far, to number the next.
    pub instances: u32,
    /// Promoted instances known or chosen.
    pub promoted: u32,
    /// Whether instances were already sorted for promotion.
    pub promotion_constrained: bool,
    /// Whether promotion scores were already added.
    pub added_promoted_constraints: bool,
    /// Pseudo actions for notifications.
    pub start_notify: Option<u32>,
}

/// What kind of resource it is.
#[derive(Clone, Debug)]
pub enum RscKind {
    /// One agent.
    Primitive,
    /// Members that run together, one after the other.
    Group {
        /// Members start one after the other.
        ordered: bool,
        /// Members run on the same node.
        colocated: bool,
    },
    /// Several instances of one resource.
    Clone(Box<CloneData>),
    /// Containers with one resource in each.
    Bundle(Box<BundleData>),
}

/// What a bundle is.
#[derive(Clone, Debug, Default)]
pub struct BundleData {
    /// Image of the containers.
    pub image: String,
    /// How many containers one node may have.
    pub per_host: u32,
    /// The clone of what runs inside, if anything does.
    pub bundled: Option<RscId>,
    /// The containers and what comes with each.
    pub replicas: Vec<Replica>,
}

/// One container of a bundle.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Number, from 0.
    pub offset: u32,
    /// Address of its own, if it has one.
    pub address: Option<String>,
    /// The container.
    pub container: RscId,
    /// The resource of its address.
    pub ip: Option<RscId>,
    /// The connection into it.
    pub connection: Option<RscId>,
    /// What runs inside.
    pub child: Option<RscId>,
    /// The node the container is, to what runs inside.
    pub node: Option<NodeId>,
}

/// What to do when a resource is active on several nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultiplyActive {
    /// Stop everywhere, start where it belongs.
    #[default]
    Restart,
    /// Stop everywhere and leave stopped.
    Stop,
    /// Leave alone.
    Block,
    /// Stop where it does not belong.
    Unexpected,
}

/// One resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Id, with the instance number for clone instances.
    pub id: String,
    /// Id without instance number: that of the configuration.
    pub xml_id: String,
    /// The name its history has when it is not `id`.
    pub history_id: Option<String>,
    /// Primitive, group, clone or bundle.
    pub kind: RscKind,
    /// Agent standard, provider and name, for primitives.
    pub class: String,
    /// Provider, for `ocf`.
    pub provider: Option<String>,
    /// Agent name.
    pub agent: String,
    /// `description`, for displays.
    pub description: Option<String>,
    /// Its (template-expanded) configuration.
    pub xml: Element,
    /// Its `<operations>`, references resolved.
    pub operations: Option<Element>,
    /// Facts.
    pub flags: RscFlags,
    /// Meta attributes, defaults applied.
    pub meta: Pairs,
    /// What it needs of a node's capacity.
    pub utilization: Pairs,
    /// `priority`.
    pub priority: i32,
    /// Score for promotion on its node.
    pub promotion_priority: i32,
    /// `resource-stickiness`.
    pub stickiness: i32,
    /// `migration-threshold`.
    pub migration_threshold: i32,
    /// `failure-timeout` in milliseconds; 0 is never.
    pub failure_timeout_ms: u32,
    /// `reconnect_interval` of a remote connection in milliseconds.
    pub reconnect_ms: u32,
    /// What to do when active on several nodes.
    pub multiply_active: MultiplyActive,
    /// Role now.
    pub role: Role,
    /// Role at the end of the transition.
    pub next_role: Role,
    /// Nodes where it is (or may be) active, in the order they were found.
    pub active: Vec<NodeId>,
    /// Where it will be.
    pub assigned: Option<NodeId>,
    /// The score of that node when it was chosen.
    pub assigned_score: i32,
    /// Nodes it may run on, with scores.
    pub allowed: NodeTable,
    /// Nodes where its state is known.
    pub probed: Vec<NodeId>,
    /// A migration under way: from.
    pub migration_source: Option<NodeId>,
    /// A migration under way: to.
    pub migration_target: Option<NodeId>,
    /// Nodes where a migration left a copy that must be stopped.
    pub dangling_sources: Vec<NodeId>,
    /// Operation under way, if its history says so.
    pub pending_action: Option<String>,
    /// Node of that operation.
    pub pending_node: Option<NodeId>,
    /// Node it waits for after a clean shutdown.
    pub lock_node: Option<NodeId>,
    /// When that shutdown was.
    pub lock_time: i64,
    /// Group, clone or bundle it is part of.
    pub parent: Option<RscId>,
    /// Members or instances.
    pub children: Vec<RscId>,
    /// Resource that launches this one.
    pub launcher: Option<RscId>,
    /// Resources launched by this one.
    pub launched: Vec<RscId>,
    /// Actions planned, oldest first.
    pub actions: Vec<ActId>,
    /// Indices of colocations with this as dependent.
    pub this_with: Vec<u32>,
    /// Indices of colocations with this as primary.
    pub with_this: Vec<u32>,
    /// Indices of location constraints that apply.
    pub locations: Vec<u32>,
    /// Indices of ticket dependencies.
    pub tickets: Vec<u32>,
}

impl Resource {
    /// Whether all of `flags` are set.
    pub fn is(&self, flags: RscFlags) -> bool {
        self.flags.has(flags)
    }

    /// Whether it is a primitive.
    pub fn is_primitive(&self) -> bool {
        matches!(self.kind, RscKind::Primitive)
    }

    /// Whether it is a group.
    pub fn is_group(&self) -> bool {
        matches!(self.kind, RscKind::Group { .. })
    }

    /// Whether it is a clone.
    pub fn is_clone(&self) -> bool {
        matches!(self.kind, RscKind::Clone(_))
    }

    /// Whether it is a bundle.
    pub fn is_bundle(&self) -> bool {
        matches!(self.kind, RscKind::Bundle(_))
    }

    /// Whether it is an anonymous clone.
    pub fn is_anonymous_clone(&self) -> bool {
        self.is_clone() && !self.is(RscFlags::UNIQUE)
    }

    /// What it is as a bundle.
    pub fn bundle_data(&self) -> Option<&BundleData> {
        match &self.kind {
            RscKind::Bundle(data) => Some(data),
            _ => None,
        }
    }

    /// What it is as a clone.
    pub fn clone_data(&self) -> Option<&CloneData> {
        match &self.kind {
            RscKind::Clone(data) => Some(data),
            _ => None,
        }
    }

    /// A meta attribute.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.get(name)
    }
}
