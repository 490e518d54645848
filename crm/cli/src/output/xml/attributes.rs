//! Attributes of nodes, fail counts and failed operations as XML.

use cib::Document;
use policy::Cluster;

use super::Tree;
use crate::output::attributes::{fail_counts, failed_actions, of_nodes};
use crate::output::resources::exit_text;

/// Writes `<node_attributes>`; nothing when no node has any.
pub fn write(tree: &mut Tree, cluster: &Cluster) {
    let all = of_nodes(cluster);
    if all.is_empty() {
        return;
    }
    tree.begin("node_attributes", &[]);
    for (node, attributes) in all {
        tree.begin("node", &[("name", &cluster.node(node).name)]);
        attributes.iter().for_each(|(name, value)| tree.leaf("attribute", &[("name", name), ("value", value)]));
        tree.end();
    }
    tree.end();
}

/// Writes `<node_history>` with fail counts, and `<failures>` if there are any.
pub fn write_failures(tree: &mut Tree, document: &Document, cluster: &Cluster) {
    tree.begin("node_history", &[]);
    for (node, counts) in fail_counts(document, cluster) {
        tree.begin("node", &[("name", &cluster.node(node).name)]);
        for count in counts {
            let (threshold, fails) = (count.migration_threshold.to_string(), count.count.to_string());
            let last = count.last.map(cib::date::ctime);
            let mut attributes = vec![("id", count.resource.as_str()), ("orphan", "false")];
            attributes.extend(tree.newer(&[("removed", "false")]));
            attributes.extend([("migration-threshold", threshold.as_str()), ("fail-count", &fails)]);
            attributes.extend(last.as_deref().map(|last| ("last-failure", last)));
            tree.leaf("resource_history", &attributes);
        }
        tree.end();
    }
    tree.end();

    let failed = failed_actions(document, cluster);
    if failed.is_empty() {
        return;
    }
    tree.begin("failures", &[]);
    for action in failed {
        let code = action.rc.to_string();
        let interval = action.operation.interval_ms.to_string();
        let changed = action.at().map(cib::date::format);
        let mut attributes = vec![
            ("op_key", action.key.as_str()),
            ("node", action.node),
            ("exitstatus", exit_text(action.rc)),
            ("exitreason", action.said("exit-reason").unwrap_or("none")),
            ("exitcode", &code),
        ];
        attributes.extend(action.said("call-id").map(|call| ("call", call)));
        attributes.push(("status", action.status));
        if let Some(changed) = &changed {
            attributes.push(("last-rc-change", changed));
            attributes.extend(action.said("queue-time").map(|time| ("queued", time)));
            attributes.extend(action.said("exec-time").map(|time| ("exec", time)));
            attributes.push(("interval", &interval));
            attributes.push(("task", &action.operation.operation));
        }
        tree.leaf("failure", &attributes);
    }
    tree.end();
}
