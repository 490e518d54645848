//! The nodes as XML: one element each, with its state.

use policy::Cluster;
use policy::model::{NodeFlags, NodeId, NodeKind};

use super::{Tree, boolean};
use crate::output::nodes::{BEFORE_FEATURE_SETS, Health, health};

/// Writes `<nodes>`.
pub fn write(tree: &mut Tree, cluster: &Cluster) {
    write_some(tree, cluster, |_| true, |_, _| ());
}

/// As [`write`], of some nodes, each with what `inside` writes.
pub fn write_some(
    tree: &mut Tree,
    cluster: &Cluster,
    wanted: impl Fn(NodeId) -> bool,
    inside: impl Fn(&mut Tree, NodeId),
) {
    tree.begin("nodes", &[]);
    for id in cluster.nodes_by_name.iter().filter(|id| wanted(**id)) {
        begin(tree, cluster, *id);
        inside(tree, *id);
        tree.end();
    }
    tree.end();
}

fn begin(tree: &mut Tree, cluster: &Cluster, id: NodeId) {
    let node = cluster.node(id);
    let is = |flag| boolean(node.is(flag));
    let member = node.kind == NodeKind::Cluster;
    let health = match health(cluster, node) {
        Health::Green => "green",
        Health::Yellow => "yellow",
        Health::Red => "red",
    };
    let feature_set =
        (member && node.online()).then(|| node.attributes.get("#feature-set").unwrap_or(BEFORE_FEATURE_SETS));
    let running = node.running.len().to_string();
    let launcher = node.remote.and_then(|connection| cluster.resource(connection).launcher);
    let mut attributes = vec![
        ("name", node.name.as_str()),
        ("id", &node.id),
        ("online", boolean(node.online())),
        ("standby", is(NodeFlags::STANDBY)),
        ("standby_onfail", is(NodeFlags::FAIL_STANDBY)),
        ("maintenance", is(NodeFlags::MAINTENANCE)),
        ("pending", is(NodeFlags::PENDING)),
        ("unclean", is(NodeFlags::UNCLEAN)),
        ("health", health),
    ];
    attributes.extend(feature_set.map(|version| ("feature_set", version)));
    attributes.extend([
        ("shutdown", is(NodeFlags::SHUTDOWN)),
        ("expected_up", is(NodeFlags::EXPECTED_UP)),
        ("is_dc", boolean(cluster.dc == Some(id))),
        ("resources_running", &running),
        ("type", if member { "member" } else { "remote" }),
    ]);
    attributes.extend(launcher.map(|launcher| ("id_as_resource", cluster.resource(launcher).id.as_str())));
    tree.begin("node", &attributes);
}
