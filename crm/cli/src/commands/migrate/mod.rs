//! `systole migrate`: from another system to this one.

mod adopt;
mod apply;
mod collect;
mod export;
mod files;
mod keeper;
mod own_cluster;
mod plan;
mod prove;
mod reach;
mod scan;
mod shadow;
mod verify;

use clap::ArgMatches;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "migrate", grammar, run };

const KEEPALIVED: &[Command] = &[
    collect::COMMAND,
    scan::COMMAND,
    plan::COMMAND,
    prove::COMMAND,
    shadow::COMMAND,
    apply::COMMAND,
    verify::COMMAND,
    adopt::ADOPT,
    adopt::ROLLBACK,
];

fn grammar() -> clap::Command {
    let keepalived = clap::Command::new("keepalived")
        .about("From keepalived")
        .after_help(
            "Example:\n  systole migrate keepalived scan one=keepalived.conf.one two=keepalived.conf.two\n  \
                     systole migrate keepalived plan one=keepalived.conf.one two=keepalived.conf.two --out plan",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(KEEPALIVED.iter().map(|command| (command.grammar)().name(command.name)));
    clap::Command::new("")
        .about("Take another system's work over: see what it does today, plan, prove; and the way back")
        .after_help("Example:\n  systole migrate keepalived scan one=keepalived.conf.one two=keepalived.conf.two")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(keepalived)
        .subcommand(export::grammar())
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (system, arguments) = arguments.subcommand().expect("the grammar requires one");
    if system == "export" {
        return export::run(arguments);
    }
    one_of(KEEPALIVED, arguments)
}
