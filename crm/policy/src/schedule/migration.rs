//! Live migration: a move without a stop, and the orders that a migrating resource has in place of its start and stop.

use crate::constraint::order::Ordering;
use crate::engine::Engine;
use crate::model::{ActFlags, NodeId, OrderFlags, RscFlags, RscId};

impl Engine<'_> {
    pub fn can_migrate(&self, rsc: RscId, current: NodeId) -> bool {
        let resource = self.rsc(rsc);
        resource.is(RscFlags::MIGRATABLE | RscFlags::MANAGED)
            && !resource.flags.any(RscFlags::FAILED | RscFlags::START_PENDING)
            && !self.node(current).unclean()
            && resource.assigned.is_some_and(|assigned| !self.node(assigned).unclean())
    }

    pub fn create_migration_actions(&mut self, rsc: RscId, current: NodeId) {
        let assigned = self.rsc(rsc).assigned;
        let begins = self.rsc(rsc).migration_target.is_none();
        let start = self.start_action(rsc, assigned, true);
        let stop = self.stop_action(rsc, current, true);
        let to = begins.then(|| self.simple_action(rsc, "migrate_to", Some(current), true));
        let from = self.simple_action(rsc, "migrate_from", assigned, true);
        self.act_mut(start).flags.set(ActFlags::MIGRATABLE | ActFlags::PSEUDO);
        self.act_mut(stop).flags.set(ActFlags::MIGRATABLE);
        self.act_mut(from).flags.set(ActFlags::MIGRATABLE);
        let needs = self.act(start).needs;
        let blocks = OrderFlags::ORDERED | OrderFlags::UNMIGRATABLE_THEN_BLOCKS;
        if let Some(to) = to {
            self.act_mut(to).flags.set(ActFlags::MIGRATABLE);
            self.act_mut(to).needs = needs;
            self.order_tasks(rsc, "monitor", rsc, "migrate_to", OrderFlags::ORDERED);
            self.order_tasks(rsc, "migrate_to", rsc, "migrate_from", blocks);
        } else {
            self.act_mut(from).needs = needs;
            self.order_tasks(rsc, "monitor", rsc, "migrate_from", OrderFlags::ORDERED);
        }
        self.order_tasks(rsc, "migrate_from", rsc, "stop", blocks);
        self.order_tasks(rsc, "migrate_from", rsc, "start", blocks | OrderFlags::FIRST_ELSE_THEN);
        let Some(target) = assigned else { return };
        let (source, target) = (self.node(current).name.clone(), self.node(target).name.clone());
        let connection = self.is(rsc, RscFlags::REMOTE_CONNECTION);
        for action in to.into_iter().chain([from]) {
            let meta = self.act_mut(action).meta_mut();
            meta.insert("migrate_source", &source);
            meta.insert("migrate_target", &target);
            if Some(action) == to && !connection {
                meta.insert("record-pending", "true");
            }
        }
    }

    /// What waits for a start or stop of a resource that may migrate waits for the migration as well.
    pub fn add_migration_orderings(&mut self, ordering: &Ordering) {
        let (Some(first), Some(then)) = (ordering.first.rsc, ordering.then.rsc) else { return };
        if first == then || self.is_ancestor(first, then) || self.is_ancestor(then, first) {
            return;
        }
        let first_migrates = self.is(first, RscFlags::MIGRATABLE);
        let then_migrates = self.is(then, RscFlags::MIGRATABLE);
        if !first_migrates && !then_migrates {
            return;
        }
        let task = |end: &crate::constraint::order::End| match (end.action, &end.task) {
            (Some(action), _) => Some(self.act(action).task.clone()),
            (None, Some((_, task))) => Some(task.clone()),
            (None, None) => None,
        };
        let (Some(first_task), Some(then_task)) = (task(&ordering.first), task(&ordering.then)) else { return };
        let ordered = OrderFlags::ORDERED;
        let unless_first = if first_migrates { ordered | OrderFlags::IF_FIRST_UNMIGRATABLE } else { ordered };
        match (&*first_task, &*then_task) {
            ("start", "start") => {
                if first_migrates && then_migrates {
                    self.order_tasks(first, "migrate_from", then, "migrate_to", ordered);
                }
                if then_migrates {
                    self.order_tasks(first, "start", then, "migrate_to", unless_first);
                }
            }
            ("stop", "stop") if then_migrates => {
                self.order_tasks(first, "stop", then, "migrate_to", unless_first);
                if self.rsc(then).migration_target.is_some() {
                    self.order_tasks(first, "stop", then, "migrate_from", unless_first);
                }
            }
            ("promote", "start") if then_migrates => {
                self.order_tasks(first, "promote", then, "migrate_to", ordered);
            }
            ("demote", "stop") if then_migrates => {
                self.order_tasks(first, "demote", then, "migrate_to", ordered);
                if self.rsc(then).migration_target.is_some() {
                    self.order_tasks(first, "demote", then, "migrate_from", ordered);
                }
            }
            _ => {}
        }
    }
}
