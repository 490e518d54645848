//! `systole status`: what is wrong first, then the cluster, its nodes and its resources.

use cib::unreached::Unreached;
use cib::{Document, date};
use clap::{Arg, ArgAction, ArgMatches};
use policy::model::{NoQuorumPolicy, NodeFlags, NodeId, RscFlags, RscId};
use policy::{Cluster, Plan};
use serde_json::{Value, json};
use wire::Status;

use super::Command;
use crate::attention::{self, Count};
use crate::client::Client;
use crate::cluster::Live;
use crate::failures::{self, Failure};
use crate::output::list::List;
use crate::output::nodes;
use crate::output::resources::{self, Show, exit_text, printable_id};
use crate::stonith::proof;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_OK, explain, follows};

/// The command.
pub const COMMAND: Command = Command { name: "status", grammar, run };

const JSON_KEYS: &str = "\
--json keys, all always there:
  cluster, node (who answers), program (its version), version (of the CIB), coordinator, quiet, synced
  quorum: {quorate, votes, expected_votes, margin (votes that may yet be lost; null: not known)}
  faults: [sentence]
  nodes: [{name, id, state, online, unclean, standby, maintenance, quarantine, coordinator}]
  resources: [{id, kind, agent, role, nodes, managed, disabled, failed, blocked, reason, members}], as a tree
  failed: [{resource, node, operation, interval_ms, rc, text, reason, at (Unix seconds)}]
  fencing: {unproved (devices): [id], held: [{node, reason}]}
  counted: [{resource, node, failures (null: for ever), threshold, forgotten (Unix seconds), next (node)}]
  by_hand, ending, under_way: [sentence]
  planned: [{verb, resource or node, details, reason, blocked}]";

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show the cluster: what is wrong first, then nodes and resources")
        .after_help(format!("Example:\n  systole status\n\n{JSON_KEYS}"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let report = Report::of(Live::fetch(&mut Client::from_arguments(arguments)?)?);
    match arguments.get_flag("json") {
        true => print_json(&report.json())?,
        false => print(&report.text(Paint::for_output()))?,
    }
    Ok(EXIT_OK)
}

/// What is shown, without colours.
pub fn text(live: Live) -> String {
    Report::of(live).text(Paint::plain())
}

/// Everything that is shown.
struct Report {
    live: Live,
    cluster: Cluster,
    plan: Plan,
    failures: Vec<Failure>,
    counts: Vec<Count>,
    faults: Vec<String>,
}

impl Report {
    fn of(live: Live) -> Report {
        let cluster = live.view.cluster();
        let plan = live.view.plan();
        let failures = failures::of(&live.view, &cluster);
        let document = &live.view.document;
        let mut faults = faults(&live.status, &cluster, &plan, &failures, &proof::held(document), live.view.now);
        faults.extend(quarantined(document, live.view.now));
        faults.extend(live.view.unreached().iter().map(Unreached::sentence));
        let counts = attention::counts(&live.view, &cluster);
        Report { counts, live, cluster, plan, failures, faults }
    }

    fn text(&self, paint: Paint) -> String {
        let status = &self.live.status;
        let mut list = List::new();
        if self.faults.is_empty() {
            list.plain(&paint.good("No faults."));
        } else {
            list.plain(&paint.bad(&format!("Faults: {}", self.faults.len())));
            self.faults.iter().for_each(|fault| list.plain(&format!("  * {fault}")));
        }
        list.space();
        self.summary(&mut list);
        list.space();
        nodes::write(&mut list, &self.cluster);
        list.space();
        resources::write(&mut list, &self.cluster, Show { inactive: true, pending: true });
        if !self.failures.is_empty() {
            list.space();
            list.begin("Failed Resource Actions");
            self.failures.iter().for_each(|failure| list.item(&failed_line(failure)));
            list.end();
        }
        let mut sections = vec![("Failures Counted", self.counts.iter().map(Count::sentence).collect::<Vec<_>>())];
        sections.push(("Wanted By Hand", attention::by_hand(&self.live.view.document)));
        sections.push(("Ending By Itself", self.ending()));
        for (title, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            list.space();
            list.begin(title);
            lines.iter().for_each(|line| list.item(line));
            list.end();
        }
        if !status.under_way.is_empty() {
            list.space();
            list.begin("Under Way");
            status.under_way.iter().for_each(|what| list.item(what));
            list.end();
        }
        paint_titles(&list.take(), paint)
    }

    /// Changes that wait for their end.
    fn ending(&self) -> Vec<String> {
        let marks = expiring::mark::all(&self.live.view.document);
        marks.iter().map(|mark| super::confirm::line(&self.live.view, mark)).collect()
    }

    fn summary(&self, list: &mut List) {
        let status = &self.live.status;
        let (admin_epoch, epoch, num_updates) = status.version;
        list.plain(&format!("Cluster name: {}", status.cluster));
        list.begin("Cluster Summary");
        let quorum = if status.quorate { "partition with quorum" } else { "partition WITHOUT quorum" };
        list.item(&format!(
            "Quorum: {quorum}, {} of {} votes{}",
            status.votes,
            status.expected_votes,
            attention::margin_words(status)
        ));
        list.item(&format!("Coordinator: {}", status.coordinator.as_deref().unwrap_or("none")));
        list.item(&format!("Seen by: {} (systoled {})", status.node, status.program));
        if let Some(user) = &status.restricted {
            list.item(&format!("Seen as: {user}; what no ACL role lets {user} read is left out here"));
        }
        list.item(&format!("Configuration: version {admin_epoch}.{epoch}.{num_updates}{}", self.last_change()));
        let resting = if status.quiet { "nothing under way" } else { "working" };
        list.item(&format!(
            "{} nodes and {} resource instances configured; {resting}",
            self.cluster.nodes.len(),
            self.cluster.instances
        ));
        let options = &self.cluster.options;
        if options.maintenance {
            list.item("maintenance-mode is on: nothing is started, stopped or monitored");
        }
        if options.stop_all {
            list.item("stop-all-resources is on: everything is kept stopped");
        }
        if !options.fencing_enabled {
            list.item("Fencing is disabled: what a lost node holds may be started twice");
        }
        let unproved = proof::unproved(&self.live.view.document);
        if !unproved.is_empty() {
            let devices = unproved.join(", ");
            list.item(&format!("Fence devices never proved: {devices}; `systole stonith test NODE` proves them"));
        }
        list.end();
    }

    fn last_change(&self) -> String {
        let document = &self.live.view.document;
        let attribute = |name| document.attribute(document.root(), name).filter(|value| !value.is_empty());
        match (attribute("cib-last-written"), attribute("update-user")) {
            (Some(when), Some(who)) => format!(", changed {when} by {who}"),
            (Some(when), None) => format!(", changed {when}"),
            _ => String::new(),
        }
    }

    fn json(&self) -> Value {
        let status = &self.live.status;
        let (admin_epoch, epoch, num_updates) = status.version;
        let nodes: Vec<Value> = self
            .cluster
            .nodes_by_name
            .iter()
            .map(|id| {
                let node = self.cluster.node(*id);
                json!({
                    "name": node.name,
                    "id": node.id,
                    "state": nodes::state(node),
                    "online": node.online(),
                    "unclean": node.unclean(),
                    "standby": node.is(NodeFlags::STANDBY),
                    "maintenance": node.is(NodeFlags::MAINTENANCE),
                    "quarantine": node.attributes.contains_key(super::node::QUARANTINE),
                    "coordinator": status.coordinator.as_deref() == Some(&node.name),
                })
            })
            .collect();
        json!({
            "cluster": status.cluster,
            "node": status.node,
            "program": status.program,
            "version": format!("{admin_epoch}.{epoch}.{num_updates}"),
            "coordinator": status.coordinator,
            "quiet": status.quiet,
            "synced": status.synced,
            "quorum": {"quorate": status.quorate, "votes": status.votes, "expected_votes": status.expected_votes, "margin": attention::margin(status)},
            "faults": self.faults,
            "nodes": nodes,
            "resources": self.cluster.top.iter().map(|id| self.resource(*id)).collect::<Vec<_>>(),
            "failed": self.failures.iter().map(|failure| json!({
                "resource": failure.resource,
                "node": failure.node,
                "operation": failure.operation,
                "interval_ms": failure.interval_ms,
                "rc": failure.rc,
                "text": exit_text(failure.rc),
                "reason": failure.reason,
                "at": failure.at,
            })).collect::<Vec<_>>(),
            "fencing": {
                "unproved": proof::unproved(&self.live.view.document),
                "held": proof::held(&self.live.view.document).iter().map(|(node, why)| json!({"node": node, "reason": why})).collect::<Vec<_>>(),
            },
            "counted": self.counts.iter().map(|count| json!({
                "resource": count.resource,
                "node": count.node,
                "failures": count.failures,
                "threshold": count.threshold,
                "forgotten": count.forgotten,
                "next": count.next,
            })).collect::<Vec<_>>(),
            "by_hand": attention::by_hand(&self.live.view.document),
            "ending": self.ending(),
            "under_way": status.under_way,
            "planned": follows::list(&self.plan),
        })
    }

    fn resource(&self, id: RscId) -> Value {
        let resource = self.cluster.resource(id);
        let kind = match () {
            () if resource.is_primitive() => "primitive",
            () if resource.is_group() => "group",
            () if resource.is_clone() => "clone",
            () => "bundle",
        };
        let agent = resource.is_primitive().then(|| {
            let provider = resource.provider.as_ref().map(|provider| format!("{provider}:")).unwrap_or_default();
            format!("{}:{provider}{}", resource.class, resource.agent)
        });
        let active = resources::active_nodes(&self.cluster, id);
        let nodes: Vec<&str> = active.iter().map(|node| &*self.cluster.node(*node).name).collect();
        json!({
            "id": resource.id,
            "kind": kind,
            "agent": agent,
            "role": resource.is_primitive().then(|| resource.role.text()),
            "nodes": nodes,
            "managed": resource.is(RscFlags::MANAGED),
            "disabled": self.cluster.is_disabled(id),
            "failed": resource.is(RscFlags::FAILED),
            "blocked": resource.is(RscFlags::BLOCKED),
            "reason": self.stopped(id),
            "members": resource.children.iter().map(|child| self.resource(*child)).collect::<Vec<_>>(),
        })
    }

    /// Why it does not run, though it should.
    fn stopped(&self, id: RscId) -> Option<String> {
        let resource = self.cluster.resource(id);
        if let Some(unreached) = self.live.view.unreached().iter().find(|one| one.is_about(&resource.xml_id)) {
            return Some(unreached.sentence());
        }
        explain::why_stopped(&self.plan, self.plan.cluster.find_resource(&resource.id)?)
    }
}

fn faults(
    status: &Status,
    cluster: &Cluster,
    plan: &Plan,
    failures: &[Failure],
    held: &[(String, String)],
    now: i64,
) -> Vec<String> {
    let mut faults = Vec::new();
    if !status.quorate {
        let meanwhile = match cluster.options.no_quorum_policy {
            NoQuorumPolicy::Ignore => "all goes on as if there were (no-quorum-policy=ignore)",
            NoQuorumPolicy::Freeze => "what runs is kept and nothing is started until more nodes come",
            NoQuorumPolicy::Stop => "all is stopped and nothing is started until more nodes come",
            NoQuorumPolicy::Demote => "what is promoted is demoted, and nothing is started until more nodes come",
            NoQuorumPolicy::Fence => "these nodes end themselves (no-quorum-policy=suicide)",
        };
        faults.push(format!("No quorum: {} of {} votes are here; {meanwhile}", status.votes, status.expected_votes));
    }
    if status.coordinator.is_none() {
        faults.push("No coordinator: this node is not joined to the cluster engine".to_owned());
    }
    if !status.synced {
        faults.push("The members do not hold the same CIB yet".to_owned());
    }
    faults.extend(held.iter().map(|(node, reason)| {
        format!("Node {node} is not fenced: {reason}; look at the nodes, then `systole stonith release`")
    }));
    let no_fencing = explain::no_fencing(cluster);
    faults.extend(no_fencing.map(|why| format!("No fencing: {why}")));
    // Of a remote node that nobody reaches that is all there is to say.
    let planned = |id: &&NodeId| plan.cluster.find_node(&cluster.node(**id).name).is_some();
    for id in cluster.nodes_by_name.iter().filter(planned) {
        let node = cluster.node(*id);
        match (node.unclean(), node.online()) {
            (true, _) => faults.push(format!("Node {} is {}: it must be fenced", node.name, nodes::state(node))),
            (false, false) => faults.push(format!("Node {} is offline{}", node.name, host_only(status, &node.name))),
            (false, true) if node.is(NodeFlags::FAIL_STANDBY) => {
                faults.push(format!("Node {} is in standby because of a failure", node.name));
            }
            _ => {}
        }
    }
    faults.extend(failed_operations(failures, now));
    for (index, resource) in plan.cluster.resources.iter().enumerate() {
        let id = RscId(index as u32);
        // Of the instances of a clone some may well be stopped: there is one for each node, whether up or not.
        let in_clone = plan.cluster.resource(plan.cluster.top_of(id, true)).is_clone();
        if resource.is(RscFlags::BLOCKED) && resource.is_primitive() {
            faults.push(format!(
                "{} is left alone after a failure; repair it, then `systole cleanup {0}`",
                printable_id(resource)
            ));
        } else if let Some(why) = explain::why_stopped(plan, id).filter(|_| !in_clone && no_fencing.is_none()) {
            faults.push(format!("{} is stopped: {why}", printable_id(resource)));
        }
    }
    faults
}

/// A sentence for each node in quarantine.
fn quarantined(document: &Document, now: i64) -> impl Iterator<Item = String> {
    super::node::held(document).into_iter().map(move |(node, at)| {
        format!(
            "Node {node} is held in quarantine, {}: it was lost three times within an hour; once it is repaired, \
             `systole node release {node}`",
            since(at, now)
        )
    })
}

/// A sentence for each failure; the same on several nodes is one, with the latest time.
fn failed_operations(failures: &[Failure], now: i64) -> Vec<String> {
    let alike =
        |a: &Failure, b: &Failure| a.resource == b.resource && a.operation == b.operation && a.cause() == b.cause();
    let mut told: Vec<&Failure> = Vec::new();
    let mut sentences = Vec::new();
    for failure in failures {
        if told.iter().any(|known| alike(known, failure)) {
            continue;
        }
        told.push(failure);
        let same = failures.iter().filter(|other| alike(failure, other));
        let mut nodes: Vec<&str> = same.clone().map(|failure| failure.node.as_str()).collect();
        nodes.sort_unstable();
        let since = same.filter_map(|failure| failure.at).max().map(|at| format!(", {}", since(at, now)));
        sentences.push(format!(
            "{}: {} on {} failed: {}{}",
            failure.resource,
            failure.operation,
            nodes.join(", "),
            failure.cause(),
            since.unwrap_or_default()
        ));
    }
    sentences
}

fn host_only(status: &Status, node: &str) -> &'static str {
    if status.hosts_only.iter().any(|host| host == node) { ": its host is up, systoled does not run there" } else { "" }
}

/// `at 2024-02-29 12:30:00Z (4 min ago)`.
fn since(at: i64, now: i64) -> String {
    let ago = (now - at).max(0);
    let ago = match ago {
        0..=99 => format!("{ago} s"),
        100..=5_999 => format!("{} min", ago / 60),
        6_000..=172_799 => format!("{} h", ago / 3600),
        _ => format!("{} days", ago / 86_400),
    };
    format!("at {} ({ago} ago)", date::format(at))
}

fn failed_line(failure: &Failure) -> String {
    let interval = if failure.interval_ms > 0 {
        format!(" every {} s", failure.interval_ms as f64 / 1000.0)
    } else {
        String::new()
    };
    let mut line = format!(
        "{} {}{interval} on {}: '{}' ({})",
        failure.resource,
        failure.operation,
        failure.node,
        exit_text(failure.rc),
        failure.rc
    );
    if !failure.reason.is_empty() {
        line.push_str(&format!(", exit reason: '{}'", failure.reason));
    }
    if let Some(at) = failure.at {
        line.push_str(&format!(", at {}", date::format(at)));
    }
    line
}

/// Titles of sections stand out.
fn paint_titles(text: &str, paint: Paint) -> String {
    let title = |line: &&str| !line.starts_with(' ') && line.ends_with(':');
    text.lines().map(|line| if title(&line) { paint.title(line) } else { line.to_owned() } + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{cluster, status};

    fn report(change: impl FnOnce(&mut Live)) -> Report {
        let mut live = Live { status: status(), view: cluster() };
        change(&mut live);
        Report::of(live)
    }

    #[test]
    fn faults_stand_first_with_cause_and_time() {
        let text = report(|_| ()).text(Paint::PLAIN);
        let first = "Faults: 1\n  * db: monitor on two failed: error occurred (no answer at port 5432), \
                     at 2023-11-14 22:13:20Z (10 min ago)\n\nCluster name: demo\nCluster Summary:\n";
        assert!(text.starts_with(first), "{text}");
        for line in [
            "  * Quorum: partition with quorum, 3 of 3 votes; one more may be lost\n",
            "  * Coordinator: one\n",
            "  * Node three: standby\n",
            "  * Resource Group: services:\n    * ip\t(ocf:heartbeat:Dummy):\t Started two\n",
            "Failed Resource Actions:\n  * db monitor every 10 s on two: 'Error occurred' (1), exit reason: 'no answer at port 5432'",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("Under Way"));
    }

    #[test]
    fn what_is_configured_and_not_run_is_a_fault() {
        let report = report(|live| {
            live.view.ours = true;
            let resources = live.view.document.descend(&["configuration", "resources"]).unwrap();
            let far = live.view.document.append(resources, "primitive");
            for (name, value) in [("id", "far"), ("class", "ocf"), ("provider", "pacemaker"), ("type", "remote")] {
                live.view.document.set(far, name, value);
            }
        });
        let about: Vec<&String> = report.faults.iter().filter(|fault| fault.contains("far")).collect();
        assert!(matches!(&about[..], [one] if one.starts_with("remote node far is not run: ")), "{about:?}");
        assert_eq!(report.json()["planned"].to_string().matches("far").count(), 0);
        let known = report.cluster.find_resource("far").unwrap();
        assert!(report.stopped(known).is_some_and(|reason| reason == *about[0]));
    }

    #[test]
    fn the_same_failure_on_several_nodes_is_told_once() {
        let failure = |node: &str, at| Failure {
            resource: "web".into(),
            node: node.into(),
            operation: "start".into(),
            interval_ms: 0,
            rc: 5,
            reason: String::new(),
            at,
        };
        let told = failed_operations(&[failure("two", Some(100)), failure("one", Some(50))], 160);
        assert_eq!(told, ["web: start on one, two failed: not installed, at 1970-01-01 00:01:40Z (60 s ago)"]);
    }

    #[test]
    fn what_is_lost_is_said() {
        let report = report(|live| {
            live.status.quorate = false;
            live.status.votes = 1;
            live.status.hosts_only = vec!["two".into()];
            live.status.under_way = vec!["stop of web on one".into()];
            let status = live.view.document.descend(&["status"]).unwrap();
            let states: Vec<_> = live.view.document.children(status).collect();
            live.view.document.remove(states[1]);
            let root = live.view.document.root();
            live.view.document.set(root, "have-quorum", "0");
        });
        let text = report.text(Paint::PLAIN);
        assert!(text.contains("  * No quorum: 1 of 3 votes are here; all is stopped and nothing is started"), "{text}");
        assert!(text.contains("Under Way:\n  * stop of web on one\n"), "{text}");
        assert!(report.faults.iter().any(|fault| fault.starts_with("Node two is")), "{text}");
        assert!(
            report.faults.iter().any(|fault| fault.starts_with("db is stopped: it cannot start on one now: no quorum")),
            "{text}"
        );
    }

    #[test]
    fn the_keys_for_programs_are_those_of_the_help() {
        let json = report(|_| ()).json();
        for key in json.as_object().unwrap().keys() {
            assert!(JSON_KEYS.contains(key.as_str()), "{key} is not in the help");
        }
        assert_eq!(json["resources"][0]["nodes"], json!(["one"]));
        assert_eq!(json["resources"][1]["members"][1]["id"], "db");
        for key in json["resources"][0].as_object().unwrap().keys().chain(json["failed"][0].as_object().unwrap().keys())
        {
            assert!(JSON_KEYS.contains(key.as_str()), "{key} is not in the help");
        }
    }
}
