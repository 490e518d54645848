//! Finding Corosync: is it installed, does it run, and who are we in it? Says precisely what is missing.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Host, NodeId};

use crate::cmap::{Cmap, Map, Node};
use crate::cpg::Cpg;
use crate::error::Error;
use crate::library;
use crate::quorum::Quorum;

/// What a node must know of Corosync before it can begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// This node, as `corosync.conf` has it.
    pub me: Host,
    /// The cluster's name, if `corosync.conf` gives one.
    pub cluster: Option<String>,
    /// All nodes of `corosync.conf`.
    pub nodes: Vec<Node>,
}

/// Why Corosync is of no use as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotFound {
    /// It is not installed.
    #[error(transparent)]
    NotInstalled(Error),
    /// It does not answer.
    #[error(
        "corosync does not answer ({0}): start it (systemctl start corosync), and see why it ended (journalctl -u corosync)"
    )]
    NotRunning(Error),
    /// It runs, and stopped answering while we asked.
    #[error("asking corosync who this node is")]
    Asking(#[from] Error),
    /// Its configuration cannot be worked with.
    #[error("{0}")]
    Configuration(String),
}

/// Looks for Corosync on this machine.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn find() -> Result<Found, NotFound> {
    library::check().map_err(NotFound::NotInstalled)?;
    let map = Cmap::connect(Map::Configuration).map_err(NotFound::NotRunning)?;
    let me = Cpg::connect().map_err(NotFound::NotRunning)?.local()?;
    if !Quorum::connect()?.is_provided() {
        return Err(NotFound::Configuration(
            "corosync.conf has no provider of quorum, so nobody would ever know whether a node may act: add \
             `quorum { provider: corosync_votequorum }` on all nodes and restart corosync"
                .into(),
        ));
    }
    let nodes = map.nodes()?;
    check_names(&nodes).map_err(NotFound::Configuration)?;
    let named = nodes.iter().find(|node| node.id == me).and_then(|node| node.name.clone());
    let name = match named {
        Some(name) => name,
        // A file without names: each node is called what its host is called, as Pacemaker does it.
        None => {
            nix::unistd::gethostname().map_or_else(|_| format!("node{me}"), |name| name.to_string_lossy().into_owned())
        }
    };
    let is_word =
        !name.is_empty() && name.len() <= 255 && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if !is_word {
        return Err(NotFound::Configuration(format!(
            "{name:?} cannot be a node's name: give node {me} a `name` without blanks in corosync.conf's nodelist"
        )));
    }
    Ok(Found { me: Host { id: me, name }, cluster: map.cluster_name()?, nodes })
}

/// The names of nodes, for those that have one.
pub(crate) fn names(nodes: &[Node]) -> BTreeMap<NodeId, String> {
    nodes.iter().filter_map(|node| Some((node.id, node.name.clone()?))).collect()
}

fn check_names(nodes: &[Node]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in nodes.iter().filter_map(|node| node.name.as_deref()) {
        if !seen.insert(name) {
            let ids: Vec<String> = nodes
                .iter()
                .filter(|node| node.name.as_deref() == Some(name))
                .map(|node| node.id.to_string())
                .collect();
            return Err(format!(
                "corosync.conf calls nodes {} all {name}: give each its own name on all nodes, then `corosync-cfgtool -R`",
                ids.join(" and ")
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_of_one_name_are_refused_with_their_numbers() {
        let node = |id, name: &str| Node { id: NodeId(id), name: Some(name.into()), addresses: BTreeMap::new() };
        assert_eq!(check_names(&[node(1, "a"), node(2, "b")]), Ok(()));
        let error = check_names(&[node(1, "a"), node(2, "b"), node(3, "a")]).expect_err("one name twice");
        assert!(error.contains("nodes 1 and 3 all a"), "{error}");
    }
}
