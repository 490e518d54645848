//! The judges. They watch the true state, from outside, at every step, and know nothing of how the cluster decides.
//!
//! What broke a rule first is kept; the run ends there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use engine::NodeId;

/// More plans than this in one minute are too many. The controller itself pauses after 50 within 5 s; a cluster under
/// the faults of a run needs some tens.
pub const PLANS_PER_MINUTE: usize = 200;
/// More than this in one queue is growth without a bound: a full restart of the largest simulated cluster sends some
/// hundred messages.
pub const QUEUE: usize = 5_000;
/// A device's word counts for so long: whoever hears a host again within it has still to learn that it lied.
const A_LIE: Duration = Duration::from_secs(60);
/// So many hashes are remembered for comparison. Nodes are less than a second apart, which is far fewer writes.
const HASHES: usize = 4_096;

/// What the judges know.
#[derive(Debug, Default)]
pub struct Checkers {
    /// Resources that may be active on one node only.
    exclusive: BTreeSet<String>,
    /// Where each of them is, truly, on hosts with power.
    active: BTreeMap<String, BTreeSet<NodeId>>,
    /// What a host had when it was lost, until it is known to be cut off or was looked at again.
    held: BTreeSet<(NodeId, String)>,
    /// Hosts that a device said it had cut off, and had not.
    lied_about: BTreeMap<NodeId, Duration>,
    /// What was started elsewhere while such a host was out of hearing. No cluster can know better; it must only not last.
    unknowable: BTreeSet<(NodeId, String)>,
    hashes: BTreeMap<(u64, u64), (NodeId, u64)>,
    hash_order: VecDeque<(u64, u64)>,
    /// Where in the order a node stood when it told so.
    acknowledged: BTreeMap<String, u64>,
    plans: VecDeque<Duration>,
    /// The first rule that was broken, and how.
    pub broken: Option<String>,
}

impl Checkers {
    /// Judges of a cluster in which these resources may be active on one node only.
    pub fn new(exclusive: impl IntoIterator<Item = String>) -> Self {
        Checkers { exclusive: exclusive.into_iter().collect(), ..Checkers::default() }
    }

    /// A rule was broken.
    pub fn breaks(&mut self, how: String) {
        self.broken.get_or_insert(how);
    }

    /// Resources that may be active on one node only.
    pub fn exclusive(&self) -> impl Iterator<Item = &str> {
        self.exclusive.iter().map(String::as_str)
    }

    /// Where such a resource is.
    pub fn places(&self, resource: &str) -> BTreeSet<NodeId> {
        self.active.get(resource).cloned().unwrap_or_default()
    }

    /// The agent that starts a resource begins: it must be nowhere else, and nowhere that nobody has looked. `heard`: the
    /// hosts that this one hears.
    pub fn start_begins(&mut self, on: NodeId, resource: &str, heard: &BTreeSet<NodeId>) {
        if !self.exclusive.contains(resource) {
            return;
        }
        for other in self.lied_about.keys().filter(|other| !heard.contains(other)) {
            self.unknowable.insert((*other, resource.to_owned()));
        }
        let known = |other: &NodeId| *other != on && !self.unknowable.contains(&(*other, resource.to_owned()));
        let active = self.places(resource).into_iter().find(known);
        let held = self.held.iter().find(|(other, name)| name == resource && known(other)).map(|(other, _)| *other);
        if let Some(other) = active {
            self.breaks(format!("{resource} is started on node {on} while it is active on node {other}"));
        }
        if let Some(other) = held {
            self.breaks(format!(
                "{resource} is started on node {on}, but node {other} had it when it was lost, and it was neither fenced \
                 nor looked at since"
            ));
        }
    }

    /// A resource is there, whole or in part, or no longer.
    pub fn becomes(&mut self, on: NodeId, resource: &str, present: bool) {
        if !self.exclusive.contains(resource) {
            return;
        }
        self.held.remove(&(on, resource.to_owned()));
        let places = self.active.entry(resource.to_owned()).or_default();
        if present {
            places.insert(on)
        } else {
            self.unknowable.remove(&(on, resource.to_owned()));
            places.remove(&on)
        };
        let known = |other: &&NodeId| !self.unknowable.contains(&(**other, resource.to_owned()));
        let places: Vec<String> = places.iter().filter(known).map(NodeId::to_string).collect();
        if places.len() > 1 {
            self.breaks(format!("{resource} is active on nodes {} at once", places.join(" and ")));
        }
    }

    /// A fence device has said that it has cut the host off, and has not.
    pub fn lied_about(&mut self, now: Duration, host: NodeId) {
        self.lied_about.insert(host, now);
    }

    /// The host is in step with others that have quorum: what was said of it before is known to be false.
    pub fn is_here(&mut self, now: Duration, host: NodeId) {
        if self.lied_about.get(&host).is_some_and(|told| *told + A_LIE < now) {
            self.lied_about.remove(&host);
        }
    }

    /// A host has lost its power with these there, or about to be.
    pub fn power_lost(&mut self, host: NodeId, had: impl IntoIterator<Item = String>) {
        self.lied_about.remove(&host);
        self.unknowable.retain(|(other, _)| *other != host);
        for resource in had {
            if self.exclusive.contains(&resource) {
                self.held.insert((host, resource));
            }
        }
        for places in self.active.values_mut() {
            places.remove(&host);
        }
    }

    /// A fence agent has said that the host is cut off, and it is.
    pub fn fenced(&mut self, host: NodeId) {
        self.held.retain(|(other, _)| *other != host);
    }

    /// An agent has looked for the resource there and told what it saw.
    pub fn looked(&mut self, on: NodeId, resource: &str) {
        self.held.remove(&(on, resource.to_owned()));
    }

    /// A node in step holds that CIB after it was given that much, as a hash of the places in the order.
    pub fn holds(&mut self, node: NodeId, view: u64, given: u64, hash: u64) {
        let key = (view, given);
        match self.hashes.get(&key) {
            Some((other, theirs)) if *theirs != hash => {
                let other = *other;
                self.breaks(format!("nodes {other} and {node} were given the same and hold different CIBs"));
            }
            Some(_) => {}
            None => {
                self.hashes.insert(key, (node, hash));
                self.hash_order.push_back(key);
                if self.hash_order.len() > HASHES
                    && let Some(oldest) = self.hash_order.pop_front()
                {
                    self.hashes.remove(&oldest);
                }
            }
        }
    }

    /// A client was told that its write was made, by a node that stands there in the order. It is found by that text.
    pub fn acknowledged(&mut self, mark: &str, place: u64) {
        self.acknowledged.insert(mark.to_owned(), place);
    }

    /// Most of the nodes have agreed on a CIB with these marks: none may be missing that was acknowledged by somebody who
    /// had not been given more.
    pub fn history(&mut self, node: NodeId, place: u64, marks: &BTreeSet<String>) {
        let is_lost = |(mark, given): &(&String, &u64)| **given <= place && !marks.contains(*mark);
        if let Some((lost, _)) = self.acknowledged.iter().find(is_lost) {
            self.breaks(format!(
                "node {node} is one of most nodes in step, and the acknowledged write {lost} is missing"
            ));
        }
    }

    /// The CIB of the quorate side.
    pub fn final_cib(&mut self, text: &str) {
        let lost: Vec<&String> = self.acknowledged.keys().filter(|mark| !text.contains(mark.as_str())).collect();
        if let Some(first) = lost.first() {
            let how =
                format!("{} of {} acknowledged writes are lost, such as {first}", lost.len(), self.acknowledged.len());
            self.breaks(how);
        }
    }

    /// A plan was asked for.
    pub fn plan(&mut self, now: Duration) {
        self.plans.push_back(now);
        while self.plans.front().is_some_and(|time| *time + Duration::from_secs(60) < now) {
            self.plans.pop_front();
        }
        if self.plans.len() > PLANS_PER_MINUTE {
            self.breaks(format!("more than {PLANS_PER_MINUTE} plans within a minute"));
        }
    }

    /// A queue has that length.
    pub fn queue(&mut self, what: &str, length: usize) {
        if length > QUEUE {
            self.breaks(format!("{what} has grown to {length}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judges() -> Checkers {
        Checkers::new(["web".to_owned()])
    }

    #[test]
    fn active_on_two_nodes_is_found() {
        let mut watch = judges();
        watch.becomes(NodeId(1), "web", true);
        watch.becomes(NodeId(2), "clone", true);
        watch.becomes(NodeId(3), "clone", true);
        assert_eq!(watch.broken, None);
        watch.becomes(NodeId(2), "web", true);
        assert!(watch.broken.is_some());
    }

    #[test]
    fn a_start_before_the_fencing_is_found_and_after_it_is_not() {
        for fenced in [false, true] {
            let mut watch = judges();
            watch.becomes(NodeId(1), "web", true);
            watch.power_lost(NodeId(1), ["web".to_owned()]);
            if fenced {
                watch.fenced(NodeId(1));
            }
            watch.start_begins(NodeId(2), "web", &BTreeSet::new());
            assert_eq!(watch.broken.is_none(), fenced);
        }
    }

    #[test]
    fn a_node_that_was_looked_at_holds_nothing() {
        let mut watch = judges();
        watch.becomes(NodeId(1), "web", true);
        watch.power_lost(NodeId(1), ["web".to_owned()]);
        watch.looked(NodeId(1), "web");
        watch.start_begins(NodeId(2), "web", &BTreeSet::new());
        assert_eq!(watch.broken, None);
    }

    #[test]
    fn who_is_lied_to_about_a_host_that_he_cannot_hear_is_not_to_blame() {
        for (heard, blamed) in [(vec![NodeId(1)], true), (vec![], false)] {
            let mut watch = judges();
            watch.becomes(NodeId(1), "web", true);
            watch.lied_about(Duration::ZERO, NodeId(1));
            watch.start_begins(NodeId(2), "web", &heard.into_iter().collect());
            watch.becomes(NodeId(2), "web", true);
            assert_eq!(watch.broken.is_some(), blamed);
        }
        // Of a host that he hears again he is to blame.
        let mut watch = judges();
        watch.lied_about(Duration::ZERO, NodeId(1));
        watch.start_begins(NodeId(2), "web", &BTreeSet::new());
        watch.becomes(NodeId(2), "web", true);
        watch.becomes(NodeId(1), "web", false);
        watch.becomes(NodeId(1), "web", true);
        assert!(watch.broken.is_some());
    }

    #[test]
    fn different_cibs_after_the_same_are_found() {
        let mut watch = judges();
        watch.holds(NodeId(1), 7, 1, 10);
        watch.holds(NodeId(2), 7, 2, 11);
        watch.holds(NodeId(2), 7, 1, 10);
        assert_eq!(watch.broken, None);
        watch.holds(NodeId(3), 7, 1, 12);
        assert!(watch.broken.is_some());
    }

    #[test]
    fn a_write_that_is_missing_for_a_while_is_found() {
        let mut watch = judges();
        watch.acknowledged("mark-1", 7);
        watch.history(NodeId(1), 9, &BTreeSet::from(["mark-1".to_owned(), "mark-2".to_owned()]));
        watch.history(NodeId(3), 6, &BTreeSet::new());
        assert_eq!(watch.broken, None, "who is behind cannot know it");
        watch.history(NodeId(2), 7, &BTreeSet::from(["mark-2".to_owned()]));
        assert!(watch.broken.is_some());
    }

    #[test]
    fn a_lost_write_and_a_storm_of_plans_are_found() {
        let mut watch = judges();
        watch.acknowledged("mark-1", 1);
        watch.final_cib("<nvpair name='mark-1'/>");
        assert_eq!(watch.broken, None);
        watch.final_cib("<nvpair name='mark-2'/>");
        assert!(watch.broken.is_some());
        let mut watch = judges();
        (0..=PLANS_PER_MINUTE).for_each(|_| watch.plan(Duration::ZERO));
        assert!(watch.broken.is_some());
    }
}
