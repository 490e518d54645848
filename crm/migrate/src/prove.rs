//! The proof: for all that may be up or down, good or bad, who was master under keepalived and where the policy places
//! the resource. A row that differs is told with its reason; a watch that never changed anything is told as the mistake
//! it was.
//!
//! Each unit is tried by itself, since no constraint of a plan goes from one to another.

use cib::{Document, Element};

use crate::configuration::{Configuration, Resource, document};
use crate::elect::{BAD_NUMBER, FAULT, HostState, effective, master};
use crate::plan::Plan;
use crate::plan::place::SCALE;
use crate::unit::{Effect, Unit, Watched};

/// States that are tried for a unit; of more, as many are picked evenly, and the proof says so. At this number the
/// policy needs some seconds.
pub const ROWS_MAX: usize = 1 << 16;
/// The time of the plans; nothing in them depends on it.
const NOW: i64 = 1_700_000_000;

/// Why a row differs, where that is meant.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Too few nodes are up to have quorum: the others may be alive and have it.
    Quorum,
    /// keepalived keeps priorities between 1 and 254; scores have no such end.
    Clamped,
    /// Instances of one sync group want different hosts, or watch links of their own: they cannot have both.
    Group,
    /// Some hosts preempt and others do not; a resource is either sticky or not.
    MixedPreemption,
    /// A host that is no contender may run it now, as was answered.
    Elsewhere,
    /// Both have the same priority in this state: keepalived leaves it where it is.
    Equal,
}

impl Cause {
    /// The cause, in a sentence without its full stop.
    pub fn text(self) -> &'static str {
        match self {
            Cause::Quorum => "too few hosts are up to have quorum, so the cluster stops it: the others may be alive",
            Cause::Clamped => "keepalived keeps priorities between 1 and 254; scores have no such end",
            Cause::Group => "the instances of the sync group want different hosts; as one group they have the first's",
            Cause::MixedPreemption => "some hosts have nopreempt and others not; the resource goes back",
            Cause::Equal => {
                "both have the same priority then; keepalived leaves it where it is, the cluster prefers one"
            }
            Cause::Elsewhere => "a host without the instance may take it now, as was answered",
        }
    }
}

/// A state in which both differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Index of the unit.
    pub unit: usize,
    /// What was up and good.
    pub states: Vec<HostState>,
    /// Who had it before.
    pub holder: Option<String>,
    /// Who is master under keepalived.
    pub before: Option<String>,
    /// Where the policy places it.
    pub after: Option<String>,
    /// Why, where that is meant.
    pub cause: Option<Cause>,
}

impl Row {
    /// The row as a sentence.
    pub fn describe(&self, plan: &Plan<'_>) -> String {
        let unit = &plan.units[self.unit];
        let states: Vec<String> =
            unit.contenders.iter().zip(&self.states).map(|(one, state)| shown(&one.host, state)).collect();
        let nobody = || "nobody".to_owned();
        format!(
            "{}: {}{}: keepalived {}, afterwards {}{}",
            unit.name,
            states.join(", "),
            self.holder.as_ref().map_or(String::new(), |holder| format!(", before on {holder}")),
            self.before.clone().unwrap_or_else(nobody),
            self.after.clone().unwrap_or_else(nobody),
            self.cause.map_or(String::new(), |cause| format!(" ({})", cause.text())),
        )
    }
}

fn shown(host: &str, state: &HostState) -> String {
    match (state.up, state.bad.is_empty()) {
        (false, _) => format!("{host} down"),
        (true, true) => format!("{host} good"),
        (true, false) => {
            format!("{host} with bad {}", state.bad.iter().map(Watched::describe).collect::<Vec<_>>().join(", "))
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proof {
    /// States that were tried.
    pub rows: usize,
    /// Units of which only some of the states were tried: the name, the states there are.
    pub sampled: Vec<(String, String)>,
    /// Where both differ.
    pub differences: Vec<Row>,
    /// What never did anything.
    pub mistakes: Vec<String>,
}

/// Tries all states of all units, at most `rows_max` of each.
pub fn prove(plan: &Plan<'_>, rows_max: usize) -> Proof {
    let mut proof = Proof::default();
    for (number, unit) in plan.units.iter().enumerate() {
        let Some(resource) = plan.resources.get(number).and_then(Option::as_ref) else { continue };
        one(plan, number, unit, resource, rows_max, &mut proof);
    }
    proof
}

/// The states that a host may be in: down, and every choice of what is bad.
struct Host {
    watched: Vec<Watched>,
}

impl Host {
    fn count(&self) -> u128 {
        1 + (1_u128 << self.watched.len().min(100))
    }

    fn state(&self, number: u128) -> HostState {
        if number == 0 {
            return HostState { up: false, bad: Vec::new() };
        }
        let bits = number - 1;
        let bad = self.watched.iter().enumerate().filter(|(at, _)| bits >> at.min(&127) & 1 == 1);
        HostState { up: true, bad: bad.map(|(_, what)| what.clone()).collect() }
    }
}

fn one(plan: &Plan<'_>, number: usize, unit: &Unit<'_>, resource: &str, rows_max: usize, proof: &mut Proof) {
    let hosts: Vec<Host> = unit
        .contenders
        .iter()
        .map(|contender| {
            let mut watched: Vec<Watched> = contender.watches.iter().map(|watch| watch.what.clone()).collect();
            watched.sort();
            watched.dedup();
            Host { watched }
        })
        .collect();
    let total = hosts.iter().fold(1_u128, |total, host| total.saturating_mul(host.count()));
    let all = total <= rows_max as u128;
    if !all {
        proof.sampled.push((unit.name.clone(), total.to_string()));
    }
    let rows = if all { total } else { rows_max as u128 };
    let tie = plan.questions.iter().find(|question| question.name == format!("tie.{}", unit.name));
    let ranks = unit.ranks(tie.map(|question| question.holds()));
    let good: Vec<HostState> = hosts.iter().map(|host| host.state(1)).collect();
    let natural = master(unit, &good, None, &ranks);
    let holders: Vec<Option<usize>> = if unit.contenders.iter().any(|one| one.nopreempt) {
        (0..unit.contenders.len()).map(Some).collect()
    } else {
        vec![natural]
    };
    let mut cluster = Cluster::new(plan, unit, resource);
    let mut matters: Vec<(usize, Watched, bool)> = hosts
        .iter()
        .enumerate()
        .flat_map(|(at, host)| host.watched.iter().map(move |what| (at, what.clone(), false)))
        .collect();
    let mut chance = 0x5eed_u64;
    for row in 0..rows {
        let index = if all { row } else { pick(&mut chance) % total };
        let states = states(&hosts, index);
        for holder in &holders {
            proof.rows += 1;
            let before = master(unit, &states, *holder, &ranks);
            for (at, what, matter) in matters.iter_mut().filter(|(.., matter)| !matter) {
                if !states[*at].up || states[*at].bad.contains(what) {
                    continue;
                }
                let mut worse = states.clone();
                worse[*at].bad.push(what.clone());
                *matter = master(unit, &worse, *holder, &ranks) != before;
            }
            let after = cluster.place(unit, &states, *holder);
            let before = before.map(|at| unit.contenders[at].host.clone());
            if before != after {
                let cause = cause(plan, unit, &states, before.as_deref(), after.as_deref());
                let holder = holder.map(|at| unit.contenders[at].host.clone());
                proof.differences.push(Row { unit: number, states: states.clone(), holder, before, after, cause });
            }
        }
    }
    // What a sample does not show may still be.
    if all && unit.contenders.len() > 1 {
        for (at, what, _) in matters.into_iter().filter(|(.., matter)| !matter) {
            proof.mistakes.push(mistake(unit, at, &what));
        }
    }
}

fn states(hosts: &[Host], mut index: u128) -> Vec<HostState> {
    let next = |host: &Host| {
        let state = host.state(index % host.count());
        index /= host.count();
        state
    };
    hosts.iter().map(next).collect()
}

/// Numbers in a row, the same each time (splitmix64, twice).
fn pick(chance: &mut u64) -> u128 {
    let mut next = || {
        *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = *chance;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    u128::from(next()) << 64 | u128::from(next())
}

fn mistake(unit: &Unit<'_>, at: usize, what: &Watched) -> String {
    let contender = &unit.contenders[at];
    let effects: Vec<String> = contender
        .watches
        .iter()
        .filter(|watch| watch.what == *what)
        .map(|watch| match watch.effect {
            Effect::Fault => "no weight".to_owned(),
            Effect::Weight(weight) | Effect::Times(weight) => format!("weight {weight}"),
        })
        .collect();
    let others: Vec<String> = unit
        .contenders
        .iter()
        .filter(|other| other.host != contender.host)
        .map(|other| format!("{} {}", other.host, other.priority))
        .collect();
    format!(
        "{}: the {} on {} ({}) never changes who is master: priority {} against {}. Whatever it is for, it does not do it",
        unit.name,
        what.describe(),
        contender.host,
        effects.join(", "),
        contender.priority,
        others.join(", ")
    )
}

fn quorate(plan: &Plan<'_>, states: &[HostState]) -> bool {
    let nodes = plan.configuration.nodes.len();
    // Hosts that do not contend are up: what they do changes nothing here.
    let down = states.iter().filter(|state| !state.up).count();
    nodes <= 2 || 2 * (nodes - down) > nodes
}

fn cause(
    plan: &Plan<'_>,
    unit: &Unit<'_>,
    states: &[HostState],
    before: Option<&str>,
    after: Option<&str>,
) -> Option<Cause> {
    let ignored = plan.configuration.properties.get("no-quorum-policy").is_some_and(|policy| policy == "ignore");
    if after.is_none() && !ignored && !quorate(plan, states) {
        return Some(Cause::Quorum);
    }
    if after.is_some_and(|host| unit.contenders.iter().all(|one| one.host != host)) {
        return Some(Cause::Elsewhere);
    }
    let priority = |host: Option<&str>| {
        let at = unit.contenders.iter().position(|one| Some(one.host.as_str()) == host)?;
        effective(&unit.contenders[at], &states[at])
    };
    if before.is_some() && after.is_some() && priority(before) == priority(after) {
        return Some(Cause::Equal);
    }
    let some = unit.contenders.iter().any(|one| one.nopreempt);
    if some && !unit.stays() {
        return Some(Cause::MixedPreemption);
    }
    let leaves = |at: usize| {
        let contender = &unit.contenders[at];
        let weights = contender.watches.iter().map(|watch| {
            let bad = states[at].bad.contains(&watch.what);
            let good = bad == watch.reverse;
            match watch.effect {
                Effect::Weight(weight) if (weight > 0) == good => weight,
                Effect::Times(times) if bad => times * BAD_NUMBER * if watch.reverse { -1 } else { 1 },
                _ => 0,
            }
        });
        let sum = i32::from(contender.priority) + weights.sum::<i32>();
        !(1..=254).contains(&sum) && contender.priority != 255
    };
    if (0..states.len()).any(|at| states[at].up && leaves(at)) {
        return Some(Cause::Clamped);
    }
    (unit.routers.len() > 1).then_some(Cause::Group)
}

/// A cluster with one unit alone, whose state is set row by row.
pub(crate) struct Cluster {
    document: Document,
    resource: String,
    nodes: Vec<Node>,
}

/// The places in the document that say how a node is.
struct Node {
    name: String,
    state: Element,
    attributes: Vec<(Watched, i32, Element)>,
    history: Vec<Element>,
}

impl Cluster {
    pub(crate) fn new(plan: &Plan<'_>, unit: &Unit<'_>, resource: &str) -> Cluster {
        let configuration = alone(&plan.configuration, resource);
        let mut document = document(&configuration);
        let root = document.root();
        document.set(root, "have-quorum", "1");
        let status = document.child(root, "status").unwrap_or(root);
        let primitives: Vec<(String, String, Option<String>, String)> = configuration
            .resources
            .iter()
            .filter(|one| one.id() == resource)
            .flat_map(Resource::primitives)
            .map(|one| (one.id.clone(), one.class.to_owned(), one.provider.map(str::to_owned), one.agent.clone()))
            .collect();
        let watched = unit.watched();
        let nodes = configuration.nodes.iter().enumerate().map(|(at, name)| {
            let id = (at + 1).to_string();
            let state = document.append(status, "node_state");
            document.set(state, "id", &id);
            document.set(state, "uname", name);
            let transient = document.append(state, "transient_attributes");
            document.set(transient, "id", &id);
            let set = document.append(transient, "instance_attributes");
            document.set(set, "id", &format!("status-{id}"));
            let mut attributes = Vec::new();
            for check in plan.configuration.resources.iter().filter_map(watching) {
                let Some(what) = watched.iter().find(|what| names(check, what)) else { continue };
                let weight = check.parameters.common.get("weight").and_then(|text| text.parse().ok()).unwrap_or(1);
                let pair = document.append(set, "nvpair");
                document.set(pair, "id", &format!("status-{id}-{}", check.id));
                document.set(pair, "name", &check.id);
                attributes.push((what.clone(), weight, pair));
            }
            let lrm = document.append(state, "lrm");
            document.set(lrm, "id", &id);
            let list = document.append(lrm, "lrm_resources");
            let history = primitives.iter().map(|(id, class, provider, agent)| {
                let one = document.append(list, "lrm_resource");
                document.set(one, "id", id);
                document.set(one, "class", class);
                if let Some(provider) = provider {
                    document.set(one, "provider", provider);
                }
                document.set(one, "type", agent);
                let operation = document.append(one, "lrm_rsc_op");
                for (name, value) in [
                    ("id", format!("{id}_last_0")),
                    ("operation_key", format!("{id}_monitor_0")),
                    ("operation", "monitor".to_owned()),
                    ("crm_feature_set", "3.15.0".to_owned()),
                    ("transition-key", "1:1:7:0".to_owned()),
                    ("call-id", "1".to_owned()),
                    ("op-status", "0".to_owned()),
                    ("interval", "0".to_owned()),
                ] {
                    document.set(operation, name, &value);
                }
                operation
            });
            let history = history.collect();
            Node { name: name.clone(), state, attributes, history }
        });
        let nodes = nodes.collect();
        Cluster { document, resource: resource.to_owned(), nodes }
    }

    /// Where the policy places the resource in this state.
    pub(crate) fn place(&mut self, unit: &Unit<'_>, states: &[HostState], holder: Option<usize>) -> Option<String> {
        let document = &mut self.document;
        let nodes = self.nodes.len();
        let down = states.iter().filter(|state| !state.up).count();
        let root = document.root();
        document.set(root, "have-quorum", if nodes <= 2 || 2 * (nodes - down) > nodes { "1" } else { "0" });
        let good = HostState { up: true, bad: Vec::new() };
        for node in &self.nodes {
            let at = unit.contenders.iter().position(|one| one.host == node.name);
            let state = at.map_or(&good, |at| &states[at]);
            let words =
                if state.up { ["true", "online", "member", "member"] } else { ["false", "offline", "down", "down"] };
            for (name, value) in ["in_ccm", "crmd", "join", "expected"].into_iter().zip(words) {
                document.set(node.state, name, value);
            }
            for (what, weight, pair) in &node.attributes {
                let bad = state.bad.contains(what);
                let value = match what {
                    Watched::File(_) if bad && weight * BAD_NUMBER <= FAULT * SCALE => "-INFINITY".to_owned(),
                    Watched::File(_) => if bad { weight * BAD_NUMBER } else { 0 }.to_string(),
                    _ => u8::from(!bad).to_string(),
                };
                document.set(*pair, "value", &value);
            }
            let runs = state.up && at.is_some() && at == holder;
            for operation in &node.history {
                document.set(*operation, "rc-code", if runs { "0" } else { "7" });
                document.set(*operation, "transition-magic", if runs { "0:0;1:1:7:0" } else { "0:7;1:1:7:0" });
            }
        }
        let plan = policy::plan(&policy::Input::new(&self.document, NOW));
        let id = plan.cluster.find_resource(&self.resource)?;
        let resource = plan.cluster.resource(id);
        let first = resource.children.first().map_or(resource, |child| plan.cluster.resource(*child));
        let node = first.assigned?;
        Some(plan.cluster.node(node).name.to_string())
    }
}

fn watching(resource: &Resource) -> Option<&crate::configuration::Primitive> {
    match resource {
        Resource::Clone(one) if one.agent == "HealthCheck" => Some(one),
        _ => None,
    }
}

/// Whether a check is of this.
fn names(check: &crate::configuration::Primitive, what: &Watched) -> bool {
    check.watches.as_ref() == Some(what)
}

/// The configuration with one of its resources, and what it is told of.
fn alone(configuration: &Configuration, resource: &str) -> Configuration {
    use crate::configuration::Constraint;
    let about = |one: &Constraint| match one {
        Constraint::Location { resource: id, .. }
        | Constraint::Rule { resource: id, .. }
        | Constraint::Colocation { resource: id, .. } => id == resource,
        Constraint::Order { then, .. } => then == resource,
    };
    let constraints: Vec<Constraint> = configuration.constraints.iter().filter(|one| about(one)).cloned().collect();
    let with =
        |id: &str| constraints.iter().any(|one| matches!(one, Constraint::Colocation { with, .. } if with == id));
    let wanted = |one: &Resource| {
        let id = one.id();
        id == resource || with(&id) || one.primitives().iter().any(|one| one.class == "stonith")
    };
    Configuration {
        nodes: configuration.nodes.clone(),
        properties: configuration.properties.clone(),
        resources: configuration.resources.iter().filter(|one| wanted(one)).cloned().collect(),
        constraints,
        alerts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Wishes, plan};
    use crate::verdict::Answers;
    use keepalived::{Files, Host, Model};

    #[test]
    fn of_equal_ones_who_has_it_keeps_it() {
        let model = |priority: u8| {
            let text = format!(
                "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\npriority {priority}\nvirtual_ipaddress {{\n10.0.0.8/24\n10.0.0.9/24\n}}\n}}\n"
            );
            Model::read(&Files::one("/k", text), &Host::default())
        };
        let place = |priorities: [u8; 3], holder: usize| {
            let hosts: Vec<(String, Model)> =
                ["a", "b", "c"].iter().zip(priorities).map(|(host, one)| ((*host).to_owned(), model(one))).collect();
            let answers = Answers::read("defaults = yes").unwrap();
            let plan = plan(&hosts, &answers, &Wishes::default()).unwrap();
            let good = vec![HostState { up: true, bad: Vec::new() }; 3];
            let resource = plan.resources[0].clone().unwrap();
            let unit = &plan.units[0];
            let after = Cluster::new(&plan, unit, &resource).place(unit, &good, Some(holder));
            let before = master(unit, &good, Some(holder), &unit.ranks(None)).map(|at| hosts[at].0.clone());
            assert_eq!(after, before, "{priorities:?} {holder}");
            after.unwrap()
        };
        for holder in 0..3 {
            assert_eq!(place([100, 100, 100], holder), ["a", "b", "c"][holder]);
            assert_eq!(place([100, 101, 100], holder), "b", "a point of priority is more than what holds it");
        }
    }
}
