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

/// Nodes known to a resource, with their scores.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeTable {
    entries: Vec<Option<Entry>>,
}

impl NodeTable {
    /// The entry of `node`, if the resource knows the node.
    pub fn get(&self, node: NodeId) -> Option<&Entry> {
        self.entries.get(node.index())?.as_ref()
    }

    /// The entry of `node`, to be changed.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut Entry> {
        self.entries.get_mut(node.index())?.as_mut()
    }

    /// Makes `node` known.
    pub fn insert(&mut self, node: NodeId, entry: Entry) {
        if self.entries.len() <= node.index() {
            self.entries.resize(node.index() + 1, None);
        }
        self.entries[node.index()] = Some(entry);
    }

    /// The entry of `node`, made with score 0 if there was none.
    pub fn entry(&mut self, node: NodeId) -> &mut Entry {
        if self.get(node).is_none() {
            self.insert(node, Entry::default());
        }
        self.entries[node.index()].as_mut().expect("it was inserted just now")
    }

    /// Becomes like another table, in the memory it has.
    pub fn copy_from(&mut self, other: &NodeTable) {
        self.entries.clone_from(&other.entries);
    }

    /// Forgets `node`.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(slot) = self.entries.get_mut(node.index()) {
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
        self.entries.iter().enumerate().filter_map(|(i, e)| e.as_ref().map(|e| (NodeId(i as u32), e)))
    }

    /// Known nodes and their entries, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Entry)> {
        self.entries.iter_mut().enumerate().filter_map(|(i, e)| e.as_mut().map(|e| (NodeId(i as u32), e)))
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
