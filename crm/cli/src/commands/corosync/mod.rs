//! `systole corosync`: the cluster engine's file, checked and explained.

mod conf_file;
mod explain;
mod lint;

pub(in crate::commands) use conf_file::ConfFile;

use clap::ArgMatches;

use super::Command;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "corosync", grammar, run };

const COMMANDS: &[Command] = &[lint::COMMAND, explain::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Check corosync.conf, and explain its keys")
        .after_help("Examples:\n  systole corosync lint\n  systole corosync explain totem.token")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (name, arguments) = arguments.subcommand().expect("the grammar requires one");
    let command = COMMANDS.iter().find(|command| command.name == name).expect("the grammar is made from this list");
    (command.run)(arguments)
}
