//! What follows from one action for another: needed makes needed, impossible makes impossible, along all orders until
//! nothing changes. The order in which actions are looked at is part of the result: reasons are kept by who comes
//! first, and some relations undo what others did.

use crate::engine::{Engine, Few, Where};
use crate::model::{ActFlags, ActId, INFINITY, NodeId, OrderFlags, Role, RscFlags, RscId, RscKind, Task, task};

/// Which of two actions changed.
#[derive(Clone, Copy, Default, Debug)]
struct Changed {
    first: bool,
    then: bool,
}

impl std::ops::BitOrAssign for Changed {
    fn bitor_assign(&mut self, other: Self) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

/// What one relation asks of two actions.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Instances on this node only, if one is given.
    node: Option<NodeId>,
    /// What the first action amounts to.
    flags: ActFlags,
    /// Which of these flags count.
    filter: ActFlags,
    /// The one relation.
    kind: OrderFlags,
}

/// A change of an action may be followed this deep before the rest is left to the next round.
const MAX_FOLLOWED: u32 = 5_000;

impl Engine<'_> {
    /// Brings an action up to date with everything before it, and what comes after with it.
    pub fn update_for_orderings(&mut self, then: ActId) {
        if self.depth > MAX_FOLLOWED {
            return;
        }
        self.depth += 1;
        self.update_after(then);
        self.depth -= 1;
    }

    fn update_after(&mut self, then: ActId) {
        let last_flags = self.act(then).flags;
        let minimum = self.act(then).required_runnable_before > 0;
        let mut changed = Changed::default();
        if minimum {
            let record = self.act_mut(then);
            record.runnable_before = 0;
            record.flags.clear(ActFlags::RUNNABLE);
        }
        for at in (0..self.act(then).before.len()).rev() {
            changed.first = false;
            self.update_one(then, at, &mut changed);
            if changed.first {
                let first = self.act(then).before[at].action;
                let first = self.remapped(first, then);
                for after in self.after(first) {
                    self.update_for_orderings(after);
                }
                self.update_for_orderings(first);
            }
        }
        if minimum {
            changed.then = last_flags != self.act(then).flags;
        }
        if changed.then {
            if last_flags.has(ActFlags::RUNNABLE) && !self.act(then).runnable() {
                self.block_colocation_dependents(then);
            }
            self.update_for_orderings(then);
            for after in self.after(then) {
                self.update_for_orderings(after);
            }
        }
    }

    fn after(&self, action: ActId) -> Few<ActId> {
        self.act(action).after.iter().rev().map(|relation| relation.action).collect()
    }

    fn group_place(&self, action: ActId) -> Option<NodeId> {
        let record = self.act(action);
        match record.resource {
            Some(rsc) if self.rsc(rsc).is_group() && record.task == "start" => self.location(rsc, Where::Assigned),
            _ => record.node,
        }
    }

    fn update_one(&mut self, then: ActId, at: usize, changed: &mut Changed) {
        let relation = self.act(then).before[at];
        let first = relation.action;
        let (first_node, then_node) = (self.group_place(first), self.group_place(then));
        if relation.flags.has(OrderFlags::IF_ON_SAME_NODE)
            && first_node.is_some()
            && then_node.is_some()
            && first_node != then_node
        {
            self.act_mut(then).before[at].flags = OrderFlags::NONE;
            return;
        }
        if let Some(rsc) = self.act(first).resource
            && relation.flags.has(OrderFlags::THEN_CANCELS_FIRST)
            && self.act(then).required()
        {
            self.act_mut(first).flags.set(ActFlags::OPTIONAL);
            if self.act(first).task == "reload-agent" {
                self.clear_rsc(rsc, RscFlags::RELOAD);
            }
        }
        let remapped = self.remapped(first, then);
        if remapped == first {
            let first_flags = self.flags_for_ordering(first, then_node);
            let then_flags = self.flags_for_ordering(then, first_node);
            *changed |= self.apply_relation(first, then, first_flags, then_flags, at);
        } else if self.order_actions(remapped, then, relation.flags) {
            changed.then = true;
            self.act_mut(then).before[at].flags = OrderFlags::NONE;
        }
    }

    /// For another resource, a group or clone has started when all of it has.
    fn remapped(&self, first: ActId, then: ActId) -> ActId {
        let (Some(first_rsc), Some(then_rsc)) = (self.act(first).resource, self.act(then).resource) else {
            return first;
        };
        if first_rsc == then_rsc || self.is_ancestor(first_rsc, then_rsc) || self.rsc(first_rsc).is_primitive() {
            return first;
        }
        self.completion(first_rsc, &self.act(first).key).unwrap_or(first)
    }

    /// The action that says that another of a group or clone is complete.
    fn completion(&self, rsc: RscId, key: &str) -> Option<ActId> {
        if key.as_bytes().windows("notify".len()).any(|part| part == b"notify") {
            return None;
        }
        let (task, interval) = super::ordering::split_key(key)?;
        if interval > 0 {
            return None;
        }
        let id = &key[..key.len() - task.len() - 3];
        let done = match task {
            "stop" | "stopped" => "stopped",
            "start" | "running" => "running",
            "promote" | "promoted" => "promoted",
            "demote" | "demoted" => "demoted",
            _ => return None,
        };
        let resource = self.rsc(rsc);
        let notifies =
            resource.is(RscFlags::NOTIFY) && (resource.is_clone() || resource.is_bundle() || self.is_bundled(rsc));
        let point = if notifies { "_confirmed-post_notify_" } else { "_" };
        self.first_with_key(rsc, &[id, point, done, "_0"])
    }

    fn flags_for_ordering(&mut self, action: ActId, node: Option<NodeId>) -> ActFlags {
        let Some(rsc) = self.act(action).resource else { return self.act(action).flags };
        let flags = self.action_flags(action, None);
        if node.is_none() || !self.rsc(rsc).is_clone() {
            return flags;
        }
        let runnable = flags.has(ActFlags::RUNNABLE);
        let mut flags = self.action_flags(action, node);
        if runnable {
            flags.set(ActFlags::RUNNABLE);
        }
        flags
    }

    /// What an action amounts to: its own flags, or those of the members it stands for.
    pub fn action_flags(&mut self, action: ActId, node: Option<NodeId>) -> ActFlags {
        let Some(rsc) = self.act(action).resource else { return self.act(action).flags };
        match self.rsc(rsc).kind {
            RscKind::Primitive => self.act(action).flags,
            RscKind::Group { .. } => self.group_action_flags(rsc, action, node),
            RscKind::Clone(_) | RscKind::Bundle(_) => self.clone_action_flags(rsc, action, node),
        }
    }

    /// The task of a member that a task of the whole consists of.
    fn member_task(&self, member: RscId, task: &Task) -> Task {
        if !self.rsc(member).is_primitive() {
            return task.clone();
        }
        match &**task {
            "running" | "started" => Task::Borrowed("start"),
            "stopped" => Task::Borrowed("stop"),
            "promoted" => Task::Borrowed("promote"),
            "demoted" => Task::Borrowed("demote"),
            _ => task.clone(),
        }
    }

    fn group_action_flags(&mut self, rsc: RscId, action: ActId, node: Option<NodeId>) -> ActFlags {
        let mut flags = ActFlags::OPTIONAL | ActFlags::RUNNABLE | ActFlags::PSEUDO;
        let task = self.act(action).task.clone();
        for member in self.children(rsc) {
            let member_task = self.member_task(member, &task);
            match self.first_with_task(member, &member_task, node) {
                Some(found) => {
                    let member_flags = self.action_flags(found, node);
                    if flags.has(ActFlags::OPTIONAL) && !member_flags.has(ActFlags::OPTIONAL) {
                        flags.clear(ActFlags::OPTIONAL);
                        self.act_mut(action).flags.clear(ActFlags::OPTIONAL);
                    }
                    if member_task != task && flags.has(ActFlags::RUNNABLE) && !member_flags.has(ActFlags::RUNNABLE) {
                        flags.clear(ActFlags::RUNNABLE);
                        self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
                    }
                }
                None if member_task != "stop" && member_task != "demote" => flags.clear(ActFlags::RUNNABLE),
                None => {}
            }
        }
        flags
    }

    /// The task of instances that an action of their clone is about.
    fn instance_task(&self, action: ActId) -> Task {
        let record = self.act(action);
        let Some(rsc) = record.resource else { return record.task.clone() };
        let told_of = match &*record.task {
            "notify" | "notified" => record.key.rsplit_once("_notify_"),
            _ => None,
        };
        let task = match told_of {
            Some((_, rest)) => task(rest.split_once('_').map_or(rest, |(task, _)| task)),
            None => record.task.clone(),
        };
        match self.rsc(rsc).children.first() {
            Some(instance) => self.member_task(*instance, &task),
            None => task,
        }
    }

    fn clone_action_flags(&mut self, rsc: RscId, action: ActId, node: Option<NodeId>) -> ActFlags {
        let task = self.instance_task(action);
        let mut flags = ActFlags::OPTIONAL | ActFlags::RUNNABLE | ActFlags::PSEUDO;
        let mut any_runnable = false;
        for instance in self.instances_for(rsc, action) {
            let instance_node = node.filter(|_| self.rsc(instance).is_primitive());
            let Some(found) = self.first_with_task(instance, &task, instance_node) else { continue };
            let instance_flags = self.action_flags(found, node);
            if flags.has(ActFlags::OPTIONAL) && !instance_flags.has(ActFlags::OPTIONAL) {
                flags.clear(ActFlags::OPTIONAL);
                self.act_mut(action).flags.clear(ActFlags::OPTIONAL);
            }
            any_runnable |= instance_flags.has(ActFlags::RUNNABLE);
        }
        if !any_runnable {
            flags.clear(ActFlags::RUNNABLE);
            if node.is_none() {
                self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
            }
        }
        flags
    }

    fn apply_relation(
        &mut self,
        first: ActId,
        then: ActId,
        first_flags: ActFlags,
        then_flags: ActFlags,
        at: usize,
    ) -> Changed {
        let mut changed = Changed::default();
        let mut node = self.act(then).node;
        let flags = &mut self.act_mut(then).before[at].flags;
        if flags.has(OrderFlags::FIRST_IMPLIES_SAME_NODE_THEN) {
            flags.clear(OrderFlags::FIRST_IMPLIES_SAME_NODE_THEN);
            flags.set(OrderFlags::FIRST_IMPLIES_THEN);
            node = self.act(first).node;
        }
        let flags = self.act(then).before[at].flags;
        let then_rsc = self.act(then).resource;
        let first_rsc = self.act(first).resource;
        let only_optional = if first_flags.has(ActFlags::OPTIONAL) { ActFlags::OPTIONAL } else { ActFlags::NONE };
        let relate = |engine: &mut Self, rsc, flags, filter, kind| {
            engine.update_ordered(rsc, first, then, Asked { node, flags, filter, kind })
        };

        if flags.has(OrderFlags::FIRST_IMPLIES_THEN) {
            match then_rsc {
                Some(rsc) => {
                    let kind = OrderFlags::FIRST_IMPLIES_THEN;
                    changed |= relate(self, rsc, only_optional, ActFlags::OPTIONAL, kind);
                }
                None if !first_flags.has(ActFlags::OPTIONAL) && !self.act(then).required() => {
                    self.act_mut(then).flags.clear(ActFlags::OPTIONAL);
                    changed.then = true;
                }
                None => {}
            }
        }
        if flags.has(OrderFlags::INTERMEDIATE_STOP)
            && let Some(rsc) = then_rsc
        {
            let filter = ActFlags::OPTIONAL | ActFlags::RUNNABLE;
            changed |= relate(self, rsc, first_flags, filter, OrderFlags::INTERMEDIATE_STOP);
        }
        if flags.has(OrderFlags::THEN_IMPLIES_FIRST) {
            match first_rsc {
                Some(rsc) => {
                    let kind = OrderFlags::THEN_IMPLIES_FIRST;
                    changed |= relate(self, rsc, first_flags, ActFlags::OPTIONAL, kind);
                }
                None if !first_flags.has(ActFlags::OPTIONAL) && self.act(first).runnable() => {
                    self.act_mut(first).flags.clear(ActFlags::RUNNABLE);
                    changed.first = true;
                }
                None => {}
            }
        }
        if flags.has(OrderFlags::PROMOTED_THEN_IMPLIES_FIRST)
            && let Some(rsc) = then_rsc
        {
            let kind = OrderFlags::PROMOTED_THEN_IMPLIES_FIRST;
            changed |= relate(self, rsc, only_optional, ActFlags::OPTIONAL, kind);
        }
        if flags.has(OrderFlags::MIN_RUNNABLE) {
            match then_rsc {
                Some(rsc) => {
                    changed |= relate(self, rsc, first_flags, ActFlags::RUNNABLE, OrderFlags::MIN_RUNNABLE);
                }
                None if first_flags.has(ActFlags::RUNNABLE) => {
                    let record = self.act_mut(then);
                    record.runnable_before += 1;
                    if record.runnable_before >= record.required_runnable_before && !record.runnable() {
                        record.flags.set(ActFlags::RUNNABLE);
                        changed.then = true;
                    }
                }
                None => {}
            }
        }
        if flags.has(OrderFlags::NESTED_REMOTE_PROBE)
            && let Some(rsc) = then_rsc
        {
            let active = first_rsc.is_some_and(|rsc| !self.rsc(rsc).active.is_empty());
            if !first_flags.has(ActFlags::RUNNABLE) && active {
                self.act_mut(then).before[at].flags = OrderFlags::NONE;
            } else {
                let kind = OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
                changed |= relate(self, rsc, first_flags, ActFlags::RUNNABLE, kind);
            }
        }
        // From here on the relation may have been switched off above.
        let flags = self.act(then).before[at].flags;
        if flags.has(OrderFlags::UNRUNNABLE_FIRST_BLOCKS) {
            match then_rsc {
                Some(rsc) => {
                    let kind = OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
                    changed |= relate(self, rsc, first_flags, ActFlags::RUNNABLE, kind);
                }
                None if !first_flags.has(ActFlags::RUNNABLE) && self.act(then).runnable() => {
                    self.act_mut(then).flags.clear(ActFlags::RUNNABLE);
                    changed.then = true;
                }
                None => {}
            }
        }
        for (kind, filter) in [
            (OrderFlags::UNMIGRATABLE_THEN_BLOCKS, ActFlags::OPTIONAL),
            (OrderFlags::FIRST_ELSE_THEN, ActFlags::OPTIONAL),
            (OrderFlags::ORDERED, ActFlags::RUNNABLE),
            (OrderFlags::ASYMMETRIC, ActFlags::RUNNABLE),
        ] {
            if flags.has(kind)
                && let Some(rsc) = then_rsc
            {
                changed |= relate(self, rsc, first_flags, filter, kind);
            }
        }
        if self.act(first).runnable()
            && flags.has(OrderFlags::FIRST_IMPLIES_THEN_GRAPHED)
            && !first_flags.has(ActFlags::OPTIONAL)
        {
            self.act_mut(then).flags.set(ActFlags::ALWAYS_IN_GRAPH);
        }
        if flags.has(OrderFlags::THEN_IMPLIES_FIRST_GRAPHED) && !then_flags.has(ActFlags::OPTIONAL) {
            self.act_mut(first).flags.set(ActFlags::ALWAYS_IN_GRAPH);
        }
        let implies = OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::THEN_IMPLIES_FIRST | OrderFlags::INTERMEDIATE_STOP;
        if flags.any(implies)
            && let Some(rsc) = first_rsc
            && !self.is(rsc, RscFlags::MANAGED)
            && self.is(rsc, RscFlags::BLOCKED)
            && !self.act(first).runnable()
            && self.act(first).task == "stop"
            && self.act(then).runnable()
        {
            self.act_mut(then).flags.clear(ActFlags::RUNNABLE);
            changed.then = true;
        }
        changed
    }

    fn update_ordered(&mut self, rsc: RscId, first: ActId, then: ActId, asked: Asked) -> Changed {
        match self.rsc(rsc).kind {
            RscKind::Primitive => self.update_pair(first, then, asked),
            RscKind::Group { .. } => self.update_group(first, then, asked),
            RscKind::Clone(_) | RscKind::Bundle(_) => self.update_clone(first, then, asked),
        }
    }

    fn clear_because(&mut self, action: ActId, flag: ActFlags, because: ActId) {
        if !self.act_is(action, flag) {
            return;
        }
        self.act_mut(action).flags.clear(flag);
        if self.act(action).resource != self.act(because).resource {
            let change = if flag == ActFlags::RUNNABLE {
                "unrunnable"
            } else if flag == ActFlags::MIGRATABLE {
                "unmigrateable"
            } else {
                "required"
            };
            let record = self.act(because);
            let reason = match record.resource {
                Some(rsc) => format!("{change} {} {}", self.rsc(rsc).id, record.task),
                None => format!("{change} {}", record.task),
            };
            self.set_reason(action, &reason, false);
        }
    }

    fn update_pair(&mut self, first: ActId, then: ActId, asked: Asked) -> Changed {
        let Asked { flags, filter, kind, .. } = asked;
        let (first_before, then_before) = (self.act(first).flags, self.act(then).flags);
        if kind.has(OrderFlags::ASYMMETRIC) {
            self.follow_asymmetric(first, then);
        }
        if kind.has(OrderFlags::THEN_IMPLIES_FIRST) && !then_before.has(ActFlags::OPTIONAL) {
            if filter.has(ActFlags::OPTIONAL) && !flags.has(ActFlags::OPTIONAL) && first_before.has(ActFlags::OPTIONAL)
            {
                self.clear_because(first, ActFlags::OPTIONAL, then);
            }
            if flags.has(ActFlags::MIGRATABLE) && !self.act_is(then, ActFlags::MIGRATABLE) {
                self.clear_because(first, ActFlags::MIGRATABLE, then);
            }
        }
        let promoted = self.act(then).resource.is_some_and(|rsc| self.rsc(rsc).role == Role::Promoted);
        if kind.has(OrderFlags::PROMOTED_THEN_IMPLIES_FIRST)
            && promoted
            && filter.has(ActFlags::OPTIONAL)
            && self.act(then).required()
        {
            self.clear_because(first, ActFlags::OPTIONAL, then);
            if self.act_is(first, ActFlags::MIGRATABLE) && !self.act_is(then, ActFlags::MIGRATABLE) {
                self.clear_because(first, ActFlags::MIGRATABLE, then);
            }
        }
        if kind.has(OrderFlags::UNMIGRATABLE_THEN_BLOCKS) && filter.has(ActFlags::OPTIONAL) {
            if !self.act_is(then, ActFlags::MIGRATABLE | ActFlags::RUNNABLE) {
                self.clear_because(first, ActFlags::RUNNABLE, then);
            }
            if self.act(then).required() {
                self.clear_because(first, ActFlags::OPTIONAL, then);
            }
        }
        if kind.has(OrderFlags::FIRST_ELSE_THEN) && filter.has(ActFlags::OPTIONAL) && !self.act(first).runnable() {
            self.clear_because(then, ActFlags::MIGRATABLE, first);
            self.act_mut(then).flags.clear(ActFlags::PSEUDO);
        }
        if kind.has(OrderFlags::UNRUNNABLE_FIRST_BLOCKS)
            && filter.has(ActFlags::RUNNABLE)
            && self.act(then).runnable()
            && !flags.has(ActFlags::RUNNABLE)
        {
            self.clear_because(then, ActFlags::RUNNABLE, first);
            self.clear_because(then, ActFlags::MIGRATABLE, first);
        }
        if kind.has(OrderFlags::FIRST_IMPLIES_THEN)
            && filter.has(ActFlags::OPTIONAL)
            && !self.act(then).required()
            && !flags.has(ActFlags::OPTIONAL)
            && !self.act_is(first, ActFlags::MIGRATABLE)
        {
            self.clear_because(then, ActFlags::OPTIONAL, first);
        }
        if kind.has(OrderFlags::INTERMEDIATE_STOP) {
            self.follow_restart(first, then, filter);
        }
        let changed =
            Changed { then: then_before != self.act(then).flags, first: first_before != self.act(first).flags };
        if changed.then && self.act(then).resource.is_some_and(|rsc| self.parent(rsc).is_some()) {
            self.update_for_orderings(then);
        }
        changed
    }

    fn follow_asymmetric(&mut self, first: ActId, then: ActId) {
        let Some(rsc) = self.act(then).resource else { return };
        if self.act(first).runnable() {
            return;
        }
        let record = self.act(then);
        if !record.required() {
            let role = self.role(rsc, true);
            let done = (role == Role::Stopped && record.task == "stop")
                || (role >= Role::Started
                    && record.task == "start"
                    && record.node.is_some()
                    && self.rsc(rsc).active.len() == 1
                    && self.rsc(rsc).active.first().copied() == record.node);
            if done {
                return;
            }
        }
        self.clear_because(then, ActFlags::OPTIONAL, first);
        self.clear_because(then, ActFlags::RUNNABLE, first);
    }

    fn follow_restart(&mut self, first: ActId, then: ActId, filter: ActFlags) {
        let same_resource = self.act(first).resource == self.act(then).resource;
        let managed = self.act(then).resource.is_some_and(|rsc| self.is(rsc, RscFlags::MANAGED));
        let restart = filter.has(ActFlags::OPTIONAL) && self.act(then).required();
        let stop = filter.has(ActFlags::RUNNABLE) && !self.act(then).runnable() && managed && same_resource;
        if !restart && !stop {
            return;
        }
        if self.act(first).runnable() {
            self.clear_because(first, ActFlags::OPTIONAL, then);
        }
        if self.act(then).required() {
            self.clear_because(first, ActFlags::OPTIONAL, then);
        }
        if !self.act_is(then, ActFlags::MIGRATABLE) {
            self.clear_because(first, ActFlags::MIGRATABLE, then);
        }
        if self.act(first).required() && !self.act(first).runnable() {
            self.clear_because(then, ActFlags::RUNNABLE, first);
        }
    }

    fn update_group(&mut self, first: ActId, then: ActId, asked: Asked) -> Changed {
        let node = asked.node;
        let mut changed = self.update_pair(first, then, asked);
        let Some(group) = self.act(then).resource else { return changed };
        let task = self.act(then).task.clone();
        for member in self.children(group) {
            if let Some(action) = self.first_with_task(member, &task, node) {
                changed |= self.update_ordered(member, first, action, asked);
            }
        }
        changed
    }

    fn can_interleave_actions(&self, first: ActId, then: ActId) -> bool {
        let (Some(first_rsc), Some(then_rsc)) = (self.act(first).resource, self.act(then).resource) else {
            return false;
        };
        let collective = |rsc: RscId| matches!(self.rsc(rsc).kind, RscKind::Clone(_) | RscKind::Bundle(_));
        if first_rsc == then_rsc || !collective(first_rsc) || !collective(then_rsc) {
            return false;
        }
        let key = &self.act(then).key;
        let decides = if key.ends_with("_stop_0") || key.ends_with("_demote_0") { first_rsc } else { then_rsc };
        self.meta_true(decides, "interleave")
    }

    fn update_clone(&mut self, first: ActId, then: ActId, asked: Asked) -> Changed {
        let node = asked.node;
        let Some(clone) = self.act(then).resource else { return Changed::default() };
        if self.can_interleave_actions(first, then) {
            return self.update_interleaved(first, then, clone, asked);
        }
        let mut changed = self.update_pair(first, then, asked);
        let task = self.act(then).task.clone();
        // An action of the dependent clone's resource may be of an instance; then the clone has it already.
        let instances = if self.rsc(clone).is_primitive() { Few::new() } else { self.instances_of(clone) };
        for instance in instances {
            let Some(action) = self.first_with_task(instance, &task, node) else { continue };
            if !self.action_flags(action, node).has(ActFlags::RUNNABLE) {
                continue;
            }
            let one = self.update_ordered(instance, first, action, asked);
            if one.then {
                for after in self.after(action) {
                    self.update_for_orderings(after);
                }
            }
            changed |= one;
        }
        changed
    }

    fn update_interleaved(&mut self, first: ActId, then: ActId, clone: RscId, asked: Asked) -> Changed {
        let Asked { node, kind, .. } = asked;
        let mut changed = Changed::default();
        let Some(first_clone) = self.act(first).resource else { return changed };
        let first_task = self.instance_task(first);
        let key = &self.act(first).key;
        let current = key.ends_with("_stopped_0") || key.ends_with("_demoted_0");
        let then_task = self.act(then).task.clone();
        for instance in self.instances_of(clone) {
            let Some(partner) = self.compatible_instance(instance, first_clone, Role::Unknown, current, None) else {
                let mandatory = kind.any(OrderFlags::UNRUNNABLE_FIRST_BLOCKS | OrderFlags::FIRST_IMPLIES_THEN);
                if !current && mandatory && self.assign_to(instance, None, true, true) {
                    changed.then = true;
                }
                continue;
            };
            let Some(first_action) = self.action_beside(first, partner, &first_task, node, true) else { continue };
            let Some(then_action) = self.action_beside(then, instance, &then_task, node, false) else { continue };
            if self.order_actions(first_action, then_action, kind) {
                changed |= Changed { first: true, then: true };
            }
            let flags = self.action_flags(first_action, node);
            changed |= self.update_ordered(instance, first_action, then_action, Asked { flags, ..asked });
        }
        changed
    }

    /// What must be with a resource that cannot start, or be promoted, cannot either.
    pub fn block_colocation_dependents(&mut self, action: ActId) {
        let record = self.act(action);
        let is_start = record.task == "start";
        if record.runnable() || !(is_start || record.task == "promote") {
            return;
        }
        let Some(own) = record.resource else { return };
        let task = record.task.clone();
        let rsc = self.cluster.top_of(own, true);
        for child in self.children(rsc) {
            match self.first_with_task(child, &task, None) {
                Some(action) if !self.act(action).runnable() => {}
                _ => return,
            }
        }
        for at in self.with_this(rsc) {
            let colocation = &self.colocations[at as usize];
            if colocation.score < INFINITY || (!is_start && colocation.primary_role != Role::Promoted) {
                continue;
            }
            let (dependent, role) = (colocation.dependent, colocation.dependent_role);
            let task = if role == Role::Promoted { "promote" } else { "start" };
            self.mark_blocked(dependent, task, own);
        }
    }

    fn mark_blocked(&mut self, rsc: RscId, task: &str, because: RscId) {
        let reason = format!("colocation with {}", self.rsc(because).id);
        for action in self.resource_actions(rsc) {
            if self.act(action).runnable() && self.act(action).task == task {
                self.act_mut(action).flags.clear(ActFlags::RUNNABLE);
                self.set_reason(action, &reason, false);
                self.block_colocation_dependents(action);
                self.update_for_orderings(action);
            }
        }
        for child in self.children(rsc) {
            self.mark_blocked(child, task, because);
        }
    }
}
