//! `systole quorum update`: votequorum's options, on all nodes.

use clap::{Arg, ArgAction, ArgMatches};
use setup::conf::options;

use crate::commands::Command;
use crate::commands::cluster::{Cluster, plan_argument};

/// The command.
pub const COMMAND: Command = Command { name: "update", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Change votequorum's options on all nodes; the cluster has to be stopped, as they are read at its start")
        .after_help(
            "An empty value takes an option away. `systole quorum what-if` shows what a file means.\n\nExample:\n  \
             systole quorum update wait_for_all=1 --plan",
        )
        .arg(
            Arg::new("words")
                .required(true)
                .action(ArgAction::Append)
                .value_name("OPTION=VALUE")
                .help("auto_tie_breaker, last_man_standing, last_man_standing_window, wait_for_all"),
        )
        .arg(plan_argument())
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    let cluster = Cluster::load()?;
    let changed = options::update_quorum(&cluster.conf, &words)?;
    cluster.need_stopped(&["votequorum's configuration".to_owned()])?;
    cluster.apply(&changed.conf, arguments)
}
