//! A promotable clone's own actions, and the order of promotions and demotions.

use crate::engine::Engine;
use crate::model::{INFINITY, OrderFlags, RscId};

impl Engine<'_> {
    pub fn create_promotable_actions(&mut self, clone: RscId) {
        let (mut promoting, mut demoting) = (false, false);
        for instance in self.children(clone) {
            self.create_actions(instance);
            self.watch_roles(instance, &mut promoting, &mut demoting);
        }
        self.create_promotion_points(clone, promoting, demoting);
        // Instances had the priority of their promotion for a while; the order of actions must not see that.
        let priority = self.rsc(clone).priority;
        for instance in self.children(clone) {
            self.rsc_mut(instance).priority = priority;
        }
    }

    fn watch_roles(&self, rsc: RscId, promoting: &mut bool, demoting: &mut bool) {
        for child in &self.rsc(rsc).children {
            self.watch_roles(*child, promoting, demoting);
        }
        if !self.rsc(rsc).children.is_empty() {
            return;
        }
        for action in &self.rsc(rsc).actions {
            let record = self.act(*action);
            if record.required() {
                *promoting |= record.task == "promote";
                *demoting |= record.task == "demote";
            }
        }
    }

    fn create_promotion_points(&mut self, clone: RscId, promoting: bool, demoting: bool) {
        let promote = self.resource_pseudo_action(clone, "promote", !promoting, true);
        let promoted = self.resource_pseudo_action(clone, "promoted", !promoting, true);
        self.act_mut(promoted).priority = INFINITY;
        self.add_notification(clone, "promote", Some(promote), Some(promoted));
        let demote = self.resource_pseudo_action(clone, "demote", !demoting, true);
        let demoted = self.resource_pseudo_action(clone, "demoted", !demoting, true);
        self.act_mut(demoted).priority = INFINITY;
        self.add_notification(clone, "demote", Some(demote), Some(demoted));
        self.order_promotion_notifications(clone);
    }

    pub fn order_promotable(&mut self, clone: RscId) {
        self.order_restart_of_roles(clone);
        self.order_instance_roles(clone);
    }

    /// Down before up, for a promotable clone or bundle as a whole.
    pub fn order_restart_of_roles(&mut self, clone: RscId) {
        for (first, then) in [
            ("stopped", "start"),
            ("stopped", "promote"),
            ("demoted", "stop"),
            ("demoted", "start"),
            ("demoted", "promote"),
            ("running", "promote"),
            ("demote", "demoted"),
        ] {
            self.order_tasks(clone, first, clone, then, OrderFlags::ORDERED);
        }
    }

    fn order_instance_roles(&mut self, clone: RscId) {
        let ordered = self.rsc(clone).clone_data().is_some_and(|data| data.ordered);
        let mut previous = None;
        for instance in self.children(clone) {
            self.order_tasks(instance, "demote", instance, "promote", OrderFlags::ORDERED);
            self.order_tasks(clone, "promote", instance, "promote", OrderFlags::ORDERED);
            self.order_tasks(instance, "promote", clone, "promoted", OrderFlags::ORDERED);
            if let (Some(previous), true) = (previous, ordered) {
                self.order_tasks(previous, "promote", instance, "promote", OrderFlags::ORDERED);
            }
            self.order_tasks(clone, "demote", instance, "demote", OrderFlags::THEN_IMPLIES_FIRST_GRAPHED);
            self.order_tasks(instance, "demote", clone, "demoted", OrderFlags::FIRST_IMPLIES_THEN_GRAPHED);
            if let (Some(previous), true) = (previous, ordered) {
                self.order_tasks(instance, "demote", previous, "demote", OrderFlags::ORDERED);
            }
            previous = Some(instance);
        }
    }
}
