//! `systole quorum`: who may go on when nodes are lost.

mod config;
mod device;
mod recover;
pub(super) mod status;
mod update;
mod what_if;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "quorum", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    status::COMMAND,
    config::COMMAND,
    what_if::COMMAND,
    update::COMMAND,
    device::COMMAND,
    recover::EXPECTED_VOTES,
    recover::UNBLOCK,
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("See who stays quorate after which loss, and change it")
        .after_help("Examples:\n  systole quorum status\n  systole quorum what-if\n  systole quorum device add model net host=witness algorithm=ffsplit")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}
