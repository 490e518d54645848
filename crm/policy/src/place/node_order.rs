//! Which of several nodes is the better place: score first, then room or load, then where the resource is, then name.

use std::cmp::Ordering;

use crate::engine::{Engine, Few};
use crate::model::{Entry, INFINITY, NodeId, NodeTable, Placement};

impl Engine<'_> {
    /// The nodes of a table, the best first.
    pub fn sorted_nodes(&self, table: &NodeTable, active: Option<NodeId>) -> Few<(NodeId, i32)> {
        let mut nodes: Few<(NodeId, &Entry)> = table.iter().collect();
        nodes.sort_by(|a, b| self.compare_nodes(*a, *b, active));
        nodes.into_iter().map(|(node, entry)| (node, entry.score)).collect()
    }

    /// The best node of a table.
    pub fn best_node(&self, table: &NodeTable, active: Option<NodeId>) -> Option<(NodeId, i32)> {
        let best = table.iter().min_by(|a, b| self.compare_nodes(*a, *b, active));
        best.map(|(node, entry)| (node, entry.score))
    }

    fn compare_nodes(&self, a: (NodeId, &Entry), b: (NodeId, &Entry), active: Option<NodeId>) -> Ordering {
        let score = |(node, entry): (NodeId, &Entry)| if self.available(node) { entry.score } else { -INFINITY };
        let (one, two) = (self.node(a.0), self.node(b.0));
        let by_score = score(b).cmp(&score(a));
        let placement = self.cluster.options.placement;
        let by_load = || {
            if placement == Placement::Minimal {
                return Ordering::Equal;
            }
            let by_room = match placement {
                Placement::Balanced => self.compare_capacities(a.0, b.0),
                _ => Ordering::Equal,
            };
            by_room.then(one.resource_count.cmp(&two.resource_count)).then_with(|| match active {
                Some(active) if active == a.0 && active != b.0 => Ordering::Less,
                Some(active) if active == b.0 && active != a.0 => Ordering::Greater,
                _ => Ordering::Equal,
            })
        };
        by_score.then_with(by_load).then_with(|| one.name.cmp(&two.name))
    }
}
