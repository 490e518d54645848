//! Corosync as an operator wants to see it: ring, quorum and its reasons, votes, and the links to each node.

use std::fmt;

use engine::NodeId;

use crate::cfg::{Cfg, Link};
use crate::cmap::{Cmap, Map};
use crate::cpg::Cpg;
use crate::error::{Error, Result};
use crate::quorum::{NodeVotes, Quorum, Votequorum};

/// What Corosync says at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The cluster's name, if it has one.
    pub cluster: Option<String>,
    /// The transport, such as `knet`.
    pub transport: Option<String>,
    /// This node.
    pub me: NodeId,
    /// Whether the ring has quorum.
    pub quorate: bool,
    /// What votequorum says of this node, and through it of the cluster; none when it does not provide quorum.
    pub votes: Option<NodeVotes>,
    /// All nodes of `corosync.conf`.
    pub nodes: Vec<NodeStatus>,
}

/// What Corosync says of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Its number.
    pub id: NodeId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it is in the ring; none where votequorum does not say.
    pub member: Option<bool>,
    /// Its votes, where votequorum says.
    pub votes: Option<u32>,
    /// Whether any link leads there; none where Corosync does not say.
    pub reachable: Option<bool>,
    /// The links to it.
    pub links: Vec<Link>,
}

impl Status {
    /// Asks Corosync. Takes a millisecond; makes connections of its own.
    ///
    /// # Errors
    /// When the libraries are not there, or Corosync does not answer.
    pub fn read() -> Result<Status> {
        let map = Cmap::connect(Map::Configuration)?;
        let me = Cpg::connect()?.local()?;
        let quorate = Quorum::connect()?.is_quorate()?;
        let votequorum = optional(Votequorum::connect())?;
        let cfg = Cfg::connect()?;
        let votes = match &votequorum {
            Some(votequorum) => optional(votequorum.node(me))?,
            None => None,
        };
        let mut nodes = Vec::new();
        for node in map.nodes()? {
            let known = votequorum.as_ref().and_then(|votequorum| votequorum.node(node.id).ok());
            let reach = optional(cfg.node(node.id))?;
            nodes.push(NodeStatus {
                id: node.id,
                name: node.name,
                member: votequorum.as_ref().map(|_| known.as_ref().is_some_and(|node| node.member)),
                votes: known.map(|node| node.votes),
                reachable: reach.as_ref().map(|reach| reach.reachable),
                links: reach.map_or_else(Vec::new, |reach| reach.links),
            });
        }
        let transport = map.text("totem.transport")?;
        Ok(Status { cluster: map.cluster_name()?, transport, me, quorate, votes, nodes })
    }
}

/// What Corosync refuses to say is left out; a connection that fails is an error.
fn optional<T>(answer: Result<T>) -> Result<Option<T>> {
    /// The numbers for a connection that is of no use.
    const BROKEN: [u32; 3] = [2, 9, 11];
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Call { code, .. }) if !BROKEN.contains(&code) => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.cluster.as_deref().unwrap_or("(no name)");
        let transport = self.transport.as_deref().unwrap_or("knet");
        writeln!(
            f,
            "cluster {cluster}, transport {transport}, {}",
            if self.quorate { "quorate" } else { "no quorum" }
        )?;
        if let Some(votes) = &self.votes {
            let NodeVotes { total, expected, quorum, flags, .. } = votes;
            writeln!(f, "votes {total} of {expected}, {quorum} make a quorum ({flags})")?;
            if flags.has_device() {
                writeln!(f, "quorum device {} with {} votes", votes.device, votes.device_votes)?;
            }
        }
        for node in &self.nodes {
            let name = node.name.clone().unwrap_or_else(|| format!("node{}", node.id));
            let here = if node.id == self.me { " (this node)" } else { "" };
            let member = match node.member {
                Some(true) => "in the ring",
                Some(false) => "not in the ring",
                None => "ring unknown",
            };
            writeln!(f, "node {} {name}{here}: {member}", node.id)?;
            for link in node.links.iter().filter(|_| node.id != self.me) {
                let state = if link.connected { "connected" } else { "disconnected" };
                writeln!(f, "  link {} {} -> {}: {state}", link.number, link.source, link.destination)?;
            }
        }
        Ok(())
    }
}
