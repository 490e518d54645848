//! The list of nodes as text: those in order together, each other one with what is the matter with it.

use policy::Cluster;
use policy::model::{INFINITY, Node, NodeFlags, NodeId, NodeKind};

use super::list::{Lazy, List};

/// What a member whose version is not known has at most: nodes tell theirs since then.
pub const BEFORE_FEATURE_SETS: &str = "<3.15.1";

/// Writes the list; nothing when there are no nodes.
pub fn write(list: &mut List, cluster: &Cluster) {
    write_some(list, cluster, false, |_| true);
}

/// As [`write`], of some nodes; with `detail` each on a line of its own, with its id.
pub fn write_some(list: &mut List, cluster: &Cluster, detail: bool, wanted: impl Fn(NodeId) -> bool) {
    let mut section = Lazy::new("Node List".to_owned());
    let mut together = Together::default();
    for id in cluster.nodes_by_name.iter().filter(|id| wanted(**id)) {
        section.open(list);
        let node = cluster.node(*id);
        if detail {
            list.item(&detailed_line(cluster, *id));
        } else if needs_own_line(cluster, node) {
            list.item(&own_line(cluster, *id));
        } else if let Some(names) = together.list_for(cluster, *id) {
            names.push(&node.name);
        }
    }
    for (title, names) in together.lists() {
        if !names.is_empty() {
            list.item(&format!("{title}: [ {} ]", names.join(" ")));
        }
    }
    section.close(list);
}

/// Nodes of which nothing is to be said but that they are up or down.
#[derive(Default)]
struct Together<'a> {
    online: Vec<&'a str>,
    offline: Vec<&'a str>,
    remote_online: Vec<&'a str>,
    remote_offline: Vec<&'a str>,
    guest_online: Vec<&'a str>,
}

impl<'a> Together<'a> {
    /// A guest that is down is the same as one that is not there: it is in no list.
    fn list_for(&mut self, cluster: &Cluster, id: NodeId) -> Option<&mut Vec<&'a str>> {
        match (cluster.node(id).kind, cluster.is_guest(id), cluster.node(id).online()) {
            (NodeKind::Cluster, _, true) => Some(&mut self.online),
            (NodeKind::Cluster, _, false) => Some(&mut self.offline),
            (NodeKind::Remote, true, true) => Some(&mut self.guest_online),
            (NodeKind::Remote, true, false) => None,
            (NodeKind::Remote, false, true) => Some(&mut self.remote_online),
            (NodeKind::Remote, false, false) => Some(&mut self.remote_offline),
        }
    }

    fn lists(&self) -> [(&'static str, &[&'a str]); 5] {
        [
            ("Online", &self.online),
            ("OFFLINE", &self.offline),
            ("RemoteOnline", &self.remote_online),
            ("RemoteOFFLINE", &self.remote_offline),
            ("GuestOnline", &self.guest_online),
        ]
    }
}

fn needs_own_line(cluster: &Cluster, node: &Node) -> bool {
    node.flags.any(NodeFlags::UNCLEAN | NodeFlags::PENDING | NodeFlags::STANDBY | NodeFlags::MAINTENANCE)
        || (node.is(NodeFlags::FAIL_STANDBY) && node.online())
        || health(cluster, node) != Health::Green
}

/// A node with its id, its state and the version of its program.
pub fn detailed_line(cluster: &Cluster, id: NodeId) -> String {
    let node = cluster.node(id);
    let line = own_line(cluster, id).replacen(&node.name, &format!("{} ({})", node.name, node.id), 1);
    match node.kind == NodeKind::Cluster && node.online() {
        true => {
            let version = node.attributes.get("#feature-set").unwrap_or(BEFORE_FEATURE_SETS);
            format!("{line}, feature set {version}")
        }
        false => line,
    }
}

/// A node with its state.
pub fn own_line(cluster: &Cluster, id: NodeId) -> String {
    let node = cluster.node(id);
    let kind = match (node.kind, cluster.is_guest(id)) {
        (NodeKind::Cluster, _) => "Node",
        (NodeKind::Remote, true) => "GuestNode",
        (NodeKind::Remote, false) => "RemoteNode",
    };
    let health = match health(cluster, node) {
        Health::Green => "",
        Health::Yellow => " (health is YELLOW)",
        Health::Red => " (health is RED)",
    };
    format!("{kind} {}: {}{health}", node.name, state(node))
}

/// How a node is, in the words operators know.
pub fn state(node: &Node) -> &'static str {
    let online = node.online();
    if node.unclean() {
        return match (online, node.is(NodeFlags::PENDING)) {
            (true, _) => "UNCLEAN (online)",
            (false, true) => "UNCLEAN (pending)",
            (false, false) => "UNCLEAN (offline)",
        };
    }
    if node.is(NodeFlags::PENDING) {
        return "pending";
    }
    if node.is(NodeFlags::FAIL_STANDBY) && online {
        return "standby (on-fail)";
    }
    if node.is(NodeFlags::STANDBY) {
        return match (online, node.running.is_empty()) {
            (false, _) => "OFFLINE (standby)",
            (true, true) => "standby",
            (true, false) => "standby (with active resources)",
        };
    }
    match (node.is(NodeFlags::MAINTENANCE), online) {
        (true, true) => "maintenance",
        (true, false) => "OFFLINE (maintenance)",
        (false, true) => "online",
        (false, false) => "OFFLINE",
    }
}

/// The worst of a node's health attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Nothing against it.
    Green,
    /// Not well.
    Yellow,
    /// It should run nothing.
    Red,
}

/// A node's health; always green when no strategy asks for it.
pub fn health(cluster: &Cluster, node: &Node) -> Health {
    let option = |name: &str| cluster.options.raw.get(name);
    let configured = |name: &str, default: i32| option(name).and_then(score).unwrap_or(default);
    let (red, yellow, green) = match option("node-health-strategy").unwrap_or("none") {
        "none" => return Health::Green,
        "migrate-on-red" => (-INFINITY, 0, 0),
        "only-green" => (-INFINITY, -INFINITY, 0),
        _ => (
            configured("node-health-red", -INFINITY),
            configured("node-health-yellow", 0),
            configured("node-health-green", 0),
        ),
    };
    let mut worst = Health::Green;
    for (_, value) in node.attributes.iter().filter(|(name, _)| name.starts_with("#health")) {
        // The words come first: two of the scores may be the same.
        if value.eq_ignore_ascii_case("red") {
            return Health::Red;
        }
        if value.eq_ignore_ascii_case("yellow") {
            worst = Health::Yellow;
            continue;
        }
        let Some(value) = (if value.eq_ignore_ascii_case("green") { Some(green) } else { score(value) }) else {
            continue;
        };
        if value <= red {
            return Health::Red;
        }
        if value <= yellow && yellow != green {
            worst = Health::Yellow;
        }
    }
    worst
}

fn score(text: &str) -> Option<i32> {
    match text {
        "INFINITY" | "+INFINITY" => Some(INFINITY),
        "-INFINITY" => Some(-INFINITY),
        number => number.parse::<i32>().ok().map(|value| value.clamp(-INFINITY, INFINITY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, flags: NodeFlags) -> Node {
        Node {
            id: name.to_owned(),
            name: name.to_owned(),
            kind: NodeKind::Cluster,
            flags,
            score: 0,
            probe: Default::default(),
            priority: 0,
            attributes: Default::default(),
            utilization: Default::default(),
            running: Vec::new(),
            assigned: Vec::new(),
            resource_count: 0,
            remote: None,
        }
    }

    fn cluster(nodes: Vec<Node>) -> Cluster {
        let nodes_by_name = (0..nodes.len() as u32).map(NodeId).collect();
        Cluster { nodes, nodes_by_name, ..Cluster::default() }
    }

    #[test]
    fn nodes_in_order_stand_together_and_the_others_alone() {
        let up = NodeFlags::ONLINE;
        let cluster = cluster(vec![
            node("a", up),
            node("b", up | NodeFlags::STANDBY),
            node("c", NodeFlags::UNCLEAN),
            node("d", NodeFlags::NONE),
            node("e", up),
        ]);
        let mut list = List::new();
        write(&mut list, &cluster);
        assert_eq!(
            list.take(),
            "Node List:\n  * Node b: standby\n  * Node c: UNCLEAN (offline)\n  * Online: [ a e ]\n  * OFFLINE: [ d ]\n"
        );
    }

    #[test]
    fn health_counts_only_when_a_strategy_asks_for_it() {
        let mut sick = node("a", NodeFlags::ONLINE);
        sick.attributes.insert("#health-disk", "red");
        let mut cluster = cluster(vec![sick]);
        assert_eq!(health(&cluster, &cluster.nodes[0]), Health::Green);
        for (value, expected) in
            [("red", Health::Red), ("yellow", Health::Yellow), ("5", Health::Green), ("?", Health::Green)]
        {
            cluster.options.raw.insert("node-health-strategy", "progressive");
            cluster.nodes[0].attributes.insert("#health-disk", value);
            assert_eq!(health(&cluster, &cluster.nodes[0]), expected, "{value}");
        }
    }
}
