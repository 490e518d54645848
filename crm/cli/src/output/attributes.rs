//! What nodes say beyond their state: their attributes, how often resources failed on them, and the operations that
//! failed. Gathered here as values, written here as text; as XML in `xml`.

use cib::score::Score;
use cib::{Document, Element, Pairs};
use policy::Cluster;
use policy::model::{FailedOperation, NodeId, Resource, RscFlags};

use super::list::List;
use super::resources::exit_text;
use crate::failures;

/// Attributes the cluster keeps for itself, by how their names begin.
const INTERNAL: [&str; 6] = ["fail-count-", "last-failure-", "shutdown", "terminate", "standby", "#"];

/// The attributes of each node that is online and has any, by name.
pub fn of_nodes(cluster: &Cluster) -> Vec<(NodeId, Vec<(&str, &str)>)> {
    let mut all = Vec::new();
    for id in cluster.nodes_by_name.iter().filter(|id| cluster.node(**id).online()) {
        let attributes = cluster.node(*id).attributes.iter();
        let told = attributes.filter(|(name, _)| !INTERNAL.iter().any(|prefix| name.starts_with(prefix)));
        let told: Vec<(&str, &str)> = told.collect();
        if !told.is_empty() {
            all.push((*id, told));
        }
    }
    all
}

/// How often one resource failed on a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailCount {
    /// Its name in the history.
    pub resource: String,
    /// After how many failures it has to leave.
    pub migration_threshold: i32,
    /// The failures.
    pub count: i32,
    /// When the last was, in seconds since 1970.
    pub last: Option<i64>,
}

/// The fail counts of each node that is online and has any, in the order of the status.
pub fn fail_counts(document: &Document, cluster: &Cluster) -> Vec<(NodeId, Vec<FailCount>)> {
    let mut all = Vec::new();
    let Some(status) = document.descend(&["status"]) else { return all };
    for state in document.children_named(status, "node_state") {
        let id = document.id(state);
        let Some(index) = cluster.nodes.iter().position(|node| node.id == id && node.online()) else { continue };
        let counts = counts_of(document, cluster, state, &cluster.nodes[index].attributes);
        if !counts.is_empty() {
            all.push((NodeId(index as u32), counts));
        }
    }
    all
}

fn counts_of(document: &Document, cluster: &Cluster, state: Element, attributes: &Pairs) -> Vec<FailCount> {
    let histories = document.descendants(state).filter(|element| document.name(*element) == "lrm_resource");
    let mut counts = Vec::new();
    for name in histories.map(|history| document.id(history)) {
        let known = |resource: &&Resource| {
            resource.is_primitive() && [&resource.id, &resource.xml_id].into_iter().any(|id| id == name)
        };
        let Some(resource) = cluster.resources.iter().find(known) else { continue };
        let mut found = FailCount {
            resource: name.to_owned(),
            migration_threshold: resource.migration_threshold,
            count: 0,
            last: None,
        };
        for (attribute, value) in attributes {
            if is_about(attribute, "fail-count-", name, resource) {
                found.count = found.count.saturating_add(Score::parse(value).map_or(0, |score| score.value()));
            } else if is_about(attribute, "last-failure-", name, resource) {
                found.last = found.last.max(value.parse().ok());
            }
        }
        if found.count > 0 {
            counts.push(found);
        }
    }
    counts
}

/// Whether an attribute `PREFIXresource#operation_interval` is about the resource; of instances that are alike, any's.
fn is_about(attribute: &str, prefix: &str, name: &str, resource: &Resource) -> bool {
    let base = |name: &str| match name.rsplit_once(':') {
        Some((base, number)) if !resource.is(RscFlags::UNIQUE) && number.parse::<u32>().is_ok() => base.to_owned(),
        _ => name.to_owned(),
    };
    let of = attribute.strip_prefix(prefix).and_then(|rest| rest.rsplit_once('#'));
    of.is_some_and(|(of, _)| base(of) == base(name))
}

/// One failed operation as its history has it.
#[derive(Clone, Debug)]
pub struct FailedAction<'a> {
    /// `RESOURCE_OPERATION_INTERVAL`.
    pub key: String,
    /// Where.
    pub node: &'a str,
    /// Exit status of the agent.
    pub rc: i32,
    /// Whether it could be run at all, in words.
    pub status: &'static str,
    /// What the policy knows of it.
    pub operation: &'a FailedOperation,
    document: &'a Document,
    entry: Option<Element>,
}

impl FailedAction<'_> {
    /// What the history says under that name, if it says anything.
    pub fn said(&self, attribute: &str) -> Option<&str> {
        self.document.attribute(self.entry?, attribute).filter(|text| !text.is_empty())
    }

    /// When the result came, in seconds since 1970.
    pub fn at(&self) -> Option<i64> {
        self.said("last-rc-change")?.parse().ok().filter(|at| *at > 0)
    }
}

/// All failed operations; probes that only say that an agent is not there are no failures.
pub fn failed_actions<'a>(document: &'a Document, cluster: &'a Cluster) -> Vec<FailedAction<'a>> {
    let failed = cluster.failed.iter().filter(|failed| !failed.masked_probe);
    failed
        .map(|failed| {
            let entry = failures::entry(document, cluster, failed);
            let status = entry.and_then(|entry| document.attribute(entry, "op-status")?.parse().ok());
            FailedAction {
                key: format!("{}_{}_{}", failed.resource, failed.operation, failed.interval_ms),
                node: &cluster.node(failed.node).name,
                rc: failed.rc,
                status: status_text(status.unwrap_or(0)),
                operation: failed,
                document,
                entry,
            }
        })
        .collect()
}

/// What `op-status` means, in the words Pacemaker's tools have for it.
pub fn status_text(status: i32) -> &'static str {
    match status {
        -1 => "pending",
        0 => "complete",
        1 => "Cancelled",
        2 => "Timed Out",
        3 => "NOT SUPPORTED",
        4 => "Error",
        5 => "Hard error",
        6 => "Fatal error",
        7 => "Not installed",
        8 => "No executor connection",
        9 => "Cannot execute now",
        10 => "No fence device",
        11 => "CIB secrets unavailable",
        _ => "UNKNOWN!",
    }
}

/// Writes the attributes of all nodes.
pub fn write(list: &mut List, cluster: &Cluster) {
    let all = of_nodes(cluster);
    if all.is_empty() {
        return;
    }
    list.space();
    write_attributes(list, all, |id| cluster.node(id).name.clone());
}

/// Writes the attributes of some nodes, each under the name that `title` gives.
pub fn write_attributes(list: &mut List, all: Vec<(NodeId, Vec<(&str, &str)>)>, title: impl Fn(NodeId) -> String) {
    list.begin("Node Attributes");
    for (node, attributes) in all {
        list.begin(&format!("Node: {}", title(node)));
        attributes.iter().for_each(|(name, value)| list.item(&format!("{name:<32}\t: {value:<10}")));
        list.end();
    }
    list.end();
}

/// Writes the fail counts, and the operations that failed.
pub fn write_failures(list: &mut List, document: &Document, cluster: &Cluster) {
    list.space();
    list.begin("Migration Summary");
    for (node, counts) in fail_counts(document, cluster) {
        list.begin(&format!("Node: {}", cluster.node(node).name));
        for FailCount { resource, migration_threshold, count, last } in counts {
            let last = last.map(|at| format!(" last-failure='{}'", cib::date::ctime(at))).unwrap_or_default();
            list.item(&format!("{resource}: migration-threshold={migration_threshold} fail-count={count}{last}"));
        }
        list.end();
    }
    list.end();
    let failed = failed_actions(document, cluster);
    if failed.is_empty() {
        return;
    }
    list.space();
    list.begin("Failed Resource Actions");
    failed.iter().for_each(|action| list.item(&failed_line(action)));
    list.end();
}

fn failed_line(action: &FailedAction<'_>) -> String {
    let FailedAction { key, node, rc, status, .. } = action;
    let call = action.said("call-id").unwrap_or("unknown");
    let mut line = format!("{key} on {node} '{}' ({rc}): call={call}, status='{status}'", exit_text(*rc));
    if let Some(reason) = action.said("exit-reason") {
        line.push_str(&format!(", exitreason='{reason}'"));
    }
    if let Some(at) = action.at() {
        line.push_str(&format!(", last-rc-change='{}'", cib::date::ctime(at)));
    }
    for (name, attribute) in [("queued", "queue-time"), ("exec", "exec-time")] {
        if let Some(value) = action.said(attribute) {
            line.push_str(&format!(", {name}={value}ms"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str = r#"<cib have-quorum="1"><configuration><crm_config/><nodes><node id="1" uname="one">
      <instance_attributes id="i"><nvpair id="i1" name="rack" value="7"/></instance_attributes></node></nodes>
      <resources><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources><constraints/></configuration>
      <status><node_state id="1" uname="one" in_ccm="true" crmd="online" join="member" expected="member">
      <lrm id="1"><lrm_resources><lrm_resource id="ip" class="ocf" provider="heartbeat" type="IPaddr2">
      <lrm_rsc_op id="ip_last_failure_0" operation_key="ip_monitor_5000" operation="monitor" interval="5000" call-id="4"
        rc-code="7" op-status="0" transition-key="1:1:0:x" transition-magic="0:7;1:1:0:x" last-rc-change="951827400"
        exec-time="20" queue-time="0" exit-reason="it left" on_node="one"/></lrm_resource></lrm_resources></lrm>
      <transient_attributes id="1"><instance_attributes id="t">
      <nvpair id="t1" name="fail-count-ip#monitor_5000" value="2"/>
      <nvpair id="t2" name="fail-count-ip#start_0" value="1"/>
      <nvpair id="t3" name="last-failure-ip#monitor_5000" value="951827400"/></instance_attributes></transient_attributes>
      </node_state></status></cib>"#;

    #[test]
    fn attributes_counts_and_failures_are_told() {
        let document = Document::parse(CIB).unwrap();
        let cluster = policy::read_status(&document, 951_827_500);
        let mut list = List::new();
        write(&mut list, &cluster);
        write_failures(&mut list, &document, &cluster);
        assert_eq!(
            list.take(),
            "\nNode Attributes:\n  * Node: one:\n    * rack                            \t: 7         \n\
             \nMigration Summary:\n  * Node: one:\n    * ip: migration-threshold=1000000 fail-count=3 \
             last-failure='Tue Feb 29 12:30:00 2000'\n\
             \nFailed Resource Actions:\n  * ip_monitor_5000 on one 'Not running' (7): call=4, status='complete', \
             exitreason='it left', last-rc-change='Tue Feb 29 12:30:00 2000', queued=0ms, exec=20ms\n"
        );
    }
}
