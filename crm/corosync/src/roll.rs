//! The roll call at a cut: of all who reported, who is a member and since when, and who is refused and why.
//!
//! All members are given the same reports and so call the same roll.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use engine::NodeId;

use crate::frame::Here;
use crate::ring::Process;

/// Who is a member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Roll {
    /// Members with their places in the order of joining.
    pub members: BTreeMap<Process, u64>,
    /// Who cannot be one, and why.
    pub refused: BTreeMap<Process, String>,
    /// The highest place given so far.
    pub highest: u32,
}

/// A place in the order of joining. Its upper half counts; the lower one is its owner's number by chance, so that a
/// daemon that was started anew while alone is never taken for the one that it was before.
pub fn place(count: u32, nonce: u32) -> u64 {
    u64::from(count) << 32 | u64::from(nonce)
}

/// Calls the roll. Who goes on with most others comes first, and of as many the elder, so that nothing that runs is
/// refused for something that comes: a second daemon of a node, a second node of a name, a node of another cluster.
///
/// Who has no place yet gets one behind all that anyone has heard of. If nobody is there before it, the time at which
/// it was started is its place: a node that was alone for a while after its start is then younger than a cluster that
/// it finds later, as long as clocks are roughly right. Nothing but that order depends on them.
pub fn call(reports: &BTreeMap<Process, Here>) -> Roll {
    let mates = |here: &Here| reports.values().filter(|other| other.lineage == here.lineage).count();
    let mut order: Vec<(&Process, &Here)> = reports.iter().collect();
    order.sort_by_key(|(process, here)| {
        let since = if here.since == 0 { u64::MAX } else { here.since };
        (Reverse(mates(here)), since, here.started, here.nonce, **process)
    });
    let heard = |here: &Here| here.highest.max(u32::try_from(here.since >> 32).unwrap_or(u32::MAX));
    let mut roll = Roll { highest: reports.values().map(heard).max().unwrap_or(0), ..Roll::default() };
    let mut nodes: BTreeMap<NodeId, Process> = BTreeMap::new();
    let mut names: BTreeMap<&str, NodeId> = BTreeMap::new();
    let cluster = order.first().map_or("", |(_, here)| here.cluster.as_str());
    for (process, here) in order {
        let reason = if here.cluster != cluster {
            Some(format!(
                "it is configured for the cluster \"{}\", and the members of this process group are \"{cluster}\": give \
                 it their name, or Corosync of its own",
                here.cluster
            ))
        } else if let Some(other) = nodes.get(&process.node) {
            Some(format!("node {} has a daemon already (process {}): run one on each node", process.node, other.pid))
        } else {
            names.get(here.name.as_str()).map(|other| {
                format!("the name {} belongs to node {other}: give each node of corosync.conf its own name", here.name)
            })
        };
        if let Some(reason) = reason {
            roll.refused.insert(*process, reason);
            continue;
        }
        let since = match here.since {
            0 => {
                roll.highest = roll.highest.saturating_add(1).max(here.started);
                place(roll.highest, here.nonce)
            }
            since => since,
        };
        nodes.insert(process.node, *process);
        names.insert(&here.name, process.node);
        roll.members.insert(*process, since);
    }
    roll
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(node: u32, since: u64, started: u32) -> (Process, Here) {
        let here = Here {
            cut: 0,
            lineage: 0,
            since,
            highest: 0,
            started,
            nonce: node,
            quorate: true,
            votes: 1,
            expected: 1,
            name: format!("n{node}"),
            cluster: "c".into(),
            version: String::new(),
            strangers: Vec::new(),
        };
        (Process { node: NodeId(node), pid: 10 }, here)
    }

    #[test]
    fn who_comes_later_stands_behind_whatever_its_clock_says() {
        let roll = call(&[report(1, 0, 500), report(2, place(900, 2), 100), report(3, 0, 400)].into());
        let since = |node: u32| roll.members[&Process { node: NodeId(node), pid: 10 }];
        assert_eq!(since(2), place(900, 2), "who is here stays where it was");
        assert_eq!((since(3), since(1)), (place(901, 3), place(902, 1)));
        assert_eq!(roll.highest, 902);
    }

    #[test]
    fn a_place_once_heard_of_is_not_given_again() {
        let mut reports: BTreeMap<_, _> = [report(1, place(5, 1), 1), report(2, 0, 1)].into();
        reports.values_mut().for_each(|here| here.highest = 9);
        assert_eq!(call(&reports).members[&Process { node: NodeId(2), pid: 10 }], place(10, 2));
    }

    #[test]
    fn a_side_of_two_refuses_one_that_was_alone_whatever_their_places() {
        let mut reports: BTreeMap<_, _> =
            [report(1, place(7, 1), 1), report(2, place(7, 2), 1), report(3, place(6, 1), 1)].into();
        for (process, here) in &mut reports {
            here.lineage = u64::from(process.node == NodeId(3));
            here.name = if process.node == NodeId(2) { "n2".into() } else { "n1".into() };
        }
        let refused: Vec<NodeId> = call(&reports).refused.keys().map(|process| process.node).collect();
        assert_eq!(refused, [NodeId(3)]);
    }

    #[test]
    fn the_younger_is_refused() {
        let (first, mut second) = (report(1, place(5, 1), 1), report(2, 0, 9));
        second.1.name = "n1".into();
        let (mut third, mut fourth) = (report(3, 0, 9), report(1, 0, 9));
        third.1.cluster = "other".into();
        fourth.0.pid = 11;
        let reports = [first, second, third, fourth].into();
        let roll = call(&reports);
        assert_eq!(roll.members.len(), 1);
        let reasons: Vec<&str> = roll.refused.values().map(String::as_str).collect();
        assert!(reasons[0].contains("node 1 has a daemon already (process 10)"), "{reasons:?}");
        assert!(reasons[1].contains("the name n1 belongs to node 1"), "{reasons:?}");
        assert!(reasons[2].contains("cluster \"other\""), "{reasons:?}");
    }
}
