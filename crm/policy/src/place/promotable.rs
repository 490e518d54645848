//! Choosing which instances are promoted: scores their agents set for each node, constraints on the promoted role, and
//! what depends on it.

use std::cmp::Ordering;

use cib::score::Score;

use crate::constraint::colocation::Colocation;
use crate::constraint::merge::{Select, factor_of};
use crate::engine::{Engine, Where, base_name};
use crate::model::{INFINITY, NoQuorumPolicy, NodeId, Role, RscFlags, RscId, RscKind, add};
use crate::reasons::Source;
use crate::scores::ScoreLine;

impl Engine<'_> {
    /// Adds the promotion scores of instances to the scores of their nodes, once.
    pub fn add_promotion_scores(&mut self, clone: RscId) {
        if let RscKind::Clone(data) = &mut self.rsc_mut(clone).kind
            && std::mem::replace(&mut data.added_promoted_constraints, true)
        {
            return;
        }
        for instance in self.children(clone) {
            for node in self.rsc(instance).allowed.nodes() {
                if !self.available(node) {
                    continue;
                }
                let (score, _) = self.promotion_score(instance, node);
                let resource = self.rsc_mut(instance);
                resource.priority = resource.priority.max(score);
                if score > 0 {
                    resource.allowed.add(node, score);
                    self.note(instance, node, score, || Source::Promotion);
                }
            }
        }
    }

    /// The score an instance has for promotion on a node, and whether none was set.
    fn promotion_score(&self, rsc: RscId, node: NodeId) -> (i32, bool) {
        let resource = self.rsc(rsc);
        if !resource.children.is_empty() {
            return resource.children.iter().fold((0, true), |(sum, unset), child| {
                let (score, child_unset) = self.promotion_score(*child, node);
                (sum + score, unset && child_unset)
            });
        }
        if !self.promotion_score_applies(rsc, node) {
            return (0, true);
        }
        let which = if resource.is(RscFlags::UNASSIGNED) { Where::Current } else { Where::Assigned };
        let value = |name: &str| self.node_attribute(node, &format!("master-{name}"), Some(rsc), which);
        let name = resource.history_id.as_deref().unwrap_or(&resource.id);
        let found = value(name).or_else(|| {
            let base = base_name(&resource.id);
            (!resource.is(RscFlags::UNIQUE) && base != resource.id).then(|| value(base)).flatten()
        });
        match found {
            None => (0, true),
            Some(text) => (Score::parse(text).map_or(0, |score| score.value()), false),
        }
    }

    /// A node's score counts for the instance that is there, or if nothing better is known.
    fn promotion_score_applies(&self, rsc: RscId, node: NodeId) -> bool {
        let resource = self.rsc(rsc);
        let id = base_name(&resource.id);
        let allowed = resource.allowed.get(node).is_some_and(|entry| entry.score >= 0);
        if !resource.is(RscFlags::UNIQUE) {
            let instances = &self.rsc(self.top(rsc)).children;
            let members = || instances.iter().filter_map(|instance| self.member_named(*instance, id));
            let active = members().find(|member| self.rsc(*member).active.contains(&node));
            if active == Some(rsc) {
                return allowed;
            }
            if active.is_none() && members().any(|member| self.rsc(member).probed.contains(&node)) {
                return allowed;
            }
        }
        let nothing_known = resource.active.is_empty() && resource.probed.is_empty();
        let known = resource.probed.contains(&node) || resource.active.contains(&node);
        (nothing_known || known) && allowed
    }

    pub fn choose_promoted(&mut self, clone: RscId) {
        for node in self.rsc(clone).allowed.nodes() {
            self.rsc_mut(clone).allowed.entry(node).count = 0;
        }
        for instance in self.children(clone) {
            self.set_promotion_priority(instance, clone);
        }
        self.sort_for_promotion(clone);
        let mut promoted = 0;
        for instance in self.children(clone) {
            self.set_instance_role(instance, &mut promoted);
        }
        if let RscKind::Clone(data) = &mut self.rsc_mut(clone).kind {
            data.promoted = promoted;
        }
    }

    fn set_current_unpromoted(&mut self, rsc: RscId) {
        if self.rsc(rsc).role == Role::Started {
            self.rsc_mut(rsc).role = Role::Unpromoted;
        }
        for child in self.children(rsc) {
            self.set_current_unpromoted(child);
        }
    }

    fn set_promotion_priority(&mut self, instance: RscId, clone: RscId) {
        if self.role(instance, true) == Role::Started {
            self.set_current_unpromoted(instance);
        }
        let Some(chosen) = self.location(instance, Where::Assigned) else { return };
        let next_role = self.role(instance, false);
        match next_role {
            Role::Started | Role::Unknown => {
                let (score, unset) = self.promotion_score(instance, chosen);
                self.rsc_mut(instance).priority = if unset { -1 } else { score };
            }
            Role::Unpromoted | Role::Stopped => self.rsc_mut(instance).priority = -INFINITY,
            Role::Promoted => {}
        }
        for source in [instance, clone] {
            for at in self.rsc(source).locations.clone().into_iter().rev() {
                let location = &self.locations[at as usize];
                if location.role == Role::Promoted
                    && let Some((_, score)) = location.nodes.iter().find(|(node, _)| *node == chosen)
                {
                    let score = *score;
                    let resource = self.rsc_mut(instance);
                    resource.priority = add(resource.priority, score);
                }
            }
        }
        for at in self.this_with(instance) {
            let primary = self.colocations[at as usize].primary;
            self.apply_colocation(instance, primary, at, true);
        }
        let resource = self.rsc_mut(instance);
        resource.promotion_priority = if next_role == Role::Promoted { INFINITY } else { resource.priority };
    }

    fn sort_for_promotion(&mut self, clone: RscId) {
        if let RscKind::Clone(data) = &mut self.rsc_mut(clone).kind
            && std::mem::replace(&mut data.promotion_constrained, true)
        {
            return;
        }
        self.set_rsc(clone, RscFlags::UPDATING_NODES);
        for instance in self.children(clone) {
            let priority = self.rsc(instance).promotion_priority;
            if priority >= 0
                && let Some(node) = self.location(instance, Where::Assigned)
            {
                self.rsc_mut(clone).allowed.add(node, priority);
                self.note(clone, node, priority, || Source::Promotion);
            }
        }
        for at in self.with_this(clone) {
            let colocation = &self.colocations[at as usize];
            if colocation.primary_role != Role::Promoted || !self.has_influence(colocation, None) {
                continue;
            }
            let (dependent, factor) = (colocation.dependent, factor_of(colocation.score));
            let select = Select { active: true, nonnegative: true, ..Select::default() };
            let mut nodes = Some(self.rsc(clone).allowed.clone());
            let before = self.explain.then(|| self.rsc(clone).allowed.clone());
            self.merge_scores(dependent, Some(clone), &mut nodes, Some(at), factor, select);
            let merged = nodes.unwrap_or_default();
            if let Some(before) = before {
                self.note_merge(clone, at, &before, &merged);
            }
            self.rsc_mut(clone).allowed = merged;
        }
        self.require_promotion_tickets(clone);
        for instance in self.children(clone) {
            let chosen = self.location(instance, Where::Assigned);
            let score = chosen.and_then(|node| self.rsc(clone).allowed.get(node)).map(|entry| entry.score);
            let resource = self.rsc_mut(instance);
            if !resource.is(RscFlags::MANAGED) && resource.next_role == Role::Promoted {
                resource.promotion_priority = INFINITY;
            } else if chosen.is_none() {
                resource.promotion_priority = -INFINITY;
            } else if resource.promotion_priority >= 0 {
                resource.promotion_priority = score.unwrap_or(resource.promotion_priority);
            }
        }
        let children = self.children(clone).into_vec();
        let sorted = self.sorted_by(children, Self::compare_for_promotion);
        self.rsc_mut(clone).children = sorted;
        self.clear_rsc(clone, RscFlags::UPDATING_NODES);
    }

    fn compare_for_promotion(&mut self, a: RscId, b: RscId) -> Ordering {
        let (one, two) = (self.rsc(a).promotion_priority, self.rsc(b).promotion_priority);
        let order = two.cmp(&one).then(self.role(b, true).cmp(&self.role(a, true)));
        if order.is_eq() { self.compare_instances(a, b) } else { order }
    }

    /// The node an instance may be promoted on, if it may.
    fn promotion_node(&self, rsc: RscId) -> Option<NodeId> {
        let resource = self.rsc(rsc);
        if resource.children.iter().any(|child| self.promotion_node(*child).is_none()) {
            return None;
        }
        let node = self.location(rsc, Where::Assigned)?;
        let managed = resource.is(RscFlags::MANAGED);
        if !managed {
            if self.role(rsc, true) != Role::Promoted {
                return None;
            }
        } else if resource.priority < 0 || !self.available(node) || self.guest_is_lost(node) {
            return None;
        }
        let clone = self.rsc(self.top(rsc));
        let entry = clone.allowed.get(node)?;
        let limit = clone.clone_data().map_or(0, |data| data.promoted_node_max);
        (entry.count < limit || !managed).then_some(node)
    }

    fn guest_is_lost(&self, node: NodeId) -> bool {
        let launcher = self.node(node).remote.and_then(|remote| self.rsc(remote).launcher);
        launcher.is_some_and(|launcher| self.location(launcher, Where::Assigned).is_none())
    }

    fn set_instance_role(&mut self, instance: RscId, promoted: &mut u32) {
        let place = self.location(instance, Where::Assigned);
        if self.log_scores {
            let resource = self.rsc(instance).id.clone();
            let node = place.map(|node| self.node(node).name.clone());
            let score = self.rsc(instance).promotion_priority;
            self.scores.push(ScoreLine::Promotion { resource, node, score });
        }
        let clone = self.top(instance);
        let limit = self.rsc(clone).clone_data().map_or(0, |data| data.promoted_max);
        let may =
            self.rsc(instance).promotion_priority >= 0 && (*promoted < limit || !self.is(clone, RscFlags::MANAGED));
        let chosen = if may { self.promotion_node(instance) } else { None };
        let frozen = self.rsc(instance).role < Role::Promoted
            && !self.cluster.quorate
            && self.cluster.options.no_quorum_policy == NoQuorumPolicy::Freeze;
        match chosen.filter(|_| !frozen) {
            None => self.set_next_unpromoted(instance),
            Some(node) => {
                self.rsc_mut(clone).allowed.entry(node).count += 1;
                self.set_next_promoted(instance);
                *promoted += 1;
            }
        }
    }

    fn set_next_unpromoted(&mut self, rsc: RscId) {
        let placed = !self.locations(rsc, Where::Assigned).is_empty();
        self.set_next_role(rsc, if placed { Role::Unpromoted } else { Role::Stopped });
        for child in self.children(rsc) {
            self.set_next_unpromoted(child);
        }
    }

    fn set_next_promoted(&mut self, rsc: RscId) {
        if self.rsc(rsc).next_role == Role::Unknown {
            self.set_next_role(rsc, Role::Promoted);
        }
        for child in self.children(rsc) {
            self.set_next_promoted(child);
        }
    }

    /// A resource that must be where something is promoted: only such nodes remain.
    pub fn apply_with_promotable(&mut self, dependent: RscId, clone: RscId, colocation: &Colocation) {
        let mut nodes: Vec<(NodeId, i32)> = Vec::new();
        for instance in self.children(clone) {
            let Some(node) = self.location(instance, Where::Assigned) else { continue };
            if self.role(instance, false) != colocation.primary_role {
                continue;
            }
            if colocation.score < INFINITY {
                self.add_where_same(dependent, clone, node, colocation);
            }
            nodes.insert(0, (node, self.assigned_score(instance)));
        }
        let both_promoted = colocation.dependent_role == Role::Promoted && colocation.primary_role == Role::Promoted;
        if colocation.score >= INFINITY && !both_promoted {
            self.intersect(dependent, clone, colocation, &nodes);
        }
    }

    /// The score of its place when it was chosen; a group's is that of its first member that has a place.
    fn assigned_score(&self, rsc: RscId) -> i32 {
        let resource = self.rsc(rsc);
        match resource.children.iter().find(|child| self.location(**child, Where::Assigned).is_some()) {
            Some(child) => self.assigned_score(*child),
            None => resource.assigned_score,
        }
    }

    fn add_where_same(&mut self, dependent: RscId, clone: RscId, node: NodeId, colocation: &Colocation) {
        let name = colocation.attribute.as_str();
        let wanted = self.colocation_attribute(node, name, clone).map(str::to_owned);
        for other in self.rsc(dependent).allowed.nodes() {
            let value = self.colocation_attribute(other, name, dependent);
            if Self::same_value(wanted.as_deref(), value) {
                self.rsc_mut(dependent).allowed.add(other, colocation.score);
                let with = self.rsc(clone).id.clone();
                self.note(dependent, other, colocation.score, || Source::Colocation {
                    id: colocation.id.clone(),
                    with,
                });
            }
        }
    }

    /// An instance that may be promoted only where another is.
    pub fn apply_promotable_priority(&mut self, dependent: RscId, clone: RscId, colocation: &Colocation) -> i32 {
        let role = colocation.primary_role;
        if self.compatible_instance(dependent, clone, role, false, Some(&colocation.attribute)).is_some() {
            let resource = self.rsc_mut(dependent);
            resource.priority = add(resource.priority, colocation.score);
            return colocation.score;
        }
        if colocation.score >= INFINITY {
            self.rsc_mut(dependent).priority = -INFINITY;
            return -INFINITY;
        }
        0
    }
}
