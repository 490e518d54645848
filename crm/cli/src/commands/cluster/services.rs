//! `systole cluster start`, `enable`, `disable`: the services of this host, of some, or of all.

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use wire::host::{Call, UnitAct};

use super::engine::Cluster;
use crate::EXIT_OK;
use crate::commands::Command;
use crate::hosts::all_done;
use crate::terminal::print;

/// `cluster start`.
pub const START: Command =
    Command { name: "start", grammar: || grammar("Start the cluster"), run: |it| run(it, UnitAct::Start) };
/// `cluster enable`.
pub const ENABLE: Command =
    Command { name: "enable", grammar: || grammar("Start the cluster at boot"), run: |it| run(it, UnitAct::Enable) };
/// `cluster disable`.
pub const DISABLE: Command = Command {
    name: "disable",
    grammar: || grammar("Do not start the cluster at boot"),
    run: |it| run(it, UnitAct::Disable),
};

fn grammar(about: &'static str) -> clap::Command {
    clap::Command::new("").about(about).arg(nodes_argument()).arg(all_argument())
}

/// The nodes that are meant.
pub fn nodes_argument() -> Arg {
    Arg::new("node").action(ArgAction::Append).value_name("NODE").help("These; without any, this host")
}

/// All nodes.
pub fn all_argument() -> Arg {
    Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with("node").help("All nodes")
}

/// The nodes that a command line means.
///
/// # Errors
/// When one is no node of the cluster.
pub fn meant(cluster: &Cluster, arguments: &ArgMatches) -> anyhow::Result<Vec<String>> {
    let named: Vec<String> = arguments.get_many("node").into_iter().flatten().cloned().collect();
    if let Some(name) = named.iter().find(|name| !cluster.nodes.contains(name)) {
        anyhow::bail!("the cluster has no node {name}; it has {}", cluster.nodes.join(", "));
    }
    Ok(match named.is_empty() {
        _ if arguments.get_flag("all") => cluster.nodes.clone(),
        true => vec![cluster.field.me.clone()],
        false => named,
    })
}

fn run(arguments: &ArgMatches, act: UnitAct) -> anyhow::Result<u8> {
    let cluster = Cluster::load()?;
    let nodes = meant(&cluster, arguments)?;
    ensure!(!nodes.is_empty(), "the cluster has no nodes");
    // The engine first everywhere: a daemon without its engine would only wait.
    for unit in cluster.units() {
        all_done(&cluster.field.ask(nodes.iter().map(|name| (name.clone(), Call::Unit { unit, act })).collect()))?;
    }
    let done = match act {
        UnitAct::Start => "Started",
        UnitAct::Stop => "Stopped",
        UnitAct::Enable => "Enabled",
        UnitAct::Disable => "Disabled",
    };
    print(&format!("{done} on {}.\n", nodes.join(", ")))?;
    Ok(EXIT_OK)
}
