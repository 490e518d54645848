//! `systole cluster stop`: lets this node go, or all nodes together.

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use setup::votes;
use wire::host::{Call, UnitAct};
use wire::{Reply, Request};

use super::engine::{Cluster, Silent};
use super::services::{meant, nodes_argument};

use crate::EXIT_OK;
use crate::client::Client;
use crate::commands::Command;
use crate::hosts::{Field, all_done};
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "stop", grammar, run };

fn grammar() -> clap::Command {
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue).help("All nodes together");
    let force = Arg::new("force")
        .long("force")
        .action(ArgAction::SetTrue)
        .help("Also when the nodes that are left have no quorum then");
    clap::Command::new("")
        .about("Let this node go, or others: what they run moves away, then their systoled ends, and their Corosync")
        .after_help(
            "With --all every node is told in the same instant: services stop in their order and start nowhere else, and \
             nobody is fenced. Nodes told one after the other would hand their services on to those that are left. Corosync \
             is stopped where host agents are enrolled.\n\nExamples:\n  systole cluster stop\n  systole cluster stop node3\n  \
             systole cluster stop --all",
        )
        .arg(nodes_argument())
        .arg(all.conflicts_with("node"))
        .arg(force)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let all = arguments.get_flag("all");
    if arguments.contains_id("node") {
        return stop_named(arguments);
    }
    let enrolled = Field::load().ok().filter(|field| !field.names().is_empty());
    let daemon = Client::from_arguments(arguments).and_then(|mut client| stop(&mut client, all));
    match (enrolled, daemon) {
        (None, said) => print(&said?)?,
        // Where the daemon is down already, its engine may still run.
        (Some(_), said) => {
            match said {
                Ok(said) => print(&said)?,
                Err(error) => eprintln!("systoled of this host: {error:#}"),
            }
            return units(all);
        }
    }
    Ok(EXIT_OK)
}

/// Lets nodes go one after the other: each hands what it runs on to those that are left.
fn stop_named(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let cluster = Cluster::look(Silent::LeftOut)?;
    let nodes = meant(&cluster, arguments)?;
    cluster.need_answers(&nodes)?;
    ensure!(
        arguments.get_flag("force") || votes::go_on_without(&cluster.conf, &cluster.running, &nodes),
        "without {} the nodes that are left have no quorum and stop their services: --force does it all the same, \
         `cluster stop --all` stops all nodes in order",
        nodes.join(", ")
    );
    for name in &nodes {
        for unit in cluster.units().into_iter().rev() {
            all_done(&cluster.field.ask(vec![(name.clone(), Call::Unit { unit, act: UnitAct::Stop })]))?;
        }
        print(&format!("Stopped on {name}.\n"))?;
    }
    Ok(EXIT_OK)
}

/// Waits for the daemons to end, then stops the engines.
fn units(all: bool) -> anyhow::Result<u8> {
    let cluster = Cluster::look(Silent::LeftOut)?;
    let nodes = if all { cluster.answering() } else { vec![cluster.field.me.clone()] };
    for unit in cluster.units().into_iter().rev() {
        let calls = nodes.iter().map(|name| (name.clone(), Call::Unit { unit, act: UnitAct::Stop }));
        all_done(&cluster.field.ask(calls.collect()))?;
    }
    print(&format!("Stopped on {}.\n", nodes.join(", ")))?;
    Ok(if all { cluster.left_out() } else { EXIT_OK })
}

fn stop(client: &mut Client, all: bool) -> anyhow::Result<String> {
    let request = if all { Request::StopCluster } else { Request::Shutdown };
    match client.ask(&request)? {
        Reply::Refused { reason, .. } => anyhow::bail!("nothing is stopped: {reason}"),
        _ if all => Ok("All nodes stop: their services first, then systoled on each.\n".into()),
        _ => Ok("This node leaves: what it runs moves away, then its systoled ends.\n".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::Daemon;

    #[test]
    fn one_node_or_all_are_told_and_a_refusal_is_said() {
        for (all, reply, said) in
            [(false, Reply::Done, "This node leaves"), (true, Reply::Written { version: (0, 1, 2) }, "All nodes stop")]
        {
            assert!(stop(&mut Daemon::with(vec![reply]).client(), all).unwrap().starts_with(said));
        }
        let error = stop(&mut Daemon::with(vec![Reply::refused("not now")]).client(), true).unwrap_err();
        assert_eq!(error.to_string(), "nothing is stopped: not now");
    }
}
