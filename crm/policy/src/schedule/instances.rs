//! Points in the order that a clone has as a whole: it starts when the first of its instances does, it runs when all
//! that start have.

use crate::engine::Engine;
use crate::model::{ActFlags, INFINITY, RscId};

/// What the instances of a clone are about to do.
#[derive(Clone, Copy, Default, Debug)]
struct Activity {
    starting: bool,
    stopping: bool,
    restarting: bool,
    active: bool,
}

impl Engine<'_> {
    pub fn create_instance_actions(&mut self, rsc: RscId) {
        let mut activity = Activity::default();
        for instance in self.instances_of(rsc) {
            // Those of a container were made with the rest of its replica.
            if !self.rsc(rsc).is_bundle() {
                self.create_actions(instance);
            }
            self.watch(instance, &mut activity);
        }
        let start = self.resource_pseudo_action(rsc, "start", !activity.starting, true);
        let started = self.resource_pseudo_action(rsc, "running", !activity.starting, false);
        self.act_mut(started).priority = INFINITY;
        if activity.active || activity.starting {
            self.act_mut(started).flags.set(ActFlags::RUNNABLE);
        }
        let stop = self.resource_pseudo_action(rsc, "stop", !activity.stopping, true);
        let stopped = self.resource_pseudo_action(rsc, "stopped", !activity.stopping, true);
        self.act_mut(stopped).priority = INFINITY;
        if !activity.restarting {
            self.act_mut(stop).flags.set(ActFlags::MIGRATABLE);
        }
        if self.rsc(rsc).is_clone() {
            self.create_notification_points(rsc, start, started, stop, stopped);
        }
    }

    fn watch(&self, rsc: RscId, activity: &mut Activity) {
        let resource = self.rsc(rsc);
        if !resource.is_primitive() {
            resource.children.iter().for_each(|child| self.watch(*child, activity));
            return;
        }
        activity.active |= !resource.active.is_empty();
        let (mut starting, mut stopping) = (false, false);
        for action in self.resource_actions(rsc) {
            let record = self.act(action);
            match &*record.task {
                "start" => starting |= record.required() && record.runnable(),
                "stop" => {
                    stopping |= record.required() && record.flags.any(ActFlags::PSEUDO | ActFlags::RUNNABLE);
                }
                _ => {}
            }
        }
        activity.starting |= starting;
        activity.stopping |= stopping;
        activity.restarting |= starting && stopping;
    }
}
