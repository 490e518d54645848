//! The brake on fencing: which fencings of a plan wait, and why. It never lets anything start that could run twice, for
//! what waits for a fencing goes on waiting; it only keeps the cluster from cutting off in a hurry what it should not.
//!
//! Three things make it hold: more nodes were lost in one instant than faults of nodes explain (a switch, a hypervisor,
//! our own network), the budget of fencings in a window is spent, or a target could not be fenced so often that trying at
//! once again is no use. That a node is held, and that it was released, stands in the CIB as its transient attribute
//! [`HELD`]: every member can say so, and the next coordinator goes on with it. What people order by hand is never held.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cib::{Cib, view};
use engine::{Membership, NodeId};
use wire::FenceOrder;

use crate::machine::FENCE_PAUSE_MAX;
use crate::membership::node_states;

/// The transient attribute of a node whose fencing is held; its value says why.
pub const HELD: &str = "#fencing-held";
/// The value of [`HELD`] once an operator has let it go.
pub const RELEASED: &str = "released";
/// Losses at most so far from each other are of one instant: engines tell what went in one fault within a token's time
/// or two, and independent faults within so little time are not to be expected in a cluster's life.
pub const INSTANT: Duration = Duration::from_secs(2);
/// The window of the budget, unless `fence-budget-window` says otherwise.
pub const BUDGET_WINDOW: Duration = Duration::from_secs(3600);
/// No more fencings than this are remembered: a budget beyond it is none.
const REMEMBERED: usize = 1024;

/// What the configuration allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Nodes that may be lost in one instant and fenced at once; `None`: any number.
    pub at_once: Option<usize>,
    /// Fencings within `window`; `None`: any number.
    pub budget: Option<usize>,
    /// See `budget`.
    pub window: Duration,
    /// Failures after which a target is tried no longer at once, and no longer keeps the rest waiting
    /// (`stonith-max-attempts`).
    pub attempts: u32,
}

impl Limits {
    /// Reads them. Without any setting, two nodes or a third of the cluster may go at once, whichever is more: what is
    /// lost of up to five nodes while the rest has quorum is never held. And each node may be fenced twice an hour on
    /// average, but six fencings are always allowed.
    pub fn of(cib: &Cib, unix: i64) -> Limits {
        let document = cib.document();
        let property = |name| view::property(document, name, unix);
        let nodes = view::nodes(document, &cib::rule::Context::at(unix));
        let nodes = nodes.iter().filter(|node| matches!(node.kind, "" | "member" | "normal")).count();
        let count = |name, default: usize| match property(name).and_then(|text| text.parse::<usize>().ok()) {
            Some(0) => None,
            Some(number) => Some(number),
            None => Some(default),
        };
        let attempts = match property("stonith-max-attempts") {
            Some(text) if text.eq_ignore_ascii_case("INFINITY") => u32::MAX,
            Some(text) => text.parse().unwrap_or(DEFAULT_ATTEMPTS),
            None => DEFAULT_ATTEMPTS,
        };
        let window =
            property("fence-budget-window").and_then(|text| cib::duration::parse_ms(text).ok()).filter(|ms| *ms > 0);
        Limits {
            at_once: count("fence-limit-at-once", (nodes / 3).max(2)),
            budget: count("fence-budget", (2 * nodes).max(6)).filter(|budget| *budget <= REMEMBERED),
            window: window.map_or(BUDGET_WINDOW, Duration::from_millis),
            attempts: attempts.max(1),
        }
    }
}

/// Pacemaker's default of `stonith-max-attempts`.
const DEFAULT_ATTEMPTS: u32 = 10;

/// A fencing that is not to begin now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Why, in words for the operator.
    pub reason: String,
    /// When it may be otherwise though nothing happens.
    pub until: Option<Duration>,
    /// Whether people should see and may release it.
    pub told: bool,
}

/// What a controller remembers to judge by. All members see the same events and so remember the same.
#[derive(Clone, Debug, Default)]
pub struct Brake {
    /// When hosts were lost that have not come back.
    losses: BTreeMap<NodeId, Duration>,
    /// Losses not looked at yet: whoever was let go is not missed.
    fresh: BTreeSet<NodeId>,
    /// When nodes were fenced by plans.
    fencings: VecDeque<Duration>,
    /// Failed fencings of a target since the last success, and until when it is left.
    failures: BTreeMap<String, (u32, Option<Duration>)>,
    /// When to look at what is held again.
    again_at: Option<Duration>,
}

impl Brake {
    /// The membership changed.
    pub fn membership(&mut self, now: Duration, old: &Membership, new: &Membership) {
        for host in old.hosts.iter().filter(|host| !new.has_host(host.id)) {
            self.losses.insert(host.id, now);
            self.fresh.insert(host.id);
        }
        self.losses.retain(|id, _| !new.has_host(*id));
        self.fresh.retain(|id| !new.has_host(*id));
    }

    /// Looks at who was lost since the last time: those that are not missed, for they were let go or fenced, count for
    /// nothing.
    pub fn look(&mut self, cib: &Cib) {
        if self.fresh.is_empty() {
            return;
        }
        let states = node_states(cib);
        for id in std::mem::take(&mut self.fresh) {
            if states.iter().any(|state| state.id == id.to_string() && state.expected == "down") {
                self.losses.remove(&id);
            }
        }
    }

    /// A node was fenced. What was ordered by hand is nobody's budget.
    pub fn fenced(&mut self, now: Duration, node: &str, action: &str, by_plan: bool) {
        self.failures.remove(node);
        if action != "on" && by_plan {
            self.fencings.push_back(now);
            if self.fencings.len() > REMEMBERED {
                self.fencings.pop_front();
            }
        }
    }

    /// A node could not be fenced. Gives how often in a row when it is left for a while now.
    pub fn failed(&mut self, now: Duration, node: &str, attempts: u32) -> Option<u32> {
        let (failures, until) = self.failures.entry(node.to_owned()).or_default();
        *failures += 1;
        *until = (*failures >= attempts).then(|| now + FENCE_PAUSE_MAX);
        until.map(|_| *failures)
    }

    /// The configuration is another one: what could not be fenced is tried again at once.
    pub fn configured(&mut self) {
        self.failures.clear();
        self.again_at = Some(Duration::ZERO);
    }

    /// Whether a fencing of the plan has to wait. `begun`: fencings that this plan has begun.
    pub fn judge(
        &mut self,
        now: Duration,
        order: &FenceOrder,
        cib: &Cib,
        limits: &Limits,
        begun: usize,
    ) -> Option<Hold> {
        if order.action == "on" {
            return None;
        }
        let hold = self.hold(now, order, cib, limits, begun)?;
        self.again_at = [self.again_at, hold.until].into_iter().flatten().min();
        Some(hold)
    }

    fn hold(&mut self, now: Duration, order: &FenceOrder, cib: &Cib, limits: &Limits, begun: usize) -> Option<Hold> {
        if let Some((failures, Some(until))) = self.failures.get(&order.target)
            && now < *until
        {
            let reason = format!("it could not be fenced {failures} times in a row; it is tried again later");
            return Some(Hold { reason, until: Some(*until), told: false });
        }
        let known = held(cib, &order.target_id);
        if known == Some(RELEASED) {
            return None;
        }
        let at = order.target_id.parse().ok().and_then(|id| self.losses.get(&NodeId(id)));
        match (at, limits.at_once) {
            (Some(at), Some(limit)) => {
                let together = self.losses.values().filter(|other| at.abs_diff(**other) <= INSTANT).count();
                if together > limit {
                    let reason = format!(
                        "{together} nodes were lost in the same instant, which faults of nodes do not explain \
                         (fence-limit-at-once is {limit})"
                    );
                    return Some(Hold { reason, until: None, told: true });
                }
            }
            // An earlier coordinator saw what we did not.
            (None, Some(_)) if known.is_some_and(|known| known.contains("fence-limit-at-once")) => {
                return Some(Hold { reason: known.unwrap_or_default().to_owned(), until: None, told: true });
            }
            _ => {}
        }
        while self.fencings.front().is_some_and(|at| *at + limits.window <= now) {
            self.fencings.pop_front();
        }
        let budget = limits.budget.filter(|budget| self.fencings.len() + begun >= *budget)?;
        let until = self.fencings.front().map(|at| *at + limits.window);
        let reason = format!(
            "the budget of {budget} fencings in {} min is spent (fence-budget)",
            limits.window.as_secs().div_ceil(60)
        );
        Some(Hold { reason, until, told: true })
    }

    /// Whether it is time to look at what is held again; then it is not asked for any more.
    pub fn is_due(&mut self, now: Duration) -> bool {
        self.again_at.take_if(|at| *at <= now).is_some()
    }

    /// When to look at what is held again.
    pub fn deadline(&self) -> Option<Duration> {
        self.again_at
    }
}

/// The value of [`HELD`] of the node with this id.
pub fn held<'c>(cib: &'c Cib, id: &str) -> Option<&'c str> {
    transient(cib, id, HELD)
}

/// A transient attribute of the node with this id.
pub fn transient<'c>(cib: &'c Cib, id: &str, name: &str) -> Option<&'c str> {
    let document = cib.document();
    let status = document.descend(&["status"])?;
    let state = document.children_named(status, "node_state").find(|state| document.id(*state) == id)?;
    document
        .children_named(document.child(state, "transient_attributes")?, "instance_attributes")
        .flat_map(|set| document.children_named(set, "nvpair"))
        .find(|pair| document.attribute(*pair, "name") == Some(name))
        .and_then(|pair| document.attribute(pair, "value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib::{Lifetime, Write};
    use engine::{Host, Member};
    use wire::OrderId;

    fn view(ids: std::ops::RangeInclusive<u32>) -> Membership {
        let hosts = ids.clone().map(|id| Host { id: NodeId(id), name: format!("node{id}") }).collect();
        let members = ids.map(|id| Member { id: NodeId(id), since: u64::from(id) }).collect();
        Membership { hosts, members, quorate: true, ..Membership::default() }
    }

    fn cluster(nodes: u32, properties: &[(&str, &str)]) -> Cib {
        let nodes: String = (1..=nodes).map(|id| format!("<node id='{id}' uname='node{id}'/>")).collect();
        let pairs: String =
            properties.iter().map(|(n, v)| format!("<nvpair id='p-{n}' name='{n}' value='{v}'/>")).collect();
        let text = format!(
            "<cib><configuration><crm_config><cluster_property_set id='p'>{pairs}</cluster_property_set></crm_config>\
             <nodes>{nodes}</nodes></configuration></cib>"
        );
        Cib::parse(&text).unwrap()
    }

    fn order(id: u32) -> FenceOrder {
        FenceOrder {
            id: OrderId { coordinator: "c".into(), transition: 1, number: id },
            to: 1,
            quorate: true,
            target: format!("node{id}"),
            target_id: id.to_string(),
            since: None,
            action: "reboot".into(),
            timeout_ms: 60_000,
            delay_ms: 0,
            watchdog_ms: 0,
            digests: None,
        }
    }

    /// Which of the lost nodes may be fenced, with `before` fencings in the last hour.
    fn free(cib: &Cib, nodes: u32, lost: u32, apart: Duration, before: usize) -> Vec<u32> {
        let mut brake = Brake::default();
        (0..before).for_each(|_| brake.fenced(Duration::ZERO, "node1", "reboot", true));
        let mut now = Duration::from_secs(60);
        for left in (nodes - lost..nodes).rev() {
            brake.membership(now, &view(1..=left + 1), &view(1..=left));
            now += apart;
        }
        brake.look(cib);
        let limits = Limits::of(cib, 0);
        let mut begun = 0;
        let mut free = Vec::new();
        for id in nodes - lost + 1..=nodes {
            if brake.judge(now, &order(id), cib, &limits, begun).is_none() {
                free.push(id);
                begun += 1;
            }
        }
        free
    }

    #[test]
    fn what_faults_of_nodes_explain_is_not_held() {
        let long = Duration::from_secs(10);
        for (nodes, lost, apart, expected) in [
            (2, 1, Duration::ZERO, 1),
            (3, 1, Duration::ZERO, 1),
            (5, 2, Duration::ZERO, 2),
            (7, 3, Duration::ZERO, 0),
            (7, 3, long, 3),
            (9, 3, Duration::ZERO, 3),
            (16, 6, Duration::ZERO, 0),
        ] {
            let count = free(&cluster(nodes, &[]), nodes, lost, apart, 0).len();
            assert_eq!(count, expected, "{lost} of {nodes}, {apart:?} apart");
        }
        let wide = cluster(7, &[("fence-limit-at-once", "3")]);
        assert_eq!(free(&wide, 7, 3, Duration::ZERO, 0).len(), 3);
        let none = cluster(16, &[("fence-limit-at-once", "0")]);
        assert_eq!(free(&none, 16, 7, Duration::ZERO, 0).len(), 7);
    }

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        assert_eq!(free(&cluster(3, &[]), 3, 1, Duration::ZERO, 5), [3]);
        assert!(free(&cluster(3, &[]), 3, 1, Duration::ZERO, 6).is_empty());
        assert_eq!(free(&cluster(3, &[("fence-budget", "0")]), 3, 1, Duration::ZERO, 500), [3]);
        assert_eq!(free(&cluster(5, &[("fence-budget", "3")]), 5, 2, Duration::ZERO, 2), [4], "the plan's own count");

        let cib = cluster(3, &[("fence-budget", "1"), ("fence-budget-window", "10min")]);
        let (mut brake, limits) = (Brake::default(), Limits::of(&cib, 0));
        brake.fenced(Duration::from_secs(5), "node2", "reboot", true);
        let hold = brake.judge(Duration::from_secs(6), &order(3), &cib, &limits, 0).unwrap();
        assert_eq!((hold.until, brake.deadline()), (Some(Duration::from_secs(605)), Some(Duration::from_secs(605))));
        assert!(hold.reason.contains("1 fencings in 10 min"), "{}", hold.reason);
        assert!(brake.is_due(Duration::from_secs(605)) && !brake.is_due(Duration::from_secs(605)));
        assert_eq!(brake.judge(Duration::from_secs(605), &order(3), &cib, &limits, 0), None);
        brake.fenced(Duration::from_secs(605), "node3", "reboot", false);
        assert_eq!(brake.judge(Duration::from_secs(606), &order(3), &cib, &limits, 0), None, "by hand");
    }

    #[test]
    fn what_is_held_is_released_by_hand_or_when_nodes_come_back() {
        let mut cib = cluster(7, &[]);
        let limits = Limits::of(&cib, 0);
        let mut brake = Brake::default();
        brake.membership(Duration::ZERO, &view(1..=7), &view(1..=4));
        let now = Duration::from_secs(1);
        let reason = brake.judge(now, &order(5), &cib, &limits, 0).unwrap().reason;
        let write = |value: &str| Write::Attribute {
            node: "5".into(),
            lifetime: Lifetime::Transient,
            name: HELD.into(),
            author: cib::Author::default(),
            value: Some(value.to_owned()),
        };
        cib.apply(&write(&reason)).unwrap();
        // A coordinator that came later goes by what was written.
        assert_eq!(Brake::default().judge(now, &order(5), &cib, &limits, 0).unwrap().reason, reason);
        assert!(Brake::default().judge(now, &order(6), &cib, &limits, 0).is_none());
        // One comes back: two are explained.
        let mut other = brake.clone();
        other.membership(now, &view(1..=4), &view(1..=5));
        assert!(other.judge(now, &order(6), &cib, &limits, 0).is_none());
        cib.apply(&write(RELEASED)).unwrap();
        assert!(brake.judge(now, &order(5), &cib, &limits, 0).is_none());
        assert!(brake.judge(now, &order(6), &cib, &limits, 0).is_some());
    }

    #[test]
    fn who_was_let_go_is_not_missed() {
        let mut cib = cluster(7, &[]);
        for id in 5..=7 {
            cib.apply(&Write::LetGo { node: id.to_string() }).unwrap();
        }
        let mut brake = Brake::default();
        brake.membership(Duration::ZERO, &view(1..=7), &view(1..=3));
        brake.look(&cib);
        assert!(brake.judge(Duration::ZERO, &order(4), &cib, &Limits::of(&cib, 0), 0).is_none());
    }

    #[test]
    fn what_fails_and_fails_is_left_for_a_while() {
        let cib = cluster(3, &[("stonith-max-attempts", "3")]);
        let limits = Limits::of(&cib, 0);
        let (mut brake, now) = (Brake::default(), Duration::from_secs(9));
        assert_eq!([1, 2, 3].map(|_| brake.failed(now, "node3", limits.attempts)), [None, None, Some(3)]);
        let hold = brake.judge(now, &order(3), &cib, &limits, 0).unwrap();
        assert!(!hold.told && hold.until == Some(now + FENCE_PAUSE_MAX), "{hold:?}");
        assert!(brake.judge(now, &order(2), &cib, &limits, 0).is_none());
        assert!(brake.judge(now + FENCE_PAUSE_MAX, &order(3), &cib, &limits, 0).is_none());
        brake.configured();
        assert!(brake.judge(now, &order(3), &cib, &limits, 0).is_none());
    }
}
