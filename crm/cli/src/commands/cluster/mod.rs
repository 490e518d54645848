//! `systole cluster`: the cluster as a whole, from bare hosts on.

mod auth;
mod authkey;
mod config;
mod destroy;
mod engine;
mod link;
mod node;
pub(super) mod probe;
mod rename;
mod services;
mod setup;
mod status;
mod stop;
mod uidgid;

pub(super) use destroy::ending;
pub(super) use engine::node_of;
pub(super) use engine::{Cluster, finish, plan_argument, show, this_hosts};
pub(super) use setup::plan_of;

use super::{Command, one_of};

/// The command, with those below it.
pub const COMMAND: Command = Command { name: "cluster", grammar, run: |arguments| one_of(COMMANDS, arguments) };

const COMMANDS: &[Command] = &[
    setup::COMMAND,
    auth::COMMAND,
    probe::COMMAND,
    status::COMMAND,
    services::START,
    stop::COMMAND,
    services::ENABLE,
    services::DISABLE,
    destroy::COMMAND,
    node::COMMAND,
    link::COMMAND,
    config::COMMAND,
    rename::COMMAND,
    authkey::COMMAND,
    uidgid::COMMAND,
    engine::RELOAD,
    engine::SYNC,
];

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Set the cluster up, start and stop it, and change its engine, on all hosts together")
        .after_help(
            "Hosts are enrolled first: `systole host auth`.\n\nExamples:\n  systole cluster setup hacl node1 node2 node3 --start --enable\n  \
             systole cluster node add node4 --start\n  systole cluster stop --all",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.grammar)().name(command.name)))
}
