//! What follows when the configuration is no longer the one a resource runs with: restart, reload, new monitors;
//! cancellation of operations that are no longer configured; clean-up after resources that are not.

use cib::Element;
use rustc_hash::FxHashMap;

use crate::engine::{Engine, op_key};
use crate::model::{NodeFlags, NodeId, OrderFlags, RscFlags, RscId};
use crate::schedule::digest::Verdict;
use crate::status::failcount::Counting;

/// A history entry to compare with the configuration later, as the configuration depends on where things will be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeferredCheck {
    pub rsc: RscId,
    pub node: NodeId,
    pub entry: Element,
    pub about: About,
}

/// What a comparison is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Whether the resource must be restarted or reloaded, or an operation scheduled anew.
    Active,
    /// Whether a failure is of a configuration that is no longer.
    Failure,
}

impl Engine<'_> {
    /// Whether the resource is a connection whose address is that of the host its container will be on.
    pub fn follows_container(&mut self, rsc: RscId) -> bool {
        self.is(rsc, RscFlags::REMOTE_CONNECTION)
            && self.parameters_of(rsc, None).get("addr").is_some_and(|address| address.eq_ignore_ascii_case("#uname"))
    }

    pub fn make_deferred_checks(&mut self) {
        for check in std::mem::take(&mut self.deferred_checks) {
            let DeferredCheck { rsc, node, entry, about } = check;
            let clear = match about {
                About::Active => {
                    self.check_configuration(entry, rsc, node)
                        && self.fail_count(node, rsc, Counting::EFFECTIVE, None).0 != 0
                }
                About::Failure => {
                    matches!(self.compare_digest(rsc, entry, node), Verdict::Restart | Verdict::Mismatch)
                }
            };
            if clear {
                self.clear_fail_count(rsc, node);
            }
        }
    }

    pub fn handle_config_changes(&mut self) {
        let Some(status) = self.doc.descend(&["status"]) else { return };
        let states: Vec<Element> = self.doc.children_named(status, "node_state").collect();
        let by_name = self.resources_by_name();
        for node in self.cluster.nodes_by_name.clone() {
            if !self.node(node).is(NodeFlags::MAINTENANCE) && !self.available(node) {
                continue;
            }
            let name = self.node(node).name.clone();
            let state = states.iter().find(|state| self.attr(**state, "uname") == Some(name.as_str()));
            let list = state
                .and_then(|state| self.doc.child(*state, "lrm"))
                .and_then(|lrm| self.doc.child(lrm, "lrm_resources"));
            let Some(list) = list else { continue };
            for entry in self.doc.children_named(list, "lrm_resource").collect::<Vec<_>>() {
                if self.doc.child(entry, "lrm_rsc_op").is_none() {
                    continue;
                }
                let matching = by_name.get(self.doc.id(entry)).map_or(&[][..], Vec::as_slice);
                for rsc in matching.iter().rev() {
                    self.check_history(entry, *rsc, node);
                }
            }
        }
    }

    /// Primitives by the names their history may have, in the order of the tree.
    fn resources_by_name(&self) -> FxHashMap<String, Vec<RscId>> {
        let mut by_name = FxHashMap::default();
        self.cluster.top.iter().for_each(|rsc| self.collect_names(*rsc, &mut by_name));
        by_name
    }

    fn collect_names(&self, rsc: RscId, by_name: &mut FxHashMap<String, Vec<RscId>>) {
        let resource = self.rsc(rsc);
        if resource.is_primitive() {
            let history = resource.history_id.as_ref().filter(|history| **history != resource.id);
            for name in std::iter::once(&resource.id).chain(history) {
                by_name.entry(name.clone()).or_default().push(rsc);
            }
        }
        resource.children.iter().for_each(|child| self.collect_names(*child, by_name));
    }

    fn check_history(&mut self, entry: Element, rsc: RscId, node: NodeId) {
        if self.is(rsc, RscFlags::REMOVED) {
            if !self.rsc(self.top(rsc)).is_anonymous_clone() {
                self.schedule_cleanup(rsc, node, false);
            }
            return;
        }
        let active = self.rsc(rsc).active.contains(&node);
        if self.agent_changed(entry, rsc, node, active) {
            self.schedule_cleanup(rsc, node, false);
        }
        if !active {
            return;
        }
        let operations = self.sorted_operations(entry);
        let (start, stop) = Self::active_operations(&operations);
        if start < stop {
            return;
        }
        for operation in operations.into_iter().skip(start.max(0) as usize) {
            self.check_operation(operation.xml, rsc, node);
        }
    }

    fn check_operation(&mut self, operation: Element, rsc: RscId, node: NodeId) {
        let task = self.attr(operation, "operation").unwrap_or_default();
        let interval = self.number(operation, "interval").unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
        let maintenance = self.is(rsc, RscFlags::MAINTENANCE) || self.node(node).is(NodeFlags::MAINTENANCE);
        if interval > 0 && maintenance {
            let call_id = self.attr(operation, "call-id");
            self.schedule_cancel(rsc, call_id, task, interval, node);
            return;
        }
        if interval == 0 && !matches!(task, "monitor" | "start" | "promote" | "migrate_from") {
            return;
        }
        if self.follows_container(rsc) {
            self.deferred_checks.push(DeferredCheck { rsc, node, entry: operation, about: About::Active });
        } else if self.check_configuration(operation, rsc, node)
            && self.fail_count(node, rsc, Counting::EFFECTIVE, None).0 != 0
        {
            // Failures of what was configured before say nothing about what is configured now.
            self.clear_fail_count(rsc, node);
        }
    }

    /// Whether the agent is another one now; what runs with the old one must be stopped.
    fn agent_changed(&mut self, entry: Element, rsc: RscId, node: NodeId, active: bool) -> bool {
        let xml = self.rsc(rsc).xml;
        let (now, then) = (self.doc.values(xml, &self.names.agent), self.doc.values(entry, &self.names.agent));
        let changed = now.iter().zip(then).filter(|(now, then)| **now != *then).count();
        for _ in 0..changed {
            self.trigger_unfencing(Some(rsc), node, "Device definition changed");
        }
        if changed > 0 && active {
            self.stop_action(rsc, node, false);
            self.set_rsc(rsc, RscFlags::START_PENDING);
        }
        changed > 0
    }

    /// Acts on a change of an operation's configuration; whether there was one.
    fn check_configuration(&mut self, operation: Element, rsc: RscId, node: NodeId) -> bool {
        let task = self.attr(operation, "operation").unwrap_or_default();
        let interval = self.number(operation, "interval").unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
        if interval > 0 && self.operation_config(rsc, task, interval, false).is_none() {
            if self.cluster.options.cancel_removed_actions {
                let call_id = self.attr(operation, "call-id");
                self.schedule_cancel(rsc, call_id, task, interval, node);
            }
            return true;
        }
        let verdict = self.compare_digest(rsc, operation, node);
        if verdict != Verdict::Match && self.only_secrets_changed(rsc, operation, node) {
            let shown = cib_interval(interval);
            let (id, name) = (self.rsc(rsc).id.clone(), self.node(node).name.clone());
            let magic = self.attr(operation, "transition-magic").unwrap_or_default();
            let digest_task = task_for_digest(task, interval);
            self.notices.push(format!(
                "Only 'private' parameters to {shown}-interval {digest_task} for {id} on {name} changed: {magic}"
            ));
            return false;
        }
        match verdict {
            Verdict::Match => false,
            Verdict::Restart => {
                self.force_restart(rsc, task_for_digest(task, interval), interval, node);
                true
            }
            Verdict::Unknown | Verdict::Mismatch => {
                if interval > 0 {
                    self.reschedule_recurring(rsc, task, interval, node);
                } else if self.attr(operation, "op-restart-digest").is_some() {
                    self.trigger_unfencing(Some(rsc), node, "Device parameters changed (reload)");
                    self.schedule_reload(rsc, node);
                } else {
                    self.force_restart(rsc, task_for_digest(task, interval), interval, node);
                }
                true
            }
        }
    }

    fn force_restart(&mut self, rsc: RscId, task: &str, interval_ms: u32, node: NodeId) {
        let key = op_key(&self.rsc(rsc).id, task, interval_ms);
        let required = self.action(Some(rsc), key, task, None, false);
        self.set_reason(required, "resource definition change", true);
        self.trigger_unfencing(Some(rsc), node, "Device parameters changed");
    }

    fn schedule_reload(&mut self, rsc: RscId, node: NodeId) {
        let resource = self.rsc(rsc);
        if !resource.is(RscFlags::MANAGED) || resource.is(RscFlags::FAILED) {
            return;
        }
        if resource.is(RscFlags::START_PENDING) {
            self.stop_action(rsc, node, false);
            return;
        }
        self.set_rsc(rsc, RscFlags::RELOAD);
        let reload = self.simple_action(rsc, "reload-agent", Some(node), false);
        self.set_reason(reload, "resource definition change", false);
        for task in ["stop", "demote"] {
            let end = self.end(rsc, task);
            let flags = OrderFlags::ORDERED | OrderFlags::THEN_CANCELS_FIRST;
            self.add_ordering(Self::action_end(reload), end, flags);
        }
    }

    /// Failures of what is no longer configured are forgotten.
    pub fn clear_failures_of_removed(&mut self) {
        for rsc in self.cluster.top.clone() {
            if !self.is(rsc, RscFlags::REMOVED) {
                continue;
            }
            for node in self.cluster.nodes_by_name.clone() {
                if !self.node(node).online() || self.fail_count(node, rsc, Counting::EFFECTIVE, None).0 == 0 {
                    continue;
                }
                let clear = self.clear_fail_count(rsc, node);
                let end = self.end(rsc, "stop");
                self.add_ordering(Self::action_end(clear), end, OrderFlags::ORDERED);
            }
        }
    }
}

/// A probe, a migration and a promotion show what a start would have done.
fn task_for_digest(task: &str, interval_ms: u32) -> &str {
    if interval_ms == 0 && matches!(task, "monitor" | "migrate_from" | "promote") { "start" } else { task }
}

/// An interval in the words of displays: `10s`, `1m30s`, `0s`.
fn cib_interval(ms: u32) -> String {
    let mut text = String::new();
    let mut rest = ms / 1000;
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if !ms.is_multiple_of(1000) {
        text.push_str(&format!("{rest}.{:03}s", ms % 1000));
    } else if rest > 0 || text.is_empty() {
        text.push_str(&format!("{rest}s"));
    }
    text
}
