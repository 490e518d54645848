//! `systole migrate`: from another system to this one.

mod scan;

use clap::ArgMatches;

use super::Command;

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "migrate", grammar, run };

const KEEPALIVED: &[Command] = &[scan::COMMAND];

fn grammar() -> clap::Command {
    let keepalived = clap::Command::new("keepalived")
        .about("From keepalived")
        .after_help("Example:\n  systole migrate keepalived scan one=keepalived.conf.one two=keepalived.conf.two")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(KEEPALIVED.iter().map(|command| (command.grammar)().name(command.name)));
    clap::Command::new("")
        .about("See what another system does today, before its work is taken over")
        .after_help("Example:\n  systole migrate keepalived scan one=keepalived.conf.one two=keepalived.conf.two")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(keepalived)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (_, arguments) = arguments.subcommand().expect("the grammar requires one");
    let (name, arguments) = arguments.subcommand().expect("the grammar requires one");
    let command = KEEPALIVED.iter().find(|command| command.name == name).expect("the grammar is made from this list");
    (command.run)(arguments)
}
