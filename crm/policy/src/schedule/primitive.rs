//! What a primitive needs done: stops, starts, promotions and demotions from its role now to its role then, and the
//! order these have among themselves.

use crate::engine::{Engine, op_key};
use crate::model::{ActFlags, MultiplyActive, NodeFlags, NodeId, OrderFlags, Role, RscFlags, RscId};
use crate::reasons::Source;

/// The next role on the way from one to another.
fn step(from: Role, to: Role) -> Role {
    use Role::{Promoted, Started, Stopped, Unknown, Unpromoted};
    match (from, to) {
        (Unknown, Unknown) => Unknown,
        (Unknown, _) | (Stopped, Unknown | Stopped) => Stopped,
        (Stopped, Started) => Started,
        (Stopped, Unpromoted | Promoted) => Unpromoted,
        (Started, Unknown | Stopped) => Stopped,
        (Started, other) => other,
        (Unpromoted, Unknown | Stopped | Started) => Stopped,
        (Unpromoted, other) => other,
        (Promoted, Unknown) => Stopped,
        (Promoted, Promoted) => Promoted,
        (Promoted, _) => Unpromoted,
    }
}

/// What takes a resource from one role to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Stop,
    Start,
    Promote,
    Demote,
}

/// What a step from one role to the next takes; `None` if nothing or not known.
fn deed(from: Role, to: Role) -> Option<Deed> {
    use Role::{Promoted, Started, Stopped, Unpromoted};
    match (from, to) {
        (Role::Unknown, Stopped) | (Started, Stopped) | (Unpromoted, Stopped | Started) => Some(Deed::Stop),
        (Stopped, Started | Unpromoted) => Some(Deed::Start),
        (Started | Unpromoted, Promoted) => Some(Deed::Promote),
        (Promoted, Stopped | Started | Unpromoted) => Some(Deed::Demote),
        _ => None,
    }
}

/// No way from one role to another is longer.
const MAX_STEPS: usize = 8;

impl Engine<'_> {
    pub fn create_primitive_actions(&mut self, rsc: RscId) {
        if self.rsc(rsc).next_role == Role::Unknown {
            let placed = self.rsc(rsc).assigned.is_some();
            self.set_next_role(rsc, if placed { Role::Started } else { Role::Stopped });
        }
        let (current, all_active, clean_active) = self.active_node(rsc);
        for source in self.rsc(rsc).dangling_sources.clone() {
            let stop = self.stop_action(rsc, source, false);
            self.act_mut(stop).flags.set(ActFlags::MIGRATION_ABORT);
        }
        let assigned = self.rsc(rsc).assigned;
        let (mut moving, mut need_stop, mut need_promote, mut migrates) = (false, false, false, false);
        if let (Some(current), Some(assigned)) = (current, assigned)
            && current != assigned
            && self.rsc(rsc).next_role >= Role::Started
        {
            moving = true;
            migrates = self.can_migrate(rsc, current);
            need_stop = true;
        }
        let resource = self.rsc(rsc);
        let (source, target) = (resource.migration_source, resource.migration_target);
        let mut multiply_active = false;
        let goes_on = source.is_some()
            && target.is_some()
            && migrates
            && all_active == 2
            && current == source
            && assigned == target;
        if goes_on {
        } else if source.is_some() || target.is_some() {
            // The migration under way leads to a place that is no longer wanted.
            need_stop = true;
            let resource = self.rsc_mut(rsc);
            (resource.migration_source, resource.migration_target) = (None, None);
            migrates = false;
        } else if resource.is(RscFlags::NEEDS_FENCING) {
            multiply_active = all_active > 1;
        } else {
            multiply_active = clean_active > 1;
        }
        self.clear_rsc(rsc, RscFlags::STOP_UNEXPECTED);
        if multiply_active {
            match self.rsc(rsc).multiply_active {
                MultiplyActive::Restart => need_stop = true,
                MultiplyActive::Unexpected => {
                    need_stop = true;
                    self.set_rsc(rsc, RscFlags::STOP_UNEXPECTED);
                }
                MultiplyActive::Stop | MultiplyActive::Block => {}
            }
        }
        if self.is(rsc, RscFlags::START_PENDING) {
            // The start is under way: what waits for it must see it in the transition.
            let start = self.start_action(rsc, assigned, true);
            self.act_mut(start).flags.set(ActFlags::ALWAYS_IN_GRAPH);
        }
        let resource = self.rsc(rsc);
        if moving {
        } else if resource.is(RscFlags::FAILED) {
            if resource.is(RscFlags::STOP_IF_FAILED) {
                need_stop = true;
            } else if resource.next_role == Role::Promoted {
                need_promote = true;
            }
        } else if resource.is(RscFlags::BLOCKED) {
            need_stop = true;
        } else if resource.role > Role::Started && current.is_some() && assigned.is_some() {
            let start = self.start_action(rsc, assigned, true);
            if self.act(start).required() {
                need_stop = true;
            }
        }
        self.schedule_restart(rsc, current, need_stop, need_promote);
        self.schedule_role_change(rsc);
        self.create_recurring_actions(rsc);
        if migrates && let Some(current) = current {
            self.create_migration_actions(rsc, current);
        }
    }

    /// Down and up again: optional unless something needs it.
    fn schedule_restart(&mut self, rsc: RscId, current: Option<NodeId>, need_stop: bool, need_promote: bool) {
        let mut role = self.rsc(rsc).role;
        self.set_rsc(rsc, RscFlags::RESTARTING);
        for _ in 0..MAX_STEPS {
            if role == Role::Stopped {
                break;
            }
            let next = step(role, Role::Stopped);
            let Some(deed) = deed(role, next) else { break };
            self.perform(deed, rsc, current, !need_stop);
            role = next;
        }
        for _ in 0..MAX_STEPS {
            let resource = self.rsc(rsc);
            let (now, then) = (resource.role, resource.next_role);
            if now > then || role == now || resource.is(RscFlags::BLOCKED) {
                break;
            }
            let next = step(role, now);
            let required = need_stop || (next == Role::Promoted && need_promote);
            let Some(deed) = deed(role, next) else { break };
            let assigned = self.rsc(rsc).assigned;
            self.perform(deed, rsc, assigned, !required);
            role = next;
        }
        self.clear_rsc(rsc, RscFlags::RESTARTING);
    }

    fn schedule_role_change(&mut self, rsc: RscId) {
        let mut role = self.rsc(rsc).role;
        for _ in 0..MAX_STEPS {
            let goal = self.rsc(rsc).next_role;
            if role == goal {
                break;
            }
            let next = step(role, goal);
            let Some(deed) = deed(role, next) else { break };
            let assigned = self.rsc(rsc).assigned;
            self.perform(deed, rsc, assigned, false);
            role = next;
        }
    }

    fn perform(&mut self, deed: Deed, rsc: RscId, node: Option<NodeId>, optional: bool) {
        match deed {
            Deed::Stop => self.schedule_stop(rsc, optional),
            Deed::Start => self.schedule_start(rsc, node, optional),
            Deed::Promote => self.schedule_promote(rsc, node, optional),
            Deed::Demote => {
                for node in self.rsc(rsc).active.clone() {
                    if !self.is_expected_on(rsc, Some(node)) {
                        self.demote_action(rsc, node, optional);
                    }
                }
            }
        }
    }

    /// Whether this is the one place a multiply active resource need not leave.
    fn is_expected_on(&self, rsc: RscId, node: Option<NodeId>) -> bool {
        let resource = self.rsc(rsc);
        resource.is(RscFlags::STOP_UNEXPECTED | RscFlags::RESTARTING)
            && resource.next_role > Role::Stopped
            && resource.assigned.is_some()
            && resource.assigned == node
    }

    fn schedule_stop(&mut self, rsc: RscId, optional: bool) {
        for current in self.rsc(rsc).active.clone() {
            if self.is_expected_on(rsc, Some(current)) {
                continue;
            }
            let mut optional = optional;
            if let Some(target) = self.rsc(rsc).migration_target {
                if current == target && self.rsc(rsc).assigned == Some(current) {
                    continue;
                }
                optional = false;
            }
            let stop = self.stop_action(rsc, current, optional);
            if self.rsc(rsc).assigned.is_none() {
                self.set_reason(stop, "node availability", true);
            } else if self.is(rsc, RscFlags::RESTARTING | RscFlags::STOP_UNEXPECTED) {
                self.set_reason(stop, "being multiply active", true);
            }
            if !self.is(rsc, RscFlags::MANAGED) {
                self.act_mut(stop).flags.clear(ActFlags::RUNNABLE);
            }
            if self.is(rsc, RscFlags::NEEDS_UNFENCING) {
                let unfence = self.fencing_action(current, Some("on"), true, None, false);
                self.order_actions(stop, unfence, OrderFlags::THEN_IMPLIES_FIRST);
            }
        }
    }

    fn schedule_start(&mut self, rsc: RscId, node: Option<NodeId>, optional: bool) {
        let start = self.start_action(rsc, node, true);
        if let Some(node) = node {
            self.order_after_unfencing(rsc, node, start, OrderFlags::FIRST_IMPLIES_THEN);
        }
        if self.act(start).runnable() && !optional {
            self.act_mut(start).flags.clear(ActFlags::OPTIONAL);
        }
        if self.is_expected_on(rsc, node) {
            self.act_mut(start).flags.set(ActFlags::PSEUDO);
        }
    }

    fn schedule_promote(&mut self, rsc: RscId, node: Option<NodeId>, optional: bool) {
        let starts = self.find_task(rsc, "start", node, true);
        if starts.iter().all(|start| self.act(*start).runnable()) {
            let promote = self.simple_action(rsc, "promote", node, optional);
            if self.is_expected_on(rsc, node) {
                self.act_mut(promote).flags.set(ActFlags::PSEUDO);
            }
        } else {
            for promote in self.find_task(rsc, "promote", node, true) {
                self.act_mut(promote).flags.clear(ActFlags::RUNNABLE);
            }
        }
    }

    pub fn order_primitive(&mut self, rsc: RscId) {
        if !self.is(rsc, RscFlags::MANAGED) {
            return;
        }
        self.order_tasks(
            rsc,
            "stop",
            rsc,
            "start",
            OrderFlags::ORDERED | OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::INTERMEDIATE_STOP,
        );
        if self.is(self.top(rsc), RscFlags::PROMOTABLE) || self.rsc(rsc).role > Role::Unpromoted {
            self.order_tasks(rsc, "demote", rsc, "stop", OrderFlags::PROMOTED_THEN_IMPLIES_FIRST);
            self.order_tasks(rsc, "start", rsc, "promote", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        }
        let flags = OrderFlags::IF_ON_SAME_NODE | OrderFlags::THEN_CANCELS_FIRST;
        self.order_tasks(rsc, "lrm_delete", rsc, "monitor", flags);

        if !self.is(rsc, RscFlags::FENCE_DEVICE)
            && self.cluster.options.unfencing
            && self.is(rsc, RscFlags::NEEDS_UNFENCING)
        {
            for node in self.allowed_by_name(rsc) {
                self.order_restart_after_unfencing(rsc, node);
            }
        }
        if !self.rsc(rsc).utilization.is_empty() && self.cluster.options.placement != crate::model::Placement::Default {
            self.order_by_load(rsc);
        }
        if self.rsc(rsc).launcher.is_some() {
            self.order_with_launcher(rsc);
        }
        if self.rsc(rsc).flags.any(RscFlags::REMOTE_CONNECTION | RscFlags::FENCE_DEVICE) {
            self.avoid_remote_nodes(rsc);
        }
    }

    pub fn allowed_by_name(&self, rsc: RscId) -> Vec<NodeId> {
        let allowed = &self.rsc(rsc).allowed;
        self.cluster.nodes_by_name.iter().copied().filter(|node| allowed.get(*node).is_some()).collect()
    }

    pub fn avoid_remote_nodes(&mut self, rsc: RscId) {
        for node in self.rsc(rsc).allowed.nodes() {
            if self.node(node).remote.is_some() {
                self.rsc_mut(rsc).allowed.entry(node).score = -crate::model::INFINITY;
                self.note(rsc, node, -crate::model::INFINITY, || Source::MembersOnly);
            }
        }
    }

    /// Forgets the history of a resource on a node, so that it is found out anew.
    pub fn schedule_cleanup(&mut self, rsc: RscId, node: NodeId, optional: bool) {
        let state = self.node(node);
        if self.is(rsc, RscFlags::FAILED) || state.unclean() || !state.is(NodeFlags::ONLINE) {
            return;
        }
        let flags = if optional { OrderFlags::FIRST_IMPLIES_THEN } else { OrderFlags::ORDERED };
        let key = op_key(&self.rsc(rsc).id, "delete", 0);
        self.action(Some(rsc), key, "delete", Some(node), optional);
        self.order_tasks(rsc, "stop", rsc, "delete", flags);
        self.order_tasks(rsc, "delete", rsc, "start", flags);
    }

    /// What makes a node full must be stopped before more comes.
    fn order_by_load(&mut self, rsc: RscId) {
        let flags = OrderFlags::IF_ON_SAME_NODE_OR_TARGET;
        for node in self.rsc(rsc).active.clone() {
            let stopped = self.load_stopped(node);
            let end = self.end(rsc, "stop");
            self.add_ordering(end, Self::action_end(stopped), flags);
        }
        for node in self.allowed_by_name(rsc) {
            let stopped = self.load_stopped(node);
            for task in ["start", "migrate_to"] {
                let end = self.end(rsc, task);
                self.add_ordering(Self::action_end(stopped), end, flags);
            }
        }
    }

    fn load_stopped(&mut self, node: NodeId) -> crate::model::ActId {
        let name = format!("load_stopped_{}", self.node(node).name);
        let action = self.pseudo_action(&name);
        let record = self.act_mut(action);
        if record.node.is_none() {
            record.node = Some(node);
            record.flags.clear(ActFlags::OPTIONAL);
        }
        action
    }
}
