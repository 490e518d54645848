//! Services: the top-level resources of a configuration, what counts as running, and what became of one.

use std::collections::BTreeMap;

use policy::Cluster;
use policy::model::{NodeId, Resource, Role, RscFlags, RscId};

use super::fault::is_up;

/// A table names so many nodes; more are counted.
const MOST_NAMED: usize = 4;

/// How a service runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// Nodes that hold it, or an instance of it, and how many of them.
    pub nodes: BTreeMap<String, usize>,
    /// Nodes that hold a promoted instance.
    pub promoted: Vec<String>,
    /// What does not run of it and should.
    pub missing: Vec<RscId>,
    /// It does what it is there for.
    pub up: bool,
}

/// Whether this is a service: whatever is configured, but no fence device and nothing that is only history.
pub fn is_service(cluster: &Cluster, top: RscId) -> bool {
    let resource = cluster.resource(top);
    !resource.is(RscFlags::REMOVED)
        && !primitives(cluster, top).any(|id| cluster.resource(id).is(RscFlags::FENCE_DEVICE))
}

/// Whether a service is meant to run: something in it is not told to be stopped.
pub fn is_wanted(cluster: &Cluster, top: RscId) -> bool {
    primitives(cluster, top).any(|id| !is_told_to_stop(cluster, id))
}

/// Its target role, or that of what holds it, is Stopped.
fn is_told_to_stop(cluster: &Cluster, id: RscId) -> bool {
    let mut at = Some(id);
    while let Some(resource) = at.map(|id| cluster.resource(id)) {
        if resource.meta("target-role").and_then(Role::parse) == Some(Role::Stopped) {
            return true;
        }
        at = resource.parent;
    }
    false
}

/// All primitives in a resource.
pub fn primitives(cluster: &Cluster, id: RscId) -> impl Iterator<Item = RscId> {
    let mut found = Vec::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let resource = cluster.resource(id);
        if resource.is_primitive() {
            found.push(id);
        }
        open.extend(resource.children.iter().rev());
    }
    found.into_iter()
}

/// How a service runs now.
pub fn presence(cluster: &Cluster, top: RscId) -> Presence {
    let resource = cluster.resource(top);
    let mut presence = Presence::default();
    if !resource.is_clone() && !resource.is_bundle() {
        presence.add(cluster, top);
        presence.up = !presence.nodes.is_empty() && presence.missing.is_empty();
        return presence;
    }
    let instances: Vec<RscId> = match resource.bundle_data() {
        Some(data) => data.replicas.iter().map(|replica| replica.container).collect(),
        None => resource.children.clone(),
    };
    let mut missing = Vec::new();
    let mut running = 0;
    for instance in instances {
        let mut of = Presence::default();
        of.add(cluster, instance);
        if of.missing.is_empty() && !of.nodes.is_empty() {
            running += 1;
            of.nodes.into_iter().for_each(|(node, count)| *presence.nodes.entry(node).or_default() += count);
            presence.promoted.append(&mut of.promoted);
        } else {
            missing.append(&mut of.missing);
        }
    }
    if let Some(data) = resource.bundle_data() {
        let inside = data.replicas.iter().filter_map(|replica| replica.child);
        let promoted = inside.filter(|child| cluster.resource(*child).role == Role::Promoted);
        let hosts = promoted.flat_map(|child| cluster.resource(child).active.iter());
        presence.promoted.extend(hosts.map(|host| cluster.node(*host).name.clone()));
    }
    let needed = resource.clone_data().map_or(1, |data| data.min.max(1));
    presence.up = running >= needed;
    // An instance more than there are nodes is not missing.
    if !presence.up {
        presence.missing = missing;
    }
    presence
}

impl Presence {
    fn add(&mut self, cluster: &Cluster, id: RscId) {
        let mut nodes: Vec<String> = Vec::new();
        for member in primitives(cluster, id) {
            let resource = cluster.resource(member);
            let on: Vec<NodeId> = resource.active.iter().copied().filter(|node| is_up(cluster, *node)).collect();
            if on.is_empty() || is_broken(resource) {
                if !is_told_to_stop(cluster, member) {
                    self.missing.push(member);
                }
                continue;
            }
            for name in on.iter().map(|node| &cluster.node(*node).name) {
                if !nodes.contains(name) {
                    nodes.push(name.clone());
                }
                if resource.role == Role::Promoted && !self.promoted.contains(name) {
                    self.promoted.push(name.clone());
                }
            }
        }
        nodes.into_iter().for_each(|node| *self.nodes.entry(node).or_default() += 1);
    }

    /// Names of the nodes.
    pub fn places(&self) -> String {
        self.nodes.keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

/// It is failed and left so.
fn is_broken(resource: &Resource) -> bool {
    resource.is(RscFlags::FAILED) && (resource.is(RscFlags::BLOCKED) || !resource.is(RscFlags::MANAGED))
}

/// What became of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing at all.
    Untouched,
    /// It was stopped and started, or reloaded, where it is.
    Restarted,
    /// It runs elsewhere.
    Moved {
        /// Where it runs then.
        to: String,
    },
    /// It is promoted elsewhere.
    PromotedElsewhere {
        /// Where it is promoted then.
        to: String,
    },
    /// Some instances are gone, others do the work.
    Fewer {
        /// Nodes that hold none any more.
        gone: String,
        /// Nodes that hold one.
        left: String,
    },
    /// The failure is not noticed: no monitor looks at it.
    Unnoticed,
    /// It does not run any more.
    Lost {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// What became of what ran as `before` and runs as `after`; `why` is asked when it is lost.
    pub fn of(before: &Presence, after: &Presence, steps: usize, why: impl FnOnce() -> String) -> Outcome {
        if before.up && !after.up {
            return Outcome::Lost { why: why() };
        }
        if !before.promoted.is_empty() && after.promoted.is_empty() {
            return Outcome::Lost {
                why: format!("nothing of it is promoted; it runs unpromoted on {}", after.places()),
            };
        }
        if before.promoted.iter().any(|node| !after.promoted.contains(node)) {
            return Outcome::PromotedElsewhere { to: after.promoted.join(", ") };
        }
        let count = |presence: &Presence| presence.nodes.values().sum::<usize>();
        let gone: Vec<&str> =
            before.nodes.keys().filter(|node| !after.nodes.contains_key(*node)).map(String::as_str).collect();
        if count(after) < count(before) {
            return Outcome::Fewer { gone: gone.join(", "), left: after.places() };
        }
        match (before.nodes == after.nodes, steps) {
            (true, 0) => Outcome::Untouched,
            (true, _) => Outcome::Restarted,
            (false, _) => Outcome::Moved { to: after.places() },
        }
    }

    /// It in the words of a table, after the service's name.
    pub fn text(&self) -> String {
        match self {
            Outcome::Untouched => "stays".into(),
            Outcome::Restarted => "restarts where it is".into(),
            Outcome::Moved { to } => format!("moves to {to}"),
            Outcome::PromotedElsewhere { to } => format!("is promoted on {to}"),
            Outcome::Fewer { gone, left } if gone.is_empty() => format!("has an instance less, on {left}"),
            Outcome::Fewer { gone, left } if left.split(", ").count() > MOST_NAMED => {
                format!("no longer on {gone}, still on {} nodes", left.split(", ").count())
            }
            Outcome::Fewer { gone, left } => format!("no longer on {gone}, still on {left}"),
            Outcome::Unnoticed => "fails unnoticed: it has no recurring monitor".into(),
            Outcome::Lost { why } => format!("IS LOST: {why}"),
        }
    }

    /// It in one word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Untouched => "untouched",
            Outcome::Restarted => "restarted",
            Outcome::Moved { .. } => "moved",
            Outcome::PromotedElsewhere { .. } => "promoted-elsewhere",
            Outcome::Fewer { .. } => "fewer-instances",
            Outcome::Unnoticed => "unnoticed",
            Outcome::Lost { .. } => "lost",
        }
    }

    /// Whether it is lost.
    pub fn is_lost(&self) -> bool {
        matches!(self, Outcome::Lost { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(nodes: &[&str], promoted: &[&str]) -> Presence {
        let mut presence = Presence { up: !nodes.is_empty(), ..Presence::default() };
        nodes.iter().for_each(|node| *presence.nodes.entry((*node).into()).or_default() += 1);
        presence.promoted = promoted.iter().map(|node| (*node).to_owned()).collect();
        presence
    }

    #[test]
    fn what_became_of_it_is_told() {
        for (before, after, steps, text) in [
            (on(&["a"], &[]), on(&["a"], &[]), 0, "stays"),
            (on(&["a"], &[]), on(&["a"], &[]), 2, "restarts where it is"),
            (on(&["a"], &[]), on(&["b"], &[]), 2, "moves to b"),
            (on(&["a"], &[]), on(&[], &[]), 1, "IS LOST: so"),
            (on(&["a", "b"], &[]), on(&["b"], &[]), 0, "no longer on a, still on b"),
            (on(&["a", "b"], &["a"]), on(&["b"], &["b"]), 1, "is promoted on b"),
            (
                on(&["a", "b"], &["a"]),
                on(&["b"], &[]),
                1,
                "IS LOST: nothing of it is promoted; it runs unpromoted on b",
            ),
            (on(&["a", "a"], &[]), on(&["a"], &[]), 0, "has an instance less, on a"),
            (on(&[], &[]), on(&[], &[]), 0, "stays"),
        ] {
            assert_eq!(Outcome::of(&before, &after, steps, || "so".into()).text(), text, "{before:?} {after:?}");
        }
    }

    #[test]
    fn groups_run_whole_and_clones_with_one_instance() {
        let mut view = crate::commands::tests::cluster();
        let up = |view: &crate::cluster::View, id: &str| {
            let cluster = view.cluster();
            let top = crate::cluster::resource(&cluster, id).unwrap();
            let presence = presence(&cluster, top);
            (presence.up, presence.places(), is_wanted(&cluster, top))
        };
        assert_eq!(up(&view, "ping-clone"), (true, "one, two".into(), true));
        assert_eq!(up(&view, "services"), (true, "two".into(), true));
        assert_eq!(up(&view, "idle"), (false, String::new(), false));
        let is_history = |element: &cib::Element| {
            view.document.name(*element) == "lrm_resource" && view.document.id(*element) == "ip"
        };
        let on_two = view.document.descendants(view.document.root()).filter(is_history).nth(1).unwrap();
        view.document.remove(on_two);
        assert!(!up(&view, "services").0);
    }
}
