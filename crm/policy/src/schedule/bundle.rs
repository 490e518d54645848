//! A bundle's own actions, the order of its replicas' parts, its probes, and what stands for what in orders.

use crate::constraint::colocation::Colocation;
use crate::constraint::order::End;
use crate::engine::{Engine, Few, op_key};
use crate::model::{ActId, INFINITY, NodeId, OrderFlags, Replica, Role, RscFlags, RscId};

impl Engine<'_> {
    fn bundled(&self, bundle: RscId) -> Option<RscId> {
        self.rsc(bundle).bundle_data().and_then(|data| data.bundled)
    }

    pub fn create_bundle_actions(&mut self, bundle: RscId) {
        for replica in self.replicas(bundle) {
            for part in [replica.ip, Some(replica.container), replica.connection].into_iter().flatten() {
                self.create_actions(part);
            }
        }
        self.create_instance_actions(bundle);
        let Some(clone) = self.bundled(bundle) else { return };
        self.create_actions(clone);
        if self.is(clone, RscFlags::PROMOTABLE) {
            for (begin, end) in [("promote", "promoted"), ("demote", "demoted")] {
                self.resource_pseudo_action(bundle, begin, true, true);
                let end = self.resource_pseudo_action(bundle, end, true, true);
                self.act_mut(end).priority = INFINITY;
            }
        }
    }

    pub fn order_bundle(&mut self, bundle: RscId) {
        for replica in self.replicas(bundle) {
            self.order_replica(bundle, &replica);
        }
        let Some(clone) = self.bundled(bundle) else { return };
        let (down, up) = (OrderFlags::THEN_IMPLIES_FIRST_GRAPHED, OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
        self.order_tasks(bundle, "start", clone, "start", down);
        self.order_tasks(clone, "running", bundle, "running", up);
        self.order_tasks(bundle, "stop", clone, "stop", down);
        self.order_tasks(clone, "stopped", bundle, "stopped", up);
        self.order_internally(clone);
        if self.is(clone, RscFlags::PROMOTABLE) {
            self.order_restart_of_roles(bundle);
            self.order_tasks(bundle, "demote", clone, "demote", down);
            self.order_tasks(clone, "demoted", bundle, "demoted", up);
            self.order_tasks(bundle, "promote", clone, "promote", down);
            self.order_tasks(clone, "promoted", bundle, "promoted", up);
        }
    }

    fn order_replica(&mut self, bundle: RscId, replica: &Replica) {
        let container = replica.container;
        let graphed = OrderFlags::THEN_IMPLIES_FIRST_GRAPHED;
        self.order_internally(container);
        self.order_tasks(bundle, "start", container, "start", OrderFlags::UNRUNNABLE_FIRST_BLOCKS | graphed);
        if let Some(child) = replica.child {
            self.order_tasks(bundle, "stop", child, "stop", graphed);
        }
        self.order_tasks(bundle, "stop", container, "stop", graphed);
        self.order_tasks(container, "start", bundle, "running", OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
        self.order_tasks(container, "stop", bundle, "stopped", OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
        if let Some(ip) = replica.ip {
            self.order_internally(ip);
            let flags = OrderFlags::UNRUNNABLE_FIRST_BLOCKS | OrderFlags::GUEST_ALLOWED;
            self.order_tasks(ip, "start", container, "start", flags);
            let flags = OrderFlags::THEN_IMPLIES_FIRST | OrderFlags::GUEST_ALLOWED;
            self.order_tasks(container, "stop", ip, "stop", flags);
            self.add_colocation(Colocation {
                id: "#ip-with-container".into(),
                dependent: ip,
                primary: container,
                score: INFINITY,
                dependent_role: Role::Unknown,
                primary_role: Role::Unknown,
                attribute: "#uname".into(),
                influence: true,
                explicit: false,
            });
        }
        if let Some(connection) = replica.connection {
            self.order_internally(connection);
        }
    }

    pub fn probe_bundle(&mut self, bundle: RscId, node: NodeId) -> bool {
        let mut any = false;
        let per_host = self.rsc(bundle).bundle_data().map_or(1, |data| data.per_host);
        let replicas = self.replicas(bundle);
        for replica in &replicas {
            if let Some(ip) = replica.ip {
                any |= self.probe(ip, node);
            }
            if let Some(child) = replica.child.filter(|_| replica.node == Some(node)) {
                any |= self.probe(child, node);
            }
            if self.probe(replica.container, node) {
                any = true;
                if per_host == 1 {
                    // No other is started before it is known that none is there already.
                    for other in replicas.iter().filter(|other| other.container != replica.container) {
                        let flags = OrderFlags::ORDERED | OrderFlags::IF_ON_SAME_NODE;
                        self.order_tasks(replica.container, "monitor", other.container, "start", flags);
                    }
                }
            }
            if let Some(connection) = replica.connection
                && self.probe(connection, node)
            {
                // Where it leads to is known once the container is placed.
                let key = op_key(&self.rsc(connection).id, "monitor", 0);
                if let Some(probe) = self.find_keyed_exact(connection, &key, node).last().copied() {
                    any = true;
                    let then = End { rsc: Some(connection), task: None, action: Some(probe) };
                    let first = self.end(replica.container, "start");
                    self.add_ordering(first, then, OrderFlags::NESTED_REMOTE_PROBE);
                }
            }
        }
        any
    }

    /// What an action of the whole is made of: containers, but for promotions and the like what is inside.
    pub fn instances_for(&self, rsc: RscId, action: ActId) -> Few<RscId> {
        let Some(clone) = self.bundled(rsc) else { return self.instances_of(rsc) };
        match &*self.act(action).task {
            "start" | "running" | "stop" | "stopped" | "monitor" | "do_shutdown" | "stonith" => self.instances_of(rsc),
            _ => self.children(clone),
        }
    }

    /// The action of an instance that stands for one of the whole. Of a container it may be that of what is in it: as
    /// the first of an order for everything but stops, as the second only for promotions and demotions.
    pub fn action_beside(
        &self,
        whole: ActId,
        instance: RscId,
        task: &str,
        node: Option<NodeId>,
        is_first: bool,
    ) -> Option<ActId> {
        let inside = match (is_first, &*self.act(whole).task) {
            (true, task) => !matches!(task, "stop" | "stopped"),
            (false, task) => matches!(task, "promote" | "promoted" | "demote" | "demoted"),
        };
        let bundle = self.parent(instance).filter(|parent| inside && self.rsc(*parent).is_bundle());
        let replicas = bundle.map(|bundle| self.replicas(bundle)).unwrap_or_default();
        let child = replicas.iter().find(|replica| replica.container == instance).and_then(|replica| replica.child);
        match child {
            // What is inside runs on the guest, not on the container's node.
            Some(child) => self.first_with_task(child, task, None),
            None => self.first_with_task(instance, task, node),
        }
    }

    /// The parts of a bundle in the order in which their actions come into the transition.
    pub fn bundle_parts(&self, bundle: RscId) -> Vec<RscId> {
        let mut parts: Vec<RscId> = self.bundled(bundle).into_iter().collect();
        for replica in self.replicas(bundle) {
            parts.extend(replica.ip);
            parts.push(replica.container);
            parts.extend(replica.connection);
        }
        parts
    }
}
