//! `systole cluster rename`: another name for the cluster.

use clap::{Arg, ArgMatches};
use setup::conf::options;

use super::engine::{Cluster, plan_argument};
use crate::commands::Command;

/// The command.
pub const COMMAND: Command = Command { name: "rename", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Give the cluster another name; it has to be stopped, as Corosync reads the name at its start")
        .after_help("Example:\n  systole cluster rename hacl2")
        .arg(Arg::new("name").required(true).value_name("NAME").help("The new name"))
        .arg(plan_argument())
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let name = arguments.get_one::<String>("name").expect("it is required");
    let cluster = Cluster::load()?;
    let changed = options::rename(&cluster.conf, name)?;
    cluster.need_stopped(&changed.restart)?;
    cluster.apply(&changed.conf, arguments)
}
