//! Bundles read from what `bundles` wrote out: containers, addresses, connections, and the nodes these make of the
//! containers.

use cib::Element;

use crate::bundles;
use crate::engine::Engine;
use crate::model::{
    BundleData, Entry, INFINITY, NodeId, NodeKind, NodeTable, ProbeMode, Replica, RscFlags, RscId, RscKind,
};
use crate::reasons::Source;

/// What an instance inside thinks of its container before it is placed; others are not even asked.
const OWN_NODE_SCORE: i32 = 500;

impl Engine<'_> {
    pub fn read_bundle(&mut self, rsc: RscId) -> bool {
        let (doc, xml) = (self.doc, self.rsc(rsc).xml);
        let Some((container, _, per_host, _)) = bundles::replicas(doc, xml) else { return false };
        let replicas: Vec<Element> = doc.children_named(xml, "replica").collect();
        if replicas.is_empty() {
            self.warn(xml, "what is inside a bundle needs ip-range-start or control-port, or nothing leads to it");
            return false;
        }
        if per_host == 1 {
            self.clear_rsc(rsc, RscFlags::UNIQUE);
        }
        let mut data = BundleData {
            image: self.attr(container, "image").unwrap_or_default().to_owned(),
            per_host: per_host as u32,
            ..BundleData::default()
        };
        let mut inside = Vec::new();
        if let Some(clone) = doc.child(xml, "clone") {
            let Some(clone) = self.read_resource(clone, Some(rsc), None) else { return false };
            inside = self.children(clone).into_vec();
            self.adopt(rsc, clone, &inside);
            data.bundled = Some(clone);
        }
        for (offset, element) in replicas.into_iter().enumerate() {
            let child = inside.get(offset).copied();
            let Some(replica) = self.read_replica(rsc, element, offset as u32, child, data.bundled) else {
                return false;
            };
            data.replicas.push(replica);
        }
        if let Some(clone) = data.bundled {
            self.rsc_mut(rsc).children.push(clone);
        }
        self.rsc_mut(rsc).kind = RscKind::Bundle(Box::new(data));
        true
    }

    /// What the instances inside say goes for the clone and the bundle too.
    fn adopt(&mut self, bundle: RscId, clone: RscId, inside: &[RscId]) {
        const TARGET: &str = "container-attribute-target";
        for child in inside {
            self.set_rsc(*child, RscFlags::EXCLUSIVE_PROBES);
            if self.is(*child, RscFlags::NOTIFY) {
                self.set_rsc(clone, RscFlags::NOTIFY);
            }
            if let Some(target) = self.rsc(*child).meta(TARGET).map(str::to_owned) {
                for whole in [bundle, clone] {
                    self.rsc_mut(whole).meta.insert(TARGET, &target);
                }
            }
        }
    }

    fn read_replica(
        &mut self,
        bundle: RscId,
        element: Element,
        offset: u32,
        child: Option<RscId>,
        clone: Option<RscId>,
    ) -> Option<Replica> {
        let parts: Vec<Element> = self.doc.children_named(element, "primitive").collect();
        let (container, others) = parts.split_first()?;
        let container = self.read_part(bundle, *container)?;
        self.set_rsc(container, RscFlags::REPLICA_CONTAINER);
        let address = self.attr(element, "address").map(str::to_owned);
        let mut replica = Replica { offset, address, container, ip: None, connection: None, child, node: None };
        for part in others {
            if self.attr(*part, "type") == Some("remote") {
                let node = self.container_node(bundle, *part, child, clone)?;
                let connection = self.read_part(bundle, *part)?;
                self.link_container_node(connection, container, node);
                (replica.connection, replica.node) = (Some(connection), Some(node));
            } else {
                replica.ip = Some(self.read_part(bundle, *part)?);
            }
        }
        if let Some(child) = child {
            if let Some(address) = replica.address.clone() {
                self.rsc_mut(child).meta.insert("external-ip", address);
            }
            // What runs inside can only use what its container has.
            let needs = std::mem::take(&mut self.rsc_mut(child).utilization);
            self.rsc_mut(container).utilization = needs;
        }
        Some(replica)
    }

    fn read_part(&mut self, bundle: RscId, element: Element) -> Option<RscId> {
        let part = self.read_resource(element, Some(bundle), None)?;
        self.rsc_mut(bundle).children.push(part);
        Some(part)
    }

    /// The node a container is: for nobody but the instance that belongs into it.
    fn container_node(
        &mut self,
        bundle: RscId,
        connection: Element,
        child: Option<RscId>,
        clone: Option<RscId>,
    ) -> Option<NodeId> {
        let name = self.attr(connection, "id")?.to_owned();
        let node = match self.cluster.find_node(&name) {
            Some(node) => node,
            None => self.add_node(&name, &name, NodeKind::Remote, -INFINITY),
        };
        let state = self.node_mut(node);
        (state.score, state.probe) = (-INFINITY, ProbeMode::Never);
        // Other resources may have met the node before; what is in this bundle keeps what it knows.
        for at in 0..self.cluster.resources.len() {
            let own = self.is_ancestor(bundle, RscId(at as u32));
            if let Some(entry) = self.cluster.resources[at].allowed.get_mut(node).filter(|_| !own) {
                (entry.score, entry.probe) = (-INFINITY, ProbeMode::Never);
                self.note(RscId(at as u32), node, -INFINITY, || Source::Container);
            }
        }
        let own = Entry { score: OWN_NODE_SCORE, count: 0, probe: ProbeMode::Exclusive };
        if let Some(child) = child {
            let mut table = NodeTable::default();
            table.insert(node, own);
            self.restore_scores(child, table, 0);
            self.note(child, node, OWN_NODE_SCORE, || Source::Container);
        }
        if let Some(clone) = clone {
            self.rsc_mut(clone).allowed.insert(node, Entry { score: -INFINITY, ..own });
            self.replace_score(clone, node, -INFINITY, || Source::Container);
        }
        Some(node)
    }

    fn link_container_node(&mut self, connection: RscId, container: RscId, node: NodeId) {
        for other in self.rsc(connection).allowed.nodes() {
            if self.cluster.is_remote(other) {
                // Connections are held by full members alone.
                self.rsc_mut(connection).allowed.entry(other).score = -INFINITY;
                self.note(connection, other, -INFINITY, || Source::Container);
            }
        }
        self.node_mut(node).remote = Some(connection);
        self.any_remote_node = true;
        self.rsc_mut(connection).launcher = Some(container);
        self.node_mut(node).attributes.insert("#kind", "container");
        // The connection need not be where the container is, so containers can be on remote nodes.
        self.set_rsc(connection, RscFlags::REMOTE_NESTING_ALLOWED);
    }

    /// The replica whose container is that node.
    pub fn replica_on(&self, bundle: RscId, node: NodeId) -> Option<Replica> {
        let replicas = &self.rsc(bundle).bundle_data()?.replicas;
        replicas.iter().find(|replica| replica.node == Some(node)).cloned()
    }

    pub fn replicas(&self, bundle: RscId) -> Vec<Replica> {
        self.rsc(bundle).bundle_data().map(|data| data.replicas.clone()).unwrap_or_default()
    }

    /// Where a connection without an address of its own leads to: the host of its container, by name.
    pub fn container_host_name(&self, connection: RscId) -> Option<String> {
        let bundle = self.parent(connection).filter(|parent| self.rsc(*parent).is_bundle())?;
        let replicas = &self.rsc(bundle).bundle_data()?.replicas;
        let replica = replicas.iter().find(|replica| replica.connection == Some(connection))?;
        let host = self.rsc(replica.container).assigned.or_else(|| self.current_node(replica.container))?;
        Some(self.node(host).name.clone())
    }
}
