//! `systole simulate`: what a cluster would do, from a file and without a cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use cib::{Document, Element};
use clap::{Arg, ArgAction, ArgMatches};
use policy::Plan;
use policy::model::RscId;
use serde_json::json;

use super::Command;
use crate::cluster::View;
use crate::file::{self, CibFile};
use crate::output::list::List;
use crate::output::nodes;
use crate::output::resources::{self, Show};
use crate::terminal::{print, print_json};
use crate::tools::crm_simulate::execute::{End, Execution};
use crate::tools::crm_simulate::history;
use crate::{EXIT_FAILURE, EXIT_OK, all_failures, explain, findings, follows};

/// Transitions carried out one after the other. Two or three settle any sane cluster (a probe finds something, then it
/// is dealt with); more means that each undoes the one before.
const MOST_ROUNDS: usize = 8;

/// The command.
pub const COMMAND: Command = Command { name: "simulate", grammar, run };

fn grammar() -> clap::Command {
    let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let after = "A file without status is taken as a cluster that has just started: all nodes up, nothing running. \
                 `systole crm_simulate` injects events and failures.\n\n\
                 --json keys: \"assumed_start\", \"follows\" (what changes, with reasons), \"steps\" (operations in order), \
                 \"resources\" (id to nodes, afterwards), \"settled\".\n\n\
                 --all-failures: a failed node is gone without a word; a resource fails by what its monitor finds; a fence \
                 device neither runs nor fences. Operations then succeed, but for the fencing of nodes that no working \
                 device lists. A majority of the configured nodes has quorum, of two nodes one. STEPS are the operations \
                 that change something. A service is a top-level resource; each that runs, or is meant to, must survive \
                 unless --may-lose names it: if one would be lost, the exit status is 1.\n\
                 Its --json keys: \"cases\" (\"fails\", \"steps\", \"settled\", \"quorum\", \"unfenced\", \"services\": what becomes of \
                 those that feel it), \"services\" (\"must_survive\", \"down_now\", \"survives\", \"lost_when\"), \"lost\".\n\n\
                 Examples:\n  systole simulate cib.xml\n  pcs cluster cib | systole simulate -\n  \
                 systole simulate cib.xml --all-failures --may-lose test-web";
    clap::Command::new("").about("Say what a cluster would do, from a CIB in a file").after_help(after).args([
        file::argument(),
        flag("all-failures", "Let each node, resource and fence device fail in turn; say what becomes of each service"),
        flag("pairs", "Also two of them in the same moment").requires("all-failures"),
        Arg::new("may-lose")
            .long("may-lose")
            .value_name("SERVICE")
            .action(ArgAction::Append)
            .requires("all-failures")
            .help("This service may be lost; can be given several times"),
        flag("force", "Also when the configuration has errors"),
        flag("json", "For programs; the keys are below"),
    ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let path = arguments.get_one::<PathBuf>("file").expect("it is required");
    let file = file::read(path)?;
    findings::refuse_errors(&file, arguments.get_flag("force"))?;
    let story = Story::of(file, path)?;
    if arguments.get_flag("all-failures") {
        return all_failures(&story.after, arguments);
    }
    match arguments.get_flag("json") {
        true => print_json(&story.json())?,
        false => print(&story.text())?,
    }
    Ok(EXIT_OK)
}

/// What each failure would do to the cluster once it is at rest.
fn all_failures(view: &View, arguments: &ArgMatches) -> anyhow::Result<u8> {
    let may_lose: Vec<String> = arguments.get_many("may-lose").into_iter().flatten().cloned().collect();
    let report = all_failures::try_all(view, arguments.get_flag("pairs"), &may_lose)?;
    match arguments.get_flag("json") {
        true => print_json(&report.json())?,
        false => print(&report.text())?,
    }
    Ok(if report.lost().is_empty() { EXIT_OK } else { EXIT_FAILURE })
}

/// A cluster before, what it does, and after.
struct Story {
    assumed_start: bool,
    before: View,
    rounds: Vec<Round>,
    after: View,
    /// The plan of what is then.
    last: Plan,
    settled: bool,
}

/// One transition.
struct Round {
    plan: Plan,
    steps: Vec<String>,
}

impl Story {
    fn of(file: CibFile, path: &Path) -> anyhow::Result<Story> {
        let mut document = file.document;
        let assumed_start = start_if_new(&mut document);
        let before = View::new(document);
        if before.cluster().nodes.is_empty() {
            bail!(
                "{} has no node in <nodes>, so nothing can run; add <node id=\"1\" uname=\"NAME\"/> for each",
                path.display()
            );
        }
        let (mut after, mut rounds) = (before.clone(), Vec::new());
        loop {
            let plan = after.plan();
            let settled = follows::is_nothing(&plan);
            if settled || rounds.len() == MOST_ROUNDS {
                return Ok(Story { assumed_start, before, rounds, after, last: plan, settled });
            }
            let steps = carry_out(&mut after, &plan)?;
            rounds.push(Round { plan, steps });
        }
    }

    fn text(&self) -> String {
        let mut list = List::new();
        if self.assumed_start {
            list.plain("The file has no status: all nodes are taken as up, and nothing as running.");
            list.space();
        }
        show(&mut list, &self.before, "Current state");
        for (index, round) in self.rounds.iter().enumerate() {
            list.space();
            follows::write(&mut list, &round.plan, if index == 0 { "What would happen" } else { "Then" });
            for warning in &round.plan.warnings {
                list.plain(&format!("Warning: {warning}"));
            }
            list.space();
            list.begin("In this order");
            round.steps.iter().for_each(|step| list.item(step));
            list.end();
        }
        list.space();
        let stopped = self.stopped();
        match (self.rounds.is_empty(), stopped.is_empty()) {
            (true, true) => list.plain("Nothing would happen: every resource is where it should be."),
            (true, false) => list.plain("Nothing would happen."),
            (false, _) => show(&mut list, &self.after, "State afterwards"),
        }
        if !stopped.is_empty() {
            list.space();
            list.begin("What would not run");
            stopped.iter().for_each(|line| list.item(line));
            list.end();
        }
        if !self.settled {
            list.plain(&format!(
                "Warning: after {MOST_ROUNDS} transitions there is still something to do; the configuration undoes itself."
            ));
        }
        list.take()
    }

    /// What should run in the end and does not, with the reason.
    fn stopped(&self) -> Vec<String> {
        let cluster = &self.last.cluster;
        // A clone has an instance for each node, and nodes in standby run none: that is as it should be.
        let ids = (0..cluster.resources.len() as u32)
            .map(RscId)
            .filter(|id| !cluster.resource(cluster.top_of(*id, true)).is_clone());
        let line = |id: RscId| {
            let why = explain::why_stopped(&self.last, id)?;
            Some(format!("{}: {why}", cluster.resource(id).id))
        };
        ids.filter_map(line).collect()
    }

    /// What is carried out, and at the end what cannot be.
    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.rounds.iter().map(|round| &round.plan).chain(self.settled.then_some(&self.last))
    }

    fn json(&self) -> serde_json::Value {
        let cluster = self.after.cluster();
        let mut running = serde_json::Map::new();
        for resource in cluster.resources.iter().filter(|resource| resource.is_primitive()) {
            let nodes: Vec<&str> = resource.active.iter().map(|node| &*cluster.node(*node).name).collect();
            running.insert(resource.id.clone(), json!(nodes));
        }
        json!({
            "assumed_start": self.assumed_start,
            "follows": self.plans().flat_map(follows::list).collect::<Vec<_>>(),
            "steps": self.rounds.iter().flat_map(|round| &round.steps).collect::<Vec<_>>(),
            "resources": running,
            "settled": self.settled,
        })
    }
}

fn show(list: &mut List, view: &View, title: &str) {
    let cluster = view.cluster();
    list.begin(title);
    nodes::write(list, &cluster);
    resources::write(list, &cluster, Show { inactive: true, pending: true });
    list.end();
}

/// Carries a plan out on paper, and gives the operations in the order they were done.
fn carry_out(view: &mut View, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut told = List::new();
    let end = Execution {
        cib: &mut view.document,
        cluster: &plan.cluster,
        failures: &[],
        now: view.now,
        forget_cancelled: true,
        configure_nodes: false,
        list: &mut told,
    }
    .run(&plan.transition);
    if end == End::Stuck {
        bail!(
            "the plan has a circle: please report this with the file, `systole crm_simulate --save-dotfile` shows it"
        );
    }
    let told = told.take();
    Ok(told.lines().filter_map(step).collect())
}

/// A line of an execution as a step; pseudo actions only hold the order together.
fn step(line: &str) -> Option<String> {
    let line = line.trim_start_matches(['*', ' ']);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.split_once(':') {
        Some(("Pseudo action", _)) => None,
        Some(("Resource action", what)) => Some(operation(&words(what))),
        Some(("Cluster action", what)) => Some(words(what)),
        _ => Some(line.to_owned()),
    }
}

/// `web monitor=10000 on one` as `monitor of web on one, every 10 s`.
fn operation(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let [resource, operation, "on", node] = words[..] else { return text.to_owned() };
    match operation.split_once('=').and_then(|(name, interval)| Some((name, interval.parse::<f64>().ok()?))) {
        Some((name, interval)) => format!("{name} {resource} on {node}, from then on every {} s", interval / 1000.0),
        None if operation == "monitor" => format!("probe {resource} on {node}"),
        None => format!("{operation} {resource} on {node}"),
    }
}

/// Makes a cluster that has just started of a configuration that has no status; tells whether it had none.
pub(super) fn start_if_new(document: &mut Document) -> bool {
    let new = !has_status(document);
    if new {
        start(document);
    }
    new
}

fn has_status(document: &Document) -> bool {
    let status = document.descend(&["status"]);
    status.is_some_and(|status| document.children_named(status, "node_state").next().is_some())
}

/// Makes all configured nodes members of a quorate cluster.
fn start(document: &mut Document) {
    let root = document.root();
    document.set(root, "have-quorum", "1");
    let Some(nodes) = document.descend(&["configuration", "nodes"]) else { return };
    let is_member = |node: &Element| document.attribute(*node, "type").is_none_or(|kind| kind == "member");
    let names: BTreeSet<String> = document
        .children_named(nodes, "node")
        .filter(is_member)
        .filter_map(|node| document.attribute(node, "uname").map(str::to_owned))
        .collect();
    for name in names {
        history::set_node_up(document, &name, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::CLUSTER;

    fn story(text: &str) -> Story {
        let file = CibFile { name: "x".into(), text: text.into(), document: Document::parse(text).unwrap() };
        Story::of(file, Path::new("x")).unwrap()
    }

    /// The example without its status.
    fn fresh() -> String {
        let status = CLUSTER.find("<status>").unwrap();
        format!("{}</cib>", &CLUSTER[..status])
    }

    #[test]
    fn a_configuration_alone_is_a_cluster_that_starts() {
        let story = story(&fresh());
        let text = story.text();
        assert!(story.assumed_start && story.settled, "{text}");
        let json = story.json();
        assert_eq!(json["resources"]["idle"], json!([]));
        assert_eq!(json["resources"]["ip"], json["resources"]["db"]);
        assert_eq!(json["resources"]["web"].as_array().unwrap().len(), 1, "{text}");
        let steps: Vec<&str> = json["steps"].as_array().unwrap().iter().filter_map(|step| step.as_str()).collect();
        let at = |wanted: &str| {
            steps.iter().position(|step| step.starts_with(wanted)).unwrap_or_else(|| panic!("{wanted}: {text}"))
        };
        assert!(at("probe web on one") < at("start web on") && at("start ip on") < at("start db on"), "{text}");
    }

    #[test]
    fn what_is_settled_stays() {
        let settled = story(&story(&fresh()).after.document.to_xml());
        assert!(settled.rounds.is_empty() && settled.text().contains("Nothing would happen"), "{}", settled.text());
    }

    #[test]
    fn what_cannot_be_done_is_not_nothing() {
        let unfenced = fresh().replace("stonith-enabled\" value=\"false", "stonith-enabled\" value=\"true");
        for (text, why) in [
            (CLUSTER.replace("have-quorum=\"1\"", "have-quorum=\"0\""), "web: it cannot start on one now: no quorum"),
            (unfenced, "web: fencing is enabled, but there is no fence device"),
        ] {
            let text = story(&text).text();
            assert!(text.contains(&format!("What would not run:\n  * {why}")), "{text}");
        }
    }

    #[test]
    fn the_running_cluster_goes_on_from_where_it_is() {
        let text = story(CLUSTER).text();
        assert!(text.starts_with("Current state:\n  * Node List:\n    * Node three: standby\n"), "{text}");
    }

    #[test]
    fn a_file_without_nodes_is_refused_with_the_remedy() {
        let text = "<cib><configuration><resources/></configuration></cib>";
        let file = CibFile { name: "x".into(), text: text.into(), document: Document::parse(text).unwrap() };
        let error = Story::of(file, Path::new("x")).err().unwrap().to_string();
        assert!(error.contains("add <node"), "{error}");
    }
}
