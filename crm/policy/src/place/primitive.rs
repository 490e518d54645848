//! Placing a primitive: with those it must be with, where scores are best, or nowhere.

use crate::constraint::colocation::Colocation;
use crate::engine::Engine;
use crate::model::{ActFlags, INFINITY, NoQuorumPolicy, NodeFlags, NodeId, Role, RscFlags, RscId};
use crate::reasons::Source;

impl Engine<'_> {
    pub fn assign_primitive(&mut self, rsc: RscId, prefer: Option<NodeId>, stop_if_fail: bool) -> Option<NodeId> {
        if let Some(parent) = self.parent(rsc)
            && !self.is(parent, RscFlags::ASSIGNING)
        {
            self.assign(parent, prefer, stop_if_fail, false);
        }
        if !self.is(rsc, RscFlags::UNASSIGNED) {
            return self.rsc(rsc).assigned;
        }
        if self.is(rsc, RscFlags::ASSIGNING) {
            return None;
        }
        self.set_rsc(rsc, RscFlags::ASSIGNING);
        self.apply_colocations(rsc);
        self.apply_roles(rsc);
        self.log_scores(rsc, "pcmk__primitive_assign");

        let options = &self.cluster.options;
        if options.fencing_enabled && !options.have_fencing {
            // Nothing could be recovered safely, so nothing is touched.
            self.clear_rsc(rsc, RscFlags::MANAGED);
        }
        if !self.is(rsc, RscFlags::MANAGED) {
            let role = self.rsc(rsc).role;
            self.set_next_role(rsc, role);
            let current = self.current_node(rsc);
            self.assign_to(rsc, current, true, stop_if_fail);
            // It is there whatever its scores say.
            self.rsc_mut(rsc).assigned_score = current.map_or(0, |node| self.node(node).score);
        } else if self.cluster.options.stop_all {
            for node in self.cluster.nodes_by_name.clone() {
                self.note(rsc, node, -INFINITY, || Source::StopAll);
            }
            self.assign_to(rsc, None, true, stop_if_fail);
        } else {
            self.assign_best(rsc, prefer, stop_if_fail);
        }
        self.clear_rsc(rsc, RscFlags::ASSIGNING);
        if self.is(rsc, RscFlags::REMOTE_CONNECTION) {
            self.follow_connection(rsc);
        }
        self.rsc(rsc).assigned
    }

    /// Mandatory colocations first, those with whom it must be before those that must be with it.
    fn apply_colocations(&mut self, rsc: RscId) {
        let (with_others, others_with) = (self.this_with(rsc), self.with_this(rsc));
        for mandatory in [true, false] {
            for at in with_others.iter().copied() {
                if self.colocations[at as usize].is_mandatory() == mandatory {
                    self.apply_this_with(rsc, at);
                }
            }
            for at in others_with.iter().copied() {
                if self.colocations[at as usize].is_mandatory() == mandatory {
                    self.add_dependent_scores(at, rsc);
                }
            }
        }
    }

    fn apply_this_with(&mut self, rsc: RscId, at: u32) {
        let Colocation { primary, score, dependent_role, .. } = self.colocations[at as usize];
        let may_be_undone = dependent_role >= Role::Promoted || (score < 0 && score > -INFINITY);
        let archive = may_be_undone.then(|| self.rsc(rsc).allowed.copied());
        let noted = self.changes.len();
        if self.is(primary, RscFlags::UNASSIGNED) {
            self.assign(primary, None, true, false);
        }
        self.apply_colocation(rsc, primary, at, true);
        if let Some(archive) = archive
            && !self.any_available(&self.rsc(rsc).allowed)
        {
            self.restore_scores(rsc, archive, noted);
        }
    }

    fn apply_roles(&mut self, rsc: RscId) {
        let resource = self.rsc(rsc);
        if resource.next_role == Role::Stopped {
            self.add_score(rsc, None, -INFINITY, Source::TargetRole);
        } else if resource.next_role > resource.role
            && !self.cluster.quorate
            && self.cluster.options.no_quorum_policy == NoQuorumPolicy::Freeze
        {
            let role = resource.role;
            self.set_next_role(rsc, role);
        }
    }

    fn assign_best(&mut self, rsc: RscId, prefer: Option<NodeId>, stop_if_fail: bool) {
        let roomiest = self.ban_insufficient_capacity(rsc);
        let prefer = prefer.or(roomiest);
        if !self.is(rsc, RscFlags::UNASSIGNED) {
            return;
        }
        let current = self.current_node(rsc);
        let Some((best, best_score)) = self.best_node(&self.rsc(rsc).allowed, current) else {
            self.assign_to(rsc, None, false, stop_if_fail);
            return;
        };
        let preferred = prefer.filter(|node| {
            let score = self.rsc(rsc).allowed.get(*node).map(|entry| entry.score);
            score.is_some_and(|score| score >= best_score && self.available_with(*node, score))
        });
        let mut chosen = preferred.unwrap_or(best);
        let parent = self.parent(rsc);
        let unique_instance =
            parent.is_some_and(|parent| self.rsc(parent).is_clone() && self.is(parent, RscFlags::UNIQUE));
        if preferred.is_none()
            && !unique_instance
            && best_score > 0
            && self.available(chosen)
            && let Some(current) = current
            && self.available_with(current, self.node(current).score)
            && self.rsc(rsc).allowed.score(current) == Some(best_score)
        {
            // Among equals it stays where it is.
            chosen = current;
        }
        self.assign_to(rsc, Some(chosen), false, stop_if_fail);
    }

    /// Gives a resource its place, or takes it away. What is not forced must be a place that can be had.
    pub fn assign_to(&mut self, rsc: RscId, node: Option<NodeId>, force: bool, stop_if_fail: bool) -> bool {
        let children = self.children(rsc);
        if !children.is_empty() {
            let mut changed = false;
            for child in children {
                changed |= self.assign_to(child, node, force, stop_if_fail);
            }
            return changed;
        }
        let mut node = node;
        if let Some(chosen) = node
            && !force
        {
            let score = self.rsc(rsc).allowed.get(chosen).map_or(0, |entry| entry.score);
            if score < 0 || (!self.available_with(chosen, score) && !self.cluster.is_guest(chosen)) {
                if stop_if_fail {
                    self.set_next_role(rsc, Role::Stopped);
                }
                node = None;
            }
        }
        let changed = self.rsc(rsc).assigned != node;
        self.unassign(rsc);
        self.clear_rsc(rsc, RscFlags::UNASSIGNED);
        match node {
            Some(node) => {
                let resource = self.rsc_mut(rsc);
                resource.assigned = Some(node);
                resource.assigned_score = resource.allowed.get(node).map_or(0, |entry| entry.score);
                let record = self.node_mut(node);
                record.assigned.insert(0, rsc);
                record.resource_count += 1;
                if let Some(entry) = self.rsc_mut(rsc).allowed.get_mut(node) {
                    entry.count += 1;
                }
                self.consume_capacity(node, rsc);
                self.log_utilization(rsc, node);
            }
            None if stop_if_fail => {
                self.set_next_role(rsc, Role::Stopped);
                self.undo_actions(rsc);
            }
            None => {}
        }
        changed
    }

    /// What was planned for a resource that has no place is to stop it, and nothing else.
    fn undo_actions(&mut self, rsc: RscId) {
        for action in self.rsc(rsc).actions.clone() {
            let record = self.act_mut(action);
            match &*record.task {
                "stop" => record.flags.clear(ActFlags::OPTIONAL),
                "start" => record.flags.clear(ActFlags::RUNNABLE),
                _ => {
                    let recurs = record.meta.get("interval").is_some_and(|interval| interval != "0");
                    let for_stopped = record.meta.get("op_target_rc").is_none_or(|rc| rc == "7");
                    if recurs && !(record.meta.contains_key("op_target_rc") && for_stopped) {
                        record.flags.clear(ActFlags::RUNNABLE);
                    }
                }
            }
        }
    }

    pub fn unassign(&mut self, rsc: RscId) {
        self.set_rsc(rsc, RscFlags::UNASSIGNED);
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.unassign(child));
            return;
        }
        if let Some(node) = self.rsc_mut(rsc).assigned.take() {
            let record = self.node_mut(node);
            if let Some(at) = record.assigned.iter().position(|other| *other == rsc) {
                record.assigned.remove(at);
            }
            record.resource_count -= 1;
            self.release_capacity(node, rsc);
        }
    }

    /// A remote node is where its connection is, or nowhere.
    fn follow_connection(&mut self, rsc: RscId) {
        let Some(node) = self.cluster.find_node(&self.rsc(rsc).id) else { return };
        let up = self.rsc(rsc).assigned.is_some() && self.rsc(rsc).next_role != Role::Stopped;
        let flags = &mut self.node_mut(node).flags;
        if !up {
            flags.set(NodeFlags::SHUTDOWN);
            return;
        }
        flags.set(NodeFlags::ONLINE);
        if !flags.has(NodeFlags::SEEN) {
            flags.clear(NodeFlags::UNCLEAN);
        }
    }
}
