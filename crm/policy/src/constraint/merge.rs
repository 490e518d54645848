//! How dependents pull the resource they must be with: their wishes are merged into its scores, weighted by the score
//! of the colocation, and so on along chains. Single precision and the way of rounding are part of the result.

use crate::engine::{Engine, Where};
use crate::model::{INFINITY, Node, NodeId, NodeKind, NodeTable, RscFlags, RscId, RscKind, add};

/// Stands for a node that would have fallen below 0 where only gains count.
const SUNK: i32 = -100 * INFINITY;

/// Whatever is added to it, it stays.
const NEVER: i32 = -INFINITY;

/// Which colocations are followed, and how they count.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Select {
    /// Follow primaries instead of dependents.
    pub this_with: bool,
    /// A node does not lose its place by what others wish.
    pub nonnegative: bool,
    /// Tables in which no node is usable count for nothing.
    pub active: bool,
}

/// A colocation's score as a weight.
pub(crate) fn factor_of(score: i32) -> f32 {
    score as f32 / INFINITY as f32
}

impl Engine<'_> {
    /// Merges the wishes of a dependent into the scores of its primary.
    pub fn add_dependent_scores(&mut self, at: u32, primary: RscId) {
        let colocation = &self.colocations[at as usize];
        if !self.has_influence(colocation, None) {
            return;
        }
        let (dependent, factor) = (colocation.dependent, factor_of(colocation.score));
        let select = Select { nonnegative: self.rsc(primary).is_clone(), active: true, ..Select::default() };
        let before = self.explain.then(|| self.rsc(primary).allowed.clone());
        // The table stays in its place while it is merged: a chain of colocations may come back to it.
        let mut table = self.spare_tables.pop().unwrap_or_default();
        table.become_like(&self.rsc(primary).allowed);
        let mut nodes = Some(table);
        self.merge_scores(dependent, Some(primary), &mut nodes, Some(at), factor, select);
        let merged = nodes.unwrap_or_default();
        if let Some(before) = before {
            self.note_merge(primary, at, &before, &merged);
        }
        let replaced = std::mem::replace(&mut self.rsc_mut(primary).allowed, merged);
        self.spare_tables.push(replaced);
    }

    pub fn note_merge(&mut self, primary: RscId, at: u32, before: &NodeTable, after: &NodeTable) {
        let colocation = &self.colocations[at as usize];
        let (id, with) = (colocation.id.clone(), self.rsc(colocation.dependent).id.clone());
        for (node, entry) in after.iter() {
            let was = before.get(node).map_or(0, |entry| entry.score);
            let source = || crate::reasons::Source::Pull { id: id.clone(), by: with.clone() };
            if was.abs() >= INFINITY && entry.score.abs() < INFINITY {
                // No sum of reasons leads back from infinity: this one counts alone.
                self.changes.retain(|change| (change.0, change.1) != (primary, node));
                self.note(primary, node, entry.score, source);
            } else {
                self.note(primary, node, entry.score.saturating_sub(was), source);
            }
        }
    }

    /// Merges what `source` and all that depends on it wish into `nodes`; without a table, begins one with the scores
    /// of `source`.
    pub fn merge_scores(
        &mut self,
        source: RscId,
        target: Option<RscId>,
        nodes: &mut Option<NodeTable>,
        colocation: Option<u32>,
        factor: f32,
        select: Select,
    ) {
        if self.is(source, RscFlags::UPDATING_NODES) {
            return;
        }
        self.set_rsc(source, RscFlags::UPDATING_NODES);
        if let RscKind::Group { .. } = self.rsc(source).kind {
            let members = &self.rsc(source).children;
            let member = if nodes.is_none() { members.last() } else { members.first() }.copied();
            if let Some(member) = member {
                self.merge_scores(member, target, nodes, colocation, factor, select);
            }
        } else {
            self.merge_own_scores(source, target, nodes, colocation, factor, select);
        }
        self.clear_rsc(source, RscFlags::UPDATING_NODES);
    }

    fn merge_own_scores(
        &mut self,
        source: RscId,
        target: Option<RscId>,
        nodes: &mut Option<NodeTable>,
        colocation: Option<u32>,
        factor: f32,
        mut select: Select,
    ) {
        let mut target = target;
        let mut work = match nodes {
            None => {
                target = Some(source);
                self.rsc(source).allowed.copied()
            }
            Some(nodes) => {
                let mut work = self.spare_tables.pop().unwrap_or_default();
                work.copy_from(nodes);
                if let Some(at) = colocation {
                    self.add_matching(&mut work, source, target, at, factor, select.nonnegative);
                }
                work
            }
        };
        if self.any_available(&work) {
            let list = if select.this_with { self.this_with(source) } else { self.with_this(source) };
            select.active = true;
            for at in list {
                let constraint = &self.colocations[at as usize];
                let weight = factor * constraint.score as f32 / INFINITY as f32;
                let other = if select.this_with {
                    constraint.primary
                } else if self.has_influence(constraint, None) {
                    constraint.dependent
                } else {
                    continue;
                };
                let mut table = Some(work);
                self.merge_scores(other, target, &mut table, Some(at), weight, select);
                work = table.unwrap_or_default();
            }
        } else if select.active {
            self.spare_tables.push(work);
            return;
        }
        if select.nonnegative {
            work.replace(SUNK, 1);
        }
        self.spare_tables.extend(nodes.replace(work));
    }

    fn add_matching(
        &mut self,
        nodes: &mut NodeTable,
        source: RscId,
        target: Option<RscId>,
        at: u32,
        factor: f32,
        only_positive: bool,
    ) {
        let own = self.wishes_of(source, at);
        let colocation = &self.colocations[at as usize];
        let wishes = own.as_ref().unwrap_or(&self.rsc(source).allowed);
        let attribute = colocation.attribute.as_str();
        let by_name = self.goes_by_name(source, attribute);
        // Two negatives would make a wish: only where the dependent has one node left, it is one.
        let may_wish =
            factor < 0.0 && self.has_influence(colocation, None) && self.allowed_on_one(colocation.dependent);
        let counts =
            |score: i32| factor >= 0.0 || score >= 0 || (may_wish && self.rsc(colocation.primary).stickiness < -score);
        // A name is mostly that of the node itself, which needs no search.
        if by_name && !self.any_remote_node {
            for (node, entry) in nodes.iter_mut() {
                // What is out of the question stays so, whoever wishes what.
                if matches!(entry.score, SUNK | NEVER) {
                    continue;
                }
                let wish = self.score_there(wishes, node);
                if wish != 0 && counts(wish) {
                    entry.score = merged(entry.score, wish, factor, only_positive);
                }
            }
            return;
        }
        let is_member = |node: &Node| node.remote.is_none() && node.kind == NodeKind::Cluster;
        for (node, entry) in nodes.iter_mut() {
            let wish = if by_name && is_member(self.node(node)) {
                self.score_there(wishes, node)
            } else {
                let value = match target {
                    Some(target) => self.colocation_attribute(node, attribute, target),
                    None => self.node_attribute(node, attribute, None, Where::Assigned),
                };
                self.best_score(wishes, source, attribute, node, value)
            };
            if wish != 0 && counts(wish) {
                entry.score = merged(entry.score, wish, factor, only_positive);
            }
        }
    }

    /// The scores of a dependent as they count here, if they are not simply its own: a member of a group that is
    /// colocated on its own account brings the group's locations.
    fn wishes_of(&mut self, source: RscId, at: u32) -> Option<NodeTable> {
        let colocation = &self.colocations[at as usize];
        let group = self.parent(source).filter(|parent| self.rsc(*parent).is_group())?;
        let first = self.rsc(group).children.first() == Some(&source);
        if source != colocation.dependent || !colocation.explicit || first || self.rsc(group).locations.is_empty() {
            return None;
        }
        let own = self.rsc(source).allowed.clone();
        let noted = self.changes.len();
        for at in self.rsc(group).locations.clone().into_iter().rev() {
            let location = self.locations[at as usize].clone();
            self.apply_location(source, &location);
        }
        self.changes.truncate(noted);
        Some(std::mem::replace(&mut self.rsc_mut(source).allowed, own))
    }

    fn usable_score(&self, node: NodeId, score: i32) -> i32 {
        if self.available(node) { score.max(-INFINITY) } else { -INFINITY }
    }

    fn score_there(&self, wishes: &NodeTable, node: NodeId) -> i32 {
        wishes.get(node).map_or(-INFINITY, |entry| self.usable_score(node, entry.score))
    }

    /// Whether nodes are told apart by their names where this resource is concerned.
    fn goes_by_name(&self, source: RscId, attribute: &str) -> bool {
        attribute == "#uname"
            && self.rsc(source).meta("container-attribute-target").is_none()
            && !self.is_bundled(source)
    }

    /// The best score among the nodes that have this value of the attribute.
    fn best_score(&self, wishes: &NodeTable, source: RscId, attribute: &str, node: NodeId, value: Option<&str>) -> i32 {
        if value == Some(self.node(node).name.as_str()) && self.goes_by_name(source, attribute) {
            return self.score_there(wishes, node);
        }
        let matching = wishes
            .iter()
            .filter(|(other, _)| Self::same_value(value, self.colocation_attribute(*other, attribute, source)));
        matching.map(|(other, entry)| self.usable_score(other, entry.score)).max().unwrap_or(-INFINITY)
    }

    fn allowed_on_one(&self, rsc: RscId) -> bool {
        self.rsc(rsc).allowed.iter().filter(|(_, entry)| entry.score >= 0).count() == 1
    }
}

/// A score with a wish merged into it that is not 0.
fn merged(score: i32, wish: i32, factor: f32, only_positive: bool) -> i32 {
    if score == SUNK {
        return SUNK;
    }
    let exact = factor * wish as f32;
    let mut delta = (f64::from(exact) + if exact < 0.0 { -0.5 } else { 0.5 }) as i32;
    if delta == 0 {
        delta = if factor > 0.0 {
            1
        } else if factor < 0.0 {
            -1
        } else {
            0
        };
    }
    let sum = add(delta, score);
    match only_positive && sum < 0 {
        true if score > 0 => SUNK,
        true if score == 0 => score,
        _ => sum,
    }
}
