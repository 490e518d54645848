//! Votequorum's arithmetic: who is quorate, through any course of losses, splits and returns. It follows votequorum(5)
//! and, where that is silent, what upstream's own votequorum does in its simulator; those courses are its tests.
//!
//! Each node has its own state, as in a real cluster; nodes that see each other agree on the highest expected votes
//! among them. The quorum never goes down by itself, only last_man_standing takes it down.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Model;

/// A node's number.
pub type NodeId = u32;

/// Who breaks a tie of two equal halves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TieBreaker {
    /// The lowest id of those who were together.
    Lowest,
    /// The highest.
    Highest,
    /// The first of these that was there.
    List(Vec<NodeId>),
}

impl TieBreaker {
    /// Reads `lowest`, `highest` or a list of ids.
    pub fn parse(text: &str) -> Option<TieBreaker> {
        match text.trim() {
            "" | "lowest" => Some(TieBreaker::Lowest),
            "highest" => Some(TieBreaker::Highest),
            list => list.split_whitespace().map(|id| id.parse().ok()).collect::<Option<_>>().map(TieBreaker::List),
        }
    }
}

/// What a file says about quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Votes of each node.
    pub votes: BTreeMap<NodeId, u32>,
    /// Expected votes at the start.
    pub expected: u32,
    /// Each of two is quorate alone.
    pub two_node: bool,
    /// No quorum after a start before all were seen.
    pub wait_for_all: bool,
    /// The half with the tie breaker stays quorate.
    pub tie_breaker: Option<TieBreaker>,
    /// Expect only those who are left.
    pub last_man_standing: bool,
    /// Votes of the quorum device.
    pub device: Option<Device>,
}

/// The quorum device: QNetd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its votes.
    pub votes: u32,
    /// To whom it gives them.
    pub algorithm: Algorithm,
    /// Who gets the vote of two equal halves.
    pub tie_breaker: TieBreaker,
}

/// To whom a quorum device gives its votes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// To the largest partition alone.
    Ffsplit,
    /// To the largest partition, which may be a single node.
    Lms,
}

impl Rules {
    /// What a file says, as Corosync takes it; `None` without a nodelist or with a node that has no id.
    pub fn of(model: &Model<'_>) -> Option<Rules> {
        let votes: BTreeMap<NodeId, u32> = model
            .nodes
            .iter()
            .map(|node| Some((node.id.as_ref()?.value, node.votes.as_ref().map_or(1, |votes| votes.value))))
            .collect::<Option<_>>()?;
        let quorum = &model.quorum;
        let nodes = u32::try_from(votes.len()).ok().filter(|count| *count > 0)?;
        let sum = votes.values().fold(0, |sum: u32, votes| sum.saturating_add(*votes));
        let device = quorum.device.as_ref().map(|device| Device {
            votes: device.votes.as_ref().map_or(nodes - 1, |votes| votes.value),
            algorithm: if device.algorithm == "lms" { Algorithm::Lms } else { Algorithm::Ffsplit },
            tie_breaker: TieBreaker::parse(&device.tie_breaker).unwrap_or(TieBreaker::Lowest),
        });
        // Without its own votes the device doubles the cluster; said votes are added only when they are cast.
        let implied = match &quorum.device {
            Some(device) if device.votes.is_none() => nodes - 1,
            _ => 0,
        };
        let expected = quorum.expected_votes.as_ref().map_or(sum.saturating_add(implied), |votes| votes.value);
        let two_node = quorum.two_node.is_some() && quorum.auto_tie_breaker.is_none();
        let wait_for_all = quorum.wait_for_all.as_ref().map_or(two_node, |placed| placed.value);
        // Of an odd number a minority could hold the tie breaker: only with wait_for_all does votequorum allow it.
        let tie = quorum.auto_tie_breaker.is_some() && (expected.is_multiple_of(2) || wait_for_all);
        let named = quorum.auto_tie_breaker_node.as_ref().map_or("", |placed| &placed.value);
        Some(Rules {
            votes,
            expected,
            two_node,
            wait_for_all,
            tie_breaker: tie.then(|| TieBreaker::parse(named).unwrap_or(TieBreaker::Lowest)),
            last_man_standing: quorum.last_man_standing.is_some(),
            device,
        })
    }
}

/// What one node thinks.
#[derive(Clone, Debug)]
struct State {
    expected: u32,
    quorum: u32,
    quorate: bool,
    /// Waits for all others since its start.
    waits: bool,
    /// With whom it was last.
    members: BTreeSet<NodeId>,
}

/// A cluster through a course of events.
#[derive(Clone, Debug)]
pub struct Cluster {
    rules: Rules,
    up: BTreeMap<NodeId, State>,
    /// Which nodes see each other; nodes that are down stand in the partition they were last in.
    partitions: Vec<BTreeSet<NodeId>>,
    /// Whether QNetd is there.
    device_up: bool,
}

impl Cluster {
    /// A cluster of which nobody is up, with a whole network and the device there.
    pub fn new(rules: Rules) -> Cluster {
        let partitions = vec![rules.votes.keys().copied().collect()];
        Cluster { rules, up: BTreeMap::new(), partitions, device_up: true }
    }

    /// A cluster of which all are up, and were for long.
    pub fn running(rules: Rules) -> Cluster {
        let all: Vec<NodeId> = rules.votes.keys().copied().collect();
        let mut cluster = Cluster::new(rules);
        cluster.start(&all);
        cluster
    }

    /// Nodes come up at once.
    pub fn start(&mut self, nodes: &[NodeId]) {
        for node in nodes.iter().filter(|node| self.rules.votes.contains_key(node)) {
            let state = State {
                expected: self.rules.expected,
                quorum: 0,
                quorate: false,
                waits: self.rules.wait_for_all,
                members: BTreeSet::new(),
            };
            self.up.entry(*node).or_insert(state);
        }
        self.settle();
    }

    /// Nodes are lost at once.
    pub fn lose(&mut self, nodes: &[NodeId]) {
        self.up.retain(|node, _| !nodes.contains(node));
        self.settle();
    }

    /// The network falls into these parts; who is in none keeps with the others who are in none.
    pub fn split(&mut self, parts: &[BTreeSet<NodeId>]) {
        let rest = self.rules.votes.keys().copied().filter(|node| !parts.iter().any(|part| part.contains(node)));
        self.partitions = parts.iter().cloned().chain([rest.collect()]).filter(|part| !part.is_empty()).collect();
        self.settle();
    }

    /// The network is whole again.
    pub fn heal(&mut self) {
        self.split(&[]);
    }

    /// QNetd goes or comes.
    pub fn device(&mut self, up: bool) {
        self.device_up = up;
        self.settle();
    }

    /// The window of last_man_standing passes: who is quorate expects only those who are there.
    pub fn window_passes(&mut self) {
        if !self.rules.last_man_standing {
            return;
        }
        for members in self.groups() {
            let votes = self.votes_of(&members);
            for node in &members {
                let Some(state) = self.up.get_mut(node) else { continue };
                if state.quorate {
                    state.expected = votes;
                    state.quorum = votes / 2 + 1;
                }
            }
        }
    }

    /// Who is up and quorate.
    pub fn quorate(&self) -> BTreeSet<NodeId> {
        self.up.iter().filter(|(_, state)| state.quorate).map(|(node, _)| *node).collect()
    }

    /// Who is up.
    pub fn up(&self) -> BTreeSet<NodeId> {
        self.up.keys().copied().collect()
    }

    /// The groups of nodes that are up and see each other.
    pub fn groups(&self) -> Vec<BTreeSet<NodeId>> {
        let here = |part: &BTreeSet<NodeId>| part.iter().copied().filter(|node| self.up.contains_key(node)).collect();
        self.partitions.iter().map(here).filter(|group: &BTreeSet<NodeId>| !group.is_empty()).collect()
    }

    /// Each group forms its membership and counts anew.
    fn settle(&mut self) {
        let groups = self.groups();
        let favoured = self.favoured(&groups);
        for (position, members) in groups.iter().enumerate() {
            self.count(members, favoured == Some(position));
        }
    }

    /// The group that the device gives its votes to.
    fn favoured(&self, groups: &[BTreeSet<NodeId>]) -> Option<usize> {
        let device = self.rules.device.as_ref().filter(|_| self.device_up)?;
        let largest = groups.iter().map(BTreeSet::len).max()?;
        let candidates: Vec<usize> = (0..groups.len()).filter(|at| groups[*at].len() == largest).collect();
        let all: BTreeSet<NodeId> = candidates.iter().flat_map(|at| groups[*at].iter().copied()).collect();
        let breaker = breaker(&device.tie_breaker, &all)?;
        candidates.into_iter().find(|at| groups[*at].contains(&breaker))
    }

    fn count(&mut self, members: &BTreeSet<NodeId>, favoured: bool) {
        let device_votes = self.rules.device.as_ref().map_or(0, |device| device.votes);
        let cast = if favoured { device_votes } else { 0 };
        let votes = self.votes_of(members).saturating_add(cast);
        // The device's votes raise what is expected, whether they are cast or not.
        let configured = self.votes_of(members).saturating_add(device_votes);
        let states = || members.iter().filter_map(|node| self.up.get(node));
        let expected = states().map(|state| state.expected).max().unwrap_or(0).max(configured);
        // One who has not waited frees all: it knows that the cluster was whole.
        let waits = states().all(|state| state.waits);
        let was_together = states().any(|state| state.quorate);
        let least = (expected / 2 + 1).max(votes / 2 + 1);
        let held = states().map(|state| state.quorum).max().unwrap_or(0);
        let quorum = if self.rules.two_node && members.len() <= 2 { 1 } else { least.max(held) };
        let before: BTreeSet<NodeId> = states().flat_map(|state| state.members.iter().copied()).collect();
        let complete = votes >= expected;
        let tie = self.rules.tie_breaker.as_ref().is_some_and(|tie| {
            let others: BTreeSet<NodeId> = before.difference(members).copied().collect();
            let mut together = before.clone();
            together.extend(members);
            was_together
                && votes == expected / 2
                && self.votes_of(&others) < quorum
                && breaker(tie, &together).is_some_and(|node| members.contains(&node))
        });
        let quorate = (votes >= quorum || tie) && (!waits || complete);
        for node in members {
            let Some(state) = self.up.get_mut(node) else { continue };
            *state = State { expected, quorum, quorate, waits: waits && !quorate, members: members.clone() };
        }
    }

    fn votes_of(&self, nodes: &BTreeSet<NodeId>) -> u32 {
        nodes.iter().filter_map(|node| self.rules.votes.get(node)).fold(0, |sum: u32, votes| sum.saturating_add(*votes))
    }
}

fn breaker(tie: &TieBreaker, nodes: &BTreeSet<NodeId>) -> Option<NodeId> {
    match tie {
        TieBreaker::Lowest => nodes.first().copied(),
        TieBreaker::Highest => nodes.last().copied(),
        TieBreaker::List(list) => list.iter().copied().find(|node| nodes.contains(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conf;

    /// Runs a course and compares who is quorate after each step. Words: `off` all nodes, `up 1 2`, `down 3`,
    /// `split 1 2|3 4`, `heal`, `window`, `device off`, `device on`; after `=` the quorate nodes.
    #[track_caller]
    fn course(nodes: usize, votes: &[u32], quorum: &str, steps: &[&str]) {
        let node = |id: usize| {
            let votes = votes.get(id - 1).map_or(String::new(), |votes| format!("quorum_votes: {votes}\n"));
            format!("node {{\nnodeid: {id}\nring0_addr: 10.0.0.{id}\n{votes}}}\n")
        };
        let list: String = (1..=nodes).map(node).collect();
        let quorum = quorum.replace(", ", "\n");
        let conf =
            Conf::parse(format!("nodelist {{\n{list}}}\nquorum {{\nprovider: corosync_votequorum\n{quorum}\n}}\n"));
        assert!(conf.problems().is_empty(), "{:?}", conf.problems());
        let mut cluster = Cluster::running(Rules::of(&Model::of(&conf)).unwrap());
        for step in steps {
            let (what, expected) = step.split_once('=').unwrap_or_else(|| panic!("{step}: no answer"));
            let ids =
                |text: &str| -> Vec<NodeId> { text.split_whitespace().filter_map(|id| id.parse().ok()).collect() };
            match what.split_whitespace().next() {
                None => {}
                Some("off") => cluster.lose(&cluster.up().into_iter().collect::<Vec<_>>()),
                Some("up") => cluster.start(&ids(what)),
                Some("down") => cluster.lose(&ids(what)),
                Some("split") => {
                    let parts: Vec<BTreeSet<NodeId>> =
                        what.split('|').map(|part| ids(part).into_iter().collect()).collect();
                    cluster.split(&parts);
                }
                Some("heal") => cluster.heal(),
                Some("window") => cluster.window_passes(),
                Some("device") => cluster.device(what.contains("on")),
                Some(other) => panic!("{other}: no such step"),
            }
            assert_eq!(
                cluster.quorate().into_iter().collect::<Vec<_>>(),
                ids(expected),
                "after `{step}` with {quorum}"
            );
        }
    }

    #[test]
    fn a_majority_is_quorate() {
        course(2, &[], "", &["=1 2", "down 2="]);
        course(3, &[], "", &["down 3=1 2", "down 2="]);
        course(4, &[], "", &["down 4=1 2 3", "down 3=", "off=", "up 1 2=", "up 3=1 2 3"]);
        course(5, &[], "", &["down 5 4=1 2 3", "down 3="]);
        course(4, &[], "", &["split 1 2|3 4=", "heal=1 2 3 4"]);
        course(8, &[], "", &["down 8 7 6=1 2 3 4 5", "down 5="]);
    }

    #[test]
    fn two_nodes() {
        course(2, &[], "two_node: 1", &["off=", "up 1=", "up 2=1 2", "down 2=1"]);
        course(2, &[], "two_node: 1, wait_for_all: 0", &["off=", "up 1=1", "up 2=1 2"]);
        course(2, &[], "two_node: 1", &["split 1|2=1 2", "heal=1 2"]);
        // Left in a list of three, it makes two clusters of one.
        course(3, &[], "two_node: 1", &["down 3=1 2", "down 2=1"]);
        course(3, &[], "two_node: 1", &["split 1 2|3=1 2 3"]);
    }

    #[test]
    fn waiting_for_all() {
        course(4, &[], "wait_for_all: 1", &["off=", "up 1 2 3=", "up 4=1 2 3 4", "down 4=1 2 3", "down 3="]);
    }

    #[test]
    fn breaking_ties() {
        course(
            4,
            &[],
            "auto_tie_breaker: 1",
            &["split 1 2|3 4=1 2", "heal=1 2 3 4", "down 4=1 2 3", "down 3=1 2", "down 2="],
        );
        course(4, &[], "auto_tie_breaker: 1, auto_tie_breaker_node: highest", &["split 1 2|3 4=3 4"]);
        course(4, &[], "auto_tie_breaker: 1, auto_tie_breaker_node: 3 1", &["split 1 2|3 4=3 4"]);
        course(4, &[], "auto_tie_breaker: 1, auto_tie_breaker_node: 3 1", &["down 3=1 2 4", "split 1|2 4="]);
        course(2, &[], "auto_tie_breaker: 1", &["down 2=1", "up 2=1 2", "down 1="]);
        course(4, &[], "auto_tie_breaker: 1", &["down 1 2="]);
        course(6, &[], "auto_tie_breaker: 1", &["split 1 2 3|4 5 6=1 2 3"]);
        course(5, &[], "auto_tie_breaker: 1", &["down 5 4=1 2 3", "down 3="]);
        course(5, &[], "auto_tie_breaker: 1, wait_for_all: 1", &["down 5 4=1 2 3", "down 3=1 2"]);
    }

    #[test]
    fn the_last_man() {
        let lms = "last_man_standing: 1, wait_for_all: 1";
        course(
            8,
            &[],
            lms,
            &[
                "down 8 7 6=1 2 3 4 5",
                "window=1 2 3 4 5",
                "down 5 4=1 2 3",
                "window=1 2 3",
                "down 3=1 2",
                "window=1 2",
                "down 2=",
            ],
        );
        course(8, &[], lms, &["down 8 7 6=1 2 3 4 5", "down 5="]);
        let both = "last_man_standing: 1, wait_for_all: 1, auto_tie_breaker: 1";
        course(4, &[], both, &["down 4=1 2 3", "window=1 2 3", "down 3=1 2", "window=1 2", "down 2=1"]);
        course(4, &[], both, &["down 4=1 2 3", "window=1 2 3", "down 3=1 2", "window=1 2", "down 1="]);
    }

    #[test]
    fn votes_that_differ() {
        course(3, &[3, 1, 1], "", &["down 1="]);
        course(3, &[3, 1, 1], "", &["down 3 2=1"]);
        course(3, &[2, 2, 1], "", &["down 3=1 2", "down 2="]);
        course(3, &[1, 1, 0], "", &["down 3=1 2", "down 2="]);
        course(3, &[], "expected_votes: 5", &["=1 2 3", "down 3="]);
        course(3, &[], "expected_votes: 2", &["=1 2 3", "down 3=1 2", "down 2="]);
    }

    #[test]
    fn a_device_votes() {
        let ffsplit = "device {, model: net, votes: 1, net {, host: q, algorithm: ffsplit, }, }";
        course(2, &[], ffsplit, &["=1 2", "down 2=1"]);
        course(2, &[], ffsplit, &["split 1|2=1", "heal=1 2", "device off=1 2", "down 2=", "device on=1"]);
        course(4, &[], ffsplit, &["split 1 2|3 4=1 2"]);
        let lms = "device {, model: net, net {, host: q, algorithm: lms, }, }";
        course(4, &[], lms, &["down 2 3 4=1", "device off="]);
        course(4, &[], lms, &["device off=1 2 3 4", "down 4=", "device on=1 2 3"]);
    }
}
