//! Colocation: one resource where (or where not) another is. Reading the constraints, the order in which those of one
//! resource count, and what the place of the primary does to the dependent. How dependents pull their primary is in
//! `merge`.

use std::cmp::Ordering;

use cib::score::Score;
use cib::{Element, boolean};

use crate::constraint::Ignored;
use crate::constraint::sets::ResourceSet;
use crate::constraint::ticket::constraint_role;
use crate::engine::{Engine, Few, Where};
use crate::model::{INFINITY, NodeId, OrderFlags, Role, RscFlags, RscId, RscKind, add};
use crate::reasons::Source;

/// One colocation.
#[derive(Clone, Debug)]
pub(crate) struct Colocation {
    pub id: String,
    pub dependent: RscId,
    pub primary: RscId,
    pub score: i32,
    pub dependent_role: Role,
    pub primary_role: Role,
    /// Nodes are the same if they agree in this attribute.
    pub attribute: String,
    /// The dependent has a say in where the primary goes.
    pub influence: bool,
    /// It was configured, and not made for a group or a container.
    pub explicit: bool,
}

impl Colocation {
    pub fn is_mandatory(&self) -> bool {
        self.score <= -INFINITY || self.score >= INFINITY
    }
}

/// What a colocation changes about the dependent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Affects {
    Nothing,
    Location,
    Role,
}

impl<'a> Engine<'a> {
    pub fn read_colocation(&mut self, element: Element) -> Ignored {
        let score = match self.attr(element, "score") {
            Some(text) => Score::parse(text).ok_or_else(|| format!("'{text}' is no score"))?.value(),
            None => 0,
        };
        let influence = self.attr(element, "influence").and_then(boolean::parse);
        let id = self.doc.id(element).to_owned();
        let mut sets = self.read_sets(element)?;
        if sets.is_empty() {
            sets = self.sets_of_pair(element)?;
        }
        if sets.is_empty() {
            return self.read_simple_colocation(element, &id, score, influence);
        }
        let mut last: Option<ResourceSet> = None;
        // What is wrong in one set takes nothing from the others.
        let mut ignored = Ok(());
        for set in sets.into_iter().filter(|set| !set.id.is_empty()) {
            let within = self.colocate_within(&set, score, influence);
            let between = last.as_ref().map_or(Ok(()), |last| self.colocate_sets(&id, last, &set, score, influence));
            ignored = ignored.and(within).and(between);
            last = Some(set);
        }
        ignored
    }

    /// A constraint about a tag, as two sets.
    fn sets_of_pair(&self, element: Element) -> Result<Vec<ResourceSet>, String> {
        let (Some(dependent), Some(primary)) = (self.attr(element, "rsc"), self.attr(element, "with-rsc")) else {
            return Ok(Vec::new());
        };
        use crate::constraint::sets::Named::{Resource, Tag};
        match (self.named(dependent)?, self.named(primary)?) {
            (Resource, Resource) => return Ok(Vec::new()),
            (Tag(_), Tag(_)) => return Err("two tags cannot be colocated with each other".into()),
            _ => {}
        }
        let mut sets = Vec::new();
        for (attribute, role) in [("rsc", "rsc-role"), ("with-rsc", "with-rsc-role")] {
            if let Some(mut set) = self.set_of_attribute(element, attribute, true)? {
                set.role = self.attr(element, role).map(str::to_owned);
                sets.push(set);
            }
        }
        Ok(sets)
    }

    fn read_simple_colocation(&mut self, element: Element, id: &str, score: i32, influence: Option<bool>) -> Ignored {
        let dependent = self.member(self.attr(element, "rsc").ok_or("it names no dependent (rsc)")?)?;
        let primary = self.member(self.attr(element, "with-rsc").ok_or("it names no primary (with-rsc)")?)?;
        let roles = (self.attr(element, "rsc-role"), self.attr(element, "with-rsc-role"));
        let attribute = self.attr(element, "node-attribute");
        self.colocate(id, attribute, score, (dependent, primary), roles, influence)
    }

    fn influences(&self, rsc: RscId, influence: Option<bool>) -> bool {
        influence.unwrap_or_else(|| self.is(rsc, RscFlags::CRITICAL))
    }

    fn colocate(
        &mut self,
        id: &str,
        attribute: Option<&str>,
        score: i32,
        (dependent, primary): (RscId, RscId),
        (dependent_role, primary_role): (Option<&str>, Option<&str>),
        influence: Option<bool>,
    ) -> Ignored {
        let colocation = Colocation {
            id: id.to_owned(),
            dependent,
            primary,
            score,
            dependent_role: constraint_role(dependent_role)?,
            primary_role: constraint_role(primary_role)?,
            attribute: attribute.unwrap_or("#uname").to_owned(),
            influence: self.influences(dependent, influence),
            explicit: true,
        };
        self.add_colocation(colocation);
        Ok(())
    }

    /// Takes a colocation in. Resources that must not meet also leave before the other comes.
    pub fn add_colocation(&mut self, colocation: Colocation) {
        if colocation.score == 0 {
            return;
        }
        let at = self.colocations.len() as u32;
        let (dependent, primary) = (colocation.dependent, colocation.primary);
        let roles = (colocation.dependent_role, colocation.primary_role);
        let forbids = colocation.score <= -INFINITY;
        self.colocations.push(colocation);
        let place = self.place_among(&self.rsc(dependent).this_with, at, |colocation| colocation.primary);
        self.rsc_mut(dependent).this_with.insert(place, at);
        let place = self.place_among(&self.rsc(primary).with_this, at, |colocation| colocation.dependent);
        self.rsc_mut(primary).with_this.insert(place, at);
        if forbids {
            self.order_leaving_before_coming((dependent, roles.0), (primary, roles.1));
            self.order_leaving_before_coming((primary, roles.1), (dependent, roles.0));
        }
    }

    fn order_leaving_before_coming(&mut self, (first, first_role): (RscId, Role), (then, then_role): (RscId, Role)) {
        let leaving: &[&str] = match first_role {
            Role::Promoted => &["demote"],
            Role::Unpromoted => &["stop", "promote"],
            _ => &["stop"],
        };
        let coming: &[&str] = match then_role {
            Role::Promoted => &["promote"],
            Role::Unpromoted => &["start", "demote"],
            _ => &["start"],
        };
        for first_task in leaving {
            for then_task in coming {
                self.order_tasks(first, first_task, then, then_task, OrderFlags::IF_REQUIRED_ON_SAME_NODE);
            }
        }
    }

    /// Members of one set: each with the one before it; of a negative score, each with all before it.
    fn colocate_within(&mut self, set: &ResourceSet, score: i32, influence: Option<bool>) -> Ignored {
        let score = match &set.score {
            Some(text) => Score::parse(text).ok_or_else(|| format!("'{text}' is no score"))?.value(),
            None => score,
        };
        if score == 0 || !set.is_sequential() {
            return Ok(());
        }
        let role = set.role.as_deref();
        let with_previous = set.ordering.as_deref().is_none_or(|ordering| ordering.eq_ignore_ascii_case("group"));
        let mut before: Vec<RscId> = Vec::new();
        for id in &set.members {
            let rsc = self.member(id)?;
            if score > 0 {
                if let Some(previous) = before.last().copied() {
                    let say = Some(self.influences(rsc, influence));
                    let pair = if with_previous { (rsc, previous) } else { (previous, rsc) };
                    self.colocate(&set.id, None, score, pair, (role, role), say)?;
                }
            } else {
                for other in before.clone() {
                    self.colocate(&set.id, None, score, (rsc, other), (role, role), influence)?;
                }
            }
            before.push(rsc);
        }
        Ok(())
    }

    /// One set with the next. A sequential set is represented by its first member as dependent, by its last as
    /// primary.
    fn colocate_sets(
        &mut self,
        id: &str,
        dependents: &ResourceSet,
        primaries: &ResourceSet,
        score: i32,
        influence: Option<bool>,
    ) -> Ignored {
        let pick = |set: &ResourceSet, first: bool| {
            let end = if first { set.members.first() } else { set.members.last() };
            if set.is_sequential() { end.cloned().into_iter().collect() } else { set.members.clone() }
        };
        let (from, with): (Vec<String>, Vec<String>) = (pick(dependents, true), pick(primaries, false));
        let roles = (dependents.role.as_deref(), primaries.role.as_deref());
        if dependents.is_sequential() {
            from.first().map_or(Ok(()), |id| self.member(id).map(drop))?;
        }
        if primaries.is_sequential() {
            with.first().map_or(Ok(()), |id| self.member(id).map(drop))?;
        }
        for dependent in &from {
            let Ok(dependent) = self.member(dependent) else { continue };
            for primary in &with {
                let Ok(primary) = self.member(primary) else { continue };
                self.colocate(id, None, score, (dependent, primary), roles, influence)?;
            }
        }
        Ok(())
    }

    fn compare_priority(&self, a: RscId, b: RscId) -> Ordering {
        let (a, b) = (self.rsc(a), self.rsc(b));
        let kind = |kind: &RscKind| match kind {
            RscKind::Primitive => 0,
            RscKind::Group { .. } => 1,
            RscKind::Clone(_) => 2,
            RscKind::Bundle(_) => 3,
        };
        let promotable = |flags: RscFlags| flags.has(RscFlags::PROMOTABLE);
        let by_promotable = if a.is_clone() { promotable(b.flags).cmp(&promotable(a.flags)) } else { Ordering::Equal };
        b.priority
            .cmp(&a.priority)
            .then(kind(&b.kind).cmp(&kind(&a.kind)))
            .then(by_promotable)
            .then_with(|| a.id.cmp(&b.id))
    }

    /// Where a colocation goes in a list.
    fn place_among(&self, list: &[u32], new: u32, key: impl Fn(&Colocation) -> RscId) -> usize {
        let of = |at: u32| key(&self.colocations[at as usize]);
        // Before those it equals: the newer constraint counts first.
        let place = list.iter().position(|other| self.compare_priority(of(new), of(*other)).is_le());
        place.unwrap_or(list.len())
    }

    fn insert_this_with(&self, list: &mut Few<u32>, new: u32) {
        list.insert(self.place_among(list, new, |colocation| colocation.primary), new);
    }

    fn insert_with_this(&self, list: &mut Few<u32>, new: u32) {
        list.insert(self.place_among(list, new, |colocation| colocation.dependent), new);
    }

    /// Adds a list to a list. An addition to a list that is not empty brings its first element as often as it has
    /// elements: placements recorded over years rest on this.
    fn extend(&self, list: &mut Few<u32>, addition: &[u32], insert: fn(&Self, &mut Few<u32>, u32)) {
        if list.is_empty() {
            list.extend_from_slice(addition);
        } else if let Some(first) = addition.first() {
            addition.iter().for_each(|_| insert(self, list, *first));
        }
    }

    /// Colocations in which `rsc` (or what it is part of) is the dependent, most important primary first.
    pub fn this_with(&self, rsc: RscId) -> Few<u32> {
        let mut list = Few::new();
        self.collect_this_with(rsc, rsc, &mut list);
        list
    }

    /// Colocations in which `rsc` (or what it is part of) is the primary, most important dependent first.
    pub fn with_this(&self, rsc: RscId) -> Few<u32> {
        let mut list = Few::new();
        self.collect_with_this(rsc, rsc, &mut list);
        list
    }

    fn collect_this_with(&self, rsc: RscId, original: RscId, list: &mut Few<u32>) {
        let resource = self.rsc(rsc);
        match resource.kind {
            RscKind::Primitive if rsc != original => {
                for at in resource.this_with.iter().filter(|at| self.colocations[**at as usize].explicit) {
                    self.insert_this_with(list, *at);
                }
            }
            RscKind::Group { colocated, .. } => {
                let Some(first) = resource.children.first().copied() else { return };
                if original == rsc || original == first {
                    self.extend(list, &resource.this_with, Self::insert_this_with);
                    if let Some(parent) = resource.parent {
                        self.collect_this_with(parent, original, list);
                    }
                    if colocated {
                        for member in resource.children.iter().filter(|member| **member != original) {
                            self.collect_this_with(*member, original, list);
                        }
                    }
                    return;
                }
                // Later members follow the first one, unless one before them cannot be moved.
                for member in &resource.children {
                    if *member == original {
                        break;
                    }
                    if !self.is(*member, RscFlags::MANAGED) {
                        for at in &resource.this_with {
                            if self.colocations[*at as usize].score == INFINITY {
                                self.insert_this_with(list, *at);
                            }
                        }
                        break;
                    }
                }
            }
            RscKind::Bundle(_) if !self.is_bundles_affair(rsc, original) => {}
            _ => {
                self.extend(list, &resource.this_with, Self::insert_this_with);
                if let Some(parent) = resource.parent {
                    self.collect_this_with(parent, original, list);
                }
            }
        }
    }

    fn collect_with_this(&self, rsc: RscId, original: RscId, list: &mut Few<u32>) {
        let resource = self.rsc(rsc);
        match resource.kind {
            RscKind::Primitive if rsc != original => {
                for at in resource.with_this.iter().filter(|at| self.colocations[**at as usize].explicit) {
                    self.insert_with_this(list, *at);
                }
            }
            RscKind::Group { colocated, .. } => {
                let Some(last) = resource.children.last().copied() else { return };
                if original != rsc && original != last {
                    return;
                }
                self.extend(list, &resource.with_this, Self::insert_with_this);
                if let Some(parent) = resource.parent {
                    self.collect_with_this(parent, original, list);
                }
                if colocated {
                    for member in resource.children.iter().filter(|member| **member != original) {
                        self.collect_with_this(*member, original, list);
                    }
                }
            }
            RscKind::Bundle(_) if !self.is_bundles_affair(rsc, original) => {}
            _ => {
                self.extend(list, &resource.with_this, Self::insert_with_this);
                if let Some(parent) = resource.parent {
                    self.collect_with_this(parent, original, list);
                }
            }
        }
    }

    /// Whether the dependent may pull the primary: told so, or the primary (`rsc`, if it is another) is not active.
    pub fn has_influence(&self, colocation: &Colocation, rsc: Option<RscId>) -> bool {
        let rsc = rsc.unwrap_or(colocation.primary);
        if self.is(colocation.dependent, RscFlags::REMOTE_NESTING_ALLOWED)
            && !self.is(rsc, RscFlags::FAILED)
            && self.rsc(rsc).active.len() == 1
        {
            return false;
        }
        colocation.influence || self.rsc(rsc).active.is_empty()
    }

    pub fn affects(&self, dependent: RscId, primary: RscId, colocation: &Colocation, preview: bool) -> Affects {
        if !preview && self.is(primary, RscFlags::UNASSIGNED) {
            return Affects::Nothing;
        }
        let placed = !self.is(dependent, RscFlags::UNASSIGNED);
        let (of_dependent, of_primary) = (self.with_role_of(dependent), self.with_role_of(primary));
        let in_promotable = self.parent(of_dependent).is_some_and(|parent| self.is(parent, RscFlags::PROMOTABLE));
        if colocation.dependent_role >= Role::Unpromoted
            && in_promotable
            && !self.is(of_dependent, RscFlags::UNASSIGNED)
        {
            return Affects::Role;
        }
        if !preview && placed {
            return Affects::Nothing;
        }
        let fits = |role: Role, rsc: RscId| role == Role::Unknown || role == self.rsc(rsc).next_role;
        if fits(colocation.dependent_role, of_dependent) && fits(colocation.primary_role, of_primary) {
            Affects::Location
        } else {
            Affects::Nothing
        }
    }

    pub fn same_value(a: Option<&str>, b: Option<&str>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Applies a colocation to the dependent; what it adds to the dependent's priority for promotion.
    pub fn apply_colocation(&mut self, dependent: RscId, primary: RscId, at: u32, for_dependent: bool) -> i32 {
        if self.depth > crate::engine::MAX_DEPTH {
            return 0;
        }
        self.depth += 1;
        let whose = if for_dependent { dependent } else { primary };
        let delta = match (&self.rsc(whose).kind, for_dependent) {
            (RscKind::Primitive, true) => self.apply_colocation(dependent, primary, at, false),
            (RscKind::Primitive, false) => self.apply_to_primitive(dependent, primary, at),
            (RscKind::Group { .. }, true) => self.apply_group_with(dependent, primary, at),
            (RscKind::Group { .. }, false) => self.apply_with_group(dependent, primary, at),
            (RscKind::Clone(_), _) => self.apply_with_clone(dependent, primary, at),
            (RscKind::Bundle(_), _) => self.apply_with_bundle(dependent, primary, at),
        };
        self.depth -= 1;
        delta
    }

    fn apply_to_primitive(&mut self, dependent: RscId, primary: RscId, at: u32) -> i32 {
        let colocation = self.colocations[at as usize].clone();
        match self.affects(dependent, primary, &colocation, false) {
            Affects::Nothing => 0,
            Affects::Role => self.apply_to_priority(dependent, primary, &colocation),
            Affects::Location => {
                self.apply_to_scores(dependent, primary, &colocation);
                0
            }
        }
    }

    fn apply_to_scores(&mut self, dependent: RscId, primary: RscId, colocation: &Colocation) {
        let place = self.rsc(primary).assigned;
        if place.is_none() && colocation.score < 0 {
            return;
        }
        let value = place.and_then(|node| self.colocation_attribute(node, &colocation.attribute, primary));
        let value = value.map(str::to_owned);
        let mut work = self.rsc(dependent).allowed.copied();
        let mut changes: Vec<(NodeId, i32)> = Vec::new();
        for (node, entry) in work.iter_mut() {
            if place.is_none() {
                entry.score = add(-colocation.score, entry.score);
                changes.push((node, -colocation.score));
                continue;
            }
            let theirs = self.colocation_attribute(node, &colocation.attribute, dependent);
            if Self::same_value(theirs, value.as_deref()) {
                if colocation.score < INFINITY {
                    entry.score = add(colocation.score, entry.score);
                    changes.push((node, colocation.score));
                }
            } else if colocation.score >= INFINITY {
                entry.score = -INFINITY;
                changes.push((node, -INFINITY));
            }
        }
        if colocation.is_mandatory() || self.any_available(&work) {
            self.rsc_mut(dependent).allowed = work;
            let with = self.rsc(primary).id.clone();
            for (node, score) in changes {
                let source = || Source::Colocation { id: colocation.id.clone(), with: with.clone() };
                self.note(dependent, node, score, source);
            }
        }
    }

    fn apply_to_priority(&mut self, dependent: RscId, primary: RscId, colocation: &Colocation) -> i32 {
        let Some(dependent_node) = self.rsc(dependent).assigned else { return 0 };
        let primary_node = self.rsc(primary).assigned;
        if primary_node.is_some()
            && colocation.primary_role != Role::Unknown
            && colocation.primary_role != self.rsc(self.with_role_of(primary)).next_role
        {
            return 0;
        }
        let mine = self.colocation_attribute(dependent_node, &colocation.attribute, dependent);
        let theirs = primary_node.and_then(|node| self.colocation_attribute(node, &colocation.attribute, primary));
        let same = Self::same_value(mine, theirs);
        let delta = match (same, colocation.dependent_role) {
            (false, Role::Promoted) if colocation.score == INFINITY => -colocation.score,
            (false, _) => return 0,
            (true, Role::Unpromoted) => -colocation.score,
            (true, _) => colocation.score,
        };
        let resource = self.rsc_mut(dependent);
        resource.priority = add(delta, resource.priority);
        delta
    }

    fn apply_group_with(&mut self, group: RscId, primary: RscId, at: u32) -> i32 {
        let members = self.children(group);
        let Some(first) = members.first().copied() else { return 0 };
        let colocated = matches!(self.rsc(group).kind, RscKind::Group { colocated: true, .. });
        let delta = if colocated {
            self.apply_colocation(first, primary, at, true)
        } else if self.colocations[at as usize].score >= INFINITY {
            // Members that go their own ways cannot all be with one other.
            return 0;
        } else {
            members.into_iter().fold(0, |sum, member| add(sum, self.apply_colocation(member, primary, at, false)))
        };
        if delta != 0 {
            let resource = self.rsc_mut(group);
            resource.priority = add(delta, resource.priority);
        }
        delta
    }

    fn apply_with_group(&mut self, dependent: RscId, group: RscId, at: u32) -> i32 {
        if self.is(group, RscFlags::UNASSIGNED) {
            return 0;
        }
        let members = self.children(group);
        let mandatory = self.colocations[at as usize].score >= INFINITY;
        if matches!(self.rsc(group).kind, RscKind::Group { colocated: true, .. }) {
            // All of the group must be there before what must be with it.
            let member = if mandatory { members.last() } else { members.first() };
            return member.map_or(0, |member| self.apply_colocation(dependent, *member, at, false));
        }
        if mandatory {
            return 0;
        }
        members.into_iter().fold(0, |sum, member| add(sum, self.apply_colocation(dependent, member, at, false)))
    }

    fn can_interleave(&self, colocation: &Colocation) -> bool {
        let per_node = |rsc: RscId| self.rsc(rsc).clone_data().map_or(1, |data| data.node_max);
        let dependent = self.rsc(colocation.dependent);
        dependent.is_clone()
            && boolean::is_true(dependent.meta("interleave"))
            && per_node(colocation.dependent) == per_node(colocation.primary)
    }

    fn apply_with_clone(&mut self, dependent: RscId, clone: RscId, at: u32) -> i32 {
        if self.is(clone, RscFlags::UNASSIGNED) {
            return 0;
        }
        let colocation = self.colocations[at as usize].clone();
        if self.is(clone, RscFlags::PROMOTABLE) && colocation.primary_role != Role::Unknown {
            if self.is(dependent, RscFlags::UNASSIGNED) {
                self.apply_with_promotable(dependent, clone, &colocation);
                return 0;
            }
            if colocation.dependent_role == Role::Promoted {
                return self.apply_promotable_priority(dependent, clone, &colocation);
            }
        }
        if self.can_interleave(&colocation) {
            if let Some(instance) = self.compatible_instance(dependent, clone, Role::Unknown, false, None) {
                return self.apply_colocation(dependent, instance, at, true);
            }
            if colocation.score >= INFINITY {
                self.assign(dependent, None, true, true);
            }
            return 0;
        }
        if colocation.score >= INFINITY {
            let mut nodes = Vec::new();
            for instance in self.children(clone) {
                if let Some(node) = self.location(instance, Where::Assigned)
                    && !self.any_flag_below(instance, RscFlags::BLOCKED)
                {
                    nodes.push((node, 0));
                }
            }
            self.intersect(dependent, clone, &colocation, &nodes);
            return 0;
        }
        self.children(clone)
            .into_iter()
            .fold(0, |sum, instance| add(sum, self.apply_colocation(dependent, instance, at, false)))
    }

    /// Only nodes of the list remain, with what the list adds to their scores.
    pub fn intersect(&mut self, dependent: RscId, primary: RscId, colocation: &Colocation, nodes: &[(NodeId, i32)]) {
        let with = self.rsc(primary).id.clone();
        for node in self.rsc(dependent).allowed.nodes() {
            let entry = self.rsc_mut(dependent).allowed.entry(node);
            let delta = match nodes.iter().find(|(known, _)| *known == node) {
                Some((_, score)) => *score,
                None => -INFINITY,
            };
            entry.score = add(entry.score, delta);
            let source = || Source::Colocation { id: colocation.id.clone(), with: with.clone() };
            self.note(dependent, node, delta, source);
        }
    }

    /// Whether the resource or anything in it has the flag.
    pub fn any_flag_below(&self, rsc: RscId, flag: RscFlags) -> bool {
        self.is(rsc, flag) || self.rsc(rsc).children.iter().any(|child| self.any_flag_below(*child, flag))
    }
}
