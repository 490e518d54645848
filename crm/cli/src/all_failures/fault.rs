//! What can fail: a node, a resource on a node, a fence device. Writing a failure into a CIB as a cluster would see it
//! is done here; what follows from it is the policy's.

use std::collections::BTreeSet;
use std::fmt;

use cib::{Document, Element};
use policy::Cluster;
use policy::model::{NodeId, NodeKind, RscFlags, RscId};

use super::fencing::Fencing;
use crate::cluster::View;
use crate::output::list::List;
use crate::tools::crm_simulate::options::Operation;
use crate::tools::crm_simulate::{history, inject};

/// The exit status of an agent that found its resource broken: `OCF_ERR_GENERIC`.
const BROKEN: i32 = 1;

/// One thing that fails.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// A node is gone, without a word.
    Node(String),
    /// A monitor finds the resource broken.
    Resource {
        /// Its name in the history.
        name: String,
        /// As operators know it.
        shown: String,
        /// Where it runs.
        node: String,
        /// The interval of the monitor that finds it; none if no monitor would.
        interval_ms: Option<u32>,
    },
    /// A fence device neither runs anywhere nor fences anyone.
    Device(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Node(name) => write!(f, "node {name}"),
            Fault::Resource { shown, node, .. } => write!(f, "{shown} on {node}"),
            Fault::Device(id) => write!(f, "fence device {id}"),
        }
    }
}

/// Everything that can fail in a cluster: nodes, then what runs, then fence devices.
pub fn all(view: &View, cluster: &Cluster, fencing: &Fencing) -> Vec<Fault> {
    let mut faults = Vec::new();
    for id in &cluster.nodes_by_name {
        let node = cluster.node(*id);
        if node.kind == NodeKind::Cluster && node.online() {
            faults.push(Fault::Node(node.name.clone()));
        }
    }
    for (index, resource) in cluster.resources.iter().enumerate() {
        if !resource.is_primitive() || resource.is(RscFlags::FENCE_DEVICE) || resource.is(RscFlags::REMOVED) {
            continue;
        }
        for node in resource.active.iter().filter(|node| is_up(cluster, **node)) {
            faults.push(resource_fault(view, cluster, RscId(index as u32), *node));
        }
    }
    faults.extend(fencing.devices().map(|device| Fault::Device(device.to_owned())));
    faults
}

/// Whether what is said to run on a node does.
pub fn is_up(cluster: &Cluster, node: NodeId) -> bool {
    let node = cluster.node(node);
    node.online() && !node.unclean()
}

fn resource_fault(view: &View, cluster: &Cluster, id: RscId, node: NodeId) -> Fault {
    let resource = cluster.resource(id);
    let name = resource.history_id.clone().unwrap_or_else(|| resource.id.clone());
    let node = cluster.node(node).name.clone();
    let interval_ms = monitor_interval(&view.document, &name, &resource.id, &node);
    let shown = if resource.is(RscFlags::UNIQUE) { resource.id.clone() } else { resource.xml_id.clone() };
    Fault::Resource { name, shown, node, interval_ms }
}

/// The interval of the most frequent monitor under way.
fn monitor_interval(document: &Document, name: &str, id: &str, node: &str) -> Option<u32> {
    let status = document.descend(&["status"])?;
    let state =
        document.children_named(status, "node_state").find(|s| document.attribute(*s, "uname") == Some(node))?;
    let list = document.child(document.child(state, "lrm")?, "lrm_resources")?;
    let found = |wanted: &str| document.children(list).find(|entry| document.id(*entry) == wanted);
    let entries = document.children(found(id).or_else(|| found(name))?);
    let number = |entry: Element, name: &str| document.attribute(entry, name)?.parse::<u32>().ok();
    // What finds that something runs where it should not is no watch over what runs: OCF, 7 is "not running".
    let watches = |entry: &Element| {
        document.attribute(*entry, "operation") == Some("monitor") && number(*entry, "rc-code") != Some(7)
    };
    entries.filter(watches).filter_map(|entry| number(entry, "interval")).filter(|interval| *interval > 0).min()
}

/// Writes failures that happen in the same moment into a copy of a cluster.
pub fn strike(before: &View, cluster: &Cluster, faults: &[&Fault]) -> View {
    let mut view = before.clone();
    let cib = &mut view.document;
    let lost: BTreeSet<&str> = faults.iter().filter_map(|fault| fault.node()).collect();
    for fault in faults {
        match fault {
            Fault::Node(name) => {
                let state = history::set_node_up(cib, name, true);
                cib.set(state, "in_ccm", "false");
                cib.set(state, "crmd", "offline");
            }
            // Whoever stood on a lost node is not heard any more.
            Fault::Resource { node, .. } if lost.contains(&**node) => {}
            Fault::Resource { name, node, interval_ms, .. } => {
                let Some(interval_ms) = *interval_ms else { continue };
                let operation = Operation {
                    resource: name.clone(),
                    operation: "monitor".into(),
                    interval_ms,
                    node: node.clone(),
                    rc: BROKEN,
                };
                // The names come from this very cluster, so that none is unknown.
                let _ = inject::inject_result(cib, cluster, &operation, before.now, &mut List::new());
            }
            Fault::Device(id) => break_device(cib, cluster, id, before.now),
        }
    }
    if !lost.is_empty() {
        regroup(cib, cluster, &lost);
    }
    view
}

impl Fault {
    fn node(&self) -> Option<&str> {
        match self {
            Fault::Node(name) => Some(name),
            _ => None,
        }
    }
}

/// The device failed wherever it could be started.
fn break_device(cib: &mut Document, cluster: &Cluster, id: &str, now: i64) {
    for node in cluster.nodes.iter().filter(|node| node.kind == NodeKind::Cluster) {
        let state = history::node_state(cib, &node.name, None);
        history::count_failure(cib, state, id, "start", 0, true, now);
    }
}

/// Those who are left: who coordinates, and whether they have quorum. A majority of the configured members is needed;
/// of two nodes one is enough, as Corosync's `two_node` has it.
fn regroup(cib: &mut Document, cluster: &Cluster, lost: &BTreeSet<&str>) {
    let root = cib.root();
    let members = || cluster.nodes.iter().filter(|node| node.kind == NodeKind::Cluster);
    let left: Vec<_> = members().filter(|node| node.online() && !lost.contains(&*node.name)).collect();
    let all = members().count();
    let majority = left.len() * 2 > all || (all == 2 && left.len() == 1);
    if !majority {
        cib.set(root, "have-quorum", "0");
    }
    if let Some(next) = left.first()
        && !left.iter().any(|node| cib.attribute(root, "dc-uuid") == Some(&*node.id))
    {
        cib.set(root, "dc-uuid", &next.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    fn struck(which: &[&str]) -> (View, Cluster) {
        let view = cluster();
        let before = view.cluster();
        let faults = all(&view, &before, &Fencing::of(&view.document, &before));
        let chosen: Vec<&Fault> = faults.iter().filter(|fault| which.contains(&&*fault.to_string())).collect();
        assert_eq!(chosen.len(), which.len(), "{faults:?}");
        let after = strike(&view, &before, &chosen);
        let cluster = after.cluster();
        (after, cluster)
    }

    #[test]
    fn everything_that_runs_can_fail() {
        let view = cluster();
        let before = view.cluster();
        let faults = all(&view, &before, &Fencing::of(&view.document, &before));
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        let expected = "node one, node three, node two, web on one, ip on two, db on two, ping on one, ping on two";
        assert_eq!(faults.join(", "), expected);
    }

    #[test]
    fn a_node_that_fails_leaves_a_quorum_behind_or_none() {
        let (view, after) = struck(&["node one"]);
        assert!(!after.node(after.find_node("one").unwrap()).online() && after.quorate);
        assert_eq!(view.document.attribute(view.document.root(), "dc-uuid"), Some("2"));
        assert!(!struck(&["node one", "node two"]).1.quorate);
    }

    #[test]
    fn a_resource_fails_where_it_runs() {
        let (_, after) = struck(&["web on one"]);
        let failed: Vec<&str> = after.failed.iter().map(|failed| &*failed.resource).collect();
        assert_eq!(failed, ["web", "db"], "db had failed before");
        let (_, after) = struck(&["web on one", "node one"]);
        assert_eq!(after.failed.len(), 1, "nobody hears of it any more");
    }
}
