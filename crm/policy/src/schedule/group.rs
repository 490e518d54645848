//! A group's own actions, and the order of its members: up one after the other, down the other way round.

use cib::boolean;

use crate::constraint::colocation::Colocation;
use crate::engine::Engine;
use crate::model::{ActFlags, INFINITY, OrderFlags, Role, RscFlags, RscId, RscKind};

impl Engine<'_> {
    pub fn create_group_actions(&mut self, rsc: RscId) {
        for member in self.children(rsc) {
            self.create_actions(member);
        }
        let mut tasks = vec!["start", "running", "stop", "stopped"];
        if boolean::is_true(self.rsc(rsc).meta("promotable")) {
            tasks.extend(["demote", "demoted", "promote", "promoted"]);
        }
        for task in tasks {
            let action = self.simple_action(rsc, task, None, true);
            self.act_mut(action).flags.set(ActFlags::PSEUDO | ActFlags::RUNNABLE);
        }
    }

    pub fn order_group(&mut self, rsc: RscId) {
        let RscKind::Group { ordered, colocated } = self.rsc(rsc).kind else { return };
        self.order_tasks(rsc, "stop", rsc, "stopped", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        self.order_tasks(rsc, "stopped", rsc, "start", OrderFlags::ORDERED);
        self.order_tasks(rsc, "start", rsc, "running", OrderFlags::UNRUNNABLE_FIRST_BLOCKS);
        let promotable = self.is(self.top(rsc), RscFlags::PROMOTABLE);
        let (mut previous, mut last_active) = (None, None);
        for member in self.children(rsc) {
            self.order_member(rsc, member, previous, (ordered, colocated, promotable));
            if !self.rsc(member).active.is_empty() {
                if ordered
                    && let (Some(previous), Some(last)) = (previous, last_active)
                    && self.rsc(previous).active.is_empty()
                {
                    self.order_tasks(member, "stop", last, "stop", OrderFlags::ORDERED);
                }
                last_active = Some(member);
            }
            previous = Some(member);
        }
    }

    fn order_member(
        &mut self,
        group: RscId,
        member: RscId,
        previous: Option<RscId>,
        (ordered, colocated, promotable): (bool, bool, bool),
    ) {
        let mut down = OrderFlags::THEN_IMPLIES_FIRST_GRAPHED;
        let mut post_down = OrderFlags::FIRST_IMPLIES_THEN_GRAPHED;
        self.order_internally(member);
        match previous {
            None if ordered => {
                down.set(OrderFlags::ORDERED);
                post_down = OrderFlags::FIRST_IMPLIES_THEN;
            }
            Some(previous) if colocated => {
                let influence = self.is(member, RscFlags::CRITICAL);
                self.add_colocation(Colocation {
                    id: "#group-members".into(),
                    dependent: member,
                    primary: previous,
                    score: INFINITY,
                    dependent_role: Role::Unknown,
                    primary_role: Role::Unknown,
                    attribute: "#uname".into(),
                    influence,
                    explicit: false,
                });
            }
            _ => {}
        }
        let done = OrderFlags::UNRUNNABLE_FIRST_BLOCKS
            | OrderFlags::FIRST_IMPLIES_THEN
            | OrderFlags::FIRST_IMPLIES_THEN_GRAPHED;
        if promotable {
            self.order_tasks(group, "demote", member, "demote", down);
            self.order_tasks(member, "demote", group, "demoted", post_down);
            self.order_tasks(member, "promote", group, "promoted", done);
            self.order_tasks(group, "promote", member, "promote", OrderFlags::THEN_IMPLIES_FIRST_GRAPHED);
        }
        self.order_tasks(group, "stop", member, "stop", down);
        self.order_tasks(member, "stop", group, "stopped", post_down);
        self.order_tasks(group, "start", member, "start", OrderFlags::THEN_IMPLIES_FIRST_GRAPHED);
        self.order_tasks(member, "start", group, "running", done);

        let after = OrderFlags::FIRST_IMPLIES_THEN | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
        match previous {
            _ if !ordered => {
                let flags = after | OrderFlags::THEN_IMPLIES_FIRST_GRAPHED;
                self.order_tasks(group, "start", member, "start", flags);
                if promotable {
                    self.order_tasks(group, "promote", member, "promote", flags);
                }
            }
            None => {
                self.order_tasks(group, "start", member, "start", OrderFlags::NONE);
                if promotable {
                    self.order_tasks(group, "promote", member, "promote", OrderFlags::NONE);
                }
            }
            Some(previous) => {
                self.order_tasks(previous, "start", member, "start", after);
                let flags = OrderFlags::ORDERED | OrderFlags::INTERMEDIATE_STOP;
                self.order_tasks(member, "stop", previous, "stop", flags);
                if !self.rsc(member).active.is_empty() && self.rsc(previous).active.is_empty() {
                    // The group is only partly up: a member must not run without the one before it.
                    let flags = OrderFlags::THEN_IMPLIES_FIRST | OrderFlags::UNRUNNABLE_FIRST_BLOCKS;
                    self.order_tasks(member, "stop", previous, "start", flags);
                }
                if promotable {
                    self.order_tasks(previous, "promote", member, "promote", after);
                    self.order_tasks(member, "demote", previous, "demote", OrderFlags::ORDERED);
                }
            }
        }
    }
}
