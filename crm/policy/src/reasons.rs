//! Why a plan is as it is, as data: what gave each score, and where each resource goes. Turning questions about what
//! would have to change into answers is left to whoever plans again.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::{Engine, Where};
use crate::model::{ActFlags, Node, NodeFlags, NodeId, RscId, add, readable};

/// What changed a score.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A location constraint, a rule of one, or node health, by id.
    Location(String),
    /// The resource runs there and would rather stay.
    Stickiness,
    /// Too many failures there.
    MigrationThreshold {
        /// How many were counted.
        failures: i32,
    },
    /// A failure of an operation.
    Failure(String),
    /// A colocation, and the partner it is with.
    Colocation {
        /// Id of the constraint.
        id: String,
        /// The other resource.
        with: String,
    },
    /// What must be with it, or would be, pulls it there or keeps it away.
    Pull {
        /// Id of the constraint.
        id: String,
        /// Who pulls.
        by: String,
    },
    /// The health of the node.
    Health,
    /// As many instances as the node may have are there.
    NodeFull,
    /// The clone or bundle that it is an instance of may not run there.
    Whole,
    /// What the agent says about being promoted there.
    Promotion,
    /// It may run only where it is looked for (`resource-discovery` exclusive).
    ExclusiveDiscovery,
    /// It belongs into a container, or out of all of them.
    Container,
    /// Fence devices and connections are held by full members of the cluster alone.
    MembersOnly,
    /// The target role is Stopped.
    TargetRole,
    /// All resources are to be stopped.
    StopAll,
    /// There is no quorum.
    NoQuorum,
    /// The node cannot run resources now.
    NodeUnavailable(&'static str),
    /// The resource waits for a node that was shut down.
    ShutdownLock,
    /// It is not managed, so it stays where it is.
    Unmanaged,
    /// All instances that may run already do.
    CollectiveLimit,
    /// A ticket is not granted.
    Ticket(String),
    /// Anything else, by the name Pacemaker's log gives it.
    Other(String),
}

impl Source {
    /// The constraint that it is, by id.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Source::Location(id) | Source::Colocation { id, .. } | Source::Pull { id, .. } if !id.starts_with('#') => {
                Some(id)
            }
            _ => None,
        }
    }

    /// What kind of thing it is, in a word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Location(_) => "location",
            Source::Stickiness => "stickiness",
            Source::MigrationThreshold { .. } => "migration-threshold",
            Source::Failure(_) => "failure",
            Source::Colocation { .. } => "colocation",
            Source::Pull { .. } => "pull",
            Source::Health => "health",
            Source::NodeFull => "instances",
            Source::Whole => "whole",
            Source::Promotion => "promotion",
            Source::ExclusiveDiscovery => "resource-discovery",
            Source::Container => "container",
            Source::MembersOnly => "members-only",
            Source::TargetRole => "target-role",
            Source::StopAll => "stop-all-resources",
            Source::NoQuorum => "quorum",
            Source::NodeUnavailable(_) => "node",
            Source::ShutdownLock => "shutdown-lock",
            Source::Unmanaged => "unmanaged",
            Source::CollectiveLimit => "instances",
            Source::Ticket(_) => "ticket",
            Source::Other(_) => "other",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Location(id) => write!(f, "location constraint {id}"),
            Source::Stickiness => write!(f, "stickiness"),
            Source::MigrationThreshold { failures } => write!(f, "{failures} failures reach migration-threshold"),
            Source::Failure(what) => write!(f, "failure ({what})"),
            Source::Colocation { id, with } => write!(f, "colocation {id} with {with}"),
            Source::Pull { id, by } => write!(f, "{by}, by colocation {id}"),
            Source::Health => write!(f, "health of the node"),
            Source::NodeFull => write!(f, "as many instances as the node may have are there"),
            Source::Whole => write!(f, "the whole it is an instance of may not run there"),
            Source::Promotion => write!(f, "its score for promotion"),
            Source::ExclusiveDiscovery => write!(f, "it may run only where resource-discovery says so"),
            Source::Container => write!(f, "what is in a container belongs into its own"),
            Source::MembersOnly => write!(f, "fence devices and connections are for full members of the cluster"),
            Source::TargetRole => write!(f, "target-role is Stopped"),
            Source::StopAll => write!(f, "stop-all-resources"),
            Source::NoQuorum => write!(f, "no quorum"),
            Source::NodeUnavailable(why) => write!(f, "the node is {why}"),
            Source::ShutdownLock => write!(f, "locked to another node by shutdown-lock"),
            Source::Unmanaged => write!(f, "not managed: it stays where it is"),
            Source::CollectiveLimit => write!(f, "as many instances as allowed are placed already"),
            Source::Ticket(id) => write!(f, "ticket {id} is not granted"),
            Source::Other(what) => write!(f, "{what}"),
        }
    }
}

/// One change of one score.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Node whose score changed.
    pub node: String,
    /// By how much.
    pub score: i32,
    /// Why.
    pub source: Source,
}

/// Everything known about one resource.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Explanation {
    /// The resource.
    pub resource: String,
    /// Where it is.
    pub current: Vec<String>,
    /// Role now.
    pub current_role: String,
    /// Where it goes.
    pub next: Option<String>,
    /// Role then.
    pub next_role: String,
    /// Final scores of the nodes it knows.
    pub scores: Vec<(String, i32)>,
    /// What gave them, in the order it happened.
    pub changes: Vec<Change>,
    /// Its actions and why they are needed or cannot be done.
    pub actions: Vec<(String, Option<String>)>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.current.as_slice(), &self.next) {
            ([], None) => writeln!(f, "{} is stopped and stays stopped.", self.resource)?,
            ([], Some(next)) => writeln!(f, "{} is stopped and will run on {next}.", self.resource)?,
            ([at], Some(next)) if at == next => writeln!(f, "{} runs on {at} and stays there.", self.resource)?,
            (at, Some(next)) => writeln!(f, "{} runs on {} and moves to {next}.", self.resource, at.join(", "))?,
            (at, None) => writeln!(f, "{} runs on {} and will be stopped.", self.resource, at.join(", "))?,
        }
        if self.current_role != self.next_role {
            writeln!(f, "Its role changes from {} to {}.", self.current_role, self.next_role)?;
        }
        for (node, score) in &self.scores {
            writeln!(f, "On {node} its score is {}:", readable(*score))?;
            for change in self.changes.iter().filter(|change| change.node == *node) {
                writeln!(f, "  {:>+9} {}", Signed(change.score), change.source)?;
            }
        }
        for (action, reason) in &self.actions {
            match reason {
                Some(reason) => writeln!(f, "Action {action} is planned because of: {reason}.")?,
                None => writeln!(f, "Action {action} is planned.")?,
            }
        }
        Ok(())
    }
}

struct Signed(i32);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            score if score >= 1_000_000 => "+INFINITY".to_owned(),
            score if score <= -1_000_000 => "-INFINITY".to_owned(),
            score => format!("{score:+}"),
        };
        f.pad(&text)
    }
}

/// The reasons of a plan, by resource id.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    pub(crate) by_resource: BTreeMap<String, Explanation>,
}

impl Reasons {
    /// What is known about the resource of that id; instances have their number in it.
    pub fn explain(&self, resource: &str) -> Option<&Explanation> {
        self.by_resource.get(resource)
    }

    /// All resources, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Explanation> {
        self.by_resource.values()
    }
}

/// Why a node takes no resources now, if that is so.
fn unavailable(node: &Node) -> Option<&'static str> {
    match () {
        () if node.unclean() => Some("unclean"),
        () if node.is(NodeFlags::PENDING) => Some("still joining"),
        () if !node.online() => Some("offline"),
        () if node.attributes.contains_key("systole-quarantine") => Some("in quarantine"),
        () if node.is(NodeFlags::STANDBY) => Some("in standby"),
        () if node.is(NodeFlags::SHUTDOWN) => Some("leaving"),
        () if node.is(NodeFlags::MAINTENANCE) => Some("in maintenance"),
        () => None,
    }
}

impl Engine<'_> {
    /// Gathers what is known about each resource once the plan is made.
    pub(crate) fn collect_reasons(&mut self) -> Reasons {
        let mut by_resource: BTreeMap<String, Explanation> = BTreeMap::new();
        let name = |node: NodeId| self.node(node).name.clone();
        for (at, resource) in self.cluster.resources.iter().enumerate() {
            let rsc = RscId(at as u32);
            if !self.is_linked(rsc) {
                continue;
            }
            let current = self.locations(rsc, Where::Current).into_iter().map(name).collect();
            let next = self.locations(rsc, Where::Assigned).first().copied().map(name);
            let scores = self
                .cluster
                .nodes_by_name
                .iter()
                .filter_map(|node| resource.allowed.get(*node).map(|entry| (name(*node), entry.score)));
            let explanation = Explanation {
                resource: resource.id.clone(),
                current,
                current_role: self.role(rsc, true).text().to_owned(),
                next,
                next_role: self.role(rsc, false).text().to_owned(),
                scores: scores.collect(),
                changes: Vec::new(),
                actions: self.explained_actions(rsc),
            };
            by_resource.insert(resource.id.clone(), explanation);
        }
        for (rsc, node, score, source) in std::mem::take(&mut self.changes) {
            if let Some(explanation) = by_resource.get_mut(&self.rsc(rsc).id) {
                let source = match source {
                    Source::NodeUnavailable(other) => {
                        Source::NodeUnavailable(unavailable(self.node(node)).unwrap_or(other))
                    }
                    // Pacemaker leaves the scores as they are then, and so do ours. To who asks they are what they mean.
                    Source::StopAll => {
                        let scores = explanation.scores.iter_mut();
                        scores
                            .filter(|(at, _)| *at == self.node(node).name)
                            .for_each(|(_, now)| *now = add(*now, score));
                        Source::StopAll
                    }
                    source => source,
                };
                explanation.changes.push(Change { node: self.node(node).name.clone(), score, source });
            }
        }
        Reasons { by_resource }
    }

    fn explained_actions(&self, rsc: RscId) -> Vec<(String, Option<String>)> {
        let planned = self.rsc(rsc).actions.iter().map(|action| self.act(*action));
        let planned = planned.filter(|action| action.is(ActFlags::ADDED_TO_GRAPH));
        let described = planned.map(|action| {
            let place = action.node.map(|node| format!(" on {}", self.node(node).name)).unwrap_or_default();
            (format!("{}{place}", action.key), action.reason.clone())
        });
        described.collect()
    }
}
