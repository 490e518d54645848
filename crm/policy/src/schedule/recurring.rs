//! Recurring operations: begun where a resource runs (or, for the Stopped role, where it does not), cancelled where
//! they no longer fit.

use std::sync::Arc;

use cib::Element;

use crate::engine::{Engine, Values, op_key};
use crate::model::{ActFlags, ActId, NodeFlags, NodeId, OrderFlags, Role, RscFlags, RscId};

/// A recurring operation, as configured.
struct Recurring {
    name: String,
    key: String,
    role: Role,
    interval_ms: u32,
}

impl Engine<'_> {
    pub fn create_recurring_actions(&mut self, rsc: RscId) {
        if self.rsc(rsc).flags.any(RscFlags::BLOCKED | RscFlags::MAINTENANCE) {
            return;
        }
        let assigned = self.rsc(rsc).assigned;
        let mut start = None;
        if let Some(node) = assigned
            && !self.node(node).is(NodeFlags::MAINTENANCE)
            && (self.rsc(rsc).next_role != Role::Stopped || !self.is(rsc, RscFlags::MANAGED))
        {
            start = Some(self.start_action(rsc, assigned, true));
        }
        for op in self.configured_operations(rsc) {
            let Some(recurring) = self.recurring_operation(rsc, op) else { continue };
            if let Some(start) = start {
                self.schedule_for_active(rsc, start, assigned, &recurring);
            }
            self.schedule_for_inactive(rsc, assigned, &recurring);
        }
    }

    fn recurring_operation(&mut self, rsc: RscId, op: Element) -> Option<Recurring> {
        const ONCE: [&str; 7] = ["stop", "start", "demote", "promote", "reload-agent", "migrate_to", "migrate_from"];
        let interval_ms = self.interval_ms(op);
        if interval_ms == 0 || self.attr(op, "id").is_none_or(str::is_empty) {
            return None;
        }
        let name = self.attr(op, "name")?;
        if ONCE.contains(&name) {
            self.warn(op, format!("{name} cannot recur; its interval is ignored"));
            return None;
        }
        let same = |other: &Element| self.attr(*other, "name") == Some(name) && self.interval_ms(*other) == interval_ms;
        if self.configured_operations(rsc).iter().filter(|other| same(other)).count() > 1 {
            self.warn(op, format!("{name} is configured twice with the same interval; ignored, give each its own"));
            return None;
        }
        let role = match self.attr(op, "role") {
            None => Role::Unknown,
            Some(text) => Role::parse(text).filter(|role| *role != Role::Unknown)?,
        };
        self.operation_config(rsc, name, interval_ms, false)?;
        let key = op_key(&self.rsc(rsc).id, name, interval_ms);
        Some(Recurring { name: name.to_owned(), key, role, interval_ms })
    }

    /// Whether a recurring operation goes on as it is.
    fn goes_on(&self, rsc: RscId, node: Option<NodeId>, key: &str, start: ActId) -> bool {
        let Some(node) = node else { return false };
        if self.act(start).required() {
            return false;
        }
        let running = self.find_keyed_exact(rsc, key, node);
        !running.is_empty() && !running.iter().any(|action| self.act_is(*action, ActFlags::RESCHEDULE))
    }

    fn schedule_for_active(&mut self, rsc: RscId, start: ActId, node: Option<NodeId>, op: &Recurring) {
        if op.role == Role::Stopped {
            return;
        }
        let optional = self.goes_on(rsc, node, &op.key, start);
        let (role, next_role) = (self.rsc(rsc).role, self.rsc(rsc).next_role);
        let fits = if op.role == Role::Unknown { next_role != Role::Promoted } else { next_role == op.role };
        if !fits {
            if optional {
                let cancel = self.cancel_action(rsc, &op.name, op.interval_ms, node);
                let after = match (role, next_role) {
                    (Role::Unpromoted | Role::Started, Role::Promoted) => Some("promote"),
                    (Role::Unpromoted | Role::Started, Role::Stopped) => Some("stop"),
                    (Role::Promoted, _) => Some("demote"),
                    _ => None,
                };
                if let Some(after) = after {
                    let end = self.end(rsc, after);
                    self.add_ordering(Self::action_end(cancel), end, OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
                }
            }
            return;
        }
        let monitor = self.action(Some(rsc), op.key.clone(), &op.name, node, optional);
        let reachable = node.is_some_and(|node| self.node(node).online() && !self.node(node).unclean());
        if !self.act(start).runnable() || !reachable {
            self.act_mut(monitor).flags.clear(ActFlags::RUNNABLE);
        }
        if next_role == Role::Promoted {
            self.expect(monitor, 8);
        }
        if node.is_none() || self.is(rsc, RscFlags::MANAGED) {
            let implies = OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
            let ordered = OrderFlags::ORDERED | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
            for (task, flags) in [("start", implies), ("reload-agent", implies)] {
                let end = self.end(rsc, task);
                self.add_ordering(end, Self::action_end(monitor), flags);
            }
            let change = if next_role == Role::Promoted {
                Some("promote")
            } else if role == Role::Promoted {
                Some("demote")
            } else {
                None
            };
            if let Some(task) = change {
                let end = self.end(rsc, task);
                self.add_ordering(end, Self::action_end(monitor), ordered);
            }
        }
    }

    fn schedule_for_inactive(&mut self, rsc: RscId, node: Option<NodeId>, op: &Recurring) {
        if op.role != Role::Stopped || !self.is(rsc, RscFlags::UNIQUE) {
            return;
        }
        for other in self.cluster.nodes_by_name.clone() {
            if Some(other) == node {
                self.cancel_if_running(rsc, other, op);
                continue;
            }
            let optional = !self.find_keyed_exact(rsc, &op.key, other).is_empty();
            let monitor = self.action(Some(rsc), op.key.clone(), &op.name, Some(other), optional);
            self.expect(monitor, 7);
            let managed = self.is(rsc, RscFlags::MANAGED);
            if managed {
                for probe in self.find_task(rsc, "monitor", Some(other), false) {
                    self.order_actions(probe, monitor, OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
                }
            }
            for stop in self.find_task(rsc, "stop", Some(other), true) {
                let (required, runnable) = (self.act(stop).required(), self.act(stop).runnable());
                if required && !managed {
                    self.act_mut(monitor).flags.set(ActFlags::OPTIONAL);
                }
                if !runnable {
                    self.act_mut(monitor).flags.clear(ActFlags::RUNNABLE);
                }
                if managed {
                    let flags = OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
                    self.add_ordering(Self::action_end(stop), Self::action_end(monitor), flags);
                }
            }
            if !self.node(other).online() || self.node(other).unclean() {
                self.act_mut(monitor).flags.clear(ActFlags::RUNNABLE);
            }
        }
    }

    fn cancel_if_running(&mut self, rsc: RscId, node: NodeId, op: &Recurring) {
        if self.find_keyed_exact(rsc, &op.key, node).is_empty() {
            return;
        }
        let cancel = self.cancel_action(rsc, &op.name, op.interval_ms, Some(node));
        if matches!(self.rsc(rsc).next_role, Role::Started | Role::Unpromoted) {
            let end = self.end(rsc, "start");
            self.add_ordering(Self::action_end(cancel), end, OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        }
    }

    /// The exit status that means success.
    pub fn expect(&mut self, action: ActId, rc: i32) {
        let record = self.act(action);
        let with_status = |meta: &Values| {
            let mut expecting = meta.clone();
            expecting.insert("op_target_rc", rc.to_string());
            Arc::new(expecting)
        };
        let expecting = match record.resource.map(|rsc| (rsc, self.expecting.get(&rsc))) {
            // Probes of a resource say the same on every node, and nodes are gone through one by one.
            Some((_, Some((like, for_rc, expecting)))) if Arc::ptr_eq(like, &record.meta) && *for_rc == rc => {
                Arc::clone(expecting)
            }
            Some((rsc, _)) => {
                let (like, expecting) = (Arc::clone(&record.meta), with_status(&record.meta));
                self.expecting.insert(rsc, (like, rc, Arc::clone(&expecting)));
                expecting
            }
            None => with_status(&record.meta),
        };
        self.act_mut(action).meta = expecting;
    }

    pub fn cancel_action(&mut self, rsc: RscId, task: &str, interval_ms: u32, node: Option<NodeId>) -> ActId {
        let key = op_key(&self.rsc(rsc).id, task, interval_ms);
        let cancel = self.action(Some(rsc), key.clone(), "cancel", node, false);
        self.action_index.retask(rsc, &key);
        let record = self.act_mut(cancel);
        record.task = crate::model::task("cancel");
        record.cancel_task = Some(task.to_owned());
        record.meta_mut().insert("operation", task);
        record.meta_mut().insert("interval", interval_ms.to_string());
        cancel
    }

    /// Plans to cancel a recurring operation that no longer belongs there.
    pub fn schedule_cancel(&mut self, rsc: RscId, call_id: Option<&str>, task: &str, interval_ms: u32, node: NodeId) {
        let cancel = self.cancel_action(rsc, task, interval_ms, Some(node));
        if let Some(call_id) = call_id {
            self.act_mut(cancel).meta_mut().insert("call-id", call_id);
        }
        let end = self.end(rsc, "stop");
        self.add_ordering(end, Self::action_end(cancel), OrderFlags::ORDERED);
    }

    pub fn reschedule_recurring(&mut self, rsc: RscId, task: &str, interval_ms: u32, node: NodeId) {
        self.trigger_unfencing(Some(rsc), node, "Device parameters changed (reschedule)");
        let key = op_key(&self.rsc(rsc).id, task, interval_ms);
        let action = self.action(Some(rsc), key, task, Some(node), true);
        self.act_mut(action).flags.set(ActFlags::RESCHEDULE);
    }
}
