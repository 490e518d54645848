//! Walking a transition: what may begin now, and what follows from an outcome. It starts nothing itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, ActionKind};
use crate::graph::{ActionId, Transition};

/// How an action ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As wanted: what waits for it may go on.
    Done,
    /// Not as wanted: nothing that waits for it, directly or not, will begin.
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting {
        inputs_left: u32,
    },
    Running,
    Done,
    Failed,
    /// An input failed.
    Blocked,
}

/// A walk through one transition.
///
/// Invariant: an action is `Running` or `Done` only if all its inputs are `Done`.
#[derive(Clone, Debug)]
pub struct Walk {
    transition: Transition,
    states: Vec<State>,
    /// May begin now, in the transition's order but for larger priorities first.
    ready: BTreeSet<(Reverse<i32>, ActionId)>,
    running: u32,
    /// How many migrations each node takes part in; kept only under a `migration_limit`.
    migrating: BTreeMap<String, u32>,
}

impl Walk {
    /// Stands at the beginning.
    pub fn new(transition: Transition) -> Self {
        let inputs_of = |id| transition.inputs(id).count() + transition.missing(id).len();
        let states: Vec<State> =
            transition.ids().map(|id| State::Waiting { inputs_left: inputs_of(id) as u32 }).collect();
        let mut walk = Walk { states, ready: BTreeSet::new(), running: 0, migrating: BTreeMap::new(), transition };
        walk.ready = walk.transition.ids().filter(|id| walk.is_free(*id)).map(|id| walk.place(id)).collect();
        walk
    }

    /// What is being walked.
    pub fn transition(&self) -> &Transition {
        &self.transition
    }

    /// The next action that may begin; it counts as running from now on. `None` when everything left waits, or when
    /// the transition's `batch_limit` is reached. A migration is passed over while one of its nodes takes part in as
    /// many as the `migration_limit` allows.
    pub fn begin(&mut self) -> Option<ActionId> {
        let limit = self.transition.settings.batch_limit;
        if limit > 0 && self.running >= limit {
            return None;
        }
        let place = *self.ready.iter().find(|(_, id)| self.has_room(*id))?;
        self.ready.remove(&place);
        let id = place.1;
        debug_assert!(self.transition.inputs(id).all(|input| self.states[input.index()] == State::Done));
        self.states[id.index()] = State::Running;
        self.running += 1;
        if self.transition.settings.migration_limit.is_some() {
            for node in migrates_between(self.transition.action(id)) {
                *self.migrating.entry(node.to_owned()).or_default() += 1;
            }
        }
        Some(id)
    }

    /// Whether no node of a migration takes part in too many others. Both halves count, on both nodes: while memory is
    /// copied, each of the two has the work of it.
    fn has_room(&self, id: ActionId) -> bool {
        let Some(limit) = self.transition.settings.migration_limit.filter(|limit| *limit > 0) else { return true };
        migrates_between(self.transition.action(id))
            .all(|node| self.migrating.get(node).is_none_or(|migrations| *migrations < limit))
    }

    /// Takes in how a running action ended. What is not running is not touched: an answer may come twice.
    pub fn end(&mut self, id: ActionId, outcome: Outcome) {
        if self.states.get(id.index()) != Some(&State::Running) {
            return;
        }
        self.running -= 1;
        if self.transition.settings.migration_limit.is_some() {
            for node in migrates_between(self.transition.action(id)) {
                if let Some(migrations) = self.migrating.get_mut(node) {
                    *migrations -= 1;
                }
            }
        }
        match outcome {
            Outcome::Done => {
                self.states[id.index()] = State::Done;
                let after: Vec<ActionId> = self.transition.dependents(id).collect();
                for then in after {
                    if let State::Waiting { inputs_left } = &mut self.states[then.index()] {
                        *inputs_left -= 1;
                        if *inputs_left == 0 {
                            self.ready.insert(self.place(then));
                        }
                    }
                }
            }
            Outcome::Failed => {
                self.states[id.index()] = State::Failed;
                self.block_after(id);
            }
        }
    }

    fn block_after(&mut self, id: ActionId) {
        let mut stack: Vec<ActionId> = self.transition.dependents(id).collect();
        while let Some(then) = stack.pop() {
            if matches!(self.states[then.index()], State::Waiting { .. }) {
                self.states[then.index()] = State::Blocked;
                stack.extend(self.transition.dependents(then));
            }
        }
    }

    /// Nothing runs and nothing may begin: done, or stuck behind a failure (or in a cycle).
    pub fn is_over(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    /// Every action is done.
    pub fn is_complete(&self) -> bool {
        self.states.iter().all(|state| *state == State::Done)
    }

    /// Actions under way.
    pub fn running(&self) -> impl Iterator<Item = ActionId> + '_ {
        self.transition.ids().filter(|id| self.states[id.index()] == State::Running)
    }

    /// The running action with that number, if there is one.
    pub fn running_number(&self, number: u32) -> Option<ActionId> {
        self.running().find(|id| self.transition.action(*id).number == number)
    }

    fn is_free(&self, id: ActionId) -> bool {
        self.states[id.index()] == State::Waiting { inputs_left: 0 }
    }

    fn place(&self, id: ActionId) -> (Reverse<i32>, ActionId) {
        (Reverse(self.transition.action(id).priority), id)
    }
}

/// The nodes between which an action moves a resource while it is active: source and target, or none.
fn migrates_between(action: &Action) -> impl Iterator<Item = &str> {
    let migrates =
        action.kind == ActionKind::Resource && matches!(action.operation.as_str(), "migrate_to" | "migrate_from");
    ["migrate_source", "migrate_target"].into_iter().filter(move |_| migrates).filter_map(|name| action.meta(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn diamond() -> (Transition, [ActionId; 4]) {
        let mut t = Transition::new(Settings::default());
        let ids = [1, 2, 3, 4].map(|n| t.add(Action::new(n, ActionKind::Pseudo, "x", format!("x_{n}"))));
        t.order(ids[0], ids[1]);
        t.order(ids[0], ids[2]);
        t.order(ids[1], ids[3]);
        t.order(ids[2], ids[3]);
        (t, ids)
    }

    #[test]
    fn nothing_begins_before_its_inputs_are_done() {
        let (t, [a, b, c, d]) = diamond();
        let mut walk = Walk::new(t);
        assert_eq!((walk.begin(), walk.begin()), (Some(a), None));
        walk.end(a, Outcome::Done);
        assert_eq!((walk.begin(), walk.begin(), walk.begin()), (Some(b), Some(c), None));
        walk.end(b, Outcome::Done);
        walk.end(b, Outcome::Done);
        assert_eq!(walk.begin(), None);
        walk.end(c, Outcome::Done);
        assert_eq!(walk.begin(), Some(d));
        walk.end(d, Outcome::Done);
        assert!(walk.is_over() && walk.is_complete());
    }

    #[test]
    fn a_failure_stops_what_comes_after_and_nothing_else() {
        let (t, [a, b, c, _]) = diamond();
        let mut walk = Walk::new(t);
        walk.begin();
        walk.end(a, Outcome::Done);
        walk.begin();
        walk.end(b, Outcome::Failed);
        assert_eq!(walk.begin(), Some(c));
        walk.end(c, Outcome::Done);
        assert!(walk.is_over() && !walk.is_complete());
    }

    #[test]
    fn a_batch_limit_holds_actions_back() {
        let (mut t, [a, b, ..]) = diamond();
        t.settings.batch_limit = 1;
        let mut walk = Walk::new(t);
        walk.begin();
        walk.end(a, Outcome::Done);
        assert_eq!((walk.begin(), walk.begin()), (Some(b), None));
    }

    /// Migrations of `a` and `b` from n1 to n2 and of `c` from n3 to n4, both halves of each.
    fn migrations(limit: Option<u32>) -> (Walk, [[ActionId; 2]; 3]) {
        let mut t = Transition::new(Settings { migration_limit: limit, ..Settings::default() });
        let mut number = 0;
        let halves = [("a", "n1", "n2"), ("b", "n1", "n2"), ("c", "n3", "n4")].map(|(resource, from, to)| {
            let [out, into] = ["migrate_to", "migrate_from"].map(|half| {
                number += 1;
                let mut action = Action::new(number, ActionKind::Resource, half, format!("{resource}_{half}_0"));
                for (name, node) in [("source", from), ("target", to)] {
                    action.attributes.insert(&format!("CRM_meta_migrate_{name}"), node);
                }
                t.add(action)
            });
            t.order(out, into);
            [out, into]
        });
        (Walk::new(t), halves)
    }

    #[test]
    fn a_node_takes_part_in_no_more_migrations_than_the_limit() {
        let (mut walk, [a, b, c]) = migrations(Some(1));
        assert_eq!((walk.begin(), walk.begin(), walk.begin()), (Some(a[0]), Some(c[0]), None));
        assert!(!walk.is_over());
        // The first half is done: whoever stands first goes on, and the node is full again.
        walk.end(a[0], Outcome::Done);
        assert_eq!((walk.begin(), walk.begin()), (Some(a[1]), None));
        walk.end(a[1], Outcome::Failed);
        assert_eq!((walk.begin(), walk.begin()), (Some(b[0]), None));
        walk.end(b[0], Outcome::Done);
        assert_eq!(walk.begin(), Some(b[1]));
    }

    #[test]
    fn without_a_limit_all_migrations_begin_at_once() {
        let (mut walk, [a, b, c]) = migrations(None);
        assert_eq!((walk.begin(), walk.begin(), walk.begin()), (Some(a[0]), Some(b[0]), Some(c[0])));
        let (mut walk, [a, b, c]) = migrations(Some(2));
        assert_eq!((walk.begin(), walk.begin(), walk.begin()), (Some(a[0]), Some(b[0]), Some(c[0])));
    }

    #[test]
    fn what_waits_for_something_outside_the_transition_never_begins() {
        let (mut t, [a, ..]) = diamond();
        t.order_after_missing(Action::new(9, ActionKind::Pseudo, "x", "x_9".into()), a);
        let walk = Walk::new(t.clone());
        assert!(walk.is_over() && !walk.is_complete());

        let read = crate::xml::read(&cib::Document::parse(&crate::xml::text(&t).to_string()).unwrap()).unwrap();
        assert_eq!(read.missing(a), t.missing(a));
    }
}
