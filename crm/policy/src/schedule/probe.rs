//! Probes: finding out what runs where it is not known, before anything is started; and what must wait for them.

use crate::constraint::order::End;
use crate::engine::{Engine, Few};
use crate::model::{ActFlags, ActId, NodeFlags, NodeId, OrderFlags, ProbeMode, Role, RscFlags, RscId, RscKind};

/// Which actions a walk has met. Walks are many and mostly short, so beginning one costs nothing.
#[derive(Default)]
struct Visited {
    /// The last walk that met each action.
    met_by: Vec<u32>,
    walk: u32,
}

impl Visited {
    fn begin(&mut self) {
        self.walk += 1;
    }

    fn first_time(&mut self, action: ActId) -> bool {
        if self.met_by.len() <= action.index() {
            self.met_by.resize(action.index() + 1, 0);
        }
        std::mem::replace(&mut self.met_by[action.index()], self.walk) != self.walk
    }
}

impl Engine<'_> {
    pub fn schedule_probes(&mut self) {
        for node in self.cluster.nodes_by_name.clone() {
            if !self.node(node).online() {
                if self.is_failed_remote(node) {
                    self.fence_node(node, "the connection is unrecoverable", false);
                }
                continue;
            }
            if self.node(node).unclean() || !self.node(node).is(NodeFlags::PROBES_ALLOWED) {
                continue;
            }
            let top = self.cluster.top.clone();
            self.probe_all(&top, node);
        }
    }

    pub fn probe_all(&mut self, list: &[RscId], node: NodeId) -> bool {
        let mut any = false;
        for rsc in list {
            any |= self.probe(*rsc, node);
        }
        any
    }

    /// Plans a probe, if one is needed; whether it is.
    pub fn probe(&mut self, rsc: RscId, node: NodeId) -> bool {
        match self.rsc(rsc).kind {
            RscKind::Clone(_) => self.probe_clone(rsc, node),
            RscKind::Bundle(_) => self.probe_bundle(rsc, node),
            RscKind::Primitive | RscKind::Group { .. } => self.probe_resource(rsc, node),
        }
    }

    fn probe_resource(&mut self, rsc: RscId, node: NodeId) -> bool {
        if !self.cluster.options.probes {
            return false;
        }
        if self.cluster.is_remote(node) {
            let connection = RscFlags::FENCE_DEVICE | RscFlags::REMOTE_CONNECTION;
            if self.rsc(rsc).flags.any(connection) || (self.cluster.is_guest(node) && self.contains_guest(rsc)) {
                return false;
            }
        }
        let members = self.children(rsc);
        if !members.is_empty() {
            return self.probe_all(&members, node);
        }
        let resource = self.rsc(rsc);
        if (resource.launcher.is_some() && !resource.is(RscFlags::REMOTE_CONNECTION))
            || resource.is(RscFlags::REMOVED)
            || resource.probed.contains(&node)
        {
            return false;
        }
        let top = self.top(rsc);
        let entry = resource.allowed.get(node).copied();
        let exclusive = resource.is(RscFlags::EXCLUSIVE_PROBES) || self.is(top, RscFlags::EXCLUSIVE_PROBES);
        if exclusive && entry.is_none_or(|entry| entry.probe != ProbeMode::Exclusive) {
            return false;
        }
        if entry.map_or(self.node(node).probe, |entry| entry.probe) == ProbeMode::Never {
            return false;
        }
        if self.cluster.is_guest(node) && !self.guest_can_be_probed(node, top) {
            return false;
        }
        self.add_probe(rsc, top, node);
        true
    }

    fn add_probe(&mut self, rsc: RscId, top: RscId, node: NodeId) {
        let probe = self.simple_action(rsc, "monitor", Some(node), false);
        self.act_mut(probe).flags.clear(ActFlags::OPTIONAL);
        self.order_after_unfencing(rsc, node, probe, OrderFlags::ORDERED);
        if !self.rsc(rsc).active.contains(&node) {
            self.expect(probe, 7);
        } else if self.rsc(rsc).role == Role::Promoted {
            self.expect(probe, 8);
        }
        let top = if self.rsc(top).is_clone() { top } else { rsc };
        let mut flags = OrderFlags::ORDERED;
        if !self.act(probe).runnable() && self.rsc(top).active.is_empty() {
            flags.set(OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        }
        let (start, reload) = (self.end(top, "start"), self.end(rsc, "reload-agent"));
        self.add_ordering(Self::action_end(probe), start, flags);
        let reload = End { rsc: Some(top), ..reload };
        self.add_ordering(Self::action_end(probe), reload, OrderFlags::ORDERED);
    }

    fn contains_guest(&self, rsc: RscId) -> bool {
        self.rsc(rsc).launched.iter().any(|launched| self.is(*launched, RscFlags::REMOTE_CONNECTION))
    }

    /// A guest that is down, or will be, is probed once it is up.
    fn guest_can_be_probed(&mut self, node: NodeId, top: RscId) -> bool {
        let Some(guest) = self.node(node).remote.and_then(|remote| self.rsc(remote).launcher) else { return true };
        let resource = self.rsc(guest);
        if resource.role == Role::Stopped {
            if resource.assigned.is_some_and(|place| !resource.probed.contains(&place)) {
                self.order_tasks(guest, "monitor", top, "start", OrderFlags::ORDERED);
            }
            return false;
        }
        let state = self.node(node);
        let moves =
            resource.role > Role::Stopped && resource.assigned.is_some_and(|place| !resource.active.contains(&place));
        let stops = state.is(NodeFlags::REMOTE_RESET)
            || state.unclean()
            || resource.is(RscFlags::FAILED)
            || resource.next_role == Role::Stopped
            || moves;
        if stops {
            self.order_tasks(guest, "stop", top, "start", OrderFlags::ORDERED);
        }
        !stops
    }

    /// What must wait for probes: starts and restarts of what comes after, and whatever comes after a stop that the
    /// probe may show to be needed.
    pub fn order_probes(&mut self) {
        let mut visited = Visited::default();
        for rsc in self.cluster.top.clone() {
            self.order_starts_after_probes(rsc, &mut visited);
        }
        self.order_after_possible_stops();
    }

    fn order_starts_after_probes(&mut self, rsc: RscId, visited: &mut Visited) {
        if !self.rsc(rsc).is_primitive() {
            for child in self.children(rsc) {
                self.order_starts_after_probes(child, visited);
            }
            return;
        }
        for probe in self.find_task(rsc, "monitor", None, false) {
            for at in (0..self.act(probe).after.len()).rev() {
                let after = self.act(probe).after[at];
                self.order_instance_starts(probe, after.action, after.flags);
                visited.begin();
                self.order_restarts(probe, after.action, visited);
            }
        }
    }

    fn order_instance_starts(&mut self, probe: ActId, after: ActId, flags: OrderFlags) {
        let (Some(clone), Some(probed)) = (self.act(after).resource, self.act(probe).resource) else { return };
        let collective = matches!(self.rsc(clone).kind, RscKind::Clone(_) | RscKind::Bundle(_));
        if !collective
            || self.act(probe).runnable()
            || flags.has(OrderFlags::UNRUNNABLE_FIRST_BLOCKS)
            || self.top(probed) != clone
            || self.act(after).task != "start"
        {
            return;
        }
        for at in (0..self.act(after).after.len()).rev() {
            let then = self.act(after).after[at].action;
            let Some(rsc) = self.act(then).resource else { continue };
            if self.rsc(rsc).active.is_empty() && self.top(rsc) == clone && self.act(then).task == "start" {
                self.order_actions(probe, then, OrderFlags::ORDERED | OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
            }
        }
    }

    fn order_restarts(&mut self, probe: ActId, after: ActId, visited: &mut Visited) {
        let mut stack = vec![after];
        // Depth first, in the order a recursion would take: an action's successors before its siblings.
        while let Some(after) = stack.pop() {
            if !visited.first_time(after) {
                continue;
            }
            let Some(probed) = self.act(probe).resource else { return };
            self.order_restart(probe, probed, after);
            let next = self.restart_successors(probed, after);
            stack.extend(next.into_iter().rev());
        }
    }

    fn order_restart(&mut self, probe: ActId, probed: RscId, after: ActId) {
        let Some(rsc) = self.act(after).resource else { return };
        if !self.rsc(rsc).is_primitive() || rsc == probed {
            return;
        }
        let undo = match &*self.act(after).task {
            "start" => "stop",
            "promote" => "demote",
            _ => return,
        };
        for then in self.find_task(rsc, undo, None, false) {
            if !self.act_is(then, ActFlags::PSEUDO) {
                self.order_actions(probe, then, OrderFlags::ORDERED);
            }
        }
    }

    fn restart_successors(&self, probed: RscId, after: ActId) -> Vec<ActId> {
        let rsc = self.act(after).resource;
        let collective = |rsc: RscId| matches!(self.rsc(rsc).kind, RscKind::Clone(_) | RscKind::Bundle(_));
        let interleave = rsc.is_some_and(|rsc| collective(rsc) && self.meta_true(rsc, "interleave"));
        let compatible = match rsc {
            Some(rsc) if interleave => self.compatible_instance(probed, rsc, Role::Unknown, false, None),
            _ => None,
        };
        let follows = |relation: &&crate::model::Related| {
            if relation.flags.has(OrderFlags::FIRST_IMPLIES_THEN) {
                return true;
            }
            // From a group or clone it goes on to the members only.
            let (Some(rsc), Some(member)) = (rsc, self.act(relation.action).resource) else { return false };
            !self.rsc(rsc).is_primitive()
                && self.parent(probed) != Some(rsc)
                && !collective(member)
                && self.parent(member) == Some(rsc)
                && !(collective(rsc) && interleave && compatible != Some(member))
        };
        self.act(after).after.iter().rev().filter(follows).map(|relation| relation.action).collect()
    }

    fn order_after_possible_stops(&mut self) {
        let orderings = std::mem::take(&mut self.orderings);
        for ordering in &orderings {
            if ordering.flags == OrderFlags::NONE {
                continue;
            }
            let Some(first_rsc) = ordering.first.rsc else { continue };
            if ordering.then.rsc == Some(first_rsc) {
                continue;
            }
            let is_stop = |end: &End| match end.action {
                Some(action) => self.act(action).task == "stop",
                None => end.task.as_ref().is_some_and(|(_, task)| task == "stop"),
            };
            let has_end = |end: &End| end.action.is_some() || end.task.is_some();
            if !has_end(&ordering.then) || !is_stop(&ordering.first) {
                continue;
            }
            let launches = ordering.then.rsc.is_some() && self.rsc(first_rsc).launcher == ordering.then.rsc;
            if launches && is_stop(&ordering.then) {
                continue;
            }
            let mut flags = OrderFlags::ORDERED;
            for kept in [OrderFlags::IF_FIRST_UNMIGRATABLE, OrderFlags::IF_ON_SAME_NODE] {
                if ordering.flags.has(kept) {
                    flags.set(kept);
                }
            }
            if ordering.flags == OrderFlags::IF_REQUIRED_ON_SAME_NODE
                || ordering.flags == OrderFlags::IF_ON_SAME_NODE_OR_TARGET
            {
                flags = ordering.flags;
            }
            let probes = self.find_task(first_rsc, "monitor", None, false);
            if probes.is_empty() {
                continue;
            }
            let then = match (ordering.then.action, ordering.then.rsc, &ordering.then.task) {
                (Some(action), _, _) => Few::from_slice(&[action]),
                (None, Some(rsc), Some((of, task))) => self.find_task_of(rsc, *of, task, None),
                _ => continue,
            };
            for probe in probes {
                for then in then.iter().copied() {
                    if self.probe_comes_before(probe, then) {
                        self.order_actions(probe, then, flags);
                    }
                }
            }
        }
        self.orderings = orderings;
    }

    fn probe_comes_before(&self, probe: ActId, then: ActId) -> bool {
        let (probe, then) = (self.act(probe), self.act(then));
        let same_node = probe.node == then.node;
        if then.task == "stonith" && probe.node.is_some() && same_node {
            return then.meta.get("stonith_action").is_none_or(|action| !action.eq_ignore_ascii_case("on"));
        }
        !(then.task == "do_shutdown" && probe.node.is_some() && then.node.is_some() && !same_node)
    }
}
