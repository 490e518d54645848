//! Where a unit runs: priorities as scores, what is tracked as rules, sync groups and preemption as stickiness.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::configuration::{Condition, Constraint, Worth};
use crate::unit::{Contender, Effect, Unit, Watch, Watched};

/// Names of the attributes that health checks set: by what is watched, and by the weight of files.
pub(super) type Attributes = BTreeMap<(Watched, i32), String>;

/// Points between two priorities when equal ones are told apart by a rank below that, and stay where they are.
pub(crate) const SCALE: i32 = 100;

/// What a unit's resource of so many members is told about itself. Of equal priorities keepalived leaves the one that is
/// master: what holds it there is more than any rank, and less than a point of priority. A group holds by the sum of its
/// members.
pub(super) fn meta(unit: &Unit<'_>, members: usize) -> BTreeMap<String, String> {
    let ranks = unit.contenders.len().saturating_sub(1);
    let stickiness = match scale(unit) {
        _ if unit.stays() => "INFINITY".to_owned(),
        SCALE if ranks * members + ranks < SCALE as usize => ranks.to_string(),
        _ => "0".to_owned(),
    };
    [("resource-stickiness".to_owned(), stickiness)].into()
}

/// How many points one of keepalived's is.
pub(super) fn scale(unit: &Unit<'_>) -> i32 {
    let mut priorities = BTreeSet::new();
    let equal = unit.contenders.iter().any(|one| !priorities.insert(one.priority));
    let weights = unit.contenders.iter().flat_map(|one| &one.watches).any(|watch| watch.effect != Effect::Fault);
    if equal || weights { SCALE } else { 1 }
}

/// The location constraints of a unit.
pub(super) fn constraints(draft: &mut Draft<'_, '_>, unit: &Unit<'_>, id: &str, attributes: &Attributes) {
    let scale = scale(unit);
    let ranks = unit.ranks(Some(draft.holds(&format!("tie.{}", unit.name))).filter(|host| !host.is_empty()));
    // Scores below zero would keep it from running anywhere, which no priority of keepalived's does.
    let lowest: i32 = unit.contenders.iter().map(taken).max().unwrap_or(0);
    for (at, contender) in unit.contenders.iter().enumerate() {
        let rank = ranks.iter().position(|other| *other == at).unwrap_or(0);
        let bonus = if scale > 1 { (unit.contenders.len() - 1 - rank) as i32 } else { 0 };
        let score = (i32::from(contender.priority) + lowest) * scale + bonus;
        location(draft, id, &contender.host, &score.to_string());
    }
    let mut others: Vec<String> = draft.configuration.nodes.clone();
    others.retain(|node| unit.contenders.iter().all(|one| one.host != *node));
    let stay = draft.holds(&format!("where.{}", unit.name)) != "all";
    for node in others {
        location(draft, id, &node, if stay { "-INFINITY" } else { "1" });
    }
    let mut watches: Vec<&Watch> = Vec::new();
    for watch in unit.contenders.iter().flat_map(|one| &one.watches) {
        if !watches.contains(&watch) {
            watches.push(watch);
        }
    }
    for watch in watches {
        rules(draft, unit, id, watch, scale, attributes);
    }
}

/// The most that tracking takes from a contender.
fn taken(contender: &Contender) -> i32 {
    let taken = |watch: &Watch| match watch.effect {
        Effect::Weight(weight) if weight < 0 => -weight,
        Effect::Times(_) => 254,
        _ => 0,
    };
    contender.watches.iter().map(taken).sum()
}

fn location(draft: &mut Draft<'_, '_>, resource: &str, node: &str, score: &str) {
    let id = draft.ids.take(&format!("location-{resource}-{node}"));
    let (resource, node, score) = (resource.to_owned(), node.to_owned(), score.to_owned());
    draft.configuration.constraints.push(Constraint::Location { id, resource, node, score });
}

/// The rules about one watched thing: one for all hosts if all watch it alike, else one a host.
fn rules(draft: &mut Draft<'_, '_>, unit: &Unit<'_>, id: &str, watch: &Watch, scale: i32, attributes: &Attributes) {
    let Some(attribute) = attributes.get(&(watch.what.clone(), file_weight(watch, scale))) else { return };
    let mut conditions = Vec::new();
    let (worth, condition) = match (watch.effect, &watch.what) {
        // A number other than 0 is a failure.
        (Effect::Fault, Watched::File(_)) => {
            conditions.push(Condition::Defined(attribute.clone()));
            let zero = (attribute.clone(), "0".to_owned());
            let fails = if watch.reverse { Condition::Is(zero.0, zero.1) } else { Condition::IsNot(zero.0, zero.1) };
            (Worth::Score("-INFINITY".to_owned()), fails)
        }
        (Effect::Fault, _) => {
            let fails = if watch.reverse { "1" } else { "0" };
            (Worth::Score("-INFINITY".to_owned()), Condition::Is(attribute.clone(), fails.to_owned()))
        }
        (Effect::Weight(weight), _) => {
            let counts_when_good = (weight > 0) != watch.reverse;
            let value = if counts_when_good { "1" } else { "0" };
            (Worth::Score((weight * scale).to_string()), Condition::Is(attribute.clone(), value.to_owned()))
        }
        (Effect::Times(_), _) => (Worth::Attribute(attribute.clone()), Condition::Defined(attribute.clone())),
    };
    let hosts: Vec<&Contender> = unit.contenders.iter().filter(|one| one.watches.contains(watch)).collect();
    // What a script that never ran counts as is its own affair: it has an attribute only when it has run.
    let condition = match (&condition, starts_failed(draft, watch)) {
        (Condition::Is(name, value), true) if value == "0" => Condition::IsNot(name.clone(), "1".to_owned()),
        _ => condition,
    };
    conditions.insert(0, condition);
    let everywhere = hosts.len() == draft.configuration.nodes.len();
    let name = id_part(&watch.what);
    if everywhere {
        let id_of_rule = draft.ids.take(&format!("{id}-{name}"));
        rule(draft, id_of_rule, id, worth, conditions);
    } else {
        for host in hosts {
            let id_of_rule = draft.ids.take(&format!("{id}-{name}-{}", host.host));
            let uname = Condition::Is("#uname".to_owned(), host.host.clone());
            let conditions = conditions.iter().cloned().chain([uname]).collect();
            rule(draft, id_of_rule, id, worth.clone(), conditions);
        }
    }
}

fn rule(draft: &mut Draft<'_, '_>, id: String, resource: &str, worth: Worth, conditions: Vec<Condition>) {
    let resource = resource.to_owned();
    draft.configuration.constraints.push(Constraint::Rule { id, resource, worth, conditions });
}

fn starts_failed(draft: &Draft<'_, '_>, watch: &Watch) -> bool {
    let Watched::Script(name) = &watch.what else { return false };
    draft.hosts.iter().flat_map(|(_, model)| &model.scripts).any(|one| one.name == *name && one.init_fail)
}

/// Numbers of files are multiplied before they become an attribute; all else has one attribute for all weights.
pub(super) fn file_weight(watch: &Watch, scale: i32) -> i32 {
    match watch.effect {
        Effect::Times(times) => times * scale * if watch.reverse { -1 } else { 1 },
        _ => 1,
    }
}

/// A name for what is watched, as part of an id.
pub(super) fn id_part(what: &Watched) -> String {
    let kind = match what {
        Watched::Interface(_) => "link",
        Watched::Script(_) => "script",
        Watched::Process(_) => "process",
        Watched::File(_) => "file",
    };
    crate::configuration::id(&format!("{kind}-{}", what.name()))
}
