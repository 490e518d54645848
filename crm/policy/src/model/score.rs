//! Scores of nodes for one resource: a flat table over all nodes. Which score comes from what is the placement's affair.

use super::node::NodeId;

/// What a score of INFINITY counts as.
pub const INFINITY: i32 = 1_000_000;

/// The sum of two scores: −INFINITY wins over everything, then INFINITY; the rest is cut to that range.
pub fn add(a: i32, b: i32) -> i32 {
    if a <= -INFINITY || b <= -INFINITY {
        -INFINITY
    } else if a >= INFINITY || b >= INFINITY {
        INFINITY
    } else {
        (a + b).clamp(-INFINITY, INFINITY)
    }
}

/// A score in the words of operators: the ends are `INFINITY` and `-INFINITY`.
pub fn readable(score: i32) -> String {
    match score {
        score if score >= INFINITY => "INFINITY".to_owned(),
        score if score <= -INFINITY => "-INFINITY".to_owned(),
        score => score.to_string(),
    }
}

/// Whether a resource is probed on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProbeMode {
    /// As everywhere.
    #[default]
    Always,
    /// Never there.
    Never,
    /// Only on the nodes that are marked so.
    Exclusive,
}

/// What is known of one node for one resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// The score so far.
    pub score: i32,
    /// Instances placed there, while a clone is being placed.
    pub count: u32,
    /// Whether to probe there.
    pub probe: ProbeMode,
}

/// Nodes known to a resource, with their scores. It reaches from the first known node to the last, so that a table about
/// one node of a large cluster is as small as that of a small one.
#[derive(Clone, Debug, Default)]
pub struct NodeTable {
    /// The node of the first entry; anything, while there is none.
    first: u32,
    entries: Vec<Option<Entry>>,
    /// How often Pacemaker would have copied it from one hash table into another: its order there depends on that.
    copies: u32,
}

/// The same scores; how they came there does not count.
impl PartialEq for NodeTable {
    fn eq(&self, other: &NodeTable) -> bool {
        (self.first, &self.entries) == (other.first, &other.entries)
    }
}

impl Eq for NodeTable {}

impl NodeTable {
    fn place(&self, node: NodeId) -> usize {
        // Before the first it is as far out as behind the last.
        node.0.wrapping_sub(self.first) as usize
    }

    /// The entry of `node`, if the resource knows the node.
    pub fn get(&self, node: NodeId) -> Option<&Entry> {
        self.entries.get(self.place(node))?.as_ref()
    }

    /// The entry of `node`, to be changed.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut Entry> {
        let place = self.place(node);
        self.entries.get_mut(place)?.as_mut()
    }

    /// Makes `node` known.
    pub fn insert(&mut self, node: NodeId, entry: Entry) {
        if self.entries.is_empty() {
            self.first = node.0;
        } else if node.0 < self.first {
            let missing = (self.first - node.0) as usize;
            self.entries.splice(..0, std::iter::repeat_n(None, missing));
            self.first = node.0;
        }
        let place = self.place(node);
        if self.entries.len() <= place {
            self.entries.resize(place + 1, None);
        }
        self.entries[place] = Some(entry);
    }

    /// The entry of `node`, made with score 0 if there was none.
    pub fn entry(&mut self, node: NodeId) -> &mut Entry {
        if self.get(node).is_none() {
            self.insert(node, Entry::default());
        }
        self.get_mut(node).expect("it was inserted just now")
    }

    /// Becomes like another table, in the memory it has.
    pub fn become_like(&mut self, other: &NodeTable) {
        self.first = other.first;
        self.entries.clone_from(&other.entries);
        self.copies = other.copies;
    }

    /// Becomes a copy of another table, in the memory it has.
    pub fn copy_from(&mut self, other: &NodeTable) {
        self.become_like(other);
        self.copies = other.copies.saturating_add(1);
    }

    /// A copy, which knows that it is one.
    pub fn copied(&self) -> NodeTable {
        NodeTable { copies: self.copies.saturating_add(1), ..self.clone() }
    }

    /// How often it was copied.
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// Forgets `node`.
    pub fn remove(&mut self, node: NodeId) {
        let place = self.place(node);
        if let Some(slot) = self.entries.get_mut(place) {
            *slot = None;
        }
    }

    /// Whether no node is known.
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(Option::is_none)
    }

    /// How many nodes are known.
    pub fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// Known nodes and their entries, in the order of node ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Entry)> {
        (self.first..).zip(&self.entries).filter_map(|(node, entry)| Some((NodeId(node), entry.as_ref()?)))
    }

    /// Known nodes and their entries, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Entry)> {
        (self.first..).zip(&mut self.entries).filter_map(|(node, entry)| Some((NodeId(node), entry.as_mut()?)))
    }

    /// The score of `node`, if the resource knows the node.
    pub fn score(&self, node: NodeId) -> Option<i32> {
        self.get(node).map(|entry| entry.score)
    }

    /// Gives one score instead of another, wherever it is.
    pub fn replace(&mut self, score: i32, by: i32) {
        for entry in self.entries.iter_mut().flatten() {
            if entry.score == score {
                entry.score = by;
            }
        }
    }

    /// Known nodes.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.iter().map(|(node, _)| node).collect()
    }

    /// Adds to the score of `node`, if it is known.
    pub fn add(&mut self, node: NodeId, score: i32) {
        if let Some(entry) = self.get_mut(node) {
            entry.score = add(entry.score, score);
        }
    }

    /// Sets every known node to minus infinity.
    pub fn ban_all(&mut self) {
        for (_, entry) in self.iter_mut() {
            entry.score = -INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_knows_what_was_put_in_whatever_the_order() {
        let mut table = NodeTable::default();
        assert!(table.is_empty() && table.get(NodeId(0)).is_none());
        for node in [5, 2, 9, 0] {
            table.entry(NodeId(node)).score = node as i32;
        }
        table.remove(NodeId(2));
        table.remove(NodeId(77));
        let known: Vec<(u32, i32)> = table.iter().map(|(node, entry)| (node.0, entry.score)).collect();
        assert_eq!(known, [(0, 0), (5, 5), (9, 9)]);
        assert_eq!((table.len(), table.score(NodeId(2)), table.score(NodeId(10))), (3, None, None));
        let mut other = NodeTable::default();
        other.entry(NodeId(40)).score = 4;
        other.copy_from(&table);
        assert_eq!((other.score(NodeId(9)), other.score(NodeId(40))), (Some(9), None));
    }

    #[test]
    fn a_table_about_one_node_has_one_entry() {
        let mut table = NodeTable::default();
        table.entry(NodeId(4_000)).score = 7;
        assert_eq!((table.entries.len(), table.score(NodeId(4_000)), table.score(NodeId(3_999))), (1, Some(7), None));
    }
}
