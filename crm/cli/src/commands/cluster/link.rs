//! `systole cluster link`: links between the nodes that come, go and change.

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::Conf;
use setup::conf::{Unfit, links};

use super::engine::{Cluster, apply_on, plan_argument};
use crate::commands::{Command, one_of};
use crate::proxmox::Proxmox;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "link", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command {
        name: "add",
        grammar: || {
            words(
                "Add a link while the cluster runs",
                "NODE=ADDRESS… [options NAME=VALUE…]",
                "systole cluster link add node1=10.1.0.1 node2=10.1.0.2",
            )
        },
        run: |arguments| run(arguments, links::add, false),
    },
    Command {
        name: "remove",
        grammar: || words("Remove links while the cluster runs", "NUMBER…", "systole cluster link remove 1"),
        run: |arguments| run(arguments, links::remove, false),
    },
    Command {
        name: "update",
        grammar: || {
            words(
                "Change a link's addresses or options; the cluster has to be stopped",
                "NUMBER [NODE=ADDRESS…] [options NAME=VALUE…]",
                "systole cluster link update 1 options link_priority=10",
            )
        },
        run: |arguments| run(arguments, links::update, true),
    },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Add, remove or change links between the nodes")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn words(about: &'static str, value: &'static str, example: &'static str) -> clap::Command {
    clap::Command::new("")
        .about(about)
        .after_help(format!("Example:\n  {example}"))
        .arg(Arg::new("words").required(true).action(ArgAction::Append).value_name(value))
        .arg(plan_argument())
}

fn run(
    arguments: &ArgMatches,
    change: fn(&Conf, &[String]) -> Result<Conf, Unfit>,
    stopped: bool,
) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    if let Some(proxmox) = Proxmox::here() {
        ensure!(
            !stopped,
            "a link's address or option is read when Corosync starts: add a link with the new one, and remove the old one"
        );
        let old = proxmox.conf()?;
        return apply_on(&proxmox, &old, &change(&old, &words)?, arguments);
    }
    let cluster = Cluster::load()?;
    let conf = change(&cluster.conf, &words)?;
    if stopped {
        cluster.need_stopped(&["a link's address or option".to_owned()])?;
    }
    cluster.apply(&conf, arguments)
}
