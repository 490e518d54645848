//! The operations of each node as `crm_mon` shows them: by resource, in the order of their calls, with fail counts.

use cib::score::Score;
use cib::{Document, Element, date};
use policy::Cluster;
use policy::model::{NodeId, Resource, RscFlags};

use crate::output::attributes::{FailCount, fail_counts};

/// The history of one node.
#[derive(Clone, Debug)]
pub struct NodeHistory<'d> {
    /// The node.
    pub node: NodeId,
    /// Its resources.
    pub resources: Vec<ResourceHistory<'d>>,
}

/// The history of one resource on a node.
#[derive(Clone, Debug)]
pub struct ResourceHistory<'d> {
    /// Its name in the history.
    pub name: &'d str,
    /// It stands in no configuration any more.
    pub removed: bool,
    /// After how many failures it has to leave.
    pub migration_threshold: i32,
    /// How often it failed.
    pub failures: Option<FailCount>,
    /// Its operations.
    pub operations: Vec<Past<'d>>,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Past<'d> {
    document: &'d Document,
    entry: Element,
}

impl<'d> Past<'d> {
    /// What the history says under that name.
    pub fn get(&self, name: &str) -> Option<&'d str> {
        self.document.attribute(self.entry, name).filter(|text| !text.is_empty())
    }

    /// Number of the call.
    pub fn call(&self) -> i64 {
        self.get("call-id").and_then(|call| call.parse().ok()).unwrap_or(0)
    }

    /// The operation; a monitor that does not recur is a probe.
    pub fn task(&self) -> &'d str {
        let task = self.get("operation").unwrap_or("unknown");
        if task == "monitor" && self.interval().is_none() { "probe" } else { task }
    }

    /// Milliseconds, if it recurs.
    pub fn interval(&self) -> Option<&'d str> {
        self.get("interval").filter(|interval| *interval != "0")
    }

    /// The agent's exit status.
    pub fn rc(&self) -> i32 {
        self.get("rc-code").and_then(|rc| rc.parse().ok()).unwrap_or(0)
    }

    /// When its result last changed.
    pub fn at(&self) -> Option<String> {
        let at = self.get("last-rc-change")?.parse::<i64>().ok().filter(|at| *at > 0)?;
        Some(date::ctime(at))
    }
}

impl ResourceHistory<'_> {
    /// How often it failed, as it is shown.
    pub fn fail_count(&self) -> Option<String> {
        let count = self.failures.as_ref()?.count;
        Some(if count >= 1_000_000 { "INFINITY".to_owned() } else { count.to_string() })
    }

    /// When it failed last.
    pub fn last_failure(&self) -> Option<String> {
        self.failures.as_ref()?.last.map(date::ctime)
    }
}

/// The history of all nodes that are online.
pub fn of<'d>(document: &'d Document, cluster: &Cluster) -> Vec<NodeHistory<'d>> {
    let counts = fail_counts(document, cluster);
    let states = document.descend(&["status"]).into_iter().flat_map(|list| document.children_named(list, "node_state"));
    let mut all = Vec::new();
    for state in states {
        let is = |node: &policy::model::Node| node.id == document.id(state) && node.online();
        let Some(index) = cluster.nodes.iter().position(is) else { continue };
        let node = NodeId(index as u32);
        let of_node =
            counts.iter().find(|(id, _)| *id == node).map(|(_, counts)| counts.as_slice()).unwrap_or_default();
        let histories = document.descendants(state).filter(|element| document.name(*element) == "lrm_resource");
        let resources: Vec<_> =
            histories.filter_map(|history| of_resource(document, cluster, history, of_node)).collect();
        if !resources.is_empty() {
            all.push(NodeHistory { node, resources });
        }
    }
    all
}

fn of_resource<'d>(
    document: &'d Document,
    cluster: &Cluster,
    history: Element,
    counts: &[FailCount],
) -> Option<ResourceHistory<'d>> {
    let name = document.id(history);
    let known = |resource: &&Resource| resource.is_primitive() && (resource.id == name || resource.xml_id == name);
    let resource = cluster.resources.iter().find(known)?;
    let entries = document.children_named(history, "lrm_rsc_op").map(|entry| Past { document, entry });
    // A probe that found nothing tells nothing.
    let mut operations: Vec<Past<'_>> = entries.filter(|past| !(past.task() == "probe" && past.rc() == 7)).collect();
    operations.sort_by_key(Past::call);
    if operations.is_empty() {
        return None;
    }
    let failures = counts.iter().find(|count| count.resource == name).cloned();
    let removed = resource.is(RscFlags::REMOVED);
    Some(ResourceHistory { name, removed, migration_threshold: resource.migration_threshold, failures, operations })
}

/// A location constraint that keeps a resource off a node.
#[derive(Clone, Debug)]
pub struct Ban<'d> {
    /// The constraint.
    pub id: &'d str,
    /// The resource.
    pub resource: &'d str,
    /// The node.
    pub node: &'d str,
    /// How strongly.
    pub score: i32,
    /// Only from the promoted role.
    pub promoted: bool,
}

/// All of them whose ids begin so.
pub fn bans<'d>(document: &'d Document, prefix: &str) -> Vec<Ban<'d>> {
    let list = document.descend(&["configuration", "constraints"]);
    let constraints = list.into_iter().flat_map(|list| document.children_named(list, "rsc_location"));
    let all = constraints.filter_map(|constraint| {
        let get = |name| document.attribute(constraint, name);
        let score = Score::parse(get("score")?)?.value();
        let promoted = matches!(get("role"), Some("Promoted" | "Master"));
        let ban = Ban { id: document.id(constraint), resource: get("rsc")?, node: get("node")?, score, promoted };
        (score < 0 && ban.id.starts_with(prefix)).then_some(ban)
    });
    all.collect()
}

/// What is known of one ticket.
#[derive(Clone, Debug)]
pub struct Ticket<'d> {
    /// Its name.
    pub id: &'d str,
    /// It is here.
    pub granted: bool,
    /// It is here, but what needs it is to be prepared to go.
    pub standby: bool,
    /// When it came here last.
    pub last_granted: Option<String>,
}

/// All tickets.
pub fn tickets(document: &Document) -> Vec<Ticket<'_>> {
    let list = document.descend(&["status", "tickets"]);
    let states = list.into_iter().flat_map(|list| document.children_named(list, "ticket_state"));
    let truth = |text: Option<&str>| cib::boolean::is_true(text);
    let all = states.map(|state| Ticket {
        id: document.id(state),
        granted: truth(document.attribute(state, "granted")),
        standby: truth(document.attribute(state, "standby")),
        last_granted: document
            .attribute(state, "last-granted")
            .and_then(|at| at.parse::<i64>().ok())
            .filter(|at| *at > 0)
            .map(date::ctime),
    });
    all.collect()
}
