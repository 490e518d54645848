//! The resources as XML: groups, clones and bundles with all their parts, each primitive with its state and nodes.

use policy::Cluster;
use policy::model::{RscFlags, RscId, RscKind};

use super::{Tree, boolean};
use crate::output::resources::{configured_role, displayed_state, hidden, is_active, pending_operation, printable_id};

/// Writes `<resources>`; nothing when there is nothing to list, as Pacemaker's readers expect.
pub fn write(tree: &mut Tree, cluster: &Cluster, pending: bool) {
    let writer = Writer { cluster, pending };
    let mut shown = cluster.top.iter().filter(|id| !hidden(cluster, **id)).peekable();
    if shown.peek().is_none() {
        return;
    }
    tree.begin("resources", &[]);
    shown.for_each(|id| writer.resource(tree, *id));
    tree.end();
}

/// Writes `<resources>` with some of the top-level resources; nothing when there are none.
pub fn write_some(tree: &mut Tree, cluster: &Cluster, pending: bool, shown: &[RscId]) {
    let writer = Writer { cluster, pending };
    let shown: Vec<RscId> = shown.iter().copied().filter(|id| !hidden(cluster, *id)).collect();
    if shown.is_empty() {
        return;
    }
    tree.begin("resources", &[]);
    shown.into_iter().for_each(|id| writer.resource(tree, id));
    tree.end();
}

/// Writes one resource with all its parts.
pub fn write_one(tree: &mut Tree, cluster: &Cluster, id: RscId) {
    Writer { cluster, pending: true }.resource(tree, id);
}

struct Writer<'a> {
    cluster: &'a Cluster,
    pending: bool,
}

impl Writer<'_> {
    fn resource(&self, tree: &mut Tree, id: RscId) {
        match &self.cluster.resource(id).kind {
            RscKind::Primitive => self.primitive(tree, id),
            RscKind::Group { .. } => self.group(tree, id),
            RscKind::Clone(_) => self.clone_set(tree, id),
            RscKind::Bundle(_) => self.bundle(tree, id),
        }
    }

    fn flag(&self, id: RscId, flag: RscFlags) -> &'static str {
        boolean(self.cluster.resource(id).is(flag))
    }

    fn primitive(&self, tree: &mut Tree, id: RscId) {
        let resource = self.cluster.resource(id);
        let agent = match &resource.provider {
            Some(provider) => format!("{}:{provider}:{}", resource.class, resource.agent),
            None => format!("{}:{}", resource.class, resource.agent),
        };
        let removed = self.flag(id, RscFlags::REMOVED);
        let nodes = resource.active.len().to_string();
        let mut attributes = vec![
            ("id", printable_id(resource)),
            ("resource_agent", &agent),
            ("role", displayed_state(self.cluster, id, self.pending)),
        ];
        attributes.extend(resource.meta("target-role").map(|role| ("target_role", role)));
        attributes.extend([("active", boolean(is_active(self.cluster, id, true))), ("orphaned", removed)]);
        attributes.extend(tree.newer(&[("removed", removed)]));
        attributes.push(("blocked", self.flag(id, RscFlags::BLOCKED)));
        attributes.extend(tree.newer(&[("maintenance", self.flag(id, RscFlags::MAINTENANCE))]));
        attributes.extend([
            ("managed", self.flag(id, RscFlags::MANAGED)),
            ("failed", self.flag(id, RscFlags::FAILED)),
            ("failure_ignored", self.flag(id, RscFlags::IGNORE_FAILURE)),
            ("nodes_running_on", &nodes),
        ]);
        attributes.extend(pending_operation(resource, self.pending).map(|what| ("pending", what)));
        attributes.extend(resource.lock_node.map(|node| ("locked_to", self.cluster.node(node).name.as_str())));
        tree.begin("resource", &attributes);
        for node in &resource.active {
            let node = self.cluster.node(*node);
            tree.leaf("node", &[("name", &node.name), ("id", &node.id), ("cached", boolean(node.online()))]);
        }
        tree.end();
    }

    fn group(&self, tree: &mut Tree, id: RscId) {
        let group = self.cluster.resource(id);
        if group.children.is_empty() {
            return;
        }
        let count = group.children.len().to_string();
        let mut attributes = vec![("id", group.id.as_str()), ("number_resources", &count)];
        attributes.extend(tree.newer(&[("maintenance", self.flag(id, RscFlags::MAINTENANCE))]));
        attributes.extend([
            ("managed", self.flag(id, RscFlags::MANAGED)),
            ("disabled", boolean(self.cluster.is_disabled(id))),
        ]);
        tree.begin("group", &attributes);
        group.children.iter().for_each(|child| self.resource(tree, *child));
        tree.end();
    }

    fn clone_set(&self, tree: &mut Tree, id: RscId) {
        let clone = self.cluster.resource(id);
        if clone.children.is_empty() {
            return;
        }
        let mut attributes = vec![
            ("id", clone.id.as_str()),
            ("multi_state", self.flag(id, RscFlags::PROMOTABLE)),
            ("unique", self.flag(id, RscFlags::UNIQUE)),
        ];
        attributes.extend(tree.newer(&[("maintenance", self.flag(id, RscFlags::MAINTENANCE))]));
        attributes.extend([
            ("managed", self.flag(id, RscFlags::MANAGED)),
            ("disabled", boolean(self.cluster.is_disabled(id))),
            ("failed", self.flag(id, RscFlags::FAILED)),
            ("failure_ignored", self.flag(id, RscFlags::IGNORE_FAILURE)),
        ]);
        attributes.extend(configured_role(self.cluster, clone).map(|role| ("target_role", role)));
        tree.begin("clone", &attributes);
        clone.children.iter().for_each(|child| self.resource(tree, *child));
        tree.end();
    }

    fn bundle(&self, tree: &mut Tree, id: RscId) {
        let bundle = self.cluster.resource(id);
        let Some(data) = bundle.bundle_data().filter(|data| !data.replicas.is_empty()) else { return };
        // The containers are resources of the agent that is named like what runs them.
        let kind = &self.cluster.resource(data.replicas[0].container).agent;
        let mut attributes = vec![
            ("id", bundle.id.as_str()),
            ("type", kind),
            ("image", &data.image),
            ("unique", self.flag(id, RscFlags::UNIQUE)),
        ];
        attributes.extend(tree.newer(&[("maintenance", self.flag(id, RscFlags::MAINTENANCE))]));
        attributes.extend([("managed", self.flag(id, RscFlags::MANAGED)), ("failed", self.flag(id, RscFlags::FAILED))]);
        tree.begin("bundle", &attributes);
        for replica in &data.replicas {
            tree.begin("replica", &[("id", &replica.offset.to_string())]);
            let parts = [replica.ip, replica.child, Some(replica.container), replica.connection];
            parts.into_iter().flatten().for_each(|part| self.primitive(tree, part));
            tree.end();
        }
        tree.end();
    }
}
