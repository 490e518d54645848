//! A clone's own actions and the order of its instances; and what each kind of resource does when asked for its
//! actions, orders and probes.

use crate::engine::{Engine, Where};
use crate::model::{NodeId, OrderFlags, ProbeMode, RscFlags, RscId, RscKind};

impl Engine<'_> {
    pub fn create_actions(&mut self, rsc: RscId) {
        match self.rsc(rsc).kind {
            RscKind::Primitive => self.create_primitive_actions(rsc),
            RscKind::Group { .. } => self.create_group_actions(rsc),
            RscKind::Clone(_) => {
                self.create_instance_actions(rsc);
                if self.is(rsc, RscFlags::PROMOTABLE) {
                    self.create_promotable_actions(rsc);
                }
            }
            RscKind::Bundle(_) => self.create_bundle_actions(rsc),
        }
    }

    pub fn order_internally(&mut self, rsc: RscId) {
        match self.rsc(rsc).kind {
            RscKind::Primitive => self.order_primitive(rsc),
            RscKind::Group { .. } => self.order_group(rsc),
            RscKind::Clone(_) => self.order_clone(rsc),
            RscKind::Bundle(_) => self.order_bundle(rsc),
        }
    }

    fn order_clone(&mut self, rsc: RscId) {
        self.order_tasks(rsc, "stopped", rsc, "start", OrderFlags::ORDERED);
        self.order_tasks(rsc, "start", rsc, "running", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        self.order_tasks(rsc, "stop", rsc, "stopped", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        let promotable = self.is(rsc, RscFlags::PROMOTABLE);
        if promotable {
            self.order_tasks(rsc, "demoted", rsc, "stop", OrderFlags::ORDERED);
            self.order_tasks(rsc, "running", rsc, "promote", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        }
        let ordered = self.rsc(rsc).clone_data().is_some_and(|data| data.ordered);
        if ordered {
            self.sort_by_number(rsc);
        }
        let instances = self.children(rsc);
        for (at, instance) in instances.iter().copied().enumerate() {
            self.order_internally(instance);
            let flags = OrderFlags::UNRUNNABLE_FIRST_BLOCKS | OrderFlags::THEN_IMPLIES_FIRST_GRAPHED;
            self.order_tasks(rsc, "start", instance, "start", flags);
            self.order_tasks(instance, "start", rsc, "running", OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
            self.order_tasks(rsc, "stop", instance, "stop", OrderFlags::THEN_IMPLIES_FIRST_GRAPHED);
            self.order_tasks(instance, "stop", rsc, "stopped", OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
            if ordered {
                for later in &instances[at + 1..] {
                    self.order_tasks(instance, "start", *later, "start", OrderFlags::ORDERED);
                    self.order_tasks(*later, "stop", instance, "stop", OrderFlags::ORDERED);
                }
            }
        }
        if promotable {
            self.order_promotable(rsc);
        }
    }

    /// Probes a clone on a node: each instance if they differ, else one for all.
    pub fn probe_clone(&mut self, rsc: RscId, node: NodeId) -> bool {
        if self.is(rsc, RscFlags::EXCLUSIVE_PROBES) {
            let allowed = self.rsc(rsc).allowed.get(node);
            if allowed.is_none_or(|entry| entry.probe != ProbeMode::Exclusive) {
                self.rsc_mut(rsc).allowed.remove(node);
                return false;
            }
        }
        self.sort_by_number(rsc);
        let instances = self.children(rsc);
        if self.is(rsc, RscFlags::UNIQUE) {
            return self.probe_all(&instances, node);
        }
        let known = instances.iter().copied().find(|instance| self.is_probed_on(*instance, node));
        let placed = || instances.iter().copied().find(|i| self.location(*i, Where::Assigned) == Some(node));
        let chosen = known.or_else(placed).or(instances.first().copied());
        chosen.is_some_and(|instance| self.probe(instance, node))
    }

    fn is_probed_on(&self, rsc: RscId, node: NodeId) -> bool {
        let resource = self.rsc(rsc);
        if resource.children.is_empty() {
            resource.probed.contains(&node)
        } else {
            resource.children.iter().any(|child| self.is_probed_on(*child, node))
        }
    }
}
