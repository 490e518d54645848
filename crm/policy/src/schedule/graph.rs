//! The transition: which of the actions are done, which of their orders count, and how each looks to whoever does it.

use transition::{Action as Deed, ActionKind, ClusterAction, Resource as DeedResource, Settings, Transition};

use crate::engine::{Engine, Values, integer, op_key};
use crate::model::{ActFlags, ActId, NodeFlags, NodeKind, OrderFlags, RscFlags, RscId, RscKind};

/// The feature set actions are described in.
const FEATURE_SET: &str = "3.20.5";

impl Engine<'_> {
    pub fn create_transition(&mut self) -> Transition {
        let option = |name: &str| self.cluster.options.raw.get(name).unwrap_or_default().to_owned();
        let number = |name: &str| integer(&option(name)).unwrap_or(0);
        let settings = Settings {
            cluster_delay: option("cluster-delay"),
            fencing_timeout: option("fencing-timeout"),
            failed_stop_offset: "INFINITY".into(),
            failed_start_offset: if self.cluster.options.start_failure_fatal { "INFINITY" } else { "1" }.into(),
            batch_limit: number("batch-limit").clamp(0, i64::from(u32::MAX)) as u32,
            migration_limit: Some(number("migration-limit")).filter(|limit| *limit > 0).map(|limit| limit as u32),
            transition_id: self.transition_id,
            recheck_by: self.cluster.recheck_by,
        };
        let mut order: Vec<(ActId, Vec<ActId>)> = Vec::new();
        for rsc in self.cluster.top.clone() {
            self.add_resource_actions(rsc, &mut order);
        }
        if self.any_maintenance_change() {
            let action = self.pseudo_action("maintenance_nodes");
            self.act_mut(action).flags.set(ActFlags::ALWAYS_IN_GRAPH);
        }
        for action in self.actions_newest_first() {
            self.add_to_graph(action, &mut order);
        }
        self.write_transition(settings, order)
    }

    fn add_resource_actions(&mut self, rsc: RscId, order: &mut Vec<(ActId, Vec<ActId>)>) {
        if self.rsc(rsc).is_bundle() {
            // Its own actions are points in the order, and come with the rest.
            for part in self.bundle_parts(rsc) {
                self.add_resource_actions(part, order);
            }
            return;
        }
        if let RscKind::Clone(_) = self.rsc(rsc).kind {
            for action in self.resource_actions(rsc) {
                self.action_flags(action, None);
            }
            self.create_notifications(rsc);
            for instance in self.children(rsc) {
                self.add_resource_actions(instance, order);
            }
        }
        for action in self.resource_actions(rsc) {
            self.add_to_graph(action, order);
        }
        for child in self.children(rsc) {
            self.add_resource_actions(child, order);
        }
    }

    fn add_to_graph(&mut self, action: ActId, order: &mut Vec<(ActId, Vec<ActId>)>) {
        if !self.act_is(action, ActFlags::INPUTS_DEDUPLICATED) {
            self.merge_inputs(action);
            self.act_mut(action).flags.set(ActFlags::INPUTS_DEDUPLICATED);
        }
        if self.act_is(action, ActFlags::ADDED_TO_GRAPH) || !self.belongs_in_graph(action) {
            return;
        }
        self.act_mut(action).flags.set(ActFlags::ADDED_TO_GRAPH);
        let mut inputs = Vec::new();
        for at in 0..self.act(action).before.len() {
            if self.input_counts(action, at) {
                self.act_mut(action).before[at].graphed = true;
                inputs.push(self.act(action).before[at].action);
            }
        }
        order.push((action, inputs));
    }

    /// Several relations to one action become one.
    fn merge_inputs(&mut self, action: ActId) {
        let mut before = std::mem::take(&mut self.act_mut(action).before);
        // The order so far is newest first where it is read.
        before.reverse();
        before.sort_by_key(|relation| relation.action);
        let mut merged: Vec<crate::model::Related> = Vec::with_capacity(before.len());
        for relation in before {
            match merged.last_mut() {
                Some(last) if last.action == relation.action => {
                    last.flags.set(relation.flags);
                    last.graphed |= relation.graphed;
                }
                _ => merged.push(crate::model::Related { graphed: false, ..relation }),
            }
        }
        self.act_mut(action).before = merged;
    }

    fn belongs_in_graph(&self, action: ActId) -> bool {
        let record = self.act(action);
        if !record.runnable() || (!record.required() && !record.is(ActFlags::ALWAYS_IN_GRAPH)) {
            return false;
        }
        if let Some(rsc) = record.resource
            && !self.is(rsc, RscFlags::MANAGED)
            && record.task != "monitor"
            && record.meta.get("interval").is_none_or(|interval| interval == "0")
        {
            return false;
        }
        if record.is(ActFlags::PSEUDO) || matches!(&*record.task, "stonith" | "do_shutdown") {
            return true;
        }
        let Some(node) = record.node else { return false };
        let state = self.node(node);
        record.is(ActFlags::ON_DC)
            || (self.cluster.is_guest(node) && !state.is(NodeFlags::REMOTE_RESET))
            || (state.online() && !state.unclean())
    }

    /// Whether an action, once in the transition, waits for this input.
    pub fn input_counts(&mut self, action: ActId, at: usize) -> bool {
        let input = self.act(action).before[at];
        if input.graphed {
            return true;
        }
        let flags = input.flags;
        let (this, first) = (self.act(action), self.act(input.action));
        let only_order =
            OrderFlags::THEN_IMPLIES_FIRST_GRAPHED | OrderFlags::FIRST_IMPLIES_THEN_GRAPHED | OrderFlags::ORDERED;
        let changes = flags.without(only_order) != OrderFlags::NONE;
        let is_stop = first.key.ends_with("_stop_0");
        let migratable = first.is(ActFlags::MIGRATABLE);
        if flags == OrderFlags::NONE
            || (!first.runnable()
                && (!changes || flags.any(OrderFlags::MIN_RUNNABLE | OrderFlags::UNMIGRATABLE_THEN_BLOCKS)))
            || (flags.has(OrderFlags::IF_FIRST_UNMIGRATABLE) && migratable)
            || (flags == OrderFlags::ORDERED && migratable && is_stop)
        {
            return false;
        }
        let mut void = false;
        if flags == OrderFlags::IF_ON_SAME_NODE_OR_TARGET {
            let target = this.resource.filter(|_| this.task == "migrate_to").map(|rsc| self.rsc(rsc).assigned);
            void = match target {
                Some(target) => first.node.is_none() || first.node != target,
                None => first.node.is_none() || first.node != this.node || !first.required(),
            };
        } else if flags == OrderFlags::IF_REQUIRED_ON_SAME_NODE {
            let elsewhere = first.node.is_some() && this.node.is_some() && first.node != this.node;
            void = elsewhere || !first.required();
        } else if let Some(rsc) = first.resource
            && first.resource != this.resource
            && self.is(rsc, RscFlags::FAILED)
            && !self.is(rsc, RscFlags::MANAGED)
            && is_stop
            && this.resource.is_some_and(|rsc| self.rsc(rsc).is_clone())
        {
            return false;
        } else if !first.required()
            && !first.flags.any(ActFlags::ALWAYS_IN_GRAPH | ActFlags::ADDED_TO_GRAPH)
            && !self.belongs_in_graph(input.action)
        {
            return false;
        }
        if void {
            self.act_mut(action).before[at].flags = OrderFlags::NONE;
        }
        !void
    }

    fn any_maintenance_change(&self) -> bool {
        self.cluster.nodes.iter().any(|node| {
            node.kind == NodeKind::Remote && node.is(NodeFlags::MAINTENANCE) != node.is(NodeFlags::REMOTE_MAINTENANCE)
        })
    }

    fn write_transition(&mut self, settings: Settings, order: Vec<(ActId, Vec<ActId>)>) -> Transition {
        let mut transition = Transition::with_capacity(settings, order.len());
        let mut ids = rustc_hash::FxHashMap::default();
        for (action, _) in &order {
            let deed = self.describe(*action);
            ids.insert(*action, transition.add(deed));
        }
        for (action, inputs) in order {
            let Some(then) = ids.get(&action).copied() else { continue };
            for input in inputs {
                match ids.get(&input) {
                    Some(first) => transition.order(*first, then),
                    // It cannot be done, so neither can what waits for it.
                    None => {
                        let missing = self.describe(input);
                        transition.order_after_missing(missing, then);
                    }
                }
            }
        }
        transition
    }

    fn describe(&mut self, action: ActId) -> Deed {
        let record = self.act(action);
        let pseudo = record.is(ActFlags::PSEUDO);
        let kind = match &*record.task {
            "stonith" if pseudo => ActionKind::Pseudo,
            "stonith" => ActionKind::Cluster(ClusterAction::Fence),
            "do_shutdown" => ActionKind::Cluster(ClusterAction::Shutdown),
            "clear_failcount" => ActionKind::Cluster(ClusterAction::ClearFailcount),
            "lrm_delete" => ActionKind::Cluster(ClusterAction::ForgetHistory),
            _ if pseudo => ActionKind::Pseudo,
            _ => ActionKind::Resource,
        };
        // A fencing that is only a point in the order still says of which node.
        let on_node = kind != ActionKind::Pseudo || record.task == "stonith";
        let mut deed = Deed::new(record.number, kind, &record.task, record.key.clone());
        let (rsc, node) = (record.resource, record.node);
        if let Some(rsc) = rsc
            && let Some(history) = self.rsc(rsc).history_id.clone()
        {
            deed.internal_key = Some(std::mem::replace(&mut deed.key, self.history_key_of(action, &history)));
        }
        if matches!(kind, ActionKind::Cluster(ClusterAction::ForgetHistory)) {
            deed.extra.push(("mode".into(), "cib".into()));
        }
        if on_node && let Some(node) = node {
            let (name, id) = (self.node(node).name.clone(), self.node(node).id.clone());
            (deed.node, deed.node_uuid) = (Some(name), Some(id));
            deed.router_node = self.router(action).map(|router| self.node(router).name.clone());
        }
        if let Some(rsc) = rsc.filter(|_| !pseudo) {
            self.add_lock(action, rsc, &mut deed);
            deed.resource = Some(self.describe_resource(rsc));
        }
        deed.attributes = self.attributes_of(action, deed.node.as_deref().zip(deed.node_uuid.as_deref()));
        let priority = rsc.map_or(0, |rsc| self.rsc(rsc).priority).max(self.act(action).priority);
        deed.priority = priority.max(0);
        if on_node && node.is_some() {
            deed.downed = self.downed_by(action);
        }
        if self.act(action).task == "maintenance_nodes" {
            deed.maintenance = self.maintenance_changes();
        }
        deed
    }

    fn history_key_of(&self, action: ActId, history: &str) -> String {
        let record = self.act(action);
        let meta = |name: &str| record.meta.get(name).unwrap_or_default();
        if record.task == "notify" {
            return format!("{history}_{}_notify_{}_0", meta("notify_type"), meta("notify_operation"));
        }
        let interval = integer(meta("interval")).unwrap_or(0).max(0) as u32;
        op_key(history, record.cancel_task.as_deref().unwrap_or(&*record.task), interval)
    }

    fn add_lock(&self, action: ActId, rsc: RscId, deed: &mut Deed) {
        let (record, resource) = (self.act(action), self.rsc(rsc));
        let Some(node) = record.node.filter(|node| resource.lock_node == Some(*node)) else { return };
        if !self.node(node).is(NodeFlags::SHUTDOWN) || record.task == "stop" {
            deed.extra.push(("shutdown-lock".into(), resource.lock_time.to_string()));
        }
    }

    fn describe_resource(&self, rsc: RscId) -> DeedResource {
        let resource = self.rsc(rsc);
        let meta = |name: &str| resource.meta(name).map(str::to_owned);
        let history = resource.history_id.clone();
        let (id, long_id) = match history {
            Some(history) if resource.is(RscFlags::REMOVED) => (history, Some(resource.id.clone())),
            history if !resource.is(RscFlags::UNIQUE) => {
                let long = history.filter(|history| *history != resource.xml_id);
                (resource.xml_id.clone(), Some(long.unwrap_or_else(|| resource.id.clone())))
            }
            _ => (resource.id.clone(), None),
        };
        DeedResource {
            id,
            long_id,
            class: meta("class").unwrap_or_default(),
            provider: meta("provider"),
            kind: meta("type").unwrap_or_default(),
        }
    }

    /// Parameters and meta attributes as an agent gets them: the operation's own first, then the resource's. `place` is
    /// the name and id of the node it is done on.
    fn attributes_of(&mut self, action: ActId, place: Option<(&str, &str)>) -> Values {
        let record = self.act(action);
        let (rsc, node) = (record.resource, record.node);
        let mut values = Values::new();
        values.insert("crm_feature_set", FEATURE_SET);
        let mut put = |name: &str, value: &str| {
            values.add(name, value);
        };
        record.extra.iter().for_each(|(name, value)| put(name, value));
        if let Some(rsc) = rsc
            && (node.is_some() || self.rsc(rsc).is_primitive())
        {
            let host = self.container_host_name(rsc);
            for (name, value) in self.parameters_of(rsc, node).iter() {
                let leads_to_host = name == "addr" && value == "#uname";
                put(name, host.as_deref().filter(|_| leads_to_host).unwrap_or(value));
            }
        }
        let mut full = String::new();
        for (name, value) in self.act(action).meta.iter() {
            if !name.contains(['#', ':']) {
                meta_name(name, &mut full);
                put(&full, value);
            }
        }
        if let Some((name, id)) = place {
            put("CRM_meta_on_node", name);
            put("CRM_meta_on_node_uuid", id);
        }
        let mut at = rsc;
        while let Some(current) = at {
            self.add_graph_meta(current, &mut values);
            at = self.parent(current);
        }
        self.add_guest_meta(action, &mut values);
        values
    }

    fn add_graph_meta(&self, rsc: RscId, values: &mut Values) {
        let resource = self.rsc(rsc);
        let mut put = |name: &str, value: String| values.insert(&format!("CRM_meta_{name}"), value);
        match &resource.kind {
            RscKind::Primitive => {
                for name in ["clone", "remote-node"] {
                    if let Some(value) = resource.meta(name) {
                        put(&name.replace('-', "_"), value.to_owned());
                    }
                }
                let mut at = Some(rsc);
                while let Some(current) = at {
                    if let Some(launcher) = self.rsc(current).launcher {
                        put("container", self.rsc(launcher).id.clone());
                    }
                    at = self.parent(current);
                }
                if let Some(value) = resource.meta("external-ip") {
                    values.insert("pcmk_external_ip", value);
                }
            }
            RscKind::Clone(data) => {
                put("globally_unique", resource.is(RscFlags::UNIQUE).to_string());
                put("notify", resource.is(RscFlags::NOTIFY).to_string());
                put("clone_max", data.max.to_string());
                put("clone_node_max", data.node_max.to_string());
                if resource.is(RscFlags::PROMOTABLE) {
                    for name in ["promoted_max", "master_max"] {
                        put(name, data.promoted_max.to_string());
                    }
                    for name in ["promoted_node_max", "master_node_max"] {
                        put(name, data.promoted_node_max.to_string());
                    }
                }
            }
            RscKind::Group { .. } | RscKind::Bundle(_) => {}
        }
    }

    /// On guests, agents are told the host.
    fn add_guest_meta(&self, action: ActId, values: &mut Values) {
        let record = self.act(action);
        let (Some(rsc), Some(guest)) = (record.resource, record.node) else { return };
        if !self.cluster.is_guest(guest) {
            return;
        }
        let Some(launcher) = self.node(guest).remote.and_then(|remote| self.rsc(remote).launcher) else { return };
        let task = match &*record.task {
            "notify" | "notified" => record.meta.get("notify_operation").unwrap_or_default(),
            other => other,
        };
        let host = match task {
            "stop" | "stopped" | "demote" | "demoted" => self.current_node(launcher),
            "start" | "running" | "monitor" | "promote" | "promoted" => self.rsc(launcher).assigned,
            _ => None,
        };
        let Some(host) = host else { return };
        let mut put = |name: &str, value: &str| {
            values.add(&format!("CRM_meta_{name}"), value);
        };
        if let Some(target) = self.rsc(rsc).meta("container-attribute-target") {
            put("container_attribute_target", target);
        }
        put("physical_host", &self.node(host).name);
    }

    fn downed_by(&self, action: ActId) -> Vec<String> {
        let record = self.act(action);
        let Some(node) = record.node else { return Vec::new() };
        let id = self.node(node).id.clone();
        if record.task == "do_shutdown" {
            return vec![id];
        }
        if record.task == "stonith" {
            let kind = record.meta.get("stonith_action").unwrap_or_default();
            if !matches!(kind, "off" | "reboot") {
                return Vec::new();
            }
            // A guest is lost with the host that holds the connection to it.
            let guests = self.cluster.nodes.iter().filter(|guest| {
                let connection = guest.remote.map(|remote| self.rsc(remote));
                connection.is_some_and(|one| one.launcher.is_some() && one.active.contains(&node))
            });
            return std::iter::once(id).chain(guests.map(|guest| guest.id.clone())).collect();
        }
        let Some(rsc) = record.resource else { return Vec::new() };
        if !self.is(rsc, RscFlags::REMOTE_CONNECTION) || record.task != "stop" {
            return Vec::new();
        }
        let migrating = record.before.iter().any(|input| {
            let input = self.act(input.action);
            input.resource == Some(rsc) && input.task == "migrate_from"
        });
        if migrating { Vec::new() } else { vec![self.rsc(rsc).id.clone()] }
    }

    fn maintenance_changes(&self) -> Vec<(String, bool)> {
        let changed = self.cluster.nodes_by_name.iter().map(|node| self.node(*node)).filter(|node| {
            node.kind == NodeKind::Remote && node.is(NodeFlags::MAINTENANCE) != node.is(NodeFlags::REMOTE_MAINTENANCE)
        });
        changed.map(|node| (node.id.clone(), node.is(NodeFlags::MAINTENANCE))).collect()
    }
}

/// Writes the name a meta attribute has among parameters.
fn meta_name(name: &str, full: &mut String) {
    full.clear();
    full.push_str("CRM_meta_");
    let mut words = name.split('-');
    full.extend(words.next());
    words.for_each(|word| full.extend(["_", word]));
}
