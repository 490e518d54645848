//! The machine: what it knows, and what each thing that it is told changes in that. When it plans is `planning`'s.

mod planning;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cib::{Cib, OpResult, OpStatus, Write};
use engine::{Membership, NodeId};
use transition::ActionId;
use wire::{OrderId, RunOrder};

use crate::brake::{Brake, Limits};
use crate::event::{Command, Event, Order};
use crate::follow_up::FollowUp;
use crate::news::News;
use crate::note::{Level, Note};
use crate::pace::Pace;
use crate::pending::Pending;
use crate::quarantine::{self, Quarantine};
use crate::recheck::RECHECK_INTERVAL;
use crate::walking::{Walking, answered_order, unanswered};

/// How long a daemon may be away from a host that is up before its node counts as lost. A supervisor brings a daemon
/// back within a second; planning waits meanwhile, so it must not be long.
pub const DAEMON_GRACE: Duration = Duration::from_secs(5);
/// How long the first coordinator of a cluster that starts waits for nodes it expects when `dc-deadtime` is not set.
pub const DC_DEADTIME: Duration = Duration::from_secs(20);
/// Who brought quorum back is seldom alone: hosts that get power or network again do so within a moment, and those that
/// come last must not be fenced for it. For so long a coordinator that has quorum again waits for all expected votes; one
/// that has never acted with quorum stands in a cluster that starts, and gives them the time for that.
pub const GATHER: Duration = Duration::from_secs(1);
/// After a fencing failed: the first pause before the next attempt; it doubles up to [`FENCE_PAUSE_MAX`].
pub const FENCE_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts to fence.
pub const FENCE_PAUSE_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Phase {
    /// Not the coordinator, or not in step with the others yet.
    Following,
    /// The coordinator; nothing is being done.
    Idle,
    /// The coordinator; a plan was asked for.
    Planning { generation: u64 },
    /// The coordinator; a plan is being carried out.
    Walking(Box<Walking>),
}

/// One node's controller.
///
/// Invariant: a plan is asked for only when every order and write that this controller gave has been seen by all,
/// and nothing is pending anywhere.
#[derive(Debug)]
pub struct Controller {
    me: NodeId,
    incarnation: String,
    view: Membership,
    synced: bool,
    /// Whether this cluster ran before: no cold start any more.
    settled: bool,
    started: Option<Duration>,
    phase: Phase,
    /// Something changed that no plan knows yet.
    dirty: bool,
    /// What made it so, as far as it was written.
    news: News,
    follow_up: FollowUp,
    /// The operator knows that this node coordinates.
    announced: bool,
    generation: u64,
    transitions: u32,
    pending: Pending,
    /// What we gave and have not seen come back, in order: for a write of a walk's action, which.
    sent: VecDeque<Option<ActionId>>,
    /// Daemons that are away from a running host, and until when that is let pass; `None`: no longer.
    grace: BTreeMap<NodeId, Option<Duration>>,
    /// Quorum came back a moment ago; until when others are waited for.
    gather_until: Option<Duration>,
    /// A plan was made, or an order was seen, with quorum: this cluster has started.
    ruled: bool,
    /// Hosts whose daemon went while they stayed, until it is known to be back or they are gone as well.
    stayed: BTreeSet<NodeId>,
    quarantine: Quarantine,
    dead_time: Duration,
    recheck_interval: Duration,
    fence_failures: u32,
    brake: Brake,
    /// What the configuration allows in fencing, as last looked at.
    limits: Option<Limits>,
    not_before: Option<Duration>,
    recheck_at: Option<Duration>,
    /// When the last plan was asked for, in seconds since 1970 as well.
    asked_at: (Duration, i64),
    pace: Pace,
    out: VecDeque<Command>,
}

impl Controller {
    /// A controller that has heard of nobody yet. `incarnation` differs at every start of every daemon.
    pub fn new(me: NodeId, incarnation: &str) -> Self {
        Controller {
            me,
            incarnation: incarnation.to_owned(),
            view: Membership::default(),
            synced: false,
            settled: false,
            started: None,
            phase: Phase::Following,
            dirty: true,
            news: News::default(),
            follow_up: FollowUp::default(),
            announced: false,
            generation: 0,
            transitions: 0,
            pending: Pending::default(),
            sent: VecDeque::new(),
            grace: BTreeMap::new(),
            gather_until: None,
            ruled: false,
            stayed: BTreeSet::new(),
            quarantine: Quarantine::default(),
            dead_time: DC_DEADTIME,
            recheck_interval: RECHECK_INTERVAL,
            fence_failures: 0,
            brake: Brake::default(),
            limits: None,
            not_before: None,
            recheck_at: None,
            asked_at: (Duration::ZERO, 0),
            pace: Pace::default(),
            out: VecDeque::new(),
        }
    }

    /// Whether this node coordinates.
    pub fn is_coordinator(&self) -> bool {
        !matches!(self.phase, Phase::Following)
    }

    /// Whether this cluster acts, or has had time enough for all its nodes to come: no cold start any more.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether nothing is being done or waited for: for tests and for status.
    pub fn is_quiet(&self) -> bool {
        match self.phase {
            Phase::Following => self.synced,
            Phase::Idle => !self.may_plan() && self.pending.is_empty() && self.sent.is_empty(),
            _ => false,
        }
    }

    /// What is under way on a node, as all members know it.
    pub fn under_way(&self, node: NodeId) -> Vec<RunOrder> {
        self.pending.runs_on(node).cloned().collect()
    }

    /// Takes in what happened. Acts on nothing: that is `poll`'s.
    pub fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Membership(view) => self.membership(now, view),
            Event::Synced { running } => self.in_step(now, running),
            Event::UnderWay { node, orders } => self.pending.replace(now, node, orders),
            Event::Ordered { order, valid, own } => self.ordered(now, order, valid, own),
            Event::Applied { write, refused, own } => self.applied(now, write, refused, own),
            Event::FenceFailed { order, reason } => self.fence_failed(now, &order, &reason),
            Event::Planned { generation, transition } => self.planned(now, generation, transition),
            Event::NotPlanned { generation, reason } => self.not_planned(now, generation, &reason),
            Event::Timeout => self.overdue(now),
        }
    }

    /// When to be sent [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        if !self.is_coordinator() {
            return None;
        }
        let cold = (!self.settled).then(|| self.started.map(|start| start + self.dead_time)).flatten();
        let grace = self.grace.values().flatten().min().copied();
        [
            cold,
            self.not_before,
            self.gather_until,
            self.recheck_at,
            self.pending.deadline(),
            grace,
            self.brake.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn membership(&mut self, now: Duration, view: Membership) {
        let joined = view.members.iter().any(|new| !self.view.members.contains(new));
        let gone: Vec<NodeId> = self.view.members.iter().map(|old| old.id).filter(|id| !view.has_member(*id)).collect();
        if !view.quorate {
            self.gather_until = None;
        } else if !self.view.quorate && !self.view.members.is_empty() {
            // We saw it come back. A quorum that was there before us is nobody's return.
            self.gather_until = Some(now + if self.ruled { GATHER } else { self.dead_time.max(GATHER) });
        }
        self.came_and_went(now, &view);
        self.brake.membership(now, &self.view, &view);
        self.view = view;
        self.dirty = true;
        if joined {
            // Until all are known to hold the same CIB nobody acts on it.
            self.synced = false;
        }
        let view = &self.view;
        for lost in self.pending.keep_only(|id| view.has_member(id)) {
            if let Phase::Walking(walking) = &mut self.phase {
                walking.answered(&lost, false);
            }
        }
        let eldest = self.view.eldest() == Some(self.me);
        match &mut self.phase {
            Phase::Walking(walking) if eldest && !joined => walking.abandon("the membership changed"),
            Phase::Following if !eldest => {}
            _ if eldest && self.synced => self.become_coordinator(),
            _ => self.become_follower(),
        }
        if !gone.is_empty() && self.is_coordinator() {
            self.not_before = None;
        }
    }

    /// Remembers of those who left what no later look at who is here can tell.
    fn came_and_went(&mut self, now: Duration, view: &Membership) {
        let away = self.view.members.iter().map(|member| member.id).filter(|id| !view.has_member(*id));
        self.stayed.extend(away.filter(|id| view.has_host(*id)));
        self.stayed.retain(|id| view.has_host(*id));
        for host in &self.view.hosts {
            // On a side without quorum it is rather we who were lost.
            if !view.has_host(host.id) && view.quorate {
                self.quarantine.lost(now, &host.name);
            }
        }
        view.hosts.iter().filter(|host| !self.view.has_host(host.id)).for_each(|host| self.quarantine.here(&host.name));
    }

    fn in_step(&mut self, now: Duration, running: bool) {
        self.synced = true;
        self.settled |= running;
        self.started.get_or_insert(now);
        self.dirty = true;
        if self.view.eldest() == Some(self.me) {
            self.become_coordinator();
        }
    }

    fn become_coordinator(&mut self) {
        assert!(self.synced, "only a member in step with the others may coordinate");
        if !self.announced {
            self.announced = true;
            self.note(Note::new(Level::Info, "coordinator", "this node coordinates now"));
        }
        if !matches!(self.phase, Phase::Walking(_)) {
            self.phase = Phase::Idle;
        }
        self.dirty = true;
    }

    fn become_follower(&mut self) {
        self.phase = Phase::Following;
        self.announced &= self.view.eldest() == Some(self.me);
        self.sent.iter_mut().for_each(|action| *action = None);
        self.grace.clear();
    }

    fn ordered(&mut self, now: Duration, order: Order, valid: bool, own: bool) {
        if own {
            self.sent.pop_front();
        }
        let (to, quorate) = match &order {
            Order::Run(order) => (order.to, order.quorate),
            Order::Fence(order) => (order.to, order.quorate),
        };
        if valid && self.view.has_member(NodeId(to)) {
            // Someone acts: whoever comes to coordinate after this need not wait for a cluster that starts.
            self.settled = true;
            self.ruled |= quorate;
            if quorate && !own {
                // Who acts with quorum has given those who come last their time.
                self.gather_until = None;
            }
            match order {
                Order::Run(order) => self.pending.run(now, order),
                Order::Fence(order) => self.pending.fence(now, order),
            }
        } else if own && let Phase::Walking(walking) = &mut self.phase {
            let id = match &order {
                Order::Run(order) => order.id.clone(),
                Order::Fence(order) => order.id.clone(),
            };
            walking.answered(&id, false);
        }
    }

    fn applied(&mut self, now: Duration, write: Write, refused: Option<String>, own: bool) {
        let action = if own { self.sent.pop_front().flatten() } else { None };
        let mut expected = own;
        match &write {
            Write::Result(result) => expected = self.result(result),
            Write::Fenced { node, action, coordinator, transition, number, .. } => {
                let order = OrderId { coordinator: coordinator.clone(), transition: *transition, number: *number };
                self.brake.fenced(now, node, action, order.is_of_a_plan());
                self.pending.fenced(&order);
                self.fence_failures = 0;
                self.not_before = None;
                self.note(Note::new(Level::Warning, "node_down", format!("{node} is known to be down")).on(node));
                if let Phase::Walking(walking) = &mut self.phase {
                    expected = walking.answered(&order, true).is_some();
                }
            }
            Write::LetGo { node } if refused.is_none() => self.quarantine.let_go(node),
            Write::NodeState { id, since, .. } if refused.is_none() => {
                let known = |member: &&engine::Member| member.id.to_string() == *id && member.since == *since;
                if let Some(member) = self.view.members.iter().find(known) {
                    self.stayed.remove(&member.id);
                }
            }
            Write::Attribute { node, name, value: None, .. } if name == quarantine::ATTRIBUTE => {
                self.quarantine.released(node);
            }
            Write::Configure { .. } | Write::Replace { .. } if refused.is_none() => self.brake.configured(),
            _ => {}
        }
        if let (Some(action), Phase::Walking(walking)) = (action, &mut self.phase) {
            walking.written(action, refused.is_none());
        }
        if !expected && refused.is_none() {
            self.dirty = true;
            self.news.written(&write);
            if let Phase::Walking(walking) = &mut self.phase {
                walking.abandon("the configuration or the status changed");
            }
        }
    }

    /// Whether the result was awaited and as wanted.
    fn result(&mut self, result: &OpResult) -> bool {
        let id = answered_order(result);
        let awaited = self.pending.answered(&id).is_some();
        match &mut self.phase {
            Phase::Walking(walking) => walking.result(result) == Some(true),
            // A repetition of a recurring operation that is as it should be changes no plan.
            _ => !awaited && result.interval_ms > 0 && result.status == OpStatus::Done && result.rc == result.target_rc,
        }
    }

    fn fence_failed(&mut self, now: Duration, order: &OrderId, reason: &str) {
        let Some(fence) = self.pending.fenced(order) else { return };
        self.note(
            Note::new(Level::Error, "fence_failed", format!("fencing {} did not succeed: {reason}", fence.target))
                .on(&fence.target),
        );
        if !order.is_of_a_plan() {
            // A person decides whether to try again.
            self.dirty = true;
            return;
        }
        let pause = FENCE_PAUSE.saturating_mul(1 << self.fence_failures.min(6)).min(FENCE_PAUSE_MAX);
        self.fence_failures += 1;
        let attempts = self.limits.map_or(u32::MAX, |limits| limits.attempts);
        match self.brake.failed(now, &fence.target, attempts) {
            // The rest goes on without it; it is tried again now and then.
            Some(failures) => {
                if failures == attempts {
                    let text = format!(
                        "fencing {} failed {attempts} times in a row (stonith-max-attempts): it is tried again every \
                         {} s only; what it may hold starts nowhere meanwhile",
                        fence.target,
                        FENCE_PAUSE_MAX.as_secs()
                    );
                    self.note(Note::new(Level::Error, "fence_left", text).on(&fence.target));
                }
            }
            None => self.not_before = Some(now + pause),
        }
        self.dirty = true;
        if let Phase::Walking(walking) = &mut self.phase {
            walking.answered(order, false);
        }
    }

    fn overdue(&mut self, now: Duration) {
        if !self.is_coordinator() {
            return;
        }
        if self.not_before.is_some_and(|time| time <= now) {
            self.not_before = None;
        }
        if self.gather_until.is_some_and(|time| time <= now) {
            self.gather_until = None;
        }
        self.dirty |= self.brake.is_due(now);
        for until in self.grace.values_mut() {
            *until = until.filter(|time| *time > now);
        }
        if self.recheck_at.is_some_and(|time| time <= now) {
            self.recheck_at = None;
            self.dirty = true;
        }
        if !self.settled && self.started.is_some_and(|start| start + self.dead_time <= now) {
            self.settled = true;
            self.dirty = true;
        }
        for order in self.pending.overdue_runs(now) {
            self.no_answer(&order);
        }
        for order in self.pending.overdue_fences(now) {
            self.fence_failed(now, &order.id.clone(), "no answer came from the node that was told to do it");
        }
    }

    /// An answer that never came counts as a timeout of the operation, as Pacemaker has it.
    fn no_answer(&mut self, order: &RunOrder) {
        self.note(
            Note::new(Level::Error, "no_answer", format!("{} has not said how it ended", order.node))
                .on(&order.node)
                .about(&order.resource.id, &order.operation),
        );
        let result = unanswered(order);
        if let Phase::Walking(walking) = &mut self.phase {
            walking.result(&result);
        }
        self.send(Command::Write(Write::Result(result)), None);
    }

    /// The next thing to do; call until `None`. `cib` is the replica as it is now, `unix` the time in seconds.
    pub fn poll(&mut self, now: Duration, unix: i64, cib: &Cib) -> Option<Command> {
        if self.out.is_empty() {
            self.turn(now, unix, cib);
        }
        self.out.pop_front()
    }

    fn send(&mut self, command: Command, action: Option<ActionId>) {
        self.sent.push_back(action);
        self.out.push_back(command);
    }

    fn note(&mut self, note: Note) {
        self.out.push_back(Command::Note(note));
    }
}
