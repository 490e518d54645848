//! Placing instances of a clone: healthy ones stay where they are as far as numbers allow, the rest go to the best
//! places left. Which instance comes first decides who gets a place when there are too few.

use std::cmp::Ordering;

use crate::constraint::merge::{Select, factor_of};
use crate::engine::{Engine, Where};
use crate::model::{INFINITY, NodeId, NodeTable, Role, RscFlags, RscId};
use crate::reasons::Source;
use crate::status::history::merge_sort;

/// The number of an instance: what stands behind the last colon.
pub(crate) fn instance_number(id: &str) -> i64 {
    let number = id.rsplit_once(':').or_else(|| id.rsplit_once('-')).map_or("", |(_, number)| number);
    crate::engine::integer(number).unwrap_or(0)
}

impl Engine<'_> {
    /// The table that counts instances per node: the clone's.
    fn top_table(&self, instance: RscId) -> &NodeTable {
        match self.parent(instance) {
            Some(parent) => &self.rsc(parent).allowed,
            None => &self.rsc(instance).allowed,
        }
    }

    pub fn sort_by_number(&mut self, clone: RscId) {
        let mut children = self.children(clone).into_vec();
        merge_sort(&mut children, &|a, b| instance_number(&self.rsc(*a).id).cmp(&instance_number(&self.rsc(*b).id)));
        self.rsc_mut(clone).children = children;
    }

    pub fn sort_instances(&mut self, clone: RscId) {
        let children = self.children(clone).into_vec();
        let sorted = self.sorted_by(children, Self::compare_instances);
        self.rsc_mut(clone).children = sorted;
    }

    /// A merge sort with a comparison that needs the whole engine. Nothing changes while it sorts, so what colocations
    /// say is worked out once for each instance.
    pub fn sorted_by(&mut self, items: Vec<RscId>, compare: fn(&mut Self, RscId, RscId) -> Ordering) -> Vec<RscId> {
        self.colocated_scores.clear();
        let sorted = self.merge_sorted(items, compare);
        self.colocated_scores.clear();
        sorted
    }

    fn merge_sorted(&mut self, items: Vec<RscId>, compare: fn(&mut Self, RscId, RscId) -> Ordering) -> Vec<RscId> {
        if items.len() < 2 {
            return items;
        }
        let (left, right) = items.split_at(items.len() / 2);
        let left = self.merge_sorted(left.to_vec(), compare);
        let right = self.merge_sorted(right.to_vec(), compare);
        let (mut i, mut j, mut merged) = (0, 0, Vec::with_capacity(items.len()));
        while i < left.len() && j < right.len() {
            if compare(self, left[i], right[j]).is_le() {
                merged.push(left[i]);
                i += 1;
            } else {
                merged.push(right[j]);
                j += 1;
            }
        }
        merged.extend_from_slice(&left[i..]);
        merged.extend_from_slice(&right[j..]);
        merged
    }

    /// Which of two instances is placed first.
    pub fn compare_instances(&mut self, a: RscId, b: RscId) -> Ordering {
        let ((node_a, count_a, _), (node_b, count_b, _)) = (self.active_node(a), self.active_node(b));
        if count_a > 0 && count_b > 0 && count_a != count_b {
            return count_a.cmp(&count_b);
        }
        let forbidden = |engine: &Self, rsc: RscId, node: Option<NodeId>| {
            node.is_some_and(|node| engine.rsc(rsc).allowed.get(node).is_none_or(|entry| entry.score < 0))
        };
        let (bad_a, bad_b) = (forbidden(self, a, node_a), forbidden(self, b, node_b));
        let (node_a, node_b) = (node_a.filter(|_| !bad_a), node_b.filter(|_| !bad_b));
        let by_rules = bad_a.cmp(&bad_b).then(self.rsc(b).priority.cmp(&self.rsc(a).priority));
        if by_rules.is_ne() {
            return by_rules;
        }
        let (node_a, node_b) = match (node_a, node_b) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(node_a), Some(node_b)) => (node_a, node_b),
        };
        let by_node = self.available(node_b).cmp(&self.available(node_a));
        if by_node.is_ne() {
            return by_node;
        }
        let count = |engine: &Self, rsc, node| engine.top_table(rsc).get(node).map(|entry| entry.count);
        match (count(self, a, node_a), count(self, b, node_b)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(count_a), Some(count_b)) if count_a != count_b => return count_a.cmp(&count_b),
            _ => {}
        }
        let failed = |engine: &Self, rsc| engine.any_flag_below(rsc, RscFlags::FAILED);
        let by_failure = failed(self, a).cmp(&failed(self, b));
        if by_failure.is_ne() {
            return by_failure;
        }
        let (score_a, score_b) = (self.colocated_score(a), self.colocated_score(b));
        score_b.cmp(&score_a).then_with(|| instance_number(&self.rsc(a).id).cmp(&instance_number(&self.rsc(b).id)))
    }

    /// What all colocations together say about the node an instance is on.
    fn colocated_score(&mut self, instance: RscId) -> i32 {
        if let Some(known) = self.colocated_scores.get(&instance) {
            return *known;
        }
        let score = self.sum_of_colocations(instance);
        self.colocated_scores.insert(instance, score);
        score
    }

    fn sum_of_colocations(&mut self, instance: RscId) -> i32 {
        let Some(node) = self.current_node(instance) else { return 0 };
        let mut table = NodeTable::default();
        table.entry(node).score = self.node(node).score;
        let mut nodes = Some(table);
        for at in self.this_with(instance) {
            let colocation = &self.colocations[at as usize];
            let (other, factor) = (colocation.primary, factor_of(colocation.score));
            self.merge_scores(other, Some(instance), &mut nodes, Some(at), factor, Select::default());
        }
        for at in self.with_this(instance) {
            let colocation = &self.colocations[at as usize];
            if !self.has_influence(colocation, Some(instance)) {
                continue;
            }
            let (other, factor) = (colocation.dependent, factor_of(colocation.score));
            let select = Select { nonnegative: true, ..Select::default() };
            self.merge_scores(other, Some(instance), &mut nodes, Some(at), factor, select);
        }
        nodes.and_then(|table| table.get(node).map(|entry| entry.score)).unwrap_or(0)
    }

    fn can_run_instance(&self, instance: RscId, node: NodeId, per_node: u32) -> bool {
        !self.is(instance, RscFlags::REMOVED)
            && self.available(node)
            && self.top_table(instance).get(node).is_some_and(|entry| entry.score >= 0 && entry.count < per_node)
    }

    fn ban_unusable(&mut self, instance: RscId, per_node: u32) {
        for node in self.rsc(instance).allowed.nodes() {
            if self.can_run_instance(instance, node, per_node) {
                continue;
            }
            let allowed = self.top_table(instance).get(node).is_some_and(|entry| entry.score >= 0);
            let full = allowed && self.available(node);
            for rsc in std::iter::once(instance).chain(self.children(instance)) {
                if let Some(entry) = self.rsc_mut(rsc).allowed.get_mut(node) {
                    entry.score = -INFINITY;
                    self.note(rsc, node, -INFINITY, || if full { Source::NodeFull } else { Source::Whole });
                }
            }
        }
    }

    fn count_instance(&mut self, instance: RscId, node: Option<NodeId>) {
        let table = self.parent(instance).unwrap_or(instance);
        if let Some(node) = node
            && let Some(entry) = self.rsc_mut(table).allowed.get_mut(node)
        {
            entry.count += 1;
        }
    }

    fn assign_instance(&mut self, instance: RscId, prefer: Option<NodeId>, per_node: u32) -> Option<NodeId> {
        if self.is(instance, RscFlags::ASSIGNING) {
            return None;
        }
        self.ban_unusable(instance, per_node);
        let chosen = self.assign(instance, prefer, prefer.is_none(), false);
        self.count_instance(instance, chosen);
        chosen
    }

    fn tables_below(&self, rsc: RscId, into: &mut Vec<(RscId, NodeTable)>) {
        into.push((rsc, self.rsc(rsc).allowed.copied()));
        for child in &self.rsc(rsc).children {
            self.tables_below(*child, into);
        }
    }

    /// Tries to leave an instance where it is. Each time a better node wins, a place there is kept for whoever will
    /// get it, and the instance tries again without that place.
    fn assign_early(&mut self, instance: RscId, current: NodeId, per_node: u32, available: u32) -> bool {
        let allowed = self.rsc(instance).allowed.get(current);
        if !allowed.is_some_and(|entry| self.available_with(current, entry.score)) {
            return false;
        }
        let mut saved = Vec::new();
        self.tables_below(instance, &mut saved);
        let parent = self.parent(instance);
        let saved_parent = parent.map(|parent| self.rsc(parent).allowed.clone());
        let noted = self.changes.len();
        let mut chosen = None;
        let mut reserved = 0;
        while reserved < available {
            chosen = self.assign_instance(instance, Some(current), per_node);
            if chosen == Some(current) {
                break;
            }
            for (rsc, table) in &saved {
                self.restore_scores(*rsc, table.copied(), noted);
            }
            if chosen.is_none() {
                self.set_rsc(instance, RscFlags::UNASSIGNED);
                break;
            }
            reserved += 1;
            self.unassign(instance);
            chosen = None;
        }
        if let (Some(parent), Some(table)) = (parent, saved_parent) {
            self.restore_scores(parent, table, noted);
        }
        self.count_instance(instance, chosen);
        chosen.is_some()
    }

    /// The node an instance should keep if it can.
    fn preferred_node(&self, instance: RscId, optimal: u32) -> Option<NodeId> {
        let resource = self.rsc(instance);
        if resource.active.is_empty() || !resource.is(RscFlags::UNASSIGNED) || resource.is(RscFlags::FAILED) {
            return None;
        }
        let node = self.current_node(instance)?;
        if !self.available_with(node, self.node(node).score) {
            return None;
        }
        let full = self.top_table(instance).get(node).is_some_and(|entry| entry.count >= optimal);
        (!full).then_some(node)
    }

    pub fn assign_instances(&mut self, clone: RscId, instances: Vec<RscId>, max: u32, per_node: u32) {
        let mut usable = 0;
        for node in self.rsc(clone).allowed.nodes() {
            self.rsc_mut(clone).allowed.entry(node).count = 0;
            usable += u32::from(self.available(node));
        }
        let optimal = max.checked_div(usable).unwrap_or(0).max(1);
        let mut assigned = 0;
        for instance in instances.iter().copied() {
            if assigned >= max {
                break;
            }
            if self.is(instance, RscFlags::UNASSIGNED)
                && let Some(current) = self.preferred_node(instance, optimal)
                && self.assign_early(instance, current, per_node, max - assigned)
            {
                assigned += 1;
            }
        }
        for instance in instances {
            if !self.is(instance, RscFlags::UNASSIGNED) {
                continue;
            }
            if assigned >= max {
                self.add_score(instance, None, -INFINITY, Source::CollectiveLimit);
            } else if self.assign_instance(instance, None, per_node).is_some() {
                assigned += 1;
            }
        }
    }

    pub fn instance_matches(
        &self,
        instance: RscId,
        node: NodeId,
        role: Role,
        current: bool,
        attribute: Option<&str>,
    ) -> bool {
        // What most instances fail comes first.
        let which = if current { Where::Current } else { Where::Assigned };
        let Some(place) = self.location(instance, which) else { return false };
        if attribute.is_none() && place != node {
            return false;
        }
        if role != Role::Unknown && role != self.role(instance, current) {
            return false;
        }
        if self.any_flag_below(instance, RscFlags::BLOCKED) {
            return false;
        }
        match attribute {
            None => place == node,
            Some(name) => {
                let value = |node| self.colocation_attribute(node, name, instance);
                Self::same_value(value(place), value(node))
            }
        }
    }

    /// The instance of a clone that belongs with a resource: one on the same node, or else on the best node the
    /// resource might go to.
    pub fn compatible_instance(
        &self,
        with: RscId,
        clone: RscId,
        role: Role,
        current: bool,
        attribute: Option<&str>,
    ) -> Option<RscId> {
        let which = if current { Where::Current } else { Where::Assigned };
        let on_node = |node: NodeId| {
            let instances = self.instances_of(clone);
            instances.into_iter().find(|child| self.instance_matches(*child, node, role, current, attribute))
        };
        if let Some(node) = self.location(with, which) {
            return on_node(node);
        }
        self.sorted_nodes(&self.rsc(with).allowed, None).into_iter().find_map(|(node, _)| on_node(node))
    }
}
