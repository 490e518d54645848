//! Making and finding actions, and tying one to another. Whether an action is needed and possible is kept up to date
//! each time it is asked for; what follows from it for other actions is `propagate`'s affair.

use std::sync::Arc;

use crate::engine::{Engine, Few, Values, op_key};
use crate::model::{
    ActFlags, ActId, Action, NoQuorumPolicy, NodeFlags, NodeId, OnFail, OrderFlags, Related, Requires, Role, RscFlags,
    RscId, task,
};
use crate::schedule::action_index::{ActionIndex, Key};

impl Engine<'_> {
    pub fn act(&self, id: ActId) -> &Action {
        &self.cluster.actions[id.index()]
    }

    pub fn act_mut(&mut self, id: ActId) -> &mut Action {
        &mut self.cluster.actions[id.index()]
    }

    pub fn act_is(&self, id: ActId, flags: ActFlags) -> bool {
        self.act(id).is(flags)
    }

    /// All actions, newest first: the order in which most passes must look at them, since actions they add must not
    /// be looked at.
    pub fn actions_newest_first(&self) -> impl Iterator<Item = ActId> + use<> {
        (0..self.cluster.actions.len() as u32).rev().map(ActId)
    }

    /// A resource's actions, newest first.
    pub fn resource_actions(&self, rsc: RscId) -> Few<ActId> {
        self.rsc(rsc).actions.iter().rev().copied().collect()
    }

    /// The action of that key: the one there is, or a new one. An optional action becomes required when it is asked
    /// for as required.
    pub fn action(
        &mut self,
        rsc: Option<RscId>,
        key: String,
        task: &str,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActId {
        let action = match self.find_action(rsc, &key, node) {
            Some(action) => action,
            None => self.new_action(rsc, key, task, node, optional),
        };
        self.ask_for(action, optional);
        action
    }

    fn ask_for(&mut self, action: ActId, optional: bool) {
        self.update_optional(action, optional);
        if let Some(rsc) = self.act(action).resource {
            self.read_action_parameters(action);
            self.update_runnable(action, rsc);
        }
    }

    fn find_action(&mut self, rsc: Option<RscId>, key: &str, node: Option<NodeId>) -> Option<ActId> {
        match rsc {
            Some(rsc) => {
                let key = Key::Joined(&[key]);
                adopt_homeless(&mut self.action_index, &mut self.cluster.actions, rsc, key, node);
                self.action_index.oldest_keyed(rsc, key, node)
            }
            None => {
                let action = *self.singletons.get(key)?;
                if node.is_some() && self.act(action).node.is_none() {
                    self.act_mut(action).node = node;
                }
                Some(action)
            }
        }
    }

    fn new_action(
        &mut self,
        rsc: Option<RscId>,
        key: String,
        name: &str,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActId {
        let id = ActId(self.cluster.actions.len() as u32);
        let interval_ms = key.rsplit_once('_').and_then(|(_, interval)| interval.parse().ok()).unwrap_or(0);
        let mut flags = ActFlags::RUNNABLE;
        if name == "lrm_delete" {
            flags.set(ActFlags::ON_DC);
        }
        if optional {
            flags.set(ActFlags::OPTIONAL);
        }
        let mut action = Action {
            number: id.0 + 1,
            priority: 0,
            resource: rsc,
            node,
            config: None,
            task: task(name),
            key: key.clone(),
            cancel_task: None,
            reason: None,
            flags,
            needs: Requires::Nothing,
            on_fail: OnFail::Ignore,
            fail_role: Role::Unknown,
            meta: Arc::default(),
            extra: Values::new(),
            interval_ms: if rsc.is_some() { interval_ms } else { 0 },
            runnable_before: 0,
            required_runnable_before: 0,
            before: Vec::new(),
            after: Vec::new(),
        };
        if let Some(rsc) = rsc {
            action.config = self.operation_config(rsc, name, interval_ms, true);
            if action.config.is_none() && key.contains("_notify_") {
                action.config = self.operation_config(rsc, "notify", 0, true);
            }
            action.meta = self.operation_meta(rsc, node, name, interval_ms, action.config);
            action.needs = self.action_needs(rsc, name);
            let on_fail = action.meta.get("on-fail");
            action.on_fail = self.on_fail(rsc, name, interval_ms, on_fail);
            action.fail_role = self.role_after_failure(rsc, name, action.on_fail);
        }
        self.cluster.actions.push(action);
        match rsc {
            Some(rsc) => {
                let task = self.act(id).task.clone();
                let own_id = &self.cluster.resources[rsc.index()].id;
                self.action_index.add((rsc, own_id), &key, task, id, node);
                self.rsc_mut(rsc).actions.push(id);
            }
            None => drop(self.singletons.insert(key, id)),
        }
        id
    }

    fn update_optional(&mut self, action: ActId, optional: bool) {
        let record = self.act(action);
        let unmanaged = record.resource.is_some_and(|rsc| !self.is(rsc, RscFlags::MANAGED));
        if unmanaged && record.node.is_some() && !record.is(ActFlags::PSEUDO) && !record.meta.contains_key("interval") {
            self.act_mut(action).flags.set(ActFlags::OPTIONAL);
        } else if !optional {
            self.act_mut(action).flags.clear(ActFlags::OPTIONAL);
        }
    }

    fn read_action_parameters(&mut self, action: ActId) {
        let record = self.act(action);
        if let (Some(node), Some(config)) = (record.node, record.config)
            && !record.is(ActFlags::ATTRIBUTES_EVALUATED)
        {
            let extra = self.operation_parameters(config, node);
            let record = self.act_mut(action);
            record.extra = extra;
            record.flags.set(ActFlags::ATTRIBUTES_EVALUATED);
        }
    }

    fn update_runnable(&mut self, action: ActId, rsc: RscId) {
        let record = self.act(action);
        if record.is(ActFlags::PSEUDO) {
            return;
        }
        let on_dc = record.is(ActFlags::ON_DC);
        let is_stop = record.task == "stop";
        let needs = record.needs;
        let Some(node) = record.node else {
            self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
            return;
        };
        let state = self.node(node);
        if !on_dc && !state.online() && (!self.cluster.is_guest(node) || state.is(NodeFlags::REMOTE_RESET)) {
            let clean = !state.unclean();
            self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
            if self.is(rsc, RscFlags::MANAGED) && is_stop && clean {
                self.fence_node(node, "stop is unrunnable", false);
            }
        } else if !on_dc && state.is(NodeFlags::PENDING) {
            self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
        } else if needs == Requires::Nothing {
            let blocked = self.cluster.is_guest(node) && !self.can_fence(node);
            let record = self.act_mut(action);
            record.reason = None;
            if blocked {
                record.flags.clear(ActFlags::RUNNABLE);
            } else {
                record.flags.set(ActFlags::RUNNABLE);
            }
        } else {
            match self.effective_quorum_policy(rsc) {
                NoQuorumPolicy::Stop => {
                    let record = self.act_mut(action);
                    record.flags.clear(ActFlags::RUNNABLE);
                    record.reason = Some("no quorum".into());
                }
                NoQuorumPolicy::Freeze => {
                    let rises = self.rsc(rsc).next_role > self.rsc(rsc).role;
                    if !self.is_active(rsc, true) || rises {
                        let record = self.act_mut(action);
                        record.flags.clear(ActFlags::RUNNABLE);
                        record.reason = Some("quorum freeze".into());
                    }
                }
                _ => self.act_mut(action).flags.set(ActFlags::RUNNABLE),
            }
        }
    }

    /// The policy as it applies to a resource here and now.
    fn effective_quorum_policy(&mut self, rsc: RscId) -> NoQuorumPolicy {
        if self.cluster.quorate {
            return NoQuorumPolicy::Ignore;
        }
        match self.cluster.options.no_quorum_policy {
            NoQuorumPolicy::Demote if matches!(self.rsc(rsc).role, Role::Promoted | Role::Unpromoted) => {
                if self.rsc(rsc).next_role > Role::Unpromoted {
                    self.set_next_role(rsc, Role::Unpromoted);
                }
                NoQuorumPolicy::Ignore
            }
            NoQuorumPolicy::Demote => NoQuorumPolicy::Stop,
            other => other,
        }
    }

    /// Gives the reason of an action; one that is there stays unless told otherwise.
    pub fn set_reason(&mut self, action: ActId, reason: &str, overwrite: bool) {
        let record = self.act_mut(action);
        if overwrite || record.reason.is_none() {
            record.reason = Some(reason.to_owned());
        }
    }

    pub fn stop_action(&mut self, rsc: RscId, node: NodeId, optional: bool) -> ActId {
        self.simple_action(rsc, "stop", Some(node), optional)
    }

    pub fn start_action(&mut self, rsc: RscId, node: Option<NodeId>, optional: bool) -> ActId {
        self.simple_action(rsc, "start", node, optional)
    }

    pub fn demote_action(&mut self, rsc: RscId, node: NodeId, optional: bool) -> ActId {
        self.simple_action(rsc, "demote", Some(node), optional)
    }

    pub fn simple_action(&mut self, rsc: RscId, task: &str, node: Option<NodeId>, optional: bool) -> ActId {
        // Most are there already: the key is put together only for a new one.
        adopt_homeless(&mut self.action_index, &mut self.cluster.actions, rsc, Key::Own(task), node);
        let found = self.action_index.oldest_keyed(rsc, Key::Own(task), node);
        let action = found.unwrap_or_else(|| {
            let key = op_key(&self.rsc(rsc).id, task, 0);
            self.new_action(Some(rsc), key, task, node, optional)
        });
        self.ask_for(action, optional);
        action
    }

    /// A point in the order that belongs to no resource.
    pub fn pseudo_action(&mut self, name: &str) -> ActId {
        if let Some(action) = self.singletons.get(name) {
            return *action;
        }
        let action = self.action(None, name.to_owned(), name, None, true);
        self.act_mut(action).flags.set(ActFlags::PSEUDO | ActFlags::RUNNABLE);
        action
    }

    /// A point in the order of a group or clone.
    pub fn resource_pseudo_action(&mut self, rsc: RscId, task: &str, optional: bool, runnable: bool) -> ActId {
        let action = self.simple_action(rsc, task, None, optional);
        let flags = &mut self.act_mut(action).flags;
        flags.set(ActFlags::PSEUDO);
        if runnable {
            flags.set(ActFlags::RUNNABLE);
        }
        action
    }

    /// Actions of a resource with that key on that very node, oldest first.
    pub fn find_keyed_exact(&self, rsc: RscId, key: &str, node: NodeId) -> Few<ActId> {
        self.action_index.keyed(rsc, Key::Joined(&[key]), Some(node))
    }

    /// Actions of a resource that are done once, by task, oldest first.
    pub fn find_task(&mut self, rsc: RscId, task: &str, node: Option<NodeId>, exact: bool) -> Few<ActId> {
        if self.rsc(rsc).actions.is_empty() {
            return Few::new();
        }
        if exact {
            return node.map_or_else(Few::new, |node| self.action_index.keyed(rsc, Key::Own(task), Some(node)));
        }
        self.find_task_of(rsc, rsc, task, node)
    }

    /// Actions of a resource whose key is that of a task of `of`, done once, oldest first. Asked for a node, those
    /// without one take it.
    pub fn find_task_of(&mut self, rsc: RscId, of: RscId, task: &str, node: Option<NodeId>) -> Few<ActId> {
        let pieces = [self.cluster.resources[of.index()].id.as_str(), "_", task, "_0"];
        let key = if of == rsc { Key::Own(task) } else { Key::Joined(&pieces) };
        adopt_homeless(&mut self.action_index, &mut self.cluster.actions, rsc, key, node);
        self.action_index.keyed(rsc, key, node)
    }

    /// The newest action of a resource with that task, on that node if one is given.
    pub fn first_with_task(&self, rsc: RscId, task: &str, node: Option<NodeId>) -> Option<ActId> {
        let has_task = |action: ActId| self.act(action).task.eq_ignore_ascii_case(task);
        self.action_index.newest_with_task(rsc, task, node, has_task)
    }

    /// The newest action of a resource with the key of these pieces.
    pub fn first_with_key(&self, rsc: RscId, key: &[&str]) -> Option<ActId> {
        self.action_index.newest_keyed(rsc, Key::Joined(key))
    }

    /// Ties two actions; whether that is new.
    pub fn order_actions(&mut self, first: ActId, then: ActId, flags: OrderFlags) -> bool {
        if flags == OrderFlags::NONE {
            return false;
        }
        if self.act(first).after.iter().any(|after| after.action == then && after.flags.any(flags)) {
            return false;
        }
        self.act_mut(first).after.push(Related { action: then, flags, graphed: false });
        self.act_mut(then).before.push(Related { action: first, flags, graphed: false });
        true
    }
}

/// Gives the node to the actions of a key that have none.
fn adopt_homeless(index: &mut ActionIndex, actions: &mut [Action], rsc: RscId, key: Key, node: Option<NodeId>) {
    let Some(node) = node else { return };
    for action in index.adopt(rsc, key, node) {
        actions[action.index()].node = Some(node);
    }
}
