//! `systole corosync`: the cluster engine's file, checked and explained.

mod conf_file;
mod explain;
mod lint;

pub(in crate::commands) use conf_file::ConfFile;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "corosync", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[lint::COMMAND, explain::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Check corosync.conf, and explain its keys")
        .after_help("Examples:\n  systole corosync lint\n  systole corosync explain totem.token")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}
