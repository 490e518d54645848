//! A node of the cluster as the plan sees it: state, attributes, what runs on it.

use cib::Pairs;

use super::flags::NodeFlags;
use super::resource::RscId;
use super::score::ProbeMode;

/// A node, as an index into [`Cluster::nodes`](super::Cluster::nodes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a node is part of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// A full member.
    Cluster,
    /// Reached over a connection resource: a remote or (if the connection is launched by another resource) a guest node.
    Remote,
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Id in the CIB; for remote nodes the name.
    pub id: String,
    /// Name.
    pub name: String,
    /// Member or remote.
    pub kind: NodeKind,
    /// Facts.
    pub flags: NodeFlags,
    /// Score the node begins with for every resource.
    pub score: i32,
    /// Whether resources that say nothing of the node are probed on it.
    pub probe: ProbeMode,
    /// Sum of the priorities of what runs here, for the delay of fencing.
    pub priority: i32,
    /// Node attributes, transient ones over permanent ones.
    pub attributes: Pairs,
    /// Capacity left.
    pub utilization: Pairs,
    /// Active primitives, in the order they were found.
    pub running: Vec<RscId>,
    /// Resources placed here.
    pub assigned: Vec<RscId>,
    /// How many resources are or will be here.
    pub resource_count: i32,
    /// The connection resource of a remote node.
    pub remote: Option<RscId>,
}

impl Node {
    /// Whether all of `flags` are set.
    pub fn is(&self, flags: NodeFlags) -> bool {
        self.flags.has(flags)
    }

    /// Whether it runs agents now.
    pub fn online(&self) -> bool {
        self.is(NodeFlags::ONLINE)
    }

    /// Whether it can take resources: online, clean, not leaving, not in standby.
    pub fn is_available(&self) -> bool {
        self.online()
            && !self.flags.any(NodeFlags::SHUTDOWN | NodeFlags::UNCLEAN | NodeFlags::STANDBY | NodeFlags::MAINTENANCE)
    }

    /// Whether it must be fenced.
    pub fn unclean(&self) -> bool {
        self.is(NodeFlags::UNCLEAN)
    }
}
