//! Fencing: cutting off nodes that cannot be trusted, letting others back (unfencing), telling nodes that they may go;
//! and what must wait for it.

use crate::engine::Engine;
use crate::model::{ActFlags, ActId, NodeFlags, NodeId, NodeKind, OrderFlags, Requires, RscFlags, RscId};
use crate::schedule::digest::Verdict;

impl Engine<'_> {
    /// The fencing of a node: one action for each node and kind.
    pub fn fencing_action(
        &mut self,
        node: NodeId,
        kind: Option<&str>,
        optional: bool,
        reason: Option<&str>,
        priority_delay: bool,
    ) -> ActId {
        let kind = kind.map_or_else(|| self.cluster.options.fence_action.clone(), str::to_owned);
        let (id, name) = (self.node(node).id.clone(), self.node(node).name.clone());
        let key = format!("stonith-{name}-{kind}");
        let mut optional = optional;
        let action = match self.singletons.get(&key) {
            Some(action) => *action,
            None => {
                let action = self.action(None, key, "stonith", Some(node), true);
                let meta = self.act_mut(action).meta_mut();
                meta.insert("on_node", name);
                meta.insert("on_node_uuid", id);
                meta.insert("stonith_action", kind);
                if self.cluster.options.unfencing {
                    optional &= !self.add_device_digests(action, node);
                }
                action
            }
        };
        let delay = "priority-fencing-delay";
        if self.cluster.options.priority_fencing_delay_ms > 0
            && (priority_delay || self.act(action).meta.contains_key(delay))
        {
            let seconds = self.priority_delay(node);
            self.act_mut(action).meta_mut().insert(delay, seconds.to_string());
        }
        if !optional && self.can_fence(node) {
            self.act_mut(action).flags.clear(ActFlags::OPTIONAL);
            if let Some(reason) = reason {
                self.set_reason(action, reason, false);
            }
        } else if let Some(reason) = reason {
            self.set_reason(action, reason, false);
        }
        action
    }

    /// Notes the digests of all devices that can let a node back; whether one of them changed.
    fn add_device_digests(&mut self, action: ActId, node: NodeId) -> bool {
        let mut devices = Vec::new();
        for rsc in self.cluster.top.clone() {
            self.collect_unfencing_devices(rsc, &mut devices);
        }
        devices.reverse();
        let (mut all, mut secure, mut changed) = (String::new(), String::new(), false);
        for device in devices {
            let (digest, verdict) = self.compare_unfencing(device, node);
            let (id, agent) = (self.rsc(device).id.clone(), self.rsc(device).agent.clone());
            if verdict == Verdict::Mismatch {
                changed = true;
                let name = self.node(node).name.clone();
                self.notices.push(format!("notice: Unfencing node {name} because the definition of {id} changed"));
            }
            all.push_str(&format!("{id}:{agent}:{},", digest.all));
            secure.push_str(&format!("{id}:{agent}:{},", digest.secure.as_deref().unwrap_or_default()));
        }
        let meta = self.act_mut(action).meta_mut();
        meta.insert("digests-all", all);
        meta.insert("digests-secure", secure);
        changed
    }

    fn collect_unfencing_devices(&self, rsc: RscId, found: &mut Vec<RscId>) {
        let resource = self.rsc(rsc);
        if !resource.children.is_empty() {
            resource.children.iter().for_each(|child| self.collect_unfencing_devices(*child, found));
        } else if resource.is(RscFlags::FENCE_DEVICE)
            && (resource.is(RscFlags::NEEDS_UNFENCING)
                || resource.meta("provides").is_some_and(|what| what.eq_ignore_ascii_case("unfencing")))
        {
            found.push(rsc);
        }
    }

    /// How long the fencing of an important node waits when a cluster is split in two equal parts.
    fn priority_delay(&self, node: NodeId) -> u32 {
        let members = || self.cluster.nodes.iter().filter(|node| node.kind == NodeKind::Cluster);
        let record = self.node(node);
        let online = members().filter(|node| node.online()).count();
        let highest = members().map(|node| node.priority).max().unwrap_or(0);
        let lowest = members().map(|node| node.priority).min().unwrap_or(0);
        let no_delay = record.kind != NodeKind::Cluster
            || record.online()
            || online > members().count() / 2
            || lowest == highest
            || record.priority < highest;
        if no_delay { 0 } else { self.cluster.options.priority_fencing_delay_ms / 1000 }
    }

    /// Lets a node back, if devices need that.
    pub fn trigger_unfencing(&mut self, rsc: Option<RscId>, node: NodeId, reason: &str) {
        if !self.cluster.options.unfencing || rsc.is_some_and(|rsc| !self.is(rsc, RscFlags::FENCE_DEVICE)) {
            return;
        }
        let ready = |engine: &Self, node: NodeId| {
            let node = engine.node(node);
            node.online() && !node.unclean() && !node.is(NodeFlags::SHUTDOWN)
        };
        if ready(self, node) {
            self.fencing_action(node, Some("on"), false, Some(reason), false);
        } else if let Some(rsc) = rsc {
            for node in self.rsc(rsc).allowed.nodes() {
                if ready(self, node) {
                    self.fencing_action(node, Some("on"), false, Some(reason), false);
                }
            }
        }
    }

    pub fn order_after_unfencing(&mut self, rsc: RscId, node: NodeId, action: ActId, flags: OrderFlags) {
        let device = self.is(rsc, RscFlags::FENCE_DEVICE) && self.cluster.options.unfencing;
        if !device && !self.is(rsc, RscFlags::NEEDS_UNFENCING) {
            return;
        }
        let unfence = self.fencing_action(node, Some("on"), true, None, false);
        self.order_actions(unfence, action, flags);
        let unfenced = self.node(node).attributes.get("#node-unfenced").is_some_and(|when| when != "0");
        if !unfenced {
            let reason = format!("required by {} {}", self.rsc(rsc).id, self.act(action).task);
            self.trigger_unfencing(None, node, &reason);
        }
    }

    pub fn order_restart_after_unfencing(&mut self, rsc: RscId, node: NodeId) {
        let unfence = self.fencing_action(node, Some("on"), true, None, false);
        let (stop, start) = (self.end(rsc, "stop"), self.end(rsc, "start"));
        self.add_ordering(stop, Self::action_end(unfence), OrderFlags::ORDERED | OrderFlags::IF_ON_SAME_NODE);
        let flags = OrderFlags::FIRST_IMPLIES_SAME_NODE_THEN | OrderFlags::IF_ON_SAME_NODE;
        self.add_ordering(Self::action_end(unfence), start, flags);
    }

    /// Fences what is unclean and lets go what is asked to leave; the coordinator last.
    pub fn schedule_fencing_and_shutdowns(&mut self) {
        let managed = self.cluster.top.clone().into_iter().any(|rsc| self.any_flag_below(rsc, RscFlags::MANAGED));
        let (mut fencings, mut shutdowns): (Vec<ActId>, Vec<ActId>) = (Vec::new(), Vec::new());
        let mut dc_down = None;
        let concurrent = self.cluster.options.concurrent_fencing;
        for node in self.cluster.nodes_by_name.clone() {
            let is_dc = self.cluster.dc == Some(node);
            if self.cluster.is_guest(node) {
                if self.node(node).is(NodeFlags::REMOTE_RESET) && managed && self.can_fence(node) {
                    self.fence_guest(node);
                }
                continue;
            }
            let state = self.node(node);
            if managed && state.unclean() && self.can_fence(node) {
                let fencing = self.fencing_action(node, None, false, Some("node is unclean"), false);
                self.order_around_fencing(fencing);
                if is_dc {
                    dc_down = Some(fencing);
                } else {
                    if let Some(last) = fencings.last().copied().filter(|_| !concurrent) {
                        self.order_actions(last, fencing, OrderFlags::ORDERED);
                    }
                    fencings.push(fencing);
                }
            } else if !self.cluster.is_remote(node) && state.online() && state.is(NodeFlags::SHUTDOWN) {
                let shutdown = self.schedule_shutdown(node);
                if is_dc {
                    dc_down = Some(shutdown);
                } else {
                    shutdowns.push(shutdown);
                }
            }
        }
        let Some(dc_down) = dc_down else { return };
        if self.act(dc_down).task == "do_shutdown" {
            for shutdown in shutdowns.into_iter().rev() {
                self.order_actions(shutdown, dc_down, OrderFlags::ORDERED);
            }
        }
        if concurrent {
            for fencing in fencings.into_iter().rev() {
                self.order_actions(fencing, dc_down, OrderFlags::ORDERED);
            }
        } else if let Some(last) = fencings.last() {
            self.order_actions(*last, dc_down, OrderFlags::ORDERED);
        }
    }

    fn schedule_shutdown(&mut self, node: NodeId) -> ActId {
        let key = format!("do_shutdown-{}", self.node(node).name);
        let shutdown = self.action(None, key, "do_shutdown", Some(node), false);
        for action in self.actions_newest_first() {
            let record = self.act(action);
            let (true, Some(rsc)) = (record.node == Some(node) && record.task == "stop", record.resource) else {
                continue;
            };
            let resource = self.rsc(rsc);
            if resource.is(RscFlags::MAINTENANCE)
                || self.node(node).is(NodeFlags::MAINTENANCE)
                || !resource.flags.any(RscFlags::MANAGED | RscFlags::BLOCKED)
            {
                continue;
            }
            self.act_mut(action).flags.clear(ActFlags::OPTIONAL);
            let flags = OrderFlags::ORDERED | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
            self.add_ordering(Self::action_end(action), Self::action_end(shutdown), flags);
        }
        self.act_mut(shutdown).meta_mut().insert("op_no_wait", "true");
        shutdown
    }

    /// A guest is "fenced" by recovering what it lives in.
    fn fence_guest(&mut self, node: NodeId) {
        let remote = self.node(node).remote;
        let launcher = remote.and_then(|remote| self.rsc(remote).launcher);
        let stop = launcher.and_then(|launcher| self.first_with_task(launcher, "stop", None));
        let restarts = launcher.is_some_and(|launcher| self.first_with_task(launcher, "start", None).is_some());
        let kind = if restarts { "reboot" } else { "off" };
        let fencing = self.fencing_action(node, Some(kind), false, Some("guest is unclean"), false);
        self.act_mut(fencing).flags.set(ActFlags::PSEUDO | ActFlags::RUNNABLE);
        let implies = OrderFlags::UNRUNNABLE_FIRST_BLOCKS | OrderFlags::FIRST_IMPLIES_THEN;
        match stop {
            Some(stop) if self.act_is(stop, ActFlags::PSEUDO) => {
                if let Some(host) = self.act(stop).node {
                    let host = self.fencing_action(host, None, false, None, false);
                    self.order_actions(host, fencing, implies);
                }
            }
            Some(stop) => {
                self.order_actions(stop, fencing, implies);
            }
            None => {
                if let Some(stop) = remote.and_then(|remote| self.first_with_task(remote, "stop", None)) {
                    self.order_actions(stop, fencing, OrderFlags::ORDERED);
                }
            }
        }
        self.order_around_fencing(fencing);
    }

    /// Starts that need it wait for a fencing; stops on the node are implied by it.
    fn order_around_fencing(&mut self, fencing: ActId) {
        for rsc in self.cluster.top.clone() {
            self.order_resource_around(rsc, fencing);
        }
    }

    fn order_resource_around(&mut self, rsc: RscId, fencing: ActId) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.order_resource_around(child, fencing));
        } else if self.is(rsc, RscFlags::MANAGED)
            && let Some(target) = self.act(fencing).node
        {
            self.order_starts_after(rsc, fencing, target);
            self.order_stops_after(rsc, fencing, target);
        }
    }

    fn order_starts_after(&mut self, rsc: RscId, fencing: ActId, target: NodeId) {
        for action in self.resource_actions(rsc) {
            match self.act(action).needs {
                Requires::Nothing => {}
                Requires::Fencing => {
                    self.order_actions(fencing, action, OrderFlags::ORDERED);
                }
                Requires::Quorum => {
                    let resource = self.rsc(rsc);
                    let parent_knows = resource.parent.is_some_and(|parent| {
                        let parent = self.rsc(parent);
                        parent.is_anonymous_clone() && parent.probed.contains(&target)
                    });
                    let known = resource.probed.contains(&target) || parent_knows;
                    if self.act(action).task == "start" && resource.allowed.get(target).is_some() && !known {
                        let flags = OrderFlags::ORDERED | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
                        self.order_actions(fencing, action, flags);
                    }
                }
            }
        }
    }

    fn order_stops_after(&mut self, rsc: RscId, fencing: ActId, target: NodeId) {
        let stops = self.find_task(rsc, "stop", Some(target), false);
        let implied = self.is(rsc, RscFlags::NEEDS_FENCING) || self.cluster.is_guest(target);
        let top = self.top(rsc);
        let parent_stop = if stops.is_empty() || !implied { None } else { self.first_with_task(top, "stop", None) };
        let bundled = self.is_bundled(rsc);
        for stop in stops {
            self.act_mut(stop).flags.set(ActFlags::PSEUDO | ActFlags::RUNNABLE);
            if implied {
                if !bundled {
                    self.order_actions(fencing, stop, OrderFlags::GUEST_ALLOWED);
                }
                if let Some(parent_stop) = parent_stop {
                    self.order_actions(fencing, parent_stop, OrderFlags::GUEST_ALLOWED);
                }
            }
            if self.is(rsc, RscFlags::NOTIFY) {
                self.notify_after_fencing(stop, rsc, fencing);
            }
        }
        for demote in self.find_task(rsc, "demote", Some(target), false) {
            let lost = self.act(demote).node.is_none_or(|node| {
                let node = self.node(node);
                !node.online() || node.unclean()
            });
            if lost || self.is(rsc, RscFlags::FAILED) {
                self.act_mut(demote).flags.set(ActFlags::PSEUDO | ActFlags::RUNNABLE);
                if implied && !bundled {
                    self.order_actions(fencing, demote, OrderFlags::GUEST_ALLOWED | OrderFlags::ORDERED);
                }
            }
        }
    }
}
