//! Every loss that a cluster can have, and who would be quorate after it: nodes lost at once, the network in two parts,
//! the quorum device gone. The answers are `votequorum.rs`'s.

use std::collections::BTreeSet;

use crate::votequorum::{Cluster, NodeId, Rules};

/// Up to so many nodes each set of them is tried: 4,096 sets. Beyond, of each size only the sets of the lowest and of
/// the highest ids, as tie breakers are; the others differ from these by votes alone.
pub const ALL_SETS_UP_TO: usize = 12;

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// These nodes are lost at once.
    Nodes(BTreeSet<NodeId>),
    /// The network falls into these two parts.
    Split(BTreeSet<NodeId>, BTreeSet<NodeId>),
    /// All nodes were off, and these start.
    ColdStart(BTreeSet<NodeId>),
}

/// What follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What happened.
    pub loss: Loss,
    /// Whether the quorum device was lost before; always false without one.
    pub device_lost: bool,
    /// Groups that see each other, and whether they are quorate.
    pub groups: Vec<(BTreeSet<NodeId>, bool)>,
}

impl Outcome {
    /// How many groups are quorate: none is an outage, two are a split brain that only fencing ends.
    pub fn quorate_groups(&self) -> usize {
        self.groups.iter().filter(|(_, quorate)| *quorate).count()
    }
}

/// All outcomes, fewest nodes lost first.
pub fn all(rules: &Rules) -> Vec<Outcome> {
    let nodes: Vec<NodeId> = rules.votes.keys().copied().collect();
    let device: &[bool] = if rules.device.is_some() { &[false, true] } else { &[false] };
    let mut outcomes = Vec::new();
    for set in sets(&nodes) {
        let rest: BTreeSet<NodeId> = nodes.iter().copied().filter(|node| !set.contains(node)).collect();
        for device_lost in device {
            let with = |loss: Loss| outcome(rules, loss, *device_lost);
            if !rest.is_empty() {
                outcomes.push(with(Loss::Nodes(set.clone())));
            }
            if !set.is_empty() {
                outcomes.push(with(Loss::ColdStart(set.clone())));
            }
            // Each split once: by the part that holds the lowest node.
            if !rest.is_empty() && set.first() == nodes.first() {
                outcomes.push(with(Loss::Split(set.clone(), rest.clone())));
            }
        }
    }
    outcomes
}

fn outcome(rules: &Rules, loss: Loss, device_lost: bool) -> Outcome {
    let mut cluster = match loss {
        Loss::ColdStart(_) => Cluster::new(rules.clone()),
        _ => Cluster::running(rules.clone()),
    };
    if device_lost {
        cluster.device(false);
    }
    match &loss {
        Loss::Nodes(nodes) => cluster.lose(&nodes.iter().copied().collect::<Vec<_>>()),
        Loss::Split(one, other) => cluster.split(&[one.clone(), other.clone()]),
        Loss::ColdStart(nodes) => cluster.start(&nodes.iter().copied().collect::<Vec<_>>()),
    }
    let quorate = cluster.quorate();
    let groups = cluster.groups().into_iter().map(|group| (group.clone(), group.is_subset(&quorate))).collect();
    Outcome { loss, device_lost, groups }
}

/// Sets of nodes, the smallest first.
fn sets(nodes: &[NodeId]) -> Vec<BTreeSet<NodeId>> {
    let mut sets: Vec<BTreeSet<NodeId>> = if nodes.len() <= ALL_SETS_UP_TO {
        let chosen =
            |bits: usize| nodes.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, node)| *node);
        (0..1usize << nodes.len()).map(|bits| chosen(bits).collect()).collect()
    } else {
        let ends = |count: usize| {
            [nodes[..count].iter().copied().collect(), nodes[nodes.len() - count..].iter().copied().collect()]
        };
        (0..=nodes.len()).flat_map(ends).collect()
    };
    sets.sort_by_key(|set| (set.len(), set.iter().copied().collect::<Vec<_>>()));
    sets.dedup();
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conf, Model};

    fn outcomes(quorum: &str, count: u32) -> Vec<Outcome> {
        let node = |id| format!("node {{\nnodeid: {id}\nring0_addr: 10.0.0.{id}\n}}\n");
        let nodes: String = (1..=count).map(node).collect();
        let conf =
            Conf::parse(format!("nodelist {{\n{nodes}}}\nquorum {{\nprovider: corosync_votequorum\n{quorum}\n}}\n"));
        all(&Rules::of(&Model::of(&conf)).unwrap())
    }

    #[test]
    fn two_nodes_with_two_node_are_both_quorate_after_a_split() {
        let split = outcomes("two_node: 1", 2).into_iter().find(|one| matches!(one.loss, Loss::Split(..))).unwrap();
        assert_eq!(split.quorate_groups(), 2);
        let three = outcomes("", 3);
        assert!(three.iter().all(|one| one.quorate_groups() <= 1));
        assert!(
            three
                .iter()
                .filter(|one| matches!(&one.loss, Loss::Nodes(lost) if lost.len() == 1))
                .all(|one| one.quorate_groups() == 1)
        );
    }

    #[test]
    fn a_device_gives_its_vote_to_one_half_only() {
        let device = "device {\nmodel: net\nvotes: 1\nnet {\nhost: q\nalgorithm: ffsplit\n}\n}";
        let all = outcomes(device, 2);
        let split =
            |lost| all.iter().find(|one| matches!(one.loss, Loss::Split(..)) && one.device_lost == lost).unwrap();
        assert_eq!((split(false).quorate_groups(), split(true).quorate_groups()), (1, 0));
        assert!(split(false).groups[0].1, "the half with the lowest id");
    }

    #[test]
    fn many_nodes_end_in_time() {
        assert!(outcomes("", 32).len() < 1000);
    }
}
