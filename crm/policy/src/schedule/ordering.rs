//! Binding the orders there are to the actions there are. Orders are applied in the order they were made: some make
//! actions that later ones find.

use crate::constraint::order::Ordering;
use crate::engine::{Engine, Few};
use crate::model::{ActFlags, ActId, OrderFlags, Role, RscId};

impl Engine<'_> {
    pub fn apply_orderings(&mut self) {
        let orderings = std::mem::take(&mut self.orderings);
        for ordering in &orderings {
            match (ordering.first.rsc, ordering.then.rsc) {
                (Some(first), _) => self.bind_first(first, ordering),
                (None, Some(then)) => self.bind_then(ordering.first.action, then, ordering),
                (None, None) => {
                    if let (Some(first), Some(then)) = (ordering.first.action, ordering.then.action) {
                        self.order_actions(first, then, ordering.flags);
                    }
                }
            }
        }
        // What binding has added counts after what there was.
        let added = std::mem::replace(&mut self.orderings, orderings);
        self.orderings.extend(added);
        for action in self.actions_newest_first() {
            self.block_colocation_dependents(action);
        }
        self.order_probes();
        for action in self.actions_newest_first() {
            self.update_for_orderings(action);
        }
        self.disable_invalid_orderings();
        // Nothing looks at them any more, and a cold start has as many as it has probes.
        self.orderings = Vec::new();
    }

    /// Actions of a resource for the task of another, or for its own if there are none.
    fn actions_by_task(&mut self, rsc: RscId, of: RscId, task: &str) -> Few<ActId> {
        let found = self.find_task_of(rsc, of, task, None);
        if found.is_empty() && of != rsc { self.find_task_of(rsc, rsc, task, None) } else { found }
    }

    fn bind_first(&mut self, first_rsc: RscId, ordering: &Ordering) {
        let mut actions = match (ordering.first.action, &ordering.first.task) {
            (Some(action), _) => Few::from_slice(&[action]),
            (None, Some((of, task))) => self.actions_by_task(first_rsc, *of, task),
            (None, None) => Few::new(),
        };
        if actions.is_empty()
            && Some(first_rsc) != ordering.then.rsc
            && let Some((_, task)) = &ordering.first.task
        {
            // What is not there cannot be waited for, unless its absence matters: then it is made.
            let role = self.role(first_rsc, true);
            let needless = (role == Role::Stopped && task == "stop") || (role == Role::Unpromoted && task == "demote");
            if !needless {
                actions = Few::from_slice(&[self.simple_action(first_rsc, task, None, true)]);
            }
        }
        let then_rsc = match (ordering.then.rsc, ordering.then.action) {
            (Some(rsc), _) => Some(rsc),
            (None, Some(action)) => self.act(action).resource,
            (None, None) => return,
        };
        for first in actions {
            match (then_rsc, ordering.then.action) {
                (Some(then), _) => self.bind_then(Some(first), then, ordering),
                (None, Some(then)) => {
                    self.order_actions(first, then, ordering.flags);
                }
                (None, None) => {}
            }
        }
    }

    fn bind_then(&mut self, first: Option<ActId>, then_rsc: RscId, ordering: &Ordering) {
        let actions = match (ordering.then.action, &ordering.then.task) {
            (Some(action), _) => Few::from_slice(&[action]),
            (None, Some((of, task))) => self.actions_by_task(then_rsc, *of, task),
            (None, None) => Few::new(),
        };
        let mut flags = ordering.flags;
        let Some(first) = first else {
            if flags.has(OrderFlags::FIRST_IMPLIES_THEN) {
                for then in actions {
                    self.act_mut(then).flags.clear(ActFlags::RUNNABLE);
                }
            }
            return;
        };
        if self.act(first).resource == Some(then_rsc) && self.act_is(first, ActFlags::MIGRATION_ABORT) {
            flags.clear(OrderFlags::FIRST_IMPLIES_THEN);
        }
        for then in actions {
            self.order_actions(first, then, flags);
        }
    }

    /// Orders that would make a guest wait for itself, or a migration for what waits for it, are void.
    fn disable_invalid_orderings(&mut self) {
        for action in self.actions_newest_first() {
            for at in (0..self.act(action).before.len()).rev() {
                if self.is_invalid(action, at) {
                    self.act_mut(action).before[at].flags = OrderFlags::NONE;
                }
            }
        }
    }

    fn is_invalid(&mut self, action: ActId, at: usize) -> bool {
        let input = self.act(action).before[at];
        let first = self.act(input.action);
        let rsc = self.act(action).resource;
        if !input.flags.has(OrderFlags::GUEST_ALLOWED)
            && first.resource.is_some()
            && let (Some(rsc), Some(node)) = (rsc, first.node)
            && !self.rsc(rsc).launched.is_empty()
            && self.node(node).remote.is_some_and(|remote| self.rsc(remote).launcher == Some(rsc))
        {
            return true;
        }
        input.flags == OrderFlags::IF_ON_SAME_NODE_OR_TARGET
            && rsc.is_some()
            && self.act(action).task == "migrate_to"
            && self.has_loop(action, action, at)
    }

    /// Whether what comes before an action (its input at that place) comes, in the end, after it.
    fn has_loop(&mut self, initial: ActId, action: ActId, at: usize) -> bool {
        let input = self.act(action).before[at].action;
        if self.act_is(input, ActFlags::VISITED) || !self.input_counts(action, at) {
            return false;
        }
        if input == initial {
            return true;
        }
        if self.depth > crate::engine::MAX_DEPTH {
            return false;
        }
        self.depth += 1;
        self.act_mut(input).flags.set(ActFlags::VISITED);
        let found = (0..self.act(input).before.len()).rev().any(|at| self.has_loop(initial, input, at));
        self.act_mut(input).flags.clear(ActFlags::VISITED);
        self.depth -= 1;
        found
    }
}

/// Task and interval of an operation's key.
pub(crate) fn split_key(key: &str) -> Option<(&str, u32)> {
    const TWO_WORDS: [&str; 3] = ["migrate_to", "migrate_from", "lrm_delete"];
    let (rest, interval) = key.rsplit_once('_')?;
    let interval = interval.parse().ok()?;
    for task in TWO_WORDS.iter().chain(&["clear_failcount"]) {
        if rest.len() > task.len() && rest.ends_with(task) && rest[..rest.len() - task.len()].ends_with('_') {
            return Some((&rest[rest.len() - task.len()..], interval));
        }
    }
    if let Some(at) = rest.as_bytes().windows("_notify_".len()).rposition(|part| part == b"_notify_") {
        // `web_pre_notify_start`, `web_confirmed-post_notify_running`
        let begin = rest[..at].rfind('_').map_or(0, |at| at + 1);
        return Some((&rest[begin..], interval));
    }
    let (_, task) = rest.rsplit_once('_')?;
    Some((task, interval))
}
