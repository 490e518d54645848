//! What the passes share while a plan is made: the document, the cluster so far, the constraints read from it, and the
//! few questions every pass asks. It decides nothing itself.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use cib::{Document, Element, Name, Names, boolean, duration};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::constraint::colocation::Colocation;
use crate::constraint::location::Location;
use crate::constraint::order::Ordering;
use crate::constraint::ticket::{RscTicket, Ticket};
use crate::model::{
    ActId, Cluster, Entry, INFINITY, Node, NodeFlags, NodeId, NodeTable, ProbeMode, Resource, Role, RscFlags, RscId,
    RscKind, Task, add,
};
use crate::reasons::Source;
use crate::schedule::action_index::ActionIndex;
use crate::schedule::digest::Digest;
use crate::schedule::operation::OperationMeta;
use crate::scores::ScoreLine;
use crate::status::recorded;

/// How deep walks along constraints and relations may go: each constraint can be followed once per resource, so a
/// deeper walk is a loop of the configuration that the marks did not catch.
pub(crate) const MAX_DEPTH: u32 = 2_000;

/// Why every node is allowed in a symmetric cluster.
pub(crate) const SYMMETRIC_DEFAULT: &str = "symmetric_default";

/// A handful of members, instances, actions or nodes, copied out so that the engine can change meanwhile. Eight hold
/// most groups and actions of a key; more lie on the heap as they would in a `Vec`.
pub(crate) type Few<T> = SmallVec<[T; 8]>;

/// Names and values, in the order of names.
pub(crate) type Values = cib::Pairs;

/// Names of attributes that every history is asked for.
#[derive(Clone, Debug)]
pub(crate) struct HistoryNames {
    /// Those of an entry.
    pub entry: Names<{ recorded::ATTRIBUTES.len() }>,
    pub container: Option<Name>,
    /// Those that say which agent it is.
    pub agent: Names<3>,
}

impl HistoryNames {
    fn of(doc: &Document) -> Self {
        let name = |name: &str| doc.known_name(name);
        HistoryNames {
            entry: doc.known_names(recorded::ATTRIBUTES),
            container: name("container"),
            agent: doc.known_names(["type", "class", "provider"]),
        }
    }
}

/// The state of a plan being made.
pub(crate) struct Engine<'a> {
    pub doc: &'a Document,
    pub names: HistoryNames,
    pub cluster: Cluster,
    pub transition_id: u32,
    pub log_scores: bool,
    pub log_utilization: bool,
    /// Someone will ask what gave the scores.
    pub explain: bool,

    pub rsc_defaults: Option<Element>,
    pub op_defaults: Option<Element>,
    /// Elements by id, made when the first reference is met: most documents have none.
    by_id: OnceCell<FxHashMap<&'a str, Vec<Element>>>,
    /// Resources by the id they are found under.
    pub resource_index: FxHashMap<String, RscId>,
    /// What a tag stands for, in order.
    pub tags: BTreeMap<String, Vec<String>>,
    /// Resources made from a template, in order.
    pub templates: BTreeMap<String, Vec<String>>,
    pub tickets: BTreeMap<String, Ticket>,
    pub rsc_tickets: Vec<RscTicket>,
    pub locations: Vec<Location>,
    pub colocations: Vec<Colocation>,
    pub orderings: Vec<Ordering>,

    /// Actions that belong to no resource, by key.
    pub singletons: FxHashMap<String, ActId>,
    /// Some node is reached over a connection, so that what is on it may count as being elsewhere.
    pub any_remote_node: bool,
    /// What colocations say of instances, while these are being sorted.
    pub colocated_scores: FxHashMap<RscId, i32>,
    /// Tables that merging has done with, to be filled anew.
    pub spare_tables: Vec<NodeTable>,
    /// Actions that belong to resources, by key and task.
    pub action_index: ActionIndex,
    /// Meta attributes of operations, by resource: those of a probe are asked for on every node.
    pub operation_metas: FxHashMap<RscId, Vec<OperationMeta>>,
    /// The last meta attributes of a resource an expected exit status was added to: as they were, the status, as they
    /// are with it.
    pub expecting: FxHashMap<RscId, (Arc<Values>, i32, Arc<Values>)>,
    pub notifications: crate::schedule::notify::Notifications,
    /// Parameters of a resource on a node.
    pub parameters: FxHashMap<(RscId, Option<NodeId>), Rc<Values>>,
    pub digests: FxHashMap<(NodeId, RscId, u32, Task), Rc<Digest>>,
    /// History entries whose failure expired: their recurring operation is scheduled anew.
    pub expired_operations: rustc_hash::FxHashSet<Element>,
    /// What can be compared with the configuration only when everything has its place.
    pub deferred_checks: Vec<crate::schedule::config_change::DeferredCheck>,
    /// Secret parameters are hidden in the document.
    pub sanitized: bool,
    /// Containers that must be stopped because of what is in them.
    pub stop_needed: Vec<RscId>,

    pub scores: Vec<ScoreLine>,
    pub changes: Vec<(RscId, NodeId, i32, Source)>,
    pub warnings: Vec<String>,
    pub notices: Vec<String>,
    pub depth: u32,
}

impl<'a> Engine<'a> {
    pub fn new(doc: &'a Document, now: i64) -> Self {
        Engine {
            doc,
            names: HistoryNames::of(doc),
            cluster: Cluster { now, ..Cluster::default() },
            transition_id: 1,
            log_scores: false,
            log_utilization: false,
            explain: false,
            rsc_defaults: doc.descend(&["configuration", "rsc_defaults"]),
            op_defaults: doc.descend(&["configuration", "op_defaults"]),
            by_id: OnceCell::new(),
            resource_index: FxHashMap::default(),
            tags: BTreeMap::new(),
            templates: BTreeMap::new(),
            tickets: BTreeMap::new(),
            rsc_tickets: Vec::new(),
            locations: Vec::new(),
            colocations: Vec::new(),
            orderings: Vec::new(),
            singletons: FxHashMap::default(),
            any_remote_node: false,
            colocated_scores: FxHashMap::default(),
            spare_tables: Vec::new(),
            action_index: ActionIndex::default(),
            operation_metas: FxHashMap::default(),
            expecting: FxHashMap::default(),
            notifications: Default::default(),
            parameters: FxHashMap::default(),
            digests: FxHashMap::default(),
            expired_operations: Default::default(),
            deferred_checks: Vec::new(),
            sanitized: false,
            stop_needed: Vec::new(),
            scores: Vec::new(),
            changes: Vec::new(),
            warnings: Vec::new(),
            notices: Vec::new(),
            depth: 0,
        }
    }

    #[inline(always)]
    pub fn attr(&self, element: Element, name: &str) -> Option<&'a str> {
        self.doc.attribute(element, name)
    }

    pub fn number(&self, element: Element, name: &str) -> Option<i64> {
        self.attr(element, name).and_then(integer)
    }

    pub fn interval_ms(&self, element: Element) -> u32 {
        duration::interval_ms(self.attr(element, "interval")) as u32
    }

    /// `element` itself, or what its `id-ref` refers to.
    pub fn resolve(&self, element: Element) -> Option<Element> {
        let Some(reference) = self.attr(element, "id-ref") else { return Some(element) };
        let name = self.doc.name(element);
        self.by_id
            .get_or_init(|| elements_by_id(self.doc))
            .get(reference)?
            .iter()
            .copied()
            .find(|other| self.doc.name(*other) == name)
    }

    /// Notes that something of the document is ignored, and where it stands.
    pub fn warn(&mut self, element: Element, message: impl std::fmt::Display) {
        let place = match self.doc.position(element) {
            Some(position) => format!("line {}, column {}: ", position.line, position.column),
            None => String::new(),
        };
        self.warnings.push(format!("{place}{message}"));
    }

    pub fn rsc(&self, id: RscId) -> &Resource {
        &self.cluster.resources[id.index()]
    }

    pub fn rsc_mut(&mut self, id: RscId) -> &mut Resource {
        &mut self.cluster.resources[id.index()]
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.cluster.nodes[id.index()]
    }

    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.cluster.nodes[id.index()]
    }

    pub fn is(&self, rsc: RscId, flags: RscFlags) -> bool {
        self.rsc(rsc).is(flags)
    }

    pub fn parent(&self, rsc: RscId) -> Option<RscId> {
        self.rsc(rsc).parent
    }

    /// The topmost parent below a bundle.
    pub fn top(&self, rsc: RscId) -> RscId {
        self.cluster.top_of(rsc, false)
    }

    pub fn is_bundled(&self, rsc: RscId) -> bool {
        let mut at = rsc;
        while let Some(parent) = self.parent(at) {
            if self.rsc(parent).is_bundle() {
                return true;
            }
            at = parent;
        }
        false
    }

    pub fn is_ancestor(&self, ancestor: RscId, of: RscId) -> bool {
        let mut at = of;
        while let Some(parent) = self.parent(at) {
            if parent == ancestor {
                return true;
            }
            at = parent;
        }
        false
    }

    /// What is alike in a clone or bundle: instances, or containers.
    pub fn instances_of(&self, rsc: RscId) -> Few<RscId> {
        match &self.rsc(rsc).kind {
            RscKind::Bundle(data) => data.replicas.iter().map(|replica| replica.container).collect(),
            _ => self.children(rsc),
        }
    }

    /// Members in order, as a copy that survives changes.
    pub fn children(&self, rsc: RscId) -> Few<RscId> {
        Few::from_slice(&self.rsc(rsc).children)
    }

    pub fn meta_true(&self, rsc: RscId, name: &str) -> bool {
        boolean::is_true(self.rsc(rsc).meta(name))
    }

    pub fn fences(&self) -> bool {
        self.cluster.options.fencing_enabled
    }

    /// The resource of that id, or with that history name.
    pub fn find_resource(&self, id: &str) -> Option<RscId> {
        if let Some(found) = self.resource_index.get(id) {
            return Some(*found);
        }
        (0..self.cluster.resources.len() as u32)
            .map(RscId)
            .find(|rsc| self.rsc(*rsc).history_id.as_deref() == Some(id) && self.is_linked(*rsc))
    }

    /// Whether the resource is still part of the tree (an instance that could not be made is not).
    pub fn is_linked(&self, rsc: RscId) -> bool {
        match self.parent(rsc) {
            Some(parent) => self.rsc(parent).children.contains(&rsc) && self.is_linked(parent),
            None => self.cluster.top.contains(&rsc),
        }
    }

    /// The resource a constraint means: by id, or the clone of an instance's base name.
    pub fn find_constraint_resource(&self, id: &str) -> Option<RscId> {
        let found = self.find_resource(id)?;
        if self.rsc(found).id == id { Some(found) } else { Some(self.top(found)) }
    }

    /// Whether `node` may take resources.
    pub fn available(&self, node: NodeId) -> bool {
        self.cluster.is_available(node)
    }

    /// Like [`available`](Self::available), with a score that does not forbid it.
    pub fn available_with(&self, node: NodeId, score: i32) -> bool {
        score >= 0 && self.available(node)
    }

    pub fn any_available(&self, table: &NodeTable) -> bool {
        table.iter().any(|(node, entry)| self.available_with(node, entry.score))
    }

    /// Adds to the score of one node, or of all nodes, for a resource and all within it, and notes why.
    pub fn add_score(&mut self, rsc: RscId, node: Option<NodeId>, score: i32, source: Source) {
        let nodes = match node {
            Some(node) => vec![node],
            None => self.cluster.nodes_by_name.clone(),
        };
        for node in nodes {
            self.add_node_score(rsc, node, score, &source);
        }
        if node.is_none() && score == -INFINITY {
            self.rsc_mut(rsc).assigned = None;
        }
    }

    /// Adds to the score of one node, for a resource and all within it, and notes why.
    pub fn add_node_score(&mut self, rsc: RscId, node: NodeId, score: i32, source: &Source) {
        // What is for marked nodes only, and nodes that are for marked resources only, are not for each other by default.
        let by_default = matches!(source, Source::Other(what) if what == SYMMETRIC_DEFAULT);
        let exclusive = self.is(rsc, RscFlags::EXCLUSIVE_PROBES) || self.node(node).probe == ProbeMode::Never;
        if by_default && exclusive {
            return;
        }
        for at in 0..self.rsc(rsc).children.len() {
            let child = self.rsc(rsc).children[at];
            self.add_node_score(child, node, score, source);
        }
        let (base, probe) = (self.node(node).score, self.node(node).probe);
        let table = &mut self.rsc_mut(rsc).allowed;
        let new = table.get(node).is_none();
        if new {
            table.insert(node, Entry { score: base, count: 0, probe });
        }
        let entry = table.entry(node);
        entry.score = add(entry.score, score);
        if new {
            self.note(rsc, node, base, || Source::NodeUnavailable("not for resources"));
        }
        self.note(rsc, node, score, || source.clone());
    }

    /// Gives a node a score whatever it had, and notes why.
    pub fn replace_score(&mut self, rsc: RscId, node: NodeId, score: i32, source: impl FnOnce() -> Source) {
        self.rsc_mut(rsc).allowed.entry(node).score = score;
        if self.explain {
            self.changes.retain(|change| (change.0, change.1) != (rsc, node));
            self.note(rsc, node, score, source);
        }
    }

    /// Takes back all that was done to a resource's scores, and noted, since there were `noted` notes.
    pub fn restore_scores(&mut self, rsc: RscId, table: NodeTable, noted: usize) {
        self.rsc_mut(rsc).allowed = table;
        if self.explain && noted < self.changes.len() {
            let since = self.changes.split_off(noted);
            self.changes.extend(since.into_iter().filter(|change| change.0 != rsc));
        }
    }

    /// Keeps the reason of a change of a score, if anybody will ask for it.
    pub fn note(&mut self, rsc: RscId, node: NodeId, score: i32, source: impl FnOnce() -> Source) {
        if self.explain && score != 0 {
            self.changes.push((rsc, node, score, source()));
        }
    }

    pub fn set_next_role(&mut self, rsc: RscId, role: Role) {
        self.rsc_mut(rsc).next_role = role;
    }

    /// Role now or at the end; of a collective the highest of its members, of a group that of the group.
    pub fn role(&self, rsc: RscId, current: bool) -> Role {
        let resource = self.rsc(rsc);
        match resource.kind {
            RscKind::Primitive => {
                if current {
                    resource.role
                } else {
                    resource.next_role
                }
            }
            // A bundle has none: its containers run or not, what is inside has roles.
            RscKind::Bundle(_) => Role::Unknown,
            _ => resource.children.iter().map(|child| self.role(*child, current)).max().unwrap_or_default(),
        }
    }

    /// Whether the resource is active; of a collective, whether all or any of its members are.
    pub fn is_active(&self, rsc: RscId, all: bool) -> bool {
        let resource = self.rsc(rsc);
        match resource.kind {
            RscKind::Primitive => resource.active.iter().any(|node| {
                let node = self.node(*node);
                node.unclean() || node.online() || !resource.is(RscFlags::MANAGED)
            }),
            RscKind::Clone(_) | RscKind::Bundle(_) if all => resource.children.iter().all(|c| self.is_active(*c, all)),
            RscKind::Group { .. } if all => {
                !resource.children.is_empty() && resource.children.iter().all(|c| self.is_active(*c, all))
            }
            _ => resource.children.iter().any(|child| self.is_active(*child, all)),
        }
    }

    /// Nodes a resource (or any of its members) is on: now, or as placed.
    pub fn locations(&self, rsc: RscId, which: Where) -> Few<NodeId> {
        let mut found = Few::new();
        self.collect_locations(rsc, which, &mut found);
        found
    }

    fn collect_locations(&self, rsc: RscId, which: Where, found: &mut Few<NodeId>) {
        let resource = self.rsc(rsc);
        let mut put = |node: NodeId| {
            if !found.contains(&node) {
                found.push(node);
            }
        };
        if resource.children.is_empty() {
            match which {
                Where::Assigned => resource.assigned.into_iter().for_each(&mut put),
                Where::Current => resource.active.iter().copied().for_each(&mut put),
                Where::CurrentOrPending => {
                    resource.active.iter().copied().for_each(&mut put);
                    resource.pending_node.into_iter().for_each(&mut put);
                }
            }
        }
        for child in &resource.children {
            self.collect_locations(*child, which, found);
        }
    }

    /// The one node a resource is on, if it is on exactly one.
    pub fn location(&self, rsc: RscId, which: Where) -> Option<NodeId> {
        let resource = self.rsc(rsc);
        match (which, resource.children.as_slice(), resource.active.as_slice()) {
            // Most of those asked about are primitives.
            (Where::Assigned, [], _) => resource.assigned,
            (Where::Current, [], [one]) => Some(*one),
            _ => match self.locations(rsc, which).as_slice() {
                [one] => Some(*one),
                _ => None,
            },
        }
    }

    /// The node an active resource counts as being on, and on how many nodes and clean nodes it is.
    pub fn active_node(&self, rsc: RscId) -> (Option<NodeId>, u32, u32) {
        let resource = self.rsc(rsc);
        let mut of_containers: Few<NodeId> = Few::new();
        let nodes: &[NodeId] = match resource.bundle_data() {
            None => &resource.active,
            // A bundle is where its containers are, in their order; what runs in them does not count.
            Some(data) => {
                let containers = || data.replicas.iter().map(|replica| replica.container);
                let mut active = containers().filter(|container| !self.rsc(*container).active.is_empty());
                if let (Some(only), None) = (active.next(), active.next()) {
                    return self.active_node(only);
                }
                for node in containers().flat_map(|container| &self.rsc(container).active) {
                    if !of_containers.contains(node) {
                        of_containers.push(*node);
                    }
                }
                &of_containers
            }
        };
        let mut chosen: Option<NodeId> = None;
        let mut clean = 0;
        let happy = |node: NodeId| self.node(node).online() && !self.node(node).unclean();
        for node in nodes.iter().copied() {
            if happy(node) {
                clean += 1;
            }
            if let Some(source) = resource.migration_source {
                if source == node {
                    chosen = Some(node);
                }
            } else if !resource.is(RscFlags::NEEDS_FENCING) && happy(node) && chosen.is_none_or(|other| !happy(other)) {
                chosen = Some(node);
            }
            if chosen.is_none() {
                chosen = Some(node);
            }
        }
        (chosen, nodes.len() as u32, clean)
    }

    pub fn current_node(&self, rsc: RscId) -> Option<NodeId> {
        self.active_node(rsc).0
    }

    /// A node attribute as colocations and scores see it; guests may be asked for their host's.
    pub fn node_attribute(&self, node: NodeId, name: &str, rsc: Option<RscId>, which: Where) -> Option<&str> {
        let target = rsc.and_then(|rsc| self.rsc(rsc).meta("container-attribute-target"));
        let host = target.is_some_and(|t| t.eq_ignore_ascii_case("host")) && self.cluster.is_guest(node);
        let node = if host {
            let launcher = self.node(node).remote.and_then(|remote| self.rsc(remote).launcher)?;
            match which {
                Where::Assigned => self.rsc(launcher).assigned?,
                _ => *self.rsc(launcher).active.first()?,
            }
        } else {
            node
        };
        self.node(node).attributes.get(name)
    }

    /// Whether the cluster could fence `node`.
    pub fn can_fence(&self, node: NodeId) -> bool {
        self.can_fence_at(node, 0)
    }

    fn can_fence_at(&self, node: NodeId, depth: u32) -> bool {
        let options = &self.cluster.options;
        if self.cluster.is_guest(node) {
            let launcher = self.node(node).remote.and_then(|remote| self.rsc(remote).launcher);
            let Some(launcher) = launcher else { return true };
            return depth < 4
                && self
                    .rsc(launcher)
                    .active
                    .iter()
                    .all(|host| self.node(*host).online() || self.can_fence_at(*host, depth + 1));
        }
        if !options.fencing_enabled || !options.have_fencing {
            return false;
        }
        if self.cluster.quorate || options.no_quorum_policy == crate::model::NoQuorumPolicy::Ignore {
            return true;
        }
        if !self.node(node).online() {
            return false;
        }
        if self.cluster.is_remote(node)
            && !options.fence_remote_without_quorum
            && let Some(remote) = self.node(node).remote
        {
            return self.rsc(remote).allowed.iter().all(|(host, _)| self.node(host).online());
        }
        true
    }

    /// Something changes by itself at `when`: plan again by then.
    pub fn recheck_by(&mut self, when: i64) {
        if when > self.cluster.now && self.cluster.recheck_by.is_none_or(|other| when < other) {
            self.cluster.recheck_by = Some(when);
        }
    }

    pub fn set_node(&mut self, node: NodeId, flags: NodeFlags) {
        self.node_mut(node).flags.set(flags);
    }

    pub fn set_rsc(&mut self, rsc: RscId, flags: RscFlags) {
        self.rsc_mut(rsc).flags.set(flags);
    }

    pub fn clear_rsc(&mut self, rsc: RscId, flags: RscFlags) {
        self.rsc_mut(rsc).flags.clear(flags);
    }

    /// Logs the scores of a resource and all within it, nodes in the order of their names.
    pub fn log_scores(&mut self, rsc: RscId, step: &'static str) {
        if !self.log_scores || self.is(rsc, RscFlags::REMOVED) {
            return;
        }
        for node in self.cluster.nodes_by_name.clone() {
            if let Some(entry) = self.rsc(rsc).allowed.get(node) {
                let (resource, score) = (self.rsc(rsc).id.clone(), entry.score);
                let node = self.node(node).name.clone();
                self.scores.push(ScoreLine::Allocation { step, resource, node, score });
            }
        }
        for child in self.children(rsc) {
            self.log_scores(child, step);
        }
    }
}

/// Which places of a resource are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    /// Where it will be.
    Assigned,
    /// Where it is.
    Current,
    /// Where it is, or where an operation is under way.
    CurrentOrPending,
}

fn elements_by_id(doc: &Document) -> FxHashMap<&str, Vec<Element>> {
    let mut by_id: FxHashMap<&str, Vec<Element>> = FxHashMap::default();
    for element in doc.descendants(doc.root()) {
        if let Some(id) = doc.attribute(element, "id") {
            by_id.entry(id).or_default().push(element);
        }
    }
    by_id
}

/// A whole number at the beginning of a text, as C reads it; blanks before it are skipped.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let text = if text.starts_with(|c: char| c.is_ascii_digit()) { text } else { text.trim_start() }.as_bytes();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if !digits.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let mut digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    digits.try_fold(0i64, |value, digit| {
        let value = value.checked_mul(10)?;
        if negative { value.checked_sub(digit) } else { value.checked_add(digit) }
    })
}

/// As many digits has the longest interval.
const DIGITS_OF_U32: usize = 10;

/// The key of an operation.
pub(crate) fn op_key(rsc: &str, task: &str, interval_ms: u32) -> String {
    // Keys are made by the million, so they are put together by hand.
    let mut key = String::with_capacity(rsc.len() + task.len() + 2 + DIGITS_OF_U32);
    key.push_str(rsc);
    key.push('_');
    key.push_str(task);
    key.push('_');
    match interval_ms {
        0 => key.push('0'),
        _ => drop(write!(key, "{interval_ms}")),
    }
    key
}

/// `web:3` without its instance number; other names stay.
pub(crate) fn base_name(id: &str) -> &str {
    match id.rsplit_once(':') {
        Some((base, number))
            if !base.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => id,
    }
}

/// The order of node names: numbers in them count as numbers, case does not count.
pub(crate) fn compare_names(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering::Equal;
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |text: &[u8]| text.iter().take_while(|c| c.is_ascii_digit()).count();
            let (m, n) = (digits(a), digits(b));
            let value = |text: &[u8]| {
                text.iter().fold(0u128, |sum, c| sum.saturating_mul(10).saturating_add(u128::from(c - b'0')))
            };
            let order = value(&a[..m]).cmp(&value(&b[..n])).then(m.cmp(&n));
            if order != Equal {
                return order;
            }
            (a, b) = (&a[m..], &b[n..]);
        } else {
            let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
            if order != Equal {
                return order;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
    }
    a.len().cmp(&b.len())
}
