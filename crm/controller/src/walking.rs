//! One plan, from its first action to its last: what each action that may begin becomes, and which answer ends it.

use cib::{Cib, OpResult, OpStatus, Write};
use engine::{Membership, NodeId};
use transition::{Action, ActionId, ActionKind, ClusterAction, Outcome, Transition, Walk};

use wire::{FenceOrder, OrderId, Resource, RunOrder};

use crate::brake::{self, Hold};
use crate::membership::node_states;
use crate::note::{Level, Note};
use crate::property::freezes;

/// What an agent may take when its operation names no timeout: Pacemaker's default, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u32 = 20_000;
/// What a fencing may take when the plan names no time, in milliseconds: Pacemaker's default.
pub const DEFAULT_FENCING_MS: u64 = 60_000;

/// What is to be done for an action that begins.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// A node runs an operation.
    Run(RunOrder),
    /// A node fences another.
    Fence(FenceOrder),
    /// A node is not fenced now; what comes after it waits.
    Hold(FenceOrder, Hold),
    /// The CIB is written; the action is done when the write has been applied.
    Write(ActionId, Write),
}

/// A walk under way.
#[derive(Clone, Debug)]
pub struct Walking {
    walk: Walk,
    coordinator: String,
    number: u32,
    /// How many fencings were begun.
    fencings: usize,
    /// Nothing more begins: something happened that the plan did not know.
    stale: Option<String>,
    /// How many actions do not begin for want of quorum.
    frozen: usize,
    /// How many fencings are held.
    held: usize,
}

impl Walking {
    /// Stands before the first action. `number` is the transition's.
    pub fn new(mut transition: Transition, coordinator: &str, number: u32) -> Self {
        let_go_last(&mut transition);
        look_before_promoting(&mut transition);
        Walking {
            walk: Walk::new(transition),
            coordinator: coordinator.to_owned(),
            number,
            stale: None,
            frozen: 0,
            held: 0,
            fencings: 0,
        }
    }

    /// Begins nothing more, for the reason given; the first reason stays.
    pub fn abandon(&mut self, why: impl Into<String>) {
        self.stale.get_or_insert_with(|| why.into());
    }

    /// Why nothing more begins, if that is so.
    pub fn abandoned(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    /// Whether all is done that will be done.
    pub fn is_over(&self) -> bool {
        self.walk.running().next().is_none() && (self.stale.is_some() || self.walk.is_over())
    }

    /// Whether all of it was done, and something is active now that may draw others to itself.
    pub fn draws(&self) -> bool {
        let transition = self.walk.transition();
        let whole = self.stale.is_none() && self.held == 0 && self.walk.is_complete();
        whole && transition.ids().any(|id| makes_active(transition.action(id)))
    }

    /// Begins what may begin. Points in the order pass by themselves. `judge` says which fencings have to wait; it is
    /// told how many were begun.
    pub fn begin(
        &mut self,
        view: &Membership,
        me: NodeId,
        cib: &Cib,
        unix: i64,
        judge: &mut dyn FnMut(&FenceOrder, usize) -> Option<Hold>,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let frozen = !view.quorate && freezes(cib, unix);
        while self.stale.is_none() {
            let Some(id) = self.walk.begin() else { break };
            let action = self.walk.transition().action(id);
            if frozen && makes_active(action) {
                // It waits for a plan made with quorum, and so does what comes after it.
                self.frozen += 1;
                self.walk.end(id, Outcome::Failed);
                continue;
            }
            match self.step(id, action, view, me, cib, unix) {
                Ok(Some(Step::Fence(order))) => match judge(&order, self.fencings) {
                    Some(hold) => {
                        self.held += 1;
                        self.walk.end(id, Outcome::Failed);
                        steps.push(Step::Hold(order, hold));
                    }
                    None => {
                        self.fencings += 1;
                        steps.push(Step::Fence(order));
                    }
                },
                Ok(Some(step)) => steps.push(step),
                Ok(None) => self.walk.end(id, Outcome::Done),
                Err(why) => {
                    self.fail(id);
                    self.abandon(why);
                }
            }
        }
        steps
    }

    /// `Ok(None)`: nothing is to be done for it. `Err`: it cannot be carried out now.
    fn step(
        &self,
        id: ActionId,
        action: &Action,
        view: &Membership,
        me: NodeId,
        cib: &Cib,
        unix: i64,
    ) -> Result<Option<Step>, String> {
        let node = action.router_node.as_deref().or(action.node.as_deref()).unwrap_or("");
        match action.kind {
            ActionKind::Pseudo => Ok(None),
            // What is known of a resource that is not in the configuration any more, once it is stopped. No agent does that.
            ActionKind::Resource if action.operation == "delete" => Ok(Some(Step::Write(id, forget(action, false)))),
            ActionKind::Resource => {
                if let Some(remote) = action.node.as_deref().filter(|remote| *remote != node) {
                    // Its router would do it to itself.
                    return Err(format!("{} is for the remote node {remote}, which nobody reaches", action.key));
                }
                let to = member_named(view, node)
                    .ok_or_else(|| format!("{} is for {node}, which is not here", action.key))?;
                let order = self
                    .run_order(action, to, node, view.quorate)
                    .ok_or_else(|| format!("{} names no resource", action.key))?;
                Ok(Some(Step::Run(order)))
            }
            ActionKind::Cluster(ClusterAction::Fence) => {
                let target = action.node.clone().unwrap_or_default();
                let kind = action.fence_action().unwrap_or("reboot").to_owned();
                let to = fencing_member(view, &target, me, &kind).ok_or("nobody is here to fence")?;
                let seconds = |name| action.meta(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                Ok(Some(Step::Fence(FenceOrder {
                    id: self.order_id(action),
                    to: to.0,
                    quorate: view.quorate,
                    target_id: action.node_uuid.clone().unwrap_or_default(),
                    since: node_states(cib)
                        .into_iter()
                        .find(|state| state.uname == target)
                        .and_then(|state| state.since),
                    target,
                    action: kind,
                    timeout_ms: cib::duration::parse_ms(&self.walk.transition().settings.fencing_timeout)
                        .unwrap_or(DEFAULT_FENCING_MS)
                        .max(1_000),
                    delay_ms: seconds("priority_fencing_delay") * 1_000,
                    watchdog_ms: watchdog_ms(cib, action.node_uuid.as_deref().unwrap_or(""), unix),
                    digests: action
                        .meta("digests_all")
                        .map(|all| (all.to_owned(), action.meta("digests_secure").unwrap_or("").to_owned())),
                })))
            }
            ActionKind::Cluster(ClusterAction::Shutdown) => {
                let node = action.node.clone().unwrap_or_default();
                Ok(Some(Step::Write(id, Write::LetGo { node })))
            }
            ActionKind::Cluster(ClusterAction::ClearFailcount) => Ok(Some(Step::Write(id, forget(action, true)))),
            ActionKind::Cluster(ClusterAction::ForgetHistory) => Ok(Some(Step::Write(id, forget(action, false)))),
        }
    }

    /// Takes in the result of an operation; whether it was one of ours, and as wanted. `None`: not of this walk.
    pub fn result(&mut self, result: &OpResult) -> Option<bool> {
        let id = self.running(&answered_order(result))?;
        let wanted = matches!(result.status, OpStatus::Done | OpStatus::Cancelled)
            && (result.rc == result.target_rc || result.status == OpStatus::Cancelled);
        if wanted {
            self.walk.end(id, Outcome::Done)
        } else {
            self.fail(id)
        }
        Some(wanted)
    }

    /// An order has come to its end. `None`: not of this walk.
    pub fn answered(&mut self, order: &OrderId, success: bool) -> Option<()> {
        let id = self.running(order)?;
        if success {
            self.walk.end(id, Outcome::Done)
        } else {
            self.fail(id)
        }
        Some(())
    }

    /// The write of an action has been applied (or refused).
    pub fn written(&mut self, id: ActionId, success: bool) {
        if success { self.walk.end(id, Outcome::Done) } else { self.fail(id) }
    }

    fn running(&self, order: &OrderId) -> Option<ActionId> {
        let ours = order.coordinator == self.coordinator && order.transition == self.number;
        ours.then(|| self.walk.running_number(order.number))?
    }

    fn order_id(&self, action: &Action) -> OrderId {
        OrderId { coordinator: self.coordinator.clone(), transition: self.number, number: action.number }
    }

    fn run_order(&self, action: &Action, to: NodeId, node: &str, quorate: bool) -> Option<RunOrder> {
        let resource = action.resource.as_ref()?;
        let cancel = action.operation == "cancel";
        Some(RunOrder {
            id: self.order_id(action),
            to: to.0,
            quorate,
            node: node.to_owned(),
            resource: Resource {
                id: resource.id.clone(),
                class: resource.class.clone(),
                provider: resource.provider.clone(),
                kind: resource.kind.clone(),
            },
            operation: action.operation.clone(),
            interval_ms: action.interval_ms(),
            cancels: cancel.then(|| action.meta("operation").unwrap_or("monitor").to_owned()),
            timeout_ms: action.timeout_ms().filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS),
            start_delay_ms: action.meta("start_delay").and_then(|text| text.parse().ok()).unwrap_or(0),
            target_rc: action.target_rc(),
            parameters: action.attributes.to_map(),
        })
    }

    fn fail(&mut self, id: ActionId) {
        self.walk.end(id, Outcome::Failed);
        let key = self.walk.transition().action(id).key.clone();
        self.abandon(format!("{key} failed"));
    }

    /// The sentence for the end of the walk.
    pub fn summary(&self) -> Note {
        let total = self.walk.transition().len();
        match &self.stale {
            None if self.frozen > 0 => Note::new(
                Level::Warning,
                "plan_done",
                format!(
                    "transition {} is done but for {} actions that begin something: without quorum nothing begins \
                     (no-quorum-policy=freeze)",
                    self.number, self.frozen
                ),
            ),
            None if self.held > 0 => Note::new(
                Level::Warning,
                "plan_done",
                format!(
                    "transition {} is done but for {} fencings that are held, and what waits for them",
                    self.number, self.held
                ),
            ),
            None if self.walk.is_complete() => {
                Note::new(Level::Info, "plan_done", format!("transition {} is done: {total} actions", self.number))
            }
            None => Note::new(
                Level::Warning,
                "plan_done",
                format!("transition {} is done but for actions that wait for what cannot be done now", self.number),
            ),
            Some(why) => Note::new(
                Level::Info,
                "plan_abandoned",
                format!("transition {} is left off to plan anew: {why}", self.number),
            ),
        }
    }
}

/// The transient attribute of a node that has armed its watchdog: after so many seconds unfed it ends the node.
pub const WATCHDOG: &str = "#watchdog";

/// After how long a lost node has certainly ended itself; 0 when nobody relies on that. A negative
/// `stonith-watchdog-timeout` asks for twice what the node's own watchdog takes.
pub fn watchdog_ms(cib: &Cib, node_id: &str, unix: i64) -> u64 {
    relied_on_ms(cib, unix, || brake::transient(cib, node_id, WATCHDOG).and_then(|text| text.parse().ok()))
}

/// The same for a node whose watchdog's own time, in seconds, is known otherwise.
pub fn relied_on_ms(cib: &Cib, unix: i64, own_s: impl FnOnce() -> Option<u64>) -> u64 {
    match cib::view::property(cib.document(), "stonith-watchdog-timeout", unix) {
        Some(text) if text.trim_start().starts_with('-') => own_s().unwrap_or(0).saturating_mul(2_000),
        text => text.and_then(|text| cib::duration::parse_ms(text).ok()).unwrap_or(0),
    }
}

/// The result of an operation that nobody answered for.
pub fn unanswered(order: &RunOrder) -> OpResult {
    OpResult {
        rc: 1,
        status: OpStatus::Timeout,
        exit_reason: format!("{} did not say how it ended", order.node),
        ..order.answer()
    }
}

/// The order that a result answers.
pub fn answered_order(result: &OpResult) -> OrderId {
    OrderId { coordinator: result.coordinator.clone(), transition: result.transition, number: result.number }
}

/// A node is let go only after all that is to be done on it. A probe that is still under way may find what must be
/// stopped first: once it was let go, it counts as running nothing.
fn let_go_last(transition: &mut Transition) {
    let is_let_go = |id: &ActionId| transition.action(*id).kind == ActionKind::Cluster(ClusterAction::Shutdown);
    let leaving: Vec<ActionId> = transition.ids().filter(is_let_go).collect();
    for let_go in leaving {
        let node = transition.action(let_go).node.clone();
        let there = |id: &ActionId| {
            let action = transition.action(*id);
            action.kind == ActionKind::Resource && action.router_node.as_ref().or(action.node.as_ref()) == node.as_ref()
        };
        let on_it: Vec<ActionId> = transition.ids().filter(there).collect();
        on_it.into_iter().for_each(|first| transition.order(first, let_go));
    }
}

/// Nothing is promoted while a probe of the same resource is under way anywhere: it may find another one promoted.
fn look_before_promoting(transition: &mut Transition) {
    let named = |id: &ActionId, operation: &str| {
        let action = transition.action(*id);
        let resource = action.resource.as_ref().map(|resource| resource.id.split(':').next().unwrap_or("").to_owned());
        (action.operation == operation && action.interval_ms() == 0).then_some(resource).flatten()
    };
    let all = |operation| -> Vec<(ActionId, String)> {
        transition.ids().filter_map(|id| Some((id, named(&id, operation)?))).collect()
    };
    let (probes, promotions) = (all("monitor"), all("promote"));
    for (promote, resource) in promotions {
        let same = probes.iter().filter(|(_, probed)| *probed == resource);
        same.for_each(|(probe, _)| transition.order(*probe, promote));
    }
}

/// Whether something is active after the action that may not have been before. Fence devices run nowhere.
fn makes_active(action: &Action) -> bool {
    let device = action.resource.as_ref().is_some_and(|resource| resource.class == "stonith");
    !device
        && action.kind == ActionKind::Resource
        && matches!(action.operation.as_str(), "start" | "promote" | "migrate_to" | "migrate_from")
}

fn forget(action: &Action, failures_only: bool) -> Write {
    Write::Forget {
        node: action.node.clone(),
        resource: action.resource.as_ref().map(|resource| resource.id.clone()),
        failures_only,
    }
}

/// The member of that name.
pub fn member_named(view: &Membership, name: &str) -> Option<NodeId> {
    view.hosts.iter().find(|host| host.name == name && view.has_member(host.id)).map(|host| host.id)
}

/// Who fences: ourselves, unless we are the target and another could. Who is let in does it itself: what it needs for
/// that, such as a key for a disk, is its own.
fn fencing_member(view: &Membership, target: &str, me: NodeId, action: &str) -> Option<NodeId> {
    let target = view.hosts.iter().find(|host| host.name == target).map(|host| host.id);
    if action == "on" && target.is_some_and(|id| view.has_member(id)) {
        return target;
    }
    if target != Some(me) {
        return Some(me);
    }
    view.members.iter().map(|member| member.id).find(|id| *id != me).or(Some(me))
}
