//! `systole why`: where a resource is, why it is not elsewhere or not running, and what would have to change.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use cib::Document;
use cib::unreached::Unreached;
use clap::{Arg, ArgAction, ArgMatches};
use policy::Plan;
use policy::model::{NodeId, RscId};
use serde_json::{Value, json};
use wire::{Reply, Request, WhichPlan};

use super::Command;
use crate::all_failures::fencing::Fencing;
use crate::all_failures::service;
use crate::client::Client;
use crate::cluster::{self, Live, View};
use crate::failures::{self, Failure};
use crate::remedy::{self, Answer};
use crate::settle::settle;
use crate::terminal::{complain, print, print_json};
use crate::{EXIT_OK, explain, file, lasting, names};

/// The command.
pub const COMMAND: Command = Command { name: "why", grammar, run };
/// The same for a node where it is not.
pub const WHY_NOT: Command = Command { name: "why-not", grammar: grammar_of_why_not, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let on = Arg::new("on")
        .long("on")
        .value_name("NODE")
        .help("Say why it is not on this node, and what would bring it there");
    let file = Arg::new("file")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Look into this CIB, not into the running cluster; - is standard input");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below");
    let after = "What would have to change is found by trying: single changes are made in copies of the CIB, and each copy \
                 is planned and carried out on paper.\n\n\
                 --json keys: \"resource\", \"sentences\", \"quorum\", \"parts\" (for each primitive in it: \"id\", \"on\", \"role\", \"next\", \
                 \"next_role\", \"nodes\" with \"score\" and \"reasons\", \"actions\"), \"change\" (\"wanted_on\", \"needed\", \"what\", \
                 \"command\", \"then\", \"besides\", \"tried\").\n\n\
                 Examples:\n  systole why web\n  systole why web --at 06:00\n  systole why web --on node2\n  systole why web --on node2 cib.xml";
    let at = Arg::new("at")
        .long("at")
        .value_name("TIME")
        .value_parser(|text: &str| lasting::past(text))
        .conflicts_with("file")
        .help("As it was then, from the plan that was kept: 2h (ago), 06:00, 2026-12-24 18:00");
    clap::Command::new("")
        .about("Say why a resource is where it is, or not, and what would change that")
        .after_help(after)
        .args([resource, file, on, json, at])
}

fn grammar_of_why_not() -> clap::Command {
    let after = "The same as `systole why RESOURCE --on NODE`.\n\nExamples:\n  systole why-not web node2\n  \
                 systole why-not web node2 --at 06:00";
    let node = Arg::new("on").value_name("NODE").required(true).help("The node where it is not");
    grammar()
        .about("Say why a resource is not on a node, and what would bring it there")
        .after_help(after)
        .mut_arg("on", |_| node)
        .mut_arg("file", |file| file.long("file"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("resource").expect("it is required");
    let view = match arguments.get_one::<PathBuf>("file") {
        Some(path) => recorded(file::read(path)?.document),
        None => match arguments.get_one::<i64>("at") {
            Some(at) => at_the_time(&mut Client::from_arguments(arguments)?, *at, arguments.get_flag("json"))?,
            None => Live::fetch(&mut Client::from_arguments(arguments)?)?.view,
        },
    };
    if let Some(unreached) = view.unreached().iter().find(|unreached| unreached.is_about(name)) {
        match arguments.get_flag("json") {
            true => print_json(&not_run(name, unreached))?,
            false => print(&format!("{}.\n", unreached.sentence()))?,
        }
        return Ok(EXIT_OK);
    }
    let why = Why::ask(&view, name, arguments.get_one::<String>("on").map(String::as_str))?;
    match arguments.get_flag("json") {
        true => print_json(&why.json())?,
        false => print(&why.text())?,
    }
    Ok(EXIT_OK)
}

/// Of what the cluster does not run nothing more is to be told; the keys are those of every answer.
fn not_run(name: &str, unreached: &Unreached) -> Value {
    json!({
        "resource": name,
        "sentences": [format!("{}.", unreached.sentence())],
        "quorum": null,
        "parts": [],
        "change": {"wanted_on": null, "needed": true, "what": null, "tried": 0},
    })
}

/// The CIB that was planned from last at that time. What happened then is planned again, which gives the same.
fn at_the_time(client: &mut Client, at: i64, json: bool) -> anyhow::Result<View> {
    let kept = match client.ask(&Request::Plan(WhichPlan::At(at)))? {
        Reply::Plan(kept) => kept,
        Reply::Refused { reason, .. } => bail!("{reason}"),
        _ => bail!("systoled answered to another question; are both of the same release?"),
    };
    if !json {
        print(&format!("As it was at {}, in {}:\n", lasting::local(kept.at), kept.input))?;
    }
    let document = Document::parse(&kept.xml).context("reading the CIB of that time")?;
    Ok(View { ours: true, ..View::new(document) })
}

/// A CIB from a file. One that has no status is taken as a cluster that was started and has come to rest.
fn recorded(mut document: Document) -> View {
    let new = super::simulate::start_if_new(&mut document);
    let view = View::new(document);
    if !new || view.cluster().nodes.is_empty() {
        return view;
    }
    complain("The file has no status: all nodes are taken as up, and what would be done as done.");
    let fencing = Fencing::of(&view.document, &view.cluster());
    settle(view, &|node| fencing.can_fence(node, &BTreeSet::new())).view
}

/// A question, answered.
struct Why {
    plan: Plan,
    failures: Vec<Failure>,
    id: RscId,
    /// The node that was asked for.
    on: Option<NodeId>,
    /// It runs there now, or anywhere if no node was asked for.
    runs_there: bool,
    /// What would have to change for it to run there in the end.
    change: Answer,
}

impl Why {
    fn ask(view: &View, name: &str, on: Option<&str>) -> anyhow::Result<Why> {
        let plan = view.plan();
        let cluster = &plan.cluster;
        if cluster.nodes.is_empty() {
            bail!("there is no node in this CIB, so nothing can run; nodes come into it when their daemons start");
        }
        let id = cluster::resource(cluster, name)?;
        let known = |name| names::unknown("node", name, cluster.nodes.iter().map(|node| &*node.name));
        let on = on.map(|name| cluster.find_node(name).ok_or_else(|| known(name))).transpose()?;
        let wanted_on = on.map(|node| &*cluster.node(node).name);
        let change = remedy::find(view, &plan, name, wanted_on)?;
        let presence = service::presence(cluster, id);
        let runs_there = presence.up && wanted_on.is_none_or(|node| presence.nodes.contains_key(node));
        let failures = failures::of(view, cluster);
        Ok(Why { id, on, runs_there, change, failures, plan })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = match self.on {
            Some(node) => explain::on_node(&self.plan, self.id, node),
            None => explain::sentences(&self.plan, &self.failures, self.id),
        };
        if !self.plan.cluster.quorate {
            lines.push("This partition has no quorum.".to_owned());
        }
        lines.extend(self.what_would_help());
        lines
    }

    fn place(&self) -> String {
        self.on.map(|node| format!(" on {}", self.plan.cluster.node(node).name)).unwrap_or_default()
    }

    fn what_would_help(&self) -> Option<String> {
        let place = self.place();
        let run = if self.runs_there { "stay" } else { "run" };
        match &self.change {
            Answer::Nothing { already: true } => None,
            Answer::Nothing { already: false } => Some(format!("It will run{place} once what is planned is done.")),
            Answer::Change { what, command, besides } => {
                let command = command.as_ref().map(|command| format!(": `{command}`")).unwrap_or_default();
                Some(format!("It would {run}{place} if {what}{command}.{}", Self::besides(besides)))
            }
            Answer::ChangeAndMove { what, command, then, besides } => {
                let command = command.as_ref().map(|command| format!(" (`{command}`)")).unwrap_or_default();
                Some(format!(
                    "No single change would make it {run}{place}. It would {run}{place} if {what}{command}, and it were moved \
                     by hand then: `{then}`.{}",
                    Self::besides(besides)
                ))
            }
            Answer::NoSingleChange { tried } => Some(format!(
                "No single change would make it {run}{place}: {tried} were tried on paper (failures, constraints, nodes, roles)."
            )),
        }
    }

    fn besides(besides: &[String]) -> String {
        if besides.is_empty() { String::new() } else { format!(" Besides, {}.", besides.join(", ")) }
    }

    fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }

    fn json(&self) -> Value {
        let cluster = &self.plan.cluster;
        let on = self.on.map(|node| &*cluster.node(node).name);
        let change = match &self.change {
            Answer::Nothing { .. } => json!({"wanted_on": on, "needed": false}),
            Answer::Change { what, command, besides } => {
                json!({"wanted_on": on, "needed": true, "what": what, "command": command, "besides": besides})
            }
            Answer::ChangeAndMove { what, command, then, besides } => {
                json!({
                    "wanted_on": on, "needed": true, "what": what, "command": command, "then": then, "besides": besides,
                })
            }
            Answer::NoSingleChange { tried } => json!({"wanted_on": on, "needed": true, "what": null, "tried": tried}),
        };
        json!({
            "resource": cluster.resource(self.id).id,
            "sentences": self.lines(),
            "quorum": cluster.quorate,
            "parts": service::primitives(cluster, self.id).map(|id| explain::json(&self.plan, id)).collect::<Vec<_>>(),
            "change": change,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    fn why(name: &str, on: Option<&str>) -> Why {
        Why::ask(&cluster(), name, on).unwrap()
    }

    #[test]
    fn known_and_unknown() {
        assert!(why("web", None).text().starts_with("web runs on one.\n"));
        let error = |name, on| Why::ask(&cluster(), name, on).err().unwrap().to_string();
        assert!(error("wep", None).contains("did you mean 'web'?"));
        assert!(error("web", Some("tow")).contains("did you mean 'two'?"));
    }

    #[test]
    fn another_node_is_asked_for() {
        let text = why("web", Some("two")).text();
        assert!(text.starts_with("web runs on one, not on two.\n"), "{text}");
        assert!(
            text.ends_with("It would run on two if it were moved there by hand: `systole move web two`.\n"),
            "{text}"
        );
        let text = why("web", Some("one")).text();
        assert_eq!(text, "web runs on one.\n  one: score 100: it runs there already (stickiness) (+100).\n");
        let text = why("services", Some("three")).text();
        assert!(text.starts_with("services runs on two, not on three.\n  three: the node is in standby"), "{text}");
        assert!(
            text.contains("No single change would make it run on three. It would run on three if node three"),
            "{text}"
        );
        assert!(text.contains("`systole move services three`. Besides, ping-clone would run on"), "{text}");
    }

    #[test]
    fn what_does_not_run_is_told_what_would_help() {
        let text = why("idle", None).text();
        assert!(text.ends_with("It would run if the target-role of idle were Started.\n"), "{text}");
        let json = why("idle", None).json();
        assert_eq!(json["change"]["what"], "the target-role of idle were Started");
        let web = why("web", None).json();
        assert_eq!(web["change"]["needed"], false);
        let reasons = &web["parts"][0]["nodes"][0]["reasons"];
        assert_eq!(reasons[0], json!({"score": 100, "kind": "stickiness", "text": "stickiness"}), "{web}");
    }

    #[test]
    fn a_configuration_alone_is_a_cluster_at_rest() {
        let text = crate::commands::tests::CLUSTER;
        let fresh = format!("{}</cib>", &text[..text.find("<status>").unwrap()]);
        let view = recorded(Document::parse(&fresh).unwrap());
        let text = Why::ask(&view, "services", None).unwrap().text();
        assert!(text.contains("It stays there.") && !text.contains("if "), "{text}");
    }

    #[test]
    fn a_cib_without_nodes_says_so() {
        let document = Document::parse("<cib><configuration/></cib>").unwrap();
        assert!(Why::ask(&View::new(document), "web", None).err().unwrap().to_string().contains("no node"));
    }
}
