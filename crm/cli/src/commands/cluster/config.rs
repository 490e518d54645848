//! `systole cluster config`: the engine's configuration, shown and changed.

use anyhow::ensure;
use clap::{Arg, ArgAction, ArgMatches};
use setup::conf::options;

use super::engine::{Cluster, apply_on, plan_argument};
use crate::EXIT_OK;
use crate::commands::{Command, one_of};
use crate::proxmox::Proxmox;
use crate::terminal::print;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "config", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    Command { name: "show", grammar: show_grammar, run: show },
    Command { name: "update", grammar: update_grammar, run: update },
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show or change the engine's configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn show_grammar() -> clap::Command {
    clap::Command::new("").about("Show corosync.conf, once all nodes were seen to have the same")
}

fn show(_: &ArgMatches) -> anyhow::Result<u8> {
    match Proxmox::here() {
        Some(proxmox) => print(proxmox.conf()?.text())?,
        None => print(Cluster::load()?.conf.text())?,
    }
    Ok(EXIT_OK)
}

fn update_grammar() -> clap::Command {
    clap::Command::new("")
        .about("Change options on all nodes, and see that each runs with them")
        .after_help(
            "An empty value takes an option away.\n\nExamples:\n  systole cluster config update totem token=5000\n  \
             systole cluster config update crypto cipher=aes256 hash=sha256 --plan",
        )
        .arg(
            Arg::new("words")
                .required(true)
                .action(ArgAction::Append)
                .value_name("[transport|compression|crypto|totem OPTION=VALUE…]…"),
        )
        .arg(plan_argument())
}

fn update(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    if let Some(proxmox) = Proxmox::here() {
        let old = proxmox.conf()?;
        let changed = options::update(&old, &words)?;
        ensure!(
            changed.restart.is_empty(),
            "{} is read when Corosync starts, and Proxmox gives its nodes no common moment for that: change {} by hand, \
             then restart Corosync on one node after the other",
            changed.restart.join(", "),
            "/etc/pve/corosync.conf"
        );
        return apply_on(&proxmox, &old, &changed.conf, arguments);
    }
    let cluster = Cluster::load()?;
    let changed = options::update(&cluster.conf, &words)?;
    cluster.need_stopped(&changed.restart)?;
    cluster.apply(&changed.conf, arguments)
}
