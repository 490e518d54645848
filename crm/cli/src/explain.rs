//! Why a resource is where it is, or is not running, in sentences: the plan's reasons, with what to type where there is
//! something to do about it.

use std::collections::BTreeSet;

use policy::model::{INFINITY, Node, NodeFlags, NodeId, Resource, Role, RscFlags, RscId, readable};
use policy::reasons::{Change, Source};
use policy::{Cluster, Plan};
use serde_json::{Value, json};

use crate::all_failures::service;
use crate::failures::Failure;
use crate::output::nodes;
use crate::output::resources::{active_nodes, printable_id};

/// Sentences about a resource and all within it, a line each.
pub fn sentences(plan: &Plan, failures: &[Failure], id: RscId) -> Vec<String> {
    let cluster = &plan.cluster;
    let resource = cluster.resource(id);
    if resource.is_primitive() {
        return Explained { plan, cluster, resource, id }.sentences(failures, true);
    }
    let mut lines = of_collective(plan, failures, id);
    // What holds for all of it is said once.
    for node in &cluster.nodes_by_name {
        lines.extend(unavailable(cluster.node(*node)).map(|state| format!("  {}: {state}.", cluster.node(*node).name)));
    }
    lines
}

/// A group, clone or bundle, and then what is in it.
fn of_collective(plan: &Plan, failures: &[Failure], id: RscId) -> Vec<String> {
    let cluster = &plan.cluster;
    let resource = cluster.resource(id);
    let mut lines = Vec::new();
    let kind = if resource.is_group() {
        "a group"
    } else if resource.is_clone() {
        "a clone"
    } else {
        "a bundle"
    };
    let name = &resource.xml_id;
    let on = names(cluster, &active_nodes(cluster, id));
    match on.is_empty() {
        true => lines.push(format!("{name} is {kind}; none of it runs.")),
        false => lines.push(format!("{name} is {kind}; it runs on {}.", on.join(", "))),
    }
    let mut seen = BTreeSet::new();
    for child in &resource.children {
        let member = cluster.resource(*child);
        let of_child = match member.is_primitive() {
            true => Explained { plan, cluster, resource: member, id: *child }.sentences(failures, false),
            false => of_collective(plan, failures, *child),
        };
        // Instances that are not placed are all alike: one speaks for them.
        if resource.is_clone() && !seen.insert(of_child.clone()) {
            continue;
        }
        lines.extend(of_child.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// Sentences about one node: whether a resource is there, and what speaks for and against it; where it is instead.
pub fn on_node(plan: &Plan, id: RscId, node: NodeId) -> Vec<String> {
    let cluster = &plan.cluster;
    let name = printable_id(cluster.resource(id));
    let wanted = &cluster.node(node).name;
    let on = active_nodes(cluster, id);
    let places = names(cluster, &on).join(", ");
    let mut lines = vec![match (on.is_empty(), on.contains(&node)) {
        (true, _) => format!("{name} runs nowhere, so not on {wanted}."),
        (false, true) => format!("{name} runs on {places}."),
        (false, false) => format!("{name} runs on {places}, not on {wanted}."),
    }];
    let mut seen = BTreeSet::new();
    let active = |primitive: &RscId| cluster.resource(*primitive).active.contains(&node);
    let has_instance =
        cluster.resource(cluster.top_of(id, true)).is_clone() && service::primitives(cluster, id).any(|id| active(&id));
    // Where an instance is, that the others are not there is no news.
    for primitive in service::primitives(cluster, id).filter(|primitive| !has_instance || active(primitive)) {
        let resource = cluster.resource(primitive);
        let explained = Explained { plan, cluster, resource, id: primitive };
        let mut said = vec![explained.about(node)];
        // What forbids a node needs no comparison; else the place it gets tells why it is better.
        let better = resource.assigned.filter(|other| *other != node && !explained.is_forbidden(node));
        said.extend(better.map(|other| {
            let name = explained.name_of(other);
            match explained.score(other) {
                score if score == explained.score(node) => format!("{name} has the same score, and is taken"),
                Some(score) if explained.changes(other).is_empty() => format!("{name} has score {}", readable(score)),
                _ => format!("{name} has {}", explained.about(other)),
            }
        }));
        let said = format!("{wanted}: {}.", said.join("; but "));
        if seen.insert(said.clone()) {
            // The state of a node is the same for all that is in a resource.
            let common = unavailable(cluster.node(node)).is_some() || primitive == id;
            let whose = if common { String::new() } else { format!("{} on ", printable_id(resource)) };
            lines.push(format!("  {whose}{said}"));
        }
    }
    lines
}

/// What is known of a primitive, for programs.
pub fn json(plan: &Plan, id: RscId) -> Value {
    let cluster = &plan.cluster;
    let resource = cluster.resource(id);
    let explained = Explained { plan, cluster, resource, id };
    let node = |node: &NodeId| {
        let reasons = explained.changes(*node);
        json!({
            "node": explained.name_of(*node),
            "score": explained.score(*node).map(readable),
            "unavailable": unavailable(cluster.node(*node)),
            "reasons": reasons.into_iter().map(reason_json).collect::<Vec<_>>(),
        })
    };
    let action = |action: &policy::model::ActId| {
        let action = cluster.action(*action);
        let planned = action.required() && !action.is(policy::model::ActFlags::PSEUDO);
        planned.then(|| {
            json!({
                "action": action.key,
                "node": action.node.map(|node| explained.name_of(node)),
                "possible": action.runnable(),
                "reason": action.reason,
            })
        })
    };
    json!({
        "id": resource.id,
        "on": names(cluster, &resource.active),
        "role": resource.role.text(),
        "next": resource.assigned.map(|node| explained.name_of(node)),
        "next_role": resource.next_role.text(),
        "managed": resource.is(RscFlags::MANAGED),
        "nodes": cluster.nodes_by_name.iter().map(node).collect::<Vec<_>>(),
        "actions": resource.actions.iter().filter_map(action).collect::<Vec<_>>(),
    })
}

fn reason_json(change: &Change) -> Value {
    let mut value = json!({"score": change.score, "kind": change.source.kind(), "text": change.source.to_string()});
    if let Some(id) = change.source.constraint() {
        value["id"] = json!(id);
    }
    if let Source::Colocation { with, .. } = &change.source {
        value["with"] = json!(with);
    }
    value
}

/// Why a primitive that should run does not, in one line; `None` for one that runs or is to be stopped.
pub fn why_stopped(plan: &Plan, id: RscId) -> Option<String> {
    let explained = Explained { plan, cluster: &plan.cluster, resource: plan.cluster.resource(id), id };
    let resource = explained.resource;
    if !resource.is_primitive() || !resource.active.is_empty() || explained.cluster.is_disabled(id) {
        return None;
    }
    Some(match resource.assigned {
        Some(node) => match explained.blocked("start") {
            Some(reason) => format!("it cannot start on {} now{}", explained.name_of(node), reason_part(reason)),
            None => format!("it is about to start on {}", explained.name_of(node)),
        },
        None => explained.nowhere_in_short(),
    })
}

fn names(cluster: &Cluster, nodes: &[NodeId]) -> Vec<String> {
    let in_order = cluster.nodes_by_name.iter().filter(|node| nodes.contains(node));
    in_order.map(|node| cluster.node(*node).name.clone()).collect()
}

struct Explained<'a> {
    plan: &'a Plan,
    cluster: &'a Cluster,
    resource: &'a Resource,
    id: RscId,
}

impl<'a> Explained<'a> {
    fn name(&self) -> &'a str {
        printable_id(self.resource)
    }

    fn name_of(&self, node: NodeId) -> &'a str {
        &self.cluster.node(node).name
    }

    /// All that is known of it; nodes that run nothing at all only if `all_nodes` are wanted.
    fn sentences(&self, failures: &[Failure], all_nodes: bool) -> Vec<String> {
        let mut lines = vec![self.now()];
        lines.extend(self.management());
        lines.extend(self.failures(failures));
        lines.extend(self.next());
        if !self.cluster.is_disabled(self.id) || self.resource.assigned.is_some() {
            lines.extend(self.by_node(all_nodes));
        }
        lines
    }

    /// Where it is.
    fn now(&self) -> String {
        let (name, resource) = (self.name(), self.resource);
        let on = names(self.cluster, &resource.active);
        let state = match resource.is(RscFlags::FAILED) {
            true => "is failed",
            false if resource.role == Role::Promoted => "is promoted",
            false => "runs",
        };
        match (on.is_empty(), resource.pending_action.as_deref()) {
            (true, Some(action)) => format!("{name} is stopped; a {action} is under way."),
            (true, None) => format!("{name} is stopped."),
            (false, Some(action)) => format!("{name} {state} on {}; a {action} is under way.", on.join(", ")),
            (false, None) => format!("{name} {state} on {}.", on.join(", ")),
        }
    }

    /// What keeps the cluster from dealing with it.
    fn management(&self) -> Option<String> {
        let resource = self.resource;
        let name = self.name();
        if resource.is(RscFlags::BLOCKED) {
            return Some(format!(
                "The cluster leaves it alone because of a failure it cannot recover from; repair it, then \
                 `systole cleanup {name}`."
            ));
        }
        if resource.is(RscFlags::MAINTENANCE) {
            return Some("It is in maintenance: the cluster leaves it as it is.".to_owned());
        }
        (!resource.is(RscFlags::MANAGED))
            .then(|| "It is not managed (is-managed=false): the cluster leaves it as it is.".to_owned())
    }

    fn failures(&self, failures: &[Failure]) -> Vec<String> {
        let on = names(self.cluster, &self.resource.active);
        // What happened where another instance runs is that one's affair.
        let elsewhere = |failure: &Failure| self.in_clone() && !on.is_empty() && !on.contains(&failure.node);
        let mine = |failure: &&Failure| {
            (failure.resource == self.resource.id || failure.resource == self.resource.xml_id) && !elsewhere(failure)
        };
        failures.iter().filter(mine).map(|failure| format!("Its {}.", failure.sentence())).collect()
    }

    fn in_clone(&self) -> bool {
        self.cluster.resource(self.cluster.top_of(self.id, false)).is_clone()
    }

    /// What happens to it.
    fn next(&self) -> Vec<String> {
        let resource = self.resource;
        if self.cluster.is_disabled(self.id) && resource.assigned.is_none() {
            return vec![
                "Its target-role is Stopped: it is not to run. Set target-role to Started to start it.".to_owned(),
            ];
        }
        let current = resource.active.first().copied();
        let because = |task: &str| self.action_reason(task).map(|why| format!(", because: {why}")).unwrap_or_default();
        let mut lines = Vec::new();
        match (current, resource.assigned) {
            (Some(at), Some(next)) if at == next => match self.needs("start") {
                true => lines.push(format!("It is restarted there{}.", because("start"))),
                false if self.needs("stop") => {
                    let again = self.blocked("start").map(reason_part).unwrap_or_default();
                    lines.push(format!("It is stopped{}, and cannot start again now{again}.", because("stop")));
                }
                false => lines.push("It stays there.".to_owned()),
            },
            (Some(_), Some(next)) => match self.blocked("start") {
                Some(reason) => {
                    lines.push(format!("It should go to {}, but cannot{}.", self.name_of(next), reason_part(reason)))
                }
                None => lines.push(format!("It moves to {}{}.", self.name_of(next), because("stop"))),
            },
            (Some(_), None) => lines.push(format!("It is stopped{}.", because("stop"))),
            (None, Some(next)) => match self.blocked("start") {
                Some(reason) => {
                    lines.push(format!("It should start on {}, but cannot{}.", self.name_of(next), reason_part(reason)))
                }
                None => lines.push(format!("It starts on {}{}.", self.name_of(next), because("start"))),
            },
            (None, None) => {
                lines.extend(no_fencing(self.cluster).map(|why| format!("It is not started: {why}.")));
                lines.push("No node may run it.".to_owned());
            }
        }
        if resource.role != resource.next_role && resource.next_role == Role::Promoted {
            lines.push("It is promoted.".to_owned());
        }
        if resource.role == Role::Promoted && resource.next_role == Role::Unpromoted {
            lines.push("It is demoted.".to_owned());
        }
        lines
    }

    /// What speaks for and against each node.
    fn by_node(&self, all_nodes: bool) -> Vec<String> {
        let mut nodes = self.cluster.nodes_by_name.clone();
        nodes.retain(|node| all_nodes || unavailable(self.cluster.node(*node)).is_none());
        // The place it gets stands first, then the others by name.
        nodes.sort_by_key(|node| Some(*node) != self.resource.assigned);
        let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
        for node in &nodes {
            let about = self.about(*node);
            match alike.iter_mut().find(|(known, _)| *known == about) {
                Some((_, names)) => names.push(self.name_of(*node)),
                None => alike.push((about, vec![self.name_of(*node)])),
            }
        }
        let line = |(about, names): (String, Vec<&str>)| format!("  {}: {about}.", names.join(", "));
        let mut lines: Vec<String> = alike.into_iter().map(line).collect();
        let best = self.resource.assigned.and_then(|node| self.score(node));
        let open = |node: &&NodeId| unavailable(self.cluster.node(**node)).is_none();
        let equals = nodes.iter().filter(open).filter(|node| best.is_some() && self.score(**node) == best).count();
        let stays = self.resource.assigned.is_some_and(|node| self.resource.active.contains(&node));
        if equals > 1 && !stays {
            lines.push("  Among nodes with the same score, the one with the fewest resources is taken.".to_owned());
        }
        lines
    }

    fn about(&self, node: NodeId) -> String {
        if let Some(state) = unavailable(self.cluster.node(node)) {
            return state;
        }
        let changes = self.changes(node);
        let score = self.score(node);
        let mut against: Vec<&Change> = changes.iter().copied().filter(|change| change.score <= -INFINITY).collect();
        if against.len() > 1 {
            // Where the whole may not run is said by what forbids it.
            against.retain(|change| change.source != Source::Whole);
        }
        if !against.is_empty() {
            return join(against.iter().map(|change| self.phrase(change)));
        }
        let score = score.map(readable);
        let reasons = join(changes.iter().map(|change| format!("{} ({})", self.phrase(change), signed(change.score))));
        match (score, reasons.is_empty()) {
            (None, _) => "it is no candidate".to_owned(),
            (Some(score), true) => format!("nothing speaks for or against it, score {score}"),
            (Some(score), false) => format!("score {score}: {reasons}"),
        }
    }

    fn is_forbidden(&self, node: NodeId) -> bool {
        unavailable(self.cluster.node(node)).is_some() || self.score(node).is_none_or(|score| score < 0)
    }

    fn explanation(&self) -> Option<&'a policy::reasons::Explanation> {
        self.plan.reasons.explain(&self.resource.id)
    }

    fn score(&self, node: NodeId) -> Option<i32> {
        let name = self.name_of(node);
        let explained = self.explanation().and_then(|all| all.scores.iter().find(|(known, _)| known == name));
        explained.map(|(_, score)| *score).or_else(|| self.resource.allowed.get(node).map(|entry| entry.score))
    }

    fn changes(&self, node: NodeId) -> Vec<&'a Change> {
        let name = self.name_of(node);
        let all = self.explanation().into_iter().flat_map(|explanation| &explanation.changes);
        let mut changes: Vec<&Change> = Vec::new();
        for change in all.filter(|change| change.node == name && change.score != 0) {
            // The same thing said in two steps is one reason.
            if !changes.iter().any(|known| known.source == change.source && known.score == change.score) {
                changes.push(change);
            }
        }
        changes
    }

    /// A reason, with what to do about it.
    fn phrase(&self, change: &Change) -> String {
        let forbids = change.score <= -INFINITY;
        let name = &self.resource.xml_id;
        match &change.source {
            Source::Location(id) if id.starts_with("cli-") => {
                let top = &self.cluster.resource(self.cluster.top_of(self.id, true)).xml_id;
                let said = if forbids { "moved away by hand" } else { "moved here by hand" };
                format!("it was {said} (constraint {id}; `systole clear {top}` takes it back)")
            }
            Source::Location(id) if forbids => format!("location constraint {id} forbids it"),
            Source::Location(id) => format!("location constraint {id}"),
            Source::Stickiness => "it runs there already (stickiness)".to_owned(),
            Source::MigrationThreshold { failures } => format!(
                "it failed there {failures} time{}, as often as migration-threshold allows (`systole cleanup {name}` forgets it)",
                if *failures == 1 { "" } else { "s" }
            ),
            Source::Failure(what) => format!("it failed there: {what} (`systole cleanup {name}` forgets it)"),
            Source::Colocation { id, with } if id.starts_with('#') => format!("it must be with {with} of its group"),
            Source::Colocation { id, with } if forbids => {
                format!("colocation {id} keeps it from there because of {with}")
            }
            Source::Colocation { id, with } => format!("colocation {id} with {with}"),
            Source::Pull { id, by } if id.starts_with('#') => format!("for the sake of {by} of its group"),
            Source::Pull { id, by } => format!("for the sake of {by} (colocation {id})"),
            Source::NodeFull => "as many instances as the node may have are there already".to_owned(),
            Source::Whole => "the whole that it is an instance of may not run there".to_owned(),
            Source::Health => "the health of the node (node-health-strategy)".to_owned(),
            Source::Container => "what belongs into a container runs in its own, and nothing else does".to_owned(),
            other => other.to_string(),
        }
    }

    fn nowhere_in_short(&self) -> String {
        let cluster = self.cluster;
        if let Some(why) = no_fencing(cluster) {
            return why.to_owned();
        }
        let mut parts: Vec<(String, Vec<&str>)> = Vec::new();
        for node in &cluster.nodes_by_name {
            let about = self.about(*node);
            match parts.iter_mut().find(|(known, _)| *known == about) {
                Some((_, names)) => names.push(self.name_of(*node)),
                None => parts.push((about, vec![self.name_of(*node)])),
            }
        }
        let parts: Vec<String> =
            parts.into_iter().map(|(about, names)| format!("{}: {about}", names.join(", "))).collect();
        if parts.is_empty() {
            "there is no node".to_owned()
        } else {
            format!("no node may run it ({})", parts.join("; "))
        }
    }

    fn actions(&self, task: &'a str) -> impl Iterator<Item = &'a policy::model::Action> {
        let cluster = self.cluster;
        self.resource.actions.iter().map(|id| cluster.action(*id)).filter(move |action| action.task == task)
    }

    fn needs(&self, task: &'a str) -> bool {
        self.actions(task).any(|action| action.required() && action.runnable())
    }

    fn action_reason(&self, task: &'a str) -> Option<String> {
        let reason = self.actions(task).filter(|action| action.required()).find_map(|action| action.reason.clone())?;
        Some(match (reason.as_str(), self.resource.assigned) {
            ("node availability", None) => "no node may run it".to_owned(),
            ("node availability", Some(_)) => "the node may not run it any more".to_owned(),
            _ => reason,
        })
    }

    /// The action cannot be done; the reason if there is one.
    fn blocked(&self, task: &'a str) -> Option<Option<String>> {
        let action = self.actions(task).find(|action| !action.runnable())?;
        let no_quorum = || (!self.cluster.quorate).then(|| "no quorum".to_owned());
        Some(action.reason.clone().or_else(no_quorum))
    }
}

/// Nothing is started where fencing is wanted and impossible.
pub fn no_fencing(cluster: &Cluster) -> Option<&'static str> {
    let options = &cluster.options;
    (options.fencing_enabled && !options.have_fencing).then_some(
        "fencing is enabled, but there is no fence device, so nothing is started: configure one (or, where data cannot be \
         lost, stonith-enabled=false)",
    )
}

fn signed(score: i32) -> String {
    if score < 0 { readable(score) } else { format!("+{}", readable(score)) }
}

fn reason_part(reason: Option<String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// Why a node runs nothing at all, if that is so.
fn unavailable(node: &Node) -> Option<String> {
    let state = nodes::state(node);
    if node.unclean() {
        return Some(format!(
            "the node is {state}: nothing starts there, nor elsewhere what it may hold, before it is fenced"
        ));
    }
    if !node.online() {
        return Some(format!("the node is {}", if state == "pending" { "still joining" } else { "offline" }));
    }
    if node.is(NodeFlags::FAIL_STANDBY) {
        return Some(
            "the node is in standby because of a failure with on-fail=standby; `systole cleanup` ends it".to_owned(),
        );
    }
    if node.is(NodeFlags::STANDBY) {
        return Some(format!("the node is in standby (`systole unstandby {}` ends it)", node.name));
    }
    if node.is(NodeFlags::SHUTDOWN) {
        return Some("the node is leaving".to_owned());
    }
    node.is(NodeFlags::MAINTENANCE).then(|| "the node is in maintenance".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster;
    use crate::commands::tests::cluster as example;

    fn why(id: &str) -> String {
        let plan = example().plan();
        sentences(&plan, &[], cluster::resource(&plan.cluster, id).unwrap()).join("\n")
    }

    #[test]
    fn what_runs_is_explained_node_by_node() {
        let text = why("web");
        assert!(
            text.starts_with("web runs on one.\nIt stays there.\n  one: score 100: it runs there already"),
            "{text}"
        );
        assert!(text.contains("three: the node is in standby (`systole unstandby three` ends it)."), "{text}");
    }

    #[test]
    fn what_is_not_to_run_is_told_so() {
        assert!(why("idle").starts_with("idle is stopped.\nIts target-role is Stopped"), "{}", why("idle"));
        let plan = example().plan();
        assert_eq!(why_stopped(&plan, cluster::resource(&plan.cluster, "idle").unwrap()), None);
    }

    #[test]
    fn no_node_may_run_it() {
        let mut view = example();
        let known = view.cluster();
        let target = crate::by_hand::Target::of(&known, cluster::resource(&known, "web").unwrap());
        for node in ["one", "two"] {
            crate::by_hand::ban(&mut view.document, &target, node);
        }
        let plan = view.plan();
        let text = sentences(&plan, &[], cluster::resource(&plan.cluster, "web").unwrap()).join("\n");
        assert!(text.contains("two: it was moved away by hand (constraint cli-ban-web-on-two;"), "{text}");
        assert!(text.contains("`systole clear web` takes it back"), "{text}");
    }

    #[test]
    fn members_and_instances_speak_for_themselves() {
        assert!(
            why("services").starts_with("services is a group; it runs on two.\n  ip runs on two."),
            "{}",
            why("services")
        );
        assert!(
            why("ping-clone").starts_with("ping-clone is a clone; it runs on one, two.\n"),
            "{}",
            why("ping-clone")
        );
    }
}
