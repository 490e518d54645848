//! `systole cluster destroy`: the end of a cluster on this host, or on all.

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use setup::change::{Act, Plan};
use wire::host::{Call, HostFile, NewFile, Unit, UnitAct};

use super::engine::{Cluster, finish, operation};
use crate::commands::Command;

/// The command.
pub const COMMAND: Command = Command { name: "destroy", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("End the cluster on this host, or on all: services stop, its files and its memory are put aside")
        .after_help("Nothing is deleted: files are kept as a backup of the host agent, the CIB beside its folder.\n\nExample:\n  systole cluster destroy --all --yes")
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("All nodes"))
        .arg(Arg::new("yes").long("yes").visible_alias("force").action(ArgAction::SetTrue).help("Do it"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (cluster, nodes) = match arguments.get_flag("all") {
        true => {
            let cluster = Cluster::load()?;
            let nodes = cluster.nodes.clone();
            (cluster, nodes)
        }
        // A host that was removed while it was off has an old file, and the others are none of its business any more.
        false => {
            let cluster = Cluster::alone()?;
            let nodes = vec![cluster.field.me.clone()];
            (cluster, nodes)
        }
    };
    ensure!(
        arguments.get_flag("yes"),
        "this stops the cluster's services on {} and puts its configuration aside there: --yes does it",
        nodes.join(", ")
    );
    finish(&cluster.field, ending(&cluster, &nodes))
}

/// What ends a cluster on these of its nodes.
pub fn ending(cluster: &Cluster, nodes: &[String]) -> Plan {
    let each = |unit: Unit, act: UnitAct, back: UnitAct| -> Vec<Act> {
        let one = |name: &String| Act {
            host: name.clone(),
            call: Call::Unit { unit, act },
            back: Some(Call::Unit { unit, act: back }),
        };
        nodes.iter().map(one).collect()
    };
    let units = cluster.units();
    let stops = units.iter().rev().map(|unit| each(*unit, UnitAct::Stop, UnitAct::Start));
    let disables = units.iter().rev().map(|unit| each(*unit, UnitAct::Disable, UnitAct::Enable));
    Plan {
        operation: operation(),
        files: nodes.iter().map(|name| (name.clone(), what_a_cluster_leaves().to_vec())).collect(),
        before: stops.chain(disables).collect(),
        after: vec![nodes.iter().map(|name| Act { host: name.clone(), call: Call::Forget, back: None }).collect()],
        ..Plan::default()
    }
}

/// The files of a cluster on a host, to be put aside.
pub fn what_a_cluster_leaves() -> [NewFile; 3] {
    [HostFile::CorosyncConf, HostFile::Authkey, HostFile::QdeviceKeys].map(|file| NewFile { file, content: None })
}
