//! Quorum by votes: how many are expected, and whether those present are more than half. Who is present it is told.

use std::collections::BTreeMap;

use engine::NodeId;

/// Votes of all nodes that this hub has known, and how many are expected.
///
/// Expected are the configured votes, but never fewer than the known nodes once had in sum: with fewer, two sides of a
/// partition could both hold more than half. Without configuration the cluster therefore learns its size while its
/// nodes start, and a first node alone has quorum until the second has joined.
#[derive(Debug, Default)]
pub struct Votes {
    configured: u32,
    highest: u32,
    by_node: BTreeMap<NodeId, u32>,
}

impl Votes {
    /// With the votes configured, if any are.
    pub fn new(configured: Option<u32>) -> Votes {
        Votes { configured: configured.unwrap_or(0), ..Votes::default() }
    }

    /// A node's daemon has told its votes.
    pub fn learn(&mut self, id: NodeId, votes: u32) {
        self.by_node.insert(id, votes);
        self.highest = self.highest.max(self.by_node.values().sum());
    }

    /// Every node known, with its votes.
    pub fn known(&self) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        self.by_node.iter().map(|(id, votes)| (*id, *votes))
    }

    /// A node's votes: what its last daemon told, and 0 before the first has.
    pub fn of(&self, id: NodeId) -> u32 {
        self.by_node.get(&id).copied().unwrap_or(0)
    }

    /// Votes of the whole cluster.
    pub fn expected(&self) -> u32 {
        self.configured.max(self.highest)
    }

    /// Whether so many votes are more than half.
    pub fn quorate(&self, present: u32) -> bool {
        u64::from(present) * 2 > u64::from(self.expected())
    }

    /// An operator says how many votes the cluster has. Nodes that are not present are forgotten, for they will not be
    /// back. Refused when fewer than are present, because then two halves of those could have quorum.
    pub fn expect(&mut self, expected: u32, present: impl Fn(NodeId) -> bool) -> Result<(), String> {
        let sum: u32 = self.known().filter(|(id, _)| present(*id)).map(|(_, votes)| votes).sum();
        if expected == 0 || expected < sum {
            return Err(format!(
                "{expected} votes cannot be expected while nodes with {sum} are up: give {} or more, or stop nodes first",
                sum.max(1)
            ));
        }
        self.by_node.retain(|id, _| present(*id));
        self.highest = sum;
        self.configured = expected;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_votes_follow_the_highest_sum_and_the_operator() {
        let mut votes = Votes::new(None);
        assert!(!votes.quorate(0));
        votes.learn(NodeId(1), 1);
        assert!(votes.quorate(1));
        votes.learn(NodeId(2), 3);
        assert_eq!((votes.expected(), votes.quorate(2), votes.quorate(3)), (4, false, true));
        votes.learn(NodeId(2), 1);
        assert_eq!(votes.expected(), 4, "a node that comes back with fewer votes does not shrink the cluster");
        assert!(votes.expect(1, |_| true).is_err());
        assert_eq!(votes.expect(1, |id| id == NodeId(1)), Ok(()));
        assert_eq!((votes.expected(), votes.of(NodeId(2))), (1, 0));
    }

    #[test]
    fn configured_votes_never_hide_nodes_that_are_here() {
        let mut votes = Votes::new(Some(3));
        (1..=5).for_each(|id| votes.learn(NodeId(id), 1));
        assert_eq!((votes.expected(), votes.quorate(2)), (5, false));
    }
}
