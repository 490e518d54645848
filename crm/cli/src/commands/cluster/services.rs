//! `systole cluster start`, `enable`, `disable`: the services of this host, of some, or of all.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use setup::votes;
use wire::host::{Call, UnitAct};

use super::engine::{Cluster, Silent};
use crate::EXIT_OK;
use crate::commands::Command;
use crate::hosts::{Field, all_done};
use crate::terminal::print;

/// `cluster start`.
pub const START: Command = Command {
    name: "start",
    grammar: || grammar("Start the cluster").arg(wait_argument()),
    run: |it| run(it, UnitAct::Start),
};
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
fn all_argument() -> Arg {
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

/// The same without those of `--all` that do not answer.
///
/// # Errors
/// As [`meant`]; and when one that is named does not answer.
pub fn answering(cluster: &Cluster, arguments: &ArgMatches) -> anyhow::Result<Vec<String>> {
    let nodes = meant(cluster, arguments)?;
    match arguments.get_flag("all") {
        true => Ok(cluster.answering()),
        false => cluster.need_answers(&nodes).map(|()| nodes),
    }
}

/// `--wait`.
fn wait_argument() -> Arg {
    Arg::new("wait")
        .long("wait")
        .value_name("SECONDS")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("60")
        .value_parser(clap::value_parser!(u64).range(1..=3600))
        .help("Wait so long until all that are started have quorum together [default: 60]")
}

/// The same where it is waited anyhow: pcs's people type it.
pub fn wait_is_taken() -> Arg {
    wait_argument().help("Taken for pcs's sake: with --start it is waited anyhow")
}

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until these have quorum; that they have none is said afterwards.
fn wait(field: &Field, nodes: &[String], most: Duration) {
    let end = Instant::now() + most;
    let quorate = |about: &wire::host::About| about.engine.as_ref().is_some_and(|engine| engine.quorate);
    while !field.abouts(nodes).known.values().all(quorate) && Instant::now() < end {
        std::thread::sleep(LOOK);
    }
}

/// Says whom nodes that were started wait for. A membership takes seconds to form, so this is how it is at this moment.
fn say_who_waits(field: &Field, nodes: &[String]) -> anyhow::Result<()> {
    let abouts = field.abouts(nodes);
    for (name, about) in &abouts.known {
        if let Some(waits) = about.engine.as_ref().and_then(votes::waits_for) {
            print(&format!("{name} has no quorum yet: {waits}.\n"))?;
        }
    }
    Ok(())
}

fn run(arguments: &ArgMatches, act: UnitAct) -> anyhow::Result<u8> {
    // After an outage not every host may be there; those that are start, and wait for quorum.
    let cluster = Cluster::look(Silent::LeftOut)?;
    let nodes = answering(&cluster, arguments)?;
    ensure!(!nodes.is_empty(), "the cluster has no nodes that answer");
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
    if act == UnitAct::Start {
        if let Some(seconds) = arguments.get_one::<u64>("wait") {
            wait(&cluster.field, &nodes, Duration::from_secs(*seconds));
        }
        say_who_waits(&cluster.field, &nodes)?;
    }
    Ok(if arguments.get_flag("all") { cluster.left_out() } else { EXIT_OK })
}
