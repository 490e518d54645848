//! `systole quorum`: who may go on when nodes are lost.

mod update;
mod what_if;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "quorum", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[what_if::COMMAND, update::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("See who stays quorate after which loss, and change it")
        .after_help("Example:\n  systole quorum what-if")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}
