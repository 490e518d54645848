//! `systole quorum`: who may go on when nodes are lost.

mod update;
mod what_if;

use clap::ArgMatches;

use super::Command;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "quorum", grammar, run };

const COMMANDS: &[Command] = &[what_if::COMMAND, update::COMMAND];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("See who stays quorate after which loss, and change it")
        .after_help("Example:\n  systole quorum what-if")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (name, arguments) = arguments.subcommand().expect("the grammar requires one");
    let command = COMMANDS.iter().find(|command| command.name == name).expect("the grammar is made from this list");
    (command.run)(arguments)
}
