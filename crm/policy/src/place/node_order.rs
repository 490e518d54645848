//! Which of several nodes is the better place: score first, then room or load, then where the resource is, then name.

use std::cmp::Ordering;

use super::table_order::copied_order;
use crate::engine::{Engine, Few};
use crate::model::{Entry, INFINITY, NodeId, NodeTable, Placement};
use crate::status::history::merge_sort;

impl Engine<'_> {
    /// The nodes of a table, the best first.
    pub fn sorted_nodes(&self, table: &NodeTable, active: Option<NodeId>) -> Few<(NodeId, i32)> {
        if self.cluster.options.placement == Placement::Balanced {
            let mut sequence = self.table_sequence(table);
            sequence.reverse();
            return self.sorted_from(&sequence, table, active);
        }
        let mut nodes: Few<(NodeId, &Entry)> = table.iter().collect();
        nodes.sort_by(|a, b| self.compare_nodes(*a, *b, active));
        nodes.into_iter().map(|(node, entry)| (node, entry.score)).collect()
    }

    /// The best node of a table.
    pub fn best_node(&self, table: &NodeTable, active: Option<NodeId>) -> Option<(NodeId, i32)> {
        if self.cluster.options.placement == Placement::Balanced {
            return self.sorted_nodes(table, active).first().copied();
        }
        let best = table.iter().min_by(|a, b| self.compare_nodes(*a, *b, active));
        best.map(|(node, entry)| (node, entry.score))
    }

    /// As [`Self::sorted_nodes`], from a given order. Room of several kinds is no order — of three nodes each may have
    /// more than the next —, so with it the outcome depends on where the sorting begins, and on how it goes.
    pub fn sorted_from(&self, sequence: &[NodeId], table: &NodeTable, active: Option<NodeId>) -> Few<(NodeId, i32)> {
        let known = sequence.iter().filter_map(|node| Some((*node, table.get(*node)?)));
        let mut nodes: Few<(NodeId, &Entry)> = known.collect();
        merge_sort(&mut nodes, &|a, b| self.compare_nodes(*a, *b, active));
        nodes.into_iter().map(|(node, entry)| (node, entry.score)).collect()
    }

    /// The nodes of a table as Pacemaker comes past them in its own.
    pub fn table_sequence(&self, table: &NodeTable) -> Vec<NodeId> {
        let known = self.cluster.nodes_by_name.iter().filter(|node| table.get(**node).is_some());
        let nodes: Vec<NodeId> = known.copied().collect();
        let ids: Vec<&str> = nodes.iter().map(|node| self.node(*node).id.as_str()).collect();
        copied_order(&ids, table.copies()).into_iter().map(|at| nodes[at]).collect()
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
