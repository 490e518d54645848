//! What was told and not yet answered, on all nodes, by whichever coordinator. Nothing is planned while anything is
//! pending: a plan that does not know of a start under way could start a second copy.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::NodeId;
use wire::{FenceOrder, OrderId, RunOrder};

/// How much longer than an operation's own timeout its answer is awaited: Pacemaker's `cluster-delay`.
pub const ANSWER_MARGIN: Duration = Duration::from_secs(60);

/// Orders under way.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    runs: BTreeMap<OrderId, (RunOrder, Duration)>,
    fences: BTreeMap<OrderId, (FenceOrder, Duration)>,
}

impl Pending {
    /// Notes an order that all members have just seen.
    pub fn run(&mut self, now: Duration, order: RunOrder) {
        let until = now + Duration::from_millis(u64::from(order.timeout_ms) + u64::from(order.start_delay_ms));
        self.runs.insert(order.id.clone(), (order, until + ANSWER_MARGIN));
    }

    /// Notes a fencing that all members have just seen.
    pub fn fence(&mut self, now: Duration, order: FenceOrder) {
        let until = now + order.longest() + ANSWER_MARGIN;
        self.fences.insert(order.id.clone(), (order, until));
    }

    /// An answer has come; gives the order back if it was awaited.
    pub fn answered(&mut self, id: &OrderId) -> Option<RunOrder> {
        self.runs.remove(id).map(|(order, _)| order)
    }

    /// A fencing has ended.
    pub fn fenced(&mut self, id: &OrderId) -> Option<FenceOrder> {
        self.fences.remove(id).map(|(order, _)| order)
    }

    /// Forgets what nodes that are gone were to do: their answers will not come. Gives back what was forgotten.
    pub fn keep_only(&mut self, here: impl Fn(NodeId) -> bool) -> Vec<OrderId> {
        let gone: Vec<OrderId> = self
            .runs
            .iter()
            .filter(|(_, (order, _))| !here(NodeId(order.to)))
            .map(|(id, _)| id.clone())
            .chain(self.fences.iter().filter(|(_, (order, _))| !here(NodeId(order.to))).map(|(id, _)| id.clone()))
            .collect();
        for id in &gone {
            self.runs.remove(id);
            self.fences.remove(id);
        }
        gone
    }

    /// The runs of one node, replaced by what it says itself: it knows its own queue best.
    pub fn replace(&mut self, now: Duration, node: NodeId, orders: Vec<RunOrder>) {
        self.runs.retain(|_, (order, _)| order.to != node.0);
        for order in orders {
            self.run(now, order);
        }
    }

    /// Nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.fences.is_empty()
    }

    /// Runs whose answer should have come by now; they are forgotten.
    pub fn overdue_runs(&mut self, now: Duration) -> Vec<RunOrder> {
        let late: Vec<OrderId> = self.runs.iter().filter(|(_, (_, t))| *t <= now).map(|(id, _)| id.clone()).collect();
        late.iter().filter_map(|id| self.answered(id)).collect()
    }

    /// Fencings that should have ended by now; they are forgotten.
    pub fn overdue_fences(&mut self, now: Duration) -> Vec<FenceOrder> {
        let late: Vec<OrderId> = self.fences.iter().filter(|(_, (_, t))| *t <= now).map(|(id, _)| id.clone()).collect();
        late.iter().filter_map(|id| self.fenced(id)).collect()
    }

    /// When the first becomes overdue.
    pub fn deadline(&self) -> Option<Duration> {
        self.runs.values().map(|(_, t)| *t).chain(self.fences.values().map(|(_, t)| *t)).min()
    }

    /// The runs under way on a node, oldest first.
    pub fn runs_on(&self, node: NodeId) -> impl Iterator<Item = &RunOrder> {
        self.runs.values().map(|(order, _)| order).filter(move |order| order.to == node.0)
    }
}
