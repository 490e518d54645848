//! `systole cluster status`: the hosts and their engines, also where the cluster is down.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::Model;
use serde_json::json;
use wire::host::{About, Unit};

use super::engine::this_hosts;
use crate::commands::Command;
use crate::hosts::{Abouts, Field};
use crate::terminal::{print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "status", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show the hosts and their engines, also while the cluster is down")
        .after_help(
            "The exit status is 0 if all nodes are members with quorum, else 1.\n\nExample:\n  systole cluster status",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let field = Field::load()?;
    let conf = this_hosts(&field)?;
    let nodes: Vec<String> = Model::of(&conf).nodes.iter().map(|node| node.called()).collect();
    let abouts = field.abouts(&nodes);
    let name = conf.value(&["totem", "cluster_name"]).map_or("", |entry| &entry.value);
    if arguments.get_flag("json") {
        let one = |node: &String| match (abouts.known.get(node), abouts.silent.get(node)) {
            (Some(about), _) => json!({"node": node, "about": about}),
            (None, reason) => json!({"node": node, "silent": reason}),
        };
        print_json(&json!({"cluster": name, "nodes": nodes.iter().map(one).collect::<Vec<_>>()}))?;
    } else {
        print(&text(name, &nodes, &abouts))?;
    }
    let well = |node: &String| {
        let engine = abouts.known.get(node).and_then(|about| about.engine.as_ref());
        engine.is_some_and(|engine| engine.quorate && engine.nodes.iter().all(|one| one.member))
    };
    Ok(if nodes.iter().all(well) { EXIT_OK } else { EXIT_FAILURE })
}

fn text(name: &str, nodes: &[String], abouts: &Abouts) -> String {
    let mut text = format!("Cluster {name}:\n");
    for node in nodes {
        let said = match (abouts.known.get(node), abouts.silent.get(node)) {
            (Some(about), _) => line(about),
            (None, Some(reason)) => format!("its host agent does not answer: {reason}"),
            (None, None) => String::new(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {node}: {said}");
    }
    text
}

fn line(about: &About) -> String {
    let mut parts = Vec::new();
    match &about.engine {
        None => parts.push("Corosync does not run".to_owned()),
        Some(engine) => {
            let members: Vec<String> = engine.nodes.iter().filter(|node| node.member).map(called).collect();
            let quorum = if engine.quorate { "with quorum" } else { "without quorum" };
            parts.push(format!("{quorum}, together with {}", members.join(", ")));
            parts.extend(setup::votes::waits_for(engine));
            let down = engine.nodes.iter().flat_map(|node| {
                node.links
                    .iter()
                    .filter(|(_, up)| !up && node.member)
                    .map(move |(link, _)| format!("link {link} to {} is down", called(node)))
            });
            parts.extend(down);
        }
    }
    let systoled = about.units.iter().find(|state| state.unit == Unit::Systoled);
    parts.push(
        match systoled {
            Some(state) if state.active => "systoled runs",
            Some(_) => "systoled does not run",
            None => "no unit of systoled is installed",
        }
        .into(),
    );
    if let Some(pending) = &about.pending {
        parts.push(format!("operation {} is neither settled nor undone: run a cluster command", pending.operation));
    }
    parts.join("; ")
}

fn called(node: &wire::host::EngineNode) -> String {
    node.name.clone().unwrap_or_else(|| format!("node {}", node.id))
}
