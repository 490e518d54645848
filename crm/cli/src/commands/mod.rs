//! The commands of `systole`: one file each, and one line each in the list below.

mod ban;
pub(crate) mod cib;
mod cleanup;
mod clear;
mod cluster;
mod completions;
mod config;
mod confirm;
mod corosync;
mod doctor;
mod export;
mod failovers;
mod graph;
mod history;
mod host;
mod host_agent;
mod migrate;
mod move_resource;
mod node;
mod probe;
mod pvecm;
mod qdevice;
mod quorum;
mod report;
mod resource;
mod simulate;
mod standby;
mod status;
pub(crate) mod stonith;
mod tools;
mod why;

use clap::ArgMatches;

/// One command: its name, its grammar, and what it does.
pub struct Command {
    /// The first word after `systole`.
    pub name: &'static str,
    /// Its arguments and help; the name is set from `name`.
    pub grammar: fn() -> clap::Command,
    /// Does it and gives the exit status; an error is printed with its causes and makes exit status 1.
    pub run: fn(&ArgMatches) -> anyhow::Result<u8>,
}

/// All commands, in the order the help shows them.
pub const COMMANDS: &[Command] = &[
    status::COMMAND,
    why::COMMAND,
    why::WHY_NOT,
    history::COMMAND,
    graph::COMMAND,
    report::COMMAND,
    simulate::COMMAND,
    standby::STANDBY,
    standby::UNSTANDBY,
    node::COMMAND,
    move_resource::COMMAND,
    ban::COMMAND,
    clear::COMMAND,
    cleanup::COMMAND,
    resource::COMMAND,
    stonith::COMMAND,
    cluster::COMMAND,
    cib::APPLY,
    export::COMMAND,
    confirm::COMMAND,
    cib::COMMAND,
    config::COMMAND,
    doctor::COMMAND,
    probe::COMMAND,
    failovers::COMMAND,
    host::COMMAND,
    host_agent::COMMAND,
    corosync::COMMAND,
    quorum::COMMAND,
    qdevice::COMMAND,
    pvecm::COMMAND,
    completions::COMPLETIONS,
    completions::MAN,
    tools::COMMAND,
    migrate::COMMAND,
];

/// Runs the one of these commands that a command line names, which was made from the same list.
fn one_of(commands: &[Command], arguments: &ArgMatches) -> anyhow::Result<u8> {
    let (name, arguments) = arguments.subcommand().expect("the grammar requires one");
    let command = commands.iter().find(|command| command.name == name).expect("the grammar is made from this list");
    (command.run)(arguments)
}

#[cfg(test)]
pub(crate) mod tests;
