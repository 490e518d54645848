//! The nodes the configuration names, their permanent attributes, and the remote nodes that resources stand for.

use cib::Element;

use crate::engine::{Engine, Values, compare_names};
use crate::model::{Node, NodeFlags, NodeId, NodeKind, ProbeMode, RscId};
use crate::nvpairs::Context;

impl Engine<'_> {
    pub fn read_nodes(&mut self) {
        let Some(nodes) = self.doc.descend(&["configuration", "nodes"]) else { return };
        for element in self.doc.children_named(nodes, "node").collect::<Vec<_>>() {
            let Some(id) = self.attr(element, "id") else {
                self.warn(element, "a node without id is ignored");
                continue;
            };
            let name = self.attr(element, "uname").unwrap_or(id);
            let kind = match self.attr(element, "type") {
                None => NodeKind::Cluster,
                Some(kind) if kind.eq_ignore_ascii_case("member") || kind.eq_ignore_ascii_case("normal") => {
                    NodeKind::Cluster
                }
                Some(kind) if kind.eq_ignore_ascii_case("remote") => NodeKind::Remote,
                Some(kind) => {
                    self.warn(element, format!("node {name} is of type '{kind}', expected member or remote; ignored"));
                    continue;
                }
            };
            if self.cluster.nodes.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
                self.warn(element, format!("there is another node of the name {name}"));
            }
            let score = self.attr(element, "score").and_then(cib::score::Score::parse).map_or(0, |s| s.value());
            let node = self.add_node(id, name, kind, score);
            self.apply_startup_fencing(node);
            self.read_node_attributes(element, node, false);
        }
    }

    pub fn add_node(&mut self, id: &str, name: &str, kind: NodeKind, score: i32) -> NodeId {
        let node = NodeId(self.cluster.nodes.len() as u32);
        self.any_remote_node |= kind == NodeKind::Remote;
        let mut attributes = Values::new();
        attributes.insert("#kind", if kind == NodeKind::Remote { "remote" } else { "cluster" });
        self.cluster.nodes.push(Node {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
            flags: NodeFlags::PROBES_ALLOWED,
            score,
            probe: ProbeMode::Always,
            priority: 0,
            attributes,
            utilization: Values::new(),
            running: Vec::new(),
            assigned: Vec::new(),
            resource_count: 0,
            remote: None,
        });
        let order = &self.cluster.nodes_by_name;
        let at = order
            .iter()
            .position(|other| compare_names(name, &self.cluster.nodes[other.index()].name).is_le())
            .unwrap_or(order.len());
        self.cluster.nodes_by_name.insert(at, node);
        node
    }

    /// A node nobody has seen may hold anything.
    pub fn apply_startup_fencing(&mut self, node: NodeId) {
        if self.cluster.is_remote(node) && self.node(node).remote.is_none() {
            return;
        }
        let startup_fencing = self.cluster.options.startup_fencing;
        let flags = &mut self.node_mut(node).flags;
        if startup_fencing {
            flags.set(NodeFlags::UNCLEAN);
        } else {
            flags.clear(NodeFlags::UNCLEAN);
        }
    }

    /// Reads attribute and utilization sets of a `<node>` or a `<transient_attributes>`.
    pub fn read_node_attributes(&mut self, element: Element, node: NodeId, overwrite: bool) {
        let dc = self.attr(self.doc.root(), "dc-uuid").unwrap_or_default();
        let (id, name) = (self.node(node).id.clone(), self.node(node).name.clone());
        if self.cluster.dc.is_none() && !dc.is_empty() && id.eq_ignore_ascii_case(dc) {
            self.cluster.dc = Some(node);
            self.set_node(node, NodeFlags::DC);
        }
        let is_dc = self.cluster.dc == Some(node);
        let cluster_name = self.cluster.options.raw.get("cluster-name").map(str::to_owned);
        let attributes = &mut self.node_mut(node).attributes;
        attributes.insert("#uname", name);
        attributes.insert("#id", id);
        attributes.insert("#is_dc", is_dc.to_string());
        if let Some(cluster_name) = &cluster_name {
            attributes.insert("#cluster-name", cluster_name);
        }

        let mut found = if overwrite { Values::new() } else { self.node(node).attributes.clone() };
        self.read_pairs(element, "instance_attributes", &Context::default(), None, &mut found);
        let mut utilization = self.node(node).utilization.clone();
        self.read_pairs(element, "utilization", &Context::default(), None, &mut utilization);
        let record = self.node_mut(node);
        record.utilization = utilization;
        record.attributes.extend(&found);

        if !record.attributes.contains_key("#site-name") {
            let site = record.attributes.get("site-name").map(str::to_owned).or(cluster_name);
            if let Some(site) = site {
                record.attributes.insert("#site-name", site);
            }
        }
    }

    /// A remote node for each connection resource of the top level and of groups.
    pub fn read_remote_nodes(&mut self) {
        let Some(resources) = self.doc.descend(&["configuration", "resources"]) else { return };
        for element in self.doc.children(resources).collect::<Vec<_>>() {
            if is_remote_connection(self.doc, element)
                && let Some(id) = self.attr(element, "id")
                && self.cluster.find_node(id).is_none()
            {
                self.add_node(id, id, NodeKind::Remote, 0);
            }
        }
    }

    /// Ties a connection resource to the node it stands for.
    pub fn link_remote_node(&mut self, rsc: RscId) {
        let id = self.rsc(rsc).id.clone();
        let Some(node) = self.cluster.find_node(&id) else { return };
        self.node_mut(node).remote = Some(rsc);
        self.any_remote_node = true;
        if self.rsc(rsc).launcher.is_none() {
            self.apply_startup_fencing(node);
        } else {
            self.node_mut(node).attributes.insert("#kind", "container");
        }
    }
}

/// Whether an element is the connection to a remote node: its agent says so.
pub(crate) fn is_remote_connection(doc: &cib::Document, element: Element) -> bool {
    doc.attribute(element, "class") == Some("ocf")
        && doc.attribute(element, "provider") == Some("pacemaker")
        && doc.attribute(element, "type") == Some("remote")
}
