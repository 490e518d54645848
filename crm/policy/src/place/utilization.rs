//! Capacity: nodes that are too small for what must be together are ruled out, and what a resource needs is taken from
//! the node it goes to.

use std::cmp::Ordering;

use crate::constraint::colocation::Affects;
use crate::constraint::merge::Select;
use crate::engine::{Engine, Values, integer};
use crate::model::{INFINITY, NodeId, NodeTable, Placement, RscFlags, RscId, RscKind};
use crate::reasons::Source;
use crate::scores::ScoreLine;

/// What is said of a name; nothing is 0. What is no number is less than anything, as with Pacemaker: it needs no room,
/// and a node has none of it.
fn amount(values: &Values, name: &str) -> i64 {
    let Some(text) = values.get(name) else { return 0 };
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    integer(text).map_or(least, |number| number.clamp(least, most))
}

fn change(values: &mut Values, by: &Values, sign: i64) {
    for name in by.keys() {
        let sum = amount(values, name).saturating_add(sign * amount(by, name));
        let sum = sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
        values.insert(name, sum.to_string());
    }
}

impl Engine<'_> {
    /// Less means that the first has more room.
    pub fn compare_capacities(&self, a: NodeId, b: NodeId) -> Ordering {
        let (one, two) = (&self.node(a).utilization, &self.node(b).utilization);
        let names = one.keys().chain(two.keys().filter(|name| !one.contains_key(name)));
        let sum: i32 = names.map(|name| amount(two, name).cmp(&amount(one, name)) as i32).sum();
        sum.cmp(&0)
    }

    pub fn consume_capacity(&mut self, node: NodeId, rsc: RscId) {
        let needs = self.rsc(rsc).utilization.clone();
        change(&mut self.node_mut(node).utilization, &needs, -1);
    }

    pub fn release_capacity(&mut self, node: NodeId, rsc: RscId) {
        let needs = self.rsc(rsc).utilization.clone();
        change(&mut self.node_mut(node).utilization, &needs, 1);
    }

    fn has_room(&self, node: NodeId, needs: &Values) -> bool {
        needs.keys().all(|name| amount(needs, name) <= amount(&self.node(node).utilization, name))
    }

    /// All that must be together with a resource, the latest found first.
    fn colocated(&self, rsc: RscId, original: RscId, found: &mut Vec<RscId>) {
        if let RscKind::Group { colocated, .. } = self.rsc(rsc).kind {
            let in_clone = self.parent(rsc).is_some_and(|parent| self.rsc(parent).is_clone());
            if colocated || in_clone {
                found.insert(0, rsc);
                for member in &self.rsc(rsc).children {
                    self.colocated_by_constraints(*member, original, found);
                }
                return;
            }
        }
        self.colocated_by_constraints(rsc, original, found);
    }

    fn colocated_by_constraints(&self, rsc: RscId, original: RscId, found: &mut Vec<RscId>) {
        if found.contains(&rsc) {
            return;
        }
        found.insert(0, rsc);
        for at in self.this_with(rsc) {
            let colocation = &self.colocations[at as usize];
            let primary = colocation.primary;
            if primary != original
                && colocation.score == INFINITY
                && self.affects(rsc, primary, colocation, true) == Affects::Location
            {
                self.colocated(primary, original, found);
            }
        }
        for at in self.with_this(rsc) {
            let colocation = &self.colocations[at as usize];
            let dependent = colocation.dependent;
            let unsure = self.rsc(rsc).is_clone() && !self.rsc(dependent).is_clone();
            if dependent != original
                && !unsure
                && colocation.score == INFINITY
                && self.affects(dependent, rsc, colocation, true) == Affects::Location
            {
                self.colocated(dependent, original, found);
            }
        }
    }

    fn add_needs(&self, rsc: RscId, all: &[RscId], needs: &mut Values) {
        let resource = self.rsc(rsc);
        if !resource.is(RscFlags::UNASSIGNED) {
            return;
        }
        match resource.kind {
            RscKind::Primitive => change(needs, &resource.utilization, 1),
            RscKind::Group { colocated, .. } => {
                let in_clone = resource.parent.is_some_and(|parent| self.rsc(parent).is_clone());
                let count = if colocated || in_clone { usize::MAX } else { 1 };
                for member in resource.children.iter().take(count) {
                    if self.is(*member, RscFlags::UNASSIGNED) && !all.contains(member) {
                        self.add_needs(*member, all, needs);
                    }
                }
            }
            RscKind::Clone(_) => {
                let mut existing = false;
                for child in &resource.children {
                    if all.contains(child) {
                        existing = true;
                    } else if self.rsc(*child).children.iter().any(|member| all.contains(member)) {
                        self.add_needs(*child, all, needs);
                        existing = true;
                    }
                }
                if !existing && let Some(first) = resource.children.first() {
                    self.add_needs(*first, all, needs);
                }
            }
            // All containers need the same.
            RscKind::Bundle(ref data) => {
                if let Some(replica) = data.replicas.first() {
                    self.add_needs(replica.container, all, needs);
                }
            }
        }
    }

    /// Rules out nodes too small for a resource and all that must be with it; if none is large enough for all, nodes
    /// too small for the resource alone, and the roomiest node is the one to prefer.
    pub fn ban_insufficient_capacity(&mut self, rsc: RscId) -> Option<NodeId> {
        if self.cluster.options.placement == Placement::Default {
            return None;
        }
        let mut together = Vec::new();
        self.colocated(rsc, rsc, &mut together);
        if !together.contains(&rsc) {
            together.push(rsc);
        }
        let mut needs = Values::new();
        for member in together.clone() {
            self.add_needs(member, &together, &mut needs);
        }
        let table = self.rsc(rsc).allowed.clone();
        let usable: Vec<NodeId> = table
            .iter()
            .filter(|(node, entry)| self.available_with(*node, entry.score))
            .map(|(node, _)| node)
            .collect();
        let any = usable.iter().any(|node| self.has_room(*node, &needs));
        let roomiest = self
            .table_sequence(&table)
            .into_iter()
            .filter(|node| usable.contains(node))
            .reduce(|best, node| if self.compare_capacities(node, best).is_lt() { node } else { best })
            .filter(|_| !any);
        if !any {
            needs = self.rsc(rsc).utilization.clone();
        }
        for node in usable {
            if !self.has_room(node, &needs) {
                self.add_score(rsc, Some(node), -INFINITY, Source::Other("the node has too little capacity".into()));
            }
        }
        roomiest
    }

    /// What matters most, and what is most bound to its place, is placed first.
    pub fn sort_resources(&mut self) {
        let mut table = NodeTable::default();
        for node in self.cluster.nodes_by_name.clone() {
            table.entry(node).score = self.node(node).score;
        }
        let nodes = self.sorted_from(&self.cluster.nodes_by_name, &table, None);
        let nodes: Vec<NodeId> = nodes.into_iter().map(|(node, _)| node).collect();
        let top = self.cluster.top.clone();
        let mut keys: Vec<(RscId, i32, NodeTable, Option<NodeId>)> = Vec::new();
        for rsc in top {
            let mut scores = None;
            let select = Select { this_with: true, ..Select::default() };
            self.merge_scores(rsc, None, &mut scores, None, 1.0, select);
            keys.push((rsc, self.rsc(rsc).priority, scores.unwrap_or_default(), self.current_node(rsc)));
        }
        let score = |table: &NodeTable, node: Option<NodeId>| {
            node.and_then(|node| table.get(node)).map_or(-INFINITY, |entry| entry.score)
        };
        keys.sort_by(|a, b| {
            let by_place = || score(&b.2, b.3).cmp(&score(&a.2, a.3));
            let by_scores = || {
                let differences = nodes.iter().map(|node| score(&b.2, Some(*node)).cmp(&score(&a.2, Some(*node))));
                differences.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            };
            b.1.cmp(&a.1).then_with(by_place).then_with(by_scores)
        });
        self.cluster.top = keys.into_iter().map(|(rsc, ..)| rsc).collect();
    }

    pub fn log_capacities(&mut self, when: &'static str) {
        if !self.log_utilization {
            return;
        }
        for node in self.cluster.nodes_by_name.clone() {
            let record = self.node(node);
            // What runs in a bundle takes no room.
            if record.remote.is_some_and(|connection| self.is_bundled(connection)) {
                continue;
            }
            let values = record.utilization.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let node = record.name.clone();
            self.scores.push(ScoreLine::Capacity { when, node, values });
        }
    }

    pub fn log_utilization(&mut self, rsc: RscId, node: NodeId) {
        if !self.log_utilization {
            return;
        }
        let record = self.rsc(rsc);
        let values = record.utilization.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (resource, node) = (record.id.clone(), self.node(node).name.clone());
        self.scores.push(ScoreLine::Utilization { step: "pcmk__assign_resource", resource, node, values });
    }
}
